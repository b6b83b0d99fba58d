//! `verify`: checks that the rules in the kernel do what was asked for.

use super::run::{Failure, Run, finish};
use super::show;
use crate::config::problem::{Problem, Problems};
use crate::config::settings::LIVE;
use crate::config::typed::Settings;
use crate::config::values;
use crate::exit::Exit;
use crate::kernel::{Kernel, System};
use crate::verify::live::{self, Outcome, Report};

/// Runs the command.
pub(super) fn run(settings: Settings, mut problems: Problems) -> Exit {
    let typed = settings.get(&LIVE);
    if values::boolean(&typed.text) == Ok(false) {
        problems.push(Problem::new(typed.origin, &typed.text, "without --live there is nothing to do"));
    }
    match Run::prepare(settings, problems) {
        Ok(mut run) => finish(execute(&mut run)),
        Err(exit) => exit,
    }
}

fn execute(run: &mut Run) -> Result<(), Failure> {
    run.enter_namespace()?;
    let kernel = &mut System::default();
    let pod = run.pod(kernel)?;
    let own = kernel.addresses()?;
    run.phases.end("look");
    let report = live::probe(&run.config, &pod, &own, run.options.probe_timeout);
    run.phases.end("probe");
    show(&text(&report));
    tracing::info!(took = %run.phases.summary(), "{} probes by packets", report.probes.len());
    match report.failures() {
        0 => Ok(()),
        failed => Err(Failure::Live { failed, made: report.made() }),
    }
}

/// One line a probe.
fn text(report: &Report) -> String {
    let line = |probe: &live::Probe| {
        let (word, why) = match &probe.outcome {
            Outcome::Passed => ("ok", None),
            Outcome::Failed { why } => ("FAILED", Some(why)),
            Outcome::NotMade { why } => ("not made", Some(why)),
        };
        let setting = probe.setting.as_ref().map(|it| format!(" [{it}]")).unwrap_or_default();
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        format!("{word:<8}  {}{setting}{why}\n", probe.what)
    };
    report.probes.iter().map(line).collect()
}
