//! A load of new connections into and out of the pod, and who answered them.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use serde_json::json;

use super::{APP, Lab, Namespace, PROXY};

const PROGRAM: &str = "/run/load.py";
const PORT: u16 = 80;

/// How often who answered: by the address that was dialled and the name of the listener.
pub type Answers = BTreeMap<String, u64>;

/// Clients in the pod and in the peer that dial until they are stopped.
pub struct Load {
    clients: Vec<Client>,
}

struct Client {
    process: Child,
    /// It dials until this is closed.
    stdin: Option<ChildStdin>,
    answers: Arc<Mutex<Answers>>,
    reader: Option<JoinHandle<()>>,
}

impl Load {
    /// Starts the proxy, the application, and a peer that answers on every address; then the clients: the application
    /// dials `outward`, the peer dials `inward`.
    pub fn start(lab: &mut Lab, outward: &[&str], inward: &[&str]) -> Load {
        std::fs::write(PROGRAM, include_str!("load.py")).unwrap();
        lab.peer.text(&[
            "nft",
            "table inet everything {\nchain answer {\ntype nat hook prerouting priority -100\n\
             meta l4proto tcp redirect to :7\n}\n}",
        ]);
        for namespace in [&lab.pod, &lab.peer] {
            namespace.text(&["sysctl", "-q", "net.netfilter.nf_conntrack_tcp_timeout_close=1"]);
        }
        let proxy = listener("outbound", 15001, true) + &listener("inbound", 15006, true);
        serve(&mut lab.pod, PROXY, &proxy);
        serve(&mut lab.pod, APP, &listener("app", PORT, false));
        serve(&mut lab.peer, 0, &listener("outside", 7, false));
        Load { clients: vec![Client::start(&lab.pod, APP, outward), Client::start(&lab.peer, 0, inward)] }
    }

    /// How many connections there were, in the direction with fewer of them.
    pub fn fewest(&self) -> u64 {
        self.clients.iter().map(|client| client.answers().values().sum()).min().unwrap_or_default()
    }

    /// Who answered so far.
    pub fn answers(&self) -> Answers {
        self.clients.iter().flat_map(Client::answers).collect()
    }

    /// Waits for the connections that are open, and gives all answers.
    pub fn stop(mut self) -> Answers {
        for client in &mut self.clients {
            drop(client.stdin.take());
            client.reader.take().unwrap().join().unwrap();
            assert!(client.process.wait().unwrap().success());
        }
        self.answers()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for client in &mut self.clients {
            let _ = client.process.kill();
            let _ = client.process.wait();
        }
    }
}

impl Client {
    fn start(namespace: &Namespace, user: u32, addresses: &[&str]) -> Client {
        let port = PORT.to_string();
        let user = user.to_string();
        let program = ["/usr/bin/python3", PROGRAM, "connect", &port];
        let words = [&as_user(&user)[..], &program, addresses].concat();
        let mut process =
            namespace.command(&words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let answers = Arc::new(Mutex::new(Answers::new()));
        let (lines, latest) = (BufReader::new(process.stdout.take().unwrap()).lines(), answers.clone());
        let reader = std::thread::spawn(move || {
            for line in lines {
                *latest.lock().unwrap() = serde_json::from_str(&line.unwrap()).unwrap();
            }
        });
        Client { stdin: process.stdin.take(), process, answers, reader: Some(reader) }
    }

    fn answers(&self) -> Answers {
        self.answers.lock().unwrap().clone()
    }
}

/// How many segments TCP has sent again in a namespace, the first of a connection and others.
pub fn sent_again(namespace: &Namespace) -> BTreeMap<String, u64> {
    let text = namespace.text(&["cat", "/proc/net/snmp", "/proc/net/netstat"]);
    let lines: Vec<&str> = text.lines().collect();
    // A line of names, then a line of values.
    let pairs = lines.chunks(2).flat_map(|pair| pair[0].split(' ').zip(pair[1].split(' ')));
    let wanted = pairs.filter(|(name, _)| ["RetransSegs", "TCPSynRetrans"].contains(name));
    wanted.map(|(name, value)| (name.to_owned(), value.parse().unwrap())).collect()
}

fn listener(name: &str, port: u16, transparent: bool) -> String {
    let lines = ["0.0.0.0", "::"]
        .map(|address| json!({"address": address, "port": port, "name": name, "transparent": transparent}));
    lines.map(|line| format!("{line}\n")).concat()
}

fn serve(namespace: &mut Namespace, user: u32, listeners: &str) {
    let user = user.to_string();
    let words = [&as_user(&user)[..], &["/usr/bin/python3", PROGRAM, "serve"]].concat();
    namespace.start(&words, listeners);
}

/// The owner match looks at the user that made the socket; listening transparently takes NET_ADMIN.
fn as_user(user: &str) -> [&str; 12] {
    let caps = "+net_admin,+net_bind_service";
    [
        "setpriv",
        "--pdeathsig",
        "KILL",
        "--reuid",
        user,
        "--regid",
        user,
        "--clear-groups",
        "--inh-caps",
        caps,
        "--ambient-caps",
        caps,
    ]
}
