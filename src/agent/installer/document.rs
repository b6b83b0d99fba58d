//! A network configuration as text that can be edited without touching what is not ours.
//!
//! A list (`.conflist`) is not parsed and printed again: its text is searched for the places where our entry has to
//! go in or come out, and every other byte stays. So the order of keys, keys that nobody here knows, the forms of
//! numbers, line ends and indentation of those who wrote the file are kept. What comes out is parsed once more and
//! compared with the same edit made on the parsed value.
//!
//! Which files a runtime takes, and why not, follows libcni of the CNI project: a list needs a name and plugins, each
//! plugin a type; a key that is there twice counts the second time.

use serde_json::Value;

use super::entry::Entry;
use super::members::Members;
use super::splice::{Edit, range_of, splice};
use super::style::Style;
use super::version::CniVersion;

/// The key that marks a list as a copy which this agent wrote; its value is the name of the file that was copied.
pub const COPY_OF: &str = "mesh-intercept-copy-of";

/// The name of a list made of a single plugin's file that has none. Runtimes need one; it is the one that istio-cni
/// gives.
pub const NAMELESS: &str = "k8s-pod-network";

/// Why a file is no network configuration that a runtime takes, or none that can be edited.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// It cannot be read at all.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// Nothing is in it.
    #[error("it is empty")]
    Empty,
    /// Its bytes are no text.
    #[error("it is not UTF-8: {0}")]
    Encoding(#[from] std::str::Utf8Error),
    /// Its text is no JSON.
    #[error("it is not JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It is JSON, and something else than an object.
    #[error("it is not a JSON object")]
    NotObject,
    /// A list without a name.
    #[error("the list has no name")]
    Nameless,
    /// A version that is not text.
    #[error("its cniVersion is not a string")]
    Version,
    /// A list without plugins.
    #[error("the list has no plugins")]
    NoPlugins,
    /// Plugins that are no array.
    #[error("its plugins are not an array")]
    NotArray,
    /// A plugin that is no object, or has no type.
    #[error("plugin {0} of the list has no type")]
    Typeless(usize),
    /// A single plugin without a type.
    #[error("the plugin has no type")]
    NoType,
    /// The text after the edit does not say what it should. This is a mistake in this program.
    #[error("its text cannot be edited safely: please report it with the file")]
    Splice,
}

/// The text of a file.
///
/// # Errors
/// When it is empty, or no UTF-8.
pub fn text_of(bytes: &[u8]) -> Result<&str, Flaw> {
    let text = std::str::from_utf8(bytes)?;
    if text.trim().is_empty() { Err(Flaw::Empty) } else { Ok(text) }
}

/// One plugin of a list.
#[derive(Clone, Debug)]
struct Plugin<'t> {
    raw: &'t str,
    kind: String,
    value: Value,
}

/// A list of plugins that are called one after the other: a `.conflist`.
#[derive(Clone, Debug)]
pub struct List<'t> {
    text: &'t str,
    name: String,
    version: CniVersion,
    version_text: Option<&'t str>,
    /// Just after the brace with which the object begins.
    inside: usize,
    plugins: Vec<Plugin<'t>>,
    copy_of: Option<String>,
}

