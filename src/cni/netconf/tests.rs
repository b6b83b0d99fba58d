//! The configuration as text.

use super::*;
use crate::config::BackendKind;

#[test]
fn keys_of_istio_are_taken_and_unknown_ones_ignored() {
    let conf = NetConf::parse(
        r#"{"cniVersion":"1.0.0","name":"k8s","type":"istio-cni","plugin_log_level":"debug",
            "cni_agent_run_dir":"/run/x","ambient_enabled":false,"enablement_selectors":[{"podSelector":{}}],
            "exclude_namespaces":null,"pod_namespace":"istio-system","native_nftables":true,
            "enable_ambient_detection_retry":true,"somebody":{"else":[1,2]}}"#,
    )
    .unwrap();
    assert_eq!(conf.backend, BackendChoice::Fixed(BackendKind::Nftables));
    assert_eq!(conf.agent_socket, PathBuf::from("/run/x/mesh-intercept-agent.sock"));
    assert_eq!(conf.sources, [Source::Agent, Source::Runtime]);
    assert_eq!((conf.time_budget, conf.without_facts), (TIME_BUDGET, WithoutFacts::Fail));
    assert_eq!(conf.result(), r#"{"cniVersion":"1.0.0"}"#);
}

#[test]
fn the_previous_result_keeps_its_bytes() {
    let result = "{ \"ips\":[ {\"address\" : \"10.0.0.2/24\", \"x\": 1.50e3}],\n\t\"cniVersion\":\"0.4.0\", \"u\":\"\\u00e9\" }";
    let text = format!(r#"{{"cniVersion":"0.4.0","name":"n","type":"t","prevResult":{result}}}"#);
    assert_eq!(NetConf::parse(&text).unwrap().result(), result);
}

#[test]
fn what_is_wrong_is_said_at_once_and_by_the_right_code() {
    let error = |text| NetConf::parse(text).unwrap_err();
    assert_eq!(error("{").code, code::DECODE);
    let wrong = error(r#"{"cniVersion":"1.1.0","pod_facts":"agent"}"#);
    assert_eq!((wrong.code, wrong.version.as_str()), (code::CONFIGURATION, "1.1.0"));
    assert_eq!(error(r#"{"cniVersion":"2.0.0"}"#).code, code::VERSION);
    let several = error(
        r#"{"cniVersion":"0.3.1","time_budget":"soon","backend":"ipfw","pod_facts":["kubeconfig"],"prevResult":3}"#,
    );
    for word in ["time_budget", "backend", "pod_facts", "prevResult"] {
        assert!(several.message.contains(word), "{word}: {}", several.message);
    }
    assert_eq!((several.code, several.version.as_str()), (code::CONFIGURATION, "0.3.1"));
}

#[test]
fn every_key_of_a_wrong_type_is_named_with_what_was_expected_and_what_it_is() {
    // "invalid type: string, expected a boolean at line 1 column 30" was all that was said, and of one key only.
    let error = NetConf::parse(
        r#"{"cniVersion":"1.1.0","native_nftables":"yes","flags":"--dual-stack","agent_socket":5,"pod_namespace":true,
            "exclude_namespaces":["a",7,{"b":1}],"time_budget":5,"without_facts":"ignore","backend":["nftables"],
            "capabilities":{"io.kubernetes.cri.pod-annotations":"true"},
            "runtimeConfig":{"io.kubernetes.cri.pod-annotations":{"a":1}},
            "cni.dev/valid-attachments":[{"containerID":"a"},"b"]}"#,
    )
    .unwrap_err();
    for words in [
        r#"native_nftables: expected true or false, found the text "yes""#,
        r#"flags: expected a list, found the text "--dual-stack""#,
        "agent_socket: expected a text, found the number 5",
        "pod_namespace: expected a text, found true",
        "exclude_namespaces[1]: expected a text, found the number 7",
        r#"exclude_namespaces[2]: expected a text, found the object {"b":1}"#,
        "time_budget: expected a text, found the number 5",
        r#"without_facts: "ignore": write fail or skip"#,
        r#"backend: expected a text, found the list ["nftables"]"#,
        r#"capabilities.io.kubernetes.cri.pod-annotations: expected true or false, found the text "true""#,
        "runtimeConfig.io.kubernetes.cri.pod-annotations.a: expected a text, found the number 1",
        "cni.dev/valid-attachments[0].ifname: the key is missing",
        r#"cni.dev/valid-attachments[1]: expected an object, found the text "b""#,
    ] {
        assert!(error.message.contains(words), "{words}\n{}", error.message);
    }
    assert_eq!((error.code, error.version.as_str()), (code::CONFIGURATION, "1.1.0"));
    assert_eq!(NetConf::parse("[]").unwrap_err().code, code::CONFIGURATION);
}

#[test]
fn a_key_that_is_there_twice_is_no_matter_of_taste() {
    for (key, text) in [
        ("time_budget", r#"{"time_budget":"1s","time_budget":"2s"}"#),
        ("flags", r#"{"flags":[],"name":"n","flags":[]}"#),
        ("capabilities.x", r#"{"capabilities":{"x":true,"x":false}}"#),
    ] {
        let error = NetConf::parse(text).unwrap_err();
        assert!(error.message.contains(&format!("{key}: the key is there more than once")), "{error:?}");
    }
}

#[test]
fn null_is_as_if_the_key_were_not_there() {
    let nulls: Vec<String> = NetConf::keys().iter().map(|key| format!("{key:?}:null")).collect();
    let conf = NetConf::parse(&format!("{{{}}}", nulls.join(","))).unwrap();
    assert_eq!(format!("{conf:?}"), format!("{:?}", NetConf::parse("{}").unwrap()));
    // But for annotations: a pod without any has none, and that is known.
    let none = r#"{"runtimeConfig":{"io.kubernetes.cri.pod-annotations":null}}"#;
    assert_eq!(NetConf::parse(none).unwrap().pod_annotations, Some(BTreeMap::new()));
}

#[test]
fn what_has_no_effect_is_a_doubt_and_no_error() {
    let doubts = NetConf::parse(
        r#"{"tme_budget":"1s","exclude_namespace":["a"],"Flags":[],"colour":"red","plugin_log_level":"warning",
            "exclude_namespaces":["kube-system","Kube_System",""],"pod_namespace":"-a","agent_socket":"run/a.sock"}"#,
    )
    .unwrap()
    .doubts;
    assert_eq!(
        doubts,
        [
            r#"unknown key "tme_budget": did you mean time_budget?"#,
            r#"unknown key "exclude_namespace": did you mean exclude_namespaces?"#,
            r#"unknown key "Flags": did you mean flags?"#,
            r#"unknown key "colour""#,
            r#"plugin_log_level: "warning" is no level and counts as "info""#,
            r#"exclude_namespaces[1]: no namespace can be called "Kube_System""#,
            r#"exclude_namespaces[2]: no namespace can be called """#,
            r#"pod_namespace: no namespace can be called "-a""#,
            r#"agent_socket: "run/a.sock" is not an absolute path: where it is depends on the runtime"#,
        ]
    );
}

#[test]
fn what_runtimes_and_the_specification_define_is_no_doubt() {
    let conf = NetConf::parse(
        r#"{"cniVersion":"1.1.0","name":"n","type":"t","args":{"a":1},"ipMasq":true,"ipam":{},"dns":{},
            "capabilities":{"portMappings":true},"runtimeConfig":{"portMappings":[]},"prevResult":{},
            "disableCheck":true,"disableGC":true,"loadOnlyInlinedPlugins":true,"plugins":[],"cniVersions":[],
            "cni.dev/valid-attachments":[],"cni.dev/attachments":[],"cni.dev/of-tomorrow":1,
            "ambient_enabled":true,"enablement_selectors":[],"enable_ambient_detection_retry":false}"#,
    );
    assert_eq!(conf.unwrap().doubts, Vec::<String>::new());
}

#[test]
fn what_is_said_of_a_wrong_configuration_has_an_end() {
    let many = |of: &str| {
        format!("{{{}}}", (0..1000).map(|n| of.replace('N', &n.to_string())).collect::<Vec<_>>().join(","))
    };
    let unknown = NetConf::parse(&many(r#""kN":1"#)).unwrap().doubts;
    assert_eq!((unknown.len(), unknown.last().map(String::as_str)), (21, Some("and 980 more")));
    let flags = format!(r#"{{"flags":[{}1]}}"#, "1,".repeat(1000));
    assert!(NetConf::parse(&flags).unwrap_err().message.len() < 2000);
    let long = format!(r#"{{"flags":{:?},{:?}:1}}"#, "x".repeat(10_000), "y".repeat(10_000));
    assert!(NetConf::parse(&long).unwrap_err().message.len() < 500);
}

#[test]
fn a_command_that_takes_away_goes_on_without_what_is_wrong() {
    let wrong = r#"{"cniVersion":"1.1.0","name":"n","cni_agent_run_dir":"/run/x","flags":5,"backend":"ipfw",
        "cni.dev/valid-attachments":[{"containerID":"a","ifname":"eth0"}]}"#;
    let conf = NetConf::parse_for_removal(wrong).unwrap();
    assert_eq!((conf.network.as_str(), conf.run_directory), ("n", PathBuf::from("/run/x")));
    assert_eq!(conf.valid_attachments.map(|all| all.len()), Some(1));
    assert_eq!(conf.doubts.len(), 2, "{:?}", conf.doubts);
    // A default is better than a sandbox that cannot go.
    let conf = NetConf::parse_for_removal(r#"{"cni_agent_run_dir":5}"#).unwrap();
    assert_eq!(conf.run_directory, PathBuf::from(RUN_DIRECTORY));
    assert_eq!(NetConf::parse_for_removal("{").unwrap_err().code, code::DECODE);
}
