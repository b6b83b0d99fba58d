//! What is asked for: every value parsed into a type that cannot hold nonsense.
//!
//! [`Config`] says which traffic to intercept, [`Options`] what this run is to do about it. Both come from the typed
//! text in [`typed::Settings`]; all errors are collected in one [`problem::Problems`].

#[cfg(test)]
pub(crate) mod arbitrary;
pub mod arguments;
pub mod cidrs;
pub mod families;
pub mod interfaces;
pub mod lists;
mod options;
pub mod owners;
pub mod ports;
mod print;
pub mod problem;
mod question;
mod reader;
pub mod resolvers;
mod services;
mod setting;
pub mod settings;
pub mod typed;
pub mod values;

pub use options::{BackendChoice, BackendKind, Format, Options, Policy};
pub use print::quoted;
pub use question::Question;

use std::collections::HashSet;
use std::hash::Hash;

use serde::Serialize;

use cidrs::{Cidr, CidrSet, LoopbackRange};
use interfaces::InterfaceName;
use owners::{Accounts, Gid, Uid};
use ports::{Port, PortRange, PortSet};
use problem::Problems;
use reader::Reader;
use typed::Settings;
use values::{Mark, Mode, Quic, RouteTable, UncapturedFamily};

/// Which inbound ports are captured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InboundPorts {
    /// None.
    None,
    /// All but these.
    AllExcept(PortSet),
    /// Only these.
    Only(PortSet),
}

/// Which outbound destinations are captured by their address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OutboundRanges {
    /// All.
    All,
    /// Only these; none when it is empty.
    Only(CidrSet),
}

/// Whose outbound traffic is captured, by the group that owns the socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnerGroups {
    /// Everybody's but these groups'.
    AllExcept(Vec<Gid>),
    /// Only these groups'.
    Only(Vec<Gid>),
}

/// The most groups that can be included: they end up in one rule (istio's limit).
const MOST_OWNER_GROUPS: usize = 64;

/// Which DNS traffic is captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Dns {
    /// None.
    Off,
    /// What goes to the servers of resolv.conf.
    Resolvers,
    /// Everything to port 53.
    All,
}

/// Which traffic of a pod is intercepted, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Config {
    /// The proxy's port for outbound connections.
    pub outbound_port: Port,
    /// The proxy's port for inbound connections.
    pub inbound_port: Port,
    /// The proxy's port for tunnelled connections.
    pub tunnel_port: Port,
    /// Users whose traffic is left alone; never empty, or the proxy would talk to itself for ever.
    pub proxy_uids: Vec<Uid>,
    /// Groups whose traffic is left alone.
    pub proxy_gids: Vec<Gid>,
    /// How inbound connections reach the proxy.
    pub mode: Mode,
    /// The mark of connections that TPROXY intercepts.
    pub tproxy_mark: Mark,
    /// The routing table that delivers marked packets locally.
    pub tproxy_table: RouteTable,
    /// Inbound ports that are captured.
    pub inbound_ports: InboundPorts,
    /// Outbound ranges that are captured.
    pub outbound_ranges: OutboundRanges,
    /// Outbound ranges that are left alone.
    pub excluded_ranges: CidrSet,
    /// Outbound ports that are captured whatever the address.
    pub outbound_ports: PortSet,
    /// Outbound ports that are left alone.
    pub excluded_outbound_ports: PortSet,
    /// Whose outbound traffic is captured.
    pub owner_groups: OwnerGroups,
    /// Interfaces on which nothing is captured.
    pub excluded_interfaces: Vec<InterfaceName>,
    /// Interfaces whose incoming traffic counts as outbound.
    pub virtual_interfaces: Vec<InterfaceName>,
    /// Which DNS traffic is captured.
    pub dns: Dns,
    /// Are invalid incoming packets dropped?
    pub drop_invalid: bool,
    /// Is IPv6 captured next to IPv4?
    pub dual_stack: bool,
    /// The IPv4 range that counts as loopback.
    pub loopback: LoopbackRange,
    /// What happens to IPv6 when it is not captured.
    pub uncaptured_family: UncapturedFamily,
    /// What happens to QUIC.
    pub quic: Quic,
}

