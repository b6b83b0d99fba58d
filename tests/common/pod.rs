//! A namespace as a pod has it before its rules, without a peer: for tests that look at the kernel's state.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use super::{BINARY, Namespace, isolate};

pub const BACK_ENDS: [&str; 3] = ["nftables", "iptables-nft", "iptables-legacy"];
pub const TPROXY: [&str; 8] =
    ["-u", "1337", "-m", "TPROXY", "-b", "*", "--redirect-dns=true", "--capture-all-dns"];

/// The command that puts rules in.
pub const INIT: &[&str] = &[BINARY, "init"];
/// The command that removes everything of ours.
pub const CLEANUP: &[&str] = &[BINARY, "cleanup"];
/// Both families, with rules in raw, mangle and nat, and with routes.
pub const EVERYTHING: &[&str] =
    &["--dual-stack", "-u", "1337", "-m", "TPROXY", "-b", "*", "--redirect-dns=true", "--capture-all-dns"];

/// A namespace with both families, as a pod has it before its rules.
pub fn pod() -> Namespace {
    isolate("");
    bare_pod("pod")
}

pub fn bare_pod(role: &str) -> Namespace {
    let pod = Namespace::new(role);
    pod.ip("address add 240.240.240.240/32 dev lo");
    pod.ip("address add fd00:10::2/128 dev lo nodad");
    pod
}

pub fn init(pod: &Namespace, backend: &str, flags: &[&str]) -> Output {
    pod.output(&[&[BINARY, "init", "--backend", backend, "--dual-stack"], flags].concat())
}

/// Two states, with what differs when they do.
#[track_caller]
pub fn assert_same(one: &str, other: &str, context: &str) {
    let lines = |text: &str, against: &str, sign| -> String {
        text.lines()
            .filter(|line| !against.lines().any(|it| it == *line))
            .map(|line| format!("{sign} {line}\n"))
            .collect()
    };
    assert!(one == other, "{context}\n{}{}", lines(other, one, '-'), lines(one, other, '+'));
}

pub fn assert_ok(output: &Output) {
    assert!(output.status.success(), "{}", complaints(output));
}

pub fn complaints(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Puts a program of this name before the others in PATH.
pub fn shadow(program: &str, script: &str) -> String {
    fs::create_dir_all("/run/shadow").unwrap();
    let path = format!("/run/shadow/{program}");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    format!("PATH=/run/shadow:{}", std::env::var("PATH").unwrap())
}

/// Rules, sets and routes that look like ours or mention our chains.
pub fn foreign_rules(pod: &Namespace) {
    let nft = "table inet mesh-intercept2 {\nset s {\ntype ipv4_addr\nelements = { 10.0.0.1 }\n}\nchain c {\n\
               type nat hook output priority -100\nip daddr @s counter accept comment \"ISTIO_OUTPUT\"\n}\n}";
    pod.text(&["nft", nft]);
    for words in [
        "-t nat -N ISTIO_OUTPUTS",
        "-t nat -A OUTPUT -p tcp --dport 9 -j ISTIO_OUTPUTS",
        "-t mangle -A OUTPUT -j MARK --set-mark 7",
        "-t mangle -A OUTPUT -p tcp -m connmark --mark 7 -j CONNMARK --restore-mark",
        "-t nat -A PREROUTING -i eth7 -j RETURN",
        "-t nat -A OUTPUT -m comment --comment ISTIO_OUTPUT -p tcp --dport 10 -j ACCEPT",
        "-t filter -A INPUT -p tcp --dport 11 -j ACCEPT",
    ] {
        for program in ["iptables-legacy", "iptables-nft", "ip6tables-legacy", "ip6tables-nft"] {
            pod.text(&[&[program], &words.split(' ').collect::<Vec<_>>()[..]].concat());
        }
    }
    pod.ip("rule add fwmark 7 lookup 133");
    pod.ip("rule add fwmark 1337 lookup 134");
    pod.ip("-6 rule add from fd00:99::/64 fwmark 1337 lookup 133");
    pod.ip("route add 192.0.2.0/24 dev lo table 133");
}
