//! What a configuration says and what has no effect: none of it stops a pod, and none of it is meant.

use super::NetConf;
use super::members::Members;
use crate::nearest::hint;

/// The words for the level of the log; anything else counts as `info`.
const LEVELS: [&str; 7] = ["none", "fatal", "error", "warn", "info", "debug", "trace"];

/// Keys that belong to the runtime, to other plugins' ways of using the specification, or to parts of istio-cni that
/// there are not here: they are ignored without a word. In this order: CNI specification 1.1, what libcni reads in a
/// list, istio-cni's ambient mode.
const FOREIGN: [&str; 12] = [
    "type",
    "args",
    "ipMasq",
    "ipam",
    "dns",
    "plugins",
    "cniVersions",
    "disableCheck",
    "disableGC",
    "loadOnlyInlinedPlugins",
    "enablement_selectors",
    "enable_ambient_detection_retry",
];
/// The specification keeps these names for what runtimes add.
const RESERVED: &str = "cni.dev/";

/// The keys that nobody knows.
pub(super) fn unknown(members: &Members) -> impl Iterator<Item = String> {
    let known = members.asked().iter().copied().chain(FOREIGN);
    let is_foreign = |name: &&str| FOREIGN.contains(name) || name.starts_with(RESERVED);
    members.others().filter(move |name| !is_foreign(name)).map(move |name| {
        let shown = super::super::interception::cut(name, 80);
        format!("unknown key {shown:?}{}", hint(name, known.clone()))
    })
}

/// Values that can be read, and that no node can go by.
pub(super) fn values(conf: &NetConf) -> Vec<String> {
    let mut doubts = Vec::new();
    let level = conf.log_level.as_str();
    if !level.is_empty() && !LEVELS.contains(&level) {
        let hint = hint(level, LEVELS);
        doubts.push(format!("plugin_log_level: {level:?} is no level and counts as \"info\"{hint}"));
    }
    for (place, name) in conf.excluded_namespaces.iter().enumerate().filter(|(_, name)| !is_namespace(name)) {
        doubts.push(format!("exclude_namespaces[{place}]: no namespace can be called {name:?}"));
    }
    if !conf.agent_namespace.is_empty() && !is_namespace(&conf.agent_namespace) {
        doubts.push(format!("pod_namespace: no namespace can be called {:?}", conf.agent_namespace));
    }
    // The socket is in the run directory unless it is said where.
    let socket = Some(&conf.agent_socket).filter(|path| !path.starts_with(&conf.run_directory));
    let paths = [
        ("cni_agent_run_dir", Some(&conf.run_directory)),
        ("agent_socket", socket),
        ("kubeconfig", Some(&conf.kubeconfig)),
        ("host_os_release", conf.host_os_release.as_ref()),
    ];
    for (key, path) in paths {
        if let Some(path) = path.filter(|path| path.is_relative() && !path.as_os_str().is_empty()) {
            doubts
                .push(format!("{key}: {path:?} is not an absolute path: where it is depends on the runtime"));
        }
    }
    doubts
}

/// As Kubernetes names them (RFC 1123).
fn is_namespace(name: &str) -> bool {
    let is_inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
    (1..=63).contains(&name.len())
        && name.bytes().all(is_inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}
