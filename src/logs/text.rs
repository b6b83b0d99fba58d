//! Texts that anybody may have written, made harmless: bounded, and without characters that a terminal obeys.

use std::fmt::{self, Write};

/// The longest value of a field and the longest message, in bytes; what is longer is cut, with a mark.
pub const LONGEST_VALUE: usize = 8 << 10;

/// Takes a text up to [`LONGEST_VALUE`], and counts the rest without keeping it.
#[derive(Debug, Default)]
pub(super) struct Bounded {
    text: String,
    left_out: usize,
}

impl Bounded {
    /// What this writes, cut.
    pub(super) fn of(value: fmt::Arguments<'_>) -> String {
        let mut bounded = Bounded::default();
        // A value that fails to print itself is cut there.
        let _ = bounded.write_fmt(value);
        bounded.finish()
    }

    fn finish(mut self) -> String {
        if self.left_out > 0 {
            let _ = write!(self.text, "...(cut: {} more bytes)", self.left_out);
        }
        self.text
    }
}

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = if self.left_out > 0 { 0 } else { LONGEST_VALUE - self.text.len() };
        let end = text.floor_char_boundary(room);
        self.text.push_str(&text[..end]);
        self.left_out += text.len() - end;
        Ok(())
    }
}

/// Does a terminal or a viewer obey it? Control characters, line and paragraph separators, and those that turn the
/// direction of writing.
pub(super) fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// Is it printable ASCII, as nearly everything is? Then a look at the bytes is enough.
pub(super) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// A harmful character as JSON writes it.
pub(super) fn push_escaped(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        // None of them takes two units.
        c => {
            let _ = write!(out, "\\u{:04x}", u32::from(c));
        }
    }
}

/// The text as a string of JSON, with everything harmful escaped.
pub(super) fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    if is_plain(text) && !text.contains(['"', '\\']) {
        out.push_str(text);
        out.push('"');
        return;
    }
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if is_harmful(c) => push_escaped(out, c),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// The text with everything harmful escaped but for line breaks.
pub(super) fn without_escapes(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && is_harmful(c) { push_escaped(&mut out, c) } else { out.push(c) }
    }
    out
}

/// The text for people: everything harmful escaped but for line breaks, after which lines are indented by four, so that
/// none of them looks like the beginning of an entry.
pub(super) fn shown(text: &str) -> String {
    without_escapes(text).replace('\n', "\n    ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quoted(text: &str) -> String {
        let mut out = String::new();
        push_quoted(&mut out, text);
        out
    }

    #[test]
    fn what_a_terminal_obeys_is_escaped_and_means_the_same_in_json() {
        let nasty = "a\"b\\c\n\r\t\u{0}\u{1b}[31m\u{7f}\u{9b}2J\u{2028}\u{202e}\u{2066}é漢😀";
        let text = quoted(nasty);
        assert!(!text.chars().any(is_harmful), "{text}");
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), nasty);
        assert_eq!(shown("a\nb\u{1b}c"), "a\n    b\\u001bc");
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters_and_says_so() {
        let long = "é".repeat(LONGEST_VALUE);
        let cut = Bounded::of(format_args!("x{long}"));
        let rest = 1 + long.len() - (LONGEST_VALUE - 1);
        assert!(cut.ends_with(&format!("...(cut: {rest} more bytes)")), "{}", &cut[cut.len() - 40..]);
        assert!(cut.len() < LONGEST_VALUE + 40);
        assert_eq!(Bounded::of(format_args!("{}{}", "a".repeat(LONGEST_VALUE), "")).len(), LONGEST_VALUE);
    }
}
