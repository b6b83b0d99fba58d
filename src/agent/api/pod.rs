//! A Pod as the API server sends it: the few fields that anything here reads, each with a bound.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer};

use super::bounded::{Bounded, Cut, ENTRY, Keys, Presence, Room, each_entry, each_item, map};
use crate::cni::decision::{INIT, PROXY};
use crate::cni::settings::{VALIDATION, is_read, is_read_variable};

/// The most that a Pod's labels may hold, in bytes. Kubernetes bounds each label, and not their number.
pub const LABELS: usize = 64 << 10;
/// The most that the annotations which are read may hold: what Kubernetes allows all annotations together
/// (`TotalAnnotationSizeLimitB`).
pub const ANNOTATIONS: usize = 256 << 10;
/// The most that the keys of the annotations may hold.
const ANNOTATION_KEYS: usize = ANNOTATIONS;
/// The most that the arguments of a container may hold.
pub const ARGUMENTS: usize = 64 << 10;
/// The most that the variables of a container which are read may hold.
pub const VARIABLES: usize = 256 << 10;
/// The most that is kept of how the init containers ended.
const ENDS: usize = 64 << 10;
/// Containers that nothing reads more than the name of are kept up to this number, for people who look at the answer.
const NAMED_CONTAINERS: usize = 64;

/// A name, a UID, a version: Kubernetes allows at most 253 bytes.
pub type Name = Cut<256>;
/// How a container ended, in its own words: the kubelet takes 4,096 bytes.
pub type Message = Cut<4096>;

/// A Pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct PodObject {
    /// `metadata`.
    pub metadata: Metadata,
    /// `spec`.
    pub spec: Spec,
    /// `status`.
    pub status: Status,
}

/// `metadata` of a Pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Metadata {
    /// The namespace.
    pub namespace: Name,
    /// The name.
    pub name: Name,
    /// The UID, which the API server alone writes.
    pub uid: Name,
    /// The version of the object.
    pub resource_version: Name,
    /// Present when the Pod is being deleted.
    pub deletion_timestamp: Presence,
    /// The labels.
    #[serde(deserialize_with = "map::<_, LABELS>")]
    pub labels: Bounded<BTreeMap<String, String>>,
    /// The annotations.
    pub annotations: Annotations,
}

/// `metadata.annotations`.
#[derive(Clone, Debug, Default)]
pub struct Annotations {
    /// The keys of all of them.
    pub keys: Keys,
    /// Those that say something about interception.
    pub read: Bounded<BTreeMap<String, String>>,
    /// `kubernetes.io/config.hash` of a mirror pod: the UID by which the kubelet knows the static pod.
    pub static_uid: Option<Name>,
}

/// The kubelet puts this annotation on a mirror pod: the object in the API that stands for a static pod of the node.
const MIRROR: &str = "kubernetes.io/config.mirror";
/// On a mirror pod: the UID of the static pod.
const STATIC_UID: &str = "kubernetes.io/config.hash";

impl<'de> Deserialize<'de> for Annotations {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Annotations, D::Error> {
        let (mut of_keys, mut of_read) = (Room::of(ANNOTATION_KEYS), Room::of(ANNOTATIONS));
        let (mut keys, mut read) = (BTreeSet::new(), BTreeMap::new());
        let mut static_uid = None;
        each_entry(source, |key: Name, value: Cut<ANNOTATIONS>| {
            if is_read(&key) && of_read.take(key.len() + value.len()) {
                read.insert(key.to_string(), value.to_string());
            }
            if &*key == STATIC_UID {
                static_uid = Some(Name::of(&value));
            }
            if of_keys.take(key.len() + ENTRY) {
                keys.insert(key.into_string());
            }
        })?;
        Ok(Annotations {
            static_uid: static_uid.filter(|_| keys.contains(MIRROR)),
            keys: Bounded::within(of_keys, keys),
            read: Bounded::within(of_read, read),
        })
    }
}

/// `spec` of a Pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Spec {
    /// The node.
    pub node_name: Name,
    /// Whether the Pod uses the node's own network.
    pub host_network: Option<bool>,
    /// `Always`, `OnFailure` or `Never`.
    pub restart_policy: Option<Name>,
    /// Who the containers run as that do not say it themselves.
    pub security_context: Option<SecurityContext>,
    /// The init containers.
    #[serde(deserialize_with = "containers")]
    pub init_containers: Vec<ContainerObject>,
    /// The containers.
    #[serde(deserialize_with = "containers")]
    pub containers: Vec<ContainerObject>,
}

/// `securityContext` of a Pod or a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SecurityContext {
    /// The user.
    pub run_as_user: Option<i64>,
    /// The group.
    pub run_as_group: Option<i64>,
}

