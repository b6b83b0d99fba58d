//! What the kernel holds, as a program again.

use crate::program::Program;

/// A program that was read back, and what is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lifted {
    /// The rules. Where a back end writes several rules for one, they are several here as well, by the same id.
    pub program: Program,
    /// Rules, chains and sets that say what no program says.
    pub foreign: Vec<String>,
}

impl Lifted {
    /// Both together.
    #[must_use]
    pub fn and(mut self, other: Lifted) -> Lifted {
        self.program.chains.extend(other.program.chains);
        self.foreign.extend(other.foreign);
        self
    }
}
