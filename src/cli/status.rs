//! `status`: what is installed, by whom, and what each rule has counted.

mod text;

use std::collections::BTreeMap;
use std::thread;
use std::time::Instant;

use serde::Serialize;

use super::run::{enter_namespace, finish, prepare};
use super::show;
use crate::backend::listing::Count;
use crate::backend::nftables::Record;
use crate::backend::traffic::{Counted, Fate, counted};
use crate::backend::{ApplyError, Rules, State, iptables};
use crate::config::Format;
use crate::config::problem::Problems;
use crate::config::typed::Settings;
use crate::exit::Exit;
use crate::interception::{Failure, Found, Interception, is_as_installed};
use crate::kernel::System;
use crate::verify::compare::{Difference, compare};

/// Runs the command.
pub(super) fn run(settings: Settings, problems: Problems) -> Exit {
    match prepare(settings, problems) {
        Ok(mut run) => finish(print(&mut run)),
        Err(exit) => exit,
    }
}

/// Is what is there what should be there?
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Drift {
    /// It is.
    None,
    /// It is not.
    Differs,
    /// It was changed since it was installed; the configuration is not known whole.
    Changed,
    /// Nobody says what should be there.
    Unknown,
}

/// One back end with its rules.
#[derive(Clone, Debug, Serialize)]
struct Status {
    backend: &'static str,
    installation: Option<Record>,
    drift: Drift,
    /// What is missing, and what is too much.
    difference: Difference,
    /// By what becomes of the packets.
    totals: BTreeMap<Fate, Count>,
    rules: Vec<Counted>,
}

/// Everything that is installed.
#[derive(Clone, Debug, Serialize)]
struct Report {
    back_ends: Vec<Status>,
    istio_nftables_tables: Vec<String>,
}

fn print(run: &mut Interception) -> Result<(), Failure> {
    enter_namespace(run)?;
    let mut last: Option<(Instant, Report)> = None;
    loop {
        let now = Instant::now();
        let report = look(run)?;
        let since = last.as_ref().map(|(then, report)| (now - *then, report));
        let has_reader = match run.options.format {
            Format::Json => show(&format!("{}\n", serde_json::json!(report)))?,
            _ => show(&text::render(&report, since, run.options.watch.is_some()))?,
        };
        let Some(period) = run.options.watch.filter(|_| has_reader) else { return Ok(()) };
        thread::sleep(period);
        last = Some((now, report));
    }
}

fn look(run: &mut Interception) -> Result<Report, Failure> {
    let kernel = &mut System::default();
    let found = run.find(kernel)?;
    let mut back_ends = Vec::new();
    for state in &found.states {
        let (drift, difference) = drift(state, &found)?;
        let rules = rules(state, &found, kernel)?;
        let mut totals: BTreeMap<Fate, Count> = BTreeMap::new();
        for rule in &rules {
            let total = totals.entry(rule.fate).or_default();
            total.packets += rule.count.packets;
            total.bytes += rule.count.bytes;
        }
        let (backend, installation) = (state.backend().name(), state.record().cloned());
        back_ends.push(Status { backend, installation, drift, difference, totals, rules });
    }
    Ok(Report { back_ends, istio_nftables_tables: found.istio_tables })
}

fn drift(state: &State, found: &Found) -> Result<(Drift, Difference), Failure> {
    let Some(target) = &found.expected else {
        let drift = match is_as_installed(state) {
            Some(true) => Drift::None,
            Some(false) => Drift::Changed,
            None => Drift::Unknown,
        };
        return Ok((drift, Difference::default()));
    };
    let wanted = target.listing(state.backend()).map_err(ApplyError::from)?;
    let difference = compare(&state.listing(), &wanted).without_untouched();
    Ok((if difference.is_none() { Drift::None } else { Drift::Differs }, difference))
}

fn rules(state: &State, found: &Found, kernel: &mut System) -> Result<Vec<Counted>, Failure> {
    let wanted =
        found.expected.as_ref().and_then(|target| iptables::wanted(target.program(state.backend())).ok());
    let rules = match &state.rules {
        Rules::Iptables(held) => {
            let held = held.clone().with_counts(kernel).map_err(ApplyError::from)?;
            counted(&Rules::Iptables(held), wanted.as_ref())
        }
        rules => counted(rules, None),
    };
    Ok(rules)
}
