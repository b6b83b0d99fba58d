//! What the agent says over HTTP: whether it lives (`/healthz`), whether it is ready (`/readyz`), and what it has counted
//! (`/metrics`).

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tracing::{debug, warn};

use super::installation::Installed;
use super::metrics::{MEDIA_TYPE, Metrics};
use super::pods::Pods;

/// Connections at once, for each port.
const CONNECTIONS: usize = 64;
/// How long a request's head may take.
const HEAD: Duration = Duration::from_secs(5);
/// How long a connection lasts: those who collect metrics keep theirs for the next time.
const CONNECTION: Duration = Duration::from_secs(120);

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
}

impl Endpoint {
    /// Listens, on all addresses when none is given.
    ///
    /// # Errors
    /// When the port is taken, or the address is none of this machine.
    pub async fn listen(
        subject: Subject,
        address: Option<IpAddr>,
        port: u16,
    ) -> Result<Endpoint, EndpointError> {
        let candidates = match address {
            Some(address) => vec![address],
            // A node without IPv6 has no [::].
            None => vec![Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()],
        };
        let mut last = None;
        for address in candidates {
            let address = SocketAddr::new(address, port);
            match TcpListener::bind(address).await {
                Ok(listener) => return Ok(Endpoint { listener, subject }),
                Err(source) => last = Some(EndpointError { address, flag: subject.flag(), source }),
            }
        }
        Err(last.unwrap_or_else(|| unreachable!("at least one address was tried")))
    }

    /// Answers, for ever.
    pub async fn serve(self, sources: Arc<Sources>) {
        let permits = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
            let stream = match self.listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!("cannot accept connections on --{}: {error}", self.subject.flag());
                    sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let (sources, subject) = (Arc::clone(&sources), self.subject);
            let service = service_fn(move |request: Request<Incoming>| {
                let response = sources.answer(subject, request.method(), request.uri().path());
                async move { Ok::<_, Infallible>(response) }
            });
            tokio::spawn(async move {
                let mut builder = http1::Builder::new();
                builder.timer(TokioTimer::new()).header_read_timeout(HEAD);
                let connection = builder.serve_connection(TokioIo::new(stream), service);
                if let Ok(Err(error)) = timeout(CONNECTION, connection).await {
                    debug!("an HTTP connection ended early: {error}");
                }
                drop(permit);
            });
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

    fn answer(&self, subject: Subject, method: &Method, path: &str) -> Response<Full<Bytes>> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        }
        match (subject, path) {
            (Subject::Health, "/healthz") => text(StatusCode::OK, "ok\n"),
            (Subject::Health, "/readyz") => match self.unready() {
                None => text(StatusCode::OK, "ok\n"),
                Some(reason) => text(StatusCode::SERVICE_UNAVAILABLE, reason),
            },
            (Subject::Metrics, "/metrics") => {
                let mut response = text(StatusCode::OK, self.metrics.text());
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
                response
            }
            (Subject::Health, _) => text(StatusCode::NOT_FOUND, "/healthz and /readyz are here\n"),
            (Subject::Metrics, _) => text(StatusCode::NOT_FOUND, "/metrics is here\n"),
        }
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
