//! Writes the rules that a configuration asks for: those of istio-iptables, in its order.
//!
//! The order is istio's because both tools have to see each other's work as their own, and because it carries
//! meaning: exclusions before inclusions, the proxy's own traffic before everything that is redirected.

use std::net::{IpAddr, Ipv6Addr};

use crate::config::cidrs::{BIND_V4, BIND_V6, CidrSet};
use crate::config::families::{Families, Family};
use crate::config::interfaces::InterfaceName;
use crate::config::ports::{Port, PortSet};
use crate::config::values::{Mark, Mode, UncapturedFamily};
use crate::config::{Config, Dns, InboundPorts, OutboundRanges, OwnerGroups};

use super::ChainName::{self, Hook as At};
use super::Hook::{Output, Prerouting};
use super::rule::{ConnectionState, Match, Protocol, Rule, Verdict};
use super::{Chain, LocalDelivery, Pod, Program, Routing, Table};

/// Queries of the proxy, and their answers: tracked apart from the application's.
const ZONE_UPSTREAM: u16 = 1;
/// Queries of the application, and the agent's answers to them.
const ZONE_APPLICATION: u16 = 2;

/// ICMPv6 without which a family does not work at all: errors (RFC 4443), listener reports (RFC 2710, RFC 3810), and
/// router and neighbour discovery (RFC 4861). The kernel sends them, not an application.
const ICMPV6_HOUSEKEEPING: [u8; 11] = [1, 2, 3, 4, 131, 132, 133, 134, 135, 136, 143];

