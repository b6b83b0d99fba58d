//! Where lines go. A line that cannot be written is lost and counted; it never stops the program, nor keeps it waiting for
//! long.

use std::fs::{File, OpenOptions};
use std::io::{self, Stderr, Stdout};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::write;
use tracing::Level;

use super::collected::Collected;
use super::text::without_escapes;

/// How long a reader that does not read is waited for, once; what comes after that is lost until it reads again.
const PATIENCE: Duration = Duration::from_millis(500);
/// A pipe that has room at all has room for this many bytes (`PIPE_BUF`).
const PIECE: usize = 4096;

/// Where lines go.
#[derive(Debug)]
pub enum Outlet {
    /// A stream or file.
    Stream(Stream),
    /// The memory, up to this level.
    Memory(&'static Mutex<Collected>, Level),
}

/// A stream or file that lines are written to.
#[derive(Debug)]
pub struct Stream {
    to: To,
    /// How much is written at once.
    piece: usize,
    /// Its reader did not read for as long as it was waited for.
    is_stuck: bool,
    /// The last line was written in part.
    is_torn: bool,
    /// Lines that were lost since the last one that was written.
    lost: u64,
}

#[derive(Debug)]
enum To {
    Stderr(Stderr),
    Stdout(Stdout),
    File(File),
}

impl AsFd for To {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            To::Stderr(stderr) => stderr.as_fd(),
            To::Stdout(stdout) => stdout.as_fd(),
            To::File(file) => file.as_fd(),
        }
    }
}

impl Stream {
    /// Standard error.
    pub fn stderr() -> Stream {
        Stream::to(To::Stderr(io::stderr()))
    }

    /// Standard output.
    pub fn stdout() -> Stream {
        Stream::to(To::Stdout(io::stdout()))
    }

    /// The end of a file, which is made with this mode when it is not there. A named pipe that nobody reads is an error.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn file(path: &Path, mode: u32) -> io::Result<Stream> {
        let mut options = OpenOptions::new();
        let options = options.create(true).append(true).mode(mode).custom_flags(libc::O_NONBLOCK);
        options.open(path).map(|file| Stream::to(To::File(file)))
    }

    fn to(to: To) -> Stream {
        // Lines of several processes in one file stay whole when each is written at once.
        let is_file = matches!(&to, To::File(file) if file.metadata().is_ok_and(|it| it.is_file()));
        let piece = if is_file { usize::MAX } else { PIECE };
        Stream { to, piece, is_stuck: false, is_torn: false, lost: 0 }
    }

    /// Writes a line, if it can be written. Before it, `note` says how many were lost, if any.
    pub(super) fn write(&mut self, line: &str, note: impl FnOnce(u64) -> String) {
        let mut text = String::new();
        if self.is_torn {
            text.push('\n');
        }
        if self.lost > 0 {
            text.push_str(&note(self.lost));
        }
        text.push_str(line);
        let written = self.write_bytes(text.as_bytes());
        if written == text.len() {
            (self.is_stuck, self.is_torn, self.lost) = (false, false, 0);
        } else {
            self.lost += 1;
            self.is_torn |= written > 0;
        }
    }

    /// Says how many bytes were written.
    fn write_bytes(&mut self, bytes: &[u8]) -> usize {
        let end = Instant::now() + if self.is_stuck { Duration::ZERO } else { PATIENCE };
        let mut written = 0;
        while written < bytes.len() {
            if !self.has_room(end.saturating_duration_since(Instant::now())) {
                self.is_stuck = true;
                break;
            }
            let piece = &bytes[written..bytes.len().min(written.saturating_add(self.piece))];
            match write(&self.to, piece) {
                Ok(count) => written += count,
                Err(Errno::EINTR | Errno::EAGAIN) if Instant::now() < end => {}
                Err(_) => break,
            }
        }
        written
    }

    fn has_room(&self, patience: Duration) -> bool {
        let mut asked = [PollFd::new(self.to.as_fd(), PollFlags::POLLOUT)];
        let patience = PollTimeout::try_from(patience).unwrap_or(PollTimeout::ZERO);
        // What is wrong with it, the write says.
        poll(&mut asked, patience) != Ok(0)
    }
}

/// Says this on standard error, if it can be said, without what a terminal would obey.
pub fn tell(text: &str) {
    Stream::stderr().write(&without_escapes(text), |_| String::new());
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn note(lost: u64) -> String {
        format!("lost {lost}\n")
    }

    #[test]
    fn a_full_disk_and_a_reader_that_went_away_lose_lines_and_nothing_else() {
        let mut full = Stream::file(Path::new("/dev/full"), 0o600).unwrap();
        full.write("a\n", note);
        full.write("b\n", note);
        assert_eq!(full.lost, 2);
        let (reader, writer) = nix::unistd::pipe().unwrap();
        drop(reader);
        let mut broken = Stream::to(To::File(writer.into()));
        broken.write("a\n", note);
        assert_eq!(broken.lost, 1);
    }

    #[test]
    fn a_reader_that_does_not_read_is_waited_for_once_and_told_what_it_missed() {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        let mut stream = Stream::to(To::File(writer.into()));
        let line = "x".repeat(999) + "\n";
        // Without an end, this would wait for ever.
        for _ in 0..1000 {
            stream.write(&line, note);
        }
        assert!(stream.is_stuck && stream.lost > 900, "{}", stream.lost);
        let mut read = vec![0; 1 << 20];
        let mut reader = File::from(reader);
        let count = reader.read(&mut read).unwrap();
        let lost = stream.lost;
        stream.write("after\n", note);
        drop(stream);
        read.truncate(count);
        reader.read_to_end(&mut read).unwrap();
        let text = String::from_utf8(read).unwrap();
        assert!(text.ends_with(&format!("\nlost {lost}\nafter\n")), "{}", &text[text.len() - 40..]);
    }

    #[test]
    fn a_named_pipe_that_nobody_reads_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(Stream::file(&path, 0o600).is_err());
    }
}
