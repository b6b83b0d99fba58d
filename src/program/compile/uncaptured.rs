//! A family that is not intercepted.
//!
//! Not in istio: closes the ways around the proxy that such a family is. By default that is what a neighbour sends to or from
//! a link-local address, which every pod has where the kernel has IPv6; on request it is everything but the proxy's own.

use super::{Compiler, link_local, tcp, to_loopback, to_port, udp};
use crate::config::InboundPorts;
use crate::config::families::{Families, Family};
use crate::config::interfaces::InterfaceName;
use crate::config::ports::{Port, PortSet};
use crate::config::values::UncapturedFamily;
use crate::program::ChainName::{self, Hook as At};
use crate::program::Hook::{Input, Output};
use crate::program::{ConnectionState, Match, Protocol, Rule, Table, Verdict};

/// ICMPv6 without which a family does not work at all: errors (RFC 4443), listener reports (RFC 2710, RFC 3810), and
/// router and neighbour discovery (RFC 4861). The kernel sends them, not an application.
const ICMPV6_HOUSEKEEPING: [u8; 11] = [1, 2, 3, 4, 131, 132, 133, 134, 135, 136, 143];

impl Compiler<'_> {
    pub(super) fn uncaptured(&mut self) {
        if self.families.contains(Family::Ipv6) {
            return;
        }
        match self.config.uncaptured_family {
            UncapturedFamily::Allow => {}
            UncapturedFamily::Warn => self.link_local_inbound(),
            UncapturedFamily::Deny => {
                self.uncaptured_outbound();
                let why = "IPv6 is not intercepted and may not enter the pod";
                self.at_input("uncaptured-in", why, vec![]);
                self.uncaptured_inbound();
            }
        }
    }

    fn uncaptured_outbound(&mut self) {
        let why = "IPv6 is not intercepted and may not leave the pod";
        let jump = Rule::new("uncaptured", why, vec![], Verdict::Jump(ChainName::Uncaptured));
        self.add(Table::Filter, At(Output), jump.only(Families::IPV6));
        let passes = [
            ("uncaptured-loopback", "Local traffic passes", vec![to_loopback()]),
            (
                "uncaptured-known",
                "Answers pass, those that refuse a connection among them",
                vec![Match::State(ConnectionState::EstablishedOrRelated)],
            ),
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
            self.add_ipv6(ChainName::Uncaptured, Rule::new(id, why, matches, Verdict::Return));
        }
        let why = "Everything else of the family is refused";
        self.add_ipv6(ChainName::Uncaptured, Rule::new("uncaptured-tcp", why, vec![tcp()], Verdict::Reset));
        self.add_ipv6(ChainName::Uncaptured, Rule::new("uncaptured-refused", why, vec![], Verdict::Reject));
    }

    fn link_local_inbound(&mut self) {
        if !self.is_native || !self.has_ipv6 || !self.config.captures_inbound() {
            return;
        }
        let why = "A neighbour reaches the pod by a link-local address, past the proxy";
        self.at_input("link-local-from", why, vec![Match::Source(link_local())]);
        self.at_input("link-local-to", why, vec![Match::Destination(link_local())]);
        self.uncaptured_inbound();
    }

    fn at_input(&mut self, id: &'static str, why: &'static str, matches: Vec<Match>) {
        let jump = Verdict::Jump(ChainName::UncapturedInbound);
        self.add(Table::Filter, At(Input), Rule::new(id, why, matches, jump).only(Families::IPV6));
    }

    /// Refuses new connections to the ports that are captured by the other family. A client that is told at once tries
    /// another address; one whose packets vanish waits first.
    fn uncaptured_inbound(&mut self) {
        let config = self.config;
        let mut pass = |id: &'static str, why: &'static str, matches| {
            self.add_ipv6(ChainName::UncapturedInbound, Rule::new(id, why, matches, Verdict::Return));
        };
        let loopback = vec![InterfaceName::loopback()];
        pass("uncaptured-in-loopback", "Local traffic passes", vec![Match::InInterface(loopback)]);
        let known = Match::State(ConnectionState::EstablishedOrRelated);
        pass("uncaptured-in-known", "Answers pass", vec![known]);
        pass(
            "uncaptured-in-dhcp",
            "Answers of a DHCP server come to no connection that is known",
            vec![udp(), to_port(Port::DHCPV6_CLIENT)],
        );
        if !config.excluded_interfaces.is_empty() {
            let why = "Neither direction is captured on excluded interfaces";
            let matches = vec![Match::InInterface(config.excluded_interfaces.clone())];
            pass("uncaptured-in-excluded-interfaces", why, matches);
        }
        let why = "The proxy listens on the tunnel port itself";
        pass("uncaptured-in-tunnel", why, vec![tcp(), to_port(config.tunnel_port)]);
        let (excluded, captured) = match &config.inbound_ports {
            InboundPorts::AllExcept(excluded) => (excluded.clone(), PortSet::default()),
            InboundPorts::Only(ports) => (PortSet::default(), ports.clone()),
            InboundPorts::None => (PortSet::default(), PortSet::default()),
        };
        if !excluded.is_empty() {
            let why = "Excluded inbound ports reach the application directly";
            let ports = Match::DestinationPort(excluded);
            pass("uncaptured-in-excluded-tcp", why, vec![tcp(), ports.clone()]);
            pass("uncaptured-in-excluded-udp", why, vec![udp(), ports]);
        }
        let refusals =
            [("uncaptured-in-tcp", tcp(), Verdict::Reset), ("uncaptured-in-udp", udp(), Verdict::Reject)];
        for (id, protocol, verdict) in refusals {
            let mut matches = vec![protocol];
            if !captured.is_empty() {
                matches.push(Match::DestinationPort(captured.clone()));
            }
            let why = "New connections by the family are refused";
            self.add_ipv6(ChainName::UncapturedInbound, Rule::new(id, why, matches, verdict));
        }
    }

    fn add_ipv6(&mut self, chain: ChainName, rule: Rule) {
        self.add(Table::Filter, chain, rule.only(Families::IPV6));
    }
}
