//! Effects and nothing else: sockets, processes, namespaces, capabilities, files.

mod addresses;
pub mod cable;
pub mod capabilities;
mod change;
mod dump;
mod far_end;
pub mod files;
pub mod lock;
pub mod netfilter;
pub mod netns;
pub mod os;
pub mod programs;
#[cfg(test)]
pub(crate) mod recording;
mod routing;
mod rtnetlink;
mod socket;
pub mod sockets;
mod system;

pub use system::System;

use std::fmt;
use std::io;
use std::net::IpAddr;

use serde::Serialize;

use crate::config::families::Family;
use crate::config::values::{Mark, RouteTable};
use crate::netlink::{self, Attributes, Batch};
use crate::program::Routing;

/// Everything that a run does to the world, so that tests can record it instead.
pub trait Kernel {
    /// The addresses of the namespace's interfaces, as the kernel lists them: IPv4 first.
    ///
    /// # Errors
    /// When the kernel does not answer.
    fn addresses(&mut self) -> Result<Vec<IpAddr>, Error>;

    /// Every chain that nf_tables has in the namespace, as they are at one moment.
    ///
    /// # Errors
    /// When the kernel has no nf_tables, does not answer, or the rules never stand still.
    fn chains(&mut self) -> Result<Vec<ListedChain>, Error>;

    /// Which generation of rules nf_tables has in force: every transaction begins another one.
    ///
    /// # Errors
    /// When the kernel has no nf_tables, or does not answer.
    fn generation(&mut self) -> Result<u32, Error>;

    /// What nf_tables lists in answer to a request ([`crate::netlink::message`]), as payloads.
    ///
    /// # Errors
    /// When the kernel has no nf_tables, does not answer, or the rules changed meanwhile.
    fn list(&mut self, kind: u8, family: u8, attributes: &Attributes) -> Result<Vec<Vec<u8>>, Error>;

    /// The marks that policy rules look for: a quick look before a long one.
    ///
    /// # Errors
    /// When the kernel does not answer.
    fn policy_marks(&mut self) -> Result<Vec<u32>, Error>;

    /// Everything of [`RoutingItem`]'s forms that is there, whoever put it there.
    ///
    /// # Errors
    /// When the kernel does not answer.
    fn routing(&mut self) -> Result<Vec<RoutingItem>, Error>;

    /// Sends a transaction to nf_tables. It takes effect whole or not at all.
    ///
    /// # Errors
    /// What the kernel refused, and why.
    fn commit(&mut self, batch: &Batch) -> Result<(), Refused>;

    /// Returns when nobody uses any more what transactions have removed: no packet is in the middle of rules that were
    /// there before.
    fn settle(&mut self);

    /// The tables of iptables-legacy that exist in the namespace; looking does not create any.
    ///
    /// # Errors
    /// When the list is there but cannot be read.
    fn legacy_tables(&mut self, family: Family) -> Result<Vec<String>, Error>;

    /// Adds a route, policy rule or address. True when it was not there before.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn add(&mut self, item: &RoutingItem) -> Result<bool, Error>;

    /// Removes a route, policy rule or address. True when it was there.
    ///
    /// # Errors
    /// When the kernel refuses.
    fn remove(&mut self, item: &RoutingItem) -> Result<bool, Error>;

    /// Runs a program in the namespace, with this text as its input.
    ///
    /// # Errors
    /// When it is not installed or cannot be started.
    fn run(&mut self, program: &str, arguments: &[&str], input: &str) -> Result<Finished, Error>;
}

/// A chain, as nf_tables lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedChain {
    /// The netlink family number of its table.
    pub family: u8,
    /// Its table.
    pub table: String,
    /// Its name.
    pub name: String,
    /// Does it hold nothing, and let everything pass?
    pub is_idle: bool,
}

impl ListedChain {
    /// Reads a chain out of a listing's answer.
    pub(crate) fn read(payload: &[u8]) -> Option<ListedChain> {
        const TABLE: u16 = 1;
        const NAME: u16 = 3;
        const POLICY: u16 = 5;
        const USE: u16 = 6;
        /// `NF_ACCEPT`
        const ACCEPT: u32 = 1;
        let number = |kind| netlink::attribute(payload, kind).and_then(netlink::number);
        Some(ListedChain {
            family: payload.first().copied()?,
            table: netlink::text(netlink::attribute(payload, TABLE)?),
            name: netlink::text(netlink::attribute(payload, NAME)?),
            is_idle: number(POLICY) == Some(ACCEPT) && number(USE) == Some(0),
        })
    }
}

/// How a program ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Finished {
    /// Its exit code; nothing when a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub output: String,
    /// What it complained about.
    pub complaints: String,
}

