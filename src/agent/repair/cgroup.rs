//! Which pod a process belongs to, by the path of its cgroup as the kubelet builds it.

/// The last part of the kubelet's own cgroup (`defaultNodeAllocatableCgroupName`); `--cgroup-root` may put folders of any
/// name in front of it.
const KUBEPODS: &str = "kubepods";
/// The cgroups of the quality-of-service classes; pods of the class Guaranteed are directly in the kubelet's cgroup.
const CLASSES: [&str; 2] = ["burstable", "besteffort"];

/// The UID of the pod that a process belongs to, by `/proc/PID/cgroup`. Returns `None` for a process of no pod.
pub(super) fn pod_of(groups: &str) -> Option<String> {
    groups.lines().filter_map(|line| line.splitn(3, ':').nth(2)).find_map(pod_of_path)
}

/// The UID in the path of a cgroup.
///
/// The parts of the path are the kubelet's up to the one that names the pod; what follows may be called anything by a
/// container. Seen from a cgroup namespace of its own, as the agent has one under cgroup v2, the path begins with `..`
/// for each part that the agent's own cgroup does not share, and the kubelet's cgroup may not show.
fn pod_of_path(path: &str) -> Option<String> {
    let mut parts = path.split('/').filter(|part| !part.is_empty()).peekable();
    let is_relative = parts.peek() == Some(&"..");
    if !is_relative {
        parts.find(|part| is_kubepods(part))?;
    }
    let pod = parts.find(|part| *part != ".." && !is_kubepods(part) && !is_class(part))?;
    let uid = match pod.strip_suffix(".slice") {
        // systemd: kubepods-burstable-pod0123_4567.slice; `_` stands for `-`.
        Some(name) => after_parents(name)?.strip_prefix("pod")?.replace('_', "-"),
        None => pod.strip_prefix("pod")?.to_owned(),
    };
    (!uid.is_empty()).then_some(uid)
}

fn is_kubepods(part: &str) -> bool {
    let name = part.strip_suffix(".slice").unwrap_or(part);
    name == KUBEPODS || (part != name && name.strip_suffix(KUBEPODS).is_some_and(|it| it.ends_with('-')))
}

fn is_class(part: &str) -> bool {
    match part.strip_suffix(".slice") {
        Some(name) => after_parents(name).is_some_and(|rest| CLASSES.contains(&rest)),
        None => CLASSES.contains(&part),
    }
}

/// The name of a slice without those of the slices that it is in, which systemd writes in front: the class stays where
/// it is the last.
fn after_parents(name: &str) -> Option<&str> {
    let (_, rest) = name.split_once(&format!("{KUBEPODS}-"))?;
    let classes = CLASSES.iter().find_map(|class| rest.strip_prefix(class)?.strip_prefix('-'));
    Some(classes.unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(path: &str) -> Option<String> {
        pod_of(&format!("12:pids:/\n0::{path}\n"))
    }

    #[test]
    fn both_drivers_name_the_pod_in_every_class() {
        for path in [
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod12_34.slice/cri-containerd-a.scope",
            "/kubepods.slice/kubepods-pod12_34.slice/cri-a.scope",
            "/kubepods/besteffort/pod12-34/abc",
            "/kubepods/pod12-34/abc",
            "/kubepods/burstable/pod12-34",
        ] {
            assert_eq!(pod(path).as_deref(), Some("12-34"), "{path}");
        }
    }

    #[test]
    fn the_root_of_the_kubelets_cgroups_may_have_any_name() {
        for root in [
            "my-pods",
            "pods",
            "pod",
            "podman",
            "a-podb/pod7",
            "kubepods-x",
            "x.slice/podx.slice",
            "burstable",
        ] {
            let path = format!("/{root}/kubepods/burstable/pod12-34/abc");
            assert_eq!(pod(&path).as_deref(), Some("12-34"), "{path}");
        }
        assert_eq!(pod("/kubepods/kubepods/besteffort/pod12-34/c").as_deref(), Some("12-34"));
        let systemd = "/my.slice/my-pods.slice/my-pods-kubepods.slice/my-pods-kubepods-besteffort.slice/\
                       my-pods-kubepods-besteffort-pod12_34.slice/c.scope";
        assert_eq!(pod(systemd).as_deref(), Some("12-34"));
    }

    #[test]
    fn from_a_cgroup_namespace_the_path_is_relative() {
        for path in [
            "/../../kubepods-pod12_34.slice/x",
            "/../../pod12-34/x",
            "/../../../burstable/pod12-34/x",
            "/../../../kubepods-burstable.slice/kubepods-burstable-pod12_34.slice/x.scope",
            "/../../../../kubepods/besteffort/pod12-34/x",
        ] {
            assert_eq!(pod(path).as_deref(), Some("12-34"), "{path}");
        }
    }

    #[test]
    fn a_container_may_call_its_own_groups_as_it_likes() {
        assert_eq!(pod("/kubepods/pod12-34/abc/pod99-99").as_deref(), Some("12-34"));
        assert_eq!(pod("/kubepods/burstable/pod12-34/kubepods/pod99-99").as_deref(), Some("12-34"));
        assert_eq!(pod("/kubepods/pod12-34/kubepods-pod99_99.slice").as_deref(), Some("12-34"));
    }

    #[test]
    fn a_process_of_no_pod_has_none() {
        for path in [
            "/",
            "/system.slice/containerd.service",
            "/pod12-34/x",
            "/my-pods/x",
            "/kubepods",
            "/kubepods/pod",
        ] {
            assert_eq!(pod(path), None, "{path}");
        }
    }
}
