//! Expressions of nf_tables read back into rules.
//!
//! Exact: whatever this program would not have written itself is an error, never a guess.

use super::super::intervals::Interval;
use super::super::rule::{Action, Field, Operand, Test};
use super::super::ruleset::TableFamily;
use super::{
    DATA_VALUE, DATA_VERDICT, EQUAL, NOT_EQUAL, REGISTER, VERDICT_REGISTER, key, reject, verdict, width,
};
use crate::backend::listing::Count;
use crate::config::families::Family;
use crate::netlink::{nested, number, text};
use crate::program::{ConnectionState, Protocol};

/// What a rule's expressions say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Meaning {
    /// The tests.
    pub(in super::super) tests: Vec<Test>,
    /// Packets and bytes, if it counts.
    pub(in super::super) counted: Option<Count>,
    /// What is done.
    pub(in super::super) actions: Vec<Action>,
}

/// Reads the expressions of a rule.
pub(in super::super) fn read(expressions: &[u8]) -> Result<Meaning, String> {
    const ELEMENT: u16 = 1;
    const NAME: u16 = 1;
    const DATA: u16 = 2;
    let mut reader = Reader { meaning: Meaning::default(), register: Register::Nothing };
    for (kind, element) in nested(expressions) {
        let part = |wanted| nested(element).find(|(kind, _)| *kind == wanted).map(|(_, bytes)| bytes);
        let name = part(NAME).filter(|_| kind == ELEMENT).map(text).unwrap_or_default();
        let data = Data { name: &name, all: nested(part(DATA).unwrap_or_default()).collect() };
        reader.expression(&data).ok_or_else(|| format!("an expression {name:?} that is not ours"))?;
    }
    match reader.register {
        Register::Nothing => Ok(reader.meaning),
        _ => Err("a value that is loaded and not used".to_owned()),
    }
}

/// The attributes of an expression.
struct Data<'a> {
    name: &'a str,
    all: Vec<(u16, &'a [u8])>,
}

impl<'a> Data<'a> {
    fn bytes(&self, wanted: u16) -> Option<&'a [u8]> {
        self.all.iter().find(|(kind, _)| *kind == wanted).map(|(_, bytes)| *bytes)
    }

    fn number(&self, wanted: u16) -> Option<u32> {
        number(self.bytes(wanted)?)
    }

    /// The bytes of a value inside an attribute.
    fn value(&self, wanted: u16) -> Option<&'a [u8]> {
        nested(self.bytes(wanted)?).find(|(kind, _)| *kind == DATA_VALUE).map(|(_, bytes)| bytes)
    }

    /// Are these all attributes, and everything goes through the one register?
    fn has_only(&self, kinds: &[u16]) -> bool {
        self.all.iter().all(|(kind, _)| kinds.contains(kind))
    }

    /// Nothing when the attribute is there and says anything else.
    fn is(&self, wanted: u16, value: u32) -> Option<()> {
        (self.number(wanted)? == value).then_some(())
    }

    /// Likewise, but it may be missing.
    fn is_if_there(&self, wanted: u16, value: u32) -> Option<()> {
        match self.bytes(wanted) {
            None => Some(()),
            Some(_) => self.is(wanted, value),
        }
    }
}

/// What the expressions so far have left in the register.
enum Register {
    Nothing,
    Field(Field),
    Masked(Field, Vec<u8>),
    Value(Vec<u8>),
}

struct Reader {
    meaning: Meaning,
    register: Register,
}

impl Reader {
    /// Nothing when it is not an expression of ours, or not at this place.
    fn expression(&mut self, data: &Data<'_>) -> Option<()> {
        let has_acted = !self.meaning.actions.is_empty();
        match data.name {
            "meta" | "ct" => self.key(data),
            "payload" if !has_acted => self.payload(data),
            "bitwise" => self.bitwise(data),
            "cmp" | "range" | "lookup" if !has_acted => self.test(data),
            "counter" if !has_acted && self.meaning.counted.is_none() => self.counter(data),
            "immediate" => self.immediate(data),
            "redir" => self.redirect(data),
            "tproxy" => self.tproxy(data),
            "reject" => self.reject(data),
            _ => None,
        }
    }

