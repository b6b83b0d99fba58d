//! Asks the node's agent.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};

use crate::cni::agent_protocol::{
    Answer, CallLog, LONGEST_LINE, Question, Report, Request, Response, VERSION,
};
use crate::cni::pod::{PodFacts, PodName};

/// The agent answers out of memory: an answer that takes longer than the time it was told to wait, and this, is none.
const GRACE: Duration = Duration::from_millis(500);
/// How long a question may take that needs no waiting.
const SHORT: Duration = Duration::from_millis(500);

/// The agent behind a socket.
#[derive(Clone, Copy, Debug)]
pub struct Agent<'a> {
    socket: &'a Path,
}

impl<'a> Agent<'a> {
    /// The agent behind this socket; nothing is opened yet.
    pub fn new(socket: &'a Path) -> Agent<'a> {
        Agent { socket }
    }

    /// What it knows of a pod, which it may wait for as long as this.
    ///
    /// # Errors
    /// The reason why it does not say.
    pub fn pod(&self, pod: &PodName, wait: Duration) -> Result<PodFacts, String> {
        // What is left of the wait is for the way there and back.
        let wait_ms = u64::try_from((wait * 3 / 4).as_millis()).unwrap_or(u64::MAX);
        match self.ask(Question::Pod { pod: pod.clone(), wait_ms }, wait + GRACE)? {
            Answer::Pod(facts) => Ok(facts),
            Answer::Error { message, .. } => Err(message),
            Answer::Ok(_) => Err("it answered another question".to_owned()),
        }
    }

    /// Is it ready to answer for pods?
    ///
    /// # Errors
    /// The reason why not.
    pub fn is_ready(&self) -> Result<(), String> {
        match self.ask(Question::Ready, SHORT)? {
            Answer::Ok(true) => Ok(()),
            Answer::Error { message, .. } => Err(message),
            _ => Err("it is not ready".to_owned()),
        }
    }

    /// Tells it how an ADD ended.
    ///
    /// # Errors
    /// The reason why it was not told.
    pub fn report(&self, report: Report) -> Result<(), String> {
        match self.ask(Question::Report(report), SHORT)? {
            Answer::Error { message, .. } => Err(message),
            _ => Ok(()),
        }
    }

    /// Hands on what a call has logged.
    ///
    /// # Errors
    /// The reason why it was not taken.
    pub fn log(&self, log: CallLog) -> Result<(), String> {
        match self.ask(Question::Log(log), SHORT)? {
            Answer::Error { message, .. } => Err(message),
            _ => Ok(()),
        }
    }

    /// An agent that takes no connections any more (its queue is full) is as good as none; a plain connect would wait.
    pub(super) fn connect(&self) -> io::Result<UnixStream> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(self.socket)?)?;
        socket.set_nonblocking(false)?;
        Ok(UnixStream::from(OwnedFd::from(socket)))
    }

    /// Asks, within this time: an agent that is slow at every byte does not get more.
    fn ask(&self, question: Question, patience: Duration) -> Result<Answer, String> {
        let end = Instant::now() + patience;
        let failed = |error: io::Error| format!("{} ({})", error, self.socket.display());
        let mut stream = self.connect().map_err(failed)?;
        let mut line =
            serde_json::to_string(&Request { version: VERSION, question }).map_err(|it| it.to_string())?;
        line.push('\n');
        // An agent that refuses says so before it has read everything.
        let written = write_until(&mut stream, line.as_bytes(), end);
        let answer = read_until(&mut stream, end).map_err(failed)?;
        if answer.is_empty() {
            written.map_err(failed)?;
            return Err(format!("it hung up ({})", self.socket.display()));
        }
        let response: Response =
            serde_json::from_slice(&answer).map_err(|error| format!("its answer cannot be read: {error}"))?;
        Ok(response.answer)
    }
}

/// What is left until then; an error when nothing is.
fn left(end: Instant) -> io::Result<Option<Duration>> {
    match end.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
        left => Ok(Some(left)),
    }
}

fn write_until(stream: &mut UnixStream, mut bytes: &[u8], end: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        stream.set_write_timeout(left(end)?)?;
        match stream.write(bytes) {
            Ok(count) => bytes = &bytes[count..],
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// One line, or less when the other side hangs up.
fn read_until(stream: &mut UnixStream, end: Instant) -> io::Result<Vec<u8>> {
    let mut answer = Vec::new();
    let mut piece = vec![0; 16 << 10];
    while answer.last() != Some(&b'\n') && (answer.len() as u64) < LONGEST_LINE {
        stream.set_read_timeout(left(end)?)?;
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(answer)
}
