//! What the agent is to do: flags and environment variables, named as those of istio's node agent where they mean the same.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::{Serialize, Serializer};
use tracing::level_filters::LevelFilter;

use super::selector::Selector;
use crate::config::lists;
use crate::config::problem::Problems;
use crate::config::values;

mod flags;
mod reader;

use flags::*;
use reader::{Read, Reader};

/// What the agent is to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Options {
    /// The node whose pods are looked after.
    pub node: String,
    /// Where the API is; nothing for the service account of the agent's pod.
    pub kubeconfig: Option<PathBuf>,
    /// Where the socket is.
    pub run_directory: PathBuf,
    /// What is installed, and where.
    pub install: Install,
    /// What happens to pods without rules.
    pub repair: Repair,
    /// The node's /proc, as the agent sees it.
    pub host_proc: PathBuf,
    /// How often the rules of every pod are compared; nothing for never.
    pub reconcile_interval: Option<Duration>,
    /// Where the agent answers over HTTP.
    pub endpoints: Endpoints,
    /// How logs are written.
    pub logs: Logs,
    /// What was typed and has no effect, and why.
    pub warnings: Vec<String>,
}

/// What is installed, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Install {
    /// The configuration file to edit; nothing for the one that the runtime reads.
    pub conf_name: Option<String>,
    /// Is the plugin one of a chain, or a configuration of its own?
    pub chained: bool,
    /// Does the entry always go into a copy of the primary configuration, which the agent owns?
    pub owned_config: bool,
    /// The name of that copy, and of one that is needed anyhow; nothing for one that sorts before the original.
    pub copy_name: Option<String>,
    /// The runtime's configuration folder, as the agent sees it.
    pub net_directory: PathBuf,
    /// The runtime's folder of plugins, as the agent sees it.
    pub bin_directory: PathBuf,
    /// The plugin's program, to be copied there.
    pub plugin: PathBuf,
    /// More keys of the plugin's configuration; they beat those that follow from other flags.
    pub plugin_config: serde_json::Map<String, serde_json::Value>,
    /// The same as it was typed: a map holds a key once, however often it was typed.
    pub plugin_config_text: String,
    /// May the group of a new configuration file read it?
    pub group_read: bool,
    /// Namespaces whose pods the plugin leaves alone.
    pub excluded_namespaces: Vec<String>,
    /// The agent's own namespace.
    pub pod_namespace: Option<String>,
    /// Are rules in nf_tables asked for, or in iptables? Nothing when that is left to the plugin.
    pub native_nftables: Option<bool>,
    /// The level of the plugin's logs, in the plugin's words.
    pub plugin_log_level: &'static str,
    /// Is the configuration taken out when the agent ends?
    pub uninstall: bool,
}

/// What is done to pods without rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RepairMode {
    /// Nothing.
    Off,
    /// The rules are put in.
    Repair,
    /// The pod is deleted.
    Delete,
    /// The pod is labelled.
    Label,
}

/// What happens to pods without rules, and how they are known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repair {
    /// What is done to them.
    pub mode: RepairMode,
    /// The key and the value of the label.
    pub label: (String, String),
    /// The annotation that says that a pod has a sidecar.
    pub sidecar_annotation: String,
    /// The init container that fails in a pod without rules.
    pub init_container: String,
    /// What it says in the end; nothing for anything.
    pub termination_message: Option<String>,
    /// Its exit code; nothing for any.
    pub exit_code: Option<i32>,
    /// Only pods with these labels; nothing for all.
    pub label_selectors: Option<Selector>,
    /// Only pods with these fields; nothing for all.
    pub field_selectors: Option<Selector>,
}

/// Where the agent answers over HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Endpoints {
    /// The address; nothing for all.
    pub address: Option<IpAddr>,
    /// The port of `/healthz` and `/readyz`; nothing for none.
    pub health: Option<u16>,
    /// The port of `/metrics`; nothing for none.
    pub monitoring: Option<u16>,
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Logs {
    /// Up to which level.
    #[serde(serialize_with = "as_text")]
    pub level: LevelFilter,
    /// As JSON?
    pub json: bool,
}

/// What came of the arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The agent is to run.
    Run(Box<Options>),
    /// A text was asked for: help or version.
    Show(String),
}

