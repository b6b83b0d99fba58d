//! From rules of iptables back to the program: what they mean for packets.

use std::borrow::Cow;
use std::collections::HashMap;
use std::iter::Peekable;
use std::str::Split;

use super::held::Held;
use super::state::{FamilyState, Line, TableState};
use crate::backend::lifted::Lifted;
use crate::config::cidrs::{Cidr, CidrSet};
use crate::config::families::{Families, Family};
use crate::config::owners::{Gid, Uid};
use crate::config::ports::{PortRange, PortSet};
use crate::config::values::Mark;
use crate::program::{
    Chain, ChainName, ConnectionState, Match, Placement, Program, Protocol, Rule, Table, Verdict,
};

/// Says what both families mean. What is no word of the program stays as a text. The rules have no ids: iptables does not
/// keep them.
pub fn lift(held: &Held) -> Lifted {
    let mut lifted = Lifted::default();
    for (family, state) in &held.families {
        for table in &state.tables {
            let Some(name) = Table::ALL.into_iter().find(|it| it.name() == table.table) else { continue };
            lift_table(name, table, *family, &mut lifted);
        }
    }
    lifted
}

/// Gives rules the ids and reasons that they have where they are wanted.
pub fn name(program: &mut Program, wanted: &[(Family, FamilyState); 2]) {
    let mut comments: HashMap<(Family, &str, &str), &str> = HashMap::new();
    for (family, state) in wanted {
        for table in &state.tables {
            let own = table.chains.iter().flat_map(|own| &own.lines);
            for line in own.chain(table.hooks.iter().map(|hook| &hook.line)) {
                comments.insert((*family, &table.table, &line.specification), &line.comment);
            }
        }
    }
    for chain in &mut program.chains {
        for rule in &mut chain.rules {
            let family = rule.families.iter().next().unwrap_or(Family::Ipv4);
            let comment = comments.get(&(family, chain.table.name(), rule.id.as_str()));
            if let Some((id, reason)) = comment.and_then(|comment| comment.split_once(": ")) {
                rule.id = id.to_owned();
                rule.reason = Cow::Owned(reason.to_owned());
            }
        }
    }
}

fn lift_table(table: Table, state: &TableState, family: Family, lifted: &mut Lifted) {
    let Lifted { program, foreign } = lifted;
    let mut add = |chain: &str, line: &Line| {
        let name = ChainName::ALL.into_iter().find(|it| it.name() == chain);
        match (name, rule(line, family)) {
            (Some(name), Some(rule)) => chain_of(program, table, name).rules.push(rule),
            _ => foreign.push(format!("{family} {} {chain} {}", table.name(), line.specification)),
        }
    };
    for chain in &state.chains {
        chain.lines.iter().for_each(|line| add(&chain.name, line));
    }
    for hook in &state.hooks {
        add(&hook.chain, &hook.line);
    }
}

fn chain_of(program: &mut Program, table: Table, name: ChainName) -> &mut Chain {
    let place = program.chains.iter().position(|it| (it.table, it.name) == (table, name));
    let place = place.unwrap_or_else(|| {
        program.chains.push(Chain { table, name, rules: Vec::new() });
        program.chains.len() - 1
    });
    &mut program.chains[place]
}

/// Reads a line as `iptables-save` writes it.
fn rule(line: &Line, family: Family) -> Option<Rule> {
    let mut words = Words { rest: line.specification.split(' ').peekable() };
    let mut matches = Vec::new();
    let mut about = "";
    let verdict = loop {
        let negated = words.take("!");
        match words.next()? {
            "-j" if !negated => break words.verdict()?,
            "-m" if !negated => about = words.next()?,
            // The packet's mark and the connection's have the same option.
            "--mark" if about == "connmark" && !negated => {
                matches.push(Match::ConnectionMark(mark(words.next()?)?));
            }
            option => matches.push(words.condition(option, negated)?),
        }
    };
    words.next().is_none().then(|| Rule {
        id: line.specification.clone(),
        reason: Cow::Borrowed(""),
        families: Families::from_iter([family]),
        matches,
        verdict,
        placement: Placement::Appended,
        paired: false,
    })
}

/// The words that are left of a line.
struct Words<'a> {
    rest: Peekable<Split<'a, char>>,
}

