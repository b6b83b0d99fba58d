//! Which network namespaces of the node are still there, as far as that can be told without privileges.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use nix::sys::stat::makedev;

use crate::kernel::netns::identity;

/// What tells a namespace from others that are there at the same time.
pub(super) type Identity = (u64, u64);

/// Whether a namespace is still there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// It is.
    Living,
    /// It is not.
    Dead,
    /// That cannot be told.
    Unknown,
}

/// The network namespaces that were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Living {
    found: BTreeSet<Identity>,
    /// Is one that was not found not there?
    is_complete: bool,
}

impl Living {
    /// Looks at a node's /proc. Every container runtime mounts the namespaces of its sandboxes somewhere, and the list
    /// of mounts is for everyone to read. A namespace without a mount has processes; their links are seen with
    /// CAP_SYS_PTRACE only.
    pub(super) fn look(proc: &Path) -> Living {
        let mounts = fs::read(proc.join("1/mountinfo")).unwrap_or_default();
        let mut found = mounted(&String::from_utf8_lossy(&mounts));
        let sees_processes = identity(&proc.join("1/ns/net")).is_some();
        let is_complete = sees_processes || !found.is_empty();
        let processes = fs::read_dir(proc).into_iter().flatten().flatten();
        found.extend(processes.filter_map(|process| identity(&process.path().join("ns/net"))));
        Living { found, is_complete }
    }

    /// Is this namespace there?
    pub(super) fn of(&self, namespace: Option<Identity>) -> Life {
        match namespace {
            Some(namespace) if self.found.contains(&namespace) => Life::Living,
            Some(_) if self.is_complete => Life::Dead,
            _ => Life::Unknown,
        }
    }
}

/// The network namespaces that are mounted, by a `mountinfo` (proc_pid_mountinfo(5)): the third field is the device, the
/// fourth is `net:[INODE]`, and the type follows a lone dash.
fn mounted(mounts: &str) -> BTreeSet<Identity> {
    mounts.lines().filter_map(mounted_by).collect()
}

fn mounted_by(line: &str) -> Option<Identity> {
    let (mount, file_system) = line.split_once(" - ")?;
    if file_system.split(' ').next() != Some("nsfs") {
        return None;
    }
    let mut fields = mount.split(' ').skip(2);
    let (major, minor) = fields.next()?.split_once(':')?;
    let inode = fields.next()?.strip_prefix("net:[")?.strip_suffix(']')?;
    Some((makedev(major.parse().ok()?, minor.parse().ok()?), inode.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 28 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:5 - proc proc rw
612 25 0:4 net:[4026532300] /run/netns/cni-1a2b rw shared:310 - nsfs nsfs rw
613 25 0:4 net:[4026532301] /run/netns/odd\\040-\\040name rw - nsfs nsfs rw
614 25 0:4 mnt:[4026532302] /run/snapd/ns/x.mnt rw - nsfs nsfs rw
615 25 0:4 net:[x] /run/netns/y rw - nsfs nsfs rw
616 25 0:50 / /var/lib/net:[4026532303] rw shared:1 master:2 - overlay overlay rw
617 25";

    #[test]
    fn mounts_of_network_namespaces_are_found() {
        assert_eq!(mounted(MOUNTS), BTreeSet::from([(4, 4_026_532_300), (4, 4_026_532_301)]));
        assert_eq!(mounted(""), BTreeSet::new());
    }

    #[test]
    fn the_kernel_lists_the_mounts_of_this_machine_in_this_form() {
        // Whatever is mounted here: the file can be read, and has lines with a lone dash.
        let mounts = fs::read_to_string("/proc/1/mountinfo").unwrap();
        assert!(mounts.lines().all(|line| line.contains(" - ")));
    }

    #[test]
    fn a_namespace_that_was_not_found_is_dead_only_where_all_are_seen() {
        let proc = tempfile::tempdir().unwrap();
        let [one, two] = [Some((4, 4_026_532_300)), Some((4, 1))];
        assert_eq!(Living::look(&proc.path().join("nowhere")).of(one), Life::Unknown);
        fs::create_dir(proc.path().join("1")).unwrap();
        fs::write(proc.path().join("1/mountinfo"), MOUNTS.lines().next().unwrap()).unwrap();
        assert_eq!(Living::look(proc.path()).of(one), Life::Unknown, "no namespace at all is seen");
        fs::write(proc.path().join("1/mountinfo"), MOUNTS).unwrap();
        let living = Living::look(proc.path());
        assert_eq!(
            [living.of(one), living.of(two), living.of(None)],
            [Life::Living, Life::Dead, Life::Unknown]
        );
    }

    #[test]
    fn a_namespace_without_a_mount_is_found_by_its_processes() {
        let own = identity(Path::new("/proc/self/ns/net"));
        let proc = tempfile::tempdir().unwrap();
        for process in ["1", "77"] {
            fs::create_dir_all(proc.path().join(process).join("ns")).unwrap();
        }
        fs::write(proc.path().join("1/ns/net"), "").unwrap();
        std::os::unix::fs::symlink("/proc/self/ns/net", proc.path().join("77/ns/net")).unwrap();
        let living = Living::look(proc.path());
        assert_eq!([living.of(own), living.of(Some((4, 1)))], [Life::Living, Life::Dead]);
    }
}
