//! Which addresses probes use.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::config::families::Family;
use crate::config::{Config, OutboundRanges};
use crate::kernel::cable::Ends;
use crate::program::Pod;

/// Networks for documentation (RFC 5737): nobody routes them.
const DOCUMENTED_V4: [[u8; 4]; 3] = [[192, 0, 2, 0], [198, 51, 100, 0], [203, 0, 113, 0]];
/// The same for IPv6 (RFC 3849, RFC 9637), deep inside.
const DOCUMENTED_V6: [[u16; 8]; 2] =
    [[0x2001, 0xdb8, 0x6d69, 0, 0, 0, 0, 0], [0x3fff, 0x6d69, 0, 0, 0, 0, 0, 0]];
/// How many addresses of a range are tried before it is given up.
const CANDIDATES: u128 = 48;

/// The ends of the cable: where nothing in the configuration says anything about them, if there is such a place.
pub(super) fn ends(config: &Config, pod: &Pod, own: &[IpAddr], family: Family) -> Ends {
    let choices: Vec<Ends> = match family {
        Family::Ipv4 => DOCUMENTED_V4
            .iter()
            .map(|[a, b, c, d]| Ends {
                near: Ipv4Addr::new(*a, *b, *c, d + 2).into(),
                far: Ipv4Addr::new(*a, *b, *c, d + 1).into(),
            })
            .collect(),
        Family::Ipv6 => DOCUMENTED_V6
            .iter()
            .map(|words| {
                let host = |last| {
                    let mut words = *words;
                    words[7] = last;
                    IpAddr::from(Ipv6Addr::from(words))
                };
                Ends { near: host(2), far: host(1) }
            })
            .collect(),
    };
    let named = |address: IpAddr| {
        let included = match &config.outbound_ranges {
            OutboundRanges::All => false,
            OutboundRanges::Only(ranges) => ranges.covers(address),
        };
        included || config.excluded_ranges.covers(address) || pod.resolvers.contains(&address)
    };
    let free = |ends: &&Ends| ![ends.near, ends.far].iter().any(|it| own.contains(it));
    let quiet = choices.iter().filter(free).find(|ends| !named(ends.near) && !named(ends.far));
    *quiet.or(choices.iter().find(free)).unwrap_or(&choices[0])
}

/// Addresses of a range, such that can be called: a few from all over it, the likeliest first.
pub(super) fn candidates(range: IpNet) -> impl Iterator<Item = IpAddr> {
    let (first, bits) = match range.network() {
        IpAddr::V4(address) => (u128::from(u32::from(address)), 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    };
    let length = bits - u32::from(range.prefix_len());
    // Of the largest range, the last address is never looked at.
    let last = 1u128.checked_shl(length).map_or(u128::MAX, |size| size - 1);
    // Steps of the golden section come everywhere and seldom meet a pattern of other ranges.
    let step = (last / 1_000 * 618).max(1) | 1;
    let offsets = [1, last / 2, 2, last.saturating_sub(1), 0, last]
        .into_iter()
        .chain((1..CANDIDATES).map(move |i| i.wrapping_mul(step)));
    offsets
        .map(move |offset| first + if last == u128::MAX { offset } else { offset % (last + 1) })
        .filter_map(move |number| {
            let address = if bits == 32 {
                IpAddr::from(Ipv4Addr::from(u32::try_from(number).ok()?))
            } else {
                IpAddr::from(Ipv6Addr::from(number))
            };
            (range.contains(&address) && can_be_called(address)).then_some(address)
        })
}

/// Can anybody have a connection to it?
fn can_be_called(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, ..] = address.octets();
            first != 0 && first < 224
        }
        IpAddr::V6(address) => {
            let [first, ..] = address.segments();
            // A link-local address belongs to one link, and the range means another than the cable.
            let link_local = first & 0xffc0 == 0xfe80;
            let ipv4 = address.to_ipv4_mapped().is_some();
            !address.is_unspecified() && !address.is_multicast() && !link_local && !ipv4
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(range: &str) -> Vec<IpAddr> {
        candidates(range.parse().unwrap()).collect()
    }

    #[test]
    fn candidates_are_inside_and_can_be_called() {
        for range in
            ["10.0.0.0/8", "10.1.2.3/32", "192.168.0.0/31", "0.0.0.0/0", "::/0", "fd00::/64", "fd00::1/128"]
        {
            let found = some(range);
            let net: IpNet = range.parse().unwrap();
            assert!(!found.is_empty() && found.iter().all(|it| net.contains(it)), "{range}: {found:?}");
        }
        assert_eq!(some("10.1.2.3/32")[0], IpAddr::from([10, 1, 2, 3]));
        for nobody in
            ["224.0.0.0/4", "0.0.0.0/8", "fe80::/10", "ff00::/8", "::ffff:10.0.0.0/104", "255.255.255.255/32"]
        {
            assert_eq!(some(nobody), Vec::<IpAddr>::new(), "{nobody}");
        }
    }
}
