//! The ruleset as `nft -f` takes it.

use std::fmt::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr};

use super::held::HeldTable;
use super::intervals::Interval;
use super::record;
use super::rule::{Action, Field, Operand, Rule, Test};
use super::ruleset::{Base, Chain, Ruleset, Set, SetType, TABLE, TableFamily, WantedTable};
use crate::backend::listing::Listing;
use crate::config::families::Family;
use crate::program::{ConnectionState, Hook, Protocol};

/// Writes the tables. Those of `old` families are removed in the same transaction.
pub fn render(ruleset: &Ruleset, old: &[TableFamily]) -> String {
    let mut text = String::new();
    for family in old {
        text.push_str(&format!("delete table {} {TABLE}\n", family.name()));
    }
    for (place, table) in ruleset.tables.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = write_table(&mut text, table, place == 0);
    }
    text
}

fn write_table(out: &mut String, table: &WantedTable, is_recorded: bool) -> fmt::Result {
    let mut parts: Vec<String> = table.sets.iter().map(write_set).collect();
    parts.extend(table.chains.iter().map(write_chain));
    if is_recorded {
        let comment = format!("\t\tcomment \"{}\"\n", record::installer());
        parts.push(format!("\tchain {} {{\n{comment}\t}}\n", record::CHAIN));
    }
    writeln!(out, "table {} {TABLE} {{\n{}}}", table.family.name(), parts.join("\n"))
}

/// The ruleset as places: each set, each chain.
pub fn listing(ruleset: &Ruleset) -> Listing {
    let mut listing = Listing::default();
    for table in &ruleset.tables {
        let family = table.family;
        listing.push(table_place(family), Vec::new());
        for set in &table.sets {
            listing.push(set_place(family, &set.name), set_lines(set));
        }
        for chain in &table.chains {
            let base = chain.base.map(write_base);
            let lines = base.into_iter().chain(chain.rules.iter().map(write_rule)).collect();
            listing.push(chain_place(family, &chain.name), lines);
        }
    }
    listing
}

/// What the kernel holds, as the same places. What is not understood is a line that says so.
pub fn listing_of_held(table: &HeldTable) -> Listing {
    let mut listing = Listing::default();
    let family = table.family;
    listing.push(table_place(family), table.oddities.clone());
    for held in &table.sets {
        let lines = match &held.set {
            Ok(set) => set_lines(set),
            Err(why) => vec![unknown(why)],
        };
        listing.push(set_place(family, &held.name), lines);
    }
    for held in &table.chains {
        let base = match &held.base {
            Ok(base) => base.map(write_base),
            Err(text) => Some(unknown(text)),
        };
        let rules = held.rules.iter().map(|held| match &held.rule {
            Ok(rule) => write_rule(rule),
            Err(why) => unknown(why),
        });
        listing.push(chain_place(family, &held.name), base.into_iter().chain(rules).collect());
    }
    listing
}

fn unknown(what: &str) -> String {
    format!("not understood: {what}")
}

fn table_place(family: TableFamily) -> String {
    format!("nftables table {} {TABLE}", family.name())
}

fn set_place(family: TableFamily, name: &str) -> String {
    format!("nftables set {name} ({})", family.name())
}

fn chain_place(family: TableFamily, name: &str) -> String {
    format!("nftables chain {name} ({})", family.name())
}

fn set_lines(set: &Set) -> Vec<String> {
    let elements = set.elements.iter().map(|element| interval(set.kind, *element));
    std::iter::once(format!("type {}", type_name(set.kind))).chain(elements).collect()
}

fn type_name(kind: SetType) -> &'static str {
    match kind {
        SetType::Ipv4 => "ipv4_addr",
        SetType::Ipv6 => "ipv6_addr",
        SetType::Port => "inet_service",
        SetType::Uid => "uid",
        SetType::Gid => "gid",
        SetType::Icmpv6Type => "icmpv6_type",
    }
}

fn write_base(base: Base) -> String {
    let hook = match base.hook {
        Hook::Prerouting => "prerouting",
        Hook::Input => "input",
        Hook::Output => "output",
    };
    format!("type {} hook {hook} priority {}; policy accept;", base.kind(), base.priority())
}

fn write_set(set: &Set) -> String {
    let flags = if set.kind.has_intervals() { "constant,interval" } else { "constant" };
    let elements: Vec<String> = set.elements.iter().map(|element| interval(set.kind, *element)).collect();
    let elements = elements.join(", ");
    format!(
        "\tset {} {{\n\t\ttype {}\n\t\tflags {flags}\n\t\telements = {{ {elements} }}\n\t}}\n",
        set.name,
        type_name(set.kind)
    )
}