/// What there is besides arguments.
pub struct Surroundings<'a> {
    /// What a variable holds; nothing when it is not set. One that is no text is given as an error.
    pub variable: &'a dyn Fn(&str) -> Option<Result<String, OsString>>,
    /// The machine's name, which is the node's when nobody says another.
    pub hostname: &'a str,
}

impl Options {
    /// Reads the arguments, the first of which is the program's name, and the environment.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn parse(arguments: Vec<OsString>, surroundings: &Surroundings<'_>) -> Result<Outcome, Problems> {
        let mut reader = match Reader::read(arguments, surroundings.variable) {
            Read::Settings(reader) => reader,
            Read::Asked(text) => return Ok(Outcome::Show(text)),
        };
        let options = options(&mut reader, surroundings.hostname);
        reader.finish(Outcome::Run(Box::new(options)))
    }
}

fn options(reader: &mut Reader, hostname: &str) -> Options {
    let repair = repair(reader);
    let logs = Logs { level: reader.parsed(&LOG_LEVEL, level), json: reader.switch(&LOG_AS_JSON) };
    Options {
        node: node(reader, hostname),
        kubeconfig: reader.text(&KUBECONFIG).map(PathBuf::from),
        run_directory: reader.parsed(&RUN_DIRECTORY, absolute),
        install: install(reader, logs.level),
        repair,
        host_proc: reader.parsed(&HOST_PROC, absolute),
        reconcile_interval: reader.parsed(&RECONCILE_INTERVAL, interval),
        endpoints: endpoints(reader),
        logs,
        warnings: reader.warnings(),
    }
}

fn node(reader: &mut Reader, hostname: &str) -> String {
    let node = reader.text(&NODE_NAME).unwrap_or_else(|| hostname.to_owned());
    // It becomes part of a selector, in which a comma would begin another condition.
    if node.is_empty() || !node.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'.') {
        reader.fault(&NODE_NAME, &node, "not the name of a node: letters, digits, - and . are in it");
    }
    node
}

fn install(reader: &mut Reader, level: LevelFilter) -> Install {
    let owned = reader.switch(&OWNED_CONFIG);
    let chained = reader.switch(&CHAINED);
    if owned && !chained {
        reader.fault(&OWNED_CONFIG, "true", "a copy of the primary configuration needs --chained-cni-plugin");
    }
    let copy_name = reader.parsed(&OWNED_CONFIG_FILENAME, |text| match file_name(text)? {
        Some(name) if !name.ends_with(".conflist") => Err("it has to end with .conflist".to_owned()),
        name => Ok(name),
    });
    let excluded = reader.text(&EXCLUDE_NAMESPACES).unwrap_or_default();
    Install {
        conf_name: reader.parsed(&CONF_NAME, file_name),
        chained,
        owned_config: owned,
        copy_name,
        net_directory: reader.parsed(&NET_DIRECTORY, absolute),
        bin_directory: reader.parsed(&BIN_DIRECTORY, absolute),
        plugin: reader.parsed(&PLUGIN, plugin),
        plugin_config: reader.parsed(&PLUGIN_CONFIG, |text| {
            serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))
        }),
        plugin_config_text: reader.required(&PLUGIN_CONFIG),
        group_read: reader.switch(&GROUP_READ),
        excluded_namespaces: lists::items(&excluded).map(str::to_owned).collect(),
        pod_namespace: reader.text(&POD_NAMESPACE),
        native_nftables: reader.parsed(&NATIVE_NFTABLES, |text| match text {
            "" => Ok(None),
            text => values::boolean(text).map(Some),
        }),
        plugin_log_level: match level {
            LevelFilter::TRACE | LevelFilter::DEBUG => "debug",
            LevelFilter::INFO => "info",
            LevelFilter::WARN => "warn",
            LevelFilter::ERROR => "error",
            _ => "none",
        },
        uninstall: reader.switch(&UNINSTALL),
    }
}

