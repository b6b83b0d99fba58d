//! Lists what rtnetlink has: a socket for each question, and no more in memory than one datagram and what is kept.
//!
//! The `rtnetlink` crate hands on a listing that a change has interrupted as if it were whole, and keeps all of it.

use std::io;

use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;

use super::Error;
use super::socket::{connect, receive, send};
use crate::netlink::flag;

/// How often a listing is asked for anew when changes interrupt it.
const ATTEMPTS: usize = 50;
/// So many items are kept: more than a pod has that works.
const MOST: usize = 1 << 16;

/// Asks a question whose answer is a listing, and keeps what `keep` makes of each item. `what` is listed.
///
/// # Errors
/// [`Error::Netlink`] if the kernel does not answer, [`Error::Changed`] if changes interrupt every attempt,
/// [`Error::TooMuch`] if more is there than is kept.
pub(super) fn dump<T>(
    what: &str,
    question: &RouteNetlinkMessage,
    mut keep: impl FnMut(RouteNetlinkMessage) -> Option<T>,
) -> Result<Vec<T>, Error> {
    for _ in 0..ATTEMPTS {
        match once(question, &mut keep) {
            Ok(Listing::Whole(kept)) => return Ok(kept),
            Ok(Listing::Interrupted) => {}
            // The kernel was built without the family.
            Err(error) if error.raw_os_error() == Some(nix::libc::EAFNOSUPPORT) => return Ok(Vec::new()),
            Ok(Listing::TooMuch) => return Err(Error::TooMuch(what.to_owned())),
            Err(source) => return Err(Error::Netlink { doing: format!("list {what}"), source }),
        }
    }
    Err(Error::Changed)
}

enum Listing<T> {
    Whole(Vec<T>),
    /// A change came in between: an item may be missing (`NLM_F_DUMP_INTR`).
    Interrupted,
    TooMuch,
}

fn once<T>(
    question: &RouteNetlinkMessage,
    keep: &mut impl FnMut(RouteNetlinkMessage) -> Option<T>,
) -> io::Result<Listing<T>> {
    let socket = connect(NETLINK_ROUTE)?;
    let mut request = NetlinkMessage::from(question.clone());
    request.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);
    send(&socket, &bytes)?;
    let (mut kept, mut is_interrupted) = (Vec::new(), false);
    loop {
        let received = receive(&socket)?;
        let mut rest = &received[..];
        while !rest.is_empty() {
            let message =
                NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest).map_err(io::Error::other)?;
            let length = (message.header.length as usize).next_multiple_of(4);
            is_interrupted |= message.header.flags & flag::INTERRUPTED != 0;
            match message.payload {
                NetlinkPayload::Done(_) if is_interrupted => return Ok(Listing::Interrupted),
                NetlinkPayload::Done(_) => return Ok(Listing::Whole(kept)),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                NetlinkPayload::InnerMessage(item) => kept.extend(keep(item)),
                _ => {}
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        if kept.len() > MOST {
            return Ok(Listing::TooMuch);
        }
    }
}
