//! What the plugin needs to know of a pod, out of the pod as the API describes it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{self as api, Pod, PodSpec};

use crate::cni::decision::PROXY;
use crate::cni::pod::{Container, PodFacts};
use crate::cni::settings::{self, VALIDATION};

/// Where `kubectl apply` keeps a copy of the whole object: as large as the rest, and nobody here reads it.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The kubelet puts it on a mirror pod: the object in the API that stands for a static pod of the node.
const MIRROR: &str = "kubernetes.io/config.mirror";
/// On a mirror pod: the UID of the static pod.
const STATIC_UID: &str = "kubernetes.io/config.hash";

/// The facts of a pod.
pub fn facts(pod: &Pod) -> PodFacts {
    let annotations = pod.metadata.annotations.clone().unwrap_or_default();
    PodFacts {
        uid: node_uid(pod),
        host_network: pod.spec.as_ref().map(|spec| spec.host_network.unwrap_or_default()),
        labels: Some(pod.metadata.labels.clone().unwrap_or_default()),
        annotations: Some(annotations.into_iter().filter(|(key, _)| settings::is_read(key)).collect()),
        containers: pod.spec.as_ref().map(containers),
    }
}

/// The UID by which the node knows a pod: its runtime, its cgroups and the plugin. It is that of the object, except for
/// a static pod: its mirror in the API has a UID of its own.
pub fn node_uid(pod: &Pod) -> Option<String> {
    let annotation = |key| pod.metadata.annotations.as_ref()?.get(key).cloned();
    match annotation(MIRROR) {
        Some(_) => annotation(STATIC_UID),
        None => None,
    }
    .or_else(|| pod.metadata.uid.clone())
}

/// Takes out of a pod what nobody here asks for, so that a node full of pods fits into little memory.
pub fn trim(pod: &mut Pod) {
    pod.metadata.managed_fields = None;
    if let Some(annotations) = &mut pod.metadata.annotations {
        annotations.remove(LAST_APPLIED);
        // That they are there is asked for; what they say is in the facts.
        annotations.values_mut().for_each(String::clear);
    }
    if let Some(spec) = &mut pod.spec {
        spec.volumes = None;
        spec.affinity = None;
        spec.tolerations = None;
        spec.topology_spread_constraints = None;
        // The facts hold what matters of them.
        spec.containers.clear();
        spec.init_containers = None;
        spec.ephemeral_containers = None;
    }
}

fn containers(spec: &PodSpec) -> Vec<Container> {
    let init = spec.init_containers.iter().flatten().map(|container| (container, true));
    let others = spec.containers.iter().map(|container| (container, false));
    init.chain(others).map(|(container, is_init)| container_of(spec, container, is_init)).collect()
}

fn container_of(spec: &PodSpec, container: &api::Container, is_init: bool) -> Container {
    let of_pod = (!is_init).then(|| spec.restart_policy.as_deref().unwrap_or("Always"));
    let own = container.security_context.as_ref();
    let shared = spec.security_context.as_ref();
    let user = own.and_then(|it| it.run_as_user).or(shared.and_then(|it| it.run_as_user));
    let group = own.and_then(|it| it.run_as_group).or(shared.and_then(|it| it.run_as_group));
    // What nobody asks for stays away from the socket and the logs: arguments and variables may be secrets.
    let is_read = SPEAKING.contains(&container.name.as_str());
    Container {
        name: container.name.clone(),
        is_init,
        restarts_always: container.restart_policy.as_deref().or(of_pod) == Some("Always"),
        args: container.args.clone().filter(|_| is_read).unwrap_or_default(),
        env: if is_read { environment(container) } else { BTreeMap::new() },
        run_as_user: user.and_then(|id| id.try_into().ok()),
        run_as_group: group.and_then(|id| id.try_into().ok()),
    }
}

/// The containers whose arguments and variables say something about the rules.
const SPEAKING: [&str; 2] = [PROXY, VALIDATION];

