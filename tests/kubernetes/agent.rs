//! The real agent, against the API server of a test.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{ApiServer, Port, kubeconfig};

/// For whatever has to happen at some time.
pub const DEADLINE: Duration = Duration::from_secs(60);
pub const NODE: &str = "node-1";

/// The network configuration that the agent finds.
pub const NETWORK: &str = "{\n  \"cniVersion\": \"1.0.0\",\n  \"name\": \"net\",\n  \"plugins\": [\n    {\"type\": \"bridge\"}\n  ]\n}\n";

/// An agent, ended with the test.
pub struct Agent {
    pub child: Child,
    pub folder: TempDir,
    pub health: Port,
    pub monitoring: Port,
}

pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < DEADLINE, "in vain: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

impl Agent {
    pub fn start(server: &ApiServer) -> Agent {
        Agent::start_in(tempfile::tempdir().unwrap(), server)
    }

    pub fn start_in(folder: TempDir, server: &ApiServer) -> Agent {
        Agent::start_with(folder, server, &[])
    }

    pub fn start_with(folder: TempDir, server: &ApiServer, more: &[String]) -> Agent {
        Agent::at(folder, server.port(), more)
    }

    /// An agent whose API server is on this port.
    pub fn at(folder: TempDir, server: &Port, more: &[String]) -> Agent {
        let (health, monitoring) = (Port::reserve(), Port::reserve());
        // A node on which another plugin makes the network.
        let (net, bin) = (folder.path().join("net.d"), folder.path().join("bin"));
        for folder in [&net, &bin] {
            fs::create_dir_all(folder).unwrap();
        }
        if !net.join("10-net.conflist").exists() {
            fs::write(net.join("10-net.conflist"), NETWORK).unwrap();
        }
        let child = Command::new(env!("CARGO_BIN_EXE_mesh-intercept-agent"))
            .args(["--node-name", NODE, "--listen-address", "127.0.0.1", "--log-level", "debug"])
            .arg("--kubeconfig")
            .arg(kubeconfig(server, folder.path()))
            .arg("--cni-agent-run-dir")
            .arg(folder.path().join("run"))
            .args([
                format!("--health-port={}", health.number),
                format!("--monitoring-port={}", monitoring.number),
            ])
            .arg("--plugin-program=/bin/true")
            .arg(format!("--mounted-cni-net-dir={}", net.display()))
            .arg(format!("--mounted-cni-bin-dir={}", bin.display()))
            .args(more)
            .stderr(File::options().create(true).append(true).open(folder.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        let agent = Agent { child, folder, health, monitoring };
        wait_until("the agent listens", || {
            UnixStream::connect(agent.socket()).is_ok() && TcpStream::connect(agent.health.address()).is_ok()
        });
        agent
    }

    /// Waits until it has read the pods and follows them.
    pub fn following(server: &ApiServer) -> Agent {
        let agent = Agent::start(server);
        wait_until("the agent is ready", || agent.is_ready() && server.watches() > 0);
        agent
    }

    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("run/mesh-intercept-agent.sock")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    pub fn raw(&self, question: &[u8]) -> Value {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        // It may answer and hang up before it has read all of a question that is too long.
        let _ = stream.write_all(question);
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    pub fn ask(&self, question: &Value) -> Value {
        self.raw(format!("{question}\n").as_bytes())
    }

    pub fn pod(&self, name: &str, uid: &str, wait_ms: u64) -> Value {
        self.ask(&json!({
            "version": 1, "request": "pod", "namespace": "shop", "name": name, "uid": uid, "wait_ms": wait_ms,
        }))
    }

    /// Is this pod known now?
    pub fn knows(&self, name: &str, uid: &str) -> bool {
        self.pod(name, uid, 0)["pod"]["uid"] == uid
    }

    pub fn refusal(&self, name: &str, uid: &str) -> String {
        self.pod(name, uid, 0)["error"]["code"].as_str().unwrap_or_default().to_owned()
    }

    pub fn get(&self, port: &Port, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(port.address()).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let status = text.split(' ').nth(1).unwrap().parse().unwrap();
        (status, text.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    pub fn is_ready(&self) -> bool {
        self.get(&self.health, "/readyz").0 == 200
    }

    pub fn metric(&self, line: &str) -> bool {
        self.get(&self.monitoring, "/metrics").1.lines().any(|it| it == line)
    }

    /// The most memory that the agent has had, in KiB.
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim_end_matches("kB").trim().parse().unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- log of the agent ---\n{}", self.log());
        }
    }
}
