//! Random packets for property tests: near the edges of what configurations name.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use proptest::prelude::*;
use proptest::sample::select;

use super::{Entry, Owner, Packet, Protocol, Surroundings, Tracking};
use crate::config::arbitrary::{IDS, INTERFACES, PORTS, RANGES};
use crate::config::owners::{Gid, Uid};

/// The pod's own addresses.
pub(crate) const OWN: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(10, 1, 2, 4)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 7)),
    IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 7)),
];

/// The first and the last address of every range, and one more on both sides.
fn edges() -> Vec<IpAddr> {
    let mut edges = OWN.to_vec();
    for range in RANGES {
        let net: ipnet::IpNet = range.parse().unwrap();
        for edge in [net.network(), net.broadcast()] {
            edges.push(edge);
            edges.push(match edge {
                IpAddr::V4(it) => Ipv4Addr::from_bits(it.to_bits().wrapping_add(1)).into(),
                IpAddr::V6(it) => Ipv6Addr::from_bits(it.to_bits().wrapping_add(1)).into(),
            });
            edges.push(match edge {
                IpAddr::V4(it) => Ipv4Addr::from_bits(it.to_bits().wrapping_sub(1)).into(),
                IpAddr::V6(it) => Ipv6Addr::from_bits(it.to_bits().wrapping_sub(1)).into(),
            });
        }
    }
    edges.extend(["127.0.0.6".parse::<IpAddr>().unwrap(), "::6".parse().unwrap()]);
    edges
}

fn address() -> impl Strategy<Value = IpAddr> {
    let (v4, v6) = (any::<u32>(), any::<u128>());
    prop_oneof![
        8 => select(edges()),
        1 => v4.prop_map(|bits| Ipv4Addr::from_bits(bits).into()),
        1 => v6.prop_map(|bits| Ipv6Addr::from_bits(bits).into()),
    ]
}

fn port() -> impl Strategy<Value = u16> {
    let near = select(PORTS.to_vec())
        .prop_flat_map(|port| select(vec![port, port.saturating_add(1), port.saturating_sub(1).max(1)]));
    prop_oneof![5 => near, 1 => 1..=u16::MAX]
}

fn owner() -> impl Strategy<Value = Option<Owner>> {
    let ids = || prop_oneof![4 => select(IDS.to_vec()), 1 => 0..u32::MAX];
    let owner = (ids(), ids()).prop_map(|(uid, gid)| Some(Owner { uid: Uid(uid), gid: Gid(gid) }));
    prop_oneof![8 => owner, 1 => Just(None)]
}

fn entry() -> impl Strategy<Value = Entry> {
    let interface = || select(INTERFACES.to_vec()).prop_map(str::to_owned);
    prop_oneof![
        2 => (owner(), interface()).prop_map(|(owner, interface)| Entry::Sent { owner, interface }),
        1 => interface().prop_map(|interface| Entry::Received { interface }),
    ]
}

/// A packet.
pub(crate) fn packet() -> impl Strategy<Value = Packet> {
    let protocol =
        prop_oneof![6 => Just(Protocol::Tcp), 3 => Just(Protocol::Udp), 1 => Just(Protocol::Icmpv6)];
    let marks = || prop_oneof![4 => Just(0_u32), 1 => select(vec![1, 1337, 1338, u32::MAX])];
    let tracking =
        select(vec![Tracking::New, Tracking::New, Tracking::New, Tracking::Established, Tracking::Invalid]);
    let ends = ((address(), port()), (address(), port()));
    (entry(), protocol, ends, any::<u8>(), (marks(), marks()), tracking).prop_map(
        |(entry, protocol, (from, to), icmpv6_type, (mark, connection_mark), tracking)| {
            // Both ends are of one family.
            let source = match (from.0, to.0) {
                (IpAddr::V4(it), IpAddr::V6(_)) => it.to_ipv6_compatible().into(),
                (IpAddr::V6(_), IpAddr::V4(_)) => OWN[0],
                (same, _) => same,
            };
            let packet =
                Packet::first(entry, protocol, SocketAddr::new(source, from.1), SocketAddr::new(to.0, to.1));
            Packet { icmpv6_type, mark, connection_mark, tracking, ..packet }
        },
    )
}

/// Where it comes to.
pub(crate) fn surroundings(transparent_listener: bool) -> Surroundings {
    Surroundings { addresses: OWN.to_vec(), transparent_listener }
}