impl Config {
    /// Reads the configuration out of what was typed.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(settings: &Settings, accounts: &dyn Accounts) -> Result<Config, Problems> {
        let mut reader = Reader::new(settings);
        let config = Config::read(&mut reader, accounts);
        reader.finish(config)
    }

    /// Whether any inbound port is captured.
    pub fn captures_inbound(&self) -> bool {
        match &self.inbound_ports {
            InboundPorts::None => false,
            InboundPorts::AllExcept(_) => true,
            InboundPorts::Only(ports) => !ports.is_empty(),
        }
    }

    fn read(reader: &mut Reader<'_>, accounts: &dyn Accounts) -> Config {
        let proxy_uids = proxy_uids(reader, accounts);
        Config {
            outbound_port: reader.value(&settings::ENVOY_PORT),
            inbound_port: reader.value(&settings::INBOUND_CAPTURE_PORT),
            tunnel_port: reader.value(&settings::INBOUND_TUNNEL_PORT),
            proxy_gids: proxy_gids(reader, accounts, &proxy_uids),
            proxy_uids,
            mode: reader.value(&settings::INTERCEPTION_MODE),
            tproxy_mark: reader.value(&settings::TPROXY_MARK),
            tproxy_table: reader.value(&settings::TPROXY_ROUTE_TABLE),
            inbound_ports: inbound_ports(reader),
            outbound_ranges: outbound_ranges(reader),
            excluded_ranges: reader.list(&settings::OUTBOUND_EXCLUDED_RANGES, str::parse::<Cidr>),
            outbound_ports: reader.list(&settings::OUTBOUND_PORTS, str::parse::<PortRange>),
            excluded_outbound_ports: reader.list(&settings::OUTBOUND_EXCLUDED_PORTS, str::parse::<PortRange>),
            owner_groups: owner_groups(reader, accounts),
            excluded_interfaces: reader.list(&settings::EXCLUDED_INTERFACES, str::parse),
            virtual_interfaces: reader.list(&settings::VIRTUAL_INTERFACES, str::parse),
            dns: match (reader.switch(&settings::REDIRECT_DNS), reader.switch(&settings::CAPTURE_ALL_DNS)) {
                (false, _) => Dns::Off,
                (true, false) => Dns::Resolvers,
                (true, true) => Dns::All,
            },
            drop_invalid: reader.switch(&settings::DROP_INVALID),
            dual_stack: reader.switch(&settings::DUAL_STACK),
            loopback: reader.value(&settings::LOOPBACK_RANGE),
            uncaptured_family: reader.value(&settings::UNCAPTURED_FAMILY),
            quic: reader.value(&settings::QUIC),
        }
    }
}

/// The default is the user that $ENVOY_USER names, as istio-iptables looks it up; without such a user it is 1337.
fn proxy_uids(reader: &mut Reader<'_>, accounts: &dyn Accounts) -> Vec<Uid> {
    let typed = reader.typed(&settings::PROXY_UID);
    if typed.text.is_empty() {
        let user = reader.typed(&settings::ENVOY_USER).text;
        let uid = accounts.passwd().ok().and_then(|passwd| owners::lookup(&passwd, &user));
        return vec![uid.map_or(Uid::PROXY, Uid)];
    }
    let uids: Vec<Uid> = reader.list(&settings::PROXY_UID, |item| Uid::parse(item, accounts));
    if lists::items(&typed.text).next().is_none() {
        reader.fault(
            &typed,
            &typed.text,
            "no user in the list: without one the proxy's own traffic would be redirected to itself",
        );
    }
    without_repetition(uids)
}

fn proxy_gids(reader: &mut Reader<'_>, accounts: &dyn Accounts, uids: &[Uid]) -> Vec<Gid> {
    let typed = reader.typed(&settings::PROXY_GID);
    if typed.text.is_empty() {
        return uids.iter().map(|uid| Gid(uid.0)).collect();
    }
    if lists::items(&typed.text).next().is_none() {
        reader.fault(
            &typed,
            &typed.text,
            "no group in the list: leave the setting out to take the ids of --proxy-uid",
        );
    }
    without_repetition(reader.list(&settings::PROXY_GID, |item| Gid::parse(item, accounts)))
}

/// A second rule for the same owner would never match.
fn without_repetition<T: Copy + Eq + Hash>(mut owners: Vec<T>) -> Vec<T> {
    let mut seen = HashSet::new();
    owners.retain(|owner| seen.insert(*owner));
    owners
}

fn inbound_ports(reader: &mut Reader<'_>) -> InboundPorts {
    let excluded = reader.list(&settings::INBOUND_EXCLUDED_PORTS, str::parse::<PortRange>);
    let typed = reader.typed(&settings::INBOUND_PORTS);
    match typed.text.trim() {
        "" => InboundPorts::None,
        text if lists::is_everything(text) => InboundPorts::AllExcept(excluded),
        _ => InboundPorts::Only(
            reader.list(&settings::INBOUND_PORTS, |item| alone(item)?.parse::<PortRange>()),
        ),
    }
}

fn outbound_ranges(reader: &mut Reader<'_>) -> OutboundRanges {
    if lists::is_everything(&reader.typed(&settings::OUTBOUND_RANGES).text) {
        return OutboundRanges::All;
    }
    OutboundRanges::Only(reader.list(&settings::OUTBOUND_RANGES, |item| alone(item)?.parse::<Cidr>()))
}

fn owner_groups(reader: &mut Reader<'_>, accounts: &dyn Accounts) -> OwnerGroups {
    let excluded = reader.list(&settings::OWNER_GROUPS_EXCLUDED, |item| Gid::parse(item, accounts));
    let typed = reader.typed(&settings::OWNER_GROUPS);
    if lists::is_everything(&typed.text) {
        return OwnerGroups::AllExcept(excluded);
    }
    let included: Vec<Gid> = reader.list(&settings::OWNER_GROUPS, |item| Gid::parse(alone(item)?, accounts));
    let count = lists::items(&typed.text).count();
    if count == 0 {
        let reason = "no group in the list, so that nothing outbound would be redirected: write * for all groups, or unset it";
        reader.fault(&typed, &typed.text, reason);
    } else if count > MOST_OWNER_GROUPS {
        let reason = format!("{count} groups are too many: at most {MOST_OWNER_GROUPS} can be included");
        reader.fault(&typed, &typed.text, &reason);
    }
    OwnerGroups::Only(included)
}

/// An item of a list in which `*` may only stand alone.
fn alone(item: &str) -> Result<&str, String> {
    if item == "*" {
        Err("`*` stands for everything and cannot be mixed with other items".to_owned())
    } else {
        Ok(item)
    }
}

#[cfg(test)]
mod tests;
