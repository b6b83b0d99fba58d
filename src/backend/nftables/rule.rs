//! A rule in the words of nftables: tests of a packet, and what is done with it.

use super::intervals::Interval;
use super::ruleset::TableFamily;
use crate::config::families::Family;
use crate::program::{ConnectionState, Protocol};

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

/// How a rule ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The packet goes to the proxy.
    Redirects,
    /// The packet passes the rules of its hook.
    Passes,
    /// The packet is gone.
    Drops,
    /// The packet is gone, and its sender knows.
    Rejects,
    /// Other rules follow.
    GoesOn,
}

/// How a rule ends.
pub fn ends(rule: &Rule) -> End {
    let redirects = |action: &Action| matches!(action, Action::Redirect(_) | Action::Tproxy { .. });
    match rule.actions.last() {
        _ if rule.actions.iter().any(redirects) => End::Redirects,
        Some(Action::Return | Action::Accept) => End::Passes,
        Some(Action::Drop) => End::Drops,
        Some(Action::Reject(_) | Action::Reset) => End::Rejects,
        _ => End::GoesOn,
    }
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
    /// Gone, and the sender is told that the port is unreachable, in the way that a table of this family knows: others drop
    /// the packet in silence.
    Reject(TableFamily),
    /// Gone, and the connection is reset.
    Reset,
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
