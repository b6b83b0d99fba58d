//! Looks at the folder, decides, writes, and looks again.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use super::contention::Contention;
use super::folder::{Folder, Swap, scan, tidy};
use super::options::{Options, OptionsError};
use super::plan::{Awaited, Goal, Multus, Plan, Refusal, Step, plan};
use super::program::Installed;
use super::removal::removal_plan;
use super::trouble::Trouble;
use super::warning::Warning;

/// An installation that did not succeed. It may be tried again at any time.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The options contradict themselves.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The options do not fit what is in the folder.
    #[error("{folder}: {refusal}", folder = folder.display())]
    Refused {
        /// The folder.
        folder: PathBuf,
        /// Why not.
        #[source]
        refusal: Refusal,
    },
    /// The system refused.
    #[error(transparent)]
    System(#[from] Trouble),
    /// The configuration could not be taken out.
    #[error(
        "{0} is rewritten all the time, and could not be edited: stop the program that does it, and try again"
    )]
    Contended(PathBuf),
}

/// How things stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The runtime finds our entry in this file, and the program.
    Installed(PathBuf),
    /// There is nothing yet that could be joined.
    Waiting(Awaited),
    /// Another program keeps rewriting this file: it is left alone for a while.
    GivingWay {
        /// The file.
        file: PathBuf,
        /// For how long.
        wait: Duration,
    },
}

/// What was found and done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How things stand now.
    pub state: State,
    /// The files that were written or removed, in this order.
    pub changed: Vec<PathBuf>,
    /// What the operator should know.
    pub warnings: Vec<Warning>,
}

/// What becomes of the program when the configuration is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// It stays: the runtime calls it for each sandbox that was made with it, once more.
    KeepProgram,
    /// No sandbox needs it any more.
    RemoveProgram,
}

/// So often an edit is made anew within one call.
const TRIES: u32 = 12;

/// The time that a program may take to write a small file that it has emptied.
const HALF_WRITTEN: Duration = Duration::from_millis(100);

/// The time in which Multus writes its file anew, if it follows the network's file at all: it looks each second, or is
/// told by the kernel.
const MULTUS_WRITES: Duration = Duration::from_secs(3);

/// Installs, repairs and uninstalls. Calls do blocking work: an asynchronous caller gives them a thread.
#[derive(Debug)]
pub struct Installer {
    options: Options,
    program: Option<Installed>,
    contention: Contention,
    said: BTreeSet<Warning>,
    is_swept: bool,
    /// Since when Multus could write its file anew.
    asked_multus: Option<Instant>,
}

impl Installer {
    /// An installer with these options.
    ///
    /// # Errors
    /// When the options contradict themselves.
    pub fn new(options: Options) -> Result<Installer, OptionsError> {
        options.check()?;
        let program = options.program.clone().map(|it| Installed::new(it, options.entry.kind()));
        let (contention, said) = (Contention::default(), BTreeSet::new());
        Ok(Installer { options, program, contention, said, is_swept: false, asked_multus: None })
    }

