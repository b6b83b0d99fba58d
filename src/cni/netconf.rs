//! The plugin's configuration: the entry of a network list that the runtime hands over on standard input.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::protocol::{self, Error, VERSION_UNSAID, VERSIONS, code};
use crate::config::{BackendChoice, BackendKind};

/// Where the agent keeps what it shares with the plugin, when the configuration does not say.
pub const RUN_DIRECTORY: &str = "/var/run/mesh-intercept";
/// The time in which an ADD has to know about its pod.
pub const TIME_BUDGET: Duration = Duration::from_secs(5);
/// The capability by which containerd hands over a pod's annotations.
pub const POD_ANNOTATIONS: &str = "io.kubernetes.cri.pod-annotations";
/// The node's own os-release, which the plugin sees because it runs on the node.
const HOST_OS_RELEASE: &str = "/etc/os-release";

/// Who is asked about a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The node's agent.
    Agent,
    /// The runtime: the annotations that it hands over.
    Runtime,
    /// The API server, with the credentials of a kubeconfig file.
    Kubeconfig,
}

/// What becomes of a pod of which nothing is known in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WithoutFacts {
    /// It has to wait: the runtime tries again.
    #[default]
    Fail,
    /// It starts without rules, and outside the mesh.
    Skip,
}

/// The keys of the entry; unknown ones are ignored, as the specification wants it.
///
/// istio-cni's keys are taken where they mean something here. `ambient_enabled`, `enable_ambient_detection_retry` and
/// `enablement_selectors` do not: they say what istio's agent does with pods that have no sidecar.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Keys {
    #[serde(rename = "cniVersion")]
    version: Option<String>,
    name: String,
    capabilities: BTreeMap<String, bool>,
    #[serde(rename = "runtimeConfig")]
    runtime: RuntimeKeys,
    #[serde(rename = "prevResult")]
    previous_result: Option<Box<RawValue>>,
    #[serde(rename = "cni.dev/valid-attachments")]
    valid_attachments: Option<Vec<AttachmentKeys>>,
    plugin_log_level: String,
    cni_agent_run_dir: String,
    ambient_enabled: bool,
    exclude_namespaces: Option<Vec<String>>,
    pod_namespace: String,
    native_nftables: bool,
    pod_facts: Option<Vec<Source>>,
    time_budget: Option<String>,
    without_facts: WithoutFacts,
    agent_socket: String,
    kubeconfig: String,
    backend: Option<String>,
    flags: Vec<String>,
    host_os_release: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct RuntimeKeys {
    #[serde(rename = "io.kubernetes.cri.pod-annotations", deserialize_with = "annotations")]
    pod_annotations: Option<BTreeMap<String, String>>,
}

/// Of a pod without annotations containerd says `null`: that there are none is known.
fn annotations<'de, D: serde::Deserializer<'de>>(
    source: D,
) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    Option::deserialize(source).map(|said| Some(said.unwrap_or_default()))
}

#[derive(Debug, Deserialize)]
struct AttachmentKeys {
    #[serde(rename = "containerID")]
    container_id: String,
    ifname: String,
}

/// What the configuration says.
#[derive(Clone, Debug)]
pub struct NetConf {
    /// The version of the specification, one of those that are spoken.
    pub version: String,
    /// The name of the network.
    pub network: String,
    /// What the plugin before this one answered, to the byte.
    pub previous_result: Option<String>,
    /// The attachments that are still in use (GC); nothing when the runtime does not say.
    pub valid_attachments: Option<Vec<protocol::Attachment>>,
    /// The annotations that the runtime handed over.
    pub pod_annotations: Option<BTreeMap<String, String>>,
    /// Will the runtime hand over annotations?
    pub has_annotations_capability: bool,
    /// The level of the log.
    pub log_level: String,
    /// Where the agent's socket is, and what is remembered of sandboxes.
    pub run_directory: PathBuf,
    /// Does istio's configuration expect pods without sidecars to be handled?
    pub is_ambient_expected: bool,
    /// Namespaces whose pods are left alone.
    pub excluded_namespaces: Vec<String>,
    /// The namespace of the agent.
    pub agent_namespace: String,
    /// Who is asked about a pod, in this order.
    pub sources: Vec<Source>,
    /// How long an ADD may take to learn about its pod.
    pub time_budget: Duration,
    /// What becomes of a pod of which nothing is known by then.
    pub without_facts: WithoutFacts,
    /// The agent's socket.
    pub agent_socket: PathBuf,
    /// The kubeconfig file.
    pub kubeconfig: PathBuf,
    /// Which back end was asked for.
    pub backend: BackendChoice,
    /// Flags of `init` that hold for every pod whose own settings do not say otherwise.
    pub flags: Vec<String>,
    /// The node's os-release file; nothing when it is not to be read.
    pub host_os_release: Option<PathBuf>,
}

