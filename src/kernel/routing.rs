//! Adds and removes routes, policy rules and addresses, through rtnetlink.

mod listed;

pub(super) use listed::list;

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use netlink_packet_route::route::{RouteAttribute, RouteMessage, RouteProtocol, RouteScope, RouteType};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use rtnetlink::{Handle, RouteMessageBuilder};

use listed::{local_routes, number_of, plain_rules};

use super::{Error, RoutingItem};
use crate::config::cidrs::BIND_V6;
use crate::config::families::Family;
use crate::config::values::{Mark, RouteTable};

/// The loopback interface is the first of every network namespace (`LOOPBACK_IFINDEX`).
const LOOPBACK: u32 = 1;
/// Before the main table (32766), the last of them first: where `ip rule add` puts the first rules of a namespace.
const PRIORITIES: RangeInclusive<u32> = 32700..=32765;
/// The priority of the rule that leads to the main table.
const MAIN: u32 = 32766;
/// `RT_TABLE_UNSPEC`: the number stands in an attribute of its own.
const TABLE_IN_ATTRIBUTE: u8 = 0;

/// A connection to rtnetlink, in the network namespace in which it was opened.
pub(super) struct Rtnetlink {
    runtime: tokio::runtime::Runtime,
    pub(super) handle: Handle,
}

impl Rtnetlink {
    pub(super) fn open() -> io::Result<Rtnetlink> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        // The socket registers with the runtime that is entered when it is made.
        let (connection, handle, _) = {
            let _entered = runtime.enter();
            rtnetlink::new_connection()?
        };
        runtime.spawn(connection);
        Ok(Rtnetlink { runtime, handle })
    }

    /// True when it was not there before.
    pub(super) fn add(&self, item: &RoutingItem) -> Result<bool, Error> {
        let added = match *item {
            RoutingItem::BindAddress => {
                self.wait(self.handle.address().add(LOOPBACK, IpAddr::V6(BIND_V6), 128).execute())
            }
            RoutingItem::LocalRoute { family, table } => self.add_local_route(family, table),
            RoutingItem::PolicyRule { family, mark, table } => self.add_policy_rule(family, mark, table),
        };
        outcome(added, item, "add", &[nix::libc::EEXIST])
    }

    fn add_local_route(&self, family: Family, table: RouteTable) -> io::Result<()> {
        match self.wait(self.handle.route().add(local_route(family, table)).execute()) {
            // Any default route is in the way of ours; only the same one will do instead.
            Err(error)
                if exists(&error) && !local_routes(family).map_err(io::Error::other)?.contains(&table) =>
            {
                Err(io::Error::other("another default route is in this table"))
            }
            added => added,
        }
    }

    /// With a priority of its own, so that two runs at once add one rule: the kernel looks for the same rule only at the
    /// same priority. There it takes rules that select more for the same, so that one of those makes us go on.
    fn add_policy_rule(&self, family: Family, mark: Mark, table: RouteTable) -> io::Result<()> {
        for priority in PRIORITIES.rev() {
            let there = plain_rules(family).map_err(io::Error::other)?;
            if there.iter().any(|rule| (rule.mark, rule.table) == (mark, table) && rule.comes_first()) {
                break;
            }
            match self.wait(self.handle_rule(policy_rule(family, mark, table, priority))) {
                Err(error) if exists(&error) => {}
                added => return added,
            }
        }
        Err(io::Error::from_raw_os_error(nix::libc::EEXIST))
    }

    async fn handle_rule(&self, message: RuleMessage) -> Result<(), rtnetlink::Error> {
        let mut request = self.handle.rule().add();
        *request.message_mut() = message;
        request.execute().await
    }

    /// Every rule of ours: istio-init adds one with each run.
    fn remove_policy_rules(&self, family: Family, mark: Mark, table: RouteTable) -> io::Result<()> {
        let rules = plain_rules(family).map_err(io::Error::other)?.into_iter();
        let there = rules.filter(|it| (it.mark, it.table) == (mark, table)).map(|it| it.priority);
        let there: Vec<u32> = there.collect();
        if there.is_empty() {
            return Err(io::Error::from_raw_os_error(nix::libc::ENOENT));
        }
        for priority in there {
            self.wait(self.handle.rule().del(policy_rule(family, mark, table, priority)).execute())?;
        }
        Ok(())
    }

    /// True when it was there.
    pub(super) fn remove(&self, item: &RoutingItem) -> Result<bool, Error> {
        let removed = match *item {
            RoutingItem::BindAddress => {
                let message = rtnetlink::AddressMessageBuilder::<Ipv6Addr>::new()
                    .index(LOOPBACK)
                    .address(BIND_V6, 128)
                    .build();
                self.wait(self.handle.address().del(message).execute())
            }
            RoutingItem::LocalRoute { family, table } => {
                self.wait(self.handle.route().del(local_route(family, table)).execute())
            }
            RoutingItem::PolicyRule { family, mark, table } => self.remove_policy_rules(family, mark, table),
        };
        use nix::libc::{EADDRNOTAVAIL, EAFNOSUPPORT, ENOENT, ESRCH};
        outcome(removed, item, "delete", &[ENOENT, ESRCH, EADDRNOTAVAIL, EAFNOSUPPORT])
    }

    pub(super) fn wait<T>(
        &self,
        request: impl Future<Output = Result<T, rtnetlink::Error>>,
    ) -> io::Result<T> {
        self.runtime.block_on(request).map_err(|error| match error {
            rtnetlink::Error::NetlinkError(message) => message.to_io(),
            other => io::Error::other(other),
        })
    }
}

fn exists(error: &io::Error) -> bool {
    error.raw_os_error() == Some(nix::libc::EEXIST)
}

/// Success, no change needed, or an error.
fn outcome(result: io::Result<()>, item: &RoutingItem, verb: &str, no_change: &[i32]) -> Result<bool, Error> {
    match result {
        Ok(()) => Ok(true),
        Err(source) if source.raw_os_error().is_some_and(|code| no_change.contains(&code)) => Ok(false),
        Err(source) => Err(Error::Routing { doing: item.command(verb), source }),
    }
}

/// `local default dev lo table TABLE`, as `ip route add` makes it.
fn local_route(family: Family, table: RouteTable) -> RouteMessage {
    let (mut message, scope) = match family {
        Family::Ipv4 => {
            (RouteMessageBuilder::<Ipv4Addr>::new().output_interface(LOOPBACK).build(), RouteScope::Host)
        }
        Family::Ipv6 => {
            (RouteMessageBuilder::<Ipv6Addr>::new().output_interface(LOOPBACK).build(), RouteScope::Universe)
        }
    };
    message.header.table = TABLE_IN_ATTRIBUTE;
    message.header.protocol = RouteProtocol::Boot;
    message.header.scope = scope;
    message.header.kind = RouteType::Local;
    message.attributes.push(RouteAttribute::Table(table.get()));
    message
}

/// `fwmark MARK lookup TABLE`
fn policy_rule(family: Family, mark: Mark, table: RouteTable, priority: u32) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = number_of(family);
    message.header.action = RuleAction::ToTable;
    message.header.table = TABLE_IN_ATTRIBUTE;
    message.attributes = vec![
        RuleAttribute::FwMark(mark.get()),
        RuleAttribute::Table(table.get()),
        RuleAttribute::Priority(priority),
    ];
    message
}
