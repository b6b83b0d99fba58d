//! How often our entry had to be written again, and how long to wait before the next time.

use std::time::{Duration, Instant};

/// So many writes in [`CALM`] are nothing unusual: an upgrade of the primary plugin writes its file several times.
const QUICK_WRITES: usize = 5;

/// Without a write for so long, the other program has given up.
const CALM: Duration = Duration::from_secs(60);

/// The longest time to give way.
const LONGEST: Duration = Duration::from_secs(60);

/// The writes of the last time.
#[derive(Clone, Debug, Default)]
pub(super) struct Contention {
    writes: usize,
    last: Option<Instant>,
}

impl Contention {
    /// A file was written, or would have been, had another program not been quicker.
    pub(super) fn record(&mut self, now: Instant) {
        if self.last.is_some_and(|last| now.duration_since(last) > CALM + self.pause()) {
            self.writes = 0;
        }
        self.writes += 1;
        self.last = Some(now);
    }

    /// How long to give way from now on.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        let until = self.last? + self.pause();
        until.checked_duration_since(now).filter(|wait| !wait.is_zero())
    }

    /// One second after [`QUICK_WRITES`], and then twice as long each time.
    fn pause(&self) -> Duration {
        match self.writes.checked_sub(QUICK_WRITES) {
            None => Duration::ZERO,
            Some(beyond) => Duration::from_secs(1 << beyond.min(6)).min(LONGEST),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_writes_are_free_then_each_costs_twice_as_much_until_a_minute() {
        let mut contention = Contention::default();
        let mut now = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..14 {
            contention.record(now);
            let wait = contention.wait(now).unwrap_or_default();
            waits.push(wait.as_secs());
            now += wait;
        }
        assert_eq!(waits, [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
    }

    #[test]
    fn a_calm_minute_forgives() {
        let mut contention = Contention::default();
        let start = Instant::now();
        (0..7).for_each(|_| contention.record(start));
        assert_eq!(contention.wait(start), Some(Duration::from_secs(4)));
        contention.record(start + Duration::from_secs(65));
        assert_eq!(contention.wait(start + Duration::from_secs(65)), None);
    }
}
