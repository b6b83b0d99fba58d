//! The ruleset as netlink messages: one batch, one transaction.

use super::expressions::{self, DATA_VALUE};
use super::held::{Held, HeldChain, HeldSet, HeldTable};
use super::intervals::Interval;
use super::record::{self, Record, digest};
use super::rule::Rule;
use super::ruleset::{Chain, Ruleset, Set, SetType, TABLE, TableFamily, WantedTable};
use crate::kernel::ListedChain;
use crate::netlink::{Attributes, Batch, LONGEST_ATTRIBUTE, TooLong, flag, message};

/// Writes the transaction that puts the ruleset into a kernel that has no table of ours.
///
/// # Errors
/// When something does not fit into an attribute.
pub fn encode(ruleset: &Ruleset, record: &Record) -> Result<Batch, TooLong> {
    let mut batch = Batch::new();
    for table in &ruleset.tables {
        batch = Writer::begin(batch, table).new_table()?;
    }
    let record = Record { digest: digest(batch.bytes()), ..record.clone() };
    Ok(write_record(batch, ruleset, &record)?.finish())
}

/// The digest that the record of this ruleset has.
///
/// # Errors
/// When something does not fit into an attribute.
pub fn digest_of(ruleset: &Ruleset) -> Result<u64, TooLong> {
    let mut batch = Batch::new();
    for table in &ruleset.tables {
        batch = Writer::begin(batch, table).new_table()?;
    }
    Ok(digest(batch.bytes()))
}

fn write_record(batch: Batch, ruleset: &Ruleset, record: &Record) -> Result<Batch, TooLong> {
    match ruleset.tables.first() {
        Some(first) => Writer::begin(batch, first).new_record(record),
        None => Ok(batch),
    }
}

/// Writes the transaction that turns what is there into the ruleset, for the generation in which it was read. A table of
/// another family stays.
///
/// Chains that stay are emptied and filled again: what a hook walks is exchanged at one instant. A chain that is
/// removed and made anew is not the same: at one hook the new one would come before the old one, and a packet between
/// the two at that instant would meet neither.
///
/// # Errors
/// When something does not fit into an attribute.
pub fn encode_change(held: &Held, ruleset: &Ruleset, record: &Record) -> Result<Batch, TooLong> {
    let mut batch = Batch::for_generation(held.generation);
    let record = Record { digest: digest_of(ruleset)?, ..record.clone() };
    for table in &ruleset.tables {
        let writer = Writer::begin(batch, table);
        batch = match held.table(table.family) {
            Some(there) => change_table(writer, there, table)?,
            None => writer.new_table()?,
        };
    }
    Ok(write_record(batch, ruleset, &record)?.finish())
}

fn change_table(mut writer: Writer<'_>, held: &HeldTable, ruleset: &WantedTable) -> Result<Batch, TooLong> {
    if !held.oddities.is_empty() {
        writer.remove_table(held.family)?;
        return writer.new_table();
    }
    let stays = |it: &&HeldChain| ruleset.chains.iter().any(|chain| chain.is_place_of(it));
    for chain in held.chains.iter().filter(|chain| !chain.rules.is_empty()) {
        writer.remove_rules(&chain.name)?;
    }
    for chain in held.chains.iter().filter(|chain| !stays(chain)) {
        writer.remove_chain(&chain.name)?;
    }
    if held.is_recorded {
        writer.remove_chain(record::CHAIN)?;
    }
    let is_wanted = |held: &&HeldSet| ruleset.sets.iter().any(|set| held.set.as_ref() == Ok(set));
    for set in held.sets.iter().filter(|it| !it.anonymous && !is_wanted(it)) {
        writer.remove_set(&set.name)?;
    }
    let is_there = |set: &Set| held.sets.iter().any(|it| it.set.as_ref() == Ok(set));
    for (set, id) in ruleset.sets.iter().zip(1..).filter(|(set, _)| !is_there(set)) {
        writer.new_set(set, id)?;
    }
    for chain in &ruleset.chains {
        if !held.chains.iter().any(|it| chain.is_place_of(it)) {
            writer.new_chain(chain)?;
        }
    }
    writer.new_rules()?;
    Ok(writer.batch)
}

/// Writes the transaction that removes our tables of these families.
///
/// # Errors
/// Never: the name fits.
pub fn encode_removal(old: &[TableFamily]) -> Result<Batch, TooLong> {
    let mut batch = Batch::new();
    for family in old {
        remove_table(&mut batch, *family)?;
    }
    Ok(batch.finish())
}

/// Writes a transaction that nobody sees and that removes something: what is to be waited for before rules go that others
/// have replaced.
///
/// # Errors
/// Never: the name fits.
pub fn encode_nothing() -> Result<Batch, TooLong> {
    let mut batch = Batch::new();
    let mut attributes = Attributes::default();
    attributes.text(TABLE_NAME, "mesh-intercept-grace");
    let (family, subject) = (TableFamily::Ip.number(), "a table that is never seen");
    let create = flag::CREATE | flag::EXCLUSIVE;
    batch.push(family, subject.into(), message::NEW_TABLE, create, &attributes)?;
    batch.push(family, subject.into(), message::DELETE_TABLE, 0, &attributes)?;
    Ok(batch.finish())
}

