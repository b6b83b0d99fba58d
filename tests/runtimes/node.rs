//! The node: mount, network and process namespaces that end with the test.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

use super::everything;

/// The first process of the node. Everything in the node is killed when it ends, and it ends with its standard input:
/// at the latest when the test's process is gone. It is bash because it has to reap whatever is left to it.
///
/// Runtimes keep files in /run, /var/lib and /dev/shm, whatever they are told. Some machines' cgroups cannot be
/// written, or are a mixture that runtimes refuse: the node has none.
const FIRST: &str = "set -e
    read -r outer _ < /proc/self/stat
    mount --make-rprivate /
    mount -t proc proc /proc
    for folder in /run /var/lib /dev/shm; do mount -t tmpfs tmpfs $folder; done
    umount -R /sys/fs/cgroup 2>/dev/null || true
    mount -t tmpfs tmpfs /sys/fs/cgroup
    ip link set lo up
    echo $outer
    read -r _ || true";

/// A node without any runtime yet.
pub struct Node {
    /// What stands in here sees the node and the test.
    folder: TempDir,
    /// `unshare`, which waits for the first process.
    parent: Child,
    /// The first process, as the machine counts.
    first: String,
}

impl Node {
    /// Makes one.
    pub fn start() -> Node {
        let folder = tempfile::Builder::new().prefix("mesh-intercept-").tempdir().unwrap();
        // Pods' users run programs in here.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), mode).unwrap();
        let mut parent = Command::new("unshare")
            .args(["--mount", "--net", "--pid", "--fork", "--kill-child=KILL", "bash", "-c", FIRST])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare comes with util-linux");
        let mut first = String::new();
        BufReader::new(parent.stdout.as_mut().unwrap()).read_line(&mut first).unwrap();
        let first = first.trim().to_owned();
        assert!(!first.is_empty(), "no namespaces for a node: run this as root");
        Node { folder, parent, first }
    }

    /// The test's folder, or a path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The same as text.
    pub fn name(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// A command on the node.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.first, "--mount", "--net", "--pid", "--"]).args(words);
        command.env("TMPDIR", self.folder.path()).stdin(Stdio::null());
        command
    }

    /// A command in a pod's network, of a user of the machine. It ends when the command that stands for it here does.
    pub fn command_in(&self, network: &str, user: u32, words: &[&str]) -> Command {
        let (network, user) = (format!("--net={network}"), user.to_string());
        let who = ["setpriv", "--pdeathsig", "KILL", "--reuid", &user, "--regid", &user, "--clear-groups"];
        self.command(&[&["nsenter", &network], &who[..], words].concat())
    }

    /// What a command on the node prints.
    pub fn output(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// The same; it has to succeed.
    #[track_caller]
    pub fn text(&self, words: &[&str]) -> String {
        text(&mut self.command(words))
    }

    /// The rules and routes of a pod.
    pub fn rules(&self, network: &str) -> String {
        let listing = "nft -s list ruleset; ip rule; ip -6 rule";
        text(&mut self.command_in(network, 0, &["sh", "-c", listing]))
    }

    /// What pods have on this node, or have left behind: network namespaces, cables, leased addresses.
    pub fn networks(&self) -> Networks {
        let files = |folder: &Path| -> Vec<String> {
            let listing = self.output(&["ls", folder.to_str().unwrap()]);
            String::from_utf8(listing.stdout).unwrap().lines().map(str::to_owned).collect()
        };
        let is_address = |name: &String| name.parse::<std::net::IpAddr>().is_ok();
        let links = self.text(&["ip", "-o", "link", "show", "type", "veth"]);
        Networks {
            namespaces: files(Path::new("/run/netns")),
            cables: links.lines().map(str::to_owned).collect(),
            leases: files(&self.path("leases/mesh")).into_iter().filter(is_address).collect(),
        }
    }
}

/// What pods have on a node.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Networks {
    pub namespaces: Vec<String>,
    pub cables: Vec<String>,
    pub leases: Vec<String>,
}

/// What a command prints; it has to succeed.
#[track_caller]
pub fn text(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", everything(&output));
    String::from_utf8(output.stdout).unwrap()
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.parent.stdin.take());
        let _ = self.parent.wait();
    }
}
