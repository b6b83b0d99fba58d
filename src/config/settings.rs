//! The one table of everything that can be set: flag, short form, environment variables, default, meaning.
//!
//! Names, short forms and variables mirror istio-iptables; settings that it does not have say so in their help.
//! The command line is built from this table (`cli::arguments`), and every parser names its setting by it.

pub use super::setting::{Kind, Setting};
use super::setting::{list, switch, value};

/// The command that takes a packet.
const EXPLAIN: &[&str] = &["explain"];

/// The proxy's outbound listener.
pub const ENVOY_PORT: Setting = value("envoy-port", "PORT", "15001")
    .short('p')
    .help("Port of the proxy that outbound TCP connections are redirected to");
/// The proxy's inbound listener.
pub const INBOUND_CAPTURE_PORT: Setting = value("inbound-capture-port", "PORT", "15006")
    .short('z')
    .variables(&["INBOUND_CAPTURE_PORT"])
    .help("Port of the proxy that inbound TCP connections are redirected to");
/// The tunnel (HBONE) port.
pub const INBOUND_TUNNEL_PORT: Setting = value("inbound-tunnel-port", "PORT", "15008")
    .short('e')
    .variables(&["INBOUND_TUNNEL_PORT"])
    .help("Port of the proxy for tunnelled connections; not redirected");
/// Users whose traffic is left alone.
pub const PROXY_UID: Setting = list("proxy-uid", "USERS").short('u').variables(&["PROXY_UID"]).help(
    "User ids or names whose traffic is not redirected [default: uid of the user $ENVOY_USER (istio-proxy), or 1337]",
);
/// Groups whose traffic is left alone.
pub const PROXY_GID: Setting = list("proxy-gid", "GROUPS")
    .short('g')
    .variables(&["PROXY_GID"])
    .help("Group ids or names whose traffic is not redirected [default: the ids of --proxy-uid]");
/// REDIRECT or TPROXY.
pub const INTERCEPTION_MODE: Setting = value("istio-inbound-interception-mode", "MODE", "")
    .short('m')
    .variables(&["ISTIO_INBOUND_INTERCEPTION_MODE"])
    .help("How inbound connections reach the proxy: REDIRECT, or TPROXY, which keeps the client's source address [default: REDIRECT]");
/// Inbound ports that are captured.
pub const INBOUND_PORTS: Setting =
    list("istio-inbound-ports", "PORTS").short('b').variables(&["ISTIO_INBOUND_PORTS"]).help(
        "Inbound ports to redirect to the proxy: a list with ranges (8000-8100), `*` for all, empty for none",
    );
/// Inbound ports that are left alone.
pub const INBOUND_EXCLUDED_PORTS: Setting = list("istio-local-exclude-ports", "PORTS")
    .short('d')
    .variables(&["ISTIO_LOCAL_EXCLUDE_PORTS"])
    .help("Inbound ports that are not redirected; only used when --istio-inbound-ports is `*`");
/// Outbound ranges that are captured.
pub const OUTBOUND_RANGES: Setting = list("istio-service-cidr", "RANGES")
    .short('i')
    .variables(&["ISTIO_SERVICE_CIDR"])
    .help("Destination ranges (CIDR) whose outbound connections go to the proxy: a list, `*` for all, empty for none");
/// Outbound ranges that are left alone.
pub const OUTBOUND_EXCLUDED_RANGES: Setting = list("istio-service-exclude-cidr", "RANGES")
    .short('x')
    .variables(&["ISTIO_SERVICE_EXCLUDE_CIDR"])
    .help("Destination ranges (CIDR) that are never redirected; beats every include");
/// Outbound ports that are captured whatever the address.
pub const OUTBOUND_PORTS: Setting = list("istio-outbound-ports", "PORTS")
    .short('q')
    .variables(&["ISTIO_OUTBOUND_PORTS"])
    .help("Destination ports that go to the proxy whatever the address; exclusions still win");
/// Outbound ports that are left alone.
pub const OUTBOUND_EXCLUDED_PORTS: Setting = list("istio-local-outbound-ports-exclude", "PORTS")
    .short('o')
    .variables(&["ISTIO_LOCAL_OUTBOUND_PORTS_EXCLUDE"])
    .help("Destination ports, TCP and UDP, that are never redirected; beats every include");
