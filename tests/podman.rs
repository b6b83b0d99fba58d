//! The plugin behind a real container runtime: podman, with a bridge, and what its containers then see of each other.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

mod runtimes;

use std::process::Output;

use mesh_intercept::cni::agent_protocol::AddResult;
use runtimes::actors::{Actors, ask};
use runtimes::agent::{Agent, meshed, unmeshed};
use runtimes::node::{Networks, Node};
use runtimes::plugin::{self, Call, calls, last, repeat};
use runtimes::{APP, BRIDGE, PROXY, agent, everything, image, podman, uid_of};
use serde_json::{Value, json};

const PORT: u16 = 8080;
/// Goes past the proxies of those who exclude it.
const STRAIGHT: u16 = 9000;
const EXCLUDED: [(&str, &str); 2] = [
    ("traffic.sidecar.istio.io/excludeOutboundPorts", "9000"),
    ("traffic.sidecar.istio.io/excludeInboundPorts", "9000"),
];

/// podman on a node of its own.
struct Podman {
    node: Node,
}

impl Podman {
    /// Sets it up with an image and the plugin, which gets these keys in addition.
    fn new(keys: Value) -> Podman {
        let node = Node::start();
        let mut all = json!({"pod_facts": ["agent"], "agent_socket": agent::socket(&node)});
        all.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
        plugin::install(&node);
        plugin::configure(&node, "0.4.0", all);
        podman::configure(&node, "crun");
        let podman = Podman { node };
        podman.text(&["import", &image::root(&podman.node), image::IMAGE]);
        podman
    }

    fn output(&self, words: &[&str]) -> Output {
        podman::output(&self.node, words)
    }

    #[track_caller]
    fn text(&self, words: &[&str]) -> String {
        podman::text(&self.node, words)
    }

    /// Starts a container that does nothing.
    fn run(&self, name: &str, more: &[&str]) -> Output {
        let container = ["--detach", "--name", name];
        podman::run(&self.node, &[&container, more, &[image::IMAGE, "/bin/sleep", "3600"]].concat())
    }

    /// The same, which has to succeed; what was said to the plugin.
    #[track_caller]
    fn start(&self, name: &str) -> Call {
        let output = self.run(name, &[]);
        assert!(output.status.success(), "{}", everything(&output));
        last(&self.node, "ADD", name)
    }

    /// Who answers a user in the container.
    fn dial(&self, container: &str, user: u32, address: &str, port: u16) -> String {
        let (user, port) = (format!("{user}:{user}"), port.to_string());
        everything(&self.output(&["exec", "--user", &user, container, "nc", "-w", "3", address, &port]))
    }

    fn rules(&self, call: &Call) -> String {
        self.node.rules(call.network())
    }
}

