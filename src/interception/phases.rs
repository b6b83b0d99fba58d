//! How long what took.

use std::time::Instant;

use serde::{Serialize, Serializer};

use crate::faults;
use crate::logs::Nested;

/// How long each phase of a run took.
pub struct Phases {
    last: Instant,
    took: Vec<(&'static str, u128)>,
}

impl Phases {
    /// The first phase begins.
    #[must_use]
    pub fn start() -> Phases {
        Phases { last: Instant::now(), took: Vec::new() }
    }

    /// The phase of this name is over.
    pub fn end(&mut self, name: &'static str) {
        let now = Instant::now();
        self.took.push((name, (now - self.last).as_micros()));
        self.last = now;
        faults::point(name);
    }

    /// Every phase with its microseconds, for the log.
    pub fn nested(&self) -> Nested {
        // A phase that comes twice is one.
        let mut took: Vec<(&'static str, u128)> = Vec::new();
        for (name, micros) in &self.took {
            match took.iter_mut().find(|(known, _)| known == name) {
                Some((_, sum)) => *sum += micros,
                None => took.push((name, *micros)),
            }
        }
        Nested::of(&Took(took))
    }
}

struct Took(Vec<(&'static str, u128)>);

impl Serialize for Took {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}
