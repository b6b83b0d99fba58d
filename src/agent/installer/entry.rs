//! Our own entry in a list of plugins.

use serde_json::{Map, Value};

/// The type of our plugin, which is the name of its program, unless it is configured.
pub const DEFAULT_KIND: &str = "mesh-intercept-cni";

/// A plugin configuration (NetConf) that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// It is no object.
    #[error("the configuration of the plugin is not a JSON object")]
    NotObject,
    /// A type that cannot be the name of a program.
    #[error("the plugin type {0:?} is not a file name")]
    Kind(String),
}

/// The configuration of our plugin as it stands in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    kind: String,
    value: Value,
    version: Option<Value>,
}

impl Entry {
    /// Makes the entry of a plugin configuration. Its `type` becomes `kind`; its `cniVersion` goes, for that of the
    /// list counts.
    ///
    /// # Errors
    /// When it is no object, or the type is no file name.
    pub fn new(configuration: Value, kind: &str) -> Result<Entry, EntryError> {
        let Value::Object(mut rest) = configuration else { return Err(EntryError::NotObject) };
        if kind.is_empty() || kind.starts_with('.') || kind.contains(['/', '\0']) {
            return Err(EntryError::Kind(kind.to_owned()));
        }
        let version = rest.shift_remove("cniVersion");
        rest.shift_remove("type");
        // The first key of an entry is what everybody looks for.
        let mut members = Map::new();
        members.insert("type".to_owned(), kind.into());
        members.extend(rest);
        Ok(Entry { kind: kind.to_owned(), value: Value::Object(members), version })
    }

    /// The plugin's type.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The entry.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The text of a file of its own, for a delegate of Multus: with the version that was given or `0.3.1`, which is
    /// what istio-cni writes, and with a name.
    pub fn alone(&self) -> String {
        let mut members = Map::new();
        let version = self.version.clone().unwrap_or_else(|| super::version::CniVersion::OLDEST_CHAIN.into());
        members.insert("cniVersion".to_owned(), version);
        members.insert("name".to_owned(), self.kind.as_str().into());
        if let Value::Object(own) = &self.value {
            members.extend(own.clone());
        }
        format!("{:#}\n", Value::Object(members))
    }
}
