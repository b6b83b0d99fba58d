//! Compares what should be in the kernel with what is: exactly, order included.

use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;
use similar::{Algorithm, ChangeTag, capture_diff_slices_deadline};

use crate::backend::listing::{Listing, Place};

/// What has to happen to a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It should be there and is not.
    Missing,
    /// It is there and should not be.
    Unexpected,
    /// It is as it should be.
    Same,
}

/// A line of a place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// What has to happen to it.
    pub change: Change,
    /// The line.
    pub text: String,
}

/// What has to happen to a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It is not there.
    Created,
    /// It is there, and something in it differs.
    Changed,
    /// It is there and should not be.
    Removed,
    /// It is as it should be.
    Untouched,
}

impl Fate {
    /// Every fate.
    pub const ALL: [Fate; 4] = [Fate::Created, Fate::Changed, Fate::Removed, Fate::Untouched];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Fate::Created => "created",
            Fate::Changed => "changed",
            Fate::Removed => "removed",
            Fate::Untouched => "untouched",
        }
    }
}

/// A place, compared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Compared {
    /// Its name.
    pub place: String,
    /// What has to happen to it.
    pub fate: Fate,
    /// Its lines, in the order of a text difference.
    pub lines: Vec<Line>,
}

/// Two states, compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Difference {
    /// Every place of either.
    pub places: Vec<Compared>,
}

/// How long a short difference is looked for in one place.
const PATIENCE: Duration = Duration::from_millis(200);

/// Compares what is there with what should be.
pub fn compare(found: &Listing, wanted: &Listing) -> Difference {
    let nothing = |name: &str| Place { name: name.to_owned(), lines: Vec::new() };
    let mut places = Vec::new();
    for place in &wanted.places {
        places.push(match found.place(&place.name) {
            Some(there) => {
                let fate = if there.lines == place.lines { Fate::Untouched } else { Fate::Changed };
                compared(fate, there, place)
            }
            None => compared(Fate::Created, &nothing(&place.name), place),
        });
    }
    for place in found.places.iter().filter(|place| wanted.place(&place.name).is_none()) {
        places.push(compared(Fate::Removed, place, &nothing(&place.name)));
    }
    Difference { places }
}

fn compared(fate: Fate, found: &Place, wanted: &Place) -> Compared {
    let line = |change, text: &String| Line { change, text: text.clone() };
    // Behind the deadline the difference is still one, only not the shortest.
    let deadline = Instant::now() + PATIENCE;
    let operations =
        capture_diff_slices_deadline(Algorithm::Myers, &found.lines, &wanted.lines, Some(deadline));
    let changes = operations.iter().flat_map(|it| it.iter_changes(&found.lines, &wanted.lines));
    let lines = changes.map(|it| match it.tag() {
        ChangeTag::Equal => line(Change::Same, &it.value()),
        ChangeTag::Delete => line(Change::Unexpected, &it.value()),
        ChangeTag::Insert => line(Change::Missing, &it.value()),
    });
    Compared { place: wanted.name.clone(), fate, lines: lines.collect() }
}

impl Difference {
    /// Is everything as it should be?
    pub fn is_none(&self) -> bool {
        self.places.iter().all(|place| place.fate == Fate::Untouched)
    }

    /// The same without the places that are as they should be.
    #[must_use]
    pub fn without_untouched(mut self) -> Difference {
        self.places.retain(|place| place.fate != Fate::Untouched);
        self
    }

    /// How many places have this fate.
    pub fn count(&self, fate: Fate) -> usize {
        self.places.iter().filter(|place| place.fate == fate).count()
    }
}

/// How many lines a message shows of one place.
const SHOWN: usize = 20;

/// What differs, line by line: `+` should be there, `-` should not.
impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.places.iter().filter(|place| place.fate != Fate::Untouched);
        let more = places.clone().count().saturating_sub(SHOWN);
        for place in places.take(SHOWN) {
            writeln!(out, "{}:", place.place)?;
            let different = place.lines.iter().filter(|line| line.change != Change::Same);
            for line in different.clone().take(SHOWN) {
                let sign = if line.change == Change::Missing { '+' } else { '-' };
                writeln!(out, "  {sign} {}", line.text)?;
            }
            match (different.count(), place.fate) {
                (0, Fate::Created) => writeln!(out, "  + (empty)")?,
                (0, _) => writeln!(out, "  - (empty)")?,
                (count, _) if count > SHOWN => writeln!(out, "  and {} more lines", count - SHOWN)?,
                _ => {}
            }
        }
        match more {
            0 => Ok(()),
            more => writeln!(out, "and {more} more places"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(places: &[(&str, &[&str])]) -> Listing {
        let mut listing = Listing::default();
        for (name, lines) in places {
            listing.push((*name).to_owned(), lines.iter().map(|line| (*line).to_owned()).collect());
        }
        listing
    }

    #[test]
    fn the_same_lines_in_the_same_order_are_no_difference() {
        let one = listing(&[("a", &["1", "2"]), ("b", &[])]);
        assert!(compare(&one, &one).is_none());
        let other = listing(&[("b", &[]), ("a", &["1", "2"])]);
        assert!(compare(&one, &other).is_none(), "the order of places means nothing");
    }

    #[test]
    fn another_order_of_lines_is_a_difference() {
        let difference = compare(&listing(&[("a", &["1", "2"])]), &listing(&[("a", &["2", "1"])]));
        assert_eq!(difference.count(Fate::Changed), 1);
        assert_eq!(difference.to_string().lines().count(), 3, "{difference}");
    }

    #[test]
    fn places_that_are_missing_or_too_many_are_named_even_when_they_are_empty() {
        let difference = compare(&listing(&[("old", &[])]), &listing(&[("new", &[])]));
        assert_eq!(difference.to_string(), "new:\n  + (empty)\nold:\n  - (empty)\n");
        assert_eq!((difference.count(Fate::Created), difference.count(Fate::Removed)), (1, 1));
    }

    #[test]
    fn a_long_list_is_cut_in_the_message_only() {
        let many: Vec<String> = (0..100).map(|i| i.to_string()).collect();
        let mut wanted = Listing::default();
        wanted.push("a".to_owned(), many);
        let difference = compare(&Listing::default(), &wanted);
        assert_eq!(difference.places[0].lines.len(), 100);
        assert!(difference.to_string().ends_with("and 80 more lines\n"), "{difference}");
    }
}
