//! What a run is to do with the configuration.

use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;

use super::ports::Port;
use super::problem::Problems;
use super::reader::Reader;
use super::settings;
use super::typed::{Origin, Settings};
use super::values;

/// What programs the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackendKind {
    /// nf_tables over netlink, in a table of our own.
    Nftables,
    /// The programs `iptables-nft-restore` and `ip6tables-nft-restore`.
    IptablesNft,
    /// The programs `iptables-legacy-restore` and `ip6tables-legacy-restore`.
    IptablesLegacy,
}

impl BackendKind {
    /// As `--backend` spells it.
    pub fn name(self) -> &'static str {
        match self {
            BackendKind::Nftables => "nftables",
            BackendKind::IptablesNft => "iptables-nft",
            BackendKind::IptablesLegacy => "iptables-legacy",
        }
    }
}

/// Which back end was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BackendChoice {
    /// Look at the kernel and decide.
    Auto,
    /// This one.
    #[serde(untagged)]
    Fixed(BackendKind),
}

impl FromStr for BackendChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<BackendChoice, String> {
        match text {
            "auto" => Ok(BackendChoice::Auto),
            "nftables" => Ok(BackendChoice::Fixed(BackendKind::Nftables)),
            "iptables-nft" => Ok(BackendChoice::Fixed(BackendKind::IptablesNft)),
            "iptables-legacy" => Ok(BackendChoice::Fixed(BackendKind::IptablesLegacy)),
            _ => Err("write auto, nftables, iptables-nft or iptables-legacy".to_owned()),
        }
    }
}

/// What may be done to rules that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Replace nothing that differs.
    Plain,
    /// Replace what differs.
    Reconcile,
    /// Write, whatever is there.
    Force,
}

/// How things are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// As `nft -f` takes it.
    Nft,
    /// As `iptables-restore` and `ip6tables-restore` take it.
    Iptables,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Format, String> {
        match text {
            "text" => Ok(Format::Text),
            "json" => Ok(Format::Json),
            "nft" => Ok(Format::Nft),
            "iptables" => Ok(Format::Iptables),
            _ => Err("write text, json, nft or iptables".to_owned()),
        }
    }
}

/// What a run is to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// Print what would be done, change nothing.
    pub dry_run: bool,
    /// What may be done to rules that are there.
    pub policy: Policy,
    /// Move rules from other back ends.
    pub migrate: bool,
    /// How things are printed.
    pub format: Format,
    /// How often the status is printed; nothing for once.
    pub watch: Option<Duration>,
    /// Remove the rules, apply nothing.
    pub cleanup_only: bool,
    /// Leave the rules as they are.
    pub skip_rule_apply: bool,
    /// Check by a connection that the rules work.
    pub run_validation: bool,
    /// Where validation listens.
    pub probe_port: Port,
    /// How long validation may take.
    pub probe_timeout: Duration,
    /// The exit code of a failed validation.
    pub validation_exit_code: u8,
    /// Prove the rules by packets.
    pub live: bool,
    /// Which back end was asked for.
    pub backend: BackendChoice,
    /// The network namespace to work in; nothing for the one the process is in.
    pub network_namespace: Option<PathBuf>,
    /// Where the DNS servers are read.
    pub resolv_conf: PathBuf,
    /// The pod's addresses, if they were given.
    pub local_addresses: Vec<IpAddr>,
    /// The node's operating system, if it was given.
    pub node_os: Option<String>,
    /// The node's os-release file, if it was given.
    pub host_os_release: Option<PathBuf>,
    /// Use TPROXY on CentOS all the same.
    pub allow_tproxy_on_centos: bool,
}

