//! What the agent says over HTTP: whether it lives (`/healthz`), whether it is ready (`/readyz`), and what it has counted
//! (`/metrics`).
//!
//! Peers that hold connections keep nobody from being answered: a port accepts whoever comes, and when it holds too many
//! connections one goes (`connections.rs`).

mod connection;
mod connections;
mod http;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use nix::libc::{EMFILE, ENFILE, ENOBUFS, ENOMEM};
use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{self, AbortHandle, JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::installation::Installed;
use super::metrics::{MEDIA_TYPE, Metrics};
use super::pods::Pods;
use connection::{Connection, Reuse};
use connections::{Connections, Source};
use http::{Answer, Method, Request, Status};

/// Connections that the kernel keeps until they are accepted; it may keep fewer (net.core.somaxconn).
const QUEUE: i32 = 4096;
/// What the kernel keeps of a connection, in bytes, in each direction. It takes twice as much with its own data.
const BUFFER: usize = 16 << 10;
/// How long the kernel tries to send what a peer does not take, after the connection has ended as well.
const SENDING: Duration = Duration::from_secs(10);
/// How long to rest when there is no room for another connection, and none that could go.
const REST: Duration = Duration::from_millis(100);
/// How long to rest after a connection that was lost before it was accepted.
const LOST: Duration = Duration::from_millis(1);
/// How long an agent that is not ready waits for that before it says so. A new one is ready soon, and kubelet would record
/// its first answer as an event. The manifests give a probe five seconds.
const SOON: Duration = Duration::from_secs(3);

/// A port cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}. Give another port with --{flag}, or 0 for none")]
pub struct EndpointError {
    /// The address.
    address: SocketAddr,
    /// What chooses the port.
    flag: &'static str,
    /// Why not.
    source: io::Error,
}

/// Which questions a port answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// `/healthz` and `/readyz`.
    Health,
    /// `/metrics`.
    Metrics,
}

impl Subject {
    /// The flag that chooses its port.
    fn flag(self) -> &'static str {
        match self {
            Subject::Health => "health-port",
            Subject::Metrics => "monitoring-port",
        }
    }

    /// Those who probe come anew each time; those who collect metrics keep their connection.
    fn reuse(self) -> Reuse {
        match self {
            Subject::Health => Reuse::Never,
            Subject::Metrics => Reuse::Allowed,
        }
    }
}

/// What the answers come from.
#[derive(Debug)]
pub struct Sources {
    /// The pods of the node.
    pub pods: Arc<Pods>,
    /// Whether the plugin is in place.
    pub installed: Arc<Installed>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
}

/// A port, listening.
#[derive(Debug)]
pub struct Endpoint {
    listener: TcpListener,
    subject: Subject,
    most: usize,
}

impl Endpoint {
    /// Listens, on all addresses when none is given. No more connections than `most` are held at once.
    ///
    /// # Errors
    /// When the port is taken, or the address is none of this machine. Has to be called within a runtime.
    pub fn listen(
        subject: Subject,
        address: Option<IpAddr>,
        port: u16,
        most: usize,
    ) -> Result<Endpoint, EndpointError> {
        let candidates = match address {
            Some(address) => vec![address],
            // A node without IPv6 has no [::].
            None => vec![Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()],
        };
        let mut last = None;
        for address in candidates {
            let address = SocketAddr::new(address, port);
            match bind(address) {
                Ok(listener) => return Ok(Endpoint { listener, subject, most }),
                Err(source) => last = Some(EndpointError { address, flag: subject.flag(), source }),
            }
        }
        Err(last.unwrap_or_else(|| unreachable!("at least one address was tried")))
    }

