//! The plugin's program in the runtime's folder.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::folder::{Folder, sync};
use super::options::Program;
use super::temporary::Temporary;
use super::trouble::{Tried, Trouble};

/// By what a file is known to be the same as last time.
type Marks = (u64, u64, u64, i64, i64, i64);

/// The program, and what was found out about it: reading some megabytes every few seconds would be a waste.
#[derive(Debug)]
pub(super) struct Installed {
    program: Program,
    target: PathBuf,
    known: Option<(Marks, Marks)>,
}

impl Installed {
    pub(super) fn new(program: Program, kind: &str) -> Installed {
        let target = program.folder.join(kind);
        Installed { program, target, known: None }
    }

    pub(super) fn target(&self) -> &Path {
        &self.target
    }

    /// Is the file there, the same byte for byte, and may it be run?
    pub(super) fn is_right(&mut self) -> Result<bool, Trouble> {
        let marks = (marks(&self.program.source)?, marks(&self.target)?);
        let (Some(source), Some(target)) = marks else { return Ok(false) };
        if self.known == Some((source, target)) {
            return Ok(true);
        }
        let mode = fs::metadata(&self.target).tried("read", &self.target)?.permissions().mode();
        let is_right = mode & 0o7777 == MODE && self.is_same()?;
        self.known = is_right.then_some((source, target));
        Ok(is_right)
    }

    fn is_same(&self) -> Result<bool, Trouble> {
        let open = |path: &Path| File::open(path).map(BufReader::new).tried("read", path);
        let (source, target) = (open(&self.program.source)?, open(&self.target)?);
        is_same(source, target).tried("compare", &self.target)
    }

    /// Copies it, unless it is there. Says whether it did.
    pub(super) fn install(&mut self) -> Result<bool, Trouble> {
        if self.is_right()? {
            return Ok(false);
        }
        let folder = &self.program.folder;
        let _lock = Folder::open(folder)?;
        let mut source = File::open(&self.program.source).tried("read", &self.program.source)?;
        let mut new = Temporary::new(folder)?;
        new.fill(&mut source, MODE)?;
        fs::rename(&new.path, &self.target).tried("replace", &self.target)?;
        new.keep();
        sync(folder)?;
        Ok(true)
    }

    /// Takes it away, if it is this program and not another one of the same name. Says whether it is gone.
    pub(super) fn uninstall(&mut self) -> Result<bool, Trouble> {
        if marks(&self.target)?.is_none() {
            return Ok(true);
        }
        let _lock = Folder::open(&self.program.folder)?;
        if !self.is_same()? {
            return Ok(false);
        }
        fs::remove_file(&self.target).tried("remove", &self.target)?;
        sync(&self.program.folder)?;
        Ok(true)
    }
}

/// Everybody may run a plugin.
const MODE: u32 = 0o755;

fn marks(path: &Path) -> Result<Option<Marks>, Trouble> {
    match fs::metadata(path) {
        Ok(it) => Ok(Some((it.dev(), it.ino(), it.size(), it.mtime_nsec(), it.ctime(), it.ctime_nsec()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).tried("read", path),
    }
}

fn is_same(mut one: impl Read, mut other: impl Read) -> io::Result<bool> {
    let (mut left, mut right) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let length = fill(&mut one, &mut left)?;
        if fill(&mut other, &mut right)? != length || left[..length] != right[..length] {
            return Ok(false);
        }
        if length == 0 {
            return Ok(true);
        }
    }
}

/// Reads until the buffer is full or the file ends: two files may come in pieces of different lengths.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match from.read(&mut buffer[length..])? {
            0 => break,
            more => length += more,
        }
    }
    Ok(length)
}
