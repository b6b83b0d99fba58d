//! Random configurations for property tests: every dimension of the settings, small and adversarial values.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::Config;
use super::owners::tests::Files;
use super::settings::{self, Setting};
use super::typed::{Origin, Settings};

/// Settings as they would be typed.
pub(crate) type Texts = Vec<(&'static Setting, String)>;

/// Ranges that overlap, touch, contain each other, and are everything or a single address.
pub(crate) const RANGES: [&str; 22] = [
    "0.0.0.0/0",
    "0.0.0.0/1",
    "128.0.0.0/1",
    "10.0.0.0/8",
    "10.0.0.0/9",
    "10.128.0.0/9",
    "10.1.2.3/32",
    "10.1.2.4/32",
    "192.168.0.1/32",
    "172.16.0.0/12",
    "255.255.255.255/32",
    "127.0.0.0/8",
    "127.1.2.3/32",
    "127.0.0.1/7",
    "::/0",
    "::/1",
    "2001:db8::/32",
    "2001:db8:1::/48",
    "fd00::/8",
    "fd00:1::7/128",
    "::1/128",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff/128",
];
pub(crate) const PORTS: [u16; 14] =
    [1, 2, 22, 53, 80, 81, 443, 8000, 8080, 15001, 15006, 15008, 15053, 65535];
pub(crate) const IDS: [u32; 7] = [0, 1, 33, 1000, 1337, 1338, 4_294_967_294];
pub(crate) const INTERFACES: [&str; 6] = ["eth0", "eth1", "lo", "net1", "cilium_host", "vnet0"];

fn ranges() -> impl Strategy<Value = String> {
    vec(select(RANGES.to_vec()), 0..5).prop_map(|all| all.join(","))
}

fn port() -> impl Strategy<Value = u16> {
    prop_oneof![4 => select(PORTS.to_vec()), 1 => 1..=u16::MAX]
}

fn ports() -> impl Strategy<Value = String> {
    let range = (port(), port()).prop_map(|(one, other)| format!("{}-{}", one.min(other), one.max(other)));
    let item = prop_oneof![3 => port().prop_map(|port| port.to_string()), 1 => range];
    vec(item, 0..5).prop_map(|all| all.join(","))
}

fn ids(least: usize) -> impl Strategy<Value = String> {
    let id = prop_oneof![5 => select(IDS.to_vec()), 1 => 0..u32::MAX];
    vec(id, least..4).prop_map(|all| all.iter().map(u32::to_string).collect::<Vec<_>>().join(","))
}

fn interfaces() -> impl Strategy<Value = String> {
    let patterns = ["eth+", "cilium+", "n+"];
    let name = select([&INTERFACES[..], &patterns].concat());
    vec(name, 0..3).prop_map(|all| all.join(","))
}

fn everything_or(list: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop_oneof![1 => Just("*".to_owned()), 1 => list]
}

fn switch() -> impl Strategy<Value = String> {
    any::<bool>().prop_map(|on| on.to_string())
}

fn of(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    select(texts.to_vec()).prop_map(str::to_owned)
}

/// Settings that are valid together.
pub(crate) fn texts() -> impl Strategy<Value = Texts> {
    let port = || port().prop_map(|port| port.to_string());
    let listeners = (port(), port(), port());
    let owners = (ids(1), prop_oneof![Just(String::new()), ids(1)], everything_or(ids(1)), ids(0));
    let tproxy =
        (of(&["", "REDIRECT", "TPROXY"]), of(&["1337", "1", "0xffffffff"]), of(&["133", "1", "4294967295"]));
    let inbound = (everything_or(ports()), ports());
    let outbound = (everything_or(ranges()), ranges(), ports(), ports());
    let links = (interfaces(), interfaces());
    let others = (
        switch(),
        switch(),
        switch(),
        switch(),
        of(&["allow", "warn", "deny"]),
        of(&["127.0.0.1/32", "127.0.0.0/8"]),
        of(&["allow", "deny"]),
    );
    (listeners, owners, tproxy, inbound, outbound, links, others).prop_map(
        |(listeners, owners, tproxy, inbound, outbound, links, others)| {
            vec![
                (&settings::ENVOY_PORT, listeners.0),
                (&settings::INBOUND_CAPTURE_PORT, listeners.1),
                (&settings::INBOUND_TUNNEL_PORT, listeners.2),
                (&settings::PROXY_UID, owners.0),
                (&settings::PROXY_GID, owners.1),
                (&settings::OWNER_GROUPS, owners.2),
                (&settings::OWNER_GROUPS_EXCLUDED, owners.3),
                (&settings::INTERCEPTION_MODE, tproxy.0),
                (&settings::TPROXY_MARK, tproxy.1),
                (&settings::TPROXY_ROUTE_TABLE, tproxy.2),
                (&settings::INBOUND_PORTS, inbound.0),
                (&settings::INBOUND_EXCLUDED_PORTS, inbound.1),
                (&settings::OUTBOUND_RANGES, outbound.0),
                (&settings::OUTBOUND_EXCLUDED_RANGES, outbound.1),
                (&settings::OUTBOUND_PORTS, outbound.2),
                (&settings::OUTBOUND_EXCLUDED_PORTS, outbound.3),
                (&settings::EXCLUDED_INTERFACES, links.0),
                (&settings::VIRTUAL_INTERFACES, links.1),
                (&settings::REDIRECT_DNS, others.0),
                (&settings::CAPTURE_ALL_DNS, others.1),
                (&settings::DROP_INVALID, others.2),
                (&settings::DUAL_STACK, others.3),
                (&settings::UNCAPTURED_FAMILY, others.4),
                (&settings::LOOPBACK_RANGE, others.5),
                (&settings::QUIC, others.6),
            ]
        },
    )
}

/// What was typed, read.
pub(crate) fn config(texts: &Texts) -> Config {
    let mut typed = Settings::default();
    for (setting, text) in texts {
        typed.set(setting, Origin::Flag("test"), text.clone());
    }
    Config::parse(&typed, &Files).unwrap_or_else(|problems| panic!("{problems}"))
}
