//! Are the rules in the kernel those that should be there?

use super::{Failure, Found, Interception};
use crate::backend::listing::Listing;
use crate::backend::{ApplyError, State};
use crate::config::{BackendChoice, BackendKind};
use crate::kernel::System;
use crate::verify::compare::{Difference, compare};

/// What is there against what should be.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The back end that was looked at.
    pub backend: BackendKind,
    /// What is missing, and what is too much; empty when the rules are exactly those that were asked for.
    pub difference: Difference,
    /// Rules of others that packets meet before ours.
    pub before_ours: Vec<String>,
}

impl Interception {
    /// Reads the rules and compares them.
    ///
    /// # Errors
    /// When they cannot be read, or nothing says what should be there.
    pub fn compare(&mut self, kernel: &mut System) -> Result<Comparison, Failure> {
        let found = self.find(kernel)?;
        self.compare_with(&found)
    }

    /// Compares what was found.
    ///
    /// # Errors
    /// When nothing says what should be there.
    pub fn compare_with(&self, found: &Found) -> Result<Comparison, Failure> {
        let Some(target) = &found.expected else {
            return Err(if found.states.is_empty() { Failure::NothingThere } else { Failure::NotRecorded });
        };
        let backend = match (self.options.backend, &found.states[..]) {
            (BackendChoice::Fixed(asked), _) => asked,
            (BackendChoice::Auto, [state, ..]) => state.backend(),
            (BackendChoice::Auto, []) => BackendKind::Nftables,
        };
        let mut wanted = target.listing(backend).map_err(ApplyError::from)?;
        // Whatever is in another back end is too much.
        let mut there = Listing::default();
        for state in &found.states {
            there = there.and(state.listing());
        }
        for table in &found.istio_tables {
            there.push(format!("istio's nftables table {table}"), Vec::new());
        }
        there.merge_same_names();
        wanted.merge_same_names();
        let before_ours = found.states.iter().flat_map(State::foreign_before_ours).collect();
        let difference = compare(&there, &wanted).without_untouched();
        Ok(Comparison { backend, difference, before_ours })
    }
}
