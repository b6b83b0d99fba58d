//! Rules are replaced without a gap: while connections come and go, each of them meets the old rules or the new ones.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]
#![allow(clippy::print_stdout, reason = "the figures are worth reading")]

#[macro_use]
mod common;

use std::time::{Duration, Instant};

use common::load::{Answers, Load, sent_again};
use common::{BINARY, INJECTED, Lab, POD_V4, POD_V6};
use mesh_intercept::faults::VARIABLE;

const RESOLV_CONF: &str = "nameserver 10.96.0.10\nnameserver fd00:96::a\n";
/// The peer answers for these, should a connection to them leave the pod.
const OUT_V4: &str = "203.0.113.5";
const OUT_V6: &str = "2001:db8::5";
const TOO_LONG: Duration = Duration::from_secs(120);

/// Somebody else's chains at our chains' hooks. The kernel walks a newer chain first: entered after the old rules and
/// before the new ones, they lie between both, and a packet takes long enough over them to meet neither when it can.
const SLOW: &str = "\
    table inet slow {}
    delete table inet slow
    table inet slow {
        chain out { type nat hook output priority -100; jump long; }
        chain in { type nat hook prerouting priority -100; jump long; }
        chain long { JUMPS }
        chain rest { RULES }
    }";

/// Two configurations that replace each other in turn, under a load.
struct Change {
    one: Vec<&'static str>,
    other: Vec<&'static str>,
    outward: &'static [&'static str],
    inward: &'static [&'static str],
    replacements: u32,
    connections: u64,
    /// What happens before each replacement.
    before_each: fn(&Lab),
}

fn lists_and_dns() -> Change {
    Change {
        one: [&INJECTED[..], &["--dual-stack"]].concat(),
        other: [
            &INJECTED[..],
            &["--dual-stack", "-x", "10.0.0.0/8,fd00:99::/64", "-d", "9000-9100", "-o", "22,3306"],
            &["--redirect-dns", "--capture-all-dns"],
        ]
        .concat(),
        outward: &[OUT_V4, OUT_V6],
        inward: &[POD_V4, POD_V6],
        replacements: 100,
        connections: 20_000,
        before_each: |_| {},
    }
}

fn redirect_and_tproxy() -> Change {
    Change {
        other: [&INJECTED[..], &["--dual-stack", "-m", "TPROXY"]].concat(),
        replacements: 30,
        connections: 10_000,
        ..lists_and_dns()
    }
}

/// The nftables table is one for IPv4 and one for both families in turn.
fn one_family_and_both() -> Change {
    Change {
        other: INJECTED.to_vec(),
        outward: &[OUT_V4],
        inward: &[POD_V4],
        replacements: 30,
        connections: 10_000,
        ..lists_and_dns()
    }
}

/// The base chains of nat go from where an earlier version had them to before those of other programs.
fn places_of_an_earlier_version() -> Change {
    Change {
        other: [&INJECTED[..], &["--dual-stack"]].concat(),
        replacements: 30,
        connections: 10_000,
        before_each: go_back_to_an_earlier_version,
        ..lists_and_dns()
    }
}

/// Moves the base chains of nat back, while a copy of the table captures what they do not.
fn go_back_to_an_earlier_version(lab: &Lab) {
    let table = lab.pod.text(&["nft", "-s", "list", "table", "inet", "mesh-intercept"]);
    let at = |prerouting: &str, output: &str| {
        table.replace("priority dstnat - 1", prerouting).replace("priority -101", output)
    };
    let copy = at("priority -102", "priority -102").replace("table inet mesh-intercept", "table inet copy");
    let earlier = at("priority dstnat", "priority -100");
    assert_ne!(earlier, table);
    for text in [copy, format!("delete table inet mesh-intercept\n{earlier}")] {
        std::fs::write("/run/earlier.nft", text).unwrap();
        lab.pod.text(&["nft", "-f", "/run/earlier.nft"]);
        std::thread::sleep(Duration::from_millis(50));
    }
    lab.pod.text(&["nft", "delete", "table", "inet", "copy"]);
}

