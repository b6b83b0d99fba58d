use super::*;
use crate::config::ports::PortSet;
use crate::config::values::Mode;
use crate::config::{Config, Dns, InboundPorts, OutboundRanges};
use crate::kernel::files::Files;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn pod(annotations: &[(&str, &str)], proxy: Container) -> PodFacts {
    let proxy = Container { name: PROXY.into(), ..proxy };
    PodFacts { annotations: Some(map(annotations)), containers: Some(vec![proxy]), ..PodFacts::default() }
}

fn with_validation(mut facts: PodFacts, args: &[&str]) -> PodFacts {
    let args = args.iter().map(|it| (*it).to_owned()).collect();
    let validation = Container { name: VALIDATION.into(), is_init: true, args, ..Container::default() };
    facts.containers.get_or_insert_default().insert(0, validation);
    facts
}

/// The flags of `init` that do the same, and the notes.
fn flags(facts: &PodFacts) -> (String, Vec<String>) {
    match wanted(facts, Settings::default()).unwrap() {
        Wanted::Rules(settings, notes) => (Config::parse(&settings, &Files).unwrap().flags(), notes),
        Wanted::Nothing => ("nothing".into(), vec![]),
    }
}

fn config(facts: &PodFacts) -> Config {
    let Wanted::Rules(settings, _) = wanted(facts, Settings::default()).unwrap() else { panic!("mode NONE") };
    Config::parse(&settings, &Files).unwrap()
}

