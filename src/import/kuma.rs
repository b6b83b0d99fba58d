//! kumactl install transparent-proxy: its flags (app/kumactl/cmd/install/install_transparent_proxy.go), its file and
//! defaults (pkg/transparentproxy/config/config.go), its rules (pkg/transparentproxy/iptables/builder).
//!
//! Its rules are made after istio's: local calls, the proxy's own traffic and DNS are treated in the same way.

use super::table::Here::{File, Makes, NoEqual, Nothing, Same};
use super::table::{Item, list, switch, value};
use super::{Draft, Grade, Peer, as_range, each};
use crate::config::lists;
use crate::config::settings::{
    CAPTURE_ALL_DNS, DROP_INVALID, DRY_RUN, DUAL_STACK, ENVOY_PORT, INBOUND_EXCLUDED_PORTS, INBOUND_PORTS,
    OUTBOUND_EXCLUDED_PORTS, OUTBOUND_EXCLUDED_RANGES, OUTBOUND_PORTS, OUTBOUND_RANGES, PROXY_UID, RECONCILE,
    REDIRECT_DNS, RESOLV_CONF,
};

const USER: Item = value("--kuma-dp-user", "kumaDPUser", "", Makes("-u"));
const OLD_USER: Item = value("--kuma-dp-uid", "", "", Makes("-u"));
const FAMILIES: Item = value("--ip-family-mode", "ipFamilyMode", "dualstack", Makes("--dual-stack"));
const IPV6_DISABLED: Item = switch("--ipv6-disabled", "", Makes("--dual-stack"));
const INBOUND: Item = switch("--redirect-inbound", "redirect.inbound.enabled", Makes("-b")).default("true");
const INBOUND_PORT: Item =
    value("--redirect-inbound-port", "redirect.inbound.port", "15006", Makes("-z, -e"));
const INBOUND_INCLUDED: Item = value("", "redirect.inbound.includePorts", "", Makes("-b"));
const INBOUND_EXCLUDED: Item =
    value("--exclude-inbound-ports", "redirect.inbound.excludePorts", "", Makes("-d"));
const OUTBOUND: Item = switch("", "redirect.outbound.enabled", Makes("-i")).default("true");
const OUTBOUND_PORT: Item =
    value("--redirect-outbound-port", "redirect.outbound.port", "15001", Same(&ENVOY_PORT));
const OUTBOUND_INCLUDED: Item = value("", "redirect.outbound.includePorts", "", Makes("-q, without -i"));
const OUTBOUND_EXCLUDED: Item =
    value("--exclude-outbound-ports", "redirect.outbound.excludePorts", "", Makes("-o"));
const OUTBOUND_ADDRESSES: Item =
    list("--exclude-outbound-ips", "redirect.outbound.excludePortsForIPs", Makes("-x"));
const DNS: Item = switch("--redirect-dns", "redirect.dns.enabled", Makes("--redirect-dns"));
const ALL_DNS: Item = switch(
    "--redirect-all-dns-traffic",
    "redirect.dns.captureAll",
    Makes("--redirect-dns --capture-all-dns"),
);

const OWNER_AND_PORT: (&str, &str) = (
    "no rule here looks at the user and the port together",
    "exclude the ports for everybody with -o, or a group of its own with ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE",
);
const PLACE: (&str, &str) = (
    "where the rules go among those of others cannot be said",
    "look with `status` and `explain --live` whether rules of others come first",
);
const LOCK: &str = "one transaction needs no lock, and the programs of iptables wait for theirs";
const ONLY_EBPF: &str = "it is about eBPF, which is not used here";

