//! The plugin as the agent sets it up: what its configuration says, and what the agent itself follows when it repairs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tracing::{info, warn};

use super::installation::{InstallResult, Installation, NotInstalled};
use super::installer::changes::Changes;
use super::installer::options::DEFAULT_STANDALONE;
use super::installer::trouble::Trouble;
use super::installer::{Chain, Entry, Error, Installer, Mode, Program, Removal, State, entry as installed};
use super::options::{Install, Options};
use super::remembered;
use crate::cni::interception::Node;
use crate::cni::netconf::{NetConf, POD_ANNOTATIONS, Source};
use crate::cni::protocol::VERSIONS;
use crate::cni::sandboxes::Sandboxes;
use crate::config::problem::Problems;
use crate::logs::Nested;

/// The root of the node's files, seen through its first process.
const ROOT: &str = "1/root";
/// So many wrong flags are named.
const NAMED: usize = 20;

/// The plugin's entry in a list of plugins, without its type.
pub(super) fn entry(options: &Options) -> Value {
    let Install { excluded_namespaces, pod_namespace, native_nftables, plugin_log_level, .. } =
        &options.install;
    let mut entry = Map::new();
    // The runtime hands over annotations when it can: they do instead of the agent while that is away.
    entry.insert("capabilities".to_owned(), json!({ POD_ANNOTATIONS: true }));
    entry.insert("plugin_log_level".to_owned(), json!(plugin_log_level));
    entry.insert("cni_agent_run_dir".to_owned(), json!(options.run_directory));
    entry.insert("exclude_namespaces".to_owned(), json!(excluded_namespaces));
    entry.insert("pod_namespace".to_owned(), json!(pod_namespace.clone().unwrap_or_default()));
    if *native_nftables == Some(true) {
        entry.insert("native_nftables".to_owned(), json!(true));
    }
    entry.extend(options.install.plugin_config.clone());
    Value::Object(entry)
}

/// Settings by which no pod could get its rules: they are not installed.
#[derive(Debug, thiserror::Error)]
#[error(
    "the plugin's settings cannot be used, so that nothing is installed and nothing repaired; \
     what is installed already stays as it is. Correct --plugin-config, or the flag that stands for the key: {}",
    .0.join("; ")
)]
pub(super) struct Unusable(Vec<String>);

/// Reads the entry as the plugin will: how it asks for rules on this node, so that the agent asks for the same.
///
/// # Errors
/// Everything that is wrong with the entry, or has no effect.
pub(super) fn node(options: &Options) -> Result<Node, Unusable> {
    // As it was typed, for keys that are there twice; and the whole, for keys that contradict the agent's flags.
    parse(&options.install.plugin_config_text)?;
    let mut entry = entry(options);
    if let Some(keys) = entry.as_object_mut() {
        keys.entry("cniVersion").or_insert_with(|| json!(VERSIONS[VERSIONS.len() - 1]));
    }
    let mut conf = parse(&entry.to_string())?;
    if conf.sources.contains(&Source::Kubeconfig) && !is_own_program(&options.install.plugin) {
        let own = "kubeconfig needs the agent's binary as the plugin: name it with --plugin-program";
        return Err(Unusable(vec![format!("pod_facts: {own}")]));
    }
    let root = root(&options.host_proc);
    conf.host_os_release = conf.host_os_release.map(|path| match path.strip_prefix("/") {
        Ok(below) => options.host_proc.join(ROOT).join(below),
        Err(_) => path,
    });
    let wrong =
        |found: Problems| Unusable(found.iter().take(NAMED).map(|it| format!("flags: {it}")).collect());
    Node::seen_at(&conf, &root).map_err(wrong)
}

fn parse(text: &str) -> Result<NetConf, Unusable> {
    let conf = NetConf::parse(text).map_err(|error| Unusable(vec![error.message]))?;
    if conf.doubts.is_empty() { Ok(conf) } else { Err(Unusable(conf.doubts)) }
}

