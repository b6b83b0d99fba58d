//! The lock of a network namespace: a log instance of netfilter ([`crate::netlink::log`]).
//!
//! Taking it needs CAP_NET_ADMIN over the namespace, as changing the rules does: a process of the pod without that privilege
//! cannot hold up a run. One socket of a namespace can have it, and the kernel gives it back when that socket is closed,
//! however the process ends (docs/adr/0009-lock-of-a-namespace.md).

use std::fmt;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use netlink_sys::Socket;
use nix::errno::Errno;

use super::netfilter::{self, ERROR, error_code};
use super::netns::NamespaceError;
use super::socket::{receive, send};
use crate::netlink::{log, messages};

/// The number of the log group. Rules of the pod that log to this group log to nobody meanwhile.
const GROUP: u16 = 0x4d49;
/// Which socket has which group.
const LISTING: &str = "/proc/thread-self/net/netfilter/nfnetlink_log";
/// How long to wait for another run.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long to rest between two tries.
const PAUSE: Duration = Duration::from_millis(10);
/// `ENOTSUPP`, which is in the kernel's own linux/errno.h only.
const NOT_SUPPORTED: i32 = 524;

/// The lock of a namespace was not had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error(
        "{holder} has held the lock of this network namespace for {} seconds: it is another run of mesh-intercept, or a \
         process with CAP_NET_ADMIN here that has bound NFLOG group {GROUP}. Wait for it, or end it",
        PATIENCE.as_secs()
    )]
    Held {
        /// Which.
        holder: Holder,
    },
    /// The namespace cannot be entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The system refuses for a reason of its own.
    #[error("cannot lock the network namespace: {0}")]
    Refused(#[source] io::Error),
}

/// The process that has the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// The one with this netlink port.
    Port(u32),
    /// The kernel did not say which.
    Unknown,
}

impl fmt::Display for Holder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The kernel gives a process its PID as the port of its first socket of a protocol (netlink_autobind).
            Holder::Port(port) => write!(out, "the process with netlink port {port} (usually its PID)"),
            Holder::Unknown => out.write_str("another process"),
        }
    }
}

impl Holder {
    /// Reads /proc/net/netfilter/nfnetlink_log: a line for each group, which begins with the group and the port.
    fn of(listing: &str) -> Holder {
        let port = listing.lines().find_map(|line| {
            let mut fields = line.split_whitespace();
            (fields.next()?.parse() == Ok(GROUP)).then(|| fields.next()?.parse().ok())?
        });
        port.map_or(Holder::Unknown, Holder::Port)
    }
}

/// While it is held, no other run of this program changes the namespace.
#[derive(Debug)]
pub struct NamespaceLock(#[allow(dead_code, reason = "held, not read")] Socket);

/// What the kernel makes of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Try {
    /// The lock is taken.
    Taken,
    /// Another socket has it; or the process may not have it, which is the same number.
    HeldOrForbidden,
    /// Another socket has it.
    Held,
    /// The kernel has no packet log.
    Unsupported,
    /// It went wrong.
    Failed(Errno),
}

impl Try {
    fn of(code: i32) -> Try {
        match Errno::from_raw(code) {
            _ if code == 0 => Try::Taken,
            _ if code == NOT_SUPPORTED => Try::Unsupported,
            Errno::EPERM => Try::HeldOrForbidden,
            Errno::EBUSY | Errno::EEXIST => Try::Held,
            // nfnetlink does not know the subsystem, after it has tried to load the module.
            Errno::EINVAL | Errno::EOPNOTSUPP | Errno::EPROTONOSUPPORT | Errno::ENOSYS => Try::Unsupported,
            errno => Try::Failed(errno),
        }
    }
}

/// A socket that has not got the lock yet.
#[derive(Debug)]
pub struct Waiting {
    socket: Socket,
    sequence: u32,
}

impl Waiting {
    /// Opens a socket in the namespace that the calling thread is in, to which it then belongs. There is none where the
    /// kernel has no netfilter sockets, or the node's policy forbids them.
    ///
    /// # Errors
    /// When the system has no room for a socket.
    pub fn open() -> Result<Option<Waiting>, LockError> {
        match netfilter::connect() {
            Ok(socket) => Ok(Some(Waiting { socket, sequence: 0 })),
            Err(error) => match error.raw_os_error().map(Errno::from_raw) {
                Some(Errno::EPROTONOSUPPORT | Errno::EAFNOSUPPORT | Errno::EACCES | Errno::EPERM) => Ok(None),
                _ => Err(LockError::Refused(error)),
            },
        }
    }

    /// Waits for the lock. There is none where the kernel has no packet log, and for a process without CAP_NET_ADMIN over
    /// the namespace, which can change no rules either. `read` reads a file as the namespace sees it.
    ///
    /// # Errors
    /// When another process has it for ten seconds, or the system refuses.
    pub fn lock(
        mut self,
        read: impl FnOnce(&Path) -> Option<String>,
    ) -> Result<Option<NamespaceLock>, LockError> {
        let start = Instant::now();
        let mut is_allowed = false;
        loop {
            match self.ask(|sequence| log::bind(GROUP, sequence))? {
                Try::Taken => return Ok(Some(NamespaceLock(self.socket))),
                Try::Unsupported => return Ok(None),
                Try::Failed(errno) => return Err(LockError::Refused(errno.into())),
                Try::HeldOrForbidden if !is_allowed => match self.ask(log::unsupported)? {
                    Try::HeldOrForbidden => return Ok(None),
                    _ => is_allowed = true,
                },
                Try::HeldOrForbidden | Try::Held => {}
            }
            if start.elapsed() >= PATIENCE {
                let holder = read(Path::new(LISTING)).map_or(Holder::Unknown, |text| Holder::of(&text));
                return Err(LockError::Held { holder });
            }
            thread::sleep(PAUSE);
        }
    }

    fn ask(&mut self, request: impl FnOnce(u32) -> Vec<u8>) -> Result<Try, LockError> {
        self.sequence += 1;
        send(&self.socket, &request(self.sequence)).map_err(LockError::Refused)?;
        loop {
            let received = receive(&self.socket).map_err(LockError::Refused)?;
            // A packet that a rule logs to the group may come before the answer.
            let answer = messages(&received).find(|it| it.kind == ERROR && it.sequence == self.sequence);
            if let Some(answer) = answer {
                return Ok(Try::of(error_code(answer.payload)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_without_a_packet_log_is_told_from_a_lock_that_is_held() {
        use nix::libc::{EBUSY, EEXIST, EINVAL, ENOMEM, EOPNOTSUPP, EPERM};
        assert_eq!(Try::of(0), Try::Taken);
        assert_eq!(Try::of(EPERM), Try::HeldOrForbidden);
        assert_eq!([EBUSY, EEXIST].map(Try::of), [Try::Held; 2]);
        assert_eq!([EINVAL, EOPNOTSUPP, NOT_SUPPORTED].map(Try::of), [Try::Unsupported; 3]);
        assert_eq!(Try::of(ENOMEM), Try::Failed(Errno::ENOMEM));
    }

    #[test]
    fn the_holder_is_the_port_of_the_group() {
        let listing = "    3   4711     0 2 65531    100  1\n19785 2380225863     0 2 65531    100  1\n";
        assert_eq!(Holder::of(listing), Holder::Port(2_380_225_863));
        for listing in ["", "19785", "197850 1 0", "19785 x 0", "\n\n"] {
            assert_eq!(Holder::of(listing), Holder::Unknown, "{listing:?}");
        }
    }
}