    /// Makes it so that the runtime finds the program and our entry. Writes nothing when all is right, and is then
    /// cheap enough for every few seconds: it reads the folder's configurations.
    ///
    /// # Errors
    /// When the options do not fit the folder, or the system refuses to read or write. What was there is still there.
    pub fn ensure(&mut self) -> Result<Outcome, Error> {
        let mut changed = Vec::new();
        self.sweep()?;
        // A configuration that names a program which is not there lets no pod start.
        if let Some(program) = &mut self.program
            && program.install()?
        {
            tracing::info!(file = %program.target().display(), "installed the plugin");
            changed.push(program.target().to_owned());
        }
        for attempt in 0..TRIES {
            if !self.options.folder.is_dir() {
                return Ok(outcome(State::Waiting(Awaited::Folder), changed, Vec::new()));
            }
            // The lock is for writing: a folder in which all is right may be read-only.
            let Plan { steps, goal, warnings } = self.plan()?;
            self.say(&warnings);
            let Some(first) = steps.first() else {
                let asks_multus = matches!(goal, Goal::Wait(Awaited::Multus { .. }));
                self.asked_multus = asks_multus.then(|| self.asked_multus.unwrap_or_else(Instant::now));
                let state = match goal {
                    Goal::InPlace(name) => State::Installed(self.options.folder.join(name)),
                    Goal::Wait(awaited) => State::Waiting(awaited),
                };
                return Ok(outcome(state, changed, warnings));
            };
            let file = self.options.folder.join(first.name());
            if let Some(wait) = self.contention.wait(Instant::now()) {
                return Ok(outcome(State::GivingWay { file, wait }, changed, warnings));
            }
            let folder = self.open()?;
            let Plan { steps, warnings, .. } = self.plan()?;
            if warnings.iter().any(|it| matches!(it, Warning::Skipped(_))) {
                // A file that is just being written looks damaged, and the one behind it like the first.
                thread::sleep(HALF_WRITTEN);
                if self.plan()?.steps != steps {
                    continue;
                }
            }
            if self.carry_out(&folder, &steps, &mut changed)? == Swap::Changed {
                drop(folder);
                thread::sleep(pause(attempt));
            } else if steps.iter().any(|step| !step.is_refresh()) {
                self.contention.record(Instant::now());
                self.warn_of_a_fight(&file);
            }
        }
        self.contention.record(Instant::now());
        let file = self.target();
        let wait = self.contention.wait(Instant::now()).unwrap_or(Duration::from_secs(1));
        tracing::warn!(file = %file.display(), "{}", fight(&file.to_string_lossy()));
        Ok(outcome(State::GivingWay { file, wait }, changed, Vec::new()))
    }

    /// Would [`ensure`](Self::ensure) have nothing to do? Nothing is written, and no lock is needed.
    ///
    /// # Errors
    /// When the options do not fit the folder, or it cannot be read.
    pub fn is_installed(&mut self) -> Result<bool, Error> {
        if !self.options.folder.is_dir() {
            return Ok(false);
        }
        if let Some(program) = &mut self.program
            && !program.is_right()?
        {
            return Ok(false);
        }
        let plan = self.plan()?;
        Ok(plan.steps.is_empty() && matches!(plan.goal, Goal::InPlace(_)))
    }

    /// The folders beside lists from which the runtime takes more plugins, whether they are there or not.
    ///
    /// # Errors
    /// When the folder of the lists cannot be read.
    pub fn plugin_folders(&self) -> Result<Vec<PathBuf>, Trouble> {
        if !self.options.folder.is_dir() {
            return Ok(Vec::new());
        }
        let names = scan(&self.options.folder)?.into_iter().filter_map(|file| file.beside.folder);
        Ok(names.map(|name| self.options.folder.join(name)).collect())
    }

    /// Takes our entry out of every list, removes our own files, and then, when it is told to, the program.
    ///
    /// # Errors
    /// When a file cannot be edited, or the system refuses. The program is then still there.
    pub fn uninstall(&mut self, removal: Removal) -> Result<Outcome, Error> {
        let (mut changed, mut warnings) = (Vec::new(), Vec::new());
        self.sweep()?;
        if self.options.folder.is_dir() {
            self.take_out(&mut changed)?;
        }
        if let Some(program) = &mut self.program
            && removal == Removal::RemoveProgram
        {
            if program.uninstall()? {
                changed.push(program.target().to_owned());
            } else {
                warnings.push(Warning::OtherProgram { path: program.target().display().to_string() });
            }
        }
        self.say(&warnings);
        Ok(outcome(State::Waiting(Awaited::AnyNetwork), changed, warnings))
    }

