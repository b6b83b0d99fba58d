//! Who installed the rules: kept in the user data of a chain that no packet ever comes to.
//!
//! The kernel keeps 256 bytes with a chain (Linux 5.10 and later), in the form that `nft` reads: a type, a length, and
//! as many bytes. `nft list ruleset` shows the first part as the chain's comment.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::netlink::{attribute, text};

/// The chain's name.
pub(super) const CHAIN: &str = "installation";
/// `NFTA_CHAIN_USERDATA`
pub(super) const USER_DATA: u16 = 12;
/// What the kernel keeps (`NFT_USERDATA_MAXLEN`).
const LONGEST: usize = 256;

/// Room for the addresses of four servers, as text.
const MOST_RESOLVERS: usize = 120;

/// The parts, by their type. `nft` knows the comment and passes over the others.
mod part {
    pub(super) const COMMENT: u8 = 0;
    pub(super) const TIME: u8 = 0x80;
    pub(super) const DIGEST: u8 = 0x81;
    pub(super) const CONFIGURATION: u8 = 0x82;
    pub(super) const CUT_CONFIGURATION: u8 = 0x83;
    pub(super) const RESOLVERS: u8 = 0x84;
}

/// This program and its version.
pub(super) fn installer() -> String {
    format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))
}

/// Who installed the rules, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Record {
    /// The program and its version.
    pub installer: String,
    /// Seconds since 1970.
    pub time: u64,
    /// A digest of the rules as they were installed.
    pub digest: u64,
    /// The settings, as flags and variables.
    pub configuration: String,
    /// The DNS servers whose traffic is captured, between commas; empty when they are not asked for.
    pub resolvers: String,
    /// Are these all settings? They are cut where they do not fit.
    pub whole: bool,
}

impl Record {
    /// A record made now.
    pub fn now(configuration: String, resolvers: &[IpAddr]) -> Record {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        let resolvers = resolvers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        Record {
            installer: installer(),
            time: since.as_secs(),
            digest: 0,
            configuration,
            resolvers,
            whole: true,
        }
    }

    /// Did this version of the program write it?
    pub fn is_of_this_version(&self) -> bool {
        self.installer == installer()
    }

    /// As user data.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LONGEST);
        let mut part = |kind: u8, content: &[u8]| {
            bytes.push(kind);
            bytes.push(u8::try_from(content.len()).unwrap_or(u8::MAX));
            bytes.extend(content.iter().take(usize::from(u8::MAX)));
            bytes.len()
        };
        part(part::COMMENT, format!("{}\0", self.installer).as_bytes());
        part(part::TIME, &self.time.to_be_bytes());
        let mut used = part(part::DIGEST, &self.digest.to_be_bytes());
        // Many servers leave no room for the settings: then neither is whole.
        let servers_fit = self.resolvers.len() <= MOST_RESOLVERS;
        if servers_fit && !self.resolvers.is_empty() {
            used = part(part::RESOLVERS, self.resolvers.as_bytes());
        }
        let room = LONGEST - used - 2;
        let all = self.configuration.as_bytes();
        // Every setting is ASCII: a cut falls between characters.
        let (kind, fits) = match all.get(..room) {
            Some(fits) if all.len() > room => (part::CUT_CONFIGURATION, fits),
            _ if self.whole && servers_fit => (part::CONFIGURATION, all),
            _ => (part::CUT_CONFIGURATION, all),
        };
        part(kind, fits);
        bytes
    }

    /// Reads the record of a chain; nothing when the kernel has not kept it.
    pub(super) fn of_chain(payload: &[u8]) -> Option<Record> {
        Record::read(attribute(payload, USER_DATA)?)
    }

    fn read(mut bytes: &[u8]) -> Option<Record> {
        let mut record = Record {
            installer: String::new(),
            time: 0,
            digest: 0,
            configuration: String::new(),
            resolvers: String::new(),
            whole: false,
        };
        while let [kind, length, rest @ ..] = bytes {
            let content = rest.get(..usize::from(*length))?;
            let number = || Some(u64::from_be_bytes(content.try_into().ok()?));
            match *kind {
                part::COMMENT => record.installer = text(content),
                part::TIME => record.time = number()?,
                part::DIGEST => record.digest = number()?,
                part::CONFIGURATION => (record.configuration, record.whole) = (text(content), true),
                part::CUT_CONFIGURATION => record.configuration = text(content),
                part::RESOLVERS => record.resolvers = text(content),
                _ => {}
            }
            bytes = &rest[usize::from(*length)..];
        }
        Some(record)
    }
}

/// A digest (FNV-1a, eight bytes at a time): tells whether anybody has changed the rules since, by accident. Who may
/// change them may also change the record.
pub(super) fn digest(bytes: &[u8]) -> u64 {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    bytes.chunks(8).fold(OFFSET, |hash, chunk| {
        let number = chunk.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        (hash ^ number).wrapping_mul(PRIME)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read_and_what_does_not_fit_is_cut() {
        let record = Record { digest: 7, ..Record::now("-u 1337 -b *".to_owned(), &[[10, 0, 0, 1].into()]) };
        assert_eq!(Record::read(&record.bytes()), Some(record.clone()));
        let long = Record { configuration: "x".repeat(1000), ..record };
        let bytes = long.bytes();
        assert_eq!(bytes.len(), LONGEST);
        let read = Record::read(&bytes).unwrap();
        assert!(!read.whole && read.configuration.starts_with("xxx"));
    }

    #[test]
    fn garbage_is_no_record() {
        assert_eq!(Record::read(&[0x80, 200, 1]), None);
        assert_eq!(Record::read(&[0x80, 1, 1]), None);
    }
}
