//! The rules in the words of nftables: what is written as text and as netlink messages.

use super::intervals::Interval;
use crate::config::families::Family;
use crate::netlink::{FAMILY_INET, family_number};
use crate::program::{ConnectionState, Hook, Protocol, Table};

/// The one table that holds everything.
pub const TABLE: &str = "mesh-intercept";

/// Which packets a table sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFamily {
    /// Those of IPv4.
    Ip,
    /// Those of IPv4 and IPv6.
    Inet,
}

impl TableFamily {
    /// Every family that our table can have.
    pub const ALL: [TableFamily; 2] = [TableFamily::Ip, TableFamily::Inet];

    /// As `nft` spells it.
    pub fn name(self) -> &'static str {
        match self {
            TableFamily::Ip => "ip",
            TableFamily::Inet => "inet",
        }
    }

    /// Its number in netfilter (`NFPROTO_IPV4`, `NFPROTO_INET`).
    pub fn number(self) -> u8 {
        match self {
            TableFamily::Ip => family_number(Family::Ipv4),
            TableFamily::Inet => FAMILY_INET,
        }
    }
}

/// Everything in our table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruleset {
    /// Which packets the table sees: no more than the rules are for, so that a family that is not intercepted never
    /// meets a hook.
    pub family: TableFamily,
    /// The named sets.
    pub sets: Vec<Set>,
    /// The chains.
    pub chains: Vec<Chain>,
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

    /// The priority: that of the table of the same name in iptables (linux/netfilter_ipv4.h).
    pub fn priority(self) -> i32 {
        match self.table {
            Table::Raw => -300,
            Table::Mangle => -150,
            Table::Nat => -100,
            Table::Filter => 0,
        }
    }
}

/// A rule: tests, and what is done when all tests hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// What `nft list ruleset` shows behind it: the rule's id, and why it is there.
    pub comment: String,
    /// The tests.
    pub tests: Vec<Test>,
    /// Are the packets counted for which all tests hold? Where a rule of the program takes several rules here, the one
    /// that carries out its verdict counts.
    pub counted: bool,
    /// What is done.
    pub actions: Vec<Action>,
}

/// Compares a part of the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// What is compared.
    pub field: Field,
    /// Does the rule match when the comparison fails?
    pub negated: bool,
    /// What it is compared with.
    pub operand: Operand,
}

/// A part of a packet, or of what the kernel knows about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// IPv4 or IPv6.
    Family,
    /// The transport protocol.
    Protocol,
    /// The source address of this family.
    Source(Family),
    /// The destination address of this family.
    Destination(Family),
    /// The source port.
    SourcePort,
    /// The destination port.
    DestinationPort,
    /// The ICMPv6 type.
    Icmpv6Type,
    /// The interface that it came in by.
    InInterface,
    /// The interface that it goes out by.
    OutInterface,
    /// The user that made the socket. A rule with this test does not match a packet without a socket.
    Uid,
    /// The group of the user that made the socket, likewise.
    Gid,
    /// The packet's mark.
    Mark,
    /// The mark of its connection.
    ConnectionMark,
    /// The state of its connection.
    State,
}

/// What a field is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operand {
    /// A family.
    Family(Family),
    /// A protocol.
    Protocol(Protocol),
    /// One number: a port, an id, a mark, a type.
    Number(u32),
    /// A network.
    Prefix {
        /// Its first address.
        first: u128,
        /// How many bits of it count.
        length: u32,
    },
    /// Everything between two numbers.
    Range(Interval),
    /// Any element of a set.
    Set(String),
    /// An interface name.
    Name(String),
    /// What an interface name begins with.
    NamePrefix(String),
    /// A state.
    State(ConnectionState),
}

/// What is done with a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Back to the rule after the jump.
    Return,
    /// Passes this chain.
    Accept,
    /// Gone.
    Drop,
    /// On with another chain.
    Jump(String),
    /// To a port of the local host.
    Redirect(u16),
    /// To the transparent socket on a port; the rule ends without effect when there is none.
    Tproxy {
        /// The family, when the tests let only one through: `nft` insists on it then.
        family: Option<Family>,
        /// The port.
        port: u16,
    },
    /// Sets the mark.
    SetMark(u32),
    /// Copies the mark to the connection.
    SaveMark,
    /// Copies the connection's mark to the packet.
    RestoreMark,
    /// Sets the conntrack zone; the first one stays.
    SetZone(u16),
}
