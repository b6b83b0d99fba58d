//! What the plugin needs to know of a pod, out of the pod as the API describes it.

use std::collections::BTreeMap;

use super::api::bounded::Bounded;
use super::api::pod::{self, ContainerObject, PodObject};
use crate::cni::pod::{Container, PodFacts};

/// A pod says more than is read: more than any pod that works needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pod's {field} hold more than {most} bytes, which is the most that is read: make them shorter")]
pub struct TooLarge {
    field: &'static str,
    most: usize,
}

/// The facts of a pod.
///
/// # Errors
/// [`TooLarge`] if a field that is read holds more than its bound.
pub fn facts(pod: &PodObject) -> Result<PodFacts, TooLarge> {
    let whole = |map: &Bounded<BTreeMap<String, String>>, field, most| {
        map.get().cloned().ok_or(TooLarge { field, most })
    };
    Ok(PodFacts {
        uid: Some(node_uid(pod)).filter(|uid| !uid.is_empty()).map(str::to_owned),
        host_network: Some(pod.spec.host_network.unwrap_or_default()),
        labels: Some(whole(&pod.metadata.labels, "labels", pod::LABELS)?),
        annotations: Some(whole(&pod.metadata.annotations.read, "annotations", pod::ANNOTATIONS)?),
        containers: Some(containers(pod)?),
    })
}

/// The UID by which the container runtime knows a pod. It is that of the object, except for a static pod: its mirror in
/// the API has a UID of its own. The author of a pod may write the annotation that says so; it serves to answer
/// questions about this very pod, and never to find a pod's processes.
pub fn node_uid(pod: &PodObject) -> &str {
    pod.metadata.annotations.static_uid.as_deref().unwrap_or(&pod.metadata.uid)
}

fn containers(pod: &PodObject) -> Result<Vec<Container>, TooLarge> {
    let init = pod.spec.init_containers.iter().map(|container| (container, true));
    let others = pod.spec.containers.iter().map(|container| (container, false));
    init.chain(others).map(|(container, is_init)| container_of(pod, container, is_init)).collect()
}

fn container_of(pod: &PodObject, container: &ContainerObject, is_init: bool) -> Result<Container, TooLarge> {
    let of_pod = (!is_init).then(|| pod.spec.restart_policy.as_deref().unwrap_or("Always"));
    let own = container.security_context.unwrap_or_default();
    let shared = pod.spec.security_context.unwrap_or_default();
    let (user, group) = (own.run_as_user.or(shared.run_as_user), own.run_as_group.or(shared.run_as_group));
    let arguments = TooLarge { field: "arguments of a container", most: pod::ARGUMENTS };
    let variables = TooLarge { field: "variables of a container", most: pod::VARIABLES };
    Ok(Container {
        name: container.name.to_string(),
        is_init,
        restarts_always: container.restart_policy.as_deref().or(of_pod) == Some("Always"),
        args: container.args.get().cloned().ok_or(arguments)?,
        env: container.env.get().cloned().ok_or(variables)?,
        run_as_user: user.and_then(|id| id.try_into().ok()),
        run_as_group: group.and_then(|id| id.try_into().ok()),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

    fn pod(json: serde_json::Value) -> PodObject {
        serde_json::from_value(json).unwrap()
    }

    fn facts(pod: &PodObject) -> PodFacts {
        super::facts(pod).unwrap()
    }

    fn meshed() -> PodObject {
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
                "containers": [{"name": "app", "env": [{"name": "PASSWORD", "value": "secret"}]}],
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
        let (mirror, hash) = ("kubernetes.io/config.mirror", "kubernetes.io/config.hash");
        let of_mirror = pod(json!({"metadata": {
            "uid": "of-the-mirror", "annotations": {mirror: "hash", hash: "of-the-node"},
        }}));
        assert_eq!(facts(&of_mirror).uid.as_deref(), Some("of-the-node"));
        let pretender = pod(json!({"metadata": {"uid": "own", "annotations": {hash: "another"}}}));
        assert_eq!(facts(&pretender).uid.as_deref(), Some("own"));
    }

    #[test]
    fn what_nobody_reads_is_not_kept() {
        let text = format!("{:?}", meshed());
        assert!(!text.contains("large") && !text.contains("secret"), "{text}");
        assert!(!facts(&meshed()).annotations.unwrap().contains_key(LAST_APPLIED));
    }

    #[test]
    fn a_field_that_is_read_and_larger_than_its_bound_is_named() {
        let proxy = |with: serde_json::Value| {
            let mut proxy = json!({"name": "istio-proxy"});
            proxy.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
            pod(json!({"spec": {"containers": [proxy]}}))
        };
        let long = "x".repeat(1 << 20);
        let labels: BTreeMap<_, _> = (0..2000).map(|it| (format!("label-{it}"), "v")).collect();
        let pods = [
            ("labels", pod(json!({"metadata": {"labels": labels}}))),
            ("annotations", pod(json!({"metadata": {"annotations": {"proxy.istio.io/config": long}}}))),
            ("arguments", proxy(json!({"args": [long]}))),
            ("variables", proxy(json!({"env": [{"name": "PROXY_CONFIG", "value": long}]}))),
        ];
        for (field, pod) in pods {
            let error = super::facts(&pod).unwrap_err().to_string();
            assert!(error.contains(field) && error.contains(" bytes"), "{error}");
        }
        // The same in places that nothing reads.
        facts(&pod(json!({"metadata": {"annotations": {LAST_APPLIED: long}}})));
        facts(&proxy(json!({"env": [{"name": "OTHER", "value": long}]})));
    }
}
