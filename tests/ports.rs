//! The agent's ports beside peers that hold as many connections as they get.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]
#![allow(clippy::print_stderr, reason = "measurements are printed")]

#[path = "kubernetes/mod.rs"]
mod kubernetes;

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kubernetes::{Agent, ApiServer, DEADLINE, Fault, On, Port, wait_until};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use socket2::{Domain, Socket, Type};

/// So many connections a crowd holds.
const MANY: usize = 1000;
/// So often somebody else asks meanwhile.
const PROBES: usize = 5;
/// More than the agent needs with all the connections that it holds.
const MEMORY: u64 = 48 << 10;

/// What the connections of a crowd do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Nothing.
    Idle,
    /// They send half a line, and no more.
    HalfALine,
    /// They send half a line, and that this was all.
    HalfClosed,
    /// They send a header byte by byte.
    Slow,
    /// They were answered once, and stay.
    Answered,
    /// They ask on and on, and read nothing.
    Unread,
    /// They announce a body that does not come.
    Body,
}

const KINDS: [Kind; 7] =
    [Kind::Idle, Kind::HalfALine, Kind::HalfClosed, Kind::Slow, Kind::Answered, Kind::Unread, Kind::Body];

impl Kind {
    fn first(self) -> Vec<u8> {
        match self {
            Kind::Idle => Vec::new(),
            Kind::HalfALine | Kind::HalfClosed => b"GET /hea".to_vec(),
            Kind::Slow => b"GET /healthz HTTP/1.1\r\nX-Slow: ".to_vec(),
            Kind::Answered => b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(),
            Kind::Unread => b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".repeat(200),
            Kind::Body => b"POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n".to_vec(),
        }
    }
}

/// Which address the connection with this number comes from.
type Origin = fn(usize) -> Ipv4Addr;

/// One peer of the network.
fn one(_: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, 2)
}

/// Another peer for each connection.
fn each_another(number: usize) -> Ipv4Addr {
    let [.., high, low] = u32::try_from(number).unwrap().to_be_bytes();
    Ipv4Addr::new(127, 1, high, low)
}

/// The address that kubelet has as well.
fn the_node(_: usize) -> Ipv4Addr {
    Ipv4Addr::LOCALHOST
}

struct Crowd {
    kind: Kind,
    from: Origin,
    to: SocketAddr,
    streams: Vec<TcpStream>,
}

impl Crowd {
    fn gather(kind: Kind, from: Origin, to: &Port) -> Crowd {
        let mut crowd = Crowd { kind, from, to: to.address(), streams: Vec::new() };
        crowd.streams = (0..MANY).map(|number| crowd.connect(number)).collect();
        crowd
    }

    fn connect(&self, number: usize) -> TcpStream {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(4 << 10).unwrap();
        socket.bind(&SocketAddr::new((self.from)(number).into(), 0).into()).unwrap();
        socket.connect_timeout(&self.to.into(), DEADLINE).unwrap();
        let mut stream = TcpStream::from(socket);
        stream.set_nonblocking(true).unwrap();
        // The agent may have ended it already.
        let _ = stream.write(&self.kind.first());
        if self.kind == Kind::HalfClosed {
            let _ = stream.shutdown(std::net::Shutdown::Write);
        }
        stream
    }

    /// Goes on with each connection, and makes anew those that the agent has ended.
    fn go_on(&mut self) {
        for number in 0..MANY {
            if !self.is_alive(number) {
                self.streams[number] = self.connect(number);
            }
        }
    }

    fn is_alive(&mut self, number: usize) -> bool {
        let mut stream = &self.streams[number];
        if self.kind == Kind::Slow
            && stream.write(b"a").is_err_and(|error| error.kind() != ErrorKind::WouldBlock)
        {
            return false;
        }
        let mut buffer = [0; 4096];
        let received = match self.kind {
            Kind::Unread => stream.peek(&mut buffer[..1]),
            _ => stream.read(&mut buffer),
        };
        received.map_or_else(|error| error.kind() == ErrorKind::WouldBlock, |count| count > 0)
    }
}

/// A crowd needs many files.
fn raise_limit() {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
}

fn peak_memory(agent: &Agent) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", agent.child.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    peak.trim_end_matches("kB").trim().parse().unwrap()
}

/// What kubelet and a collector of metrics ask.
fn assert_answered(agent: &Agent, context: &str) {
    assert_eq!(agent.get(&agent.health, "/healthz"), (200, "ok\n".into()), "{context}");
    assert_eq!(agent.get(&agent.health, "/readyz"), (200, "ok\n".into()), "{context}");
    let (status, text) = agent.get(&agent.monitoring, "/metrics");
    assert!(status == 200 && text.ends_with("# EOF\n"), "{context}: {status}\n{text}");
}