/// A container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ContainerObject {
    /// Its name.
    pub name: Name,
    /// `Always` for a native sidecar.
    pub restart_policy: Option<Name>,
    /// Who it runs as.
    pub security_context: Option<SecurityContext>,
    /// Its arguments.
    #[serde(deserialize_with = "arguments")]
    pub args: Bounded<Vec<String>>,
    /// Its variables that are read.
    #[serde(deserialize_with = "variables")]
    pub env: Bounded<BTreeMap<String, String>>,
}

/// Returns `true` for a container whose arguments and variables say something about the rules.
pub fn is_speaking(container: &str) -> bool {
    [PROXY, VALIDATION].contains(&container)
}

fn containers<'de, D: Deserializer<'de>>(source: D) -> Result<Vec<ContainerObject>, D::Error> {
    let mut kept = Vec::new();
    each_item(source, |mut container: ContainerObject| {
        if !is_speaking(&container.name) {
            // What nothing reads stays away from the socket and the logs: arguments and variables may be secrets.
            (container.args, container.env) = Default::default();
        }
        if is_speaking(&container.name) || &*container.name == INIT || kept.len() < NAMED_CONTAINERS {
            kept.push(container);
        }
    })?;
    Ok(kept)
}

fn arguments<'de, D: Deserializer<'de>>(source: D) -> Result<Bounded<Vec<String>>, D::Error> {
    let (mut room, mut arguments) = (Room::of(ARGUMENTS), Vec::new());
    each_item(source, |argument: Cut<ARGUMENTS>| {
        if room.take(argument.len() + ENTRY) {
            arguments.push(argument.into_string());
        }
    })?;
    Ok(Bounded::within(room, arguments))
}

/// Of two variables with one name, the later counts: a literal before a `valueFrom` is not what the container gets.
fn variables<'de, D: Deserializer<'de>>(source: D) -> Result<Bounded<BTreeMap<String, String>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Variable {
        name: Name,
        #[serde(default)]
        value: Cut<VARIABLES>,
        #[serde(default)]
        value_from: Presence,
    }
    let (mut room, mut literals) = (Room::of(VARIABLES), BTreeMap::new());
    each_item(source, |variable: Variable| {
        if variable.value_from.0 {
            literals.remove(&*variable.name);
        } else if is_read_variable(&variable.name) && room.take(variable.value.len() + ENTRY) {
            literals.insert(variable.name.into_string(), variable.value.into_string());
        }
    })?;
    Ok(Bounded::within(room, literals))
}

/// `status` of a Pod.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Status {
    /// `Pending`, `Running`, `Succeeded`, `Failed` or `Unknown`.
    pub phase: Name,
    /// The first of its addresses.
    #[serde(rename = "podIP")]
    pub pod_ip: Name,
    /// The init containers.
    pub init_container_statuses: ContainerStatuses,
    /// The containers.
    pub container_statuses: ContainerStatuses,
}

/// What became of containers.
#[derive(Clone, Debug, Default)]
pub struct ContainerStatuses {
    /// Whether any of them has been started once.
    pub has_started: bool,
    /// Those that have ended at least once, as far as their bound allows.
    pub ended: Vec<Ended>,
}

/// A container that has ended at least once.
#[derive(Clone, Debug, Default)]
pub struct Ended {
    /// Its name.
    pub name: Name,
    /// How it ended, if it has not been started again.
    pub now: Option<End>,
    /// How it ended the time before.
    pub before: Option<End>,
}

/// The end of a container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct End {
    /// The exit code.
    pub exit_code: i64,
    /// What it said.
    pub message: Message,
    /// The container.
    #[serde(rename = "containerID")]
    pub container_id: Name,
}

impl<'de> Deserialize<'de> for ContainerStatuses {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<ContainerStatuses, D::Error> {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct State {
            running: Presence,
            terminated: Option<End>,
        }
        #[derive(Default, Deserialize)]
        #[serde(default, rename_all = "camelCase")]
        struct ContainerStatus {
            name: Name,
            state: Option<State>,
            last_state: Option<State>,
        }
        let (mut room, mut statuses) = (Room::of(ENDS), ContainerStatuses::default());
        each_item(source, |status: ContainerStatus| {
            let (state, last) = (status.state.unwrap_or_default(), status.last_state.unwrap_or_default());
            statuses.has_started |= state.running.0;
            let (now, before) = (state.terminated, last.terminated);
            if now.is_none() && before.is_none() {
                return;
            }
            statuses.has_started = true;
            let said = [&now, &before].into_iter().flatten().map(|end| end.message.len()).sum::<usize>();
            if room.take(said + ENTRY) {
                statuses.ended.push(Ended { name: status.name, now, before });
            }
        })?;
        Ok(statuses)
    }
}
