//! Is this pod one of the mesh? The rules that say no, in their order.

use std::collections::BTreeMap;
use std::fmt;

use super::pod::{Container, PodFacts, PodName};

/// The proxy's container.
pub const PROXY: &str = "istio-proxy";
/// The init container that puts the rules into the kernel by itself.
pub const INIT: &str = "istio-init";
/// Names of containers that the injector added, in the annotation that it leaves behind.
pub(super) const STATUS: &str = "sidecar.istio.io/status";
/// Says that a pod does not want a sidecar: a label beats the annotation of the same name.
pub(super) const INJECT: &str = "sidecar.istio.io/inject";
/// Says that the proxy does not run as Envoy (gRPC without a proxy).
pub(super) const DISABLE_ENVOY: &str = "DISABLE_ENVOY";
/// What the pods of the node agent's DaemonSet are called: ours, and istio's.
const AGENTS: [&str; 2] = ["mesh-intercept-agent-", "istio-cni-node-"];

/// Why a pod gets no rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// The caller named no pod.
    NotKubernetes,
    /// Its namespace is excluded.
    ExcludedNamespace,
    /// It uses the node's network.
    HostNetwork,
    /// It is the agent itself, which has to start without its own help.
    OwnAgent,
    /// It has no proxy.
    NoProxy,
    /// It brings an init container for the rules.
    HasInit,
    /// Its proxy is not Envoy.
    ProxyDisabled,
    /// Its proxy is no sidecar: a gateway, say.
    NotASidecar,
    /// It does not want a sidecar.
    NotInjected,
    /// No injector has worked on it.
    NoStatus,
    /// Its interception mode is NONE.
    ModeNone,
    /// Nothing is known of it, and such pods are to start without rules.
    NoFacts,
}

impl Reason {
    /// A word for logs and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Reason::NotKubernetes => "not_kubernetes",
            Reason::ExcludedNamespace => "excluded_namespace",
            Reason::HostNetwork => "host_network",
            Reason::OwnAgent => "own_agent",
            Reason::NoProxy => "no_proxy_container",
            Reason::HasInit => "istio_init_present",
            Reason::ProxyDisabled => "proxy_disabled",
            Reason::NotASidecar => "not_a_sidecar",
            Reason::NotInjected => "inject_false",
            Reason::NoStatus => "no_status_annotation",
            Reason::ModeNone => "mode_none",
            Reason::NoFacts => "no_facts",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Reason::NotKubernetes => "the runtime named no pod of Kubernetes",
            Reason::ExcludedNamespace => "its namespace is excluded",
            Reason::HostNetwork => "it uses the node's network",
            Reason::OwnAgent => "it is the node agent itself",
            Reason::NoProxy => "it has no container istio-proxy",
            Reason::HasInit => "its container istio-init sets up the rules",
            Reason::ProxyDisabled => "DISABLE_ENVOY is set for its proxy",
            Reason::NotASidecar => "its proxy is no sidecar",
            Reason::NotInjected => "sidecar.istio.io/inject is false",
            Reason::NoStatus => "it has no annotation sidecar.istio.io/status: no injector has worked on it",
            Reason::ModeNone => "its interception mode is NONE",
            Reason::NoFacts => "nothing is known of it, and without_facts says to go on",
        })
    }
}

/// What can be said of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// No rules.
    Skip(Reason),
    /// Rules.
    Intercept,
    /// More has to be known.
    Unknown,
}

/// Decides by what the runtime itself says, before anybody is asked.
pub fn by_name(
    pod: Option<&PodName>,
    excluded_namespaces: &[String],
    agent_namespace: &str,
) -> Option<Reason> {
    let Some(pod) = pod else { return Some(Reason::NotKubernetes) };
    if excluded_namespaces.contains(&pod.namespace) {
        return Some(Reason::ExcludedNamespace);
    }
    let is_agent = AGENTS.iter().any(|prefix| pod.name.starts_with(prefix));
    (is_agent && pod.namespace == agent_namespace).then_some(Reason::OwnAgent)
}

