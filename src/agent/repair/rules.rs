//! Sees to it that a pod has its rules, with the engine that the plugin uses.

use std::sync::{Mutex, PoisonError};

use super::namespace::ProcessError;
use crate::agent::api::Trouble;
use crate::agent::facts::TooLarge;
use crate::agent::pods::{KnownPod, Stage};
use crate::cni::decision::{Decision, Reason, by_facts};
use crate::cni::interception::Node;
use crate::cni::pod::PodFacts;
use crate::config::problem::Problems;
use crate::interception::{Failure, Interception};
use crate::kernel::System;
use crate::kernel::netns::Namespace;
use crate::verify::compare::Difference;

/// The bytes of a pod's rules that are read without waiting: those of some hundred CIDRs take less.
const USUAL: usize = 256 * 1024;
/// The bytes of a pod's rules that are read at most in one look. A pod with CAP_NET_ADMIN can have any number of rules;
/// what its annotations ask for, which 256 KiB bound all together, takes less. The time that the kernel takes to list a
/// set grows with the square of its elements.
const MOST: usize = 3 * 1024 * 1024;
/// Held while more than [`USUAL`] is read: of one pod at a time, so that the memory for it is bounded.
static LARGE_RULE_SETS: Mutex<()> = Mutex::new(());

/// What is done about a pod whose rules are missing or different.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Treatment {
    /// They are put in.
    Mend,
    /// Where there are none at all, they are put in if no container but init containers has been started: connections
    /// that are open would otherwise change their way. Rules that are there stay as they are.
    MendIfUnused,
}

/// What was found and done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// The rules are there, exactly.
    Right,
    /// The rules were missing or different, and are there now.
    Mended,
    /// There are none, and the pod runs.
    Missing,
    /// Rules are there; nothing was compared.
    Present,
    /// The pod is to have none.
    LeftAlone(Reason),
}

impl State {
    /// In a word, for the log.
    pub(super) fn word(self) -> &'static str {
        match self {
            State::Right => "right",
            State::Mended => "mended",
            State::Missing => "missing",
            State::Present => "present",
            State::LeftAlone(reason) => reason.word(),
        }
    }
}

/// Why a pod still has not its rules.
#[derive(Debug, thiserror::Error)]
pub(super) enum RepairError {
    /// Too little is known of it.
    #[error("too little is known of the pod")]
    Unknown,
    /// It says more than is read.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// What is known of it was to be read from the API server.
    #[error(transparent)]
    Api(#[from] Trouble),
    /// Its settings are wrong.
    #[error("the pod's settings are wrong: {0}")]
    Settings(#[from] Problems),
    /// Namespaces cannot be looked for.
    #[error("{0}")]
    Processes(std::sync::Arc<ProcessError>),
    /// It has no process.
    #[error("no process on this node is one of the pod's, by the UID in the name of its cgroup")]
    NoProcess,
    /// No thread could be started.
    #[error("cannot start a thread for the pod: {0}")]
    Thread(std::io::Error),
    /// The rules were not applied or not read.
    #[error(transparent)]
    Rules(#[from] Failure),
    /// They were applied, and another program changes them.
    #[error("the rules were applied and are others already; missing (+) and unexpected (-):\n{0}")]
    Fought(Difference),
}

/// Decides whether a pod is to have rules, compares them with what they should be and treats what differs. Blocks.
///
/// # Errors
/// [`RepairError`] if the pod still has not its rules. `warnings` holds what the operator should know either way.
pub(super) fn treat(
    pod: &KnownPod,
    facts: &PodFacts,
    node: &Node,
    namespace: Option<Namespace>,
    treatment: Treatment,
    warnings: &mut Vec<String>,
) -> Result<State, RepairError> {
    if let Some(reason) = leaves_alone(pod, facts, node)? {
        return Ok(State::LeftAlone(reason));
    }
    let Some(mut rules) = node.rules_of(facts)? else { return Ok(State::LeftAlone(Reason::ModeNone)) };
    rules.config.dual_stack |= pod.is_ipv6_first;
    let mut kernel = System::inside(namespace.ok_or(RepairError::NoProcess)?);
    let is_starting = pod.stage == Stage::Initialising;
    let state = match look(&mut rules, &mut kernel, treatment, is_starting, USUAL) {
        Err(RepairError::Rules(failure)) if failure.is_too_much() => {
            let _one_at_a_time = LARGE_RULE_SETS.lock().unwrap_or_else(PoisonError::into_inner);
            look(&mut rules, &mut kernel, treatment, is_starting, MOST)
        }
        state => state,
    };
    warnings.append(&mut rules.warned);
    state
}

/// Compares and treats. Each step reads at most so many bytes of the pod's rules.
fn look(
    rules: &mut Interception,
    kernel: &mut System,
    treatment: Treatment,
    is_starting: bool,
    most: usize,
) -> Result<State, RepairError> {
    kernel.may_read(most);
    if treatment == Treatment::MendIfUnused {
        if rules.is_any_installed(kernel)? {
            return Ok(State::Present);
        }
        if !is_starting {
            return Ok(State::Missing);
        }
    } else if rules.compare(kernel)?.difference.is_none() {
        return Ok(State::Right);
    }
    kernel.may_read(most);
    rules.install(kernel)?;
    kernel.may_read(most);
    let left = rules.compare(kernel)?.difference;
    if left.is_none() { Ok(State::Mended) } else { Err(RepairError::Fought(left)) }
}

/// Why the pod is to have no rules, if so.
///
/// # Errors
/// [`RepairError::Unknown`] if that cannot be told.
pub(super) fn leaves_alone(
    pod: &KnownPod,
    facts: &PodFacts,
    node: &Node,
) -> Result<Option<Reason>, RepairError> {
    if let Some(reason) = node.leaves_alone(&pod.name) {
        return Ok(Some(reason));
    }
    match by_facts(facts) {
        Decision::Intercept => Ok(None),
        Decision::Skip(reason) => Ok(Some(reason)),
        Decision::Unknown => Err(RepairError::Unknown),
    }
}
