//! How a file is laid out, so that our entry looks like its neighbours.

use std::io;

use serde::Serialize;
use serde_json::Value;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

use super::splice::range_of;

/// The layout of one element of an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Style<'t> {
    /// What is between two elements, after the comma.
    gap: &'t str,
    /// The white space with which the element's lines begin at least.
    base: &'t str,
    /// The white space of one step to the right; nothing when the element is on one line.
    unit: Option<&'t str>,
    line: &'static str,
    is_spaced: bool,
}

impl<'t> Style<'t> {
    /// The style of a piece of this text.
    pub(super) fn of(text: &'t str, piece: &'t str) -> Style<'t> {
        let range = range_of(text, piece);
        let before = text.get(..range.start).unwrap_or_default();
        let (document_unit, line) = Style::of_document(text);
        let is_spaced = piece.contains("\": ");
        let gap = &before[before.trim_end().len()..];
        let is_first = before.trim_end().ends_with('[');
        let upto_end = text.get(..range.end).unwrap_or_default();
        let last_line = upto_end.rsplit('\n').next().unwrap_or_default();
        let base = indent_of(last_line);
        Style {
            gap: match gap {
                gap if gap.contains('\n') || !is_first => gap,
                _ if is_spaced => " ",
                _ => "",
            },
            base,
            unit: piece.lines().nth(1).map(|inner| match indent_of(inner).strip_prefix(base) {
                Some(unit) if !unit.is_empty() => unit,
                _ => document_unit,
            }),
            line,
            is_spaced,
        }
    }

    /// One step to the right, and the end of a line, in a whole document.
    pub(super) fn of_document(text: &'t str) -> (&'t str, &'static str) {
        let unit = text.lines().map(indent_of).find(|indent| !indent.is_empty()).unwrap_or("  ");
        (unit, if text.contains("\r\n") { "\r\n" } else { "\n" })
    }

    pub(super) fn gap(&self) -> &'t str {
        self.gap
    }

    /// A value in this style.
    pub(super) fn render(&self, value: &Value) -> String {
        match self.unit {
            // A line break in a JSON text is never part of a string.
            Some(unit) => printed(value, PrettyFormatter::with_indent(unit.as_bytes()))
                .replace('\n', &format!("{}{}", self.line, self.base)),
            None if self.is_spaced => printed(value, Spaced),
            None => printed(value, CompactFormatter),
        }
    }
}

fn indent_of(line: &str) -> &str {
    &line[..line.len() - line.trim_start().len()]
}

fn printed(value: &Value, formatter: impl Formatter) -> String {
    let mut bytes = Vec::new();
    match value.serialize(&mut Serializer::with_formatter(&mut bytes, formatter)) {
        Ok(()) => String::from_utf8_lossy(&bytes).into_owned(),
        // Memory takes every byte.
        Err(_) => value.to_string(),
    }
}

/// On one line, with a space after each comma and colon.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: io::Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}
