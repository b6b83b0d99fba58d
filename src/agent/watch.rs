//! Follows the pods of the node: a list by pages, then a watch from there on, for as long as the agent lives.
//!
//! Whatever the API server does, what was read stays: [`Pods`] is changed only by a whole list or by an event of a pod.
//! Every wait has an end, so that a server that takes connections and says nothing is found out; and a question for a pod
//! that did not come makes the agent look at once instead of at the end of its pause.
//!
//! This is written on `Api::list` and `Api::watch`; kube's own watcher neither bounds a list in time nor starts
//! over when the answer to a watch is 410, and it does not tell that a server answers again until a pod changes.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{debug, info, warn};

use super::metrics::Metrics;
use super::pods::{KnownPod, Pods};

mod trouble;

use trouble::Trouble;

/// Pods that one answer to a list holds: a node has some hundred, and one answer should fit into little memory.
const PAGE: u32 = 20;
/// How long a server may take to connect.
const CONNECT: Duration = Duration::from_secs(5);
/// How long it may take to answer a list, or to begin to answer a watch.
const ANSWER: Duration = Duration::from_secs(30);
/// How long a watch lasts. The server ends it; soon after that its silence means that it is gone.
const WATCH: Duration = Duration::from_secs(240);
/// How long after its end a watch is waited for.
const GRACE: Duration = Duration::from_secs(10);
/// How soon a watch may follow the one before, and a question may end a pause.
const SOON: Duration = Duration::from_secs(1);
/// How soon a list may follow the one before because a pod was asked for in vain.
const LIST_AGAIN: Duration = Duration::from_secs(10);
/// The first pause after a failure; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause: thousands of agents wait for a server that comes back.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Where the API is, and whose pods are followed.
#[derive(Clone, Debug)]
pub struct Source {
    /// A kubeconfig file; nothing for the service account of the agent's pod.
    pub kubeconfig: Option<PathBuf>,
    /// The node.
    pub node: String,
}

impl Source {
    /// A client of the API. Nothing is connected yet.
    ///
    /// # Errors
    /// When the files that say where the API is cannot be read or used.
    pub async fn client(&self) -> Result<Client, Trouble> {
        let mut config = match &self.kubeconfig {
            None => kube::Config::incluster().map_err(Trouble::service_account)?,
            Some(path) => {
                let read = Kubeconfig::read_from(path).map_err(|error| Trouble::kubeconfig(path, error))?;
                kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
                    .await
                    .map_err(|error| Trouble::kubeconfig(path, error))?
            }
        };
        config.connect_timeout = Some(CONNECT);
        config.read_timeout = Some(WATCH + 2 * GRACE);
        // A connection that has rested is not slow.
        config.reset_reader_on_write = true;
        // How often, and after what pause, is decided here.
        config.default_retry = false;
        Client::try_from(config).map_err(Trouble::from)
    }
}

/// Follows the pods for ever.
pub async fn follow(source: Source, pods: Arc<Pods>, metrics: Arc<Metrics>) {
    let mut follower =
        Follower { source, pods, metrics, version: None, listed: None, trouble: None, pause: FIRST_PAUSE };
    loop {
        let trouble = follower.follow().await;
        follower.note(trouble).await;
    }
}

struct Follower {
    source: Source,
    pods: Arc<Pods>,
    metrics: Arc<Metrics>,
    /// The version of the pods that were read: where a watch goes on. Nothing when they have to be listed.
    version: Option<String>,
    /// When they were listed last.
    listed: Option<Instant>,
    /// What was wrong when the server was asked last.
    trouble: Option<Trouble>,
    /// The next pause.
    pause: Duration,
}

impl Follower {
    /// Follows with one client until something is wrong.
    async fn follow(&mut self) -> Trouble {
        let client = match self.source.client().await {
            Ok(client) => client,
            Err(trouble) => return trouble,
        };
        let api = Api::<Pod>::all(client);
        loop {
            if let Err(trouble) = self.turn(&api).await {
                return trouble;
            }
        }
    }

    /// A list where one is needed, and one watch.
    async fn turn(&mut self, api: &Api<Pod>) -> Result<(), Trouble> {
        let version = match self.version.take() {
            Some(version) => version,
            None => self.list(api).await?,
        };
        let started = Instant::now();
        // A watch that could not begin goes on from here the next time.
        self.version = Some(version.clone());
        let parameters = WatchParams::default().fields(&self.selector()).timeout(WATCH.as_secs() as u32);
        let events =
            timeout(ANSWER, api.watch(&parameters, &version)).await.map_err(|_| Trouble::Silent)??;
        self.works();
        self.watch(events).await?;
        self.proves_itself();
        sleep_until(started + SOON).await;
        Ok(())
    }

