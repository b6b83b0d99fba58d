//! The programs of iptables may be missing or fail: then everything is as it was, and the message says why.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Output;

use common::bare::{CLEANUP, EVERYTHING, INIT, assert_ok, bare_pod, complaints, shadow};
use common::snapshot::Snapshot;
use common::{Namespace, isolate};

const VARIANTS: [&str; 2] = ["iptables-nft", "iptables-legacy"];
const OTHER_RULES: &[&str] = &["-d", "9000,9100", "-c", "eth9", "--reconcile"];

/// The programs of a back end, IPv4 first.
fn programs(backend: &str, verb: &str) -> [String; 2] {
    ["iptables", "ip6tables"].map(|family| format!("{family}-{}-{verb}", &backend[9..]))
}

fn run(pod: &Namespace, path: &str, command: &[&str], backend: &str, more: &[&str]) -> Output {
    pod.output(&[&["env", path], command, &["--backend", backend], EVERYTHING, more].concat())
}

/// A program that does this the first time, and its work from then on: whoever undoes something uses it again.
fn fails_once(program: &str, script: &str) -> String {
    shadow(program, &format!("[ -e /run/failed ] && exec {program} \"$@\"; touch /run/failed\n{script}"))
        .replace("/run/shadow:", "/run/shadow:")
}

/// Runs a command with a program that fails; everything has to be as it was, and the next run goes through.
#[track_caller]
fn assert_undone(pod: &Namespace, backend: &str, path: &str, command: &[&str], flags: &[&str], said: &str) {
    let before = Snapshot::take(pod, backend);
    let output = run(pod, path, command, backend, flags);
    assert_eq!(output.status.code(), Some(3), "{}", complaints(&output));
    assert!(complaints(&output).contains(said), "{said}: {}", complaints(&output));
    assert_eq!(Snapshot::take(pod, backend).difference(&before), None, "{}", complaints(&output));
    let _ = fs::remove_dir_all("/run/shadow");
    let _ = fs::remove_file("/run/failed");
    assert_ok(&run(pod, path, command, backend, flags));
}
