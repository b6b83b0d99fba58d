//! Netlink sockets: opened, written to and read from, also while signals arrive.

use std::io::{self, ErrorKind};

use netlink_sys::{Socket, SocketAddr};

/// A socket to the kernel, in the network namespace that the calling thread is in.
///
/// # Errors
/// The kernel's, as of socket(2), bind(2) and connect(2).
pub(super) fn connect(protocol: isize) -> io::Result<Socket> {
    let mut socket = Socket::new(protocol)?;
    uninterrupted(|| socket.bind_auto().map(drop))?;
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

/// Makes a call again that a signal has interrupted.
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}
