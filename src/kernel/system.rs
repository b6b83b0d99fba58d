//! The real kernel.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::PathBuf;

use super::lock::{LockError, NamespaceLock, Waiting};
use super::netfilter::Netfilter;
use super::netns::Namespace;
use super::{
    Error, Finished, Kernel, ListedChain, Refused, RoutingItem, addresses, files, programs, routing,
};
use crate::config::families::Family;
use crate::faults;
use crate::netlink::{Attributes, Batch};

/// The kernel of this machine, in the network namespace that the process is in when each socket is first needed, or in
/// another one.
pub struct System {
    netfilter: Option<Netfilter>,
    elsewhere: Option<Namespace>,
    most: usize,
}

impl Default for System {
    fn default() -> System {
        System { netfilter: None, elsewhere: None, most: usize::MAX }
    }
}

impl System {
    /// The kernel as this namespace sees it. The process works from outside: its netlink sockets are opened inside, and
    /// stay there.
    #[must_use]
    pub fn inside(namespace: Namespace) -> System {
        System { elsewhere: Some(namespace), ..System::default() }
    }

    /// Reads at most so many bytes of rules from here on, and fails with [`Error::TooMuch`] where there are more. Without a
    /// bound, everything is read.
    pub fn may_read(&mut self, bytes: usize) {
        self.most = bytes;
    }

    /// Waits until no other run changes the namespace. The lock is `None` where it cannot be had by anybody, or not by this
    /// process, which may then change nothing in the namespace either.
    ///
    /// # Errors
    /// As [`Waiting::lock`], and when the namespace cannot be entered.
    pub fn lock(&self) -> Result<Option<NamespaceLock>, LockError> {
        let open = Waiting::open;
        let waiting = match &self.elsewhere {
            Some(namespace) => namespace.inside(open)??,
            None => open()?,
        };
        waiting.map_or(Ok(None), |waiting| waiting.lock(|path| self.there(|| files::read(path)).ok()))
    }

    fn there<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        match &self.elsewhere {
            Some(namespace) => namespace.inside(|| {
                faults::point("inside");
                work()
            })?,
            None => work(),
        }
    }

    fn netfilter(&mut self) -> Result<&mut Netfilter, Error> {
        let open = match self.netfilter.take() {
            Some(netfilter) => netfilter,
            None => self.there(Netfilter::open)?,
        };
        Ok(self.netfilter.insert(open))
    }
}

impl Kernel for System {
    fn addresses(&mut self) -> Result<Vec<IpAddr>, Error> {
        self.there(addresses::list)
    }

    fn chains(&mut self) -> Result<Vec<ListedChain>, Error> {
        let mut most = self.most;
        let result = self.netfilter()?.chains(&mut most);
        self.most = most;
        if result.is_err() {
            self.netfilter = None;
        }
        result
    }

    fn generation(&mut self) -> Result<u32, Error> {
        let result = self.netfilter()?.generation();
        if result.is_err() {
            self.netfilter = None;
        }
        result
    }

    fn list(&mut self, kind: u8, family: u8, attributes: &Attributes) -> Result<Vec<Vec<u8>>, Error> {
        let mut most = self.most;
        let result = self.netfilter()?.list(kind, family, attributes, &mut most);
        self.most = most;
        if result.is_err() {
            self.netfilter = None;
        }
        result
    }

    fn policy_marks(&mut self) -> Result<Vec<u32>, Error> {
        self.there(addresses::policy_marks)
    }

    fn routing(&mut self) -> Result<Vec<RoutingItem>, Error> {
        self.there(routing::list)
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), Refused> {
        let opened = self.netfilter().map_err(|error| Refused {
            subject: "the transaction as a whole".to_owned(),
            source: std::io::Error::other(error),
            is_lost: false,
        });
        let result = opened?.commit(batch);
        if result.is_err() {
            // The kernel answers every message that it refuses. What was not read yet must not pass for an answer to
            // the next transaction: that one gets a new socket.
            self.netfilter = None;
        }
        result
    }

    /// The kernel waits when the socket is closed (`nft_rcv_nl_event` flushes what is to be destroyed, behind an RCU grace
    /// period).
    fn settle(&mut self) {
        self.netfilter = None;
    }

    fn legacy_tables(&mut self, family: Family) -> Result<Vec<String>, Error> {
        let name = match family {
            Family::Ipv4 => "ip_tables_names",
            Family::Ipv6 => "ip6_tables_names",
        };
        // Not thread-self where it can be helped, which takes the kernel longer.
        let folder = if self.elsewhere.is_some() { "/proc/thread-self/net" } else { "/proc/self/net" };
        let path = PathBuf::from(folder).join(name);
        let read = || files::read(&path);
        let is_final = |error: &Error| match error {
            Error::File { source, .. } => {
                matches!(source.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied)
            }
            _ => true,
        };
        // A machine that has no file to spare for a moment must not make rules of the old kind unseen.
        let names =
            self.there(read).or_else(|error| if is_final(&error) { Err(error) } else { self.there(read) });
        match names {
            Ok(names) => Ok(names.lines().map(str::to_owned).collect()),
            // Without the module, or without /proc, nothing says that iptables-legacy was ever used; and only root may
            // read the file (0440), so that nobody else can know (README, limits).
            Err(Error::File { source, .. })
                if matches!(source.kind(), ErrorKind::NotFound | ErrorKind::PermissionDenied) =>
            {
                Ok(Vec::new())
            }
            Err(error) => Err(error),
        }
    }

    fn add(&mut self, item: &RoutingItem) -> Result<bool, Error> {
        self.there(|| routing::add(item))
    }

    fn remove(&mut self, item: &RoutingItem) -> Result<bool, Error> {
        self.there(|| routing::remove(item))
    }

    fn run(&mut self, program: &str, arguments: &[&str], input: &str) -> Result<Finished, Error> {
        self.there(|| programs::run(program, arguments, input))
    }
}
