//! What is wrong with the input: collected over the whole run, so that the operator sees all of it at once.

use std::fmt;

use super::typed::Origin;

/// One thing that is wrong: where it was typed, which item, why, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The flag or variable; nothing for an argument that belongs to none.
    pub origin: Option<Origin>,
    /// The item of the value that is wrong.
    pub item: String,
    /// Why it is wrong and what would be right.
    pub reason: String,
}

impl Problem {
    /// A problem with an item of what was typed.
    pub fn new(origin: Origin, item: &str, reason: impl Into<String>) -> Problem {
        Problem { origin: Some(origin), item: item.to_owned(), reason: reason.into() }
    }
}

/// The longest part of an item that a message repeats.
const SHOWN: usize = 80;

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.origin {
            // Something is missing, and nobody typed anything.
            Some(Origin::Default(key)) if self.item.is_empty() => {
                return write!(out, "{key}: {}", self.reason);
            }
            Some(origin) => write!(out, "{origin}: ")?,
            None => {}
        }
        // Debug formatting escapes line breaks and control characters: a message stays on its line.
        if self.item.chars().count() > SHOWN {
            let head: String = self.item.chars().take(SHOWN).collect();
            write!(out, "{head:?}... : {}", self.reason)
        } else {
            write!(out, "{:?}: {}", self.item, self.reason)
        }
    }
}

/// Everything that is wrong with the input of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

/// More than this many are counted, not printed: a wrong file can hold millions of wrong items.
const PRINTED: usize = 50;

impl Problems {
    /// Adds one.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// Adds others.
    pub fn extend(&mut self, others: Problems) {
        self.0.extend(others.0);
    }

    /// Is the input right?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One by one.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(
            out,
            "{count} {} in the input; nothing was changed",
            if count == 1 { "error" } else { "errors" }
        )?;
        for problem in self.0.iter().take(PRINTED) {
            write!(out, "\n  {problem}")?;
        }
        if count > PRINTED {
            write!(out, "\n  and {} more", count - PRINTED)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