#[test]
fn traffic_between_containers_of_the_mesh_passes_both_proxies() {
    let podman = Podman::new(json!({}));
    let agent = Agent::start(&podman.node);
    agent.knows("web", meshed("web", &EXCLUDED));
    agent.knows("api", meshed("api", &EXCLUDED));
    agent.knows("plain", unmeshed("plain"));
    let (web, api, plain) = (podman.start("web"), podman.start("api"), podman.start("plain"));
    for call in [&web, &api, &plain] {
        call.assert_passed_on();
    }
    let (at_web, at_api) = (web.address(), api.address());
    let node = &podman.node;
    let _web = Actors::start(node, web.network(), &[PORT, STRAIGHT]);
    let _api = Actors::start(node, api.network(), &[PORT, STRAIGHT]);

    // What the application dials is answered by the proxy next to it, which knows whom it has dialled.
    assert_eq!(podman.dial("web", APP, &at_api, PORT), format!("outbound|{at_api}:{PORT}|{at_web}"));
    assert_eq!(podman.dial("api", APP, &at_web, PORT), format!("outbound|{at_web}:{PORT}|{at_api}"));
    // What the proxy dials goes out, and is answered by the proxy of the other container.
    assert_eq!(podman.dial("web", PROXY, &at_api, PORT), format!("inbound|{at_api}:{PORT}|{at_web}"));
    // Whom both exclude talks to the application.
    assert_eq!(podman.dial("web", APP, &at_api, STRAIGHT), format!("app|{at_api}:{STRAIGHT}|{at_web}"));
    // Whoever is not of the mesh meets the proxy of the other side only.
    let at_plain = plain.address();
    assert_eq!(podman.dial("plain", APP, &at_api, PORT), format!("inbound|{at_api}:{PORT}|{at_plain}"));
    assert_eq!(ask(node, "/proc/1/ns/net", 0, &at_api, PORT), format!("inbound|{at_api}:{PORT}|{BRIDGE}"));

    let _plain = Actors::start(node, plain.network(), &[PORT]);
    assert_eq!(podman.dial("web", PROXY, &at_plain, PORT), format!("app|{at_plain}:{PORT}|{at_web}"));
    for (name, result) in
        [("web", AddResult::Installed), ("api", AddResult::Installed), ("plain", AddResult::Skipped)]
    {
        let reports: Vec<AddResult> = agent.reports(name).iter().map(|report| report.result).collect();
        assert_eq!(reports, [result], "{name}");
    }
}

#[test]
fn a_container_that_is_none_of_the_mesh_has_no_rules() {
    let podman = Podman::new(json!({"exclude_namespaces": ["kube-system"]}));
    let agent = Agent::start(&podman.node);
    agent.knows("plain", unmeshed("plain"));
    let call = podman.start("plain");
    call.assert_passed_on();
    let rules = podman.rules(&call);
    assert!(!rules.contains("table") && !rules.contains("fwmark"), "{rules}");
}

#[test]
fn removing_a_container_leaves_nothing_and_may_be_asked_for_again() {
    let podman = Podman::new(json!({}));
    let agent = Agent::start(&podman.node);
    agent.knows("web", meshed("web", &[]));
    let call = podman.start("web");
    assert!(podman.rules(&call).contains("table"), "{}", call.log);
    assert_ne!(podman.node.networks(), Networks::default());
    // Nobody needs to know the pod any more.
    drop(agent);
    podman.text(&["rm", "--force", "--time", "0", "web"]);
    let gone = last(&podman.node, "DEL", "web");
    assert_eq!((gone.code, gone.output.as_str()), (0, ""), "{}", gone.log);
    assert_eq!(podman.node.networks(), Networks::default());

    // Runtimes repeat a DEL until it succeeds: on a namespace that has vanished, and without its name.
    for again in [gone.clone(), gone.with("CNI_NETNS", "")] {
        let output = repeat(&podman.node, &again);
        assert!(output.status.success() && output.stdout.is_empty(), "{}", everything(&output));
    }
}

#[test]
fn a_failing_add_is_explained_and_leaves_no_network() {
    let podman = Podman::new(json!({"time_budget": "700ms", "without_facts": "fail"}));
    // No agent at all, then one that does not know the pod.
    for name in ["early", "lost"] {
        let agent = (name == "lost").then(|| Agent::start(&podman.node));
        let output = podman.run(name, &[]);
        let said = everything(&output);
        assert!(!output.status.success(), "{said}");
        let call = last(&podman.node, "ADD", name);
        let error = call.answer();
        assert_eq!((call.code, &error["code"]), (1, &json!(11)), "{error}");
        let message = error["msg"].as_str().unwrap();
        assert!(!message.is_empty() && said.contains(message), "{said}");
        assert_eq!(podman.node.networks(), Networks::default(), "{name}");
        // podman cleans up as kubelet would: the plugin has nothing against it.
        assert_eq!(last(&podman.node, "DEL", name).code, 0);

        // The container starts as soon as its pod is known.
        let agent = agent.unwrap_or_else(|| Agent::start(&podman.node));
        agent.knows(name, meshed(name, &[]));
        podman.text(&["start", name]);
        let call = last(&podman.node, "ADD", name);
        call.assert_passed_on();
        assert!(podman.rules(&call).contains("table"), "{}", call.log);
        podman.text(&["rm", "--force", "--time", "0", name]);
        assert_eq!(podman.node.networks(), Networks::default(), "{name}");
    }
}

