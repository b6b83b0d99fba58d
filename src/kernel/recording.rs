//! A kernel for tests: it records what is done, holds it as far as the tests need, and fails when it is told to.

use std::io;
use std::net::IpAddr;

use super::{Error, Finished, Kernel, ListedChain, Refused, RoutingItem};
use crate::config::families::Family;
use crate::netlink::{Attributes, Batch, attribute, message, messages, text};

#[derive(Default)]
pub(crate) struct Recording {
    pub(crate) log: Vec<String>,
    pub(crate) chains: Vec<ListedChain>,
    pub(crate) no_nf_tables: bool,
    /// What transactions have made in nf_tables: type and payload.
    pub(crate) objects: Vec<(u8, Vec<u8>)>,
    pub(crate) routing: Vec<RoutingItem>,
    pub(crate) legacy_tables: Vec<String>,
    /// What each call of a program answers, first call first; afterwards all go well.
    pub(crate) answers: Vec<Finished>,
    /// The subject of a transaction's message that is refused, and the error number.
    pub(crate) refuses: Option<(&'static str, i32)>,
    /// Is the answer to a transaction lost? It is carried out all the same.
    pub(crate) loses_answers: bool,
    /// The routing item that cannot be added.
    pub(crate) fails_at: Option<RoutingItem>,
}

impl Recording {
    /// Removes what a message names: a table with everything in it, a chain, a set, or the rules of a chain.
    fn forget(&mut self, kind: u8, payload: &[u8]) {
        let same = |other: &[u8], part: u16| {
            attribute(other, part).map(text) == attribute(payload, part).map(text)
                && other.first() == payload.first()
        };
        self.objects.retain(|(of, other)| {
            let named = match kind {
                message::DELETE_TABLE => true,
                message::DELETE_CHAIN => *of == message::NEW_CHAIN && same(other, 3),
                message::DELETE_RULE => *of == message::NEW_RULE && same(other, 2),
                message::DELETE_SET => {
                    matches!(*of, message::NEW_SET | message::NEW_SET_ELEMENT) && same(other, 2)
                }
                _ => false,
            };
            !(named && same(other, 1))
        });
    }
}

impl Kernel for Recording {
    fn addresses(&mut self) -> Result<Vec<IpAddr>, Error> {
        Ok(vec![IpAddr::from([10, 0, 0, 2])])
    }

    fn chains(&mut self) -> Result<Vec<ListedChain>, Error> {
        if self.no_nf_tables {
            return Err(Error::NoNfTables(io::Error::from_raw_os_error(nix::libc::EPROTONOSUPPORT)));
        }
        let made = self.objects.iter().filter(|(kind, _)| *kind == message::NEW_CHAIN);
        Ok(self.chains.iter().cloned().chain(made.filter_map(|(_, it)| ListedChain::read(it))).collect())
    }

    fn generation(&mut self) -> Result<u32, Error> {
        Ok(0)
    }

    fn list(&mut self, kind: u8, family: u8, attributes: &Attributes) -> Result<Vec<Vec<u8>>, Error> {
        let wanted = [&[0; 4], attributes.written()].concat();
        let has_all = |payload: &[u8]| {
            crate::netlink::attributes(&wanted).all(|(part, bytes)| attribute(payload, part) == Some(bytes))
        };
        // The type of a request follows that of what it asks for.
        let own = self.objects.iter().filter(|(of, payload)| of + 1 == kind && payload[0] == family);
        Ok(own.filter(|(_, payload)| has_all(payload)).map(|(_, payload)| payload.clone()).collect())
    }

    fn policy_marks(&mut self) -> Result<Vec<u32>, Error> {
        let marks = self.routing.iter().filter_map(|item| match item {
            RoutingItem::PolicyRule { mark, .. } => Some(mark.get()),
            _ => None,
        });
        Ok(marks.collect())
    }

    fn routing(&mut self) -> Result<Vec<RoutingItem>, Error> {
        Ok(self.routing.clone())
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), Refused> {
        let subjects = (0..).map_while(|sequence| batch.subject(sequence));
        if let Some((wanted, code)) = self.refuses
            && let Some(subject) = subjects.clone().find(|subject| subject.contains(wanted))
        {
            return Err(Refused {
                subject: subject.to_owned(),
                source: io::Error::from_raw_os_error(code),
                is_lost: false,
            });
        }
        self.log.push(format!("commit of {} messages", subjects.count()));
        for sent in messages(batch.bytes()) {
            // The low half is the type within nf_tables.
            let kind = sent.kind as u8;
            match kind {
                message::NEW_TABLE
                | message::NEW_CHAIN
                | message::NEW_RULE
                | message::NEW_SET
                | message::NEW_SET_ELEMENT
                    if sent.is(kind) =>
                {
                    self.objects.push((kind, sent.payload.to_vec()));
                }
                _ if sent.is(kind) => self.forget(kind, sent.payload),
                _ => {}
            }
        }
        if self.loses_answers {
            let source = io::Error::from_raw_os_error(nix::libc::ENOBUFS);
            return Err(Refused { subject: "the transaction as a whole".to_owned(), source, is_lost: true });
        }
        Ok(())
    }

    fn settle(&mut self) {
        self.log.push("settled".to_owned());
    }

    fn legacy_tables(&mut self, _: Family) -> Result<Vec<String>, Error> {
        Ok(self.legacy_tables.clone())
    }

    fn add(&mut self, item: &RoutingItem) -> Result<bool, Error> {
        if self.fails_at.as_ref() == Some(item) {
            let source = io::Error::from_raw_os_error(nix::libc::EPERM);
            return Err(Error::Routing { doing: item.command("add"), source });
        }
        let new = !self.routing.contains(item);
        if new {
            self.routing.push(*item);
        }
        Ok(new)
    }

    fn remove(&mut self, item: &RoutingItem) -> Result<bool, Error> {
        let before = self.routing.len();
        self.routing.retain(|it| it != item);
        Ok(self.routing.len() < before)
    }

    fn run(&mut self, program: &str, _: &[&str], input: &str) -> Result<Finished, Error> {
        self.log.push(format!("{program} {} lines", input.lines().count()));
        if self.answers.is_empty() {
            return Ok(Finished { code: Some(0), ..Finished::default() });
        }
        Ok(self.answers.remove(0))
    }
}
