//! How the work on a pod ended: what is logged, counted and told.

use std::sync::Arc;

use tracing::{debug, info, warn};

use super::memory::Memory;
use super::rules::{RepairError, State};
use super::{Repairs, Work};
use crate::agent::api::Trouble;
use crate::agent::events::EventReason;
use crate::agent::metrics::{RepairResult, RepairType};
use crate::agent::pods::KnownPod;

/// What was done about a pod.
#[derive(Debug)]
pub(super) enum Done {
    /// Its rules were looked at, and mended where that was due.
    Treated(Result<State, RepairError>),
    /// It was deleted.
    Deleted(Result<(), Trouble>),
    /// It was labelled.
    Labelled(Result<(), Trouble>),
    /// Nothing: it has the label.
    LabelledBefore,
    /// Nothing, for this reason.
    NothingToRepair(&'static str),
}

/// The end of the work on a pod.
#[derive(Debug)]
pub(super) struct Ending {
    /// The pod.
    pub(super) pod: Arc<KnownPod>,
    /// What was due.
    pub(super) work: Work,
    /// What was done.
    pub(super) done: Done,
    /// What the operator should know of the pod's rules.
    pub(super) warnings: Vec<String>,
}

/// Says how the work ended, and remembers it.
pub(super) fn note(repairs: &Repairs, memory: &mut Memory, ending: Ending) {
    let Ending { pod, work, done, warnings } = ending;
    for warning in warnings {
        if memory.says_first(&pod.uid, &warning) {
            warn!(namespace = pod.name.namespace, pod = pod.name.name, uid = pod.uid, "{warning}");
            repairs.events.tell(&pod, EventReason::Warning, &warning);
        }
    }
    let is_done = match (&work, done) {
        (Work::Broken { is_first, .. }, done) => broken(repairs, &pod, *is_first, done),
        (Work::Look, Done::Treated(result)) => looked(repairs, memory, &pod, result),
        (Work::Reconcile, Done::Treated(result)) => compared(repairs, memory, &pod, result),
        (Work::Look | Work::Reconcile, _) => true,
    };
    memory.end(&pod.uid, &work, is_done);
}

/// Logs a line about a pod, with the fields that tell which pod it is.
macro_rules! line {
    ($level:ident, $pod:expr, $($text:tt)*) => {
        $level!(namespace = $pod.name.namespace, pod = $pod.name.name, uid = $pod.uid, $($text)*)
    };
}

/// Returns `true` if the failure need not be looked after again.
fn broken(repairs: &Repairs, pod: &KnownPod, is_first: bool, done: Done) -> bool {
    let (kind, result) = match done {
        Done::Treated(result) => return repaired(repairs, pod, is_first, result),
        Done::NothingToRepair(why) => {
            repairs.metrics.repair(RepairType::Repair, RepairResult::Skip);
            line!(info, pod, "not repaired: {why}");
            let message =
                format!("the pod started without its interception rules, and is not repaired: {why}");
            repairs.events.tell(pod, EventReason::NotRepaired, &message);
            return true;
        }
        Done::LabelledBefore => {
            repairs.metrics.repair(RepairType::Label, RepairResult::Skip);
            return true;
        }
        Done::Deleted(result) => (RepairType::Delete, result),
        Done::Labelled(result) => (RepairType::Label, result),
    };
    let (reason, done, doing) = match kind {
        RepairType::Delete => (EventReason::Deleted, "deleted", "delete"),
        _ => (EventReason::Labelled, "labelled", "label"),
    };
    match result {
        Ok(()) => {
            repairs.metrics.repair(kind, RepairResult::Success);
            let message = format!("{done}: the pod had started without its interception rules");
            line!(info, pod, "{message}");
            repairs.events.tell(pod, reason, &message);
            true
        }
        // Gone, or another version by now: the next look will tell.
        Err(trouble) if matches!(trouble.status(), Some(404 | 409)) => {
            repairs.metrics.repair(kind, RepairResult::Skip);
            trouble.status() == Some(404)
        }
        Err(trouble) => {
            repairs.metrics.repair(kind, RepairResult::Fail);
            let message =
                format!("cannot {doing} the pod, which started without its interception rules: {trouble}");
            line!(warn, pod, "{message}");
            if is_first {
                repairs.events.tell(pod, reason, &message);
            }
            false
        }
    }
}

fn repaired(repairs: &Repairs, pod: &KnownPod, is_first: bool, result: Result<State, RepairError>) -> bool {
    let count = |result| repairs.metrics.repair(RepairType::Repair, result);
    match result {
        Ok(State::Mended) => {
            count(RepairResult::Success);
            line!(info, pod, "repaired: the pod has its rules now");
            let message = "the pod had started without its interception rules; they are in place now";
            repairs.events.tell(pod, EventReason::Repaired, message);
            true
        }
        Ok(State::Right | State::Present | State::Missing) => {
            count(RepairResult::Skip);
            line!(
                info,
                pod,
                "nothing to repair: the rules are there; its validation will pass when it is started again"
            );
            true
        }
        Ok(State::LeftAlone(reason)) => {
            count(RepairResult::Skip);
            line!(info, pod, reason = reason.word(), "not repaired: {reason}");
            let message = format!("the pod's validation failed, and it gets no interception rules: {reason}");
            repairs.events.tell(pod, EventReason::NotRepaired, &message);
            true
        }
        Err(error) => {
            count(RepairResult::Fail);
            line!(warn, pod, "not repaired: {error}");
            // Told once, not at every try.
            if is_first {
                repairs.events.tell(pod, EventReason::RepairFailed, &error.to_string());
            }
            false
        }
    }
}

fn looked(
    repairs: &Repairs,
    memory: &mut Memory,
    pod: &KnownPod,
    result: Result<State, RepairError>,
) -> bool {
    match result {
        Ok(State::Mended) => {
            repairs.metrics.repair(RepairType::Repair, RepairResult::Success);
            line!(warn, pod, "repaired: the pod was starting without its rules, and has no validation");
            let message = "the pod was starting without its interception rules; they are in place now";
            repairs.events.tell(pod, EventReason::Repaired, message);
        }
        Ok(State::Missing) => {
            repairs.metrics.repair(RepairType::Repair, RepairResult::Skip);
            let message = "the pod runs without its interception rules: its traffic goes past the proxy. Create it anew; \
                           the agent's --reconcile-interval repairs pods that run, whose open connections may break";
            line!(warn, pod, "{message}");
            repairs.events.tell(pod, EventReason::Missing, message);
        }
        Ok(state) => line!(debug, pod, outcome = state.word(), "looked at"),
        // A pod may end while it is looked at.
        Err(error) if memory.says_first(&pod.uid, &error.to_string()) => {
            line!(info, pod, "cannot look at the pod's rules: {error}");
        }
        Err(_) => {}
    }
    true
}

fn compared(
    repairs: &Repairs,
    memory: &mut Memory,
    pod: &KnownPod,
    result: Result<State, RepairError>,
) -> bool {
    match result {
        Ok(State::Mended) => {
            repairs.metrics.drift();
            line!(warn, pod, "the rules were others than they should be, and are right now");
            let message = "the pod's interception rules had been changed; they are as they should be now";
            repairs.events.tell_on(pod, EventReason::Drift, message, memory.drifts(&pod.uid));
        }
        Ok(state) => line!(debug, pod, outcome = state.word(), "compared"),
        Err(error) if memory.says_first(&pod.uid, &error.to_string()) => {
            line!(warn, pod, "cannot compare the pod's rules: {error}");
        }
        Err(_) => {}
    }
    true
}