#[test]
fn the_facts_of_another_pod_of_the_same_name_are_not_taken() {
    let podman = Podman::new(json!({"time_budget": "700ms"}));
    let agent = Agent::start(&podman.node);
    let mut facts = meshed("web", &[]);
    facts.uid = Some(uid_of("an earlier web"));
    agent.knows("web", facts);
    let output = podman.run("web", &[]);
    assert!(!output.status.success(), "{}", everything(&output));
    assert_eq!(last(&podman.node, "ADD", "web").answer()["code"], json!(11));
    assert_eq!(podman.node.networks(), Networks::default());
}

#[test]
fn a_container_starts_without_rules_when_that_is_the_policy() {
    let podman = Podman::new(json!({"time_budget": "300ms", "without_facts": "skip"}));
    let call = podman.start("web");
    call.assert_passed_on();
    assert!(!podman.rules(&call).contains("table"));
}

#[test]
fn restarting_and_adding_again_converge() {
    let podman = Podman::new(json!({}));
    let agent = Agent::start(&podman.node);
    agent.knows("web", meshed("web", &EXCLUDED));
    let first = podman.start("web");
    let rules = podman.rules(&first);
    // The same ADD once more, for the same namespace.
    let output = repeat(&podman.node, &first);
    assert!(output.status.success(), "{}", everything(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), first.output);
    assert_eq!(podman.rules(&first), rules);

    // A restarted container has another namespace, with the same rules.
    podman.text(&["restart", "--time", "0", "web"]);
    let second = last(&podman.node, "ADD", "web");
    second.assert_passed_on();
    assert_ne!(second.network(), first.network());
    assert_eq!(podman.rules(&second), rules);
    assert_eq!(calls(&podman.node, "DEL", "web").len(), 1);
    assert_eq!(podman.node.networks().leases, [second.address()]);
}

#[test]
fn a_check_sees_that_rules_are_gone_and_an_add_heals_them() {
    let podman = Podman::new(json!({}));
    let agent = Agent::start(&podman.node);
    agent.knows("web", meshed("web", &EXCLUDED));
    let add = podman.start("web");
    let rules = podman.rules(&add);
    // podman does not ask, other runtimes may.
    let check = || repeat(&podman.node, &add.clone().with("CNI_COMMAND", "CHECK"));
    let output = check();
    assert!(output.status.success() && output.stdout.is_empty(), "{}", everything(&output));

    let mut flush = podman.node.command_in(add.network(), 0, &["nft", "flush", "ruleset"]);
    assert!(flush.status().unwrap().success());
    let output = check();
    let error: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &error["code"]), (Some(1), &json!(103)), "{error}");

    assert!(repeat(&podman.node, &add).status.success());
    assert_eq!(podman.rules(&add), rules);
    let output = check();
    assert!(output.status.success(), "{}", everything(&output));
}

#[test]
fn a_container_in_a_user_namespace_gets_its_rules() {
    let podman = Podman::new(json!({}));
    let agent = Agent::start(&podman.node);
    agent.knows("web", meshed("web", &[]));
    let output = podman.run("web", &["--uidmap=0:100000:65536"]);
    assert!(output.status.success(), "{}", everything(&output));
    let call = last(&podman.node, "ADD", "web");
    call.assert_passed_on();
    let address = call.address();
    let _web = Actors::start(&podman.node, call.network(), &[PORT]);
    // The users of the rules are those of the container: 101337 to the machine.
    let who = |user| podman.dial("web", user, BRIDGE, PORT);
    assert_eq!(who(APP), format!("outbound|{BRIDGE}:{PORT}|{address}"));
    assert!(who(PROXY).contains("refused"), "{}", who(PROXY));
}
