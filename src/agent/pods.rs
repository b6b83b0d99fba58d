//! The pods of the node, in memory: [`crate::agent::watch`] writes, whoever asks reads.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::facts;
use crate::cni::pod::{PodFacts, PodName};

/// A pod of the node.
#[derive(Clone, Debug)]
pub struct KnownPod {
    /// Its object without what nobody reads (see [`facts::trim`]): metadata and status are whole, the containers are
    /// in the facts.
    pub object: Pod,
    /// What the plugin asks for.
    pub facts: PodFacts,
}

impl KnownPod {
    /// Takes what matters of a pod's object.
    pub fn new(mut object: Pod) -> KnownPod {
        let facts = facts::facts(&object);
        facts::trim(&mut object);
        KnownPod { object, facts }
    }

    /// Its name, with the UID by which the node knows it.
    pub fn name(&self) -> PodName {
        let Key { namespace, name } = Key::of(&self.object);
        PodName { namespace, name, uid: self.facts.uid.clone() }
    }
}

/// What is known of a pod that somebody asked for.
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
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    namespace: String,
    name: String,
}

impl Key {
    fn of(pod: &Pod) -> Key {
        let metadata = &pod.metadata;
        Key {
            namespace: metadata.namespace.clone().unwrap_or_default(),
            name: metadata.name.clone().unwrap_or_default(),
        }
    }
}

impl Default for Pods {
    fn default() -> Pods {
        Pods { state: RwLock::default(), changes: watch::Sender::new(0), missed: Notify::new() }
    }
}

impl Pods {
    /// These are all the pods of the node; others that were known are gone.
    pub fn replace(&self, pods: Vec<KnownPod>) {
        let pods = pods.into_iter().map(|pod| (Key::of(&pod.object), Arc::new(pod))).collect();
        self.change(|state| *state = State { is_listed: true, pods });
    }

    /// A pod is there, or is different now.
    pub fn apply(&self, pod: KnownPod) {
        self.change(|state| {
            state.pods.insert(Key::of(&pod.object), Arc::new(pod));
        });
    }

    /// A pod is gone. One that was made anew under its name stays.
    pub fn remove(&self, pod: &Pod) {
        self.change(|state| {
            let key = Key::of(pod);
            if state.pods.get(&key).is_some_and(|known| known.object.metadata.uid == pod.metadata.uid) {
                state.pods.remove(&key);
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
            (Some(pod), _) => match (&name.uid, &pod.facts.uid) {
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

    fn known(name: &str, uid: &str) -> KnownPod {
        let metadata = json!({"namespace": "shop", "name": name, "uid": uid});
        KnownPod::new(
            serde_json::from_value(json!({"metadata": metadata, "spec": {"containers": []}})).unwrap(),
        )
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
        pods.replace(Vec::new());
        assert!(matches!(pods.look(&asked("a", None)), Found::NotFound));
    }

    #[test]
    fn a_pod_is_known_by_name_and_uid_where_the_question_has_one() {
        let pods = Pods::default();
        pods.replace(vec![known("a", "u-1")]);
        assert!(matches!(pods.look(&asked("a", None)), Found::Pod(_)));
        assert!(matches!(pods.look(&asked("a", Some("u-1"))), Found::Pod(_)));
        assert!(matches!(pods.look(&asked("a", Some("u-2"))), Found::OtherUid(uid) if uid == "u-1"));
    }

    #[test]
    fn a_list_replaces_what_was_known() {
        let pods = Pods::default();
        pods.replace(vec![known("a", "u-1"), known("b", "u-2")]);
        pods.replace(vec![known("b", "u-2")]);
        assert!(matches!(pods.look(&asked("a", None)), Found::NotFound));
        assert_eq!(pods.count(), 1);
    }

    #[test]
    fn the_end_of_a_pod_does_not_remove_the_next_of_its_name() {
        let pods = Pods::default();
        pods.replace(vec![known("a", "u-1")]);
        pods.apply(known("a", "u-2"));
        pods.remove(&known("a", "u-1").object);
        assert!(matches!(pods.look(&asked("a", Some("u-2"))), Found::Pod(_)));
        pods.remove(&known("a", "u-2").object);
        assert!(matches!(pods.look(&asked("a", None)), Found::NotFound));
    }

    #[test]
    fn who_waits_gets_the_pod_when_it_appears_or_when_the_old_one_is_replaced() {
        in_time(async {
            let pods = Pods::default();
            pods.replace(vec![known("old", "u-1")]);
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
            pods.replace(Vec::new());
            assert!(matches!(pods.wait(&asked("a", None), Duration::ZERO).await, Found::NotFound));
            pods.missed().await;
        });
    }
}