impl<'t> List<'t> {
    /// Reads a list.
    ///
    /// # Errors
    /// When a runtime would not take it either.
    pub fn parse(text: &'t str) -> Result<List<'t>, Flaw> {
        let members = Members::parse(text)?;
        let name = members.string("name")?.filter(|name| !name.is_empty()).ok_or(Flaw::Nameless)?;
        let plugins = members.last("plugins").ok_or(Flaw::NoPlugins)?;
        let mut version = members.version()?;
        for other in members.strings("cniVersions")? {
            version = version.max(CniVersion::parse(&other));
        }
        let raws = match plugins {
            "null" => return Err(Flaw::NoPlugins),
            _ if !plugins.starts_with('[') => return Err(Flaw::NotArray),
            _ => super::members::elements(plugins)?,
        };
        if raws.is_empty() {
            return Err(Flaw::NoPlugins);
        }
        let plugin = |(index, raw): (usize, &'t str)| {
            let value: Value = serde_json::from_str(raw)?;
            let kind = value.get("type").and_then(Value::as_str).filter(|kind| !kind.is_empty());
            let kind = kind.ok_or(Flaw::Typeless(index + 1))?.to_owned();
            Ok(Plugin { raw, kind, value })
        };
        Ok(List {
            text,
            name,
            version,
            version_text: members.last("cniVersion"),
            inside: members.inside,
            plugins: raws.into_iter().enumerate().map(plugin).collect::<Result<_, Flaw>>()?,
            copy_of: members.string(COPY_OF).ok().flatten(),
        })
    }

    /// The network's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The newest version of the CNI specification that the list claims.
    pub fn version(&self) -> &CniVersion {
        &self.version
    }

    /// The file of which this list is a copy that the agent made, when it is one.
    pub fn copy_of(&self) -> Option<&str> {
        self.copy_of.as_deref()
    }

    /// Is a plugin of this type in it?
    pub fn has(&self, kind: &str) -> bool {
        self.plugins.iter().any(|plugin| plugin.kind == kind)
    }

    /// The text with this entry in it once. An entry of the same type that is there already keeps its place, and its
    /// text too when it says the same; further ones are taken out. One that would be the first of several plugins
    /// moves to the end: it needs the result of another.
    ///
    /// # Errors
    /// [`Flaw::Splice`], never by what is in the file.
    pub fn with(&self, entry: &Entry) -> Result<String, Flaw> {
        let edited = splice(self.text, self.insertion(entry));
        self.checked(edited, |list| insert(list, entry))
    }

    /// The text without any entry of this type; nothing when there is none. A list of nothing else becomes an empty
    /// one, which runtimes pass over.
    ///
    /// # Errors
    /// [`Flaw::Splice`], never by what is in the file.
    pub fn without(&self, kind: &str) -> Result<Option<String>, Flaw> {
        if !self.has(kind) {
            return Ok(None);
        }
        let ours = |index: usize| self.plugins[index].kind == kind;
        let edited = splice(self.text, self.removals(ours));
        self.checked(edited, |list| remove(list, kind)).map(Some)
    }

    /// A copy of this list with the entry in it, marked as a copy of the file `source`. A version that knows no chain
    /// is raised to [`CniVersion::OLDEST_CHAIN`].
    ///
    /// # Errors
    /// [`Flaw::Splice`], never by what is in the file.
    pub fn copied(&self, source: &str, entry: &Entry) -> Result<String, Flaw> {
        let rest = &self.text[self.inside..];
        let gap = &rest[..rest.len() - rest.trim_start().len()];
        let colon = if self.text.contains("\":\"") && !self.text.contains("\": ") { ":" } else { ": " };
        let mut edits = self.insertion(entry);
        let mut key = |key: &str, value: &str| {
            let text = format!("{gap}\"{key}\"{colon}{},", Value::from(value));
            edits.push(Edit { range: self.inside..self.inside, text });
        };
        key(COPY_OF, source);
        let raised = (!self.version.can_chain()).then_some(CniVersion::OLDEST_CHAIN);
        match (raised, self.version_text) {
            (None, _) => {}
            (Some(version), None) => key("cniVersion", version),
            (Some(version), Some(old)) => {
                edits.push(Edit { range: range_of(self.text, old), text: Value::from(version).to_string() });
            }
        }
        self.checked(splice(self.text, edits), |list| {
            list[COPY_OF] = source.into();
            if let Some(version) = raised {
                list["cniVersion"] = version.into();
            }
            insert(list, entry);
        })
    }

    fn insertion(&self, entry: &Entry) -> Vec<Edit> {
        let ours: Vec<usize> =
            (0..self.plugins.len()).filter(|index| self.plugins[*index].kind == entry.kind()).collect();
        let others = self.plugins.iter().rfind(|plugin| plugin.kind != entry.kind());
        match (ours.first(), others) {
            (Some(&kept), others) if kept > 0 || others.is_none() => {
                let mut edits = self.removals(|index| index != kept && ours.contains(&index));
                let old = &self.plugins[kept];
                if old.value != *entry.value() {
                    let text = Style::of(self.text, old.raw).render(entry.value());
                    edits.push(Edit { range: range_of(self.text, old.raw), text });
                }
                edits
            }
            (_, Some(last)) => {
                let mut edits = self.removals(|index| ours.contains(&index));
                let style = Style::of(self.text, last.raw);
                let end = range_of(self.text, last.raw).end;
                let text = format!(",{}{}", style.gap(), style.render(entry.value()));
                edits.insert(0, Edit { range: end..end, text });
                edits
            }
            // A list has plugins: they are ours, or others.
            (_, None) => Vec::new(),
        }
    }

    /// Takes plugins out, each with the comma before it; those at the very start with the one behind.
    fn removals(&self, goes: impl Fn(usize) -> bool) -> Vec<Edit> {
        let ranges: Vec<_> = self.plugins.iter().map(|plugin| range_of(self.text, plugin.raw)).collect();
        let first_kept = (0..ranges.len()).find(|index| !goes(*index));
        let Some(first_kept) = first_kept else {
            return vec![Edit { range: ranges[0].start..ranges[ranges.len() - 1].end, text: String::new() }];
        };
        let range = |index: usize| {
            if index > first_kept {
                ranges[index - 1].end..ranges[index].end
            } else {
                ranges[index].start..ranges[index + 1].start
            }
        };
        (0..ranges.len())
            .filter(|index| goes(*index))
            .map(|index| Edit { range: range(index), text: String::new() })
            .collect()
    }

    fn checked(&self, edited: String, edit: impl FnOnce(&mut Value)) -> Result<String, Flaw> {
        let mut wanted: Value = serde_json::from_str(self.text)?;
        edit(&mut wanted);
        match serde_json::from_str::<Value>(&edited) {
            Ok(value) if value == wanted => Ok(edited),
            _ => Err(Flaw::Splice),
        }
    }
}

fn is_ours(plugin: &Value, kind: &str) -> bool {
    plugin.get("type").and_then(Value::as_str) == Some(kind)
}

fn insert(list: &mut Value, entry: &Entry) {
    let Some(plugins) = list.get_mut("plugins").and_then(Value::as_array_mut) else { return };
    let place = plugins.iter().position(|plugin| is_ours(plugin, entry.kind()));
    plugins.retain(|plugin| !is_ours(plugin, entry.kind()));
    match place {
        Some(place) if place > 0 => plugins.insert(place, entry.value().clone()),
        _ => plugins.push(entry.value().clone()),
    }
}

fn remove(list: &mut Value, kind: &str) {
    if let Some(plugins) = list.get_mut("plugins").and_then(Value::as_array_mut) {
        plugins.retain(|plugin| !is_ours(plugin, kind));
    }
}

/// The configuration of one plugin alone: a `.conf`.
#[derive(Clone, Debug)]
pub struct Single<'t> {
    text: &'t str,
    kind: String,
    name: Option<String>,
    version: CniVersion,
    version_text: Option<&'t str>,
}

