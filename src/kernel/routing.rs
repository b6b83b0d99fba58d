//! Adds and removes routes, policy rules and addresses, through rtnetlink.

use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

use futures_util::TryStreamExt;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::route::{RouteAttribute, RouteMessage, RouteProtocol, RouteScope, RouteType};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleMessage};
use rtnetlink::{Handle, IpVersion, RouteMessageBuilder};

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
            Err(error) if exists(&error) && !self.local_routes(family)?.contains(&table) => {
                Err(io::Error::other("another default route is in this table"))
            }
            added => added,
        }
    }

    /// Everything that has the form of a routing item, whoever put it there.
    pub(super) fn list(&self) -> Result<Vec<RoutingItem>, Error> {
        let failed = |source| Error::Netlink { doing: "list routes and policy rules".to_owned(), source };
        let mut items = Vec::new();
        if self.has_bind_address().map_err(failed)? {
            items.push(RoutingItem::BindAddress);
        }
        for family in [Family::Ipv4, Family::Ipv6] {
            let tables = self.local_routes(family).map_err(failed)?;
            items.extend(tables.into_iter().map(|table| RoutingItem::LocalRoute { family, table }));
            for rule in self.plain_rules(family).map_err(failed)?.iter().filter(|rule| rule.comes_first()) {
                let item = RoutingItem::PolicyRule { family, mark: rule.mark, table: rule.table };
                // istio-init adds the same one with each run.
                if !items.contains(&item) {
                    items.push(item);
                }
            }
        }
        Ok(items)
    }

    fn has_bind_address(&self) -> io::Result<bool> {
        let on_loopback = self.handle.address().get().set_link_index_filter(LOOPBACK);
        let addresses: Vec<AddressMessage> = self.wait(on_loopback.execute().try_collect())?;
        let wanted = AddressAttribute::Address(IpAddr::V6(BIND_V6));
        Ok(addresses
            .iter()
            .any(|address| address.header.prefix_len == 128 && address.attributes.contains(&wanted)))
    }

    /// The tables with a route `local default dev lo`.
    fn local_routes(&self, family: Family) -> io::Result<Vec<RouteTable>> {
        let any = match family {
            Family::Ipv4 => RouteMessageBuilder::<Ipv4Addr>::new().build(),
            Family::Ipv6 => RouteMessageBuilder::<Ipv6Addr>::new().build(),
        };
        let routes: Vec<RouteMessage> = self.wait(self.handle.route().get(any).execute().try_collect())?;
        let through_loopback = RouteAttribute::Oif(LOOPBACK);
        let ours = routes.iter().filter(|route| {
            let header = &route.header;
            header.kind == RouteType::Local
                && (header.destination_prefix_length, header.source_prefix_length, header.tos) == (0, 0, 0)
                && route.attributes.contains(&through_loopback)
        });
        let table = |route: &RouteMessage| {
            route.attributes.iter().find_map(|it| match it {
                RouteAttribute::Table(table) => table.to_string().parse().ok(),
                _ => None,
            })
        };
        Ok(ours.filter_map(table).collect())
    }

    /// With a priority of its own, so that two runs at once add one rule: the kernel looks for the same rule only at the
    /// same priority. There it takes rules that select more for the same, so that one of those makes us go on.
    fn add_policy_rule(&self, family: Family, mark: Mark, table: RouteTable) -> io::Result<()> {
        for priority in PRIORITIES.rev() {
            let there = self.plain_rules(family)?;
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
        let there = self.policy_rules(family, mark, table)?;
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

    /// The priorities of the rules that send every packet with this mark to this table.
    fn policy_rules(&self, family: Family, mark: Mark, table: RouteTable) -> io::Result<Vec<u32>> {
        let rules = self.plain_rules(family)?.into_iter();
        Ok(rules.filter(|it| (it.mark, it.table) == (mark, table)).map(|it| it.priority).collect())
    }

    /// Every rule that sends all packets with a mark to a table.
    fn plain_rules(&self, family: Family) -> io::Result<Vec<PlainRule>> {
        let version = match family {
            Family::Ipv4 => IpVersion::V4,
            Family::Ipv6 => IpVersion::V6,
        };
        let rules: Vec<RuleMessage> = self.wait(self.handle.rule().get(version).execute().try_collect())?;
        Ok(rules.iter().filter_map(PlainRule::read).collect())
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

/// A policy rule `fwmark MARK lookup TABLE` and nothing else.
struct PlainRule {
    mark: Mark,
    table: RouteTable,
    priority: u32,
}

impl PlainRule {
    /// Is it looked at before the main table? Behind it, a default route would decide first.
    fn comes_first(&self) -> bool {
        self.priority < MAIN
    }

    fn read(rule: &RuleMessage) -> Option<PlainRule> {
        let header = &rule.header;
        let narrowed = (header.dst_len, header.src_len, header.tos) != (0, 0, 0)
            || header.flags.contains(RuleFlags::Invert)
            || rule.attributes.iter().any(narrows);
        if header.action != RuleAction::ToTable || narrowed {
            return None;
        }
        let (mut mark, mut table, mut priority) = (None, None, 0);
        for attribute in &rule.attributes {
            match attribute {
                RuleAttribute::FwMark(number) => mark = number.to_string().parse().ok(),
                RuleAttribute::Table(number) => table = number.to_string().parse().ok(),
                RuleAttribute::Priority(number) => priority = *number,
                _ => {}
            }
        }
        Some(PlainRule { mark: mark?, table: table?, priority })
    }
}

/// Does it keep a policy rule from matching some packets with the mark?
fn narrows(attribute: &RuleAttribute) -> bool {
    match attribute {
        RuleAttribute::FwMask(mask) => *mask != u32::MAX,
        RuleAttribute::Source(_)
        | RuleAttribute::Destination(_)
        | RuleAttribute::Iifname(_)
        | RuleAttribute::Oifname(_)
        | RuleAttribute::UidRange(_)
        | RuleAttribute::IpProtocol(_)
        | RuleAttribute::SourcePortRange(_)
        | RuleAttribute::DestinationPortRange(_) => true,
        _ => false,
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
    message.header.family = match family {
        Family::Ipv4 => AddressFamily::Inet,
        Family::Ipv6 => AddressFamily::Inet6,
    };
    message.header.action = RuleAction::ToTable;
    message.header.table = TABLE_IN_ATTRIBUTE;
    message.attributes = vec![
        RuleAttribute::FwMark(mark.get()),
        RuleAttribute::Table(table.get()),
        RuleAttribute::Priority(priority),
    ];
    message
}