    fn load(&mut self, field: Field) -> Option<()> {
        match self.register {
            Register::Nothing => {
                self.register = Register::Field(field);
                Some(())
            }
            _ => None,
        }
    }

    fn take(&mut self) -> Register {
        std::mem::replace(&mut self.register, Register::Nothing)
    }

    fn payload(&mut self, data: &Data<'_>) -> Option<()> {
        data.is(1, REGISTER)?;
        let place = (data.number(2)?, data.number(3)?, data.number(4)?);
        let field = match place {
            (1, 12, 4) => Field::Source(Family::Ipv4),
            (1, 16, 4) => Field::Destination(Family::Ipv4),
            (1, 8, 16) => Field::Source(Family::Ipv6),
            (1, 24, 16) => Field::Destination(Family::Ipv6),
            (2, 0, 2) => Field::SourcePort,
            (2, 2, 2) => Field::DestinationPort,
            (2, 0, 1) => Field::Icmpv6Type,
            _ => return None,
        };
        if data.has_only(&[1, 2, 3, 4]) { self.load(field) } else { None }
    }

    /// `meta` and `ct` load by the attributes 1 and 2, and store by 3 or 4.
    fn key(&mut self, data: &Data<'_>) -> Option<()> {
        let (is_meta, key) = (data.name == "meta", data.number(2)?);
        let store = if is_meta { 3 } else { 4 };
        if data.bytes(store).is_some() {
            data.is(store, REGISTER)?;
            return if data.has_only(&[2, store]) { self.store(is_meta, key) } else { None };
        }
        data.is(1, REGISTER)?;
        if !data.has_only(&[1, 2]) {
            return None;
        }
        let field = match (is_meta, key) {
            (true, key::META_FAMILY) => Field::Family,
            (true, key::META_PROTOCOL) => Field::Protocol,
            (true, key::META_IN_NAME) => Field::InInterface,
            (true, key::META_OUT_NAME) => Field::OutInterface,
            (true, key::META_UID) => Field::Uid,
            (true, key::META_GID) => Field::Gid,
            (true, key::META_MARK) => Field::Mark,
            (false, key::CT_MARK) => Field::ConnectionMark,
            (false, key::CT_STATE) => Field::State,
            _ => return None,
        };
        self.load(field)
    }

    fn store(&mut self, is_meta: bool, key: u32) -> Option<()> {
        let action = match (is_meta, key, self.take()) {
            (true, key::META_MARK, Register::Value(value)) => {
                Action::SetMark(u32::from_ne_bytes(value.try_into().ok()?))
            }
            (true, key::META_MARK, Register::Field(Field::ConnectionMark)) => Action::RestoreMark,
            (false, key::CT_MARK, Register::Field(Field::Mark)) => Action::SaveMark,
            (false, key::CT_ZONE, Register::Value(value)) => {
                Action::SetZone(u16::from_ne_bytes(value.try_into().ok()?))
            }
            _ => return None,
        };
        self.meaning.actions.push(action);
        Some(())
    }

    fn bitwise(&mut self, data: &Data<'_>) -> Option<()> {
        const AND_XOR: u32 = 0;
        data.is(1, REGISTER)?;
        data.is(2, REGISTER)?;
        data.is_if_there(6, AND_XOR)?;
        let (mask, xor) = (data.value(4)?, data.value(5)?);
        match self.take() {
            Register::Field(field)
                if data.has_only(&[1, 2, 3, 4, 5, 6])
                    && xor.iter().all(|byte| *byte == 0)
                    && mask.len() == width(field) =>
            {
                self.register = Register::Masked(field, mask.to_vec());
                Some(())
            }
            _ => None,
        }
    }

