//! The files that a run reads.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::libc::O_NONBLOCK;

use super::Error;
use crate::config::lists::ListFiles;
use crate::config::owners::Accounts;

/// More than any list of ranges needs: a million of them.
const LONGEST: u64 = 32 << 20;

/// Reads a text file. A named pipe is none: opening one waits for a writer, and there may never be one.
///
/// # Errors
/// When it cannot be read, is longer than 32 MiB, or is a pipe.
pub fn read(path: &Path) -> Result<String, Error> {
    let open = || {
        let file = File::options().read(true).custom_flags(O_NONBLOCK).open(path)?;
        if file.metadata()?.file_type().is_fifo() {
            return Err(io::Error::other("it is a pipe, not a file"));
        }
        read_bounded(file)
    };
    open().map_err(|source| failed(path, source))
}

fn failed(path: &Path, source: io::Error) -> Error {
    Error::File { path: path.display().to_string(), source }
}

fn read_bounded(input: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    input.take(LONGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LONGEST {
        return Err(io::Error::other("it is longer than 32 MiB"));
    }
    // A comment in another encoding is no reason to refuse a file; an item in one is refused when it is read.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The files of a machine, whose root is seen here: of the node, for a program in a container.
#[derive(Clone, Debug)]
pub struct Rooted(PathBuf);

impl Rooted {
    /// Those below this folder.
    pub fn at(root: &Path) -> Rooted {
        Rooted(root.to_owned())
    }

    fn text(&self, path: &Path) -> Result<String, String> {
        let below = path.strip_prefix("/").unwrap_or(path);
        read(&self.0.join(below)).map_err(|error| error.to_string())
    }
}

impl Accounts for Rooted {
    fn passwd(&self) -> Result<String, String> {
        self.text(Path::new("/etc/passwd"))
    }

    fn group(&self) -> Result<String, String> {
        self.text(Path::new("/etc/group"))
    }
}

impl ListFiles for Rooted {
    fn file(&self, path: &Path) -> Result<String, String> {
        self.text(path)
    }

    fn standard_input(&self) -> Result<String, String> {
        Err("standard input holds the plugin's configuration: give a file".to_owned())
    }
}

/// The real files.
#[derive(Clone, Copy, Debug)]
pub struct Files;

impl Accounts for Files {
    fn passwd(&self) -> Result<String, String> {
        read(Path::new("/etc/passwd")).map_err(|error| error.to_string())
    }

    fn group(&self) -> Result<String, String> {
        read(Path::new("/etc/group")).map_err(|error| error.to_string())
    }
}

impl ListFiles for Files {
    /// The caller names this file itself, and may mean a pipe.
    fn file(&self, path: &Path) -> Result<String, String> {
        let read = || read_bounded(File::open(path)?);
        read().map_err(|source| failed(path, source).to_string())
    }

    fn standard_input(&self) -> Result<String, String> {
        read_bounded(io::stdin().lock()).map_err(|error| format!("cannot read standard input: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;

    use super::*;

    #[test]
    fn a_pipe_that_nobody_writes_to_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("resolv.conf");
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || sender.send(read(&path).map_err(|error| error.to_string())));
        let text = receiver.recv_timeout(Duration::from_secs(60)).unwrap().unwrap_err();
        assert!(text.ends_with("resolv.conf: it is a pipe, not a file"), "{text}");
    }
}
