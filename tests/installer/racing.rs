//! Several writers at once.
//!
//! What is promised is in the description of `installer::folder`: writers of this program never lose an edit of each
//! other; what a program that knows nothing of us has put into place is never gone for good. That program may well
//! lose *our* edit, by writing what it made of an older text; then ours is made again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mesh_intercept::agent::installer::document::List;
use mesh_intercept::agent::installer::folder::{Folder, Swap};
use mesh_intercept::agent::installer::plan::Step;
use mesh_intercept::agent::installer::{Entry, Installer, State};
use nix::mount::{MsFlags, mount};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use crate::common::isolate;
use crate::deed::{command, run};
use crate::node::{BRIDGE, COPY, KIND, Node, OURS, chained, list, options, owned_copy, types};

const FILE: &str = "10-net.conflist";

/// No writer needs so long for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node on a disk in memory: thousands of writes to a real one take long.
fn node_in_memory() -> Node {
    isolate("");
    let node = Node::new(&[]);
    let none: Option<&str> = None;
    mount(Some("tmpfs"), &node.root().join("net.d"), Some("tmpfs"), MsFlags::empty(), none).unwrap();
    node.write(FILE, &list("net", &[BRIDGE]));
    node
}

/// The keys of one writer, and what it has made of them.
struct Writer {
    prefix: &'static str,
    keys: BTreeMap<String, Value>,
    random: fastrand::Rng,
}

impl Writer {
    fn new(prefix: &'static str, seed: u64) -> Writer {
        Writer { prefix, keys: BTreeMap::new(), random: fastrand::Rng::with_seed(seed) }
    }

    /// Its keys in a text.
    fn found(&self, text: &str) -> BTreeMap<String, Value> {
        let list: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text:?}"));
        assert_eq!(types(text).iter().filter(|kind| *kind == "bridge").count(), 1);
        let all = list.as_object().unwrap().iter();
        let own = all.filter(|(key, _)| key.starts_with(self.prefix));
        own.map(|(key, value)| (key.clone(), value.clone())).collect()
    }

    /// Adds, changes or removes one of its keys.
    fn edit(&mut self, text: &str, number: u32) -> String {
        let key = format!("{}{}", self.prefix, self.random.u32(..8));
        if self.random.u32(..4) == 0 {
            self.keys.remove(&key);
        } else {
            self.keys.insert(key, self.random.u64(..).into());
        }
        // So no two of its versions are the same.
        self.keys.insert(format!("{}number", self.prefix), number.into());
        let mut list: Value = serde_json::from_str(text).unwrap();
        let members = list.as_object_mut().unwrap();
        members.retain(|key, _| !key.starts_with(self.prefix));
        members.extend(self.keys.clone());
        format!("{list:#}")
    }
}

fn swap(folder: &Path, before: String, after: String) -> Swap {
    let step = Step::Write { name: FILE.to_owned(), before: Some(before.into_bytes()), after };
    Folder::open(folder).unwrap().apply(&step).unwrap()
}

#[test]
fn two_writers_of_ours_lose_nothing_in_ten_thousand_edits() {
    let node = node_in_memory();
    let work = |prefix: &'static str, seed: u64| {
        let path = node.path(FILE);
        move || {
            let mut writer = Writer::new(prefix, seed);
            for number in 0..5000 {
                let keys = writer.keys.clone();
                while {
                    writer.keys.clone_from(&keys);
                    let text = std::fs::read_to_string(&path).unwrap();
                    assert_eq!(writer.found(&text), keys, "{prefix}{number}");
                    let edited = writer.edit(&text, number);
                    swap(path.parent().unwrap(), text, edited) == Swap::Changed
                } {}
            }
            writer
        }
    };
    let writers = thread::scope(|scope| {
        let both = [scope.spawn(work("one-", 1)), scope.spawn(work("other-", 2))];
        both.map(|it| it.join().unwrap())
    });
    for writer in &writers {
        assert_eq!(writer.found(&node.read(FILE)), writer.keys);
    }
    assert_eq!(node.names(), [FILE]);
}

