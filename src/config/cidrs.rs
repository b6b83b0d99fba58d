//! Address ranges.

use std::fmt::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Serialize;

/// A range as it was typed: it may carry host bits, which istio-iptables accepts and ignores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr(IpNet);

impl Cidr {
    /// Is it an IPv6 spelling of IPv4 addresses (`::ffff:10.0.0.0/104`)? No packet ever carries one.
    pub fn is_mapped(self) -> bool {
        matches!(self.0, IpNet::V6(net) if net.prefix_len() >= 96 && net.addr().to_ipv4_mapped().is_some())
    }
}

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Cidr, String> {
        if text == "*" {
            return Err("`*` stands for every address and is not taken here".to_owned());
        }
        let Some((address, prefix)) = text.split_once('/') else {
            return Err(match text.parse::<IpAddr>() {
                Ok(IpAddr::V4(_)) => {
                    format!("a range needs its prefix length: write {text}/32 for this one address")
                }
                Ok(IpAddr::V6(_)) => {
                    format!("a range needs its prefix length: write {text}/128 for this one address")
                }
                Err(_) => "not an address range: write it like 10.0.0.0/8 or 2001:db8::/32".to_owned(),
            });
        };
        let Ok(address) = address.parse::<IpAddr>() else {
            return Err("not an address range: write it like 10.0.0.0/8 or 2001:db8::/32".to_owned());
        };
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let out_of_range = || format!("the prefix length goes from 0 to {longest}");
        if prefix.is_empty() || !prefix.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(out_of_range());
        }
        let prefix = prefix.parse().map_err(|_| out_of_range())?;
        IpNet::new(address, prefix).map(Cidr).map_err(|_| out_of_range())
    }
}

/// Ranges of both families, each in the order in which they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CidrSet {
    /// IPv4 networks.
    pub v4: Vec<Ipv4Net>,
    /// IPv6 networks.
    pub v6: Vec<Ipv6Net>,
    /// Was one of them typed as a loopback address? istio then lets local calls reach the range rules.
    #[serde(skip)]
    pub names_loopback: bool,
}

impl CidrSet {
    /// One network of each family.
    pub fn pair(v4: Ipv4Net, v6: Ipv6Net) -> CidrSet {
        CidrSet { v4: vec![v4], v6: vec![v6], names_loopback: false }
    }

    /// Single addresses.
    pub fn hosts(addresses: &[IpAddr]) -> CidrSet {
        let mut set = CidrSet::default();
        for address in addresses {
            match address {
                IpAddr::V4(address) => set.v4.push((*address).into()),
                IpAddr::V6(address) => set.v6.push((*address).into()),
            }
        }
        set
    }

    /// Is there none of either family?
    pub fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }

    /// As a list that is read as this set again. What was typed as a loopback address has lost it with its host bits where
    /// its prefix is short: one range then is spelt by a loopback address.
    pub(super) fn typed(&self) -> String {
        let v4 = self.v4.iter().map(|net| (IpNet::V4(*net), IpAddr::V4(Ipv4Addr::LOCALHOST)));
        let v6 = self.v6.iter().map(|net| (IpNet::V6(*net), IpAddr::V6(Ipv6Addr::LOCALHOST)));
        let all = || v4.clone().chain(v6.clone());
        let still_says_so = all().any(|(net, _)| net.addr().is_loopback());
        let spelt = match self.names_loopback && !still_says_so {
            true => all().position(|(net, loopback)| net.contains(&loopback)),
            false => None,
        };
        let mut text = String::new();
        for (place, (net, loopback)) in all().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            let _ = match spelt {
                Some(it) if it == place => write!(text, "{comma}{loopback}/{}", net.prefix_len()),
                _ => write!(text, "{comma}{net}"),
            };
        }
        text
    }

    /// Is this address in any of them?
    pub fn covers(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(address) => self.v4.iter().any(|net| net.contains(&address)),
            IpAddr::V6(address) => self.v6.iter().any(|net| net.contains(&address)),
        }
    }
}

