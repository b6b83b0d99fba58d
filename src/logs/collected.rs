//! Lines that are kept to be handed on.

use std::collections::VecDeque;

use tracing::Level;

/// As many bytes of lines are kept.
const MOST: usize = 64 << 10;

/// The last lines, in JSON.
#[derive(Debug)]
pub struct Collected {
    lines: VecDeque<String>,
    bytes: usize,
    left_out: u64,
    worst: Option<Level>,
}

impl Collected {
    /// None yet.
    pub const fn new() -> Collected {
        Collected { lines: VecDeque::new(), bytes: 0, left_out: 0, worst: None }
    }

    /// Keeps a line. The first ones make room for it: how a call ended says its last line.
    pub(super) fn push(&mut self, level: Level, line: &str) {
        self.worst = Some(self.worst.map_or(level, |worst| worst.min(level)));
        self.bytes += line.len();
        self.lines.push_back(line.to_owned());
        while self.bytes > MOST {
            let Some(first) = self.lines.pop_front() else { return };
            self.bytes -= first.len();
            self.left_out += 1;
        }
    }

    /// The worst level of all lines; nothing when there were none.
    pub fn worst(&self) -> Option<Level> {
        self.worst
    }

    /// The lines, each an object of JSON, and how many there were before them.
    pub fn take(&mut self) -> (Vec<String>, u64) {
        let Collected { lines, left_out, .. } = std::mem::take(self);
        (lines.into(), left_out)
    }
}

impl Default for Collected {
    fn default() -> Collected {
        Collected::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_the_others_counted() {
        let mut collected = Collected::new();
        collected.push(Level::WARN, "first");
        for number in 0..1000 {
            collected.push(Level::INFO, &format!("{number:>1000}"));
        }
        assert_eq!(collected.worst(), Some(Level::WARN));
        let (lines, left_out) = collected.take();
        assert_eq!((lines.len(), left_out), (65, 936));
        assert!(lines.last().unwrap().ends_with(" 999"));
        collected.push(Level::INFO, &"x".repeat(MOST + 1));
        assert_eq!(collected.take(), (vec![], 1));
    }
}