/// Interfaces on which nothing is captured.
pub const EXCLUDED_INTERFACES: Setting = list("istio-exclude-interfaces", "INTERFACES")
    .short('c')
    .variables(&["ISTIO_EXCLUDE_INTERFACES"])
    .help("Interfaces on which neither direction is redirected; a trailing `+` matches every name that begins so");
/// Interfaces of virtual machines.
pub const VIRTUAL_INTERFACES: Setting = list("kube-virt-interfaces", "INTERFACES")
    .short('k')
    .variables(&["KUBE_VIRT_INTERFACES"])
    .help("Interfaces of virtual machines whose incoming traffic counts as outbound");
/// The TPROXY mark.
pub const TPROXY_MARK: Setting = value("istio-inbound-tproxy-mark", "MARK", "1337")
    .short('t')
    .variables(&["ISTIO_INBOUND_TPROXY_MARK"])
    .help("Packet mark for connections that TPROXY intercepts (1 to 4294967295, decimal or 0x)");
/// The TPROXY routing table.
pub const TPROXY_ROUTE_TABLE: Setting = value("istio-inbound-tproxy-route-table", "TABLE", "133")
    .short('r')
    .variables(&["ISTIO_INBOUND_TPROXY_ROUTE_TABLE"])
    .help("Routing table that delivers marked packets locally (1 to 4294967295, not 253 to 255)");
/// Print, change nothing.
pub const DRY_RUN: Setting = switch("dry-run")
    .short('n')
    .variables(&["DRY_RUN"])
    .help("Print what would be done, change nothing; needs no privileges");
/// The port that validation listens on.
pub const PROBE_PORT: Setting = value("iptables-probe-port", "PORT", "15002")
    .variables(&["IPTABLES_PROBE_PORT"])
    .help("Port on which validation listens");
/// How long validation may take.
pub const PROBE_TIMEOUT: Setting = value("probe-timeout", "DURATION", "5s")
    .variables(&["PROBE_TIMEOUT"])
    .help("How long validation may take, such as 5s or 1m30s");
/// Do not touch the rules.
pub const SKIP_RULE_APPLY: Setting =
    switch("skip-rule-apply").variables(&["SKIP_RULE_APPLY"]).help("Leave the rules as they are");
/// Prove the rules by connecting.
pub const RUN_VALIDATION: Setting =
    switch("run-validation").variables(&["RUN_VALIDATION"]).help("Check by a connection that the rules work");
/// Capture DNS.
pub const REDIRECT_DNS: Setting = switch("redirect-dns")
    .variables(&["ISTIO_META_DNS_CAPTURE", "REDIRECT_DNS"])
    .help("Redirect DNS over UDP and TCP to port 15053: what goes to the servers of resolv.conf");
/// Capture all DNS.
pub const CAPTURE_ALL_DNS: Setting = switch("capture-all-dns")
    .variables(&["CAPTURE_ALL_DNS"])
    .help("With --redirect-dns: redirect everything to port 53, not only what goes to known servers");
/// Drop what conntrack calls invalid.
pub const DROP_INVALID: Setting = switch("drop-invalid")
    .variables(&["INVALID_DROP", "DROP_INVALID"])
    .help("Drop incoming packets that connection tracking calls invalid");
/// Look for IPv6 addresses behind IPv4 ones.
pub const DUAL_STACK: Setting = switch("dual-stack")
    .variables(&["ISTIO_DUAL_STACK", "DUAL_STACK"])
    .help(
        "Intercept IPv6 as well, in nftables also an address that comes later; without it IPv6 is intercepted where the \
         first address of the pod's interfaces is of it",
    );
/// Another network namespace.
pub const NETWORK_NAMESPACE: Setting = value("network-namespace", "PATH", "")
    .variables(&["NETWORK_NAMESPACE"])
    .help("Work in this network namespace, such as /run/netns/NAME or /proc/PID/ns/net");
/// Started on the host, as a CNI plugin does.
pub const CNI_MODE: Setting = switch("cni-mode")
    .variables(&["CNI_MODE"])
    .help("Accepted for compatibility: nothing depends on it here");
/// Replace rules that differ.
pub const RECONCILE: Setting = switch("reconcile")
    .variables(&["RECONCILE"])
    .help("Replace rules that are there and differ, without a gap; without it a difference is exit code 4");
