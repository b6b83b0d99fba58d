//! consul connect redirect-traffic: its flags (command/connect/redirecttraffic/redirect_traffic.go), its configuration
//! as JSON and its rules (sdk/iptables/iptables.go), and the annotation that holds it for the CNI plugin.
//!
//! Its rules leave 127.0.0.1 alone and nothing else on the loopback interface: an application's call to the pod's own
//! address goes to the proxy. A range of all addresses that is spelt by a loopback address is the same.

use std::path::Path;

use super::table::Here::{Makes, NoEqual, Nothing, Same};
use super::table::{Item, list, value};
use super::{Draft, Grade, Peer, as_range, each};
use crate::config::lists::{self, ListFiles};
use crate::config::settings::{
    ENVOY_PORT, INBOUND_EXCLUDED_PORTS, INBOUND_PORTS, NETWORK_NAMESPACE, OUTBOUND_EXCLUDED_PORTS,
    OUTBOUND_EXCLUDED_RANGES, OUTBOUND_RANGES, PROXY_GID, PROXY_UID,
};

const UID: Item = value("-proxy-uid", "ProxyUserID", "", Makes("-u"));
const ID: Item = value(
    "-proxy-id",
    "",
    "",
    NoEqual(
        "Consul is not asked for the proxy's registration",
        "exclude with -d the ports of envoy_prometheus_bind_addr, envoy_stats_bind_addr, expose.paths and health checks",
    ),
);
const INBOUND_PORT: Item = value("-proxy-inbound-port", "ProxyInboundPort", "", Makes("-z, -e"));
const OUTBOUND_PORT: Item = value("-proxy-outbound-port", "ProxyOutboundPort", "15001", Makes("-p"));
const INBOUND_EXCLUDED: Item = list("-exclude-inbound-port", "ExcludeInboundPorts", Makes("-d"));
const OUTBOUND_EXCLUDED: Item = list("-exclude-outbound-port", "ExcludeOutboundPorts", Makes("-o"));
const OUTBOUND_RANGE: Item = list("-exclude-outbound-cidr", "ExcludeOutboundCIDRs", Makes("-x"));
const USERS: Item = list("-exclude-uid", "ExcludeUIDs", Makes("-u"));

const DNS: (&str, &str) = (
    "DNS is sent to port 15053 of the pod here, not to another address or port",
    "let the proxy answer DNS on 15053 and add --redirect-dns, or name Consul's server in the pod's dnsConfig",
);
const NOT_ASKED: &str = "Consul is not asked";

/// Everything that it takes.
pub(super) static ITEMS: &[&Item] = &[
    &UID,
    &ID,
    &INBOUND_PORT,
    &OUTBOUND_PORT,
    &INBOUND_EXCLUDED,
    &OUTBOUND_EXCLUDED,
    &OUTBOUND_RANGE,
    &USERS,
    &value("-consul-dns-ip", "ConsulDNSIP", "", NoEqual(DNS.0, DNS.1)),
    &value("-consul-dns-port", "ConsulDNSPort", "0", NoEqual(DNS.0, DNS.1)),
    &value("-netns", "NetNS", "", Same(&NETWORK_NAMESPACE)),
    &value("", "IptablesProvider", "", Nothing("it is no setting")),
    &value("-node-name", "", "", Nothing(NOT_ASKED)),
    &value("-http-addr", "", "", Nothing(NOT_ASKED)),
    &value("-token", "", "", Nothing(NOT_ASKED)),
    &value("-token-file", "", "", Nothing(NOT_ASKED)),
    &value("-ca-file", "", "", Nothing(NOT_ASKED)),
    &value("-ca-path", "", "", Nothing(NOT_ASKED)),
    &value("-client-cert", "", "", Nothing(NOT_ASKED)),
    &value("-client-key", "", "", Nothing(NOT_ASKED)),
    &value("-tls-server-name", "", "", Nothing(NOT_ASKED)),
    &value("-namespace", "", "", Nothing(NOT_ASKED)),
    &value("-partition", "", "", Nothing(NOT_ASKED)),
];

