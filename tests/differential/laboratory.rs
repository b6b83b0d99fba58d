//! A pod and a peer for one back end, with everybody who listens and sends in them: made once, for all configurations.

use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use mesh_intercept::config::BackendKind;
use mesh_intercept::kernel::netns;
use mesh_intercept::program::Owner;
use nix::mount::{MsFlags, mount};
use serde_json::{Value, json};

use crate::common::{self, BINARY, Lab, Namespace, both_families};
use crate::configuration::{Configuration, RESOLV_CONFS};
use crate::packet::{BEHIND_V4, BEHIND_V6, PEER_NET1_V6, POD_NET1_V6, Packet, Sender, somebody};

pub const PROXY: Owner = somebody(common::PROXY);
pub const APP: Owner = somebody(common::APP);
/// Ports on which the application listens.
pub const APP_TCP: [u16; 16] =
    [1, 2, 22, 53, 80, 81, 443, 7999, 8000, 8001, 8050, 8080, 8100, 15020, 15021, 65535];
pub const APP_UDP: [u16; 4] = [53, 54, 80, 8000];

const SENDER: &str = "/run/sender.py";
/// How long a batch waits for its last answer.
const PATIENCE: Duration = Duration::from_millis(400);
/// How long an unexpected answer is waited for when it is asked for again: the first time the machine may have been busy.
const MORE_PATIENCE: Duration = Duration::from_millis(2500);

/// Who listens there in the pod.
pub fn listener(is_udp: bool, address: IpAddr, port: u16) -> Option<&'static str> {
    let is_agent_s = [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()].contains(&address);
    match (port, is_udp) {
        (15053, _) if is_agent_s => Some("dns"),
        (15001, false) => Some("outbound"),
        (15006, false) => Some("inbound"),
        (15008, false) => Some("tunnel"),
        (port, true) if APP_UDP.contains(&port) => Some("app"),
        (port, false) if APP_TCP.contains(&port) => Some("app"),
        _ => None,
    }
}

pub struct Laboratory {
    backend: BackendKind,
    pod: Process,
    peer: Process,
    /// Its listeners end with it.
    _lab: Lab,
}

impl Laboratory {
    /// Moves this thread into the pod: what it starts, or asks of the kernel, is inside.
    pub fn new(backend: BackendKind) -> Laboratory {
        let mut lab = Lab::new("");
        for (path, text) in RESOLV_CONFS {
            std::fs::write(path, text).unwrap();
        }
        lab.pod.ip(&format!("address add {POD_NET1_V6}/64 dev net1 nodad"));
        lab.peer.ip(&format!("address add {PEER_NET1_V6}/64 dev net1 nodad"));
        lab.peer.ip(&format!("route add {BEHIND_V4} via {}", common::POD_NET1));
        lab.peer.ip(&format!("-6 route add {BEHIND_V6} via {POD_NET1_V6}"));
        // Errors about ports where nobody listens are answers here, and too many of them would not be sent.
        lab.pod.text(&["sysctl", "-q", "net.ipv4.icmp_ratemask=0", "net.ipv6.icmp.ratelimit=0"]);
        populate(&mut lab);
        std::fs::write(SENDER, include_str!("sender.py")).unwrap();
        let (pod, peer) = (Process::start(&lab.pod), Process::start(&lab.peer));
        netns::enter(&lab.pod.path()).unwrap();
        // The program looks for the tables of iptables-legacy as its first thread sees them, and this is another.
        let none: Option<&str> = None;
        mount(Some("/proc/thread-self/net"), "/proc/self/net", none, MsFlags::MS_BIND, none).unwrap();
        Laboratory { backend, pod, peer, _lab: lab }
    }

    /// Puts the rules in, in place of those that are there.
    pub fn apply(&self, configuration: &Configuration) -> Result<(), String> {
        let mut command = Command::new(BINARY);
        command.args(["init", "--backend", self.backend.name()]);
        configuration.add_to(&mut command);
        let output = command.output().unwrap();
        if output.status.success() {
            return Ok(());
        }
        Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)))
    }

    /// Sends packets; gives the answers in the same order.
    pub fn ask(&mut self, packets: &[Packet]) -> Vec<String> {
        self.ask_with(packets, PATIENCE)
    }

    /// The same for a few packets whose answers were not what they had to be.
    pub fn ask_again(&mut self, packets: &[Packet]) -> Vec<String> {
        self.ask_with(packets, MORE_PATIENCE)
    }

    fn ask_with(&mut self, packets: &[Packet], patience: Duration) -> Vec<String> {
        let is_peer_s = |packet: &&Packet| packet.sender == Sender::Peer;
        let questions = |of_peer: bool| -> Vec<Value> {
            packets.iter().filter(|it| is_peer_s(it) == of_peer).map(Packet::question).collect()
        };
        for process in [&mut self.pod, &mut self.peer] {
            process.forget_connections();
        }
        self.pod.send(&questions(false), patience);
        self.peer.send(&questions(true), patience);
        let mut answers = [self.pod.answers(), self.peer.answers()].map(Vec::into_iter);
        packets.iter().map(|packet| answers[usize::from(is_peer_s(&packet))].next().unwrap()).collect()
    }
}

/// Starts the proxy, the application and the peer's listener.
fn populate(lab: &mut Lab) {
    let proxy = both_families(|family, any, loopback| {
        let tcp = |port: u16, name: &str| json!({"family": family, "protocol": "tcp", "address": any, "port": port, "name": name, "transparent": true});
        let dns = |protocol: &str| json!({"family": family, "protocol": protocol, "address": loopback, "port": 15053, "name": "dns"});
        vec![tcp(15001, "outbound"), tcp(15006, "inbound"), tcp(15008, "tunnel"), dns("tcp"), dns("udp")]
    });
    let app = both_families(|family, any, _| {
        let listener = |protocol: &str, port: &u16| json!({"family": family, "protocol": protocol, "address": any, "port": port, "name": "app"});
        let tcp = APP_TCP.iter().map(|port| listener("tcp", port));
        tcp.chain(APP_UDP.iter().map(|port| listener("udp", port))).collect()
    });
    lab.serve(common::PROXY, &proxy);
    lab.serve(common::APP, &app);
    lab.populate_outside();
}

/// A process that sends batches of packets.
struct Process {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Process {
    fn start(namespace: &Namespace) -> Process {
        let words = ["setpriv", "--pdeathsig", "KILL", "/usr/bin/python3", SENDER];
        let mut child =
            namespace.command(&words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut process = Process { child, stdin, stdout: BufReader::new(stdout) };
        assert_eq!(process.line().trim(), "ready");
        process
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    fn forget_connections(&mut self) {
        writeln!(self.stdin, "forget").unwrap();
        assert_eq!(self.line().trim(), "done");
    }

    fn send(&mut self, questions: &[Value], patience: Duration) {
        let batch = json!({"patience": patience.as_secs_f64(), "questions": questions});
        writeln!(self.stdin, "{batch}").unwrap();
    }

    fn answers(&mut self) -> Vec<String> {
        serde_json::from_str(&self.line()).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
