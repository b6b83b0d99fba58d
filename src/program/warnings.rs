//! What the operator should know although it is no error.

use crate::config::Config;
use crate::config::families::{Families, Family};
use crate::config::ports::Port;
use crate::config::values::{Quic, UncapturedFamily};
use crate::config::{BackendKind, Dns, InboundPorts, OutboundRanges};

use super::Pod;

/// What is to be known of IPv6 in a pod that has no address of it but a link-local one; nothing where it is closed, or left
/// alone on purpose.
pub fn remark(config: &Config, pod: &Pod, backend: BackendKind) -> Option<&'static str> {
    let families = &pod.families;
    let is_uncaptured = !families.intercepted_in(backend).contains(Family::Ipv6);
    if !families.has_ipv6 || !is_uncaptured || config.uncaptured_family != UncapturedFamily::Warn {
        return None;
    }
    match backend {
        BackendKind::Nftables if families.uncaptured.contains(Family::Ipv6) => None,
        BackendKind::Nftables if !config.captures_inbound() => Some(
            "IPv6 is not intercepted: what the pod sends to link-local addresses (fe80::) bypasses the proxy, and so does all \
             traffic of an IPv6 address that comes later. Set --dual-stack to intercept IPv6, --uncaptured-family=deny to \
             refuse it, or =allow to silence this",
        ),
        BackendKind::Nftables => Some(
            "IPv6 is not intercepted: neighbours are refused at the pod's link-local address (fe80::), what the pod sends to \
             such addresses bypasses the proxy, and so does all traffic of an IPv6 address that comes later. Set \
             --dual-stack to intercept IPv6, --uncaptured-family=deny to refuse it, or =allow to silence this",
        ),
        BackendKind::IptablesNft | BackendKind::IptablesLegacy => Some(
            "IPv6 is not intercepted: a neighbour reaches the application past the proxy at the pod's link-local address \
             (fe80::), and so does all traffic of an IPv6 address that comes later. Set --uncaptured-family=deny to refuse \
             it, or =allow to silence this; the nftables back end refuses neighbours by default, and intercepts IPv6 with \
             --dual-stack",
        ),
    }
}

/// Everything about this configuration in this pod that may not be what the operator means.
pub fn warnings(config: &Config, pod: &Pod) -> Vec<String> {
    let mut warnings = Vec::new();
    if pod.families.uncaptured.contains(Family::Ipv6) && config.uncaptured_family == UncapturedFamily::Warn {
        warnings.push(
            "the pod has IPv6 addresses, but IPv6 is not intercepted: that traffic bypasses the proxy, in both directions, and \
             a mesh that demands mTLS is open by it. Set --dual-stack to intercept it, --uncaptured-family=deny to refuse \
             it, or =allow to silence this"
                .to_owned(),
        );
    }
    if config.dns == Dns::Resolvers && pod.resolvers.is_empty() {
        warnings.push(
            "DNS capture is off: --redirect-dns is set, but resolv.conf names no server. \
             Set --capture-all-dns to capture everything to port 53"
                .to_owned(),
        );
    }
    let https = Port::HTTPS.get();
    let nothing = matches!(&config.outbound_ranges, OutboundRanges::Only(ranges) if ranges.is_empty());
    let included = config.outbound_ports.contains(https) || !nothing;
    if config.quic == Quic::Deny && (!included || config.excluded_outbound_ports.contains(https)) {
        warnings.push("--quic=deny refuses nothing: outbound TCP to port 443 is not captured".to_owned());
    }
    if config.quic == Quic::Deny && !config.virtual_interfaces.is_empty() {
        warnings.push(
            "--quic=deny is about what the pod itself sends: UDP of virtual machines (--kube-virt-interfaces) to port 443 \
             bypasses the proxy"
                .to_owned(),
        );
    }
    if config.proxy_uids.len() > 1 || config.proxy_gids.len() > 1 {
        warnings.push(
            "more than one proxy user or group: a local call by any but the first to the pod's own address bypasses \
             the inbound proxy (the rules are istio's)"
                .to_owned(),
        );
    }
    if matches!(&config.inbound_ports, InboundPorts::Only(ports) if ports.is_empty()) {
        warnings.push("--istio-inbound-ports holds no port: nothing inbound is captured".to_owned());
    }
    let included = match &config.outbound_ranges {
        OutboundRanges::All => &[][..],
        OutboundRanges::Only(ranges) => &ranges.v6,
    };
    for net in included.iter().chain(&config.excluded_ranges.v6) {
        if net.prefix_len() >= 96 && net.addr().to_ipv4_mapped().is_some() {
            warnings
                .push(format!("{net} is IPv4 in an IPv6 spelling and matches no packet: write it as IPv4"));
        }
    }
    let ignored = [
        ("--istio-service-cidr", included.len()),
        ("--istio-service-exclude-cidr", config.excluded_ranges.v6.len()),
    ];
    for (flag, count) in ignored {
        if count > 0 && pod.families.intercepted == Families::IPV4 {
            warnings
                .push(format!("the {count} IPv6 ranges of {flag} have no effect: IPv6 is not intercepted"));
        }
    }
    warnings
}
