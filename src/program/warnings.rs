//! What the operator should know although it is no error.

use crate::config::Config;
use crate::config::families::{Families, Family};
use crate::config::ports::Port;
use crate::config::values::{Quic, UncapturedFamily};
use crate::config::{Dns, InboundPorts, OutboundRanges};

use super::Pod;

/// Everything about this configuration in this pod that may not be what the operator means.
pub fn warnings(config: &Config, pod: &Pod) -> Vec<String> {
    let mut warnings = Vec::new();
    if pod.families.uncaptured.contains(Family::Ipv6) && config.uncaptured_family == UncapturedFamily::Warn {
        warnings.push(
            "the pod has IPv6 addresses, but IPv6 is not intercepted: that traffic bypasses the proxy. \
             Set --dual-stack to intercept it, --uncaptured-family=deny to drop it, or =allow to silence this"
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
