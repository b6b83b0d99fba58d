//! Lines that another process has logged: whatever they hold is data.

use std::time::SystemTime;

use serde_json::{Map, Value as Json};
use tracing::Level;

use super::fields::{LEVEL, MESSAGE, RESERVED, TIME};
use super::line::{Line, Value, level_of};
use super::nested::Nested;
use super::subscriber::writer;
use super::text::Bounded;

/// More fields than this a line does not have.
const MOST_FIELDS: usize = 40;
/// The longest name of a field.
const LONGEST_NAME: usize = 40;
/// The longest number: what is longer is a text.
const LONGEST_NUMBER: usize = 40;

/// Writes a line of another process into this one's log, under this scope. Its time stays, when it is one.
pub fn write_foreign(scope: &str, line: &Map<String, Json>) {
    let Some(writer) = writer() else { return };
    let foreign = Foreign::read(line, SystemTime::now());
    if writer.writes(foreign.level) {
        writer.write(&foreign.line(scope));
    }
}

/// What such a line says.
#[derive(Debug)]
struct Foreign {
    time: SystemTime,
    level: Level,
    message: String,
    fields: Vec<(String, Value)>,
}

impl Foreign {
    fn read(line: &Map<String, Json>, now: SystemTime) -> Foreign {
        let text = |key| line.get(key).and_then(Json::as_str).unwrap_or_default();
        let named = |(name, value): (&String, &Json)| {
            let is_name = (1..=LONGEST_NAME).contains(&name.len())
                && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_');
            let is_field = is_name && !RESERVED.contains(&name.as_str());
            is_field.then(|| value_of(value)).flatten().map(|value| (name.clone(), value))
        };
        Foreign {
            time: humantime::parse_rfc3339(text(TIME)).unwrap_or(now),
            level: level_of(text(LEVEL)).unwrap_or(Level::INFO),
            message: Bounded::of(format_args!("{}", text(MESSAGE))),
            fields: line.iter().filter_map(named).take(MOST_FIELDS).collect(),
        }
    }

    fn line<'a>(&'a self, scope: &'a str) -> Line<'a> {
        let fields = self.fields.iter().map(|(name, value)| (name.as_str(), value)).collect();
        Line { time: self.time, level: self.level, scope, message: &self.message, fields }
    }
}

fn value_of(value: &Json) -> Option<Value> {
    Some(match value {
        Json::Null => return None,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.to_string() {
            number if number.len() <= LONGEST_NUMBER => Value::Number(number),
            number => Value::Text(Bounded::of(format_args!("{number}"))),
        },
        Json::String(text) => Value::Text(Bounded::of(format_args!("{text}"))),
        Json::Array(_) | Json::Object(_) => Value::Nested(Nested::of(value)),
    })
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use serde_json::json;

    use super::*;
    use crate::logs::{Format, LONGEST_VALUE};

    fn rendered(line: &Json) -> String {
        Foreign::read(line.as_object().unwrap(), UNIX_EPOCH).line("cni-plugin").render(Format::Json)
    }

    #[test]
    fn a_line_of_the_plugin_stays_as_it_was() {
        let line = json!({
            "time": "2026-07-01T12:00:00.000001Z", "level": "warn", "scope": "cni-plugin", "msg": "m",
            "pod": "web", "rules": 12, "changed": true, "phases": {"apply": 3},
        });
        assert_eq!(rendered(&line), format!("{line}\n"));
    }

    #[test]
    fn what_is_no_line_of_the_plugin_harms_nobody() {
        let line = json!({
            "time": "yesterday", "level": "loud", "scope": "cni-agent", "msg": "m\n\u{1b}[2J", "": 1, "a b": 1, "A": 1,
            "pod": null, "text": "{\"a\":1}", "nested": {"x\n": ["\u{9b}"]}, "long": "x".repeat(3 * LONGEST_VALUE),
        });
        let text = rendered(&line);
        assert!(text.lines().count() == 1 && !text.contains(['\u{1b}', '\u{9b}']), "{text}");
        let read: Json = serde_json::from_str(&text).unwrap();
        assert_eq!((&read["level"], &read["scope"]), (&json!("info"), &json!("cni-plugin")));
        assert_eq!(read["time"], "1970-01-01T00:00:00.000000Z");
        assert_eq!((&read["text"], &read["nested"]), (&line["text"], &line["nested"]));
        assert!(read["long"].as_str().unwrap().len() < LONGEST_VALUE + 40);
        let keys: Vec<_> = read.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["time", "level", "scope", "msg", "text", "nested", "long"]);
        let digits: Json = serde_json::from_str(&format!("{{\"n\":{}}}", "9".repeat(100))).unwrap();
        assert!(rendered(&digits).contains("\"n\":\"999"));
    }
}
