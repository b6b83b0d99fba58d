//! Events of pods: what their owners are told by `kubectl describe`.
//!
//! Each event is recorded once: its name is made of the pod's UID, the reason and the message, so that the API server
//! refuses the second one, also from an agent that has started again.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::warn;

use super::api::{ApiServer, Source, Trouble};
use super::pods::KnownPod;

/// The program that an event names as its source.
const COMPONENT: &str = "mesh-intercept-agent";
/// How long the API server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Events that may wait. More are lost, which is logged.
const QUEUE: usize = 256;
/// The longest message that the API takes, in bytes.
const LONGEST_MESSAGE: usize = 1024;
/// The longest part of a pod's name in the name of an event, which has at most 253 bytes.
const LONGEST_NAME: usize = 230;

/// What an event tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventReason {
    /// Rules that were missing are in place.
    Repaired,
    /// A repair did not work, and is tried again.
    RepairFailed,
    /// Nothing is done about a pod without rules, for the reason that the message tells.
    NotRepaired,
    /// A pod that runs has no rules.
    Missing,
    /// Rules had been changed and are as they should be again.
    Drift,
    /// The rules are in place, and something about them is worth a warning.
    Warning,
    /// A pod without rules was deleted, or could not be.
    Deleted,
    /// A pod without rules was labelled.
    Labelled,
}

impl EventReason {
    /// Every reason, with its name and its type in the API.
    pub const ALL: [(EventReason, &str, &str); 8] = [
        (EventReason::Repaired, "InterceptionRepaired", "Normal"),
        (EventReason::RepairFailed, "InterceptionRepairFailed", "Warning"),
        (EventReason::NotRepaired, "InterceptionNotRepaired", "Warning"),
        (EventReason::Missing, "InterceptionMissing", "Warning"),
        (EventReason::Drift, "InterceptionDrift", "Warning"),
        (EventReason::Warning, "InterceptionWarning", "Warning"),
        (EventReason::Deleted, "DeleteBrokenPod", "Warning"),
        (EventReason::Labelled, "LabelBrokenPod", "Warning"),
    ];

    fn words(self) -> (&'static str, &'static str) {
        EventReason::ALL
            .into_iter()
            .find(|(reason, ..)| *reason == self)
            .map_or(("", ""), |(_, name, kind)| (name, kind))
    }
}

/// An event to be recorded.
#[derive(Clone, Debug)]
struct Told {
    namespace: String,
    pod: String,
    uid: String,
    version: String,
    reason: EventReason,
    message: String,
    /// What tells events of one reason apart that may come again, as the drift of a pod may.
    occasion: u64,
}

/// Takes events of pods. Nothing waits for the API server.
#[derive(Clone, Debug)]
pub struct Announcer(mpsc::Sender<Told>);

impl Announcer {
    /// An announcer, and what records its events for as long as it is polled.
    pub fn new(source: Source) -> (Announcer, impl Future<Output = ()>) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Announcer(sender), record_all(source, receiver))
    }

    /// Records an event of the pod, once.
    pub fn tell(&self, pod: &KnownPod, reason: EventReason, message: &str) {
        self.tell_on(pod, reason, message, 0);
    }

    /// Records an event of the pod, once on this occasion.
    pub fn tell_on(&self, pod: &KnownPod, reason: EventReason, message: &str, occasion: u64) {
        let told = Told {
            namespace: pod.name.namespace.clone(),
            pod: pod.name.name.clone(),
            uid: pod.uid.clone(),
            version: pod.version.clone(),
            reason,
            message: message[..message.floor_char_boundary(LONGEST_MESSAGE)].to_owned(),
            occasion,
        };
        if let Err(lost) = self.0.try_send(told) {
            let (Told { reason, namespace, pod, .. }, why) = match lost {
                mpsc::error::TrySendError::Full(told) => (told, "too many events wait for the API server"),
                mpsc::error::TrySendError::Closed(told) => (told, "the agent ends"),
            };
            warn!(namespace, pod, "the event {} was not recorded: {why}", reason.words().0);
        }
    }
}

async fn record_all(source: Source, mut events: mpsc::Receiver<Told>) {
    let mut server = None;
    while let Some(told) = events.recv().await {
        match timeout(PATIENCE, record(&source, &mut server, &told)).await.unwrap_or(Err(Trouble::Silent)) {
            // Recorded, or recorded before.
            Ok(()) => {}
            Err(trouble) if trouble.status() == Some(409) => {}
            Err(trouble) => {
                server = None;
                let Told { namespace, pod, reason, .. } = told;
                warn!(namespace, pod, "the event {} was not recorded: {trouble}", reason.words().0);
            }
        }
    }
}

async fn record(source: &Source, server: &mut Option<ApiServer>, told: &Told) -> Result<(), Trouble> {
    let server = match server {
        Some(server) => server,
        None => server.insert(source.client().await?),
    };
    server.record(&told.namespace, &event(told, &source.node)).await
}

fn event(told: &Told, node: &str) -> Event {
    let now = Time(Timestamp::now());
    let (reason, kind) = told.reason.words();
    let mut hasher = DefaultHasher::new();
    (&told.uid, told.reason, &told.message, told.occasion).hash(&mut hasher);
    let name = &told.pod[..told.pod.floor_char_boundary(LONGEST_NAME)];
    Event {
        metadata: ObjectMeta {
            name: Some(format!("{}.{:016x}", name.trim_end_matches(['.', '-']), hasher.finish())),
            namespace: Some(told.namespace.clone()),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: Some(told.pod.clone()),
            namespace: Some(told.namespace.clone()),
            uid: Some(told.uid.clone()),
            resource_version: Some(told.version.clone()).filter(|version| !version.is_empty()),
            ..ObjectReference::default()
        },
        type_: Some(kind.to_owned()),
        reason: Some(reason.to_owned()),
        message: Some(told.message.clone()),
        source: Some(EventSource { component: Some(COMPONENT.to_owned()), host: Some(node.to_owned()) }),
        first_timestamp: Some(now.clone()),
        last_timestamp: Some(now),
        count: Some(1),
        ..Event::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(message: &str) -> Told {
        Told {
            namespace: "shop".into(),
            pod: "w".repeat(250),
            uid: "u".into(),
            version: "7".into(),
            reason: EventReason::Warning,
            message: message.into(),
            occasion: 0,
        }
    }

    #[test]
    fn the_same_event_has_the_same_name_and_another_one_another() {
        let name = |told: &Told| event(told, "n").metadata.name.unwrap();
        assert_eq!(name(&told("a")), name(&told("a")));
        assert_ne!(name(&told("a")), name(&told("b")));
        assert_ne!(name(&told("a")), name(&Told { occasion: 1, ..told("a") }));
        assert!(name(&told("a")).len() <= 253);
    }

    #[test]
    fn every_reason_has_words() {
        for (reason, name, kind) in EventReason::ALL {
            assert_eq!(reason.words(), (name, kind));
        }
    }
}
