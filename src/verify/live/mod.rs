//! Probes by real packets: what becomes of a connection, told by who answers it.
//!
//! `plan` says which calls prove a configuration and `meaning` how each has to end; both are pure, and know nothing of
//! rules. The calls are made over a cable to a namespace of this process ([`crate::kernel::cable`]), to addresses that
//! need no route of the pod; whoever answers does so with a token that only this process knows. Listeners of ours stand
//! in for the proxy. Where the proxy itself holds a port, a call passes if the proxy passes it on; else it is not made.

mod addresses;
mod listeners;
mod meaning;
mod plan;
mod run;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::config::Config;
use crate::config::families::Family;
use crate::kernel::cable::{Cable, Ends};
use crate::program::Pod;
use listeners::{Listeners, Place};
use meaning::Fate;
use plan::{Facts, Question};
use run::Asked;

/// How a probe ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "outcome")]
pub enum Outcome {
    /// What has to happen did.
    Passed,
    /// Something else happened, until time was over.
    Failed {
        /// What.
        why: String,
    },
    /// Nothing is known.
    NotMade {
        /// Why not.
        why: String,
    },
}

impl Outcome {
    /// In a word, for the log.
    fn word(&self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed { .. } => "failed",
            Outcome::NotMade { .. } => "not_made",
        }
    }
}

/// One thing that was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// What has to happen, in words.
    pub what: String,
    /// The family, if it is about one.
    pub family: Option<Family>,
    /// The flag or variable that asks for it, if one does.
    pub setting: Option<String>,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Everything that was tried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// In the order of the configuration: IPv4 first.
    pub probes: Vec<Probe>,
}

impl Report {
    /// How many passed or failed.
    pub fn made(&self) -> usize {
        self.probes.iter().filter(|it| !matches!(it.outcome, Outcome::NotMade { .. })).count()
    }

    /// How many failed.
    pub fn failures(&self) -> usize {
        self.probes.iter().filter(|it| matches!(it.outcome, Outcome::Failed { .. })).count()
    }
}

/// Tries what the rules do, in the network namespace of this thread, whose interfaces have the addresses `own`. A probe
/// that fails is made again until `timeout` is over: the rules may be on their way.
pub fn probe(config: &Config, pod: &Pod, own: &[IpAddr], timeout: Duration) -> Report {
    let deadline = Instant::now() + timeout;
    let (questions, ends) = plan::questions(&Facts { config, pod, own });
    let name = cable_name(config);
    // Half of the time at most: what needs no cable is tried in any case.
    let cable = Cable::lay(&name, &ends, Instant::now() + timeout / 2).map_err(|error| error.to_string());
    let mut asked = Vec::new();
    let mut places = Vec::new();
    for (place, question) in questions.iter().enumerate() {
        if let Ok((call, fate)) = question.call {
            let arrives = Place::of(config, &call, fate);
            asked.push(Asked { call, fate, place: arrives, held: None, outcome: None });
            places.push(place);
        }
    }
    let listeners = prepare(config, &mut asked, &ends, &cable);
    run::run(&mut asked, &listeners, cable.as_ref().ok(), deadline);
    distrust_silence(&mut asked);
    let mut outcomes: BTreeMap<usize, Outcome> =
        places.into_iter().zip(asked).filter_map(|(place, asked)| Some((place, asked.outcome?))).collect();
    let probes = questions.into_iter().enumerate().map(|(place, question)| {
        let Question { what, family, setting, call } = question;
        let outcome = match call {
            Err(why) => Outcome::NotMade { why },
            Ok(_) => outcomes
                .remove(&place)
                .unwrap_or_else(|| Outcome::NotMade { why: "there was no time for it".to_owned() }),
        };
        Probe { what, family, setting, outcome }
    });
    Report { probes: probes.collect() }
}

/// Leads addresses over the cable and opens the listeners; settles what cannot be asked.
fn prepare(config: &Config, asked: &mut [Asked], ends: &[Ends], cable: &Result<Cable, String>) -> Listeners {
    let mut listeners = Listeners::default();
    let mut led: BTreeMap<IpAddr, Result<(), String>> = BTreeMap::new();
    for asked in asked {
        let possible = if !run::needs_cable(asked, ends) {
            Ok(())
        } else {
            cable.as_ref().map_err(String::clone).and_then(|cable| {
                cable.carries(asked.call.family())?;
                if !asked.call.to_pod {
                    led.entry(asked.call.to.ip()).or_insert_with_key(|to| lead(cable, ends, *to)).clone()?;
                    asked.call.from = ends
                        .iter()
                        .find(|it| it.family() == asked.call.family())
                        .map(|it| it.near)
                        .or(asked.call.from);
                }
                Ok(())
            })
        };
        if let Err(why) = possible {
            asked.outcome = Some(Outcome::NotMade { why });
            continue;
        }
        let cable = cable.as_ref().ok();
        // Also where the call would arrive without the rules, to tell what happened instead.
        let without_rules = Place::of(config, &asked.call, Fate::Itself);
        for place in asked.place.into_iter().chain(without_rules) {
            listeners.open(config, cable, place);
        }
        // Where nobody listens, the other side refuses as well.
        let has_to_listen = if asked.fate == Fate::Rejected { without_rules } else { asked.place };
        if let Some(why) = has_to_listen.and_then(|place| listeners.missing(&place)) {
            // To the far end alone: elsewhere the proxy's own connection would leave the pod.
            let may_pass_on =
                asked.fate == Fate::Outbound && ends.iter().any(|it| it.far == asked.call.to.ip());
            if may_pass_on {
                asked.held = Some(why.to_owned());
            } else {
                asked.outcome = Some(Outcome::NotMade { why: why.to_owned() });
            }
        }
    }
    listeners
}

fn lead(cable: &Cable, ends: &[Ends], to: IpAddr) -> Result<(), String> {
    if ends.iter().any(|it| it.far == to) {
        return Ok(());
    }
    cable.lead(to).map_err(|error| format!("{to} cannot be led over the cable: {error}"))
}

/// That nothing arrived proves something only where something else of the family did.
fn distrust_silence(asked: &mut [Asked]) {
    let heard: Vec<Family> = asked
        .iter()
        .filter(|it| it.outcome == Some(Outcome::Passed) && it.fate == Fate::Itself && !it.call.to_pod)
        .map(|it| it.call.family())
        .collect();
    for asked in asked.iter_mut().filter(|it| it.fate == Fate::Dropped) {
        let family = asked.call.family();
        if asked.outcome == Some(Outcome::Passed) && !heard.contains(&family) {
            let why = format!("no {family} at all came through the cable, so that silence proves nothing");
            asked.outcome = Some(Outcome::NotMade { why });
        }
    }
}

/// A name that no setting means.
fn cable_name(config: &Config) -> String {
    let named = |name: &str| {
        config.excluded_interfaces.iter().chain(&config.virtual_interfaces).any(|it| it.matches(name))
    };
    let others = ('a'..='z').map(|letter| format!("{letter}-mi-probe"));
    ["mi-probe0".to_owned()]
        .into_iter()
        .chain(others)
        .find(|it| !named(it))
        .unwrap_or_else(|| "mi-probe0".to_owned())
}