fn write_chain(chain: &Chain) -> String {
    let base = chain.base.map(write_base);
    let lines = base.into_iter().chain(chain.rules.iter().map(write_rule));
    let lines: String = lines.map(|line| format!("\t\t{line}\n")).collect();
    format!("\tchain {} {{\n{lines}\t}}\n", chain.name)
}

pub(super) fn write_rule(rule: &Rule) -> String {
    let mut words: Vec<String> = rule.tests.iter().map(write_test).collect();
    if rule.counted {
        words.push("counter".to_owned());
    }
    words.extend(rule.actions.iter().map(write_action));
    // The comment is made of ids and sentences of ours; neither has a quote.
    words.push(format!("comment \"{}\"", rule.comment));
    words.join(" ")
}

fn write_test(test: &Test) -> String {
    let field = match test.field {
        Field::Family => "meta nfproto",
        Field::Protocol => "meta l4proto",
        Field::Source(Family::Ipv4) => "ip saddr",
        Field::Source(Family::Ipv6) => "ip6 saddr",
        Field::Destination(Family::Ipv4) => "ip daddr",
        Field::Destination(Family::Ipv6) => "ip6 daddr",
        Field::SourcePort => "th sport",
        Field::DestinationPort => "th dport",
        Field::Icmpv6Type => "icmpv6 type",
        Field::InInterface => "iifname",
        Field::OutInterface => "oifname",
        Field::Uid => "meta skuid",
        Field::Gid => "meta skgid",
        Field::Mark => "meta mark",
        Field::ConnectionMark => "ct mark",
        Field::State => "ct state",
    };
    let address = match test.field {
        Field::Source(Family::Ipv4) | Field::Destination(Family::Ipv4) => SetType::Ipv4,
        Field::Source(Family::Ipv6) | Field::Destination(Family::Ipv6) => SetType::Ipv6,
        _ => SetType::Port,
    };
    let operand = match &test.operand {
        Operand::Family(Family::Ipv4) => "ipv4".to_owned(),
        Operand::Family(Family::Ipv6) => "ipv6".to_owned(),
        Operand::Protocol(Protocol::Tcp) => "tcp".to_owned(),
        Operand::Protocol(Protocol::Udp) => "udp".to_owned(),
        Operand::Protocol(Protocol::Icmpv6) => "ipv6-icmp".to_owned(),
        Operand::Number(mark) if matches!(test.field, Field::Mark | Field::ConnectionMark) => {
            format!("{mark:#x}")
        }
        Operand::Number(number) => number.to_string(),
        Operand::Prefix { first, length } => format!("{}/{length}", number(address, *first)),
        Operand::Range(range) => interval(address, *range),
        Operand::Set(name) => format!("@{name}"),
        Operand::Name(name) => format!("\"{name}\""),
        Operand::NamePrefix(name) => format!("\"{name}*\""),
        Operand::State(ConnectionState::Invalid) => "invalid".to_owned(),
        Operand::State(ConnectionState::EstablishedOrRelated) => "established,related".to_owned(),
    };
    format!("{field} {}{operand}", if test.negated { "!= " } else { "" })
}

fn write_action(action: &Action) -> String {
    match action {
        Action::Return => "return".to_owned(),
        Action::Accept => "accept".to_owned(),
        Action::Drop => "drop".to_owned(),
        Action::Reject(_) => "reject".to_owned(),
        Action::Reset => "reject with tcp reset".to_owned(),
        Action::Jump(chain) => format!("jump {chain}"),
        Action::Redirect(port) => format!("redirect to :{port}"),
        Action::Tproxy { family: None, port } => format!("tproxy to :{port}"),
        Action::Tproxy { family: Some(Family::Ipv4), port } => format!("tproxy ip to :{port}"),
        Action::Tproxy { family: Some(Family::Ipv6), port } => format!("tproxy ip6 to :{port}"),
        Action::SetMark(mark) => format!("meta mark set {mark:#x}"),
        Action::SaveMark => "ct mark set meta mark".to_owned(),
        Action::RestoreMark => "meta mark set ct mark".to_owned(),
        Action::SetZone(zone) => format!("ct zone set {zone}"),
    }
}

fn interval(kind: SetType, interval: Interval) -> String {
    let Interval { first, last } = interval;
    if first == last {
        return number(kind, first);
    }
    match (kind, interval.prefix(kind.bits())) {
        (SetType::Ipv4 | SetType::Ipv6, Some(length)) => format!("{}/{length}", number(kind, first)),
        _ => format!("{}-{}", number(kind, first), number(kind, last)),
    }
}

fn number(kind: SetType, value: u128) -> String {
    match (kind, u32::try_from(value)) {
        (SetType::Ipv4, Ok(bits)) => Ipv4Addr::from_bits(bits).to_string(),
        (SetType::Ipv6, _) => Ipv6Addr::from_bits(value).to_string(),
        _ => value.to_string(),
    }
}
