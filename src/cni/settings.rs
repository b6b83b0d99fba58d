//! The settings of a pod: what its annotations and its proxy's container say, in the words of `init`'s flags.

use std::collections::BTreeMap;

use super::decision::{DISABLE_ENVOY, INJECT, PROXY, STATUS, boolean};
use super::pod::{Container, PodFacts};
use super::proxy_config::{self, ProxyConfig};
use crate::config::lists;
use crate::config::problem::{Problem, Problems};
use crate::config::settings::{
    CAPTURE_ALL_DNS, DROP_INVALID, DUAL_STACK, ENVOY_PORT, EXCLUDED_INTERFACES, INBOUND_CAPTURE_PORT,
    INBOUND_EXCLUDED_PORTS, INBOUND_PORTS, INTERCEPTION_MODE, LOOPBACK_RANGE, OUTBOUND_EXCLUDED_PORTS,
    OUTBOUND_EXCLUDED_RANGES, OUTBOUND_PORTS, OUTBOUND_RANGES, OWNER_GROUPS, OWNER_GROUPS_EXCLUDED,
    PROXY_GID, PROXY_UID, REDIRECT_DNS, Setting, VIRTUAL_INTERFACES,
};
use crate::config::typed::{Origin, Settings};

/// The container that istio's injector adds for CNI pods. It is told everything that istio-init would have been told.
pub const VALIDATION: &str = "istio-validation";

/// A setting that an annotation makes.
struct Annotated {
    annotation: &'static str,
    setting: &'static Setting,
    /// What holds without the annotation, where that is not what holds for `init`.
    default: Option<&'static str>,
}

const fn annotated(annotation: &'static str, setting: &'static Setting) -> Annotated {
    Annotated { annotation, setting, default: None }
}

/// The interception mode, which can also be NONE.
pub const MODE: &str = "sidecar.istio.io/interceptionMode";
/// The mode of a pod without interception.
pub(super) const NONE: &str = "NONE";
/// The proxy's configuration, YAML.
pub const PROXY_CONFIG: &str = "proxy.istio.io/config";
/// Ports of the proxy itself: status, health and metrics. They are never captured.
const OWN_PORTS: [&str; 3] = ["15020", "15021", "15090"];

/// Every annotation that makes a setting; of two for the same setting the later one wins. A value that is there and
/// empty counts, as in istio-cni.
const ANNOTATIONS: [Annotated; 10] = [
    Annotated {
        default: Some("*"),
        ..annotated("traffic.sidecar.istio.io/includeOutboundIPRanges", &OUTBOUND_RANGES)
    },
    annotated("traffic.sidecar.istio.io/excludeOutboundIPRanges", &OUTBOUND_EXCLUDED_RANGES),
    Annotated {
        default: Some("*"),
        ..annotated("traffic.sidecar.istio.io/includeInboundPorts", &INBOUND_PORTS)
    },
    Annotated {
        default: Some(""),
        ..annotated("traffic.sidecar.istio.io/excludeInboundPorts", &INBOUND_EXCLUDED_PORTS)
    },
    annotated("traffic.sidecar.istio.io/includeOutboundPorts", &OUTBOUND_PORTS),
    Annotated {
        default: Some("15020"),
        ..annotated("traffic.sidecar.istio.io/excludeOutboundPorts", &OUTBOUND_EXCLUDED_PORTS)
    },
    annotated("traffic.sidecar.istio.io/excludeInterfaces", &EXCLUDED_INTERFACES),
    annotated("traffic.sidecar.istio.io/kubevirtInterfaces", &VIRTUAL_INTERFACES),
    annotated("istio.io/reroute-virtual-interfaces", &VIRTUAL_INTERFACES),
    annotated(MODE, &INTERCEPTION_MODE),
];

/// Variables of the proxy's container that make a setting. Those that name more than a yes or no are what istio-init would
/// find in its own environment: the injector writes `proxyMetadata` into both.
const VARIABLES: [(&str, &Setting); 5] = [
    ("ISTIO_DUAL_STACK", &DUAL_STACK),
    ("INVALID_DROP", &DROP_INVALID),
    ("ISTIO_OUTBOUND_OWNER_GROUPS", &OWNER_GROUPS),
    ("ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE", &OWNER_GROUPS_EXCLUDED),
    ("ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR", &LOOPBACK_RANGE),
];
/// Turns DNS capture on.
const DNS_CAPTURE: &str = "ISTIO_META_DNS_CAPTURE";
/// Flags of the validation container that say what the mesh's own configuration is, where no annotation does.
const VALIDATION_FLAGS: [(&str, &str, &Setting); 3] = [
    ("-p", "--envoy-port", &ENVOY_PORT),
    ("-z", "--inbound-capture-port", &INBOUND_CAPTURE_PORT),
    ("-i", "--istio-service-cidr", &OUTBOUND_RANGES),
];

/// Does an annotation say something here? Others need not be known.
pub fn is_read(annotation: &str) -> bool {
    ANNOTATIONS.iter().any(|it| it.annotation == annotation)
        || [PROXY_CONFIG, STATUS, INJECT].contains(&annotation)
}

/// Does a variable of the proxy's say something here?
pub fn is_read_variable(name: &str) -> bool {
    VARIABLES.iter().any(|(known, _)| *known == name)
        || [DNS_CAPTURE, DISABLE_ENVOY, proxy_config::VARIABLE].contains(&name)
}

/// What a pod wants.
#[derive(Clone, Debug)]
pub enum Wanted {
    /// No rules: its mode is NONE.
    Nothing,
    /// Rules by these settings; and what in them was not understood, but does not matter enough to stop the pod.
    Rules(Settings, Vec<String>),
}