impl<'a> Words<'a> {
    fn next(&mut self) -> Option<&'a str> {
        self.rest.next()
    }

    /// Takes the word if it is the next one.
    fn take(&mut self, word: &str) -> bool {
        self.rest.next_if_eq(&word).is_some()
    }

    fn condition(&mut self, option: &str, negated: bool) -> Option<Match> {
        let value = self.next()?;
        Some(match (option, negated) {
            ("-s", false) => Match::Source(ranges(value)?),
            ("-d", false) => Match::Destination(ranges(value)?),
            ("-d", true) => Match::NotDestination(ranges(value)?),
            ("-i", false) => Match::InInterface(vec![value.parse().ok()?]),
            ("-o", false) => Match::OutInterface(vec![value.parse().ok()?]),
            ("-p", false) => Match::Protocol(match value {
                "tcp" => Protocol::Tcp,
                "udp" => Protocol::Udp,
                "ipv6-icmp" => Protocol::Icmpv6,
                _ => return None,
            }),
            ("--sport", false) => Match::SourcePort(ports(value)?),
            ("--dport", false) => Match::DestinationPort(ports(value)?),
            ("--dport" | "--dports", true) => Match::NotDestinationPort(ports(value)?),
            ("--icmpv6-type", false) => Match::Icmpv6Type(vec![value.parse().ok()?]),
            ("--uid-owner", false) => Match::OwnerUid(vec![Uid(value.parse().ok()?)]),
            ("--uid-owner", true) => Match::NotOwnerUid(vec![Uid(value.parse().ok()?)]),
            ("--gid-owner", false) => Match::OwnerGid(vec![Gid(value.parse().ok()?)]),
            ("--gid-owner", true) => Match::NotOwnerGid(vec![Gid(value.parse().ok()?)]),
            ("--mark", true) => Match::NotMark(mark(value)?),
            ("--mark", false) => Match::Mark(mark(value)?),
            ("--ctstate", false) => Match::State(match value {
                "INVALID" => ConnectionState::Invalid,
                "RELATED,ESTABLISHED" => ConnectionState::EstablishedOrRelated,
                _ => return None,
            }),
            _ => return None,
        })
    }

    fn verdict(&mut self) -> Option<Verdict> {
        let target = self.next()?;
        let all: Vec<&str> = self.rest.by_ref().collect();
        Some(match (target, &all[..]) {
            ("RETURN", []) => Verdict::Return,
            ("ACCEPT", []) => Verdict::Accept,
            ("DROP", []) => Verdict::Drop,
            ("REJECT", ["--reject-with", "icmp-port-unreachable" | "icmp6-port-unreachable"]) => {
                Verdict::Reject
            }
            ("REJECT", ["--reject-with", "tcp-reset"]) => Verdict::Reset,
            ("REDIRECT", ["--to-ports", port]) => Verdict::Redirect(port.parse().ok()?),
            ("TPROXY", ["--on-port", port, "--on-ip", "0.0.0.0" | "::", "--tproxy-mark", set]) => {
                Verdict::Tproxy { port: port.parse().ok()?, mark: all_bits(set)? }
            }
            ("MARK", ["--set-xmark", set]) => Verdict::SetMark(all_bits(set)?),
            ("CONNMARK", ["--save-mark", "--nfmask", "0xffffffff", "--ctmask", "0xffffffff"]) => {
                Verdict::SaveMark
            }
            ("CONNMARK", ["--restore-mark", "--nfmask", "0xffffffff", "--ctmask", "0xffffffff"]) => {
                Verdict::RestoreMark
            }
            ("CT", ["--zone", zone]) => Verdict::SetZone(zone.parse().ok()?),
            (chain, []) => Verdict::Jump(ChainName::ALL.into_iter().find(|it| it.name() == chain)?),
            _ => return None,
        })
    }
}

fn ranges(text: &str) -> Option<CidrSet> {
    Some(CidrSet::from_iter([text.parse::<Cidr>().ok()?]))
}

/// `80`, `8000:8100`, or several between commas.
fn ports(text: &str) -> Option<PortSet> {
    let one = |item: &str| item.replace(':', "-").parse::<PortRange>().ok();
    Some(text.split(',').map(one).collect::<Option<Vec<_>>>()?.into_iter().collect())
}

fn mark(text: &str) -> Option<Mark> {
    Mark::new(u32::from_str_radix(text.strip_prefix("0x")?, 16).ok()?)
}

fn all_bits(text: &str) -> Option<Mark> {
    mark(text.strip_suffix("/0xffffffff")?)
}