    /// Reads the pods page by page, and gives the version that the list is of.
    async fn list(&mut self, api: &Api<Pod>) -> Result<String, Trouble> {
        self.listed = Some(Instant::now());
        let mut parameters = ListParams::default().fields(&self.selector()).limit(PAGE);
        let mut pods = Vec::new();
        loop {
            let page = timeout(ANSWER, api.list(&parameters)).await.map_err(|_| Trouble::Silent)??;
            pods.extend(page.items.into_iter().map(KnownPod::new));
            let filled = |text: &String| !text.is_empty();
            match page.metadata.continue_.filter(filled) {
                Some(token) => parameters = parameters.continue_token(&token),
                None => {
                    let version = page.metadata.resource_version.filter(filled).ok_or(Trouble::NoVersion)?;
                    debug!(pods = pods.len(), version, "listed");
                    self.pods.replace(pods);
                    self.count();
                    return Ok(version);
                }
            }
        }
    }

    /// Takes events until the watch ends.
    async fn watch(
        &mut self,
        events: impl Stream<Item = kube::Result<WatchEvent<Pod>>>,
    ) -> Result<(), Trouble> {
        let mut events = std::pin::pin!(events);
        let end = Instant::now() + WATCH + GRACE;
        let pods = Arc::clone(&self.pods);
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = sleep_until(end) => return Err(Trouble::Silent),
                () = pods.missed() => {
                    if self.listed.is_some_and(|at| at.elapsed() < LIST_AGAIN) {
                        continue;
                    }
                    debug!("a pod was asked for that the watch has not shown: listing again");
                    self.version = None;
                    return Ok(());
                }
            };
            match event {
                None => return Ok(()),
                Some(event) => self.take(event?)?,
            }
        }
    }

    fn take(&mut self, event: WatchEvent<Pod>) -> Result<(), Trouble> {
        let version = match event {
            WatchEvent::Added(pod) | WatchEvent::Modified(pod) => {
                let version = pod.metadata.resource_version.clone();
                self.pods.apply(KnownPod::new(pod));
                version
            }
            WatchEvent::Deleted(pod) => {
                self.pods.remove(&pod);
                pod.metadata.resource_version
            }
            WatchEvent::Bookmark(bookmark) => Some(bookmark.metadata.resource_version),
            WatchEvent::Error(status) => return Err(kube::Error::Api(status).into()),
        };
        self.version = Some(version.filter(|text| !text.is_empty()).ok_or(Trouble::NoVersion)?);
        self.count();
        self.proves_itself();
        Ok(())
    }

    /// A watch has begun.
    fn works(&mut self) {
        self.metrics.watch_up(true);
        if let Some(trouble) = self.trouble.take_if(|trouble| !trouble.is_outdated()) {
            info!(pods = self.pods.count(), before = %trouble, "the pods of the node are followed again");
        }
    }

    /// The watch has shown something: what was wrong before is over. Not before that, or a server that ends every watch at
    /// once would be asked without a pause.
    fn proves_itself(&mut self) {
        self.trouble = None;
        self.pause = FIRST_PAUSE;
    }

    /// Something is wrong: says so, unless it was wrong before, and waits.
    async fn note(&mut self, trouble: Trouble) {
        let was_wrong_already = self.trouble.as_ref().is_some_and(|before| before.is_like(&trouble));
        let pause = trouble.pause().unwrap_or_default().max(self.pause).mul_f64(spread());
        if trouble.is_outdated() || matches!(trouble, Trouble::NoVersion) {
            self.version = None;
        }
        match &trouble {
            // Part of the protocol: whoever was away too long reads everything again, and first at once.
            _ if trouble.is_outdated() && !was_wrong_already => {
                debug!("{trouble}: listing again");
                self.trouble = Some(trouble);
                return;
            }
            _ if was_wrong_already => debug!("{trouble}; asking again in {pause:?}"),
            _ => {
                let state = if self.pods.is_listed() {
                    "what was read before is still answered"
                } else {
                    "no question for a pod can be answered until it does"
                };
                warn!("{trouble}. The agent keeps asking; {state}");
            }
        }
        self.metrics.watch_up(false);
        let must_wait = trouble.pause().unwrap_or(SOON);
        self.trouble = Some(trouble);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        sleep(must_wait.min(pause)).await;
        let pods = Arc::clone(&self.pods);
        tokio::select! {
            () = sleep(pause.saturating_sub(must_wait)) => {}
            () = pods.missed() => debug!("a pod was asked for: asking the API server now"),
        }
    }

    fn selector(&self) -> String {
        format!("spec.nodeName={}", self.source.node)
    }

    fn count(&self) {
        self.metrics.pods(self.pods.count());
    }
}

/// A random factor from 1 to 1.5: agents that lost a server together do not come back together.
fn spread() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    1.0 + 0.5 * (random as f64 / u64::MAX as f64)
}
