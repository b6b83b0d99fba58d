//! Network namespaces.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns};

/// A network namespace that cannot be entered.
#[derive(Debug, thiserror::Error)]
pub enum NamespaceError {
    /// There is no such file.
    #[error("cannot open the network namespace {path}: {source}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It cannot be entered.
    #[error(
        "cannot enter the network namespace {path}: {source}{hint}",
        hint = if source.kind() == io::ErrorKind::PermissionDenied {
            " (CAP_SYS_ADMIN is needed for --network-namespace)"
        } else if source.kind() == io::ErrorKind::InvalidInput {
            " (the file is not a network namespace)"
        } else {
            ""
        }
    )]
    Enter {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Moves this process into a network namespace, for good. The process has one thread when this is called; every
/// socket and child that follows belongs to the namespace.
///
/// # Errors
/// When it cannot be opened or entered; the process is then where it was.
pub fn enter(path: &Path) -> Result<(), NamespaceError> {
    let file = File::open(path).map_err(|source| NamespaceError::Open { path: path.to_owned(), source })?;
    setns(file, CloneFlags::CLONE_NEWNET)
        .map_err(|errno| NamespaceError::Enter { path: path.to_owned(), source: errno.into() })
}
