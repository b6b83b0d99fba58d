//! Netlink sockets: opened, written to and read from, also while signals arrive.

use std::io::{self, ErrorKind};

use netlink_sys::{Socket, SocketAddr};

/// A socket to the kernel, in the network namespace that the calling thread is in.
///
/// # Errors
/// The kernel's, as of socket(2), bind(2) and connect(2).
pub(super) fn connect(protocol: isize) -> io::Result<Socket> {
    let mut socket = Socket::new(protocol)?;
    uninterrupted(|| socket.bind(&SocketAddr::new(0, 0)))?;
    uninterrupted(|| socket.connect(&SocketAddr::new(0, 0)))?;
    Ok(socket)
}

/// Sends a datagram.
///
/// # Errors
/// The kernel's, as of send(2).
pub(super) fn send(socket: &Socket, bytes: &[u8]) -> io::Result<()> {
    uninterrupted(|| socket.send(bytes, 0).map(drop))
}

/// Waits for what the kernel sends next.
///
/// # Errors
/// The kernel's, as of recv(2).
pub(super) fn receive(socket: &Socket) -> io::Result<Vec<u8>> {
    uninterrupted(|| socket.recv_from_full().map(|(bytes, _)| bytes))
}

/// Waits for the answer to a change. The kernel makes the change while the request is sent, so that the answer is there: a call
/// that fails is made again, without waiting, before the answer counts as lost.
///
/// # Errors
/// The kernel's, as of recv(2).
pub(super) fn receive_answer(socket: &Socket) -> io::Result<Vec<u8>> {
    /// How often the answer is asked for anew.
    const ATTEMPTS: usize = 3;
    let mut received = receive(socket);
    for _ in 0..ATTEMPTS {
        let Err(lost) = received else { break };
        let mut bytes = Vec::with_capacity(ANSWER);
        received = match uninterrupted(|| socket.recv(&mut bytes, nix::libc::MSG_DONTWAIT)) {
            Ok(_) => Ok(bytes),
            Err(_) => Err(lost),
        };
    }
    received
}

/// More than an answer to a change has: the errors of a transaction come one by one.
const ANSWER: usize = 32 * 1024;

/// Makes a call again that a signal has interrupted.
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
