//! Says when something in a folder may have changed.

use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

use super::trouble::{Tried, Trouble};

/// A watch over folders. Events say only that it is worth to look; what happens between two waits is told by the second.
#[derive(Debug)]
pub struct Changes {
    inotify: Inotify,
}

impl Changes {
    /// A watch over nothing yet.
    ///
    /// # Errors
    /// When the kernel gives no watch, because of a limit.
    pub fn new() -> Result<Changes, Trouble> {
        let flags = InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC;
        let inotify = Inotify::init(flags).tried("watch", Path::new("the file system"))?;
        Ok(Changes { inotify })
    }

    /// Watches these folders from now on, and of one that is not there the nearest folder above it. Called before each
    /// look: a folder that was replaced by another of the same name is another one to the kernel.
    ///
    /// # Errors
    /// When the kernel gives no watch, because of a limit.
    pub fn follow<'f>(&self, folders: impl IntoIterator<Item = &'f Path>) -> Result<(), Trouble> {
        for folder in folders {
            if !self.add(folder)? {
                for parent in folder.ancestors().skip(1) {
                    if self.add(parent)? {
                        break;
                    }
                }
                // It may have come before its parent was watched.
                self.add(folder)?;
            }
        }
        Ok(())
    }

    /// Watches a folder, and says whether it is there.
    fn add(&self, folder: &Path) -> Result<bool, Trouble> {
        let what = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_CREATE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_ATTRIB
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_ONLYDIR;
        match self.inotify.add_watch(folder, what) {
            Ok(_) => Ok(true),
            Err(Errno::ENOENT | Errno::ENOTDIR) => Ok(false),
            Err(errno) => Err(errno).tried("watch", folder),
        }
    }

    /// Waits until something happens in one of the folders, at most this long. Says whether something did. What
    /// happens meanwhile, and what happened since the last wait, is one event.
    ///
    /// # Errors
    /// When the kernel does.
    pub fn wait(&self, at_most: Duration) -> Result<bool, Trouble> {
        let end = Instant::now() + at_most;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let mut files = [PollFd::new(self.inotify.as_fd(), PollFlags::POLLIN)];
            let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
            match poll(&mut files, timeout) {
                Ok(0) if left.is_zero() => return Ok(false),
                Ok(0) | Err(Errno::EINTR) => continue,
                Ok(_) => {}
                Err(errno) => return Err(errno).tried("watch", Path::new("the file system")),
            }
            while self.inotify.read_events().is_ok_and(|events| !events.is_empty()) {}
            return Ok(true);
        }
    }
}
