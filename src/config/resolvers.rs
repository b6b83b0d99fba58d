//! The DNS servers that resolv.conf names.

use std::net::IpAddr;

/// What a resolv.conf says about servers (resolv.conf(5)).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolvers {
    /// The servers, in order. The zone of a link-local address (`fe80::1%eth0`) is left out: a rule matches the
    /// address on any interface.
    pub servers: Vec<IpAddr>,
    /// `nameserver` entries that are no address: resolvers ignore them, and so do the rules.
    pub ignored: Vec<String>,
}

impl Resolvers {
    /// Reads the text of a resolv.conf.
    pub fn parse(text: &str) -> Resolvers {
        let mut resolvers = Resolvers::default();
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            if words.next() != Some("nameserver") {
                continue;
            }
            let Some(word) = words.next() else { continue };
            let address = word.split_once('%').map_or(word, |(address, _zone)| address);
            match address.parse::<IpAddr>() {
                Ok(address) => resolvers.servers.push(address.to_canonical()),
                Err(_) => resolvers.ignored.push(word.to_owned()),
            }
        }
        resolvers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_in_order_and_the_rest_is_left_out() {
        let text = "# nameserver 9.9.9.9\nnameserver 10.96.0.10\n nameserver\t fd00::a # x\nnameserver fe80::1%eth0\n\
                    nameserver none\nnameserver\nsearch nameserver 1.1.1.1\nnameserver 10.0.0.1;\n";
        let got = Resolvers::parse(text);
        let want: Vec<IpAddr> =
            ["10.96.0.10", "fd00::a", "fe80::1"].iter().map(|a| a.parse().unwrap()).collect();
        assert_eq!(got.servers, want);
        assert_eq!(got.ignored, ["none", "10.0.0.1;"]);
    }
}
