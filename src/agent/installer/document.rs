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

use super::beside::{Beside, ONLY_INLINED, only_inlined};
use super::entry::Entry;
pub use super::flaw::{Flaw, text_of};
use super::members::Members;
use super::plugin::Plugin;
pub use super::single::Single;
use super::splice::{Edit, range_of, splice};
use super::style::Style;
use super::version::CniVersion;

/// The key that marks a list as a copy which this agent wrote; its value is the name of the file that was copied.
pub const COPY_OF: &str = "mesh-intercept-copy-of";

/// The name of a list made of a single plugin's file that has none. Runtimes need one; it is the one that istio-cni
/// gives.
pub const NAMELESS: &str = "k8s-pod-network";

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
    /// Plugins that are called after these, and are files of their own.
    beside: Vec<Plugin<'t>>,
    plugins_text: Option<&'t str>,
    only_inlined_text: Option<&'t str>,
    copy_of: Option<String>,
}

impl<'t> List<'t> {
    /// Reads a list whose plugins are all in it.
    ///
    /// # Errors
    /// When a runtime would not take it either.
    pub fn parse(text: &'t str) -> Result<List<'t>, Flaw> {
        List::read(text, Vec::new())
    }

    /// Reads a list with the plugins of the folder beside it.
    ///
    /// # Errors
    /// When a runtime would not take it either.
    pub fn parse_with(text: &'t str, beside: &'t Beside) -> Result<List<'t>, Flaw> {
        List::read(text, beside.plugins()?)
    }

    fn read(text: &'t str, beside: Vec<Plugin<'t>>) -> Result<List<'t>, Flaw> {
        let members = Members::parse(text)?;
        let name = members.string("name")?.filter(|name| !name.is_empty()).ok_or(Flaw::Nameless)?;
        let mut version = members.version()?;
        for other in members.strings("cniVersions")? {
            version = version.max(CniVersion::parse(&other));
        }
        only_inlined(&members)?;
        let plugins_text = members.last("plugins");
        let raws = match plugins_text {
            None if !beside.is_empty() => Vec::new(),
            None | Some("null") => return Err(Flaw::NoPlugins),
            Some(text) if !text.starts_with('[') => return Err(Flaw::NotArray),
            Some(text) => super::members::elements(text)?,
        };
        if raws.is_empty() && plugins_text.is_some() {
            return Err(Flaw::NoPlugins);
        }
        let plugin = |(index, raw): (usize, &'t str)| Plugin::read(raw)?.ok_or(Flaw::Typeless(index + 1));
        Ok(List {
            text,
            name,
            version,
            version_text: members.last("cniVersion"),
            inside: members.inside,
            plugins: raws.into_iter().enumerate().map(plugin).collect::<Result<_, Flaw>>()?,
            beside,
            plugins_text,
            only_inlined_text: members.last(ONLY_INLINED),
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

    /// The types of its plugins, in the order in which they are called.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.plugins.iter().chain(&self.beside).map(|plugin| plugin.kind.as_str())
    }

    /// Can our entry be the last one that is called, by an edit of the list alone?
    pub fn is_whole(&self) -> bool {
        self.beside.is_empty()
    }

    /// The text of its first plugin.
    pub(super) fn first(&self) -> Option<&'t str> {
        self.plugins.first().map(|plugin| plugin.raw)
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
    /// is raised to [`CniVersion::OLDEST_CHAIN`]. Plugins that are files of their own are in the copy, before our entry,
    /// and it says that there are no others.
    ///
    /// # Errors
    /// [`Flaw::Splice`], never by what is in the file.
    pub fn copied(&self, source: &str, entry: &Entry) -> Result<String, Flaw> {
        let rest = &self.text[self.inside..];
        let gap = &rest[..rest.len() - rest.trim_start().len()];
        let colon = if self.text.contains("\":\"") && !self.text.contains("\": ") { ":" } else { ": " };
        let mut edits = if self.is_whole() { self.insertion(entry) } else { Vec::new() };
        let mut set = |key: &str, old: Option<&str>, value: String| {
            let new =
                Edit { range: self.inside..self.inside, text: format!("{gap}\"{key}\"{colon}{value},") };
            edits.push(old.map_or(new, |old| Edit { range: range_of(self.text, old), text: value }));
        };
        set(COPY_OF, None, Value::from(source).to_string());
        let raised = (!self.version.can_chain()).then_some(CniVersion::OLDEST_CHAIN);
        if let Some(version) = raised {
            set("cniVersion", self.version_text, Value::from(version).to_string());
        }
        if !self.is_whole() {
            set(ONLY_INLINED, self.only_inlined_text, Value::from(true).to_string());
            set("plugins", self.plugins_text, self.gathered(entry));
        }
        self.checked(splice(self.text, edits), |list| {
            list[COPY_OF] = source.into();
            if let Some(version) = raised {
                list["cniVersion"] = version.into();
            }
            if self.is_whole() {
                insert(list, entry);
            } else {
                list[ONLY_INLINED] = true.into();
                let others = self.others(entry.kind()).map(|plugin| plugin.value.clone());
                list["plugins"] = others.chain([entry.value().clone()]).collect();
            }
        })
    }

    /// All plugins that are not of this type, in the order in which they are called.
    fn others(&self, kind: &str) -> impl Iterator<Item = &Plugin<'t>> {
        self.plugins.iter().chain(&self.beside).filter(move |plugin| plugin.kind != kind)
    }

    /// The array of all plugins, those that are files of their own included, and the entry at its end.
    fn gathered(&self, entry: &Entry) -> String {
        let (unit, line) = Style::of_document(self.text);
        let gap = format!("{line}{unit}{unit}");
        let raws = self.others(entry.kind()).map(|plugin| plugin.raw.to_owned());
        let all: Vec<_> = raws.chain([entry.value().to_string()]).collect();
        format!("[{gap}{}{line}{unit}]", all.join(&format!(",{gap}")))
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
