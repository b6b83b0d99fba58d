//! Real packets through real rules: configuration, packet, expected fate; for every back end and both families.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[macro_use]
mod common;

use common::{
    APP, INJECTED, Lab, PEER_NET1, PEER_V4, PEER_V6, POD_NET1, POD_V4, POD_V6, PROXY, Probe, Sender, app,
    peer, proxy,
};

const RESOLV_CONF: &str = "nameserver 10.96.0.10\nnameserver fd00:96::a\n";
const OUT_V4: &str = "203.0.113.5";
const OUT_V6: &str = "2001:db8::5";

/// A configuration, and what has to happen to which packet.
struct Scenario {
    flags: Vec<&'static str>,
    environment: Vec<(&'static str, &'static str)>,
    packets: Vec<Probe>,
}

fn scenario(flags: &[&'static str], packets: Vec<Probe>) -> Scenario {
    Scenario { flags: flags.to_vec(), environment: vec![], packets }
}

/// The flags of an injected pod, and these behind them.
fn injected(more: &[&'static str], packets: Vec<Probe>) -> Scenario {
    scenario(&[&INJECTED[..], &["--dual-stack"], more].concat(), packets)
}

fn check(backend: &str, scenario: Scenario) {
    let mut lab = Lab::new(RESOLV_CONF);
    let mut words = vec!["env"];
    let variables: Vec<String> =
        scenario.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
    words.extend(variables.iter().map(String::as_str));
    words.extend([common::BINARY, "istio-iptables", "--backend", backend]);
    words.extend(&scenario.flags);
    let output = lab.pod.output(&words);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    lab.populate();
    lab.expect(&scenario.packets);
}

/// The same packet over both families.
fn both(
    probe: fn(&str, u16, &'static str) -> Probe,
    v4: &str,
    v6: &str,
    port: u16,
    fate: &'static str,
) -> [Probe; 2] {
    [probe(v4, port, fate), probe(v6, port, fate)]
}

fn injected_pod() -> Scenario {
    let mut packets = Vec::new();
    packets.extend(both(app, OUT_V4, OUT_V6, 80, "outbound"));
    packets.extend(both(app, PEER_V4, PEER_V6, 443, "outbound"));
    packets.extend(both(proxy, OUT_V4, OUT_V6, 80, "outside"));
    packets.extend(both(peer, POD_V4, POD_V6, 80, "inbound"));
    packets.extend(both(peer, POD_V4, POD_V6, 1234, "inbound"));
    packets.extend(both(peer, POD_V4, POD_V6, 15020, "app"));
    packets.extend(both(peer, POD_V4, POD_V6, 15008, "closed"));
    // Local calls stay local; a call of the proxy to the pod's own address passes the inbound proxy.
    packets.extend(both(app, "127.0.0.1", "::1", 80, "app"));
    packets.extend(both(app, POD_V4, POD_V6, 80, "app"));
    packets.extend(both(proxy, "127.0.0.1", "::1", 80, "app"));
    packets.extend(both(proxy, POD_V4, POD_V6, 80, "inbound"));
    packets.push(proxy(POD_V4, 80, "app").from("127.0.0.6"));
    packets.push(proxy(POD_V6, 80, "app").from("::6"));
    // The proxy is known by its group as well.
    packets.push(Probe::new(Sender::Pod(APP, PROXY), OUT_V4, 80, "outside"));
    packets.push(Probe::new(Sender::Pod(PROXY, APP), OUT_V6, 80, "outside"));
    packets.push(Probe::new(Sender::Pod(0, 0), OUT_V4, 80, "outbound"));
    // An excluded range, and what is no TCP.
    packets.push(app("192.168.0.1", 80, "outside"));
    packets.extend(both(app, OUT_V4, OUT_V6, 53, "outside").map(Probe::udp));
    injected(&[], packets)
}

fn transparent_pod() -> Scenario {
    let mut packets = Vec::new();
    packets.extend(both(app, OUT_V4, OUT_V6, 80, "outbound"));
    packets.extend(both(proxy, OUT_V4, OUT_V6, 80, "outside"));
    packets.extend(both(peer, POD_V4, POD_V6, 80, "inbound"));
    packets.extend(both(peer, POD_V4, POD_V6, 15020, "app"));
    // As in istio: the exception of the tunnel port is in nat, which TPROXY never reaches.
    packets.extend(both(peer, POD_V4, POD_V6, 15008, "inbound"));
    packets.extend(both(app, POD_V4, POD_V6, 80, "app"));
    packets.extend(both(proxy, POD_V4, POD_V6, 80, "inbound"));
    packets.push(proxy(POD_V4, 80, "app").from("127.0.0.6"));
    injected(&["-m", "TPROXY"], packets)
}

/// The table then sees IPv4 alone.
fn transparent_pod_of_one_family() -> Scenario {
    let packets = vec![
        app(OUT_V4, 80, "outbound"),
        proxy(OUT_V4, 80, "outside"),
        peer(POD_V4, 80, "inbound"),
        peer(POD_V4, 15020, "app"),
        app(POD_V4, 80, "app"),
        proxy(POD_V4, 80, "inbound"),
        app("10.1.1.1", 53, "dns").udp(),
        app("10.1.1.1", 53, "dns"),
        proxy("10.1.1.1", 53, "outside").udp(),
        app(OUT_V6, 80, "outside"),
        peer(POD_V6, 80, "app"),
    ];
    let more = ["-m", "TPROXY", "--redirect-dns", "--capture-all-dns"];
    scenario(&[&INJECTED[..], &more].concat(), packets)
}

fn included_ranges() -> Scenario {
    let mut packets = Vec::new();
    packets.extend(both(app, "10.1.2.3", "2001:db8:1::1", 80, "outbound"));
    packets.extend(both(app, "10.9.1.1", "2001:db8:9::1", 80, "outside"));
    packets.extend(both(app, "11.0.0.1", "2001:db9::1", 80, "outside"));
    packets.extend(both(app, "11.0.0.1", "2001:db9::1", 8443, "outbound"));
    let ranges = "10.0.0.0/8,2001:db8::/32";
    injected(&["-i", ranges, "-x", "10.9.0.0/16,2001:db8:9::/48", "-q", "8443"], packets)
}

fn excluded_ports_win() -> Scenario {
    let mut packets = Vec::new();
    packets.extend(both(app, OUT_V4, OUT_V6, 8050, "outside"));
    packets.extend(both(app, OUT_V4, OUT_V6, 8000, "outside"));
    packets.extend(both(app, OUT_V4, OUT_V6, 8100, "outside"));
    packets.extend(both(app, OUT_V4, OUT_V6, 8101, "outbound"));
    packets.extend(both(app, OUT_V4, OUT_V6, 7999, "outbound"));
    packets.extend(both(app, OUT_V4, OUT_V6, 22, "outside"));
    injected(&["-o", "22,8000-8100", "-q", "8050"], packets)
}

fn listed_inbound_ports() -> Scenario {
    let mut packets = Vec::new();
    packets.extend(both(peer, POD_V4, POD_V6, 80, "inbound"));
    packets.extend(both(peer, POD_V4, POD_V6, 8090, "inbound"));
    packets.extend(both(peer, POD_V4, POD_V6, 22, "app"));
    injected(&["-b", "80,8080-8099"], packets)
}

fn listed_inbound_ports_tproxy() -> Scenario {
    let mut scenario = listed_inbound_ports();
    scenario.flags.extend(["-m", "TPROXY"]);
    scenario
}

fn nothing_asked_for() -> Scenario {
    let mut packets = Vec::new();
    packets.extend(both(app, OUT_V4, OUT_V6, 80, "outside"));
    packets.extend(both(peer, POD_V4, POD_V6, 80, "app"));
    scenario(&["--dual-stack"], packets)
}

fn dns_of_resolv_conf() -> Scenario {
    let mut packets = Vec::new();
    packets.extend(both(app, "10.96.0.10", "fd00:96::a", 53, "dns").map(Probe::udp));
    packets.extend(both(app, "10.96.0.10", "fd00:96::a", 53, "dns"));
    packets.extend(both(proxy, "10.96.0.10", "fd00:96::a", 53, "outside").map(Probe::udp));
    packets.extend(both(app, "10.1.1.1", OUT_V6, 53, "outside").map(Probe::udp));
    packets.extend(both(app, OUT_V4, OUT_V6, 80, "outbound"));
    injected(&["--redirect-dns"], packets)
}

fn all_dns() -> Scenario {
    let mut packets = Vec::new();
    packets.extend(both(app, "10.1.1.1", OUT_V6, 53, "dns").map(Probe::udp));
    packets.extend(both(app, "10.1.1.1", OUT_V6, 53, "dns"));
    packets.extend(both(proxy, "10.1.1.1", OUT_V6, 53, "outside").map(Probe::udp));
    packets.extend(both(app, "127.0.0.1", "::1", 53, "dns"));
    injected(&["--redirect-dns", "--capture-all-dns"], packets)
}

fn excluded_interfaces() -> Scenario {
    let packets = vec![
        app(PEER_NET1, 80, "outside"),
        app(PEER_V4, 80, "outbound"),
        peer(POD_NET1, 80, "app"),
        peer(POD_V4, 80, "inbound"),
    ];
    injected(&["-c", "net+"], packets)
}

fn excluded_interfaces_tproxy() -> Scenario {
    let mut scenario = excluded_interfaces();
    scenario.flags.extend(["-m", "TPROXY", "-c", "net1"]);
    scenario
}

fn virtual_interfaces() -> Scenario {
    let packets = vec![peer(POD_NET1, 80, "outbound"), peer(POD_V4, 80, "inbound")];
    injected(&["-k", "net1"], packets)
}

fn owner_groups_excluded() -> Scenario {
    let packets = vec![
        Probe::new(Sender::Pod(APP, 888), OUT_V4, 80, "outside"),
        Probe::new(Sender::Pod(APP, 889), OUT_V4, 80, "outside"),
        app(OUT_V4, 80, "outbound"),
    ];
    let environment = vec![("ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE", "888,889")];
    Scenario { environment, ..injected(&[], packets) }
}

fn owner_groups_included() -> Scenario {
    let packets = vec![
        Probe::new(Sender::Pod(APP, 888), OUT_V4, 80, "outbound"),
        Probe::new(Sender::Pod(APP, 889), OUT_V6, 80, "outbound"),
        app(OUT_V4, 80, "outside"),
        app(OUT_V6, 80, "outside"),
    ];
    Scenario { environment: vec![("ISTIO_OUTBOUND_OWNER_GROUPS", "888,889")], ..injected(&[], packets) }
}

fn loopback_included() -> Scenario {
    let packets =
        vec![app("127.1.2.3", 80, "outbound"), app("127.0.0.1", 80, "app"), app(OUT_V4, 80, "outside")];
    injected(&["-i", "127.1.2.3/32"], packets)
}

/// IPv6 that is not intercepted passes, unless it is denied.
fn ipv6_is_left_alone() -> Scenario {
    let packets = vec![app(OUT_V4, 80, "outbound"), app(OUT_V6, 80, "outside"), peer(POD_V6, 80, "app")];
    scenario(&INJECTED, packets)
}

fn ipv6_is_denied() -> Scenario {
    let packets = vec![
        app(OUT_V4, 80, "outbound"),
        app(OUT_V6, 80, "closed"),
        app(PEER_V6, 53, "rejected").udp(),
        peer(POD_V6, 80, "closed"),
        peer(POD_V6, 9, "closed").udp(),
        peer(POD_V6, 15020, "app"),
        app("::1", 80, "app"),
        app(POD_V6, 80, "app"),
        proxy(OUT_V6, 80, "outside"),
        Probe::new(Sender::Pod(APP, PROXY), PEER_V6, 80, "outside"),
    ];
    scenario(&[&INJECTED[..], &["--uncaptured-family=deny"]].concat(), packets)
}

/// QUIC is refused wherever TCP would be captured, and nowhere else.
fn quic_is_denied() -> Scenario {
    let mut packets = Vec::new();
    packets.extend(both(app, OUT_V4, OUT_V6, 443, "rejected").map(Probe::udp));
    packets.extend(both(app, PEER_V4, PEER_V6, 443, "rejected").map(Probe::udp));
    packets.extend(both(app, OUT_V4, OUT_V6, 443, "outbound"));
    packets.extend(both(proxy, OUT_V4, OUT_V6, 443, "outside").map(Probe::udp));
    packets.push(Probe::new(Sender::Pod(APP, PROXY), OUT_V4, 443, "outside").udp());
    packets.push(Probe::new(Sender::Pod(PROXY, APP), OUT_V6, 443, "outside").udp());
    // Other ports, the pod itself, and what is excluded from capture.
    packets.extend(both(app, OUT_V4, OUT_V6, 80, "outside").map(Probe::udp));
    packets.extend(both(app, "127.0.0.1", "::1", 443, "closed").map(Probe::udp));
    packets.extend(both(app, POD_V4, POD_V6, 443, "closed").map(Probe::udp));
    packets.push(app("192.168.0.1", 443, "outside").udp());
    packets.push(app(PEER_NET1, 443, "outside").udp());
    packets.extend(both(peer, POD_V4, POD_V6, 443, "closed").map(Probe::udp));
    injected(&["--quic=deny", "-c", "net1", "--drop-invalid"], packets)
}

/// The table of one family has words of its own for a refusal: those of both families would only drop.
fn quic_is_denied_in_one_family() -> Scenario {
    let packets = vec![
        app(OUT_V4, 443, "rejected").udp(),
        proxy(OUT_V4, 443, "outside").udp(),
        app(OUT_V6, 443, "outside").udp(),
    ];
    scenario(&[&INJECTED[..], &["--quic=deny"]].concat(), packets)
}

/// Who captures little denies little.
fn quic_is_denied_in_included_ranges() -> Scenario {
    let packets = vec![
        app("10.1.2.3", 443, "rejected").udp(),
        app(OUT_V4, 443, "outside").udp(),
        app(OUT_V6, 443, "outside").udp(),
    ];
    injected(&["--quic=deny", "-i", "10.1.0.0/16"], packets)
}

fn quic_is_denied_to_an_included_port() -> Scenario {
    let mut packets = Vec::new();
    packets.extend(both(app, OUT_V4, OUT_V6, 443, "rejected").map(Probe::udp));
    injected(&["--quic=deny", "-i", "10.1.0.0/16", "-q", "443"], packets)
}

fn quic_to_an_excluded_port_passes() -> Scenario {
    let mut packets = Vec::new();
    packets.extend(both(app, OUT_V4, OUT_V6, 443, "outside").map(Probe::udp));
    injected(&["--quic=deny", "-o", "443"], packets)
}

fn quic_of_groups() -> Scenario {
    let packets = vec![
        Probe::new(Sender::Pod(APP, 888), OUT_V4, 443, "rejected").udp(),
        Probe::new(Sender::Pod(APP, 889), OUT_V6, 443, "rejected").udp(),
        Probe::new(Sender::Pod(APP, 890), OUT_V4, 443, "outside").udp(),
    ];
    Scenario {
        environment: vec![("ISTIO_OUTBOUND_OWNER_GROUPS", "888,889")],
        ..injected(&["--quic=deny"], packets)
    }
}

/// 20,000 ranges: the ends and a hole between two of them.
fn many_ranges() -> Scenario {
    let ranges: String = (0..20_000u32).map(|i| format!("10.{}.{}.0/25\n", i / 256, i % 256)).collect();
    let file = std::env::temp_dir().join(format!("ranges-{:?}", std::thread::current().id()));
    std::fs::write(&file, ranges).unwrap();
    let list: &'static str = Box::leak(format!("@{}", file.display()).into_boxed_str());
    let packets = vec![
        app("10.0.0.1", 80, "outside"),
        app("10.0.0.200", 80, "outbound"),
        app("10.78.31.127", 80, "outside"),
        app("10.78.32.1", 80, "outbound"),
    ];
    injected(&["-x", list], packets)
}

for_each_back_end! {
    injected_pod => super::injected_pod();
    transparent_pod => super::transparent_pod();
    transparent_pod_of_one_family => super::transparent_pod_of_one_family();
    included_ranges => super::included_ranges();
    excluded_ports_win => super::excluded_ports_win();
    listed_inbound_ports => super::listed_inbound_ports();
    listed_inbound_ports_tproxy => super::listed_inbound_ports_tproxy();
    nothing_asked_for => super::nothing_asked_for();
    dns_of_resolv_conf => super::dns_of_resolv_conf();
    all_dns => super::all_dns();
    excluded_interfaces => super::excluded_interfaces();
    excluded_interfaces_tproxy => super::excluded_interfaces_tproxy();
    virtual_interfaces => super::virtual_interfaces();
    owner_groups_excluded => super::owner_groups_excluded();
    owner_groups_included => super::owner_groups_included();
    loopback_included => super::loopback_included();
    ipv6_is_left_alone => super::ipv6_is_left_alone();
    ipv6_is_denied => super::ipv6_is_denied();
    quic_is_denied => super::quic_is_denied();
    quic_is_denied_in_one_family => super::quic_is_denied_in_one_family();
    quic_is_denied_in_included_ranges => super::quic_is_denied_in_included_ranges();
    quic_is_denied_to_an_included_port => super::quic_is_denied_to_an_included_port();
    quic_to_an_excluded_port_passes => super::quic_to_an_excluded_port_passes();
    quic_of_groups => super::quic_of_groups();
    many_ranges => super::many_ranges();
}

/// TPROXY is there for this: the proxy sees the client's own address.
fn assert_client_address_is_kept(backend: &str) {
    let mut lab = Lab::new("");
    let flags = [&["--backend", backend, "--dual-stack"], &INJECTED[..], &["-m", "TPROXY"]].concat();
    assert!(lab.init(&flags).status.success());
    lab.populate();
    let answers = lab.ask(&both(peer, POD_V4, POD_V6, 80, "inbound"));
    assert_eq!(answers.map_to_clients(), [PEER_V4, PEER_V6]);
}

mod client_address {
    use super::assert_client_address_is_kept;

    #[test]
    fn nftables() {
        assert_client_address_is_kept("nftables");
    }

    #[test]
    fn iptables_nft() {
        assert_client_address_is_kept("iptables-nft");
    }

    #[test]
    fn iptables_legacy() {
        assert_client_address_is_kept("iptables-legacy");
    }
}

trait Clients {
    fn map_to_clients(&self) -> Vec<&str>;
}

impl Clients for Vec<common::Answer> {
    fn map_to_clients(&self) -> Vec<&str> {
        self.iter().map(|answer| answer.client.as_str()).collect()
    }
}

/// What a container engine in the pod adds after the rules: published ports, and addresses of its own for others.
const ENGINE: [(&str, &str); 2] = [
    ("nft", "table ip engine {
        chain published { type nat hook prerouting priority -100; tcp dport 8080 dnat to 198.18.0.2:22; }
        chain services { type nat hook output priority -100; ip daddr 203.0.113.5 tcp dport 80 dnat to 198.18.0.1:7; }
    }"),
    ("iptables", "*nat\n-A PREROUTING -p tcp --dport 8080 -j DNAT --to 198.18.0.2:22\n\
        -A OUTPUT -p tcp -d 203.0.113.5 --dport 80 -j DNAT --to 198.18.0.1:7\nCOMMIT\n"),
];

#[test]
fn a_container_engine_that_comes_later_leads_nothing_past_the_proxy() {
    for (backend, engine, words) in [
        ("nftables", ENGINE[0].1, ["nft", "-f", "/run/engine"]),
        ("nftables", ENGINE[1].1, ["iptables-nft-restore", "--noflush", "/run/engine"]),
        ("iptables-nft", ENGINE[1].1, ["iptables-nft-restore", "--noflush", "/run/engine"]),
        ("iptables-legacy", ENGINE[1].1, ["iptables-legacy-restore", "--noflush", "/run/engine"]),
    ] {
        let mut lab = Lab::new(RESOLV_CONF);
        assert!(lab.init(&[&["--backend", backend], &INJECTED[..]].concat()).status.success());
        std::fs::write("/run/engine", engine).unwrap();
        lab.pod.text(&words);
        lab.populate();
        lab.expect(&[
            app(OUT_V4, 80, "outbound"),
            peer(POD_V4, 8080, "inbound"),
            proxy(OUT_V4, 81, "outside"),
        ]);
    }
}
