//! Reads our tables back out of the kernel: chains, rules, sets with every element.
//!
//! What this program would not have written is kept as a text that says so, and makes the table differ.

use std::collections::HashMap;

use super::expressions;
use super::held::{Held, HeldChain, HeldRule, HeldSet, HeldTable};
use super::intervals::Interval;
use super::record::{self, Record};
use super::rule::Rule;
use super::ruleset::{Base, DNAT_PRIORITY, Set, SetType, TABLE, TableFamily, elements_of};
use crate::kernel::{Error, Kernel};
use crate::netlink::{Attributes, attribute, generation_of, message, nested, number, text};
use crate::program::{Hook, Table};

/// How often reading is tried anew when rules change meanwhile.
const ATTEMPTS: usize = 50;

/// Reads everything of ours, as it was at one moment.
///
/// # Errors
/// When the kernel does not answer, or never stands still.
pub fn read(kernel: &mut dyn Kernel) -> Result<Held, Error> {
    for _ in 1..ATTEMPTS {
        match read_once(kernel) {
            Err(Error::Changed) => {}
            result => return result,
        }
    }
    read_once(kernel)
}

fn read_once(kernel: &mut dyn Kernel) -> Result<Held, Error> {
    let generation = kernel.generation()?;
    let mut reader = Reader { kernel, generation };
    let mut held = Held { generation, tables: Vec::new() };
    for family in TableFamily::ALL {
        let tables = reader.list(message::GET_TABLE, family, &Attributes::default())?;
        let ours = tables.iter().find(|payload| attribute(payload, 1).map(text).as_deref() == Some(TABLE));
        if let Some(payload) = ours {
            held.tables.push(reader.table(family, payload)?);
        }
    }
    Ok(held)
}

/// Asks about one generation of rules.
struct Reader<'a> {
    kernel: &'a mut dyn Kernel,
    generation: u32,
}

impl Reader<'_> {
    /// Answers about this family; the kernel is asked for all where it has no filter.
    fn list(
        &mut self,
        kind: u8,
        family: TableFamily,
        attributes: &Attributes,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let mut answers = self.kernel.list(kind, family.number(), attributes)?;
        // The kernel says the low half with every answer.
        let of_now = |payload: &Vec<u8>| generation_of(payload) == Some(self.generation as u16);
        if !answers.iter().all(of_now) {
            return Err(Error::Changed);
        }
        answers.retain(|payload| payload.first() == Some(&family.number()));
        Ok(answers)
    }

    fn in_our_table(&mut self, kind: u8, family: TableFamily) -> Result<Vec<Vec<u8>>, Error> {
        let mut ours = Attributes::default();
        ours.text(1, TABLE);
        let mut answers = self.list(kind, family, &ours)?;
        answers.retain(|payload| attribute(payload, 1).map(text).as_deref() == Some(TABLE));
        Ok(answers)
    }

    fn table(&mut self, family: TableFamily, payload: &[u8]) -> Result<HeldTable, Error> {
        const FLAGS: u16 = 2;
        const USE: u16 = 3;
        let mut table = HeldTable {
            family,
            is_recorded: false,
            record: None,
            sets: vec![],
            chains: vec![],
            oddities: vec![],
        };
        let flags = attribute(payload, FLAGS).and_then(number).unwrap_or(0);
        if flags != 0 {
            table.oddities.push(format!("the table has the flags {flags:#x}: a dormant one does nothing"));
        }
        let chains = self.in_our_table(message::GET_CHAIN, family)?;
        let rules = self.in_our_table(message::GET_RULE, family)?;
        let rules = by_chain(&rules);
        for payload in &chains {
            let chain = chain(payload, &rules);
            // Nothing but a chain that no packet comes to is a record.
            let is_record = chain.name == record::CHAIN && chain.base == Ok(None) && chain.rules.is_empty();
            if is_record {
                table.is_recorded = true;
                table.record = Record::of_chain(payload);
            } else {
                table.chains.push(chain);
            }
        }
        let sets = self.in_our_table(message::GET_SET, family)?;
        for payload in &sets {
            let set = self.set(family, payload)?;
            table.sets.push(set);
        }
        let known = chains.len() + sets.len();
        let all = attribute(payload, USE).and_then(number).map_or(known, |all| all as usize);
        if all > known {
            table.oddities.push(format!("{} objects that are neither chains nor sets", all - known));
        }
        Ok(table)
    }

    fn set(&mut self, family: TableFamily, payload: &[u8]) -> Result<HeldSet, Error> {
        const NAME: u16 = 2;
        const FLAGS: u16 = 3;
        const ANONYMOUS: u32 = 1;
        let name = attribute(payload, NAME).map(text).unwrap_or_default();
        let anonymous = attribute(payload, FLAGS).and_then(number).unwrap_or(0) & ANONYMOUS != 0;
        let mut which = Attributes::default();
        which.text(1, TABLE).text(NAME, &name);
        let listed = self.list(message::GET_SET_ELEMENT, family, &which)?;
        let set = set_type(payload)
            .and_then(|kind| Ok(Set { name: name.clone(), kind, elements: elements(kind, &name, &listed)? }));
        Ok(HeldSet { name, set, anonymous })
    }
}

