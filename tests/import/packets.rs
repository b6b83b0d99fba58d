//! Which way packets go by imported settings: the way that the other program's own rules send them.

use std::net::{IpAddr, SocketAddr};

use mesh_intercept::config::BackendKind;
use mesh_intercept::config::families::PodFamilies;
use mesh_intercept::config::owners::{Gid, Uid};
use mesh_intercept::import::{Imported, Peer};
use mesh_intercept::program::{Entry, Fate, Owner, Packet, Pod, Protocol, Surroundings, compile, simulate};

use super::{imported, is_taken};

const POD: &str = "10.0.0.2";

/// Where a packet goes by the imported rules: of the user from the pod, or from outside where there is none.
fn fate(it: &Imported, user: Option<u32>, protocol: Protocol, to: &str) -> (Fate, Option<u16>) {
    let own: IpAddr = POD.parse().unwrap();
    let addresses = vec![own, "fd00::2".parse().unwrap()];
    let families = PodFamilies::decide(&addresses, it.config.dual_stack).unwrap();
    let program = compile(&it.config, &Pod { families, resolvers: Vec::new() }, BackendKind::Nftables);
    let to: SocketAddr = to.parse().unwrap();
    let local = to.ip().is_loopback() || to.ip() == own;
    let source = match (user, to.ip()) {
        (None, _) => "192.0.2.1".parse().unwrap(),
        (Some(_), ip) if local => ip,
        (Some(_), IpAddr::V6(_)) => addresses[1],
        (Some(_), _) => own,
    };
    let entry = match user {
        Some(id) => Entry::Sent {
            // The proxy's group is 0: what other meshes do depends on the user alone.
            owner: Some(Owner { uid: Uid(id), gid: Gid(0) }),
            interface: if local { "lo" } else { "eth0" }.to_owned(),
        },
        None => Entry::Received { interface: "eth0".to_owned() },
    };
    let packet = Packet::first(entry, protocol, SocketAddr::new(source, 40000), to);
    let outcome = simulate(&program, &packet, &Surroundings { addresses, transparent_listener: true });
    (outcome.fate, outcome.port)
}

