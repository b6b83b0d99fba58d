//! How long what took.

use std::time::Instant;

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
    }

    /// Every phase with its microseconds.
    pub fn summary(&self) -> String {
        let phases = self.took.iter().map(|(name, took)| format!("{name} {took} us"));
        phases.collect::<Vec<_>>().join(", ")
    }
}
