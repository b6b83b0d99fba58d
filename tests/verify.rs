//! `verify` without packets: are the rules exactly those that were asked for?

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod common;

use std::process::Output;

use common::pod::{BACK_ENDS, TPROXY, assert_ok, bare_pod, complaints, init, pod};
use common::{BINARY, INJECTED, Namespace, isolate};

fn verify(pod: &Namespace, flags: &[&str]) -> (String, Option<i32>) {
    let output: Output = pod.output(&[&[BINARY, "verify", "--dual-stack"], flags].concat());
    (String::from_utf8(output.stdout.clone()).unwrap() + &complaints(&output), output.status.code())
}

#[test]
fn exactly_the_rules_that_were_asked_for_are_verified() {
    for backend in BACK_ENDS {
        for flags in [&INJECTED[..], &TPROXY] {
            let pod = pod();
            assert_ok(&init(&pod, backend, flags));
            let state = pod.state();
            let (text, code) = verify(&pod, flags);
            assert_eq!(code, Some(0), "{text}");
            assert!(text.starts_with(&format!("ok        the rules in {backend} are exactly")), "{text}");
            // Another configuration, or another place, is not verified.
            let (text, code) = verify(&pod, &[flags, &["-x", "10.0.0.0/8"]].concat());
            assert_eq!(code, Some(4), "{text}");
            assert!(text.contains("  + ") && text.contains("10.0.0.0/8"), "{text}");
            for other in BACK_ENDS.into_iter().filter(|other| *other != backend) {
                let (text, code) = verify(&pod, &[flags, &["--backend", other]].concat());
                assert_eq!(code, Some(4), "{text}");
            }
            assert_eq!(pod.state(), state, "{backend}");
        }
    }
}

#[test]
fn without_flags_the_record_says_what_should_be_there() {
    let pod = pod();
    let bare = |pod: &Namespace| {
        let output = pod.output(&[BINARY, "verify"]);
        (String::from_utf8(output.stdout.clone()).unwrap() + &complaints(&output), output.status.code())
    };
    let (text, code) = bare(&pod);
    assert_eq!(code, Some(4), "{text}");
    assert!(text.contains("nothing of ours is here"), "{text}");
    let environment = ["env", "ISTIO_OUTBOUND_OWNER_GROUPS=7,8", BINARY, "init", "--dual-stack"];
    assert_ok(&pod.output(&[&environment[..], &TPROXY].concat()));
    let (text, code) = bare(&pod);
    assert_eq!(code, Some(0), "{text}");
    pod.text(&["nft", "insert rule inet mesh-intercept nat-output accept"]);
    let (text, code) = bare(&pod);
    assert_eq!(code, Some(4), "{text}");
    assert!(text.contains("  - accept comment \"\""), "{text}");
    // iptables keeps no record.
    assert_ok(&pod.output(&[BINARY, "cleanup"]));
    assert_ok(&init(&pod, "iptables-legacy", &INJECTED));
    let (text, code) = bare(&pod);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("Give the flags of init"), "{text}");
    // No packet can be judged then, however long it is waited for.
    let live = ["timeout", "60", BINARY, "verify", "--live", "--probe-timeout", "1h"];
    assert_eq!(pod.output(&live).status.code(), Some(1));
    assert_ok(&pod.output(&[BINARY, "cleanup"]));
    assert_eq!(pod.output(&live).status.code(), Some(4));
}

#[test]
fn rules_of_others_before_ours_are_told_and_no_failure() {
    for backend in ["iptables-nft", "iptables-legacy"] {
        let pod = pod();
        assert_ok(&init(&pod, backend, &INJECTED));
        let program = format!("iptables-{}", &backend[9..]);
        pod.text(&[&program, "-t", "nat", "-I", "OUTPUT", "-d", "192.0.2.9", "-j", "ACCEPT"]);
        let (text, code) = verify(&pod, &INJECTED);
        assert_eq!(code, Some(0), "{text}");
        assert!(text.contains("comes before ours: IPv4 nat OUTPUT -d 192.0.2.9/32 -j ACCEPT"), "{text}");
    }
}

#[test]
fn rules_in_two_back_ends_are_a_difference_and_machines_can_read_it() {
    isolate("");
    let (pod, other) = (bare_pod("pod"), bare_pod("other"));
    assert_ok(&init(&pod, "nftables", &INJECTED));
    assert_ok(&init(&other, "iptables-legacy", &INJECTED));
    let saved = other.text(&["iptables-legacy-save"]);
    std::fs::write("/run/saved", saved).unwrap();
    pod.text(&["iptables-legacy-restore", "/run/saved"]);
    let words = [&[BINARY, "verify", "--dual-stack", "--output", "json"], &INJECTED[..]].concat();
    let output = pod.output(&words);
    assert_eq!(output.status.code(), Some(4));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let places = report["difference"].as_array().unwrap();
    assert!(places.iter().all(|place| place["fate"] == "removed"), "{report:#}");
    assert!(places.iter().any(|place| place["place"] == "iptables-legacy nat chain ISTIO_OUTPUT (IPv4)"));
}
