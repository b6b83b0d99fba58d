//! linkerd2-proxy-init: its flags (proxy-init/cmd/root.go), its rules (pkg/iptables/iptables.go), and the chart that
//! makes flags out of values and annotations (linkerd2: charts/partials/templates/_proxy-init.tpl).
//!
//! Its rules leave everything on the loopback interface alone, where istio's send the proxy's calls to the pod back to
//! the proxy: an excluded interface `lo` is the same.

use super::table::Here::{Makes, NoEqual, Nothing, Same};
use super::table::{Item, list, switch, value};
use super::{Draft, Grade, Peer};
use crate::config::lists;
use crate::config::ports::{Port, PortRange, PortSet};
use crate::config::settings::{
    BACKEND, DRY_RUN, DUAL_STACK, ENVOY_PORT, EXCLUDED_INTERFACES, INBOUND_EXCLUDED_PORTS, INBOUND_PORTS,
    LOG_AS_JSON, LOG_OUTPUT_LEVEL, NETWORK_NAMESPACE, OUTBOUND_EXCLUDED_PORTS, OUTBOUND_RANGES, PROXY_GID,
    PROXY_UID, RECONCILE,
};

const INCOMING_PORT: Item =
    value("--incoming-proxy-port", "config.linkerd.io/inbound-port", "", Makes("-z, -e")).short("-p");
const OUTGOING_PORT: Item =
    value("--outgoing-proxy-port", "config.linkerd.io/outbound-port", "", Same(&ENVOY_PORT)).short("-o");
const UID: Item = value("--proxy-uid", "config.linkerd.io/proxy-uid", "-1", Makes("-u")).short("-u");
const GID: Item = value("--proxy-gid", "config.linkerd.io/proxy-gid", "-1", Makes("-g")).short("-g");
const REDIRECTED: Item = list("--ports-to-redirect", "", Makes("-b")).short("-r");
const INBOUND_IGNORED: Item =
    list("--inbound-ports-to-ignore", "config.linkerd.io/skip-inbound-ports", Makes("-d, -b"));
const OUTBOUND_IGNORED: Item = list(
    "--outbound-ports-to-ignore",
    "config.linkerd.io/skip-outbound-ports",
    Same(&OUTBOUND_EXCLUDED_PORTS),
);
const LOG_FORMAT: Item = value("--log-format", "", "plain", Makes("--log_as_json"));
const LOG_LEVEL: Item = value("--log-level", "", "info", Makes("--log_output_level"));
const MODE: Item = value("--iptables-mode", "", "", Makes("--backend"));
const PROGRAM: Item = value("--firewall-bin-path", "", "", Makes("--backend"));
const IPV6: Item = switch("--ipv6", "", Makes("--dual-stack")).default("true");

/// Everything that it takes.
pub(super) static ITEMS: &[&Item] = &[
    &INCOMING_PORT,
    &OUTGOING_PORT,
    &UID,
    &GID,
    &REDIRECTED,
    &INBOUND_IGNORED,
    &OUTBOUND_IGNORED,
    &list(
        "--subnets-to-ignore",
        "config.linkerd.io/skip-subnets",
        NoEqual(
            "it leaves inbound connections alone by their source address, which no rule here looks at",
            "exclude the ports that these sources call with -d; -x is about destinations and is another thing",
        ),
    ),
    &switch("--simulate", "", Same(&DRY_RUN)),
    &value("--netns", "", "", Same(&NETWORK_NAMESPACE)),
    &switch("--use-wait-flag", "", Nothing("nothing waits for a lock without end here")).short("-w"),
    &value(
        "--timeout-close-wait-secs",
        "config.linkerd.io/close-wait-timeout",
        "0",
        NoEqual(
            "it sets a sysctl, which is not done here",
            "set net.netfilter.nf_conntrack_tcp_timeout_close_wait in the pod's securityContext.sysctls",
        ),
    ),
    &LOG_FORMAT,
    &LOG_LEVEL,
    &MODE,
    &PROGRAM,
    &value("--firewall-save-bin-path", "", "", Nothing("--backend decides what is read as well")),
    &IPV6,
];

/// The chart's user.
const CHART_USER: &str = "2102";

/// What the chart's values say when nobody changes them: for a pod that is not injected yet.
pub(super) fn assume_chart(draft: &mut Draft) {
    for (key, text) in [
        (INCOMING_PORT.key, "4143"),
        (OUTGOING_PORT.key, "4140"),
        (UID.key, CHART_USER),
        (INBOUND_IGNORED.key, "4567,4568"),
        (OUTBOUND_IGNORED.key, "4567,4568"),
    ] {
        if let Some((place, key)) = draft.given.place_of(key) {
            draft.given.replace(place, key, text, &mut draft.problems);
        }
    }
    draft.is_chart = true;
}

