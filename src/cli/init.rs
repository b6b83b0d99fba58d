//! `init`: puts the rules of a pod into the kernel.

use tracing::info;

use super::run::{announce, enter_namespace, finish, prepare};
use super::{cleanup, plan};
use crate::config::problem::{Problem, Problems};
use crate::config::settings::{DRY_RUN, LOCAL_ADDRESS};
use crate::config::typed::Settings;
use crate::config::values;
use crate::exit::Exit;
use crate::interception::{Failure, Interception};
use crate::kernel::System;
use crate::verify;

/// Runs the command.
pub(super) fn run(settings: Settings, mut problems: Problems) -> Exit {
    if let Some(typed) = settings.given(&LOCAL_ADDRESS)
        && !values::boolean(&settings.get(&DRY_RUN).text).unwrap_or(false)
    {
        let reason = "only a plan can be for other addresses than the pod's: add --dry-run, or leave it out";
        problems.push(Problem::new(typed.origin, &typed.text, reason));
    }
    match prepare(settings, problems) {
        Ok(mut run) if run.options.cleanup_only => finish(cleanup::clean_up(&mut run)),
        Ok(mut run) if run.options.dry_run => finish(plan::print(&mut run)),
        Ok(mut run) => {
            announce(&run);
            finish(execute(&mut run))
        }
        Err(exit) => exit,
    }
}

fn execute(run: &mut Interception) -> Result<(), Failure> {
    if run.options.run_validation {
        check_user(run)?;
    }
    enter_namespace(run)?;
    let kernel = &mut System::default();
    if run.options.skip_rule_apply {
        info!("the rules are left as they are: --skip-rule-apply is set");
    } else {
        run.install(kernel)?;
    }
    if run.options.run_validation { validate(run, kernel) } else { Ok(()) }
}

/// Only the proxy's own calls to the pod are redirected back to it.
fn check_user(run: &Interception) -> Result<(), Failure> {
    let own = nix::unistd::geteuid().as_raw();
    match run.config.proxy_uids[..] {
        [proxy, ..] if proxy.0 != own => Err(Failure::ValidationUser { proxy, own }),
        _ => Ok(()),
    }
}

fn validate(run: &mut Interception, kernel: &mut System) -> Result<(), Failure> {
    let families = run.families(kernel)?.intercepted;
    let (inbound, probe) = (run.config.inbound_port, run.options.probe_port);
    let code = run.options.validation_exit_code;
    verify::prove(families, inbound, probe, run.options.probe_timeout)
        .map_err(|errors| Failure::Validation { errors, code })?;
    run.phases.end("validate");
    info!(
        phases = run.phases.nested().value(),
        "validated: connections of the proxy's user to the pod reach port {inbound}"
    );
    Ok(())
}
