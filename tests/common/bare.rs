//! A pod without cables, and the program run in it: for tests that look at the rules and send no packets.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use super::{BINARY, Namespace};

pub const BACK_ENDS: [&str; 3] = ["nftables", "iptables-nft", "iptables-legacy"];
/// The command that puts rules in.
pub const INIT: &[&str] = &[BINARY, "init"];
/// The command that removes everything of ours.
pub const CLEANUP: &[&str] = &[BINARY, "cleanup"];
/// Both families, with rules in raw, mangle and nat, and with routes.
pub const EVERYTHING: &[&str] =
    &["--dual-stack", "-u", "1337", "-m", "TPROXY", "-b", "*", "--redirect-dns=true", "--capture-all-dns"];

/// A namespace with both families, as a pod has it before its rules.
pub fn bare_pod(role: &str) -> Namespace {
    let pod = Namespace::new(role);
    pod.ip("address add 240.240.240.240/32 dev lo");
    pod.ip("address add fd00:10::2/128 dev lo nodad");
    pod
}

/// Puts a program of this name before the others in PATH; gives the setting for `env`.
pub fn shadow(program: &str, script: &str) -> String {
    fs::create_dir_all("/run/shadow").unwrap();
    let path = format!("/run/shadow/{program}");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    format!("PATH=/run/shadow:{}", std::env::var("PATH").unwrap())
}

#[track_caller]
pub fn assert_ok(output: &Output) {
    assert!(output.status.success(), "{}", complaints(output));
}

pub fn complaints(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
