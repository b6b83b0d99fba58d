//! Names of network interfaces.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// The kernel's limit for an interface name, without the terminating zero (IFNAMSIZ - 1).
const LONGEST: usize = 15;

/// An interface name, or the beginning of one when it was written with a trailing `+`.
///
/// The kernel takes any byte but `/`, white space and `:` (`dev_valid_name`); a quote, a leading dash and what
/// cannot be printed are refused here as well, because no interface that a container runtime makes has them. So is `@`:
/// `ip link` prints it between a name and the interface at the other end (`net1@if5`), and a rule about the whole of
/// that would match nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceName {
    name: String,
    prefix: bool,
}

impl InterfaceName {
    /// The loopback interface; every network namespace is born with it, by this name.
    pub fn loopback() -> InterfaceName {
        InterfaceName { name: "lo".to_owned(), prefix: false }
    }

    /// The name, or what names begin with.
    pub fn as_str(&self) -> &str {
        &self.name
    }

    /// Does it stand for every name that begins so?
    pub fn is_prefix(&self) -> bool {
        self.prefix
    }

    /// Does it stand for this interface?
    pub fn matches(&self, interface: &str) -> bool {
        if self.prefix { interface.starts_with(&self.name) } else { interface == self.name }
    }
}

impl FromStr for InterfaceName {
    type Err = String;

    fn from_str(text: &str) -> Result<InterfaceName, String> {
        let (name, prefix) = match text.strip_suffix('+') {
            Some(name) => (name, true),
            None => (text, false),
        };
        if name.is_empty() {
            return Err("an interface name cannot be empty".to_owned());
        }
        if let Some((name, _)) =
            name.split_once('@').filter(|(name, _)| name.parse::<InterfaceName>().is_ok())
        {
            return Err(format!(
                "not an interface name: ip link prints what it is connected to behind the @, write {name}"
            ));
        }
        if text.len() > LONGEST {
            return Err(format!("too long: an interface name has at most {LONGEST} bytes"));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '@' | '~');
        if name.starts_with('-') || name == "." || name == ".." || !name.chars().all(allowed) {
            return Err("not an interface name: letters, digits and . _ - @ ~ are allowed".to_owned());
        }
        Ok(InterfaceName { name: name.to_owned(), prefix })
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}{}", self.name, if self.prefix { "+" } else { "" })
    }
}

impl Serialize for InterfaceName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_was_copied_from_ip_link_is_refused_with_the_right_one() {
        // It was taken as it is, and matched nothing.
        for (copied, name) in [
            ("net1@if5", "net1"),
            ("macvlan0@eth0", "macvlan0"),
            ("tunl0@NONE", "tunl0"),
            ("a-long-name-of-15@if1234", "a-long-name-of-15"),
        ] {
            let reason = copied.parse::<InterfaceName>().unwrap_err();
            let is_named = reason.ends_with(&format!("write {name}"));
            assert_eq!(is_named, name.len() <= LONGEST, "{copied}: {reason}");
        }
    }

    #[test]
    fn a_name_has_1_to_15_plain_characters() {
        for right in ["eth0", "net1", "cilium+", "a23456789012345", "veth.1", "br-lan"] {
            assert_eq!(right.parse::<InterfaceName>().map(|n| n.to_string()), Ok(right.to_owned()));
        }
        for wrong in [
            "",
            "+",
            "a234567890123456",
            "a23456789012345+",
            "et h0",
            "eth0\n",
            "-j",
            "a/b",
            "a:b",
            "\"x\"",
            "..",
            "eth0;",
        ] {
            assert!(wrong.parse::<InterfaceName>().is_err(), "{wrong:?}");
        }
    }
}
