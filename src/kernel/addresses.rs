//! The addresses of the interfaces.
//!
//! Every run asks for them, most runs ask rtnetlink for nothing else: those need no runtime for one question.

use std::io;
use std::net::IpAddr;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

use super::Error;

/// Lists them as the kernel does: IPv4 first, interface by interface.
///
/// # Errors
/// When the kernel does not answer.
pub(super) fn list() -> Result<Vec<IpAddr>, Error> {
    dump().map_err(|source| Error::Netlink { doing: "list addresses".to_owned(), source })
}

fn dump() -> io::Result<Vec<IpAddr>> {
    let mut socket = Socket::new(NETLINK_ROUTE)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let payload = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    let mut request = NetlinkMessage::from(payload);
    request.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    let mut addresses = Vec::new();
    loop {
        let (received, _) = socket.recv_from_full()?;
        let mut rest = &received[..];
        while !rest.is_empty() {
            let message =
                NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest).map_err(io::Error::other)?;
            let length = (message.header.length as usize).next_multiple_of(4);
            match message.payload {
                NetlinkPayload::Done(_) => return Ok(addresses),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewAddress(address)) => {
                    addresses.extend(own_address(address));
                }
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
