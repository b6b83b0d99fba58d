//! What is remembered of a sandbox between ADD and DEL: a small file for each in the run directory.

use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::pod::PodName;
use super::protocol::Attachment;

/// The folder in the run directory.
const FOLDER: &str = "sandboxes";
/// The mode of the files: they are nobody's business but root's.
const MODE: u32 = 0o600;

/// What became of a sandbox's ADD.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sandbox {
    /// The network that it was added to.
    pub network: String,
    /// The pod.
    pub pod: Option<PodName>,
    /// The flags of its rules; nothing when it was left alone.
    pub flags: Option<String>,
    /// The back end that holds them.
    pub backend: Option<String>,
    /// The network namespace ([`crate::kernel::netns::identity`]): a file of its name may stand for another one later.
    #[serde(default)]
    pub network_namespace: Option<(u64, u64)>,
    /// The file that stood for the namespace.
    #[serde(default)]
    pub path: Option<PathBuf>,
    /// Whether its rules are being removed: it does not keep them for other attachments any more.
    #[serde(default)]
    pub is_leaving: bool,
}

/// Sandboxes cannot be remembered.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} {path}: {source}")]
pub struct SandboxError {
    doing: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// Everything that is remembered.
#[derive(Clone, Debug)]
pub struct Sandboxes {
    folder: PathBuf,
}

impl Sandboxes {
    /// Those of this run directory.
    pub fn of(run_directory: &Path) -> Sandboxes {
        Sandboxes { folder: run_directory.join(FOLDER) }
    }

    fn path(&self, attachment: &Attachment) -> PathBuf {
        // Neither can hold a slash, or be `..`: protocol.rs sees to it. The id cannot hold an @.
        self.folder.join(format!("{}@{}.json", attachment.container_id, attachment.interface))
    }

    /// What is remembered of one; nothing when nothing is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn get(&self, attachment: &Attachment) -> Result<Option<Sandbox>, SandboxError> {
        let path = self.path(attachment);
        match fs::read(&path) {
            // A file that was cut off by a full disk is as good as none.
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if is_nothing(&error) => Ok(None),
            Err(source) => Err(SandboxError { doing: "read", path, source }),
        }
    }

    /// Remembers one.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn put(&self, attachment: &Attachment, sandbox: &Sandbox) -> Result<(), SandboxError> {
        let path = self.path(attachment);
        let failed = |source| SandboxError { doing: "write", path: path.clone(), source };
        fs::create_dir_all(&self.folder).map_err(failed)?;
        let text = serde_json::to_vec(sandbox).map_err(|error| failed(error.into()))?;
        // Two ADDs of one attachment at once are the runtime's mistake; the last one counts.
        let temporary = path.with_extension(format!("{}.tmp", std::process::id()));
        let written = write(&temporary, &text).and_then(|()| fs::rename(&temporary, &path));
        written.inspect_err(|_| drop(fs::remove_file(&temporary))).map_err(failed)
    }

    /// Forgets one.
    ///
    /// # Errors
    /// When it is there and cannot be removed.
    pub fn forget(&self, attachment: &Attachment) -> Result<(), SandboxError> {
        let path = self.path(attachment);
        match fs::remove_file(&path) {
            Err(source) if !is_nothing(&source) => Err(SandboxError { doing: "remove", path, source }),
            _ => Ok(()),
        }
    }

    /// Every attachment that is remembered.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn attachments(&self) -> Result<Vec<Attachment>, SandboxError> {
        let failed = |source| SandboxError { doing: "read", path: self.folder.clone(), source };
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name();
            let parts = name.to_str().and_then(|name| name.strip_suffix(".json")?.split_once('@'));
            let Some((container_id, interface)) = parts else { continue };
            found.push(Attachment { container_id: container_id.to_owned(), interface: interface.to_owned() });
        }
        Ok(found)
    }

    /// The same, each with what is remembered of it; `None` for what cannot be read.
    ///
    /// # Errors
    /// When the folder or a file cannot be read.
    pub fn all(&self) -> Result<Vec<(Attachment, Option<Sandbox>)>, SandboxError> {
        let with_sandbox = |it: Attachment| self.get(&it).map(|sandbox| (it, sandbox));
        self.attachments()?.into_iter().map(with_sandbox).collect()
    }
}

fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    OpenOptions::new().create(true).write(true).truncate(true).mode(MODE).open(path)?.write_all(text)
}

/// There is no such file, or could not be: its name is too long.
fn is_nothing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::InvalidFilename)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn attachment(id: &str) -> Attachment {
        Attachment { container_id: id.into(), interface: "eth0".into() }
    }

    fn sandbox(network: &str) -> Sandbox {
        Sandbox {
            network: network.into(),
            pod: None,
            flags: Some("-b *".into()),
            backend: None,
            network_namespace: None,
            path: None,
            is_leaving: false,
        }
    }

    fn names(sandboxes: &Sandboxes) -> Vec<String> {
        let mut names: Vec<_> =
            sandboxes.all().unwrap().into_iter().map(|(attachment, _)| attachment.container_id).collect();
        names.sort();
        names
    }

    #[test]
    fn a_sandbox_is_remembered_until_it_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let sandboxes = Sandboxes::of(folder.path());
        assert_eq!(sandboxes.get(&attachment("a")).unwrap(), None);
        assert_eq!(sandboxes.all().unwrap(), []);
        sandboxes.put(&attachment("a"), &sandbox("n")).unwrap();
        sandboxes.put(&attachment("b"), &sandbox("m")).unwrap();
        assert_eq!(sandboxes.get(&attachment("a")).unwrap(), Some(sandbox("n")));
        assert_eq!(names(&sandboxes), ["a", "b"]);
        let mode = fs::metadata(sandboxes.path(&attachment("a"))).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        sandboxes.forget(&attachment("a")).unwrap();
        sandboxes.forget(&attachment("a")).unwrap();
        assert_eq!(sandboxes.all().unwrap(), [(attachment("b"), Some(sandbox("m")))]);
    }

    #[test]
    fn what_an_earlier_version_has_written_can_be_read_and_what_was_cut_off_is_there_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let sandboxes = Sandboxes::of(folder.path());
        fs::create_dir(&sandboxes.folder).unwrap();
        let earlier = r#"{"network":"n","pod":null,"flags":"-b *","backend":null}"#;
        fs::write(sandboxes.path(&attachment("a")), earlier).unwrap();
        fs::write(sandboxes.path(&attachment("b")), &earlier[..20]).unwrap();
        let mut all = sandboxes.all().unwrap();
        all.sort_by_key(|(it, _)| it.container_id.clone());
        assert_eq!(all, [(attachment("a"), Some(sandbox("n"))), (attachment("b"), None)]);
    }
}
