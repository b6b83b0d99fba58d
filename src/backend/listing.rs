//! What a back end holds, or should hold, as lines in places: the form in which two states are compared and shown.

use serde::Serialize;

/// What a rule has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Their bytes, headers included.
    pub bytes: u64,
}

/// Lines that belong together and whose order counts: a chain, a set, the routing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// What it is, as an operator would call it.
    pub name: String,
    /// What is in it.
    pub lines: Vec<String>,
}

/// Places by their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The places; no two have the same name.
    pub places: Vec<Place>,
}

impl Listing {
    /// Adds a place.
    pub fn push(&mut self, name: String, lines: Vec<String>) {
        self.places.push(Place { name, lines });
    }

    /// The place of this name.
    pub fn place(&self, name: &str) -> Option<&Place> {
        self.places.iter().find(|place| place.name == name)
    }

    /// Makes one place of those with the same name.
    pub fn merge_same_names(&mut self) {
        let mut merged: Vec<Place> = Vec::new();
        for place in self.places.drain(..) {
            match merged.iter_mut().find(|other| other.name == place.name) {
                Some(there) => {
                    there.lines.extend(
                        place
                            .lines
                            .into_iter()
                            .filter(|line| !there.lines.contains(line))
                            .collect::<Vec<_>>(),
                    );
                }
                None => merged.push(place),
            }
        }
        self.places = merged;
    }

    /// Adds the places of another listing.
    #[must_use]
    pub fn and(mut self, other: Listing) -> Listing {
        self.places.extend(other.places);
        self
    }
}
