//! Nodes with Multus, as its documents set it up.
//!
//! What Multus does is played here: which networks it calls for a pod, and what its pod writes when it starts.

use std::path::Path;
use std::time::Duration;

use mesh_intercept::agent::installer::plan::Awaited;
use mesh_intercept::agent::installer::{Chain, Mode, State};
use serde_json::{Value, json};

use crate::node::{BRIDGE, COPY, KIND, Node, OURS, chained, list, owned_copy, types};

const MULTUS: &str = "00-multus.conf";
const BEHIND: &str = "00-multus-mesh-intercept.conflist";
const NETWORK: &str = "10-net.conflist";

fn value(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn is_multus(kind: &str) -> bool {
    ["multus", "multus-shim"].contains(&kind)
}

/// The plugins that a runtime calls for a pod, in their order.
fn called(node: &Node) -> Vec<String> {
    let names = node.names();
    let first = names.iter().find(|name| name.ends_with(".conf") || name.ends_with(".conflist")).unwrap();
    called_by(node, &value(&node.read(first)))
}

fn called_by(node: &Node, network: &Value) -> Vec<String> {
    let all = network["plugins"].as_array().cloned().unwrap_or_else(|| vec![network.clone()]);
    let mut called = Vec::new();
    for plugin in all {
        let kind = plugin["type"].as_str().unwrap().to_owned();
        if is_multus(&kind) {
            let delegates = plugin["delegates"].as_array().cloned().unwrap_or_default();
            match plugin["clusterNetwork"].as_str() {
                Some(path) if path.starts_with('/') => {
                    let name = Path::new(path).file_name().unwrap().to_str().unwrap();
                    called.extend(called_by(node, &value(&node.read(name))));
                }
                Some(_) => called.push("elsewhere".to_owned()),
                None => called.extend(delegates.iter().flat_map(|it| called_by(node, it))),
            }
        }
        called.push(kind);
    }
    called
}

/// Our plugin is called once, after the network is there.
fn assert_called_once(node: &Node) {
    let called = called(node);
    assert_eq!(called.iter().filter(|kind| *kind == KIND).count(), 1, "{called:?}");
    let place = |wanted: &str| called.iter().position(|kind| kind == wanted);
    let network = place("bridge").or(place("elsewhere"));
    assert!(network.is_some() && network < place(KIND), "{called:?}");
}

/// What the pod of Multus writes when it starts: the first file that is not its own, copied into its own.
fn start_multus(node: &Node) {
    let names = node.names();
    let is_network = |name: &&String| {
        !name.starts_with("00-multus.conf") && (name.ends_with(".conf") || name.ends_with(".conflist"))
    };
    let network = value(&node.read(names.iter().find(is_network).unwrap()));
    let version = network["cniVersion"].clone();
    if version == "1.0.0" {
        let multus = json!({"type": "multus", "kubeconfig": "/k", "delegates": [network]});
        let file = json!({"cniVersion": version, "name": "multus-cni-network", "plugins": [multus]});
        node.write("00-multus.conflist", &format!("{file:#}\n"));
    } else {
        let file = json!({
            "cniVersion": version, "name": "multus-cni-network", "type": "multus", "kubeconfig": "/k",
            "delegates": [network],
        });
        node.write(MULTUS, &format!("{file:#}\n"));
    }
}

/// What its daemon writes.
fn thick(path: &str) -> String {
    json!({
        "cniVersion": "0.3.1", "name": "multus-cni-network", "type": "multus-shim",
        "logLevel": "verbose", "logToStderr": true, "clusterNetwork": path,
    })
    .to_string()
}

fn written_by_hand() -> String {
    json!({
        "name": "multus-cni-network", "type": "multus", "kubeconfig": "/etc/cni/net.d/multus.d/multus.kubeconfig",
        "delegates": [{"type": "bridge", "name": "bridge.1", "delegate": {"isDefaultGateway": true}}],
    })
    .to_string()
}

fn old(name: &str) -> String {
    list(name, &[BRIDGE, r#"{"type":"portmap"}"#]).replace("1.0.0", "0.3.1")
}

fn installed_in(node: &mut Node, name: &str) {
    assert_eq!(node.install(), name);
    assert_called_once(node);
}

/// The agent was never ready here: our copy of Multus's file sorted behind it.
#[test]
fn our_plugin_is_chained_behind_a_file_of_multus_that_was_written_by_hand() {
    let conf = written_by_hand();
    let by_name = conf
        .replace("delegates", "ignored")
        .replace("\"kubeconfig\"", "\"clusterNetwork\":\"net\",\"kubeconfig\"");
    let in_another_folder = by_name.replace("\"net\"", "\"/etc/cni/multus/net.d/10-net.conflist\"");
    for text in [&conf, &by_name, &in_another_folder] {
        for more in [None, Some((NETWORK, list("other", &[r#"{"type":"calico"}"#])))] {
            let mut files = vec![(MULTUS, &**text)];
            files.extend(more.as_ref().map(|(name, text)| (*name, &**text)));
            let mut node = Node::new(&files);
            let before = node.files();
            assert_eq!(node.install(), BEHIND, "{text}");
            if !text.contains("/multus/net.d/") {
                assert_called_once(&node);
            }
            assert_eq!(node.types(BEHIND), ["multus", KIND]);
            assert_eq!(node.files()[1..], before, "nothing of others is touched");
            node.uninstall();
            assert_eq!(node.files(), before);
        }
    }
}

#[test]
fn a_list_of_multus_is_copied_as_its_single_file_is() {
    let multus = written_by_hand();
    let text = list("multus-cni-network", &[&multus]);
    let mut node = Node::new(&[("00-multus.conflist", &text)]);
    installed_in(&mut node, BEHIND);
    assert_eq!(node.read("00-multus.conflist"), text);
    node.uninstall();
    assert_eq!(node.files(), [("00-multus.conflist".to_owned(), text)]);
}

#[test]
fn the_network_that_the_daemon_of_multus_reads_at_each_add_gets_the_entry() {
    for (folder, plain) in [("/etc/cni/net.d", list("net", &[BRIDGE])), ("", list("net", &[BRIDGE]))] {
        let mut node = Node::new(&[(NETWORK, &plain)]);
        let seen = if folder.is_empty() { node.root().join("net.d") } else { Path::new(folder).to_owned() };
        if !folder.is_empty() {
            // The node's folder, as the agent sees it.
            let inside = node.root().join("host/etc/cni");
            std::fs::create_dir_all(&inside).unwrap();
            std::os::unix::fs::symlink(node.root().join("net.d"), inside.join("net.d")).unwrap();
            node.change(|options, root| options.folder = root.join("host/etc/cni/net.d"));
        }
        let multus = thick(seen.join(NETWORK).to_str().unwrap());
        node.write(MULTUS, &multus);
        installed_in(&mut node, NETWORK);
        assert_eq!(
            node.files(),
            [(MULTUS.to_owned(), multus.clone()), (NETWORK.to_owned(), chained("net")),]
        );
        // Its daemon writes its file anew, ends, and comes again: there is nothing to do, and nothing is lost.
        for text in [multus.replace("verbose", "debug"), String::new(), multus.clone()] {
            node.write(MULTUS, &text);
            assert!(node.installer.is_installed().unwrap());
        }
        node.remove(MULTUS);
        installed_in(&mut node, NETWORK);
        node.write(MULTUS, &multus);
        installed_in(&mut node, NETWORK);
        node.uninstall();
        assert_eq!(node.files(), [(MULTUS.to_owned(), multus), (NETWORK.to_owned(), plain)]);
    }
}

#[test]
fn our_plugin_is_behind_a_daemon_of_multus_that_reads_a_single_plugin() {
    let conf = r#"{"cniVersion":"0.4.0","name":"net","type":"bridge"}"#;
    let mut node = Node::new(&[("10-net.conf", conf)]);
    let multus = thick(node.path("10-net.conf").to_str().unwrap());
    node.write(MULTUS, &multus);
    let before = node.files();
    installed_in(&mut node, BEHIND);
    node.uninstall();
    assert_eq!(node.files(), before);

    // The agent was there first, and Multus's daemon took its copy for the network.
    let mut node = Node::new(&[("10-net.conf", conf)]);
    assert_eq!(node.install(), COPY);
    node.write(MULTUS, &thick(node.path(COPY).to_str().unwrap()));
    installed_in(&mut node, COPY);
    node.write("10-net.conf", &conf.replace("0.4.0", "1.0.0"));
    installed_in(&mut node, COPY);
    assert!(node.read(COPY).contains("1.0.0"));
}

/// Multus's pod of the quick start copies the network's file when it starts, and does not look at it again.
#[test]
fn multus_is_given_time_to_copy_the_entry_and_then_it_is_put_into_its_copy() {
    for (plain, file) in [(list("net", &[BRIDGE]), "00-multus.conflist"), (old("net"), MULTUS)] {
        let mut node = Node::new(&[(NETWORK, &plain)]);
        start_multus(&node);
        let before = node.files();
        let awaited = State::Waiting(Awaited::Multus { file: file.to_owned(), network: NETWORK.to_owned() });
        assert_eq!(node.ensure().state, awaited);
        assert!(node.read(NETWORK).contains(KIND));
        assert_eq!(node.read(file), before[0].1, "it may still do so itself");
        assert!(!node.installer.is_installed().unwrap());
        std::thread::sleep(Duration::from_millis(3010));
        installed_in(&mut node, file);

        // What Multus writes when it starts again has the entry too, and says the same.
        let edited = value(&node.read(file));
        start_multus(&node);
        assert_eq!(value(&node.read(file)), edited);
        installed_in(&mut node, file);
        node.uninstall();
        assert_eq!(value(&node.read(file)), value(&before[0].1));
        assert_eq!(node.read(NETWORK), plain);
    }
}

#[test]
fn the_file_of_multus_is_given_back_to_the_byte() {
    let conf = r#"{ "cniVersion":"0.4.0", "name":"net", "type":"bridge", "mtu":1.50e3 }"#;
    for (name, text) in [(NETWORK, &*old("net")), ("10-net.conf", conf)] {
        let mut node = Node::new(&[(name, text)]);
        start_multus(&node);
        let before = node.files();
        node.ensure();
        std::thread::sleep(Duration::from_millis(3010));
        installed_in(&mut node, MULTUS);
        node.uninstall();
        assert_eq!(node.files(), before);
    }
}

#[test]
fn a_multus_that_follows_the_network_writes_the_entry_itself() {
    let mut node = Node::new(&[(NETWORK, &old("net"))]);
    start_multus(&node);
    assert!(matches!(node.ensure().state, State::Waiting(Awaited::Multus { .. })));
    start_multus(&node);
    let theirs = node.read(MULTUS);
    for _ in 0..10 {
        installed_in(&mut node, MULTUS);
        start_multus(&node);
        assert_eq!(node.read(MULTUS), theirs);
    }
    // Settings change: both follow.
    node.change(|options, _| {
        let value = json!({"log_level": "debug"});
        options.entry = mesh_intercept::agent::installer::Entry::new(value, KIND).unwrap();
    });
    assert!(matches!(node.ensure().state, State::Waiting(Awaited::Multus { .. })));
    start_multus(&node);
    installed_in(&mut node, MULTUS);
    assert!(node.read(MULTUS).contains("debug"));
}

/// A single plugin is chained by a copy, which Multus takes for the network when it starts.
#[test]
fn multus_takes_our_copy_of_a_single_plugin_and_never_a_list_with_itself_in_it() {
    let conf = r#"{"cniVersion":"0.4.0","name":"net","type":"bridge"}"#;
    let mut node = Node::new(&[("01-kube-ovn.conf", conf)]);
    start_multus(&node);
    node.ensure();
    assert_eq!(node.names(), ["00-multus.conf", "00-n-mesh-intercept.conflist", "01-kube-ovn.conf"]);
    for _ in 0..3 {
        start_multus(&node);
        installed_in(&mut node, MULTUS);
        assert_eq!(called(&node), ["bridge", KIND, "multus"]);
    }
    node.uninstall();
    assert_eq!(node.names(), ["00-multus.conf", "01-kube-ovn.conf"]);
    assert_eq!(called(&node), ["bridge", "multus"]);
}

#[test]
fn an_entry_that_was_there_before_multus_came_is_the_only_one() {
    let mut node = Node::new(&[(NETWORK, &list("net", &[BRIDGE]))]);
    node.install();
    start_multus(&node);
    installed_in(&mut node, "00-multus.conflist");
    // The network's file is gone: what Multus has copied is what there is.
    node.remove(NETWORK);
    installed_in(&mut node, "00-multus.conflist");
}

#[test]
fn a_list_with_multus_that_multus_has_copied_is_told() {
    let mut node = Node::new(&[(MULTUS, &written_by_hand())]);
    installed_in(&mut node, BEHIND);
    start_multus(&node);
    let refusal = node.refusal();
    assert!(
        refusal.contains("00-multus.conf") && refusal.contains("--multus-master-cni-file-name"),
        "{refusal}"
    );
}

#[test]
fn with_an_owned_copy_multus_is_not_edited() {
    let plain = old("net");
    let mut node = Node::in_mode(owned_copy(), &[(NETWORK, &plain)]);
    start_multus(&node);
    node.ensure();
    std::thread::sleep(Duration::from_millis(3010));
    let before = node.read(MULTUS);
    assert!(matches!(node.ensure().state, State::Waiting(Awaited::Multus { .. })));
    assert_eq!(node.read(MULTUS), before);
    start_multus(&node);
    installed_in(&mut node, MULTUS);
    assert_eq!(node.read(NETWORK), plain);
}

#[test]
fn a_network_that_was_asked_for_and_that_multus_calls_is_no_reason_to_warn() {
    let asked = Mode::Chained(Chain { primary: Some(NETWORK.to_owned()), copy: None });
    let mut node = Node::in_mode(asked, &[(NETWORK, &list("net", &[BRIDGE]))]);
    node.write(MULTUS, &thick(node.path(NETWORK).to_str().unwrap()));
    installed_in(&mut node, NETWORK);
    assert_eq!(node.ensure().warnings, []);
    assert_eq!(types(&node.read(NETWORK)), ["bridge", KIND]);
    assert!(node.read(NETWORK).contains(OURS));
}
