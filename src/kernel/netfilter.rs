//! Netfilter's netlink sockets, and what nf_tables answers on them.

use std::io;
use std::os::fd::AsFd;

use netlink_sys::{Socket, protocols::NETLINK_NETFILTER};
use nix::sys::socket::{setsockopt, sockopt};

use super::socket::{receive, receive_answer, send};
use super::{Error, ListedChain, Refused, socket};
use crate::netlink::{self, Attributes, Batch, FAMILY_ANY, Received, flag, message};

/// `NLMSG_ERROR` and `NLMSG_DONE` (linux/netlink.h).
pub(super) const ERROR: u16 = 2;
const DONE: u16 = 3;
/// What a failed listing was about.
const READING: &str = "list what nf_tables holds";
/// What a listing that is longer than the caller allows was about.
const RULES: &str = "rules in nf_tables";
/// How often a listing is asked for anew when changes interrupt it.
const ATTEMPTS: usize = 50;
/// What an answer takes in memory besides its bytes, about.
const ANSWER: usize = 64;
/// What the kernel's socket buffers take without being asked (net.core.wmem_default, less its overhead).
const DEFAULT_SEND_BUFFER: usize = 100 * 1024;
/// Room for the errors of a batch in which many messages are wrong.
const RECEIVE_BUFFER: usize = 1 << 20;

/// A socket to nf_tables, in the network namespace in which it was opened.
#[derive(Debug)]
pub struct Netfilter {
    socket: Socket,
    sequence: u32,
}

impl Netfilter {
    /// Opens the socket.
    ///
    /// # Errors
    /// [`Error::NoNfTables`] if the kernel has no netfilter netlink, [`Error::Netlink`] if it has and opens no socket.
    pub fn open() -> Result<Netfilter, Error> {
        use nix::libc::{EAFNOSUPPORT, EPROTONOSUPPORT};
        let socket = connect().map_err(|source| match source.raw_os_error() {
            Some(EPROTONOSUPPORT | EAFNOSUPPORT) => Error::NoNfTables(source),
            _ => Error::Netlink { doing: "open a socket".to_owned(), source },
        })?;
        Ok(Netfilter { socket, sequence: 0 })
    }

    /// Lists every chain of every family, as they are at one moment, in at most so many bytes.
    ///
    /// # Errors
    /// As of [`Netfilter::list`].
    pub fn chains(&mut self, most: &mut usize) -> Result<Vec<ListedChain>, Error> {
        for _ in 1..ATTEMPTS {
            match self.list(message::GET_CHAIN, FAMILY_ANY, &Attributes::default(), most) {
                Err(Error::Changed) => *self = Netfilter::open()?,
                listed => return Ok(listed?.iter().filter_map(|chain| ListedChain::read(chain)).collect()),
            }
        }
        Err(Error::Changed)
    }

    /// Lists what nf_tables has of a kind. `most` is the number of bytes that may be kept, and is lessened by what was.
    ///
    /// # Errors
    /// [`Error::NoNfTables`] if the kernel does not know nf_tables, [`Error::Netlink`] if it does not answer,
    /// [`Error::Changed`] if the rules changed meanwhile, [`Error::TooMuch`] if the answer is too long.
    pub fn list(
        &mut self,
        kind: u8,
        family: u8,
        attributes: &Attributes,
        most: &mut usize,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let mut answers = Vec::new();
        let mut is_interrupted = false;
        self.ask(flag::DUMP, kind, family, attributes, |answer| {
            // The kernel says with the item, or with the end of the listing, that a change came in between.
            is_interrupted |= answer.flags & flag::INTERRUPTED != 0;
            if answer.kind == DONE {
                return Ok(());
            }
            let size = answer.payload.len() + ANSWER;
            *most = most.checked_sub(size).ok_or_else(|| Error::TooMuch(RULES.to_owned()))?;
            answers.push(answer.payload.to_vec());
            Ok(())
        })?;
        if is_interrupted { Err(Error::Changed) } else { Ok(answers) }
    }

