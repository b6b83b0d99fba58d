//! Which address families a pod has, and which of them are intercepted.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use serde::Serialize;

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// Both.
    pub const ALL: [Family; 2] = [Family::Ipv4, Family::Ipv6];

    /// The family of an address.
    pub fn of(address: IpAddr) -> Family {
        if address.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Family::Ipv4 => "IPv4",
            Family::Ipv6 => "IPv6",
        })
    }
}

/// A set of address families.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Families {
    ipv4: bool,
    ipv6: bool,
}

impl Families {
    /// IPv4 alone.
    pub const IPV4: Families = Families { ipv4: true, ipv6: false };
    /// IPv6 alone.
    pub const IPV6: Families = Families { ipv4: false, ipv6: true };
    /// Both.
    pub const BOTH: Families = Families { ipv4: true, ipv6: true };
    /// Neither.
    pub const NONE: Families = Families { ipv4: false, ipv6: false };

    /// Is this family in it?
    pub fn contains(self, family: Family) -> bool {
        match family {
            Family::Ipv4 => self.ipv4,
            Family::Ipv6 => self.ipv6,
        }
    }

    /// What both sets have.
    pub fn intersection(self, other: Families) -> Families {
        Families { ipv4: self.ipv4 && other.ipv4, ipv6: self.ipv6 && other.ipv6 }
    }

    /// What either set has.
    pub fn union(self, other: Families) -> Families {
        Families { ipv4: self.ipv4 || other.ipv4, ipv6: self.ipv6 || other.ipv6 }
    }

    /// IPv4 first.
    pub fn iter(self) -> impl Iterator<Item = Family> {
        [Family::Ipv4, Family::Ipv6].into_iter().filter(move |family| self.contains(*family))
    }

    /// Is none in it?
    pub fn is_empty(self) -> bool {
        self == Families::NONE
    }
}

impl FromIterator<Family> for Families {
    fn from_iter<I: IntoIterator<Item = Family>>(families: I) -> Families {
        families.into_iter().fold(Families::NONE, |set, family| {
            set.union(if family == Family::Ipv4 { Families::IPV4 } else { Families::IPV6 })
        })
    }
}

impl Serialize for Families {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

/// What the addresses of a pod's interfaces say about its families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodFamilies {
    /// Those that are intercepted: always IPv4, and IPv6 as istio decides it.
    pub intercepted: Families,
    /// Those that the pod has addresses of and that are not intercepted.
    pub uncaptured: Families,
}

impl PodFamilies {
    /// Decides as istio-iptables does: loopback and link-local addresses do not count; without `dual_stack` the
    /// first address that counts decides about IPv6, with it any IPv6 address does.
    ///
    /// Nothing when no address counts: then the pod's network is not there yet.
    pub fn decide(addresses: &[IpAddr], dual_stack: bool) -> Option<PodFamilies> {
        let mut counting =
            addresses.iter().map(|address| address.to_canonical()).filter(|address| counts(*address));
        let first = counting.next()?;
        let has_ipv6 = first.is_ipv6() || counting.any(|address| address.is_ipv6());
        let intercepts_ipv6 = if dual_stack { has_ipv6 } else { first.is_ipv6() };
        Some(PodFamilies {
            intercepted: if intercepts_ipv6 { Families::BOTH } else { Families::IPV4 },
            uncaptured: if has_ipv6 && !intercepts_ipv6 { Families::IPV6 } else { Families::NONE },
        })
    }
}

/// Does the address take part in the decision?
fn counts(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            !address.is_loopback() && !address.is_link_local() && address.octets()[..3] != [224, 0, 0]
        }
        IpAddr::V6(address) => !address.is_loopback() && !is_link_local(address),
    }
}

/// Link-local unicast (fe80::/10) or multicast (ff02::/16).
fn is_link_local(address: Ipv6Addr) -> bool {
    let [first, ..] = address.segments();
    first & 0xffc0 == 0xfe80 || first & 0xff0f == 0xff02
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decide(addresses: &[&str], dual_stack: bool) -> Option<PodFamilies> {
        let addresses: Vec<IpAddr> = addresses.iter().map(|a| a.parse().unwrap()).collect();
        PodFamilies::decide(&addresses, dual_stack)
    }

    #[test]
    fn the_first_address_decides_unless_dual_stack_is_asked_for() {
        let v4 = PodFamilies { intercepted: Families::IPV4, uncaptured: Families::NONE };
        let both = PodFamilies { intercepted: Families::BOTH, uncaptured: Families::NONE };
        let half = PodFamilies { intercepted: Families::IPV4, uncaptured: Families::IPV6 };
        assert_eq!(decide(&["127.0.0.1", "10.0.0.2", "::1", "fe80::1"], false), Some(v4));
        assert_eq!(decide(&["10.0.0.2", "fd00::2"], false), Some(half));
        assert_eq!(decide(&["10.0.0.2", "fd00::2"], true), Some(both));
        assert_eq!(decide(&["fd00::2"], false), Some(both));
        assert_eq!(decide(&["10.0.0.2"], true), Some(v4));
        assert_eq!(decide(&["127.0.0.1", "169.254.1.1", "fe80::1", "::1"], true), None);
    }
}
