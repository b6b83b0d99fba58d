//! A packet to be sent, and which addresses the pod can send packets to.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use mesh_intercept::config::owners::{Gid, Uid};
use mesh_intercept::program::Owner;
use serde_json::{Value, json};

use crate::common::{PEER_NET1, PEER_V4, PEER_V6, POD_NET1, POD_V4, POD_V6};

/// The second cable has both families here.
pub const POD_NET1_V6: &str = "fd00:19::2";
pub const PEER_NET1_V6: &str = "fd00:19::1";
/// Networks that the peer sends packets for to the pod's second interface, as if a virtual machine were there.
pub const BEHIND_V4: &str = "203.0.113.0/24";
pub const BEHIND_V6: &str = "2001:db8:77::/48";
/// The pod has this address when IPv6 is intercepted.
pub const BIND_V6: &str = "::6";

/// Somebody whose user and group have the same number.
pub const fn somebody(number: u32) -> Owner {
    Owner { uid: Uid(number), gid: Gid(number) }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// A process of the pod.
    Pod(Owner),
    /// The other end of the cables.
    Peer,
}

/// Written as `pod 1000:1000 tcp 10.1.2.3:80 from 127.0.0.6` or `peer 0:0 udp [fd00:18::2]:53`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub sender: Sender,
    pub is_udp: bool,
    pub to: IpAddr,
    pub port: u16,
    pub from: Option<IpAddr>,
}

impl Packet {
    /// The question that the sender's process is asked.
    pub fn question(&self) -> Value {
        let (uid, gid) = match self.sender {
            Sender::Pod(owner) => (owner.uid.0, owner.gid.0),
            Sender::Peer => (0, 0),
        };
        let family = if self.to.is_ipv4() { 4 } else { 6 };
        json!({
            "family": family, "protocol": self.protocol(), "to": self.to, "port": self.port, "from": self.from,
            "uid": uid, "gid": gid,
        })
    }

    pub fn protocol(&self) -> &'static str {
        if self.is_udp { "udp" } else { "tcp" }
    }

    /// Is the other end one of the second cable?
    pub fn is_for_net1(&self) -> bool {
        let within = |net: &str| net.parse::<ipnet::IpNet>().unwrap().contains(&self.to);
        let cable = within("198.19.0.0/24") || within("fd00:19::/64");
        cable || (self.sender == Sender::Peer && (within(BEHIND_V4) || within(BEHIND_V6)))
    }
}

/// An address of this text.
pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Every address of the pod but the loopback addresses.
pub fn pod_addresses(intercepts_ipv6: bool) -> Vec<IpAddr> {
    let bind = intercepts_ipv6.then_some(BIND_V6);
    [POD_V4, POD_V6, POD_NET1, POD_NET1_V6].into_iter().chain(bind).map(ip).collect()
}

/// Does the pod's kernel send packets there, and does anybody answer? It refuses or broadcasts to some addresses
/// before any rule is looked at, and on the cables only the two ends answer to ARP and neighbour discovery.
pub fn is_reachable(address: IpAddr, intercepts_ipv6: bool) -> bool {
    let ends = [PEER_V4, PEER_V6, PEER_NET1, PEER_NET1_V6].map(ip);
    if ends.contains(&address) || pod_addresses(intercepts_ipv6).contains(&address) {
        return true;
    }
    match address {
        IpAddr::V4(address) => !matches!(
            address.octets(),
            [0 | 224..=255, ..] | [198, 18 | 19, 0, _] | [127, 0, 0, 0] | [127, 255, 255, 255]
        ),
        IpAddr::V6(address) => match address.segments() {
            // Compatible and mapped addresses, but the loopback address.
            [0, 0, 0, 0, 0, ..] => address.is_loopback(),
            // Link-local, site-local and multicast.
            [0xfe00..=0xffff, ..] => false,
            [0xfd00, 0x18 | 0x19, 0, 0, ..] => false,
            _ => true,
        },
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sender {
            Sender::Pod(owner) => write!(out, "pod {}:{}", owner.uid, owner.gid)?,
            Sender::Peer => write!(out, "peer 0:0")?,
        }
        write!(out, " {} {}", self.protocol(), std::net::SocketAddr::new(self.to, self.port))?;
        self.from.map_or(Ok(()), |from| write!(out, " from {from}"))
    }
}

impl FromStr for Packet {
    type Err = String;

    fn from_str(text: &str) -> Result<Packet, String> {
        let words: Vec<&str> = text.split(' ').collect();
        let [side, owner, protocol, to, ref from @ ..] = words[..] else {
            return Err(format!("not a packet: {text}"));
        };
        let sender = match (side, owner.split_once(':').unwrap()) {
            ("peer", _) => Sender::Peer,
            (_, (uid, gid)) => {
                Sender::Pod(Owner { uid: Uid(uid.parse().unwrap()), gid: Gid(gid.parse().unwrap()) })
            }
        };
        let to: std::net::SocketAddr = to.parse().unwrap();
        let from = from.get(1).map(|from| ip(from));
        Ok(Packet { sender, is_udp: protocol == "udp", to: to.ip(), port: to.port(), from })
    }
}
