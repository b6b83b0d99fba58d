//! Finds a pod's network namespace on the node, by what its processes say of themselves.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use crate::kernel::netns::{Namespace, NamespaceError, identity};
use crate::kernel::{self, Kernel, System};

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
    /// The thread is in a pod's namespace and cannot leave it.
    #[error(transparent)]
    Lost(NamespaceError),
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
    /// The UID of the pod that its cgroup is of.
    pod: Option<String>,
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
            let process = Process { since: since(&folder), pod: pod_of(&folder), path };
            by_namespace.entry(namespace).or_default().push(process);
        }
        // A program in the pod may have made namespaces of its own: the sandbox was there before it.
        let oldest =
            |all: &[Process]| all.iter().min_by_key(|it| it.since).map(|it| (it.since, it.path.clone()));
        let of_pod = by_namespace.values().filter(|all| all.iter().any(|it| it.pod.as_deref() == Some(uid)));
        if let Some((_, path)) = of_pod.filter_map(|all| oldest(all)).min() {
            return Ok(path);
        }
        // An address that was this pod's may be another's by now: a namespace with processes of a pod is that pod's.
        let nobodys = by_namespace.values().filter(|all| all.iter().all(|it| it.pod.is_none()));
        let mut with_addresses = Vec::new();
        for (_, path) in nobodys.filter_map(|all| oldest(all)) {
            if has(&path, addresses)? {
                with_addresses.push(path);
            }
        }
        match with_addresses.len() {
            1 => Ok(with_addresses.remove(0)),
            0 => Err(NotFound::NoProcess),
            several => Err(NotFound::Ambiguous(several)),
        }
    }
}

fn pod_of(folder: &Path) -> Option<String> {
    let groups = fs::read_to_string(folder.join("cgroup")).ok()?;
    groups.lines().find_map(pod_of_group)
}

/// The UID in the first part of a cgroup's path that is named after a pod: below it, a container may give any names.
/// systemd's cgroups write `_` for `-`: `kubepods-burstable-pod0123_4567.slice`; others are called `pod0123-4567`.
fn pod_of_group(line: &str) -> Option<String> {
    line.split('/').find_map(|part| {
        let name = part.strip_suffix(".slice").unwrap_or(part);
        let uid = name.strip_prefix("pod").or_else(|| name.split_once("-pod").map(|(_, uid)| uid))?;
        (!uid.is_empty()).then(|| uid.replace('_', "-"))
    })
}

/// The 22nd field of `stat`; the second is a name in parentheses, which may hold anything.
fn since(folder: &Path) -> u64 {
    let stat = fs::read_to_string(folder.join("stat")).unwrap_or_default();
    let after_name = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    after_name.split_whitespace().nth(19).and_then(|ticks| ticks.parse().ok()).unwrap_or(u64::MAX)
}

fn has(path: &Path, addresses: &[IpAddr]) -> Result<bool, NotFound> {
    let Ok(namespace) = Namespace::open(path) else { return Ok(false) };
    match System::inside(namespace).addresses() {
        Ok(there) => Ok(!addresses.is_empty() && addresses.iter().all(|address| there.contains(address))),
        // From here on, this thread would look at everything from a pod's namespace.
        Err(kernel::Error::Namespace(lost @ NamespaceError::Return { .. })) => Err(NotFound::Lost(lost)),
        Err(_) => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cgroup_names_one_pod_whatever_a_container_calls_its_own_groups() {
        let pod = |path: &str| pod_of_group(&format!("0::{path}"));
        let systemd = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod12_34.slice/cri-containerd-a.scope";
        assert_eq!(pod(systemd).as_deref(), Some("12-34"));
        assert_eq!(pod("/kubepods/besteffort/pod12-34/abc").as_deref(), Some("12-34"));
        assert_eq!(pod("/../../kubepods-pod12_34.slice/x").as_deref(), Some("12-34"));
        assert_eq!(pod("/kubepods/pod12-34/abc/pod99-99").as_deref(), Some("12-34"));
        assert_eq!(pod("/system.slice/containerd.service"), None);
    }
}
