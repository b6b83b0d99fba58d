//! The ruleset as netlink messages: one batch, one transaction.

use super::intervals::Interval;
use super::ruleset::{Action, Chain, Field, Operand, Rule, Ruleset, Set, SetType, Test};
use super::translate::protocol_number;
use super::wire::{
    Attributes, Batch, LONGEST_ATTRIBUTE, TooLong, family_number, flag, in_our_table, message,
};
use crate::config::families::Family;
use crate::kernel::ListedChain;
use crate::program::{ConnectionState, Hook};

/// Writes the transaction that puts the ruleset into the kernel. With `replaces`, our table is removed in the same
/// transaction: at every instant either the old or the new rules are complete.
///
/// # Errors
/// When something does not fit into an attribute.
pub fn encode(ruleset: &Ruleset, replaces: bool) -> Result<Batch, TooLong> {
    let mut batch = Batch::new();
    if replaces {
        batch.push("the old table".into(), message::DELETE_TABLE, 0, &in_our_table())?;
    }
    batch.push("the table".into(), message::NEW_TABLE, flag::CREATE | flag::EXCLUSIVE, &in_our_table())?;
    for (set, id) in ruleset.sets.iter().zip(1..) {
        new_set(&mut batch, set, id)?;
    }
    // Every chain before every rule: rules jump.
    for chain in &ruleset.chains {
        new_chain(&mut batch, chain)?;
    }
    for chain in &ruleset.chains {
        for rule in &chain.rules {
            new_rule(&mut batch, chain, rule)?;
        }
    }
    Ok(batch.finish())
}

/// Writes the transaction that removes our table.
///
/// # Errors
/// Never: the name fits.
pub fn encode_removal() -> Result<Batch, TooLong> {
    let mut batch = Batch::new();
    batch.push("the table".into(), message::DELETE_TABLE, 0, &in_our_table())?;
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
        batch.push_for(chain.family, subject, message::DELETE_CHAIN, flag::ONLY_EMPTY, &attributes)?;
    }
    for (family, table) in emptied {
        let mut attributes = Attributes::default();
        attributes.text(TABLE_NAME, table);
        let subject = format!("the table {table}");
        batch.push_for(*family, subject, message::DELETE_TABLE, flag::ONLY_EMPTY, &attributes)?;
    }
    Ok(batch.finish())
}

/// Attributes of tables and chains.
const TABLE_NAME: u16 = 1;
const CHAIN_NAME: u16 = 3;

fn new_set(batch: &mut Batch, set: &Set, id: u32) -> Result<(), TooLong> {
    const NAME: u16 = 2;
    const FLAGS: u16 = 3;
    const KEY_TYPE: u16 = 4;
    const KEY_LENGTH: u16 = 5;
    const ID: u16 = 10;
    const CONSTANT: u32 = 0x2;
    const INTERVAL: u32 = 0x4;
    let flags = if set.kind.has_intervals() { CONSTANT | INTERVAL } else { CONSTANT };
    let mut attributes = in_our_table();
    attributes
        .text(NAME, &set.name)
        .u32(FLAGS, flags)
        .u32(KEY_TYPE, datatype(set.kind))
        .u32(KEY_LENGTH, set.kind.bits() / 8)
        .u32(ID, id);
    batch.push(
        format!("the set {}", set.name),
        message::NEW_SET,
        flag::CREATE | flag::EXCLUSIVE,
        &attributes,
    )?;
    elements(batch, set)
}

/// What `nft` calls the type of a set's elements (its `enum datatypes`); the kernel keeps the number and shows it.
fn datatype(kind: SetType) -> u32 {
    match kind {
        SetType::Ipv4 => 7,
        SetType::Ipv6 => 8,
        SetType::Port => 13,
        SetType::Uid => 24,
        SetType::Gid => 25,
        SetType::Icmpv6Type => 29,
    }
}

/// One attribute holds all elements of a message, and has to stay below 64 KiB: long sets take several messages.
fn elements(batch: &mut Batch, set: &Set) -> Result<(), TooLong> {
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
        batch.push(subject, message::NEW_SET_ELEMENT, flag::CREATE, &attributes)?;
        rest = &rest[taken..];
    }
    Ok(())
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
            key.bytes(DATA_VALUE, &key_bytes(kind, number));
        });
        if flags != 0 {
            element.u32(FLAGS, flags);
        }
    });
}

