//! Asks the node's agent.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use socket2::{Domain, SockAddr, Socket, Type};

use crate::cni::agent_protocol::{Answer, LONGEST_LINE, Question, Report, Request, Response, VERSION};
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

    /// An agent that takes no connections any more (its queue is full) is as good as none; a plain connect would wait.
    pub(super) fn connect(&self) -> io::Result<UnixStream> {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
        socket.set_nonblocking(true)?;
        socket.connect(&SockAddr::unix(self.socket)?)?;
        socket.set_nonblocking(false)?;
        Ok(UnixStream::from(OwnedFd::from(socket)))
    }

    fn ask(&self, question: Question, patience: Duration) -> Result<Answer, String> {
        let failed = |error: io::Error| format!("{} ({})", error, self.socket.display());
        let mut stream = self.connect().map_err(failed)?;
        stream.set_read_timeout(Some(patience)).map_err(failed)?;
        stream.set_write_timeout(Some(patience)).map_err(failed)?;
        let mut line =
            serde_json::to_string(&Request { version: VERSION, question }).map_err(|it| it.to_string())?;
        line.push('\n');
        // An agent that refuses says so before it has read everything.
        let written = stream.write_all(line.as_bytes());
        let mut answer = String::new();
        BufReader::new(stream.take(LONGEST_LINE)).read_line(&mut answer).map_err(failed)?;
        if answer.is_empty() {
            written.map_err(failed)?;
            return Err(format!("it hung up ({})", self.socket.display()));
        }
        let response: Response =
            serde_json::from_str(&answer).map_err(|error| format!("its answer cannot be read: {error}"))?;
        Ok(response.answer)
    }
}
