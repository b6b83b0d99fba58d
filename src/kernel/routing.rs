//! Adds and removes routes, policy rules and addresses, through rtnetlink.

mod listed;

pub(super) use listed::list;

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;
use netlink_packet_route::route::{RouteAttribute, RouteMessage, RouteProtocol, RouteScope, RouteType};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use rtnetlink::RouteMessageBuilder;

use listed::{PolicyRule, effective, is_late, local_routes, number_of, policy_rules};

use super::{Error, RoutingItem, change};
use crate::config::cidrs::BIND_V6;
use crate::config::families::Family;
use crate::config::values::{Mark, RouteTable};

/// The loopback interface is the first of every network namespace (`LOOPBACK_IFINDEX`).
const LOOPBACK: u32 = 1;
/// How many priorities are tried.
const PRIORITIES: usize = 64;
/// The priority of the rule that leads to the main table.
const MAIN: u32 = 32766;
/// `RT_TABLE_UNSPEC`: the number stands in an attribute of its own.
const TABLE_IN_ATTRIBUTE: u8 = 0;

/// Adds a route, policy rule or address. Returns `true` if it was not there before.
///
/// # Errors
/// [`Error::Routing`] if the kernel refuses, [`Error::Ipv6Off`] if the loopback interface has no IPv6.
pub(super) fn add(item: &RoutingItem) -> Result<bool, Error> {
    let added = match *item {
        RoutingItem::BindAddress => change::add(RouteNetlinkMessage::NewAddress(bind_address())),
        RoutingItem::LocalRoute { family, table } => add_local_route(family, table),
        RoutingItem::PolicyRule { family, mark, table }
        | RoutingItem::LatePolicyRule { family, mark, table } => add_policy_rule(family, mark, table),
    };
    outcome(added, item, "add", &[nix::libc::EEXIST])
}

fn add_local_route(family: Family, table: RouteTable) -> io::Result<()> {
    match change::add(RouteNetlinkMessage::NewRoute(local_route(family, table))) {
        // Any default route is in the way of ours; only the same one will do instead.
        Err(error) if exists(&error) && !local_routes(family).map_err(io::Error::other)?.contains(&table) => {
            Err(io::Error::other("another default route is in this table"))
        }
        added => added,
    }
}

/// Before every rule that may catch a packet with the mark, as `ip rule add` puts it. Two runs at once choose the same
/// priority, at which the kernel keeps one rule; it takes a rule that selects more for the same, so that one of those
/// leads to the next priority.
fn add_policy_rule(family: Family, mark: Mark, table: RouteTable) -> io::Result<()> {
    let rules = policy_rules(family).map_err(io::Error::other)?;
    if effective(&rules).contains(&(mark, table)) {
        return Err(io::Error::from_raw_os_error(nix::libc::EEXIST));
    }
    let first = rules.iter().filter(|rule| rule.may_catch(mark)).map(|rule| rule.priority).min();
    let first = first.unwrap_or(MAIN);
    for priority in (0..first).rev().take(PRIORITIES) {
        match change::add(RouteNetlinkMessage::NewRule(policy_rule(family, mark, table, priority))) {
            Err(error) if exists(&error) => {}
            added => return added,
        }
        let now = policy_rules(family).map_err(io::Error::other)?;
        if effective(&now).contains(&(mark, table)) {
            return Err(io::Error::from_raw_os_error(nix::libc::EEXIST));
        }
    }
    let why =
        "a policy rule of another program has the first priority, and catches the packets with the mark";
    Err(io::Error::other(why))
}

/// Every rule with this delivery that is meant: istio-init adds one with each run.
fn remove_policy_rules(
    family: Family,
    (mark, table): (Mark, RouteTable),
    is_meant: fn(&[PolicyRule], usize) -> bool,
) -> io::Result<()> {
    let rules = policy_rules(family).map_err(io::Error::other)?;
    let is_it = |place: &usize| rules[*place].delivery() == Some((mark, table)) && is_meant(&rules, *place);
    let there = (0..rules.len()).filter(is_it).map(|place| rules[place].priority);
    let there: Vec<u32> = there.collect();
    if there.is_empty() {
        return Err(io::Error::from_raw_os_error(nix::libc::ENOENT));
    }
    for priority in there {
        change::remove(RouteNetlinkMessage::DelRule(policy_rule(family, mark, table, priority)))?;
    }
    Ok(())
}

/// Removes a route, policy rule or address. Returns `true` if it was there.
///
/// # Errors
/// [`Error::Routing`] if the kernel refuses.
pub(super) fn remove(item: &RoutingItem) -> Result<bool, Error> {
    let removed = match *item {
        RoutingItem::BindAddress => change::remove(RouteNetlinkMessage::DelAddress(bind_address())),
        RoutingItem::LocalRoute { family, table } => {
            change::remove(RouteNetlinkMessage::DelRoute(local_route(family, table)))
        }
        RoutingItem::PolicyRule { family, mark, table } => {
            remove_policy_rules(family, (mark, table), |_, _| true)
        }
        RoutingItem::LatePolicyRule { family, mark, table } => {
            remove_policy_rules(family, (mark, table), is_late)
        }
    };
    use nix::libc::{EADDRNOTAVAIL, EAFNOSUPPORT, ENOENT, ESRCH};
    outcome(removed, item, "delete", &[ENOENT, ESRCH, EADDRNOTAVAIL, EAFNOSUPPORT])
}

fn exists(error: &io::Error) -> bool {
    error.raw_os_error() == Some(nix::libc::EEXIST)
}

/// Success, no change needed, or an error.
fn outcome(result: io::Result<()>, item: &RoutingItem, verb: &str, no_change: &[i32]) -> Result<bool, Error> {
    match result {
        Ok(()) => Ok(true),
        Err(source) if source.raw_os_error().is_some_and(|code| no_change.contains(&code)) => Ok(false),
        // The kernel says so of an interface with disable_ipv6 (inet6_addr_add).
        Err(source)
            if *item == RoutingItem::BindAddress && source.raw_os_error() == Some(nix::libc::EACCES) =>
        {
            Err(Error::Ipv6Off(source))
        }
        Err(source) => Err(Error::Routing { doing: item.command(verb), source }),
    }
}

/// `::6/128 dev lo`
fn bind_address() -> AddressMessage {
    rtnetlink::AddressMessageBuilder::<Ipv6Addr>::new().index(LOOPBACK).address(BIND_V6, 128).build()
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
