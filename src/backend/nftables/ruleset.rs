//! The rules in the words of nftables: what is written as text and as netlink messages.

use super::held::HeldChain;
use super::intervals::Interval;
use super::rule::Rule;
use crate::config::families::{Families, Family};
use crate::netlink::{FAMILY_INET, family_number};
use crate::program::{Hook, Table};

/// The name of every table of the product.
pub const TABLE: &str = "mesh-intercept";

/// Which packets a table sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFamily {
    /// Those of IPv4.
    Ip,
    /// Those of IPv6.
    Ip6,
    /// Those of IPv4 and IPv6.
    Inet,
}

impl TableFamily {
    /// Every family that a table of the product can have.
    pub const ALL: [TableFamily; 3] = [TableFamily::Ip, TableFamily::Ip6, TableFamily::Inet];

    /// The families whose packets it sees.
    pub fn families(self) -> Families {
        match self {
            TableFamily::Ip => Families::IPV4,
            TableFamily::Ip6 => Families::IPV6,
            TableFamily::Inet => Families::BOTH,
        }
    }

    /// As `nft` spells it.
    pub fn name(self) -> &'static str {
        match self {
            TableFamily::Ip => "ip",
            TableFamily::Ip6 => "ip6",
            TableFamily::Inet => "inet",
        }
    }

    /// Its number in netfilter (`NFPROTO_IPV4`, `NFPROTO_IPV6`, `NFPROTO_INET`).
    pub fn number(self) -> u8 {
        match self {
            TableFamily::Ip => family_number(Family::Ipv4),
            TableFamily::Ip6 => family_number(Family::Ipv6),
            TableFamily::Inet => FAMILY_INET,
        }
    }
}

/// Everything that is in nf_tables: a table for all packets, or one for IPv4 and, where rules are about IPv6 besides,
/// another one for those. The record of the installation is in the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruleset {
    /// The tables; no two have the same family.
    pub tables: Vec<WantedTable>,
}

impl Ruleset {
    /// The table of this family.
    pub fn table(&self, family: TableFamily) -> Option<&WantedTable> {
        self.tables.iter().find(|table| table.family == family)
    }
}

/// Everything in one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedTable {
    /// Which packets the table sees: no more than the rules are for, so that a family that is not intercepted never
    /// meets a hook.
    pub family: TableFamily,
    /// The named sets.
    pub sets: Vec<Set>,
    /// The chains.
    pub chains: Vec<Chain>,
}

impl WantedTable {
    /// The same with sets and chains by name, so that two can be compared: their order means nothing, and the kernel has
    /// them in the order in which they were made.
    #[must_use]
    pub(super) fn sorted(mut self) -> WantedTable {
        self.sets.sort_by(|one, other| one.name.cmp(&other.name));
        self.chains.sort_by(|one, other| one.name.cmp(&other.name));
        self
    }
}

/// What a set holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SetType {
    /// IPv4 addresses.
    Ipv4,
    /// IPv6 addresses.
    Ipv6,
    /// TCP or UDP ports.
    Port,
    /// User ids.
    Uid,
    /// Group ids.
    Gid,
    /// ICMPv6 types.
    Icmpv6Type,
}

impl SetType {
    /// Every type.
    pub const ALL: [SetType; 6] =
        [SetType::Ipv4, SetType::Ipv6, SetType::Port, SetType::Uid, SetType::Gid, SetType::Icmpv6Type];

    /// Are the elements ranges? Ids are not: the kernel compares ranges byte by byte, and ids are little-endian on
    /// most machines.
    pub(super) fn has_intervals(self) -> bool {
        matches!(self, SetType::Ipv4 | SetType::Ipv6 | SetType::Port)
    }

    /// How many bits an element has.
    pub(super) fn bits(self) -> u32 {
        match self {
            SetType::Ipv4 | SetType::Uid | SetType::Gid => 32,
            SetType::Ipv6 => 128,
            SetType::Port => 16,
            SetType::Icmpv6Type => 8,
        }
    }

    /// What `nft` calls the type of the elements (its `enum datatypes`); the kernel keeps the number and shows it.
    pub(super) fn datatype(self) -> u32 {
        match self {
            SetType::Ipv4 => 7,
            SetType::Ipv6 => 8,
            SetType::Port => 13,
            SetType::Uid => 24,
            SetType::Gid => 25,
            SetType::Icmpv6Type => 29,
        }
    }

