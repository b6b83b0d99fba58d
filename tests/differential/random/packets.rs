//! Packets at the edges of what a configuration names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use mesh_intercept::config::owners::{Gid, Uid};
use mesh_intercept::config::ports::PortSet;
use mesh_intercept::config::values::Quic;
use mesh_intercept::config::{BackendKind, Config, Dns, InboundPorts, OutboundRanges};
use mesh_intercept::program::Owner;

use super::Dice;
use crate::common::{PEER_NET1, PEER_V4, PEER_V6, POD_NET1, POD_V4, POD_V6};
use crate::configuration::Configuration;
use crate::packet::{
    BIND_V6, PEER_NET1_V6, POD_NET1_V6, Packet, Sender, ip, is_reachable, pod_addresses, somebody,
};

const OUTSIDE: [&str; 9] = [
    "203.0.113.5",
    "10.1.2.3",
    "10.96.0.10",
    "2001:db8::5",
    "2001:db8:77::5",
    "fd00:96::a",
    PEER_V4,
    PEER_V6,
    PEER_NET1,
];
const OWN: [&str; 4] = [POD_V4, POD_V6, POD_NET1, POD_NET1_V6];
const LOOPBACK: [&str; 6] = ["127.0.0.1", "127.0.0.6", "127.1.2.3", "127.0.0.53", "::1", "::1"];
/// What the peer sends to: the pod, and what is routed through it.
const FROM_OUTSIDE: [&str; 6] = [POD_V4, POD_V6, POD_NET1, POD_NET1_V6, "203.0.113.5", "2001:db8:77::5"];
const PORTS: [u16; 12] = [1, 22, 53, 80, 443, 8000, 8080, 15006, 15008, 15020, 15053, 65535];
const SENDERS: [(u32, u32); 7] =
    [(1000, 1000), (1337, 1337), (1000, 1337), (1337, 1000), (0, 0), (1000, 888), (4000, 4000)];

/// So many packets for this configuration.
pub fn packets(dice: &mut Dice, configuration: &Configuration, count: usize) -> Vec<Packet> {
    let config = configuration.parse();
    let intercepts_ipv6 = configuration.target().program(BackendKind::Nftables).routing.bind_address;
    let ground = Ground {
        intercepts_ipv6,
        addresses: addresses(&config, intercepts_ipv6),
        servers: servers(configuration, &config),
        ports: ports(&config),
        owners: owners(&config),
        denies_quic: config.quic == Quic::Deny,
    };
    (0..count).map(|_| ground.packet(dice)).collect()
}

/// What packets are made of.
struct Ground {
    intercepts_ipv6: bool,
    addresses: Vec<IpAddr>,
    /// Whom DNS queries go to; empty when they are not captured.
    servers: Vec<IpAddr>,
    ports: Vec<u16>,
    owners: Vec<Owner>,
    denies_quic: bool,
}

impl Ground {
    fn packet(&self, dice: &mut Dice) -> Packet {
        let is_udp = dice.percent(20);
        let port = match is_udp {
            true if dice.percent(60) => 53,
            _ if dice.percent(25) => dice.one_of(&PORTS),
            _ => dice.one_of(&self.ports),
        };
        if dice.percent(25) {
            let to = ip(dice.one_of(&FROM_OUTSIDE));
            return Packet { sender: Sender::Peer, is_udp, to, port, from: None };
        }
        let sender = Sender::Pod(dice.one_of(&self.owners));
        if !self.servers.is_empty() && dice.percent(20) {
            let to = dice.one_of(&self.servers);
            return Packet { sender, is_udp: dice.percent(60), to, port: 53, from: None };
        }
        if self.denies_quic && dice.percent(25) {
            let to = if dice.percent(50) { ip(dice.one_of(&OUTSIDE)) } else { dice.one_of(&self.addresses) };
            return Packet { sender, is_udp: true, to, port: 443, from: None };
        }
        let to = match dice.up_to(9) {
            0 | 1 => ip(dice.one_of(&OUTSIDE)),
            2 | 3 => ip(dice.one_of(&OWN)),
            4 => ip(dice.one_of(&LOOPBACK)),
            _ => dice.one_of(&self.addresses),
        };
        Packet { sender, is_udp, to, port, from: self.source(dice, to) }
    }

