//! The Unix socket on which the plugin asks: one question a connection, one answer, each a line of JSON
//! ([`crate::cni::agent_protocol`]).
//!
//! Only root and the agent's own user may ask. The mode of the socket's file says so, and so do the credentials of
//! whoever connects, for when somebody has opened the mode. Lines, times and the number of connections are bounded.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::geteuid;
use socket2::{Domain, SockAddr, Type};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{interval, sleep, timeout};
use tracing::{debug, error, warn};

use super::api::Source;
use super::events::{Announcer, EventReason};
use super::fetch::{self, FetchError};
use super::handed_on;
use super::metrics::Metrics;
use super::pods::{Facts, Found, KnownPod, Pods};
use crate::cni::agent_protocol::{
    Answer, LONGEST_QUESTION, Question, Refusal, Report, Request, Response, SOCKET, VERSION,
};
use crate::cni::pod::PodName;

/// How long a question may take to arrive, and an answer to be taken.
const TRANSFER: Duration = Duration::from_secs(5);
/// How long a question may wait for a pod: longer than any time budget of a plugin.
const LONGEST_WAIT: Duration = Duration::from_secs(60);
/// Answers at once that may be large, or that the API server is asked for: each takes some megabytes at most.
const LARGE_ANSWERS: usize = 4;
/// The facts of a pod that need not wait, in bytes: all that ordinary pods have.
const SMALL: usize = 64 << 10;
/// Warnings of one ADD that are told to the pod's owner.
const WARNINGS: usize = 16;
/// Connections that the kernel keeps in the queue.
const QUEUE: i32 = 1024;
/// How often it is checked that the socket's file is still there.
const CHECK: Duration = Duration::from_secs(2);

/// Why there is no socket.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The folder cannot be made.
    #[error("cannot make the run directory {path}: {source}", path = .path.display())]
    Directory {
        /// The folder.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The name is taken by something else.
    #[error("{path} is there and is not a socket: remove it, or give another --cni-agent-run-dir", path = .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The socket cannot be made.
    #[error(
        "cannot listen on {path}: {source}. The run directory has to be writable, and its name shorter than 80 characters",
        path = .path.display()
    )]
    Listen {
        /// The socket's file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// The socket, listening.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the socket's file.
    file: (u64, u64),
}

