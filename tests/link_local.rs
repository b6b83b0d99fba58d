//! IPv6 in pods without an IPv6 address that counts: link-local addresses, and addresses that come after the rules.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[macro_use]
mod common;

use common::{APP, INJECTED, Lab, Namespace, PEER_V4, PEER_V6, POD_V4, POD_V6, Probe, app, peer, proxy};
use serde_json::json;

/// What the rules do about IPv6.
#[derive(Clone, Copy)]
enum Ipv6 {
    /// Nothing: it passes.
    Passes,
    /// Neighbours are refused at the link-local address.
    LinkLocalRefused,
    /// It is refused in both directions.
    Refused,
    /// It is intercepted.
    Intercepted,
}

/// Flags, and what they do in nftables and in iptables.
struct Scenario {
    flags: &'static [&'static str],
    nftables: Ipv6,
    iptables: Ipv6,
}

const NO_FLAG: Scenario = Scenario { flags: &[], nftables: Ipv6::LinkLocalRefused, iptables: Ipv6::Passes };
const ALLOW: Scenario =
    Scenario { flags: &["--uncaptured-family=allow"], nftables: Ipv6::Passes, iptables: Ipv6::Passes };
const DENY: Scenario =
    Scenario { flags: &["--uncaptured-family=deny"], nftables: Ipv6::Refused, iptables: Ipv6::Refused };
const DUAL_STACK: Scenario =
    Scenario { flags: &["--dual-stack"], nftables: Ipv6::Intercepted, iptables: Ipv6::Passes };
const TPROXY: Scenario = Scenario {
    flags: &["--dual-stack", "-m", "TPROXY"],
    nftables: Ipv6::Intercepted,
    iptables: Ipv6::Passes,
};

/// The link-local address of a namespace on the cable, as the other end calls it.
fn link_local(namespace: &Namespace) -> String {
    let text = namespace.text(&["ip", "-6", "-o", "address", "show", "dev", "eth0", "scope", "link"]);
    let address = text.split_whitespace().skip_while(|word| *word != "inet6").nth(1).unwrap();
    format!("{}%eth0", address.split('/').next().unwrap())
}

/// By IPv4 everything is as ever.
fn over_ipv4() -> Vec<Probe> {
    vec![
        app(PEER_V4, 80, "outbound"),
        proxy(PEER_V4, 80, "outside"),
        peer(POD_V4, 8080, "inbound"),
        peer(POD_V4, 15020, "app"),
    ]
}

/// By the link-local addresses of both ends. What the pod sends to its neighbours is its own affair unless IPv6 is refused.
fn over_link_local(lab: &Lab, ipv6: Ipv6) -> Vec<Probe> {
    let (pod, neighbour) = (link_local(&lab.pod), link_local(&lab.peer));
    let (incoming, datagram, outgoing) = match ipv6 {
        Ipv6::Passes => ("app", "app", "outside"),
        Ipv6::LinkLocalRefused => ("closed", "closed", "outside"),
        Ipv6::Refused => ("closed", "closed", "closed"),
        Ipv6::Intercepted => ("inbound", "app", "outside"),
    };
    let mut probes = vec![
        peer(&pod, 8080, incoming),
        peer(&pod, 9999, datagram).udp(),
        app(&neighbour, 80, outgoing),
        proxy(&neighbour, 80, "outside"),
    ];
    // The peer answers over UDP as well: an answer to a query is no new connection.
    if !matches!(ipv6, Ipv6::Refused) {
        probes.push(app(&neighbour, 80, "outside").udp());
        // Ports that are never captured stay open.
        probes.push(peer(&pod, 15020, "app"));
    }
    probes
}

fn over_global_addresses(ipv6: Ipv6) -> Vec<Probe> {
    let (incoming, outgoing) = match ipv6 {
        Ipv6::Passes | Ipv6::LinkLocalRefused => ("app", "outside"),
        Ipv6::Refused => ("closed", "closed"),
        Ipv6::Intercepted => ("inbound", "outbound"),
    };
    vec![
        peer(POD_V6, 8080, incoming),
        app("2001:db8::5", 80, outgoing),
        app(PEER_V6, 443, outgoing),
        proxy("2001:db8::5", 80, "outside"),
    ]
}

fn check(backend: &str, scenario: Scenario) {
    let mut lab = Lab::new("").without_global_ipv6();
    let ipv6 = if backend == "nftables" { scenario.nftables } else { scenario.iptables };
    let output = lab.init(&[&["--backend", backend], &INJECTED[..], scenario.flags].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let is_silent = matches!(ipv6, Ipv6::Refused | Ipv6::Intercepted) || scenario.flags == ALLOW.flags;
    assert_eq!(said.contains("fe80::") && said.contains("that comes later"), !is_silent, "{said}");
    lab.populate();
    let datagrams = json!({"family": 6, "protocol": "udp", "address": "::", "port": 9999, "name": "app"});
    lab.serve(APP, &format!("{datagrams}\n"));
    lab.expect(&[over_ipv4(), over_link_local(&lab, ipv6)].concat());
    let verified =
        [&[common::BINARY, "verify", "--backend", backend], &INJECTED[..], scenario.flags].concat();
    assert!(lab.pod.output(&verified).status.success());
    // An address that comes later.
    lab.add_global_ipv6();
    lab.expect(&[over_ipv4(), over_link_local(&lab, ipv6), over_global_addresses(ipv6)].concat());
}

for_each_back_end! {
    link_local_and_late_addresses_without_a_flag => super::NO_FLAG;
    link_local_and_late_addresses_that_are_allowed => super::ALLOW;
    link_local_and_late_addresses_that_are_denied => super::DENY;
    link_local_and_late_addresses_with_dual_stack => super::DUAL_STACK;
    link_local_and_late_addresses_with_tproxy => super::TPROXY;
}

#[test]
fn a_pod_with_addresses_of_both_families_refuses_neighbours_at_its_link_local_address() {
    let mut lab = Lab::new("");
    let output = lab.init(&INJECTED);
    assert!(output.status.success());
    lab.populate();
    let datagrams = json!({"family": 6, "protocol": "udp", "address": "::", "port": 9999, "name": "app"});
    lab.serve(APP, &format!("{datagrams}\n"));
    lab.expect(&over_link_local(&lab, Ipv6::LinkLocalRefused));
    // The warning says that the other address is open.
    lab.expect(&over_global_addresses(Ipv6::Passes));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("the pod has IPv6 addresses, but IPv6 is not intercepted"), "{said}");
}

#[test]
fn reconcile_adds_what_a_late_address_needs_and_loses_no_rule() {
    let mut lab = Lab::new("").without_global_ipv6();
    assert!(lab.init(&INJECTED).status.success());
    assert!(lab.init(&[&INJECTED[..], &["--dual-stack", "--reconcile"]].concat()).status.success());
    lab.populate();
    lab.add_global_ipv6();
    lab.expect(&[over_ipv4(), over_global_addresses(Ipv6::Intercepted)].concat());
    assert!(lab.init(&[&INJECTED[..], &["--reconcile"]].concat()).status.success());
    lab.expect(&[over_ipv4(), over_global_addresses(Ipv6::Passes)].concat());
    let tables = lab.pod.text(&["nft", "list", "tables"]);
    assert!(tables.contains("table ip6 mesh-intercept") && !tables.contains("table inet"), "{tables}");
    assert!(lab.pod.output(&[common::BINARY, "cleanup"]).status.success());
    assert!(!lab.pod.text(&["nft", "list", "tables"]).contains("mesh-intercept"));
}
