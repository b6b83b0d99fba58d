//! What every run asks rtnetlink: the addresses of the interfaces, and whether marks are routed by. Most runs ask for nothing
//! else, and need no runtime for that.

use std::io;
use std::net::IpAddr;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::rule::{RuleAttribute, RuleMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use super::Error;

/// Lists them as the kernel does: IPv4 first, interface by interface.
///
/// # Errors
/// When the kernel does not answer.
pub(super) fn list() -> Result<Vec<IpAddr>, Error> {
    let mut addresses = Vec::new();
    let each = |answer| {
        if let RouteNetlinkMessage::NewAddress(address) = answer {
            addresses.extend(own_address(address));
        }
    };
    dump(RouteNetlinkMessage::GetAddress(AddressMessage::default()), each)
        .map_err(|source| Error::Netlink { doing: "list addresses".to_owned(), source })?;
    Ok(addresses)
}

/// The marks that policy rules of either family look for.
///
/// # Errors
/// When the kernel does not answer.
pub(super) fn policy_marks() -> Result<Vec<u32>, Error> {
    let mut marks = Vec::new();
    let each = |answer| {
        if let RouteNetlinkMessage::NewRule(rule) = answer {
            marks.extend(rule.attributes.iter().filter_map(|attribute| match attribute {
                RuleAttribute::FwMark(mark) => Some(*mark),
                _ => None,
            }));
        }
    };
    dump(RouteNetlinkMessage::GetRule(RuleMessage::default()), each)
        .map_err(|source| Error::Netlink { doing: "list policy rules".to_owned(), source })?;
    Ok(marks)
}

fn dump(question: RouteNetlinkMessage, mut each: impl FnMut(RouteNetlinkMessage)) -> io::Result<()> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut request = NetlinkMessage::from(question);
    request.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    loop {
        let (received, _) = socket.recv_from_full()?;
        let mut rest = &received[..];
        while !rest.is_empty() {
            let message =
                NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest).map_err(io::Error::other)?;
            let length = (message.header.length as usize).next_multiple_of(4);
            match message.payload {
                NetlinkPayload::Done(_) => return Ok(()),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                NetlinkPayload::InnerMessage(answer) => each(answer),
                _ => {}
            }
            rest = rest.get(length..).unwrap_or_default();
        }
    }
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