/// Writes the transaction that removes a table of somebody else.
///
/// # Errors
/// When the name does not fit.
pub fn encode_removal_of(family: u8, table: &str) -> Result<Batch, TooLong> {
    let mut batch = Batch::new();
    let mut attributes = Attributes::default();
    attributes.text(TABLE_NAME, table);
    batch.push(family, format!("the table {table}"), message::DELETE_TABLE, 0, &attributes)?;
    Ok(batch.finish())
}

/// Writes the transaction that removes chains of other tables, and the tables that are left without any. It fails as a
/// whole when one of them is not empty.
///
/// # Errors
/// When a name does not fit.
pub fn encode_pruning(chains: &[&ListedChain], emptied: &[(u8, &str)]) -> Result<Batch, TooLong> {
    let mut batch = Batch::new();
    for chain in chains {
        let mut attributes = Attributes::default();
        attributes.text(TABLE_NAME, &chain.table).text(CHAIN_NAME, &chain.name);
        let subject = format!("the chain {}", chain.name);
        batch.push(chain.family, subject, message::DELETE_CHAIN, flag::ONLY_EMPTY, &attributes)?;
    }
    for (family, table) in emptied {
        let mut attributes = Attributes::default();
        attributes.text(TABLE_NAME, table);
        let subject = format!("the table {table}");
        batch.push(*family, subject, message::DELETE_TABLE, flag::ONLY_EMPTY, &attributes)?;
    }
    Ok(batch.finish())
}

/// The attribute with the table's name, in every message about something in our table.
fn in_our_table() -> Attributes {
    let mut attributes = Attributes::new();
    attributes.text(TABLE_NAME, TABLE);
    attributes
}

/// Attributes of tables and chains.
const TABLE_NAME: u16 = 1;
const CHAIN_NAME: u16 = 3;

fn remove_table(batch: &mut Batch, family: TableFamily) -> Result<(), TooLong> {
    batch.push(family.number(), "the old table".into(), message::DELETE_TABLE, 0, &in_our_table())
}

/// Writes messages about one table.
pub(super) struct Writer<'a> {
    pub(super) batch: Batch,
    table: &'a WantedTable,
}

