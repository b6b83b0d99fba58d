//! Ports and lists of ports.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::Serialize;

use super::services;

/// A TCP or UDP port, 1 to 65535.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Port(NonZeroU16);

impl Port {
    /// DNS servers listen here (RFC 1035).
    pub const DNS: Port = Port::constant(53);
    /// HTTP over TLS (RFC 9110), and over QUIC (RFC 9114).
    pub const HTTPS: Port = Port::constant(443);
    /// DHCP clients listen here for IPv6 (RFC 8415).
    pub const DHCPV6_CLIENT: Port = Port::constant(546);
    /// The sidecar's own DNS server listens here (istio's agent).
    pub const DNS_AGENT: Port = Port::constant(15053);

    /// A port known at compile time.
    ///
    /// # Panics
    /// When the number is 0, at compile time.
    pub const fn constant(number: u16) -> Port {
        match NonZeroU16::new(number) {
            Some(number) => Port(number),
            None => unreachable!(),
        }
    }

    /// Its number.
    pub const fn get(self) -> u16 {
        self.0.get()
    }
}

impl FromStr for Port {
    type Err = String;

    fn from_str(text: &str) -> Result<Port, String> {
        number(text).map_err(|reason| match text.parse::<PortRange>() {
            Ok(_) => "one port is taken here, not a range".to_owned(),
            Err(_) => reason.to_owned(),
        })
    }
}

/// One port, not a range.
fn number(text: &str) -> Result<Port, &'static str> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("not a port: write a number from 1 to 65535");
    }
    text.parse().map(Port).map_err(|_| "out of range: ports go from 1 to 65535")
}

impl fmt::Display for Port {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// One port, or all from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    first: Port,
    last: Port,
}

impl PortRange {
    /// The lowest port.
    pub fn first(self) -> Port {
        self.first
    }

    /// The highest port.
    pub fn last(self) -> Port {
        self.last
    }

    /// Is it just one port?
    pub fn is_single(self) -> bool {
        self.first == self.last
    }
}

impl From<Port> for PortRange {
    fn from(port: Port) -> PortRange {
        PortRange { first: port, last: port }
    }
}

impl FromStr for PortRange {
    type Err = String;

    /// Takes a number, a range with a dash, and what iptables takes besides: a range with a colon, of which an end may be
    /// left out, and the name of a service.
    fn from_str(text: &str) -> Result<PortRange, String> {
        if let Some(port) = services::port(text) {
            return Ok(port.into());
        }
        let by_colon = text.split_once(':').filter(|ends| *ends != ("", ""));
        let by_dash = text.split_once('-').filter(|(first, _)| !first.is_empty());
        let Some((first, last)) = by_colon.or(by_dash) else {
            return number(text).map(PortRange::from).map_err(str::to_owned);
        };
        let end = |side: &str, open: Port| match side.trim() {
            "" if by_colon.is_some() => Ok(open),
            side => services::port(side)
                .map_or_else(|| number(side), Ok)
                .map_err(|reason| format!("the end {side:?} of the range is {reason}")),
        };
        let (first, last) = (end(first, Port::constant(1))?, end(last, Port::constant(u16::MAX))?);
        if first > last {
            return Err(format!("the range runs backwards: write {last}-{first}"));
        }
        Ok(PortRange { first, last })
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_single() { self.first.fmt(out) } else { write!(out, "{}-{}", self.first, self.last) }
    }
}

impl Serialize for PortRange {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Ports in the order in which they were given: the iptables rules keep it, as istio's do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct PortSet(Vec<PortRange>);

impl PortSet {
    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In the order given.
    pub fn ranges(&self) -> &[PortRange] {
        &self.0
    }

    /// Is this port in it?
    pub fn contains(&self, port: u16) -> bool {
        self.0.iter().any(|range| (range.first.get()..=range.last.get()).contains(&port))
    }
}

impl<T: Into<PortRange>> FromIterator<T> for PortSet {
    fn from_iter<I: IntoIterator<Item = T>>(ranges: I) -> PortSet {
        PortSet(ranges.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_go_from_1_to_65535_and_nothing_else_is_one() {
        assert_eq!("1".parse(), Ok(Port::constant(1)));
        assert_eq!("65535".parse(), Ok(Port::constant(65535)));
        for wrong in
            ["0", "65536", "70000", "abc", "", "-1", "+1", " 1", "1.0", "0x50", "80-90", "http", "1\n2"]
        {
            assert!(wrong.parse::<Port>().is_err(), "{wrong:?}");
        }
        assert_eq!("80-90".parse::<Port>(), Err("one port is taken here, not a range".to_owned()));
    }

    #[test]
    fn ranges_have_two_ends_in_order() {
        assert_eq!("8000-8100".parse::<PortRange>().map(|r| r.to_string()), Ok("8000-8100".to_owned()));
        assert_eq!("80-80".parse::<PortRange>().map(|r| r.to_string()), Ok("80".to_owned()));
        for wrong in [
            "90-80", "0-5", "5-0", "1-65536", "-80", "80-", "1-2-3", "a-b", "-", ":", "90:80", "0:5",
            "1:2:3", "80:x",
        ] {
            assert!(wrong.parse::<PortRange>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn what_iptables_takes_is_taken() {
        for (text, range) in [
            ("1000:2000", "1000-2000"),
            ("80:80", "80"),
            ("60000:", "60000-65535"),
            (":80", "1-80"),
            ("http", "80"),
            ("https", "443"),
            ("ssh:http", "22-80"),
        ] {
            assert_eq!(text.parse::<PortRange>().map(|it| it.to_string()), Ok(range.to_owned()), "{text}");
        }
        for wrong in ["HTTP", "http ", "no-such-service", "http-alt-alt"] {
            assert!(wrong.parse::<PortRange>().is_err(), "{wrong:?}");
        }
    }
}