    /// Answers, for ever.
    pub async fn serve(self, sources: Arc<Sources>) {
        let mut held = Held::new(self.most);
        let mut is_told = false;
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                Some(ended) = held.tasks.join_next_with_id() => {
                    held.forget(ended);
                    continue;
                }
            };
            let error = match accepted {
                Ok((stream, peer)) => {
                    // Without an address of its own it is gone already.
                    let Ok(own) = stream.local_addr() else { continue };
                    let source = Source::of(peer.ip(), own.ip());
                    let talk = talk(stream, self.subject, Arc::clone(&sources));
                    held.add(source, async {
                        if let Err(error) = talk.await {
                            debug!("an HTTP connection ended early: {error}");
                        }
                    });
                    held.make_room().await;
                    continue;
                }
                Err(error) => error,
            };
            if !is_told {
                warn!("cannot accept all connections on --{}: {error}", self.subject.flag());
                is_told = true;
            }
            match error.raw_os_error() {
                Some(EMFILE | ENFILE | ENOBUFS | ENOMEM) if !held.end_one().await => sleep(REST).await,
                Some(EMFILE | ENFILE | ENOBUFS | ENOMEM) => {}
                _ => sleep(LOST).await,
            }
        }
    }
}

/// Listens. Connections have what is set here from the listening socket.
fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_send_buffer_size(BUFFER)?;
    socket.set_recv_buffer_size(BUFFER)?;
    socket.set_tcp_user_timeout(Some(SENDING))?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(QUEUE)?;
    TcpListener::from_std(socket.into())
}

async fn talk(stream: TcpStream, subject: Subject, sources: Arc<Sources>) -> io::Result<()> {
    let mut connection = Connection::new(stream, subject.reuse())?;
    while let Some(request) = connection.request().await? {
        let answer = sources.answer(subject, &request).await;
        connection.answer(&request, &answer).await?;
    }
    Ok(())
}

/// The connections of a port, each a task.
struct Held {
    connections: Connections<AbortHandle>,
    tasks: JoinSet<()>,
}

impl Held {
    fn new(most: usize) -> Held {
        Held { connections: Connections::new(most), tasks: JoinSet::new() }
    }

    fn add(&mut self, source: Source, task: impl Future<Output = ()> + Send + 'static) {
        self.connections.add(source, self.tasks.spawn(task));
    }

    fn forget(&mut self, ended: Result<(task::Id, ()), JoinError>) {
        let id = ended.map_or_else(|error| error.id(), |(id, ())| id);
        self.connections.remove(|handle| handle.id() == id);
    }

    /// Ends connections until there are no more than there is room for.
    async fn make_room(&mut self) {
        while self.connections.are_too_many() {
            self.end_one().await;
        }
    }

    /// Ends a connection, and waits until one is gone. False when there is none.
    async fn end_one(&mut self) -> bool {
        if let Some(handle) = self.connections.first_to_go() {
            handle.abort();
        }
        match self.tasks.join_next_with_id().await {
            Some(ended) => {
                self.forget(ended);
                true
            }
            None => false,
        }
    }
}

impl Sources {
    /// Why the agent is not ready; nothing when it is.
    fn unready(&self) -> Option<String> {
        if let Some(refusal) = self.installed.refusal() {
            Some(format!("{refusal}\n"))
        } else if !self.installed.get() {
            Some("the plugin or its configuration is not in place\n".to_owned())
        } else if !self.pods.is_listed() {
            Some("the pods of the node have not been read from the API server yet\n".to_owned())
        } else {
            None
        }
    }

    /// Returns when the agent is ready.
    async fn ready(&self) {
        let (mut installed, mut pods) = (self.installed.subscribe(), self.pods.subscribe());
        while self.unready().is_some() {
            // Neither can fail: who sends is here.
            tokio::select! {
                _ = installed.changed() => {}
                _ = pods.changed() => {}
            }
        }
    }

    async fn answer(&self, subject: Subject, request: &Request) -> Answer {
        if request.method == Method::Other {
            return Answer::text(Status::MethodNotAllowed, "only GET and HEAD\n");
        }
        match (subject, request.path.as_str()) {
            (Subject::Health, "/healthz") => Answer::text(Status::Ok, "ok\n"),
            (Subject::Health, "/readyz") => {
                let _ = timeout(SOON, self.ready()).await;
                match self.unready() {
                    None => Answer::text(Status::Ok, "ok\n"),
                    Some(reason) => Answer::text(Status::Unavailable, reason),
                }
            }
            (Subject::Metrics, "/metrics") => Answer::found(MEDIA_TYPE, self.metrics.text()),
            (Subject::Health, _) => Answer::text(Status::NotFound, "/healthz and /readyz are here\n"),
            (Subject::Metrics, _) => Answer::text(Status::NotFound, "/metrics is here\n"),
        }
    }
}
