//! Looks after pods that run without their rules, or with others.
//!
//! A pod whose validation failed is repaired, deleted or labelled, as the options say. A pod of the mesh without a
//! validation container is looked at once, when it has begun to start. When it is asked for, the rules of every pod of
//! the mesh are compared every now and then.
//!
//! Each pod's work is a task of its own: whatever one pod does to its rules or its namespace, no other waits for it.

mod actions;
mod broken;
mod cgroup;
mod memory;
mod namespace;
mod outcome;
mod rules;

pub(super) use broken::failure;
pub use namespace::{ProcessError, Processes};

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, interval, sleep_until};

use super::api::Source;
use super::events::Announcer;
use super::fetch::{self, FetchError};
use super::metrics::Metrics;
use super::options::{Repair, RepairMode};
use super::pods::{KnownPod, Pods, Stage};
use crate::cni::interception::Node;
use crate::kernel::netns::Namespace;
use memory::Memory;
use outcome::{Done, Ending};
use rules::{RepairError, Treatment, treat};

/// Pods that are worked on at once.
const WORKERS: usize = 16;
/// Pods whose namespaces are open at once, from the scan of /proc on.
const BATCH: usize = 64;

/// Why a pod that never restarts its containers is not repaired.
const NEVER_RESTARTS: &str = "with restartPolicy Never it does not start its containers again, so that rules would come \
                              too late. Its controller makes another pod; a pod without one has to be created anew";
/// Why a pod that is over is not repaired.
const OVER: &str = "it is over, and starts no container any more. Its controller makes another pod; a pod without one has \
                    to be created anew";
/// Why a static pod is not repaired.
const STATIC: &str =
    "it stands for a static pod, whose processes have another UID, and only its author says which";

/// Everything that looking after pods takes.
pub struct Repairs {
    /// What to do.
    pub options: Repair,
    /// How often every pod is compared; `None` for never.
    pub reconcile_interval: Option<Duration>,
    /// Where the API is.
    pub source: Source,
    /// How rules are asked for on this node.
    pub node: Arc<Node>,
    /// The processes of the node.
    pub processes: Processes,
    /// The pods.
    pub pods: Arc<Pods>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What the owners of pods are told.
    pub events: Announcer,
}

/// What is done about a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Its validation failed: what tells the failure from others, and whether it is the first try.
    Broken { failure: String, is_first: bool },
    /// It has begun to start, and has no validation.
    Look,
    /// Its rules are compared because it is time.
    Reconcile,
}

