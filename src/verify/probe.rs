//! A connection that only arrives when the rules work, as istio's validation container makes it.
//!
//! The proxy's user calls 127.0.0.6 (::6), where nobody listens. Rules that work send the call to the proxy's inbound
//! port, and there a listener of ours answers with a token that nobody else knows.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, SockaddrIn, SockaddrIn6, SockaddrLike, bind, connect, socket,
};

use crate::config::cidrs::{BIND_V4, BIND_V6};
use crate::config::families::{Families, Family};
use crate::config::ports::Port;

const TOKEN_BYTES: usize = 32;
/// Between two attempts, and between two looks at the listener.
const PAUSE: Duration = Duration::from_millis(20);

/// Why the rules could not be proven.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The proxy's port cannot be listened on.
    #[error("cannot listen on {address} to receive the probe: {source}{hint}", hint = if source.kind() == ErrorKind::AddrInUse {
        " (validation has to run before the proxy, which holds the port now)"
    } else {
        ""
    })]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// No token can be made.
    #[error("cannot read /dev/urandom: {0}")]
    Random(#[source] io::Error),
    /// The probe did not arrive in time.
    #[error("{family} is not redirected: a connection to {to} did not reach port {port} ({last})")]
    NotRedirected {
        /// The family.
        family: Family,
        /// Whom the probe called.
        to: SocketAddr,
        /// Where it should have arrived.
        port: Port,
        /// What happened at the last attempt.
        last: String,
    },
}

/// Proves that calls of this user to the pod itself reach `inbound`, for every family; tries until `timeout` is over.
///
/// # Errors
/// Every family that is not redirected.
pub fn prove(
    families: Families,
    inbound: Port,
    probe: Port,
    timeout: Duration,
) -> Result<(), Vec<ProbeError>> {
    let deadline = Instant::now() + timeout;
    let failures: Vec<ProbeError> =
        families.iter().filter_map(|family| prove_family(family, inbound, probe, deadline).err()).collect();
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}

fn prove_family(family: Family, inbound: Port, probe: Port, deadline: Instant) -> Result<(), ProbeError> {
    let (loopback, bind): (IpAddr, IpAddr) = match family {
        Family::Ipv4 => (Ipv4Addr::LOCALHOST.into(), BIND_V4.into()),
        Family::Ipv6 => (Ipv6Addr::LOCALHOST.into(), BIND_V6.into()),
    };
    let address = SocketAddr::new(loopback, inbound.get());
    let listen = || {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    let listener = listen().map_err(|source| ProbeError::Listen { address, source })?;
    let token = token().map_err(ProbeError::Random)?;
    let to = SocketAddr::new(bind, probe.get());
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| answer(&listener, &token, &done));
        let mut last = String::new();
        let arrived = loop {
            match call(loopback, to, &token, deadline) {
                Ok(()) => break true,
                Err(error) => last = error.to_string(),
            }
            if Instant::now() >= deadline {
                break false;
            }
            thread::sleep(PAUSE);
        };
        done.store(true, Ordering::Relaxed);
        if arrived { Ok(()) } else { Err(ProbeError::NotRedirected { family, to, port: inbound, last }) }
    })
}

/// Gives the token to everybody who connects.
fn answer(listener: &TcpListener, token: &[u8], done: &AtomicBool) {
    while !done.load(Ordering::Relaxed) {
        match listener.accept() {
            // A client that went away is no reason to stop.
            Ok((mut connection, _)) => drop(connection.write_all(token)),
            Err(_) => thread::sleep(PAUSE / 4),
        }
    }
}

/// Calls from the loopback address: a call to ::6 would come from ::6 itself, which the rules take for the proxy's call
/// to the application and leave alone.
fn call(from: IpAddr, to: SocketAddr, token: &[u8], deadline: Instant) -> io::Result<()> {
    const LONGEST: Duration = Duration::from_secs(1);
    let patience = deadline.saturating_duration_since(Instant::now()).clamp(PAUSE, LONGEST);
    let family = if from.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let socket = socket(family, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
    bind(socket.as_raw_fd(), sockaddr(SocketAddr::new(from, 0)).as_ref())?;
    // The time that a socket may take to send bounds its connect as well (socket(7)).
    let mut connection = TcpStream::from(socket);
    connection.set_write_timeout(Some(patience))?;
    connection.set_read_timeout(Some(patience))?;
    connect(connection.as_raw_fd(), sockaddr(to).as_ref())?;
    let mut answer = vec![0; token.len()];
    connection.read_exact(&mut answer)?;
    if answer == token { Ok(()) } else { Err(io::Error::other("somebody else answered")) }
}

fn sockaddr(address: SocketAddr) -> Box<dyn SockaddrLike> {
    match address {
        SocketAddr::V4(address) => Box::new(SockaddrIn::from(address)),
        SocketAddr::V6(address) => Box::new(SockaddrIn6::from(address)),
    }
}

fn token() -> io::Result<Vec<u8>> {
    let mut token = vec![0; TOKEN_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut token)?;
    Ok(token)
}
