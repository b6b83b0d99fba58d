//! The test program, started anew to do one thing under strace.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use mesh_intercept::agent::installer::{Chain, Installer, Mode, Program, Removal};

use crate::node::{Node, options, owned_copy};

/// Where the child works, and what it does.
const FOLDER: &str = "MESH_INTERCEPT_TEST_FOLDER";
const DEED: &str = "MESH_INTERCEPT_TEST_DEED";

fn installer(root: &Path, mode: Mode) -> Installer {
    let mut options = options(root);
    options.mode = mode;
    options.program = Some(Program { source: root.join("source"), folder: root.join("bin") });
    Installer::new(options).unwrap()
}

/// Not a test by itself: what is killed.
#[test]
fn deed() {
    let (Some(folder), Ok(deed)) = (std::env::var_os(FOLDER), std::env::var(DEED)) else { return };
    let root = Path::new(&folder);
    match &*deed {
        "install" => drop(installer(root, Mode::Chained(Chain::default())).ensure().unwrap()),
        "copy" => drop(installer(root, owned_copy()).ensure().unwrap()),
        "uninstall" => {
            drop(installer(root, owned_copy()).uninstall(Removal::RemoveProgram).unwrap());
        }
        other => panic!("{other}"),
    }
}

/// Runs the deed in the folders of a node, under strace.
pub fn run(node: &Node, deed: &str, strace: &[&str]) -> Output {
    command(deed, node, strace).output().unwrap()
}

/// The command that does so.
pub fn command(deed: &str, node: &Node, strace: &[&str]) -> Command {
    let mut command = Command::new("strace");
    command.arg("-f").args(strace).arg(std::env::current_exe().unwrap());
    command.args(["--exact", "deed::deed", "--test-threads", "1"]);
    command.env(FOLDER, node.root()).env(DEED, deed);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}