fn check(backend: &str, change: Change) {
    let mut lab = Lab::new(RESOLV_CONF);
    replace(&lab, backend, &change.one);
    let load = Load::start(&mut lab, change.outward, change.inward);
    let before = [sent_again(&lab.pod), sent_again(&lab.peer)];
    let slow = SLOW
        .replace("JUMPS", &"jump rest; ".repeat(50))
        .replace("RULES", &"meta mark 0xdead drop; ".repeat(60));
    std::fs::write("/run/slow.nft", slow).unwrap();
    let (started, mut replacements, mut meanwhile) = (Instant::now(), 0, 0);
    wait_for_more(&load, 0);
    while replacements < change.replacements || total(&load.answers()) < change.connections {
        lab.pod.text(&["nft", "-f", "/run/slow.nft"]);
        (change.before_each)(&lab);
        let at_first = load.answers();
        replace(&lab, backend, if replacements % 2 == 0 { &change.other } else { &change.one });
        replacements += 1;
        meanwhile += total(&load.answers()) - total(&at_first);
        // The load goes on in both directions between any two replacements.
        wait_for_more(&load, load.fewest());
        assert!(started.elapsed() < TOO_LONG, "{replacements} replacements, {:?}", load.answers());
    }
    let answers = load.stop();
    println!(
        "{backend}: {} connections, {meanwhile} of them during {replacements} replacements, in {:.1?}: {answers:?}",
        total(&answers),
        started.elapsed(),
    );
    assert!(meanwhile > 0);
    let wanted = |address: &&str, who: &str| format!("{address} {who}");
    let outward = change.outward.iter().map(|address| wanted(address, "outbound"));
    let inward = change.inward.iter().map(|address| wanted(address, "inbound"));
    let wanted: Vec<String> = outward.chain(inward).collect();
    assert!(wanted.iter().all(|it| answers.contains_key(it)), "{answers:?}");
    assert_eq!(wanted.len(), answers.len(), "connections were dropped, or went past the proxy: {answers:?}");
    assert_eq!(before, [sent_again(&lab.pod), sent_again(&lab.peer)], "packets were dropped and sent again");
}

fn replace(lab: &Lab, backend: &str, flags: &[&str]) {
    let words = [&[BINARY, "init", "--backend", backend, "--reconcile"], flags].concat();
    let output = lab.pod.output(&words);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn wait_for_more(load: &Load, than: u64) {
    let started = Instant::now();
    while load.fewest() <= than {
        assert!(started.elapsed() < TOO_LONG, "no connection any more: {:?}", load.answers());
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn total(answers: &Answers) -> u64 {
    answers.values().sum()
}

for_each_back_end! {
    other_lists_and_dns => super::lists_and_dns();
    redirect_becomes_tproxy_and_back => super::redirect_and_tproxy();
    one_family_becomes_both_and_back => super::one_family_and_both();
}

/// The next run ends what a run has begun that was ended in the middle.
#[test]
fn a_move_of_nat_that_was_ended_in_the_middle_is_finished() {
    let lab = Lab::new(RESOLV_CONF);
    let flags = [&INJECTED[..], &["--dual-stack"]].concat();
    replace(&lab, "nftables", &flags);
    let wanted = lab.pod.state();
    go_back_to_an_earlier_version(&lab);
    let ended = lab
        .pod
        .command(&[&[BINARY, "init", "--reconcile"], &flags[..]].concat())
        .env(VARIABLE, "stand-ins")
        .output();
    assert!(!ended.unwrap().status.success());
    assert!(lab.pod.state().contains("nat-prerouting-stand-in"));
    replace(&lab, "nftables", &flags);
    assert_eq!(lab.pod.state(), wanted);
}

#[test]
fn nat_moves_before_other_programs_without_a_gap() {
    check("nftables", places_of_an_earlier_version());
}
