//! The lock of a folder: a file that root alone can open.
//!
//! A lock on the folder itself could be held by every user of the node, for each may open it.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

use super::trouble::{Tried, Trouble};

/// The name of the file. Runtimes look at other endings only.
const NAME: &str = ".mesh-intercept.lock";
/// How long another process of this program may hold the lock.
const PATIENCE: Duration = Duration::from_secs(10);
/// The pause between two tries.
const PAUSE: Duration = Duration::from_millis(2);

/// The lock of a folder. The file goes away with this value.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    _file: Flock<File>,
}

impl Lock {
    /// Waits for the lock of a folder.
    ///
    /// # Errors
    /// [`Trouble`] if the file cannot be made, or if another process holds the lock for longer than ten seconds.
    pub(super) fn wait(folder: &Path) -> Result<Lock, Trouble> {
        let path = folder.join(NAME);
        let start = Instant::now();
        loop {
            let file = open(&path).tried("write a file in", folder)?;
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(file) if is_at(&file, &path) => return Ok(Lock { path, _file: file }),
                // The process that held it took the file away: the next one has another file.
                Ok(_) => continue,
                Err((_, Errno::EWOULDBLOCK)) if start.elapsed() > PATIENCE => {
                    return Err(Errno::EBUSY).tried("lock", folder);
                }
                Err((_, Errno::EWOULDBLOCK)) => thread::sleep(PAUSE),
                Err((_, errno)) => return Err(errno).tried("lock", folder),
            }
        }
    }

    /// Returns `true` if a process holds the lock, or was killed while it held it.
    pub(super) fn is_there(folder: &Path) -> bool {
        folder.join(NAME).symlink_metadata().is_ok()
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The lock is held until the file is gone. One that stays is used by the next run.
        let _ = fs::remove_file(&self.path);
    }
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(path)
}

fn is_at(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(there)) = (file.metadata(), path.symlink_metadata()) else { return false };
    (open.dev(), open.ino()) == (there.dev(), there.ino())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_lock_can_be_opened_by_its_owner_alone_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let lock = Lock::wait(folder.path()).unwrap();
        let mode = folder.path().join(NAME).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(lock);
        assert!(!Lock::is_there(folder.path()));
    }

    #[test]
    fn a_file_that_a_killed_run_left_is_no_obstacle() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(NAME), "").unwrap();
        drop(Lock::wait(folder.path()).unwrap());
        assert!(!Lock::is_there(folder.path()));
    }

    #[test]
    fn one_holder_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let counter = folder.path().join("counter");
        fs::write(&counter, "0").unwrap();
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..25 {
                        let _lock = Lock::wait(folder.path()).unwrap();
                        let count: u32 = fs::read_to_string(&counter).unwrap().parse().unwrap();
                        fs::write(&counter, (count + 1).to_string()).unwrap();
                    }
                });
            }
        });
        assert_eq!(fs::read_to_string(&counter).unwrap(), "200");
    }

    #[test]
    fn a_lock_on_the_folder_holds_nothing_up() {
        // Every user of the node may open the folder.
        let folder = tempfile::tempdir().unwrap();
        let open = File::open(folder.path()).unwrap();
        let _held = Flock::lock(open, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno).unwrap();
        drop(Lock::wait(folder.path()).unwrap());
    }
}
