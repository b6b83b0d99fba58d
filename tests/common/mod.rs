//! A pod and its peer in network namespaces, for tests that send real packets.
//!
//! Each test moves its thread into a mount namespace of its own with an empty /run. The namespaces that `ip netns`
//! makes are files there: they vanish with the test, however it ends, and neither the machine nor another test sees
//! them. Children get a signal when the test's thread dies.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot be set up has failed"
)]

pub mod holders;
pub mod load;
pub mod log;
pub mod pod;
pub mod snapshot;
pub mod users;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use serde_json::json;

pub const POD_V4: &str = "198.18.0.2";
pub const POD_V6: &str = "fd00:18::2";
pub const PEER_V4: &str = "198.18.0.1";
pub const PEER_V6: &str = "fd00:18::1";
/// The pod's second interface.
pub const POD_NET1: &str = "198.19.0.2";
pub const PEER_NET1: &str = "198.19.0.1";

pub const PROXY: u32 = 1337;
pub const APP: u32 = 1000;
/// Ports on which the application listens.
pub const APP_PORTS: [u16; 6] = [22, 80, 8000, 8080, 8090, 15020];

pub const BINARY: &str = env!("CARGO_BIN_EXE_mesh-intercept");
/// The default flags of an injected pod (the seeds' argument list).
pub const INJECTED: [&str; 16] = [
    "-p",
    "15001",
    "-z",
    "15006",
    "-u",
    "1337",
    "-m",
    "REDIRECT",
    "-i",
    "*",
    "-x",
    "192.168.0.1/32",
    "-b",
    "*",
    "-d",
    "15090,15021,15020",
];

/// A namespace without any network but loopback.
pub struct Namespace {
    name: String,
    children: Vec<Child>,
}

impl Namespace {
    /// Makes one, called after the test.
    pub fn new(role: &str) -> Namespace {
        let test = std::thread::current().name().unwrap_or("test").replace("::", "-");
        let short: String = test.chars().rev().take(40).collect::<Vec<_>>().into_iter().rev().collect();
        let name = format!("{short}-{role}");
        let namespace = Namespace { name, children: Vec::new() };
        host(&["ip", "netns", "add", &namespace.name]);
        namespace.ip("link set lo up");
        // A link-local address that is still being checked for duplicates would swallow the first packets.
        for scope in ["all", "default"] {
            namespace.text(&["sh", "-c", &format!("echo 0 > /proc/sys/net/ipv6/conf/{scope}/accept_dad")]);
        }
        namespace
    }

