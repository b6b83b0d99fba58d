//! The message format of nf_tables: headers, attributes, batches (linux/netlink.h, linux/netfilter/nf_tables.h).
//!
//! Pure: bytes in, bytes out. The back end writes messages, the kernel's socket sends and splits them.

pub mod log;

use crate::config::families::Family;

/// Message types of nf_tables.
pub mod message {
    /// Creates a table.
    pub const NEW_TABLE: u8 = 0;
    /// Asks for tables.
    pub const GET_TABLE: u8 = 1;
    /// Removes a table and everything in it.
    pub const DELETE_TABLE: u8 = 2;
    /// Creates a chain.
    pub const NEW_CHAIN: u8 = 3;
    /// Asks for chains.
    pub const GET_CHAIN: u8 = 4;
    /// Removes a chain.
    pub const DELETE_CHAIN: u8 = 5;
    /// Appends a rule.
    pub const NEW_RULE: u8 = 6;
    /// Asks for rules.
    pub const GET_RULE: u8 = 7;
    /// Removes a rule; without a handle, every rule of a chain.
    pub const DELETE_RULE: u8 = 8;
    /// Creates a set.
    pub const NEW_SET: u8 = 9;
    /// Asks for sets.
    pub const GET_SET: u8 = 10;
    /// Removes a set.
    pub const DELETE_SET: u8 = 11;
    /// Adds elements to a set.
    pub const NEW_SET_ELEMENT: u8 = 12;
    /// Asks for the elements of a set.
    pub const GET_SET_ELEMENT: u8 = 13;
    /// Asks which generation of rules is in force.
    pub const GET_GENERATION: u8 = 16;
}

/// The family of tables that see IPv4 and IPv6 (`NFPROTO_INET`).
pub const FAMILY_INET: u8 = 1;
/// `NFPROTO_UNSPEC`.
pub const FAMILY_ANY: u8 = 0;

/// The number of a family in netfilter (`NFPROTO_IPV4`, `NFPROTO_IPV6`).
pub fn family_number(family: Family) -> u8 {
    match family {
        Family::Ipv4 => 2,
        Family::Ipv6 => 10,
    }
}

const SUBSYSTEM_NFTABLES: u16 = 10;
/// `NFNL_MSG_BATCH_BEGIN` and `NFNL_MSG_BATCH_END`.
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;

/// Flags of a request (linux/netlink.h).
pub mod flag {
    /// Every request has it.
    pub const REQUEST: u16 = 0x1;
    /// Answer even when all went well.
    pub const ACK: u16 = 0x4;
    /// In an answer: the listing was overtaken by a change (`NLM_F_DUMP_INTR`).
    pub const INTERRUPTED: u16 = 0x10;
    /// List everything.
    pub const DUMP: u16 = 0x300;
    /// Fail when there is something in it (`NLM_F_NONREC`, of a removal).
    pub const ONLY_EMPTY: u16 = 0x100;
    /// Fail when it is there already.
    pub const EXCLUSIVE: u16 = 0x200;
    /// Make it when it is not there.
    pub const CREATE: u16 = 0x400;
    /// Put it behind the others.
    pub const APPEND: u16 = 0x800;
}

const NESTED: u16 = 0x8000;
/// Bytes of a netlink message header, and of nf_tables' own header behind it.
pub const HEADER: usize = 16;
const FAMILY_HEADER: usize = 4;
/// Bytes of an attribute's header.
pub const ATTRIBUTE_HEADER: usize = 4;
/// An attribute's length is a 16-bit number, its header included.
pub const LONGEST_ATTRIBUTE: usize = u16::MAX as usize;

/// Room for the longest rule that is written usually.
const USUAL_MESSAGE: usize = 1024;
/// Room for the transaction of an injected pod.
const USUAL_BATCH: usize = 16 * 1024;

/// An attribute would be longer than its 16-bit length field can say.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} does not fit into a netlink attribute of {LONGEST_ATTRIBUTE} bytes")]
pub struct TooLong {
    /// What was being written.
    pub what: String,
}

/// Writes attributes. Lengths that do not fit are remembered, not cut.
#[derive(Debug, Default)]
pub struct Attributes {
    bytes: Vec<u8>,
    too_long: bool,
}

impl Attributes {
    /// No attribute yet, and room for a usual message.
    pub fn new() -> Attributes {
        Attributes { bytes: Vec::with_capacity(USUAL_MESSAGE), too_long: false }
    }

