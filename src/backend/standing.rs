//! How what a back end holds stands to what is wanted, and what follows from it.

use serde::Serialize;

use crate::config::Policy;

/// How what is there stands to what is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Nothing of ours is there.
    Absent,
    /// Exactly what is wanted is there.
    Equal,
    /// A run was ended half-way: what it had begun can be finished without asking.
    Interrupted,
    /// Something else is there.
    Different,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Everything is written anew.
    Create,
    /// Nothing.
    Nothing,
    /// What is there becomes what is wanted.
    Replace,
    /// The difference is reported.
    Refuse,
}

impl Standing {
    /// What follows (docs/state.md has the same as a table).
    pub fn action(self, policy: Policy) -> Action {
        match (self, policy) {
            (Standing::Absent, _) => Action::Create,
            (Standing::Equal, Policy::Plain | Policy::Reconcile) => Action::Nothing,
            (Standing::Equal, Policy::Force) | (Standing::Interrupted, _) => Action::Replace,
            (Standing::Different, Policy::Reconcile | Policy::Force) => Action::Replace,
            (Standing::Different, Policy::Plain) => Action::Refuse,
        }
    }

    /// How a whole stands, of which two parts stand so.
    #[must_use]
    pub fn with(self, other: Standing) -> Standing {
        match (self, other) {
            (one, other) if one == other => one,
            (Standing::Different, _) | (_, Standing::Different) => Standing::Different,
            // Every transaction leaves all of its part or nothing.
            _ => Standing::Interrupted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_difference_needs_leave() {
        for standing in [Standing::Absent, Standing::Equal, Standing::Interrupted] {
            assert_ne!(standing.action(Policy::Plain), Action::Refuse);
        }
        assert_eq!(Standing::Different.action(Policy::Plain), Action::Refuse);
        assert_eq!(Standing::Different.action(Policy::Reconcile), Action::Replace);
        assert_eq!(Standing::Equal.action(Policy::Reconcile), Action::Nothing);
    }

    #[test]
    fn parts_that_are_there_and_parts_that_are_not_are_an_interrupted_run() {
        assert_eq!(Standing::Absent.with(Standing::Equal), Standing::Interrupted);
        assert_eq!(Standing::Equal.with(Standing::Equal), Standing::Equal);
        assert_eq!(Standing::Interrupted.with(Standing::Different), Standing::Different);
    }
}
