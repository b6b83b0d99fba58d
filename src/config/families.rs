//! Which address families a pod has, and which of them are intercepted.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

use serde::Serialize;

use super::BackendKind;

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
    /// Those that are to be intercepted although the pod has no address of them that counts yet, and that istio leaves
    /// alone then: an address may come later, and a link-local one is there.
    pub later: Families,
    /// Whether the kernel has IPv6 in the pod: an IPv6 address is there, if only a link-local one.
    pub has_ipv6: bool,
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
        let ipv6_if = |condition| if condition { Families::IPV6 } else { Families::NONE };
        // The rules need an address of the loopback interface.
        let has_loopback = addresses.contains(&IpAddr::V6(Ipv6Addr::LOCALHOST));
        Some(PodFamilies {
            intercepted: Families::IPV4.union(ipv6_if(intercepts_ipv6)),
            uncaptured: ipv6_if(has_ipv6 && !intercepts_ipv6),
            later: ipv6_if(dual_stack && !has_ipv6 && has_loopback),
            has_ipv6: addresses.iter().any(|address| address.to_canonical().is_ipv6()),
        })
    }

    /// Every family, of a pod about which nothing is known.
    pub fn any() -> PodFamilies {
        let (intercepted, none) = (Families::BOTH, Families::NONE);
        PodFamilies { intercepted, uncaptured: none, later: none, has_ipv6: true }
    }

    /// The families that a back end intercepts. The states of the iptables back ends are those of istio-iptables.
    pub fn intercepted_in(&self, backend: BackendKind) -> Families {
        match backend {
            BackendKind::Nftables => self.intercepted.union(self.later),
            BackendKind::IptablesNft | BackendKind::IptablesLegacy => self.intercepted,
        }
    }
}

#[cfg(test)]
impl PodFamilies {
    /// A pod with addresses of the intercepted families and of no other.
    pub(crate) fn only(intercepted: Families) -> PodFamilies {
        PodFamilies { intercepted, uncaptured: Families::NONE, later: Families::NONE, has_ipv6: false }
    }

    /// A pod with addresses of both families, of which IPv4 is intercepted.
    pub(crate) fn ipv4_of_both() -> PodFamilies {
        PodFamilies { uncaptured: Families::IPV6, has_ipv6: true, ..PodFamilies::only(Families::IPV4) }
    }

    /// A pod with IPv4 addresses and a link-local one.
    pub(crate) fn link_local() -> PodFamilies {
        PodFamilies { has_ipv6: true, ..PodFamilies::only(Families::IPV4) }
    }

    /// The same, where IPv6 is to be intercepted.
    pub(crate) fn dual_stack_later() -> PodFamilies {
        PodFamilies { later: Families::IPV6, ..PodFamilies::link_local() }
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
        let v4 = PodFamilies::only(Families::IPV4);
        let both = PodFamilies { has_ipv6: true, ..PodFamilies::only(Families::BOTH) };
        let (half, link_local) = (PodFamilies::ipv4_of_both(), PodFamilies::link_local());
        assert_eq!(decide(&["127.0.0.1", "10.0.0.2", "::1", "fe80::1"], false), Some(link_local));
        assert_eq!(decide(&["10.0.0.2", "fd00::2"], false), Some(half));
        assert_eq!(decide(&["10.0.0.2", "fd00::2"], true), Some(both));
        assert_eq!(decide(&["fd00::2"], false), Some(both));
        assert_eq!(decide(&["10.0.0.2"], true), Some(v4));
        assert_eq!(decide(&["127.0.0.1", "169.254.1.1", "fe80::1", "::1"], true), None);
    }

    #[test]
    fn dual_stack_is_for_addresses_that_come_later_as_well() {
        let later = PodFamilies::dual_stack_later();
        assert_eq!(decide(&["10.0.0.2", "::1", "fe80::1"], true), Some(later));
        assert_eq!(decide(&["10.0.0.2", "::1"], true), Some(later));
        assert_eq!(later.intercepted_in(BackendKind::Nftables), Families::BOTH);
        assert_eq!(later.intercepted_in(BackendKind::IptablesNft), Families::IPV4);
        // IPv6 is off on the loopback interface, where the proxy would be reached.
        assert_eq!(decide(&["10.0.0.2", "fe80::1"], true), Some(PodFamilies::link_local()));
    }
}
