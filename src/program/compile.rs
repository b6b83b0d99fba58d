//! Writes the rules that a configuration asks for: those of istio-iptables, in its order.
//!
//! The order is istio's because both tools have to see each other's work as their own, and because it carries
//! meaning: exclusions before inclusions, the proxy's own traffic before everything that is redirected.

mod dns;
mod inbound;
mod outbound;
mod quic;
mod uncaptured;

use std::net::Ipv6Addr;

use super::ChainName::{self, Hook as At};
use super::Hook::{Output, Prerouting};
use super::{
    Chain, ConnectionState, LocalDelivery, Match, Pod, Program, Protocol, Routing, Rule, Table, Verdict,
};
use crate::config::cidrs::{BIND_V4, BIND_V6, CidrSet, LINK_LOCAL};
use crate::config::families::{Families, Family};
use crate::config::interfaces::InterfaceName;
use crate::config::ports::{Port, PortSet};
use crate::config::values::Mode;
use crate::config::{BackendKind, Config, InboundPorts};

/// Writes the program for a pod. The iptables back ends get what istio-iptables writes; nftables gets rules about
/// link-local addresses besides, and about addresses that come later.
pub fn compile(config: &Config, pod: &Pod, backend: BackendKind) -> Program {
    let families = pod.families.intercepted_in(backend);
    let is_native = backend == BackendKind::Nftables;
    let mut compiler =
        Compiler { config, families, is_native, has_ipv6: pod.families.has_ipv6, chains: Vec::new() };
    compiler.excluded_interfaces();
    compiler.drop_invalid();
    compiler.redirects();
    compiler.inbound();
    compiler.outbound(&pod.resolvers);
    compiler.virtual_interfaces();
    compiler.transparent_marks();
    compiler.uncaptured();
    compiler.quic();
    Program { routing: routing(config, families), chains: compiler.chains }
}

/// What stands between the programs of REDIRECT and TPROXY for a moment: both capture inbound connections. Nothing when
/// inbound connections are not captured by TPROXY.
pub fn bridge(config: &Config, pod: &Pod, backend: BackendKind) -> Option<Program> {
    if config.mode != Mode::Tproxy {
        return None;
    }
    let after = compile(config, pod, backend);
    after.routing.delivery?;
    let before = compile(&Config { mode: Mode::Redirect, ..config.clone() }, pod, backend);
    let nat = before.chains.into_iter().filter(|chain| chain.table == Table::Nat);
    let others = after.chains.into_iter().filter(|chain| chain.table != Table::Nat);
    Some(Program { chains: others.chain(nat).collect(), routing: after.routing })
}

fn routing(config: &Config, families: Families) -> Routing {
    let transparent = config.mode == Mode::Tproxy && config.inbound_ports != InboundPorts::None;
    Routing {
        delivery: transparent.then_some(LocalDelivery {
            mark: config.tproxy_mark,
            table: config.tproxy_table,
            families,
        }),
        bind_address: families.contains(Family::Ipv6),
    }
}

struct Compiler<'a> {
    config: &'a Config,
    families: Families,
    /// Whether the rules need not be those of istio-iptables.
    is_native: bool,
    /// Whether the kernel has IPv6 in the pod.
    has_ipv6: bool,
    chains: Vec<Chain>,
}

impl Compiler<'_> {
    fn add(&mut self, table: Table, chain: ChainName, rule: Rule) {
        let rule = if rule.families == Families::BOTH { rule.only(self.families) } else { rule };
        if rule.families.is_empty() {
            return;
        }
        match self.chains.iter_mut().find(|it| it.table == table && it.name == chain) {
            Some(chain) => chain.rules.push(rule),
            None => self.chains.push(Chain { table, name: chain, rules: vec![rule] }),
        }
    }

    /// The families that are intercepted and that this set has ranges of.
    fn families_of(&self, ranges: &CidrSet) -> Families {
        let ipv4 = if ranges.v4.is_empty() { Families::NONE } else { Families::IPV4 };
        let ipv6 = if ranges.v6.is_empty() { Families::NONE } else { Families::IPV6 };
        ipv4.union(ipv6).intersection(self.families)
    }

    fn loopback(&self) -> CidrSet {
        CidrSet::pair(self.config.loopback.net(), Ipv6Addr::LOCALHOST.into())
    }

    fn excluded_interfaces(&mut self) {
        let interfaces = &self.config.excluded_interfaces;
        if interfaces.is_empty() {
            return;
        }
        let tables: &[Table] = match self.config.mode {
            Mode::Redirect => &[Table::Nat],
            Mode::Tproxy => &[Table::Nat, Table::Mangle],
        };
        for table in tables {
            let incoming = vec![Match::InInterface(interfaces.clone())];
            let outgoing = vec![Match::OutInterface(interfaces.clone())];
            let (id, why) = ("excluded-interfaces", "Neither direction is captured on excluded interfaces");
            self.add(
                *table,
                At(Prerouting),
                Rule::new(format!("{table}-{id}-in", table = table.name()), why, incoming, Verdict::Return),
            );
            self.add(
                *table,
                At(Output),
                Rule::new(format!("{table}-{id}-out", table = table.name()), why, outgoing, Verdict::Return),
            );
        }
    }

    fn drop_invalid(&mut self) {
        if !self.config.drop_invalid {
            return;
        }
        let invalid = vec![Match::State(ConnectionState::Invalid)];
        let why = "Packets out of window would be answered with a reset that ends the connection";
        self.add(
            Table::Mangle,
            At(Prerouting),
            Rule::new("invalid", why, invalid, Verdict::Jump(ChainName::Drop)),
        );
        let why = "Invalid packets are dropped";
        self.add(Table::Mangle, ChainName::Drop, Rule::new("drop-invalid", why, vec![], Verdict::Drop));
    }

    fn redirects(&mut self) {
        let config = self.config;
        self.add(
            Table::Nat,
            ChainName::Inbound,
            Rule::new(
                "inbound-tunnel",
                "The proxy listens on the tunnel port itself",
                vec![tcp(), to_port(config.tunnel_port)],
                Verdict::Return,
            ),
        );
        let to_proxy = "To the proxy's outbound port";
        self.add(
            Table::Nat,
            ChainName::Redirect,
            Rule::new("redirect-outbound", to_proxy, vec![tcp()], Verdict::Redirect(config.outbound_port)),
        );
        let to_proxy = "To the proxy's inbound port";
        self.add(
            Table::Nat,
            ChainName::InRedirect,
            Rule::new("redirect-inbound", to_proxy, vec![tcp()], Verdict::Redirect(config.inbound_port)),
        );
    }
}

fn tcp() -> Match {
    Match::Protocol(Protocol::Tcp)
}

fn udp() -> Match {
    Match::Protocol(Protocol::Udp)
}

fn to_port(port: Port) -> Match {
    Match::DestinationPort(PortSet::from_iter([port]))
}

fn from_port(port: Port) -> Match {
    Match::SourcePort(PortSet::from_iter([port]))
}

fn to_loopback() -> Match {
    Match::OutInterface(vec![InterfaceName::loopback()])
}

fn link_local() -> CidrSet {
    CidrSet { v6: vec![LINK_LOCAL], ..CidrSet::default() }
}

fn from_bind_address() -> Match {
    Match::Source(CidrSet::pair(BIND_V4.into(), BIND_V6.into()))
}
