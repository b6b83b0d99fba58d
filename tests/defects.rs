//! A defect of the plugin, at every place of a call: the runtime has one answer, and the pod's namespace is as it was.
//!
//! The program has these places in builds with debug assertions, which tests are by default.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

mod common;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use common::pod::{BACK_ENDS, assert_same, bare_pod, pod};
use common::{BINARY, Namespace, log};
use mesh_intercept::faults::VARIABLE;
use mesh_intercept::logs::scopes::Program;
use serde_json::{Value, json};

/// Places that every ADD of a pod of the mesh passes which puts rules in.
const OF_ADD: [&str; 11] = [
    "called",
    "look",
    "compile",
    "detect",
    "inside:1",
    "inside:3",
    "routing",
    "apply",
    "installed",
    "remembered",
    "answering",
];
/// Places that an ADD passes which replaces rules.
const OF_REPLACEMENT: [&str; 9] =
    ["detect", "compare", "inside:2", "routing", "bridge", "rules", "apply", "installed", "remembered"];
/// Settings that need routes and, when they go, two transactions.
const TPROXY: &str = "TPROXY";
const REDIRECT: &str = "REDIRECT";

/// A node whose runtime hands over annotations.
struct Node {
    folder: tempfile::TempDir,
    backend: &'static str,
}

impl Node {
    fn new(backend: &'static str) -> Node {
        Node { folder: tempfile::tempdir().unwrap(), backend }
    }

    fn conf(&self, mode: &str) -> String {
        json!({
            "cniVersion": "1.1.0", "name": "k8s", "type": "mesh-intercept-cni", "cni_agent_run_dir": self.folder.path(),
            "host_os_release": "", "backend": self.backend, "pod_facts": ["runtime"],
            "capabilities": {"io.kubernetes.cri.pod-annotations": true},
            "runtimeConfig": {"io.kubernetes.cri.pod-annotations": {
                "sidecar.istio.io/status": "{\"containers\":[\"istio-proxy\"]}",
                "sidecar.istio.io/interceptionMode": mode,
            }},
            "cni.dev/valid-attachments": [],
            "prevResult": {"cniVersion": "1.1.0", "ips": []},
        })
        .to_string()
    }

    fn command(&self, command: &str, netns: &Path, places: &str) -> Command {
        let mut program = Command::new(BINARY);
        program.arg("cni").env_clear().env("CNI_COMMAND", command).env("CNI_NETNS", netns);
        program.env("CNI_CONTAINERID", "c1").env("CNI_IFNAME", "eth0").env("CNI_PATH", "/nowhere");
        program.env("CNI_ARGS", "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_UID=u");
        if !places.is_empty() {
            program.env(VARIABLE, places);
        }
        program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        program
    }

    fn call(&self, command: &str, pod: &Namespace, mode: &str, places: &str) -> Output {
        run(self.command(command, &pod.path(), places), &self.conf(mode))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("mesh-intercept-cni.log")).unwrap_or_default()
    }
}

fn run(mut command: Command, conf: &str) -> Output {
    let mut child = command.spawn().unwrap();
    let _ = child.stdin.take().unwrap().write_all(conf.as_bytes());
    child.wait_with_output().unwrap()
}

/// The one object of an answer.
#[track_caller]
fn answer(output: &Output, context: &str) -> Value {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| {
        panic!("{context}: {error}: {text:?}\n{}", String::from_utf8_lossy(&output.stderr))
    })
}

/// The answer is that of a defect.
#[track_caller]
fn assert_defect(output: &Output, context: &str) {
    let answer = answer(output, context);
    assert_eq!(
        (&answer["code"], &answer["cniVersion"]),
        (&json!(999), &json!("1.1.0")),
        "{context}: {answer}"
    );
    assert_eq!(output.status.code(), Some(1), "{context}: {}", output.status);
}