/// Ids are compared in the byte order of the host, everything else in that of the network.
fn key_bytes(kind: SetType, number: u128) -> Vec<u8> {
    let network = number.to_be_bytes();
    let bytes = &network[16 - kind.bits() as usize / 8..];
    match kind {
        SetType::Uid | SetType::Gid if cfg!(target_endian = "little") => {
            bytes.iter().rev().copied().collect()
        }
        _ => bytes.to_vec(),
    }
}

fn new_chain(batch: &mut Batch, chain: &Chain) -> Result<(), TooLong> {
    const HOOK: u16 = 4;
    const POLICY: u16 = 5;
    const TYPE: u16 = 7;
    const HOOK_NUMBER: u16 = 1;
    const HOOK_PRIORITY: u16 = 2;
    const POLICY_ACCEPT: u32 = 1;
    let mut attributes = in_our_table();
    attributes.text(CHAIN_NAME, &chain.name);
    if let Some(base) = chain.base {
        let number = match base.hook {
            Hook::Prerouting => 0,
            Hook::Output => 3,
        };
        attributes
            .nested(HOOK, |hook| {
                hook.u32(HOOK_NUMBER, number).bytes(HOOK_PRIORITY, &base.priority().to_be_bytes());
            })
            .u32(POLICY, POLICY_ACCEPT)
            .text(TYPE, base.kind());
    }
    let subject = format!("the chain {}", chain.name);
    batch.push(subject, message::NEW_CHAIN, flag::CREATE | flag::EXCLUSIVE, &attributes)
}

fn new_rule(batch: &mut Batch, chain: &Chain, rule: &Rule) -> Result<(), TooLong> {
    const CHAIN: u16 = 2;
    const EXPRESSIONS: u16 = 4;
    const USER_DATA: u16 = 7;
    let mut attributes = in_our_table();
    attributes
        .text(CHAIN, &chain.name)
        .nested(EXPRESSIONS, |out| {
            let mut expressions = Expressions { out };
            rule.tests.iter().for_each(|test| expressions.test(test));
            if rule.counted {
                expressions.counter();
            }
            rule.actions.iter().for_each(|action| expressions.action(action));
        })
        .bytes(USER_DATA, &comment(&rule.comment));
    let subject = format!("the rule \"{}\" of the chain {}", rule.comment, chain.name);
    batch.push(subject, message::NEW_RULE, flag::CREATE | flag::APPEND, &attributes)
}

/// A comment as `nft` keeps it: type 0, length, text with a zero (libnftnl's udata.h).
fn comment(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len() + 1).unwrap_or(u8::MAX);
    let mut bytes = vec![0, length];
    bytes.extend(text.bytes().take(usize::from(length) - 1));
    bytes.push(0);
    bytes
}

const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
/// The register that a verdict goes to, and the one that everything else goes through.
const VERDICT_REGISTER: u32 = 0;
const REGISTER: u32 = 1;
const EQUAL: u32 = 0;
const NOT_EQUAL: u32 = 1;

/// Keys of the meta and ct expressions.
mod key {
    pub(super) const META_MARK: u32 = 3;
    pub(super) const META_IN_NAME: u32 = 6;
    pub(super) const META_OUT_NAME: u32 = 7;
    pub(super) const META_UID: u32 = 10;
    pub(super) const META_GID: u32 = 11;
    pub(super) const META_FAMILY: u32 = 15;
    pub(super) const META_PROTOCOL: u32 = 16;
    pub(super) const CT_STATE: u32 = 0;
    pub(super) const CT_MARK: u32 = 3;
    pub(super) const CT_ZONE: u32 = 17;
}

/// Writes the expressions of a rule: each loads into a register, compares it, or acts.
struct Expressions<'a> {
    out: &'a mut Attributes,
}

