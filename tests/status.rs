//! What `status` says: who installed the rules, whether they are the same still, and where the traffic goes.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod common;

use common::pod::{BACK_ENDS, TPROXY, assert_ok, complaints, init, pod};
use common::{BINARY, INJECTED, Lab, Namespace, app, peer};
use serde_json::Value;

fn status(pod: &Namespace, flags: &[&str]) -> Value {
    let text = pod.text(&[&[BINARY, "status", "--output", "json"], flags].concat());
    serde_json::from_str(&text).unwrap()
}

/// How many packets the rules with this fate have counted, and the rules that counted any.
fn packets(status: &Value, fate: &str) -> (u64, Vec<String>) {
    let back_end = &status["back_ends"][0];
    let rules = back_end["rules"].as_array().unwrap().iter();
    let counting = rules.filter(|rule| rule["fate"] == fate && rule["count"]["packets"] != 0);
    let ids = counting.map(|rule| rule["id"].as_str().unwrap().to_owned()).collect();
    (back_end["totals"][fate]["packets"].as_u64().unwrap_or(0), ids)
}

#[test]
fn traffic_is_counted_by_what_becomes_of_it() {
    for backend in BACK_ENDS {
        let mut lab = Lab::new("");
        let dns = ["--redirect-dns", "--capture-all-dns", "--dual-stack"];
        let flags = [&INJECTED[..], &dns].concat();
        assert_ok(&lab.init(&[&["--backend", backend], &flags[..]].concat()));
        lab.populate();
        let before = status(&lab.pod, &flags);
        lab.expect(&[
            app("198.18.0.1", 80, "outbound"),
            app("fd00:18::1", 443, "outbound"),
            app("192.168.0.1", 80, "outside"),
            peer("198.18.0.2", 80, "inbound"),
            peer("198.18.0.2", 15020, "app"),
            app("198.18.0.1", 53, "dns"),
            app("198.18.0.1", 53, "dns").udp(),
        ]);
        let after = status(&lab.pod, &flags);
        let new = |fate: &str| packets(&after, fate).0 - packets(&before, fate).0;
        assert_eq!((new("redirected_out"), new("redirected_in"), new("dns")), (2, 1, 2), "{backend}");
        assert_eq!(new("bypassed"), 2, "{backend}");
        let (_, bypasses) = packets(&after, "bypassed");
        for id in ["outbound-excluded-ranges", "inbound-excluded"] {
            assert!(bypasses.iter().any(|it| it == id), "{backend}: {bypasses:?}");
        }
        // The flags are recorded in nftables; elsewhere they have to be given.
        let without_flags = status(&lab.pod, &[]);
        let expected = if backend == "nftables" { "none" } else { "unknown" };
        assert_eq!(without_flags["back_ends"][0]["drift"], expected, "{backend}");
        assert_eq!(after["back_ends"][0]["drift"], "none", "{backend}");
    }
}

#[test]
fn the_installation_is_recorded_with_its_configuration_and_time() {
    let pod = pod();
    assert_ok(&init(&pod, "nftables", &TPROXY));
    let installation = &status(&pod, &[])["back_ends"][0]["installation"];
    let installer = concat!("mesh-intercept ", env!("CARGO_PKG_VERSION"));
    assert_eq!(installation["installer"], installer);
    let flags = "-u 1337 -m TPROXY -b * --redirect-dns=true --capture-all-dns=true --dual-stack=true";
    assert_eq!(installation["configuration"], flags);
    let age = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
        - installation["time"].as_u64().unwrap();
    assert!(age < 600);
    let text = pod.text(&[BINARY, "status"]);
    // A shell takes what people are shown.
    let quoted = flags.replace('*', "'*'");
    assert!(text.contains(installer) && text.contains(&quoted), "{text}");
    assert!(pod.state().contains(&format!("comment \"{installer}\"")));
}

/// What does not fit into the record is cut, and drift is known all the same.
#[test]
fn drift_is_known_without_the_configuration() {
    let pod = pod();
    let many: String = (0..200).map(|i| format!("10.{i}.0.0/17,")).collect();
    assert_ok(&init(&pod, "nftables", &["-x", &many, "-i", "*"]));
    let whole = status(&pod, &[]);
    assert_eq!(whole["back_ends"][0]["installation"]["whole"], false);
    assert_eq!(whole["back_ends"][0]["drift"], "none");
    pod.text(&["nft", "flush chain inet mesh-intercept nat-istio-redirect"]);
    assert_eq!(status(&pod, &[])["back_ends"][0]["drift"], "changed");
    let known = status(&pod, &["-x", &many, "-i", "*", "--dual-stack"]);
    assert_eq!(known["back_ends"][0]["drift"], "differs");
    assert_eq!(known["back_ends"][0]["difference"][0]["place"], "nftables chain nat-istio-redirect (inet)");
}

#[test]
fn several_back_ends_and_none_are_both_told() {
    let pod = pod();
    assert_eq!(pod.text(&[BINARY, "status"]), "nothing of ours is here\n");
    assert_ok(&init(&pod, "iptables-legacy", &INJECTED));
    pod.text(&["nft", "add table ip mesh-intercept; add chain ip mesh-intercept other"]);
    pod.text(&["nft", "add table inet istio-proxy-nat; add chain inet istio-proxy-nat output"]);
    let report = status(&pod, &[]);
    let names: Vec<&Value> =
        report["back_ends"].as_array().unwrap().iter().map(|it| &it["backend"]).collect();
    assert_eq!(names, ["nftables", "iptables-legacy"]);
    assert_eq!(report["istio_nftables_tables"][0], "istio-proxy-nat");
}

/// Aligned for people, without colours where nobody sees them; again and again with rates.
#[test]
fn watching_adds_rates() {
    let pod = pod();
    assert_ok(&init(&pod, "nftables", &INJECTED));
    let output = pod.output(&["timeout", "1", BINARY, "status", "--watch", "200ms"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.matches("back end       nftables").count() >= 2, "{text}");
    assert!(text.contains("packets/s") && !text.contains('\x1b'), "{text}");
    let refused = pod.output(&[BINARY, "status", "--watch", "soon"]);
    assert_eq!(refused.status.code(), Some(1));
}

#[test]
fn what_cannot_be_written_is_an_error_and_a_reader_that_went_away_is_none() {
    let pod = pod();
    assert_ok(&init(&pod, "nftables", &[]));
    let commands = [
        "status",
        "status --output json",
        "verify",
        "plan",
        "cleanup --dry-run",
        "explain --to 192.0.2.1:80",
        "init --dry-run",
        "import kuma -- --kuma-dp-user 5678",
        "--help",
        "init --help",
    ];
    for command in commands {
        let run =
            |to: &str| pod.output(&["bash", "-c", &format!("set -o pipefail; {BINARY} {command} {to}")]);
        let full = run("> /dev/full");
        assert_eq!(full.status.code(), Some(2), "{command}: {}", complaints(&full));
        assert!(complaints(&full).contains("cannot write to standard output"), "{}", complaints(&full));
        let gone = run("| true");
        assert_eq!(gone.status.code(), Some(0), "{command}: {}", complaints(&gone));
    }
}
