//! From the program to the words of nftables. Translates, decides nothing.

use std::collections::HashSet;

use super::intervals::{self, Interval};
use super::rule::{Action, Field, Operand, Rule, Test};
use super::ruleset::{Base, Chain, Ruleset, Set, SetType, TableFamily, WantedTable};
use crate::config::families::{Families, Family};
use crate::config::interfaces::InterfaceName;
use crate::program::{self, ChainName, Match, Program, Table, Verdict};

/// The longest comment that `nft` writes and reads (`NFTNL_UDATA_COMMENT_MAXLEN`).
const LONGEST_COMMENT: usize = 128;

/// Says the program in the words of nftables. A family that is not intercepted never meets the hooks of the other one, and
/// needs no nat in inet tables (Linux 5.2).
pub fn translate(program: &Program) -> Ruleset {
    if program.families().contains(Family::Ipv6) {
        return Ruleset { tables: vec![table(program, TableFamily::Inet)] };
    }
    let ipv6 = program.only(Family::Ipv6);
    let mut tables = vec![table(&program.only(Family::Ipv4), TableFamily::Ip)];
    if !ipv6.chains.is_empty() {
        tables.push(table(&ipv6, TableFamily::Ip6));
    }
    Ruleset { tables }
}

fn table(program: &Program, family: TableFamily) -> WantedTable {
    let mut wanted = WantedTable { family, sets: Vec::new(), chains: Vec::new() };
    let mut unless_owner = HashSet::new();
    for chain in &program.chains {
        let mut translated = Chain {
            name: chain_name(chain.table, chain.name),
            base: chain.name.hook().map(|hook| Base { hook, table: chain.table }),
            rules: Vec::new(),
        };
        let arriving = arriving(program, chain, family);
        for rule in &chain.rules {
            let mut context =
                Context { wanted: &mut wanted, unless_owner: &mut unless_owner, table: chain.table, rule };
            context.rule(arriving, &mut translated.rules);
        }
        wanted.chains.push(translated);
    }
    wanted.sorted()
}

/// The families whose packets can come to a chain. A hook sees those of its table; other chains see what the rules of
/// iptables' table of the same name let through.
fn arriving(program: &Program, chain: &program::Chain, family: TableFamily) -> Families {
    match (family, chain.name.hook()) {
        (TableFamily::Ip | TableFamily::Ip6, _) => return family.families(),
        (TableFamily::Inet, Some(_)) => return Families::BOTH,
        (TableFamily::Inet, None) => {}
    }
    let in_table = program.rules().filter(|(other, _)| other.table == chain.table);
    in_table.fold(Families::NONE, |families, (_, rule)| families.union(rule.families))
}

/// iptables has the same chain names in several tables; a table of the product holds them all.
pub(super) fn chain_name(table: Table, chain: ChainName) -> String {
    format!("{}-{}", table.name(), chain.name().to_ascii_lowercase().replace('_', "-"))
}

struct Context<'a> {
    wanted: &'a mut WantedTable,
    /// The chains of [`Context::unless_owner`] that are there.
    unless_owner: &'a mut HashSet<String>,
    table: Table,
    rule: &'a program::Rule,
}

