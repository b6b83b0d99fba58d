//! From the words of nftables back to the program: what a table in the kernel means for packets.

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Subnets, Ipv6Subnets};

use super::held::{HeldChain, HeldTable};
use super::intervals::Interval;
use super::rule::{Action, Field, Operand, Rule, Test};
use super::ruleset::{Set, SetType};
use super::translate::chain_name;
use crate::backend::lifted::Lifted;
use crate::config::cidrs::CidrSet;
use crate::config::families::{Families, Family};
use crate::config::interfaces::InterfaceName;
use crate::config::owners::{Gid, Uid};
use crate::config::ports::{PortRange, PortSet};
use crate::config::values::Mark;
use crate::program::{self, ChainName, Match, Placement, Table, Verdict};

/// Says what a table means. What is no word of the program stays as a text.
pub fn lift(table: &HeldTable) -> Lifted {
    let lifter = Lifter::new(table);
    let mut lifted = Lifted::default();
    lifted.foreign.extend(table.oddities.iter().cloned());
    for held in &table.chains {
        let place = format!("chain {}", held.name);
        match place_of(&held.name) {
            Some((table, name)) => {
                let rules = lifter.rules(table, held, &mut lifted.foreign);
                lifted.program.chains.push(program::Chain { table, name, rules });
            }
            // What a rule with an owner that must not match calls is a part of that rule.
            None if lifter.unless_owner(&held.name).is_some() => {}
            None => lifted.foreign.push(place),
        }
    }
    lifted
}

/// The chain of the program that has this name here.
fn place_of(name: &str) -> Option<(Table, ChainName)> {
    let all = Table::ALL.into_iter().flat_map(|table| ChainName::ALL.map(|chain| (table, chain)));
    all.into_iter().find(|(table, chain)| chain_name(*table, *chain) == name)
}

/// How many items all lists of a program together may have. Rules of ours use a set a few times; of others, any number of
/// rules may use a large one.
const MOST_ITEMS: usize = 1 << 22;

struct Lifter<'a> {
    table: &'a HeldTable,
    chains: HashMap<&'a str, &'a HeldChain>,
    sets: HashMap<&'a str, &'a Set>,
    /// How many items lists may still have.
    room: Cell<usize>,
}

