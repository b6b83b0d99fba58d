//! A network configuration of one plugin alone.

use serde_json::Value;

use super::document::{Flaw, List, NAMELESS};
use super::entry::Entry;
use super::members::Members;
use super::style::Style;
use super::version::CniVersion;

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

    /// The network's name, when it has one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
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
        let inner = format!("{line}{unit}{unit}");
        let plugin = self.text.lines().collect::<Vec<_>>().join(&inner);
        let (version, name) = (self.list_version(), self.list_name());
        let list = [
            format!("{{{line}{unit}\"cniVersion\": {version},{line}{unit}\"name\": {name},"),
            format!("{line}{unit}\"plugins\": [{inner}{plugin}{line}{unit}]{line}}}{line}"),
        ]
        .concat();
        List::parse(&list)?.copied(source, entry)
    }

    /// The same list without line breaks of its own: the plugin's text is in it to the byte.
    ///
    /// # Errors
    /// [`Flaw::Splice`], never by what is in the file.
    pub(super) fn enclosed(&self, source: &str, entry: &Entry) -> Result<String, Flaw> {
        let (version, name, plugin) = (self.list_version(), self.list_name(), self.text);
        let list = format!("{{\"cniVersion\":{version},\"name\":{name},\"plugins\":[{plugin}]}}");
        List::parse(&list)?.copied(source, entry)
    }

    fn list_version(&self) -> String {
        match self.version_text {
            Some(text) if self.version.can_chain() => text.to_owned(),
            _ => Value::from(CniVersion::OLDEST_CHAIN).to_string(),
        }
    }

    fn list_name(&self) -> Value {
        Value::from(self.name.as_deref().unwrap_or(NAMELESS))
    }
}
