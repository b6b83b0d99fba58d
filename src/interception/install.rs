//! Puts the rules into the kernel.

use tracing::info;

use super::{Before, Failure, Interception};
use crate::backend::standing::Action;
use crate::backend::{self, ApplyError, Choice, Installed, State, Target};
use crate::config::{BackendChoice, BackendKind, Policy};
use crate::kernel::{self, Kernel, System, capabilities};
use crate::logs::Nested;
use crate::verify::compare::compare;

/// How often a run looks again when others change the rules at the same time.
const ATTEMPTS: usize = 100;

/// What came of an installation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Installation {
    /// The back end that holds the rules.
    pub backend: BackendKind,
    /// How many rules there are.
    pub rules: usize,
    /// Was anything written, or was all there already?
    pub is_changed: bool,
}

impl Interception {
    /// Sees to it that the rules are in the kernel, and logs what it did.
    ///
    /// # Errors
    /// When something is missing or refused; the kernel is then as it was before.
    pub fn install(&mut self, kernel: &mut System) -> Result<Installation, Failure> {
        let (target, _) = self.target(kernel)?;
        // Two runs at once, through two back ends perhaps, would not see each other's work in time.
        let _lock = self.lock(kernel)?;
        let mut is_surprised = false;
        for _ in 0..ATTEMPTS {
            let installed = match self.look(kernel) {
                Err(Failure::Kernel(kernel::Error::Changed)) => continue,
                installed => installed?,
            };
            let choice = installed.choose(self.options.backend, self.options.migrate)?;
            self.phases.end("detect");
            if let Some(remark) = target.remark(choice.backend) {
                self.remark(remark);
            }
            if self.gives_up_privileges {
                capabilities::keep_only_needed(needed_privileges(&choice))?;
            }
            let is_empty = !choice.holds_rules && choice.leaves.is_empty() && choice.istio_tables.is_empty();
            (self.before_changes)(if is_empty { Before::Nothing } else { Before::Rules });
            match carry_out(self, kernel, &choice, &target, is_surprised) {
                Err(Failure::Apply(ApplyError::Overtaken)) => is_surprised = true,
                result => return result,
            }
        }
        Err(ApplyError::Overtaken.into())
    }

    /// Looking at the rules takes the same privilege as writing them.
    ///
    /// # Errors
    /// When it is missing.
    pub fn check_capabilities(&self) -> Result<(), Failure> {
        let backend = match self.options.backend {
            BackendChoice::Auto => BackendKind::Nftables,
            BackendChoice::Fixed(backend) => backend,
        };
        Ok(capabilities::check(backend)?)
    }

    /// Which back ends hold rules.
    ///
    /// # Errors
    /// When the privilege to look is missing, or the kernel does not answer.
    pub(super) fn look(&mut self, kernel: &mut System) -> Result<Installed, Failure> {
        // Without the privilege to look, what is missing says more than what failed.
        let installed = Installed::look(kernel).map_err(|error| match self.check_capabilities() {
            Err(missing) => missing,
            Ok(()) => error.into(),
        })?;
        if let (Some(warning), true) =
            (installed.warning(), self.options.backend != BackendChoice::Fixed(BackendKind::IptablesLegacy))
        {
            self.warn(warning);
        }
        Ok(installed)
    }
}

/// Compares, decides, writes. After a surprise, the back end is read although it seems to hold nothing: a table without
/// chains is not found otherwise.
fn carry_out(
    run: &mut Interception,
    kernel: &mut System,
    choice: &Choice,
    target: &Target,
    is_surprised: bool,
) -> Result<Installation, Failure> {
    backend::check_leaving(kernel, choice, target)?;
    let mut is_changed = true;
    if choice.holds_rules || is_surprised || has_leftovers(kernel, target)? {
        let state = State::read(kernel, choice.backend, target).map_err(ApplyError::from)?;
        let action = state.standing(target).map_err(ApplyError::from)?.action(run.options.policy);
        run.phases.end("compare");
        for rule in state.foreign_before_ours() {
            run.warn(format!("a rule that is not ours, or not known to be, comes before ours: {rule}"));
        }
        match action {
            Action::Nothing => is_changed = false,
            Action::Refuse => {
                let wanted = target.listing(choice.backend).map_err(ApplyError::from)?;
                return Err(Failure::Drift(compare(&state.listing(), &wanted)));
            }
            Action::Create | Action::Replace => {
                backend::replace(kernel, &state, target, run.options.policy == Policy::Force)?;
            }
        }
    } else {
        backend::create(kernel, choice.backend, target)?;
    }
    run.phases.end("apply");
    let left = backend::leave(kernel, choice, target)?;
    if !left.is_empty() && !run.is_quiet {
        info!("moved to {}, and removed {}", choice.backend.name(), left.join(", "));
        run.phases.end("leave");
    }
    let program = target.program(choice.backend);
    let rules = program.rules().count();
    let outcome = if is_changed {
        "rules are in the kernel"
    } else {
        "rules are in the kernel already: nothing was written"
    };
    let families: Vec<String> = program.families().iter().map(|family| family.to_string()).collect();
    if run.is_quiet {
        return Ok(Installation { backend: choice.backend, rules, is_changed });
    }
    info!(
        backend = choice.backend.name(),
        rules,
        changed = is_changed,
        because = choice.reason,
        families = Nested::of(&families).value(),
        phases = run.phases.nested().value(),
        "{rules} {outcome}"
    );
    Ok(Installation { backend: choice.backend, rules, is_changed })
}

/// Does a policy rule lead to local sockets that the target has no use for? A TPROXY that was given up may have left it.
fn has_leftovers(kernel: &mut System, target: &Target) -> Result<bool, Failure> {
    Ok(!target.needs_delivery() && kernel.policy_marks()?.contains(&target.delivery.0.get()))
}

/// The back end that needs most, of those that are written to.
fn needed_privileges(choice: &Choice) -> BackendKind {
    let all = || choice.leaves.iter().copied().chain([choice.backend]);
    let by_need = [BackendKind::IptablesLegacy, BackendKind::IptablesNft];
    by_need.into_iter().find(|wanted| all().any(|it| it == *wanted)).unwrap_or(choice.backend)
}