fn repair(reader: &mut Reader) -> Repair {
    let enabled = reader.switch(&REPAIR_ENABLED);
    let (delete, label) = (reader.switch(&REPAIR_DELETE_PODS), reader.switch(&REPAIR_LABEL_PODS));
    // istio's program does nothing unless told what, and istio's chart tells it to repair: so does this one, unless one
    // of the others is asked for.
    let repair = reader.parsed(&REPAIR_REPAIR_PODS, |text| match text {
        "" => Ok(!delete && !label),
        text => values::boolean(text),
    });
    let mode = match (enabled, repair, delete, label) {
        (false, ..) | (true, false, false, false) => RepairMode::Off,
        (true, true, ..) => RepairMode::Repair,
        (true, false, true, _) => RepairMode::Delete,
        (true, false, false, true) => RepairMode::Label,
    };
    Repair {
        mode,
        label: (reader.required(&REPAIR_LABEL_KEY), reader.text(&REPAIR_LABEL_VALUE).unwrap_or_default()),
        sidecar_annotation: reader.required(&REPAIR_SIDECAR_ANNOTATION),
        init_container: reader.required(&REPAIR_INIT_CONTAINER),
        termination_message: reader.text(&REPAIR_TERMINATION_MESSAGE),
        exit_code: reader.parsed(&REPAIR_EXIT_CODE, |text| match text.parse() {
            Ok(0) => Ok(None),
            Ok(code @ 1..=255) => Ok(Some(code)),
            _ => Err("not an exit code: write 1 to 255, or 0 for any".to_owned()),
        }),
        label_selectors: reader.parsed(&REPAIR_LABEL_SELECTORS, selector),
        field_selectors: reader.parsed(&REPAIR_FIELD_SELECTORS, selector),
    }
}

fn endpoints(reader: &mut Reader) -> Endpoints {
    let endpoints = Endpoints {
        address: reader.parsed(&LISTEN_ADDRESS, |text| match text {
            "" => Ok(None),
            text => IpAddr::from_str(text).map(Some).map_err(|_| "not an IP address".to_owned()),
        }),
        health: reader.parsed(&HEALTH_PORT, port),
        monitoring: reader.parsed(&MONITORING_PORT, port),
    };
    if endpoints.health.is_some() && endpoints.health == endpoints.monitoring {
        let port = endpoints.health.unwrap_or_default().to_string();
        reader.fault(&MONITORING_PORT, &port, "the same port as --health-port: take another, or 0 for none");
    }
    endpoints
}

/// The plugin lies next to the agent, unless it is said where.
fn plugin(text: &str) -> Result<PathBuf, String> {
    if text.is_empty() {
        let own = std::env::current_exe()
            .map_err(|error| format!("the agent's own program is unknown: {error}"))?;
        return Ok(own.with_file_name("mesh-intercept"));
    }
    absolute(text)
}

fn selector(text: &str) -> Result<Option<Selector>, String> {
    if text.is_empty() { Ok(None) } else { text.parse().map(Some) }
}

/// 0 and less stand for no port, as in istio.
fn port(text: &str) -> Result<Option<u16>, String> {
    match text.parse::<i32>() {
        Ok(..=0) => Ok(None),
        Ok(port) => u16::try_from(port).map(Some).map_err(|_| "out of range: ports end at 65535".to_owned()),
        Err(_) => Err("not a port: write a number up to 65535, 0 for none".to_owned()),
    }
}

fn interval(text: &str) -> Result<Option<Duration>, String> {
    if matches!(text, "0" | "0s") { Ok(None) } else { values::duration(text).map(Some) }
}

fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    if path.is_absolute() { Ok(path) } else { Err("not an absolute path: begin with /".to_owned()) }
}

/// Nothing for an empty text.
fn file_name(text: &str) -> Result<Option<String>, String> {
    if text.contains('/') || matches!(text, "." | "..") {
        return Err("a file name without its folder is taken here".to_owned());
    }
    Ok(Some(text.to_owned()).filter(|text| !text.is_empty()))
}

/// Scopes are parts of istio. Of `default:info,cni-plugin:debug` the first counts here.
fn level(text: &str) -> Result<LevelFilter, String> {
    let mut level = LevelFilter::INFO;
    for item in lists::items(text) {
        let (scope, name) = item.split_once(':').unwrap_or(("default", item));
        let named = match name {
            "none" => LevelFilter::OFF,
            "fatal" | "error" => LevelFilter::ERROR,
            "warn" => LevelFilter::WARN,
            "info" => LevelFilter::INFO,
            "debug" => LevelFilter::DEBUG,
            _ => return Err("not a log level: write none, error, warn, info or debug".to_owned()),
        };
        if matches!(scope, "default" | "all") {
            level = named;
        }
    }
    Ok(level)
}

fn as_text<S: Serializer>(level: &LevelFilter, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(level)
}

#[cfg(test)]
mod tests;
