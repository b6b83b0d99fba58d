//! Which file of the folder is the one that the runtime takes.
//!
//! Runtimes sort the names byte by byte and take the first file that is a network configuration. They look at
//! `.conf` and `.conflist`; many of them at `.json` too, which istio-cni does not, and so neither does this agent: a
//! `.json` file in front of the primary one is worth a warning.

use super::document::{Flaw, List, Single, text_of};

/// A file of the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name.
    pub name: String,
    /// What is in it, or why that cannot be known.
    pub bytes: Result<Vec<u8>, String>,
    /// Is it a file itself, and not a link to one? Only then it can be replaced.
    pub is_plain: bool,
}

/// How a name ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `.conf`: one plugin.
    Single,
    /// `.conflist`: a list of them.
    List,
    /// `.json`: one plugin, for some runtimes.
    Json,
}

impl Kind {
    /// The kind of a file with this name; nothing for files that no runtime looks at.
    pub fn of(name: &str) -> Option<Kind> {
        match name.rsplit_once('.')?.1 {
            "conf" => Some(Kind::Single),
            "conflist" => Some(Kind::List),
            "json" => Some(Kind::Json),
            _ => None,
        }
    }
}

/// What a file says.
#[derive(Clone, Debug)]
pub enum Network<'t> {
    /// One plugin.
    Single(Single<'t>),
    /// Several.
    List(List<'t>),
}

impl Found {
    /// Reads it as the runtime would.
    ///
    /// # Errors
    /// Why the runtime passes over it.
    pub fn network(&self) -> Result<Network<'_>, Flaw> {
        let bytes = self.bytes.as_ref().map_err(|reason| Flaw::Unreadable(reason.clone()))?;
        let text = text_of(bytes)?;
        match Kind::of(&self.name) {
            Some(Kind::List) => List::parse(text).map(Network::List),
            _ => Single::parse(text).map(Network::Single),
        }
    }

    /// Was it written by this agent, for this type of plugin? A list then says of which file it is a copy; a
    /// single plugin is ours itself.
    pub fn is_ours(&self, kind: &str) -> bool {
        match self.network() {
            Ok(Network::List(list)) => list.copy_of().is_some(),
            Ok(Network::Single(single)) => single.kind() == kind,
            Err(_) => false,
        }
    }
}
