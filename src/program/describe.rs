//! Rules in plain words, for people.

use std::fmt::{self, Display, Formatter};

use super::rule::{ConnectionState, Match, Protocol, Rule, Verdict};
use crate::config::cidrs::CidrSet;
use crate::config::families::{Families, Family};
use crate::config::ports::PortSet;

/// More items than this are counted, not printed.
const PRINTED: usize = 8;

/// The conditions of a rule, as its families see them.
pub fn conditions(rule: &Rule) -> String {
    let words: Vec<String> = rule.matches.iter().map(|it| Condition(it, rule.families).to_string()).collect();
    if words.is_empty() { "everything".to_owned() } else { words.join(", ") }
}

/// One condition, as these families see it.
pub fn condition(condition: &Match, families: Families) -> String {
    Condition(condition, families).to_string()
}

struct Condition<'a>(&'a Match, Families);

impl Display for Condition<'_> {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Condition(condition, families) = self;
        let ranges_in_words = |ranges: &CidrSet| {
            let v4 = ranges.v4.iter().filter(|_| families.contains(Family::Ipv4)).map(ToString::to_string);
            let v6 = ranges.v6.iter().filter(|_| families.contains(Family::Ipv6)).map(ToString::to_string);
            shortened(v4.chain(v6))
        };
        match condition {
            Match::Source(ranges) => write!(out, "from {}", ranges_in_words(ranges)),
            Match::Destination(ranges) => write!(out, "to {}", ranges_in_words(ranges)),
            Match::NotDestination(ranges) => write!(out, "not to {}", ranges_in_words(ranges)),
            Match::InInterface(names) => write!(out, "in by {}", joined(names)),
            Match::OutInterface(names) => write!(out, "out by {}", joined(names)),
            Match::Protocol(protocol) => protocol.fmt(out),
            Match::SourcePort(ports) => write!(out, "from port {}", ports_in_words(ports)),
            Match::DestinationPort(ports) => write!(out, "port {}", ports_in_words(ports)),
            Match::NotDestinationPort(ports) => write!(out, "not port {}", ports_in_words(ports)),
            Match::Icmpv6Type(types) => {
                write!(out, "type {}", types.iter().map(u8::to_string).collect::<Vec<_>>().join(","))
            }
            Match::OwnerUid(uids) => write!(out, "by user {}", joined(uids)),
            Match::NotOwnerUid(uids) => write!(out, "not by user {}", joined(uids)),
            Match::OwnerGid(gids) => write!(out, "by group {}", joined(gids)),
            Match::NotOwnerGid(gids) => write!(out, "not by group {}", joined(gids)),
            Match::Mark(mark) => write!(out, "mark {mark}"),
            Match::NotMark(mark) => write!(out, "not mark {mark}"),
            Match::ConnectionMark(mark) => write!(out, "connection mark {mark}"),
            Match::State(ConnectionState::Invalid) => out.write_str("invalid"),
            Match::State(ConnectionState::EstablishedOrRelated) => out.write_str("known connection"),
        }
    }
}

impl Display for Protocol {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Icmpv6 => "icmpv6",
        })
    }
}

impl Display for Verdict {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Return => out.write_str("return"),
            Verdict::Accept => out.write_str("accept"),
            Verdict::Drop => out.write_str("drop"),
            Verdict::Reject => out.write_str("reject"),
            Verdict::Reset => out.write_str("reset"),
            Verdict::Jump(chain) => write!(out, "jump {chain}"),
            Verdict::Redirect(port) => write!(out, "redirect to port {port}"),
            Verdict::Tproxy { port, mark } => write!(out, "tproxy to port {port} with mark {mark}"),
            Verdict::SetMark(mark) => write!(out, "set mark {mark}"),
            Verdict::SaveMark => out.write_str("save mark to connection"),
            Verdict::RestoreMark => out.write_str("restore mark from connection"),
            Verdict::SetZone(zone) => write!(out, "conntrack zone {zone}"),
        }
    }
}

fn ports_in_words(ports: &PortSet) -> String {
    shortened(ports.ranges().iter().map(ToString::to_string))
}

fn joined(items: &[impl Display]) -> String {
    shortened(items.iter().map(ToString::to_string))
}

fn shortened(items: impl Iterator<Item = String>) -> String {
    let mut items: Vec<String> = items.collect();
    let count = items.len();
    if count > PRINTED {
        items.truncate(PRINTED);
        items.push(format!("... ({count} in all)"));
    }
    items.join(",")
}
