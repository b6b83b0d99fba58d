//! `verify --live`: rules that work pass, each damage is found by the probe that is about it, and nothing stays behind.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot be set up has failed"
)]

#[macro_use]
mod common;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use common::{BINARY, INJECTED, Lab, Namespace, PROXY, isolate};
use nix::sched::{CloneFlags, setns};
use nix::unistd::{Uid, setfsuid};
use socket2::SockRef;

const RESOLV_CONF: &str = "nameserver 10.96.0.10\nnameserver fd00:96::a\n";
/// Every kind of exclusion, in both families.
const EVERYTHING: [&str; 6] =
    ["--dual-stack", "--redirect-dns", "-x", "192.168.0.0/24,10.8.0.0/16,fd00:7::/64", "-o", "22,8000-8100"];
/// What works takes no more of it than it needs; what does not takes all.
const PATIENT: &str = "10s";
const BRIEF: &str = "800ms";
const TPROXY: [&str; 2] = ["-m", "TPROXY"];

fn flags(more: &[&'static str]) -> Vec<&'static str> {
    [&INJECTED[..], &EVERYTHING, more].concat()
}

fn run(pod: &Namespace, verb: &str, flags: &[&str]) -> Output {
    pod.output(&[&[BINARY, verb], flags].concat())
}

fn init(pod: &Namespace, flags: &[&str]) {
    let output = run(pod, "init", flags);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Verifies; the probes that are not `ok`, and the exit code. Rules, routes and addresses are the same afterwards.
fn verify(pod: &Namespace, timeout: &str, flags: &[&str]) -> (Vec<String>, Option<i32>) {
    let before = everything(pod);
    let result = verify_next_to_others(pod, timeout, flags);
    assert_eq!(everything(pod), before);
    result
}

/// The same where others have connections of their own.
fn verify_next_to_others(pod: &Namespace, timeout: &str, flags: &[&str]) -> (Vec<String>, Option<i32>) {
    let output = run(pod, "verify", &[&["--live", "--probe-timeout", timeout], flags].concat());
    let text = String::from_utf8(output.stdout).unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    assert!(text.lines().count() > 10, "{text}\n{log}");
    // The rules are read twice, before and after the packets; what is wrong with the flags is said once.
    assert!(log.matches("IPv6 is not intercepted").count() <= 1, "{log}");
    // The comparison of the rules comes before the packets.
    let other = text.lines().filter(|line| line.starts_with("FAILED ") || line.starts_with("not made "));
    (other.map(str::to_owned).collect(), output.status.code())
}

/// The state of netfilter and routing, every interface, and connections that the kernel still keeps.
fn everything(pod: &Namespace) -> String {
    let links = pod.text(&["ip", "-o", "link"]);
    // Chains of iptables-legacy count what passes them.
    let state = pod.state();
    let state =
        state.lines().map(|line| if line.starts_with(':') { line.split(" [").next().unwrap() } else { line });
    format!(
        "{}\n{links}\n{}",
        state.collect::<Vec<_>>().join("\n"),
        pod.text(&["ss", "-Htuan", "state", "all"])
    )
}

fn assert_all_ok(pod: &Namespace, flags: &[&str]) {
    let (other, code) = verify(pod, PATIENT, flags);
    assert_eq!((other, code), (vec![], Some(0)));
}

/// Exactly these probes fail: each by a part of its line.
fn assert_fails(pod: &Namespace, flags: &[&str], expected: &[&str]) {
    let (lines, code) = verify(pod, BRIEF, flags);
    assert_eq!(code, Some(126), "{lines:#?}");
    let matches = lines.len() == expected.len()
        && lines.iter().zip(expected).all(|(line, part)| line.starts_with("FAILED ") && line.contains(part));
    assert!(matches, "{lines:#?}\ninstead of {expected:#?}");
}

fn check(backend: &'static str, more: &[&'static str]) {
    let lab = Lab::new(RESOLV_CONF);
    let flags = [&flags(more)[..], &["--backend", backend]].concat();
    init(&lab.pod, &flags);
    assert_all_ok(&lab.pod, &flags);
}

for_each_back_end! {
    redirect => &[];
    tproxy => &super::TPROXY;
    all_dns => &["--capture-all-dns"];
    included => &["-i", "10.0.0.0/8,2001:db8::/32", "-q", "8443", "-b", "80,8090-8099"];
    included_by_tproxy => &["-i", "10.0.0.0/8,2001:db8::/32", "-b", "80,8090-8099", "-m", "TPROXY"];
    nothing => &["-i", "", "-b", ""];
}

#[test]
fn groups_decide() {
    let lab = Lab::new(RESOLV_CONF);
    for variable in ["ISTIO_OUTBOUND_OWNER_GROUPS", "ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE"] {
        let environment = format!("{variable}=888,889");
        for verb in [&["init"][..], &["verify", "--live"]] {
            let words = [&["env", &environment, BINARY], verb, &flags(&["--force-apply"])].concat();
            let output = lab.pod.output(&words);
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(output.status.success() && !text.contains("not made"), "{text}");
            assert!(verb == ["init"] || text.contains("group 889"), "{text}");
        }
        assert!(lab.pod.output(&[BINARY, "init", "--cleanup-only"]).status.success());
    }
}

#[test]
fn ipv6_that_is_not_intercepted_is_left_alone_or_refused() {
    let lab = Lab::new(RESOLV_CONF);
    init(&lab.pod, &INJECTED);
    assert_all_ok(&lab.pod, &INJECTED);
    let denied = [&INJECTED[..], &["--uncaptured-family=deny"]].concat();
    let passes =
        ["TCP of the application to [2001:db8:6d69::1]", "UDP of the application to [2001:db8:6d69::1]"];
    assert_fails(&lab.pod, &denied, &passes);
    init(&lab.pod, &[&denied[..], &["--reconcile"]].concat());
    assert_all_ok(&lab.pod, &denied);
}

#[test]
fn quic_is_refused_where_it_is_denied() {
    let lab = Lab::new(RESOLV_CONF);
    let allowed = flags(&[]);
    let denied = flags(&["--quic=deny"]);
    init(&lab.pod, &allowed);
    let refused =
        ["UDP of the application to 192.0.2.1:443", "UDP of the application to [2001:db8:6d69::1]:443"];
    assert_fails(&lab.pod, &denied, &refused);
    init(&lab.pod, &[&denied[..], &["--reconcile"]].concat());
    assert_all_ok(&lab.pod, &denied);
}

#[test]
fn interfaces_are_not_probed_and_it_is_said() {
    let lab = Lab::new(RESOLV_CONF);
    // The second name is what the cable would be called.
    let flags = flags(&["-c", "net+,mi-probe+"]);
    init(&lab.pod, &flags);
    let (lines, code) = verify(&lab.pod, PATIENT, &flags);
    assert_eq!(code, Some(0));
    assert!(
        lines.len() == 2 && lines[0].starts_with("not made  traffic of the interface net+"),
        "{lines:#?}"
    );
}

#[test]
fn without_rules_every_capture_fails() {
    let lab = Lab::new(RESOLV_CONF);
    let (lines, code) = verify(&lab.pod, BRIEF, &flags(&[]));
    assert_eq!(code, Some(126));
    assert!(lines.iter().all(|line| line.starts_with("FAILED ")), "{lines:#?}");
    for part in ["goes to the proxy (port 15001)", "goes to the proxy (port 15006)", "DNS agent"] {
        assert_eq!(lines.iter().filter(|line| line.contains(part)).count() % 2, 0, "{part}: {lines:#?}");
    }
}

/// What is taken out of working rules, and which probes have to notice.
#[test]
fn each_damage_is_found_by_its_probe() {
    let lab = Lab::new(RESOLV_CONF);
    let flags = flags(&["--backend", "iptables-nft"]);
    init(&lab.pod, &flags);
    let damages: [(&str, &str, &[&str]); 6] = [
        (
            "iptables-nft",
            "-t nat {} ISTIO_OUTPUT -d 10.8.0.0/16 -j RETURN",
            &["(in 10.8.0.0/16) is left alone"],
        ),
        (
            "ip6tables-nft",
            "-t nat {} ISTIO_OUTPUT -d fd00:7::/64 -j RETURN",
            &["(in fd00:7::/64) is left alone"],
        ),
        (
            "iptables-nft",
            "-t nat {} ISTIO_OUTPUT_DNS -d 10.96.0.10/32 -p udp -m udp --dport 53 -j REDIRECT --to-ports 15053",
            &["IPv4: UDP of the application to 10.96.0.10:53 goes to the DNS agent"],
        ),
        (
            "iptables-nft",
            "-t nat {} ISTIO_INBOUND -p tcp -m tcp --dport 15021 -j RETURN",
            &["192.0.2.2:15021 arrives there"],
        ),
        (
            "ip6tables-nft",
            "-t nat {} ISTIO_OUTPUT -p tcp -m tcp --dport 22 -j RETURN",
            &["IPv6: TCP of the application to [2001:db8:6d69::1]:22 is left alone"],
        ),
        (
            "iptables-nft",
            "-t nat {} ISTIO_OUTPUT -m owner --gid-owner 1337 -j RETURN",
            &[
                "group 1337 to 192.0.2.1:15002 is left alone",
                "UDP of the proxy's group 1337 to 10.96.0.10:53",
                "TCP of the proxy's group 1337 to 10.96.0.10:53",
            ],
        ),
    ];
    for (program, rule, noticed) in damages {
        let saved = lab.pod.text(&[&format!("{program}-save"), "-t", "nat"]);
        lab.pod.text(&[&[program][..], &rule.replace("{}", "-D").split(' ').collect::<Vec<_>>()].concat());
        assert_fails(&lab.pod, &flags, noticed);
        std::fs::write("/run/saved", saved).unwrap();
        lab.pod.text(&["sh", "-c", &format!("{program}-restore < /run/saved")]);
    }
    assert_all_ok(&lab.pod, &flags);
}

#[test]
fn a_flushed_chain_is_found() {
    let lab = Lab::new(RESOLV_CONF);
    let flags = flags(&[]);
    init(&lab.pod, &flags);
    let chains = lab.pod.text(&["nft", "list", "chains"]);
    assert!(chains.contains("nat-prerouting"), "{chains}");
    lab.pod.text(&["nft", "flush", "chain", "inet", "mesh-intercept", "nat-prerouting"]);
    let inbound = "which sees";
    let (lines, code) = verify(&lab.pod, BRIEF, &flags);
    assert!(code == Some(126) && lines.len() == 2 && !lines[0].contains(inbound), "{lines:#?}");
    assert!(
        lines.iter().all(|line| line.contains("a client from") && line.contains(":15002 goes to the proxy"))
    );
}

/// Rules that arrive while probes are being made are seen, and every probe is made with them.
#[test]
fn rules_may_be_on_their_way() {
    let lab = Lab::new(RESOLV_CONF);
    let flags = flags(&[]);
    let more = [&flags[..], &["-x", "10.7.0.0/16"]].concat();
    for (expected, verified) in [(0, &flags), (126, &more)] {
        let words = [&[BINARY, "verify", "--live", "--probe-timeout", "2s"], &verified[..]].concat();
        let waiting = lab.pod.command(&words).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_millis(400));
        init(&lab.pod, &flags);
        let output = waiting.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(expected), "{text}");
        assert_eq!(text.matches("FAILED ").count(), usize::from(expected != 0), "{text}");
        assert!(lab.pod.output(&[BINARY, "init", "--cleanup-only"]).status.success());
    }
}