impl Options {
    /// Reads the options out of what was typed.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn parse(settings: &Settings) -> Result<Options, Problems> {
        let reader = &mut Reader::new(settings);
        reader.switch(&settings::CNI_MODE);
        let policy = match (reader.switch(&settings::RECONCILE), reader.switch(&settings::FORCE_APPLY)) {
            (_, true) => Policy::Force,
            (true, false) => Policy::Reconcile,
            (false, false) => Policy::Plain,
        };
        let options = Options {
            dry_run: reader.switch(&settings::DRY_RUN),
            policy,
            migrate: reader.switch(&settings::MIGRATE),
            format: reader.value(&settings::OUTPUT),
            watch: Some(reader.parsed(&settings::WATCH, period)).filter(|period| !period.is_zero()),
            cleanup_only: reader.switch(&settings::CLEANUP_ONLY),
            skip_rule_apply: reader.switch(&settings::SKIP_RULE_APPLY),
            run_validation: reader.switch(&settings::RUN_VALIDATION),
            probe_port: reader.value(&settings::PROBE_PORT),
            probe_timeout: reader.parsed(&settings::PROBE_TIMEOUT, values::duration),
            validation_exit_code: reader.parsed(&settings::VALIDATION_EXIT_CODE, exit_code),
            live: reader.switch(&settings::LIVE),
            backend: backend(reader),
            network_namespace: network_namespace(reader),
            resolv_conf: path(reader, &settings::RESOLV_CONF).unwrap_or_default(),
            local_addresses: local_addresses(reader),
            node_os: Some(reader.typed(&settings::NODE_OS).text).filter(|text| !text.is_empty()),
            host_os_release: path(reader, &settings::HOST_OS_RELEASE),
            allow_tproxy_on_centos: reader.switch(&settings::ALLOW_TPROXY_ON_CENTOS),
        };
        let reader = std::mem::replace(reader, Reader::new(settings));
        reader.finish(options)
    }
}

/// A failure has to differ from success, and from what a shell says of a signal.
fn exit_code(text: &str) -> Result<u8, String> {
    match text.parse() {
        Ok(code @ 1..=127) => Ok(code),
        _ => Err("not an exit code of a failure: write a number from 1 to 127".to_owned()),
    }
}

/// `0s` stands for once.
fn period(text: &str) -> Result<Duration, String> {
    if text == "0s" { Ok(Duration::ZERO) } else { values::duration(text) }
}

/// The one back end that the three settings name together.
fn backend(reader: &mut Reader<'_>) -> BackendChoice {
    let mut asked = Vec::new();
    if let BackendChoice::Fixed(kind) = reader.value(&settings::BACKEND) {
        asked.push((reader.typed(&settings::BACKEND), kind));
    }
    if reader.switch(&settings::NATIVE_NFTABLES) {
        asked.push((reader.typed(&settings::NATIVE_NFTABLES), BackendKind::Nftables));
    }
    let variant = reader.parsed(&settings::FORCE_IPTABLES_BINARY, |text| match text {
        "" => Ok(None),
        "legacy" => Ok(Some(BackendKind::IptablesLegacy)),
        "nft" => Ok(Some(BackendKind::IptablesNft)),
        _ => Err("write legacy or nft".to_owned()),
    });
    if let Some(kind) = variant {
        asked.push((reader.typed(&settings::FORCE_IPTABLES_BINARY), kind));
    }
    let Some((first, chosen)) = asked.first() else { return BackendChoice::Auto };
    for (other, kind) in &asked[1..] {
        if kind != chosen {
            let reason = format!("contradicts {}, which asks for {}", first.origin, chosen.name());
            reader.fault(other, &other.text, &reason);
        }
    }
    BackendChoice::Fixed(*chosen)
}

/// An empty path is a variable that a script has not set: the rules would be those of the namespace at hand.
fn network_namespace(reader: &mut Reader<'_>) -> Option<PathBuf> {
    let typed = reader.typed(&settings::NETWORK_NAMESPACE);
    if typed.text.is_empty() && matches!(typed.origin, Origin::Flag(_)) {
        reader.fault(&typed, &typed.text, "an empty path names nothing: write a path, or leave the flag out");
    }
    path(reader, &settings::NETWORK_NAMESPACE)
}

fn path(reader: &mut Reader<'_>, setting: &settings::Setting) -> Option<PathBuf> {
    let typed = reader.typed(setting);
    if typed.text.contains(char::is_control) {
        reader.fault(&typed, &typed.text, "not a path: it holds a control character, such as a line break");
    }
    Some(PathBuf::from(typed.text)).filter(|path| !path.as_os_str().is_empty())
}

fn local_addresses(reader: &mut Reader<'_>) -> Vec<IpAddr> {
    reader.list(&settings::LOCAL_ADDRESS, |item| {
        item.parse().map_err(|_| "not an address: write it like 10.0.0.2 or fd00::2".to_owned())
    })
}