#[test]
fn a_defect_of_a_first_add_leaves_nothing_in_the_namespace() {
    for backend in BACK_ENDS {
        let pod = pod();
        let before = pod.state();
        let mut seen = BTreeSet::new();
        for place in OF_ADD {
            let node = Node::new(backend);
            let context = format!("{backend}: {place}");
            let output = node.call("ADD", &pod, TPROXY, place);
            if place == "answering" {
                // The runtime was told of a success: that is what holds.
                assert_eq!(answer(&output, &context)["ips"], json!([]), "{context}");
                assert_eq!(output.status.code(), Some(0), "{context}");
                assert_ne!(before, pod.state(), "{context}");
                assert!(node.call("DEL", &pod, TPROXY, "").status.success());
            } else {
                assert_defect(&output, &context);
                let left =
                    std::fs::read_dir(node.folder.path().join("sandboxes")).into_iter().flatten().count();
                assert_eq!(left, 0, "{context}: remembered");
            }
            assert_same(&before, &pod.state(), &context);
            assert!(node.log().contains("a test wants a defect"), "{context}: {}", node.log());
            seen.extend(log::names(&log::lines(&node.log(), Program::Plugin)));
            assert!(node.log().lines().all(|line| line.contains("\"uid\":\"u\"")), "{}", node.log());
            // The next one is served.
            assert!(node.call("ADD", &pod, TPROXY, "").status.success(), "{context}");
            assert!(node.call("DEL", &pod, TPROXY, "").status.success(), "{context}");
            assert_same(&before, &pod.state(), &context);
        }
        assert!(seen.contains("rules") && seen.contains("took_us"), "{seen:?}");
    }
}

#[test]
fn a_defect_of_a_repeated_add_leaves_the_rules_that_were_there() {
    for backend in BACK_ENDS {
        for (old, new) in [(TPROXY, REDIRECT), (REDIRECT, TPROXY)] {
            let (pod, node) = (pod(), Node::new(backend));
            assert!(node.call("ADD", &pod, old, "").status.success());
            let before = pod.state();
            let mut passed = 0;
            for place in OF_REPLACEMENT {
                let context = format!("{backend}, {old} to {new}: {place}");
                let output = node.call("ADD", &pod, new, place);
                if output.status.success() {
                    // Not every replacement passes every place.
                    assert!(["bridge", "routing"].contains(&place), "{context}");
                    assert!(node.call("ADD", &pod, old, "").status.success());
                    continue;
                }
                passed += 1;
                assert_defect(&output, &context);
                assert_same(&before, &pod.state(), &context);
                assert!(node.call("CHECK", &pod, old, "").status.success(), "{context}");
            }
            assert!(passed >= OF_REPLACEMENT.len() - 2, "{backend}: {passed}");
        }
    }
}

#[test]
fn a_pod_that_leaves_the_mesh_keeps_its_rules_when_a_defect_ends_their_removal() {
    let (pod, node) = (pod(), Node::new("nftables"));
    assert!(node.call("ADD", &pod, TPROXY, "").status.success());
    let before = pod.state();
    for place in ["removal:1", "removal:2", "remove", "remembered"] {
        assert_defect(&node.call("ADD", &pod, "NONE", place), place);
        assert_same(&before, &pod.state(), place);
        assert!(node.call("CHECK", &pod, TPROXY, "").status.success(), "{place}");
    }
}

#[test]
fn a_defect_of_another_command_is_answered() {
    let (pod, node) = (pod(), Node::new("nftables"));
    for command in ["CHECK", "DEL", "STATUS", "GC"] {
        assert_defect(&node.call(command, &pod, TPROXY, "called"), command);
    }
    assert!(node.call("ADD", &pod, TPROXY, "").status.success());
    for (command, place) in [("CHECK", "inside"), ("CHECK", "look"), ("DEL", "look"), ("DEL", "removal:2")] {
        assert_defect(&node.call(command, &pod, TPROXY, place), &format!("{command}: {place}"));
    }
    assert!(node.call("DEL", &pod, TPROXY, "").status.success());
}

#[test]
fn a_second_defect_takes_nothing_back_of_the_answer() {
    let pod = pod();
    let before = pod.state();
    for places in ["installed,undo", "installed,ending", "apply,ending"] {
        let node = Node::new("nftables");
        let output = node.call("ADD", &pod, TPROXY, places);
        assert_eq!(answer(&output, places)["code"], 999, "{places}");
        assert!(!output.status.success(), "{places}");
        assert_ne!(before, pod.state(), "{places}: it is the undo that removes the rules");
        // What stays is no obstacle to the runtime's next calls.
        node.call("DEL", &pod, TPROXY, "");
        assert!(node.call("ADD", &pod, TPROXY, "").status.success(), "{places}");
        assert!(node.call("DEL", &pod, TPROXY, "").status.success(), "{places}");
    }
}

