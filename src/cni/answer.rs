//! The one object on standard output. Whatever happens, there is never a second one, and the first one is whole.

use std::io;
use std::os::fd::AsFd;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::write;

use crate::faults;

/// What the runtime is told. The first one to say anything decides it.
static ANSWER: OnceLock<Answer> = OnceLock::new();
/// How much of it has been written.
static WRITTEN: AtomicUsize = AtomicUsize::new(0);

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// The object; nothing for commands that answer nothing.
    pub(super) text: String,
    /// Does it say that all is done?
    pub(super) is_success: bool,
}

/// Answers, unless the answer is decided already, and writes what of the answer is not written yet. Gives the answer that
/// counts.
pub(super) fn deliver(answer: Answer) -> &'static Answer {
    let answer = ANSWER.get_or_init(|| answer);
    let bytes = answer.text.as_bytes();
    let mut refusals = 0;
    while let Some(rest) = bytes.get(WRITTEN.load(Ordering::SeqCst)..).filter(|rest| !rest.is_empty()) {
        // In a test that wants a defect in the middle, there is a middle.
        let piece = if cfg!(debug_assertions) { &rest[..rest.len().div_ceil(2)] } else { rest };
        match write(io::stdout(), piece) {
            Ok(count) => {
                WRITTEN.fetch_add(count, Ordering::SeqCst);
            }
            Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => {
                let output = io::stdout();
                let mut asked = [PollFd::new(output.as_fd(), PollFlags::POLLOUT)];
                let _ = poll(&mut asked, PollTimeout::NONE);
            }
            // A machine without memory to spare is asked again. A runtime that went away has cleaned up after itself.
            Err(errno) if errno != Errno::EPIPE && refusals < MOST_REFUSALS => refusals += 1,
            Err(_) => break,
        }
        faults::point("answering");
    }
    faults::point("answered");
    answer
}

/// So often a write may be refused in all.
const MOST_REFUSALS: u32 = 3;

/// Is it decided what the runtime is told?
pub(super) fn is_decided() -> bool {
    ANSWER.get().is_some()
}