/// What the proxy and the application hold is not claimed; what can be told all the same is.
#[test]
fn held_ports_are_reported_and_do_not_fail() {
    let mut lab = Lab::new(RESOLV_CONF);
    let flags = flags(&[]);
    init(&lab.pod, &flags);
    lab.populate();
    let (lines, code) = verify(&lab.pod, PATIENT, &flags);
    assert_eq!(code, Some(0), "{lines:#?}");
    assert!(!lines.is_empty() && lines.iter().all(|line| line.starts_with("not made ")), "{lines:#?}");
    for held in ["port 15001 is held", "port 15006 is held", "port 15053 is held", "port 15020 is held"] {
        assert!(lines.iter().any(|line| line.contains(held)), "{held}: {lines:#?}");
    }
    // A missing exclusion is found although the proxy is up.
    let more = ["-x", "10.7.0.0/16"];
    assert_fails_next_to_not_made(&lab.pod, &[&flags[..], &more].concat(), "(in 10.7.0.0/16) is left alone");
}

fn assert_fails_next_to_not_made(pod: &Namespace, flags: &[&str], part: &str) {
    let (lines, code) = verify(pod, BRIEF, flags);
    let failed: Vec<&String> = lines.iter().filter(|line| line.starts_with("FAILED ")).collect();
    assert!(code == Some(126) && failed.len() == 1 && failed[0].contains(part), "{lines:#?}");
}

