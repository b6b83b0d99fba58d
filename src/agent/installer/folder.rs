//! A folder that this agent shares with other programs.
//!
//! What is promised about the files in it:
//!
//! * A reader, and a node that loses power, finds the old text or the new one, never a part.
//! * Two processes of this program never lose an edit of each other: they hold the lock of the folder.
//! * A version that another program has put into place is never gone for good by our doing, although no system call
//!   replaces a file only if it is still the same. Ours is *exchanged* with what is there; when that turns out to be
//!   something else than was read before, it is exchanged back, and the edit is made anew. For some microseconds a
//!   reader may see our version of the text before.
//! * That leaves three cases: a file system that cannot exchange (then the file is compared right before it is
//!   replaced), a program that writes *into* a file which it opened before we replaced it, and a run that is killed in
//!   the very moment in which the version of another program is out of its place.

use std::fs::{self, File, FileType};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use super::beside::{Beside, PluginFile, folder_of};
use super::discovery::{Found, Kind};
use super::lock::Lock;
use super::plan::Step;
use super::temporary::{Temporary, has_leftovers, sweep};
use super::trouble::{Tried, Trouble};

/// A longer file is no network configuration: 1 MiB.
const LONGEST: u64 = 1 << 20;

/// What became of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// It is in place, and on the disk.
    Done,
    /// The file is not what the change was based on any more; nothing was changed.
    Changed,
}

/// A folder whose lock is held.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _lock: Lock,
    new_mode: u32,
}

/// The files in a folder that runtimes look at, in the order in which they do.
///
/// # Errors
/// When the folder cannot be read. A file that cannot be read is one of those found.
pub fn scan(path: &Path) -> Result<Vec<Found>, Trouble> {
    let mut files = Vec::new();
    for (name, kind) in entries(path).tried("read", path)? {
        if Kind::of(&name).is_none() || name.starts_with('.') {
            continue;
        }
        let bytes = read(&path.join(&name));
        let beside = match (&bytes, Kind::of(&name)) {
            (Ok(bytes), Some(Kind::List)) => beside(path, bytes),
            _ => Beside::none(),
        };
        files.push(Found { name, bytes, is_plain: kind.is_file(), beside });
    }
    files.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(files)
}

/// What is in a folder, without other folders.
fn entries(path: &Path) -> io::Result<Vec<(String, FileType)>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        match entry.file_type() {
            Ok(kind) if !kind.is_dir() => all.push((name, kind)),
            _ => {}
        }
    }
    Ok(all)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let version = Version::open(path).and_then(|it| it.ok_or_else(|| io::ErrorKind::NotFound.into()));
    version.map(|version| version.bytes).map_err(|error: io::Error| error.to_string())
}

/// The folder of plugins beside a list.
fn beside(path: &Path, list: &[u8]) -> Beside {
    let Some(name) = str::from_utf8(list).ok().and_then(folder_of) else { return Beside::none() };
    let folder = path.join(&name);
    let files = match entries(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error.to_string()),
        Ok(mut all) => {
            all.retain(|(name, _)| Kind::of(name) == Some(Kind::Single));
            all.sort_by(|(one, _), (other, _)| one.cmp(other));
            Ok(all
                .into_iter()
                .map(|(name, _)| PluginFile { bytes: read(&folder.join(&name)), name })
                .collect())
        }
    };
    Beside { folder: Some(name), files }
}

/// Takes away what ended runs have left. A folder without leftovers is not written to, and may be read-only.
///
/// # Errors
/// [`Trouble`] if the folder cannot be read, or as of [`Folder::open`].
pub(super) fn tidy(path: &Path) -> Result<(), Trouble> {
    if Lock::is_there(path) || has_leftovers(path)? {
        Folder::open(path)?;
    }
    Ok(())
}

/// Waits until the disk has what was done in a folder.
pub(super) fn sync(path: &Path) -> Result<(), Trouble> {
    File::open(path).and_then(|folder| folder.sync_all()).tried("write", path)
}

impl Folder {
    /// Waits for the lock, and takes away what an ended run has left.
    ///
    /// # Errors
    /// When there is no such folder, or another process of this program holds it for more than ten seconds.
    pub fn open(path: &Path) -> Result<Folder, Trouble> {
        let lock = Lock::wait(path)?;
        match sweep(path)? {
            0 => {}
            files => tracing::info!(folder = %path.display(), files, "removed what an ended run had left"),
        }
        Ok(Folder { path: path.to_owned(), _lock: lock, new_mode: 0o600 })
    }

    /// Files that are written anew get this mode (otherwise 0600).
    pub fn with_new_mode(mut self, mode: u32) -> Folder {
        self.new_mode = mode;
        self
    }

    /// Carries a change out, if the file is still what the change was based on.
    ///
    /// # Errors
    /// When the system refuses; the file is then as it was.
    pub fn apply(&self, step: &Step) -> Result<Swap, Trouble> {
        let swap = match step {
            Step::Write { name, before: None, after } => self.create(name, after)?,
            Step::Write { name, before: Some(before), after } => self.replace(name, before, after)?,
            Step::Remove { name, before } => self.remove(name, before)?,
        };
        if swap == Swap::Done {
            sync(&self.path)?;
        }
        Ok(swap)
    }

