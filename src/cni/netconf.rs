//! The plugin's configuration: the entry of a network list that the runtime hands over on standard input.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::protocol::{self, Error, code};
use crate::config::BackendChoice;

mod doubts;
mod members;
mod reading;

use members::Members;

/// Where the agent keeps what it shares with the plugin, when the configuration does not say.
pub const RUN_DIRECTORY: &str = "/var/run/mesh-intercept";
/// The time in which an ADD has to know about its pod.
pub const TIME_BUDGET: Duration = Duration::from_secs(5);
/// The capability by which containerd hands over a pod's annotations.
pub const POD_ANNOTATIONS: &str = "io.kubernetes.cri.pod-annotations";

/// Who is asked about a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The node's agent.
    Agent,
    /// The runtime: the annotations that it hands over.
    Runtime,
    /// The API server, with the credentials of a kubeconfig file.
    Kubeconfig,
}

/// What becomes of a pod of which nothing is known in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WithoutFacts {
    /// It has to wait: the runtime tries again.
    #[default]
    Fail,
    /// It starts without rules, and outside the mesh.
    Skip,
}

/// What the configuration says.
#[derive(Clone, Debug)]
pub struct NetConf {
    /// The version of the specification, one of those that are spoken.
    pub version: String,
    /// The name of the network.
    pub network: String,
    /// What the plugin before this one answered, to the byte.
    pub previous_result: Option<String>,
    /// The attachments that are still in use (GC); nothing when the runtime does not say.
    pub valid_attachments: Option<Vec<protocol::Attachment>>,
    /// The annotations that the runtime handed over.
    pub pod_annotations: Option<BTreeMap<String, String>>,
    /// Will the runtime hand over annotations?
    pub has_annotations_capability: bool,
    /// The level of the log.
    pub log_level: String,
    /// Where the agent's socket is, and what is remembered of sandboxes.
    pub run_directory: PathBuf,
    /// Does istio's configuration expect pods without sidecars to be handled?
    pub is_ambient_expected: bool,
    /// Namespaces whose pods are left alone.
    pub excluded_namespaces: Vec<String>,
    /// The namespace of the agent.
    pub agent_namespace: String,
    /// Who is asked about a pod, in this order.
    pub sources: Vec<Source>,
    /// How long an ADD may take to learn about its pod.
    pub time_budget: Duration,
    /// What becomes of a pod of which nothing is known by then.
    pub without_facts: WithoutFacts,
    /// The agent's socket.
    pub agent_socket: PathBuf,
    /// The kubeconfig file.
    pub kubeconfig: PathBuf,
    /// Which back end was asked for.
    pub backend: BackendChoice,
    /// Flags of `init` that hold for every pod whose own settings do not say otherwise.
    pub flags: Vec<String>,
    /// The node's os-release file; nothing when it is not to be read.
    pub host_os_release: Option<PathBuf>,
    /// What it says and what has no effect, or not the one that it seems to have: a sentence each. The plugin goes on,
    /// as the specification wants it; nothing is installed with it.
    pub doubts: Vec<String>,
}

/// So many wrong or doubtful things are named; the others are counted.
const NAMED: usize = 20;

impl NetConf {
    /// Reads it.
    ///
    /// # Errors
    /// When it is no JSON (code 6), of a version that is not spoken (1), or keys have wrong values (7): all of them are
    /// in the message.
    pub fn parse(text: &str) -> Result<NetConf, Error> {
        let (conf, faults) = reading::read(text)?;
        if faults.is_empty() {
            return Ok(conf);
        }
        let message = format!("the plugin's configuration is wrong: {}", named(faults).join("; "));
        Err(Error::new(code::CONFIGURATION, message).of_version(&conf.version))
    }

    /// Reads it for a command that only takes away: a sandbox has to go, whatever is wrong with keys that say how one is
    /// made. Those count as not given, and are among the doubts.
    ///
    /// # Errors
    /// When it is no object of JSON, or of a version that is not spoken.
    pub fn parse_for_removal(text: &str) -> Result<NetConf, Error> {
        let (mut conf, faults) = reading::read(text)?;
        conf.doubts = named(faults.into_iter().chain(conf.doubts));
        Ok(conf)
    }

    /// Every key that is read.
    pub fn keys() -> Vec<&'static str> {
        let mut members = Members::default();
        reading::configuration(&mut members);
        members.asked().to_vec()
    }

    /// Whether the network has given the pod an IPv6 address before all others: then IPv6 is the family that its
    /// Services, its probes and most of its calls use.
    pub fn is_ipv6_first(&self) -> bool {
        #[derive(serde::Deserialize)]
        struct Address {
            address: String,
        }
        #[derive(serde::Deserialize)]
        struct Addresses {
            #[serde(default)]
            ips: Vec<Address>,
        }
        let result =
            self.previous_result.as_deref().and_then(|it| serde_json::from_str::<Addresses>(it).ok());
        let first = result.and_then(|it| it.ips.into_iter().next());
        let network = first.and_then(|it| it.address.parse::<ipnet::IpNet>().ok());
        network.is_some_and(|it| it.addr().is_ipv6())
    }

    /// What the runtime is answered: the previous result, or nothing but the version.
    pub fn result(&self) -> String {
        self.previous_result
            .clone()
            .unwrap_or_else(|| serde_json::json!({ "cniVersion": self.version }).to_string())
    }
}

/// The first of many sentences, and how many more there are.
fn named(sentences: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut rest = sentences.into_iter();
    let mut named: Vec<String> = rest.by_ref().take(NAMED).collect();
    match rest.count() {
        0 => {}
        more => named.push(format!("and {more} more")),
    }
    named
}

#[cfg(test)]
mod tests;
