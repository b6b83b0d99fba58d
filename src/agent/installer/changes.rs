//! Says when something in a folder may have changed.

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::trouble::{Tried, Trouble};

/// A watch over folders. Events say only that it is worth to look: a folder that is not there yet, a lost event or a
/// file system that tells nothing is covered by the caller looking once in a while anyhow.
#[derive(Debug)]
pub struct Changes {
    inotify: Inotify,
    folders: Vec<PathBuf>,
}

impl Changes {
    /// Watches these folders; those that are not there are tried again at each wait.
    ///
    /// # Errors
    /// When the kernel gives no watch, because of a limit.
    pub fn watch(folders: Vec<PathBuf>) -> Result<Changes, Trouble> {
        let flags = InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC;
        let inotify = Inotify::init(flags).tried("watch", Path::new("the file system"))?;
        let changes = Changes { inotify, folders };
        changes.arm()?;
        Ok(changes)
    }

    /// Waits until something happens in one of the folders, at most this long. Says whether something did. What
    /// happens meanwhile, and while nobody waits, is one event.
    ///
    /// # Errors
    /// When the kernel does.
    pub fn wait(&self, at_most: Duration) -> Result<bool, Trouble> {
        let end = Instant::now() + at_most;
        // A folder that was replaced by another of the same name is watched from here on.
        self.arm()?;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let mut files = [PollFd::new(self.inotify.as_fd(), PollFlags::POLLIN)];
            let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
            match poll(&mut files, timeout) {
                Ok(0) if left.is_zero() => return Ok(false),
                Ok(0) | Err(Errno::EINTR) => continue,
                Ok(_) => {}
                Err(errno) => return Err(errno).tried("watch", self.first()),
            }
            while self.inotify.read_events().is_ok_and(|events| !events.is_empty()) {}
            return Ok(true);
        }
    }

    fn arm(&self) -> Result<(), Trouble> {
        let what = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_ATTRIB
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_ONLYDIR;
        for folder in &self.folders {
            match self.inotify.add_watch(folder, what) {
                Ok(_) | Err(Errno::ENOENT | Errno::ENOTDIR) => {}
                Err(errno) => return Err(errno).tried("watch", folder),
            }
        }
        Ok(())
    }

    fn first(&self) -> &Path {
        self.folders.first().map_or(Path::new("/"), PathBuf::as_path)
    }
}
