//! The ports that docs/security.md calls never captured are those that the rules do not capture, and no others.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use mesh_intercept::cni::interception::Node;
use mesh_intercept::cni::netconf::NetConf;
use mesh_intercept::cni::pod::PodFacts;
use mesh_intercept::config::arguments::{Outcome, parse};
use mesh_intercept::config::families::PodFamilies;
use mesh_intercept::config::owners::{Gid, Uid};
use mesh_intercept::config::{BackendKind, Config};
use mesh_intercept::kernel::files::Files;
use mesh_intercept::program::{Entry, Fate, Owner, Packet, Pod, Protocol, Surroundings, compile, simulate};

use crate::document::{Document, spans};

const POD: &str = "10.0.0.2";
const OTHER: &str = "203.0.113.9";
const HEADING: &str = "### Ports that are never captured";

/// All ports that something in the mesh could be about, and some that nothing is.
fn candidates() -> impl Iterator<Item = u16> {
    (15000..=15100).chain([1, 22, 53, 80, 443, 3306, 8080, 9090, 65535])
}

/// What flags of `init` come to.
fn of_flags(flags: &str) -> Config {
    let words = ["init", "-u", "1337"].into_iter().chain(flags.split(' ')).map(str::to_owned).collect();
    let nothing = |_: &str| Err(std::env::VarError::NotPresent);
    let Outcome::Parsed(settings, problems) = parse("init", "", words, &nothing) else { panic!("{flags}") };
    assert!(problems.is_empty(), "{flags}: {problems:?}");
    Config::parse(&settings, &Files).unwrap()
}

/// What the plugin makes of a pod that says nothing but its mode.
fn of_pod(mode: &str) -> Config {
    let text = r#"{"cniVersion": "1.0.0", "name": "x", "type": "mesh-intercept-cni"}"#;
    let annotations = BTreeMap::from([("sidecar.istio.io/interceptionMode".to_owned(), mode.to_owned())]);
    let facts = PodFacts { annotations: Some(annotations), ..PodFacts::default() };
    let node = Node::of(&NetConf::parse(text).unwrap()).unwrap();
    node.rules_of(&facts).unwrap().unwrap().config
}

/// The ports to which a connection goes where it was sent: to the pod from outside, or from the application to others.
fn past_the_proxy(config: &Config, is_inbound: bool) -> BTreeSet<u16> {
    let addresses: Vec<IpAddr> = vec![POD.parse().unwrap()];
    let families = PodFamilies::decide(&addresses, config.dual_stack).unwrap();
    let program = compile(config, &Pod { families, resolvers: Vec::new() }, BackendKind::Nftables);
    let surroundings = Surroundings { addresses, transparent_listener: true };
    let (from, to) = if is_inbound { (OTHER, POD) } else { (POD, OTHER) };
    let goes_past = |port: &u16| {
        let interface = "eth0".to_owned();
        let entry = if is_inbound {
            Entry::Received { interface }
        } else {
            Entry::Sent { owner: Some(Owner { uid: Uid(1000), gid: Gid(1000) }), interface }
        };
        let source = SocketAddr::new(from.parse().unwrap(), 40000);
        let destination = SocketAddr::new(to.parse().unwrap(), *port);
        let packet = Packet::first(entry, Protocol::Tcp, source, destination);
        simulate(&program, &packet, &surroundings).fate == Fate::Direct
    };
    candidates().filter(goes_past).collect()
}

#[test]
fn the_ports_that_are_called_never_captured_are_those_that_no_rule_captures() {
    let document = Document::read(Path::new("docs/security.md"));
    let section = document.text.split_once(HEADING).unwrap().1;
    let rows: Vec<Vec<&str>> = section
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .map(|line| line.trim_matches('|').split('|').collect())
        .collect();
    assert_eq!(rows.len(), 6);
    for row in rows {
        let flags = spans(row[0]);
        let config = match (flags.first(), row[0].trim()) {
            (Some(flags), _) => of_flags(flags),
            (None, "CNI mode") => of_pod("REDIRECT"),
            (None, "CNI mode, TPROXY") => of_pod("TPROXY"),
            (None, other) => panic!("{other}"),
        };
        for (cell, is_inbound) in [(row[1], true), (row[2], false)] {
            let named: BTreeSet<u16> = spans(cell).iter().map(|port| port.parse().unwrap()).collect();
            assert_eq!(past_the_proxy(&config, is_inbound), named, "{}, inbound: {is_inbound}", row[0]);
        }
    }
}
