//! The plugin behind containerd, driven as kubelet drives it: sandboxes are asked for over CRI, and containerd
//! tells the plugin the pod's name, UID and annotations.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

mod runtimes;

use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use runtimes::actors::{Actors, ask};
use runtimes::agent::{Agent, STATUS, meshed};
use runtimes::cri::{Cri, Sandbox};
use runtimes::node::{Networks, Node, text};
use runtimes::plugin::{self, calls, last, repeat};
use runtimes::{APP, BRIDGE, NAMESPACE, PROXY, agent, everything, image, require, uid_of};
use serde_json::{Value, json};

const ANNOTATIONS: &str = "io.kubernetes.cri.pod-annotations";
const PORT: u16 = 8080;
/// What kubelet adds to every pod: no pod is without annotations.
const SEEN: (&str, &str) = ("kubernetes.io/config.source", "api");

/// containerd on a node of its own.
struct Containerd {
    node: Node,
    daemon: Child,
}

impl Containerd {
    /// Starts it with an image for sandboxes and the plugin, which asks these sources.
    fn start(sources: &[&str]) -> Containerd {
        require(&["/usr/bin/containerd", "/usr/bin/ctr", "/usr/bin/crun", "/usr/bin/curl"]);
        let node = Node::start();
        let keys = json!({
            "capabilities": {ANNOTATIONS: true},
            "pod_facts": sources,
            "agent_socket": agent::socket(&node),
            "time_budget": "700ms",
        });
        plugin::install(&node);
        plugin::configure(&node, "1.0.0", keys);
        let (settings, runtime) = (node.name("containerd.toml"), node.path("runtime"));
        std::fs::write(&settings, configuration(&node)).unwrap();
        // containerd's own switch (disable_cgroup) is not enough: runc makes some even so, and stops where it cannot.
        std::fs::write(&runtime, "#!/bin/sh\nexec /usr/bin/crun --cgroup-manager=disabled \"$@\"\n").unwrap();
        std::fs::set_permissions(runtime, PermissionsExt::from_mode(0o755)).unwrap();
        let log = std::fs::File::create(node.path("log")).unwrap();
        let daemon = node
            .command(&["containerd", "--config", &settings])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let containerd = Containerd { node, daemon };
        containerd.wait();
        let (socket, archive) = (containerd.socket(), image::archive(&containerd.node));
        let import = ["images", "import", "--snapshotter", "native", &archive];
        containerd
            .node
            .text(&[&["ctr", "--address", &socket, "--namespace", "k8s.io"], &import[..]].concat());
        containerd
    }