    /// An attribute with these bytes.
    pub fn bytes(&mut self, kind: u16, payload: &[u8]) -> &mut Self {
        self.with(kind, |out| out.bytes.extend_from_slice(payload))
    }

    /// An attribute with a number in network byte order.
    pub fn u32(&mut self, kind: u16, number: u32) -> &mut Self {
        self.bytes(kind, &number.to_be_bytes())
    }

    /// An attribute with a text that a zero ends.
    pub fn text(&mut self, kind: u16, text: &str) -> &mut Self {
        self.with(kind, |out| {
            out.bytes.extend_from_slice(text.as_bytes());
            out.bytes.push(0);
        })
    }

    /// An attribute that holds attributes.
    pub fn nested(&mut self, kind: u16, write: impl FnOnce(&mut Attributes)) -> &mut Self {
        self.with(kind | NESTED, write)
    }

    /// What was written.
    pub fn written(&self) -> &[u8] {
        &self.bytes
    }

    /// How many bytes were written.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Was nothing written?
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Leaves room for the header, writes the content behind it, then the header: its length is known only now.
    fn with(&mut self, kind: u16, write: impl FnOnce(&mut Attributes)) -> &mut Self {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; ATTRIBUTE_HEADER]);
        write(self);
        match u16::try_from(self.bytes.len() - start) {
            Ok(length) => {
                self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
                self.bytes[start + 2..start + 4].copy_from_slice(&kind.to_ne_bytes());
            }
            Err(_) => self.too_long = true,
        }
        // Every attribute begins at a multiple of four (NLA_ALIGNTO).
        while !self.bytes.len().is_multiple_of(4) {
            self.bytes.push(0);
        }
        self
    }
}

/// Messages that take effect together, or not at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    bytes: Vec<u8>,
    /// What each message is about; its place is its sequence number.
    subjects: Vec<String>,
    /// Where the last message begins.
    last: usize,
}

impl Batch {
    /// Begins a batch.
    pub fn new() -> Batch {
        Batch::begin(&Attributes::default())
    }

    /// Begins a batch that the kernel takes only while this generation of rules is in force: it answers `ERESTART` when
    /// anything has changed since.
    pub fn for_generation(generation: u32) -> Batch {
        /// `NFNL_BATCH_GENID`
        const GENERATION: u16 = 1;
        let mut attributes = Attributes::default();
        attributes.u32(GENERATION, generation);
        Batch::begin(&attributes)
    }

    fn begin(attributes: &Attributes) -> Batch {
        let mut batch = Batch { bytes: Vec::with_capacity(USUAL_BATCH), ..Batch::default() };
        let payload = &attributes.bytes;
        batch.header("the beginning", BATCH_BEGIN, flag::REQUEST, FAMILY_ANY, SUBSYSTEM_NFTABLES, payload);
        batch
    }

    /// Adds a message about a table of this family. `subject` is what an error will name.
    ///
    /// # Errors
    /// When an attribute is too long.
    pub fn push(
        &mut self,
        family: u8,
        subject: String,
        kind: u8,
        flags: u16,
        attributes: &Attributes,
    ) -> Result<(), TooLong> {
        if attributes.too_long {
            return Err(TooLong { what: subject });
        }
        let kind = SUBSYSTEM_NFTABLES << 8 | u16::from(kind);
        self.header(&subject, kind, flags | flag::REQUEST, family, 0, &attributes.bytes);
        Ok(())
    }

    /// Ends the batch: from here on it can be sent. The last message asks for an answer, so that there is one to wait
    /// for when all goes well.
    #[must_use]
    pub fn finish(mut self) -> Batch {
        let flags = self.last + 6..self.last + 8;
        let with_answer =
            u16::from_ne_bytes([self.bytes[flags.start], self.bytes[flags.start + 1]]) | flag::ACK;
        self.bytes[flags].copy_from_slice(&with_answer.to_ne_bytes());
        self.header("the end", BATCH_END, flag::REQUEST, FAMILY_ANY, SUBSYSTEM_NFTABLES, &[]);
        self
    }

    /// The bytes to send.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What the message with this sequence number is about.
    pub fn subject(&self, sequence: u32) -> Option<&str> {
        self.subjects.get(usize::try_from(sequence).ok()?).map(String::as_str)
    }

    /// The sequence number of the message that is answered when all goes well: the last but the end.
    pub fn answered(&self) -> u32 {
        u32::try_from(self.subjects.len().saturating_sub(2)).unwrap_or(u32::MAX)
    }

