//! Which pods started without their rules: the validation container says so, by the way it ended.

use std::collections::BTreeMap;

use crate::agent::api::pod::{End, PodObject};
use crate::agent::options::Repair;

/// Which failure of the pod's validation has to be looked after, if any: what tells it from others of the same pod. The
/// first failure counts, whether the container was started again or not: a pod that never restarts (a Job's) has no other.
pub(in crate::agent) fn failure(pod: &PodObject, repair: &Repair) -> Option<String> {
    let is_leaving = pod.metadata.deletion_timestamp.0;
    if is_leaving || !has_sidecar(pod, repair) || !is_selected(pod, repair) {
        return None;
    }
    let ended = &pod.status.init_container_statuses.ended;
    ended.iter().filter(|status| *status.name == *repair.init_container).find_map(|status| {
        if status.now.as_ref().is_some_and(|it| it.exit_code == 0) {
            return None;
        }
        let mut ends = [&status.now, &status.before].into_iter().flatten();
        let end = ends.find(|end| is_the_failure(end, repair))?;
        Some(end.container_id.to_string())
    })
}

fn has_sidecar(pod: &PodObject, repair: &Repair) -> bool {
    pod.metadata.annotations.keys.get().is_some_and(|keys| keys.contains(&repair.sidecar_annotation))
}

fn is_the_failure(end: &End, repair: &Repair) -> bool {
    let code = repair.exit_code.is_none_or(|code| i64::from(code) == end.exit_code);
    let said = end.message.trim();
    end.exit_code != 0
        && code
        && repair.termination_message.as_ref().is_none_or(|message| message.trim() == said)
}

/// A pod with more labels than are read is selected only where no label is asked for.
fn is_selected(pod: &PodObject, repair: &Repair) -> bool {
    let nothing = BTreeMap::new();
    let labels = pod.metadata.labels.get().unwrap_or(&nothing);
    let field = |name: &str| match name {
        "metadata.name" => Some(&*pod.metadata.name),
        "metadata.namespace" => Some(&*pod.metadata.namespace),
        "spec.nodeName" => Some(&*pod.spec.node_name),
        "status.phase" => Some(&*pod.status.phase),
        _ => None,
    };
    let field = |name: &str| field(name).filter(|value| !value.is_empty());
    let label = |name: &str| labels.get(name).map(String::as_str);
    repair.label_selectors.iter().all(|it| it.selects(label))
        && repair.field_selectors.iter().all(|it| it.selects(field))
}

#[cfg(test)]
impl Repair {
    /// What holds without flags.
    pub(in crate::agent) fn for_tests() -> Repair {
        Repair {
            mode: crate::agent::options::RepairMode::Repair,
            label: ("k".into(), "v".into()),
            sidecar_annotation: "sidecar.istio.io/status".into(),
            init_container: "istio-validation".into(),
            termination_message: None,
            exit_code: Some(126),
            label_selectors: None,
            field_selectors: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::agent::api::bounded::Presence;
    use crate::agent::api::pod::{Annotations, Name};
    use crate::agent::options::RepairMode;

    fn is_broken(pod: &PodObject, repair: &Repair) -> bool {
        failure(pod, repair).is_some()
    }

    fn repair() -> Repair {
        Repair::for_tests()
    }

    fn pod(state: Value, last: Value) -> PodObject {
        serde_json::from_value(json!({
            "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"},
                         "annotations": {"sidecar.istio.io/status": "{}"}},
            "spec": {"containers": []},
            "status": {"phase": "Pending", "initContainerStatuses": [{
                "name": "istio-validation", "image": "i", "imageID": "i", "ready": false, "restartCount": 0,
                "state": state, "lastState": last}]},
        }))
        .unwrap()
    }

    fn ended(code: i32, message: &str) -> Value {
        json!({"terminated": {"exitCode": code, "message": message}})
    }

    #[test]
    fn the_first_failure_counts_before_any_restart() {
        // istio looks at lastState only, and so at nothing that never restarts (istio/istio#49210).
        assert!(is_broken(&pod(ended(126, ""), json!({})), &repair()));
        let waiting = json!({"waiting": {"reason": "CrashLoopBackOff"}});
        assert!(is_broken(&pod(waiting.clone(), ended(126, "")), &repair()));
        assert!(is_broken(&pod(json!({"running": {}}), ended(126, "")), &repair()));
        assert!(!is_broken(&pod(waiting, json!({})), &repair()));
    }

    #[test]
    fn the_failure_of_a_pod_that_is_over_is_told_as_well() {
        for phase in ["Failed", "Succeeded"] {
            let mut over = pod(ended(126, ""), json!({}));
            over.status.phase = Name::of(phase);
            for mode in [RepairMode::Repair, RepairMode::Delete, RepairMode::Label] {
                assert!(is_broken(&over, &Repair { mode, ..repair() }), "{phase} {mode:?}");
            }
        }
    }

    #[test]
    fn the_next_failure_is_another_one() {
        let with = |id: &str| json!({"terminated": {"exitCode": 126, "containerID": id}});
        let first = failure(&pod(with("1"), json!({})), &repair());
        assert_eq!(first, failure(&pod(json!({"waiting": {}}), with("1")), &repair()));
        assert_ne!(first, failure(&pod(with("2"), with("1")), &repair()));
    }

    #[test]
    fn a_validation_that_passed_in_the_end_is_none() {
        assert!(!is_broken(&pod(ended(0, ""), ended(126, "")), &repair()));
    }

    #[test]
    fn other_failures_are_other_peoples() {
        assert!(!is_broken(&pod(ended(1, ""), json!({})), &repair()));
        let any = Repair { exit_code: None, ..repair() };
        assert!(is_broken(&pod(ended(1, ""), json!({})), &any));
        let with_message = Repair { termination_message: Some("no rules".into()), ..repair() };
        assert!(is_broken(&pod(ended(126, " no rules\n"), json!({})), &with_message));
        assert!(!is_broken(&pod(ended(126, "rules"), json!({})), &with_message));
    }

    #[test]
    fn only_pods_with_a_sidecar_that_stay_and_are_selected() {
        let broken = pod(ended(126, ""), json!({}));
        let mut none = broken.clone();
        none.metadata.annotations = Annotations::default();
        assert!(!is_broken(&none, &repair()));
        let mut leaving = broken.clone();
        leaving.metadata.deletion_timestamp = Presence(true);
        assert!(!is_broken(&leaving, &repair()));
        let by = |labels: &str, fields: &str| {
            let repair = Repair {
                label_selectors: Some(labels.parse().unwrap()),
                field_selectors: Some(fields.parse().unwrap()),
                ..repair()
            };
            is_broken(&broken, &repair)
        };
        assert!(by("app=web,!other", "metadata.namespace=shop"));
        assert!(!by("app!=web", ""));
        assert!(!by("", "metadata.namespace==kube-system"));
    }
}
