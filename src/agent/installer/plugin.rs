//! One plugin of a list.

use serde_json::Value;

use super::document::Flaw;

/// One plugin of a list.
#[derive(Clone, Debug)]
pub(super) struct Plugin<'t> {
    pub(super) raw: &'t str,
    pub(super) kind: String,
    pub(super) value: Value,
}

impl<'t> Plugin<'t> {
    /// Reads it; nothing when it has no type.
    pub(super) fn read(raw: &'t str) -> Result<Option<Plugin<'t>>, Flaw> {
        let value: Value = serde_json::from_str(raw)?;
        let kind = value.get("type").and_then(Value::as_str).filter(|kind| !kind.is_empty());
        Ok(kind.map(str::to_owned).map(|kind| Plugin { raw, kind, value }))
    }
}
