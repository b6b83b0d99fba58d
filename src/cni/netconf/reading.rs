//! Reads the keys of a configuration, each by its type.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::value::RawValue;

use super::members::{Members, Read, boolean, list, object, parsed, table, text};
use super::{NetConf, POD_ANNOTATIONS, RUN_DIRECTORY, Source, TIME_BUDGET, WithoutFacts, doubts, named};
use crate::cni::agent_protocol::SOCKET;
use crate::cni::protocol::{Attachment, Error, VERSION_UNSAID, VERSIONS, code};
use crate::config::{BackendChoice, BackendKind, values};

/// The node's own os-release, which the plugin sees because it runs on the node.
const HOST_OS_RELEASE: &str = "/etc/os-release";

/// What a text says, and what is wrong with it.
///
/// # Errors
/// When nothing can be said of it.
pub(super) fn read(text: &str) -> Result<(NetConf, Vec<String>), Error> {
    let value: &RawValue = serde_json::from_str(text).map_err(|error| {
        Error::new(code::DECODE, format!("the plugin's configuration is no JSON: {error}"))
    })?;
    let mut members = Members::of(value).map_err(|faults| {
        let faults = named(faults.iter().map(ToString::to_string));
        Error::new(code::CONFIGURATION, format!("the plugin's configuration is wrong: {}", faults.join("; ")))
    })?;
    let mut conf = configuration(&mut members);
    if !VERSIONS.contains(&conf.version.as_str()) {
        let message = format!("incompatible CNI version {:?}", conf.version);
        return Err(Error::new(code::VERSION, message)
            .with_details(format!("this plugin speaks {}", VERSIONS.join(", "))));
    }
    conf.doubts = named(doubts::unknown(&members).chain(doubts::values(&conf)));
    Ok((conf, members.faults().iter().map(ToString::to_string).collect()))
}

/// What the members say. What cannot be read counts as not given.
///
/// istio-cni's keys are taken where they mean something here. `ambient_enabled`, `enable_ambient_detection_retry` and
/// `enablement_selectors` do not: they say what istio's agent does with pods that have no sidecar.
pub(super) fn configuration(keys: &mut Members) -> NetConf {
    let version = keys.read("cniVersion", text).unwrap_or_else(|| VERSION_UNSAID.to_owned());
    let network = keys.read("name", text).unwrap_or_default();
    let capabilities = keys.read("capabilities", table(boolean)).unwrap_or_default();
    let pod_annotations = keys.read("runtimeConfig", object(annotations)).flatten();
    let previous_result = keys.read("prevResult", result);
    let valid_attachments = keys.read("cni.dev/valid-attachments", list(attachment));
    let log_level = keys.read("plugin_log_level", text).unwrap_or_default();
    let run_directory = path(keys, "cni_agent_run_dir").unwrap_or_else(|| RUN_DIRECTORY.into());
    let is_ambient_expected = keys.read("ambient_enabled", boolean).unwrap_or_default();
    let excluded_namespaces = keys.read("exclude_namespaces", list(text)).unwrap_or_default();
    let agent_namespace = keys.read("pod_namespace", text).unwrap_or_default();
    let is_nftables = keys.read("native_nftables", boolean).unwrap_or_default();
    let sources = keys.read("pod_facts", list(parsed(source)));
    let time_budget = keys.read("time_budget", parsed(values::duration)).unwrap_or(TIME_BUDGET);
    let without_facts = keys.read("without_facts", parsed(without_facts)).unwrap_or_default();
    let agent_socket = path(keys, "agent_socket").unwrap_or_else(|| run_directory.join(SOCKET));
    let kubeconfig = path(keys, "kubeconfig").unwrap_or_default();
    let backend = keys.read("backend", parsed(str::parse)).unwrap_or(BackendChoice::Auto);
    let flags = keys.read("flags", list(text)).unwrap_or_default();
    let host_os_release = keys.read("host_os_release", text).unwrap_or_else(|| HOST_OS_RELEASE.to_owned());
    check_sources(keys, sources.as_deref(), !kubeconfig.as_os_str().is_empty());
    NetConf {
        version,
        network,
        previous_result,
        valid_attachments,
        pod_annotations,
        has_annotations_capability: capabilities.get(POD_ANNOTATIONS) == Some(&true),
        log_level,
        run_directory,
        is_ambient_expected,
        excluded_namespaces,
        agent_namespace,
        sources: sources.unwrap_or_else(|| vec![Source::Agent, Source::Runtime]),
        time_budget,
        without_facts,
        agent_socket,
        kubeconfig,
        backend: with_nftables(keys, backend, is_nftables),
        flags,
        host_os_release: Some(host_os_release).filter(|path| !path.is_empty()).map(PathBuf::from),
        doubts: Vec::new(),
    }
}

/// An empty text stands for the default.
fn path(keys: &mut Members, name: &'static str) -> Option<PathBuf> {
    keys.read(name, text).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// Of a pod without annotations containerd says `null`: that there are none is known.
fn annotations(keys: &mut Members) -> Option<BTreeMap<String, String>> {
    keys.read_with_null(POD_ANNOTATIONS, |value| match value.get() {
        "null" => Ok(Default::default()),
        _ => table(text)(value),
    })
}

fn attachment(value: &RawValue) -> Read<Attachment> {
    const MISSING: &str = "the key is missing";
    object(|keys| {
        let mut needed = |name| {
            let faults = keys.faults().len();
            let text = keys.read(name, text);
            if text.is_none() && keys.faults().len() == faults {
                keys.fault(name, MISSING);
            }
            text.unwrap_or_default()
        };
        Attachment { container_id: needed("containerID"), interface: needed("ifname") }
    })(value)
}

fn result(value: &RawValue) -> Read<String> {
    Members::of(value).map(|_| value.get().to_owned())
}

fn source(word: &str) -> Result<Source, String> {
    match word {
        "agent" => Ok(Source::Agent),
        "runtime" => Ok(Source::Runtime),
        "kubeconfig" => Ok(Source::Kubeconfig),
        _ => Err("write agent, runtime or kubeconfig".to_owned()),
    }
}

fn without_facts(word: &str) -> Result<WithoutFacts, String> {
    match word {
        "fail" => Ok(WithoutFacts::Fail),
        "skip" => Ok(WithoutFacts::Skip),
        _ => Err("write fail or skip".to_owned()),
    }
}

fn check_sources(keys: &mut Members, sources: Option<&[Source]>, has_kubeconfig: bool) {
    const KEY: &str = "pod_facts";
    let Some(sources) = sources else { return };
    if sources.is_empty() {
        keys.fault(KEY, "name at least one of agent, runtime, kubeconfig");
    }
    if !sources.contains(&Source::Kubeconfig) {
        return;
    }
    if !has_kubeconfig {
        keys.fault(KEY, "kubeconfig needs the key kubeconfig, the path of the file");
    }
    if !cfg!(feature = "agent") {
        keys.fault(
            KEY,
            "kubeconfig needs the agent's binary as the plugin; this one has no Kubernetes client",
        );
    }
}

fn with_nftables(keys: &mut Members, asked: BackendChoice, is_nftables: bool) -> BackendChoice {
    match (is_nftables, asked) {
        (true, BackendChoice::Auto) => BackendChoice::Fixed(BackendKind::Nftables),
        (true, BackendChoice::Fixed(kind)) if kind != BackendKind::Nftables => {
            let name = kind.name();
            keys.fault("backend", format!("{name} contradicts native_nftables, which asks for nftables"));
            asked
        }
        (_, asked) => asked,
    }
}
