//! QUIC, which goes around a proxy that captures TCP.

use super::{Compiler, to_loopback, to_port, udp};
use crate::config::families::Families;
use crate::config::ports::Port;
use crate::config::values::Quic;
use crate::config::{OutboundRanges, OwnerGroups};
use crate::program::ChainName::{self, Hook as At};
use crate::program::Hook::Output;
use crate::program::{Match, Rule, Table, Verdict};

impl Compiler<'_> {
    /// Not in istio: refuses QUIC to wherever TCP is captured. A client that is told at once takes TCP instead; one whose
    /// packets vanish waits first. What is excluded from capture keeps its QUIC: TCP would not reach the proxy either.
    pub(super) fn quic(&mut self) {
        let (families, rejected) = self.rejected_quic();
        if families.is_empty() {
            return;
        }
        let why = "QUIC would go around the proxy";
        let matches = vec![udp(), to_port(Port::HTTPS)];
        let jump = Rule::new("quic-outbound", why, matches, Verdict::Jump(ChainName::Quic));
        self.add(Table::Filter, At(Output), jump.only(families));
        for (id, why, condition) in self.spared_quic() {
            let rule = Rule::new(id, why, vec![condition], Verdict::Return);
            self.add(Table::Filter, ChainName::Quic, rule.only(families));
        }
        let excluded = &self.config.excluded_ranges;
        let matches = vec![Match::Destination(excluded.clone())];
        let rule =
            Rule::new("quic-excluded-ranges", "Excluded ranges are left alone", matches, Verdict::Return);
        self.add(
            Table::Filter,
            ChainName::Quic,
            rule.only(families.intersection(self.families_of(excluded))),
        );
        let why = "Clients take TCP when QUIC is refused";
        let rule = Rule::new("quic-rejected", why, rejected, Verdict::Reject);
        self.add(Table::Filter, ChainName::Quic, rule.only(families));
    }

    /// The families in which TCP to the port of QUIC is captured, and the addresses to which it is.
    fn rejected_quic(&self) -> (Families, Vec<Match>) {
        let config = self.config;
        if config.quic == Quic::Allow || config.excluded_outbound_ports.contains(Port::HTTPS.get()) {
            return (Families::NONE, Vec::new());
        }
        match &config.outbound_ranges {
            OutboundRanges::Only(ranges) if !config.outbound_ports.contains(Port::HTTPS.get()) => {
                (self.families_of(ranges), vec![Match::Destination(ranges.clone())])
            }
            _ => (self.families, Vec::new()),
        }
    }

    /// Whose QUIC is left alone.
    fn spared_quic(&self) -> Vec<(&'static str, &'static str, Match)> {
        let config = self.config;
        let mut spared = vec![
            ("quic-local", "Local traffic passes", to_loopback()),
            ("quic-uid", "The proxy's users pass", Match::OwnerUid(config.proxy_uids.clone())),
            ("quic-gid", "The proxy's groups pass", Match::OwnerGid(config.proxy_gids.clone())),
        ];
        if !config.excluded_interfaces.is_empty() {
            let interfaces = Match::OutInterface(config.excluded_interfaces.clone());
            spared.push(("quic-excluded-interfaces", "Excluded interfaces are left alone", interfaces));
        }
        match &config.owner_groups {
            OwnerGroups::AllExcept(groups) if groups.is_empty() => {}
            OwnerGroups::AllExcept(groups) => {
                let groups = Match::OwnerGid(groups.clone());
                spared.push(("quic-excluded-groups", "Excluded groups are left alone", groups));
            }
            OwnerGroups::Only(groups) => {
                let others = Match::NotOwnerGid(groups.clone());
                spared.push(("quic-other-groups", "Only included groups are captured", others));
            }
        }
        spared
    }
}
