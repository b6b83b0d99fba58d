//! The agent may be killed anywhere: the configuration is then old or new, and the next run ends the story.
//!
//! The test runs itself under strace; see tests/killed.rs for the way it is killed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;

use mesh_intercept::agent::installer::{Program, State};

use crate::deed::run;
use crate::node::{BRIDGE, COPY, KIND, Node, OURS, chained, list, owned_copy};

/// The system calls that may divide one state of the folder from another, and how often a thread makes each.
fn calls(node: &Node, deed: &str) -> BTreeMap<String, usize> {
    let traces = node.root().join("traces");
    fs::create_dir(&traces).unwrap();
    let output = run(node, deed, &["-ff", "-o", traces.join("of").to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let mut most = BTreeMap::new();
    for trace in fs::read_dir(&traces).unwrap() {
        let text = fs::read_to_string(trace.unwrap().path()).unwrap();
        let names: Vec<_> =
            text.lines().filter_map(|line| line.split_once('(')).map(|(name, _)| name).collect();
        for name in &names {
            let count = names.iter().filter(|other| *other == name).count();
            let known = most.entry((*name).to_owned()).or_insert(0);
            *known = count.max(*known);
        }
    }
    // What only gives memory, signals and time is the same for every file.
    let quiet = ["mmap", "munmap", "mprotect", "brk", "madvise", "futex", "getrandom"];
    most.retain(|name, _| !quiet.contains(&&**name) && !name.starts_with("rt_sig"));
    most
}

/// Kills the deed at each of its calls, in a folder made by `before`; `check` says whether what is left may be, and
/// `after` is what the same deed leads to when it is done once more.
fn kill_everywhere(deed: &str, before: impl Fn() -> Node, check: impl Fn(&Node, &str)) {
    let mut kills = 0;
    let done = before();
    let calls = calls(&done, deed);
    let visible = |node: &Node| -> Vec<(String, String)> {
        let mut files = node.files();
        let programs = fs::read_dir(node.root().join("bin")).unwrap().map(|it| it.unwrap());
        files.extend(
            programs
                .map(|it| (it.file_name().into_string().unwrap(), fs::read_to_string(it.path()).unwrap())),
        );
        files
    };
    assert!(calls.contains_key("renameat2") || calls.contains_key("unlink"), "{calls:?}");
    for (call, count) in calls {
        for number in 1..=count {
            let context = format!("{deed} killed at {call} {number}");
            let node = before();
            let (trace, inject) =
                (format!("trace={call}"), format!("inject={call}:signal=KILL:when={number}"));
            let output = run(&node, deed, &["-o", "/dev/null", "-e", &trace, "-e", &inject]);
            let is_killed = output.status.signal() == Some(nix::libc::SIGKILL);
            assert!(is_killed || output.status.success(), "{context}: {output:?}");
            kills += u32::from(is_killed);
            check(&node, &context);
            let again = run(&node, deed, &["-o", "/dev/null", "-e", "trace=none"]);
            assert!(again.status.success(), "{context}, and then: {again:?}");
            assert_eq!(visible(&node), visible(&done), "{context}");
        }
    }
    assert!(kills > 30, "{deed} was killed {kills} times only");
}

fn node(files: &[(&str, &str)]) -> Node {
    Node::with_program(files, b"the program")
}

fn is_one_of(text: &str, allowed: &[&str], context: &str) {
    assert!(allowed.contains(&text), "{context}: {text:?}");
}

/// A configuration that names the program is there only when the program is.
fn assert_the_program_is_there(node: &Node, context: &str) {
    let program = fs::read_to_string(node.root().join("bin").join(KIND)).ok();
    assert_eq!(program.as_deref(), Some("the program"), "{context}");
}

#[test]
fn an_installation_in_place() {
    let plain = list("net", &[BRIDGE]);
    kill_everywhere(
        "install",
        || node(&[("10-net.conflist", &plain)]),
        |node, context| {
            let text = node.read("10-net.conflist");
            is_one_of(&text, &[&plain, &chained("net")], context);
            if text != plain {
                assert_the_program_is_there(node, context);
            }
        },
    );
}

#[test]
fn a_new_copy() {
    let plain = list("net", &[BRIDGE]);
    kill_everywhere(
        "copy",
        || node(&[("10-net.conflist", &plain)]),
        |node, context| {
            assert_eq!(node.read("10-net.conflist"), plain, "{context}");
            if node.path(COPY).exists() {
                assert_eq!(node.types(COPY), ["bridge", KIND], "{context}");
                assert_the_program_is_there(node, context);
            }
        },
    );
}

#[test]
fn an_uninstallation() {
    let plain = list("net", &[BRIDGE]);
    kill_everywhere(
        "uninstall",
        || {
            let mut node = node(&[("10-net.conflist", &plain)]);
            node.change(|options, root| {
                options.mode = owned_copy();
                options.program = Some(Program { source: root.join("source"), folder: root.join("bin") });
            });
            assert!(matches!(node.ensure().state, State::Installed(_)));
            node.write("10-net.conflist", &list("net", &[BRIDGE, OURS]));
            node
        },
        |node, context| {
            is_one_of(&node.read("10-net.conflist"), &[&plain, &chained("net")], context);
            if node.path(COPY).exists() || node.read("10-net.conflist") != plain {
                assert_the_program_is_there(node, context);
            }
        },
    );
}

#[test]
fn an_installation_beside_a_folder_of_plugins() {
    let plain = list("net", &[BRIDGE]);
    kill_everywhere(
        "install",
        || {
            let node = node(&[("10-net.conflist", &plain)]);
            fs::create_dir(node.path("net")).unwrap();
            fs::write(node.path("net").join("1.conf"), r#"{"type":"tuning"}"#).unwrap();
            node
        },
        |node, context| {
            assert_eq!(node.read("10-net.conflist"), plain, "{context}");
            if node.path(COPY).exists() {
                assert_eq!(node.types(COPY), ["bridge", "tuning", KIND], "{context}");
                assert_the_program_is_there(node, context);
            }
        },
    );
}

#[test]
fn an_uninstallation_from_a_file_of_multus() {
    let plain = list("net", &[BRIDGE]);
    let multus = |network: &str| format!(r#"{{"type":"multus","name":"m","delegates":[{network}]}}"#);
    kill_everywhere(
        "uninstall",
        || {
            let mut node = node(&[("10-net.conflist", &plain)]);
            assert!(matches!(node.ensure().state, State::Installed(_)));
            node.write("00-multus.conf", &multus(&chained("net")));
            node
        },
        |node, context| {
            is_one_of(&node.read("10-net.conflist"), &[&plain, &chained("net")], context);
            let called = node.read("00-multus.conf");
            is_one_of(&called, &[&multus(&plain), &multus(&chained("net"))], context);
            if called.contains(KIND) {
                assert_the_program_is_there(node, context);
            }
        },
    );
}