    /// The file that stands for it.
    pub fn path(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.name)
    }

    /// Runs `ip` in it.
    pub fn ip(&self, arguments: &str) {
        let mut words = vec!["ip", "-n", &self.name];
        words.extend(arguments.split(' '));
        host(&words);
    }

    /// A command in it.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).args(words);
        command
    }

    /// What a command in it prints.
    pub fn output(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// What a command in it prints; it has to succeed.
    pub fn text(&self, words: &[&str]) -> String {
        let output = self.output(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The processes in it.
    pub fn processes(&self) -> String {
        let output = Command::new("ip").args(["netns", "pids", &self.name]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts a process that ends with the test, and waits for its first line.
    pub fn start(&mut self, words: &[&str], input: &str) {
        let mut with_signal = vec!["setpriv", "--pdeathsig", "KILL"];
        with_signal.extend_from_slice(words);
        let mut child =
            self.command(&with_signal).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "ready", "{words:?}");
        self.children.push(child);
    }

    /// Everything that netfilter and routing hold in it.
    pub fn state(&self) -> String {
        let commands: [&[&str]; 8] = [
            &["nft", "-s", "list", "ruleset"],
            &["iptables-legacy-save"],
            &["ip6tables-legacy-save"],
            &["ip", "rule"],
            &["ip", "-6", "rule"],
            &["ip", "route", "show", "table", "all"],
            &["ip", "-6", "route", "show", "table", "all"],
            &["ip", "-6", "address", "show", "dev", "lo"],
        ];
        let text = commands.map(|words| by_names(&without_idle_tables(&self.text(words)))).join("\n");
        // Comments carry the time, counters the traffic of the test.
        text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = Command::new("ip").args(["netns", "del", &self.name]).output();
    }
}

/// The output of iptables-legacy-save without tables that hold no rule: they cannot be taken out again.
fn without_idle_tables(text: &str) -> String {
    let tables = text.split_inclusive("COMMIT\n");
    let is_idle =
        |table: &&str| table.contains("COMMIT\n") && !table.contains("\n-A") && !table.contains(" - [");
    tables.filter(|table| !is_idle(table)).collect()
}

/// The same with tables, chains and sets in the order of their names: the kernel has them in that in which they were
/// made. The order of rules in a chain stays.
fn by_names(text: &str) -> String {
    let mut tables: Vec<(String, String)> = Vec::new();
    for line in text.split_inclusive('\n') {
        match tables.last_mut() {
            Some((_, table)) if !line.starts_with("table ") && !line.starts_with('*') => table.push_str(line),
            _ => tables.push((line.to_owned(), line.to_owned())),
        }
    }
    tables.sort();
    tables.iter().map(|(_, table)| by_chains(table)).collect()
}

/// The same for one table.
fn by_chains(text: &str) -> String {
    let mut blocks: Vec<(String, String)> = Vec::new();
    let mut out = String::new();
    let flush = |blocks: &mut Vec<(String, String)>, out: &mut String| {
        blocks.sort_by(|(one, _), (other, _)| one.cmp(other));
        out.extend(blocks.drain(..).map(|(_, block)| block));
    };
    let mut inside = false;
    for line in text.split_inclusive('\n') {
        let name = match line.strip_prefix(':').or_else(|| line.strip_prefix("-A ")) {
            Some(rest) => rest.split(' ').next(),
            None => line.strip_prefix("\tchain ").or_else(|| line.strip_prefix("\tset ")).map(|_| line),
        };
        match name {
            Some(name) => {
                inside = line.starts_with('\t');
                match blocks.iter_mut().find(|(other, _)| other == name) {
                    Some((_, block)) => block.push_str(line),
                    None => blocks.push((name.to_owned(), line.to_owned())),
                }
            }
            None if inside => {
                if let Some((_, block)) = blocks.last_mut() {
                    block.push_str(line);
                }
                inside = line != "\t}\n";
            }
            // The empty lines between the blocks of a table mean nothing.
            None if line == "\n" => {}
            None => {
                flush(&mut blocks, &mut out);
                out.push_str(line);
            }
        }
    }
    flush(&mut blocks, &mut out);
    out
}

/// Gives this thread a mount namespace with an empty /run and a resolv.conf of its own.
pub fn isolate(resolv_conf: &str) {
    unshare(CloneFlags::CLONE_NEWNS).expect("these tests make namespaces: run them as root");
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none).unwrap();
    mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), none).unwrap();
    std::fs::write("/run/resolv.conf", resolv_conf).unwrap();
    // A link points into /run on many machines, where it is gone now.
    if std::fs::symlink_metadata("/etc/resolv.conf").is_ok_and(|file| file.is_file()) {
        mount(Some("/run/resolv.conf"), "/etc/resolv.conf", none, MsFlags::MS_BIND, none).unwrap();
    }
}

/// Runs a command outside of the test namespaces; only `ip` itself is ever run so.
fn host(words: &[&str]) {
    let output = Command::new(words[0]).args(&words[1..]).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Who sends a packet, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sender {
    /// A process in the pod, with this user and group.
    Pod(u32, u32),
    /// The other end of the cable.
    Peer,
}

/// A packet and what has to happen to it.
#[derive(Clone, Debug)]
pub struct Probe {
    pub sender: Sender,
    pub protocol: &'static str,
    pub to: String,
    pub port: u16,
    pub from: Option<&'static str>,
    /// Who has to answer: `outbound`, `inbound`, `dns`, `app`, `outside`, or `closed`, `dropped`.
    pub fate: &'static str,
}

impl Probe {
    pub fn new(sender: Sender, to: &str, port: u16, fate: &'static str) -> Probe {
        Probe { sender, protocol: "tcp", to: to.to_owned(), port, from: None, fate }
    }

    pub fn udp(self) -> Probe {
        Probe { protocol: "udp", ..self }
    }

    pub fn from(self, address: &'static str) -> Probe {
        Probe { from: Some(address), ..self }
    }
}

pub fn app(to: &str, port: u16, fate: &'static str) -> Probe {
    Probe::new(Sender::Pod(APP, APP), to, port, fate)
}

pub fn proxy(to: &str, port: u16, fate: &'static str) -> Probe {
    Probe::new(Sender::Pod(PROXY, PROXY), to, port, fate)
}

pub fn peer(to: &str, port: u16, fate: &'static str) -> Probe {
    Probe::new(Sender::Peer, to, port, fate)
}

/// Who answered, whom the client had dialled, and whom the server saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    pub who: String,
    pub original: String,
    pub client: String,
}