impl<'t> Single<'t> {
    /// Reads it.
    ///
    /// # Errors
    /// When a runtime would not take it either.
    pub fn parse(text: &'t str) -> Result<Single<'t>, Flaw> {
        let members = Members::parse(text)?;
        Ok(Single {
            text: text.trim(),
            kind: members.string("type")?.filter(|kind| !kind.is_empty()).ok_or(Flaw::NoType)?,
            name: members.string("name")?.filter(|name| !name.is_empty()),
            version: members.version()?,
            version_text: members.last("cniVersion"),
        })
    }

    /// The plugin's type: the name of its program.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The version of the CNI specification.
    pub fn version(&self) -> &CniVersion {
        &self.version
    }

    /// A list of this plugin and the entry, marked as a copy of the file `source`. The list has the plugin's name and
    /// version; the plugin's own text is in it as it is, further to the right.
    ///
    /// # Errors
    /// [`Flaw::Splice`], never by what is in the file.
    pub fn copied(&self, source: &str, entry: &Entry) -> Result<String, Flaw> {
        let (unit, line) = Style::of_document(self.text);
        let version = match self.version_text {
            Some(text) if self.version.can_chain() => text.to_owned(),
            _ => Value::from(CniVersion::OLDEST_CHAIN).to_string(),
        };
        let name = Value::from(self.name.as_deref().unwrap_or(NAMELESS));
        let inner = format!("{line}{unit}{unit}");
        let plugin = self.text.lines().collect::<Vec<_>>().join(&inner);
        let list = [
            format!("{{{line}{unit}\"cniVersion\": {version},{line}{unit}\"name\": {name},"),
            format!("{line}{unit}\"plugins\": [{inner}{plugin}{line}{unit}]{line}}}{line}"),
        ]
        .concat();
        List::parse(&list)?.copied(source, entry)
    }
}
