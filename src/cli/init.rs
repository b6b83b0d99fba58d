//! `init`: puts the rules of a pod into the kernel.

use tracing::{info, warn};

use super::plan;
use super::run::{Failure, Run, finish};
use crate::backend::{self, Installed};
use crate::config::problem::{Problem, Problems};
use crate::config::settings::{DRY_RUN, LOCAL_ADDRESS};
use crate::config::typed::Settings;
use crate::config::{BackendChoice, BackendKind, values};
use crate::exit::Exit;
use crate::kernel::{System, capabilities, netns};
use crate::verify;

/// Runs the command.
pub(super) fn run(settings: Settings, mut problems: Problems) -> Exit {
    if let Some(typed) = settings.given(&LOCAL_ADDRESS)
        && !values::boolean(&settings.get(&DRY_RUN).text).unwrap_or(false)
    {
        let reason = "only a plan can be for other addresses than the pod's: add --dry-run, or leave it out";
        problems.push(Problem::new(typed.origin, &typed.text, reason));
    }
    match Run::prepare(settings, problems) {
        Ok(mut run) if run.options.dry_run => finish(plan::print(&mut run)),
        Ok(mut run) if run.options.cleanup_only => finish(clean_up(&mut run)),
        Ok(mut run) => finish(execute(&mut run)),
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
    verify::prove(families, inbound, probe, run.options.probe_timeout).map_err(Failure::Validation)?;
    run.phases.end("validate");
    info!(took = %run.phases.summary(), "validated: connections of the proxy's user to the pod reach port {inbound}");
    Ok(())
}

fn apply(run: &mut Run, kernel: &mut System) -> Result<(), Failure> {
    let (program, _) = run.program(kernel)?;
    let (choice, _lock) = loop {
        let installed = look(kernel, run)?;
        let choice = installed.choose(run.options.backend)?;
        if choice.backend == BackendKind::Nftables {
            break (choice, None);
        }
        // What was seen before the lock may have changed.
        let lock = netns::lock()?;
        if look(kernel, run)? == installed {
            break (choice, Some(lock));
        }
    };
    run.phases.end("detect");
    capabilities::keep_only_needed(choice.backend)?;
    let doubtful = backend::apply(kernel, &choice, &program, run.options.reconcile)?;
    run.phases.end("apply");
    for rule in doubtful {
        warn!(
            "a rule before ours lets traffic bypass the proxy: {rule}. If an earlier run left it, --reconcile removes it"
        );
    }
    let rules = program.rules().count();
    info!(
        backend = choice.backend.name(),
        because = choice.reason,
        families = ?program.families().iter().map(|family| family.to_string()).collect::<Vec<_>>(),
        took = %run.phases.summary(),
        "{rules} rules are in the kernel"
    );
    Ok(())
}

fn clean_up(run: &mut Run) -> Result<(), Failure> {
    run.enter_namespace()?;
    check_capabilities(run)?;
    let kernel = &mut System::default();
    let _lock = netns::lock()?;
    let installed = look(kernel, run)?;
    let by_need = [BackendKind::IptablesLegacy, BackendKind::IptablesNft];
    let needed = by_need.into_iter().find(|it| installed.contains(*it)).unwrap_or(BackendKind::Nftables);
    capabilities::keep_only_needed(needed)?;
    let removed =
        backend::remove(kernel, &installed, &run.program_for_any_pod()).map_err(Failure::Cleanup)?;
    run.phases.end("remove");
    let what = if removed.what.is_empty() {
        "nothing: nothing was there".to_owned()
    } else {
        removed.what.join(", ")
    };
    info!(took = %run.phases.summary(), "removed {what}");
    Ok(())
}

/// Looking at the rules takes the same privilege as writing them.
fn check_capabilities(run: &Run) -> Result<(), Failure> {
    let backend = match run.options.backend {
        BackendChoice::Auto => BackendKind::Nftables,
        BackendChoice::Fixed(backend) => backend,
    };
    Ok(capabilities::check(backend)?)
}

fn look(kernel: &mut System, run: &Run) -> Result<Installed, Failure> {
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
