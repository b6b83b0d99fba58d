//! Who plays in a pod: the proxy's listeners, the application's, and clients.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use super::node::Node;
use super::{APP, PROXY};

/// The proxy and the application of a pod. Each answers `NAME|whom the client dialled|the client`.
pub struct Actors {
    processes: Vec<Child>,
}

impl Actors {
    /// Starts the proxy's two listeners and the application on these ports.
    pub fn start(node: &Node, network: &str, ports: &[u16]) -> Actors {
        let app: Vec<Value> = ports.iter().map(|port| listener("app", *port)).collect();
        let proxy = [listener("outbound", 15001), listener("inbound", 15006)];
        Actors { processes: vec![serve(node, network, PROXY, &proxy), serve(node, network, APP, &app)] }
    }
}

impl Drop for Actors {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// Who answers this user in that network, who may also be the node's own.
pub fn ask(node: &Node, network: &str, user: u32, address: &str, port: u16) -> String {
    let question =
        json!({"family": 4, "protocol": "tcp", "to": address, "port": port, "from": null}).to_string();
    let script = actor(node);
    let mut process = node
        .command_in(network, user, &["/usr/bin/python3", &script, "ask"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    process.stdin.take().unwrap().write_all(question.as_bytes()).unwrap();
    String::from_utf8(process.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
}

fn listener(name: &str, port: u16) -> Value {
    json!({"family": 4, "protocol": "tcp", "address": "0.0.0.0", "port": port, "name": name})
}

/// Starts listeners of one user, and waits until they listen.
fn serve(node: &Node, network: &str, user: u32, listeners: &[Value]) -> Child {
    let script = actor(node);
    let mut process = node
        .command_in(network, user, &["/usr/bin/python3", &script, "serve"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines: String = listeners.iter().map(|listener| format!("{listener}\n")).collect();
    process.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "ready", "{listeners:?}");
    process
}

fn actor(node: &Node) -> String {
    // Other users cannot read the source tree when it is in root's home.
    let path = node.path("actor.py");
    if !path.exists() {
        std::fs::write(&path, include_str!("../common/actor.py")).unwrap();
    }
    path.to_str().unwrap().to_owned()
}
