//! Numbers as the elements of interval sets: sorted, merged, disjoint.

use crate::config::ports::PortSet;
use ipnet::{Ipv4Net, Ipv6Net};

/// All numbers from the first to the last: ports, or addresses in host byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval {
    /// The lowest.
    pub first: u128,
    /// The highest.
    pub last: u128,
}

impl Interval {
    /// The prefix length, when the interval is a network of addresses with this many bits.
    pub fn prefix(self, bits: u32) -> Option<u32> {
        let size = self.last.checked_sub(self.first)?.checked_add(1).unwrap_or(0);
        // All 128-bit addresses: their number does not fit.
        if size == 0 {
            return Some(0);
        }
        let aligned = size.is_power_of_two() && self.first.is_multiple_of(size);
        bits.checked_sub(size.trailing_zeros()).filter(|_| aligned)
    }
}

/// The ports, merged.
pub fn of_ports(ports: &PortSet) -> Vec<Interval> {
    let ranges = ports.ranges().iter();
    merge(
        ranges
            .map(|range| Interval { first: range.first().get().into(), last: range.last().get().into() })
            .collect(),
    )
}

/// The networks, merged.
pub fn of_v4(nets: &[Ipv4Net]) -> Vec<Interval> {
    let interval = |net: &Ipv4Net| Interval {
        first: net.network().to_bits().into(),
        last: net.broadcast().to_bits().into(),
    };
    merge(nets.iter().map(interval).collect())
}

/// The networks, merged.
pub fn of_v6(nets: &[Ipv6Net]) -> Vec<Interval> {
    let interval =
        |net: &Ipv6Net| Interval { first: net.network().to_bits(), last: net.broadcast().to_bits() };
    merge(nets.iter().map(interval).collect())
}

/// Sorts, and joins what overlaps or touches: the kernel refuses overlapping elements.
fn merge(mut intervals: Vec<Interval>) -> Vec<Interval> {
    intervals.sort_unstable();
    let mut merged: Vec<Interval> = Vec::with_capacity(intervals.len());
    for next in intervals {
        match merged.last_mut() {
            Some(last) if next.first <= last.last.saturating_add(1) => last.last = last.last.max(next.last),
            _ => merged.push(next),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::super::ruleset::SetType;
    use super::super::{Ruleset, translate};
    use super::*;
    use crate::config::BackendKind;
    use crate::config::arbitrary::config;
    use crate::config::families::{Families, PodFamilies};
    use crate::config::settings::{OUTBOUND_EXCLUDED_RANGES, OUTBOUND_RANGES};
    use crate::program::{Pod, compile};

    fn v4(nets: &[&str]) -> Vec<Interval> {
        of_v4(&nets.iter().map(|net| net.parse().unwrap()).collect::<Vec<_>>())
    }

    #[test]
    fn overlapping_and_touching_ranges_become_one() {
        let one = v4(&["10.1.0.0/16", "10.0.0.0/16", "10.0.5.0/24"]);
        assert_eq!(one, v4(&["10.0.0.0/15"]));
        assert_eq!(one[0].prefix(32), Some(15));
        let odd = v4(&["10.1.0.0/16", "10.2.0.0/16"]);
        assert_eq!((odd.len(), odd[0].prefix(32)), (1, None));
        assert_eq!(v4(&["0.0.0.0/0", "255.255.255.255/32"])[0].prefix(32), Some(0));
    }

    fn excluding(ranges: &str) -> Ruleset {
        let families = PodFamilies::only(Families::IPV4);
        let config =
            config(&vec![(&OUTBOUND_RANGES, "*".to_owned()), (&OUTBOUND_EXCLUDED_RANGES, ranges.to_owned())]);
        translate(&compile(&config, &Pod { families, resolvers: Vec::new() }, BackendKind::Nftables))
    }

    #[test]
    fn twenty_thousand_ranges_that_touch_reach_the_kernel_as_one() {
        // 10.0.0.0 to 10.78.31.255, every other one in front, and what is inside of them behind.
        let nets = (0..20_000_u32).map(|i| format!("10.{}.{}.0/24", i >> 8, i & 255));
        let (even, odd): (Vec<_>, Vec<_>) = nets.enumerate().partition(|(number, _)| number % 2 == 0);
        let all: Vec<_> = even.into_iter().chain(odd).map(|(_, net)| net).collect();
        let many = excluding(&(all.join(",") + ",10.7.0.0/16,10.77.1.2/32"));
        let one = excluding("10.0.0.0/10,10.64.0.0/13,10.72.0.0/14,10.76.0.0/15,10.78.0.0/19");
        assert_eq!(many, one);
        assert!(
            !one.tables[0].sets.iter().any(|set| set.kind == SetType::Ipv4),
            "one range needs no set: {one:?}"
        );
        assert_ne!(one, excluding("10.0.0.0/10,10.64.0.0/13,10.72.0.0/14,10.76.0.0/15,10.79.0.0/19"));
    }

    #[test]
    fn what_is_no_network_has_no_prefix() {
        assert_eq!(Interval { first: 0, last: (1 << 20) - 1 }.prefix(16), None);
        assert_eq!(Interval { first: 2, last: 1 }.prefix(32), None);
    }

    #[test]
    fn the_whole_of_ipv6_is_an_interval() {
        let all = of_v6(&["::/1".parse().unwrap(), "8000::/1".parse().unwrap()]);
        assert_eq!(all, [Interval { first: 0, last: u128::MAX }]);
        assert_eq!(all[0].prefix(128), Some(0));
    }
}
