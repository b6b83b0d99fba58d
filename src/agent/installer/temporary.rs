//! A file that is written in full before it gets its name.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::trouble::{Tried, Trouble};

/// How the names of our temporary files begin and end. Runtimes look at other endings only.
const PREFIX: &str = ".mesh-intercept-";
const SUFFIX: &str = ".tmp";

/// A file next to the one that it will replace. It goes away with this value, unless it has got another name.
#[derive(Debug)]
pub(super) struct Temporary {
    pub(super) path: PathBuf,
    file: File,
    stays: bool,
}

impl Temporary {
    /// Makes an empty one. The caller holds the lock of the folder, so that nobody takes it for a leftover.
    pub(super) fn new(folder: &Path) -> Result<Temporary, Trouble> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("{PREFIX}{}-{number}{SUFFIX}", std::process::id()));
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path);
        let file = file.tried("write a file in", folder)?;
        Ok(Temporary { path, file, stays: false })
    }

    /// Writes it, and waits until the disk has it.
    pub(super) fn fill(&mut self, from: &mut dyn io::Read, mode: u32) -> Result<(), Trouble> {
        let mut fill = || {
            io::copy(from, &mut self.file)?;
            self.file.set_permissions(Permissions::from_mode(mode))?;
            self.file.sync_all()
        };
        fill().tried("write", &self.path)
    }

    /// Gives it the owner of another file.
    pub(super) fn own_as(&self, other: &fs::Metadata) -> Result<(), Trouble> {
        let own = self.file.metadata().tried("read", &self.path)?;
        if (own.uid(), own.gid()) == (other.uid(), other.gid()) {
            return Ok(());
        }
        fchown(&self.file, Some(other.uid()), Some(other.gid())).tried("give an owner to", &self.path)
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Keeps it, for it has been given another name.
    pub(super) fn keep(mut self) {
        self.stays = true;
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.stays {
            // What is left is taken away by the next run.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Returns `true` if a run has a file in the folder that it did not finish yet, or never will.
pub(super) fn has_leftovers(folder: &Path) -> Result<bool, Trouble> {
    Ok(!unfinished(folder)?.is_empty())
}

/// Takes away what runs that were ended have left. The caller holds the lock of the folder.
pub(super) fn sweep(folder: &Path) -> Result<u32, Trouble> {
    let mut gone = 0;
    for path in unfinished(folder)? {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).tried("remove", &path);
            }
            _ => gone += 1,
        }
    }
    Ok(gone)
}

fn unfinished(folder: &Path) -> Result<Vec<PathBuf>, Trouble> {
    let is_ours = |name: &str| name.starts_with(PREFIX) && name.ends_with(SUFFIX);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).tried("read", folder)? {
        let entry = entry.tried("read", folder)?;
        if entry.file_name().to_str().is_some_and(is_ours) {
            files.push(entry.path());
        }
    }
    Ok(files)
}
