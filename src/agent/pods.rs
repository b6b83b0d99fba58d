//! The pods of the node, in memory: [`crate::agent::watch`] writes, the socket and the repairs read.
//!
//! Memory is bounded whatever pods there are: what is kept of one pod is small, but for its facts, and all facts
//! together have a bound. A pod whose facts are not kept is asked for at the API server when they are needed.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::api::pod::Metadata;
use crate::cni::pod::PodName;

mod known;

pub use known::{Facts, KnownPod, Stage};

/// The most that the facts of all pods together may take, in bytes. An ordinary pod's take 1 to 4 KiB.
const KEPT: usize = 32 << 20;
/// What is known of a pod that was asked for.
#[derive(Clone, Debug)]
pub enum Found {
    /// This is it.
    Pod(Arc<KnownPod>),
    /// The pods of the node have not been read yet.
    NotReady,
    /// There is no pod of that name on the node.
    NotFound,
    /// The pod of that name is another; its UID.
    OtherUid(String),
}

/// The pods of the node.
#[derive(Debug)]
pub struct Pods {
    state: RwLock<State>,
    /// Counts changes, so that those who wait look again.
    changes: watch::Sender<u64>,
    missed: Notify,
}

#[derive(Debug, Default)]
struct State {
    is_listed: bool,
    pods: HashMap<Key, Arc<KnownPod>>,
    /// The size of all facts.
    kept: usize,
}

impl State {
    fn insert(&mut self, mut pod: KnownPod) {
        let key = pod.key();
        self.remove(&key);
        let size = pod.size();
        if self.kept + size > KEPT {
            pod.facts = Facts::NotKept;
        } else {
            self.kept += size;
        }
        self.pods.insert(key, Arc::new(pod));
    }

    fn remove(&mut self, key: &Key) {
        if let Some(old) = self.pods.remove(key) {
            self.kept -= old.size();
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    namespace: String,
    name: String,
}

impl Default for Pods {
    fn default() -> Pods {
        Pods { state: RwLock::default(), changes: watch::Sender::new(0), missed: Notify::new() }
    }
}

/// A list of all pods that is being read.
#[derive(Debug)]
pub struct Listing<'a> {
    pods: &'a Pods,
    seen: HashSet<Key>,
}

impl Listing<'_> {
    /// A pod of the list.
    pub fn take(&mut self, pod: KnownPod) {
        self.seen.insert(pod.key());
        self.pods.apply(pod);
    }

    /// The list is whole: other pods that were known are gone.
    pub fn end(self) {
        self.pods.change(|state| {
            let gone: Vec<Key> = state.pods.keys().filter(|key| !self.seen.contains(key)).cloned().collect();
            gone.iter().for_each(|key| state.remove(key));
            state.is_listed = true;
        });
    }
}