    fn create(&self, name: &str, after: &str) -> Result<Swap, Trouble> {
        let path = self.path.join(name);
        let mut new = Temporary::new(&self.path)?;
        new.fill(&mut after.as_bytes(), self.new_mode)?;
        match rename(&new.path, &path, RenameFlags::RENAME_NOREPLACE) {
            Ok(()) => new.keep(),
            Err(Errno::EEXIST) => return Ok(Swap::Changed),
            Err(errno) if lacks_flags(errno) => match fs::hard_link(&new.path, &path) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(Swap::Changed),
                Err(error) => return Err(error).tried("write", &path),
            },
            Err(errno) => return Err(errno).tried("write", &path),
        }
        Ok(Swap::Done)
    }

    fn replace(&self, name: &str, before: &[u8], after: &str) -> Result<Swap, Trouble> {
        let path = self.path.join(name);
        let Some(old) = Version::open(&path).tried("read", &path)? else { return Ok(Swap::Changed) };
        let mut new = Temporary::new(&self.path)?;
        new.own_as(&old.metadata)?;
        new.fill(&mut after.as_bytes(), old.metadata.permissions().mode() & 0o7777)?;
        // Read as late as possible: what was read at the start may be old by now.
        let Some(old) = Version::open(&path).tried("read", &path)? else { return Ok(Swap::Changed) };
        if old.bytes != before {
            return Ok(Swap::Changed);
        }
        let placed = Version::of(new.file(), after.as_bytes()).tried("read", &new.path)?;
        match rename(&new.path, &path, RenameFlags::RENAME_EXCHANGE) {
            Ok(()) => settle(&path, new, &old, placed),
            Err(Errno::ENOENT) => Ok(Swap::Changed),
            Err(errno) if lacks_flags(errno) => {
                fs::rename(&new.path, &path).tried("replace", &path)?;
                new.keep();
                Ok(Swap::Done)
            }
            Err(errno) => Err(errno).tried("replace", &path),
        }
    }

    fn remove(&self, name: &str, before: &[u8]) -> Result<Swap, Trouble> {
        let path = self.path.join(name);
        let Some(old) = Version::open(&path).tried("read", &path)? else { return Ok(Swap::Done) };
        if old.bytes != before {
            return Ok(Swap::Changed);
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error).tried("remove", &path),
            _ => Ok(Swap::Done),
        }
    }
}

/// The files have been exchanged: is what came out what was read before? Otherwise the newest version of others
/// goes back to its place, until nothing comes out any more that was not put there.
fn settle(path: &Path, new: Temporary, old: &Version, mut placed: Version) -> Result<Swap, Trouble> {
    let exchange = || rename(&new.path, path, RenameFlags::RENAME_EXCHANGE);
    let out = || {
        Version::open(&new.path).tried("read", &new.path).inspect_err(|_| {
            // Whatever came out is not ours to keep.
            let _ = exchange();
        })
    };
    let mut newest = match out()? {
        Some(version) if version.is(old) => return Ok(Swap::Done),
        Some(version) => version,
        None => return Ok(Swap::Changed),
    };
    tracing::debug!(file = %path.display(), "somebody else wrote at the same moment: theirs goes back");
    loop {
        match exchange() {
            Ok(()) => {}
            // Whoever took the file away did so last.
            Err(Errno::ENOENT) => return Ok(Swap::Changed),
            Err(errno) => {
                // Theirs is in our temporary file now: better to leave it than to lose it.
                new.keep();
                return Err(errno).tried("put back", path);
            }
        }
        match out()? {
            Some(version) if !version.is(&placed) => placed = std::mem::replace(&mut newest, version),
            _ => return Ok(Swap::Changed),
        }
    }
}

fn rename(from: &Path, to: &Path, flags: RenameFlags) -> nix::Result<()> {
    renameat2(AT_FDCWD, from, AT_FDCWD, to, flags)
}

/// Is this how a file system, or an old kernel, says that it knows no such flag?
fn lacks_flags(errno: Errno) -> bool {
    matches!(errno, Errno::EINVAL | Errno::ENOSYS | Errno::EOPNOTSUPP)
}

/// A file and what is in it. It is kept open, so that no other file gets its number.
#[derive(Debug)]
struct Version {
    _file: File,
    metadata: fs::Metadata,
    bytes: Vec<u8>,
}

impl Version {
    fn open(path: &Path) -> io::Result<Option<Version>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a file"));
        }
        let mut bytes = Vec::new();
        (&file).take(LONGEST + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > LONGEST {
            return Err(io::Error::other("it is longer than 1 MiB"));
        }
        Ok(Some(Version { _file: file, metadata, bytes }))
    }

    fn of(file: &File, bytes: &[u8]) -> io::Result<Version> {
        Ok(Version { _file: file.try_clone()?, metadata: file.metadata()?, bytes: bytes.to_vec() })
    }

    fn is(&self, other: &Version) -> bool {
        let number = |version: &Version| (version.metadata.dev(), version.metadata.ino());
        number(self) == number(other) && self.bytes == other.bytes
    }
}
