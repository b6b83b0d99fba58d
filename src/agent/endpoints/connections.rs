//! Which connections a port holds, and which one has to go when there are too many.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv4Addr};

/// Where a connection comes from, as far as peers are told from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// The address that it goes to: the node itself, and so kubelet.
    Node,
    /// An IPv4 address.
    Ipv4(Ipv4Addr),
    /// The first 64 bits of an IPv6 address: a peer has all addresses behind them.
    Ipv6(u64),
}

impl Source {
    /// The source of a connection from `peer` to `own`.
    pub(super) fn of(peer: IpAddr, own: IpAddr) -> Source {
        match peer.to_canonical() {
            peer if peer == own.to_canonical() => Source::Node,
            IpAddr::V4(peer) => Source::Ipv4(peer),
            IpAddr::V6(peer) => {
                let [a, b, c, d, e, f, g, h, ..] = peer.octets();
                Source::Ipv6(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
            }
        }
    }
}

/// The connections of a port, each with what stands for it.
#[derive(Debug)]
pub(super) struct Connections<T> {
    most: usize,
    /// The oldest first.
    held: VecDeque<(Source, T)>,
    /// How many of them each source holds.
    counts: HashMap<Source, usize>,
}

impl<T> Connections<T> {
    /// None yet, and room for so many.
    pub(super) fn new(most: usize) -> Connections<T> {
        Connections { most, held: VecDeque::new(), counts: HashMap::new() }
    }

    /// A connection is there.
    pub(super) fn add(&mut self, source: Source, connection: T) {
        self.held.push_back((source, connection));
        *self.counts.entry(source).or_default() += 1;
    }

    /// The first connection that this describes is gone.
    pub(super) fn remove(&mut self, is_it: impl Fn(&T) -> bool) {
        let place = self.held.iter().position(|(_, connection)| is_it(connection));
        let Some((source, _)) = place.and_then(|place| self.held.remove(place)) else { return };
        if let Entry::Occupied(mut count) = self.counts.entry(source) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    /// Are there more than there is room for?
    pub(super) fn are_too_many(&self) -> bool {
        self.held.len() > self.most
    }

    /// The connection that has to go first: the oldest one of the source that holds most. Of several such sources the node
    /// is the last, and the oldest connection of the others goes. So a source with fewer connections than another loses
    /// none, and one connection of the node stays whatever the number of peers.
    pub(super) fn first_to_go(&self) -> Option<&T> {
        let rank = |source: &Source, count: &usize| (*count, *source != Source::Node);
        let first = self.counts.iter().map(|(source, count)| rank(source, count)).max()?;
        let goes = |source: &Source| rank(source, &self.counts[source]) == first;
        self.held.iter().find(|(source, _)| goes(source)).map(|(_, connection)| connection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: &str = "192.0.2.1";

    fn source(address: &str) -> Source {
        Source::of(address.parse().unwrap(), NODE.parse().unwrap())
    }

    /// The connections that are left when these come one after the other, as their places in the list.
    fn left(most: usize, addresses: &[&str]) -> Vec<usize> {
        let mut connections = Connections::new(most);
        for (place, address) in addresses.iter().enumerate() {
            connections.add(source(address), place);
            while connections.are_too_many() {
                let victim = *connections.first_to_go().unwrap();
                connections.remove(|it| *it == victim);
            }
        }
        connections.held.into_iter().map(|(_, place)| place).collect()
    }

    #[test]
    fn a_peer_that_holds_most_makes_room_for_another() {
        assert_eq!(left(4, &["10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.2"]), [1, 2, 3, 4]);
        let from_two = ["10.0.0.2", "10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.1"];
        assert_eq!(left(4, &from_two), [0, 3, 4, 5], "the other's is the oldest, and stays");
    }

    #[test]
    fn several_peers_cannot_push_out_the_connection_of_another() {
        let mut addresses = vec!["192.0.2.9"];
        addresses.extend(["10.0.0.1", "10.0.0.2", "10.0.0.3"].repeat(100));
        assert_eq!(left(8, &addresses)[0], 0);
    }

    #[test]
    fn with_a_connection_for_each_peer_the_oldest_goes() {
        assert_eq!(left(3, &["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]), [1, 2, 3]);
    }

    #[test]
    fn no_number_of_peers_pushes_out_a_connection_of_the_node_and_the_node_pushes_out_no_peer() {
        let peers: Vec<String> = (0..100).map(|number| format!("10.0.0.{number}")).collect();
        let mut addresses = vec![NODE];
        addresses.extend(peers.iter().map(String::as_str));
        assert_eq!(left(3, &addresses), [0, 99, 100]);
        assert_eq!(left(3, &["10.0.0.1", NODE, NODE, NODE, NODE]), [0, 3, 4]);
    }

    #[test]
    fn connections_of_one_peer_go_in_their_order() {
        assert_eq!(left(2, &["10.0.0.1"; 5]), [3, 4]);
    }

    #[test]
    fn addresses_of_one_network_are_one_source() {
        assert_eq!(source("2001:db8:1:2::3"), source("2001:db8:1:2:ffff::4"));
        assert_ne!(source("2001:db8:1:2::3"), source("2001:db8:1:3::3"));
        assert_eq!(source("::ffff:10.0.0.1"), source("10.0.0.1"));
        assert_eq!(source("::ffff:192.0.2.1"), Source::Node);
        assert_ne!(source("::ffff:10.0.0.1"), source("::ffff:10.0.0.2"));
    }

    #[test]
    fn without_connections_none_goes() {
        assert_eq!(Connections::<u8>::new(0).first_to_go(), None);
        assert!(!Connections::<u8>::new(0).are_too_many());
    }
}