    fn wait(&self) {
        let patience = Instant::now() + Duration::from_secs(60);
        while !self.cri().is_ready() {
            let log = std::fs::read_to_string(self.node.path("log")).unwrap();
            assert!(Instant::now() < patience, "containerd does not start:\n{log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn socket(&self) -> String {
        self.node.name("containerd.sock")
    }

    fn cri(&self) -> Cri<'_> {
        Cri { node: &self.node, socket: self.socket() }
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// Everything of containerd in the node's folder. Neither cgroups nor a lower OOM score are to be had everywhere.
fn configuration(node: &Node) -> String {
    let cri = "plugins.\"io.containerd.grpc.v1.cri\"";
    format!(
        "version = 2\nroot = {:?}\nstate = {:?}\ndisabled_plugins = [\"io.containerd.internal.v1.opt\"]\n\
         [grpc]\naddress = {:?}\n\
         [{cri}]\nsandbox_image = {:?}\ndisable_cgroup = true\ndisable_apparmor = true\nrestrict_oom_score_adj = true\n\
         disable_tcp_service = true\n\
         [{cri}.cni]\nbin_dir = {:?}\nconf_dir = {:?}\n\
         [{cri}.containerd]\nsnapshotter = \"native\"\ndefault_runtime_name = \"test\"\n\
         [{cri}.containerd.runtimes.test]\nruntime_type = \"io.containerd.runc.v2\"\n\
         [{cri}.containerd.runtimes.test.options]\nBinaryName = {:?}\n",
        node.path("storage"),
        node.path("state"),
        node.path("containerd.sock"),
        image::IMAGE,
        node.path(plugin::FOLDER),
        node.path(plugin::CONFIGURATIONS),
        node.path("runtime"),
    )
}

fn sandbox<'a>(name: &'a str, annotations: &'a [(&'a str, &'a str)]) -> Sandbox<'a> {
    Sandbox { name, annotations, uses_host_network: false }
}

#[test]
fn annotations_from_the_runtime_are_enough() {
    let containerd = Containerd::start(&["runtime"]);
    let (node, cri) = (&containerd.node, containerd.cri());
    let annotations = [SEEN, STATUS, ("traffic.sidecar.istio.io/excludeOutboundPorts", "9000")];
    let id = cri.run(&sandbox("web", &annotations)).unwrap();
    let call = last(node, "ADD", "web");
    call.assert_passed_on();
    assert_eq!(call.argument("K8S_POD_NAMESPACE"), NAMESPACE);
    assert_eq!(call.argument("K8S_POD_UID"), uid_of("web"));
    assert_eq!(call.argument("K8S_POD_INFRA_CONTAINER_ID"), id);
    let handed_over: Value = annotations.iter().copied().collect();
    assert_eq!(call.configuration()["runtimeConfig"][ANNOTATIONS], handed_over);

    let address = call.address();
    let _web = Actors::start(node, call.network(), &[PORT]);
    let dial = |user, port| ask(node, call.network(), user, BRIDGE, port);
    assert_eq!(dial(APP, PORT), format!("outbound|{BRIDGE}:{PORT}|{address}"));
    assert_eq!((dial(APP, 9000).as_str(), dial(PROXY, PORT).as_str()), ("closed", "closed"));
    let from_outside = ask(node, "/proc/1/ns/net", 0, &address, PORT);
    assert_eq!(from_outside, format!("inbound|{address}:{PORT}|{BRIDGE}"));
}

#[test]
fn stopping_a_sandbox_twice_and_removing_it_leaves_nothing() {
    let containerd = Containerd::start(&["runtime"]);
    let (node, cri) = (&containerd.node, containerd.cri());
    let id = cri.run(&sandbox("web", &[SEEN, STATUS])).unwrap();
    let added = last(node, "ADD", "web");
    assert!(node.rules(added.network()).contains("table"), "{}", added.log);
    for _ in 0..2 {
        cri.stop(&id).unwrap();
        assert_eq!(node.networks(), Networks::default());
    }
    cri.remove(&id).unwrap();
    let gone = calls(node, "DEL", "web");
    // Once the namespace has vanished, containerd calls without naming it.
    let networks: Vec<&str> = gone.iter().map(|call| call.network()).collect();
    assert_eq!(networks, [added.network(), "", ""]);
    for call in &gone {
        assert_eq!((call.code, call.output.as_str()), (0, ""), "{}", call.log);
    }
    // And with the name, as other runtimes do.
    let output = repeat(node, &gone[0]);
    assert!(output.status.success() && output.stdout.is_empty(), "{}", everything(&output));
}

#[test]
fn sandboxes_that_are_none_of_the_mesh_have_no_rules() {
    let containerd = Containerd::start(&["runtime"]);
    let (node, cri) = (&containerd.node, containerd.cri());
    // Of a pod without annotations containerd says so with a null.
    for (name, annotations) in [("plain", &[SEEN][..]), ("bare", &[])] {
        cri.run(&sandbox(name, annotations)).unwrap();
        let call = last(node, "ADD", name);
        call.assert_passed_on();
        assert_eq!(call.configuration()["runtimeConfig"][ANNOTATIONS].is_null(), annotations.is_empty());
        assert!(!node.rules(call.network()).contains("table"), "{name}");
    }

    // Who uses the node's network is nothing that containerd calls plugins for.
    let host = Sandbox { name: "host", annotations: &[SEEN, STATUS], uses_host_network: true };
    cri.run(&host).unwrap();
    assert!(calls(node, "ADD", "host").is_empty());
    assert!(!text(&mut node.command(&["nft", "list", "ruleset"])).contains("table"));
}

#[test]
fn a_failing_add_fails_the_sandbox_and_leaves_nothing() {
    let containerd = Containerd::start(&["runtime"]);
    let (node, cri) = (&containerd.node, containerd.cri());
    let key = "traffic.sidecar.istio.io/excludeOutboundPorts";
    let refused = cri.run(&sandbox("web", &[SEEN, STATUS, (key, "no-port")])).unwrap_err();
    let error = last(node, "ADD", "web").answer();
    assert!(refused.contains("excludeOutboundPorts"), "{refused}");
    assert!(error["msg"].as_str().unwrap().contains("excludeOutboundPorts"), "{error}");
    assert_eq!(node.networks(), Networks::default());

    // The pod made anew with a right value starts.
    cri.run(&sandbox("web", &[SEEN, STATUS, (key, "9000")])).unwrap();
    last(node, "ADD", "web").assert_passed_on();
}

#[test]
fn the_agent_is_asked_by_name_and_uid() {
    let containerd = Containerd::start(&["agent"]);
    let (node, cri) = (&containerd.node, containerd.cri());
    let agent = Agent::start(node);
    let mut facts = meshed("web", &[]);
    facts.uid = Some(uid_of("an earlier web"));
    agent.knows("web", facts);
    let refused = cri.run(&sandbox("web", &[SEEN, STATUS])).unwrap_err();
    assert_eq!(last(node, "ADD", "web").answer()["code"], json!(11), "{refused}");
    assert_eq!(node.networks(), Networks::default());

    agent.knows("web", meshed("web", &[]));
    cri.run(&sandbox("web", &[SEEN, STATUS])).unwrap();
    let call = last(node, "ADD", "web");
    call.assert_passed_on();
    assert!(node.rules(call.network()).contains("table"), "{}", call.log);
}
