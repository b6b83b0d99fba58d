//! Sockets of probes: made by anybody, bound to any address, and on routes of their own.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use nix::unistd::{Gid, Uid, setfsgid, setfsuid};
use serde::Serialize;
use socket2::{Domain, Socket, Type};

/// On every probe's packets, and in the key of the IPv4 routes that lead only probes: no service is known to use it.
/// Only the bits 0x1c count in routes of all kernels (`IPTOS_RT_MASK`).
pub const TYPE_OF_SERVICE: u8 = 0x1c;
/// More connections than wait at any time.
const BACKLOG: i32 = 256;

/// What carries a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Transport {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        }
    }
}

/// Whom a socket belongs to: rules look at the user and group that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// A user or group that this process may not be.
#[derive(Debug, thiserror::Error)]
#[error("sending as {who} needs {capability}, which this process does not have")]
pub struct NotAllowed {
    capability: &'static str,
    who: String,
}

/// Does something as this user and group: this thread's file system ids are what a new socket gets, and taking them
/// needs no other thread to stop.
///
/// # Errors
/// When this process may not be one of them.
pub fn as_owner<T>(owner: Owner, work: impl FnOnce() -> T) -> Result<T, NotAllowed> {
    let _back = Ids { uid: setfsuid(UNCHANGED_UID), gid: setfsgid(UNCHANGED_GID) };
    setfsgid(Gid::from_raw(owner.gid));
    setfsuid(Uid::from_raw(owner.uid));
    // These calls have no way to fail but doing nothing.
    if setfsgid(UNCHANGED_GID).as_raw() != owner.gid {
        return Err(NotAllowed { capability: "CAP_SETGID", who: format!("group {}", owner.gid) });
    }
    if setfsuid(UNCHANGED_UID).as_raw() != owner.uid {
        return Err(NotAllowed { capability: "CAP_SETUID", who: format!("user {}", owner.uid) });
    }
    Ok(work())
}

/// No such id: the call only tells the present one (setfsuid(2)).
const UNCHANGED_UID: Uid = Uid::from_raw(u32::MAX);
const UNCHANGED_GID: Gid = Gid::from_raw(u32::MAX);

struct Ids {
    uid: Uid,
    gid: Gid,
}

impl Drop for Ids {
    fn drop(&mut self) {
        setfsuid(self.uid);
        setfsgid(self.gid);
    }
}

/// A socket that waits for probes. A `transparent` one may wait at addresses that are not the namespace's.
///
/// # Errors
/// When somebody else has the port, or the kernel refuses.
pub fn listen(transport: Transport, address: SocketAddr, transparent: bool) -> io::Result<Socket> {
    let socket = open(transport, address)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if transparent {
        match address {
            SocketAddr::V4(_) => socket.set_ip_transparent_v4(true)?,
            SocketAddr::V6(_) => socket.set_ip_transparent_v6(true)?,
        }
    }
    if transport == Transport::Tcp {
        // Past connections do not hold the port; who listens does. UDP would share it.
        socket.set_reuse_address(true)?;
    }
    socket.bind(&address.into())?;
    if transport == Transport::Tcp {
        socket.listen(BACKLOG)?;
    }
    Ok(socket)
}

/// A socket that calls `to`. A TCP connection may still be under way.
///
/// # Errors
/// When the kernel refuses.
pub fn call(transport: Transport, from: Option<IpAddr>, to: SocketAddr) -> io::Result<Socket> {
    let socket = open(transport, to)?;
    if let Some(from) = from {
        socket.bind(&SocketAddr::new(from, 0).into())?;
    }
    match socket.connect(&to.into()) {
        Err(error) if error.raw_os_error() == Some(nix::libc::EINPROGRESS) => {}
        connected => connected?,
    }
    Ok(socket)
}

fn open(transport: Transport, family_of: SocketAddr) -> io::Result<Socket> {
    let kind = match transport {
        Transport::Tcp => Type::STREAM,
        Transport::Udp => Type::DGRAM,
    };
    let socket = Socket::new(Domain::for_address(family_of), kind, None)?;
    socket.set_nonblocking(true)?;
    if family_of.is_ipv4() {
        // Also on what listens: where the kernel checks the way back (rp_filter), it looks for it with the same key.
        socket.set_tos_v4(TYPE_OF_SERVICE.into())?;
    }
    if transport == Transport::Tcp {
        // A connection ends at once, and leaves nothing that waits in the kernel.
        socket.set_linger(Some(Duration::ZERO))?;
    }
    Ok(socket)
}
