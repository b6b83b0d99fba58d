//! The program may be killed anywhere: what it leaves is old or new, and the next plain run ends the story.
//!
//! Each scenario is repeated for every system call that the program makes: strace counts each kind by itself, so that the
//! program is killed at its first `sendmsg`, its second, and so on until it lives to its end, then at its first `write`.
//! Only the program is killed; the programs that it has started run on or end, as they do.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]
#![allow(clippy::print_stdout, reason = "the figures are worth reading")]

#[macro_use]
mod common;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use common::pod::{CLEANUP, EVERYTHING, INIT, assert_ok, bare_pod, complaints};
use common::snapshot::Snapshot;
use common::{Namespace, isolate};

/// What is killed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    FirstApply,
    Replacement,
    Cleanup,
}

/// Words of a command.
type Words = Vec<&'static str>;

/// An operation that is killed, in a namespace that holds `old`, and would lead to `new`.
struct Scene {
    backend: &'static str,
    operation: Operation,
    /// Leads from an empty namespace to `old`.
    before: Option<Words>,
    killed: Words,
    empty: Snapshot,
    old: Snapshot,
    new: Snapshot,
    /// How many namespaces were made: the last one is there until the next is.
    pods: Cell<u32>,
}

/// What is run after a kill, and what has to be there then.
type Next<'a> = (Words, &'a Snapshot);

impl Scene {
    fn new(backend: &'static str, operation: Operation) -> Scene {
        let (before, killed) = match operation {
            Operation::FirstApply => (None, init_b(backend)),
            Operation::Replacement => {
                (Some(init_a(backend)), [&init_b(backend)[..], &["--reconcile"]].concat())
            }
            Operation::Cleanup => (Some(init_b(backend)), cleanup()),
        };
        let empty = Snapshot::take(&bare_pod("empty"), backend);
        let after = |words: &[&str]| {
            let pod = bare_pod("fresh");
            assert_ok(&pod.output(words));
            Snapshot::take(&pod, backend)
        };
        let old = before.as_deref().map_or(empty.clone(), after);
        let new = if operation == Operation::Cleanup { empty.clone() } else { after(&init_b(backend)) };
        Scene { backend, operation, before, killed, empty, old, new, pods: Cell::default() }
    }

    /// A namespace that holds what is there before.
    fn pod(&self) -> Namespace {
        self.pods.set(self.pods.get() + 1);
        let pod = bare_pod(&format!("pod{}", self.pods.get()));
        if let Some(before) = &self.before {
            assert_ok(&pod.output(before));
        }
        pod
    }

    /// The kinds of system calls that the operation makes.
    fn calls(&self) -> BTreeSet<String> {
        let pod = self.pod();
        assert_ok(&pod.output(&[&["strace", "-o", "/run/calls"], &self.killed[..]].concat()));
        let text = std::fs::read_to_string("/run/calls").unwrap();
        let names = text.lines().filter_map(|line| line.split_once('(')).map(|(name, _)| name);
        names
            .filter(|name| name.chars().all(|it| it.is_alphanumeric() || it == '_'))
            .map(str::to_owned)
            .collect()
    }

    /// Runs the operation until its nth system call of a kind. Gives what is there then, and whether it ended first.
    fn kill_at(&self, call: &str, number: u32, pod: &Namespace) -> (Snapshot, bool) {
        let (trace, inject) = (format!("trace={call}"), format!("inject={call}:signal=KILL:when={number}"));
        let strace = ["strace", "-o", "/dev/null", "-e", &trace, "-e", &inject];
        let output = pod.output(&[&strace[..], &self.killed].concat());
        wait_for_its_children(pod);
        let ended = output.status.success();
        let is_killed = output.status.signal() == Some(nix::libc::SIGKILL);
        assert!(ended || is_killed, "{}: {}", output.status, complaints(&output));
        let after = Snapshot::take(pod, self.backend);
        let torn = after.torn(&self.old, &self.new);
        assert_eq!(torn, None, "killed at {call} {number}: neither old nor new\n{after:#?}");
        (after, ended)
    }

    /// What the operator may do next.
    fn next(&self, after: &Snapshot) -> Vec<Next<'_>> {
        let backend = self.backend;
        match self.operation {
            Operation::FirstApply => vec![(init_b(backend), &self.new)],
            Operation::Replacement if after.has_rules_of(&self.old) => vec![(init_a(backend), &self.old)],
            Operation::Replacement => vec![(init_b(backend), &self.new)],
            Operation::Cleanup => vec![(cleanup(), &self.empty), (init_b(backend), &self.old)],
        }
    }
}

fn init_a(backend: &'static str) -> Words {
    [INIT, &["--backend", backend], EVERYTHING, &["-x", "10.0.0.0/8,fd00:99::/64", "-o", "3306"]].concat()
}

fn init_b(backend: &'static str) -> Words {
    [INIT, &["--backend", backend], EVERYTHING, &["-d", "9000,9100", "-c", "eth9"]].concat()
}

/// Knows neither the back end nor the flags.
fn cleanup() -> Words {
    CLEANUP.to_vec()
}

/// The restore program that was started last may outlive the program.
fn wait_for_its_children(pod: &Namespace) {
    while !pod.processes().is_empty() {
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn check(backend: &'static str, operation: Operation) {
    isolate("");
    let scene = Scene::new(backend, operation);
    // What follows depends on what is there, and on nothing else: each state is tried once.
    let mut proven = BTreeSet::new();
    let mut kills = 0;
    let mut pod = scene.pod();
    for call in scene.calls() {
        for number in 1.. {
            let (mut after, ended) = scene.kill_at(&call, number, &pod);
            if ended {
                assert_eq!(after.difference(&scene.new), None);
                pod = scene.pod();
                break;
            }
            kills += 1;
            while let Some((words, wanted)) = scene
                .next(&after)
                .into_iter()
                .find(|(words, _)| proven.insert((after.clone(), words.clone())))
            {
                let output = pod.output(&words);
                let context = format!("killed at {call} {number}, then {}", words[1..].join(" "));
                assert!(output.status.success(), "{context}: {}", complaints(&output));
                let difference = Snapshot::take(&pod, backend).difference(wanted);
                assert_eq!(difference, None, "{context}\n{}", difference.as_deref().unwrap_or_default());
                // The same again, should there be something else to go on with.
                pod = scene.pod();
                after = scene.kill_at(&call, number, &pod).0;
            }
            if after != scene.old {
                pod = scene.pod();
            }
        }
    }
    println!("{backend}: killed {kills} times, went on {} times", proven.len());
}

for_each_back_end! {
    a_first_apply => super::Operation::FirstApply;
    a_replacement => super::Operation::Replacement;
    a_cleanup => super::Operation::Cleanup;
}
