//! Multus, which is no network itself: it calls others, and our plugin has to come after the pod's own.
//!
//! Its file is a single plugin, or a list with it. The network that it calls first, which is the pod's own, is a file
//! that Multus reads at each ADD (`clusterNetwork` is a path, as its daemon writes it), or is written out in Multus's
//! file (`delegates`): there by hand, or by Multus's pod, which copies the folder's first file that is not its own
//! when it starts. What is described here follows Multus 3 and 4.

use std::path::{Path, PathBuf};

use super::discovery::{self, Found};
use super::document::{COPY_OF, Flaw, List, Single};
use super::entry::Entry;
use super::members::{Members, elements};
use super::splice::{Edit, range_of, splice};

/// The types under which Multus is called.
const KINDS: [&str; 2] = ["multus", "multus-shim"];

/// A file of Multus.
#[derive(Debug)]
pub(super) struct Multus<'t> {
    text: &'t str,
    delegates: Vec<&'t str>,
    cluster_network: Option<String>,
}

/// The network that Multus calls first.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Network<'m> {
    /// The one in the file with this path, as Multus sees it.
    File(&'m str),
    /// The one that is written out in Multus's file.
    Inline(Delegate<'m>),
    /// One that is not on the node, or is known to Multus alone.
    Elsewhere,
}

/// A network that is written out in Multus's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Delegate<'t> {
    raw: &'t str,
    name: Option<String>,
    kinds: Vec<String>,
}

impl<'t> Multus<'t> {
    /// Reads the file of Multus; nothing when it is the file of another plugin.
    pub(super) fn of(text: &'t str) -> Option<Multus<'t>> {
        let members = Members::parse(text).ok()?;
        let plugin = match members.last("plugins") {
            Some(plugins) if plugins.starts_with('[') => {
                let plugins = elements(plugins).ok()?.into_iter();
                plugins.filter_map(|raw| Members::parse(raw).ok()).find(is_multus)?
            }
            _ => Some(members).filter(is_multus)?,
        };
        let delegates = plugin.last("delegates").filter(|raw| raw.starts_with('['));
        Some(Multus {
            text,
            delegates: delegates.map(elements).transpose().ok()?.unwrap_or_default(),
            cluster_network: plugin.string("clusterNetwork").ok()?.filter(|it| !it.is_empty()),
        })
    }

    /// The network that it calls first.
    pub(super) fn network(&self) -> Network<'_> {
        match (&self.cluster_network, self.delegates.first()) {
            (Some(path), _) if path.starts_with('/') => Network::File(path),
            (None, Some(raw)) => Delegate::of(raw).map_or(Network::Elsewhere, Network::Inline),
            _ => Network::Elsewhere,
        }
    }

    /// The text with the entry in the network that it calls first; a single plugin becomes a list, marked as a copy of
    /// the file `source`.
    pub(super) fn with(&self, source: &str, entry: &Entry) -> Result<String, Flaw> {
        let Some(raw) = self.delegates.first() else { return Ok(self.text.to_owned()) };
        let text = match List::parse(raw) {
            Ok(list) => list.with(entry)?,
            Err(_) => Single::parse(raw)?.enclosed(source, entry)?,
        };
        Ok(self.replaced(vec![(raw, text)]))
    }

    /// The text without any entry of this type in the networks that it calls; nothing when there is none.
    pub(super) fn without(&self, kind: &str) -> Result<Option<String>, Flaw> {
        let mut edits = Vec::new();
        for raw in &self.delegates {
            let Ok(list) = List::parse(raw) else { continue };
            let Some(text) = list.without(kind)? else { continue };
            let is_single = list.copy_of().is_some_and(|source| source.ends_with(".conf"));
            match list.first() {
                Some(single) if is_single => edits.push((*raw, single.to_owned())),
                _ => edits.push((*raw, text)),
            }
        }
        Ok((!edits.is_empty()).then(|| self.replaced(edits)))
    }

    /// Is a plugin of this type in one of the networks that it calls?
    pub(super) fn calls(&self, kind: &str) -> bool {
        self.delegates
            .iter()
            .filter_map(|raw| Delegate::of(raw))
            .any(|it| it.kinds.iter().any(|it| it == kind))
    }

    fn replaced(&self, edits: Vec<(&str, String)>) -> String {
        let edit = |(raw, text)| Edit { range: range_of(self.text, raw), text };
        splice(self.text, edits.into_iter().map(edit).collect())
    }
}

impl<'t> Delegate<'t> {
    fn of(raw: &'t str) -> Option<Delegate<'t>> {
        if let Ok(list) = List::parse(raw) {
            let kinds = list.kinds().map(str::to_owned).collect();
            return Some(Delegate { raw, name: Some(list.name().to_owned()), kinds });
        }
        let single = Single::parse(raw).ok()?;
        let (name, kinds) = (single.name().map(str::to_owned), vec![single.kind().to_owned()]);
        Some(Delegate { raw, name, kinds })
    }

    /// Is it a copy of the network of this name with plugins of these types, but for our own?
    pub(super) fn is_copy_of(&self, name: Option<&str>, kinds: &[&str], ours: &str) -> bool {
        let others = self.kinds.iter().map(String::as_str).filter(|kind| *kind != ours);
        (name.is_some() && self.name.as_deref() == name)
            || others.eq(kinds.iter().copied().filter(|kind| *kind != ours))
    }

    /// Is it the list in which this agent has chained itself behind Multus? Multus then calls itself.
    pub(super) fn is_multus(&self) -> bool {
        self.kinds.iter().any(|kind| KINDS.contains(&kind.as_str())) && self.raw.contains(COPY_OF)
    }
}

/// Is this a file of Multus that calls this network?
pub(super) fn calls(file: &Found, called: &Found, network: &discovery::Network<'_>, ours: &str) -> bool {
    let Some(multus) = file.text().ok().and_then(Multus::of) else { return false };
    match multus.network() {
        Network::File(path) => Path::new(path).file_name().is_some_and(|name| name == called.name.as_str()),
        Network::Inline(delegate) => delegate.is_copy_of(network.name(), &network.kinds(), ours),
        Network::Elsewhere => false,
    }
}

/// The file with this path, as Multus sees it, when that is one of these, which are in `folder`.
pub(super) fn referred<'f>(files: &'f [Found], path: &str, folder: &Path) -> Option<&'f Found> {
    let path = Path::new(path);
    let name = path.file_name()?.to_str()?;
    // The node's folder has another place in each container, and keeps the end of its name.
    let parts = |path: &Path| path.components().skip(1).collect::<PathBuf>();
    let (theirs, own) = (parts(path.parent()?), parts(folder));
    let is_same = !theirs.as_os_str().is_empty() && (own.ends_with(&theirs) || theirs.ends_with(&own));
    files.iter().find(|file| is_same && file.name == name)
}

fn is_multus(plugin: &Members<'_>) -> bool {
    let kind = plugin.string("type").ok().flatten();
    kind.is_some_and(|kind| KINDS.contains(&kind.as_str()))
}
