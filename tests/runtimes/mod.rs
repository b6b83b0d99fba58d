//! A node with a real container runtime, for tests of the CNI plugin.
//!
//! The runtime and all that it starts live in namespaces of the test ([`node`]) with a folder of the test: no process,
//! interface or mount outlives it. The plugin is called through a recorder ([`plugin`]), facts about pods come from a
//! stand-in for the node agent ([`agent`]), and [`actors`] play the proxy and the application in a pod.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot be set up has failed"
)]

pub mod actors;
pub mod agent;
pub mod cri;
pub mod image;
pub mod node;
pub mod plugin;
pub mod podman;

/// The program under test. The recorder calls it as `mesh-intercept-cni`.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_mesh-intercept");
/// Where Debian puts the plugins of containernetworking-plugins.
pub const PLUGINS: &str = "/usr/lib/cni";
/// The namespace of all pods.
pub const NAMESPACE: &str = "shop";
/// The first addresses go to the bridge, then to the pods in their order.
pub const SUBNET: &str = "10.88.0.0/24";
pub const BRIDGE: &str = "10.88.0.1";

pub const PROXY: u32 = 1337;
pub const APP: u32 = 1000;

/// A pod's UID, by its name.
pub fn uid_of(name: &str) -> String {
    format!("uid-of-{name}")
}

/// Says how to get what is missing: a test that cannot run has failed.
pub fn require(files: &[&str]) {
    for file in files {
        let found = std::path::Path::new(file).exists();
        assert!(found, "{file} is missing: scripts/setup --tests installs it");
    }
}

/// What a program printed on both streams.
pub fn everything(output: &std::process::Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}