/// Rules by the names of their chains, each in order.
fn by_chain(rules: &[Vec<u8>]) -> HashMap<String, Vec<&[u8]>> {
    const CHAIN: u16 = 2;
    let mut all: HashMap<String, Vec<&[u8]>> = HashMap::new();
    for payload in rules {
        all.entry(attribute(payload, CHAIN).map(text).unwrap_or_default()).or_default().push(payload);
    }
    all
}

fn chain(payload: &[u8], rules: &HashMap<String, Vec<&[u8]>>) -> HeldChain {
    const NAME: u16 = 3;
    let name = attribute(payload, NAME).map(text).unwrap_or_default();
    let rules = rules.get(&name).into_iter().flatten().map(|payload| held_rule(payload)).collect();
    let (base, is_late_nat) = base(payload);
    HeldChain { base, is_late_nat, name, rules }
}

/// Where the kernel starts with a chain, and whether it is one of nat at the priority of other programs.
fn base(payload: &[u8]) -> (Result<Option<Base>, String>, bool) {
    const HOOK: u16 = 4;
    const POLICY: u16 = 5;
    const TYPE: u16 = 7;
    const FLAGS: u16 = 10;
    const ACCEPT: u32 = 1;
    /// `NFT_CHAIN_BASE`: says no more than that there is a hook.
    const IS_BASE: u32 = 1;
    let Some(hook) = attribute(payload, HOOK) else { return (Ok(None), false) };
    let part = |wanted| nested(hook).find(|(kind, _)| *kind == wanted).and_then(|(_, bytes)| number(bytes));
    let (place, priority) = (part(1), part(2).map(|it| it as i32));
    let kind = attribute(payload, TYPE).map(text).unwrap_or_default();
    let policy = attribute(payload, POLICY).and_then(number);
    let flags = attribute(payload, FLAGS).and_then(number).unwrap_or(0);
    let devices = nested(hook).any(|(kind, _)| kind > 2);
    let tables = [Table::Raw, Table::Mangle, Table::Nat, Table::Filter];
    let all = tables.into_iter().flat_map(|table| Hook::ALL.map(|hook| Base { hook, table }));
    let same = |base: &Base| {
        place == Some(base.hook_number()) && priority == Some(base.priority()) && kind == base.kind()
    };
    let is_plain = policy == Some(ACCEPT) && flags & !IS_BASE == 0 && !devices;
    if let (Some(base), true) = (all.into_iter().find(same), is_plain) {
        return (Ok(Some(base)), false);
    }
    let text = format!(
        "type {kind} hook {} priority {} policy {}",
        place.map_or_else(|| "?".to_owned(), |it| it.to_string()),
        priority.unwrap_or_default(),
        if policy == Some(ACCEPT) { "accept" } else { "drop" }
    );
    (Err(text), is_plain && kind == "nat" && priority == Some(DNAT_PRIORITY))
}