    /// `NFT_SET_CONSTANT`, and `NFT_SET_INTERVAL` where elements are ranges.
    pub(super) fn flags(self) -> u32 {
        const CONSTANT: u32 = 0x2;
        const INTERVAL: u32 = 0x4;
        if self.has_intervals() { CONSTANT | INTERVAL } else { CONSTANT }
    }

    /// Shows a number as the kernel keeps it. Ids are compared in the byte order of the host, everything else in that of
    /// the network. Nothing is allocated: sets may have tens of thousands of elements.
    pub(super) fn with_bytes(self, number: u128, show: impl FnOnce(&[u8])) {
        let size = self.bits() as usize / 8;
        match self.is_reversed() {
            true => show(&number.to_le_bytes()[..size]),
            false => show(&number.to_be_bytes()[size_of::<u128>() - size..]),
        }
    }

    /// And back; nothing when there are more or fewer bytes.
    pub(super) fn number(self, bytes: &[u8]) -> Option<u128> {
        let join = |number: u128, byte: &u8| number << 8 | u128::from(*byte);
        let fits = bytes.len() == self.bits() as usize / 8;
        fits.then(|| {
            if self.is_reversed() { bytes.iter().rev().fold(0, join) } else { bytes.iter().fold(0, join) }
        })
    }

    fn is_reversed(self) -> bool {
        matches!(self, SetType::Uid | SetType::Gid) && cfg!(target_endian = "little")
    }
}

/// Joins numbers, each the first of an interval or (true) the first one behind an interval; in any order. Nothing when they do
/// not fit together.
pub(super) fn elements_of(kind: SetType, mut ends: Vec<(u128, bool)>) -> Option<Vec<Interval>> {
    if !kind.has_intervals() {
        ends.sort_unstable();
        let single = |(number, end): (u128, bool)| (!end).then_some(Interval { first: number, last: number });
        return ends.into_iter().map(single).collect();
    }
    // An interval may end where the next one begins.
    ends.sort_unstable_by_key(|(number, end)| (*number, !end));
    let last_of_all = u128::MAX >> (128 - kind.bits());
    let mut intervals = Vec::new();
    let mut open = None;
    for (number, end) in ends {
        match (open, end) {
            (None, false) => open = Some(number),
            (Some(first), true) => {
                intervals.push(Interval { first, last: number.checked_sub(1)? });
                open = None;
            }
            // Some kernels keep an end at the very beginning of everything.
            (None, true) if number == 0 => {}
            _ => return None,
        }
    }
    intervals.extend(open.map(|first| Interval { first, last: last_of_all }));
    Some(intervals)
}

/// A named set. It is constant: nobody can add or remove an element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: SetType,
    /// Its elements: disjoint, in order.
    pub elements: Vec<Interval>,
}

/// A chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// Where the kernel starts with it, if it is one that the kernel starts with.
    pub base: Option<Base>,
    /// Its rules.
    pub rules: Vec<Rule>,
}

impl Chain {
    /// Can this chain be made of that one by exchanging its rules?
    pub(super) fn is_place_of(&self, held: &HeldChain) -> bool {
        held.name == self.name && held.base == Ok(self.base)
    }
}

/// `NF_IP_PRI_NAT_DST`: where other programs, iptables among them, and earlier versions have their chains of nat.
pub(super) const DNAT_PRIORITY: i32 = -100;

/// Where and when the kernel starts to walk a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    /// The hook.
    pub hook: Hook,
    /// What iptables has this table for; gives type and priority.
    pub table: Table,
}

impl Base {
    /// The chain type.
    pub fn kind(self) -> &'static str {
        match (self.table, self.hook) {
            (Table::Nat, _) => "nat",
            // Routes again when a mark changes, as iptables does for the OUTPUT chain of its mangle table.
            (Table::Mangle, Hook::Output) => "route",
            _ => "filter",
        }
    }

    /// The number of the hook (linux/netfilter.h).
    pub fn hook_number(self) -> u32 {
        match self.hook {
            Hook::Prerouting => 0,
            Hook::Input => 1,
            Hook::Output => 3,
        }
    }

    /// The priority: that of the table of the same name in iptables (linux/netfilter_ipv4.h), but nat right before it. Of
    /// two chains of one priority the kernel enters the younger one first, and the first that translates an address decides:
    /// a container engine that comes later would lead connections past the proxy.
    pub fn priority(self) -> i32 {
        match self.table {
            Table::Raw => -300,
            Table::Mangle => -150,
            Table::Nat => DNAT_PRIORITY - 1,
            Table::Filter => 0,
        }
    }
}
