//! Keeps the plugin and its configuration in place, whatever others do to them.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::{error, info};

use super::metrics::Metrics;

/// How soon the installation may be looked at again.
const SHORTEST: Duration = Duration::from_millis(100);
/// How often the installation is looked at, whether something has changed or not.
const PERIOD: Duration = Duration::from_secs(5);
/// So many failures in a row, and the agent is not ready any more: one is what every rewrite by another program looks
/// like for a moment.
const TOLERATED: u32 = 3;

/// How an installation ended, in the words of istio's metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum InstallResult {
    /// All is in place.
    Success,
    /// The plugin's binary could not be copied.
    CopyBinaries,
    /// The configuration could not be written.
    CreateConfig,
}

impl InstallResult {
    /// The value of the metric's label.
    pub fn name(self) -> &'static str {
        match self {
            InstallResult::Success => "SUCCESS",
            InstallResult::CopyBinaries => "COPY_BINARIES_FAILURE",
            InstallResult::CreateConfig => "CREATE_CNI_CONFIG_FAILURE",
        }
    }
}

/// Why something is not in place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NotInstalled {
    /// For the metric.
    pub result: InstallResult,
    /// For the operator.
    pub message: String,
}

/// What puts the plugin and its configuration in place. Its functions block.
pub trait Installation: Send + Sync + 'static {
    /// Puts in place what is not. Says whether that was anything.
    ///
    /// # Errors
    /// When something is still not in place.
    fn ensure(&self) -> Result<bool, NotInstalled>;

    /// Returns when something may have changed since the last [`ensure`](Self::ensure) began, and at the latest then.
    fn wait(&self, at_most: Duration) {
        std::thread::sleep(at_most);
    }

    /// Takes the configuration out, and then what nobody needs any more.
    ///
    /// # Errors
    /// When something is still there that should not be.
    fn uninstall(&self) -> Result<(), NotInstalled>;
}

/// An installation that is looked at by one at a time, and not any more once it was taken out.
pub struct Kept {
    installation: Box<dyn Installation>,
    is_over: Mutex<bool>,
}

impl fmt::Debug for Kept {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Kept").field("is_over", &self.is_over).finish_non_exhaustive()
    }
}

impl Kept {
    /// This one.
    pub fn new(installation: impl Installation) -> Kept {
        Kept { installation: Box::new(installation), is_over: Mutex::new(false) }
    }

    fn ensure(&self) -> Result<bool, NotInstalled> {
        let is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        if *is_over { Ok(false) } else { self.installation.ensure() }
    }

    fn wait(&self) {
        self.installation.wait(PERIOD);
    }

    /// Takes the configuration out, for good. Blocks.
    ///
    /// # Errors
    /// When something is still there that should not be.
    pub fn uninstall(&self) -> Result<(), NotInstalled> {
        let mut is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        *is_over = true;
        self.installation.uninstall()
    }
}

/// Are the plugin and its configuration in place?
#[derive(Debug, Default)]
pub struct Installed {
    is_installed: watch::Sender<bool>,
    refusal: OnceLock<String>,
}

impl Installed {
    /// As far as is known.
    pub fn get(&self) -> bool {
        *self.is_installed.borrow()
    }

    /// Changes whenever the answer does.
    pub fn subscribe(&self) -> watch::Receiver<bool> {
        self.is_installed.subscribe()
    }

    fn set(&self, is_installed: bool) {
        self.is_installed.send_if_modified(|it| std::mem::replace(it, is_installed) != is_installed);
    }

    /// They will not be put in place by this agent, for this reason.
    pub fn refuse(&self, reason: String) {
        let _ = self.refusal.set(reason);
    }

    /// Why they will not be put in place by this agent.
    pub fn refusal(&self) -> Option<&str> {
        self.refusal.get().map(String::as_str)
    }
}

/// Looks at the installation again and again, for ever.
pub async fn keep(installation: Arc<Kept>, installed: Arc<Installed>, metrics: Arc<Metrics>) {
    let mut state = Keeper { installed, metrics, failures: 0, last: None };
    loop {
        let (looked, waiting) = (Arc::clone(&installation), Arc::clone(&installation));
        match spawn_blocking(move || looked.ensure()).await {
            Ok(outcome) => state.note(outcome),
            Err(error) => error!("the installation could not be looked at: {error}"),
        }
        // Another program that writes all day must not keep the agent busy.
        sleep(SHORTEST).await;
        let _ = spawn_blocking(move || waiting.wait()).await;
    }
}

struct Keeper {
    installed: Arc<Installed>,
    metrics: Arc<Metrics>,
    failures: u32,
    /// What was wrong the last time: it is said once.
    last: Option<NotInstalled>,
}

impl Keeper {
    fn note(&mut self, outcome: Result<bool, NotInstalled>) {
        match outcome {
            Ok(has_changed) => {
                if has_changed || !self.installed.get() {
                    info!("the plugin and its configuration are in place");
                    self.metrics.install(InstallResult::Success);
                }
                self.failures = 0;
                self.last = None;
                self.installed.set(true);
            }
            Err(problem) => {
                self.failures += 1;
                self.metrics.install(problem.result);
                if self.last.as_ref() != Some(&problem) {
                    error!("{problem}");
                }
                self.last = Some(problem);
                if self.failures >= TOLERATED {
                    self.installed.set(false);
                }
            }
        }
        self.metrics.install_ready(self.installed.get());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_out_is_not_put_back() {
        struct Failing;
        impl Installation for Failing {
            fn ensure(&self) -> Result<bool, NotInstalled> {
                Ok(true)
            }

            fn uninstall(&self) -> Result<(), NotInstalled> {
                Err(NotInstalled { result: InstallResult::CreateConfig, message: "busy".into() })
            }
        }
        let kept = Kept::new(Failing);
        assert_eq!(kept.ensure(), Ok(true));
        assert!(kept.uninstall().is_err());
        assert_eq!(kept.ensure(), Ok(false));
    }

    #[test]
    fn one_failure_does_not_make_a_ready_agent_unready_and_many_do() {
        let failure = || NotInstalled { result: InstallResult::CreateConfig, message: "read-only".into() };
        let installed = Arc::new(Installed::default());
        let mut keeper = Keeper {
            installed: Arc::clone(&installed),
            metrics: Arc::new(Metrics::default()),
            failures: 0,
            last: None,
        };
        let mut after = |outcome| {
            keeper.note(outcome);
            installed.get()
        };
        assert!(!after(Err(failure())), "never installed");
        assert!(after(Ok(true)));
        assert!(after(Err(failure())) && after(Err(failure())), "tolerated");
        assert!(after(Ok(true)));
        assert!(after(Err(failure())) && after(Err(failure())) && !after(Err(failure())), "three in a row");
        assert!(after(Ok(false)));
    }
}