#[test]
fn packets_go_the_way_that_the_other_program_sends_them() {
    use Fate::{Direct, Dns, InboundProxy, OutboundProxy};
    use Protocol::{Tcp, Udp};
    const APP: Option<u32> = Some(1000);
    const OUTSIDE: Option<u32> = None;
    let out = (OutboundProxy, true);
    let inbound = (InboundProxy, true);
    let direct = (Direct, true);
    let dns = (Dns, true);
    let linkerd: &[&str] = &[
        "-p",
        "4143",
        "-o",
        "4140",
        "-u",
        "2102",
        "--inbound-ports-to-ignore",
        "4190,9000-9100",
        "--outbound-ports-to-ignore",
        "25,4567-4568",
    ];
    let listed: &[&str] = &[
        "-p",
        "4143",
        "-o",
        "4140",
        "-u",
        "2102",
        "-r",
        "80,9000",
        "--inbound-ports-to-ignore",
        "9000-9100",
    ];
    let kuma: &[&str] = &[
        "--kuma-dp-user",
        "5678",
        "--exclude-inbound-ports",
        "22",
        "--exclude-outbound-ports",
        "25",
        "--exclude-outbound-ips",
        "192.0.2.7,2001:db8::/32",
        "--redirect-all-dns-traffic",
    ];
    let gateway: &[&str] =
        &["--kuma-dp-user", "5678", "--redirect-inbound=false", "--ip-family-mode", "ipv4"];
    let included: &[&str] = &[
        "--kuma-dp-user",
        "5678",
        "{redirect: {inbound: {includePorts: [80]}, outbound: {includePorts: [443]}}}",
    ];
    let consul: &[&str] = &[
        "-proxy-uid",
        "1234",
        "-proxy-inbound-port",
        "20000",
        "-exclude-inbound-port",
        "8080:8090",
        "-exclude-outbound-port",
        "25",
        "-exclude-outbound-cidr",
        "192.0.2.0/24",
        "-exclude-uid",
        "5,0",
    ];
    // linkerd: proxy-init's chains; kuma: MESH_INBOUND and MESH_OUTBOUND; Consul: CONSUL_PROXY_INBOUND and _OUTPUT.
    for (peer, words, user, protocol, to, expected) in [
        (Peer::Linkerd, linkerd, APP, Tcp, "192.0.2.9:80", out),
        (Peer::Linkerd, linkerd, APP, Tcp, "[2001:db8::9]:80", out),
        (Peer::Linkerd, linkerd, APP, Udp, "192.0.2.9:53", direct),
        (Peer::Linkerd, linkerd, APP, Tcp, "192.0.2.9:4568", direct),
        (Peer::Linkerd, linkerd, Some(2102), Tcp, "192.0.2.9:80", direct),
        // On the loopback interface everything is left alone, the proxy's calls to the pod too.
        (Peer::Linkerd, linkerd, APP, Tcp, "10.0.0.2:80", direct),
        (Peer::Linkerd, linkerd, Some(2102), Tcp, "10.0.0.2:80", direct),
        (Peer::Linkerd, linkerd, APP, Tcp, "127.0.0.1:80", direct),
        (Peer::Linkerd, linkerd, OUTSIDE, Tcp, "10.0.0.2:80", inbound),
        // istio's tunnel port is a port like others.
        (Peer::Linkerd, linkerd, OUTSIDE, Tcp, "10.0.0.2:15008", inbound),
        (Peer::Linkerd, linkerd, OUTSIDE, Tcp, "10.0.0.2:4190", direct),
        (Peer::Linkerd, linkerd, OUTSIDE, Tcp, "10.0.0.2:9050", direct),
        (Peer::Linkerd, listed, OUTSIDE, Tcp, "10.0.0.2:80", inbound),
        (Peer::Linkerd, listed, OUTSIDE, Tcp, "10.0.0.2:81", direct),
        (Peer::Linkerd, listed, OUTSIDE, Tcp, "10.0.0.2:9000", direct),
        (Peer::Kuma, kuma, APP, Tcp, "192.0.2.9:80", out),
        (Peer::Kuma, kuma, APP, Tcp, "[2001:4860::9]:80", out),
        (Peer::Kuma, kuma, APP, Tcp, "192.0.2.7:80", direct),
        (Peer::Kuma, kuma, APP, Tcp, "[2001:db8::9]:80", direct),
        (Peer::Kuma, kuma, APP, Tcp, "192.0.2.9:25", direct),
        (Peer::Kuma, kuma, APP, Udp, "192.0.2.9:53", dns),
        (Peer::Kuma, kuma, APP, Tcp, "192.0.2.9:53", dns),
        (Peer::Kuma, kuma, Some(5678), Udp, "192.0.2.9:53", direct),
        (Peer::Kuma, kuma, Some(5678), Tcp, "192.0.2.9:80", direct),
        (Peer::Kuma, kuma, APP, Tcp, "10.0.0.2:80", direct),
        (Peer::Kuma, kuma, Some(5678), Tcp, "10.0.0.2:80", inbound),
        (Peer::Kuma, kuma, OUTSIDE, Tcp, "10.0.0.2:15008", inbound),
        (Peer::Kuma, kuma, OUTSIDE, Tcp, "10.0.0.2:22", direct),
        (Peer::Kuma, gateway, OUTSIDE, Tcp, "10.0.0.2:80", direct),
        (Peer::Kuma, gateway, APP, Tcp, "192.0.2.9:80", out),
        (Peer::Kuma, gateway, APP, Tcp, "[2001:4860::9]:80", direct),
        (Peer::Kuma, included, OUTSIDE, Tcp, "10.0.0.2:80", inbound),
        (Peer::Kuma, included, OUTSIDE, Tcp, "10.0.0.2:81", direct),
        (Peer::Kuma, included, APP, Tcp, "192.0.2.9:443", out),
        (Peer::Kuma, included, APP, Tcp, "192.0.2.9:80", direct),
        (Peer::Consul, consul, APP, Tcp, "192.0.3.9:80", out),
        (Peer::Consul, consul, APP, Tcp, "192.0.2.9:80", direct),
        (Peer::Consul, consul, APP, Tcp, "192.0.3.9:25", direct),
        (Peer::Consul, consul, Some(1234), Tcp, "192.0.3.9:80", direct),
        (Peer::Consul, consul, Some(5), Tcp, "192.0.3.9:80", direct),
        // User 0 is left alone, and not the processes of group 0, as the application here.
        (Peer::Consul, consul, Some(0), Tcp, "192.0.3.9:80", direct),
        // Only 127.0.0.1 is left alone: a call to the pod's own address goes to the proxy.
        (Peer::Consul, consul, APP, Tcp, "127.0.0.1:80", direct),
        (Peer::Consul, consul, APP, Tcp, "10.0.0.2:80", out),
        (Peer::Consul, consul, APP, Tcp, "127.0.0.2:80", out),
        (Peer::Consul, consul, Some(1234), Tcp, "10.0.0.2:20000", direct),
        (Peer::Consul, consul, OUTSIDE, Tcp, "10.0.0.2:80", inbound),
        (Peer::Consul, consul, OUTSIDE, Tcp, "10.0.0.2:15008", inbound),
        (Peer::Consul, consul, OUTSIDE, Tcp, "10.0.0.2:8085", direct),
    ] {
        let it = imported(peer, words);
        is_taken(&it);
        let (fate, port) = fate(&it, user, protocol, to);
        assert_eq!(fate, expected.0, "{peer:?} {user:?} {to}");
        let proxy = match fate {
            OutboundProxy => Some(it.config.outbound_port.get()),
            InboundProxy => Some(it.config.inbound_port.get()),
            Dns => Some(15053),
            _ => port,
        };
        assert_eq!(port, proxy, "{peer:?} {to}");
    }
}