/// The node's files. Without the privilege to see them, the agent's own have to do.
fn root(host_proc: &Path) -> PathBuf {
    let root = host_proc.join(ROOT);
    if root.join("etc").is_dir() { root } else { PathBuf::from("/") }
}

/// A program that cannot be read is refused when it is installed.
fn is_own_program(path: &Path) -> bool {
    let Ok(program) = fs::read(path) else { return true };
    std::env::current_exe().and_then(fs::read).is_ok_and(|own| own == program)
}

/// The plugin and its configuration on this node.
pub(super) struct Installed {
    installer: Mutex<Installer>,
    /// Opened before the first look, and kept: what happens between a look and a wait ends the wait.
    changes: Mutex<Option<Changes>>,
    folders: [PathBuf; 2],
    bin_directory: PathBuf,
    sandboxes: Sandboxes,
    host_proc: PathBuf,
}

impl Installed {
    /// What the options ask for.
    ///
    /// # Errors
    /// When they contradict each other.
    pub(super) fn new(options: &Options) -> Result<Installed, String> {
        let install = &options.install;
        let chain = Chain { primary: install.conf_name.clone(), copy: install.copy_name.clone() };
        let mode = match (install.chained, install.owned_config) {
            (false, _) => Mode::Standalone {
                name: install.conf_name.clone().unwrap_or_else(|| DEFAULT_STANDALONE.to_owned()),
            },
            (true, true) => Mode::OwnedCopy(chain),
            (true, false) => Mode::Chained(chain),
        };
        let entry = Entry::new(entry(options), installed::DEFAULT_KIND).map_err(|error| error.to_string())?;
        let program = Program { source: install.plugin.clone(), folder: install.bin_directory.clone() };
        let installer = Installer::new(super::installer::Options {
            folder: install.net_directory.clone(),
            entry,
            mode,
            group_read: install.group_read,
            program: Some(program),
        });
        Ok(Installed {
            installer: Mutex::new(installer.map_err(|error| error.to_string())?),
            changes: Mutex::new(None),
            folders: [install.net_directory.clone(), install.bin_directory.clone()],
            bin_directory: install.bin_directory.clone(),
            sandboxes: Sandboxes::of(&options.run_directory),
            host_proc: options.host_proc.clone(),
        })
    }

    /// Forgets sandboxes that went without the plugin's being called. Says whether its program is needed for others.
    pub(super) fn tidy(&self) -> bool {
        remembered::tidy(&self.sandboxes, &self.host_proc)
    }

    /// Watches everything that the next look reads, before it does.
    fn follow(&self, installer: &Installer) -> Result<(), Trouble> {
        let mut changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let changes = match &mut *changes {
            Some(changes) => changes,
            none => none.insert(Changes::new()?),
        };
        changes.follow(self.folders.iter().map(PathBuf::as_path))?;
        changes.follow(installer.plugin_folders()?.iter().map(PathBuf::as_path))
    }

    fn not_installed(&self, error: &Error) -> NotInstalled {
        let is_program =
            matches!(error, Error::System(trouble) if trouble.path.starts_with(&self.bin_directory));
        let result = if is_program { InstallResult::CopyBinaries } else { InstallResult::CreateConfig };
        NotInstalled { result, message: error.to_string() }
    }
}

impl Installation for Installed {
    fn ensure(&self) -> Result<bool, NotInstalled> {
        let mut installer = self.installer.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(trouble) = self.follow(&installer) {
            warn!("changes of the node's folders are noticed late: {trouble}");
        }
        let outcome = installer.ensure().map_err(|error| self.not_installed(&error))?;
        let message = match outcome.state {
            State::Installed(_) => return Ok(!outcome.changed.is_empty()),
            State::Waiting(awaited) => format!("{}: {awaited}", self.folders[0].display()),
            State::GivingWay { file, .. } => {
                format!("another program keeps rewriting {}: giving way to it for a while", file.display())
            }
        };
        Err(NotInstalled { result: InstallResult::CreateConfig, message })
    }

