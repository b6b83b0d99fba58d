//! YAML of others, read so that no text can exhaust the memory or the stack.

use yaml_rust2::parser::Parser;
use yaml_rust2::yaml::Hash;
use yaml_rust2::{Event, Yaml, YamlLoader};

/// The keys and values of the one document that a text holds; nothing when it holds none.
///
/// # Errors
/// The reason why it cannot be read.
pub fn read(text: &str) -> Result<Option<Hash>, String> {
    check_depth(text)?;
    let mut documents = YamlLoader::load_from_str(text).map_err(|error| format!("no YAML: {error}"))?;
    match (documents.pop(), documents.is_empty()) {
        (None | Some(Yaml::Null), true) => Ok(None),
        (Some(Yaml::Hash(keys)), true) => Ok(Some(keys)),
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

/// More than this many values in each other are no configuration. The whole is read into a tree, and a tree can be too
/// deep for the stack; this looks at it without one.
const DEEPEST: usize = 64;

fn check_depth(text: &str) -> Result<(), String> {
    let mut parser = Parser::new(text.chars());
    let mut depth = 0_usize;
    loop {
        let (event, _) = parser.next_token().map_err(|error| format!("no YAML: {error}"))?;
        match event {
            Event::StreamEnd => return Ok(()),
            Event::SequenceStart(..) | Event::MappingStart(..) => depth += 1,
            // An alias of an alias of an alias: a few lines can stand for more values than there is memory.
            Event::Alias(_) => return Err("it has aliases, which no configuration needs".to_owned()),
            Event::SequenceEnd | Event::MappingEnd => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return Err(format!("more than {DEEPEST} values in each other"));
        }
    }
}
