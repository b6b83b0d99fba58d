//! Many sandboxes at once, as on a node that starts: each gets the rules of its own pod, or none, and nothing of another's.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use common::pod::{INIT, assert_ok, assert_same, bare_pod};
use common::{BINARY, Namespace, isolate};
use mesh_intercept::cni::agent_protocol::{
    AddResult, Answer, Question, Refusal, Report, Request, Response, SOCKET, VERSION,
};
use mesh_intercept::cni::pod::{Container, PodFacts};
use serde_json::{Value, json};

const PODS: usize = 200;
const AT_ONCE: usize = 16;
/// Pod N excludes the port N above this one: as many digits for all, so that one can be put for another.
const PORT: usize = 20_000;
/// A port of no pod, for the rules that all are compared with.
const MODEL: usize = PORT + 9_999;

/// What a pod asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Plain,
    Tproxy,
    Dns,
    Native,
    NotInjected,
    ModeNone,
    Wrong,
}

impl Kind {
    const ALL: [Kind; 7] =
        [Kind::Plain, Kind::Tproxy, Kind::Dns, Kind::Native, Kind::NotInjected, Kind::ModeNone, Kind::Wrong];

    /// What the flags of init would be beside the excluded port; nothing for a pod that gets no rules.
    fn flags(self) -> Option<&'static [&'static str]> {
        match self {
            Kind::Plain => Some(&[]),
            Kind::Tproxy => Some(&["-m", "TPROXY"]),
            Kind::Dns => Some(&["--redirect-dns", "--capture-all-dns"]),
            Kind::Native => Some(&["--dual-stack"]),
            Kind::NotInjected | Kind::ModeNone | Kind::Wrong => None,
        }
    }

    fn ends(self) -> (AddResult, &'static str) {
        match self {
            Kind::NotInjected => (AddResult::Skipped, "inject_false"),
            Kind::ModeNone => (AddResult::Skipped, "mode_none"),
            Kind::Wrong => (AddResult::Failed, "bad_settings"),
            _ => (AddResult::Installed, "installed"),
        }
    }
}

/// The pod of this number.
#[derive(Clone, Copy, Debug)]
struct Pod(usize);

impl Pod {
    fn kind(self) -> Kind {
        Kind::ALL[self.0 % Kind::ALL.len()]
    }

    fn port(self) -> String {
        (PORT + self.0).to_string()
    }

    fn name(self) -> String {
        format!("web-{}", self.0)
    }

    fn facts(self) -> PodFacts {
        let port = match self.kind() {
            Kind::Wrong => format!("{}x", self.port()),
            _ => self.port(),
        };
        let mut annotations =
            vec![("sidecar.istio.io/status", "{}"), ("traffic.sidecar.istio.io/excludeOutboundPorts", &port)];
        let mut proxy =
            Container { name: "istio-proxy".into(), run_as_user: Some(1337), ..Container::default() };
        match self.kind() {
            Kind::Plain | Kind::Wrong => {}
            Kind::Tproxy => {
                annotations.push(("sidecar.istio.io/interceptionMode", "TPROXY"));
                (proxy.run_as_user, proxy.run_as_group) = (Some(0), Some(1337));
            }
            Kind::Dns => proxy.env = map(&[("ISTIO_META_DNS_CAPTURE", "true")]),
            Kind::Native => {
                (proxy.is_init, proxy.restarts_always) = (true, true);
                proxy.env = map(&[("ISTIO_DUAL_STACK", "true")]);
            }
            Kind::NotInjected => annotations.push(("sidecar.istio.io/inject", "false")),
            Kind::ModeNone => annotations.push(("sidecar.istio.io/interceptionMode", "NONE")),
        }
        PodFacts {
            uid: Some(format!("u-{}", self.0)),
            host_network: Some(false),
            labels: Some(BTreeMap::new()),
            annotations: Some(map(&annotations)),
            containers: Some(vec![proxy]),
        }
    }