/// Remove only.
pub const CLEANUP_ONLY: Setting =
    switch("cleanup-only").variables(&["CLEANUP_ONLY"]).help("Remove the rules and routes, apply nothing");
/// Apply without looking.
pub const FORCE_APPLY: Setting = switch("force-apply")
    .variables(&["FORCE_APPLY"])
    .help("Write the rules whatever is there, even if it is the same");
/// istio's nftables switch.
pub const NATIVE_NFTABLES: Setting = switch("native-nftables")
    .variables(&["NATIVE_NFTABLES"])
    .help("Use nftables; the same as --backend nftables");
/// istio's choice of iptables variant.
pub const FORCE_IPTABLES_BINARY: Setting = value("force-iptables-binary", "legacy|nft", "")
    .variables(&["FORCE_IPTABLES_BINARY"])
    .help("Use this variant of iptables; the same as --backend iptables-legacy or iptables-nft");

/// Which back end (not in istio-iptables).
pub const BACKEND: Setting = value("backend", "auto|nftables|iptables-nft|iptables-legacy", "auto")
    .variables(&["MESH_INTERCEPT_BACKEND"])
    .help("Which back end programs the rules; auto stays where rules are already, else takes nftables");
/// What to do about IPv6 that is not intercepted (not in istio-iptables).
pub const UNCAPTURED_FAMILY: Setting = value("uncaptured-family", "allow|warn|deny", "warn")
    .variables(&["MESH_INTERCEPT_UNCAPTURED_FAMILY"])
    .help("What happens to a pod's IPv6 when it is not intercepted: deny refuses it in both directions, except loopback and the proxy's; \
         warn and nftables refuse neighbours at link-local addresses");
/// What to do about QUIC (not in istio-iptables).
pub const QUIC: Setting = value("quic", "allow|deny", "allow")
    .variables(&["MESH_INTERCEPT_QUIC"])
    .help("What happens to outbound UDP to port 443: deny refuses it where TCP would be captured, so that clients take TCP");
/// Where resolvers are read from (not in istio-iptables).
pub const RESOLV_CONF: Setting = value("resolv-conf", "FILE", "/etc/resolv.conf")
    .variables(&["MESH_INTERCEPT_RESOLV_CONF"])
    .help("File that names the DNS servers");
/// The pod's addresses, instead of the interfaces' (not in istio-iptables).
pub const LOCAL_ADDRESS: Setting = list("local-address", "ADDRESSES")
    .help("With --dry-run and plan: the pod's addresses [default: those of the interfaces]");
/// The node's operating system (not in istio-iptables).
pub const NODE_OS: Setting = value("node-os", "TEXT", "")
    .variables(&["NODE_OS_IMAGE"])
    .help("The node's operating system, as its osImage says; TPROXY is refused on CentOS");
/// The node's os-release (not in istio-iptables).
pub const HOST_OS_RELEASE: Setting = value("host-os-release", "FILE", "")
    .variables(&["HOST_OS_RELEASE"])
    .help("The node's os-release file, where it is mounted");
/// The way past the CentOS refusal (not in istio-iptables).
pub const ALLOW_TPROXY_ON_CENTOS: Setting = switch("allow-tproxy-on-centos")
    .variables(&["ALLOW_TPROXY_ON_CENTOS"])
    .help("Use TPROXY on a CentOS node all the same");
/// How things are printed (not in istio-iptables).
pub const OUTPUT: Setting = value("output", "text|json|nft|iptables", "text")
    .alias("format")
    .help("How plan, verify, status and cleanup print; nft and iptables are for plan");
/// Move the rules (not in istio-iptables).
pub const MIGRATE: Setting = switch("migrate").variables(&["MESH_INTERCEPT_MIGRATE"]).help(
    "Move rules of the mesh from other back ends: new ones in first, old ones out after; auto takes nftables",
);
/// Go on printing (not in istio-iptables).
pub const WATCH: Setting =
    value("watch", "DURATION", "0s").only(&["status"]).help("Print the status again and again, with rates");
/// Where the packet goes (not in istio-iptables).
pub const TO: Setting =
    value("to", "ADDRESS:PORT", "").only(EXPLAIN).help("Where the packet goes: 10.0.0.1:80 or [fd00::1]:80");
/// Its protocol (not in istio-iptables).
pub const PROTO: Setting =
    value("proto", "tcp|udp", "tcp").only(EXPLAIN).help("The packet's transport protocol");
