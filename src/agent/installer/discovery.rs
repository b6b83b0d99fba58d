//! Which file of the folder is the one that the runtime takes.
//!
//! Runtimes sort the names byte by byte and take the first file that is a network configuration. They look at
//! `.conf` and `.conflist`; many of them at `.json` too, which istio-cni does not, and so neither does this agent: a
//! `.json` file in front of the primary one is worth a warning.

use super::beside::Beside;
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
    /// The folder beside it from which the runtime takes more plugins.
    pub beside: Beside,
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

impl Network<'_> {
    /// The network's name, when it has one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Network::Single(single) => single.name(),
            Network::List(list) => Some(list.name()),
        }
    }

    /// The types of its plugins, in the order in which they are called.
    pub fn kinds(&self) -> Vec<&str> {
        match self {
            Network::Single(single) => vec![single.kind()],
            Network::List(list) => list.kinds().collect(),
        }
    }

    /// Does each of its plugins get the result of those before it?
    pub fn can_chain(&self) -> bool {
        match self {
            Network::Single(single) => single.version().can_chain(),
            Network::List(list) => list.version().can_chain(),
        }
    }
}

impl Found {
    /// Its text.
    ///
    /// # Errors
    /// When it has none.
    pub fn text(&self) -> Result<&str, Flaw> {
        text_of(self.bytes.as_ref().map_err(|reason| Flaw::Unreadable(reason.clone()))?)
    }

    /// Reads it as the runtime would.
    ///
    /// # Errors
    /// Why the runtime passes over it.
    pub fn network(&self) -> Result<Network<'_>, Flaw> {
        let text = self.text()?;
        match Kind::of(&self.name) {
            Some(Kind::List) => List::parse_with(text, &self.beside).map(Network::List),
            _ => Single::parse(text).map(Network::Single),
        }
    }

    /// The list that it is, whatever is in the folder beside it.
    pub fn list(&self) -> Option<List<'_>> {
        if Kind::of(&self.name) != Some(Kind::List) {
            return None;
        }
        List::parse(self.text().ok()?).ok()
    }

    /// Is it a copy that this agent made of another file?
    pub fn is_copy(&self) -> bool {
        self.list().is_some_and(|list| list.copy_of().is_some())
    }

    /// Was it written by this agent, for this type of plugin? A list then says of which file it is a copy; a
    /// single plugin is ours itself.
    pub fn is_ours(&self, kind: &str) -> bool {
        self.is_copy() || matches!(self.network(), Ok(Network::Single(single)) if single.kind() == kind)
    }
}
