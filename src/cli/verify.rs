//! `verify`: are the rules in the kernel those that were asked for, and do they do what they should?

use serde::Serialize;

use super::run::{enter_namespace, finish, prepare};
use super::show;
use crate::config::Format;
use crate::config::problem::Problems;
use crate::config::typed::Settings;
use crate::exit::Exit;
use crate::interception::{Comparison, Failure, Interception};
use crate::kernel::{Kernel, System};
use crate::verify::compare::Difference;
use crate::verify::live::{self, Outcome, Report};

/// Runs the command.
pub(super) fn run(settings: Settings, problems: Problems) -> Exit {
    match prepare(settings, problems) {
        Ok(mut run) => finish(execute(&mut run)),
        Err(exit) => exit,
    }
}

/// What came of it.
#[derive(Clone, Debug, Serialize)]
struct Verification {
    /// The back end that was looked at.
    backend: &'static str,
    /// Why the rules could not be compared, if they could not.
    not_compared: Option<String>,
    /// What is missing, and what is too much; empty when the rules are exactly those that were asked for.
    difference: Difference,
    /// Rules of others that packets meet before ours.
    before_ours: Vec<String>,
    /// What packets did, if any were sent.
    probes: Option<Report>,
}

fn execute(run: &mut Interception) -> Result<(), Failure> {
    enter_namespace(run)?;
    let kernel = &mut System::default();
    let live = run.options.live;
    // Finds the configuration that was recorded, if there are no flags.
    let before = run.find(kernel);
    // Rules may be on their way; word of which they should be is not.
    let is_told = before.as_ref().map_or(true, |found| found.expected.is_some());
    let probes = if live && is_told { Some(probe(run, kernel)?) } else { None };
    // Rules may have arrived while packets were sent.
    let found = if probes.is_some() && before.is_ok() { run.find(kernel) } else { before };
    let is_unknown = |failure: &Failure| matches!(failure, Failure::NothingThere | Failure::NotRecorded);
    let compared = match found {
        // Packets can be sent by somebody who may not look at the rules.
        Err(Failure::Capability(missing)) if live => Verification::without_comparison(missing.to_string()),
        found => match run.compare_with(&found?) {
            Ok(comparison) => Verification::from(comparison),
            Err(failure) => {
                if run.options.format == Format::Json && is_unknown(&failure) {
                    show(&format!("{:#}\n", serde_json::json!({ "error": failure.to_string() })))?;
                }
                return Err(failure);
            }
        },
    };
    let verification = Verification { probes, ..compared };
    let shown = show(&match run.options.format {
        Format::Json => format!("{:#}\n", serde_json::json!(verification)),
        _ => text(&verification),
    });
    tracing::debug!(phases = run.phases.nested().value(), "verified");
    let failed = verification.probes.as_ref().map_or(0, Report::failures);
    match (&verification.probes, verification.difference.is_none()) {
        (Some(report), _) if failed > 0 => {
            Err(Failure::Live { failed, made: report.made(), code: run.options.validation_exit_code })
        }
        (_, false) => Err(Failure::Differs),
        (Some(report), _) if report.made() == 0 && !report.probes.is_empty() => {
            Err(Failure::NotProven(report.probes.len()))
        }
        // What was found says more than that it could not be written.
        (_, true) => shown.map(drop),
    }
}

fn probe(run: &mut Interception, kernel: &mut System) -> Result<Report, Failure> {
    let pod = run.pod(kernel)?;
    let own = kernel.addresses()?;
    run.phases.end("look");
    let report = live::probe(&run.config, &pod, &own, run.options.probe_timeout);
    run.phases.end("probe");
    Ok(report)
}

impl From<Comparison> for Verification {
    fn from(Comparison { backend, difference, before_ours }: Comparison) -> Verification {
        Verification { backend: backend.name(), not_compared: None, difference, before_ours, probes: None }
    }
}

impl Verification {
    fn without_comparison(why: String) -> Verification {
        let difference = Difference::default();
        Verification { backend: "", not_compared: Some(why), difference, before_ours: vec![], probes: None }
    }
}

fn text(verification: &Verification) -> String {
    let mut text = match (&verification.not_compared, verification.difference.is_none()) {
        (Some(why), _) => format!("not done  the comparison of the rules: {}\n", first_sentence(why)),
        (None, true) => {
            format!("ok        the rules in {} are exactly those asked for\n", verification.backend)
        }
        (None, false) => format!("DIFFERS   missing (+) and unexpected (-):\n{}", verification.difference),
    };
    for rule in &verification.before_ours {
        text.push_str(&format!("note      a rule of others comes before ours: {rule}\n"));
    }
    text.extend(verification.probes.iter().flat_map(|report| &report.probes).map(line));
    text
}

fn first_sentence(text: &str) -> &str {
    text.split_once(". ").map_or(text, |(sentence, _)| sentence)
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
