//! `init`: puts the rules of a pod into the kernel.

use tracing::info;

use super::plan;
use super::run::{Failure, Run, finish};
use crate::backend::{self, Installed};
use crate::config::problem::Problems;
use crate::config::typed::Settings;
use crate::config::{BackendChoice, BackendKind};
use crate::exit::Exit;
use crate::kernel::{System, capabilities};

/// Runs the command.
pub(super) fn run(settings: Settings, problems: Problems) -> Exit {
    match Run::prepare(settings, problems) {
        Ok(mut run) if run.options.dry_run => finish(plan::print(&mut run)),
        Ok(mut run) => finish(execute(&mut run)),
        Err(exit) => exit,
    }
}

fn execute(run: &mut Run) -> Result<(), Failure> {
    if run.options.run_validation {
        return Err(Failure::NoValidation);
    }
    if run.options.skip_rule_apply {
        info!("the rules are left as they are: --skip-rule-apply is set");
        return Ok(());
    }
    let kernel = &mut System::default();
    let (program, _) = run.program(kernel)?;
    // Looking at the rules takes the same privilege as writing them.
    capabilities::check(match run.options.backend {
        BackendChoice::Auto => BackendKind::Nftables,
        BackendChoice::Fixed(backend) => backend,
    })?;
    let installed = Installed::look(kernel)?;
    run.phases.end("detect");
    if run.options.cleanup_only {
        let removed = backend::remove(kernel, &installed, &program).map_err(Failure::Cleanup)?;
        run.phases.end("remove");
        let what = if removed.what.is_empty() {
            "nothing: nothing was there".to_owned()
        } else {
            removed.what.join(", ")
        };
        info!(took = %run.phases.summary(), "removed {what}");
        return Ok(());
    }
    let choice = installed.choose(run.options.backend)?;
    capabilities::keep_only_needed(choice.backend)?;
    backend::apply(kernel, &choice, &program)?;
    run.phases.end("apply");
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
