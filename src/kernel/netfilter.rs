//! Netfilter's netlink sockets, and what nf_tables answers on them.

use std::io::{self, ErrorKind};
use std::os::fd::AsFd;

use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_NETFILTER};
use nix::sys::socket::{setsockopt, sockopt};

use super::{Error, ListedChain, Refused};
use crate::netlink::{self, Attributes, Batch, FAMILY_ANY, Received, flag, message};

/// `NLMSG_ERROR` and `NLMSG_DONE` (linux/netlink.h).
pub(super) const ERROR: u16 = 2;
const DONE: u16 = 3;
/// What a failed listing was about.
const READING: &str = "list what nf_tables holds";
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
    /// When the kernel has no netfilter netlink.
    pub fn open() -> Result<Netfilter, Error> {
        let socket = connect().map_err(Error::NoNfTables)?;
        Ok(Netfilter { socket, sequence: 0 })
    }

    /// Lists every chain of every family.
    ///
    /// # Errors
    /// When the kernel does not know nf_tables, or does not answer.
    pub fn chains(&mut self) -> Result<Vec<ListedChain>, Error> {
        let mut chains = Vec::new();
        self.dump(message::GET_CHAIN, FAMILY_ANY, &Attributes::default(), |answer| {
            chains.extend(ListedChain::read(answer.payload));
        })?;
        Ok(chains)
    }

    /// Lists what nf_tables has of a kind.
    ///
    /// # Errors
    /// When the kernel does not know nf_tables or does not answer, or when the rules changed meanwhile.
    pub fn list(&mut self, kind: u8, family: u8, attributes: &Attributes) -> Result<Vec<Vec<u8>>, Error> {
        let mut answers = Vec::new();
        let mut interrupted = false;
        self.dump(kind, family, attributes, |answer| {
            interrupted |= answer.flags & flag::INTERRUPTED != 0;
            answers.push(answer.payload.to_vec());
        })?;
        if interrupted { Err(Error::Changed) } else { Ok(answers) }
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
        })?;
        let silent = || io::Error::other("the kernel does not say which generation of rules is in force");
        generation.ok_or_else(|| Error::Netlink { doing: READING.to_owned(), source: silent() })
    }

    /// Sends a transaction.
    ///
    /// # Errors
    /// The first message that the kernel refused, and why.
    pub fn commit(&mut self, batch: &Batch) -> Result<(), Refused> {
        let refused = |subject: &str, source| Refused { subject: subject.to_owned(), source };
        let bytes = batch.bytes();
        if bytes.len() > DEFAULT_SEND_BUFFER {
            // A netlink message has to fit into the buffer whole; twice its size leaves room for the kernel's own.
            let room = bytes.len() * 2;
            let forced = setsockopt(&self.socket.as_fd(), sockopt::SndBufForce, &room);
            // A process that is root only in a user namespace gets what net.core.wmem_max allows.
            let _ = forced.or_else(|_| setsockopt(&self.socket.as_fd(), sockopt::SndBuf, &room));
            let _ = setsockopt(&self.socket.as_fd(), sockopt::RcvBufForce, &RECEIVE_BUFFER);
        }
        self.socket.send(bytes, 0).map_err(|source| match source.raw_os_error() {
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
            let received =
                receive(&self.socket).map_err(|source| refused("the transaction as a whole", source))?;
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

    fn dump(
        &mut self,
        kind: u8,
        family: u8,
        attributes: &Attributes,
        each: impl FnMut(Received<'_>),
    ) -> Result<(), Error> {
        self.ask(flag::DUMP, kind, family, attributes, each)
    }

    /// Asks, and hands over every answer. The kernel says when a change came in between (`NLM_F_DUMP_INTR`); a listing
    /// that is not of one moment still names everything that was there throughout.
    fn ask(
        &mut self,
        flags: u16,
        kind: u8,
        family: u8,
        attributes: &Attributes,
        mut each: impl FnMut(Received<'_>),
    ) -> Result<(), Error> {
        let failed = |source: io::Error| match source.raw_os_error() {
            Some(nix::libc::EOPNOTSUPP | nix::libc::EINVAL | nix::libc::EPROTONOSUPPORT) => {
                Error::NoNfTables(source)
            }
            // Something that was listed a moment ago is gone, or the kernel had more to say than the socket could hold.
            Some(nix::libc::ENOENT | nix::libc::ENOBUFS) => Error::Changed,
            _ => Error::Netlink { doing: READING.to_owned(), source },
        };
        self.sequence += 1;
        let request = netlink::request(kind, flags, family, self.sequence, attributes);
        self.socket.send(&request, 0).map_err(failed)?;
        loop {
            let received = receive(&self.socket).map_err(failed)?;
            for answer in netlink::messages(&received) {
                match answer.kind {
                    _ if answer.sequence != self.sequence => continue,
                    DONE => return Ok(()),
                    ERROR => {
                        let code = error_code(answer.payload);
                        return if code == 0 {
                            Ok(())
                        } else {
                            Err(failed(io::Error::from_raw_os_error(code)))
                        };
                    }
                    _ => each(answer),
                }
            }
        }
    }
}

/// A socket to the kernel's netfilter, in the network namespace that the calling thread is in.
pub(super) fn connect() -> io::Result<Socket> {
    let mut socket = Socket::new(NETLINK_NETFILTER)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    Ok(socket)
}

/// What the kernel sends next.
pub(super) fn receive(socket: &Socket) -> io::Result<Vec<u8>> {
    loop {
        match socket.recv_from_full() {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            received => return received.map(|(bytes, _)| bytes),
        }
    }
}

/// The error number of an answer; 0 when all went well.
pub(super) fn error_code(payload: &[u8]) -> i32 {
    let bytes = payload.get(..4).and_then(|bytes| bytes.try_into().ok());
    bytes.map_or(nix::libc::EBADMSG, |bytes| i32::from_ne_bytes(bytes).saturating_neg())
}