    fn take_out(&mut self, changed: &mut Vec<PathBuf>) -> Result<(), Error> {
        for attempt in 0..TRIES {
            let steps = self.removal_steps()?;
            if steps.is_empty() {
                return Ok(());
            }
            let folder = self.open()?;
            let steps = self.removal_steps()?;
            if self.carry_out(&folder, &steps, changed)? == Swap::Changed {
                drop(folder);
                thread::sleep(pause(attempt));
            }
        }
        match self.removal_steps()?.first() {
            None => Ok(()),
            Some(step) => Err(Error::Contended(self.options.folder.join(step.name()))),
        }
    }

    /// Once, at the start: takes away what an ended run has left.
    fn sweep(&mut self) -> Result<(), Trouble> {
        let programs = self.options.program.as_ref().map(|program| &program.folder);
        for folder in [Some(&self.options.folder), programs].into_iter().flatten() {
            if !self.is_swept && folder.is_dir() {
                tidy(folder)?;
            }
        }
        self.is_swept = true;
        Ok(())
    }

    fn open(&self) -> Result<Folder, Trouble> {
        let mode = if self.options.group_read { 0o640 } else { 0o600 };
        Ok(Folder::open(&self.options.folder)?.with_new_mode(mode))
    }

    fn plan(&self) -> Result<Plan, Error> {
        let multus = match self.asked_multus {
            Some(since) if since.elapsed() >= MULTUS_WRITES => Multus::HasNotWritten,
            _ => Multus::MayWrite,
        };
        plan(&scan(&self.options.folder)?, &self.options, multus).map_err(|refusal| self.refused(refusal))
    }

    fn removal_steps(&self) -> Result<Vec<Step>, Error> {
        removal_plan(&scan(&self.options.folder)?, &self.options).map_err(|refusal| self.refused(refusal))
    }

    fn refused(&self, refusal: Refusal) -> Error {
        Error::Refused { folder: self.options.folder.clone(), refusal }
    }

    /// The file that a plan is about, as far as that is known now.
    fn target(&self) -> PathBuf {
        let plan = self.plan().ok();
        let name = plan.and_then(|plan| plan.steps.first().map(|step| step.name().to_owned()));
        name.map_or_else(|| self.options.folder.clone(), |name| self.options.folder.join(name))
    }

    fn carry_out(&self, folder: &Folder, steps: &[Step], changed: &mut Vec<PathBuf>) -> Result<Swap, Error> {
        for step in steps {
            if folder.apply(step)? == Swap::Changed {
                return Ok(Swap::Changed);
            }
            let path = self.options.folder.join(step.name());
            match step {
                Step::Write { .. } => {
                    tracing::info!(file = %path.display(), "wrote the network configuration")
                }
                Step::Remove { .. } => {
                    tracing::info!(file = %path.display(), "removed our network configuration")
                }
            }
            if !changed.contains(&path) {
                changed.push(path);
            }
        }
        Ok(Swap::Done)
    }

    fn warn_of_a_fight(&self, file: &std::path::Path) {
        if let Some(wait) = self.contention.wait(Instant::now()) {
            let text = fight(&file.to_string_lossy());
            tracing::warn!(file = %file.display(), seconds = wait.as_secs(), "{text}");
        }
    }

    /// Says each warning once, for as long as its reason lasts.
    fn say(&mut self, warnings: &[Warning]) {
        for warning in warnings.iter().filter(|warning| !self.said.contains(warning)) {
            tracing::warn!(folder = %self.options.folder.display(), "{warning}");
        }
        self.said = warnings.iter().cloned().collect();
    }
}

fn outcome(state: State, changed: Vec<PathBuf>, warnings: Vec<Warning>) -> Outcome {
    Outcome { state, changed, warnings }
}

fn pause(attempt: u32) -> Duration {
    Duration::from_millis(1 << attempt.min(8))
}

/// What to tell the operator about a file over which two programs fight.
fn fight(file: &str) -> String {
    let hint = if file.to_lowercase().contains("cilium") {
        ": Cilium does so unless it is installed with cni.exclusive=false"
    } else {
        ": find the program that does it"
    };
    format!("another program keeps rewriting {file}, and takes our plugin out{hint}")
}
