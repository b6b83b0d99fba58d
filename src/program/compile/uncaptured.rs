//! A family that is not intercepted.

use super::{Compiler, to_loopback};
use crate::config::families::{Families, Family};
use crate::config::values::UncapturedFamily;
use crate::program::ChainName::{self, Hook as At};
use crate::program::Hook::Output;
use crate::program::{Match, Protocol, Rule, Table, Verdict};

/// ICMPv6 without which a family does not work at all: errors (RFC 4443), listener reports (RFC 2710, RFC 3810), and
/// router and neighbour discovery (RFC 4861). The kernel sends them, not an application.
const ICMPV6_HOUSEKEEPING: [u8; 11] = [1, 2, 3, 4, 131, 132, 133, 134, 135, 136, 143];

impl Compiler<'_> {
    /// Not in istio: closes the way around the proxy that a family without interception is.
    pub(super) fn uncaptured(&mut self) {
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
