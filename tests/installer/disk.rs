//! Disks that refuse, the program, and programs that fight.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use mesh_intercept::agent::installer::changes::Changes;
use mesh_intercept::agent::installer::{Removal, State, Warning};
use nix::mount::{MsFlags, mount};

use crate::common::isolate;
use crate::node::{BRIDGE, KIND, Node, chained, list, owned_copy};

fn plain() -> String {
    list("net", &[BRIDGE])
}

const NONE: Option<&str> = None;

/// Makes a folder a small disk of its own, in the mount namespace of this test.
fn small_disk(folder: &Path) {
    isolate("");
    mount(Some("tmpfs"), folder, Some("tmpfs"), MsFlags::empty(), Some("size=64k")).unwrap();
}

/// Fills it to the last byte.
fn fill(folder: &Path) {
    let mut size = 1 << 16;
    while size > 0 {
        let path = folder.join(format!("filler-{size}"));
        if fs::write(&path, vec![0; size]).is_err() {
            size /= 2;
        } else {
            fs::rename(&path, folder.join(format!("filler-{}", fs::read_dir(folder).unwrap().count())))
                .unwrap();
        }
    }
}

fn empty(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_str().unwrap().starts_with("filler") {
            fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn a_full_disk_is_told_and_leaves_the_configuration_as_it_was() {
    let mut node = Node::new(&[]);
    let folder = node.root().join("net.d");
    small_disk(&folder);
    node.write("10-net.conflist", &plain());
    fill(&folder);
    let refusal = node.refusal();
    assert!(refusal.contains("No space left") && refusal.contains("make room"), "{refusal}");
    assert!(node.names().iter().all(|name| !name.starts_with('.')), "{:?}", node.names());
    empty(&folder);
    node.install();
    assert_eq!(node.read("10-net.conflist"), chained("net"));
}

#[test]
fn a_full_disk_keeps_the_old_program() {
    let mut node = Node::with_program(&[("10-net.conflist", &plain())], &[1; 40_000]);
    let folder = node.root().join("bin");
    small_disk(&folder);
    fs::write(folder.join(KIND), "old").unwrap();
    fill(&folder);
    let refusal = node.refusal();
    assert!(refusal.contains("No space left"), "{refusal}");
    assert_eq!(fs::read_to_string(folder.join(KIND)).unwrap(), "old");
    // No program, no configuration that names it.
    assert_eq!(node.read("10-net.conflist"), plain());
    empty(&folder);
    node.install();
    assert_eq!(fs::read(folder.join(KIND)).unwrap(), [1; 40_000]);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}

#[test]
fn a_read_only_folder_is_told_unless_all_is_right_there() {
    for already in [false, true] {
        let mut node = Node::with_program(&[("10-net.conflist", &plain())], b"program");
        if already {
            node.install();
        }
        isolate("");
        for folder in ["net.d", "bin"] {
            let folder = node.root().join(folder);
            mount(Some(&folder), &folder, NONE, MsFlags::MS_BIND, NONE).unwrap();
            let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
            mount(NONE, &folder, NONE, flags, NONE).unwrap();
        }
        if already {
            node.install();
        } else {
            let refusal = node.refusal();
            assert!(refusal.contains("mounted read-only"), "{refusal}");
        }
    }
}

#[test]
fn the_program_is_installed_once_replaced_when_it_differs_and_removed_when_told() {
    let mut node = Node::with_program(&[("10-net.conflist", &plain())], b"one");
    let program = node.root().join("bin").join(KIND);
    fs::write(node.root().join("bin/.mesh-intercept-77-1.tmp"), "left by an ended run").unwrap();
    let outcome = node.ensure();
    assert_eq!(outcome.changed, [program.clone(), node.path("10-net.conflist")]);
    node.install();
    assert_eq!(fs::read_dir(node.root().join("bin")).unwrap().count(), 1);
    assert_eq!(fs::metadata(&program).unwrap().permissions().mode() & 0o7777, 0o755);

    for damage in ["two", ""] {
        fs::write(&program, damage).unwrap();
        assert!(!node.installer.is_installed().unwrap());
        node.install();
        assert_eq!(fs::read_to_string(&program).unwrap(), "one");
    }
    fs::set_permissions(&program, fs::Permissions::from_mode(0o600)).unwrap();
    node.install();
    fs::remove_file(&program).unwrap();
    node.install();

    node.uninstall();
    assert!(program.exists(), "sandboxes need it to be torn down");
    node.installer.uninstall(Removal::RemoveProgram).unwrap();
    assert!(!program.exists());

    // A program of others under this name is none of ours to remove.
    fs::write(&program, "theirs").unwrap();
    let outcome = node.installer.uninstall(Removal::RemoveProgram).unwrap();
    assert_eq!(outcome.warnings, [Warning::OtherProgram { path: program.display().to_string() }]);
    assert!(program.exists());
}

#[test]
fn a_missing_folder_for_programs_is_told() {
    let mut node = Node::with_program(&[("10-net.conflist", &plain())], b"one");
    fs::remove_dir(node.root().join("bin")).unwrap();
    let refusal = node.refusal();
    assert!(refusal.contains("bin") && refusal.contains("mounted into"), "{refusal}");
}

#[test]
fn a_program_that_keeps_taking_the_entry_out_is_given_way_to() {
    let mut node = Node::new(&[("05-cilium.conflist", &plain())]);
    let file = node.path("05-cilium.conflist");
    let mut writes = 0;
    let wait = loop {
        node.write("05-cilium.conflist", &plain());
        match node.ensure().state {
            State::GivingWay { file: given, wait } => {
                assert_eq!(given, file);
                break wait;
            }
            state => assert_eq!(state, State::Installed(file.clone())),
        }
        writes += 1;
        assert!(writes < 20);
    };
    assert!((Duration::ZERO..=Duration::from_secs(60)).contains(&wait));
    assert_eq!(writes, 5);
    assert_eq!(node.read("05-cilium.conflist"), plain(), "it is left alone meanwhile");
    // After a while it is tried again.
    std::thread::sleep(wait + Duration::from_millis(1));
    node.install();
    assert_eq!(node.read("05-cilium.conflist"), chained("net"));
}

#[test]
fn a_primary_that_changes_often_is_not_a_fight() {
    let mut node = Node::in_mode(owned_copy(), &[("10-net.conflist", &plain())]);
    for mtu in 0..20 {
        let changed = plain().replace("\"bridge\"", &format!("\"bridge\",\"mtu\":{mtu}"));
        node.write("10-net.conflist", &changed);
        node.install();
    }
}

#[test]
fn temporary_files_of_ended_runs_go_when_something_is_written() {
    let mut node = Node::new(&[("10-net.conflist", &plain())]);
    node.write(".mesh-intercept-12-0.tmp", "half a fi");
    node.write(".other-12-0.tmp", "theirs");
    node.install();
    assert_eq!(node.names(), [".other-12-0.tmp", "10-net.conflist"]);
}

#[test]
fn changes_in_the_folders_are_told() {
    let node = Node::new(&[]);
    let later = node.root().join("later");
    let changes = Changes::new().unwrap();
    let folders = [node.root().join("net.d"), later.clone()];
    let follow = || changes.follow(folders.iter().map(|it| it.as_path())).unwrap();
    follow();
    let soon = Duration::from_millis(20);
    let long = Duration::from_secs(30);
    assert!(!changes.wait(soon).unwrap());
    for write in [
        &(|| node.write("x.conf", "1")) as &dyn Fn(),
        &|| fs::rename(node.path("x.conf"), node.path("y.conf")).unwrap(),
        &|| node.remove("y.conf"),
        &|| symlink("nowhere", node.path("link.conf")).unwrap(),
        &|| fs::hard_link(node.root().join("net.d/link.conf"), node.path("hard.conf")).unwrap(),
    ] {
        write();
        assert!(changes.wait(long).unwrap());
        assert!(!changes.wait(soon).unwrap(), "each is told once");
    }
    fs::create_dir(&later).unwrap();
    assert!(changes.wait(long).unwrap(), "a folder that was not there");
    follow();
    // What happens while nobody waits is told as well.
    fs::write(later.join("z"), "").unwrap();
    assert!(changes.wait(long).unwrap());
    assert!(!changes.wait(soon).unwrap());
}
