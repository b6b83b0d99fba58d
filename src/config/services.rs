//! Names of services that stand for a port, as iptables takes them out of /etc/services.
//!
//! The names are in the program: an image may have no such file, and a name that means another port on another node would be
//! worse than one that is refused.

use super::ports::Port;

/// Names and ports as of IANA's registry (Service Name and Transport Protocol Port Number Registry), of services that run
/// over TCP.
const SERVICES: [(&str, Port); 31] = [
    ("amqp", Port::constant(5672)),
    ("domain", Port::constant(53)),
    ("ftp", Port::constant(21)),
    ("ftp-data", Port::constant(20)),
    ("http", Port::constant(80)),
    ("http-alt", Port::constant(8080)),
    ("https", Port::constant(443)),
    ("imap2", Port::constant(143)),
    ("imaps", Port::constant(993)),
    ("kerberos", Port::constant(88)),
    ("ldap", Port::constant(389)),
    ("ldaps", Port::constant(636)),
    ("microsoft-ds", Port::constant(445)),
    ("ms-sql-s", Port::constant(1433)),
    ("mysql", Port::constant(3306)),
    ("nfs", Port::constant(2049)),
    ("ntp", Port::constant(123)),
    ("pop3", Port::constant(110)),
    ("pop3s", Port::constant(995)),
    ("postgresql", Port::constant(5432)),
    ("redis", Port::constant(6379)),
    ("rsync", Port::constant(873)),
    ("sip", Port::constant(5060)),
    ("smtp", Port::constant(25)),
    ("snmp", Port::constant(161)),
    ("ssh", Port::constant(22)),
    ("submission", Port::constant(587)),
    ("sunrpc", Port::constant(111)),
    ("syslog-tls", Port::constant(6514)),
    ("telnet", Port::constant(23)),
    ("xmpp-client", Port::constant(5222)),
];

/// The port of a service.
pub(super) fn port(name: &str) -> Option<Port> {
    SERVICES.iter().find(|(known, _)| *known == name).map(|(_, port)| *port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_sorted_and_debian_s_file_agrees() {
        assert!(SERVICES.is_sorted_by_key(|(name, _)| *name));
        // The file is there where the package netbase is.
        let file = std::fs::read_to_string("/etc/services").unwrap_or_default();
        for (name, port) in SERVICES {
            let line = file.lines().find(|line| {
                let mut words = line.split_whitespace();
                words.next() == Some(name)
                    && words.next().is_some_and(|it| it.ends_with("/tcp") || it.ends_with("/udp"))
            });
            if let Some(line) = line {
                let number = line.split_whitespace().nth(1).and_then(|it| it.split('/').next()).unwrap();
                assert_eq!(number, port.to_string(), "{name}");
            }
        }
    }
}
