//! The container runtime interface of Kubernetes, as far as sandboxes go: what kubelet says to a runtime.
//!
//! Calls are gRPC over a Unix socket. curl speaks its HTTP/2, and the few messages (`k8s.io/cri-api`, runtime.v1) are
//! written here field by field: a client library would be the largest thing in these tests.

use std::io::Write;
use std::process::Stdio;

use super::node::Node;
use super::{NAMESPACE, everything, uid_of};

/// A sandbox to be made. Its network is its own, as are its processes.
pub struct Sandbox<'a> {
    pub name: &'a str,
    pub annotations: &'a [(&'a str, &'a str)],
    pub uses_host_network: bool,
}

impl Sandbox<'_> {
    /// `RunPodSandboxRequest`.
    fn request(&self) -> Message {
        // PodSandboxMetadata: name, uid, namespace.
        let metadata = Message::default().text(1, self.name).text(2, &uid_of(self.name)).text(3, NAMESPACE);
        // LinuxPodSandboxConfig, in it LinuxSandboxSecurityContext, in it NamespaceOption: network, where NODE is 2.
        let network = if self.uses_host_network { 2 } else { 0 };
        let options = Message::default().number(1, network);
        let linux = Message::default().message(2, Message::default().message(1, options));
        // PodSandboxConfig: metadata, hostname (its own only with a network of its own), annotations, linux.
        let hostname = if self.uses_host_network { "" } else { self.name };
        let mut config = Message::default().message(1, metadata).text(2, hostname);
        for (key, value) in self.annotations {
            config = config.message(7, Message::default().text(1, key).text(2, value));
        }
        Message::default().message(1, config.message(8, linux))
    }
}

/// A client of a runtime.
pub struct Cri<'a> {
    pub node: &'a Node,
    pub socket: String,
}

impl Cri<'_> {
    /// Makes a sandbox and gives its id, or what the runtime says against it.
    pub fn run(&self, sandbox: &Sandbox<'_>) -> Result<String, String> {
        let response = self.call("RunPodSandbox", sandbox.request())?;
        // RunPodSandboxResponse has one field, the id: its tag, its length, and it.
        Ok(String::from_utf8(response[2..].to_vec()).unwrap())
    }

    /// Stops a sandbox, which takes its network away; as often as one likes.
    pub fn stop(&self, id: &str) -> Result<(), String> {
        self.call("StopPodSandbox", Message::default().text(1, id)).map(drop)
    }

    /// Removes a sandbox.
    pub fn remove(&self, id: &str) -> Result<(), String> {
        self.call("RemovePodSandbox", Message::default().text(1, id)).map(drop)
    }

    /// Does it answer at all?
    pub fn is_ready(&self) -> bool {
        self.call("Version", Message::default()).is_ok()
    }

    fn call(&self, method: &str, request: Message) -> Result<Vec<u8>, String> {
        let url = format!("http://localhost/runtime.v1.RuntimeService/{method}");
        let mut words =
            vec!["curl", "--silent", "--show-error", "--max-time", "120", "--http2-prior-knowledge"];
        words.extend(["--unix-socket", &self.socket, "--header", "content-type: application/grpc"]);
        // Trailers go where headers go.
        words.extend([
            "--header",
            "te: trailers",
            "--dump-header",
            "/dev/stderr",
            "--data-binary",
            "@-",
            &url,
        ]);
        let mut command = self.node.command(&words);
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        process.stdin.take().unwrap().write_all(&framed(&request.bytes)).unwrap();
        let output = process.wait_with_output().unwrap();
        let headers = String::from_utf8_lossy(&output.stderr);
        let header = |name| headers.lines().find_map(|line| line.strip_prefix(name));
        match header("grpc-status: ").map(str::trim) {
            Some("0") => Ok(output.stdout[FRAME..].to_vec()),
            Some(_) => Err(header("grpc-message: ").unwrap_or_default().trim().to_owned()),
            None => Err(everything(&output)),
        }
    }
}

/// The bytes before a message: a flag (compressed or not) and its length.
const FRAME: usize = 5;

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0], &length[..], message].concat()
}

/// A message of protocol buffers.
#[derive(Default)]
struct Message {
    bytes: Vec<u8>,
}

impl Message {
    fn number(mut self, field: u64, value: u64) -> Message {
        self.varint(field << 3);
        self.varint(value);
        self
    }

    fn text(self, field: u64, text: &str) -> Message {
        self.counted(field, text.as_bytes())
    }

    fn message(self, field: u64, message: Message) -> Message {
        self.counted(field, &message.bytes)
    }

    fn counted(mut self, field: u64, bytes: &[u8]) -> Message {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.bytes.extend(bytes);
        self
    }

    /// Seven bits a byte, the lowest first; the eighth says that more follow.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }
}
