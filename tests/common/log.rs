//! The lines of a log, read as data.

use std::collections::BTreeSet;

use mesh_intercept::logs::fields::{FIELDS, Kind, RESERVED};
use mesh_intercept::logs::scopes::{ALL, CNI_PLUGIN, Program};
use serde_json::Value;

/// Every line of a log in JSON. Each has the keys of every line, and no other than those that the table of fields has for
/// this program, with values of their kind.
#[track_caller]
pub fn lines(log: &str, program: Program) -> Vec<Value> {
    let lines: Vec<Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for line in &lines {
        // What the agent hands on is the plugin's.
        let program = if line["scope"] == CNI_PLUGIN { Program::Plugin } else { program };
        let object = line.as_object().unwrap();
        let first: Vec<_> = object.keys().take(RESERVED.len()).map(String::as_str).collect();
        assert_eq!(first, RESERVED, "{line}");
        let time = line["time"].as_str().unwrap();
        assert!(time.len() == "2026-07-01T12:00:00.000000Z".len() && time.ends_with('Z'), "{line}");
        assert!(["error", "warn", "info", "debug"].contains(&line["level"].as_str().unwrap()), "{line}");
        assert!(ALL.contains(&line["scope"].as_str().unwrap()), "{line}");
        for (name, value) in object {
            let field = FIELDS.iter().find(|it| it.name == name);
            let field = field.unwrap_or_else(|| panic!("the table of fields has no {name}: {line}"));
            assert!(
                field.writers.contains(&program),
                "the table says that this program has no {name}: {line}"
            );
            let is_of_kind = match field.kind {
                Kind::Text => value.is_string(),
                Kind::Number => value.is_u64(),
                Kind::Boolean => value.is_boolean(),
                Kind::List => value.is_array(),
                Kind::Object => value.is_object(),
            };
            assert!(is_of_kind, "{name} is to be a {}: {line}", field.kind.name());
        }
    }
    lines
}

/// The names of all fields of these lines.
pub fn names(lines: &[Value]) -> BTreeSet<String> {
    lines.iter().flat_map(|line| line.as_object().unwrap().keys().cloned()).collect()
}