/// What can be wrong with standard error.
fn unwritable(command: &mut Command, what: &str) -> Option<File> {
    match what {
        "full" => drop(command.stderr(File::options().write(true).open("/dev/full").unwrap())),
        "read-only" => drop(command.stderr(File::open("/dev/null").unwrap())),
        "broken" => {
            let (reader, writer) = nix::unistd::pipe().unwrap();
            drop(reader);
            command.stderr(writer);
        }
        "unread" => {
            let (reader, writer) = nix::unistd::pipe().unwrap();
            fill(&writer);
            command.stderr(writer);
            return Some(reader.into());
        }
        _ => unreachable!(),
    }
    None
}

/// Fills a pipe to the last byte, without waiting.
fn fill(writer: &std::os::fd::OwnedFd) {
    use nix::fcntl::{FcntlArg, OFlag, fcntl};
    fcntl(writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).unwrap();
    while nix::unistd::write(writer, &[b'x'; 4096]).is_ok() {}
    while nix::unistd::write(writer, b"x").is_ok() {}
    fcntl(writer, FcntlArg::F_SETFL(OFlag::empty())).unwrap();
}

/// A shell that closes standard error first.
fn without_stderr(node: &Node, command: &str, pod: &Namespace, places: &str) -> Command {
    let plugin = node.command(command, &pod.path(), places);
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "exec \"$0\" cni 2>&-", BINARY]).env_clear();
    shell.envs(plugin.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    shell
}

#[test]
fn whatever_standard_error_is_the_runtime_has_its_answer() {
    let pod = pod();
    let before = pod.state();
    for what in ["closed", "full", "read-only", "broken", "unread"] {
        for places in ["", "installed"] {
            let node = Node::new("nftables");
            let context = format!("{what}: {places}");
            let mut kept = None;
            let mut call = |command: &str, places: &str| {
                let mut program = match what {
                    "closed" => without_stderr(&node, command, &pod, places),
                    _ => node.command(command, &pod.path(), places),
                };
                if what != "closed" {
                    kept = unwritable(&mut program, what);
                }
                run(program, &node.conf(TPROXY))
            };
            let output = call("ADD", places);
            if places.is_empty() {
                assert_eq!(answer(&output, &context)["ips"], json!([]), "{context}");
                assert_eq!(output.status.code(), Some(0), "{context}");
                // An error is logged as well.
                pod.text(&["nft", "flush", "ruleset"]);
                let output = call("CHECK", "");
                assert_eq!(answer(&output, &context)["code"], 103, "{context}");
                assert_eq!(call("DEL", "").status.code(), Some(0), "{context}");
            } else {
                assert_defect(&output, &context);
            }
            assert_same(&before, &pod.state(), &context);
            assert!(node.log().contains("\"command\":\"ADD\""), "{context}: the file has it");
        }
    }
}

#[test]
fn a_run_directory_that_cannot_be_written_stops_no_pod() {
    let pod = pod();
    for folder in ["/proc/nowhere", "/dev/full"] {
        let node = Node::new("nftables");
        let mut conf: Value = serde_json::from_str(&node.conf(REDIRECT)).unwrap();
        conf["cni_agent_run_dir"] = json!(folder);
        let output = run(node.command("ADD", &pod.path(), ""), &conf.to_string());
        assert_eq!(answer(&output, folder)["ips"], json!([]), "{folder}");
        assert!(output.status.success(), "{folder}");
    }
    // A log that is a pipe which nobody reads, and one on a full disk.
    let node = Node::new("nftables");
    let path = node.folder.path().join("mesh-intercept-cni.log");
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(node.call("ADD", &pod, REDIRECT, "").status.success());
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    assert!(node.call("ADD", &pod, REDIRECT, "").status.success());
}

#[test]
fn the_commands_say_the_same_whatever_standard_error_is() {
    let pod = bare_pod_of_test();
    for what in ["full", "read-only", "broken", "unread"] {
        for (words, code) in [
            ("init -u 1337 -i * -b *", 0),
            ("init -u 1337 -i * -b 80", 4),
            ("verify -u 1337 -i * -b *", 0),
            ("status", 0),
            ("plan -p nonsense", 1),
            ("cleanup --log_as_json", 0),
        ] {
            let netns = pod.path();
            let mut command = Command::new(BINARY);
            command.args(words.split(' '));
            if code != 1 {
                command.arg("--network-namespace").arg(netns);
            }
            command.stdin(Stdio::null()).stdout(Stdio::piped());
            let _kept = unwritable(&mut command, what);
            let output = command.spawn().unwrap().wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(code), "{what}: {words}");
        }
    }
}

fn bare_pod_of_test() -> Namespace {
    common::isolate("");
    bare_pod("pod")
}
