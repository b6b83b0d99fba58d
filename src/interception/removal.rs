//! Takes everything of ours out of the kernel.

use super::installed::neediest;
use super::{Failure, Interception};
use crate::backend::{self, ApplyError, Removal};
use crate::faults;
use crate::kernel::{System, capabilities};

/// What a removal came to.
#[derive(Debug, Default)]
pub struct Removed {
    /// What was removed, in words; with `--dry-run`, what would be.
    pub words: Vec<String>,
    /// What could not be removed.
    pub failures: Vec<ApplyError>,
}

impl Interception {
    /// Removes everything, and goes on after an error; with `--dry-run` it only says what would go.
    ///
    /// # Errors
    /// When it cannot be looked at what is there.
    pub fn remove(&mut self, kernel: &mut System) -> Result<Removed, Failure> {
        self.check_capabilities()?;
        let _lock = self.lock(kernel)?;
        let installed = self.look(kernel)?;
        if self.gives_up_privileges {
            capabilities::keep_only_needed(neediest(&installed))?;
        }
        let (removals, mut failures) = backend::everything(kernel, &installed, &self.target_for_any_pod());
        self.phases.end("look");
        if self.options.dry_run {
            return Ok(Removed { words: removals.iter().flat_map(Removal::words).collect(), failures });
        }
        let mut words = Vec::new();
        // Routes stay as long as rules do that need them: without them, those would lose packets.
        let may_go =
            |removal: &Removal, failures: &[ApplyError]| !removal.is_routing() || failures.is_empty();
        for removal in &removals {
            if !may_go(removal, &failures) {
                continue;
            }
            faults::point("removal");
            // What a busy machine refuses for a moment would leave half of the rules.
            let again = |failures, kernel: &mut System| match removal.is_repeatable() {
                true => removal.carry_out(kernel),
                false => Err(failures),
            };
            match removal.carry_out(kernel).or_else(|failures| again(failures, kernel)) {
                Ok(()) => words.extend(removal.words()),
                Err(more) => failures.extend(more),
            }
        }
        self.phases.end("remove");
        Ok(Removed { words, failures })
    }
}
