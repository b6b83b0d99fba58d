//! The names of everything that a line holds: docs/logs.md is this table, and a test compares both with the code.

use super::scopes::Program::{self, Agent, Commands, Plugin};

/// When the line was made.
pub const TIME: &str = "time";
/// How bad it is.
pub const LEVEL: &str = "level";
/// Which part of the program says it.
pub const SCOPE: &str = "scope";
/// What it says.
pub const MESSAGE: &str = "msg";
/// The module of a library.
pub const TARGET: &str = "target";

/// What every line has, in this order.
pub const RESERVED: [&str; 4] = [TIME, LEVEL, SCOPE, MESSAGE];

/// What a value is in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// A whole number.
    Number,
    /// True or false.
    Boolean,
    /// A list.
    List,
    /// An object.
    Object,
}

impl Kind {
    /// As docs/logs.md calls it.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Text => "text",
            Kind::Number => "number",
            Kind::Boolean => "boolean",
            Kind::List => "list",
            Kind::Object => "object",
        }
    }
}

/// A field.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
    /// Which programs write it.
    pub writers: &'static [Program],
}

const ALL: &[Program] = &[Commands, Plugin, Agent];

const fn field(name: &'static str, kind: Kind, writers: &'static [Program]) -> Field {
    Field { name, kind, writers }
}

/// Every field. What the agent hands on for the plugin is the plugin's.
pub const FIELDS: &[Field] = &[
    field(TIME, Kind::Text, ALL),
    field(LEVEL, Kind::Text, ALL),
    field(SCOPE, Kind::Text, ALL),
    field(MESSAGE, Kind::Text, ALL),
    field("command", Kind::Text, &[Plugin]),
    field("namespace", Kind::Text, &[Plugin, Agent]),
    field("pod", Kind::Text, &[Plugin, Agent]),
    field("uid", Kind::Text, &[Plugin, Agent]),
    field("container_id", Kind::Text, &[Plugin, Agent]),
    field("sandboxes", Kind::Number, &[Agent]),
    field("interface", Kind::Text, &[Plugin]),
    field("network", Kind::Text, &[Plugin]),
    field("network_namespace", Kind::Text, &[Plugin]),
    field("arguments", Kind::Text, &[Plugin]),
    field("configuration", Kind::Object, &[Commands, Plugin]),
    field("reason", Kind::Text, &[Plugin, Agent]),
    field("backend", Kind::Text, ALL),
    field("rules", Kind::Number, ALL),
    field("changed", Kind::Boolean, ALL),
    field("took_us", Kind::Number, &[Plugin]),
    field("flags", Kind::Text, &[Plugin]),
    field("source", Kind::Text, &[Plugin]),
    field("code", Kind::Number, &[Plugin]),
    field("details", Kind::Text, &[Plugin]),
    field("because", Kind::Text, ALL),
    field("families", Kind::List, ALL),
    field("phases", Kind::Object, ALL),
    field("version", Kind::Text, &[Commands, Agent]),
    field("options", Kind::Object, &[Agent]),
    field("pods", Kind::Number, &[Agent]),
    field("resource_version", Kind::Text, &[Agent]),
    field("before", Kind::Text, &[Agent]),
    field("outcome", Kind::Text, &[Commands, Agent]),
    field("user", Kind::Number, &[Agent]),
    field("left_out", Kind::Number, &[Agent]),
    field("file", Kind::Text, &[Agent]),
    field("folder", Kind::Text, &[Agent]),
    field("files", Kind::Number, &[Agent]),
    field("changes", Kind::List, &[Agent]),
    field("seconds", Kind::Number, &[Agent]),
    field("to", Kind::Text, &[Commands]),
    field("transport", Kind::Text, &[Commands]),
    field(TARGET, Kind::Text, &[Agent]),
];
