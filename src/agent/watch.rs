//! Follows the pods of the node: a list by pages, then a watch from there on, for as long as the agent lives.
//!
//! Whatever the API server does, what was read stays: [`Pods`] is changed only by what a list or an event says of a pod,
//! and by the end of a whole list. Every wait has an end, so that a server that takes connections and says nothing is
//! found out; and a question for a pod that did not come makes the agent look at once instead of at the end of its pause.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{debug, info, warn};

use super::api::{ApiServer, Event, Events, Source, Trouble};
use super::metrics::Metrics;
use super::options::Repair;
use super::pods::{KnownPod, Pods};

/// Pods that one answer to a list holds. An answer of any length takes little memory here; this spares the server's.
const PAGE: u32 = 20;
/// How long a server may take to answer a list, or to begin to answer a watch.
const ANSWER: Duration = Duration::from_secs(30);
/// How long a watch lasts. The server ends it; soon after that its silence means that it is gone.
const WATCH: Duration = Duration::from_secs(240);
/// How long after its end a watch is waited for.
const GRACE: Duration = Duration::from_secs(10);
/// How soon a watch may follow the one before, and a question may end a pause.
const SOON: Duration = Duration::from_secs(1);
/// How long a watch has to have shown nothing before a pod that was asked for in vain makes the agent list again: one that
/// is still sending would only be made to begin anew.
const LIST_AGAIN: Duration = Duration::from_secs(10);
/// The first pause after a failure; each is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// The longest pause, before it is spread: after an outage, thousands of agents come back within some seconds, and not
/// all in the same one.
const LONGEST_PAUSE: Duration = Duration::from_secs(4);

/// Follows the pods for ever.
pub async fn follow(source: Source, pods: Arc<Pods>, repair: Repair, metrics: Arc<Metrics>) {
    let mut follower = Follower {
        source,
        pods,
        repair,
        metrics,
        version: None,
        shown: None,
        trouble: None,
        pause: FIRST_PAUSE,
    };
    loop {
        let trouble = follower.follow().await;
        follower.note(trouble).await;
    }
}

struct Follower {
    source: Source,
    pods: Arc<Pods>,
    /// Which ends of a pod's validation are failures.
    repair: Repair,
    metrics: Arc<Metrics>,
    /// The version of the pods that were read: where a watch goes on. Nothing when they have to be listed.
    version: Option<String>,
    /// When the server showed something last: a list, or an event.
    shown: Option<Instant>,
    /// What was wrong when the server was asked last.
    trouble: Option<Trouble>,
    /// The next pause.
    pause: Duration,
}

impl Follower {
    /// Follows with one client until something is wrong.
    async fn follow(&mut self) -> Trouble {
        let api = match self.source.client().await {
            Ok(api) => api,
            Err(trouble) => return trouble,
        };
        loop {
            if let Err(trouble) = self.turn(&api).await {
                return trouble;
            }
        }
    }

    /// A list where one is needed, and one watch.
    async fn turn(&mut self, api: &ApiServer) -> Result<(), Trouble> {
        let version = match self.version.take() {
            Some(version) => version,
            None => self.list(api).await?,
        };
        let started = Instant::now();
        // A watch that could not begin goes on from here the next time.
        self.version = Some(version.clone());
        let events = timeout(ANSWER, api.watch(&version, WATCH)).await.map_err(|_| Trouble::Silent)??;
        self.works();
        self.watch(events).await?;
        self.proves_itself();
        sleep_until(started + SOON).await;
        Ok(())
    }

    /// Reads the pods page by page. Returns the version that the list is of.
    async fn list(&mut self, api: &ApiServer) -> Result<String, Trouble> {
        self.shown = Some(Instant::now());
        let mut names = self.pods.begin_list();
        let mut next = String::new();
        loop {
            let page = async {
                let page = api.list(PAGE, &next).await?;
                page.each(|pod| names.take(KnownPod::new(pod, &self.repair))).await
            };
            let metadata = timeout(ANSWER, page).await.map_err(|_| Trouble::Silent)??;
            if metadata.next.is_empty() {
                let version = Some(metadata.resource_version.into_string()).filter(|text| !text.is_empty());
                let version = version.ok_or(Trouble::NoVersion)?;
                names.end();
                debug!(pods = self.pods.count(), resource_version = version, "listed");
                self.count();
                return Ok(version);
            }
            next = metadata.next.into_string();
        }
    }

    /// Takes events until the watch ends.
    async fn watch(&mut self, mut events: Events) -> Result<(), Trouble> {
        let end = Instant::now() + WATCH + GRACE;
        let pods = Arc::clone(&self.pods);
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                () = sleep_until(end) => return Err(Trouble::Silent),
                () = pods.missed() => {
                    if self.shown.is_some_and(|at| at.elapsed() < LIST_AGAIN) {
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

    fn take(&mut self, event: Event) -> Result<(), Trouble> {
        self.shown = Some(Instant::now());
        let version = match event {
            Event::Changed(pod) => {
                let version = pod.metadata.resource_version.clone();
                self.pods.apply(KnownPod::new(*pod, &self.repair));
                version
            }
            Event::Deleted(pod) => {
                self.pods.remove(&pod.metadata);
                pod.metadata.resource_version
            }
            Event::Bookmark(pod) => pod.metadata.resource_version,
            Event::Error(status) => return Err(kube::Error::Api(status).into()),
            Event::Unknown => return Ok(()),
        };
        let version = Some(version.into_string()).filter(|text| !text.is_empty());
        self.version = Some(version.ok_or(Trouble::NoVersion)?);
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

    fn count(&self) {
        self.metrics.pods(self.pods.count());
    }
}

/// A random factor from 1 to 1.5: agents that lost a server together do not come back together.
fn spread() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    1.0 + 0.5 * (random as f64 / u64::MAX as f64)
}