/// Something besides rules that has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RoutingItem {
    /// ::6/128 on the loopback interface.
    BindAddress,
    /// Local delivery of everything, in a routing table.
    LocalRoute {
        /// The family.
        family: Family,
        /// The table.
        table: RouteTable,
    },
    /// The policy rule that sends marked packets to the table.
    PolicyRule {
        /// The family.
        family: Family,
        /// The mark.
        mark: Mark,
        /// The table.
        table: RouteTable,
    },
    /// The same behind a rule of another program that may catch the packets before. It is of no use.
    LatePolicyRule {
        /// The family.
        family: Family,
        /// The mark.
        mark: Mark,
        /// The table.
        table: RouteTable,
    },
}

impl RoutingItem {
    /// What a program's routing consists of, in the order in which it is added: a route before the rule that leads
    /// to it.
    pub fn all(routing: &Routing) -> Vec<RoutingItem> {
        let mut items = Vec::new();
        if routing.bind_address {
            items.push(RoutingItem::BindAddress);
        }
        if let Some(delivery) = routing.delivery {
            for family in delivery.families.iter() {
                items.push(RoutingItem::LocalRoute { family, table: delivery.table });
                items.push(RoutingItem::PolicyRule { family, mark: delivery.mark, table: delivery.table });
            }
        }
        items
    }

    /// As `ip` would be told to do it.
    pub fn command(&self, verb: &str) -> String {
        let option = |family: &Family| if *family == Family::Ipv6 { "-6 " } else { "" };
        match self {
            RoutingItem::BindAddress => format!("ip -6 address {verb} ::6/128 dev lo"),
            RoutingItem::LocalRoute { family, table } => {
                format!("ip {}route {verb} local default dev lo table {}", option(family), table.get())
            }
            RoutingItem::PolicyRule { family, mark, table }
            | RoutingItem::LatePolicyRule { family, mark, table } => {
                format!("ip {}rule {verb} fwmark {mark} lookup {}", option(family), table.get())
            }
        }
    }
}

impl fmt::Display for RoutingItem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RoutingItem::BindAddress => out.write_str("the address ::6/128 of lo"),
            RoutingItem::LocalRoute { family, table } => {
                write!(out, "the {family} route `local default dev lo table {}`", table.get())
            }
            RoutingItem::PolicyRule { family, mark, table } => {
                write!(out, "the {family} policy rule `fwmark {mark} lookup {}`", table.get())
            }
            RoutingItem::LatePolicyRule { family, mark, table } => write!(
                out,
                "the {family} policy rule `fwmark {mark} lookup {}`, which stands behind a rule that catches its packets",
                table.get()
            ),
        }
    }
}

/// Something that the system did not do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel has no nf_tables, or not for us.
    #[error("nf_tables is not available in this kernel: {0}")]
    NoNfTables(#[source] io::Error),
    /// The rules changed while they were read.
    #[error("the rules changed while they were read")]
    Changed,
    /// There is more than is read.
    #[error("the network namespace holds more {0} than are read: another program has put them there")]
    TooMuch(String),
    /// The network namespace to work in is of no use.
    #[error(transparent)]
    Namespace(#[from] netns::NamespaceError),
    /// A netlink socket failed.
    #[error("cannot {doing} over netlink: {source}")]
    Netlink {
        /// What was being done.
        doing: String,
        /// Why it failed.
        source: io::Error,
    },
    /// rtnetlink refused.
    #[error("`{doing}` failed: {source}")]
    Routing {
        /// What was being done, as an `ip` command.
        doing: String,
        /// Why it failed.
        source: io::Error,
    },
    /// IPv6 is to be intercepted, and the loopback interface has none.
    #[error(
        "IPv6 is off on the loopback interface (net.ipv6.conf.lo.disable_ipv6), where the proxy needs the address ::6: set it to \
         0 in the pod, or do without IPv6 there (net.ipv6.conf.all.disable_ipv6=1 and no --dual-stack)"
    )]
    Ipv6Off(#[source] io::Error),
    /// A file could not be read.
    #[error("cannot read {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// A program is missing.
    #[error(
        "the program {0} is not installed, without which rules in iptables are neither read nor changed: install iptables; \
         where no rules are in it yet, --backend nftables needs no program"
    )]
    NoProgram(String),
    /// A program could not be run.
    #[error("cannot run {program}: {source}")]
    Program {
        /// The program.
        program: String,
        /// Why not.
        source: io::Error,
    },
}

/// A transaction that nf_tables did not take; nothing of it is in the kernel.
#[derive(Debug, thiserror::Error)]
#[error("the kernel refused {subject}: {source}")]
pub struct Refused {
    /// What the kernel stumbled over.
    pub subject: String,
    /// Why.
    pub source: io::Error,
    /// Whether it was sent and its answer did not come: it may have been taken.
    pub is_lost: bool,
}
