//! `verify`: are the rules in the kernel those that were asked for, and do they do what they should?

use serde::Serialize;

use super::installed::{self, Found};
use super::run::{Failure, Run, finish};
use super::show;
use crate::backend::{ApplyError, State};
use crate::config::problem::Problems;
use crate::config::typed::Settings;
use crate::config::{BackendChoice, BackendKind, Format};
use crate::exit::Exit;
use crate::kernel::{Kernel, System};
use crate::verify::compare::{Difference, compare};
use crate::verify::live::{self, Outcome, Report};

/// Runs the command.
pub(super) fn run(settings: Settings, problems: Problems) -> Exit {
    match Run::prepare(settings, problems) {
        Ok(mut run) => finish(execute(&mut run)),
        Err(exit) => exit,
    }
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
struct Verification {
    backend: &'static str,
    /// What is missing, and what is too much; empty when the rules are exactly those that were asked for.
    difference: Difference,
    /// Rules of others that packets meet before ours.
    before_ours: Vec<String>,
    /// What packets did, if any were sent.
    probes: Option<Report>,
}

fn execute(run: &mut Run) -> Result<(), Failure> {
    run.enter_namespace()?;
    let kernel = &mut System::default();
    let found = installed::find(run, kernel)?;
    let probes = if run.options.live { Some(probe(run, kernel)?) } else { None };
    // Rules may have arrived while packets were sent.
    let found = if probes.is_some() { installed::find(run, kernel)? } else { found };
    let verification = Verification { probes, ..compared(run, &found)? };
    show(&match run.options.format {
        Format::Json => format!("{:#}\n", serde_json::json!(verification)),
        _ => text(&verification),
    });
    tracing::debug!(took = %run.phases.summary(), "verified");
    let failed = verification.probes.as_ref().map_or(0, Report::failures);
    match (&verification.probes, verification.difference.is_none()) {
        (Some(report), _) if failed > 0 => {
            Err(Failure::Live { failed, made: report.made(), code: run.options.validation_exit_code })
        }
        (_, false) => Err(Failure::Differs),
        (_, true) => Ok(()),
    }
}

fn probe(run: &mut Run, kernel: &mut System) -> Result<Report, Failure> {
    let pod = run.pod(kernel)?;
    let own = kernel.addresses()?;
    run.phases.end("look");
    let report = live::probe(&run.config, &pod, &own, run.options.probe_timeout);
    run.phases.end("probe");
    Ok(report)
}

fn compared(run: &Run, found: &Found) -> Result<Verification, Failure> {
    let Some(target) = &found.expected else {
        return Err(if found.states.is_empty() { Failure::NothingThere } else { Failure::NotRecorded });
    };
    let backend = match (run.options.backend, &found.states[..]) {
        (BackendChoice::Fixed(asked), _) => asked,
        (BackendChoice::Auto, [state, ..]) => state.backend(),
        (BackendChoice::Auto, []) => BackendKind::Nftables,
    };
    let mut wanted = target.listing(backend).map_err(ApplyError::from)?;
    // Whatever is in another back end is too much.
    let mut there = crate::backend::listing::Listing::default();
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
    Ok(Verification { backend: backend.name(), difference, before_ours, probes: None })
}

fn text(verification: &Verification) -> String {
    let mut text = match verification.difference.is_none() {
        true => format!("ok        the rules in {} are exactly those asked for\n", verification.backend),
        false => format!("DIFFERS   missing (+) and unexpected (-):\n{}", verification.difference),
    };
    for rule in &verification.before_ours {
        text.push_str(&format!("note      a rule of others comes before ours: {rule}\n"));
    }
    text.extend(verification.probes.iter().flat_map(|report| &report.probes).map(line));
    text
}

/// One line a probe.
fn line(probe: &live::Probe) -> String {
    let (word, why) = match &probe.outcome {
        Outcome::Passed => ("ok", None),
        Outcome::Failed { why } => ("FAILED", Some(why)),
        Outcome::NotMade { why } => ("not made", Some(why)),
    };
    let setting = probe.setting.as_ref().map(|it| format!(" [{it}]")).unwrap_or_default();
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    format!("{word:<8}  {}{setting}{why}\n", probe.what)
}