fn held_rule(payload: &[u8]) -> HeldRule {
    const EXPRESSIONS: u16 = 4;
    const COMPATIBLE: u16 = 5;
    const USER_DATA: u16 = 7;
    let comment = attribute(payload, USER_DATA).and_then(comment).unwrap_or_default();
    if attribute(payload, COMPATIBLE).is_some() {
        return HeldRule { rule: Err("a rule that iptables-nft made".to_owned()), count: None };
    }
    match expressions::read(attribute(payload, EXPRESSIONS).unwrap_or_default()) {
        Ok(meaning) => HeldRule {
            count: meaning.counted,
            rule: Ok(Rule {
                comment,
                tests: meaning.tests,
                counted: meaning.counted.is_some(),
                actions: meaning.actions,
            }),
        },
        Err(why) if comment.is_empty() => HeldRule { rule: Err(why), count: None },
        Err(why) => HeldRule { rule: Err(format!("{why}, commented {comment:?}")), count: None },
    }
}

/// The comment in a rule's user data; nothing when there is anything else in it, or what a comment of ours never has.
fn comment(user_data: &[u8]) -> Option<String> {
    match user_data {
        [0, length, text @ ..] if usize::from(*length) == text.len() => {
            let comment = String::from_utf8(text.strip_suffix(&[0])?.to_vec()).ok()?;
            (!comment.contains(|c: char| c.is_control() || c == '"')).then_some(comment)
        }
        _ => None,
    }
}

fn set_type(payload: &[u8]) -> Result<SetType, String> {
    const FLAGS: u16 = 3;
    const KEY_TYPE: u16 = 4;
    const KEY_LENGTH: u16 = 5;
    /// Of maps, objects, elements that time out, and elements with expressions.
    const FOREIGN: [u16; 7] = [6, 7, 11, 12, 15, 17, 18];
    let part = |kind| attribute(payload, kind).and_then(number);
    if let Some(kind) = FOREIGN.into_iter().find(|kind| attribute(payload, *kind).is_some()) {
        return Err(format!("a set with the attribute {kind}, which ours have not"));
    }
    let same = |kind: &SetType| {
        part(KEY_TYPE) == Some(kind.datatype())
            && part(KEY_LENGTH) == Some(kind.bits() / 8)
            && part(FLAGS) == Some(kind.flags())
    };
    let of_number = |number: Option<u32>| number.map_or_else(|| "?".to_owned(), |it| it.to_string());
    SetType::ALL.into_iter().find(same).ok_or_else(|| {
        format!("a set of type {} with the flags {}", of_number(part(KEY_TYPE)), of_number(part(FLAGS)))
    })
}

/// Joins the ends of intervals, in whatever order the kernel has them.
fn elements(kind: SetType, name: &str, listed: &[Vec<u8>]) -> Result<Vec<Interval>, String> {
    const SET: u16 = 2;
    const ELEMENTS: u16 = 3;
    let mut ends = Vec::new();
    let own = listed.iter().filter(|payload| attribute(payload, SET).map(text).as_deref() == Some(name));
    for payload in own {
        for (_, element) in nested(attribute(payload, ELEMENTS).unwrap_or_default()) {
            ends.push(one_element(kind, element)?);
        }
    }
    elements_of(kind, ends).ok_or_else(|| "intervals that do not fit together".to_owned())
}

/// The number of an element, and whether an interval ends before it.
fn one_element(kind: SetType, element: &[u8]) -> Result<(u128, bool), String> {
    const KEY: u16 = 1;
    const FLAGS: u16 = 3;
    const END: u32 = 1;
    let mut key = None;
    let mut flags = 0;
    for (part, bytes) in nested(element) {
        match part {
            KEY => key = nested(bytes).next().map(|(_, value)| value),
            FLAGS => flags = number(bytes).unwrap_or(u32::MAX),
            _ => return Err(format!("an element with the attribute {part}, which ours have not")),
        }
    }
    match (key.and_then(|bytes| kind.number(bytes)), flags) {
        (Some(number), 0) => Ok((number, false)),
        (Some(number), END) => Ok((number, true)),
        _ => Err("an element that is not ours".to_owned()),
    }
}
