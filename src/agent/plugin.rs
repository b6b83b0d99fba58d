//! The plugin as the agent sets it up: what its configuration says, and what the agent itself follows when it repairs.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::options::{Install, Options};
use crate::cni::interception::Node;
use crate::cni::netconf::{NetConf, POD_ANNOTATIONS};
use crate::cni::protocol::VERSIONS;
use crate::config::problem::Problems;

/// The node's own os-release, seen through its first process.
const OS_RELEASE: &str = "1/root/etc/os-release";

/// The plugin's entry in a list of plugins, without its type.
pub(super) fn entry(options: &Options) -> Value {
    let Install { excluded_namespaces, pod_namespace, native_nftables, plugin_log_level, .. } =
        &options.install;
    let mut entry = Map::new();
    // The runtime hands over annotations when it can: they do instead of the agent while that is away.
    entry.insert("capabilities".to_owned(), json!({ POD_ANNOTATIONS: true }));
    entry.insert("plugin_log_level".to_owned(), json!(plugin_log_level));
    entry.insert("cni_agent_run_dir".to_owned(), json!(options.run_directory));
    entry.insert("exclude_namespaces".to_owned(), json!(excluded_namespaces));
    entry.insert("pod_namespace".to_owned(), json!(pod_namespace.clone().unwrap_or_default()));
    if *native_nftables == Some(true) {
        entry.insert("native_nftables".to_owned(), json!(true));
    }
    Value::Object(entry)
}

/// How the plugin asks for rules on this node, so that the agent asks for the same.
///
/// # Errors
/// What is wrong with the entry.
pub(super) fn node(options: &Options) -> Result<Node, Problems> {
    let mut conf = entry(options);
    if let Some(keys) = conf.as_object_mut() {
        keys.insert("cniVersion".to_owned(), json!(VERSIONS[VERSIONS.len() - 1]));
        keys.insert("host_os_release".to_owned(), json!(os_release(&options.host_proc)));
    }
    match NetConf::parse(&conf.to_string()) {
        Ok(conf) => Node::of(&conf),
        Err(error) => unreachable!("the agent's own entry: {}", error.message),
    }
}

fn os_release(host_proc: &Path) -> std::path::PathBuf {
    host_proc.join(OS_RELEASE)
}
