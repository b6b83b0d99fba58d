//! DNS capture.

use super::{Compiler, from_port, tcp, to_port, udp};
use crate::config::cidrs::CidrSet;
use crate::config::ports::Port;
use crate::program::ChainName::{self, Hook as At};
use crate::program::Hook::{Output, Prerouting};
use crate::program::{Match, Rule, Table, Verdict};

/// Queries of the proxy, and their answers: tracked apart from the application's.
const ZONE_UPSTREAM: u16 = 1;
/// Queries of the application, and the agent's answers to them.
const ZONE_APPLICATION: u16 = 2;

impl Compiler<'_> {
    /// Captures DNS, to `servers` or to everybody. Two conntrack zones keep the application's query to the agent apart
    /// from the agent's own query to the resolver: both have the same addresses, and may have the same ports.
    pub(super) fn dns(&mut self, servers: Option<&CidrSet>) {
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
}