/// A pod and a peer, with two cables between them.
pub struct Lab {
    pub pod: Namespace,
    pub peer: Namespace,
    actor: PathBuf,
}

impl Lab {
    /// Makes both, without any listener.
    pub fn new(resolv_conf: &str) -> Lab {
        isolate(resolv_conf);
        let (pod, peer) = (Namespace::new("pod"), Namespace::new("peer"));
        for (device, addresses) in [
            ("eth0", [(POD_V4, PEER_V4, 24), (POD_V6, PEER_V6, 64)].as_slice()),
            ("net1", [(POD_NET1, PEER_NET1, 24)].as_slice()),
        ] {
            let cable = format!("link add {device} type veth peer name {device} netns {}", peer.name);
            pod.ip(&cable);
            for (ours, theirs, prefix) in addresses {
                let nodad = if ours.contains(':') { " nodad" } else { "" };
                pod.ip(&format!("address add {ours}/{prefix} dev {device}{nodad}"));
                peer.ip(&format!("address add {theirs}/{prefix} dev {device}{nodad}"));
            }
            pod.ip(&format!("link set {device} up"));
            peer.ip(&format!("link set {device} up"));
        }
        pod.ip(&format!("route add default via {PEER_V4}"));
        pod.ip(&format!("-6 route add default via {PEER_V6}"));
        // Other users cannot read the source tree when it is in root's home.
        let actor = PathBuf::from("/run/actor.py");
        std::fs::write(&actor, include_str!("actor.py")).unwrap();
        let lab = Lab { pod, peer, actor };
        lab.wait_for_the_cables();
        lab
    }

    /// The kernel takes a moment to use a new cable, and longer to find a neighbour whom it missed at the first try.
    fn wait_for_the_cables(&self) {
        let ends = [PEER_V4, PEER_V6, PEER_NET1].map(|end| Probe::new(Sender::Pod(0, 0), end, 9, "closed"));
        for _ in 0..30 {
            if self.ask(&ends).iter().all(|answer| answer.who == "closed") {
                return;
            }
        }
        panic!("the cables between the namespaces do not work");
    }

    /// Runs `mesh-intercept init` in the pod.
    pub fn init(&self, arguments: &[&str]) -> Output {
        let mut words = vec![BINARY, "istio-iptables"];
        words.extend_from_slice(arguments);
        self.pod.output(&words)
    }

    /// Starts the proxy, the application, and a peer that answers on every address and port.
    pub fn populate(&mut self) {
        let proxy = both_families(|family, any, loopback| {
            let tcp = |port: u16, name: &str| json!({"family": family, "protocol": "tcp", "address": any, "port": port, "name": name, "transparent": true});
            let dns = |protocol: &str| json!({"family": family, "protocol": protocol, "address": loopback, "port": 15053, "name": "dns"});
            vec![tcp(15001, "outbound"), tcp(15006, "inbound"), dns("tcp"), dns("udp")]
        });
        let app = both_families(|family, any, _| {
            let listener = |port: &u16| json!({"family": family, "protocol": "tcp", "address": any, "port": port, "name": "app"});
            APP_PORTS.iter().map(listener).collect()
        });
        self.serve(PROXY, &proxy);
        self.serve(APP, &app);
        self.populate_outside();
    }

    /// Starts a peer that answers on every address and port.
    pub fn populate_outside(&mut self) {
        let outside = both_families(|family, any, _| {
            let listener = |protocol: &str| json!({"family": family, "protocol": protocol, "address": any, "port": 7, "name": "outside"});
            vec![listener("tcp"), listener("udp")]
        });
        let everything = "table inet everything {\nchain answer {\ntype nat hook prerouting priority -100\n\
                          meta l4proto { tcp, udp } redirect to :7\n}\n}";
        self.peer.text(&["nft", everything]);
        let actor = self.actor.clone();
        self.peer.start(&["/usr/bin/python3", actor.to_str().unwrap(), "serve"], &outside);
    }

    /// The pod has no IPv6 address but its link-local one.
    pub fn without_global_ipv6(self) -> Lab {
        self.pod.ip(&format!("-6 address del {POD_V6}/64 dev eth0"));
        self
    }

    /// The pod's IPv6 address comes, late.
    pub fn add_global_ipv6(&self) {
        self.pod.ip(&format!("-6 address add {POD_V6}/64 dev eth0 nodad"));
        self.pod.ip(&format!("-6 route replace default via {PEER_V6}"));
    }

