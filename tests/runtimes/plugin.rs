//! The plugin where the runtime looks for it, its configuration, and what was said to and by it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Output, Stdio};

use serde::Deserialize;
use serde_json::{Value, json};

use super::node::Node;
use super::{NAMESPACE, PLUGINS, PROGRAM, SUBNET, require};

/// The folder of plugins, by its name in the node's folder.
pub const FOLDER: &str = "plugins";
/// The folder of network configurations.
pub const CONFIGURATIONS: &str = "net.d";

/// One call of the plugin by the runtime.
#[derive(Clone, Debug, Deserialize)]
pub struct Call {
    environment: BTreeMap<String, String>,
    /// The network configuration.
    pub input: String,
    /// The exit code.
    pub code: i32,
    pub output: String,
    pub log: String,
}

/// Installs the plugin behind its recorder, next to those that it is chained to.
pub fn install(node: &Node) {
    let folder = node.path(FOLDER);
    fs::create_dir(&folder).unwrap();
    for name in ["bridge", "host-local", "loopback"] {
        let plugin = format!("{PLUGINS}/{name}");
        require(&[&plugin]);
        std::os::unix::fs::symlink(plugin, folder.join(name)).unwrap();
    }
    let settings = json!({"program": PROGRAM, "namespace": NAMESPACE});
    fs::write(folder.join("recorder.json"), settings.to_string()).unwrap();
    let recorder = folder.join("mesh-intercept-cni");
    fs::write(&recorder, include_str!("recorder.py")).unwrap();
    fs::set_permissions(recorder, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Writes the network's configuration: a bridge, and the plugin with these keys.
pub fn configure(node: &Node, version: &str, keys: Value) {
    let ipam = json!({
        "type": "host-local",
        "dataDir": node.path("leases"),
        "ranges": [[{"subnet": SUBNET}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    });
    let bridge =
        json!({"type": "bridge", "bridge": "mesh0", "isGateway": true, "ipMasq": false, "ipam": ipam});
    let mut ours = json!({"type": "mesh-intercept-cni"});
    ours.as_object_mut().unwrap().extend(keys.as_object().unwrap().clone());
    let list = json!({"cniVersion": version, "name": "mesh", "plugins": [bridge, ours]});
    let folder = node.path(CONFIGURATIONS);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("10-mesh.conflist"), list.to_string()).unwrap();
}

/// The calls for a pod with this command, the oldest first.
pub fn calls(node: &Node, command: &str, pod: &str) -> Vec<Call> {
    let lines = fs::read_to_string(node.path(FOLDER).join("calls")).unwrap_or_default();
    let calls = lines.lines().map(|line| serde_json::from_str::<Call>(line).unwrap());
    calls.filter(|call| call.says("CNI_COMMAND") == command && call.argument("K8S_POD_NAME") == pod).collect()
}

/// The last of them.
#[track_caller]
pub fn last(node: &Node, command: &str, pod: &str) -> Call {
    calls(node, command, pod).pop().unwrap_or_else(|| panic!("no {command} for {pod}"))
}

/// Makes the same call again.
pub fn repeat(node: &Node, call: &Call) -> Output {
    let recorder = node.name(FOLDER) + "/mesh-intercept-cni";
    let mut command = node.command(&[&recorder]);
    let mut process = command
        .envs(&call.environment)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(call.input.as_bytes()).unwrap();
    process.wait_with_output().unwrap()
}

impl Call {
    /// A variable of the environment, empty when it is missing.
    pub fn says(&self, name: &str) -> &str {
        self.environment.get(name).map_or("", String::as_str)
    }

    /// The same call with another value of a variable.
    pub fn with(mut self, name: &str, value: &str) -> Call {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// One of CNI_ARGS, empty when it is missing.
    pub fn argument(&self, name: &str) -> &str {
        let mut pairs = self.says("CNI_ARGS").split(';').filter_map(|pair| pair.split_once('='));
        pairs.find(|(key, _)| *key == name).map_or("", |(_, value)| value)
    }

    /// The pod's network namespace, as a file of the node.
    pub fn network(&self) -> &str {
        self.says("CNI_NETNS")
    }

    /// The configuration that the runtime handed over.
    pub fn configuration(&self) -> Value {
        serde_json::from_str(&self.input).unwrap()
    }

    /// What it printed on standard output.
    #[track_caller]
    pub fn answer(&self) -> Value {
        serde_json::from_str(&self.output)
            .unwrap_or_else(|error| panic!("{error} in {:?}: {}", self.output, self.log))
    }

    /// The pod's own IPv4 address, as the plugins before this one have said.
    pub fn address(&self) -> String {
        let address = self.configuration()["prevResult"]["ips"][0]["address"].as_str().unwrap().to_owned();
        address.split('/').next().unwrap().to_owned()
    }

    /// Panics unless the plugin has succeeded and passed on what it was given.
    #[track_caller]
    pub fn assert_passed_on(&self) {
        assert_eq!(self.code, 0, "{}\n{}", self.output, self.log);
        assert_eq!(self.answer(), self.configuration()["prevResult"]);
    }
}
