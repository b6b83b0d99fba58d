//! Configurations and packets from a seed.

mod configurations;
mod packets;

pub use configurations::configuration;
pub use packets::packets;

/// The same choices for the same seed.
pub struct Dice(fastrand::Rng);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(fastrand::Rng::with_seed(seed))
    }

    /// True in so many of a hundred cases.
    fn percent(&mut self, percent: u32) -> bool {
        self.0.u32(0..100) < percent
    }

    fn up_to(&mut self, most: usize) -> usize {
        self.0.usize(0..=most)
    }

    fn one_of<T: Clone>(&mut self, items: &[T]) -> T {
        items[self.0.usize(0..items.len())].clone()
    }

    /// A list of one to `most` of them, an item perhaps twice.
    fn list<T: Clone + ToString>(&mut self, items: &[T], most: usize) -> String {
        let count = 1 + self.up_to(most - 1);
        (0..count).map(|_| self.one_of(items).to_string()).collect::<Vec<_>>().join(",")
    }
}
