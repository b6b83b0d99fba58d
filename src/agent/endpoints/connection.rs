//! One connection: requests and answers in turn, each step within its time.

use std::io;
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::http::{Answer, LONGEST_HEAD, Malformed, Method, Next, Request, Status};

/// How long the head of a request may take, from the beginning of the connection or from its first byte.
const HEAD: Duration = Duration::from_secs(5);
/// How long an answer may take to be taken.
const ANSWER: Duration = Duration::from_secs(5);
/// How long a connection may be idle after an answer: a minute is the usual interval of those who collect metrics.
const IDLE: Duration = Duration::from_secs(120);
/// How long, and how much, is read of what follows a request that is not read: a connection that is closed before would take
/// the answer along.
const REST: Duration = Duration::from_secs(1);
const LONGEST_REST: u64 = 64 << 10;
/// The first part of a head that is read: most have no more.
const USUAL_HEAD: usize = 512;

/// May a connection be used again?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reuse {
    /// As its peer likes.
    Allowed,
    /// It ends with its first answer.
    Never,
}

/// A connection whose peer is there.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    reuse: Reuse,
    /// What was received and not read yet.
    received: Vec<u8>,
    /// How long the first byte of the next request may take.
    patience: Duration,
    is_over: bool,
}

impl Connection {
    /// This one. When it ends early, the kernel forgets at once what the peer has not taken.
    ///
    /// # Errors
    /// When the peer is gone already.
    pub(super) fn new(stream: TcpStream, reuse: Reuse) -> io::Result<Connection> {
        SockRef::from(&stream).set_linger(Some(Duration::ZERO))?;
        Ok(Connection { stream, reuse, received: Vec::new(), patience: HEAD, is_over: false })
    }

    /// The next request; none when the connection has come to its end.
    ///
    /// # Errors
    /// When the peer is gone, or its request takes too long.
    pub(super) async fn request(&mut self) -> io::Result<Option<Request>> {
        if self.is_over {
            return Ok(None);
        }
        if self.received.is_empty() {
            match timeout(self.patience, self.receive()).await {
                Ok(Ok(0)) | Err(_) => {
                    self.end(Next::End).await?;
                    return Ok(None);
                }
                Ok(received) => received?,
            };
        }
        let request = timeout(HEAD, self.head()).await??;
        if request.is_none() {
            let answer = Answer::text(Status::BadRequest, "only HTTP/1, and heads of 8 KiB at most\n");
            self.send(&answer.bytes(Method::Get, Next::Body)).await?;
            self.end(Next::Body).await?;
        }
        Ok(request)
    }

    /// Answers a request.
    ///
    /// # Errors
    /// When the peer is gone, or does not take the answer in time.
    pub(super) async fn answer(&mut self, request: &Request, answer: &Answer) -> io::Result<()> {
        let next = match (request.next, self.reuse) {
            (Next::Request, Reuse::Never) => Next::End,
            (next, _) => next,
        };
        self.send(&answer.bytes(request.method, next)).await?;
        self.patience = IDLE;
        if next == Next::Request { Ok(()) } else { self.end(next).await }
    }

    /// Reads a request; none when what is received is not one.
    async fn head(&mut self) -> io::Result<Option<Request>> {
        loop {
            match Request::read(&self.received) {
                Ok(Some(request)) => {
                    self.received.drain(..request.length);
                    return Ok(Some(request));
                }
                Ok(None) if self.received.len() < LONGEST_HEAD => {}
                Ok(None) | Err(Malformed) => return Ok(None),
            }
            if self.receive().await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Receives what there is, as far as a head may be long; nothing at the end.
    async fn receive(&mut self) -> io::Result<usize> {
        let room = (LONGEST_HEAD - self.received.len()).min(self.received.len().max(USUAL_HEAD));
        self.received.reserve_exact(room);
        (&mut self.stream).take(room as u64).read_buf(&mut self.received).await
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        timeout(ANSWER, self.stream.write_all(bytes)).await?
    }

    /// Ends the connection so that what was sent arrives.
    async fn end(&mut self, next: Next) -> io::Result<()> {
        self.is_over = true;
        self.stream.shutdown().await?;
        if next == Next::Body {
            let mut rest = (&mut self.stream).take(LONGEST_REST);
            let _ = timeout(REST, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
        }
        SockRef::from(&self.stream).set_linger(None)
    }
}
