//! Ten runs at once: each succeeds or says that it was in conflict, and what is there is one complete set of rules.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[macro_use]
mod common;

use std::process::Stdio;

use common::isolate;
use common::pod::{CLEANUP, EVERYTHING, INIT, assert_ok, bare_pod, complaints};
use common::snapshot::Snapshot;

const A: &[&str] = &["-x", "10.0.0.0/8,fd00:99::/64", "-o", "3306"];
const B: &[&str] = &["-d", "9000,9100", "-c", "eth9"];
/// The exit code for rules of the mesh that are others than the wanted ones.
const CONFLICT: i32 = 4;

/// Who runs at once, and what they find.
struct Crowd {
    there: Option<&'static [&'static str]>,
    runs: Vec<(&'static [&'static str], &'static [&'static str])>,
    /// Must each of them succeed?
    agrees: bool,
}

fn the_same(flags: &'static [&'static str], options: &'static [&'static str]) -> Crowd {
    Crowd { there: None, runs: vec![(flags, options); 10], agrees: true }
}

fn two_kinds(there: Option<&'static [&'static str]>, options: &'static [&'static str]) -> Crowd {
    Crowd { there, runs: [(A, options), (B, options)].repeat(5), agrees: false }
}

fn check(backend: &'static str, crowd: Crowd) {
    isolate("");
    let init = |flags: &[&'static str]| [INIT, &["--backend", backend], EVERYTHING, flags].concat();
    let fresh = |flags| {
        let pod = bare_pod("fresh");
        assert_ok(&pod.output(&init(flags)));
        Snapshot::take(&pod, backend)
    };
    let complete = [fresh(A), fresh(B)];
    let pod = bare_pod("crowded");
    let empty = Snapshot::take(&pod, backend);
    for _ in 0..5 {
        if let Some(there) = crowd.there {
            assert_ok(&pod.output(&init(there)));
        }
        let start = |(flags, options): &(&[&'static str], &[&'static str])| {
            pod.command(&init(&[*flags, *options].concat())).stderr(Stdio::piped()).spawn().unwrap()
        };
        let runs: Vec<_> = crowd.runs.iter().map(start).collect();
        let outputs: Vec<_> = runs.into_iter().map(|run| run.wait_with_output().unwrap()).collect();
        for output in &outputs {
            let is_conflict = !crowd.agrees && output.status.code() == Some(CONFLICT);
            assert!(output.status.success() || is_conflict, "{}: {}", output.status, complaints(output));
        }
        assert!(outputs.iter().any(|output| output.status.success()) || crowd.there.is_some());
        let after = Snapshot::take(&pod, backend);
        let differences = complete.iter().map(|wanted| after.difference(wanted));
        let differences: Option<Vec<String>> = differences.collect();
        assert_eq!(differences, None, "neither the one set of rules nor the other");
        assert_ok(&pod.output(&[CLEANUP, &["--backend", backend], EVERYTHING, A, B].concat()));
        assert_eq!(Snapshot::take(&pod, backend).difference(&empty), None);
    }
}

for_each_back_end! {
    that_agrees => super::the_same(super::A, &[]);
    that_agrees_on_a_replacement => super::Crowd { there: Some(super::A), ..super::the_same(super::B, &["--reconcile"]) };
    of_two_minds => super::two_kinds(None, &[]);
    of_two_minds_about_a_replacement => super::two_kinds(Some(super::A), &["--reconcile"]);
}
