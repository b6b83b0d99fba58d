//! Which setting a rule is there for.

use crate::config::settings::{self, Setting};

/// Rules by what their ids begin with, and the setting that asks for them. The first that fits counts.
const CAUSES: &[(&str, &Setting)] = &[
    ("outbound-captured", &settings::OUTBOUND_RANGES),
    ("outbound-included-ranges", &settings::OUTBOUND_RANGES),
    ("outbound-included", &settings::OUTBOUND_PORTS),
    ("outbound-excluded-ranges", &settings::OUTBOUND_EXCLUDED_RANGES),
    ("outbound-excluded-groups", &settings::OWNER_GROUPS_EXCLUDED),
    ("outbound-excluded", &settings::OUTBOUND_EXCLUDED_PORTS),
    ("outbound-other-groups", &settings::OWNER_GROUPS),
    ("outbound-proxy-uid", &settings::PROXY_UID),
    ("outbound-proxy-gid", &settings::PROXY_GID),
    ("outbound-self-call-uid", &settings::PROXY_UID),
    ("outbound-self-call-gid", &settings::PROXY_GID),
    ("outbound-local-not-uid", &settings::PROXY_UID),
    ("outbound-local-not-gid", &settings::PROXY_GID),
    ("outbound-loopback", &settings::LOOPBACK_RANGE),
    ("outbound-dns", &settings::REDIRECT_DNS),
    ("dns-", &settings::REDIRECT_DNS),
    ("zone-", &settings::REDIRECT_DNS),
    ("inbound-excluded", &settings::INBOUND_EXCLUDED_PORTS),
    ("inbound-captured", &settings::INBOUND_PORTS),
    ("inbound-known", &settings::INBOUND_PORTS),
    ("inbound-tunnel", &settings::INBOUND_TUNNEL_PORT),
    ("inbound-marked", &settings::TPROXY_MARK),
    ("inbound-self-call", &settings::INTERCEPTION_MODE),
    ("nat-excluded-interfaces", &settings::EXCLUDED_INTERFACES),
    ("mangle-excluded-interfaces", &settings::EXCLUDED_INTERFACES),
    ("virtual-", &settings::VIRTUAL_INTERFACES),
    ("quic-", &settings::QUIC),
    ("uncaptured-in-excluded-interfaces", &settings::EXCLUDED_INTERFACES),
    ("uncaptured-in-excluded", &settings::INBOUND_EXCLUDED_PORTS),
    ("uncaptured", &settings::UNCAPTURED_FAMILY),
    ("link-local", &settings::UNCAPTURED_FAMILY),
    ("invalid", &settings::DROP_INVALID),
    ("drop-invalid", &settings::DROP_INVALID),
    ("mark-", &settings::INTERCEPTION_MODE),
    ("tproxy-", &settings::INTERCEPTION_MODE),
];

/// The setting that a rule is there for; nothing for rules that every configuration has, and for rules of others.
pub fn cause(rule: &str) -> Option<&'static Setting> {
    CAUSES.iter().find(|(beginning, _)| rule.starts_with(beginning)).map(|(_, setting)| *setting)
}
