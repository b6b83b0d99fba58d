//! Makes the calls, many at a time, and sees where they arrive.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::thread;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::Socket;

use super::Outcome;
use super::listeners::{Listeners, Place, Side, TOKEN_BYTES};
use super::meaning::{Call, Caller, Fate};
use crate::kernel::cable::{Cable, Ends};
use crate::kernel::sockets::{self, NotAllowed, Transport};

/// How long the first attempt may take; each further one takes twice as long, up to the longest.
const FIRST_PATIENCE: Duration = Duration::from_millis(150);
const LONGEST_PATIENCE: Duration = Duration::from_secs(1);
/// Between two attempts, and the least that one is given.
const PAUSE: Duration = Duration::from_millis(20);
/// For what has arrived in time and was not looked at yet.
const GRACE: Duration = Duration::from_millis(500);
/// How long an ICMP error of this very kernel takes at most, in milliseconds.
const REASON_PATIENCE: u8 = 200;
/// At a time: each takes two or three of the process's files.
const MOST_AT_ONCE: usize = 96;

/// A call that is made, and where it has to arrive.
pub(super) struct Asked {
    pub(super) call: Call,
    pub(super) fate: Fate,
    pub(super) place: Option<Place>,
    /// Why nobody of ours is at that place, where the proxy itself is and is expected to pass the call on.
    pub(super) held: Option<String>,
    /// Filled in as soon as it is known for good.
    pub(super) outcome: Option<Outcome>,
}

/// What came of one attempt.
enum Attempt {
    /// Somebody of ours answered, who saw this address; it should be `own`.
    Reached { place: Place, seen: String, own: String },
    /// Somebody else did.
    Stranger,
    /// The kernel or the other side said no.
    Refused(io::Error),
    /// Nobody said anything.
    Silence,
    /// This process may not make the call.
    Impossible(NotAllowed),
}

/// Makes every call until it arrives where it has to, or time is over. In the end all have done so in one round: what
/// arrived before the rules did says nothing about them.
pub(super) fn run(asked: &mut [Asked], listeners: &Listeners, cable: Option<&Cable>, deadline: Instant) {
    let mut patience = FIRST_PATIENCE;
    let mut again = true;
    loop {
        let all = again;
        let mut pending: Vec<&mut Asked> = asked
            .iter_mut()
            .filter(|it| !is_settled(it) || (all && it.outcome == Some(Outcome::Passed)))
            .collect();
        for group in pending.chunks_mut(MOST_AT_ONCE) {
            let calls: Vec<Call> = group.iter().map(|it| it.call).collect();
            let patience = patience.min(deadline.saturating_duration_since(Instant::now())).max(PAUSE);
            for (asked, attempt) in group.iter_mut().zip(attempt(&calls, listeners, cable, patience)) {
                let outcome = judge(asked, attempt);
                tracing::debug!(
                    to = %asked.call.to, transport = asked.call.transport.name(), outcome = outcome.word(), "attempt"
                );
                asked.outcome = Some(outcome);
            }
        }
        again = asked.iter().all(is_settled);
        if (again && all) || Instant::now() + PAUSE >= deadline {
            return;
        }
        if !again {
            thread::sleep(PAUSE);
            patience = LONGEST_PATIENCE.min(2 * patience);
        }
    }
}

fn is_settled(asked: &Asked) -> bool {
    matches!(asked.outcome, Some(Outcome::Passed | Outcome::NotMade { .. }))
}

fn judge(asked: &Asked, attempt: Attempt) -> Outcome {
    if let Some(why) = &asked.held {
        return judge_proxy(why, attempt);
    }
    let why = match attempt {
        Attempt::Impossible(error) => return Outcome::NotMade { why: error.to_string() },
        Attempt::Reached { place, seen, own } if Some(place) == asked.place => {
            if seen == own {
                return Outcome::Passed;
            }
            format!(
                "it came to {place} from {seen} instead of {own}: somebody relayed it or changed its source"
            )
        }
        Attempt::Reached { place, .. } => format!("it came to {place}"),
        Attempt::Stranger => "somebody else answered".to_owned(),
        Attempt::Refused(error)
            if asked.fate == Fate::Rejected && error.kind() == io::ErrorKind::ConnectionRefused =>
        {
            return Outcome::Passed;
        }
        // A packet that is dropped on its way out is an error to whoever sends a datagram.
        Attempt::Silence | Attempt::Refused(_) if asked.fate == Fate::Dropped && !is_refusal(&attempt) => {
            return Outcome::Passed;
        }
        Attempt::Silence => "no answer".to_owned(),
        Attempt::Refused(error) => error.to_string(),
    };
    Outcome::Failed { why }
}

/// A call that the proxy itself gets comes to its destination all the same, but from the proxy: nobody else knows the
/// token. A proxy that passes nothing on, or that answers itself, proves nothing.
fn judge_proxy(held: &str, attempt: Attempt) -> Outcome {
    match attempt {
        Attempt::Reached { place, seen, own } if place.side == Side::Far => {
            if seen == own {
                Outcome::Failed { why: format!("it came to {place} without passing the proxy") }
            } else {
                Outcome::Passed
            }
        }
        _ => Outcome::NotMade { why: held.to_owned() },
    }
}

/// Did the other side itself refuse?
fn is_refusal(attempt: &Attempt) -> bool {
    matches!(attempt, Attempt::Refused(error) if error.raw_os_error() != Some(nix::libc::EPERM))
}

/// A call that is under way.
struct Client {
    socket: Socket,
    own: SocketAddr,
    transport: Transport,
    connected: bool,
    answer: Vec<u8>,
}