    fn test(&mut self, data: &Data<'_>) -> Option<()> {
        let register = self.take();
        let test = match data.name {
            "lookup" => looked_up(data, register)?,
            "range" => in_range(data, register)?,
            _ => compared(data, register)?,
        };
        self.meaning.tests.push(test);
        Some(())
    }

    fn counter(&mut self, data: &Data<'_>) -> Option<()> {
        let number = |kind| Some(u64::from_be_bytes(data.bytes(kind)?.try_into().ok()?));
        self.meaning.counted = Some(Count { bytes: number(1)?, packets: number(2)? });
        Some(())
    }

    fn immediate(&mut self, data: &Data<'_>) -> Option<()> {
        if !data.has_only(&[1, 2]) || !matches!(self.register, Register::Nothing) {
            return None;
        }
        if data.number(1)? == REGISTER {
            self.register = Register::Value(data.value(2)?.to_vec());
            return Some(());
        }
        data.is(1, VERDICT_REGISTER)?;
        let verdict_data = nested(data.bytes(2)?).find(|(kind, _)| *kind == DATA_VERDICT)?.1;
        let part = |wanted| nested(verdict_data).find(|(kind, _)| *kind == wanted).map(|(_, bytes)| bytes);
        let code = i32::from_be_bytes(part(1)?.try_into().ok()?);
        self.meaning.actions.push(match (code, part(2)) {
            (verdict::JUMP, Some(chain)) => Action::Jump(text(chain)),
            (verdict::RETURN, None) => Action::Return,
            (verdict::ACCEPT, None) => Action::Accept,
            (verdict::DROP, None) => Action::Drop,
            _ => return None,
        });
        Some(())
    }

    /// The kernel adds the last port of the range, and the flag that says that there is one.
    fn redirect(&mut self, data: &Data<'_>) -> Option<()> {
        /// `NF_NAT_RANGE_PROTO_SPECIFIED`
        const HAS_PORT: u32 = 2;
        data.is(1, REGISTER)?;
        data.is_if_there(2, REGISTER)?;
        data.is_if_there(3, HAS_PORT)?;
        let port = self.port()?;
        self.meaning.actions.push(Action::Redirect(port));
        data.has_only(&[1, 2, 3]).then_some(())
    }

    fn reject(&mut self, data: &Data<'_>) -> Option<()> {
        if data.number(1)? == reject::TCP_RESET {
            // The kernel shows the code that such a rule has no use for.
            self.meaning.actions.push(Action::Reset);
            return data.has_only(&[1, 2]).then_some(());
        }
        let said = (data.number(1)?, *data.bytes(2)?.first()?);
        let family = TableFamily::ALL.into_iter().find(|it| reject::port_unreachable(*it) == said)?;
        self.meaning.actions.push(Action::Reject(family));
        data.has_only(&[1, 2]).then_some(())
    }

    fn tproxy(&mut self, data: &Data<'_>) -> Option<()> {
        data.is(3, REGISTER)?;
        let family = match data.number(1)? {
            0 => None,
            2 => Some(Family::Ipv4),
            10 => Some(Family::Ipv6),
            _ => return None,
        };
        let port = self.port()?;
        self.meaning.actions.push(Action::Tproxy { family, port });
        data.has_only(&[1, 3]).then_some(())
    }

    fn port(&mut self) -> Option<u16> {
        match self.take() {
            Register::Value(value) => Some(u16::from_be_bytes(value.try_into().ok()?)),
            _ => None,
        }
    }
}

fn looked_up(data: &Data<'_>, register: Register) -> Option<Test> {
    const INVERTED: u32 = 1;
    data.is(2, REGISTER)?;
    let flags = data.number(5).unwrap_or(0);
    match register {
        Register::Field(field) if data.has_only(&[1, 2, 5]) && flags <= INVERTED => {
            Some(Test { field, negated: flags == INVERTED, operand: Operand::Set(text(data.bytes(1)?)) })
        }
        _ => None,
    }
}