impl NetConf {
    /// Reads it.
    ///
    /// # Errors
    /// When it is no JSON (code 6), of a version that is not spoken (1), or a key has a wrong value (7).
    pub fn parse(text: &str) -> Result<NetConf, Error> {
        let keys: Keys = serde_json::from_str(text).map_err(|error| {
            let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
            let code = if is_json { code::CONFIGURATION } else { code::DECODE };
            let error = Error::new(code, format!("cannot read the plugin's configuration: {error}"));
            match version_of(text) {
                Some(version) => error.of_version(&version),
                None => error,
            }
        })?;
        let version = keys.version.clone().unwrap_or_else(|| VERSION_UNSAID.to_owned());
        if !VERSIONS.contains(&version.as_str()) {
            let message = format!("incompatible CNI version {version:?}");
            return Err(Error::new(code::VERSION, message)
                .with_details(format!("this plugin speaks {}", VERSIONS.join(", "))));
        }
        let mut wrong = Vec::new();
        let time_budget = keys.time_budget.as_deref().map(crate::config::values::duration);
        let time_budget = time_budget.unwrap_or(Ok(TIME_BUDGET)).unwrap_or_else(|reason| {
            wrong.push(format!("time_budget: {reason}"));
            TIME_BUDGET
        });
        let backend = backend(&keys).unwrap_or_else(|reason| {
            wrong.push(reason);
            BackendChoice::Auto
        });
        if matches!(&keys.pod_facts, Some(sources) if sources.is_empty()) {
            wrong.push("pod_facts: name at least one of agent, runtime, kubeconfig".to_owned());
        }
        if keys.pod_facts.iter().flatten().any(|it| *it == Source::Kubeconfig) && keys.kubeconfig.is_empty() {
            wrong.push("pod_facts: kubeconfig needs the key kubeconfig, the path of the file".to_owned());
        }
        if keys.pod_facts.iter().flatten().any(|it| *it == Source::Kubeconfig) && !cfg!(feature = "agent") {
            wrong.push(
                "pod_facts: kubeconfig needs the agent's binary as the plugin; this one has no Kubernetes client".to_owned(),
            );
        }
        let previous_result = keys.previous_result.as_ref().map(|raw| raw.get().to_owned());
        if previous_result.as_ref().is_some_and(|text| !text.starts_with('{') && text != "null") {
            wrong.push("prevResult: not an object".to_owned());
        }
        if !wrong.is_empty() {
            return Err(Error::new(code::CONFIGURATION, wrong.join("; ")).of_version(&version));
        }
        let or = |text: &str, default: &str| PathBuf::from(if text.is_empty() { default } else { text });
        let run_directory = or(&keys.cni_agent_run_dir, RUN_DIRECTORY);
        let socket = run_directory.join(super::agent_protocol::SOCKET);
        let host_os_release = keys.host_os_release.unwrap_or_else(|| HOST_OS_RELEASE.to_owned());
        let attachment =
            |it: AttachmentKeys| protocol::Attachment { container_id: it.container_id, interface: it.ifname };
        let valid_attachments = keys.valid_attachments.map(|all| all.into_iter().map(attachment).collect());
        Ok(NetConf {
            version,
            network: keys.name,
            previous_result: previous_result.filter(|text| text != "null"),
            valid_attachments,
            pod_annotations: keys.runtime.pod_annotations,
            has_annotations_capability: keys.capabilities.get(POD_ANNOTATIONS) == Some(&true),
            log_level: keys.plugin_log_level,
            agent_socket: if keys.agent_socket.is_empty() { socket } else { keys.agent_socket.into() },
            run_directory,
            is_ambient_expected: keys.ambient_enabled,
            excluded_namespaces: keys.exclude_namespaces.unwrap_or_default(),
            agent_namespace: keys.pod_namespace,
            sources: keys.pod_facts.unwrap_or_else(|| vec![Source::Agent, Source::Runtime]),
            time_budget,
            without_facts: keys.without_facts,
            kubeconfig: keys.kubeconfig.into(),
            backend,
            flags: keys.flags,
            host_os_release: Some(host_os_release).filter(|path| !path.is_empty()).map(PathBuf::from),
        })
    }

