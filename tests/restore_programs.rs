//! The programs of iptables may be missing or fail: then everything is as it was, and the message says why.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod common;

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Output;

use common::pod::{CLEANUP, EVERYTHING, INIT, assert_ok, bare_pod, complaints, shadow};
use common::snapshot::Snapshot;
use common::{Namespace, isolate};

const VARIANTS: [&str; 2] = ["iptables-nft", "iptables-legacy"];
const OTHER_RULES: &[&str] = &["-d", "9000,9100", "-c", "eth9", "--reconcile"];
/// What a program does when it fails; REAL is the program itself.
const FAILURES: [&str; 3] = [
    "echo 'line 2 failed' >&2; exit 1",
    // The first table goes in, the others do not.
    "sed '/^COMMIT/q' | REAL \"$@\"; exit 1",
    "kill -KILL $$",
];

/// The programs of a back end, IPv4 first.
fn programs(backend: &str, verb: &str) -> [String; 2] {
    ["iptables", "ip6tables"].map(|family| format!("{family}-{}-{verb}", &backend[9..]))
}

/// A program that fails the first time, and does its work from then on: undoing takes it again.
fn fails_once(program: &str, failure: &str) -> String {
    let real = format!("/usr/sbin/{program}");
    let failure = failure.replace("REAL", &real);
    shadow(program, &format!("[ -e /run/failed ] && exec {real} \"$@\"; touch /run/failed; {failure}"))
}

/// Gives the program back.
fn mend(program: &str) {
    fs::remove_file(format!("/run/shadow/{program}")).unwrap();
    let _ = fs::remove_file("/run/failed");
}

/// A directory with all programs but one.
fn path_without(backend: &str, missing: &str) -> String {
    fs::create_dir_all("/run/some").unwrap();
    for program in [programs(backend, "save"), programs(backend, "restore")].concat() {
        let link = format!("/run/some/{program}");
        let _ = fs::remove_file(&link);
        if program != missing {
            symlink(format!("/usr/sbin/{program}"), link).unwrap();
        }
    }
    "PATH=/run/some".to_owned()
}

fn run(pod: &Namespace, path: &str, command: &[&str], backend: &str, more: &[&str]) -> Output {
    pod.output(&[&["/usr/bin/env", path], command, &["--backend", backend], EVERYTHING, more].concat())
}

/// Runs `init` with a program that fails or is missing: everything has to be as it was.
#[track_caller]
fn assert_untouched(pod: &Namespace, path: &str, backend: &str, flags: &[&str], code: i32, said: &str) {
    let before = Snapshot::take(pod, backend);
    let output = run(pod, path, INIT, backend, flags);
    assert_eq!(output.status.code(), Some(code), "{path} {flags:?}: {}", complaints(&output));
    assert!(complaints(&output).contains(said), "{said}: {}", complaints(&output));
    let difference = Snapshot::take(pod, backend).difference(&before);
    assert_eq!(difference, None, "{said} {flags:?}: {}", complaints(&output));
}

#[test]
fn a_first_apply_and_a_replacement_are_undone_when_a_program_fails() {
    for backend in VARIANTS {
        for (number, failure) in FAILURES.into_iter().enumerate() {
            isolate("");
            let (empty, full) = (bare_pod("empty"), bare_pod("full"));
            assert_ok(&run(&full, "NOTHING=", INIT, backend, &[]));
            for program in programs(backend, "restore") {
                let path = fails_once(&program, failure);
                assert_untouched(&empty, &path, backend, &[], 3, &program);
                fs::remove_file("/run/failed").unwrap();
                assert_untouched(&full, &path, backend, OTHER_RULES, 3, &program);
                mend(&program);
            }
            // With everything in order, the next run goes through.
            assert_ok(&run(&empty, "NOTHING=", INIT, backend, OTHER_RULES));
            assert_ok(&run(&full, "NOTHING=", INIT, backend, OTHER_RULES));
            let (one, other) = (Snapshot::take(&empty, backend), Snapshot::take(&full, backend));
            assert_eq!(one.difference(&other), None, "{backend}, failure {number}");
        }
    }
}

#[test]
fn a_missing_program_is_named_and_nothing_is_touched() {
    for backend in VARIANTS {
        isolate("");
        let (empty, full) = (bare_pod("empty"), bare_pod("full"));
        assert_ok(&run(&full, "NOTHING=", INIT, backend, &[]));
        for program in programs(backend, "restore") {
            let path = path_without(backend, &program);
            assert_untouched(&empty, &path, backend, &[], 2, &program);
            assert_untouched(&full, &path, backend, OTHER_RULES, 2, &program);
        }
    }
}

#[test]
fn rules_do_not_move_where_the_old_ones_would_stay() {
    for backend in VARIANTS {
        isolate("");
        let pod = bare_pod("pod");
        assert_ok(&run(&pod, "NOTHING=", INIT, backend, &[]));
        for program in [programs(backend, "save"), programs(backend, "restore")].concat() {
            let path = path_without(backend, &program);
            let before = pod.state();
            let output = run(&pod, &path, INIT, "nftables", &["--migrate"]);
            assert_eq!(output.status.code(), Some(2), "{}", complaints(&output));
            assert!(complaints(&output).contains(&program), "{}", complaints(&output));
            assert_eq!(pod.state(), before, "{program}");
        }
        assert_ok(&run(&pod, "NOTHING=", INIT, "nftables", &["--migrate"]));
    }
}

#[test]
fn rules_that_cannot_be_read_are_not_replaced() {
    for backend in VARIANTS {
        isolate("");
        let full = bare_pod("full");
        assert_ok(&run(&full, "NOTHING=", INIT, backend, &[]));
        for program in programs(backend, "save") {
            let path = shadow(&program, "echo broken >&2; exit 1");
            assert_untouched(&full, &path, backend, OTHER_RULES, 3, &program);
            fs::remove_file(format!("/run/shadow/{program}")).unwrap();
        }
    }
}

#[test]
fn a_cleanup_that_fails_says_so_and_the_next_one_ends_it() {
    for backend in VARIANTS {
        for failure in FAILURES {
            for program in programs(backend, "restore") {
                isolate("");
                let pod = bare_pod("pod");
                let before = Snapshot::take(&pod, backend);
                assert_ok(&run(&pod, "NOTHING=", INIT, backend, &[]));
                let output = run(&pod, &fails_once(&program, failure), CLEANUP, backend, &[]);
                assert_eq!(output.status.code(), Some(3), "{failure}: {}", complaints(&output));
                assert!(complaints(&output).contains(&program), "{}", complaints(&output));
                mend(&program);
                assert_ok(&run(&pod, "NOTHING=", CLEANUP, backend, &[]));
                assert_eq!(Snapshot::take(&pod, backend).difference(&before), None, "{backend}: {failure}");
            }
        }
    }
}