    /// Which generation of rules is in force: every transaction begins another one.
    ///
    /// # Errors
    /// When the kernel does not know nf_tables, or does not answer.
    pub fn generation(&mut self) -> Result<u32, Error> {
        /// `NFTA_GEN_ID`
        const ID: u16 = 1;
        let mut generation = None;
        self.ask(flag::ACK, message::GET_GENERATION, FAMILY_ANY, &Attributes::default(), |answer| {
            generation = netlink::attribute(answer.payload, ID).and_then(netlink::number);
            Ok(())
        })?;
        let silent = || io::Error::other("the kernel does not say which generation of rules is in force");
        generation.ok_or_else(|| Error::Netlink { doing: READING.to_owned(), source: silent() })
    }

    /// Sends a transaction.
    ///
    /// # Errors
    /// The first message that the kernel refused, and why.
    pub fn commit(&mut self, batch: &Batch) -> Result<(), Refused> {
        let refused = |subject: &str, source| Refused { subject: subject.to_owned(), source, is_lost: false };
        let bytes = batch.bytes();
        if bytes.len() > DEFAULT_SEND_BUFFER {
            // A netlink message has to fit into the buffer whole; twice its size leaves room for the kernel's own.
            let room = bytes.len() * 2;
            let forced = setsockopt(&self.socket.as_fd(), sockopt::SndBufForce, &room);
            // A process that is root only in a user namespace gets what net.core.wmem_max allows.
            let _ = forced.or_else(|_| setsockopt(&self.socket.as_fd(), sockopt::SndBuf, &room));
            let _ = setsockopt(&self.socket.as_fd(), sockopt::RcvBufForce, &RECEIVE_BUFFER);
        }
        send(&self.socket, bytes).map_err(|source| match source.raw_os_error() {
            Some(nix::libc::EMSGSIZE) => refused(
                &format!(
                    "{} bytes at once (shorten the lists, or raise net.core.wmem_max on the node)",
                    bytes.len()
                ),
                source,
            ),
            _ => refused("the transaction as a whole", source),
        })?;
        loop {
            let received = receive_answer(&self.socket).map_err(|source| Refused {
                is_lost: true,
                ..refused("the transaction as a whole", source)
            })?;
            for answer in netlink::messages(&received) {
                if answer.kind != ERROR {
                    continue;
                }
                let code = error_code(answer.payload);
                if code != 0 {
                    let subject = batch.subject(answer.sequence).unwrap_or("the transaction as a whole");
                    return Err(refused(subject, io::Error::from_raw_os_error(code)));
                }
                if answer.sequence == batch.answered() {
                    return Ok(());
                }
            }
        }
    }

    /// Asks, and hands over every answer, the end of a listing as well.
    fn ask(
        &mut self,
        flags: u16,
        kind: u8,
        family: u8,
        attributes: &Attributes,
        mut each: impl FnMut(Received<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        use nix::libc::{EINVAL, ENOBUFS, ENOENT, EOPNOTSUPP};
        let failed = |source: io::Error| Error::Netlink { doing: READING.to_owned(), source };
        let refused = |code: i32| match code {
            // nfnetlink does not know the subsystem, after it has tried to load the module (nfnetlink_rcv_msg).
            EOPNOTSUPP | EINVAL => Error::NoNfTables(io::Error::from_raw_os_error(code)),
            // What was listed a moment ago is gone.
            ENOENT => Error::Changed,
            _ => failed(io::Error::from_raw_os_error(code)),
        };
        self.sequence += 1;
        let request = netlink::request(kind, flags, family, self.sequence, attributes);
        send(&self.socket, &request).map_err(failed)?;
        loop {
            let received = receive(&self.socket).map_err(|source| match source.raw_os_error() {
                // The kernel had more to say than the socket could hold.
                Some(ENOBUFS) => Error::Changed,
                _ => failed(source),
            })?;
            for answer in netlink::messages(&received) {
                match answer.kind {
                    _ if answer.sequence != self.sequence => continue,
                    DONE => return each(answer),
                    ERROR => {
                        let code = error_code(answer.payload);
                        return if code == 0 { Ok(()) } else { Err(refused(code)) };
                    }
                    _ => each(answer)?,
                }
            }
        }
    }
}

/// A socket to the kernel's netfilter, in the network namespace that the calling thread is in.
pub(super) fn connect() -> io::Result<Socket> {
    socket::connect(NETLINK_NETFILTER)
}

/// The error number of an answer; 0 when all went well.
pub(super) fn error_code(payload: &[u8]) -> i32 {
    let bytes = payload.get(..4).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(nix::libc::EBADMSG, |bytes| i32::from_ne_bytes(bytes).saturating_neg())
}