impl Socket {
    /// Listens in the run directory. What a dead agent has left there is replaced, and so is the socket of a living one,
    /// which goes on with the connections that it has: in a rolling update there are two.
    ///
    /// # Errors
    /// When the folder or the socket cannot be made. Has to be called within a runtime.
    pub fn listen(directory: &Path) -> Result<Socket, SocketError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(directory)
            .map_err(|source| SocketError::Directory { path: directory.to_owned(), source })?;
        let path = directory.join(SOCKET);
        if fs::symlink_metadata(&path).is_ok_and(|file| !file.file_type().is_socket()) {
            return Err(SocketError::Foreign { path });
        }
        match bind(directory, &path) {
            Ok((listener, file)) => Ok(Socket { listener, path, file }),
            Err(source) => Err(SocketError::Listen { path, source }),
        }
    }

    /// Answers, for ever: so many at once, and more wait in the queue.
    pub async fn serve(mut self, desk: Arc<Desk>, most: usize) {
        let permits = Arc::new(Semaphore::new(most));
        let mut check = interval(CHECK);
        loop {
            let accepted = tokio::select! {
                accepted = self.accept(&permits) => accepted,
                _ = check.tick() => {
                    self.come_back();
                    continue;
                }
            };
            match accepted {
                Ok((stream, permit)) => {
                    let desk = Arc::clone(&desk);
                    tokio::spawn(async move {
                        if let Err(error) = desk.talk(stream).await {
                            debug!("a connection to the agent's socket ended early: {error}");
                        }
                        drop(permit);
                    });
                }
                Err(error) => {
                    // Out of file descriptors, say: asking again at once would not help.
                    warn!("cannot accept connections on {}: {error}", self.path.display());
                    sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }

    /// The next connection, as soon as there is room for one.
    async fn accept(&self, permits: &Arc<Semaphore>) -> io::Result<(UnixStream, OwnedSemaphorePermit)> {
        let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
        let (stream, _) = self.listener.accept().await?;
        Ok((stream, permit))
    }

    /// Puts the socket's file back when somebody has removed it. That of another agent stays.
    fn come_back(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok() {
            return;
        }
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        match Socket::listen(directory) {
            Ok(socket) => {
                warn!("somebody has removed {}: it is there again", self.path.display());
                *self = socket;
            }
            Err(error) => error!("somebody has removed the agent's socket: {error}"),
        }
    }
}

impl Drop for Socket {
    /// Removes the file, unless it is that of another agent by now.
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|file| file == self.file) {
            // Nobody is left to whom an error could be told; the next agent replaces the file.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Makes the socket under another name and renames it when it may be used: at no time is it open to others, or missing.
fn bind(directory: &Path, path: &Path) -> io::Result<(UnixListener, (u64, u64))> {
    let making = directory.join(format!(".{}", std::process::id()));
    match fs::remove_file(&making) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(&making)?)?;
    let made = || {
        fs::set_permissions(&making, fs::Permissions::from_mode(0o600))?;
        socket.listen(QUEUE)?;
        socket.set_nonblocking(true)?;
        let file = identity(&making)?;
        fs::rename(&making, path)?;
        Ok(file)
    };
    let file = made().inspect_err(|_: &io::Error| {
        let _ = fs::remove_file(&making);
    })?;
    Ok((UnixListener::from_std(socket.into())?, file))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

/// What answers questions.
#[derive(Debug)]
pub struct Desk {
    pods: Arc<Pods>,
    metrics: Arc<Metrics>,
    source: Source,
    events: Announcer,
    large: Semaphore,
}

impl Desk {
    /// Answers out of these pods, and out of the API server for pods whose facts are not in memory.
    pub fn new(pods: Arc<Pods>, metrics: Arc<Metrics>, source: Source, events: Announcer) -> Desk {
        Desk { pods, metrics, source, events, large: Semaphore::new(LARGE_ANSWERS) }
    }

    async fn talk(&self, mut stream: UnixStream) -> io::Result<()> {
        let user = stream.peer_cred()?.uid();
        let (reader, mut writer) = stream.split();
        if user == 0 || user == geteuid().as_raw() {
            let mut line = Vec::new();
            let mut reader = BufReader::new(reader).take(LONGEST_QUESTION + 1);
            timeout(TRANSFER, reader.read_until(b'\n', &mut line)).await??;
            if line.is_empty() {
                // Somebody looked whether anybody is there.
                return Ok(());
            }
            return self.answer_line(&line, writer).await;
        }
        warn!(user, "a user that may not ask has connected to the agent's socket: its mode should be 0600");
        let message = format!("only root may ask, and this is user {user}");
        send(&mut writer, refuse(Refusal::BadRequest, message)).await
    }

    async fn answer_line(&self, line: &[u8], mut writer: impl AsyncWriteExt + Unpin) -> io::Result<()> {
        if line.len() as u64 > LONGEST_QUESTION {
            let message = format!("the question is longer than {LONGEST_QUESTION} bytes");
            return send(&mut writer, refuse(Refusal::BadRequest, message)).await;
        }
        let answer = match read_question(line) {
            Ok(Question::Pod { pod, wait_ms }) => {
                let patience = Duration::from_millis(wait_ms).min(LONGEST_WAIT);
                match self.pods.wait(&pod, patience).await {
                    Found::Pod(known) => return self.send_facts(&known, &mut writer).await,
                    found => refusal_for(&pod, found),
                }
            }
            Ok(Question::Ready) if self.pods.is_listed() => Answer::Ok(true),
            Ok(Question::Ready) => not_ready(),
            Ok(Question::Report(report)) => {
                self.metrics.add(&report);
                handed_on::report(&report);
                self.tell_warnings(&report);
                Answer::Ok(true)
            }
            Ok(Question::Log(log)) => {
                handed_on::log(&log);
                Answer::Ok(true)
            }
            Err(answer) => answer,
        };
        send(&mut writer, answer).await
    }

    /// Tells the owner of a pod what its rules should be warned of.
    fn tell_warnings(&self, report: &Report) {
        let Found::Pod(pod) = self.pods.look(&report.pod) else { return };
        for warning in report.warnings.iter().take(WARNINGS) {
            self.events.tell(&pod, EventReason::Warning, warning);
        }
    }

    /// Sends the facts of a pod. Answers that may be large wait for each other.
    async fn send_facts(&self, pod: &KnownPod, writer: &mut (impl AsyncWriteExt + Unpin)) -> io::Result<()> {
        let is_small = matches!(&pod.facts, Facts::Kept(_)) && pod.size() < SMALL;
        let _permit = if is_small { None } else { self.large.acquire().await.ok() };
        let answer = match fetch::facts(&self.source, pod).await {
            Ok(facts) => Answer::Pod(facts.into_owned()),
            Err(error @ FetchError::TooLarge(_)) => refuse(Refusal::TooLarge, error.to_string()),
            Err(error @ FetchError::Gone) => refuse(Refusal::NotFound, error.to_string()),
            Err(error @ FetchError::Api(_)) => refuse(Refusal::NotReady, error.to_string()),
        };
        send(writer, answer).await
    }
}

/// Reads a question. One of a later version may look like anything, so its version is read first.
fn read_question(line: &[u8]) -> Result<Question, Answer> {
    #[derive(serde::Deserialize)]
    struct Versioned {
        version: u32,
    }
    let bad = |error: serde_json::Error| refuse(Refusal::BadRequest, format!("not a question: {error}"));
    let Versioned { version } = serde_json::from_slice(line).map_err(bad)?;
    if !(1..=VERSION).contains(&version) {
        let message = format!("this agent speaks versions 1 to {VERSION}, and not {version}");
        return Err(refuse(Refusal::Version, message));
    }
    serde_json::from_slice::<Request>(line).map(|request| request.question).map_err(bad)
}

async fn send(writer: &mut (impl AsyncWriteExt + Unpin), answer: Answer) -> io::Result<()> {
    let mut line = serde_json::to_vec(&Response { version: VERSION, answer })?;
    line.push(b'\n');
    timeout(TRANSFER, writer.write_all(&line)).await??;
    writer.shutdown().await
}

fn refusal_for(asked: &PodName, found: Found) -> Answer {
    let PodName { namespace, name, .. } = asked;
    match found {
        Found::Pod(_) | Found::NotReady => not_ready(),
        Found::NotFound => {
            refuse(Refusal::NotFound, format!("the API server knows no pod {namespace}/{name} on this node"))
        }
        Found::OtherUid(known) => {
            let asked = asked.uid.as_deref().unwrap_or_default();
            let message = format!("{namespace}/{name} has the UID {known} in the API, and not {asked}");
            refuse(Refusal::OtherUid, message)
        }
    }
}

fn not_ready() -> Answer {
    let message = "the agent could not read the pods of its node from the API server yet: its log says why";
    refuse(Refusal::NotReady, message.to_owned())
}

fn refuse(code: Refusal, message: String) -> Answer {
    Answer::Error { code, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(line: &str) -> Refusal {
        match read_question(line.as_bytes()) {
            Err(Answer::Error { code, .. }) => code,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn questions_of_another_version_are_told_from_garbage() {
        assert_eq!(code(r#"{"version":2,"request":"something new"}"#), Refusal::Version);
        assert_eq!(code(r#"{"version":0,"request":"ready"}"#), Refusal::Version);
        assert_eq!(code(r#"{"version":1,"request":"something new"}"#), Refusal::BadRequest);
        for garbage in ["", "\n", "GET / HTTP/1.1\r\n", "{}", "[]", "\u{0}", r#"{"version":-1}"#] {
            assert_eq!(code(garbage), Refusal::BadRequest, "{garbage:?}");
        }
    }

    #[test]
    fn a_question_is_read_with_its_numbers() {
        let line = r#"{"version":1,"request":"pod","namespace":"a","name":"b","wait_ms":12}"#;
        let question = read_question(line.as_bytes()).unwrap();
        let pod = PodName { namespace: "a".into(), name: "b".into(), uid: None };
        assert_eq!(question, Question::Pod { pod, wait_ms: 12 });
    }
}
