//! The words that the rules are written in: tables, chains, matches, verdicts.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

use crate::config::cidrs::CidrSet;
use crate::config::families::Families;
use crate::config::interfaces::InterfaceName;
use crate::config::owners::{Gid, Uid};
use crate::config::ports::{Port, PortSet};
use crate::config::values::Mark;

/// The netfilter tables that rules are in. At one hook they run in this order (linux/netfilter_ipv4.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Table {
    /// Before connection tracking.
    Raw,
    /// Marks and TPROXY.
    Mangle,
    /// Address translation: only the first packet of a connection comes here.
    Nat,
    /// The last word about passing or not.
    Filter,
}

impl Table {
    /// Every table, in the order in which one hook walks them.
    pub const ALL: [Table; 4] = [Table::Raw, Table::Mangle, Table::Nat, Table::Filter];

    /// As iptables spells it.
    pub fn name(self) -> &'static str {
        match self {
            Table::Raw => "raw",
            Table::Mangle => "mangle",
            Table::Nat => "nat",
            Table::Filter => "filter",
        }
    }
}

/// Where the kernel starts to walk the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Hook {
    /// A packet came in, and is not routed yet.
    Prerouting,
    /// A packet came in, and is for the pod itself.
    Input,
    /// A local process made the packet.
    Output,
}

impl Hook {
    /// Every hook, in the order in which a packet that comes in and its answer meet them.
    pub const ALL: [Hook; 3] = [Hook::Prerouting, Hook::Input, Hook::Output];
}

/// A chain: one that a hook starts with, or one that rules jump to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChainName {
    /// The chain that every table has for a hook.
    Hook(Hook),
    /// Decides about inbound packets.
    Inbound,
    /// To the proxy's inbound port.
    InRedirect,
    /// Decides about outbound packets.
    Output,
    /// Decides about DNS.
    OutputDns,
    /// To the proxy's outbound port.
    Redirect,
    /// Marks packets of known connections, so that they are delivered locally.
    Divert,
    /// To the proxy's transparent inbound socket.
    Tproxy,
    /// Drops.
    Drop,
    /// Decides about what the pod sends by a family that is not intercepted.
    Uncaptured,
    /// Decides about what comes in by a family that is not intercepted.
    UncapturedInbound,
    /// Decides about QUIC.
    Quic,
}

impl ChainName {
    /// Every chain.
    pub const ALL: [ChainName; 14] = [
        ChainName::Hook(Hook::Prerouting),
        ChainName::Hook(Hook::Input),
        ChainName::Hook(Hook::Output),
        ChainName::Inbound,
        ChainName::InRedirect,
        ChainName::Output,
        ChainName::OutputDns,
        ChainName::Redirect,
        ChainName::Divert,
        ChainName::Tproxy,
        ChainName::Drop,
        ChainName::Uncaptured,
        ChainName::UncapturedInbound,
        ChainName::Quic,
    ];

    /// As istio-iptables calls it, so that either tool knows the other's work.
    pub fn name(self) -> &'static str {
        match self {
            ChainName::Hook(Hook::Prerouting) => "PREROUTING",
            ChainName::Hook(Hook::Input) => "INPUT",
            ChainName::Hook(Hook::Output) => "OUTPUT",
            ChainName::Inbound => "ISTIO_INBOUND",
            ChainName::InRedirect => "ISTIO_IN_REDIRECT",
            ChainName::Output => "ISTIO_OUTPUT",
            ChainName::OutputDns => "ISTIO_OUTPUT_DNS",
            ChainName::Redirect => "ISTIO_REDIRECT",
            ChainName::Divert => "ISTIO_DIVERT",
            ChainName::Tproxy => "ISTIO_TPROXY",
            ChainName::Drop => "ISTIO_DROP",
            ChainName::Uncaptured => "ISTIO_UNCAPTURED",
            ChainName::UncapturedInbound => "ISTIO_UNCAPTURED_IN",
            ChainName::Quic => "ISTIO_QUIC",
        }
    }

    /// The hook that starts with it.
    pub fn hook(self) -> Option<Hook> {
        match self {
            ChainName::Hook(hook) => Some(hook),
            _ => None,
        }
    }
}

impl fmt::Display for ChainName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

impl Serialize for ChainName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP for IPv6.
    Icmpv6,
}

/// What connection tracking says about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ConnectionState {
    /// It fits no connection.
    Invalid,
    /// It belongs to a connection, or to one that a connection announced.
    EstablishedOrRelated,
}