/// Reads, edits, and renames its file over the one that is there, as an installer of another plugin would; it looks
/// neither for our lock nor for what others wrote meanwhile. Before each edit it waits until it sees its last one.
fn foreign_writer(path: PathBuf) -> Writer {
    let mut writer = Writer::new("theirs-", 3);
    for number in 0..5000 {
        let start = Instant::now();
        let text = loop {
            let text = std::fs::read_to_string(&path).unwrap();
            if writer.found(&text) == writer.keys {
                break text;
            }
            assert!(start.elapsed() < PATIENCE, "edit {} is lost: {text}", number - 1);
        };
        let new = path.with_file_name("theirs.tmp");
        std::fs::write(&new, writer.edit(&text, number)).unwrap();
        std::fs::rename(&new, &path).unwrap();
    }
    writer
}

#[test]
fn a_program_that_knows_nothing_of_us_loses_nothing_in_ten_thousand_edits() {
    let node = node_in_memory();
    let path = node.path(FILE);
    let is_over = AtomicBool::new(false);
    let folder = path.parent().unwrap();
    // Our entry comes, changes and goes, at least 5000 times and as long as the other one writes.
    let ours = || {
        let mut random = fastrand::Rng::with_seed(4);
        let mut edits = 0;
        while edits < 5000 || !is_over.load(Ordering::Relaxed) {
            let text = std::fs::read_to_string(&path).unwrap();
            let list = List::parse(&text).unwrap();
            let level = json!({"log_level": random.u32(..)});
            let edited = match random.u32(..4) {
                0 => list.without(KIND).unwrap().unwrap_or_else(|| text.clone()),
                _ => list.with(&Entry::new(level, KIND).unwrap()).unwrap(),
            };
            assert!(types(&edited).iter().filter(|kind| *kind == KIND).count() <= 1);
            if edited != text && swap(folder, text.clone(), edited) == Swap::Done {
                edits += 1;
            }
        }
        edits
    };
    let writer = thread::scope(|scope| {
        let ours = scope.spawn(ours);
        // A loss is told when the other writer is at its end as well.
        let writer = std::panic::catch_unwind(|| foreign_writer(path.clone()));
        is_over.store(true, Ordering::Relaxed);
        ours.join().unwrap();
        writer.unwrap()
    });
    assert_eq!(writer.found(&node.read(FILE)), writer.keys);
    let mut installer = Installer::new(options(node.root())).unwrap();
    assert_eq!(installer.ensure().unwrap().state, State::Installed(path.clone()));
    assert_eq!(writer.found(&node.read(FILE)), writer.keys);
    assert_eq!(node.types(FILE), ["bridge", KIND]);
    assert_eq!(node.names(), [FILE]);
}