/// Decides by what is known. A rule that applies decides, whatever is unknown besides: the outcome would be the same.
pub fn by_facts(facts: &PodFacts) -> Decision {
    let labels = facts.labels.as_ref();
    let annotations = facts.annotations.as_ref();
    let containers = facts.containers.as_deref();
    let proxy = containers.map(|all| all.iter().find(|it| it.name == PROXY));
    let names = names(facts);
    let rules: [(Option<bool>, Reason); 7] = [
        (facts.host_network, Reason::HostNetwork),
        (names.as_ref().map(|names| !names.iter().any(|name| name == PROXY)), Reason::NoProxy),
        (names.as_ref().map(|names| names.iter().any(|name| name == INIT)), Reason::HasInit),
        (proxy.map(|proxy| proxy.is_some_and(is_disabled)), Reason::ProxyDisabled),
        (proxy.map(|proxy| proxy.is_some_and(is_no_sidecar)), Reason::NotASidecar),
        (is_not_injected(labels, annotations), Reason::NotInjected),
        (annotations.map(|all| !all.contains_key(STATUS)), Reason::NoStatus),
    ];
    match rules.iter().find(|(applies, _)| *applies == Some(true)) {
        Some((_, reason)) => Decision::Skip(*reason),
        // What the injector wrote tells enough of a pod: where only annotations are known, they are all there is to know.
        None if annotations.is_some() && names.is_some() => Decision::Intercept,
        None => Decision::Unknown,
    }
}

/// The names of the containers: as they are, or as the injector says in its annotation.
fn names(facts: &PodFacts) -> Option<Vec<String>> {
    if let Some(containers) = &facts.containers {
        return Some(containers.iter().map(|it| it.name.clone()).collect());
    }
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Status {
        #[serde(default)]
        init_containers: Option<Vec<String>>,
        #[serde(default)]
        containers: Option<Vec<String>>,
    }
    let status: Status = serde_json::from_str(facts.annotations.as_ref()?.get(STATUS)?).ok()?;
    if status.init_containers.is_none() && status.containers.is_none() {
        return None;
    }
    Some(status.init_containers.into_iter().chain(status.containers).flatten().collect())
}

fn is_disabled(proxy: &Container) -> bool {
    proxy.env.get(DISABLE_ENVOY).and_then(|text| boolean(text)) == Some(true)
}

/// `proxy router` and the like; other arguments are some other program's.
fn is_no_sidecar(proxy: &Container) -> bool {
    matches!(&proxy.args[..], [first, kind, ..] if first == "proxy" && kind != "sidecar")
}

fn is_not_injected(
    labels: Option<&BTreeMap<String, String>>,
    annotations: Option<&BTreeMap<String, String>>,
) -> Option<bool> {
    let by = |of: &BTreeMap<String, String>| of.get(INJECT).map(|text| boolean(text) == Some(false));
    match labels.map(by) {
        Some(Some(by_label)) => Some(by_label),
        Some(None) => annotations.map(|all| by(all).unwrap_or(false)),
        // A label could overrule what the annotation says.
        None => annotations.and_then(|all| if by(all) == Some(true) { None } else { Some(false) }),
    }
}

