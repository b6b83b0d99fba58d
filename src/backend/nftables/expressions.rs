//! Rules as expressions of nf_tables: each loads into a register, compares it, or acts.

mod read;

pub(super) use read::read;

use super::intervals::Interval;
use super::rule::{Action, Field, Operand, Rule, Test};
use crate::config::families::Family;
use crate::netlink::{Attributes, family_number};
use crate::program::{ConnectionState, Protocol};

/// Writes the expressions of a rule: its tests, its counter, its actions.
pub(super) fn write(rule: &Rule, out: &mut Attributes) {
    let mut expressions = Expressions { out };
    rule.tests.iter().for_each(|test| expressions.test(test));
    if rule.counted {
        expressions.counter();
    }
    rule.actions.iter().for_each(|action| expressions.action(action));
}

/// The attribute that holds a value, in expressions and in elements of sets.
pub(super) const DATA_VALUE: u16 = 1;
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

/// What an immediate verdict says (linux/netfilter/nf_tables.h, linux/netfilter.h).
mod verdict {
    pub(super) const DROP: i32 = 0;
    pub(super) const ACCEPT: i32 = 1;
    pub(super) const JUMP: i32 = -3;
    pub(super) const RETURN: i32 = -5;
}

/// What a sender is told (linux/netfilter/nf_tables.h, linux/icmp.h, linux/icmpv6.h).
mod reject {
    use crate::backend::nftables::ruleset::TableFamily;

    /// `NFT_REJECT_TCP_RST`
    pub(super) const TCP_RESET: u32 = 1;

    /// The kind of the error and its code: `NFT_REJECT_ICMP_UNREACH` with `ICMP_PORT_UNREACH` or `ICMPV6_PORT_UNREACH`, or where both families are,
    /// `NFT_REJECT_ICMPX_UNREACH` with `NFT_REJECT_ICMPX_PORT_UNREACH`. A table of one family takes the latter too, and then
    /// only drops (net/ipv4/netfilter/nft_reject_ipv4.c).
    pub(super) fn port_unreachable(family: TableFamily) -> (u32, u8) {
        match family {
            TableFamily::Ip => (0, 3),
            TableFamily::Ip6 => (0, 4),
            TableFamily::Inet => (2, 1),
        }
    }
}

/// The list that expressions are added to.
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
        match action {
            Action::Return => self.verdict(verdict::RETURN, None),
            Action::Accept => self.verdict(verdict::ACCEPT, None),
            Action::Drop => self.verdict(verdict::DROP, None),
            Action::Reject(family) => {
                let (kind, code) = reject::port_unreachable(*family);
                self.expression("reject", |data| {
                    data.u32(1, kind).bytes(2, &[code]);
                });
            }
            Action::Reset => self.expression("reject", |data| {
                data.u32(1, reject::TCP_RESET);
            }),
            Action::Jump(chain) => self.verdict(verdict::JUMP, Some(chain)),
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

/// The number that stands for a protocol in IP headers (IANA).
fn protocol_number(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Icmpv6 => 58,
    }
}