/// A proxy that passes on what it gets, as the proxy does.
fn relay(pod: &Namespace) {
    let namespace = File::open(pod.path()).unwrap();
    let (ready, waiting) = mpsc::channel();
    thread::spawn(move || {
        setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
        setfsuid(Uid::from_raw(PROXY));
        let listener = TcpListener::bind("0.0.0.0:15001").unwrap();
        ready.send(()).unwrap();
        for mut client in listener.incoming().flatten() {
            let to = SockRef::from(&client).original_dst_v4().unwrap().as_socket().unwrap();
            let mut bytes = [0; 256];
            let passed_on = TcpStream::connect(to).and_then(|mut it| it.read(&mut bytes));
            let _ = passed_on.and_then(|count| client.write_all(&bytes[..count]));
        }
    });
    waiting.recv().unwrap();
}

/// The real way through the proxy counts, where it was asked for and nowhere else.
#[test]
fn a_proxy_that_passes_on_is_no_proof_of_an_exclusion() {
    let lab = Lab::new(RESOLV_CONF);
    let flags = flags(&[]);
    init(&lab.pod, &flags);
    relay(&lab.pod);
    let (lines, code) = verify_next_to_others(&lab.pod, PATIENT, &flags);
    assert_eq!((lines, code), (vec![], Some(0)));
    let (lines, code) =
        verify_next_to_others(&lab.pod, BRIEF, &[&flags[..], &["-o", "22,8000-8100,2222"]].concat());
    assert!(code == Some(126) && lines.len() == 2, "{lines:#?}");
    assert!(lines[0].contains("192.0.2.1:2222 is left alone") && lines[0].contains("relayed"), "{lines:#?}");
    assert!(lines[1].contains("IPv6: TCP of the application to [2001:db8:6d69::1]:2222"), "{lines:#?}");
}

