//! Every system call of a run fails once with every error that a busy or a hardened machine answers: the run succeeds, or
//! leaves the kernel as it was, and says what failed.
//!
//! The table of calls, errors and outcomes is printed. strace makes the calls fail.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]
#![allow(clippy::print_stdout, reason = "the table is worth reading")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Output, Stdio};

use common::pod::{bare_pod, init};
use common::{BINARY, Namespace, isolate};
use serde_json::{Value, json};

const ERRORS: [&str; 7] = ["EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "EINTR", "EPERM", "EAGAIN"];

/// Calls of the start of a process, of its memory and of its end: they are made before the program runs, by its allocator, or
/// cannot fail.
const OF_THE_PROCESS: [&str; 24] = [
    "execve",
    "brk",
    "mmap",
    "munmap",
    "mremap",
    "mprotect",
    "arch_prctl",
    "set_tid_address",
    "set_robust_list",
    "rseq",
    "prlimit64",
    "rt_sigaction",
    "rt_sigprocmask",
    "rt_sigreturn",
    "sigaltstack",
    "exit",
    "exit_group",
    "getrandom",
    "gettid",
    "getpid",
    "sched_getaffinity",
    "madvise",
    "close",
    "restart_syscall",
];

/// TPROXY for both families: rules, routes, policy rules and an address.
const FLAGS: [&str; 9] =
    ["-i", "*", "-b", "*", "-m", "TPROXY", "--redirect-dns", "--capture-all-dns", "--backend=nftables"];

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    /// It did what it was asked for.
    Succeeded,
    /// It changed nothing, and said why.
    Refused(i32),
}

/// A command, and what it may leave.
struct Command {
    name: &'static str,
    words: Vec<String>,
    input: String,
    environment: Vec<(&'static str, String)>,
    /// Brings a pod into the state before the command.
    prepare: fn(&Namespace),
    /// The codes of a command that could not do its work.
    codes: &'static [i32],
    /// What a command says that has done its work.
    says: &'static str,
    /// The calls that fail; empty for all.
    only: &'static [&'static str],
}

