//! podman on a node, with everything that it keeps in the node's folder, except what is in /run and /var/lib all the same.

use std::process::Output;

use super::node::Node;
use super::{everything, plugin, require};

/// Writes podman's settings; the runtime is a name or a path.
pub fn configure(node: &Node, runtime: &str) {
    require(&["/usr/bin/podman", "/usr/bin/crun", "/usr/bin/conmon"]);
    for folder in [plugin::FOLDER, plugin::CONFIGURATIONS] {
        std::fs::create_dir_all(node.path(folder)).unwrap();
    }
    let text = format!(
        "[network]\nnetwork_backend = \"cni\"\ndefault_network = \"mesh\"\n\
         cni_plugin_dirs = [{:?}]\nnetwork_config_dir = {:?}\n\
         [engine]\nruntime = {runtime:?}\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"none\"\ntmp_dir = {:?}\n",
        node.path(plugin::FOLDER),
        node.path(plugin::CONFIGURATIONS),
        node.path("tmp"),
    );
    std::fs::write(settings(node), text).unwrap();
}

fn settings(node: &Node) -> String {
    node.name("containers.conf")
}

/// What podman says.
pub fn output(node: &Node, words: &[&str]) -> Output {
    let (storage, state) = (node.name("storage"), node.name("state"));
    let own = ["podman", "--root", &storage, "--runroot", &state, "--storage-driver", "vfs"];
    node.command(&[&own, words].concat()).env("CONTAINERS_CONF", settings(node)).output().unwrap()
}

/// The same; it has to succeed.
#[track_caller]
pub fn text(node: &Node, words: &[&str]) -> String {
    let output = output(node, words);
    assert!(output.status.success(), "podman {words:?}: {}", everything(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a container.
pub fn run(node: &Node, words: &[&str]) -> Output {
    // The node has no cgroups, and limits cannot be raised everywhere.
    output(node, &[&["run", "--cgroups=disabled", "--ulimit=host"], words].concat())
}