fn check(from: Origin, goes_on_meanwhile: bool) {
    raise_limit();
    let server = ApiServer::start();
    let agent = Agent::following(&server);
    eprintln!("alone: peak memory {} KiB", peak_memory(&agent));
    for kind in KINDS {
        let mut crowds = [&agent.health, &agent.monitoring].map(|port| Crowd::gather(kind, from, port));
        if goes_on_meanwhile {
            let is_over = AtomicBool::new(false);
            thread::scope(|scope| {
                scope.spawn(|| {
                    while !is_over.load(Ordering::Relaxed) {
                        crowds.iter_mut().for_each(Crowd::go_on);
                    }
                });
                // A test that has failed ends too.
                let _end = End(&is_over);
                probe(&agent, kind, || {});
            });
        } else {
            probe(&agent, kind, || crowds.iter_mut().for_each(Crowd::go_on));
        }
        let peak = peak_memory(&agent);
        eprintln!("{kind:?}: peak memory {peak} KiB");
        assert!(peak < MEMORY, "{kind:?}: {peak} KiB");
    }
}

struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// All probes together have the time that a single one may take on a busy machine.
fn probe(agent: &Agent, kind: Kind, mut between: impl FnMut()) {
    let start = Instant::now();
    for number in 0..PROBES {
        between();
        assert_answered(agent, &format!("{kind:?}, {number}"));
        assert!(start.elapsed() < DEADLINE, "{kind:?}: {number} probes took {:?}", start.elapsed());
    }
}

#[test]
fn a_peer_with_a_thousand_connections_keeps_nobody_from_being_answered() {
    check(one, true);
}

#[test]
fn a_thousand_peers_with_a_connection_keep_nobody_from_being_answered() {
    check(each_another, true);
}

#[test]
fn a_thousand_connections_of_the_node_keep_nobody_from_being_answered() {
    check(the_node, false);
}

#[test]
fn a_collector_of_metrics_keeps_its_connection() {
    let server = ApiServer::start();
    let agent = Agent::following(&server);
    let mut stream = TcpStream::connect(agent.monitoring.address()).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut ask = || {
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        let mut text = Vec::new();
        while !text.ends_with(b"# EOF\n") {
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).unwrap();
            assert!(count > 0, "the connection has ended");
            text.extend_from_slice(&buffer[..count]);
        }
        assert!(text.starts_with(b"HTTP/1.1 200 OK\r\n"));
    };
    ask();
    // Longer than a head may take: between two answers nothing is due.
    thread::sleep(Duration::from_secs(7));
    ask();
}

#[test]
fn what_is_asked_in_other_words_is_answered() {
    let server = ApiServer::start();
    let agent = Agent::following(&server);
    let ask = |port: &Port, text: &str| {
        let mut stream = TcpStream::connect(port.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let health = &agent.health;
    assert!(ask(health, "GET /healthz?verbose HTTP/1.1\r\nHost: a\r\n\r\n").ends_with("\r\n\r\nok\n"));
    assert!(ask(health, "GET /healthz HTTP/1.0\r\n\r\n").ends_with("\r\n\r\nok\n"));
    let head = ask(health, "HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(head.contains("content-length: 3\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    let body =
        format!("POST /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 30000\r\n\r\n{}", "x".repeat(30000));
    assert!(ask(health, &body).starts_with("HTTP/1.1 405 "));
    let long = format!("GET /healthz HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(30000));
    for garbage in [long.as_str(), "\u{16}\u{3}\u{1}\r\n\r\n", "PRI * HTTP/2.0\r\n\r\n"] {
        assert!(ask(health, garbage).starts_with("HTTP/1.1 400 "), "{garbage:?}");
    }
    let twice = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\nGET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n";
    assert_eq!(ask(&agent.monitoring, twice).matches("# EOF\n").count(), 2);
}

#[test]
fn an_agent_that_becomes_ready_answers_the_probe_that_waits_for_it() {
    // kubelet records a warning at the first answer that is not 200.
    let server = ApiServer::start();
    server.inject(On::List, Fault::Slow(Duration::from_secs(1)), 1);
    let agent = Agent::start(&server);
    let start = Instant::now();
    let (status, text) = agent.get(&agent.health, "/readyz");
    // On a machine that is busy the list may come too late.
    assert!(status == 200 || start.elapsed() > Duration::from_millis(2900), "{status} {text}");
    wait_until("the agent is ready", || agent.is_ready());
}

#[test]
fn an_agent_that_does_not_become_ready_says_why() {
    let server = ApiServer::down_from_the_start();
    let agent = Agent::start(&server);
    let (status, text) = agent.get(&agent.health, "/readyz");
    assert_eq!(status, 503);
    assert!(text.contains("have not been read from the API server yet"), "{text}");
    assert_eq!(agent.get(&agent.health, "/healthz").0, 200);
}

#[test]
fn without_file_descriptors_the_ports_go_on_with_what_they_have() {
    raise_limit();
    let server = ApiServer::start();
    let agent = Agent::following(&server);
    let pid = agent.child.id().to_string();
    // It has taken more into account when it started.
    let limited = Command::new("prlimit").args(["--pid", &pid, "--nofile=100:100"]).status().unwrap();
    assert!(limited.success());
    let mut crowds = [&agent.health, &agent.monitoring].map(|port| Crowd::gather(Kind::Idle, one, port));
    for number in 0..PROBES {
        crowds.iter_mut().for_each(Crowd::go_on);
        assert_answered(&agent, &format!("{number}"));
    }
    let told = agent.log().lines().filter(|line| line.contains("cannot accept all connections")).count();
    assert!((1..=2).contains(&told), "{told} lines");
}
