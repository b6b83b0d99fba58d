//! Lists and objects as values of a field.

use std::error::Error;
use std::fmt;
use std::io;

use serde::Serialize;
use serde_json::value::RawValue;

use super::text::{LONGEST_VALUE, is_harmful, is_plain, push_escaped, push_quoted};

/// A list or an object, to be logged as one: `info!(families = Nested::of(&families).value(), "...")`.
///
/// `tracing` takes values of its own types only. An error is the one of them that a subscriber can ask what it really is, so
/// this poses as one; no text is ever taken for a list or an object because it looks like one.
#[derive(Clone, Debug)]
pub struct Nested {
    json: String,
}

impl Nested {
    /// What this serializes to. What is too long is cut: an object becomes `{"cut":"{..."}`, a list `["[..."]`.
    pub fn of(value: &impl Serialize) -> Nested {
        let mut room = Room::default();
        let is_whole = serde_json::to_writer(&mut room, value).is_ok();
        Nested::made(&room.0, is_whole)
    }

    /// What this text says, if it is JSON: a string with the text otherwise.
    pub fn parse(text: &str) -> Nested {
        match serde_json::from_str::<&RawValue>(text) {
            Ok(raw) if raw.get().len() <= LONGEST_VALUE => Nested::made(raw.get().as_bytes(), true),
            Ok(raw) => Nested::made(&raw.get().as_bytes()[..LONGEST_VALUE], false),
            Err(_) => Nested::of(&text),
        }
    }

    /// As `tracing` takes it.
    pub fn value(&self) -> &(dyn Error + 'static) {
        self
    }

    /// The JSON, without a line break.
    pub(super) fn json(&self) -> &str {
        &self.json
    }

    fn made(bytes: &[u8], is_whole: bool) -> Nested {
        let text = String::from_utf8_lossy(bytes);
        if is_whole && is_plain(&text) {
            return Nested { json: text.into_owned() };
        }
        let mut json = String::with_capacity(text.len());
        if is_whole {
            for c in text.chars() {
                match c {
                    // In JSON these stand between values only: in strings they are escaped.
                    '\n' | '\r' | '\t' => json.push(' '),
                    c if is_harmful(c) => push_escaped(&mut json, c),
                    c => json.push(c),
                }
            }
            return Nested { json };
        }
        let (open, close) = match text.chars().next() {
            Some('{') => ("{\"cut\":", "}"),
            Some('[') => ("[", "]"),
            _ => ("", ""),
        };
        json.push_str(open);
        push_quoted(&mut json, &format!("{text}..."));
        json.push_str(close);
        Nested { json }
    }
}

impl fmt::Display for Nested {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.json)
    }
}

impl Error for Nested {}

/// Takes as much as a value may have: what is not shown is not written either.
#[derive(Default)]
struct Room(Vec<u8>);

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = LONGEST_VALUE - self.0.len();
        if room == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let taken = bytes.len().min(room);
        self.0.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(nested: &Nested) -> Value {
        assert!(!nested.json().chars().any(is_harmful), "{nested}");
        serde_json::from_str(nested.json()).unwrap_or_else(|error| panic!("{error}: {nested}"))
    }

    #[test]
    fn values_stay_what_they_are_and_on_one_line() {
        let value = json!({"a": [1, true, "x\n\u{1b}\u{85}"], "b": {}});
        assert_eq!(read(&Nested::of(&value)), value);
        assert_eq!(
            read(&Nested::parse("{ \"a\" :\n\t1.50 }")),
            serde_json::from_str::<Value>("{\"a\":1.50}").unwrap()
        );
        assert_eq!(read(&Nested::parse("{\"a\":")), json!("{\"a\":"));
    }

    #[test]
    fn what_is_too_long_keeps_its_kind() {
        let long = "\u{e9}".repeat(LONGEST_VALUE);
        for nested in [Nested::of(&json!({"a": long})), Nested::parse(&json!({"a": long}).to_string())] {
            assert!(nested.json().len() < LONGEST_VALUE + 100);
            assert!(read(&nested)["cut"].as_str().unwrap().ends_with("..."), "{nested}");
        }
        assert!(read(&Nested::of(&vec!["a"; LONGEST_VALUE]))[0].is_string());
    }
}
