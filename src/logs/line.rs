//! One entry of a log, and how it looks.

use std::fmt::Write;
use std::time::SystemTime;

use tracing::Level;

use super::fields::{LEVEL, MESSAGE, RESERVED, SCOPE, TIME};
use super::nested::Nested;
use super::text::{is_harmful, push_escaped, push_quoted, shown};

/// How a log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// One line of text an entry, for logs that programs collect.
    Text,
    /// Text for people in front of a terminal: a message of several lines has several, indented.
    Terminal,
}

/// The value of a field.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(String),
    /// As it is written in JSON.
    Number(String),
    Bool(bool),
    Nested(Nested),
}

/// One entry.
#[derive(Clone, Debug)]
pub(super) struct Line<'a> {
    pub(super) time: SystemTime,
    pub(super) level: Level,
    pub(super) scope: &'a str,
    pub(super) message: &'a str,
    /// Of two with the same name the last one counts.
    pub(super) fields: Vec<(&'a str, &'a Value)>,
}

impl Line<'_> {
    /// The entry with its line break.
    pub(super) fn render(&self, format: Format) -> String {
        let mut line = match format {
            Format::Json => self.json(),
            Format::Text | Format::Terminal => self.text(format),
        };
        line.push('\n');
        line
    }

    fn json(&self) -> String {
        let mut out = String::with_capacity(256);
        let time = humantime::format_rfc3339_micros(self.time);
        let _ =
            write!(out, "{{\"{TIME}\":\"{time}\",\"{LEVEL}\":\"{}\",\"{SCOPE}\":", level_name(self.level));
        push_quoted(&mut out, self.scope);
        let _ = write!(out, ",\"{MESSAGE}\":");
        push_quoted(&mut out, self.message);
        for (name, value) in self.fields() {
            out.push(',');
            push_quoted(&mut out, name);
            out.push(':');
            push_value(&mut out, value);
        }
        out.push('}');
        out
    }

    fn text(&self, format: Format) -> String {
        let mut out = String::with_capacity(256);
        let time = humantime::format_rfc3339_micros(self.time);
        let _ = write!(out, "{time} {:>5} {}: ", self.level.as_str(), self.scope);
        if self.message.contains('=') {
            // It would pass for a field.
            push_quoted(&mut out, self.message);
        } else if format == Format::Terminal {
            out.push_str(&shown(self.message.trim_end()));
        } else {
            for c in self.message.chars() {
                if is_harmful(c) { push_escaped(&mut out, c) } else { out.push(c) }
            }
        }
        for (name, value) in self.fields() {
            let _ = write!(out, " {name}=");
            push_value(&mut out, value);
        }
        out
    }

    /// Every field once, and none that has the name of a part of every line.
    fn fields(&self) -> impl Iterator<Item = (&str, &Value)> {
        let fields = &self.fields;
        let counts = |(place, (name, _)): &(usize, &(&str, &Value))| {
            !RESERVED.contains(name) && !fields[place + 1..].iter().any(|(later, _)| later == name)
        };
        fields.iter().enumerate().filter(counts).map(|(_, (name, value))| (*name, *value))
    }
}

fn push_value(out: &mut String, value: &Value) {
    match value {
        Value::Text(text) => push_quoted(out, text),
        Value::Number(number) => out.push_str(number),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Nested(nested) => out.push_str(nested.json()),
    }
}

/// A level's name in JSON.
pub(super) fn level_name(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// The level of this name.
pub(super) fn level_of(name: &str) -> Option<Level> {
    [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE]
        .into_iter()
        .find(|level| level_name(*level) == name)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn render(message: &str, fields: &[(&str, Value)], format: Format) -> String {
        let line = Line {
            time: UNIX_EPOCH + Duration::from_micros(1_500_000),
            level: Level::WARN,
            scope: "cli",
            message,
            fields: fields.iter().map(|(name, value)| (*name, value)).collect(),
        };
        line.render(format)
    }

    #[test]
    fn a_line_has_its_keys_in_order_and_values_keep_their_kind() {
        let fields = [
            ("rules", Value::Number("12".into())),
            ("changed", Value::Bool(true)),
            ("families", Value::Nested(Nested::of(&["IPv4"]))),
            ("flags", Value::Text("{\"a\":1}".into())),
        ];
        assert_eq!(
            render("m", &fields, Format::Json),
            "{\"time\":\"1970-01-01T00:00:01.500000Z\",\"level\":\"warn\",\"scope\":\"cli\",\"msg\":\"m\",\"rules\":12,\
             \"changed\":true,\"families\":[\"IPv4\"],\"flags\":\"{\\\"a\\\":1}\"}\n"
        );
        assert_eq!(
            render("m", &fields, Format::Text),
            "1970-01-01T00:00:01.500000Z  WARN cli: m rules=12 changed=true families=[\"IPv4\"] flags=\"{\\\"a\\\":1}\"\n"
        );
    }

    #[test]
    fn nothing_forges_a_line_or_a_key() {
        let text = |text: &str| Value::Text(text.to_owned());
        let nasty = "x\n1970-01-01T00:00:00.000000Z ERROR cli: forged\u{1b}[2J\r";
        for format in [Format::Json, Format::Text] {
            let line = render(nasty, &[("pod", text(nasty))], format);
            assert_eq!((line.lines().count(), line.matches('\u{1b}').count()), (1, 0), "{line}");
        }
        let line = render(nasty, &[], Format::Terminal);
        assert!(line.lines().skip(1).all(|it| it.starts_with("    ")) && !line.contains('\u{1b}'), "{line}");
        assert!(render("m rules=1", &[], Format::Terminal).ends_with("cli: \"m rules=1\"\n"));
        let line =
            render("m", &[("level", text("error")), ("pod", text("a")), ("pod", text("b"))], Format::Json);
        assert!(
            line.ends_with("\"level\":\"warn\",\"scope\":\"cli\",\"msg\":\"m\",\"pod\":\"b\"}\n"),
            "{line}"
        );
    }
}