impl Expressions<'_> {
    fn expression(&mut self, name: &str, write: impl FnOnce(&mut Attributes)) {
        const ELEMENT: u16 = 1;
        const NAME: u16 = 1;
        const DATA: u16 = 2;
        self.out.nested(ELEMENT, |element| {
            element.text(NAME, name).nested(DATA, write);
        });
    }

    fn test(&mut self, test: &Test) {
        self.load(test.field);
        let comparison = if test.negated { NOT_EQUAL } else { EQUAL };
        match &test.operand {
            Operand::Family(family) => self.compare(comparison, &[family_number(*family)]),
            Operand::Protocol(protocol) => self.compare(comparison, &[protocol_number(*protocol)]),
            Operand::Number(number) => self.compare(comparison, &number_bytes(test.field, *number)),
            Operand::Prefix { first, length } => {
                let width = width(test.field);
                self.keep_bits(&prefix_mask(width, *length), width);
                self.compare(comparison, &tail(*first, width));
            }
            Operand::Range(range) => self.range(comparison, test.field, *range),
            Operand::Set(name) => self.look_up(name, test.negated),
            Operand::Name(name) => {
                let mut bytes = [0; 16];
                bytes[..name.len()].copy_from_slice(name.as_bytes());
                self.compare(comparison, &bytes);
            }
            Operand::NamePrefix(name) => self.compare(comparison, name.as_bytes()),
            Operand::State(state) => {
                let bits: u32 = match state {
                    ConnectionState::Invalid => 1,
                    ConnectionState::EstablishedOrRelated => 2 | 4,
                };
                self.keep_bits(&bits.to_ne_bytes(), 4);
                let comparison = if test.negated { EQUAL } else { NOT_EQUAL };
                self.compare(comparison, &[0; 4]);
            }
        }
    }

    fn load(&mut self, field: Field) {
        const NETWORK: u32 = 1;
        const TRANSPORT: u32 = 2;
        match field {
            Field::Family => self.load_key("meta", key::META_FAMILY),
            Field::Protocol => self.load_key("meta", key::META_PROTOCOL),
            Field::InInterface => self.load_key("meta", key::META_IN_NAME),
            Field::OutInterface => self.load_key("meta", key::META_OUT_NAME),
            Field::Uid => self.load_key("meta", key::META_UID),
            Field::Gid => self.load_key("meta", key::META_GID),
            Field::Mark => self.load_key("meta", key::META_MARK),
            Field::ConnectionMark => self.load_key("ct", key::CT_MARK),
            Field::State => self.load_key("ct", key::CT_STATE),
            Field::Source(Family::Ipv4) => self.load_payload(NETWORK, 12, 4),
            Field::Destination(Family::Ipv4) => self.load_payload(NETWORK, 16, 4),
            Field::Source(Family::Ipv6) => self.load_payload(NETWORK, 8, 16),
            Field::Destination(Family::Ipv6) => self.load_payload(NETWORK, 24, 16),
            Field::SourcePort => self.load_payload(TRANSPORT, 0, 2),
            Field::DestinationPort => self.load_payload(TRANSPORT, 2, 2),
            Field::Icmpv6Type => self.load_payload(TRANSPORT, 0, 1),
        }
    }

    /// Both expressions number their attributes alike: 1 is the register, 2 the key.
    fn load_key(&mut self, expression: &str, key: u32) {
        self.expression(expression, |data| {
            data.u32(1, REGISTER).u32(2, key);
        });
    }

    fn load_payload(&mut self, base: u32, offset: u32, length: u32) {
        self.expression("payload", |data| {
            data.u32(1, REGISTER).u32(2, base).u32(3, offset).u32(4, length);
        });
    }

    fn compare(&mut self, comparison: u32, bytes: &[u8]) {
        self.expression("cmp", |data| {
            data.u32(1, REGISTER).u32(2, comparison).nested(3, |value| {
                value.bytes(DATA_VALUE, bytes);
            });
        });
    }

    fn keep_bits(&mut self, mask: &[u8], width: usize) {
        self.expression("bitwise", |data| {
            data.u32(1, REGISTER).u32(2, REGISTER).u32(3, u32::try_from(width).unwrap_or(u32::MAX));
            data.nested(4, |value| {
                value.bytes(DATA_VALUE, mask);
            });
            data.nested(5, |value| {
                value.bytes(DATA_VALUE, &vec![0; width]);
            });
        });
    }

    fn range(&mut self, comparison: u32, field: Field, range: Interval) {
        let width = width(field);
        self.expression("range", |data| {
            data.u32(1, REGISTER).u32(2, comparison);
            data.nested(3, |value| {
                value.bytes(DATA_VALUE, &tail(range.first, width));
            });
            data.nested(4, |value| {
                value.bytes(DATA_VALUE, &tail(range.last, width));
            });
        });
    }

    fn look_up(&mut self, set: &str, negated: bool) {
        const INVERTED: u32 = 1;
        self.expression("lookup", |data| {
            data.text(1, set).u32(2, REGISTER);
            if negated {
                data.u32(5, INVERTED);
            }
        });
    }

    fn counter(&mut self) {
        self.expression("counter", |data| {
            data.bytes(1, &0u64.to_be_bytes()).bytes(2, &0u64.to_be_bytes());
        });
    }

    fn action(&mut self, action: &Action) {
        /// nf_tables' own verdicts, next to netfilter's drop (0) and accept (1).
        const JUMP: i32 = -3;
        const RETURN: i32 = -5;
        match action {
            Action::Return => self.verdict(RETURN, None),
            Action::Accept => self.verdict(1, None),
            Action::Drop => self.verdict(0, None),
            Action::Jump(chain) => self.verdict(JUMP, Some(chain)),
            Action::Redirect(port) => {
                self.immediate(&port.to_be_bytes());
                self.expression("redir", |data| {
                    data.u32(1, REGISTER);
                });
            }
            Action::Tproxy { family, port } => {
                self.immediate(&port.to_be_bytes());
                let family = family.map_or(0, |family| u32::from(family_number(family)));
                self.expression("tproxy", |data| {
                    data.u32(1, family).u32(3, REGISTER);
                });
            }
            Action::SetMark(mark) => {
                self.immediate(&mark.to_ne_bytes());
                self.store_key("meta", 3, key::META_MARK);
            }
            Action::SaveMark => {
                self.load_key("meta", key::META_MARK);
                self.store_key("ct", 4, key::CT_MARK);
            }
            Action::RestoreMark => {
                self.load_key("ct", key::CT_MARK);
                self.store_key("meta", 3, key::META_MARK);
            }
            Action::SetZone(zone) => {
                self.immediate(&zone.to_ne_bytes());
                self.store_key("ct", 4, key::CT_ZONE);
            }
        }
    }

    fn store_key(&mut self, expression: &str, register_attribute: u16, key: u32) {
        self.expression(expression, |data| {
            data.u32(2, key).u32(register_attribute, REGISTER);
        });
    }

    fn immediate(&mut self, bytes: &[u8]) {
        self.expression("immediate", |data| {
            data.u32(1, REGISTER).nested(2, |value| {
                value.bytes(DATA_VALUE, bytes);
            });
        });
    }

    fn verdict(&mut self, code: i32, chain: Option<&str>) {
        self.expression("immediate", |data| {
            data.u32(1, VERDICT_REGISTER).nested(2, |value| {
                value.nested(DATA_VERDICT, |verdict| {
                    verdict.bytes(1, &code.to_be_bytes());
                    if let Some(chain) = chain {
                        verdict.text(2, chain);
                    }
                });
            });
        });
    }
}

