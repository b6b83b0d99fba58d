//! Edits of a text at known places.

use std::ops::Range;

/// A piece of text that is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Edit {
    /// Which bytes; an empty range inserts.
    pub(super) range: Range<usize>,
    /// What comes there instead.
    pub(super) text: String,
}

/// Where a piece lies in the text of which it was cut.
pub(super) fn range_of(text: &str, piece: &str) -> Range<usize> {
    let start = (piece.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    start..start + piece.len()
}

/// Applies edits that do not overlap. Of several at one place, those that insert come first, in their order.
pub(super) fn splice(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let mut out = String::with_capacity(text.len() + 1024);
    let mut done = 0;
    for edit in edits {
        out.push_str(text.get(done..edit.range.start).unwrap_or_default());
        out.push_str(&edit.text);
        done = edit.range.end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    out
}