    /// Reads it for a command that only takes away: a sandbox has to go, whatever is wrong with keys that say how one is
    /// made.
    ///
    /// # Errors
    /// When it is no JSON, or of a version that is not spoken.
    pub fn parse_for_removal(text: &str) -> Result<NetConf, Error> {
        const NEEDED: [&str; 4] = ["cniVersion", "name", "cni_agent_run_dir", "cni.dev/valid-attachments"];
        let error = match NetConf::parse(text) {
            Err(error) if error.code == code::CONFIGURATION => error,
            result => return result,
        };
        let Ok(mut keys) = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text) else {
            return Err(error);
        };
        keys.retain(|key, _| NEEDED.contains(&key.as_str()));
        NetConf::parse(&serde_json::Value::Object(keys).to_string()).map_err(|_| error)
    }

    /// What the runtime is answered: the previous result, or nothing but the version.
    pub fn result(&self) -> String {
        self.previous_result
            .clone()
            .unwrap_or_else(|| serde_json::json!({ "cniVersion": self.version }).to_string())
    }
}

/// The version of a configuration that has something else wrong.
fn version_of(text: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Version {
        #[serde(rename = "cniVersion")]
        version: String,
    }
    let version = serde_json::from_str::<Version>(text).ok()?.version;
    VERSIONS.contains(&version.as_str()).then_some(version)
}

fn backend(keys: &Keys) -> Result<BackendChoice, String> {
    let asked: BackendChoice = match &keys.backend {
        Some(name) => name.parse().map_err(|reason| format!("backend: {reason}"))?,
        None => BackendChoice::Auto,
    };
    match (keys.native_nftables, asked) {
        (true, BackendChoice::Auto) => Ok(BackendChoice::Fixed(BackendKind::Nftables)),
        (true, BackendChoice::Fixed(kind)) if kind != BackendKind::Nftables => {
            Err(format!("backend: {} contradicts native_nftables, which asks for nftables", kind.name()))
        }
        (_, asked) => Ok(asked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_istio_are_taken_and_unknown_ones_ignored() {
        let conf = NetConf::parse(
            r#"{"cniVersion":"1.0.0","name":"k8s","type":"istio-cni","plugin_log_level":"debug",
                "cni_agent_run_dir":"/run/x","ambient_enabled":false,"enablement_selectors":[{"podSelector":{}}],
                "exclude_namespaces":null,"pod_namespace":"istio-system","native_nftables":true,
                "enable_ambient_detection_retry":true,"somebody":{"else":[1,2]}}"#,
        )
        .unwrap();
        assert_eq!(conf.backend, BackendChoice::Fixed(BackendKind::Nftables));
        assert_eq!(conf.agent_socket, PathBuf::from("/run/x/mesh-intercept-agent.sock"));
        assert_eq!(conf.sources, [Source::Agent, Source::Runtime]);
        assert_eq!((conf.time_budget, conf.without_facts), (TIME_BUDGET, WithoutFacts::Fail));
        assert_eq!(conf.result(), r#"{"cniVersion":"1.0.0"}"#);
    }

    #[test]
    fn the_previous_result_keeps_its_bytes() {
        let result = "{ \"ips\":[ {\"address\" : \"10.0.0.2/24\", \"x\": 1.50e3}],\n\t\"cniVersion\":\"0.4.0\", \"u\":\"\\u00e9\" }";
        let text = format!(r#"{{"cniVersion":"0.4.0","name":"n","type":"t","prevResult":{result}}}"#);
        assert_eq!(NetConf::parse(&text).unwrap().result(), result);
    }

    #[test]
    fn what_is_wrong_is_said_at_once_and_by_the_right_code() {
        let error = |text| NetConf::parse(text).unwrap_err();
        assert_eq!(error("{").code, code::DECODE);
        let wrong = error(r#"{"cniVersion":"1.1.0","pod_facts":"agent"}"#);
        assert_eq!((wrong.code, wrong.version.as_str()), (code::CONFIGURATION, "1.1.0"));
        assert_eq!(error(r#"{"cniVersion":"2.0.0"}"#).code, code::VERSION);
        let several = error(
            r#"{"cniVersion":"0.3.1","time_budget":"soon","backend":"ipfw","pod_facts":["kubeconfig"],"prevResult":3}"#,
        );
        for word in ["time_budget", "backend", "pod_facts", "prevResult"] {
            assert!(several.message.contains(word), "{word}: {}", several.message);
        }
        assert_eq!((several.code, several.version.as_str()), (code::CONFIGURATION, "0.3.1"));
    }
}