/// Everything that it takes.
pub(super) static ITEMS: &[&Item] = &[
    &list("--config-file", "", File),
    &list("--config", "", File),
    &USER,
    &OLD_USER,
    &FAMILIES,
    &IPV6_DISABLED,
    &INBOUND,
    &INBOUND_PORT,
    &INBOUND_INCLUDED,
    &INBOUND_EXCLUDED,
    &list(
        "--exclude-inbound-ips",
        "redirect.inbound.excludePortsForIPs",
        NoEqual(
            "it leaves inbound connections alone by their source address, which no rule here looks at",
            "exclude the ports that these sources call with -d; -x is about destinations and is another thing",
        ),
    ),
    &list(
        "",
        "redirect.inbound.excludePortsForUIDs",
        NoEqual("inbound packets have no user", "exclude the ports with -d"),
    ),
    &switch(
        "--redirect-inbound-insert-instead-of-append",
        "redirect.inbound.insertRedirectInsteadOfAppend",
        NoEqual(PLACE.0, PLACE.1),
    ),
    &value(
        "--redirect-inbound-port-v6",
        "",
        "15006",
        NoEqual("both families go to one inbound port", "let the proxy listen on it for IPv6 as well"),
    ),
    &OUTBOUND,
    &OUTBOUND_PORT,
    &OUTBOUND_INCLUDED,
    &OUTBOUND_EXCLUDED,
    &OUTBOUND_ADDRESSES,
    &list(
        "--exclude-outbound-ports-for-uids",
        "redirect.outbound.excludePortsForUIDs",
        NoEqual(OWNER_AND_PORT.0, OWNER_AND_PORT.1),
    ),
    &list("--exclude-outbound-tcp-ports-for-uids", "", NoEqual(OWNER_AND_PORT.0, OWNER_AND_PORT.1)),
    &list("--exclude-outbound-udp-ports-for-uids", "", NoEqual(OWNER_AND_PORT.0, OWNER_AND_PORT.1)),
    &switch(
        "--redirect-outbound-insert-instead-of-append",
        "redirect.outbound.insertRedirectInsteadOfAppend",
        NoEqual(PLACE.0, PLACE.1),
    ),
    &DNS,
    &ALL_DNS,
    &value(
        "--redirect-dns-port",
        "redirect.dns.port",
        "15053",
        NoEqual("DNS goes to port 15053 here", "let kuma-dp answer DNS on 15053"),
    ),
    &switch(
        "--skip-dns-conntrack-zone-split",
        "redirect.dns.skipConntrackZoneSplit",
        Nothing("captured DNS is always tracked in two zones, which every kernel that is supported can do"),
    ),
    &value(
        "--redirect-dns-upstream-target-chain",
        "",
        "RETURN",
        NoEqual(
            "the proxy's own DNS goes where it was sent, to no other chain",
            "write such a rule yourself",
        ),
    ),
    &value("", "redirect.dns.resolvConfigPath", "/etc/resolv.conf", Same(&RESOLV_CONF)),
    &list(
        "--vnet",
        "redirect.vnet.networks",
        NoEqual(
            "traffic of an interface cannot be captured with an exception for a range, nor can its DNS",
            "-k INTERFACE captures all TCP of the interface, where that is what you want",
        ),
    ),
    &switch("--drop-invalid-packets", "dropInvalidPackets", Same(&DROP_INVALID)),
    &switch(
        "--iptables-logs",
        "log.enabled",
        NoEqual(
            "no rule logs packets",
            "`status` counts the hits of every rule, `explain` tells which rule decides",
        ),
    ),
    &value("", "log.level", "7", Nothing("no rule logs packets")),
    &switch("--disable-comments", "comments.disabled", Nothing("no rule depends on a comment")),
    &list(
        "--iptables-executables",
        "iptablesExecutables",
        Nothing("nftables needs no program; --backend names a variant of iptables"),
    ),
    &value("--wait", "wait", "5", Nothing(LOCK)),
    &value("--wait-interval", "waitInterval", "0", Nothing(LOCK)),
    &value("--max-retries", "retry.maxRetries", "4", Nothing(LOCK)),
    &value("--sleep-between-retries", "retry.sleepBetweenRetries", "2s", Nothing(LOCK)),
    &switch(
        "--store-firewalld",
        "storeFirewalld",
        NoEqual(
            "rules are not stored",
            "run `mesh-intercept init` at every start, and after a reload of firewalld",
        ),
    ),
    &switch(
        "--ebpf-enabled",
        "ebpf.enabled",
        NoEqual(
            "there is no eBPF here: the same traffic is captured by rules",
            "check that the kernel has nf_tables",
        ),
    ),
    &value("--ebpf-instance-ip", "ebpf.instanceIP", "", Nothing(ONLY_EBPF)),
    &value("", "ebpf.instanceIPEnvVarName", "", Nothing(ONLY_EBPF)),
    &value("--ebpf-bpffs-path", "ebpf.bpffsPath", "", Nothing(ONLY_EBPF)),
    &value("--ebpf-cgroup-path", "ebpf.cgroupPath", "", Nothing(ONLY_EBPF)),
    &value("--ebpf-tc-attach-iface", "ebpf.tcAttachIface", "", Nothing(ONLY_EBPF)),
    &value("--ebpf-programs-source-path", "ebpf.programsSourcePath", "", Nothing(ONLY_EBPF)),
    &switch("--dry-run", "dryRun", Same(&DRY_RUN)),
    &switch("--verbose", "verbose", Nothing("a plan is always printed with reasons")),
    &switch("", "cniMode", Nothing("the plugin is a command of its own, see docs/cni.md")),
    &switch("--experimental-transparent-proxy-engine", "", Nothing("it was the only engine later on")),
    &value("--api-timeout", "", "", Nothing("no control plane is asked")),
    &value("--log-level", "", "", Nothing("it is about kumactl itself")),
    &switch("--no-config", "", Nothing("it is about kumactl itself")),
];

