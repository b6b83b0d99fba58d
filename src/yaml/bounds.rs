//! How large a document becomes, told from its events before anything is built of them.

use std::collections::HashMap;

use yaml_rust2::Event;
use yaml_rust2::parser::Parser;

/// More than this many values in each other are no configuration. The whole is read into a tree, and a tree can be too
/// deep for the stack.
const DEEPEST: usize = 64;
/// So much may be copied for anchors and aliases: an alias of an alias of an alias, a few lines can stand for more
/// values than there is memory.
const COPIED: usize = 10_000;
/// A value counts as one, and as one more for each so many bytes of its text.
const BYTES: usize = 64;

/// The part of a tree that a value is.
#[derive(Clone, Copy, Debug, Default)]
struct Size {
    /// Values, as they are counted.
    values: usize,
    /// How many are in each other.
    depth: usize,
}

impl Size {
    fn add(&mut self, inner: Size) {
        self.values = self.values.saturating_add(inner.values);
        self.depth = self.depth.max(inner.depth.saturating_add(1));
    }
}

#[derive(Debug, Default)]
struct Bounds {
    /// Lists and mappings that have begun, each with its anchor.
    open: Vec<(Size, usize)>,
    anchors: HashMap<usize, Size>,
    copied: usize,
}

impl Bounds {
    fn begin(&mut self, anchor: usize) -> Result<(), String> {
        self.open.push((Size { values: 1, depth: 1 }, anchor));
        self.check_depth(0)
    }

    fn end(&mut self, size: Size, anchor: usize) -> Result<(), String> {
        // The loader keeps a copy of every value that has an anchor. Anchors are numbered from 1.
        if anchor > 0 {
            self.anchors.insert(anchor, size);
            self.copy(size)?;
        }
        if let Some((outer, _)) = self.open.last_mut() {
            outer.add(size);
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize) -> Result<(), String> {
        let Some(size) = self.anchors.get(&anchor).copied() else {
            return Err("it has an alias of a value inside this value itself".to_owned());
        };
        self.check_depth(size.depth)?;
        self.copy(size)?;
        self.end(size, 0)
    }

    fn copy(&mut self, size: Size) -> Result<(), String> {
        self.copied = self.copied.saturating_add(size.values);
        if self.copied > COPIED {
            return Err(format!("its anchors and aliases stand for more than {COPIED} values"));
        }
        Ok(())
    }

    fn check_depth(&self, inner: usize) -> Result<(), String> {
        if self.open.len().saturating_add(inner) > DEEPEST {
            return Err(format!("more than {DEEPEST} values in each other"));
        }
        Ok(())
    }
}

/// Does the document stay within its bounds?
///
/// # Errors
/// When it does not, or is no YAML.
pub(super) fn check(text: &str) -> Result<(), String> {
    let mut parser = Parser::new(text.chars());
    let mut bounds = Bounds::default();
    loop {
        let (event, _) = parser.next_token().map_err(|error| format!("no YAML: {error}"))?;
        match event {
            Event::StreamEnd => return Ok(()),
            Event::SequenceStart(anchor, _) | Event::MappingStart(anchor, _) => bounds.begin(anchor)?,
            Event::SequenceEnd | Event::MappingEnd => {
                let (size, anchor) = bounds.open.pop().unwrap_or_default();
                bounds.end(size, anchor)?;
            }
            Event::Scalar(text, _, anchor, _) => {
                bounds.end(Size { values: 1 + text.len() / BYTES, depth: 0 }, anchor)?;
            }
            Event::Alias(anchor) => bounds.alias(anchor)?,
            Event::Nothing | Event::StreamStart | Event::DocumentStart | Event::DocumentEnd => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_aliases_stand_for_is_counted_by_its_size() {
        let list = |count: usize| format!("a: &a [{}]\n", vec!["x"; count].join(","));
        let aliases = |count: usize| format!("b: [{}]\n", vec!["*a"; count].join(","));
        assert_eq!(check(&(list(99) + &aliases(98))), Ok(()));
        assert!(check(&(list(99) + &aliases(101))).unwrap_err().contains("aliases"));
        // A long text many times is as much as many texts.
        let long = format!("a: &a {}\n", "x".repeat(100 * BYTES));
        assert!(check(&(long + &aliases(100))).unwrap_err().contains("aliases"));
        // Nothing is copied without them, however much it is.
        assert_eq!(check(&list(20_000).replace("&a ", "")), Ok(()));
        // A value with an anchor is kept once more, within another one once more again.
        assert_eq!(check(&list(9000)), Ok(()));
        let kept_often = format!("&a [ &b [ {} ]]", list(9000).replace("a: &a ", ""));
        assert!(check(&kept_often).unwrap_err().contains("aliases"));
    }

    #[test]
    fn aliases_do_not_make_it_deeper_than_it_may_be() {
        let mut text = "a0: &a0 [x]\n".to_owned();
        for level in 1..=70 {
            text.push_str(&format!("a{level}: &a{level} [*a{}]\n", level - 1));
        }
        assert!(check(&text).unwrap_err().contains("in each other"));
        assert!(check("a: &a [*a]").unwrap_err().contains("itself"));
        assert!(check("a: *b").unwrap_err().contains("no YAML"));
    }
}
