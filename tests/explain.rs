//! `explain` has to tell what the kernel does: recorded answers of real packets, one by one.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test that cannot be set up has failed")]

mod common;

use std::path::Path;
use std::process::Command;

use common::pod::{BACK_ENDS, assert_ok, bare_pod, init};
use common::{BINARY, INJECTED, isolate};
use serde_json::Value;

/// Where the recordings are, if they are there: 9 configurations with 358 packets each, and who answered.
const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/conformance/packet-cases.json");
/// The pod that they were recorded in.
const ADDRESSES: &str = "198.18.0.2,fd00:18::2";

/// A packet as the recordings write it: `pod 1000:1000 tcp 10.1.2.3:80 from 127.0.0.6`.
fn flags_of(packet: &str) -> Vec<String> {
    let words: Vec<&str> = packet.split(' ').collect();
    let (address, port) = words[3].rsplit_once(':').unwrap();
    let to = if address.contains(':') { format!("[{address}]:{port}") } else { words[3].to_owned() };
    let mut flags = vec!["--proto".to_owned(), words[2].to_owned(), "--to".to_owned(), to];
    if words[0] == "peer" {
        let from = if address.contains(':') { "fd00:18::1" } else { "198.18.0.1" };
        flags.extend(["--in", "eth0", "--from", from].map(str::to_owned));
    } else {
        let (uid, gid) = words[1].split_once(':').unwrap();
        flags.extend(["--from-uid", uid, "--from-gid", gid].map(str::to_owned));
        if let [_, _, _, _, "from", source] = words[..] {
            flags.extend(["--from".to_owned(), source.to_owned()]);
        }
    }
    flags
}

/// The fate that an answer shows. Whoever answers but the proxy got the packet as it was sent, and so did nobody.
fn fate_of(answer: &str) -> &'static str {
    match answer.split(' ').next().unwrap() {
        who if who.starts_with("proxy:15001") => "outbound-proxy",
        who if who.starts_with("proxy:15006") => "inbound-proxy",
        who if who.starts_with("dns") => "dns",
        _ => "direct",
    }
}

#[test]
fn the_recorded_answers_are_explained() {
    if !Path::new(RECORDINGS).exists() {
        println!("{RECORDINGS} is not here: the recorded answers were not compared");
        return;
    }
    let cases: Value = serde_json::from_str(&std::fs::read_to_string(RECORDINGS).unwrap()).unwrap();
    let mut wrong = Vec::new();
    let mut all = 0;
    for case in cases.as_array().unwrap() {
        let flags: Vec<&str> =
            case["args"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
        for answer in case["answers"].as_array().unwrap() {
            let (packet, recorded) = (answer[0].as_str().unwrap(), answer[1].as_str().unwrap());
            let mut command = Command::new(BINARY);
            command.args(["explain", "--output", "json", "--local-address", ADDRESSES]).args(&flags);
            for (name, value) in case["env"].as_object().unwrap() {
                command.env(name, value.as_str().unwrap());
            }
            let output = command.args(flags_of(packet)).output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            let told: Value = serde_json::from_slice(&output.stdout).unwrap();
            all += 1;
            if told["fate"] != fate_of(recorded) {
                wrong.push(format!("{}: {packet}: {recorded}, told {}", case["name"], told["fate"]));
            }
        }
    }
    println!("{} of {all} recorded answers are explained", all - wrong.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn with_live_the_rules_that_are_there_are_explained() {
    isolate("");
    let pod = bare_pod("pod");
    let ask = || {
        let command = ["explain", "--live", "--dual-stack", "--to", "203.0.113.5:443"];
        String::from_utf8(pod.output(&[&[BINARY], &command[..]].concat()).stdout).unwrap()
    };
    let answer = ask();
    assert!(answer.contains("past the proxy: no rules are installed here"), "{answer}");
    for backend in BACK_ENDS {
        assert_ok(&init(&pod, backend, &[&INJECTED[..], &["--migrate"]].concat()));
        let answer = ask();
        assert!(answer.contains("It goes to the proxy's outbound port 15001"), "{backend}: {answer}");
    }
}
