//! Finds a pod's network namespace on the node, by what its processes say of themselves.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::kernel::netns::{Namespace, identity};
use crate::kernel::{Kernel, System};

/// The processes of the node, as a /proc of its own PID namespace shows them.
#[derive(Clone, Debug)]
pub struct Processes {
    proc: PathBuf,
}

/// Why a pod's namespace was not found.
#[derive(Debug, thiserror::Error)]
pub enum NotFound {
    /// The processes of the node cannot be listed.
    #[error("cannot list the node's processes in {path}: {source}. Mount the node's /proc there")]
    Proc {
        /// Where they were looked for.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// No process is one of the pod's.
    #[error("no process on this node is one of the pod's, by its cgroup or by its address")]
    NoProcess,
    /// Several namespaces have the pod's address.
    #[error(
        "{0} network namespaces on this node have the pod's address, and no process is the pod's by its cgroup"
    )]
    Ambiguous(usize),
}

/// A process, and the namespace that it is in.
struct Process {
    /// When it was started, in ticks since the machine was.
    since: u64,
    path: PathBuf,
    is_of_pod: bool,
}

impl Processes {
    /// Those that this folder shows.
    pub fn of(proc: &Path) -> Processes {
        Processes { proc: proc.to_owned() }
    }

    /// The file that stands for the pod's namespace: of the oldest process that is in a cgroup named after the pod's UID,
    /// or else the only namespace that has all of its addresses.
    ///
    /// # Errors
    /// When there is none, or it cannot be told which.
    pub fn namespace_of(&self, uid: &str, addresses: &[IpAddr]) -> Result<PathBuf, NotFound> {
        // The node's own is nobody's pod.
        let own = identity(&self.proc.join("1/ns/net"));
        let here = identity(Path::new("/proc/self/ns/net"));
        let mut by_namespace: BTreeMap<(u64, u64), Vec<Process>> = BTreeMap::new();
        let failed = |source| NotFound::Proc { path: self.proc.clone(), source };
        for entry in fs::read_dir(&self.proc).map_err(failed)? {
            let folder = entry.map_err(failed)?.path();
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if !name.bytes().all(|c| c.is_ascii_digit()) {
                continue;
            }
            let path = folder.join("ns/net");
            // A process may end while it is looked at.
            let Some(namespace) = identity(&path).filter(|it| Some(*it) != own && Some(*it) != here) else {
                continue;
            };
            let process = Process { since: since(&folder), is_of_pod: is_of_pod(&folder, uid), path };
            by_namespace.entry(namespace).or_default().push(process);
        }
        // A program in the pod may have made namespaces of its own: the sandbox was there before it.
        let oldest =
            |all: &[Process]| all.iter().min_by_key(|it| it.since).map(|it| (it.since, it.path.clone()));
        let of_pod = by_namespace.values().filter(|all| all.iter().any(|it| it.is_of_pod));
        if let Some((_, path)) = of_pod.filter_map(|all| oldest(all)).min() {
            return Ok(path);
        }
        let candidates = by_namespace.values().filter_map(|all| oldest(all)).map(|(_, path)| path);
        let mut with_addresses: Vec<PathBuf> = candidates.filter(|path| has(path, addresses)).collect();
        match with_addresses.len() {
            1 => Ok(with_addresses.remove(0)),
            0 => Err(NotFound::NoProcess),
            several => Err(NotFound::Ambiguous(several)),
        }
    }
}

/// systemd's cgroups write `_` for `-`: `kubepods-burstable-pod0123_4567.slice`.
fn is_of_pod(folder: &Path, uid: &str) -> bool {
    let Ok(groups) = fs::read_to_string(folder.join("cgroup")) else { return false };
    !uid.is_empty() && (groups.contains(uid) || groups.contains(&uid.replace('-', "_")))
}

/// The 22nd field of `stat`; the second is a name in parentheses, which may hold anything.
fn since(folder: &Path) -> u64 {
    let stat = fs::read_to_string(folder.join("stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    after_name.split_whitespace().nth(19).and_then(|ticks| ticks.parse().ok()).unwrap_or(u64::MAX)
}

fn has(path: &Path, addresses: &[IpAddr]) -> bool {
    let Ok(namespace) = Namespace::open(path) else { return false };
    let Ok(there) = System::inside(namespace).addresses() else { return false };
    !addresses.is_empty() && addresses.iter().all(|address| there.contains(address))
}