    /// Starts listeners in the pod, as a user and the group of the same number.
    pub fn serve(&mut self, user: u32, listeners: &str) {
        let user = user.to_string();
        // The owner match looks at the user that made the socket; listening transparently takes NET_ADMIN.
        let caps = "+net_admin,+net_bind_service";
        let actor = self.actor.clone();
        let words = [
            "setpriv",
            // A change of user takes the signal back that `start` asked for.
            "--pdeathsig",
            "KILL",
            "--reuid",
            &user,
            "--regid",
            &user,
            "--clear-groups",
            "--inh-caps",
            caps,
            "--ambient-caps",
            caps,
            "/usr/bin/python3",
            actor.to_str().unwrap(),
            "serve",
        ];
        self.pod.start(&words, listeners);
    }

    /// Sends packets; gives the answers in the same order.
    pub fn ask(&self, probes: &[Probe]) -> Vec<Answer> {
        let mut by_sender: BTreeMap<Sender, Vec<usize>> = BTreeMap::new();
        for (place, probe) in probes.iter().enumerate() {
            by_sender.entry(probe.sender).or_default().push(place);
        }
        let mut answers = vec![Answer::default(); probes.len()];
        for (sender, places) in by_sender {
            let questions: String = places.iter().map(|place| question(&probes[*place])).collect();
            let (namespace, uid, gid) = match sender {
                Sender::Pod(uid, gid) => (&self.pod, uid, gid),
                Sender::Peer => (&self.peer, 0, 0),
            };
            let (uid, gid) = (uid.to_string(), gid.to_string());
            let words = [
                "setpriv",
                "--reuid",
                &uid,
                "--regid",
                &gid,
                "--clear-groups",
                "/usr/bin/python3",
                self.actor.to_str().unwrap(),
                "ask",
            ];
            let mut child =
                namespace.command(&words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            child.stdin.take().unwrap().write_all(questions.as_bytes()).unwrap();
            let output = child.wait_with_output().unwrap();
            let lines = String::from_utf8(output.stdout).unwrap();
            assert_eq!(lines.lines().count(), places.len(), "{lines}");
            for (place, line) in places.into_iter().zip(lines.lines()) {
                let mut parts = line.split('|').map(str::to_owned);
                let mut part = || parts.next().unwrap_or_default();
                answers[place] = Answer { who: part(), original: part(), client: part() };
            }
        }
        answers
    }

    /// Sends packets and compares who answered. A proxy that answers has to know whom the client had dialled.
    pub fn expect(&self, probes: &[Probe]) {
        let answers = self.ask(probes);
        let mut wrong = Vec::new();
        for (probe, answer) in probes.iter().zip(&answers) {
            let dialled = if probe.to.contains(':') {
                // The interface of a link-local address is no part of it.
                let to = probe.to.split('%').next().unwrap_or_default();
                format!("[{to}]:{}", probe.port)
            } else {
                format!("{}:{}", probe.to, probe.port)
            };
            let knows = !matches!(answer.who.as_str(), "outbound" | "inbound") || answer.original == dialled;
            if answer.who != probe.fate || !knows {
                wrong.push(format!("{probe:?}\n    answered by {answer:?}"));
            }
        }
        assert!(
            wrong.is_empty(),
            "{} of {} packets:\n{}\n{}",
            wrong.len(),
            probes.len(),
            wrong.join("\n"),
            self.pod.state()
        );
    }
}

fn question(probe: &Probe) -> String {
    let family = if probe.to.contains(':') { 6 } else { 4 };
    let question = json!({"family": family, "protocol": probe.protocol, "to": probe.to, "port": probe.port, "from": probe.from});
    format!("{question}\n")
}

/// Lines for the actor: what `listeners` gives for the family's number, wildcard and loopback address.
pub fn both_families(listeners: impl Fn(u8, &str, &str) -> Vec<serde_json::Value>) -> String {
    let all = listeners(4, "0.0.0.0", "127.0.0.1").into_iter().chain(listeners(6, "::", "::1"));
    all.map(|listener| format!("{listener}\n")).collect()
}

/// A test for each back end.
#[macro_export]
macro_rules! for_each_back_end {
    ($($name:ident => $scenario:expr;)*) => {
        mod nftables { $(#[test] fn $name() { super::check("nftables", $scenario) })* }
        mod iptables_nft { $(#[test] fn $name() { super::check("iptables-nft", $scenario) })* }
        mod iptables_legacy { $(#[test] fn $name() { super::check("iptables-legacy", $scenario) })* }
    };
}