impl<'a> Writer<'a> {
    pub(super) fn begin(batch: Batch, table: &'a WantedTable) -> Writer<'a> {
        Writer { batch, table }
    }

    fn push(
        &mut self,
        subject: String,
        kind: u8,
        flags: u16,
        attributes: &Attributes,
    ) -> Result<(), TooLong> {
        self.batch.push(self.table.family.number(), subject, kind, flags, attributes)
    }

    fn new_table(mut self) -> Result<Batch, TooLong> {
        let create = flag::CREATE | flag::EXCLUSIVE;
        self.push("the table".into(), message::NEW_TABLE, create, &in_our_table())?;
        for (set, id) in self.table.sets.iter().zip(1..) {
            self.new_set(set, id)?;
        }
        // Every chain before every rule: rules jump.
        for chain in &self.table.chains {
            self.new_chain(chain)?;
        }
        self.new_rules()?;
        Ok(self.batch)
    }

    pub(super) fn new_rules(&mut self) -> Result<(), TooLong> {
        for chain in &self.table.chains {
            for rule in &chain.rules {
                self.new_rule(chain, rule)?;
            }
        }
        Ok(())
    }

    fn new_record(mut self, record: &Record) -> Result<Batch, TooLong> {
        let mut attributes = in_our_table();
        attributes.text(CHAIN_NAME, record::CHAIN).bytes(record::USER_DATA, &record.bytes());
        let subject = "the record of the installation".to_owned();
        self.push(subject, message::NEW_CHAIN, flag::CREATE | flag::EXCLUSIVE, &attributes)?;
        Ok(self.batch)
    }

    pub(super) fn remove_rules(&mut self, chain: &str) -> Result<(), TooLong> {
        const CHAIN: u16 = 2;
        let mut attributes = in_our_table();
        attributes.text(CHAIN, chain);
        self.push(format!("the old rules of the chain {chain}"), message::DELETE_RULE, 0, &attributes)
    }

    pub(super) fn remove_chain(&mut self, chain: &str) -> Result<(), TooLong> {
        let mut attributes = in_our_table();
        attributes.text(CHAIN_NAME, chain);
        self.push(format!("the old chain {chain}"), message::DELETE_CHAIN, 0, &attributes)
    }

    fn remove_set(&mut self, set: &str) -> Result<(), TooLong> {
        const NAME: u16 = 2;
        let mut attributes = in_our_table();
        attributes.text(NAME, set);
        self.push(format!("the old set {set}"), message::DELETE_SET, 0, &attributes)
    }

    fn remove_table(&mut self, family: TableFamily) -> Result<(), TooLong> {
        remove_table(&mut self.batch, family)
    }

    fn new_set(&mut self, set: &Set, id: u32) -> Result<(), TooLong> {
        const NAME: u16 = 2;
        const FLAGS: u16 = 3;
        const KEY_TYPE: u16 = 4;
        const KEY_LENGTH: u16 = 5;
        const ID: u16 = 10;
        let mut attributes = in_our_table();
        attributes
            .text(NAME, &set.name)
            .u32(FLAGS, set.kind.flags())
            .u32(KEY_TYPE, set.kind.datatype())
            .u32(KEY_LENGTH, set.kind.bits() / 8)
            .u32(ID, id);
        self.push(
            format!("the set {}", set.name),
            message::NEW_SET,
            flag::CREATE | flag::EXCLUSIVE,
            &attributes,
        )?;
        self.elements(set)
    }

    /// One attribute holds all elements of a message, and has to stay below 64 KiB: long sets take several messages.
    fn elements(&mut self, set: &Set) -> Result<(), TooLong> {
        const SET: u16 = 2;
        const ELEMENTS: u16 = 3;
        // The longest pair of elements is one of IPv6 addresses: 28 and 36 bytes.
        const FULL: usize = LONGEST_ATTRIBUTE - 128;
        let mut rest = set.elements.as_slice();
        while !rest.is_empty() {
            let mut taken = 0;
            let mut attributes = in_our_table();
            attributes.text(SET, &set.name).nested(ELEMENTS, |list| {
                while taken < rest.len() && list.len() < FULL {
                    element(list, set.kind, rest[taken]);
                    taken += 1;
                }
            });
            let subject = format!("elements of the set {}", set.name);
            self.push(subject, message::NEW_SET_ELEMENT, flag::CREATE, &attributes)?;
            rest = &rest[taken..];
        }
        Ok(())
    }

    pub(super) fn new_chain(&mut self, chain: &Chain) -> Result<(), TooLong> {
        const HOOK: u16 = 4;
        const POLICY: u16 = 5;
        const TYPE: u16 = 7;
        const HOOK_NUMBER: u16 = 1;
        const HOOK_PRIORITY: u16 = 2;
        const POLICY_ACCEPT: u32 = 1;
        let mut attributes = in_our_table();
        attributes.text(CHAIN_NAME, &chain.name);
        if let Some(base) = chain.base {
            attributes
                .nested(HOOK, |hook| {
                    hook.u32(HOOK_NUMBER, base.hook_number())
                        .bytes(HOOK_PRIORITY, &base.priority().to_be_bytes());
                })
                .u32(POLICY, POLICY_ACCEPT)
                .text(TYPE, base.kind());
        }
        let subject = format!("the chain {}", chain.name);
        self.push(subject, message::NEW_CHAIN, flag::CREATE | flag::EXCLUSIVE, &attributes)
    }

    fn new_rule(&mut self, chain: &Chain, rule: &Rule) -> Result<(), TooLong> {
        const CHAIN: u16 = 2;
        const EXPRESSIONS: u16 = 4;
        const USER_DATA: u16 = 7;
        let mut attributes = in_our_table();
        attributes
            .text(CHAIN, &chain.name)
            .nested(EXPRESSIONS, |out| expressions::write(rule, out))
            .bytes(USER_DATA, &comment(&rule.comment));
        let subject = format!("the rule \"{}\" of the chain {}", rule.comment, chain.name);
        self.push(subject, message::NEW_RULE, flag::CREATE | flag::APPEND, &attributes)
    }
}

/// An interval is two elements: its first number, and the first one behind it, flagged as an end.
fn element(list: &mut Attributes, kind: SetType, interval: Interval) {
    const END: u32 = 1;
    one_element(list, kind, interval.first, 0);
    let behind =
        interval.last.checked_add(1).filter(|behind| kind.bits() == 128 || *behind < 1 << kind.bits());
    if let (true, Some(behind)) = (kind.has_intervals(), behind) {
        one_element(list, kind, behind, END);
    }
}

fn one_element(list: &mut Attributes, kind: SetType, number: u128, flags: u32) {
    const ELEMENT: u16 = 1;
    const KEY: u16 = 1;
    const FLAGS: u16 = 3;
    list.nested(ELEMENT, |element| {
        element.nested(KEY, |key| {
            kind.with_bytes(number, |bytes| {
                key.bytes(DATA_VALUE, bytes);
            });
        });
        if flags != 0 {
            element.u32(FLAGS, flags);
        }
    });
}

/// A comment as `nft` keeps it: type 0, length, text with a zero (libnftnl's udata.h).
fn comment(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len() + 1).unwrap_or(u8::MAX);
    let mut bytes = vec![0, length];
    bytes.extend(text.bytes().take(usize::from(length) - 1));
    bytes.push(0);
    bytes
}
