//! The messages of netfilter's packet log that the lock of a namespace is made of (linux/netfilter/nfnetlink_log.h).

use super::{Attributes, FAMILY_ANY, FAMILY_HEADER, HEADER, flag, write_message};

/// `NFNL_SUBSYS_ULOG`
const SUBSYSTEM: u16 = 4;
/// `NFULNL_MSG_PACKET`
const PACKET: u16 = 0;
/// `NFULNL_MSG_CONFIG`
const CONFIG: u16 = 1;
/// `NFULA_CFG_CMD`
const COMMAND: u16 = 1;
/// `NFULNL_CFG_CMD_BIND`
const BIND: u8 = 1;

/// Asks for the log instance of a group, which one socket of a network namespace can have.
pub fn bind(group: u16, sequence: u32) -> Vec<u8> {
    let mut attributes = Attributes::default();
    attributes.bytes(COMMAND, &[BIND]);
    request(CONFIG, sequence, group, attributes.written())
}

/// A request that the kernel supports for nobody. It looks at the sender's privilege first: without CAP_NET_ADMIN over
/// the network namespace the answer is `EPERM`, with it another error.
pub fn unsupported(sequence: u32) -> Vec<u8> {
    request(PACKET, sequence, 0, &[])
}

fn request(kind: u16, sequence: u32, group: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + FAMILY_HEADER + payload.len());
    let flags = flag::REQUEST | flag::ACK;
    write_message(&mut bytes, SUBSYSTEM << 8 | kind, flags, sequence, FAMILY_ANY, group, payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bind_is_what_the_kernel_s_header_says() {
        let expected: [&[u8]; 5] = [
            &28u32.to_ne_bytes(),
            &0x0401u16.to_ne_bytes(),
            &(flag::REQUEST | flag::ACK).to_ne_bytes(),
            &7u32.to_ne_bytes(),
            &0u32.to_ne_bytes(),
        ];
        let mut expected = expected.concat();
        // The family, the version and the group in network byte order; a command of one byte, padded to four.
        expected.extend([0, 0, 0x4d, 0x49]);
        expected.extend([5u16.to_ne_bytes(), 1u16.to_ne_bytes()].concat());
        expected.extend([1, 0, 0, 0]);
        assert_eq!(bind(0x4d49, 7), expected);
    }

    #[test]
    fn the_unsupported_request_has_nothing_but_headers() {
        let request = unsupported(3);
        assert_eq!(request.len(), HEADER + FAMILY_HEADER);
        assert_eq!(request[4..6], 0x0400u16.to_ne_bytes());
    }
}