/// A boolean as Go's `strconv.ParseBool` takes it, which istio's settings are read by.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn container(name: &str) -> Container {
        Container { name: name.into(), ..Container::default() }
    }

    fn meshed() -> PodFacts {
        PodFacts {
            uid: Some("u".into()),
            host_network: Some(false),
            labels: Some(map(&[])),
            annotations: Some(map(&[(STATUS, "{}")])),
            containers: Some(vec![container("app"), container(PROXY)]),
        }
    }

    fn reason(change: impl Fn(&mut PodFacts)) -> Decision {
        let mut facts = meshed();
        change(&mut facts);
        by_facts(&facts)
    }

    #[test]
    fn a_pod_with_an_injected_sidecar_gets_rules() {
        assert_eq!(by_facts(&meshed()), Decision::Intercept);
        // A native sidecar is an init container.
        let native = Container { is_init: true, restarts_always: true, ..container(PROXY) };
        assert_eq!(reason(|it| it.containers = Some(vec![native.clone()])), Decision::Intercept);
    }

    #[test]
    fn the_first_rule_that_applies_decides() {
        let skip = |change: &dyn Fn(&mut PodFacts)| match reason(change) {
            Decision::Skip(reason) => reason.word(),
            other => panic!("{other:?}"),
        };
        let proxy = |change: fn(&mut Container)| {
            let mut proxy = container(PROXY);
            change(&mut proxy);
            Some(vec![proxy])
        };
        assert_eq!(skip(&|it| it.host_network = Some(true)), "host_network");
        assert_eq!(skip(&|it| it.containers = Some(vec![])), "no_proxy_container");
        assert_eq!(
            skip(&|it| it.containers = Some(vec![container(INIT), container(PROXY)])),
            "istio_init_present"
        );
        let disabled = proxy(|it| it.env = map(&[(DISABLE_ENVOY, "1")]));
        assert_eq!(skip(&|it| it.containers = disabled.clone()), "proxy_disabled");
        let router = proxy(|it| it.args = vec!["proxy".into(), "router".into()]);
        assert_eq!(skip(&|it| it.containers = router.clone()), "not_a_sidecar");
        assert_eq!(skip(&|it| it.labels = Some(map(&[(INJECT, "false")]))), "inject_false");
        assert_eq!(skip(&|it| it.annotations = Some(map(&[]))), "no_status_annotation");
        // istio-init and no status: the former comes first.
        let both = |it: &mut PodFacts| {
            it.containers = Some(vec![container(PROXY), container(INIT)]);
            it.annotations = Some(map(&[]));
        };
        assert_eq!(skip(&both), "istio_init_present");
    }

    #[test]
    fn what_is_no_boolean_does_not_decide() {
        let odd = Container { env: map(&[(DISABLE_ENVOY, "yes")]), ..container(PROXY) };
        assert_eq!(reason(|it| it.containers = Some(vec![odd.clone()])), Decision::Intercept);
        assert_eq!(reason(|it| it.labels = Some(map(&[(INJECT, "no")]))), Decision::Intercept);
    }

    #[test]
    fn the_label_beats_the_annotation() {
        let both = |label: &'static str, annotation: &'static str| {
            reason(move |it| {
                it.labels = Some(map(&[(INJECT, label)]));
                it.annotations = Some(map(&[(STATUS, "{}"), (INJECT, annotation)]));
            })
        };
        assert_eq!(both("true", "false"), Decision::Intercept);
        assert_eq!(both("false", "true"), Decision::Skip(Reason::NotInjected));
    }

    #[test]
    fn annotations_alone_tell_what_the_injector_added() {
        let only = |status: &'static str, inject: Option<&'static str>| {
            let mut annotations = map(&[(STATUS, status)]);
            annotations.extend(inject.map(|text| (INJECT.to_owned(), text.to_owned())));
            by_facts(&PodFacts { annotations: Some(annotations), ..PodFacts::default() })
        };
        let native = r#"{"initContainers":["istio-validation","istio-proxy"],"containers":null}"#;
        assert_eq!(only(native, None), Decision::Intercept);
        assert_eq!(only(r#"{"containers":["istio-proxy"]}"#, None), Decision::Intercept);
        assert_eq!(
            only(r#"{"initContainers":["istio-init"],"containers":["istio-proxy"]}"#, None),
            Decision::Skip(Reason::HasInit)
        );
        // What the annotation does not say, somebody else has to.
        assert_eq!(only("{}", None), Decision::Unknown);
        assert_eq!(only("no json", None), Decision::Unknown);
        // Not injected without a status, whatever a label might say.
        let none = PodFacts { annotations: Some(map(&[(INJECT, "false")])), ..PodFacts::default() };
        assert_eq!(by_facts(&none), Decision::Skip(Reason::NoStatus));
        assert_eq!(by_facts(&PodFacts::default()), Decision::Unknown);
    }

    #[test]
    fn names_decide_before_anybody_is_asked() {
        let pod = |namespace: &str, name: &str| PodName {
            namespace: namespace.into(),
            name: name.into(),
            uid: None,
        };
        let excluded = ["kube-system".to_owned()];
        assert_eq!(by_name(None, &excluded, "mesh"), Some(Reason::NotKubernetes));
        assert_eq!(
            by_name(Some(&pod("kube-system", "a")), &excluded, "mesh"),
            Some(Reason::ExcludedNamespace)
        );
        let agent = pod("mesh", "mesh-intercept-agent-x2x4z");
        assert_eq!(by_name(Some(&agent), &excluded, "mesh"), Some(Reason::OwnAgent));
        // Anybody can call a pod so; only the agent's namespace counts.
        assert_eq!(by_name(Some(&agent), &excluded, "other"), None);
        assert_eq!(by_name(Some(&pod("", "mesh-intercept-agent-x")), &[], "mesh"), None);
    }
}