/// How many bytes a field has in the packet.
fn width(field: Field) -> usize {
    match field {
        Field::Source(Family::Ipv4) | Field::Destination(Family::Ipv4) => 4,
        Field::Source(Family::Ipv6) | Field::Destination(Family::Ipv6) => 16,
        Field::SourcePort | Field::DestinationPort => 2,
        Field::Family | Field::Protocol | Field::Icmpv6Type => 1,
        Field::InInterface | Field::OutInterface => 16,
        Field::Uid | Field::Gid | Field::Mark | Field::ConnectionMark | Field::State => 4,
    }
}

/// What comes from the packet is in network byte order, what comes from the kernel in the host's.
fn number_bytes(field: Field, number: u32) -> Vec<u8> {
    match field {
        Field::SourcePort | Field::DestinationPort | Field::Icmpv6Type => tail(number.into(), width(field)),
        _ => number.to_ne_bytes().to_vec(),
    }
}

/// The last bytes of a number in network byte order.
fn tail(number: u128, width: usize) -> Vec<u8> {
    number.to_be_bytes()[16 - width..].to_vec()
}

fn prefix_mask(width: usize, length: u32) -> Vec<u8> {
    let bits = width as u32 * 8;
    let host_bits = bits.saturating_sub(length);
    let mask = u128::MAX.checked_shl(host_bits).unwrap_or(0);
    tail(mask, width)
}
