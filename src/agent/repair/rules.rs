//! Sees to it that a pod has its rules, with the engine that the plugin uses.

use std::net::IpAddr;

use super::namespace::{NotFound, Processes};
use crate::agent::pods::KnownPod;
use crate::cni::decision::{Decision, Reason, by_facts};
use crate::cni::interception::Node;
use crate::config::problem::Problems;
use crate::interception::Failure;
use crate::kernel::System;
use crate::kernel::netns::{Namespace, NamespaceError};
use crate::verify::compare::Difference;

/// What there was to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Nothing: the rules are there, exactly.
    Right,
    /// The rules were missing or different, and are there now.
    Repaired,
    /// Nothing: the pod is to have none.
    LeftAlone(Reason),
}

/// Why a pod still has not its rules.
#[derive(Debug, thiserror::Error)]
pub(super) enum RepairError {
    /// Too little is known of it.
    #[error("too little is known of the pod")]
    Unknown,
    /// Its settings are wrong.
    #[error("the pod's settings are wrong: {0}")]
    Settings(#[from] Problems),
    /// It was not found.
    #[error(transparent)]
    NotFound(#[from] NotFound),
    /// Its namespace cannot be worked in.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The rules were not applied or not read.
    #[error(transparent)]
    Rules(#[from] Failure),
    /// They were applied, and somebody else changes them.
    #[error("the rules were applied and are others already; missing (+) and unexpected (-):\n{0}")]
    Fought(Difference),
}

/// Compares the rules of a pod with what they should be, mends them and compares again. Blocks.
///
/// # Errors
/// When the pod still has not its rules.
pub(super) fn ensure(pod: &KnownPod, node: &Node, processes: &Processes) -> Result<Outcome, RepairError> {
    if let Some(reason) = node.leaves_alone(&pod.name()) {
        return Ok(Outcome::LeftAlone(reason));
    }
    match by_facts(&pod.facts) {
        Decision::Intercept => {}
        Decision::Skip(reason) => return Ok(Outcome::LeftAlone(reason)),
        Decision::Unknown => return Err(RepairError::Unknown),
    }
    let Some(mut rules) = node.rules_of(&pod.facts)? else { return Ok(Outcome::LeftAlone(Reason::ModeNone)) };
    let uid = pod.facts.uid.clone().unwrap_or_default();
    let path = processes.namespace_of(&uid, &addresses(pod))?;
    let mut kernel = System::inside(Namespace::open(&path)?);
    if rules.compare(&mut kernel)?.difference.is_none() {
        return Ok(Outcome::Right);
    }
    rules.install(&mut kernel)?;
    let left = rules.compare(&mut kernel)?.difference;
    if left.is_none() { Ok(Outcome::Repaired) } else { Err(RepairError::Fought(left)) }
}

fn addresses(pod: &KnownPod) -> Vec<IpAddr> {
    let Some(status) = &pod.object.status else { return Vec::new() };
    let all = status.pod_ips.iter().flatten().map(|it| it.ip.as_str()).chain(status.pod_ip.as_deref());
    all.filter_map(|text| text.parse().ok()).collect()
}