    /// What the plugin before ours answered for it.
    fn previous_result(self) -> Value {
        let address = format!("10.0.{}.{}/16", self.0 / 250, self.0 % 250 + 1);
        json!({"cniVersion": "1.1.0", "interfaces": [], "ips": [{"address": address}]})
    }
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// A node with an agent that knows all pods.
struct Node {
    folder: tempfile::TempDir,
    reports: Arc<Mutex<Vec<Report>>>,
}

impl Node {
    fn new() -> Node {
        let node = Node { folder: tempfile::tempdir().unwrap(), reports: Arc::default() };
        let pods: Arc<BTreeMap<_, _>> =
            Arc::new((0..PODS).map(|number| (Pod(number).name(), Pod(number).facts())).collect());
        let listener = UnixListener::bind(node.path().join(SOCKET)).unwrap();
        let reports = node.reports.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (mut stream, pods, reports) = (stream.unwrap(), pods.clone(), reports.clone());
                thread::spawn(move || {
                    let mut line = String::new();
                    BufReader::new(&stream).read_line(&mut line).unwrap();
                    let answer = match serde_json::from_str::<Request>(&line).unwrap().question {
                        Question::Ready | Question::Log(_) => Answer::Ok(true),
                        Question::Report(report) => {
                            reports.lock().unwrap().push(report);
                            Answer::Ok(true)
                        }
                        Question::Pod { pod, .. } => match pods.get(&pod.name) {
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

    fn call(&self, command: &str, netns: &Path, pod: Pod) -> Output {
        // A busy machine is no reason to give up.
        let conf = json!({
            "cniVersion": "1.1.0", "name": "k8s", "type": "mesh-intercept-cni", "time_budget": "60s",
            "cni_agent_run_dir": self.path(), "host_os_release": "", "prevResult": pod.previous_result(),
        });
        let name = pod.name();
        let arguments = format!("K8S_POD_NAMESPACE=shop;K8S_POD_NAME={name};K8S_POD_UID=u-{}", pod.0);
        let mut child = Command::new(BINARY)
            .arg("cni")
            .env_clear()
            .envs([
                ("CNI_COMMAND", command),
                ("CNI_CONTAINERID", &name),
                ("CNI_NETNS", netns.to_str().unwrap()),
                ("CNI_IFNAME", "eth0"),
                ("CNI_PATH", "/nowhere"),
                ("CNI_ARGS", &arguments),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(conf.to_string().as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    /// Names of what is remembered of sandboxes, and of what a run has left half written.
    fn remembered(&self) -> Vec<String> {
        let names = fs::read_dir(self.path().join("sandboxes")).unwrap();
        let mut names: Vec<_> =
            names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// Does something for every number below the limit, so many at once, and gives the results in order.
fn at_once<T: Send>(limit: usize, action: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(BTreeMap::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= limit {
                        break;
                    }
                    let result = action(number);
                    results.lock().unwrap().insert(number, result);
                }
            });
        }
    });
    results.into_inner().unwrap().into_values().collect()
}

/// Rules and routing, whose order is that in which they were made: alike for all namespaces.
fn state(pod: &Namespace) -> String {
    let look = "\
        nft -s list ruleset; cat /proc/net/ip_tables_names /proc/net/ip6_tables_names 2>/dev/null
        for family in -4 -6; do
            ip $family rule; ip $family route show table all; ip $family address show dev lo
        done";
    loop {
        let text = pod.text(&["sh", "-c", look]);
        // The kernel makes an address usable, and its route, a moment after it was added.
        if !text.contains(" tentative") {
            return text;
        }
        thread::yield_now();
    }
}

/// What init makes of the settings of each kind that gets rules, for the port of no pod.
fn models() -> BTreeMap<Kind, String> {
    let model = |kind: Kind| {
        let pod = bare_pod(&format!("{kind:?}"));
        let port = MODEL.to_string();
        let all = ["-u", "1337", "-g", "1337", "-i", "*", "-b", "*", "-d", "15020,15021,15090", "-o", &port];
        assert_ok(&pod.output(&[INIT, &all, kind.flags()?].concat()));
        let text = state(&pod);
        assert!(text.contains(&port), "{text}");
        Some((kind, text))
    };
    Kind::ALL.into_iter().filter_map(model).collect()
}

fn is_of_another(text: &str, pod: Pod) -> bool {
    (0..PODS).any(|other| other != pod.0 && text.contains(&Pod(other).port()))
}

#[track_caller]
fn assert_answer(pod: Pod, output: &Output) {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    if pod.kind() != Kind::Wrong {
        assert_ok(output);
        assert_eq!(text, pod.previous_result().to_string(), "{pod:?}");
        return;
    }
    let error: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((output.status.code(), &error["code"]), (Some(1), &json!(100)), "{error}");
    assert!(text.contains(&format!("{}x", pod.port())) && !is_of_another(&text, pod), "{error}");
}

#[test]
fn two_hundred_pods_each_get_their_own_rules_and_leave_nothing() {
    isolate("");
    let node = Node::new();
    let models = models();
    let namespaces = at_once(PODS, |number| bare_pod(&format!("{number}")));
    let before = at_once(PODS, |number| state(&namespaces[number]));

    let added = at_once(PODS, |number| node.call("ADD", &namespaces[number].path(), Pod(number)));
    for (number, output) in added.iter().enumerate() {
        assert_answer(Pod(number), output);
    }

    let after = at_once(PODS, |number| state(&namespaces[number]));
    let checked = at_once(PODS, |number| {
        let is_added = Pod(number).kind() != Kind::Wrong;
        is_added.then(|| node.call("CHECK", &namespaces[number].path(), Pod(number)))
    });
    for (number, found) in after.iter().enumerate() {
        let pod = Pod(number);
        let wanted = match models.get(&pod.kind()) {
            Some(model) => model.replace(&MODEL.to_string(), &pod.port()),
            None => before[number].clone(),
        };
        assert_same(found, &wanted, &format!("{pod:?}, {:?}", pod.kind()));
        assert!(!is_of_another(found, pod), "{pod:?}: {found}");
        if let Some(output) = &checked[number] {
            assert_ok(output);
        }
    }

    let mut reports = std::mem::take(&mut *node.reports.lock().unwrap());
    reports.sort_by(|one, other| one.pod.cmp(&other.pod));
    let told: BTreeMap<_, _> = reports
        .iter()
        .map(|it| (it.container_id.clone(), (it.pod.name.clone(), it.result, it.reason.clone())))
        .collect();
    let ended = |pod: Pod| (pod.kind().ends().0, pod.kind().ends().1.to_owned());
    let wanted: BTreeMap<_, _> = (0..PODS)
        .map(|number| (Pod(number).name(), ended(Pod(number))))
        .map(|(name, (result, reason))| (name.clone(), (name, result, reason)))
        .collect();
    assert_eq!((reports.len(), told), (PODS, wanted));

    for output in at_once(PODS, |number| node.call("DEL", &namespaces[number].path(), Pod(number))) {
        assert_ok(&output);
    }
    for (number, found) in at_once(PODS, |number| state(&namespaces[number])).iter().enumerate() {
        assert_same(found, &before[number], &format!("{:?} after DEL", Pod(number)));
    }
    assert_eq!(node.remembered(), [""; 0]);
    let mut left: Vec<_> =
        fs::read_dir(node.path()).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left, [SOCKET, "mesh-intercept-cni.log", "sandboxes"]);
    // All of them have written into it, sixteen at once.
    let log = node.path().join("mesh-intercept-cni.log");
    assert_eq!(fs::metadata(&log).unwrap().permissions().mode() & 0o777, 0o600);
    for line in fs::read_to_string(log).unwrap().lines() {
        assert!(serde_json::from_str::<Value>(line).is_ok(), "{line}");
    }
}

#[test]
fn sixteen_adds_of_one_sandbox_agree() {
    isolate("");
    let node = Node::new();
    let models = models();
    for number in 0..4 {
        let pod = Pod(number);
        let namespace = bare_pod("one");
        let before = state(&namespace);
        for output in at_once(AT_ONCE, |_| node.call("ADD", &namespace.path(), pod)) {
            assert_answer(pod, &output);
        }
        let wanted = models[&pod.kind()].replace(&MODEL.to_string(), &pod.port());
        assert_same(&state(&namespace), &wanted, &format!("{:?}", pod.kind()));
        assert_ok(&node.call("CHECK", &namespace.path(), pod));
        assert_eq!(node.remembered(), [format!("{}@eth0.json", pod.name())]);
        for output in at_once(AT_ONCE, |_| node.call("DEL", &namespace.path(), pod)) {
            assert_ok(&output);
        }
        assert_same(&state(&namespace), &before, "removed");
        assert_eq!(node.remembered(), [""; 0]);
    }
}