/// Everything that more than one of its settings decides, or a rule that is always there.
pub(super) fn complete(draft: &mut Draft) {
    draft.require(&INCOMING_PORT, "it has to be given: linkerd has no default for it (its chart says 4143)");
    draft.require(&OUTGOING_PORT, "it has to be given: linkerd has no default for it (its chart says 4140)");
    draft.inbound_port(&INCOMING_PORT);
    owner(draft);
    inbound(draft);
    draft.always(&OUTBOUND_RANGES, Peer::Linkerd, "*");
    draft.always(&EXCLUDED_INTERFACES, Peer::Linkerd, "lo");
    // A second run replaces what is there.
    draft.always(&RECONCILE, Peer::Linkerd, "true");
    let ipv6 = draft.given.is_on(&IPV6) && (!draft.is_chart || draft.given.has(&IPV6));
    draft.set(&DUAL_STACK, &IPV6, ipv6.to_string());
    if draft.is_chart {
        draft.note(
            Grade::Differs,
            "annotations",
            "they are read on top of the chart's own values: ports 4143 and 4140, user 2102, IPv6 off",
            "give the flags of linkerd-init behind the file where your values are others",
        );
    }
    backend(draft);
    logs(draft);
}

/// A user or group counts when it is above 0.
fn owner(draft: &mut Draft) {
    let mut given = [&UID, &GID].map(|item| {
        let text = draft.given.text(item).to_owned();
        match text.parse::<i64>() {
            Ok(1..) => Some(text),
            Ok(_) => None,
            Err(_) => {
                draft.fault(item, &text, "not a number");
                None
            }
        }
    });
    if given[0].is_none() {
        let item = format!("--proxy-uid {}", draft.given.text(&UID));
        let why = "linkerd leaves no user alone, which cannot be said here: the chart's user is written";
        draft.note(Grade::NoEqual, item, why, "write the proxy's own user to -u");
        given[0] = Some(CHART_USER.to_owned());
    }
    let [uid, gid] = given;
    draft.set(&PROXY_UID, &UID, uid.unwrap_or_default());
    match gid {
        Some(gid) => draft.set(&PROXY_GID, &GID, gid),
        None => draft.note_group(),
    }
}

/// Ignored ports win over listed ones.
fn inbound(draft: &mut Draft) {
    let own = if draft.is_chart { "4190,4191," } else { "" };
    let ignored = format!("{own}{}", draft.given.text(&INBOUND_IGNORED));
    let set: PortSet = lists::items(&ignored).filter_map(|item| item.parse::<PortRange>().ok()).collect();
    let redirected = draft.given.text(&REDIRECTED);
    let is_ignored = |item: &str| item.parse::<Port>().is_ok_and(|port| set.contains(port.get()));
    let left: Vec<&str> = lists::items(redirected).filter(|item| !is_ignored(item)).collect();
    let ports = if redirected.is_empty() { "*".to_owned() } else { left.join(",") };
    draft.set(&INBOUND_PORTS, &REDIRECTED, ports);
    draft.set(&INBOUND_EXCLUDED_PORTS, &INBOUND_IGNORED, ignored);
}

/// The mode counts more than the program.
fn backend(draft: &mut Draft) {
    let is_mode = draft.given.has(&MODE);
    let item = if is_mode { &MODE } else { &PROGRAM };
    let text = draft.given.text(item).to_owned();
    if text.is_empty() {
        return;
    }
    if text.ends_with("nft") || text.ends_with("legacy") {
        let kind = if text.ends_with("nft") { "iptables-nft" } else { "iptables-legacy" };
        draft.set(&BACKEND, item, kind);
    } else if is_mode && text != "plain" {
        draft.fault(item, &text, "linkerd knows legacy, nft and plain");
    } else {
        let why = "it may be any variant of iptables: the back end is chosen by what the kernel holds";
        draft.note(Grade::Differs, format!("{} {text}", item.flag), why, "name one with --backend");
    }
}

fn logs(draft: &mut Draft) {
    match draft.given.text(&LOG_FORMAT) {
        "json" => draft.set(&LOG_AS_JSON, &LOG_FORMAT, "true"),
        "plain" => {}
        other => {
            let other = other.to_owned();
            draft.fault(&LOG_FORMAT, &other, "linkerd knows plain and json");
        }
    }
    let level = match draft.given.text(&LOG_LEVEL) {
        "info" => return,
        "panic" | "fatal" | "error" => "error",
        "warn" | "warning" => "warn",
        "debug" | "trace" => "debug",
        other => {
            let other = other.to_owned();
            return draft.fault(
                &LOG_LEVEL,
                &other,
                "linkerd knows panic, fatal, error, warn, info, debug and trace",
            );
        }
    };
    draft.set(&LOG_OUTPUT_LEVEL, &LOG_LEVEL, format!("default:{level}"));
}