/// Reads the settings of a pod on top of those that hold for every pod.
///
/// # Errors
/// When an annotation or the proxy's configuration cannot be read.
pub fn wanted(facts: &PodFacts, mut settings: Settings) -> Result<Wanted, Problems> {
    let nothing = BTreeMap::new();
    let annotations = facts.annotations.as_ref().unwrap_or(&nothing);
    let container = |name| facts.containers.iter().flatten().find(|it| it.name == name);
    let mut problems = Problems::default();
    let mut notes = Vec::new();

    // What holds for the whole mesh: the weakest.
    if let Some(validation) = container(VALIDATION) {
        for (short, long, setting) in VALIDATION_FLAGS {
            if let Some(text) = flag(&validation.args, short, long) {
                settings.set(
                    setting,
                    Origin::Pod("an argument of the container istio-validation"),
                    text.to_owned(),
                );
            }
        }
    }
    let config = proxy_config(container(PROXY), annotations, &mut problems);
    notes.extend(config.notes.iter().cloned());
    config.set(&mut settings);
    for Annotated { annotation, setting, default } in &ANNOTATIONS {
        match (annotations.get(*annotation), default) {
            (Some(text), _) => settings.set(setting, Origin::Pod(annotation), text.clone()),
            (None, Some(text)) if settings.given(setting).is_none() => {
                settings.set(setting, Origin::Pod(annotation), (*text).to_owned());
            }
            (None, _) => {}
        }
    }
    let excluded = settings.get(&INBOUND_EXCLUDED_PORTS);
    let named: Vec<&str> = lists::items(&excluded.text).collect();
    let missing = OWN_PORTS.into_iter().filter(|port| !named.contains(port));
    let with_own = named.iter().copied().chain(missing).collect::<Vec<_>>().join(",");
    settings.set(&INBOUND_EXCLUDED_PORTS, excluded.origin, with_own);

    owner(container(PROXY), &mut settings);
    variables(container(PROXY), &config, &mut settings, &mut notes);

    if !problems.is_empty() {
        return Err(problems);
    }
    if settings.get(&INTERCEPTION_MODE).text == NONE {
        return Ok(Wanted::Nothing);
    }
    Ok(Wanted::Rules(settings, notes))
}

/// The value of a flag among arguments: `-p 1`, `-p=1`, `--long 1` or `--long=1`.
fn flag<'a>(arguments: &'a [String], short: &str, long: &str) -> Option<&'a str> {
    arguments.iter().enumerate().rev().find_map(|(place, argument)| {
        if argument == short || argument == long {
            return arguments.get(place + 1).map(String::as_str);
        }
        let (name, value) = argument.split_once('=')?;
        (name == short || name == long).then_some(value)
    })
}

/// The mesh's proxy configuration out of the container, with what the pod's annotation changes.
fn proxy_config(
    proxy: Option<&Container>,
    annotations: &BTreeMap<String, String>,
    problems: &mut Problems,
) -> ProxyConfig {
    let mut config = ProxyConfig::default();
    let of_mesh = proxy.and_then(|it| it.env.get(proxy_config::VARIABLE));
    let texts = [(proxy_config::VARIABLE, of_mesh), (PROXY_CONFIG, annotations.get(PROXY_CONFIG))];
    for (origin, text) in texts {
        match text.map(|text| ProxyConfig::parse(text)) {
            Some(Ok(found)) => config = config.overruled_by(found, origin),
            Some(Err(reason)) => {
                let text = text.map(String::as_str).unwrap_or_default();
                problems.push(Problem::new(Origin::Pod(origin), text, reason));
            }
            None => {}
        }
    }
    config
}

/// Who the proxy is. With TPROXY it is root (and its group 1337), and root's own traffic must not be left alone.
fn owner(proxy: Option<&Container>, settings: &mut Settings) {
    const PROXY_ID: u32 = 1337;
    let id = |asked: Option<u32>| asked.filter(|id| *id != 0).unwrap_or(PROXY_ID).to_string();
    let said = [
        (&PROXY_UID, proxy.and_then(|it| it.run_as_user), "runAsUser of the container istio-proxy"),
        (&PROXY_GID, proxy.and_then(|it| it.run_as_group), "runAsGroup of the container istio-proxy"),
    ];
    for (setting, asked, origin) in said {
        if asked.is_some() || settings.given(setting).is_none() {
            settings.set(setting, Origin::Pod(origin), id(asked));
        }
    }
}

fn variables(
    proxy: Option<&Container>,
    config: &ProxyConfig,
    settings: &mut Settings,
    notes: &mut Vec<String>,
) {
    let value = |name: &str| {
        let own = proxy.and_then(|it| it.env.get(name)).filter(|text| !text.is_empty());
        own.or_else(|| config.metadata.get(name)).cloned()
    };
    let mut yes = |name: &str, text: &str| {
        let read = boolean(text);
        if read.is_none() {
            notes.push(format!("{name} of the proxy is {text:?}, which is no boolean: it counts as false"));
        }
        read.unwrap_or(false)
    };
    if let Some(text) = value(DNS_CAPTURE) {
        let text = yes(DNS_CAPTURE, &text).to_string();
        // The pod's resolv.conf is not there yet, so that its servers are not known.
        settings.set(&REDIRECT_DNS, Origin::Pod(DNS_CAPTURE), text.clone());
        settings.set(&CAPTURE_ALL_DNS, Origin::Pod(DNS_CAPTURE), text);
    }
    for (name, setting) in VARIABLES {
        let Some(text) = value(name) else { continue };
        let is_switch = setting.kind == crate::config::settings::Kind::Switch;
        let text = if is_switch { yes(name, &text).to_string() } else { text };
        settings.set(setting, Origin::Pod(name), text);
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
