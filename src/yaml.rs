//! YAML of others, read so that no text can exhaust the memory or the stack.

use yaml_rust2::yaml::Hash;
use yaml_rust2::{Yaml, YamlLoader};

mod bounds;
mod merge;

/// The keys and values of the one document that a text holds; nothing when it holds none. Aliases stand for what they
/// name, and `<<` for the keys of another mapping.
///
/// # Errors
/// The reason why it cannot be read.
pub fn read(text: &str) -> Result<Option<Hash>, String> {
    bounds::check(text)?;
    let mut documents = YamlLoader::load_from_str(text).map_err(|error| format!("no YAML: {error}"))?;
    match (documents.pop(), documents.is_empty()) {
        (None | Some(Yaml::Null), true) => Ok(None),
        (Some(Yaml::Hash(keys)), true) => merge::merged(keys).map(Some),
        _ => Err("expected one document of keys and values".to_owned()),
    }
}

/// The value of a key.
pub fn get<'y>(keys: &'y Hash, name: &str) -> Option<&'y Yaml> {
    keys.get(&Yaml::String(name.to_owned()))
}

/// The text of a single value, with or without quotes; nothing inside for null, nothing at all for what is no single value.
pub fn scalar(value: &Yaml) -> Option<Option<String>> {
    Some(match value {
        Yaml::Null => None,
        Yaml::String(text) | Yaml::Real(text) => Some(text.clone()),
        Yaml::Integer(number) => Some(number.to_string()),
        Yaml::Boolean(value) => Some(value.to_string()),
        Yaml::Array(_) | Yaml::Hash(_) | Yaml::Alias(_) | Yaml::BadValue => return None,
    })
}