fn in_range(data: &Data<'_>, register: Register) -> Option<Test> {
    data.is(1, REGISTER)?;
    let negated = negated(data.number(2)?)?;
    let end = |kind| data.value(kind).map(network_number);
    match register {
        Register::Field(field) if data.has_only(&[1, 2, 3, 4]) => {
            let operand = Operand::Range(Interval { first: end(3)?, last: end(4)? });
            Some(Test { field, negated, operand })
        }
        _ => None,
    }
}

fn compared(data: &Data<'_>, register: Register) -> Option<Test> {
    data.is(1, REGISTER)?;
    let negated = negated(data.number(2)?)?;
    let value = data.value(3)?;
    if !data.has_only(&[1, 2, 3]) {
        return None;
    }
    match register {
        Register::Field(field) => Some(Test { field, negated, operand: operand(field, value)? }),
        Register::Masked(Field::State, mask) => {
            let state = match u32::from_ne_bytes(mask.try_into().ok()?) {
                1 => ConnectionState::Invalid,
                6 => ConnectionState::EstablishedOrRelated,
                _ => return None,
            };
            // Any of the bits: the comparison is with none of them.
            let none = value.iter().all(|byte| *byte == 0);
            none.then_some(Test { field: Field::State, negated: !negated, operand: Operand::State(state) })
        }
        Register::Masked(field @ (Field::Source(_) | Field::Destination(_)), mask) => {
            let (mask, bits) = (network_number(&mask), u32::try_from(mask.len() * 8).ok()?);
            let length = (mask << (128 - bits)).leading_ones();
            let is_prefix = (mask << (128 - bits)).checked_shl(length).unwrap_or(0) == 0;
            let operand = Operand::Prefix { first: network_number(value), length };
            (is_prefix && value.len() == width(field)).then_some(Test { field, negated, operand })
        }
        _ => None,
    }
}

fn operand(field: Field, value: &[u8]) -> Option<Operand> {
    Some(match (field, value) {
        (Field::Family, [2]) => Operand::Family(Family::Ipv4),
        (Field::Family, [10]) => Operand::Family(Family::Ipv6),
        (Field::Protocol, [6]) => Operand::Protocol(Protocol::Tcp),
        (Field::Protocol, [17]) => Operand::Protocol(Protocol::Udp),
        (Field::Protocol, [58]) => Operand::Protocol(Protocol::Icmpv6),
        (Field::SourcePort | Field::DestinationPort, [_, _]) | (Field::Icmpv6Type, [_]) => {
            Operand::Number(u32::try_from(network_number(value)).ok()?)
        }
        (Field::Uid | Field::Gid | Field::Mark | Field::ConnectionMark, _) => {
            Operand::Number(u32::from_ne_bytes(value.try_into().ok()?))
        }
        // A whole name fills its field; what is shorter is compared with the beginning.
        (Field::InInterface | Field::OutInterface, _) if value.len() == width(field) => {
            let end = value.iter().position(|byte| *byte == 0)?;
            let padded = value[end..].iter().all(|byte| *byte == 0);
            Operand::Name(interface(&value[..end]).filter(|_| padded)?)
        }
        (Field::InInterface | Field::OutInterface, _) => Operand::NamePrefix(interface(value)?),
        _ => return None,
    })
}

/// A name that could be ours: it is shown between quotes.
fn interface(bytes: &[u8]) -> Option<String> {
    let name = String::from_utf8(bytes.to_vec()).ok()?;
    (!name.contains(|c: char| c.is_control() || c == '"')).then_some(name)
}

fn negated(comparison: u32) -> Option<bool> {
    match comparison {
        EQUAL => Some(false),
        NOT_EQUAL => Some(true),
        _ => None,
    }
}

/// A number of up to 128 bits in network byte order.
fn network_number(bytes: &[u8]) -> u128 {
    bytes.iter().take(16).fold(0, |number, byte| number << 8 | u128::from(*byte))
}
