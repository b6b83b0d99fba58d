//! Network namespaces.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
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
    /// The thread could not go back to where it was.
    #[error("cannot leave a pod's network namespace again: {source}")]
    Return {
        /// Why not.
        source: io::Error,
    },
    /// It is the one that the process is in.
    #[error("{path} is the network namespace that this process is in: its rules would be the node's")]
    Same {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be entered.
    #[error(
        "cannot enter the network namespace {path}: {source}{hint}",
        hint = if source.kind() == io::ErrorKind::PermissionDenied {
            " (CAP_SYS_ADMIN is needed for that)"
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

/// The namespace that the calling thread is in.
const OWN: &str = "/proc/thread-self/ns/net";

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

/// What tells the namespace behind this file from others that are there at the same time; nothing when there is no file.
pub fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}

/// A network namespace that the process is not in, kept alive by an open file.
#[derive(Debug)]
pub struct Namespace {
    path: PathBuf,
    there: File,
    home: File,
}

impl Namespace {
    /// Opens it. Nothing is entered yet.
    ///
    /// # Errors
    /// When there is no such file, or it is the namespace that the calling thread is in.
    pub fn open(path: &Path) -> Result<Namespace, NamespaceError> {
        let there =
            File::open(path).map_err(|source| NamespaceError::Open { path: path.to_owned(), source })?;
        Namespace::of(there, path)
    }

    /// The namespace behind an open file; the path is for messages. Nothing is entered yet.
    ///
    /// # Errors
    /// [`NamespaceError::Same`] if it is the namespace that the calling thread is in.
    pub fn of(there: File, path: &Path) -> Result<Namespace, NamespaceError> {
        let home =
            File::open(OWN).map_err(|source| NamespaceError::Open { path: PathBuf::from(OWN), source })?;
        let of = |file: &File| file.metadata().map(|it| (it.dev(), it.ino())).ok();
        if of(&there) == of(&home) {
            return Err(NamespaceError::Same { path: path.to_owned() });
        }
        Ok(Namespace { path: path.to_owned(), there, home })
    }

    /// Does this in the namespace, and comes back. Sockets and children that are made there belong to it for good; the
    /// files that are seen are those of home, but for `/proc/thread-self/net`.
    ///
    /// # Errors
    /// When it cannot be entered, or not left: the calling thread is of no use then.
    pub fn inside<T>(&self, work: impl FnOnce() -> T) -> Result<T, NamespaceError> {
        setns(&self.there, CloneFlags::CLONE_NEWNET)
            .map_err(|errno| NamespaceError::Enter { path: self.path.clone(), source: errno.into() })?;
        let result = work();
        let back = || setns(&self.home, CloneFlags::CLONE_NEWNET);
        // What was done there is done: a machine without memory to spare is asked again before the thread is given up.
        let returned = (1..RETURNS).fold(back(), |returned, _| returned.or_else(|_| back()));
        returned.map_err(|errno| NamespaceError::Return { source: errno.into() })?;
        Ok(result)
    }
}

/// How often the way home is tried.
const RETURNS: usize = 3;
