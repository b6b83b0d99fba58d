//! The lock of a pod's namespace: who can hold up a run, and who cannot.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod common;

use common::pod::{BACK_ENDS, CLEANUP, INIT, assert_ok, bare_pod, complaints, pod};
use common::users::UserNamespace;
use common::{BINARY, Namespace, holders, isolate};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The exit code of a run that another one keeps from working.
const CONFLICT: i32 = 4;

/// The processes in a namespace.
fn processes(pod: &Namespace) -> Vec<Pid> {
    pod.processes().split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap())).collect()
}

#[test]
fn a_user_of_the_pod_holds_up_no_run() {
    // A lock of the file that stands for a namespace is had by whoever can open it, and every process of the pod can.
    isolate("");
    for backend in BACK_ENDS {
        let mut pod = bare_pod(backend);
        holders::start_user(&mut pod);
        assert_ok(&pod.output(&[INIT, &["--backend", backend]].concat()));
        assert!(pod.state().contains("15006"));
        assert_ok(&pod.output(&[CLEANUP, &["--backend", backend]].concat()));
        assert!(!pod.state().contains("15006"));
    }
}

#[test]
fn a_user_of_a_pod_with_users_of_its_own_holds_up_no_run() {
    isolate("");
    let pod = UserNamespace::new();
    // Others cannot run programs in root's home.
    std::fs::copy(BINARY, "/run/mesh-intercept").unwrap();
    let script = "mkfifo /run/ready; \"$@\" >/run/ready & read ready </run/ready && /run/mesh-intercept init; code=$?; kill $!; \
                  exit $code";
    let hold = ["sh", "-c", script, "sh"];
    let output = pod.inside(&[&hold[..], &holders::USER].concat());
    assert_ok(&output);
    let rules = pod.inside(&["nft", "list", "ruleset"]);
    assert!(String::from_utf8_lossy(&rules.stdout).contains("15006"), "{rules:?}");
}

#[test]
fn who_may_change_the_rules_may_hold_them_and_is_named() {
    let mut pod = pod();
    holders::start_root(&mut pod);
    let holder = processes(&pod)[0];
    let before = pod.state();
    let output = pod.output(&[BINARY, "init"]);
    assert_eq!(output.status.code(), Some(CONFLICT), "{}", complaints(&output));
    let expected = format!(
        "the process with netlink port {holder} (usually its PID) has held the lock of this network namespace for 10 seconds"
    );
    assert!(complaints(&output).contains(&expected), "{}", complaints(&output));
    assert_eq!(pod.state(), before);
    // However it ends, the lock ends with it.
    kill(holder, Signal::SIGKILL).unwrap();
    assert_ok(&pod.output(&[BINARY, "init"]));
}

#[test]
fn a_run_that_waits_goes_on_as_soon_as_the_lock_is_free() {
    let mut pod = pod();
    holders::start_root(&mut pod);
    let holder = processes(&pod)[0];
    let run = pod.command(&[BINARY, "init"]).stderr(std::process::Stdio::piped()).spawn().unwrap();
    while processes(&pod).len() < 2 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    kill(holder, Signal::SIGKILL).unwrap();
    assert_ok(&run.wait_with_output().unwrap());
}

#[test]
fn without_the_privilege_it_is_the_privilege_that_is_missed() {
    let mut pod = pod();
    // Whether the lock is held or not: the kernel answers both with the same number.
    for is_held in [false, true] {
        if is_held {
            holders::start_root(&mut pod);
        }
        let without = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin"];
        let output = pod.output(&[&without[..], &[BINARY, "init"]].concat());
        assert_eq!(output.status.code(), Some(2), "{}", complaints(&output));
        assert!(complaints(&output).contains("needs CAP_NET_ADMIN"), "{}", complaints(&output));
    }
}
