//! Looks after pods that run without their rules, or with others.
//!
//! A pod whose validation failed is repaired, deleted or labelled, as the options say. When it is asked for, the rules of
//! every pod of the mesh are compared every now and then.

mod actions;
mod broken;
mod namespace;
mod rules;

pub use namespace::Processes;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, interval, sleep_until};
use tracing::{debug, info, warn};

use super::metrics::{Metrics, RepairResult, RepairType};
use super::options::{Repair, RepairMode};
use super::pods::{KnownPod, Pods};
use super::watch::Source;
use crate::cni::interception::Node;
use broken::failure;
use rules::{Outcome, RepairError, ensure};

/// The pause after the first failure; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Everything that looking after pods takes.
pub struct Repairs {
    /// What to do.
    pub options: Repair,
    /// How often every pod is compared; nothing for never.
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
}

/// What is remembered of a pod that is broken.
#[derive(Clone, Debug)]
enum Progress {
    /// All that can be done was done about this failure; the pod will show it when its container starts again.
    Done(String),
    /// It did not work, and is tried again then.
    Again(Instant, Duration),
}

impl Repairs {
    /// Goes on for as long as the agent lives.
    pub async fn follow(self) {
        let mut changes = self.pods.subscribe();
        let mut reconcile = self.reconcile_interval.map(interval);
        let mut progress: HashMap<String, Progress> = HashMap::new();
        loop {
            let next = self.look_after_broken(&mut progress).await;
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = until(next) => {}
                () = tick(&mut reconcile) => self.compare_all().await,
            }
        }
    }

    /// Says when to look again at what did not work.
    async fn look_after_broken(&self, progress: &mut HashMap<String, Progress>) -> Option<Instant> {
        if self.options.mode == RepairMode::Off {
            return None;
        }
        let pods = self.pods.snapshot();
        let broken = pods.iter().filter_map(|pod| Some((pod, failure(&pod.object, &self.options)?)));
        let broken: Vec<_> = broken.collect();
        let uid = |pod: &KnownPod| pod.object.metadata.uid.clone().unwrap_or_default();
        progress.retain(|known, _| broken.iter().any(|(pod, _)| uid(pod) == *known));
        for (pod, failure) in broken {
            let pause = match progress.get(&uid(pod)) {
                Some(Progress::Done(known)) if *known == failure => continue,
                Some(Progress::Again(then, _)) if *then > Instant::now() => continue,
                Some(Progress::Again(_, pause)) => (*pause * 2).min(LONGEST_PAUSE),
                Some(Progress::Done(_)) | None => FIRST_PAUSE,
            };
            let is_done = self.act(pod, pause == FIRST_PAUSE).await;
            let state = if is_done {
                Progress::Done(failure)
            } else {
                Progress::Again(Instant::now() + pause, pause)
            };
            progress.insert(uid(pod), state);
        }
        let again = progress.values().filter_map(|it| match it {
            Progress::Again(then, _) => Some(*then),
            Progress::Done(_) => None,
        });
        again.min()
    }

    /// Does what the options say to a broken pod; false when it has to be tried again.
    async fn act(&self, pod: &Arc<KnownPod>, is_first: bool) -> bool {
        match self.options.mode {
            RepairMode::Off => true,
            RepairMode::Repair => self.repair(pod, is_first).await,
            RepairMode::Delete => self.delete(pod, is_first).await,
            RepairMode::Label => self.label(pod).await,
        }
    }

    async fn repair(&self, pod: &Arc<KnownPod>, is_first: bool) -> bool {
        let name = pod.name();
        let count = |result| self.metrics.repair(RepairType::Repair, result);
        match self.ensure(pod).await {
            Ok(Outcome::Repaired) => {
                count(RepairResult::Success);
                info!(?name, "repaired: the pod has its rules now");
                let message = "the pod had started without its interception rules; they are in place now";
                self.tell(pod, true, "InterceptionRepaired", message);
                true
            }
            Ok(Outcome::Right) => {
                count(RepairResult::Skip);
                info!(
                    ?name,
                    "nothing to repair: the rules are there; its validation will pass when it is started again"
                );
                true
            }
            Ok(Outcome::LeftAlone(reason)) => {
                count(RepairResult::Skip);
                info!(?name, "not repaired: {reason}");
                true
            }
            Err(error) => {
                count(RepairResult::Fail);
                warn!(?name, "not repaired: {error}");
                // Told once, not at every try.
                if is_first {
                    self.tell(pod, false, "InterceptionRepairFailed", &error.to_string());
                }
                false
            }
        }
    }

    async fn delete(&self, pod: &Arc<KnownPod>, is_first: bool) -> bool {
        let client = match self.source.client().await {
            Ok(client) => client,
            Err(trouble) => return self.failed(pod, RepairType::Delete, &trouble.to_string()),
        };
        match actions::delete(&client, &pod.object).await {
            Ok(()) => {
                self.metrics.repair(RepairType::Delete, RepairResult::Success);
                info!(name = ?pod.name(), "deleted: it had started without its rules");
                self.tell(
                    pod,
                    false,
                    "DeleteBrokenPod",
                    "deleted: the pod had started without its interception rules",
                );

                true
            }
            // Gone, or another one by now: the next look will tell.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {
                self.metrics.repair(RepairType::Delete, RepairResult::Skip);
                status.code == 404
            }
            Err(error) => {
                let message = format!("cannot delete the pod, which started without its rules: {error}");
                if is_first {
                    self.tell(pod, false, "DeleteBrokenPod", &message);
                }
                self.failed(pod, RepairType::Delete, &message)
            }
        }
    }

    async fn label(&self, pod: &Arc<KnownPod>) -> bool {
        let labels = pod.object.metadata.labels.as_ref();
        if labels.is_some_and(|labels| labels.contains_key(&self.options.label.0)) {
            self.metrics.repair(RepairType::Label, RepairResult::Skip);
            return true;
        }
        let client = match self.source.client().await {
            Ok(client) => client,
            Err(trouble) => return self.failed(pod, RepairType::Label, &trouble.to_string()),
        };
        match actions::label(&client, &pod.object, &self.options.label).await {
            Ok(()) => {
                self.metrics.repair(RepairType::Label, RepairResult::Success);
                info!(name = ?pod.name(), "labelled: it had started without its rules");
                self.tell(pod, false, "LabelBrokenPod", "the pod had started without its interception rules");

                true
            }
            Err(kube::Error::Api(status)) if status.code == 404 => {
                self.metrics.repair(RepairType::Label, RepairResult::Skip);
                true
            }
            Err(error) => self.failed(pod, RepairType::Label, &format!("cannot label the pod: {error}")),
        }
    }

    fn failed(&self, pod: &KnownPod, kind: RepairType, message: &str) -> bool {
        self.metrics.repair(kind, RepairResult::Fail);
        warn!(name = ?pod.name(), "{message}");
        false
    }

    /// Compares the rules of every pod that runs, and mends those that differ.
    async fn compare_all(&self) {
        for pod in self.pods.snapshot() {
            let status = pod.object.status.as_ref();
            let is_running = status.and_then(|it| it.phase.as_deref()) == Some("Running");
            if !is_running || pod.object.metadata.deletion_timestamp.is_some() {
                continue;
            }
            match self.ensure(&pod).await {
                Ok(Outcome::Repaired) => {
                    self.metrics.drift();
                    warn!(name = ?pod.name(), "the rules were others than they should be, and are right now");
                    let message =
                        "the pod's interception rules had been changed; they are as they should be now";
                    self.tell(&pod, false, "InterceptionDrift", message);
                }
                Ok(outcome) => debug!(name = ?pod.name(), ?outcome, "compared"),
                Err(error) => warn!(name = ?pod.name(), "cannot compare the pod's rules: {error}"),
            }
        }
    }

    /// On a thread of its own: one that could not come home from the pod's namespace must do nothing else afterwards.
    async fn ensure(&self, pod: &Arc<KnownPod>) -> Result<Outcome, RepairError> {
        let (sender, receiver) = oneshot::channel();
        let (pod, node, processes) = (Arc::clone(pod), Arc::clone(&self.node), self.processes.clone());
        std::thread::spawn(move || sender.send(ensure(&pod, &node, &processes)));
        receiver.await.unwrap_or(Err(RepairError::Unknown))
    }

    /// Tells it, without waiting: an API server that is silent must not keep other pods from being repaired.
    fn tell(&self, pod: &Arc<KnownPod>, is_fine: bool, reason: &'static str, message: &str) {
        let (source, pod, message) = (self.source.clone(), Arc::clone(pod), message.to_owned());
        tokio::spawn(async move {
            match source.client().await {
                Ok(client) => {
                    actions::tell(&client, &pod.object, &source.node, is_fine, reason, &message).await
                }
                Err(trouble) => warn!("the event {reason} was not recorded: {trouble}"),
            }
        });
    }
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
