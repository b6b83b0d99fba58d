//! What is known of a pod, whoever says it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Which pod, as the container runtime and the API name it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PodName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID. A pod that was made anew under the same name has another; some runtimes do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}

/// What is known of a pod. What a source cannot know is nothing, which is not the same as empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodFacts {
    /// Its UID, as the node knows it: `metadata.uid`, but for a static pod `kubernetes.io/config.hash`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Does it use the node's own network (`spec.hostNetwork`)?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_network: Option<bool>,
    /// Its labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Its annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    /// Its containers, those of `initContainers` first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub containers: Option<Vec<Container>>,
}

/// A container of a pod: what the rules depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Is it one of `initContainers`?
    #[serde(default)]
    pub is_init: bool,
    /// Does it restart always? An init container that does runs next to the others: a native sidecar.
    #[serde(default)]
    pub restarts_always: bool,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Its environment, as far as it stands in the pod's specification; what comes from elsewhere (`valueFrom`) is left out.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// `securityContext.runAsUser` of the container, or else of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as_user: Option<u32>,
    /// `securityContext.runAsGroup` of the container, or else of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_as_group: Option<u32>,
}