    fn wait(&self, at_most: Duration) {
        let changes = self.changes.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(changes.as_ref().map(|changes| changes.wait(at_most)), Some(Ok(_))) {
            std::thread::sleep(at_most);
        }
    }

    fn uninstall(&self) -> Result<(), NotInstalled> {
        let mut installer = self.installer.lock().unwrap_or_else(PoisonError::into_inner);
        // The runtime calls the plugin once more for each sandbox that was made with it, and cannot remove a sandbox
        // whose plugin is not there.
        let removal = if self.tidy() { Removal::KeepProgram } else { Removal::RemoveProgram };
        let outcome = installer.uninstall(removal).map_err(|error| self.not_installed(&error))?;
        if removal == Removal::KeepProgram {
            info!("the plugin's program stays: sandboxes of this node still need it to be removed");
        }
        info!(changes = Nested::of(&outcome.changed).value(), "uninstalled");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Instant;

    use super::super::options::{Outcome, Surroundings};
    use super::*;

    /// A wait that ends by its own time is longer than any of these tests may take.
    const NEVER: Duration = Duration::from_secs(600);
    const DEADLINE: Duration = Duration::from_secs(60);

    fn installed(root: &Path) -> Installed {
        for folder in ["net.d", "bin"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let list = r#"{"cniVersion":"1.0.0","name":"net","plugins":[{"type":"bridge"}]}"#;
        fs::write(root.join("net.d/10-net.conflist"), list).unwrap();
        let at = |flag: &str, name: &str| format!("--{flag}={}", root.join(name).display()).into();
        let arguments = vec![
            "agent".into(),
            at("mounted-cni-net-dir", "net.d"),
            at("mounted-cni-bin-dir", "bin"),
            at("cni-agent-run-dir", "run"),
            "--plugin-program=/bin/true".into(),
        ];
        let surroundings = Surroundings { variable: &|_| None, hostname: "node" };
        let Ok(Outcome::Run(options)) = Options::parse(arguments, &surroundings) else { panic!() };
        Installed::new(&options).unwrap()
    }

    /// The watch was opened at the wait: what happened between the look and that was seen at the next period.
    #[test]
    fn what_happens_between_a_look_and_the_wait_ends_the_wait() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        let installed = installed(root.path());
        let list = path("net.d/10-net.conflist");
        let original = fs::read(&list).unwrap();
        assert_eq!(installed.ensure(), Ok(true));
        // The events of its own writes are over.
        while installed.ensure().unwrap() {}
        let start = Instant::now();
        for change in [
            &(|| fs::write(&list, &original).unwrap()) as &dyn Fn(),
            &|| fs::remove_file(path("bin/mesh-intercept-cni")).unwrap(),
            &|| fs::create_dir(path("net.d/net")).unwrap(),
            &|| fs::write(path("net.d/net/1.conf"), r#"{"type":"tuning"}"#).unwrap(),
            &|| fs::write(path("net.d/net/1.conf"), r#"{"type":"tuning","a":1}"#).unwrap(),
            &|| fs::rename(path("net.d/net/1.conf"), path("net.d/net/2.conf")).unwrap(),
            &|| fs::rename(path("net.d/net"), path("away")).unwrap(),
            &|| fs::rename(path("net.d"), path("old")).unwrap(),
            &|| fs::create_dir(path("net.d")).unwrap(),
            &|| fs::write(path("net.d/10-net.conflist"), &original).unwrap(),
        ] {
            while installed.changes.lock().unwrap().as_ref().unwrap().wait(Duration::ZERO).unwrap() {
                let _ = installed.ensure();
            }
            change();
            installed.wait(NEVER);
            let _ = installed.ensure();
            assert!(start.elapsed() < DEADLINE);
        }
        assert!(fs::read_to_string(&list).unwrap().contains("mesh-intercept-cni"));
    }
}
