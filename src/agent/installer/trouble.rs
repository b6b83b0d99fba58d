//! Errors of files and folders, in words that say what to do.

use std::io;
use std::path::{Path, PathBuf};

/// A file or folder with which something failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} {path}: {source}{hint}", path = path.display(), hint = hint(source))]
pub struct Trouble {
    /// What was tried, as a verb.
    pub what: &'static str,
    /// With what.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

fn hint(source: &io::Error) -> &'static str {
    use io::ErrorKind::{
        NotFound, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, ResourceBusy, StorageFull,
    };
    match source.kind() {
        ReadOnlyFilesystem => {
            " (the folder is mounted read-only: mount it writable, or set the folder that the platform's runtime uses)"
        }
        StorageFull | QuotaExceeded => " (nothing was changed; make room on the node's file system)",
        PermissionDenied => {
            " (the agent needs root, CAP_DAC_OVERRIDE, CAP_CHOWN and CAP_FOWNER for files of others, and a security profile that allows it)"
        }
        NotFound => " (is the node's folder mounted into the agent's container?)",
        ResourceBusy => " (another agent has worked there for a long time: end one of them)",
        _ => "",
    }
}

/// Adds what was tried to an error of the system.
pub(super) trait Tried<T> {
    fn tried(self, what: &'static str, path: &Path) -> Result<T, Trouble>;
}

impl<T, E: Into<io::Error>> Tried<T> for Result<T, E> {
    fn tried(self, what: &'static str, path: &Path) -> Result<T, Trouble> {
        self.map_err(|source| Trouble { what, path: path.to_owned(), source: source.into() })
    }
}
