//! `init`: puts the rules of a pod into the kernel.

use tracing::{info, warn};

use super::run::{Failure, Run, finish};
use super::{cleanup, plan};
use crate::backend::standing::Action;
use crate::backend::{self, ApplyError, Choice, Installed, State, Target};
use crate::config::problem::{Problem, Problems};
use crate::config::settings::{DRY_RUN, LOCAL_ADDRESS};
use crate::config::typed::Settings;
use crate::config::{BackendChoice, BackendKind, Policy, values};
use crate::exit::Exit;
use crate::kernel::netns::{self, NamespaceError, NamespaceLock};
use crate::kernel::{self, Kernel, System, capabilities};
use crate::verify::{self, compare::compare};

/// Runs the command.
pub(super) fn run(settings: Settings, mut problems: Problems) -> Exit {
    if let Some(typed) = settings.given(&LOCAL_ADDRESS)
        && !values::boolean(&settings.get(&DRY_RUN).text).unwrap_or(false)
    {
        let reason = "only a plan can be for other addresses than the pod's: add --dry-run, or leave it out";
        problems.push(Problem::new(typed.origin, &typed.text, reason));
    }
    match Run::prepare(settings, problems) {
        Ok(mut run) if run.options.cleanup_only => finish(cleanup::clean_up(&mut run)),
        Ok(mut run) if run.options.dry_run => finish(plan::print(&mut run)),
        Ok(mut run) => {
            run.announce();
            finish(execute(&mut run))
        }
        Err(exit) => exit,
    }
}

fn execute(run: &mut Run) -> Result<(), Failure> {
    if run.options.run_validation {
        check_user(run)?;
    }
    run.enter_namespace()?;
    let kernel = &mut System::default();
    if run.options.skip_rule_apply {
        info!("the rules are left as they are: --skip-rule-apply is set");
    } else {
        apply(run, kernel)?;
    }
    if run.options.run_validation { validate(run, kernel) } else { Ok(()) }
}

/// Only the proxy's own calls to the pod are redirected back to it.
fn check_user(run: &Run) -> Result<(), Failure> {
    let own = nix::unistd::geteuid().as_raw();
    match run.config.proxy_uids[..] {
        [proxy, ..] if proxy.0 != own => Err(Failure::ValidationUser { proxy, own }),
        _ => Ok(()),
    }
}

fn validate(run: &mut Run, kernel: &mut System) -> Result<(), Failure> {
    let families = run.families(kernel)?.intercepted;
    let (inbound, probe) = (run.config.inbound_port, run.options.probe_port);
    let code = run.options.validation_exit_code;
    verify::prove(families, inbound, probe, run.options.probe_timeout)
        .map_err(|errors| Failure::Validation { errors, code })?;
    run.phases.end("validate");
    info!(took = %run.phases.summary(), "validated: connections of the proxy's user to the pod reach port {inbound}");
    Ok(())
}

/// How often a run looks again when others change the rules at the same time.
const ATTEMPTS: usize = 100;

fn apply(run: &mut Run, kernel: &mut System) -> Result<(), Failure> {
    let (target, _) = run.target(kernel)?;
    // Two runs at once, through two back ends perhaps, would not see each other's work in time.
    let _lock = lock()?;
    let mut is_surprised = false;
    for _ in 0..ATTEMPTS {
        let installed = match look(kernel, run) {
            Err(Failure::Kernel(kernel::Error::Changed)) => continue,
            installed => installed?,
        };
        let choice = installed.choose(run.options.backend, run.options.migrate)?;
        run.phases.end("detect");
        capabilities::keep_only_needed(needed_privileges(&choice))?;
        match carry_out(run, kernel, &choice, &target, is_surprised) {
            Err(Failure::Apply(ApplyError::Overtaken)) => is_surprised = true,
            result => return result,
        }
    }
    Err(ApplyError::Overtaken.into())
}

/// The lock of the namespace; nothing where there is no /proc to find it in.
fn lock() -> Result<Option<NamespaceLock>, Failure> {
    match netns::lock() {
        Ok(lock) => Ok(Some(lock)),
        Err(NamespaceError::Open { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Compares, decides, writes. After a surprise, the back end is read although it seems to hold nothing: a table without
/// chains is not found otherwise.
fn carry_out(
    run: &mut Run,
    kernel: &mut System,
    choice: &Choice,
    target: &Target,
    is_surprised: bool,
) -> Result<(), Failure> {
    let mut outcome = "rules are in the kernel";
    if choice.holds_rules || is_surprised || has_leftovers(kernel, target)? {
        let state = State::read(kernel, choice.backend, target).map_err(ApplyError::from)?;
        let action = state.standing(target).map_err(ApplyError::from)?.action(run.options.policy);
        run.phases.end("compare");
        for rule in state.foreign_before_ours() {
            warn!("a rule that is not ours, or not known to be, comes before ours: {rule}");
        }
        match action {
            Action::Nothing => outcome = "rules are in the kernel already: nothing was written",
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
    if !left.is_empty() {
        info!("moved to {}, and removed {}", choice.backend.name(), left.join(", "));
        run.phases.end("leave");
    }
    let families = target.program.families();
    info!(
        backend = choice.backend.name(),
        because = choice.reason,
        families = ?families.iter().map(|family| family.to_string()).collect::<Vec<_>>(),
        took = %run.phases.summary(),
        "{} {outcome}",
        target.program.rules().count()
    );
    Ok(())
}

/// Does a policy rule lead to local sockets that the target has no use for? A TPROXY that was given up may have left it.
fn has_leftovers(kernel: &mut System, target: &Target) -> Result<bool, Failure> {
    let is_needed = target.program.routing.delivery.is_some();
    Ok(!is_needed && kernel.policy_marks()?.contains(&target.delivery.0.get()))
}

/// The back end that needs most, of those that are written to.
fn needed_privileges(choice: &Choice) -> BackendKind {
    let all = || choice.leaves.iter().copied().chain([choice.backend]);
    let by_need = [BackendKind::IptablesLegacy, BackendKind::IptablesNft];
    by_need.into_iter().find(|wanted| all().any(|it| it == *wanted)).unwrap_or(choice.backend)
}

/// Looking at the rules takes the same privilege as writing them.
pub(super) fn check_capabilities(run: &Run) -> Result<(), Failure> {
    let backend = match run.options.backend {
        BackendChoice::Auto => BackendKind::Nftables,
        BackendChoice::Fixed(backend) => backend,
    };
    Ok(capabilities::check(backend)?)
}

pub(super) fn look(kernel: &mut System, run: &Run) -> Result<Installed, Failure> {
    // Without the privilege to look, what is missing says more than what failed.
    let installed = Installed::look(kernel).map_err(|error| match check_capabilities(run) {
        Err(missing) => missing,
        Ok(()) => error.into(),
    })?;
    if let (Some(warning), true) =
        (installed.warning(), run.options.backend != BackendChoice::Fixed(BackendKind::IptablesLegacy))
    {
        warn!("{warning}");
    }
    Ok(installed)
}
