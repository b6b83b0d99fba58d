//! The interception rules, independent of back end and family. Nothing else knows what interception means.

#[cfg(test)]
pub(crate) mod arbitrary;
mod cause;
mod compile;
mod describe;
mod outcome;
mod packet;
mod rule;
mod simulate;
mod warnings;

pub use cause::cause;
pub use compile::{bridge, compile};
pub use describe::{condition, conditions};
pub use outcome::{Fate, Outcome, Step};
pub use packet::{Entry, Owner, Packet, Surroundings, Tracking};
pub use rule::{ChainName, ConnectionState, Hook, Match, Placement, Protocol, Rule, Table, Verdict};
pub use simulate::simulate;
pub use warnings::{remark, warnings};

use std::net::IpAddr;

use serde::Serialize;

use crate::config::families::{Families, Family, PodFamilies};
use crate::config::values::{Mark, RouteTable};

/// What has to be known of the pod to write its rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pod {
    /// Its address families.
    pub families: PodFamilies,
    /// The DNS servers that its resolv.conf names; empty when they were not asked for.
    pub resolvers: Vec<IpAddr>,
}

/// A chain and its rules, in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Chain {
    /// The table that it is in.
    pub table: Table,
    /// Its name.
    pub name: ChainName,
    /// Its rules.
    pub rules: Vec<Rule>,
}

/// What is needed besides rules: routes, policy rules and addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Routing {
    /// Delivers marked packets to local sockets, for TPROXY.
    pub delivery: Option<LocalDelivery>,
    /// Adds ::6/128 to the loopback interface: IPv4 has all of 127.0.0.0/8 there, IPv6 only ::1.
    pub bind_address: bool,
}

/// A policy rule `fwmark MARK lookup TABLE` and a route `local default dev lo table TABLE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct LocalDelivery {
    /// The mark of the packets.
    pub mark: Mark,
    /// The table with the route.
    pub table: RouteTable,
    /// The families that get both.
    pub families: Families,
}

/// Everything that has to be in the kernel for a pod to be intercepted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Program {
    /// The chains.
    pub chains: Vec<Chain>,
    /// Routes, policy rules and addresses.
    pub routing: Routing,
}

impl Program {
    /// The families that are intercepted. Rules that refuse a family intercept nothing.
    pub fn families(&self) -> Families {
        let nat = self.rules().filter(|(chain, _)| chain.table == Table::Nat);
        nat.fold(Families::NONE, |families, (_, rule)| families.union(rule.families))
    }

    /// The rules for this family, of those that are for it alone.
    pub fn only(&self, family: Family) -> Program {
        let families = Families::from_iter([family]);
        let chains = self.chains.iter().map(|chain| Chain {
            rules: chain.rules.iter().filter(|rule| rule.families == families).cloned().collect(),
            ..chain.clone()
        });
        Program {
            chains: chains.filter(|chain| !chain.rules.is_empty()).collect(),
            routing: self.routing.clone(),
        }
    }

    /// Every rule with its chain.
    pub fn rules(&self) -> impl Iterator<Item = (&Chain, &Rule)> {
        self.chains.iter().flat_map(|chain| chain.rules.iter().map(move |rule| (chain, rule)))
    }

    /// Does it need the kernel's TPROXY?
    pub fn uses_tproxy(&self) -> bool {
        self.rules().any(|(_, rule)| matches!(rule.verdict, Verdict::Tproxy { .. }))
    }
}

#[cfg(test)]
mod tests;