/// Who sends it (not in istio-iptables).
pub const FROM_UID: Setting = value("from-uid", "USER", "1000")
    .only(EXPLAIN)
    .help("The user whose socket sends the packet, when a process of the pod does");
/// Its group (not in istio-iptables).
pub const FROM_GID: Setting = value("from-gid", "GROUP", "")
    .only(EXPLAIN)
    .help("The group whose socket sends the packet [default: the number of --from-uid]");
/// Whence (not in istio-iptables).
pub const FROM: Setting = value("from", "ADDRESS[:PORT]", "").only(EXPLAIN).help(
    "The packet's source address [default: the pod's for its own packets, else 192.0.2.1 or 2001:db8::1]",
);
/// By which interface it comes in (not in istio-iptables).
pub const IN: Setting =
    value("in", "INTERFACE", "").only(EXPLAIN).help("The packet comes in by this interface, from outside");
/// By which interface it leaves (not in istio-iptables).
pub const OUT: Setting = value("out", "INTERFACE", "eth0")
    .only(EXPLAIN)
    .help("The interface by which the pod's own packet would leave, unless it stays in the pod");
/// What a failed validation is called (not in istio-iptables).
pub const VALIDATION_EXIT_CODE: Setting = value("validation-exit-code", "CODE", "126")
    .variables(&["MESH_INTERCEPT_VALIDATION_EXIT_CODE"])
    .help("Exit code of a failed validation: istio's controllers look for 126, linkerd's for 95");
/// Prove the rules by packets (not in istio-iptables).
pub const LIVE: Setting = switch("live").only(&["verify", "explain"]).help(
    "verify: prove by packets what the rules do, which takes SYS_ADMIN, SETUID and SETGID next to NET_ADMIN; explain: by the rules in the kernel",
);

/// Groups whose outbound traffic is captured (environment only).
pub const OWNER_GROUPS: Setting = list("", "GROUPS")
    .variables(&["ISTIO_OUTBOUND_OWNER_GROUPS"])
    .counts_when_empty()
    .default("*")
    .help("Groups (ids or names, at most 64) whose outbound traffic is redirected, `*` for all");
/// Groups whose outbound traffic is left alone (environment only).
pub const OWNER_GROUPS_EXCLUDED: Setting =
    list("", "GROUPS").variables(&["ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE"]).help(
        "Groups whose outbound traffic is not redirected; only used when ISTIO_OUTBOUND_OWNER_GROUPS is `*`",
    );
/// What counts as loopback (environment only).
pub const LOOPBACK_RANGE: Setting = value("", "RANGE", "127.0.0.1/32")
    .variables(&["ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR"])
    .help("IPv4 range that counts as loopback, inside 127.0.0.0/8");
/// The user that the proxy runs as (environment only).
pub const ENVOY_USER: Setting = value("", "NAME", "istio-proxy")
    .variables(&["ENVOY_USER"])
    .help("User that gives the default of --proxy-uid");

/// Log levels by scope.
pub const LOG_OUTPUT_LEVEL: Setting = list("log_output_level", "LEVELS")
    .default("default:info")
    .help("Log level: none, error, warn, info or debug, also as SCOPE:LEVEL; the scope `default` counts");
/// JSON logs.
pub const LOG_AS_JSON: Setting = switch("log_as_json").help("Log JSON objects instead of text");
/// Where logs go.
pub const LOG_TARGET: Setting =
    list("log_target", "TARGETS").default("stderr").help("Where logs go: stderr, stdout, or a file");
/// Accepted, without effect.
pub const LOG_CALLER: Setting = list("log_caller", "SCOPES").help("Accepted for compatibility");
/// Accepted, without effect.
pub const LOG_STACKTRACE_LEVEL: Setting =
    list("log_stacktrace_level", "LEVELS").help("Accepted for compatibility");
/// Accepted, without effect.
pub const LOG_ROTATE: Setting = value("log_rotate", "FILE", "").help("Accepted for compatibility");
/// Accepted, without effect.
pub const LOG_ROTATE_MAX_AGE: Setting =
    value("log_rotate_max_age", "DAYS", "").help("Accepted for compatibility");
/// Accepted, without effect.
pub const LOG_ROTATE_MAX_BACKUPS: Setting =
    value("log_rotate_max_backups", "COUNT", "").help("Accepted for compatibility");