/// Another program writes whenever the deed has just made one of these system calls, so often. Gives its last text.
fn write_at_stops(node: &Node, stops: &[&str], writes: u32) -> (Output, Option<String>) {
    let trace = node.root().join("trace");
    let kinds: Vec<_> = stops.iter().map(|stop| stop.split(':').next().unwrap()).collect();
    let kinds = format!("trace={}", kinds.join(","));
    let injects: Vec<_> = stops.iter().map(|stop| format!("inject={stop}")).collect();
    let mut strace = vec!["-o", trace.to_str().unwrap(), "-e", &kinds];
    strace.extend(injects.iter().flat_map(|inject| ["-e", inject]));
    let mut child = command("install", node, &strace).spawn().unwrap();
    let (mut seen, mut writes_done, mut last, start) = (0, 0, None, Instant::now());
    while child.try_wait().unwrap().is_none() {
        let text = std::fs::read_to_string(&trace).unwrap_or_default();
        // Each thread of the process tells that it stops, unless it is told to go on before.
        let stopped: Vec<_> =
            text.lines().filter(|line| line.ends_with("--- stopped by SIGSTOP ---")).collect();
        if stopped.len() > seen && writes_done < writes {
            writes_done += 1;
            let theirs = list("net", &[&format!(r#"{{"type":"bridge","mtu":{writes_done}}}"#)]);
            std::fs::write(node.path("theirs.tmp"), &theirs).unwrap();
            std::fs::rename(node.path("theirs.tmp"), node.path(FILE)).unwrap();
            last = Some(theirs);
        }
        if let Some((thread, _)) = stopped.last().and_then(|line| line.split_once(' ')) {
            let signal = if start.elapsed() < PATIENCE { Signal::SIGCONT } else { Signal::SIGKILL };
            // It may have ended in between.
            let _ = kill(Pid::from_raw(thread.parse().unwrap()), signal);
        }
        seen = stopped.len();
        thread::sleep(Duration::from_millis(2));
    }
    (child.wait_with_output().unwrap(), last)
}

/// The deed ends well, and the last that the other program wrote is there, with our entry.
fn assert_nothing_is_lost(stops: &[&str], writes: u32) -> bool {
    let node = Node::with_program(&[(FILE, &list("net", &[BRIDGE]))], b"the program");
    let (output, last) = write_at_stops(&node, stops, writes);
    assert!(output.status.success(), "{stops:?}: {output:?}");
    let Some(last) = last else { return false };
    let there = node.read(FILE);
    let both = last.replace("}]", &format!("}},{OURS}]"));
    // What is written after our last look is found at the next one.
    assert!(there == last || there == both, "{stops:?}: {there}");
    assert!(Installer::new(options(node.root())).unwrap().ensure().is_ok());
    assert_eq!(node.files(), [(FILE.to_owned(), both)], "{stops:?}");
    true
}

#[test]
fn a_program_that_writes_at_any_system_call_of_ours_loses_nothing() {
    let mut writes = 0;
    for call in
        ["openat", "statx", "read", "fsync", "fcntl", "fchmod", "renameat2", "unlink", "flock", "close"]
    {
        for number in 1.. {
            if !assert_nothing_is_lost(&[&format!("{call}:signal=STOP:when={number}")], 1) {
                break;
            }
            writes += 1;
        }
    }
    assert!(writes > 30, "only {writes} calls were tried");
}

#[test]
fn a_program_that_writes_again_while_its_version_is_put_back_loses_nothing() {
    // One of the first calls of fcntl is between the last look at the file and the exchange.
    for number in 1..=12 {
        for writes in 2..=4 {
            let stops = [&*format!("fcntl:signal=STOP:when={number}"), "renameat2:signal=STOP"];
            assert!(assert_nothing_is_lost(&stops, writes));
        }
    }
}

#[test]
fn agents_that_install_at_the_same_time_install_once() {
    for _ in 0..20 {
        let node = Node::new(&[(FILE, &list("net", &[BRIDGE]))]);
        thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| {
                    let mut installer = Installer::new(options(node.root())).unwrap();
                    assert_eq!(installer.ensure().unwrap().state, State::Installed(node.path(FILE)));
                });
            }
        });
        assert_eq!(node.files(), [(FILE.to_owned(), chained("net"))]);
    }
}

#[test]
fn a_change_based_on_an_old_text_changes_nothing() {
    let node = Node::new(&[(FILE, "theirs")]);
    let write = |name: &str, before: Option<&[u8]>| Step::Write {
        name: name.to_owned(),
        before: before.map(<[u8]>::to_vec),
        after: "ours".to_owned(),
    };
    for (step, swap) in [
        (write(FILE, Some(b"older")), Swap::Changed),
        (write(FILE, None), Swap::Changed),
        (write("gone", Some(b"older")), Swap::Changed),
        (Step::Remove { name: FILE.to_owned(), before: b"older".to_vec() }, Swap::Changed),
        (Step::Remove { name: "gone".to_owned(), before: b"older".to_vec() }, Swap::Done),
    ] {
        // The folder is locked until the change is made.
        let folder = Folder::open(node.path(FILE).parent().unwrap()).unwrap();
        assert_eq!(folder.apply(&step).unwrap(), swap, "{step:?}");
        drop(folder);
        assert_eq!(node.files(), [(FILE.to_owned(), "theirs".to_owned())]);
    }
}

#[test]
fn a_file_system_that_cannot_exchange_is_good_enough() {
    for error in ["EINVAL", "ENOSYS"] {
        let node = Node::with_program(&[(FILE, &list("net", &[BRIDGE]))], b"the program");
        let inject = format!("inject=renameat2:error={error}");
        let strace = ["-o", "/dev/null", "-e", "trace=renameat2", "-e", &inject];
        assert!(run(&node, "install", &strace).status.success());
        assert_eq!(node.files(), [(FILE.to_owned(), chained("net"))]);
        assert!(run(&node, "copy", &strace).status.success());
        assert_eq!(node.names(), [COPY, FILE]);
        let mut again = options(node.root());
        again.mode = owned_copy();
        assert!(Installer::new(again).unwrap().is_installed().unwrap());
    }
}