/// The default user.
const DEFAULT_USER: &str = "5678";

/// Everything that more than one of its settings decides, or a default that is another here.
pub(super) fn complete(draft: &mut Draft) {
    draft.inbound_port(&INBOUND_PORT);
    user(draft);
    families(draft);
    inbound(draft);
    outbound(draft);
    dns(draft);
    // A second run replaces what is there.
    draft.always(&RECONCILE, Peer::Kuma, "true");
}

fn user(draft: &mut Draft) {
    let item = if draft.given.has(&OLD_USER) { &OLD_USER } else { &USER };
    let name = draft.given.text(item).to_owned();
    if name.is_empty() {
        let why = "kuma takes user 5678, and where there is none the user kuma-dp: 5678 is written";
        draft.note(
            Grade::Differs,
            "--kuma-dp-user",
            why,
            "write the number of kuma-dp to -u where it is that",
        );
        draft.set(&PROXY_UID, item, DEFAULT_USER);
    } else {
        draft.set(&PROXY_UID, item, name);
    }
    draft.note_group();
}

fn families(draft: &mut Draft) {
    let mode = draft.given.text(&FAMILIES).to_lowercase();
    let dual_stack = match mode.as_str() {
        "" | "dualstack" => !draft.given.is_on(&IPV6_DISABLED),
        "ipv4" => false,
        _ => return draft.fault(&FAMILIES, &mode, "kuma knows dualstack and ipv4"),
    };
    draft.set(&DUAL_STACK, &FAMILIES, dual_stack.to_string());
}

/// Where ports are included, kuma does not look at the excluded ones.
fn excluded(draft: &mut Draft, included: &Item, item: &Item) -> String {
    let ports = draft.given.text(item).to_owned();
    if draft.given.text(included).is_empty() || ports.is_empty() {
        return ports;
    }
    draft.note(
        Grade::WithoutEffect,
        format!("{} {ports}", item.flag),
        &format!("kuma excludes no port where {} includes some", included.key),
        "",
    );
    String::new()
}

fn inbound(draft: &mut Draft) {
    let included = draft.given.text(&INBOUND_INCLUDED).to_owned();
    let ports = match (draft.given.is_on(&INBOUND), included.is_empty()) {
        (false, _) => "",
        (true, true) => "*",
        (true, false) => &included,
    };
    draft.set(&INBOUND_PORTS, &INBOUND_INCLUDED, ports);
    let excluded = excluded(draft, &INBOUND_INCLUDED, &INBOUND_EXCLUDED);
    draft.set(&INBOUND_EXCLUDED_PORTS, &INBOUND_EXCLUDED, excluded);
}

fn outbound(draft: &mut Draft) {
    let excluded = excluded(draft, &OUTBOUND_INCLUDED, &OUTBOUND_EXCLUDED);
    draft.set(&OUTBOUND_EXCLUDED_PORTS, &OUTBOUND_EXCLUDED, excluded);
    let addresses = each(draft.given.text(&OUTBOUND_ADDRESSES), as_range);
    draft.set(&OUTBOUND_EXCLUDED_RANGES, &OUTBOUND_ADDRESSES, addresses);
    let included = draft.given.text(&OUTBOUND_INCLUDED).to_owned();
    if !draft.given.is_on(&OUTBOUND) {
        let why = "nothing outbound is captured, but the proxy's calls to the pod itself still go to its inbound port";
        draft.note(Grade::Differs, OUTBOUND.key, why, "");
    } else if included.is_empty() {
        draft.set(&OUTBOUND_RANGES, &OUTBOUND, "*");
    } else {
        draft.set(&OUTBOUND_PORTS, &OUTBOUND_INCLUDED, included);
    }
}

/// Exclusions come before DNS capture over UDP there, and the other way round here.
fn dns(draft: &mut Draft) {
    let all = draft.given.is_on(&ALL_DNS);
    if !all && !draft.given.is_on(&DNS) {
        return;
    }
    draft.set(&REDIRECT_DNS, if all { &ALL_DNS } else { &DNS }, "true");
    draft.set(&CAPTURE_ALL_DNS, &ALL_DNS, all.to_string());
    if lists::items(draft.given.text(&OUTBOUND_EXCLUDED)).any(|port| port == "53") {
        let why = "kuma excludes port 53 for TCP alone; here DNS over UDP is not captured either";
        draft.note(Grade::NoEqual, "--exclude-outbound-ports 53", why, "leave 53 out of -o to capture both");
    }
    if !draft.given.text(&OUTBOUND_ADDRESSES).is_empty() {
        let why = "DNS to excluded addresses is captured all the same";
        draft.note(Grade::Differs, "--exclude-outbound-ips", why, "");
    }
}
