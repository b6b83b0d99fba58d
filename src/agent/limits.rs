//! How many connections the agent holds at once: what it needs itself must not run out of file descriptors.

use nix::sys::resource::{Resource, getrlimit};

/// So many connections are enough for each port.
const PORT: usize = 256;
/// And so many for the socket: a node that starts asks for all its pods together.
const SOCKET: usize = 512;
/// What is assumed where the system does not say: the least that is usual.
const USUAL: u64 = 1024;

/// The most connections at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// For each of the two ports.
    pub(super) port: usize,
    /// For the socket.
    pub(super) socket: usize,
}

impl Limits {
    /// What this process has room for.
    pub(super) fn of_this_process() -> Limits {
        Limits::within(getrlimit(Resource::RLIMIT_NOFILE).map_or(USUAL, |(now, _)| now))
    }

    /// What there is room for with so many file descriptors: three quarters of them are for connections.
    fn within(descriptors: u64) -> Limits {
        let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
        Limits { port: (descriptors / 8).min(PORT), socket: (descriptors / 2).min(SOCKET) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_the_descriptors_is_left_for_everything_else() {
        for descriptors in [64, 256, 1024, 4096, 1 << 20, u64::MAX] {
            let Limits { port, socket } = Limits::within(descriptors);
            let used = u64::try_from(2 * port + socket).unwrap();
            assert!(port > 0 && used <= descriptors / 4 * 3, "{descriptors}: {used}");
        }
        assert_eq!(Limits::within(1024), Limits { port: 128, socket: 512 });
        assert_eq!(Limits::within(u64::MAX), Limits { port: PORT, socket: SOCKET });
    }
}
