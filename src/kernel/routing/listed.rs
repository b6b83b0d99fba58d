//! Reads routes, policy rules and addresses of the forms that the product adds.

use std::net::IpAddr;

use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::route::{RouteAttribute, RouteMessage, RouteType};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleFlags, RuleMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::LOOPBACK;
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
        let rules = policy_rules(family)?;
        let deliveries = effective(&rules);
        items.extend(deliveries.iter().map(|(mark, table)| RoutingItem::PolicyRule {
            family,
            mark: *mark,
            table: *table,
        }));
        let late = (0..rules.len()).filter(|place| is_late(&rules, *place));
        for (mark, table) in late.filter_map(|place| rules[place].delivery()) {
            let late = RoutingItem::LatePolicyRule { family, mark, table };
            if !items.contains(&late) {
                items.push(late);
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

/// Every policy rule of a family, in the order of their priorities.
///
/// # Errors
/// As of [`dump`].
pub(super) fn policy_rules(family: Family) -> Result<Vec<PolicyRule>, Error> {
    let mut question = RuleMessage::default();
    question.header.family = number_of(family);
    let mut rules = dump("policy rules", &RouteNetlinkMessage::GetRule(question), |item| match item {
        RouteNetlinkMessage::NewRule(it) if it.header.family == number_of(family) => {
            Some(PolicyRule::read(&it))
        }
        _ => None,
    })?;
    rules.sort_by_key(|rule| rule.priority);
    Ok(rules)
}

/// The family's number in rtnetlink.
pub(super) fn number_of(family: Family) -> AddressFamily {
    match family {
        Family::Ipv4 => AddressFamily::Inet,
        Family::Ipv6 => AddressFamily::Inet6,
    }
}

/// `RT_TABLE_LOCAL`: the addresses of the machine itself.
const LOCAL_TABLE: u32 = 255;

/// A policy rule, as far as it matters for packets with a mark.
pub(super) struct PolicyRule {
    pub(super) priority: u32,
    /// The table that it leads to.
    table: u32,
    /// The mark that it asks for, and the bits of it that count.
    mark: Option<(u32, u32)>,
    /// Whether it is `fwmark MARK lookup TABLE` and nothing else.
    is_plain: bool,
}

impl PolicyRule {
    fn read(rule: &RuleMessage) -> PolicyRule {
        let header = &rule.header;
        let (mut mark, mut mask, mut table, mut priority) = (None, u32::MAX, u32::from(header.table), 0);
        for attribute in &rule.attributes {
            match attribute {
                RuleAttribute::FwMark(number) => mark = Some(*number),
                RuleAttribute::FwMask(number) => mask = *number,
                RuleAttribute::Table(number) => table = *number,
                RuleAttribute::Priority(number) => priority = *number,
                _ => {}
            }
        }
        let is_narrowed = (header.dst_len, header.src_len, header.tos) != (0, 0, 0)
            || header.flags.contains(RuleFlags::Invert)
            || rule.attributes.iter().any(narrows);
        PolicyRule {
            priority,
            table,
            mark: mark.map(|mark| (mark, mask)),
            is_plain: header.action == RuleAction::ToTable && !is_narrowed,
        }
    }

    /// The mark and the table, if the rule sends every packet with the mark to the table.
    pub(super) fn delivery(&self) -> Option<(Mark, RouteTable)> {
        let (mark, mask) = self.mark.filter(|_| self.is_plain)?;
        if mask != u32::MAX {
            return None;
        }
        Some((mark.to_string().parse().ok()?, self.table.to_string().parse().ok()?))
    }

    /// Whether a packet with this mark may be routed by the rule. What else the rule asks for is not looked at, and the
    /// addresses of the machine itself lead nowhere else.
    pub(super) fn may_catch(&self, mark: Mark) -> bool {
        let has_mark = self.mark.is_none_or(|(wanted, mask)| mark.get() & mask == wanted & mask);
        has_mark && self.table != LOCAL_TABLE
    }
}

/// Whether a rule before the delivery at this place may catch its packets.
pub(super) fn is_late(rules: &[PolicyRule], place: usize) -> bool {
    let Some(delivery) = rules[place].delivery() else { return false };
    let earlier = rules[..place].iter().filter(|it| it.delivery() != Some(delivery));
    earlier.into_iter().any(|it| it.may_catch(delivery.0))
}

/// The deliveries that decide about the packets with their mark.
pub(super) fn effective(rules: &[PolicyRule]) -> Vec<(Mark, RouteTable)> {
    let mut found: Vec<(Mark, RouteTable)> = Vec::new();
    for (place, rule) in rules.iter().enumerate() {
        // istio-init adds the same one with each run.
        if let Some(delivery) = rule.delivery().filter(|it| !is_late(rules, place) && !found.contains(it)) {
            found.push(delivery);
        }
    }
    found
}

/// Does it keep a policy rule from matching some packets with the mark?
fn narrows(attribute: &RuleAttribute) -> bool {
    matches!(
        attribute,
        RuleAttribute::Source(_)
            | RuleAttribute::Destination(_)
            | RuleAttribute::Iifname(_)
            | RuleAttribute::Oifname(_)
            | RuleAttribute::UidRange(_)
            | RuleAttribute::IpProtocol(_)
            | RuleAttribute::SourcePortRange(_)
            | RuleAttribute::DestinationPortRange(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(priority: u32, mark: Option<(u32, u32)>, table: u32, is_plain: bool) -> PolicyRule {
        PolicyRule { priority, table, mark, is_plain }
    }

    fn is_effective(before: PolicyRule) -> bool {
        let delivery = ("1337".parse().unwrap(), "133".parse().unwrap());
        let last = rule(32765, Some((1337, u32::MAX)), 133, true);
        effective(&[rule(0, None, LOCAL_TABLE, true), before, last]).contains(&delivery)
    }

    #[test]
    fn a_rule_that_may_catch_the_marked_packet_before_is_in_the_way() {
        assert!(is_effective(rule(100, Some((7, u32::MAX)), 5, true)));
        assert!(is_effective(rule(100, Some((0x200, 0xf00)), 5, true)));
        assert!(is_effective(rule(100, None, LOCAL_TABLE, true)));
        // By source address, as the plugin sbr makes them; by no mark, as WireGuard does; by some bits of the mark.
        assert!(!is_effective(rule(100, None, 100, false)));
        assert!(!is_effective(rule(100, Some((0x539, 0xfff)), 5, true)));
        assert!(!is_effective(rule(100, Some((1337, u32::MAX)), 5, true)));
    }
}
