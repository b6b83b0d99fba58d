//! Settings, pods and packets out of the fuzzer's bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use arbitrary::{Arbitrary, Result, Unstructured};
use mesh_intercept::config::families::{Families, PodFamilies};
use mesh_intercept::config::owners::{Gid, Uid};
use mesh_intercept::config::settings::{ALL, Setting};
use mesh_intercept::config::typed::{Origin, Settings};
use mesh_intercept::program::{Entry, Owner, Packet, Pod, Protocol, Surroundings, Tracking};

/// Settings as lines: the first byte of a line says which setting, `A` the first of the table; the rest is its value.
pub fn settings_of_lines(text: &str) -> Settings {
    let mut settings = Settings::default();
    for line in text.split('\n') {
        let Some(setting) = line.bytes().next().and_then(setting_of) else { continue };
        let Some(value) = line.get(1..) else { continue };
        settings.set(setting, Origin::Flag(setting.flag), value.replace('\\', "\n"));
    }
    settings
}

/// The setting that a byte stands for.
pub fn setting_of(byte: u8) -> Option<&'static Setting> {
    ALL.get(usize::from(byte.checked_sub(b'A')?)).copied()
}

/// Settings that are mostly right, so that what comes behind the parsers is reached.
pub fn settings(from: &mut Unstructured<'_>) -> Result<Settings> {
    let mut all = Settings::default();
    for setting in ALL {
        if !from.ratio(2, 5)? {
            continue;
        }
        let value = match setting.key() {
            "envoy-port" | "inbound-capture-port" | "inbound-tunnel-port" => port(from)?,
            "proxy-uid" | "proxy-gid" => list(from, 4, owner)?,
            "istio-inbound-interception-mode" => pick(from, &["REDIRECT", "TPROXY"])?,
            "istio-inbound-ports" => {
                if from.ratio(1, 2)? {
                    "*".to_owned()
                } else {
                    list(from, 12, ports)?
                }
            }
            "istio-local-exclude-ports" | "istio-outbound-ports" | "istio-local-outbound-ports-exclude" => {
                list(from, 12, ports)?
            }
            "istio-service-cidr" if from.ratio(1, 3)? => "*".to_owned(),
            "istio-service-cidr" | "istio-service-exclude-cidr" => list(from, 12, range)?,
            "istio-exclude-interfaces" | "kube-virt-interfaces" => list(from, 4, interface)?,
            "istio-inbound-tproxy-mark" | "istio-inbound-tproxy-route-table" => {
                u32::arbitrary(from)?.to_string()
            }
            "redirect-dns" | "capture-all-dns" | "drop-invalid" | "dual-stack" => {
                pick(from, &["true", "false"])?
            }
            "quic" => pick(from, &["allow", "deny"])?,
            "uncaptured-family" => pick(from, &["allow", "warn", "deny"])?,
            "ISTIO_OUTBOUND_OWNER_GROUPS" if from.ratio(1, 2)? => "*".to_owned(),
            "ISTIO_OUTBOUND_OWNER_GROUPS" | "ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE" => list(from, 6, owner)?,
            "ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR" => {
                format!("127.{}.0.1/{}", from.int_in_range(0..=2)?, from.int_in_range(8..=32)?)
            }
            _ => continue,
        };
        all.set(setting, Origin::Flag(setting.flag), value);
    }
    Ok(all)
}

fn pick(from: &mut Unstructured<'_>, words: &[&str]) -> Result<String> {
    Ok((*from.choose(words)?).to_owned())
}

