//! A packet as the rules see it.

use std::net::{IpAddr, SocketAddr};

use super::Protocol;
use crate::config::families::Family;
use crate::config::owners::{Gid, Uid};

/// Who made the socket that a packet comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user.
    pub uid: Uid,
    /// The group.
    pub gid: Gid,
}

/// Where a packet enters the pod's network stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A process of the pod sends it: the hook is OUTPUT, and PREROUTING as well when it stays in the pod.
    Sent {
        /// Who; nothing for packets that the kernel makes by itself.
        owner: Option<Owner>,
        /// The interface that it would leave by.
        interface: String,
    },
    /// It comes in by an interface: the hook is PREROUTING.
    Received {
        /// Which.
        interface: String,
    },
}

/// Where a packet stands in its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tracking {
    /// The first one: address translation is decided now.
    New,
    /// A later one, or one of a connection that another one announced.
    Established,
    /// It fits no connection.
    Invalid,
}

/// A packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Where it enters.
    pub entry: Entry,
    /// Its transport protocol.
    pub protocol: Protocol,
    /// Whence; the port is 0 for protocols without ports.
    pub source: SocketAddr,
    /// Where to.
    pub destination: SocketAddr,
    /// Its ICMPv6 type.
    pub icmpv6_type: u8,
    /// Its mark; 0 for none.
    pub mark: u32,
    /// Its connection's mark; 0 for none.
    pub connection_mark: u32,
    /// Where it stands in its connection.
    pub tracking: Tracking,
}

impl Packet {
    /// The first packet of a connection.
    pub fn first(entry: Entry, protocol: Protocol, source: SocketAddr, destination: SocketAddr) -> Packet {
        Packet {
            entry,
            protocol,
            source,
            destination,
            icmpv6_type: 0,
            mark: 0,
            connection_mark: 0,
            tracking: Tracking::New,
        }
    }

    /// Its address family.
    pub fn family(&self) -> Family {
        Family::of(self.destination.ip())
    }
}

/// What a packet finds in the pod besides rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surroundings {
    /// The pod's own addresses; loopback addresses need not be among them.
    pub addresses: Vec<IpAddr>,
    /// Does a transparent socket listen where TPROXY sends packets? Without one they are dropped.
    pub transparent_listener: bool,
}

impl Surroundings {
    /// Is it an address of the pod itself?
    pub fn is_local(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.addresses.contains(&address)
    }
}