fn attempt(calls: &[Call], listeners: &Listeners, cable: Option<&Cable>, patience: Duration) -> Vec<Attempt> {
    let mut clients: Vec<Result<Client, Attempt>> = calls.iter().map(|call| start(call, cable)).collect();
    // Connections that were answered: whoever called ends them.
    let mut answered = Vec::new();
    let until = Instant::now() + patience;
    while clients.iter().any(Result::is_ok) {
        let (ready_listeners, ready_clients) = wait(listeners, &clients, until);
        // On a busy machine time may pass without this process: what has arrived meanwhile counts.
        let nothing = ready_clients.is_empty() && !ready_listeners.contains(&true);
        if Instant::now() >= if nothing { until } else { until + GRACE } {
            break;
        }
        let own: Vec<SocketAddr> = clients.iter().flatten().map(|it| it.own).collect();
        for (listener, _) in listeners.all.iter().zip(ready_listeners).filter(|(_, ready)| *ready) {
            answered.extend(listener.answer(|peer| own.contains(&peer)));
        }
        for place in ready_clients {
            if let Ok(client) = &mut clients[place]
                && let Some(attempt) = advance(client, listeners)
            {
                clients[place] = Err(attempt);
            }
        }
    }
    clients.into_iter().map(|it| it.err().unwrap_or(Attempt::Silence)).collect()
}

fn start(call: &Call, cable: Option<&Cable>) -> Result<Client, Attempt> {
    let Call { transport, from, to, .. } = *call;
    let open = move || {
        let socket = sockets::call(transport, from, to)?;
        if transport == Transport::Udp
            && let Err(error) = socket.send(b"?")
        {
            return Err(reason(&socket).unwrap_or(error));
        }
        Ok(socket)
    };
    let opened = match (call.caller, cable) {
        (Caller::Pod(owner), _) => sockets::as_owner(owner, open).map_err(Attempt::Impossible)?,
        (Caller::Outside, Some(cable)) => cable.at_far_end(open),
        (Caller::Outside, None) => Err(io::Error::other("there is no cable")),
    };
    let client = opened.and_then(|socket| {
        let own = socket.local_addr()?.as_socket().ok_or(io::ErrorKind::AddrNotAvailable)?;
        Ok(Client { socket, own, transport, connected: transport == Transport::Udp, answer: Vec::new() })
    });
    client.map_err(Attempt::Refused)
}

/// A rule that refuses a packet makes the kernel say EPERM to whoever sends it, as one that drops it does, and tells the
/// socket by a packet of its own.
fn reason(socket: &Socket) -> Option<io::Error> {
    let mut file = [PollFd::new(socket.as_fd(), PollFlags::empty())];
    poll(&mut file, PollTimeout::from(REASON_PATIENCE)).ok()?;
    socket.take_error().ok()?
}

/// Waits until something happens; which listeners are ready, and the places of the clients that are.
fn wait(
    listeners: &Listeners,
    clients: &[Result<Client, Attempt>],
    until: Instant,
) -> (Vec<bool>, Vec<usize>) {
    let places: Vec<usize> = (0..clients.len()).filter(|place| clients[*place].is_ok()).collect();
    let waiting = clients.iter().flatten().map(|client| {
        let event = if client.connected { PollFlags::POLLIN } else { PollFlags::POLLOUT };
        PollFd::new(client.socket.as_fd(), event)
    });
    let mut files: Vec<PollFd<'_>> = listeners
        .all
        .iter()
        .map(|listener| PollFd::new(listener.socket.as_fd(), PollFlags::POLLIN))
        .chain(waiting)
        .collect();
    let rest = until.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
    let _ = poll(&mut files, PollTimeout::try_from(rest).unwrap_or(PollTimeout::from(100u8)));
    let ready: Vec<bool> = files.iter().map(|file| file.any().unwrap_or(false)).collect();
    let (listening, calling) = ready.split_at(listeners.all.len());
    (
        listening.to_vec(),
        places.into_iter().zip(calling).filter(|(_, ready)| **ready).map(|(place, _)| place).collect(),
    )
}

/// Goes on with a call whose socket is ready; what came of it when it is over.
fn advance(client: &mut Client, listeners: &Listeners) -> Option<Attempt> {
    if let Ok(Some(error)) | Err(error) = client.socket.take_error() {
        return Some(Attempt::Refused(error));
    }
    if !client.connected {
        client.connected = true;
        return None;
    }
    let mut bytes = [0; 128];
    match io::Read::read(&mut &client.socket, &mut bytes) {
        Ok(0) => return Some(Attempt::Refused(io::ErrorKind::ConnectionReset.into())),
        Ok(count) => client.answer.extend_from_slice(&bytes[..count]),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
        Err(error) => return Some(Attempt::Refused(error)),
    }
    let Some((token, seen)) = client.answer.split_at_checked(TOKEN_BYTES) else {
        // A datagram comes whole.
        return (client.transport == Transport::Udp).then_some(Attempt::Stranger);
    };
    match (listeners.by_token(token), seen.strip_suffix(b"\n")) {
        (Some(place), Some(seen)) => {
            let seen = String::from_utf8_lossy(seen).into_owned();
            Some(Attempt::Reached { place, seen, own: client.own.to_string() })
        }
        (Some(_), None) => None,
        (None, _) => Some(Attempt::Stranger),
    }
}

/// Does this call need the cable?
pub(super) fn needs_cable(asked: &Asked, ends: &[Ends]) -> bool {
    asked.call.caller == Caller::Outside
        || !asked.call.to_pod
        || ends.iter().any(|it| it.near == asked.call.to.ip())
}

#[cfg(test)]
mod tests;
