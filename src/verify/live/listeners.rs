//! Who answers: each listener with a token of its own, and with the address that it saw.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::mem::MaybeUninit;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use socket2::{SockAddr, Socket};

use super::meaning::{Call, Fate};
use crate::config::Config;
use crate::config::ports::Port;
use crate::config::values::Mode;
use crate::kernel::cable::Cable;
use crate::kernel::sockets::{self, Owner, Transport};

pub(super) const TOKEN_BYTES: usize = 32;
pub(super) type Token = [u8; TOKEN_BYTES];

/// Where a listener is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Side {
    /// In the pod.
    Pod,
    /// At the far end of the cable.
    Far,
}

/// Where a call can arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) side: Side,
    pub(super) transport: Transport,
    pub(super) address: SocketAddr,
}

impl Place {
    /// Where a call with this fate arrives; nowhere when it is dropped or refused.
    pub(super) fn of(config: &Config, call: &Call, fate: Fate) -> Option<Place> {
        let v4 = call.to.is_ipv4();
        let any: IpAddr = if v4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let loopback: IpAddr = if v4 { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() };
        let in_pod = |transport, address, port: Port| {
            Some(Place { side: Side::Pod, transport, address: SocketAddr::new(address, port.get()) })
        };
        match fate {
            Fate::Outbound => in_pod(Transport::Tcp, any, config.outbound_port),
            Fate::Inbound => in_pod(Transport::Tcp, any, config.inbound_port),
            // The agent answers from the address that it was asked at, which has to be its own.
            Fate::Dns => in_pod(call.transport, loopback, Port::DNS_AGENT),
            Fate::Itself if call.to_pod => {
                let proxy = [config.outbound_port, config.inbound_port]
                    .into_iter()
                    .find(|port| call.transport == Transport::Tcp && port.get() == call.to.port());
                match proxy {
                    Some(port) => in_pod(Transport::Tcp, any, port),
                    None => Some(Place { side: Side::Pod, transport: call.transport, address: call.to }),
                }
            }
            Fate::Itself => Some(Place { side: Side::Far, transport: call.transport, address: call.to }),
            Fate::Dropped | Fate::Rejected => None,
        }
    }

    /// Does the proxy or its agent listen there?
    fn is_of_proxy(&self, config: &Config) -> bool {
        let port = self.address.port();
        self.side == Side::Pod
            && [config.outbound_port, config.inbound_port, Port::DNS_AGENT].iter().any(|it| it.get() == port)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (address, port) = (self.address.ip(), self.address.port());
        match self.side {
            Side::Pod if address.is_unspecified() || port == Port::DNS_AGENT.get() => {
                write!(out, "port {port} in the pod")
            }
            Side::Pod => write!(out, "{} in the pod", self.address),
            Side::Far => write!(out, "{} outside the pod", self.address),
        }
    }
}

pub(super) struct Listener {
    pub(super) place: Place,
    pub(super) socket: Socket,
    pub(super) token: Token,
}

/// Every listener, and why those are missing that are.
#[derive(Default)]
pub(super) struct Listeners {
    pub(super) all: Vec<Listener>,
    missing: BTreeMap<Place, String>,
}

impl Listeners {
    /// Opens one, unless it was tried before.
    pub(super) fn open(&mut self, config: &Config, cable: Option<&Cable>, place: Place) {
        if self.missing.contains_key(&place) || self.all.iter().any(|it| it.place == place) {
            return;
        }
        let result = open(config, cable, place).and_then(|socket| {
            Ok((socket, token().map_err(|error| format!("cannot read /dev/urandom: {error}"))?))
        });
        match result {
            Ok((socket, token)) => self.all.push(Listener { place, socket, token }),
            Err(why) => drop(self.missing.insert(place, why)),
        }
    }

    /// Why a place is not listened at.
    pub(super) fn missing(&self, place: &Place) -> Option<&str> {
        self.missing.get(place).map(String::as_str)
    }

    /// Who has this token.
    pub(super) fn by_token(&self, token: &[u8]) -> Option<Place> {
        self.all.iter().find(|it| it.token == token).map(|it| it.place)
    }
}

fn open(config: &Config, cable: Option<&Cable>, place: Place) -> Result<Socket, String> {
    let Place { side, transport, address } = place;
    let opened = match (side, cable) {
        // Any address is local there to packets, but not to sockets.
        (Side::Far, Some(cable)) => cable.at_far_end(move || sockets::listen(transport, address, true)),
        (Side::Far, None) => return Err("there is no cable out of the pod".to_owned()),
        (Side::Pod, _) => {
            let transparent = config.mode == Mode::Tproxy && address.port() == config.inbound_port.get();
            let listen = || sockets::listen(transport, address, transparent);
            match (config.proxy_uids.first(), config.proxy_gids.first()) {
                (Some(uid), Some(gid)) if place.is_of_proxy(config) => {
                    match sockets::as_owner(Owner { uid: uid.0, gid: gid.0 }, listen) {
                        Ok(opened) => opened,
                        // Only answers of the DNS agent are known by their owner.
                        Err(_) if transport == Transport::Tcp => listen(),
                        Err(error) => return Err(error.to_string()),
                    }
                }
                _ => listen(),
            }
        }
    };
    opened.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse if place.is_of_proxy(config) => format!(
            "port {} is held by another process: check before the proxy starts, or while it is stopped",
            address.port()
        ),
        ErrorKind::AddrInUse => format!("port {} is held by another process", address.port()),
        _ => format!("cannot listen on {address}: {error}"),
    })
}

fn token() -> io::Result<Token> {
    let mut token = [0; TOKEN_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut token)?;
    Ok(token)
}

impl Listener {
    /// Answers whoever is waiting, and gives what has to stay open until the answer was read. In the pod others may
    /// call as well: they are turned away, as if nobody listened.
    pub(super) fn answer(&self, knows: impl Fn(SocketAddr) -> bool) -> Vec<Socket> {
        let mut open = Vec::new();
        let is_ours =
            |peer: &SockAddr| peer.as_socket().filter(|peer| self.place.side == Side::Far || knows(*peer));
        match self.place.transport {
            Transport::Tcp => {
                while let Ok((connection, peer)) = self.socket.accept() {
                    let _ = connection.set_linger(Some(Duration::ZERO));
                    if let Some(seen) = is_ours(&peer)
                        && connection.send(&self.text(seen)).is_ok()
                    {
                        open.push(connection);
                    }
                }
            }
            Transport::Udp => {
                let mut question = [MaybeUninit::uninit(); 16];
                while let Ok((_, peer)) = self.socket.recv_from(&mut question) {
                    if let Some(seen) = is_ours(&peer) {
                        let _ = self.socket.send_to(&self.text(seen), &peer);
                    }
                }
            }
        }
        open
    }

    fn text(&self, seen: SocketAddr) -> Vec<u8> {
        [&self.token[..], seen.to_string().as_bytes(), b"\n"].concat()
    }
}
