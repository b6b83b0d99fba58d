//! A network namespace of a thread: it vanishes with the process, however that ends.

use std::fs::File;
use std::io;
use std::sync::mpsc;
use std::thread;

use nix::sched::{CloneFlags, unshare};

type Work = Box<dyn FnOnce() + Send>;

/// A thread that has left for a network namespace of its own, and works there for others.
pub(super) struct FarEnd {
    work: mpsc::Sender<Work>,
}

impl FarEnd {
    /// Makes the namespace.
    ///
    /// # Errors
    /// When the kernel makes none.
    pub(super) fn start() -> io::Result<FarEnd> {
        let (work, inbox) = mpsc::channel::<Work>();
        let (left, arrival) = mpsc::channel();
        thread::Builder::new().name("far end".to_owned()).spawn(move || {
            let gone = unshare(CloneFlags::CLONE_NEWNET).map_err(io::Error::from);
            let stays = gone.is_ok();
            if left.send(gone).is_err() || !stays {
                return;
            }
            for work in inbox {
                work();
            }
        })?;
        arrival.recv().map_err(io::Error::other)??;
        Ok(FarEnd { work })
    }

    /// Does something there: what it opens belongs to that namespace, and may be used from any thread.
    pub(super) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let (done, result) = mpsc::channel();
        let work = move || drop(done.send(work()));
        self.work.send(Box::new(work)).map_err(|_| io::Error::other("the far end is gone"))?;
        result.recv().map_err(io::Error::other)?
    }

    /// The namespace, to put things into.
    pub(super) fn namespace(&self) -> io::Result<File> {
        self.run(|| File::open("/proc/thread-self/ns/net"))
    }
}