fn ports(ports: &PortSet) -> String {
    ports.ranges().iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn plain() -> Container {
    Container::default()
}

#[test]
fn a_pod_without_settings_has_those_of_istio_cni() {
    let config = config(&pod(&[], plain()));
    assert_eq!(config.mode, Mode::Redirect);
    assert_eq!(config.outbound_ranges, OutboundRanges::All);
    let InboundPorts::AllExcept(excluded) = &config.inbound_ports else {
        panic!("{:?}", config.inbound_ports)
    };
    assert_eq!(ports(excluded), "15020,15021,15090");
    assert_eq!(ports(&config.excluded_outbound_ports), "15020");
    assert_eq!((config.proxy_uids[0].0, config.proxy_gids[0].0), (1337, 1337));
    assert_eq!(config.dns, Dns::Off);
}

#[test]
fn an_annotation_that_is_empty_counts() {
    let facts = pod(
        &[
            ("traffic.sidecar.istio.io/includeInboundPorts", ""),
            ("traffic.sidecar.istio.io/includeOutboundIPRanges", ""),
            ("traffic.sidecar.istio.io/excludeOutboundPorts", ""),
            ("traffic.sidecar.istio.io/excludeInboundPorts", ""),
        ],
        plain(),
    );
    let config = config(&facts);
    assert_eq!(config.inbound_ports, InboundPorts::None);
    assert!(matches!(&config.outbound_ranges, OutboundRanges::Only(none) if none.is_empty()));
    assert!(config.excluded_outbound_ports.is_empty());
}

#[test]
fn the_proxys_own_ports_are_never_captured() {
    let excluded = |text| {
        let facts = pod(&[("traffic.sidecar.istio.io/excludeInboundPorts", text)], plain());
        match config(&facts).inbound_ports {
            InboundPorts::AllExcept(excluded) => ports(&excluded),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(excluded("3306"), "3306,15020,15021,15090");
    assert_eq!(excluded("15021, 80"), "15021,80,15020,15090");
}

#[test]
fn every_annotation_makes_its_setting() {
    let facts = pod(
        &[
            (MODE, "TPROXY"),
            ("traffic.sidecar.istio.io/includeOutboundIPRanges", "10.0.0.0/8,fd00::/8"),
            ("traffic.sidecar.istio.io/excludeOutboundIPRanges", "10.1.0.0/16"),
            ("traffic.sidecar.istio.io/includeInboundPorts", "80,8080"),
            ("traffic.sidecar.istio.io/includeOutboundPorts", "9000"),
            ("traffic.sidecar.istio.io/excludeOutboundPorts", "22"),
            ("traffic.sidecar.istio.io/excludeInterfaces", "net1"),
            ("traffic.sidecar.istio.io/kubevirtInterfaces", "old0"),
            ("istio.io/reroute-virtual-interfaces", "new0"),
        ],
        Container { run_as_user: Some(0), run_as_group: Some(1337), ..plain() },
    );
    let (flags, notes) = flags(&facts);
    for words in ["TPROXY", "10.0.0.0/8", "fd00::/8", "10.1.0.0/16", "80,8080", "9000", " 22", "net1", "new0"]
    {
        assert!(flags.contains(words), "{words}: {flags}");
    }
    assert!(!flags.contains("old0"), "the newer annotation wins: {flags}");
    assert_eq!((config(&facts).proxy_uids[0].0, config(&facts).proxy_gids[0].0), (1337, 1337));
    assert!(notes.is_empty());
}

#[test]
fn the_owner_is_who_the_container_runs_as() {
    let owner = |user, group| {
        let config = config(&pod(&[], Container { run_as_user: user, run_as_group: group, ..plain() }));
        (config.proxy_uids[0].0, config.proxy_gids[0].0)
    };
    assert_eq!(owner(Some(1_000_670_000), Some(1)), (1_000_670_000, 1));
    assert_eq!(owner(Some(0), Some(0)), (1337, 1337));
    assert_eq!(owner(Some(2000), None), (2000, 1337));
}

#[test]
fn variables_of_the_proxy_make_settings() {
    let env = |pairs: &[(&str, &str)]| pod(&[], Container { env: map(pairs), ..plain() });
    let dns = env(&[("ISTIO_META_DNS_CAPTURE", "true"), ("ISTIO_DUAL_STACK", "1"), ("INVALID_DROP", "t")]);
    let config = config(&dns);
    assert_eq!((config.dns, config.dual_stack, config.drop_invalid), (Dns::All, true, true));
    let (flags, notes) = flags(&env(&[("ISTIO_META_DNS_CAPTURE", "yes"), ("ISTIO_DUAL_STACK", "")]));
    assert!(!flags.contains("dns"), "{flags}");
    assert!(notes.len() == 1 && notes[0].contains("\"yes\""), "{notes:?}");
}

#[test]
fn mode_none_means_no_rules_and_is_no_error() {
    // istio-cni fails the pod (istio/istio, annotation validator of the plugin).
    assert_eq!(flags(&pod(&[(MODE, "NONE")], plain())).0, "nothing");
    let by_config = pod(&[(PROXY_CONFIG, "interceptionMode: NONE")], plain());
    assert_eq!(flags(&by_config).0, "nothing");
    // The annotation of the pod decides.
    let both = pod(&[(PROXY_CONFIG, "interceptionMode: NONE"), (MODE, "REDIRECT")], plain());
    assert_ne!(flags(&both).0, "nothing");
}

#[test]
fn the_proxy_configuration_of_pod_and_mesh_is_read() {
    let proxy = Container {
        env: map(&[(
            "PROXY_CONFIG",
            r#"{"interceptionMode":"TPROXY","proxyMetadata":{"ISTIO_META_DNS_CAPTURE":"true"},"concurrency":2}"#,
        )]),
        ..plain()
    };
    let of_mesh = config(&pod(&[], proxy.clone()));
    assert_eq!((of_mesh.mode, of_mesh.dns), (Mode::Tproxy, Dns::All));
    let yaml = "interceptionMode: REDIRECT\nproxyListenPort: 16001\nproxyMetadata:\n  ISTIO_META_DNS_CAPTURE: false\n";
    let of_pod = config(&pod(&[(PROXY_CONFIG, yaml)], proxy));
    assert_eq!((of_pod.mode, of_pod.dns), (Mode::Redirect, Dns::Off));
    assert_eq!(of_pod.outbound_port.to_string(), "16001");
}

#[test]
fn what_the_validation_container_is_told_holds_for_the_mesh() {
    // istio-cni falls back to * where the mesh's own includeIPRanges is empty, and to 15001 whatever the mesh's port is.
    let told =
        ["istio-iptables", "-p", "16001", "--inbound-capture-port=16006", "-i", "", "--run-validation"];
    let of_mesh = config(&with_validation(pod(&[], plain()), &told));
    assert_eq!(
        (of_mesh.outbound_port.to_string(), of_mesh.inbound_port.to_string()),
        ("16001".into(), "16006".into())
    );
    assert!(matches!(&of_mesh.outbound_ranges, OutboundRanges::Only(none) if none.is_empty()));
    let ranges = [("traffic.sidecar.istio.io/includeOutboundIPRanges", "10.0.0.0/8")];
    let annotated = config(&with_validation(pod(&ranges, plain()), &told));
    assert!(annotated.flags().contains("10.0.0.0/8"));
}

#[test]
fn everything_wrong_is_named_with_its_annotation() {
    let facts = pod(
        &[
            (MODE, "REDIRCT"),
            ("traffic.sidecar.istio.io/includeOutboundIPRanges", "*,10.0.0.0/8"),
            ("traffic.sidecar.istio.io/excludeInboundPorts", "@/etc/shadow"),
            ("traffic.sidecar.istio.io/excludeOutboundPorts", "*"),
            ("traffic.sidecar.istio.io/excludeInterfaces", "eth0; rm"),
        ],
        plain(),
    );
    let Wanted::Rules(settings, _) = wanted(&facts, Settings::default()).unwrap() else {
        panic!("mode NONE")
    };
    let problems = Config::parse(&settings, &Files).unwrap_err().to_string();
    for words in [
        "interceptionMode",
        "REDIRCT",
        "includeOutboundIPRanges",
        "@/etc/shadow",
        "excludeOutboundPorts",
        "eth0; rm",
    ] {
        assert!(problems.contains(words), "{words}: {problems}");
    }
    let broken = pod(&[(PROXY_CONFIG, "a: [")], plain());
    assert!(wanted(&broken, Settings::default()).unwrap_err().to_string().contains(PROXY_CONFIG));
}

#[test]
fn nesting_without_end_does_not_take_the_stack_away() {
    for text in ["[".repeat(100_000), "- ".repeat(100_000), "{a: ".repeat(100_000)] {
        let facts = pod(&[(PROXY_CONFIG, &text)], plain());
        assert!(wanted(&facts, Settings::default()).unwrap_err().to_string().contains(PROXY_CONFIG));
    }
}

#[test]
fn the_proxys_configuration_is_read_in_both_spellings() {
    // The original names of the fields were ignored without a word: the port stayed 15001.
    let snake = "interception_mode: TPROXY\nproxy_listen_port: 16001\nproxy_inbound_listen_port: '16006'\n\
                 proxy_metadata:\n  ISTIO_DUAL_STACK: true\n";
    let camel = "interceptionMode: TPROXY\nproxyListenPort: 16001\nproxyInboundListenPort: '16006'\n\
                 proxyMetadata:\n  ISTIO_DUAL_STACK: true\n";
    let by_annotation = |text| flags(&pod(&[(PROXY_CONFIG, text)], plain()));
    let (expected, notes) = by_annotation(camel);
    assert!(expected.contains("16001") && expected.contains("--dual-stack"), "{expected}");
    assert_eq!(notes, Vec::<String>::new());
    assert_eq!(by_annotation(snake), (expected.clone(), notes.clone()));
    let by_variable = Container {
        env: map(&[(
            proxy_config::VARIABLE,
            r#"{"proxy_listen_port":16001,"interception_mode":"TPROXY","proxyInboundListenPort":16006,
                "proxy_metadata":{"ISTIO_DUAL_STACK":"true"}}"#,
        )]),
        ..plain()
    };
    assert_eq!(flags(&pod(&[], by_variable)), (expected, notes));
}

#[test]
fn a_field_in_both_spellings_is_an_error_as_for_istio() {
    for text in [
        "proxyListenPort: 1\nproxy_listen_port: 1",
        "{interception_mode: TPROXY, interceptionMode: null}",
        "proxyMetadata: {}\nproxy_metadata: {A: b}",
    ] {
        let problems = wanted(&pod(&[(PROXY_CONFIG, text)], plain()), Settings::default()).unwrap_err();
        assert!(problems.to_string().contains("are the same field"), "{problems}");
    }
}

#[test]
fn a_key_that_is_nearly_one_that_is_read_is_noted_and_others_are_not() {
    let text = "interceptionmode: TPROXY\nproxyListenPorts: 5\nconcurrency: 2\nproxyAdminPort: 15000\n\
                proxyHeaders: {}\nproxyStatsMatcher: {}\ndrainDuration: 5s\n";
    let (_, notes) = flags(&pod(&[(PROXY_CONFIG, text)], plain()));
    assert_eq!(
        notes,
        [
            r#"proxy.istio.io/config: the key "interceptionmode" is ignored: did you mean interceptionMode?"#,
            r#"proxy.istio.io/config: the key "proxyListenPorts" is ignored: did you mean proxyListenPort?"#,
        ]
    );
}

#[test]
fn anchors_aliases_and_merge_keys_of_the_proxys_configuration_are_followed() {
    // They were refused, and the pod did not start.
    let text = "x: &base\n  ISTIO_DUAL_STACK: &yes \"true\"\nproxyListenPort: &port 16001\nproxyInboundListenPort: *port\n\
                proxyMetadata:\n  <<: *base\n  INVALID_DROP: *yes\n";
    let (flags, notes) = flags(&pod(&[(PROXY_CONFIG, text)], plain()));
    for word in ["--dual-stack", "--drop-invalid", "-p 16001", "-z 16001"] {
        assert!(flags.contains(word), "{word}: {flags}");
    }
    assert_eq!(notes, Vec::<String>::new());
}

#[test]
fn interfaces_that_were_copied_from_ip_link_are_refused_with_their_names() {
    for (annotation, text, name) in [
        ("traffic.sidecar.istio.io/excludeInterfaces", "eth1,net1@if5", "net1"),
        ("traffic.sidecar.istio.io/kubevirtInterfaces", "k6t-eth0@if2", "k6t-eth0"),
        ("istio.io/reroute-virtual-interfaces", "macvlan0@eth0", "macvlan0"),
    ] {
        let Wanted::Rules(settings, _) =
            wanted(&pod(&[(annotation, text)], plain()), Settings::default()).unwrap()
        else {
            panic!("mode NONE")
        };
        let problems = Config::parse(&settings, &Files).unwrap_err().to_string();
        assert!(problems.contains(annotation) && problems.contains(&format!("write {name}")), "{problems}");
    }
}

#[test]
fn a_few_lines_that_stand_for_a_billion_values_are_refused() {
    let mut text = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..9 {
        let aliases = vec![format!("*a{}", level - 1); 10].join(",");
        text.push_str(&format!("a{level}: &a{level} [{aliases}]\n"));
    }
    let problems = wanted(&pod(&[(PROXY_CONFIG, &text)], plain()), Settings::default()).unwrap_err();
    assert!(problems.to_string().contains("aliases"), "{problems}");
}

#[test]
fn flags_of_the_node_hold_where_the_pod_says_nothing() {
    let mut base = Settings::default();
    base.set(&PROXY_UID, Origin::Flag("proxy-uid"), "3000".into());
    base.set(&REDIRECT_DNS, Origin::Flag("redirect-dns"), "true".into());
    base.set(&CAPTURE_ALL_DNS, Origin::Flag("capture-all-dns"), "true".into());
    let Wanted::Rules(settings, _) = wanted(&pod(&[], plain()), base.clone()).unwrap() else {
        panic!("mode NONE")
    };
    let config = Config::parse(&settings, &Files).unwrap();
    assert_eq!((config.proxy_uids[0].0, config.dns), (3000, Dns::All));
    let off = pod(&[], Container { env: map(&[(DNS_CAPTURE, "false")]), run_as_user: Some(7), ..plain() });
    let Wanted::Rules(settings, _) = wanted(&off, base).unwrap() else { panic!("mode NONE") };
    let config = Config::parse(&settings, &Files).unwrap();
    assert_eq!((config.proxy_uids[0].0, config.dns), (7, Dns::Off));
}