impl Repairs {
    /// Goes on for as long as the agent lives.
    pub async fn follow(self) {
        let repairs = Arc::new(self);
        let mut changes = repairs.pods.subscribe();
        let mut reconcile = repairs.reconcile_interval.map(interval);
        let mut memory = Memory::default();
        let workers = Arc::new(Semaphore::new(WORKERS));
        let (sender, mut endings) = mpsc::channel(WORKERS);
        let mut is_time = false;
        loop {
            let pods = repairs.pods.snapshot();
            memory.keep_only(&pods);
            let due = pods.into_iter().filter_map(|pod| Some((memory.due(&repairs, &pod, is_time)?, pod)));
            let due: Vec<_> = due.collect();
            for (work, pod) in &due {
                memory.begin(&pod.uid, work);
            }
            is_time = false;
            for batch in due.chunks(BATCH) {
                tokio::spawn(Arc::clone(&repairs).work(batch.to_vec(), Arc::clone(&workers), sender.clone()));
            }
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = until(memory.next()) => {}
                () = tick(&mut reconcile) => is_time = true,
                Some(ending) = endings.recv() => outcome::note(&repairs, &mut memory, ending),
            }
        }
    }

    /// Works on these pods, each in a task of its own, with one look at the processes of the node for all of them.
    async fn work(
        self: Arc<Self>,
        batch: Vec<(Work, Arc<KnownPod>)>,
        workers: Arc<Semaphore>,
        endings: mpsc::Sender<Ending>,
    ) {
        let mut namespaces = match self.options.mode {
            RepairMode::Delete | RepairMode::Label
                if batch.iter().all(|(work, _)| *work != Work::Reconcile) =>
            {
                Ok(HashMap::new())
            }
            _ => self.namespaces_of(&batch).await,
        };
        for (work, pod) in batch {
            let namespace = match &mut namespaces {
                Ok(found) => Ok(found.remove(&pod.uid)),
                Err(error) => Err(RepairError::Processes(Arc::clone(error))),
            };
            let (repairs, workers, endings) = (Arc::clone(&self), Arc::clone(&workers), endings.clone());
            tokio::spawn(async move {
                let _permit = workers.acquire_owned().await;
                let mut warnings = Vec::new();
                let done = repairs.work_on(&pod, &work, namespace, &mut warnings).await;
                // Nothing is left to note it when the agent ends.
                let _ = endings.send(Ending { pod, work, done, warnings }).await;
            });
        }
    }

    async fn namespaces_of(
        &self,
        batch: &[(Work, Arc<KnownPod>)],
    ) -> Result<HashMap<String, Namespace>, Arc<ProcessError>> {
        let processes = self.processes.clone();
        let wanted: Vec<_> = batch.iter().map(|(_, pod)| Arc::clone(pod)).collect();
        let scan = spawn_blocking(move || {
            let wanted: HashSet<&str> = wanted.iter().map(|pod| pod.uid.as_str()).collect();
            processes.namespaces_of(&wanted).map_err(Arc::new)
        });
        scan.await.unwrap_or_else(|_| Ok(HashMap::new()))
    }

    async fn work_on(
        &self,
        pod: &Arc<KnownPod>,
        work: &Work,
        namespace: Result<Option<Namespace>, RepairError>,
        warnings: &mut Vec<String>,
    ) -> Done {
        let treatment = match (work, self.options.mode) {
            (Work::Broken { .. }, RepairMode::Delete) => {
                return Done::Deleted(actions::delete(&self.source, pod).await);
            }
            (Work::Broken { .. }, RepairMode::Label) if pod.is_labelled => return Done::LabelledBefore,
            (Work::Broken { .. }, RepairMode::Label) => {
                return Done::Labelled(actions::label(&self.source, pod, &self.options.label).await);
            }
            (Work::Broken { .. }, _) if pod.is_static => return Done::NothingToRepair(STATIC),
            (Work::Broken { .. }, _) if !pod.restarts => return Done::NothingToRepair(NEVER_RESTARTS),
            (Work::Broken { .. }, _) if pod.stage == Stage::Over => return Done::NothingToRepair(OVER),
            (Work::Broken { .. } | Work::Reconcile, _) => Treatment::Mend,
            (Work::Look, _) => Treatment::MendIfUnused,
        };
        let treated = async {
            let facts = match fetch::facts(&self.source, pod).await {
                Ok(facts) => facts,
                Err(FetchError::TooLarge(error)) => return Err(error.into()),
                Err(FetchError::Api(trouble)) => return Err(trouble.into()),
                Err(FetchError::Gone) => return Err(RepairError::Unknown),
            };
            let (pod, facts, node) = (Arc::clone(pod), facts.into_owned(), Arc::clone(&self.node));
            // Before anything else: a pod that is to have no rules need not be found.
            if let Some(reason) = rules::leaves_alone(&pod, &facts, &node)? {
                return Ok(rules::State::LeftAlone(reason));
            }
            let namespace = namespace?;
            let (state, said) = in_a_thread(move || {
                let mut said = Vec::new();
                (treat(&pod, &facts, &node, namespace, treatment, &mut said), said)
            })
            .await?;
            *warnings = said;
            state
        };
        Done::Treated(treated.await)
    }
}

/// On a thread of its own: one that could not come home from the pod's namespace must do nothing else afterwards.
async fn in_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, RepairError> {
    let (sender, receiver) = oneshot::channel();
    let thread = std::thread::Builder::new().spawn(move || sender.send(work()));
    thread.map_err(RepairError::Thread)?;
    receiver.await.map_err(|_| RepairError::Unknown)
}

async fn until(then: Option<Instant>) {
    match then {
        Some(then) => sleep_until(then).await,
        None => std::future::pending().await,
    }
}

async fn tick(interval: &mut Option<tokio::time::Interval>) {
    match interval {
        Some(interval) => drop(interval.tick().await),
        None => std::future::pending().await,
    }
}