/// Writes the program for a pod.
pub fn compile(config: &Config, pod: &Pod) -> Program {
    let mut compiler = Compiler { config, families: pod.families.intercepted, chains: Vec::new() };
    compiler.excluded_interfaces();
    compiler.drop_invalid();
    compiler.redirects();
    compiler.inbound();
    compiler.outbound(&pod.resolvers);
    compiler.virtual_interfaces();
    compiler.transparent_marks();
    compiler.uncaptured();
    Program { routing: routing(config, pod.families.intercepted), chains: compiler.chains }
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

/// Whose socket it is: rules for users and for groups differ in little else.
struct Proxy {
    id: String,
    is: Match,
    is_not: Match,
    /// istio leaves DNS over TCP to the agent only in the rules for users.
    spares_dns: bool,
}

struct Compiler<'a> {
    config: &'a Config,
    families: Families,
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

    fn inbound(&mut self) {
        let config = self.config;
        let transparent = config.mode == Mode::Tproxy;
        let table = if transparent { Table::Mangle } else { Table::Nat };
        if transparent {
            self.transparent_inbound_exceptions();
        }
        let (excluded, captured) = match &config.inbound_ports {
            InboundPorts::None => return,
            InboundPorts::AllExcept(excluded) => (excluded, None),
            InboundPorts::Only(ports) => (&PortSet::default(), Some(ports)),
        };
        if transparent {
            self.transparent_targets();
        }
        let jump = Verdict::Jump(ChainName::Inbound);
        self.add(table, At(Prerouting), Rule::new("inbound", "Incoming TCP is captured", vec![tcp()], jump));
        if !excluded.is_empty() {
            let why = "Excluded inbound ports reach the application directly";
            let matches = vec![tcp(), Match::DestinationPort(excluded.clone())];
            self.add(table, ChainName::Inbound, Rule::new("inbound-excluded", why, matches, Verdict::Return));
        }
        let mut matches = vec![tcp()];
        if let Some(ports) = captured {
            if ports.is_empty() {
                return;
            }
            matches.push(Match::DestinationPort(ports.clone()));
        }
        if !transparent {
            let why = "The other inbound connections go to the proxy";
            self.add(
                table,
                ChainName::Inbound,
                Rule::new("inbound-captured", why, matches, Verdict::Jump(ChainName::InRedirect)),
            );
            return;
        }
        let mut known = matches.clone();
        known.push(Match::State(ConnectionState::EstablishedOrRelated));
        let why = "Packets of known connections go to the socket that has them";
        self.add(
            table,
            ChainName::Inbound,
            Rule::new("inbound-known", why, known, Verdict::Jump(ChainName::Divert)),
        );
        let why = "New inbound connections go to the proxy's transparent socket";
        self.add(
            table,
            ChainName::Inbound,
            Rule::new("inbound-captured", why, matches, Verdict::Jump(ChainName::Tproxy)).paired(),
        );
    }

    /// Loops of TPROXY that have to be left alone; they hold for every list of inbound ports, even for none.
    fn transparent_inbound_exceptions(&mut self) {
        let mark = self.config.tproxy_mark;
        let chain = ChainName::Inbound;
        let why = "Packets that carry the mark were intercepted already";
        self.add(
            Table::Mangle,
            chain,
            Rule::new("inbound-marked", why, vec![tcp(), Match::Mark(mark)], Verdict::Return),
        );
        let why = "The proxy's connections to the application are not intercepted again";
        let matches = vec![from_bind_address(), Match::InInterface(vec![InterfaceName::loopback()]), tcp()];
        self.add(Table::Mangle, chain, Rule::new("inbound-bind-address", why, matches, Verdict::Return));
        let why = "Local calls to the pod's own address are intercepted only when the proxy makes them";
        let matches =
            vec![Match::InInterface(vec![InterfaceName::loopback()]), tcp(), Match::NotMark(Mark::OUTBOUND)];
        self.add(Table::Mangle, chain, Rule::new("inbound-self-call", why, matches, Verdict::Return));
    }

    fn transparent_targets(&mut self) {
        let mark = self.config.tproxy_mark;
        let why = "The mark routes the packet to a local socket";
        self.add(
            Table::Mangle,
            ChainName::Divert,
            Rule::new("divert-mark", why, vec![], Verdict::SetMark(mark)),
        );
        let why = "A marked packet needs no further rule";
        self.add(Table::Mangle, ChainName::Divert, Rule::new("divert-accept", why, vec![], Verdict::Accept));
        let why = "To the proxy's transparent inbound socket";
        let verdict = Verdict::Tproxy { port: self.config.inbound_port, mark };
        let matches = vec![Match::NotDestination(self.loopback()), tcp()];
        self.add(Table::Mangle, ChainName::Tproxy, Rule::new("tproxy-inbound", why, matches, verdict));
    }

    fn outbound(&mut self, resolvers: &[IpAddr]) {
        let config = self.config;
        let dns = match config.dns {
            Dns::Resolvers if resolvers.is_empty() => Dns::Off,
            dns => dns,
        };
        let jump = Verdict::Jump(ChainName::Output);
        self.add(
            Table::Nat,
            At(Output),
            Rule::new("outbound", "Outgoing connections are captured", vec![], jump),
        );
        if !config.excluded_outbound_ports.is_empty() {
            let why = "Excluded outbound ports are left alone";
            let ports = Match::DestinationPort(config.excluded_outbound_ports.clone());
            let over_tcp = vec![tcp(), ports.clone()];
            let over_udp = vec![udp(), ports];
            self.output(Rule::new("outbound-excluded-tcp", why, over_tcp, Verdict::Return));
            self.output(Rule::new("outbound-excluded-udp", why, over_udp, Verdict::Return).paired());
        }
        let why = "The proxy's connections to the application are not intercepted again";
        self.output(Rule::new(
            "outbound-bind-address",
            why,
            vec![from_bind_address(), to_loopback()],
            Verdict::Return,
        ));
        let proxies: Vec<Proxy> = self.proxies().collect();
        for proxy in &proxies {
            self.own_traffic(proxy, dns != Dns::Off);
        }
        self.owner_groups();
        if dns != Dns::Off {
            let servers = (dns == Dns::Resolvers).then(|| CidrSet::hosts(resolvers));
            self.dns(servers.as_ref());
        }
        let why = "Calls to the loopback address stay local";
        self.output(Rule::new(
            "outbound-loopback",
            why,
            vec![Match::Destination(self.loopback())],
            Verdict::Return,
        ));
        let excluded = &config.excluded_ranges;
        let why = "Excluded ranges are left alone";
        let rule = Rule::new(
            "outbound-excluded-ranges",
            why,
            vec![Match::Destination(excluded.clone())],
            Verdict::Return,
        );
        self.output_for(excluded, rule);
        let capture = Verdict::Jump(ChainName::Redirect);
        if !config.outbound_ports.is_empty() {
            let why = "Included outbound ports go to the proxy whatever the address";
            let matches = vec![tcp(), Match::DestinationPort(config.outbound_ports.clone())];
            self.output(Rule::new("outbound-included", why, matches, capture));
        }
        match &config.outbound_ranges {
            OutboundRanges::All => {
                let why = "All other outbound connections go to the proxy";
                self.output(Rule::new("outbound-captured", why, vec![], capture));
            }
            OutboundRanges::Only(ranges) => {
                let why = "Included ranges go to the proxy";
                let matches = vec![Match::Destination(ranges.clone())];
                self.output_for(ranges, Rule::new("outbound-included-ranges", why, matches, capture));
            }
        }
    }

    fn output(&mut self, rule: Rule) {
        self.add(Table::Nat, ChainName::Output, rule);
    }

    /// Adds a rule for the families that `ranges` has any of.
    fn output_for(&mut self, ranges: &CidrSet, rule: Rule) {
        let families = self.families_of(ranges);
        if !families.is_empty() {
            self.output(rule.only(families));
        }
    }

    fn proxies(&self) -> impl Iterator<Item = Proxy> + use<> {
        let users = self.config.proxy_uids.clone().into_iter().map(|uid| Proxy {
            id: format!("uid-{uid}"),
            is: Match::OwnerUid(vec![uid]),
            is_not: Match::NotOwnerUid(vec![uid]),
            spares_dns: true,
        });
        let groups = self.config.proxy_gids.clone().into_iter().map(|gid| Proxy {
            id: format!("gid-{gid}"),
            is: Match::OwnerGid(vec![gid]),
            is_not: Match::NotOwnerGid(vec![gid]),
            spares_dns: false,
        });
        users.chain(groups)
    }

    /// The proxy's own traffic, and local calls of everybody else.
    fn own_traffic(&mut self, proxy: &Proxy, dns: bool) {
        let config = self.config;
        let not_to = if dns && proxy.spares_dns {
            [Port::DNS, config.tunnel_port].into_iter().collect()
        } else {
            PortSet::from_iter([config.tunnel_port])
        };
        let self_call = vec![
            Match::NotDestination(self.loopback()),
            to_loopback(),
            tcp(),
            Match::NotDestinationPort(not_to),
            proxy.is.clone(),
        ];
        let why = "A call that the proxy sends back to the pod passes the inbound proxy";
        let jump = Verdict::Jump(ChainName::InRedirect);
        self.output(Rule::new(format!("outbound-self-call-{}", proxy.id), why, self_call, jump));

        let captures_loopback =
            matches!(&config.outbound_ranges, OutboundRanges::Only(ranges) if ranges.names_loopback);
        if !captures_loopback {
            let mut local = vec![to_loopback()];
            if dns {
                // A resolver on the loopback interface is still captured.
                local.extend([tcp(), Match::NotDestinationPort(PortSet::from_iter([Port::DNS]))]);
            }
            local.push(proxy.is_not.clone());
            let why = "Local calls of anybody but the proxy stay local";
            self.output(Rule::new(format!("outbound-local-not-{}", proxy.id), why, local, Verdict::Return));
        }
        let why = "The proxy's own traffic is left alone, or it would loop";
        let own = vec![proxy.is.clone()];
        self.output(Rule::new(format!("outbound-proxy-{}", proxy.id), why, own, Verdict::Return));
    }

    fn owner_groups(&mut self) {
        let (id, why, owners) = match &self.config.owner_groups {
            OwnerGroups::AllExcept(groups) if groups.is_empty() => return,
            OwnerGroups::AllExcept(groups) => (
                "outbound-excluded-groups",
                "Excluded groups are left alone",
                Match::OwnerGid(groups.clone()),
            ),
            OwnerGroups::Only(groups) => (
                "outbound-other-groups",
                "Only included groups are captured",
                Match::NotOwnerGid(groups.clone()),
            ),
        };
        self.output(Rule::new(id, why, vec![owners], Verdict::Return));
    }

    /// Captures DNS, to `servers` or to everybody. Two conntrack zones keep the application's query to the agent apart
    /// from the agent's own query to the resolver: both have the same addresses, and may have the same ports.
    fn dns(&mut self, servers: Option<&CidrSet>) {
        let families = servers.map_or(self.families, |servers| self.families_of(servers));
        let to_servers = |protocol| {
            let address = servers.map(|servers| Match::Destination(servers.clone()));
            address.into_iter().chain([protocol, to_port(Port::DNS)]).collect::<Vec<_>>()
        };
        let dns = ChainName::OutputDns;
        if !families.is_empty() {
            let why = "DNS is looked at before other outbound traffic";
            self.output(Rule::new("outbound-dns", why, vec![], Verdict::Jump(dns)).only(families));
            let agent = Verdict::Redirect(Port::DNS_AGENT);
            let why = "DNS over TCP goes to the agent";
            self.add(Table::Nat, dns, Rule::new("dns-tcp", why, to_servers(tcp()), agent).only(families));
            let why = "DNS over UDP goes to the agent";
            self.add(Table::Nat, dns, Rule::new("dns-udp", why, to_servers(udp()), agent).only(families));
        }
        let why = "DNS queries are tracked in two zones";
        self.add(Table::Raw, At(Output), Rule::new("zone-outbound", why, vec![], Verdict::Jump(dns)));
        let owners = [
            ("uid", Match::OwnerUid(self.config.proxy_uids.clone())),
            ("gid", Match::OwnerGid(self.config.proxy_gids.clone())),
        ];
        for (id, owner) in owners {
            let why = "The agent's own queries";
            let matches = vec![udp(), to_port(Port::DNS), owner.clone()];
            self.add(
                Table::Raw,
                dns,
                Rule::new(format!("zone-query-{id}"), why, matches, Verdict::SetZone(ZONE_UPSTREAM)),
            );
            let why = "The agent's answers to the application";
            let matches = vec![udp(), from_port(Port::DNS_AGENT), owner];
            let verdict = Verdict::SetZone(ZONE_APPLICATION);
            self.add(Table::Raw, dns, Rule::new(format!("zone-answer-{id}"), why, matches, verdict).paired());
        }
        if families.is_empty() {
            return;
        }
        let why = "The application's queries";
        let zone = Verdict::SetZone(ZONE_APPLICATION);
        self.add(Table::Raw, dns, Rule::new("zone-application", why, to_servers(udp()), zone).only(families));
        let why = "Answers from resolvers are tracked in the zone of the agent's queries";
        let jump = Verdict::Jump(ChainName::Inbound);
        self.add(Table::Raw, At(Prerouting), Rule::new("zone-inbound", why, vec![], jump).only(families));
        let address = servers.map(|servers| Match::Source(servers.clone()));
        let matches = address.into_iter().chain([udp(), from_port(Port::DNS)]).collect();
        let why = "Answers from resolvers";
        let zone = Verdict::SetZone(ZONE_UPSTREAM);
        self.add(
            Table::Raw,
            ChainName::Inbound,
            Rule::new("zone-resolver", why, matches, zone).only(families),
        );
    }

    /// istio inserts these one by one at the head of the chain, so the last of everything comes first.
    fn virtual_interfaces(&mut self) {
        let config = self.config;
        if config.virtual_interfaces.is_empty() {
            return;
        }
        let interfaces = Match::InInterface(config.virtual_interfaces.iter().rev().cloned().collect());
        let mut rules = Vec::new();
        let capture = Verdict::Jump(ChainName::Redirect);
        let (id, why) = ("virtual-captured", "Traffic of virtual machines counts as outbound");
        match &config.outbound_ranges {
            OutboundRanges::All => rules.push(Rule::new(id, why, vec![interfaces.clone()], capture)),
            OutboundRanges::Only(ranges) => {
                let families = self.families_of(ranges);
                let mut reversed = ranges.clone();
                reversed.v4.reverse();
                reversed.v6.reverse();
                let matches = vec![Match::Destination(reversed), interfaces.clone()];
                rules.push(Rule::new(id, why, matches, capture).only(families));
            }
        }
        let why = "Other traffic of virtual machines is not inbound traffic of the pod";
        rules.push(Rule::new("virtual-other", why, vec![interfaces], Verdict::Return));
        let chain = (Table::Nat, At(Prerouting));
        let later = self
            .chains
            .iter_mut()
            .find(|it| (it.table, it.name) == chain)
            .map(|it| std::mem::take(&mut it.rules));
        let families = self.families;
        for rule in rules.into_iter().filter(|rule| !rule.families.intersection(families).is_empty()) {
            self.add(chain.0, chain.1, rule.at_head());
        }
        for rule in later.unwrap_or_default() {
            self.add(chain.0, chain.1, rule);
        }
    }

    /// TPROXY: the marks that carry an intercepted connection from the client to the application and back.
    fn transparent_marks(&mut self) {
        if self.config.mode != Mode::Tproxy {
            return;
        }
        let mark = self.config.tproxy_mark;
        let why = "A connection keeps the mark that the proxy gave its packets";
        let matches = vec![tcp(), Match::Mark(mark)];
        self.add(Table::Mangle, At(Prerouting), Rule::new("mark-save", why, matches, Verdict::SaveMark));
        let why = "The proxy's marked packets to the application need no other mark";
        let matches = vec![to_loopback(), tcp(), Match::Mark(mark)];
        self.add(Table::Mangle, At(Output), Rule::new("mark-kept", why, matches, Verdict::Return));
        let proxies: Vec<Proxy> = self.proxies().collect();
        for proxy in proxies {
            let why = "The proxy's calls to the pod's own address are intercepted inbound";
            let matches = vec![Match::NotDestination(self.loopback()), to_loopback(), tcp(), proxy.is];
            let id = format!("mark-self-call-{}", proxy.id);
            self.add(
                Table::Mangle,
                At(Output),
                Rule::new(id, why, matches, Verdict::SetMark(Mark::OUTBOUND)),
            );
        }
        let why = "The application's answers get the mark of their connection";
        let matches = vec![tcp(), Match::ConnectionMark(mark)];
        self.add(Table::Mangle, At(Output), Rule::new("mark-restore", why, matches, Verdict::RestoreMark));
    }

    /// Not in istio: closes the way around the proxy that a family without interception is.
    fn uncaptured(&mut self) {
        let ipv6 = Families::IPV6;
        if self.config.uncaptured_family != UncapturedFamily::Deny || self.families.contains(Family::Ipv6) {
            return;
        }
        let chain = ChainName::Uncaptured;
        let why = "IPv6 is not intercepted and may not leave the pod";
        self.add(
            Table::Filter,
            At(Output),
            Rule::new("uncaptured", why, vec![], Verdict::Jump(chain)).only(ipv6),
        );
        let passes = [
            ("uncaptured-loopback", "Local traffic passes", vec![to_loopback()]),
            (
                "uncaptured-uid",
                "The proxy's users pass",
                vec![Match::OwnerUid(self.config.proxy_uids.clone())],
            ),
            (
                "uncaptured-gid",
                "The proxy's groups pass",
                vec![Match::OwnerGid(self.config.proxy_gids.clone())],
            ),
            (
                "uncaptured-icmpv6",
                "Neighbour discovery and errors pass, or the proxy could not use the family",
                vec![Match::Protocol(Protocol::Icmpv6), Match::Icmpv6Type(ICMPV6_HOUSEKEEPING.to_vec())],
            ),
        ];
        for (id, why, matches) in passes {
            self.add(Table::Filter, chain, Rule::new(id, why, matches, Verdict::Return).only(ipv6));
        }
        let why = "Everything else of the family is dropped";
        self.add(Table::Filter, chain, Rule::new("uncaptured-drop", why, vec![], Verdict::Drop).only(ipv6));
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

fn from_bind_address() -> Match {
    Match::Source(CidrSet::pair(BIND_V4.into(), BIND_V6.into()))
}