impl<'a> Lifter<'a> {
    fn new(table: &'a HeldTable) -> Lifter<'a> {
        let sets = table.sets.iter().filter_map(|held| held.set.as_ref().ok());
        Lifter {
            table,
            chains: table.chains.iter().map(|chain| (chain.name.as_str(), chain)).collect(),
            sets: sets.map(|set| (set.name.as_str(), set)).collect(),
            room: Cell::new(MOST_ITEMS),
        }
    }

    /// Nothing when there is no room for so many items more.
    fn take_room(&self, items: usize) -> Option<()> {
        self.room.set(self.room.get().checked_sub(items)?);
        Some(())
    }

    fn rules(&self, table: Table, held: &HeldChain, foreign: &mut Vec<String>) -> Vec<program::Rule> {
        let mut rules: Vec<program::Rule> = Vec::new();
        let mut before: Option<&Rule> = None;
        for rule in &held.rules {
            let lifted = match &rule.rule {
                // The drop behind TPROXY is a part of its rule.
                Ok(rule) if before.is_some_and(|before| is_drop_behind(before, rule)) => continue,
                Ok(rule) => {
                    before = Some(rule);
                    self.rule(table, rule).ok_or_else(|| super::text::write_rule(rule))
                }
                Err(why) => Err(why.clone()),
            };
            match lifted {
                Ok(rule) => rules.push(rule),
                Err(text) => foreign.push(format!("chain {}: {text}", held.name)),
            }
        }
        rules
    }

    fn rule(&self, table: Table, rule: &Rule) -> Option<program::Rule> {
        let (id, reason) = rule.comment.split_once(": ").unwrap_or((&rule.comment, ""));
        let mut families = self.table.family.families();
        let mut matches = Vec::new();
        for test in &rule.tests {
            match (test.field, &test.operand) {
                (Field::Family, Operand::Family(family)) if !test.negated => {
                    families = families.intersection([*family].into_iter().collect());
                }
                _ => matches.push(self.condition(test, &mut families)?),
            }
        }
        let verdict = match &rule.actions[..] {
            [Action::Jump(name)] => match place_of(name) {
                Some((there, chain)) if there == table => Verdict::Jump(chain),
                _ => {
                    let (owner, verdict) = self.unless_owner(name)?;
                    matches.push(owner);
                    verdict
                }
            },
            actions => verdict(actions)?,
        };
        Some(program::Rule {
            id: id.to_owned(),
            reason: Cow::Owned(reason.to_owned()),
            families,
            matches,
            verdict,
            placement: Placement::Appended,
            paired: false,
        })
    }

    /// What a chain does that returns for some owners and acts for everybody else.
    fn unless_owner(&self, name: &str) -> Option<(Match, Verdict)> {
        let chain = self.chains.get(name)?;
        let [Ok(owner), Ok(act)] = [0, 1]
            .map(|place| chain.rules.get(place).map_or(Err(()), |held| held.rule.as_ref().map_err(|_| ())))
        else {
            return None;
        };
        let [test] = &owner.tests[..] else { return None };
        let is_such = chain.rules.len() == 2
            && owner.actions == [Action::Return]
            && act.tests.is_empty()
            && !test.negated;
        let ids = self.numbers(test).filter(|_| is_such)?;
        let owner = match test.field {
            Field::Uid => Match::NotOwnerUid(ids.into_iter().map(Uid).collect()),
            Field::Gid => Match::NotOwnerGid(ids.into_iter().map(Gid).collect()),
            _ => return None,
        };
        // Such chains are called where accepting and returning mean the same.
        let verdict = match verdict(&act.actions)? {
            Verdict::Accept => Verdict::Return,
            verdict => verdict,
        };
        Some((owner, verdict))
    }

    fn condition(&self, test: &Test, families: &mut Families) -> Option<Match> {
        let mut only = |family: Family| *families = families.intersection([family].into_iter().collect());
        Some(match (test.field, test.negated) {
            (Field::Source(family), false) => {
                only(family);
                Match::Source(self.ranges(family, test)?)
            }
            (Field::Destination(family), negated) => {
                only(family);
                let ranges = self.ranges(family, test)?;
                if negated { Match::NotDestination(ranges) } else { Match::Destination(ranges) }
            }
            (Field::Protocol, false) => match test.operand {
                Operand::Protocol(protocol) => Match::Protocol(protocol),
                _ => return None,
            },
            (Field::SourcePort, false) => Match::SourcePort(self.ports(test)?),
            (Field::DestinationPort, false) => Match::DestinationPort(self.ports(test)?),
            (Field::DestinationPort, true) => Match::NotDestinationPort(self.ports(test)?),
            (Field::Icmpv6Type, false) => {
                let types = self.numbers(test)?.into_iter().map(|kind| u8::try_from(kind).ok());
                Match::Icmpv6Type(types.collect::<Option<_>>()?)
            }
            (Field::InInterface, false) => Match::InInterface(vec![interface(test)?]),
            (Field::OutInterface, false) => Match::OutInterface(vec![interface(test)?]),
            (Field::Uid, false) => Match::OwnerUid(self.numbers(test)?.into_iter().map(Uid).collect()),
            (Field::Gid, false) => Match::OwnerGid(self.numbers(test)?.into_iter().map(Gid).collect()),
            (Field::Mark, negated) => match (&test.operand, negated) {
                (Operand::Number(mark), false) => Match::Mark(Mark::new(*mark)?),
                (Operand::Number(mark), true) => Match::NotMark(Mark::new(*mark)?),
                _ => return None,
            },
            (Field::ConnectionMark, false) => match test.operand {
                Operand::Number(mark) => Match::ConnectionMark(Mark::new(mark)?),
                _ => return None,
            },
            (Field::State, false) => match test.operand {
                Operand::State(state) => Match::State(state),
                _ => return None,
            },
            _ => return None,
        })
    }

    fn set(&self, name: &str, kind: SetType) -> Option<&Set> {
        self.sets.get(name).copied().filter(|set| set.kind == kind)
    }

    /// The numbers that an operand stands for, as intervals.
    fn intervals(&self, test: &Test, kind: SetType) -> Option<Vec<Interval>> {
        Some(match &test.operand {
            Operand::Number(number) => vec![Interval { first: (*number).into(), last: (*number).into() }],
            Operand::Range(range) => vec![*range],
            Operand::Prefix { first, length } => {
                let hosts = kind.bits().checked_sub(*length)?;
                let size = 1_u128.checked_shl(hosts).unwrap_or(0);
                vec![Interval { first: *first, last: first.wrapping_add(size.wrapping_sub(1)) }]
            }
            Operand::Set(name) => {
                let set = self.set(name, kind)?;
                self.take_room(set.elements.len())?;
                set.elements.clone()
            }
            _ => return None,
        })
    }

    fn numbers(&self, test: &Test) -> Option<Vec<u32>> {
        let kind = match test.field {
            Field::Uid => SetType::Uid,
            Field::Gid => SetType::Gid,
            _ => SetType::Icmpv6Type,
        };
        let single = |it: Interval| u32::try_from(it.first).ok().filter(|_| it.first == it.last);
        self.intervals(test, kind)?.into_iter().map(single).collect()
    }

    fn ports(&self, test: &Test) -> Option<PortSet> {
        let range = |it: Interval| format!("{}-{}", it.first, it.last).parse::<PortRange>().ok();
        let ranges: Option<Vec<PortRange>> =
            self.intervals(test, SetType::Port)?.into_iter().map(range).collect();
        Some(ranges?.into_iter().collect())
    }

    fn ranges(&self, family: Family, test: &Test) -> Option<CidrSet> {
        let mut set = CidrSet::default();
        match family {
            Family::Ipv4 => {
                for it in self.intervals(test, SetType::Ipv4)? {
                    let ends = (u32::try_from(it.first).ok()?, u32::try_from(it.last).ok()?);
                    let before = set.v4.len();
                    set.v4.extend(Ipv4Subnets::new(Ipv4Addr::from(ends.0), Ipv4Addr::from(ends.1), 0));
                    self.take_room(set.v4.len() - before)?;
                }
            }
            Family::Ipv6 => {
                for it in self.intervals(test, SetType::Ipv6)? {
                    let before = set.v6.len();
                    set.v6.extend(Ipv6Subnets::new(Ipv6Addr::from(it.first), Ipv6Addr::from(it.last), 0));
                    self.take_room(set.v6.len() - before)?;
                }
            }
        }
        Some(set)
    }
}

fn is_drop_behind(before: &Rule, rule: &Rule) -> bool {
    let is_tproxy = before.actions.iter().any(|action| matches!(action, Action::Tproxy { .. }));
    is_tproxy && rule.actions == [Action::Drop] && rule.tests == before.tests
}

fn interface(test: &Test) -> Option<InterfaceName> {
    match &test.operand {
        Operand::Name(name) => name.parse().ok(),
        Operand::NamePrefix(name) => format!("{name}+").parse().ok(),
        _ => None,
    }
}

fn verdict(actions: &[Action]) -> Option<Verdict> {
    let port = |number: &u16| number.to_string().parse().ok();
    Some(match actions {
        [Action::Return] => Verdict::Return,
        [Action::Accept] => Verdict::Accept,
        [Action::Drop] => Verdict::Drop,
        [Action::Reject(_)] => Verdict::Reject,
        [Action::Reset] => Verdict::Reset,
        [Action::Redirect(number)] => Verdict::Redirect(port(number)?),
        [Action::Tproxy { port: number, .. }, Action::SetMark(mark), Action::Accept] => {
            Verdict::Tproxy { port: port(number)?, mark: Mark::new(*mark)? }
        }
        [Action::SetMark(mark)] => Verdict::SetMark(Mark::new(*mark)?),
        [Action::SaveMark] => Verdict::SaveMark,
        [Action::RestoreMark] => Verdict::RestoreMark,
        [Action::SetZone(zone)] => Verdict::SetZone(*zone),
        _ => return None,
    })
}
