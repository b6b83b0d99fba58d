//! What every run asks rtnetlink: the addresses of the interfaces, and whether marks are routed by. Most runs ask for nothing
//! else, and need no runtime for that.

use std::net::IpAddr;

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::rule::{RuleAttribute, RuleMessage};

use super::Error;
use super::dump::dump;

/// Lists them as the kernel does: IPv4 first, interface by interface.
///
/// # Errors
/// As of [`dump`].
pub(super) fn list() -> Result<Vec<IpAddr>, Error> {
    dump("addresses", &RouteNetlinkMessage::GetAddress(AddressMessage::default()), |item| match item {
        RouteNetlinkMessage::NewAddress(address) => own_address(address),
        _ => None,
    })
}

/// The marks that policy rules of either family look for.
///
/// # Errors
/// As of [`dump`].
pub(super) fn policy_marks() -> Result<Vec<u32>, Error> {
    dump("policy rules", &RouteNetlinkMessage::GetRule(RuleMessage::default()), |item| match item {
        RouteNetlinkMessage::NewRule(rule) => rule.attributes.iter().find_map(|attribute| match attribute {
            RuleAttribute::FwMark(mark) => Some(*mark),
            _ => None,
        }),
        _ => None,
    })
}

/// IFA_LOCAL is the interface's own address where IFA_ADDRESS is that of the other end (point to point).
fn own_address(message: AddressMessage) -> Option<IpAddr> {
    let mut own = None;
    for attribute in message.attributes {
        match attribute {
            AddressAttribute::Local(local) => return Some(local),
            AddressAttribute::Address(address) => own = Some(address),
            _ => {}
        }
    }
    own
}