impl FromIterator<Cidr> for CidrSet {
    fn from_iter<I: IntoIterator<Item = Cidr>>(cidrs: I) -> CidrSet {
        let mut set = CidrSet::default();
        for Cidr(net) in cidrs {
            set.names_loopback |= net.addr().is_loopback();
            match net {
                IpNet::V4(net) => set.v4.push(net.trunc()),
                IpNet::V6(net) => set.v6.push(net.trunc()),
            }
        }
        set
    }
}

/// The IPv4 range that counts as loopback: inside 127.0.0.0/8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct LoopbackRange(Ipv4Net);

impl LoopbackRange {
    /// 127.0.0.1/32, istio's default.
    pub fn host() -> LoopbackRange {
        LoopbackRange(Ipv4Addr::LOCALHOST.into())
    }

    /// The network.
    pub fn net(self) -> Ipv4Net {
        self.0
    }
}

impl FromStr for LoopbackRange {
    type Err = String;

    fn from_str(text: &str) -> Result<LoopbackRange, String> {
        match text.parse::<Cidr>()? {
            Cidr(IpNet::V4(net)) if net.addr().is_loopback() && net.prefix_len() >= 8 => {
                Ok(LoopbackRange(net.trunc()))
            }
            _ => Err("the loopback range must be inside 127.0.0.0/8".to_owned()),
        }
    }
}

/// Source of the proxy's connections to the application (Envoy's inbound pass-through cluster binds it): IPv4.
pub const BIND_V4: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 6);
/// The same for IPv6; it has to be added to the loopback interface.
pub const BIND_V6: Ipv6Addr = Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6);
/// Link-local addresses (RFC 4291): valid on one interface, which every one of its neighbours shares.
pub const LINK_LOCAL: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10);

impl fmt::Display for CidrSet {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.v4.iter().copied().map(IpNet::V4).chain(self.v6.iter().copied().map(IpNet::V6));
        for (place, net) in all.enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(out, "{comma}{net}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_an_address_and_a_prefix_that_fits() {
        for right in ["10.0.0.0/8", "0.0.0.0/0", "1.2.3.4/32", "::/0", "2001:db8::/32", "::ffff:1.2.3.4/128"]
        {
            assert!(right.parse::<Cidr>().is_ok(), "{right}");
        }
        let wrong = [
            "10.0.0.0",
            "::1",
            "10.0.0.0/33",
            "::/129",
            "10.0.0/8",
            "*",
            "",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/8/8",
            "10.0.0.0/8\n-A",
            "fe80::1%eth0/64",
            "10.0.0.0/255.0.0.0",
            "010.0.0.0/8",
        ];
        for wrong in wrong {
            assert!(wrong.parse::<Cidr>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn host_bits_are_accepted_and_dropped() {
        let set: CidrSet =
            ["10.1.2.3/8".parse().unwrap(), "2001:db8::5/32".parse().unwrap()].into_iter().collect();
        assert_eq!(set.to_string(), "10.0.0.0/8,2001:db8::/32");
    }

    #[test]
    fn what_was_typed_as_loopback_is_printed_as_loopback() {
        for (typed, printed) in [
            ("10.0.0.0/8,127.0.0.9/4", "10.0.0.0/8,127.0.0.1/4"),
            ("10.0.0.0/8,::1/64", "10.0.0.0/8,::1/64"),
            ("127.0.0.9/4,127.1.0.0/16", "112.0.0.0/4,127.1.0.0/16"),
            ("112.0.0.0/4", "112.0.0.0/4"),
        ] {
            let set: CidrSet = typed.split(',').map(|range| range.parse().unwrap()).collect();
            assert_eq!(set.typed(), printed);
            let again: CidrSet = printed.split(',').map(|range| range.parse().unwrap()).collect();
            assert_eq!(again, set);
        }
    }

    #[test]
    fn the_loopback_range_stays_inside_127() {
        assert!("127.0.0.0/8".parse::<LoopbackRange>().is_ok());
        for wrong in ["127.0.0.0/7", "10.0.0.0/8", "::1/128", "0.0.0.0/0", "127.0.0.1"] {
            assert!(wrong.parse::<LoopbackRange>().is_err(), "{wrong}");
        }
    }
}