/// Everything that its table alone does not say.
pub(super) fn complete(draft: &mut Draft, files: &dyn ListFiles) {
    draft.require(&UID, "it has to be given, as Consul asks for it");
    let reason = if draft.given.has(&ID) {
        "it has to be given: with -proxy-id Consul takes it from the proxy's registration, which is not read here"
    } else {
        "it has to be given, as Consul asks for it"
    };
    draft.require(&INBOUND_PORT, reason);
    draft.inbound_port(&INBOUND_PORT);
    // 0 is Go's way to say that nothing was said.
    if !matches!(draft.given.text(&OUTBOUND_PORT), "" | "0") {
        let port = draft.given.text(&OUTBOUND_PORT).to_owned();
        draft.set(&ENVOY_PORT, &OUTBOUND_PORT, port);
    }
    draft.always(&INBOUND_PORTS, Peer::Consul, "*");
    draft.always(&OUTBOUND_RANGES, Peer::Consul, "127.0.0.1/0,::1/0");
    for (setting, item) in
        [(&INBOUND_EXCLUDED_PORTS, &INBOUND_EXCLUDED), (&OUTBOUND_EXCLUDED_PORTS, &OUTBOUND_EXCLUDED)]
    {
        let given = draft.given.text(item).to_owned();
        for name in lists::items(&given).filter(|port| is_name(port)) {
            draft.fault(item, name, service(name, files));
        }
        let ports = each(&given, range);
        draft.set(
            setting,
            item,
            lists::items(&ports).filter(|port| !is_name(port)).collect::<Vec<_>>().join(","),
        );
    }
    let ranges = each(draft.given.text(&OUTBOUND_RANGE), as_range);
    draft.set(&OUTBOUND_EXCLUDED_RANGES, &OUTBOUND_RANGE, ranges);
    users(draft);
    let why = "whether IPv6 is captured depends on Consul's agent, which is not asked";
    draft.note(Grade::Differs, "IPv6", why, "add --dual-stack=true where the agent is dual-stack; without it a warning says that ::/0 has no effect");
    let why =
        "what the proxy itself sends to the pod's address goes to its inbound port; Consul leaves it alone";
    draft.note(Grade::Differs, "self-calls", why, "");
}

fn users(draft: &mut Draft) {
    let users = draft.given.text(&USERS).to_owned();
    let proxy = draft.given.text(&UID).to_owned();
    if users.is_empty() {
        draft.set(&PROXY_UID, &UID, proxy);
    } else {
        let why = "what these users send to the pod's own address goes to the proxy's inbound port";
        draft.note(Grade::Differs, format!("-exclude-uid {users}"), why, "");
        // One list of ours for two of theirs: where the proxy's user is a number, what is wrong is in the other.
        let is_number = proxy.parse::<u32>().is_ok();
        let item = if is_number { &USERS } else { &UID };
        draft.set(&PROXY_UID, item, format!("{proxy},{users}"));
        // Without groups of its own, the list of users would be one of groups: Consul leaves no group alone.
        if is_number {
            draft.set(&PROXY_GID, &UID, proxy);
        }
    }
    draft.note_group();
}

/// iptables writes a range as `8000:8100`, and either end may be missing.
fn range(item: &str) -> Option<String> {
    let (first, last) = item.split_once(':')?;
    let first = if matches!(first, "" | "0") { "1" } else { first };
    let last = if last.is_empty() { "65535" } else { last };
    Some(format!("{first}-{last}"))
}

/// Is it neither a port nor a range of ports, right or wrong?
fn is_name(item: &str) -> bool {
    let part = |part: &str| part.starts_with(|c: char| c.is_ascii_alphabetic());
    item.split(':').any(part)
}

/// What to write in place of a service's name.
fn service(name: &str, files: &dyn ListFiles) -> String {
    let services = files.file(Path::new("/etc/services")).unwrap_or_default();
    let port = services.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let (first, port) = (words.next()?, words.next()?.strip_suffix("/tcp")?);
        (first == name || words.take_while(|word| !word.starts_with('#')).any(|word| word == name))
            .then(|| port.to_owned())
    });
    match port {
        Some(port) => format!("a service has to be written as its number: /etc/services says {port} here"),
        None => {
            "a service has to be written as its number, which /etc/services does not know here".to_owned()
        }
    }
}
