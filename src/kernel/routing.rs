//! Adds and removes routes, policy rules and addresses, through rtnetlink.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use futures_util::TryStreamExt;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{RouteAttribute, RouteMessage, RouteProtocol, RouteScope, RouteType};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use rtnetlink::{Handle, IpVersion, RouteMessageBuilder};

use super::{Error, RoutingItem};
use crate::config::cidrs::BIND_V6;
use crate::config::families::Family;
use crate::config::values::{Mark, RouteTable};

/// The loopback interface is the first of every network namespace (`LOOPBACK_IFINDEX`).
const LOOPBACK: u32 = 1;
/// Before the main table (32766): where `ip rule add` puts the first rule of a namespace.
const PRIORITY: u32 = 32765;
/// `RT_TABLE_UNSPEC`: the number stands in an attribute of its own.
const TABLE_IN_ATTRIBUTE: u8 = 0;

/// A connection to rtnetlink, in the network namespace in which it was opened.
pub(super) struct Rtnetlink {
    runtime: tokio::runtime::Runtime,
    handle: Handle,
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
            RoutingItem::LocalRoute { family, table } => {
                self.wait(self.handle.route().add(local_route(family, table)).execute())
            }
            RoutingItem::PolicyRule { family, mark, table } => {
                match self.has_policy_rule(family, mark, table) {
                    Ok(true) => return Ok(false),
                    Ok(false) => {
                        let mut request = self.handle.rule().add();
                        *request.message_mut() = policy_rule(family, mark, table);
                        // The kernel knows a rule again only by its priority: two runs at once then add one rule.
                        request.message_mut().attributes.push(RuleAttribute::Priority(PRIORITY));
                        self.wait(request.execute())
                    }
                    Err(error) => Err(error),
                }
            }
        };
        outcome(added, item, "add", &[nix::libc::EEXIST])
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
            RoutingItem::PolicyRule { family, mark, table } => {
                self.wait(self.handle.rule().del(policy_rule(family, mark, table)).execute())
            }
        };
        use nix::libc::{EADDRNOTAVAIL, EAFNOSUPPORT, ENOENT, ESRCH};
        outcome(removed, item, "delete", &[ENOENT, ESRCH, EADDRNOTAVAIL, EAFNOSUPPORT])
    }

    /// Is there a rule for this mark and table, of any priority? istio-init adds it again with every run.
    fn has_policy_rule(&self, family: Family, mark: Mark, table: RouteTable) -> io::Result<bool> {
        let version = match family {
            Family::Ipv4 => IpVersion::V4,
            Family::Ipv6 => IpVersion::V6,
        };
        let rules: Vec<RuleMessage> = self.wait(self.handle.rule().get(version).execute().try_collect())?;
        Ok(rules.iter().any(|rule| {
            let has = |wanted: &RuleAttribute| rule.attributes.contains(wanted);
            has(&RuleAttribute::FwMark(mark.get())) && has(&RuleAttribute::Table(table.get()))
        }))
    }

    fn wait<T>(&self, request: impl Future<Output = Result<T, rtnetlink::Error>>) -> io::Result<T> {
        self.runtime.block_on(request).map_err(|error| match error {
            rtnetlink::Error::NetlinkError(message) => message.to_io(),
            other => io::Error::other(other),
        })
    }
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
fn policy_rule(family: Family, mark: Mark, table: RouteTable) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = match family {
        Family::Ipv4 => AddressFamily::Inet,
        Family::Ipv6 => AddressFamily::Inet6,
    };
    message.header.action = RuleAction::ToTable;
    message.header.table = TABLE_IN_ATTRIBUTE;
    message.attributes = vec![RuleAttribute::FwMark(mark.get()), RuleAttribute::Table(table.get())];
    message
}
