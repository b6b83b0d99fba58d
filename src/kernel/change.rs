//! One change of routes, policy rules or addresses: a request, and the kernel's answer.
//!
//! A socket of its own for each, and no runtime: what is undone after a failure must not depend on what failed.

use std::io;

use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;

use super::socket::{connect, receive_answer, send};
use crate::netlink::flag;

/// Asks for something new; what is there already is an error (`EEXIST`).
///
/// # Errors
/// The kernel's.
pub(super) fn add(message: RouteNetlinkMessage) -> io::Result<()> {
    ask(message, flag::CREATE | flag::EXCLUSIVE)
}

/// Asks for the end of something; what is not there is an error.
///
/// # Errors
/// The kernel's.
pub(super) fn remove(message: RouteNetlinkMessage) -> io::Result<()> {
    ask(message, 0)
}

fn ask(message: RouteNetlinkMessage, flags: u16) -> io::Result<()> {
    let socket = connect(NETLINK_ROUTE)?;
    let mut request = NetlinkMessage::from(message);
    request.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);
    send(&socket, &bytes)?;
    let received = receive_answer(&socket)?;
    let answer = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&received).map_err(io::Error::other)?;
    match answer.payload {
        NetlinkPayload::Error(error) if error.code.is_some() => Err(error.to_io()),
        _ => Ok(()),
    }
}