impl Pods {
    /// All pods of the node follow, one by one: at no time are two sets of them in memory.
    pub fn begin_list(&self) -> Listing<'_> {
        Listing { pods: self, seen: HashSet::new() }
    }

    /// A pod is there, or is different now.
    pub fn apply(&self, pod: KnownPod) {
        self.change(|state| state.insert(pod));
    }

    /// A pod is gone. One that was made anew under its name stays.
    pub fn remove(&self, pod: &Metadata) {
        let key = Key { namespace: pod.namespace.to_string(), name: pod.name.to_string() };
        self.change(|state| {
            if state.pods.get(&key).is_some_and(|known| known.uid == *pod.uid) {
                state.remove(&key);
            }
        });
    }

    /// Were the pods of the node read once?
    pub fn is_listed(&self) -> bool {
        self.read(|state| state.is_listed)
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.read(|state| state.pods.len())
    }

    /// All of them, in no order.
    pub fn snapshot(&self) -> Vec<Arc<KnownPod>> {
        self.read(|state| state.pods.values().cloned().collect())
    }

    /// Changes whenever a pod does.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// What is known of a pod now.
    pub fn look(&self, name: &PodName) -> Found {
        let key = Key { namespace: name.namespace.clone(), name: name.name.clone() };
        self.read(|state| match (state.pods.get(&key), state.is_listed) {
            (Some(pod), _) => match (&name.uid, &pod.name.uid) {
                (Some(asked), Some(known)) if asked != known => Found::OtherUid(known.clone()),
                _ => Found::Pod(Arc::clone(pod)),
            },
            (None, true) => Found::NotFound,
            (None, false) => Found::NotReady,
        })
    }

    /// What is known of a pod, as soon as it is; or what is known after `patience`.
    ///
    /// Another pod of that name is waited out as well: the runtime may have heard of the new one before the agent.
    pub async fn wait(&self, name: &PodName, patience: Duration) -> Found {
        let mut changes = self.subscribe();
        let found = async {
            loop {
                if let found @ Found::Pod(_) = self.look(name) {
                    return found;
                }
                if changes.changed().await.is_err() {
                    return self.look(name);
                }
            }
        };
        match timeout(patience, found).await {
            Ok(found) => found,
            Err(_) => {
                self.missed.notify_one();
                self.look(name)
            }
        }
    }

    /// Returns when somebody has waited in vain for a pod: perhaps the watch does not see what happens any more.
    pub async fn missed(&self) {
        self.missed.notified().await;
    }

    fn read<T>(&self, look: impl FnOnce(&State) -> T) -> T {
        look(&self.state.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.write().unwrap_or_else(PoisonError::into_inner));
        self.changes.send_modify(|count| *count += 1);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::agent::options::Repair;

    fn object(json: serde_json::Value) -> KnownPod {
        KnownPod::new(serde_json::from_value(json).unwrap(), &Repair::for_tests())
    }

    fn known(name: &str, uid: &str) -> KnownPod {
        object(json!({"metadata": {"namespace": "shop", "name": name, "uid": uid}}))
    }

    fn list(pods: &Pods, all: Vec<KnownPod>) {
        let mut listing = pods.begin_list();
        all.into_iter().for_each(|pod| listing.take(pod));
        listing.end();
    }

    fn gone(name: &str, uid: &str) -> Metadata {
        serde_json::from_value(json!({"namespace": "shop", "name": name, "uid": uid})).unwrap()
    }

    fn asked(name: &str, uid: Option<&str>) -> PodName {
        PodName { namespace: "shop".into(), name: name.into(), uid: uid.map(str::to_owned) }
    }

    fn in_time<T>(future: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(future)
    }

    #[test]
    fn until_the_first_list_nothing_is_known_to_be_absent() {
        let pods = Pods::default();
        assert!(matches!(pods.look(&asked("a", None)), Found::NotReady));
        list(&pods, Vec::new());
        assert!(matches!(pods.look(&asked("a", None)), Found::NotFound));
    }

    #[test]
    fn a_pod_is_known_by_name_and_uid_where_the_question_has_one() {
        let pods = Pods::default();
        list(&pods, vec![known("a", "u-1")]);
        assert!(matches!(pods.look(&asked("a", None)), Found::Pod(_)));
        assert!(matches!(pods.look(&asked("a", Some("u-1"))), Found::Pod(_)));
        assert!(matches!(pods.look(&asked("a", Some("u-2"))), Found::OtherUid(uid) if uid == "u-1"));
    }

    #[test]
    fn a_list_replaces_what_was_known() {
        let pods = Pods::default();
        list(&pods, vec![known("a", "u-1"), known("b", "u-2")]);
        list(&pods, vec![known("b", "u-2")]);
        assert!(matches!(pods.look(&asked("a", None)), Found::NotFound));
        assert_eq!(pods.count(), 1);
    }

    #[test]
    fn the_end_of_a_pod_does_not_remove_the_next_of_its_name() {
        let pods = Pods::default();
        list(&pods, vec![known("a", "u-1")]);
        pods.apply(known("a", "u-2"));
        pods.remove(&gone("a", "u-1"));
        assert!(matches!(pods.look(&asked("a", Some("u-2"))), Found::Pod(_)));
        pods.remove(&gone("a", "u-2"));
        assert!(matches!(pods.look(&asked("a", None)), Found::NotFound));
    }

    #[test]
    fn who_waits_gets_the_pod_when_it_appears_or_when_the_old_one_is_replaced() {
        in_time(async {
            let pods = Pods::default();
            list(&pods, vec![known("old", "u-1")]);
            let patience = Duration::from_secs(60);
            let (new, old) = (asked("new", Some("u-9")), asked("old", Some("u-2")));
            let changes = async {
                tokio::task::yield_now().await;
                pods.apply(known("new", "u-9"));
                pods.apply(known("old", "u-2"));
            };
            let (new, old, ()) =
                futures_util::future::join3(pods.wait(&new, patience), pods.wait(&old, patience), changes)
                    .await;
            assert!(matches!((new, old), (Found::Pod(_), Found::Pod(_))));
        });
    }

    #[test]
    fn who_waits_in_vain_is_heard_of() {
        in_time(async {
            let pods = Pods::default();
            list(&pods, Vec::new());
            assert!(matches!(pods.wait(&asked("a", None), Duration::ZERO).await, Found::NotFound));
            pods.missed().await;
        });
    }

    #[test]
    fn the_stage_of_a_pod_follows_from_what_was_started() {
        let started = json!([{"name": "c", "state": {"running": {}}}]);
        let waiting = json!([{"name": "c", "state": {"waiting": {}}}]);
        let stage = |phase: &str, init: &serde_json::Value, others: &serde_json::Value| {
            let status = json!({
                "phase": phase, "initContainerStatuses": init, "containerStatuses": others,
            });
            object(json!({"metadata": {"name": "a"}, "status": status})).stage
        };
        assert_eq!(stage("Pending", &waiting, &waiting), Stage::Created);
        assert_eq!(stage("Pending", &started, &waiting), Stage::Initialising);
        assert_eq!(stage("Pending", &started, &started), Stage::Running);
        assert_eq!(stage("Failed", &started, &waiting), Stage::Over);
    }

    #[test]
    fn facts_beyond_the_bound_of_all_are_not_kept_until_there_is_room_again() {
        let pods = Pods::default();
        let large = |name: String| {
            let annotations = json!({"proxy.istio.io/config": "x".repeat(200_000)});
            object(
                json!({"metadata": {"namespace": "shop", "name": name, "uid": name, "annotations": annotations}}),
            )
        };
        list(&pods, (0..1000).map(|number| large(format!("p-{number}"))).collect());
        let kept = || pods.snapshot().iter().filter(|pod| matches!(pod.facts, Facts::Kept(_))).count();
        let most = KEPT / 200_000;
        assert!((most - 1..=most).contains(&kept()), "{} of at most {most}", kept());
        list(&pods, vec![large("p-999".to_owned())]);
        pods.apply(large("p-999".to_owned()));
        assert_eq!(kept(), 1);
        assert!(pods.read(|state| state.kept) < 300_000);
    }

    #[test]
    fn facts_of_a_pod_that_is_over_are_not_kept() {
        let over = json!({"metadata": {"name": "job"}, "status": {"phase": "Succeeded"}});
        assert!(matches!(object(over).facts, Facts::NotKept));
    }
}