#[test]
fn a_pod_without_any_cable_of_its_own_will_do() {
    isolate(RESOLV_CONF);
    let pod = Namespace::new("pod");
    pod.ip("address add 10.0.0.2/32 dev lo");
    pod.ip("address add fd00::2/128 dev lo");
    for mode in ["REDIRECT", "TPROXY"] {
        let flags = flags(&["-m", mode, "--force-apply"]);
        init(&pod, &flags);
        assert_all_ok(&pod, &flags);
    }
}

/// Reverse path filtering, and routes that lead what is probed elsewhere.
#[test]
fn strict_networks_do_not_mind() {
    let lab = Lab::new(RESOLV_CONF);
    for scope in ["all", "default"] {
        lab.pod.text(&["sh", "-c", &format!("echo 1 > /proc/sys/net/ipv4/conf/{scope}/rp_filter")]);
    }
    lab.pod.ip("route add 10.8.0.0/16 via 198.18.0.1");
    lab.pod.ip("-6 route add fd00:7::/64 via fd00:18::1");
    let flags = flags(&[]);
    init(&lab.pod, &flags);
    assert_all_ok(&lab.pod, &flags);
}

#[test]
fn what_privileges_are_missing_for_is_not_made() {
    let lab = Lab::new(RESOLV_CONF);
    init(&lab.pod, &INJECTED);
    // Others may not look into the directory that the tests are built in.
    std::fs::copy(BINARY, "/run/mesh-intercept").unwrap();
    let verify_as = |id: &'static str| {
        let user = ["setpriv", "--reuid", id, "--regid", id, "--clear-groups"];
        let words = ["/run/mesh-intercept", "verify", "--live"];
        lab.pod.output(&[&user[..], &words, &INJECTED].concat())
    };
    // Who is not the proxy either proves nothing at all, and may not go away with a success.
    let output = verify_as("65534");
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing was proven"));
    let output = verify_as("1337");
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(
        text.contains("needs CAP_SYS_ADMIN and CAP_NET_ADMIN") && text.contains("needs CAP_SETGID"),
        "{text}"
    );
    assert!(text.contains("ok        IPv4: TCP of the proxy from 127.0.0.1 to 127.0.0.6"), "{text}");
}

/// Killed while it waits for rules that never come: the kernel takes everything away.
#[test]
fn nothing_stays_of_a_run_that_is_killed() {
    let lab = Lab::new(RESOLV_CONF);
    let before = everything(&lab.pod);
    let links = || lab.pod.text(&["ip", "-o", "link"]);
    // Through nsenter, which becomes the program: the process that is killed is the one that holds the cable.
    let target = format!("--net={}", lab.pod.path().display());
    for _ in 0..3 {
        let mut command = std::process::Command::new("nsenter");
        command.args([&target, BINARY, "verify", "--live"]).args(flags(&[]));
        let mut running = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_until(|| links().contains("mi-probe0"));
        thread::sleep(Duration::from_millis(50));
        running.kill().unwrap();
        running.wait().unwrap();
        wait_until(|| !links().contains("mi-probe0"));
        assert_eq!(everything(&lab.pod), before);
    }
}

fn wait_until(is: impl Fn() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < Duration::from_secs(10), "it does not happen");
        thread::sleep(Duration::from_millis(5));
    }
}
