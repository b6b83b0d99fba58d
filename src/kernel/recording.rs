//! A kernel for tests: it records what is done, holds it as far as the tests need, and fails when it is told to.

use std::io;
use std::net::IpAddr;

use super::{Error, Finished, Kernel, ListedChain, Refused, RoutingItem};
use crate::config::families::Family;
use crate::netlink::Batch;

#[derive(Default)]
pub(crate) struct Recording {
    pub(crate) log: Vec<String>,
    pub(crate) chains: Vec<ListedChain>,
    pub(crate) no_nf_tables: bool,
    pub(crate) routing: Vec<RoutingItem>,
    pub(crate) legacy_tables: Vec<String>,
    /// What each call of a program answers, first call first; afterwards all go well.
    pub(crate) answers: Vec<Finished>,
    /// The subject of a transaction's message that is refused, and the error number.
    pub(crate) refuses: Option<(&'static str, i32)>,
    /// The routing item that cannot be added.
    pub(crate) fails_at: Option<RoutingItem>,
}

impl Kernel for Recording {
    fn addresses(&mut self) -> Result<Vec<IpAddr>, Error> {
        Ok(vec![IpAddr::from([10, 0, 0, 2])])
    }

    fn chains(&mut self) -> Result<Vec<ListedChain>, Error> {
        if self.no_nf_tables {
            return Err(Error::NoNfTables(io::Error::from_raw_os_error(nix::libc::EPROTONOSUPPORT)));
        }
        Ok(self.chains.clone())
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), Refused> {
        let subjects = (0..).map_while(|sequence| batch.subject(sequence));
        if let Some((wanted, code)) = self.refuses
            && let Some(subject) = subjects.clone().find(|subject| subject.contains(wanted))
        {
            return Err(Refused { subject: subject.to_owned(), source: io::Error::from_raw_os_error(code) });
        }
        self.log.push(format!("commit of {} messages", subjects.count()));
        Ok(())
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
