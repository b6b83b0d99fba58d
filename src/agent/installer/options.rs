//! What the installer is told to do.

use std::path::PathBuf;

use super::entry::Entry;

/// The name of our copy of the primary configuration, unless it is configured.
pub const DEFAULT_COPY: &str = "02-mesh-intercept.conflist";
/// The name of the file of a plugin that is not chained, unless it is configured.
pub const DEFAULT_STANDALONE: &str = "YYY-mesh-intercept.conf";

/// What the installer is told to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the container runtime reads its network configurations (usually `/etc/cni/net.d`).
    pub folder: PathBuf,
    /// Our entry.
    pub entry: Entry,
    /// How it gets to the runtime.
    pub mode: Mode,
    /// May the group read the files that are written anew (0640 instead of 0600)?
    pub group_read: bool,
    /// The program to install; nothing when somebody else does that.
    pub program: Option<Program>,
}

/// How our entry gets to the runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In the list of the primary plugin. A primary that cannot be edited in place (a `.conf`, a link, a version
    /// without chains, a list with plugins in a folder) is left as it is, and a copy of ours is put in front of it.
    /// Where that is Multus, in the list that Multus calls.
    Chained(Chain),
    /// Always in a copy of ours in front of the primary one, which is left as it is.
    OwnedCopy(Chain),
    /// In a file of its own, for a delegate of Multus.
    Standalone {
        /// The file's name; [`DEFAULT_STANDALONE`] unless it is configured.
        name: String,
    },
}

/// Which configuration to join.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// The file's name, with `.conf` or `.conflist`: either is taken. Without it, the file that the runtime takes.
    pub primary: Option<String>,
    /// The name of our copy, should there be one. Without it, one that the runtime reads before the original:
    /// [`DEFAULT_COPY`] if that does.
    pub copy: Option<String>,
}

/// The plugin's program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The file to copy.
    pub source: PathBuf,
    /// Where the runtime looks for plugins (usually `/opt/cni/bin`). The file there is called as the plugin's type.
    pub folder: PathBuf,
}

/// Options that contradict themselves.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum OptionsError {
    /// A name that is none of a file in the folder, or ends otherwise than it has to.
    #[error("{name:?} is no name for {role}: give a file name that ends with {endings}")]
    Name {
        /// The name.
        name: String,
        /// For what it was given.
        role: &'static str,
        /// How it may end.
        endings: &'static str,
    },
    /// Our copy would be the file that it is made of.
    #[error("{0} is both the primary configuration and our copy of it: give the copy another name")]
    Same(String),
}

impl Options {
    /// Are the names such that they can be used?
    ///
    /// # Errors
    /// The first that is not.
    pub fn check(&self) -> Result<(), OptionsError> {
        match &self.mode {
            Mode::Standalone { name } => check(name, "the standalone configuration", &[".conf"], ".conf"),
            Mode::Chained(chain) | Mode::OwnedCopy(chain) => {
                if let Some(copy) = &chain.copy {
                    check(copy, "the owned copy", &[".conflist"], ".conflist")?;
                }
                let Some(primary) = &chain.primary else { return Ok(()) };
                let endings = [".conf", ".conflist"];
                check(primary, "the primary configuration", &endings, ".conf or .conflist")?;
                if [Some(primary), Some(&sibling(primary))].contains(&chain.copy.as_ref()) {
                    return Err(OptionsError::Same(primary.clone()));
                }
                Ok(())
            }
        }
    }
}

/// The same name with the other ending.
pub(super) fn sibling(name: &str) -> String {
    match name.strip_suffix(".conflist") {
        Some(stem) => format!("{stem}.conf"),
        None => format!("{name}list"),
    }
}

fn check(
    name: &str,
    role: &'static str,
    allowed: &[&str],
    endings: &'static str,
) -> Result<(), OptionsError> {
    let fits = allowed.iter().any(|ending| name.ends_with(ending));
    // A name that begins with a dot may be one of our temporary files, and is easily overlooked.
    if fits && !name.starts_with('.') && !name.contains(['/', '\0']) {
        return Ok(());
    }
    Err(OptionsError::Name { name: name.to_owned(), role, endings })
}
