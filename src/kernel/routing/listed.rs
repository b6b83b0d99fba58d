//! Reads routes, policy rules and addresses of the forms that the product adds.

use std::net::IpAddr;

use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::route::{RouteAttribute, RouteMessage, RouteType};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::{LOOPBACK, MAIN};
use crate::config::cidrs::BIND_V6;
use crate::config::families::Family;
use crate::config::values::{Mark, RouteTable};
use crate::kernel::dump::dump;
use crate::kernel::{Error, RoutingItem};

/// Everything that has the form of a routing item, by any program.
///
/// # Errors
/// As of [`dump`].
pub(in crate::kernel) fn list() -> Result<Vec<RoutingItem>, Error> {
    let mut items = Vec::new();
    if has_bind_address()? {
        items.push(RoutingItem::BindAddress);
    }
    for family in [Family::Ipv4, Family::Ipv6] {
        let tables = local_routes(family)?;
        items.extend(tables.into_iter().map(|table| RoutingItem::LocalRoute { family, table }));
        for rule in plain_rules(family)?.iter().filter(|rule| rule.comes_first()) {
            let item = RoutingItem::PolicyRule { family, mark: rule.mark, table: rule.table };
            // istio-init adds the same one with each run.
            if !items.contains(&item) {
                items.push(item);
            }
        }
    }
    Ok(items)
}

fn has_bind_address() -> Result<bool, Error> {
    let mut question = AddressMessage::default();
    question.header.family = AddressFamily::Inet6;
    let wanted = AddressAttribute::Address(IpAddr::V6(BIND_V6));
    let found = dump("addresses", &RouteNetlinkMessage::GetAddress(question), |item| match item {
        RouteNetlinkMessage::NewAddress(it)
            if it.header.index == LOOPBACK
                && it.header.prefix_len == 128
                && it.attributes.contains(&wanted) =>
        {
            Some(())
        }
        _ => None,
    })?;
    Ok(!found.is_empty())
}

/// The tables with a route `local default dev lo`.
///
/// # Errors
/// As of [`dump`].
pub(super) fn local_routes(family: Family) -> Result<Vec<RouteTable>, Error> {
    let mut question = RouteMessage::default();
    question.header.address_family = number_of(family);
    dump("routes", &RouteNetlinkMessage::GetRoute(question), |item| match item {
        RouteNetlinkMessage::NewRoute(it) if it.header.address_family == number_of(family) => {
            local_table(&it)
        }
        _ => None,
    })
}

fn local_table(route: &RouteMessage) -> Option<RouteTable> {
    let header = &route.header;
    let is_local_default = header.kind == RouteType::Local
        && (header.destination_prefix_length, header.source_prefix_length, header.tos) == (0, 0, 0)
        && route.attributes.contains(&RouteAttribute::Oif(LOOPBACK));
    if !is_local_default {
        return None;
    }
    route.attributes.iter().find_map(|it| match it {
        RouteAttribute::Table(table) => table.to_string().parse().ok(),
        _ => None,
    })
}

/// Every rule that sends all packets with a mark to a table.
///
/// # Errors
/// As of [`dump`].
pub(super) fn plain_rules(family: Family) -> Result<Vec<PlainRule>, Error> {
    let mut question = RuleMessage::default();
    question.header.family = number_of(family);
    dump("policy rules", &RouteNetlinkMessage::GetRule(question), |item| match item {
        RouteNetlinkMessage::NewRule(rule) if rule.header.family == number_of(family) => {
            PlainRule::read(&rule)
        }
        _ => None,
    })
}

/// The family's number in rtnetlink.
pub(super) fn number_of(family: Family) -> AddressFamily {
    match family {
        Family::Ipv4 => AddressFamily::Inet,
        Family::Ipv6 => AddressFamily::Inet6,
    }
}

/// A policy rule `fwmark MARK lookup TABLE` and nothing else.
pub(super) struct PlainRule {
    pub(super) mark: Mark,
    pub(super) table: RouteTable,
    pub(super) priority: u32,
}

impl PlainRule {
    /// Is it looked at before the main table? Behind it, a default route would decide first.
    pub(super) fn comes_first(&self) -> bool {
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