fn list(
    from: &mut Unstructured<'_>,
    most: usize,
    item: impl Fn(&mut Unstructured<'_>) -> Result<String>,
) -> Result<String> {
    let count = from.int_in_range(1..=most)?;
    let items: Result<Vec<String>> = (0..count).map(|_| item(from)).collect();
    Ok(items?.join(","))
}

fn owner(from: &mut Unstructured<'_>) -> Result<String> {
    Ok(match from.int_in_range(0..=3)? {
        0 => "0".to_owned(),
        1 => "1337".to_owned(),
        2 => from.int_in_range(1..=9u32)?.to_string(),
        _ => from.int_in_range(0..=u32::MAX - 1)?.to_string(),
    })
}

fn port(from: &mut Unstructured<'_>) -> Result<String> {
    Ok(from.int_in_range(1..=u16::MAX)?.to_string())
}

fn ports(from: &mut Unstructured<'_>) -> Result<String> {
    let (one, other) = (from.int_in_range(1..=u16::MAX)?, from.int_in_range(1..=u16::MAX)?);
    Ok(if from.ratio(1, 2)? { one.to_string() } else { format!("{}-{}", one.min(other), one.max(other)) })
}

fn range(from: &mut Unstructured<'_>) -> Result<String> {
    Ok(match address(from)? {
        IpAddr::V4(address) => format!("{address}/{}", from.int_in_range(0..=32)?),
        IpAddr::V6(address) => format!("{address}/{}", from.int_in_range(0..=128)?),
    })
}

fn interface(from: &mut Unstructured<'_>) -> Result<String> {
    let name = pick(from, &["lo", "eth0", "net1", "a.b_c-d~5", "@x", "123456789012345", "+", "veth"])?;
    Ok(if from.ratio(1, 4)? { name + "+" } else { name })
}

/// An address: often one that rules are about.
pub fn address(from: &mut Unstructured<'_>) -> Result<IpAddr> {
    Ok(match from.int_in_range(0..=7)? {
        0 => Ipv4Addr::LOCALHOST.into(),
        1 => Ipv6Addr::LOCALHOST.into(),
        2 => Ipv4Addr::new(10, 0, 0, from.int_in_range(0..=3)?).into(),
        3 => Ipv4Addr::new(127, 0, 0, 6).into(),
        4 => Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, from.int_in_range(0..=3)?).into(),
        5 => Ipv6Addr::from(u128::arbitrary(from)?).into(),
        _ => Ipv4Addr::from(u32::arbitrary(from)?).into(),
    })
}

/// A pod: with IPv4, with both families, or with IPv6 that is not captured.
pub fn pod(from: &mut Unstructured<'_>) -> Result<Pod> {
    let families = *from.choose(&PODS)?;
    let count = from.int_in_range(0..=4)?;
    let resolvers: Result<Vec<IpAddr>> = (0..count).map(|_| address(from)).collect();
    Ok(Pod { families, resolvers: resolvers? })
}

/// The families that a pod can have.
pub const PODS: [PodFamilies; 5] = [
    POD,
    PodFamilies { uncaptured: Families::IPV6, has_ipv6: true, ..POD },
    PodFamilies { intercepted: Families::BOTH, has_ipv6: true, ..POD },
    PodFamilies { has_ipv6: true, ..POD },
    PodFamilies { later: Families::IPV6, has_ipv6: true, ..POD },
];

/// A pod of IPv4 alone.
const POD: PodFamilies = PodFamilies {
    intercepted: Families::IPV4,
    uncaptured: Families::NONE,
    later: Families::NONE,
    has_ipv6: false,
};

/// A packet, often of somebody or to somewhere that rules are about.
pub fn packet(from: &mut Unstructured<'_>) -> Result<Packet> {
    let destination = address(from)?;
    let source = loop {
        let source = address(from)?;
        if source.is_ipv4() == destination.is_ipv4() {
            break source;
        }
        if from.is_empty() {
            break destination;
        }
    };
    let interface = pick(from, &["lo", "eth0", "net1", "veth7"])?;
    let id = *from.choose(&[0, 1, 5, 1337, 4711])?;
    let entry = match from.int_in_range(0..=2)? {
        0 => Entry::Received { interface },
        1 => Entry::Sent { owner: None, interface },
        _ => Entry::Sent { owner: Some(Owner { uid: Uid(id), gid: Gid(id) }), interface },
    };
    let protocol = *from.choose(&[Protocol::Tcp, Protocol::Udp, Protocol::Icmpv6])?;
    let some_port = |from: &mut Unstructured<'_>| {
        let known = [53, 80, 15001, 15006, 15008, 15053];
        if from.ratio(1, 2)? { from.choose(&known).copied() } else { u16::arbitrary(from) }
    };
    let (to, by) = (some_port(from)?, some_port(from)?);
    let mut packet =
        Packet::first(entry, protocol, SocketAddr::new(source, by), SocketAddr::new(destination, to));
    packet.icmpv6_type = *from.choose(&[0, 1, 128, 133, 135, 136])?;
    packet.mark = *from.choose(&[0, 1337, 1338, 7])?;
    packet.connection_mark = *from.choose(&[0, 1337, 1338, 7])?;
    packet.tracking = *from.choose(&[Tracking::New, Tracking::Established, Tracking::Invalid])?;
    Ok(packet)
}

/// What a packet finds.
pub fn surroundings(from: &mut Unstructured<'_>) -> Result<Surroundings> {
    let addresses =
        vec![Ipv4Addr::new(10, 0, 0, 2).into(), Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2).into()];
    Ok(Surroundings { addresses, transparent_listener: bool::arbitrary(from)? })
}
