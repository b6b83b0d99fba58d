//! A node's folders, and an installer for them.

use std::fs;
use std::path::{Path, PathBuf};

use mesh_intercept::agent::installer::{
    Chain, Entry, Error, Installer, Mode, Options, Outcome, Program, Removal, State,
};
use serde_json::{Value, json};
use tempfile::TempDir;

pub const KIND: &str = "mesh-intercept-cni";
pub const COPY: &str = "02-mesh-intercept.conflist";
/// Our entry on one line.
pub const OURS: &str = r#"{"type":"mesh-intercept-cni","log_level":"info"}"#;

pub fn entry() -> Entry {
    Entry::new(json!({"type": KIND, "log_level": "info"}), KIND).unwrap()
}

/// A list on one line.
pub fn list(name: &str, plugins: &[&str]) -> String {
    format!(r#"{{"cniVersion":"1.0.0","name":"{name}","plugins":[{}]}}"#, plugins.join(","))
}

/// A list of one plugin, and our entry.
pub fn chained(name: &str) -> String {
    list(name, &[BRIDGE, OURS])
}

pub const BRIDGE: &str = r#"{"type":"bridge"}"#;

/// The folders of a node.
pub struct Node {
    folder: TempDir,
    pub installer: Installer,
}

pub fn options(folder: &Path) -> Options {
    Options {
        folder: folder.join("net.d"),
        entry: entry(),
        mode: Mode::Chained(Chain::default()),
        group_read: false,
        program: None,
    }
}

pub fn owned_copy() -> Mode {
    Mode::OwnedCopy(Chain::default())
}

pub fn standalone() -> Mode {
    Mode::Standalone { name: "YYY-mesh-intercept.conf".to_owned() }
}

pub fn primary(name: &str) -> Mode {
    Mode::Chained(Chain { primary: Some(name.to_owned()), ..Chain::default() })
}

impl Node {
    /// A node with these files, and the default options.
    pub fn new(files: &[(&str, &str)]) -> Node {
        Node::with(files, |_| {})
    }

    pub fn in_mode(mode: Mode, files: &[(&str, &str)]) -> Node {
        Node::with(files, |options| options.mode = mode)
    }

    pub fn with(files: &[(&str, &str)], change: impl FnOnce(&mut Options)) -> Node {
        let folder = tempfile::tempdir().unwrap();
        for inner in ["net.d", "bin"] {
            fs::create_dir(folder.path().join(inner)).unwrap();
        }
        let mut options = options(folder.path());
        change(&mut options);
        let node = Node { installer: Installer::new(options).unwrap(), folder };
        for (name, text) in files {
            node.write(name, text);
        }
        node
    }

    /// With a program to install.
    pub fn with_program(files: &[(&str, &str)], program: &[u8]) -> Node {
        let mut node = Node::new(files);
        fs::write(node.root().join("source"), program).unwrap();
        node.change(|options, root| {
            options.program = Some(Program { source: root.join("source"), folder: root.join("bin") });
        });
        node
    }

    /// An agent with other options takes over.
    pub fn change(&mut self, change: impl FnOnce(&mut Options, &Path)) {
        let mut options = options(self.root());
        change(&mut options, self.root());
        self.installer = Installer::new(options).unwrap();
    }

    pub fn root(&self) -> &Path {
        self.folder.path()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.root().join("net.d").join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap();
    }

    /// The names in the folder.
    pub fn names(&self) -> Vec<String> {
        let all = fs::read_dir(self.root().join("net.d")).unwrap();
        let mut names: Vec<_> = all.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// All files with what is in them.
    pub fn files(&self) -> Vec<(String, String)> {
        let files = self.names().into_iter().filter(|name| !self.path(name).is_dir());
        files.map(|name| (name.clone(), self.read(&name))).collect()
    }

    pub fn ensure(&mut self) -> Outcome {
        self.installer.ensure().unwrap()
    }

    /// Installs, says in which file, and that a second time writes nothing.
    pub fn install(&mut self) -> String {
        let outcome = self.ensure();
        let State::Installed(file) = &outcome.state else { panic!("{outcome:?}") };
        let before = self.files();
        assert_eq!(self.ensure().changed, Vec::<PathBuf>::new(), "a second time");
        assert_eq!(self.files(), before);
        assert!(self.installer.is_installed().unwrap());
        file.file_name().unwrap().to_str().unwrap().to_owned()
    }

    pub fn refusal(&mut self) -> String {
        let before = self.files();
        let error: Error = self.installer.ensure().unwrap_err();
        assert_eq!(self.files(), before, "a refusal changes nothing");
        assert!(!self.installer.is_installed().unwrap_or(false));
        error.to_string()
    }

    pub fn uninstall(&mut self) -> Outcome {
        let outcome = self.installer.uninstall(Removal::KeepProgram).unwrap();
        assert!(!self.installer.is_installed().unwrap_or(false));
        outcome
    }

    /// The plugins' types in a list.
    pub fn types(&self, name: &str) -> Vec<String> {
        types(&self.read(name))
    }
}

pub fn types(text: &str) -> Vec<String> {
    let list: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text:?}"));
    let all = list["plugins"].as_array().unwrap().iter();
    all.map(|plugin| plugin["type"].as_str().unwrap().to_owned()).collect()
}
