//! Validation as istio-validation runs it: the proxy's user, no capabilities, rules that somebody else has applied.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use common::{BINARY, INJECTED, Lab};

const VALIDATE: [&str; 4] = ["--skip-rule-apply", "--run-validation", "--probe-timeout", "700ms"];

fn lab() -> Lab {
    let lab = Lab::new("");
    fs::copy(BINARY, "/run/mesh-intercept").unwrap();
    fs::set_permissions("/run/mesh-intercept", fs::Permissions::from_mode(0o755)).unwrap();
    lab
}

fn validate(lab: &Lab, user: &str, flags: &[&str]) -> Output {
    let unprivileged =
        ["setpriv", "--reuid", user, "--regid", user, "--clear-groups", "--bounding-set", "-all"];
    let command = ["/run/mesh-intercept", "istio-iptables"];
    lab.pod.output(&[&unprivileged[..], &command, &INJECTED, &VALIDATE, flags].concat())
}

fn complaints(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn rules_that_work_are_proven_for_both_families() {
    for backend in ["nftables", "iptables-nft", "iptables-legacy"] {
        for mode in ["REDIRECT", "TPROXY"] {
            let lab = lab();
            let flags = ["--dual-stack", "-m", mode];
            let applied = lab.init(&[&["--backend", backend][..], &INJECTED, &flags].concat());
            assert!(applied.status.success(), "{}", complaints(&applied));
            let output = validate(&lab, "1337", &flags);
            assert!(output.status.success(), "{backend} {mode}: {}", complaints(&output));
        }
    }
}

#[test]
fn rules_that_are_missing_are_exit_code_126() {
    let lab = lab();
    let output = validate(&lab, "1337", &[]);
    assert_eq!(output.status.code(), Some(126), "{}", complaints(&output));
    assert!(complaints(&output).contains("IPv4 is not redirected"), "{}", complaints(&output));
}

#[test]
fn a_family_without_rules_fails_although_the_other_works() {
    let lab = lab();
    assert!(lab.init(&INJECTED).status.success());
    let output = validate(&lab, "1337", &["--dual-stack"]);
    assert_eq!(output.status.code(), Some(126), "{}", complaints(&output));
    assert!(complaints(&output).contains("IPv6 is not redirected"), "{}", complaints(&output));
    assert!(!complaints(&output).contains("IPv4 is not redirected"), "{}", complaints(&output));
}

#[test]
fn rules_that_come_late_are_waited_for() {
    let lab = lab();
    let unprivileged =
        ["setpriv", "--reuid", "1337", "--regid", "1337", "--clear-groups", "/run/mesh-intercept", "init"];
    let patient = ["--skip-rule-apply", "--run-validation", "--probe-timeout", "30s"];
    let validator = lab.pod.command(&[&unprivileged[..], &INJECTED, &patient].concat()).spawn().unwrap();
    assert!(lab.init(&INJECTED).status.success());
    assert!(validator.wait_with_output().unwrap().status.success());
}

#[test]
fn another_user_or_a_port_that_is_taken_is_said_to_be_the_reason() {
    let mut lab = lab();
    let output = validate(&lab, "1000", &[]);
    assert_eq!(output.status.code(), Some(2), "{}", complaints(&output));
    assert!(complaints(&output).contains("runAsUser"), "{}", complaints(&output));
    lab.populate();
    let output = validate(&lab, "1337", &[]);
    assert_eq!(output.status.code(), Some(2), "{}", complaints(&output));
    assert!(complaints(&output).contains("before the proxy"), "{}", complaints(&output));
}
