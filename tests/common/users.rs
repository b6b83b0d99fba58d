//! A pod with users of its own, as with `hostUsers: false`.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

/// A network namespace that belongs to a user namespace in which 0 to 65535 are other users of the node.
pub struct UserNamespace {
    holder: Child,
}

impl UserNamespace {
    /// One with an interface and a route to nowhere.
    pub fn new() -> UserNamespace {
        let mut holder = Command::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "unshare",
                "--user",
                "--net",
                "sh",
                "-c",
                "echo ready; exec sleep 1000",
            ])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        for map in ["uid_map", "gid_map"] {
            std::fs::write(format!("/proc/{}/{map}", holder.id()), "0 100000 65536\n").unwrap();
        }
        let namespace = UserNamespace { holder };
        let network = "ip link set lo up && ip link add eth0 type veth peer name eth1 && ip link set eth0 up && \
                       ip link set eth1 up && ip address add 10.0.0.2/24 dev eth0 && ip route add default dev eth0";
        assert!(namespace.inside(&["sh", "-c", network]).status.success());
        namespace
    }

    /// The file that stands for its network.
    pub fn network(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/net", self.holder.id()))
    }

    /// What a command of its root prints.
    pub fn inside(&self, words: &[&str]) -> Output {
        let pid = self.holder.id().to_string();
        let enter = ["--target", &pid, "--user", "--net", "--setuid=0", "--setgid=0"];
        Command::new("nsenter").args(enter).args(words).output().unwrap()
    }
}

impl Drop for UserNamespace {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