/// Of two variables with one name, the later counts: a literal before a `valueFrom` is not what the container gets.
fn environment(container: &api::Container) -> BTreeMap<String, String> {
    let mut literals = BTreeMap::new();
    for variable in container.env.iter().flatten() {
        match variable.value_from {
            Some(_) => literals.remove(&variable.name),
            None if !settings::is_read_variable(&variable.name) => None,
            None => literals.insert(variable.name.clone(), variable.value.clone().unwrap_or_default()),
        };
    }
    literals
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(json: serde_json::Value) -> Pod {
        serde_json::from_value(json).unwrap()
    }

    fn meshed() -> Pod {
        pod(json!({
            "metadata": {
                "name": "web-1", "namespace": "shop", "uid": "u-1",
                "labels": {"app": "web"},
                "annotations": {"sidecar.istio.io/status": "{}", LAST_APPLIED: "{\"large\":true}"},
                "managedFields": [{"manager": "kubectl"}],
            },
            "spec": {
                "securityContext": {"runAsUser": 1000, "runAsGroup": 2000},
                "volumes": [{"name": "data"}],
                "initContainers": [
                    {"name": "istio-validation"},
                    {
                        "name": "istio-proxy", "restartPolicy": "Always",
                        "args": ["proxy", "sidecar"],
                        "securityContext": {"runAsUser": 1337},
                        "env": [
                            {"name": "ISTIO_META_DNS_CAPTURE", "value": "true"},
                            {"name": "ISTIO_DUAL_STACK"},
                            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                            {"name": "INVALID_DROP", "value": "first"},
                            {"name": "INVALID_DROP", "value": "second"},
                            {"name": "HIDDEN", "value": "literal"},
                            {"name": "HIDDEN", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                        ],
                    },
                ],
                "containers": [{"name": "app"}],
            },
        }))
    }

    #[test]
    fn init_containers_come_first_and_a_native_sidecar_restarts_always() {
        let containers = facts(&meshed()).containers.unwrap();
        let seen: Vec<_> =
            containers.iter().map(|it| (it.name.as_str(), it.is_init, it.restarts_always)).collect();
        assert_eq!(
            seen,
            [("istio-validation", true, false), ("istio-proxy", true, true), ("app", false, true)]
        );
    }

    #[test]
    fn the_environment_is_what_stands_in_the_specification() {
        let proxy = facts(&meshed()).containers.unwrap().remove(1);
        assert_eq!(proxy.args, ["proxy", "sidecar"]);
        let expected =
            [("ISTIO_DUAL_STACK", ""), ("ISTIO_META_DNS_CAPTURE", "true"), ("INVALID_DROP", "second")];
        assert_eq!(proxy.env, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    }

    #[test]
    fn a_containers_user_and_group_beat_those_of_the_pod_one_by_one() {
        let containers = facts(&meshed()).containers.unwrap();
        let ids: Vec<_> = containers.iter().map(|it| (it.run_as_user, it.run_as_group)).collect();
        assert_eq!(ids, [(Some(1000), Some(2000)), (Some(1337), Some(2000)), (Some(1000), Some(2000))]);
    }

    #[test]
    fn what_is_empty_is_known_to_be_empty() {
        let bare = facts(&pod(json!({"metadata": {"uid": "u"}, "spec": {"containers": []}})));
        let nothing = BTreeMap::new();
        assert_eq!(bare.host_network, Some(false));
        assert_eq!((bare.labels.as_ref(), bare.annotations.as_ref()), (Some(&nothing), Some(&nothing)));
        assert_eq!(bare.containers, Some(Vec::new()));
        let on_host = facts(&pod(json!({"metadata": {}, "spec": {"hostNetwork": true, "containers": []}})));
        assert_eq!((on_host.host_network, on_host.uid), (Some(true), None));
    }

    #[test]
    fn a_pod_that_never_restarts_says_so_of_its_containers() {
        let job = facts(&pod(json!({
            "metadata": {},
            "spec": {"restartPolicy": "Never", "containers": [{"name": "app"}]},
        })));
        assert!(!job.containers.unwrap()[0].restarts_always);
    }

    #[test]
    fn a_static_pod_is_known_by_the_uid_that_its_node_uses() {
        let mirror = pod(json!({"metadata": {
            "uid": "of-the-mirror", "annotations": {MIRROR: "hash", STATIC_UID: "of-the-node"},
        }}));
        assert_eq!(facts(&mirror).uid.as_deref(), Some("of-the-node"));
        let pretender = pod(json!({"metadata": {"uid": "own", "annotations": {STATIC_UID: "another"}}}));
        assert_eq!(facts(&pretender).uid.as_deref(), Some("own"));
    }

    #[test]
    fn what_nobody_reads_is_not_kept() {
        let mut pod = meshed();
        assert!(!facts(&pod).annotations.unwrap().contains_key(LAST_APPLIED));
        trim(&mut pod);
        let text = serde_json::to_string(&pod).unwrap();
        for gone in ["managedFields", "last-applied", "volumes"] {
            assert!(!text.contains(gone), "{gone} in {text}");
        }
        assert!(text.contains("sidecar.istio.io/status"));
    }
}
