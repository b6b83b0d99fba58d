//! Inbound connections, by REDIRECT or TPROXY.

use super::{Compiler, from_bind_address, tcp, to_loopback};
use crate::config::InboundPorts;
use crate::config::interfaces::InterfaceName;
use crate::config::ports::PortSet;
use crate::config::values::{Mark, Mode};
use crate::program::ChainName::{self, Hook as At};
use crate::program::Hook::{Output, Prerouting};
use crate::program::{ConnectionState, Match, Rule, Table, Verdict};

impl Compiler<'_> {
    pub(super) fn inbound(&mut self) {
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
    pub(super) fn transparent_inbound_exceptions(&mut self) {
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

    pub(super) fn transparent_targets(&mut self) {
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

    /// TPROXY: the marks that carry an intercepted connection from the client to the application and back.
    pub(super) fn transparent_marks(&mut self) {
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
        for proxy in self.proxies() {
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
}
