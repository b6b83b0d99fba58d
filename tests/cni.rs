//! The plugin as a runtime calls it: variables, a configuration on standard input, one object on standard output.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use common::pod::{assert_same, bare_pod, pod};
use common::users::UserNamespace;
use common::{BINARY, Lab, Namespace, app, holders, isolate, log, peer, proxy};
use mesh_intercept::cni::agent_protocol::{
    AddResult, Answer, CallLog, Question, Refusal, Report, Request, Response, VERSION,
};
use mesh_intercept::cni::pod::{Container, PodFacts};
use mesh_intercept::logs::scopes::Program;
use serde_json::{Value, json};

/// A node: what the plugin finds there, and an agent that a test fills with pods.
struct Node {
    folder: tempfile::TempDir,
    pods: Arc<Mutex<BTreeMap<String, PodFacts>>>,
    reports: Arc<Mutex<Vec<Report>>>,
    /// What calls other than ADD have logged.
    logs: Arc<Mutex<Vec<CallLog>>>,
}

impl Node {
    /// A node without an agent.
    fn without_agent() -> Node {
        Node {
            folder: tempfile::tempdir().unwrap(),
            pods: Arc::default(),
            reports: Arc::default(),
            logs: Arc::default(),
        }
    }

    /// A node whose agent knows these pods.
    fn new(pods: &[(&str, PodFacts)]) -> Node {
        let node = Node::without_agent();
        node.pods
            .lock()
            .unwrap()
            .extend(pods.iter().map(|(name, facts)| ((*name).to_owned(), facts.clone())));
        let listener = UnixListener::bind(node.folder.path().join("mesh-intercept-agent.sock")).unwrap();
        let (pods, reports, logs) = (node.pods.clone(), node.reports.clone(), node.logs.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, pods, reports, logs) =
                    (stream.unwrap(), pods.clone(), reports.clone(), logs.clone());
                thread::spawn(move || {
                    let mut line = String::new();
                    BufReader::new(&stream).read_line(&mut line).unwrap();
                    let answer = match serde_json::from_str::<Request>(&line).unwrap().question {
                        Question::Ready => Answer::Ok(true),
                        Question::Report(report) => {
                            reports.lock().unwrap().push(report);
                            Answer::Ok(true)
                        }
                        Question::Log(log) => {
                            logs.lock().unwrap().push(log);
                            Answer::Ok(true)
                        }
                        Question::Pod { pod, .. } => match pods.lock().unwrap().get(&pod.name) {
                            Some(facts) => Answer::Pod(facts.clone()),
                            None => Answer::Error { code: Refusal::NotFound, message: "no such pod".into() },
                        },
                    };
                    let text = serde_json::to_string(&Response { version: VERSION, answer }).unwrap();
                    let _ = stream.write_all((text + "\n").as_bytes());
                });
            }
        });
        node
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn conf(&self, more: Value) -> Value {
        let mut conf = json!({
            "cniVersion": "1.1.0", "name": "k8s", "type": "mesh-intercept-cni",
            "cni_agent_run_dir": self.path(), "time_budget": "500ms", "host_os_release": "",
            "prevResult": {"cniVersion": "1.1.0", "interfaces": [], "ips": [{"address": "10.0.0.1/24"}]},
        });
        conf.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        conf
    }

    fn call(&self, command: &str, netns: &Path, name: &str, more: Value) -> Answered {
        self.call_for("eth0", command, netns, name, more)
    }

    /// A call for one of the pod's interfaces.
    fn call_for(&self, interface: &str, command: &str, netns: &Path, name: &str, more: Value) -> Answered {
        let arguments =
            format!("IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME={name};K8S_POD_UID=u-{name}");
        call(
            &self.conf(more).to_string(),
            &[
                ("CNI_COMMAND", command),
                ("CNI_CONTAINERID", name),
                ("CNI_NETNS", netns.to_str().unwrap()),
                ("CNI_IFNAME", interface),
                ("CNI_PATH", "/nowhere"),
                ("CNI_ARGS", &arguments),
            ],
        )
    }

    /// The second network of a pod, as Multus calls for it.
    fn second(&self, command: &str, pod: &Namespace, name: &str) -> Answered {
        self.call_for("net1", command, &pod.path(), name, json!({"name": "second"}))
    }

    /// The names of the files of what is remembered.
    fn remembered(&self) -> Vec<String> {
        let Ok(files) = std::fs::read_dir(self.path().join("sandboxes")) else { return vec![] };
        let mut names: Vec<_> = files.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn add(&self, pod: &Namespace, name: &str) -> Answered {
        self.call("ADD", &pod.path(), name, json!({}))
    }

    fn last_report(&self) -> Report {
        self.reports.lock().unwrap().last().unwrap().clone()
    }
}

/// What the plugin answered.
#[derive(Debug)]
struct Answered {
    output: Output,
}

impl Answered {
    fn text(&self) -> String {
        String::from_utf8(self.output.stdout.clone()).unwrap()
    }