/// Accepted, without effect.
pub const LOG_ROTATE_MAX_SIZE: Setting =
    value("log_rotate_max_size", "MEGABYTES", "").help("Accepted for compatibility");
/// Accepted, without effect.
pub const VKLOG: Setting = value("vklog", "LEVEL", "").help("Accepted for compatibility");

/// Every setting, in the order of the help.
pub const ALL: &[&Setting] = &[
    &ENVOY_PORT,
    &INBOUND_CAPTURE_PORT,
    &INBOUND_TUNNEL_PORT,
    &PROXY_UID,
    &PROXY_GID,
    &INTERCEPTION_MODE,
    &INBOUND_PORTS,
    &INBOUND_EXCLUDED_PORTS,
    &OUTBOUND_RANGES,
    &OUTBOUND_EXCLUDED_RANGES,
    &OUTBOUND_PORTS,
    &OUTBOUND_EXCLUDED_PORTS,
    &EXCLUDED_INTERFACES,
    &VIRTUAL_INTERFACES,
    &TPROXY_MARK,
    &TPROXY_ROUTE_TABLE,
    &REDIRECT_DNS,
    &CAPTURE_ALL_DNS,
    &RESOLV_CONF,
    &DROP_INVALID,
    &DUAL_STACK,
    &UNCAPTURED_FAMILY,
    &QUIC,
    &BACKEND,
    &NATIVE_NFTABLES,
    &FORCE_IPTABLES_BINARY,
    &NETWORK_NAMESPACE,
    &CNI_MODE,
    &DRY_RUN,
    &OUTPUT,
    &WATCH,
    &LIVE,
    &LOCAL_ADDRESS,
    &RECONCILE,
    &MIGRATE,
    &CLEANUP_ONLY,
    &FORCE_APPLY,
    &SKIP_RULE_APPLY,
    &RUN_VALIDATION,
    &TO,
    &PROTO,
    &FROM_UID,
    &FROM_GID,
    &FROM,
    &IN,
    &OUT,
    &PROBE_PORT,
    &PROBE_TIMEOUT,
    &VALIDATION_EXIT_CODE,
    &NODE_OS,
    &HOST_OS_RELEASE,
    &ALLOW_TPROXY_ON_CENTOS,
    &LOG_OUTPUT_LEVEL,
    &LOG_AS_JSON,
    &LOG_TARGET,
    &LOG_CALLER,
    &LOG_STACKTRACE_LEVEL,
    &LOG_ROTATE,
    &LOG_ROTATE_MAX_AGE,
    &LOG_ROTATE_MAX_BACKUPS,
    &LOG_ROTATE_MAX_SIZE,
    &VKLOG,
    &OWNER_GROUPS,
    &OWNER_GROUPS_EXCLUDED,
    &LOOPBACK_RANGE,
    &ENVOY_USER,
];

/// What says which traffic is intercepted: these make the configuration, the others say what a run does about it.
pub const CONFIGURATION: &[&Setting] = &[
    &LOOPBACK_RANGE,
    &OWNER_GROUPS,
    &OWNER_GROUPS_EXCLUDED,
    &ENVOY_PORT,
    &INBOUND_CAPTURE_PORT,
    &INBOUND_TUNNEL_PORT,
    &PROXY_UID,
    &PROXY_GID,
    &INTERCEPTION_MODE,
    &TPROXY_MARK,
    &TPROXY_ROUTE_TABLE,
    &INBOUND_PORTS,
    &INBOUND_EXCLUDED_PORTS,
    &OUTBOUND_RANGES,
    &OUTBOUND_EXCLUDED_RANGES,
    &OUTBOUND_PORTS,
    &OUTBOUND_EXCLUDED_PORTS,
    &EXCLUDED_INTERFACES,
    &VIRTUAL_INTERFACES,
    &REDIRECT_DNS,
    &CAPTURE_ALL_DNS,
    &DROP_INVALID,
    &DUAL_STACK,
    &UNCAPTURED_FAMILY,
    &QUIC,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_a_key_and_a_help_text_of_its_own() {
        for (i, setting) in ALL.iter().enumerate() {
            assert!(!setting.key().is_empty() && !setting.help.is_empty());
            assert!(ALL[..i].iter().all(|other| other.key() != setting.key()), "{} twice", setting.key());
        }
    }
}
