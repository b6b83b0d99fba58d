//! Which answer a packet gets, told by the simulator.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mesh_intercept::program::{
    Entry, Fate, Outcome, Packet as Simulated, Program, Protocol, Surroundings, Tracking, simulate,
};

use crate::common::{PEER_NET1, PEER_V4, PEER_V6, POD_NET1, POD_V4, POD_V6};
use crate::laboratory::{APP, PROXY, listener};
use crate::packet::{PEER_NET1_V6, POD_NET1_V6, Packet, Sender, ip, pod_addresses};

/// An answer as the sender gets it: `NAME|original destination|client address`, or `closed`, `rejected` or `dropped`.
pub fn answer(program: &Program, packet: &Packet) -> (String, Outcome) {
    let surroundings = surroundings(program);
    let sent = simulated(packet, &surroundings);
    let outcome = simulate(program, &sent, &surroundings);
    let who = match outcome.fate {
        Fate::OutboundProxy => "outbound",
        Fate::InboundProxy => "inbound",
        Fate::Dns => "dns",
        Fate::Dropped => "dropped",
        // Who sends over UDP is told while it sends; a connection is reset, and a machine outside gets an error.
        Fate::Rejected if packet.is_udp && matches!(packet.sender, Sender::Pod(_)) => "rejected",
        Fate::Rejected => "closed",
        Fate::Direct => arrived(program, packet, &sent, &surroundings),
    };
    let text = match who {
        "dropped" | "rejected" | "closed" => who.to_owned(),
        _ if packet.is_udp => format!("{who}||{}", sent.source.ip()),
        _ => format!("{who}|{}|{}", sent.destination, sent.source.ip()),
    };
    (text, outcome)
}

fn surroundings(program: &Program) -> Surroundings {
    Surroundings { addresses: pod_addresses(program.routing.bind_address), transparent_listener: true }
}

/// Who answers a packet that arrives where it was sent.
fn arrived(
    program: &Program,
    packet: &Packet,
    sent: &Simulated,
    surroundings: &Surroundings,
) -> &'static str {
    let is_local = surroundings.is_local(packet.to);
    match packet.sender {
        Sender::Pod(_) if !is_local => return "outside",
        // The pod forwards nothing.
        Sender::Peer if !is_local => return "dropped",
        _ => {}
    }
    let listener = listener(packet.is_udp, packet.to, packet.port);
    if packet.sender == Sender::Peer && !answer_leaves(program, packet, sent, surroundings, listener) {
        return "dropped";
    }
    listener.unwrap_or("closed")
}

/// A rule about packets that leave the pod may be about answers as well.
fn answer_leaves(
    program: &Program,
    packet: &Packet,
    sent: &Simulated,
    surroundings: &Surroundings,
    listener: Option<&str>,
) -> bool {
    // Without a listener it is the kernel that answers: with a reset, or with an error for UDP.
    let owner = listener.map(|name| if name == "app" { APP } else { PROXY });
    let is_error = packet.is_udp && listener.is_none() && packet.to.is_ipv6();
    let entry = Entry::Sent { owner, interface: interface(packet).to_owned() };
    let answer = Simulated {
        protocol: if is_error { Protocol::Icmpv6 } else { sent.protocol },
        icmpv6_type: 1,
        tracking: Tracking::Established,
        ..Simulated::first(entry, sent.protocol, sent.destination, sent.source)
    };
    !matches!(simulate(program, &answer, surroundings).fate, Fate::Dropped | Fate::Rejected)
}

/// The packet as the simulator takes it.
fn simulated(packet: &Packet, surroundings: &Surroundings) -> Simulated {
    let protocol = if packet.is_udp { Protocol::Udp } else { Protocol::Tcp };
    let source = SocketAddr::new(packet.from.unwrap_or_else(|| source(packet, surroundings)), EPHEMERAL);
    Simulated::first(entry(packet), protocol, source, SocketAddr::new(packet.to, packet.port))
}

/// One of the ports that Linux takes for connections by itself.
const EPHEMERAL: u16 = 40000;

fn entry(packet: &Packet) -> Entry {
    let interface = interface(packet).to_owned();
    match packet.sender {
        Sender::Pod(owner) => Entry::Sent { owner: Some(owner), interface },
        Sender::Peer => Entry::Received { interface },
    }
}

fn interface(packet: &Packet) -> &'static str {
    if packet.is_for_net1() { "net1" } else { "eth0" }
}

/// The source address that the sender's kernel chooses.
fn source(packet: &Packet, surroundings: &Surroundings) -> IpAddr {
    let text = match (packet.sender, packet.to.is_ipv4(), packet.is_for_net1()) {
        (Sender::Pod(_), true, _) if packet.to.is_loopback() => return Ipv4Addr::LOCALHOST.into(),
        (Sender::Pod(_), ..) if surroundings.is_local(packet.to) => return packet.to,
        (Sender::Pod(_), true, false) => POD_V4,
        (Sender::Pod(_), true, true) => POD_NET1,
        (Sender::Pod(_), false, false) => POD_V6,
        (Sender::Pod(_), false, true) => POD_NET1_V6,
        (Sender::Peer, true, false) => PEER_V4,
        (Sender::Peer, true, true) => PEER_NET1,
        (Sender::Peer, false, false) => PEER_V6,
        (Sender::Peer, false, true) => PEER_NET1_V6,
    };
    ip(text)
}
