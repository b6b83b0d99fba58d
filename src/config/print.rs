//! A configuration as the flags and variables that give it: names resolved, defaults left out.

use std::fmt::Display;

use super::settings::{self, Kind, Setting};
use super::values::{Mode, Quic, UncapturedFamily};
use super::{Config, Dns, InboundPorts, OutboundRanges, OwnerGroups};

impl Config {
    /// The settings that differ from their defaults, in the short form of flags. Those of the environment come first, as a
    /// shell takes them.
    pub fn flags(&self) -> String {
        let texts = self.texts();
        let changed = || texts.iter().filter(|(setting, text)| text != setting.default);
        let variables = changed().filter(|(setting, _)| setting.flag.is_empty());
        let variables = variables.map(|(setting, text)| format!("{}={text}", setting.key()));
        let flags = changed().filter(|(setting, _)| !setting.flag.is_empty());
        let flags = flags.map(|(setting, text)| match (setting.kind, setting.short) {
            (Kind::Switch, _) => format!("--{}={text}", setting.flag),
            (_, Some(letter)) => format!("-{letter} {text}"),
            (_, None) => format!("--{} {text}", setting.flag),
        });
        variables.chain(flags).collect::<Vec<_>>().join(" ")
    }

    /// Every setting with its text.
    fn texts(&self) -> Vec<(&'static Setting, String)> {
        let same_ids = self.proxy_gids.iter().map(|gid| gid.0).eq(self.proxy_uids.iter().map(|uid| uid.0));
        let (inbound, inbound_excluded) = match &self.inbound_ports {
            InboundPorts::None => (String::new(), String::new()),
            InboundPorts::AllExcept(ports) => ("*".to_owned(), list(ports.ranges())),
            // A list without items is another thing than no list.
            InboundPorts::Only(ports) if ports.is_empty() => (",".to_owned(), String::new()),
            InboundPorts::Only(ports) => (list(ports.ranges()), String::new()),
        };
        let (groups, groups_excluded) = match &self.owner_groups {
            OwnerGroups::AllExcept(groups) => ("*".to_owned(), list(groups)),
            OwnerGroups::Only(groups) => (list(groups), String::new()),
        };
        vec![
            (&settings::LOOPBACK_RANGE, self.loopback.net().to_string()),
            (&settings::OWNER_GROUPS, groups),
            (&settings::OWNER_GROUPS_EXCLUDED, groups_excluded),
            (&settings::ENVOY_PORT, self.outbound_port.to_string()),
            (&settings::INBOUND_CAPTURE_PORT, self.inbound_port.to_string()),
            (&settings::INBOUND_TUNNEL_PORT, self.tunnel_port.to_string()),
            (&settings::PROXY_UID, list(&self.proxy_uids)),
            (&settings::PROXY_GID, if same_ids { String::new() } else { list(&self.proxy_gids) }),
            (
                &settings::INTERCEPTION_MODE,
                if self.mode == Mode::Tproxy { "TPROXY".to_owned() } else { String::new() },
            ),
            (&settings::TPROXY_MARK, self.tproxy_mark.get().to_string()),
            (&settings::TPROXY_ROUTE_TABLE, self.tproxy_table.get().to_string()),
            (&settings::INBOUND_PORTS, inbound),
            (&settings::INBOUND_EXCLUDED_PORTS, inbound_excluded),
            (
                &settings::OUTBOUND_RANGES,
                match &self.outbound_ranges {
                    OutboundRanges::All => "*".to_owned(),
                    OutboundRanges::Only(ranges) => ranges.typed(),
                },
            ),
            (&settings::OUTBOUND_EXCLUDED_RANGES, self.excluded_ranges.typed()),
            (&settings::OUTBOUND_PORTS, list(self.outbound_ports.ranges())),
            (&settings::OUTBOUND_EXCLUDED_PORTS, list(self.excluded_outbound_ports.ranges())),
            (&settings::EXCLUDED_INTERFACES, list(&self.excluded_interfaces)),
            (&settings::VIRTUAL_INTERFACES, list(&self.virtual_interfaces)),
            (&settings::REDIRECT_DNS, (self.dns != Dns::Off).to_string()),
            (&settings::CAPTURE_ALL_DNS, (self.dns == Dns::All).to_string()),
            (&settings::DROP_INVALID, self.drop_invalid.to_string()),
            (&settings::DUAL_STACK, self.dual_stack.to_string()),
            (
                &settings::UNCAPTURED_FAMILY,
                match self.uncaptured_family {
                    UncapturedFamily::Allow => "allow",
                    UncapturedFamily::Warn => "warn",
                    UncapturedFamily::Deny => "deny",
                }
                .to_owned(),
            ),
            (
                &settings::QUIC,
                match self.quic {
                    Quic::Allow => "allow",
                    Quic::Deny => "deny",
                }
                .to_owned(),
            ),
        ]
    }
}

/// A list whose first item begins with an @ would be a file: an empty item before it says that it is none.
fn list(items: &[impl Display]) -> String {
    let list = items.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    if list.starts_with('@') { format!(",{list}") } else { list }
}

/// A word as a shell takes it.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=+@".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_shell_takes_every_word_as_it_is() {
        assert_eq!(quoted("--a=b,c"), "--a=b,c");
        assert_eq!(quoted("*"), "'*'");
        assert_eq!(quoted("it's $HOME"), r"'it'\''s $HOME'");
        assert_eq!(quoted(""), "''");
    }
}
