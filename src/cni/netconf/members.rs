//! The members of a JSON object, read one by one, so that everything that is wrong is named by its key and at once.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A value is repeated in a message up to so many characters.
const SHOWN: usize = 80;
/// Readers of JSON take the first or the last of them, as they like.
const REPEATED: &str = "the key is there more than once";

/// What is wrong with a value, and where in the object it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    path: String,
    reason: String,
}

impl Fault {
    pub(super) fn new(path: &str, reason: impl Into<String>) -> Fault {
        Fault { path: path.to_owned(), reason: reason.into() }
    }

    fn within(self, outer: &str) -> Fault {
        Fault { path: format!("{outer}{}", self.path), ..self }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            out.write_str(&self.reason)
        } else {
            write!(out, "{}: {}", cut(&self.path), self.reason)
        }
    }
}

/// A value that was read, or everything that is wrong with it.
pub(super) type Read<T> = Result<T, Vec<Fault>>;

/// The members of an object.
#[derive(Default)]
pub(super) struct Members {
    members: Vec<(String, Box<RawValue>)>,
    /// The names that were asked for.
    asked: Vec<&'static str>,
    faults: Vec<Fault>,
}

impl Members {
    /// Those of this value.
    pub(super) fn of(value: &RawValue) -> Read<Members> {
        let Pairs(members) = typed(value, "an object")?;
        Ok(Members { members, asked: Vec::new(), faults: Vec::new() })
    }

    /// Reads a member. `None` stands for one that is not there or `null`, as in Go, and for one that cannot be read,
    /// which is remembered.
    pub(super) fn read<T>(&mut self, name: &'static str, of: impl Fn(&RawValue) -> Read<T>) -> Option<T> {
        let value = self.value(name)?;
        if value.get() == "null" {
            return None;
        }
        of(&value).map_err(|faults| self.add(name, faults)).ok()
    }

    /// The same, for a member whose `null` says something.
    pub(super) fn read_with_null<T>(
        &mut self,
        name: &'static str,
        of: impl Fn(&RawValue) -> Read<T>,
    ) -> Option<T> {
        let value = self.value(name)?;
        of(&value).map_err(|faults| self.add(name, faults)).ok()
    }

    /// Remembers that something is wrong.
    pub(super) fn fault(&mut self, name: &str, reason: impl Into<String>) {
        self.faults.push(Fault::new(name, reason));
    }

    /// Everything that is wrong.
    pub(super) fn faults(&self) -> &[Fault] {
        &self.faults
    }

    /// The names that were asked for.
    pub(super) fn asked(&self) -> &[&'static str] {
        &self.asked
    }

    /// The names that nobody has asked for.
    pub(super) fn others(&self) -> impl Iterator<Item = &str> {
        let names = self.members.iter().map(|(name, _)| name.as_str());
        names.filter(|name| !self.asked.contains(name))
    }

    fn value(&mut self, name: &'static str) -> Option<Box<RawValue>> {
        self.asked.push(name);
        let mut values = self.members.iter().filter(|(it, _)| it == name).map(|(_, value)| value.clone());
        let value = values.next_back();
        if values.next().is_some() {
            self.fault(name, REPEATED);
        }
        value
    }

    fn add(&mut self, name: &str, faults: Vec<Fault>) {
        self.faults.extend(faults.into_iter().map(|fault| fault.within(name)));
    }
}

/// A text.
pub(super) fn text(value: &RawValue) -> Read<String> {
    typed(value, "a text")
}

/// A boolean.
pub(super) fn boolean(value: &RawValue) -> Read<bool> {
    typed(value, "true or false")
}

/// A text, read further.
pub(super) fn parsed<T>(parse: impl Fn(&str) -> Result<T, String>) -> impl Fn(&RawValue) -> Read<T> {
    move |value| {
        let text = text(value)?;
        parse(&text).map_err(|reason| vec![Fault::new("", format!("{}: {reason}", cut(value.get())))])
    }
}

/// A list.
pub(super) fn list<T>(of: impl Fn(&RawValue) -> Read<T>) -> impl Fn(&RawValue) -> Read<Vec<T>> {
    move |value| {
        let items: Vec<Box<RawValue>> = typed(value, "a list")?;
        let (mut read, mut faults) = (Vec::new(), Vec::new());
        for (place, item) in items.iter().enumerate() {
            match of(item) {
                Ok(item) => read.push(item),
                Err(found) => faults.extend(found.into_iter().map(|it| it.within(&format!("[{place}]")))),
            }
        }
        if faults.is_empty() { Ok(read) } else { Err(faults) }
    }
}

/// An object whose members are all of one kind.
pub(super) fn table<T>(of: impl Fn(&RawValue) -> Read<T>) -> impl Fn(&RawValue) -> Read<BTreeMap<String, T>> {
    move |value| {
        let Pairs(members) = typed(value, "an object")?;
        let (mut read, mut faults) = (BTreeMap::new(), Vec::new());
        for (name, value) in members {
            let path = format!(".{name}");
            match of(&value) {
                Ok(value) => {
                    if read.insert(name, value).is_some() {
                        faults.push(Fault::new(&path, REPEATED));
                    }
                }
                Err(found) => faults.extend(found.into_iter().map(|it| it.within(&path))),
            }
        }
        if faults.is_empty() { Ok(read) } else { Err(faults) }
    }
}

/// An object with members of its own.
pub(super) fn object<T>(of: impl Fn(&mut Members) -> T) -> impl Fn(&RawValue) -> Read<T> {
    move |value| {
        let mut members = Members::of(value)?;
        let read = of(&mut members);
        if members.faults.is_empty() {
            return Ok(read);
        }
        Err(members.faults.into_iter().map(|fault| fault.within(".")).collect())
    }
}

fn typed<T: DeserializeOwned>(value: &RawValue, expected: &str) -> Read<T> {
    serde_json::from_str(value.get())
        .map_err(|_| vec![Fault::new("", format!("expected {expected}, found {}", described(value.get())))])
}

/// What a value is, and as much of it as a message has room for.
fn described(value: &str) -> String {
    let kind = match value.as_bytes().first() {
        Some(b'{') => "the object",
        Some(b'[') => "the list",
        Some(b'"') => "the text",
        Some(b'-' | b'0'..=b'9') => "the number",
        _ => return cut(value),
    };
    format!("{kind} {}", cut(value))
}

fn cut(value: &str) -> String {
    let line: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    super::super::interception::cut(&line, SHOWN)
}

/// Members in their order, those of the same name as well.
struct Pairs(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Pairs, D::Error> {
        struct Collector;
        impl<'de> Visitor<'de> for Collector {
            type Value = Pairs;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Pairs, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Pairs(members))
            }
        }
        source.deserialize_map(Collector)
    }
}
