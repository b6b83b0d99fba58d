//! Finds the network namespaces of pods on the node, by the cgroups of their processes.
//!
//! A process is looked at through one open folder of /proc, and its namespace through one open file from the look to the
//! use: a PID that goes to another process in between changes neither.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use super::cgroup::pod_of;
use crate::kernel::netns::{Namespace, NamespaceError, identity};

/// The processes of the node, as a /proc of its own PID namespace shows them.
#[derive(Clone, Debug)]
pub struct Processes {
    proc: PathBuf,
}

/// Why the namespaces of pods were not looked for.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The processes of the node cannot be listed.
    #[error("cannot list the node's processes in {path}: {source}. Mount the node's /proc there")]
    List {
        /// Where they were looked for.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The namespace cannot be used.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
}

/// What tells a network namespace from others: device and inode of its file.
type Identity = (u64, u64);

/// A process of a pod.
struct Process {
    /// The UID of the pod.
    pod: String,
    /// When the process was started, in ticks since the machine was.
    since: u64,
    namespace: Identity,
    file: File,
    path: PathBuf,
}

impl Processes {
    /// Those that this folder shows.
    pub fn of(proc: &Path) -> Processes {
        Processes { proc: proc.to_owned() }
    }

    /// The network namespaces of the pods with these UIDs: each is that of the pod's oldest process, and has no older
    /// process of another pod. A pod without one is missing.
    ///
    /// # Errors
    /// [`ProcessError::List`] if the processes cannot be listed, [`ProcessError::Namespace`] if a namespace that was
    /// found cannot be used.
    pub fn namespaces_of(&self, wanted: &HashSet<&str>) -> Result<HashMap<String, Namespace>, ProcessError> {
        // Namespaces that are no pod's: the node's own, by its first process, and the agent's.
        let no_pods = [self.proc.join("1/ns/net"), PathBuf::from("/proc/thread-self/ns/net")];
        let no_pods = no_pods.map(|path| identity(&path));
        let failed = |source| ProcessError::List { path: self.proc.clone(), source };
        let mut oldest: HashMap<String, Process> = HashMap::new();
        let mut first_of: HashMap<Identity, (u64, String)> = HashMap::new();
        for entry in fs::read_dir(&self.proc).map_err(failed)? {
            let folder = entry.map_err(failed)?.path();
            // A process may end while it is looked at.
            let Some(process) = Process::look(&folder) else { continue };
            if no_pods.contains(&Some(process.namespace)) {
                continue;
            }
            let first =
                first_of.entry(process.namespace).or_insert_with(|| (process.since, process.pod.clone()));
            if process.since < first.0 {
                *first = (process.since, process.pod.clone());
            }
            // A program in the pod may have made namespaces of its own: the sandbox was there before it.
            let is_older = oldest.get(&process.pod).is_none_or(|known| process.since < known.since);
            if wanted.contains(process.pod.as_str()) && is_older {
                oldest.insert(process.pod.clone(), process);
            }
        }
        let is_its_own =
            |process: &Process| first_of.get(&process.namespace).is_some_and(|(_, pod)| *pod == process.pod);
        let found = oldest.into_iter().filter(|(_, process)| is_its_own(process));
        found.map(|(uid, process)| Ok((uid, Namespace::of(process.file, &process.path)?))).collect()
    }
}

impl Process {
    /// Looks at the process of a folder of /proc. Returns `None` if it is of no pod, or has gone.
    fn look(folder: &Path) -> Option<Process> {
        let name = folder.file_name()?.to_str()?;
        if !name.bytes().all(|c| c.is_ascii_digit()) {
            return None;
        }
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let open = nix::fcntl::open(folder, flags, Mode::empty()).ok()?;
        let says = || Some((pod_of(&text(&open, "cgroup")?)?, since(&text(&open, "stat")?)));
        let (pod, since) = says()?;
        let file = file(&open, "ns/net").ok()?;
        let namespace = file.metadata().map(|it| (it.dev(), it.ino())).ok()?;
        // The same process has to say the same once more, now that its namespace is open.
        (says()? == (pod.clone(), since)).then_some(())?;
        Some(Process { pod, since, namespace, file, path: folder.join("ns/net") })
    }
}

fn file(folder: &impl std::os::fd::AsFd, name: &str) -> Result<File, Errno> {
    openat(folder, name, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty()).map(File::from)
}

/// The largest file of /proc that is read here: a line for each cgroup hierarchy.
const LONGEST: u64 = 64 << 10;

fn text(folder: &impl std::os::fd::AsFd, name: &str) -> Option<String> {
    let mut bytes = Vec::new();
    file(folder, name).ok()?.take(LONGEST).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The 22nd field of `stat` (proc(5), `starttime`); the second is a name in parentheses, which may hold anything.
fn since(stat: &str) -> u64 {
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    after_name.split_whitespace().nth(19).and_then(|ticks| ticks.parse().ok()).unwrap_or(u64::MAX)
}
