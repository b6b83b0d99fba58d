//! What is kept of one pod.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Key;
use crate::agent::api::pod::PodObject;
use crate::agent::facts::{self, TooLarge};
use crate::agent::options::Repair;
use crate::agent::repair::failure;
use crate::cni::pod::{PodFacts, PodName};

/// What a value of its own takes besides its text, about.
const VALUE: usize = 64;

/// A pod of the node.
#[derive(Clone, Debug)]
pub struct KnownPod {
    /// Its name, with the UID by which the container runtime knows it ([`facts::node_uid`]).
    pub name: PodName,
    /// `metadata.uid`: which pod this is. Nothing that the author of a pod writes changes it.
    pub uid: String,
    /// The version of its object.
    pub version: String,
    /// How far it is.
    pub stage: Stage,
    /// Whether it stands for a static pod, whose processes belong to another UID.
    pub is_static: bool,
    /// Whether IPv6 is the family of the first of its addresses.
    pub is_ipv6_first: bool,
    /// Whether its containers are started again when they fail (`restartPolicy` is not `Never`).
    pub restarts: bool,
    /// Which failure of its validation has to be looked after, if any (`repair/broken.rs`).
    pub failure: Option<String>,
    /// Whether it has the label of broken pods.
    pub is_labelled: bool,
    /// What the plugin asks for.
    pub facts: Facts,
}

/// How far a pod is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// No container has been started.
    Created,
    /// An init container has been started, and no other: the sandbox has its network.
    Initialising,
    /// A container has been started.
    Running,
    /// It is being deleted.
    Leaving,
    /// All its containers have ended for good.
    Over,
}

impl Stage {
    fn of(pod: &PodObject) -> Stage {
        let status = &pod.status;
        match &*status.phase {
            "Failed" | "Succeeded" => Stage::Over,
            _ if pod.metadata.deletion_timestamp.0 => Stage::Leaving,
            "Running" => Stage::Running,
            _ if status.container_statuses.has_started => Stage::Running,
            _ if status.init_container_statuses.has_started => Stage::Initialising,
            _ => Stage::Created,
        }
    }
}

/// The facts of a pod.
#[derive(Clone, Debug)]
pub enum Facts {
    /// They are in memory.
    Kept(PodFacts),
    /// They are not: the pod is over, or all pods together hold too much.
    NotKept,
    /// The pod says more than is read.
    TooLarge(TooLarge),
}

impl KnownPod {
    /// Takes what matters of a pod's object.
    pub fn new(object: PodObject, repair: &Repair) -> KnownPod {
        let stage = Stage::of(&object);
        let facts = match facts::facts(&object) {
            _ if stage == Stage::Over => Facts::NotKept,
            Ok(facts) => Facts::Kept(facts),
            Err(error) => Facts::TooLarge(error),
        };
        let label = |labels: &BTreeMap<String, String>| labels.contains_key(&repair.label.0);
        KnownPod {
            stage,
            is_static: object.metadata.annotations.static_uid.is_some(),
            is_ipv6_first: object.status.pod_ip.parse::<IpAddr>().is_ok_and(|it| it.is_ipv6()),
            restarts: object.spec.restart_policy.as_deref() != Some("Never"),
            failure: failure(&object, repair),
            is_labelled: object.metadata.labels.get().is_some_and(label),
            facts,
            name: PodName {
                uid: Some(facts::node_uid(&object)).filter(|uid| !uid.is_empty()).map(str::to_owned),
                namespace: object.metadata.namespace.into_string(),
                name: object.metadata.name.into_string(),
            },
            uid: object.metadata.uid.into_string(),
            version: object.metadata.resource_version.into_string(),
        }
    }

    pub(super) fn key(&self) -> Key {
        Key { namespace: self.name.namespace.clone(), name: self.name.name.clone() }
    }

    /// The bytes that its facts take in memory, about.
    pub fn size(&self) -> usize {
        let Facts::Kept(facts) = &self.facts else { return 0 };
        let text = |text: &String| text.len() + VALUE;
        let maps = [&facts.labels, &facts.annotations];
        let maps: usize =
            maps.into_iter().flatten().flatten().map(|(key, value)| text(key) + text(value)).sum();
        let containers = facts.containers.iter().flatten().map(|it| {
            let variables: usize = it.env.iter().map(|(key, value)| text(key) + text(value)).sum();
            text(&it.name) + it.args.iter().map(text).sum::<usize>() + variables
        });
        maps + containers.sum::<usize>()
    }
}
