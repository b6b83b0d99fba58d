//! The files that a run reads.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::Error;
use crate::config::lists::ListFiles;
use crate::config::owners::Accounts;

/// More than any list of ranges needs: a million of them.
const LONGEST: u64 = 32 << 20;

/// Reads a text file.
///
/// # Errors
/// When it cannot be read, or is longer than 32 MiB.
pub fn read(path: &Path) -> Result<String, Error> {
    let open = || read_bounded(File::open(path)?);
    open().map_err(|source| Error::File { path: path.display().to_string(), source })
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
    fn file(&self, path: &Path) -> Result<String, String> {
        read(path).map_err(|error| error.to_string())
    }

    fn standard_input(&self) -> Result<String, String> {
        read_bounded(io::stdin().lock()).map_err(|error| format!("cannot read standard input: {error}"))
    }
}
