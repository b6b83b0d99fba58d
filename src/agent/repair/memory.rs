//! What is remembered of each pod between two looks, and what follows from it: which pods are due for what.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Repairs, Stage, Work};
use crate::agent::options::{Repair, RepairMode};
use crate::agent::pods::{Facts, KnownPod};
use crate::cni::decision::{Decision, by_facts};

/// The pause after the first failure; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Messages that are remembered of one pod, so that none is logged twice.
const MESSAGES: usize = 16;

/// What is remembered of all pods, by their UIDs.
#[derive(Debug, Default)]
pub(super) struct Memory(HashMap<String, PodMemory>);

/// What is remembered of a pod.
#[derive(Debug, Default)]
struct PodMemory {
    is_busy: bool,
    is_looked_at: bool,
    broken: Option<Progress>,
    said: HashSet<String>,
    /// How many times the pod's rules were mended because they had drifted.
    drifts: u64,
}

/// How far the work on a failure is.
#[derive(Clone, Debug)]
enum Progress {
    /// All that can be done was done about this failure; the pod will show it when its container starts again.
    Done(String),
    /// It did not work, and is tried again then.
    Again(Instant, Duration),
}

impl Memory {
    /// Forgets pods that are gone.
    pub(super) fn keep_only(&mut self, pods: &[Arc<KnownPod>]) {
        let there: HashSet<&str> = pods.iter().map(|pod| pod.uid.as_str()).collect();
        self.0.retain(|uid, _| there.contains(uid.as_str()));
    }

    /// What is to be done about a pod now, if anything. `is_time` says that all rules are to be compared.
    pub(super) fn due(&self, repairs: &Repairs, pod: &KnownPod, is_time: bool) -> Option<Work> {
        let nothing = PodMemory::default();
        let memory = self.0.get(&pod.uid).unwrap_or(&nothing);
        if memory.is_busy || pod.uid.is_empty() {
            return None;
        }
        if let Some(work) = broken(&repairs.options, pod, memory) {
            return Some(work);
        }
        // The processes of a static pod have another UID, which the mirror in the API only claims.
        if pod.is_static {
            return None;
        }
        if is_time && pod.stage == Stage::Running {
            return Some(Work::Reconcile);
        }
        let is_reconciled = repairs.reconcile_interval.is_some();
        let is_new = !memory.is_looked_at && matches!(pod.stage, Stage::Initialising | Stage::Running);
        let is_wanted =
            repairs.options.mode == RepairMode::Repair && !is_reconciled && is_new && pod.failure.is_none();
        (is_wanted && is_unvalidated(&repairs.options, pod)).then_some(Work::Look)
    }

    /// The work on a pod begins.
    pub(super) fn begin(&mut self, uid: &str, work: &Work) {
        let memory = self.0.entry(uid.to_owned()).or_default();
        memory.is_busy = true;
        memory.is_looked_at |= *work == Work::Look;
    }

    /// The work on a pod has ended; `is_done` says that it need not be tried again.
    pub(super) fn end(&mut self, uid: &str, work: &Work, is_done: bool) {
        // A pod that is gone is forgotten already.
        let Some(memory) = self.0.get_mut(uid) else { return };
        memory.is_busy = false;
        let Work::Broken { failure, .. } = work else { return };
        memory.broken = Some(match (is_done, &memory.broken) {
            (true, _) => Progress::Done(failure.clone()),
            (false, Some(Progress::Again(_, pause))) => {
                let pause = (*pause * 2).min(LONGEST_PAUSE);
                Progress::Again(Instant::now() + pause, pause)
            }
            (false, _) => Progress::Again(Instant::now() + FIRST_PAUSE, FIRST_PAUSE),
        });
    }

    /// Returns `true` the first time that something is said of a pod.
    pub(super) fn says_first(&mut self, uid: &str, message: &str) -> bool {
        let Some(memory) = self.0.get_mut(uid) else { return true };
        if memory.said.len() >= MESSAGES {
            memory.said.clear();
        }
        memory.said.insert(message.to_owned())
    }

    /// Counts a drift of the pod's rules.
    pub(super) fn drifts(&mut self, uid: &str) -> u64 {
        let Some(memory) = self.0.get_mut(uid) else { return 0 };
        memory.drifts += 1;
        memory.drifts
    }

    /// When the next failure is due; failures that are due already are being worked on.
    pub(super) fn next(&self) -> Option<Instant> {
        let waiting = self.0.values().filter(|memory| !memory.is_busy);
        waiting
            .filter_map(|memory| match memory.broken {
                Some(Progress::Again(then, _)) => Some(then),
                _ => None,
            })
            .min()
    }
}

fn broken(options: &Repair, pod: &KnownPod, memory: &PodMemory) -> Option<Work> {
    let failure = pod.failure.clone().filter(|_| options.mode != RepairMode::Off)?;
    let is_first = match &memory.broken {
        Some(Progress::Done(known)) if *known == failure => return None,
        Some(Progress::Again(then, _)) if *then > Instant::now() => return None,
        Some(Progress::Again(..)) => false,
        Some(Progress::Done(_)) | None => true,
    };
    Some(Work::Broken { failure, is_first })
}

/// Returns `true` for a pod of the mesh that nothing would find without its rules: it has no container that validates
/// them.
fn is_unvalidated(options: &Repair, pod: &KnownPod) -> bool {
    let Facts::Kept(facts) = &pod.facts else { return false };
    let mut containers = facts.containers.iter().flatten();
    by_facts(facts) == Decision::Intercept && containers.all(|it| it.name != options.init_container)
}