/// A condition on a packet. Where it has a list, any item will do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Match {
    /// The source address is in one of the ranges of its family.
    Source(CidrSet),
    /// The destination address is in one of the ranges of its family.
    Destination(CidrSet),
    /// The destination address is in none of the ranges of its family.
    NotDestination(CidrSet),
    /// It came in through one of these.
    InInterface(Vec<InterfaceName>),
    /// It goes out through one of these.
    OutInterface(Vec<InterfaceName>),
    /// The transport protocol. Comes before every match of ports.
    Protocol(Protocol),
    /// The source port.
    SourcePort(PortSet),
    /// The destination port.
    DestinationPort(PortSet),
    /// The destination port is none of these.
    NotDestinationPort(PortSet),
    /// The ICMPv6 type (RFC 4443, RFC 4861).
    Icmpv6Type(Vec<u8>),
    /// One of these users made the socket. Never true of a packet without a socket.
    OwnerUid(Vec<Uid>),
    /// None of these users made the socket. True of a packet without a socket.
    NotOwnerUid(Vec<Uid>),
    /// The socket's maker is in one of these groups. Never true of a packet without a socket.
    OwnerGid(Vec<Gid>),
    /// The socket's maker is in none of these groups. True of a packet without a socket.
    NotOwnerGid(Vec<Gid>),
    /// The packet's mark.
    Mark(Mark),
    /// Any other mark, or none.
    NotMark(Mark),
    /// The mark of the packet's connection.
    ConnectionMark(Mark),
    /// The state of the packet's connection.
    State(ConnectionState),
}

/// What happens to a packet that a rule matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Back to the rule after the jump; at the end of a hook's chain the packet passes.
    Return,
    /// The packet passes this table.
    Accept,
    /// The packet is gone.
    Drop,
    /// The packet is gone, and its sender is told at once that the port is unreachable (ICMP; RFC 792, RFC 4443).
    Reject,
    /// The packet is gone, and the connection that it would open is reset (RFC 9293). Only for TCP: a client that waits in
    /// connect(2) does not end its wait for what ICMP says.
    Reset,
    /// On with the rules of this chain of the same table.
    Jump(ChainName),
    /// The destination becomes this port of the local host. Ends the walk.
    Redirect(Port),
    /// The packet goes to the transparent socket that listens on this port, with this mark; dropped if there is none.
    Tproxy {
        /// Where the socket listens.
        port: Port,
        /// The mark that routes the packet to it.
        mark: Mark,
    },
    /// Sets the packet's mark. The walk goes on.
    SetMark(Mark),
    /// The connection gets the packet's mark. The walk goes on.
    SaveMark,
    /// The packet gets the connection's mark. The walk goes on.
    RestoreMark,
    /// The packet is tracked in this conntrack zone, unless one was chosen already. The walk goes on.
    SetZone(u16),
}

/// Where a rule stands among rules of others in a hook's chain of iptables.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Placement {
    /// After them.
    #[default]
    Appended,
    /// Before them.
    AtHead,
}

/// One rule: conditions that all have to hold, and what happens then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// Names the rule: unique in a program, and the same for the same configuration.
    pub id: String,
    /// Why it is there, in one sentence.
    pub reason: Cow<'static, str>,
    /// The families whose packets it is for.
    pub families: Families,
    /// The conditions.
    pub matches: Vec<Match>,
    /// What happens.
    pub verdict: Verdict,
    /// Where it stands.
    pub placement: Placement,
    /// istio writes one rule an item. A paired rule takes turns with the one before: both for the first item, then
    /// both for the second. For the packets it makes no difference.
    pub paired: bool,
}

impl Rule {
    /// A rule for every family of the program.
    pub fn new(
        id: impl Into<String>,
        reason: impl Into<Cow<'static, str>>,
        matches: Vec<Match>,
        verdict: Verdict,
    ) -> Rule {
        Rule {
            id: id.into(),
            reason: reason.into(),
            families: Families::BOTH,
            matches,
            verdict,
            placement: Placement::Appended,
            paired: false,
        }
    }

    /// The same, for these families only.
    #[must_use]
    pub fn only(self, families: Families) -> Rule {
        Rule { families: self.families.intersection(families), ..self }
    }

    /// The same, taking turns with the rule before.
    #[must_use]
    pub fn paired(self) -> Rule {
        Rule { paired: true, ..self }
    }

    /// The same, before the rules of others.
    #[must_use]
    pub fn at_head(self) -> Rule {
        Rule { placement: Placement::AtHead, ..self }
    }
}