    fn header(&mut self, subject: &str, kind: u16, flags: u16, family: u8, resource: u16, payload: &[u8]) {
        let sequence = u32::try_from(self.subjects.len()).unwrap_or(u32::MAX);
        self.subjects.push(subject.to_owned());
        self.last = self.bytes.len();
        write_message(&mut self.bytes, kind, flags, sequence, family, resource, payload);
    }
}

/// A request outside any batch, such as a listing.
pub fn request(kind: u8, flags: u16, family: u8, sequence: u32, attributes: &Attributes) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + FAMILY_HEADER + attributes.len());
    write_message(
        &mut bytes,
        SUBSYSTEM_NFTABLES << 8 | u16::from(kind),
        flags | flag::REQUEST,
        sequence,
        family,
        0,
        &attributes.bytes,
    );
    bytes
}

fn write_message(
    out: &mut Vec<u8>,
    kind: u16,
    flags: u16,
    sequence: u32,
    family: u8,
    resource: u16,
    payload: &[u8],
) {
    // Payloads are bounded by the 64 KiB of their attributes, far below 32 bits.
    let length = u32::try_from(HEADER + FAMILY_HEADER + payload.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_ne_bytes());
    out.extend_from_slice(&kind.to_ne_bytes());
    out.extend_from_slice(&flags.to_ne_bytes());
    out.extend_from_slice(&sequence.to_ne_bytes());
    out.extend_from_slice(&0u32.to_ne_bytes());
    out.extend_from_slice(&[family, 0]);
    out.extend_from_slice(&resource.to_be_bytes());
    out.extend_from_slice(payload);
}

/// A message that the kernel sent.
#[derive(Clone, Copy, Debug)]
pub struct Received<'a> {
    /// Its type.
    pub kind: u16,
    /// Its flags.
    pub flags: u16,
    /// Which request it answers.
    pub sequence: u32,
    /// What follows the header.
    pub payload: &'a [u8],
}

impl Received<'_> {
    /// Is it nf_tables' answer of this type?
    pub fn is(&self, kind: u8) -> bool {
        self.kind == SUBSYSTEM_NFTABLES << 8 | u16::from(kind)
    }
}

/// Splits what was received into messages. Bytes that are none end the walk.
pub fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Received<'_>> {
    std::iter::from_fn(move || {
        let header = bytes.get(..HEADER)?;
        let length =
            usize::try_from(u32::from_ne_bytes([header[0], header[1], header[2], header[3]])).ok()?;
        let payload = bytes.get(HEADER..length)?;
        let received = Received {
            kind: u16::from_ne_bytes([header[4], header[5]]),
            flags: u16::from_ne_bytes([header[6], header[7]]),
            sequence: u32::from_ne_bytes([header[8], header[9], header[10], header[11]]),
            payload,
        };
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(received)
    })
}

/// Splits a payload of nf_tables into its attributes: type and content.
pub fn attributes(payload: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    nested(payload.get(FAMILY_HEADER..).unwrap_or_default())
}

/// The low half of the generation that a listing's answer belongs to (`nfgenmsg.res_id`).
pub fn generation_of(payload: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes(payload.get(2..FAMILY_HEADER)?.try_into().ok()?))
}

/// The first attribute of this type in a payload of nf_tables.
pub fn attribute(payload: &[u8], wanted: u16) -> Option<&[u8]> {
    attributes(payload).find(|(kind, _)| *kind == wanted).map(|(_, content)| content)
}

/// A number in network byte order.
pub fn number(content: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(content.try_into().ok()?))
}

/// A text that a zero may end. What is no text, and what would command a terminal, is replaced by U+FFFD: names are printed,
/// and anybody's may be.
pub fn text(content: &[u8]) -> String {
    let text = String::from_utf8_lossy(content.strip_suffix(&[0]).unwrap_or(content));
    match text.contains(char::is_control) {
        true => text.replace(char::is_control, "\u{fffd}"),
        false => text.into_owned(),
    }
}

/// Splits the content of an attribute that holds attributes.
pub fn nested(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let header = bytes.get(..ATTRIBUTE_HEADER)?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let content = bytes.get(ATTRIBUTE_HEADER..length)?;
        let kind = u16::from_ne_bytes([header[2], header[3]]) & !NESTED;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, content))
    })
}

#[cfg(test)]
mod tests;