impl Command {
    fn run(&self, pod: &Namespace, strace: &[&str]) -> Output {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        let all = [&["strace", "-f", "-qq"], strace, &words[..]].concat();
        // A runtime calls the plugin from outside of the pod.
        let mut command = match self.environment.is_empty() {
            true => pod.command(&all),
            false => std::process::Command::new(all[0]),
        };
        if !self.environment.is_empty() {
            command.args(&all[1..]).env("CNI_NETNS", pod.path());
        }
        command.envs(self.environment.iter().map(|(name, value)| (*name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that reads no input may have ended.
        let _ = child.stdin.take().unwrap().write_all(self.input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// How often each system call is made.
    fn calls(&self, pod: &Namespace) -> BTreeMap<String, usize> {
        (self.prepare)(pod);
        let output = self.run(pod, &["-o", "/run/calls"]);
        assert!(output.status.success(), "{}", text(&output));
        let mut calls = BTreeMap::new();
        for line in fs::read_to_string("/run/calls").unwrap().lines() {
            let call = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ').split_once('(');
            let Some((name, _)) = call.filter(|(name, _)| !name.contains(['<', ' '])) else { continue };
            if !OF_THE_PROCESS.contains(&name) {
                *calls.entry(name.to_owned()).or_default() += 1;
            }
        }
        calls
    }
}

/// The first calls, the last ones, and some between them: a listing is a loop.
fn places(count: usize) -> Vec<usize> {
    (1..=count).filter(|place| *place <= 6 || count - place < 4 || place % 7 == 0).collect()
}

/// All errors at the first place of a call; at the others two in turn.
fn errors(place: usize) -> impl Iterator<Item = &'static str> {
    let is_tried = move |number: usize| place == 1 || (number + place * 2) % ERRORS.len() < 2;
    ERRORS.into_iter().enumerate().filter(move |(number, _)| is_tried(*number)).map(|(_, error)| error)
}

/// Everything that a command could have changed.
fn state(pod: &Namespace) -> String {
    const ALL: &str = "nft -s list ruleset; ip rule; ip -6 rule; ip route show table all; ip -6 route show table all; \
                       ip address show dev lo";
    pod.text(&["sh", "-c", ALL])
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn check(command: &Command) {
    isolate("");
    let pod = bare_pod("pod");
    let mut calls = command.calls(&pod);
    if !command.only.is_empty() {
        calls.retain(|call, _| command.only.contains(&call.as_str()));
    }
    let after = state(&pod);
    (command.prepare)(&pod);
    let before = state(&pod);
    let mut table: BTreeMap<(String, &str), BTreeMap<Outcome, usize>> = BTreeMap::new();
    let mut wrong = Vec::new();
    let mut is_fresh = true;
    for (call, count) in &calls {
        for place in places(*count) {
            // The standard library looks at its three streams before the program runs, and ends the process.
            if (call.as_str(), place) == ("poll", 1) {
                continue;
            }
            for error in errors(place) {
                if !is_fresh {
                    (command.prepare)(&pod);
                }
                let inject = format!("inject={call}:error={error}:when={place}");
                let output =
                    command.run(&pod, &["-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject]);
                let found = state(&pod);
                is_fresh = found == before;
                match judged(command, &output, &found, &before, &after) {
                    Ok(outcome) => {
                        *table.entry((call.clone(), error)).or_default().entry(outcome).or_default() += 1;
                    }
                    Err(why) => wrong.push(format!("{call} {place} {error}: {why}\n    {}", text(&output))),
                }
            }
        }
    }
    println!("{}", command.name);
    for ((call, error), outcomes) in &table {
        let all: Vec<String> =
            outcomes.iter().map(|(outcome, count)| format!("{outcome:?} x {count}")).collect();
        println!("  {call:<16} {error:<8} {}", all.join(", "));
    }
    let tried: usize = table.values().flat_map(BTreeMap::values).sum();
    assert!(wrong.is_empty(), "{} of {tried} runs of {}:\n{}", wrong.len(), command.name, wrong.join("\n"));
    assert!(
        table.len() > if command.only.is_empty() { 70 } else { 10 },
        "only {} calls with their errors were tried",
        table.len()
    );
}

fn judged(
    command: &Command,
    output: &Output,
    state: &str,
    before: &str,
    after: &str,
) -> Result<Outcome, String> {
    let said = text(output);
    if let Some(signal) = output.status.signal() {
        return Err(format!("ended by signal {signal}"));
    }
    if said.contains("panicked") {
        return Err("a panic".to_owned());
    }
    match output.status.code().unwrap() {
        _ if !command.environment.is_empty() && serde_json::from_slice::<Value>(&output.stdout).is_err() => {
            Err("the runtime has no answer".to_owned())
        }
        0 if !said.contains(command.says) => Err(format!("succeeded without {:?}", command.says)),
        0 if state == after => Ok(Outcome::Succeeded),
        0 => Err(format!("succeeded, and left another state:\n{state}")),
        code if !command.codes.contains(&code) => Err(format!("exit code {code}")),
        _ if state != before => Err(format!("failed, and left another state:\n{state}")),
        _ if said.trim().is_empty() => Err("failed, and said nothing".to_owned()),
        code => Ok(Outcome::Refused(code)),
    }
}

fn words(verb: &str, more: &[&str]) -> Vec<String> {
    [&[BINARY, verb], more].concat().into_iter().map(str::to_owned).collect()
}

fn nothing(pod: &Namespace) {
    assert!(pod.output(&[BINARY, "cleanup"]).status.success());
}

fn rules(pod: &Namespace) {
    let output = init(pod, "nftables", &[&FLAGS[..], &["--reconcile"]].concat());
    assert!(output.status.success(), "{}", text(&output));
}

fn other_rules(pod: &Namespace) {
    nothing(pod);
    assert!(init(pod, "nftables", &["-i", "10.0.0.0/8", "-b", "80"]).status.success());
}

fn command(
    name: &'static str,
    words: Vec<String>,
    prepare: fn(&Namespace),
    codes: &'static [i32],
) -> Command {
    Command { name, words, input: String::new(), environment: vec![], prepare, codes, says: "", only: &[] }
}

#[test]
fn a_first_apply() {
    check(&command("init", words("init", &[&FLAGS[..], &["--dual-stack"]].concat()), nothing, &[2, 3]));
}

#[test]
fn a_replacement() {
    let flags = [&FLAGS[..], &["--dual-stack", "--reconcile"]].concat();
    check(&command("init --reconcile", words("init", &flags), other_rules, &[2, 3]));
}

#[test]
fn a_verification() {
    let words = words("verify", &[&FLAGS[..], &["--dual-stack"]].concat());
    check(&Command {
        says: "the rules in nftables are exactly those asked for",
        ..command("verify", words, rules, &[2])
    });
}

#[test]
fn a_status() {
    let says = "drift          none";
    check(&Command { says, ..command("status", words("status", &[]), rules, &[2]) });
}

#[test]
fn a_cleanup() {
    check(&command("cleanup", words("cleanup", &[]), rules, &[2, 3]));
}

/// Where the plugin keeps what it remembers.
const RUN_DIRECTORY: &str = "/run/plugin";

fn no_sandbox(pod: &Namespace) {
    nothing(pod);
    let _ = fs::remove_dir_all(RUN_DIRECTORY);
}

#[test]
fn a_sandbox_that_is_added() {
    let conf = json!({
        "cniVersion": "1.1.0", "name": "k8s", "type": "mesh-intercept-cni", "cni_agent_run_dir": RUN_DIRECTORY,
        "pod_facts": ["runtime"], "time_budget": "1ms", "host_os_release": "", "flags": ["--dual-stack"],
        "capabilities": {"io.kubernetes.cri.pod-annotations": true},
        "runtimeConfig": {"io.kubernetes.cri.pod-annotations": {
            "sidecar.istio.io/status": "{\"initContainers\":[\"istio-validation\",\"istio-proxy\"],\"containers\":null}",
            "sidecar.istio.io/interceptionMode": "TPROXY",
        }},
        "prevResult": {"cniVersion": "1.1.0", "interfaces": [], "ips": [{"address": "240.240.240.240/32"}]},
    });
    let environment = [
        ("CNI_COMMAND", "ADD"),
        ("CNI_CONTAINERID", "a"),
        ("CNI_IFNAME", "eth0"),
        ("CNI_PATH", "/nowhere"),
        ("CNI_ARGS", "IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_UID=u-1"),
    ];
    check(&Command {
        input: conf.to_string(),
        environment: environment.map(|(name, value)| (name, value.to_owned())).to_vec(),
        ..command("ADD", words("cni", &[]), no_sandbox, &[1])
    });
}

#[test]
fn programs_that_cannot_be_started() {
    for backend in ["--backend=iptables-nft", "--backend=iptables-legacy"] {
        let flags = ["-i", "*", "-b", "*", "--dual-stack", backend];
        check(&Command {
            only: &["clone", "clone3", "vfork", "fork", "pipe2", "wait4", "waitid"],
            ..command("init with programs", words("init", &flags), nothing, &[2, 3])
        });
    }
}