impl Context<'_> {
    fn rule(&mut self, arriving: Families, rules: &mut Vec<Rule>) {
        let by_family = self
            .rule
            .matches
            .iter()
            .any(|it| matches!(it, Match::Source(_) | Match::Destination(_) | Match::NotDestination(_)));
        if !by_family && self.rule.families == arriving {
            self.rule_for(None, false, rules);
            return;
        }
        for family in self.rule.families.iter() {
            self.rule_for(Some(family), arriving != Families::from_iter([family]), rules);
        }
    }

    fn rule_for(&mut self, family: Option<Family>, guarded: bool, rules: &mut Vec<Rule>) {
        let mut alternatives = vec![Vec::new()];
        if let (true, Some(family)) = (guarded, family) {
            alternatives[0].push(test(Field::Family, Operand::Family(family)));
        }
        let mut not_owner = None;
        for condition in &self.rule.matches {
            match condition {
                Match::NotOwnerUid(uids) => {
                    let ids = uids.iter().map(|uid| uid.0).collect();
                    not_owner = Some(self.number_test(Field::Uid, SetType::Uid, ids));
                }
                Match::NotOwnerGid(gids) => {
                    let ids = gids.iter().map(|gid| gid.0).collect();
                    not_owner = Some(self.number_test(Field::Gid, SetType::Gid, ids));
                }
                condition => {
                    let tests = self.tests(condition, family);
                    let all = std::mem::take(&mut alternatives);
                    for test in &tests {
                        alternatives.extend(all.iter().cloned().map(|mut tests: Vec<Test>| {
                            tests.push(test.clone());
                            tests
                        }));
                    }
                    // An address range that is everything needs no test.
                    if tests.is_empty() {
                        alternatives = all;
                    }
                }
            }
        }
        let (counted, actions) = match not_owner {
            Some(owner) => (false, vec![Action::Jump(self.unless_owner(owner))]),
            None => (true, self.actions(family)),
        };
        let comment = self.comment();
        for tests in alternatives {
            rules.push(Rule {
                comment: comment.clone(),
                tests: tests.clone(),
                counted,
                actions: actions.clone(),
            });
            if let Verdict::Tproxy { .. } = self.rule.verdict {
                // xt_TPROXY drops a packet for which there is no socket; nft_tproxy goes on to the next rule.
                rules.push(Rule {
                    comment: comment.clone(),
                    tests,
                    counted: true,
                    actions: vec![Action::Drop],
                });
            }
        }
    }

    /// The comment: "id: reason", cut to what `nft` can show.
    fn comment(&self) -> String {
        let mut comment = format!("{}: {}", self.rule.id, self.rule.reason);
        while comment.len() >= LONGEST_COMMENT {
            comment.pop();
        }
        comment
    }

    fn actions(&self, family: Option<Family>) -> Vec<Action> {
        match self.rule.verdict {
            Verdict::Return => vec![Action::Return],
            Verdict::Accept => vec![Action::Accept],
            Verdict::Drop => vec![Action::Drop],
            Verdict::Reject => vec![Action::Reject(self.wanted.family)],
            Verdict::Reset => vec![Action::Reset],
            Verdict::Jump(chain) => vec![Action::Jump(chain_name(self.table, chain))],
            Verdict::Redirect(port) => vec![Action::Redirect(port.get())],
            Verdict::Tproxy { port, mark } => {
                vec![Action::Tproxy { family, port: port.get() }, Action::SetMark(mark.get()), Action::Accept]
            }
            Verdict::SetMark(mark) => vec![Action::SetMark(mark.get())],
            Verdict::SaveMark => vec![Action::SaveMark],
            Verdict::RestoreMark => vec![Action::RestoreMark],
            Verdict::SetZone(zone) => vec![Action::SetZone(zone)],
        }
    }

    /// A chain that does what the rule does, except to packets of these owners.
    ///
    /// `meta skuid != 1337` would not do: a packet without a socket fails that test, while xt_owner's `! --uid-owner`
    /// matches it. A return of the rule becomes accept here: the chains with such rules are called by the last
    /// rule of a hook's chain, where both mean the same.
    fn unless_owner(&mut self, owner: Test) -> String {
        let name = format!("{}-{}", self.table.name(), self.rule.id);
        if !self.unless_owner.insert(name.clone()) {
            return name;
        }
        let actions = match self.rule.verdict {
            Verdict::Return => vec![Action::Accept],
            _ => self.actions(None),
        };
        let comment = self.comment();
        let rules = vec![
            Rule {
                comment: comment.clone(),
                tests: vec![owner],
                counted: false,
                actions: vec![Action::Return],
            },
            Rule { comment, tests: vec![], counted: true, actions },
        ];
        self.wanted.chains.push(Chain { name: name.clone(), base: None, rules });
        name
    }

    /// The tests of which one has to hold for the condition to hold; none when it always holds.
    fn tests(&mut self, condition: &Match, family: Option<Family>) -> Vec<Test> {
        let single = |field, operand| vec![test(field, operand)];
        match (condition, family) {
            (Match::Source(ranges), Some(Family::Ipv4)) => {
                self.address_test(Field::Source(Family::Ipv4), false, intervals::of_v4(&ranges.v4))
            }
            (Match::Source(ranges), Some(Family::Ipv6)) => {
                self.address_test(Field::Source(Family::Ipv6), false, intervals::of_v6(&ranges.v6))
            }
            (Match::Destination(ranges), Some(Family::Ipv4)) => {
                self.address_test(Field::Destination(Family::Ipv4), false, intervals::of_v4(&ranges.v4))
            }
            (Match::Destination(ranges), Some(Family::Ipv6)) => {
                self.address_test(Field::Destination(Family::Ipv6), false, intervals::of_v6(&ranges.v6))
            }
            (Match::NotDestination(ranges), Some(Family::Ipv4)) => {
                self.address_test(Field::Destination(Family::Ipv4), true, intervals::of_v4(&ranges.v4))
            }
            (Match::NotDestination(ranges), Some(Family::Ipv6)) => {
                self.address_test(Field::Destination(Family::Ipv6), true, intervals::of_v6(&ranges.v6))
            }
            (Match::InInterface(names), _) => {
                names.iter().map(|name| interface(Field::InInterface, name)).collect()
            }
            (Match::OutInterface(names), _) => {
                names.iter().map(|name| interface(Field::OutInterface, name)).collect()
            }
            (Match::Protocol(protocol), _) => single(Field::Protocol, Operand::Protocol(*protocol)),
            (Match::SourcePort(ports), _) => {
                self.port_test(Field::SourcePort, false, intervals::of_ports(ports))
            }
            (Match::DestinationPort(ports), _) => {
                self.port_test(Field::DestinationPort, false, intervals::of_ports(ports))
            }
            (Match::NotDestinationPort(ports), _) => {
                self.port_test(Field::DestinationPort, true, intervals::of_ports(ports))
            }
            (Match::Icmpv6Type(types), _) => {
                let types = types.iter().map(|kind| u32::from(*kind)).collect();
                vec![self.number_test(Field::Icmpv6Type, SetType::Icmpv6Type, types)]
            }
            (Match::OwnerUid(uids), _) => {
                vec![self.number_test(Field::Uid, SetType::Uid, uids.iter().map(|uid| uid.0).collect())]
            }
            (Match::OwnerGid(gids), _) => {
                vec![self.number_test(Field::Gid, SetType::Gid, gids.iter().map(|gid| gid.0).collect())]
            }
            (Match::Mark(mark), _) => single(Field::Mark, Operand::Number(mark.get())),
            (Match::NotMark(mark), _) => {
                vec![Test { field: Field::Mark, negated: true, operand: Operand::Number(mark.get()) }]
            }
            (Match::ConnectionMark(mark), _) => single(Field::ConnectionMark, Operand::Number(mark.get())),
            (Match::State(state), _) => single(Field::State, Operand::State(*state)),
            // Owners that must not match are not tests (see `unless_owner`), and rules with addresses are written
            // once a family.
            (Match::NotOwnerUid(_) | Match::NotOwnerGid(_), _)
            | (Match::Source(_) | Match::Destination(_) | Match::NotDestination(_), None) => vec![],
        }
    }

    fn address_test(&mut self, field: Field, negated: bool, ranges: Vec<Interval>) -> Vec<Test> {
        let (kind, bits) = match field {
            Field::Source(Family::Ipv4) | Field::Destination(Family::Ipv4) => (SetType::Ipv4, 32),
            _ => (SetType::Ipv6, 128),
        };
        let operand = match ranges[..] {
            [range] => match range.prefix(bits) {
                Some(0) if !negated => return vec![],
                Some(length) => Operand::Prefix { first: range.first, length },
                None => Operand::Range(range),
            },
            _ => Operand::Set(self.set(kind, ranges)),
        };
        vec![Test { field, negated, operand }]
    }

    fn port_test(&mut self, field: Field, negated: bool, ranges: Vec<Interval>) -> Vec<Test> {
        let operand = match ranges[..] {
            [range] if range.first == range.last => Operand::Number(number(range.first)),
            [range] => Operand::Range(range),
            _ => Operand::Set(self.set(SetType::Port, ranges)),
        };
        vec![Test { field, negated, operand }]
    }

    fn number_test(&mut self, field: Field, kind: SetType, mut numbers: Vec<u32>) -> Test {
        numbers.sort_unstable();
        numbers.dedup();
        if let [number] = numbers[..] {
            return test(field, Operand::Number(number));
        }
        let single = |number: &u32| Interval { first: (*number).into(), last: (*number).into() };
        let elements = numbers.iter().map(single).collect();
        test(field, Operand::Set(self.set(kind, elements)))
    }

    /// Makes the set of this rule, or finds the same that another family's or a paired rule has made.
    fn set(&mut self, kind: SetType, elements: Vec<Interval>) -> String {
        let same = |set: &&Set| set.kind == kind && set.elements == elements;
        if let Some(set) = self.wanted.sets.iter().find(same) {
            return set.name.clone();
        }
        let suffix = match kind {
            SetType::Ipv4 => "-4",
            SetType::Ipv6 => "-6",
            SetType::Port => "-ports",
            SetType::Uid => "-uids",
            SetType::Gid => "-gids",
            SetType::Icmpv6Type => "-types",
        };
        let name = format!("{}{suffix}", self.rule.id);
        self.wanted.sets.push(Set { name: name.clone(), kind, elements });
        name
    }
}

fn test(field: Field, operand: Operand) -> Test {
    Test { field, negated: false, operand }
}

fn interface(field: Field, name: &InterfaceName) -> Test {
    let text = name.as_str().to_owned();
    test(field, if name.is_prefix() { Operand::NamePrefix(text) } else { Operand::Name(text) })
}

/// Ports fit: they were ports before they became an interval.
fn number(value: u128) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
