//! The real kernel.

use std::io::ErrorKind;
use std::net::IpAddr;
use std::path::PathBuf;

use super::netfilter::Netfilter;
use super::routing::Rtnetlink;
use super::{Error, Finished, Kernel, ListedChain, Refused, RoutingItem, addresses, files, programs};
use crate::config::families::Family;
use crate::netlink::{Attributes, Batch};

/// The kernel of this machine, in the network namespace that the process is in when each socket is first needed.
#[derive(Default)]
pub struct System {
    netfilter: Option<Netfilter>,
    rtnetlink: Option<Rtnetlink>,
}

impl System {
    fn netfilter(&mut self) -> Result<&mut Netfilter, Error> {
        match &mut self.netfilter {
            Some(netfilter) => Ok(netfilter),
            none => Ok(none.insert(Netfilter::open()?)),
        }
    }

    fn rtnetlink(&mut self) -> Result<&Rtnetlink, Error> {
        match &mut self.rtnetlink {
            Some(rtnetlink) => Ok(rtnetlink),
            none => {
                let failed = |source| Error::Netlink { doing: "open a routing socket".to_owned(), source };
                Ok(none.insert(Rtnetlink::open().map_err(failed)?))
            }
        }
    }
}

impl Kernel for System {
    fn addresses(&mut self) -> Result<Vec<IpAddr>, Error> {
        addresses::list()
    }

    fn chains(&mut self) -> Result<Vec<ListedChain>, Error> {
        let result = self.netfilter()?.chains();
        if result.is_err() {
            self.netfilter = None;
        }
        result
    }

    fn generation(&mut self) -> Result<u32, Error> {
        self.netfilter()?.generation()
    }

    fn list(&mut self, kind: u8, family: u8, attributes: &Attributes) -> Result<Vec<Vec<u8>>, Error> {
        let result = self.netfilter()?.list(kind, family, attributes);
        if result.is_err() {
            self.netfilter = None;
        }
        result
    }

    fn policy_marks(&mut self) -> Result<Vec<u32>, Error> {
        addresses::policy_marks()
    }

    fn routing(&mut self) -> Result<Vec<RoutingItem>, Error> {
        self.rtnetlink()?.list()
    }

    fn commit(&mut self, batch: &Batch) -> Result<(), Refused> {
        let opened = self.netfilter().map_err(|error| Refused {
            subject: "the transaction as a whole".to_owned(),
            source: std::io::Error::other(error),
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
        // Not thread-self, which takes the kernel longer: only the first thread ever enters a namespace.
        let path = PathBuf::from("/proc/self/net").join(name);
        match files::read(&path) {
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
        self.rtnetlink()?.add(item)
    }

    fn remove(&mut self, item: &RoutingItem) -> Result<bool, Error> {
        self.rtnetlink()?.remove(item)
    }

    fn run(&mut self, program: &str, arguments: &[&str], input: &str) -> Result<Finished, Error> {
        programs::run(program, arguments, input)
    }
}