    /// The address that the proxy calls the application from, now and then; the world outside takes no packet with it.
    fn source(&self, dice: &mut Dice, to: IpAddr) -> Option<IpAddr> {
        let stays = to.is_loopback() || pod_addresses(self.intercepts_ipv6).contains(&to);
        let bind = match to {
            IpAddr::V4(_) => ip("127.0.0.6"),
            IpAddr::V6(_) if self.intercepts_ipv6 => ip(BIND_V6),
            IpAddr::V6(_) => return None,
        };
        (stays && dice.percent(25)).then_some(bind)
    }
}

/// The first and the last address of every range, and their neighbours outside.
fn addresses(config: &Config, intercepts_ipv6: bool) -> Vec<IpAddr> {
    let mut nets: Vec<IpNet> = Vec::new();
    let mut add = |ranges: &mesh_intercept::config::cidrs::CidrSet| {
        nets.extend(ranges.v4.iter().copied().map(IpNet::from));
        nets.extend(ranges.v6.iter().copied().map(IpNet::from));
    };
    if let OutboundRanges::Only(ranges) = &config.outbound_ranges {
        add(ranges);
    }
    add(&config.excluded_ranges);
    nets.push(config.loopback.net().into());
    let edges = nets.iter().flat_map(|net| {
        let (first, last) = (net.network(), net.broadcast());
        [next(first, -1), first, last, next(last, 1)]
    });
    let neighbours = [PEER_NET1_V6, PEER_V4].map(ip);
    edges.chain(neighbours).filter(|address| is_reachable(*address, intercepts_ipv6)).collect()
}

/// The resolvers, who else might be one, and the pod itself.
fn servers(configuration: &Configuration, config: &Config) -> Vec<IpAddr> {
    if config.dns == Dns::Off {
        return Vec::new();
    }
    let others = ["10.96.0.11", "fd00:96::b", "127.0.0.1", "127.0.0.53", "::1", POD_V4, PEER_V6].map(ip);
    let resolvers = configuration.resolvers().servers;
    others.into_iter().chain(resolvers.iter().copied().cycle().take(resolvers.len() * 4)).collect()
}

fn next(address: IpAddr, by: i8) -> IpAddr {
    match address {
        IpAddr::V4(address) => Ipv4Addr::from(u32::from(address).wrapping_add_signed(by.into())).into(),
        IpAddr::V6(address) => Ipv6Addr::from(u128::from(address).wrapping_add_signed(by.into())).into(),
    }
}

/// The first and the last port of every range, and their neighbours outside.
fn ports(config: &Config) -> Vec<u16> {
    let inbound = match &config.inbound_ports {
        InboundPorts::None => &PortSet::default(),
        InboundPorts::AllExcept(ports) | InboundPorts::Only(ports) => ports,
    };
    let ranges = [inbound, &config.outbound_ports, &config.excluded_outbound_ports]
        .into_iter()
        .flat_map(|ports| ports.ranges().to_vec());
    let edges = ranges.flat_map(|range| {
        let (first, last) = (range.first().get(), range.last().get());
        [first.saturating_sub(1), first, last, last.saturating_add(1)]
    });
    edges.chain([80, config.tunnel_port.get()]).filter(|port| *port != 0).collect()
}

/// The usual senders, and each user and group that is named, with and without the other.
fn owners(config: &Config) -> Vec<Owner> {
    let usual = SENDERS.map(|(uid, gid)| Owner { uid: Uid(uid), gid: Gid(gid) });
    let users = config.proxy_uids.iter().map(|uid| Owner { uid: *uid, gid: Gid(1000) });
    let groups = config.proxy_gids.iter().map(|gid| Owner { uid: Uid(1000), gid: *gid });
    let both = config.proxy_uids.iter().map(|uid| somebody(uid.0));
    usual.into_iter().chain(users).chain(groups).chain(both).collect()
}