    fn log(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// What was logged, as data.
    #[track_caller]
    fn lines(&self) -> Vec<Value> {
        log::lines(&self.log(), Program::Plugin)
    }

    #[track_caller]
    fn ok(&self) -> &Answered {
        assert!(self.output.status.success(), "{}\n{}", self.text(), self.log());
        self
    }

    /// The error object.
    #[track_caller]
    fn error(&self) -> Value {
        assert_eq!(self.output.status.code(), Some(1), "{}\n{}", self.text(), self.log());
        serde_json::from_str(&self.text()).unwrap()
    }

    #[track_caller]
    fn fails_with(&self, code: u32, words: &str) {
        let error = self.error();
        assert_eq!(error["code"], code, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }

    /// It succeeded, and this rule decided.
    #[track_caller]
    fn skipped_by(&self, rule: &str) {
        assert!(self.ok().log().contains(&format!("\"reason\":\"{rule}\"")), "{}", self.log());
    }
}

fn call(conf: &str, variables: &[(&str, &str)]) -> Answered {
    // Nothing of the runtime's environment is needed, a PATH least of all.
    let mut command = Command::new(BINARY);
    command.arg("cni").env_clear().envs(variables.iter().copied());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // A plugin that refuses its variables does not read its configuration.
    let _ = child.stdin.take().unwrap().write_all(conf.as_bytes());
    Answered { output: child.wait_with_output().unwrap() }
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A pod with a sidecar.
fn meshed(name: &str, annotations: &[(&str, &str)]) -> PodFacts {
    let mut annotations = map(annotations);
    annotations.insert("sidecar.istio.io/status".into(), "{}".into());
    let proxy = Container { name: "istio-proxy".into(), run_as_user: Some(1337), ..Container::default() };
    PodFacts {
        uid: Some(format!("u-{name}")),
        host_network: Some(false),
        labels: Some(BTreeMap::new()),
        annotations: Some(annotations),
        containers: Some(vec![proxy]),
    }
}

fn with_proxy(mut facts: PodFacts, change: impl Fn(&mut Container)) -> PodFacts {
    facts.containers.iter_mut().flatten().for_each(change);
    facts
}

#[test]
fn a_pod_gets_the_rules_that_init_would_install() {
    let settings: [(&str, PodFacts, &[&str]); 4] = [
        ("plain", meshed("plain", &[]), &["-i", "*", "-b", "*", "-d", "15020,15021,15090", "-o", "15020"]),
        (
            "lists",
            meshed(
                "lists",
                &[
                    ("traffic.sidecar.istio.io/includeOutboundIPRanges", "10.0.0.0/8"),
                    ("traffic.sidecar.istio.io/excludeOutboundIPRanges", "10.9.0.0/16"),
                    ("traffic.sidecar.istio.io/includeInboundPorts", "80,8080"),
                    ("traffic.sidecar.istio.io/excludeOutboundPorts", "22"),
                ],
            ),
            &["-i", "10.0.0.0/8", "-x", "10.9.0.0/16", "-b", "80,8080", "-o", "22"],
        ),
        (
            "native",
            with_proxy(meshed("native", &[]), |proxy| {
                proxy.is_init = true;
                proxy.restarts_always = true;
                proxy.env = map(&[("ISTIO_META_DNS_CAPTURE", "true"), ("ISTIO_DUAL_STACK", "true")]);
            }),
            &[
                "-i",
                "*",
                "-b",
                "*",
                "-d",
                "15020,15021,15090",
                "-o",
                "15020",
                "--redirect-dns",
                "--capture-all-dns",
                "--dual-stack",
            ],
        ),
        (
            "tproxy",
            with_proxy(meshed("tproxy", &[("sidecar.istio.io/interceptionMode", "TPROXY")]), |proxy| {
                proxy.run_as_user = Some(0);
                proxy.run_as_group = Some(1337);
            }),
            &["-m", "TPROXY", "-i", "*", "-b", "*", "-d", "15020,15021,15090", "-o", "15020"],
        ),
    ];
    isolate("");
    let pods: Vec<_> = settings.iter().map(|(name, facts, _)| (*name, facts.clone())).collect();
    let node = Node::new(&pods);
    for (name, _, flags) in settings {
        let (by_plugin, by_init) = (bare_pod(&format!("{name}-c")), bare_pod(&format!("{name}-i")));
        let answered = node.add(&by_plugin, name);
        assert_eq!(answered.ok().text(), node.conf(json!({}))["prevResult"].to_string());
        let init = by_init.output(&[&[BINARY, "init", "-u", "1337", "-g", "1337"], flags].concat());
        assert!(init.status.success(), "{}", common::pod::complaints(&init));
        assert_same(&by_plugin.state(), &by_init.state(), name);
        let report = node.last_report();
        assert_eq!((report.pod.name.as_str(), report.result), (name, AddResult::Installed), "{report:?}");
    }
}

#[test]
fn packets_meet_the_rules_of_the_plugin() {
    let mut lab = Lab::new("");
    lab.populate();
    let node =
        Node::new(&[("web", meshed("web", &[("traffic.sidecar.istio.io/excludeOutboundPorts", "9999")]))]);
    node.add(&lab.pod, "web").ok();
    lab.expect(&[
        app("10.0.0.1", 80, "outbound"),
        app("10.0.0.1", 9999, "outside"),
        proxy("10.0.0.1", 80, "outside"),
        peer(common::POD_V4, 8080, "inbound"),
    ]);
}

#[test]
fn a_sandbox_that_is_added_twice_has_its_rules_once_and_other_settings_replace_them() {
    let pod = pod();
    let node = Node::new(&[("web", meshed("web", &[("sidecar.istio.io/interceptionMode", "TPROXY")]))]);
    node.add(&pod, "web").ok();
    let first = pod.state();
    // istio-cni's second run fails: its policy rule is there already.
    assert!(node.add(&pod, "web").ok().log().contains("nothing was written"));
    assert_same(&first, &pod.state(), "added twice");
    node.pods.lock().unwrap().insert("web".into(), meshed("web", &[]));
    node.add(&pod, "web").ok();
    let fresh = bare_pod("fresh");
    node.call("ADD", &fresh.path(), "web", json!({})).ok();
    assert_same(&pod.state(), &fresh.state(), "changed settings");
}

#[test]
fn a_user_of_the_pod_that_locks_what_it_can_holds_up_no_call() {
    let mut pod = pod();
    holders::start_user(&mut pod);
    let node = Node::new(&[("web", meshed("web", &[]))]);
    node.add(&pod, "web").ok();
    node.call("CHECK", &pod.path(), "web", json!({})).ok();
    let removed = node.call("DEL", &pod.path(), "web", json!({}));
    assert!(removed.ok().log().contains("removed"), "{}", removed.log());
    assert!(!pod.state().contains("15006"));
}

#[test]
fn who_holds_the_lock_of_a_namespace_is_told_to_the_runtime_which_tries_again() {
    let mut pod = pod();
    holders::start_root(&mut pod);
    let node = Node::new(&[("web", meshed("web", &[]))]);
    node.add(&pod, "web").fails_with(11, "has held the lock of this network namespace for 10 seconds");
}

#[test]
fn what_an_interrupted_run_left_behind_is_no_obstacle() {
    // istio-cni restores over partial chains with -N, which fails.
    let pod = pod();
    pod.text(&["iptables-legacy", "-t", "nat", "-N", "ISTIO_REDIRECT"]);
    let node = Node::new(&[("web", meshed("web", &[]))]);
    node.add(&pod, "web").ok();
    node.call("CHECK", &pod.path(), "web", json!({})).ok();
    assert!(pod.state().contains("15006"));
}

#[test]
fn pods_that_are_none_of_the_mesh_are_left_alone_without_asking() {
    let pod = pod();
    let before = pod.state();
    let node = Node::without_agent();
    // Neither a kubeconfig nor an agent is there: nobody needs them.
    let excluded = json!({"exclude_namespaces": ["kube-system", "shop"]});
    node.call("ADD", &pod.path(), "web", excluded).skipped_by("excluded_namespace");
    let agent = json!({"pod_namespace": "shop"});
    node.call("ADD", &pod.path(), "mesh-intercept-agent-abcde", agent).skipped_by("own_agent");
    let none = call(
        &node.conf(json!({})).to_string(),
        &[
            ("CNI_COMMAND", "ADD"),
            ("CNI_CONTAINERID", "a"),
            ("CNI_NETNS", pod.path().to_str().unwrap()),
            ("CNI_IFNAME", "eth0"),
            ("CNI_PATH", "/nowhere"),
            ("CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAME=container"),
        ],
    );
    none.skipped_by("not_kubernetes");
    let annotations = json!({"runtimeConfig": {"io.kubernetes.cri.pod-annotations": {"a": "b"}}});
    node.call("ADD", &pod.path(), "web", annotations).skipped_by("no_status_annotation");
    assert_same(&before, &pod.state(), "left alone");
}

#[test]
fn the_agent_says_who_is_left_alone_and_is_told_why() {
    let pod = pod();
    let before = pod.state();
    let mut no_proxy = meshed("no-proxy", &[]);
    no_proxy.containers = Some(vec![]);
    let mut init = meshed("init", &[]);
    init.containers.as_mut().unwrap().push(Container { name: "istio-init".into(), ..Container::default() });
    let mut not_injected = meshed("label", &[("sidecar.istio.io/inject", "true")]);
    not_injected.labels = Some(map(&[("sidecar.istio.io/inject", "false")]));
    let grpc = with_proxy(meshed("grpc", &[]), |it| it.env = map(&[("DISABLE_ENVOY", "true")]));
    let none = meshed("none", &[("sidecar.istio.io/interceptionMode", "NONE")]);
    let cases = [
        ("no-proxy", no_proxy, "no_proxy_container"),
        ("init", init, "istio_init_present"),
        ("grpc", grpc, "proxy_disabled"),
        ("label", not_injected, "inject_false"),
        // istio-cni fails such a pod: its validator does not know NONE.
        ("none", none, "mode_none"),
    ];
    let pods: Vec<_> = cases.iter().map(|(name, facts, _)| (*name, facts.clone())).collect();
    let node = Node::new(&pods);
    for (name, _, rule) in cases {
        node.add(&pod, name).skipped_by(rule);
        let report = node.last_report();
        assert_eq!((report.reason.as_str(), report.result), (rule, AddResult::Skipped));
    }
    assert_same(&before, &pod.state(), "left alone");
}

#[test]
fn a_pod_of_which_nothing_is_known_has_to_wait_unless_that_is_not_wanted() {
    let pod = pod();
    let before = pod.state();
    let node = Node::without_agent();
    node.add(&pod, "web").fails_with(11, "node agent");
    node.call("ADD", &pod.path(), "web", json!({"without_facts": "skip"})).skipped_by("no_facts");
    // A pod of the same name that was there before is another pod.
    let stale = Node::new(&[("web", meshed("earlier", &[]))]);
    stale.add(&pod, "web").fails_with(11, "u-earlier");
    assert_eq!(stale.last_report().result, AddResult::Failed);
    assert_same(&before, &pod.state(), "left alone");
}

#[test]
fn annotations_that_the_runtime_hands_over_are_enough() {
    let pod = pod();
    let node = Node::without_agent();
    let status = r#"{"initContainers":["istio-validation","istio-proxy"],"containers":null}"#;
    let config = "proxyMetadata:\n  ISTIO_META_DNS_CAPTURE: \"true\"\n";
    let more = json!({
        "capabilities": {"io.kubernetes.cri.pod-annotations": true},
        "runtimeConfig": {"io.kubernetes.cri.pod-annotations": {
            "sidecar.istio.io/status": status, "proxy.istio.io/config": config}},
    });
    node.call("ADD", &pod.path(), "web", more).ok();
    assert!(pod.state().contains("15053"), "{}", pod.state());
}

#[test]
fn settings_that_are_wrong_are_named_and_nothing_is_touched() {
    let pod = pod();
    let before = pod.state();
    let wrong = meshed(
        "web",
        &[
            ("sidecar.istio.io/interceptionMode", "REDIRCT"),
            ("traffic.sidecar.istio.io/excludeOutboundPorts", "@/etc/shadow"),
        ],
    );
    let node = Node::new(&[("web", wrong)]);
    let answered = node.add(&pod, "web");
    answered.fails_with(100, "sidecar.istio.io/interceptionMode");
    answered.fails_with(100, "excludeOutboundPorts");
    assert_same(&before, &pod.state(), "refused");
    let flags = json!({"flags": ["--no-such-flag", "-p", "99999"]});
    node.call("ADD", &pod.path(), "web", flags).fails_with(7, "--no-such-flag");
}

#[test]
fn tproxy_is_refused_on_a_centos_node() {
    let pod = pod();
    let tproxy = meshed("web", &[("sidecar.istio.io/interceptionMode", "TPROXY")]);
    let node = Node::new(&[("web", tproxy)]);
    let release = node.path().join("os-release");
    std::fs::write(&release, "NAME=\"CentOS Linux\"\nID=\"centos\"\n").unwrap();
    let before = pod.state();
    node.call("ADD", &pod.path(), "web", json!({"host_os_release": release})).fails_with(101, "CentOS");
    assert_same(&before, &pod.state(), "refused");
}

#[test]
fn check_finds_every_difference() {
    let pod = pod();
    let node = Node::new(&[("web", meshed("web", &[]))]);
    for backend in ["nftables", "iptables-nft", "iptables-legacy"] {
        let more = json!({"backend": backend});
        // iptables needs its programs.
        let conf = node.conf(more.clone()).to_string();
        let with_path = |command| {
            call(
                &conf,
                &[
                    ("CNI_COMMAND", command),
                    ("CNI_CONTAINERID", "web"),
                    ("CNI_NETNS", pod.path().to_str().unwrap()),
                    ("CNI_IFNAME", "eth0"),
                    ("CNI_PATH", "/nowhere"),
                    ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
                    ("CNI_ARGS", "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_UID=u-web"),
                ],
            )
        };
        with_path("ADD").ok();
        assert_eq!(with_path("CHECK").ok().text(), "");
        match backend {
            "nftables" => drop(pod.text(&["nft", "flush", "ruleset"])),
            "iptables-nft" => drop(pod.text(&["iptables-nft", "-t", "nat", "-F", "ISTIO_OUTPUT"])),
            _ => drop(pod.text(&["iptables-legacy", "-t", "nat", "-D", "PREROUTING", "1"])),
        }
        with_path("CHECK").fails_with(103, "rules");
        with_path("DEL").ok();
    }
}

#[test]
fn del_takes_the_rules_and_forgets_and_never_fails_for_what_is_gone() {
    let pod = pod();
    let before = pod.state();
    let node = Node::new(&[("web", meshed("web", &[]))]);
    node.add(&pod, "web").ok();
    assert_ne!(before, pod.state());
    assert_eq!(node.call("DEL", &pod.path(), "web", json!({})).ok().text(), "");
    assert_same(&before, &pod.state(), "removed");
    node.call("DEL", &pod.path(), "web", json!({})).ok();
    node.call("DEL", &PathBuf::from("/run/netns/gone"), "web", json!({})).ok();
    node.call("DEL", &PathBuf::from(""), "web", json!({})).ok();
    node.add(&pod, "web").ok();
    node.call("DEL", &PathBuf::from("/run/netns/gone"), "web", json!({})).ok();
    assert!(std::fs::read_dir(node.path().join("sandboxes")).unwrap().next().is_none());
}

#[test]
fn del_works_with_a_configuration_that_add_refuses() {
    let pod = pod();
    let before = pod.state();
    let node = Node::new(&[("web", meshed("web", &[]))]);
    node.add(&pod, "web").ok();
    let wrong = json!({"pod_facts": ["agent", "somebody"]});
    node.call("ADD", &pod.path(), "web", wrong.clone()).fails_with(7, "somebody");
    node.call("DEL", &pod.path(), "web", wrong).ok();
    assert_same(&before, &pod.state(), "removed");
}

#[test]
fn a_sandbox_that_is_none_of_the_mesh_any_more_loses_its_rules() {
    let pod = pod();
    let before = pod.state();
    let node = Node::new(&[("web", meshed("web", &[]))]);
    node.add(&pod, "web").ok();
    let none = meshed("web", &[("sidecar.istio.io/interceptionMode", "NONE")]);
    node.pods.lock().unwrap().insert("web".into(), none);
    node.add(&pod, "web").skipped_by("mode_none");
    assert_same(&before, &pod.state(), "removed");
    node.call("CHECK", &pod.path(), "web", json!({})).ok();
}

#[test]
fn what_is_said_of_wrong_settings_has_an_end() {
    let pod = pod();
    let many = "x,".repeat(100_000);
    let wrong = meshed("web", &[("traffic.sidecar.istio.io/excludeOutboundPorts", many.as_str())]);
    let answered = Node::new(&[("web", wrong)]).add(&pod, "web");
    answered.fails_with(100, "and 99999 more");
    assert!(answered.text().len() + answered.log().len() < 64 << 10);
}

#[test]
fn del_leaves_another_sandbox_whose_namespace_has_the_name_alone() {
    let (first, second) = (pod(), bare_pod("second"));
    let node = Node::new(&[("web", meshed("web", &[])), ("next", meshed("next", &[]))]);
    node.add(&first, "web").ok();
    node.add(&second, "next").ok();
    let rules = second.state();
    node.call("DEL", &second.path(), "web", json!({})).ok();
    assert_same(&rules, &second.state(), "somebody else's");
}

#[test]
fn del_leaves_what_a_pod_has_set_up_by_itself() {
    let pod = pod();
    common::pod::init(&pod, "nftables", &["-b", "*"]);
    let before = pod.state();
    let mut own = meshed("web", &[]);
    own.containers.as_mut().unwrap().push(Container { name: "istio-init".into(), ..Container::default() });
    let node = Node::new(&[("web", own)]);
    node.add(&pod, "web").skipped_by("istio_init_present");
    node.call("CHECK", &pod.path(), "web", json!({})).ok();
    node.call("DEL", &pod.path(), "web", json!({})).ok();
    assert_same(&before, &pod.state(), "somebody else's");
}

#[test]
fn gc_forgets_sandboxes_that_are_gone_and_no_others() {
    let (one, two) = (pod(), bare_pod("two"));
    let node = Node::new(&[("one", meshed("one", &[])), ("two", meshed("two", &[]))]);
    node.add(&one, "one").ok();
    node.add(&two, "two").ok();
    let gc = |more| call(&node.conf(more).to_string(), &[("CNI_COMMAND", "GC"), ("CNI_PATH", "/nowhere")]);
    gc(json!({})).fails_with(7, "valid-attachments");
    gc(json!({"name": "other", "cni.dev/valid-attachments": []})).ok();
    gc(json!({"cni.dev/valid-attachments": [{"containerID": "one", "ifname": "eth0"}]})).ok();
    let left: Vec<_> = std::fs::read_dir(node.path().join("sandboxes")).unwrap().collect();
    assert_eq!(left.len(), 1);
    node.call("CHECK", &one.path(), "one", json!({})).ok();
}

#[test]
fn the_rules_stay_until_the_last_network_of_a_pod_is_undone() {
    // DEL of one network took the rules of a pod that went on with the other.
    let pod = pod();
    let before = pod.state();
    let node = Node::new(&[("web", meshed("web", &[]))]);
    for (first, last) in [("eth0", "net1"), ("net1", "eth0")] {
        let call = |interface, command| {
            let network = json!({"name": format!("network-of-{interface}")});
            node.call_for(interface, command, &pod.path(), "web", network)
        };
        call("eth0", "ADD").ok();
        let rules = pod.state();
        assert_ne!(before, rules);
        call("net1", "ADD").ok();
        for _ in 0..2 {
            call(first, "DEL").ok();
            assert_same(&rules, &pod.state(), first);
        }
        call(last, "CHECK").ok();
        call(last, "DEL").ok();
        assert_same(&before, &pod.state(), last);
        assert_eq!(node.remembered(), Vec::<String>::new());
    }
}

#[test]
fn a_del_without_a_namespace_leaves_the_rules_to_the_other_network() {
    let pod = pod();
    let before = pod.state();
    let node = Node::new(&[("web", meshed("web", &[]))]);
    node.add(&pod, "web").ok();
    node.second("ADD", &pod, "web").ok();
    node.call("DEL", Path::new(""), "web", json!({})).ok();
    node.second("CHECK", &pod, "web").ok();
    node.second("DEL", &pod, "web").ok();
    assert_same(&before, &pod.state(), "removed");
}

#[test]
fn a_network_that_was_left_alone_holds_no_rules_and_takes_none() {
    let pod = pod();
    let before = pod.state();
    let node = Node::new(&[("web", meshed("web", &[]))]);
    node.add(&pod, "web").ok();
    let rules = pod.state();
    let excluded = || json!({"name": "second", "exclude_namespaces": ["shop"]});
    let second = |command| node.call_for("net1", command, &pod.path(), "web", excluded());
    second("ADD").skipped_by("excluded_namespace");
    second("CHECK").ok();
    second("DEL").ok();
    assert_same(&rules, &pod.state(), "of the first");
    second("ADD").skipped_by("excluded_namespace");
    node.call("DEL", &pod.path(), "web", json!({})).ok();
    assert_same(&before, &pod.state(), "removed");
}

#[test]
fn the_last_add_of_a_pod_says_which_rules_are_right_for_all_of_its_networks() {
    let pod = pod();
    let node = Node::new(&[("web", meshed("web", &[]))]);
    node.add(&pod, "web").ok();
    let others = meshed("web", &[("traffic.sidecar.istio.io/excludeOutboundPorts", "3306")]);
    node.pods.lock().unwrap().insert("web".into(), others);
    node.second("ADD", &pod, "web").ok();
    assert!(pod.state().contains("3306"));
    node.call("CHECK", &pod.path(), "web", json!({})).ok();
    node.second("CHECK", &pod, "web").ok();
    pod.text(&["nft", "flush", "ruleset"]);
    node.call("CHECK", &pod.path(), "web", json!({})).fails_with(103, "rules");
    node.second("CHECK", &pod, "web").fails_with(103, "rules");
}

#[test]
fn check_of_a_network_that_nobody_remembers_goes_by_the_rules_of_the_other() {
    let pod = pod();
    let node = Node::new(&[("web", meshed("web", &[]))]);
    node.add(&pod, "web").ok();
    node.second("CHECK", &pod, "web").ok();
    // "Nothing says that the sandbox has rules", although the other network's ADD did.
    pod.text(&["nft", "flush", "ruleset"]);
    node.second("CHECK", &pod, "web").fails_with(103, "");
}

#[test]
fn a_sandbox_that_is_gone_and_whose_number_is_used_again_holds_no_rules() {
    let pod = pod();
    let before = pod.state();
    let node = Node::new(&[("web", meshed("web", &[]))]);
    node.add(&pod, "web").ok();
    // As a DEL that never came has left it: the number of its namespace is that of another by now.
    let file = |name: &str| node.path().join("sandboxes").join(format!("{name}@eth0.json"));
    let mut gone: Value = serde_json::from_slice(&std::fs::read(file("web")).unwrap()).unwrap();
    gone["path"] = json!("/run/netns/gone");
    std::fs::write(file("gone"), gone.to_string()).unwrap();
    node.call("DEL", &pod.path(), "web", json!({})).ok();
    assert_same(&before, &pod.state(), "removed");
}

#[test]
fn gc_takes_the_rules_with_the_last_network_of_a_pod() {
    let pod = pod();
    let before = pod.state();
    let node = Node::new(&[("web", meshed("web", &[]))]);
    node.add(&pod, "web").ok();
    node.second("ADD", &pod, "web").ok();
    let rules = pod.state();
    let gc = |network| {
        let more = json!({"name": network, "cni.dev/valid-attachments": []});
        call(&node.conf(more).to_string(), &[("CNI_COMMAND", "GC"), ("CNI_PATH", "/nowhere")]);
    };
    gc("second");
    assert_eq!(node.remembered(), ["web@eth0.json"]);
    assert_same(&rules, &pod.state(), "of the first network");
    node.call("CHECK", &pod.path(), "web", json!({})).ok();
    gc("k8s");
    assert_same(&before, &pod.state(), "removed");
}

#[test]
fn wrong_values_in_flags_are_an_error_of_the_configuration_and_not_of_each_pod() {
    // -p 99999 was error 100 of each pod, as if its annotations were wrong, and STATUS said that all was well.
    let pod = pod();
    let before = pod.state();
    let node = Node::new(&[("web", meshed("web", &[]))]);
    node.add(&pod, "web").ok();
    for (flags, words) in [
        (json!(["-z", "0"]), "inbound-capture-port"),
        (json!(["--istio-inbound-interception-mode=tproxy"]), "REDIRECT or TPROXY"),
        (json!(["-x", "10.0.0.0/33", "-o", "a"]), "and 1 more"),
        (json!(["-i", "@/no/such/list"]), "/no/such/list"),
        (json!(["-i", "@-"]), "standard input"),
        (json!(["--uncaptured-family", "drop"]), "allow, warn or deny"),
    ] {
        let more = json!({"flags": flags});
        for command in ["ADD", "CHECK", "STATUS"] {
            let answered = node.call(command, &pod.path(), "web", more.clone());
            answered.fails_with(7, words);
            answered.fails_with(7, "flags");
        }
    }
    // A mode that init does not know stands for no rules.
    node.call("STATUS", &pod.path(), "web", json!({"flags": ["-m", "NONE"]})).ok();
    // What is wrong with settings is no reason to keep a sandbox.
    node.call("DEL", &pod.path(), "web", json!({"flags": ["-z", "0"], "time_budget": 5})).ok();
    assert_same(&before, &pod.state(), "removed");
    let gc = node.conf(json!({"flags": "-z", "cni.dev/valid-attachments": []}));
    call(&gc.to_string(), &[("CNI_COMMAND", "GC"), ("CNI_PATH", "/nowhere")]).ok();
}

#[test]
fn a_key_that_nobody_knows_is_named_once_and_stops_no_pod() {
    let pod = pod();
    let node = Node::new(&[("web", meshed("web", &[]))]);
    let added =
        node.call("ADD", &pod.path(), "web", json!({"with_out_facts": "skip", "dns": {"search": []}}));
    let log = added.ok().log();
    assert_eq!(log.matches("did you mean without_facts?").count(), 1, "{log}");
    assert_eq!(log.matches("unknown key").count(), 1, "{log}");
}

#[test]
fn status_is_honest() {
    isolate("");
    let status = |node: &Node, more| call(&node.conf(more).to_string(), &[("CNI_COMMAND", "STATUS")]);
    status(&Node::new(&[]), json!({})).ok();
    let alone = Node::without_agent();
    status(&alone, json!({})).fails_with(50, "agent");
    status(&alone, json!({"capabilities": {"io.kubernetes.cri.pod-annotations": true}})).ok();
    status(&alone, json!({"flags": ["--nonsense"]})).fails_with(7, "--nonsense");
    status(&alone, json!({"cniVersion": "1.0.0"})).fails_with(1, "1.1.0");
}

#[test]
fn the_protocol_is_that_of_the_specification() {
    isolate("");
    let version = call("{\"cniVersion\":\"1.0.0\"}", &[("CNI_COMMAND", "VERSION")]);
    let answer: Value = serde_json::from_str(&version.ok().text()).unwrap();
    assert_eq!(
        answer["supportedVersions"],
        json!(["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"])
    );
    let about = call("", &[]);
    assert_eq!(about.ok().text(), "");
    assert!(about.log().contains("CNI plugin"));
    call("", &[("CNI_COMMAND", "ADD")]).fails_with(4, "CNI_NETNS");
    call("", &[("CNI_COMMAND", "EAT")]).fails_with(4, "EAT");
    let node = Node::without_agent();
    let add = |conf: &str| {
        call(
            conf,
            &[
                ("CNI_COMMAND", "ADD"),
                ("CNI_CONTAINERID", "a"),
                ("CNI_NETNS", "/proc/self/ns/net"),
                ("CNI_IFNAME", "eth0"),
                ("CNI_PATH", "/nowhere"),
                ("CNI_ARGS", "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web"),
            ],
        )
    };
    add("not json").fails_with(6, "configuration");
    add(r#"{"cniVersion":"9.9.9"}"#).fails_with(1, "9.9.9");
    // The node's own namespace is never a pod's.
    let web = Node::new(&[("web", PodFacts { uid: None, ..meshed("web", &[]) })]);
    add(&web.conf(json!({})).to_string()).fails_with(5, "the node's");
    // To the byte, whatever its form.
    let result = "{ \"cniVersion\":\"0.3.1\",\n \"ips\" :[{\"version\":\"4\",\"address\":\"10.0.0.2/24\",\"x\":1.0e+2}] }";
    let conf = format!(
        r#"{{"cniVersion":"0.3.1","name":"k8s","type":"t","exclude_namespaces":["shop"],"cni_agent_run_dir":{:?},"prevResult":{result}}}"#,
        node.path()
    );
    assert_eq!(add(&conf).ok().text(), result);
}

#[test]
fn a_namespace_of_another_user_namespace_is_worked_on_from_outside() {
    // hostUsers: false. The user namespace maps 1337 and 1000 to other ids of the node.
    isolate("");
    let pod = UserNamespace::new();
    let netns = pod.network();
    let node = Node::new(&[("web", meshed("web", &[]))]);
    node.call("ADD", &netns, "web", json!({})).ok();
    node.call("CHECK", &netns, "web", json!({})).ok();
    // A listener of the proxy's, and callers of both kinds, as the pod's own users.
    let program = r#"
import os, socket, sys
def listen(port):
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1); s.bind(("0.0.0.0", port)); s.listen(8); return s
outbound = listen(15001)
def call(uid):
    pid = os.fork()
    if pid == 0:
        os.setgid(uid); os.setuid(uid)
        try: socket.create_connection(("203.0.113.1", 80), 1); os._exit(0)
        except OSError: os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(call(1000), call(1337))
"#;
    let output = pod.inside(&["/usr/bin/python3", "-c", program]);
    // The application's call reaches the proxy; the proxy's own leaves, to where nobody is.
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "0 1\n",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The line that tells how an ADD ended.
#[track_caller]
fn outcome(lines: &[Value]) -> Value {
    let mut told = lines.iter().filter(|line| line.get("took_us").is_some());
    let outcome = told.next().unwrap_or_else(|| panic!("{lines:?}")).clone();
    assert!(told.next().is_none(), "told once: {lines:?}");
    outcome
}

#[test]
fn every_line_says_which_call_it_is_about_and_the_last_one_how_it_ended() {
    let pod = pod();
    // An annotation that looks like a value, and one that would begin a line of its own.
    let nasty = "{\"level\":\"error\"}\n2026-07-01T12:00:00.000000Z ERROR \u{1b}[2J\u{9b}31m";
    let wrong = meshed("wrong", &[("traffic.sidecar.istio.io/excludeOutboundPorts", nasty)]);
    let node = Node::new(&[("web", meshed("web", &[])), ("wrong", wrong)]);
    let debug = json!({"plugin_log_level": "debug"});
    for command in ["ADD", "ADD", "CHECK", "DEL"] {
        let answered = node.call(command, &pod.path(), "web", debug.clone());
        let lines = answered.ok().lines();
        for line in &lines {
            let of_call = ["command", "namespace", "pod", "uid", "container_id"].map(|key| &line[key]);
            assert_eq!(of_call, [command, "shop", "web", "u-web", "web"], "{line}");
            assert_eq!(line["scope"], "cni-plugin", "{line}");
        }
        assert_eq!(lines[0]["configuration"]["name"], "k8s", "an object: {}", lines[0]);
        if command == "ADD" {
            let outcome = outcome(&lines);
            assert_eq!((&outcome["level"], &outcome["backend"]), (&json!("info"), &json!("nftables")));
            assert_eq!(outcome["reason"], "installed");
            assert!(outcome["rules"].as_u64().unwrap() > 5, "{outcome}");
        }
    }
    let outcomes: Vec<Value> = node.reports.lock().unwrap().iter().map(|it| outcome(&objects(it))).collect();
    assert_eq!((&outcomes[0]["changed"], &outcomes[1]["changed"]), (&json!(true), &json!(false)));
    let answered = node.add(&pod, "wrong");
    answered.fails_with(100, "excludeOutboundPorts");
    assert!(!answered.log().contains(['\u{1b}', '\u{9b}']), "{}", answered.log());
    let outcome = outcome(&answered.lines());
    assert_eq!((&outcome["level"], &outcome["code"]), (&json!("error"), &json!(100)));
    assert_eq!(outcome["reason"], "bad_settings");
    let skipped = node.call("ADD", &pod.path(), "web", json!({"exclude_namespaces": ["shop"]}));
    assert_eq!(self::outcome(&skipped.ok().lines())["reason"], "excluded_namespace");
    // What is wrong before anything is known of the call is logged as well.
    let lines = call("", &[("CNI_COMMAND", "ADD"), ("CNI_CONTAINERID", "c")]).lines();
    assert_eq!((&lines[0]["code"], &lines[0]["container_id"]), (&json!(4), &json!("c")));
    let file = std::fs::read_to_string(node.path().join("mesh-intercept-cni.log")).unwrap();
    assert!(log::lines(&file, Program::Plugin).len() > 10);
}

fn objects(report: &Report) -> Vec<Value> {
    report.log.iter().flat_map(|log| log.lines.iter().cloned().map(Value::Object)).collect()
}

#[test]
fn what_a_call_has_logged_is_handed_on_to_the_agent() {
    let pod = pod();
    let node = Node::new(&[("web", meshed("web", &[]))]);
    let added = node.add(&pod, "web");
    let report = node.last_report();
    assert_eq!(objects(&report), added.ok().lines());
    // The pod has an IPv6 address, which nothing intercepts.
    assert!(report.warnings.iter().any(|warning| warning.contains("IPv6")), "{report:?}");
    let handed_on = || node.logs.lock().unwrap().drain(..).collect::<Vec<_>>();
    assert_eq!(handed_on(), [], "an ADD is one message");
    pod.text(&["nft", "flush", "ruleset"]);
    let checked = node.call("CHECK", &pod.path(), "web", json!({}));
    checked.fails_with(103, "");
    let [log] = &handed_on()[..] else { panic!("{:?}", checked.lines()) };
    assert_eq!(log.lines.iter().cloned().map(Value::Object).collect::<Vec<_>>(), checked.lines());
    node.call("DEL", &pod.path(), "web", json!({})).ok();
    assert_eq!(handed_on().len(), 1);
    // STATUS, which is asked all the time, says nothing as long as all is well.
    let status = |more| call(&node.conf(more).to_string(), &[("CNI_COMMAND", "STATUS")]);
    status(json!({"plugin_log_level": "debug"})).ok();
    assert_eq!(handed_on(), []);
    status(json!({"flags": ["--nonsense"]})).fails_with(7, "--nonsense");
    assert_eq!(handed_on()[0].lines[0]["command"], "STATUS");
    // A configuration that is refused still says where the agent is.
    node.call("ADD", &pod.path(), "web", json!({"pod_facts": ["somebody"]})).fails_with(7, "somebody");
    assert_eq!(handed_on()[0].lines[0]["code"], 7);
}

#[test]
fn an_agent_that_is_slow_or_refuses_delays_no_call_for_long() {
    let pod = pod();
    let socket = |node: &Node| UnixListener::bind(node.path().join("mesh-intercept-agent.sock")).unwrap();
    let annotations = json!({
        "pod_facts": ["runtime", "agent"], "exclude_namespaces": ["shop"],
    });
    // One that takes the connection, and drips its answer for ever.
    let slow = Node::without_agent();
    let listener = socket(&slow);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || {
                let mut stream = stream;
                while stream.write_all(b" ").is_ok() {
                    thread::sleep(std::time::Duration::from_millis(100));
                }
            });
        }
    });
    // One that is older, and one that hangs up.
    let older = Node::without_agent();
    let listener = socket(&older);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let message = "not a question: unknown variant `log`".into();
            let answer = Answer::Error { code: Refusal::BadRequest, message };
            let text = serde_json::to_string(&Response { version: VERSION, answer }).unwrap();
            let _ = stream.write_all((text + "\n").as_bytes());
        }
    });
    let gone = Node::without_agent();
    let listener = socket(&gone);
    thread::spawn(move || listener.incoming().for_each(drop));
    for node in [&slow, &older, &gone] {
        // Without an end to it, this would wait for ever.
        node.call("ADD", &pod.path(), "web", annotations.clone()).skipped_by("excluded_namespace");
        node.call("DEL", &pod.path(), "web", annotations.clone()).ok();
    }
}

#[test]
fn ipv6_is_captured_where_the_network_names_an_address_of_it_first() {
    let first = |addresses: [&str; 2]| {
        let ips: Vec<Value> = addresses.iter().map(|it| json!({"address": it})).collect();
        json!({"prevResult": {"cniVersion": "1.1.0", "interfaces": [], "ips": ips}})
    };
    let (ipv4, ipv6) = ("240.240.240.240/32", "fd00:10::2/128");
    for (addresses, is_captured) in [([ipv6, ipv4], true), ([ipv4, ipv6], false)] {
        let pod = pod();
        let node = Node::new(&[("web", meshed("web", &[]))]);
        node.call("ADD", &pod.path(), "web", first(addresses)).ok();
        assert_eq!(pod.state().contains("table inet mesh-intercept"), is_captured, "{addresses:?}");
        node.call("CHECK", &pod.path(), "web", first(addresses)).ok();
    }
}
