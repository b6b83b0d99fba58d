//! What has to be written, from what is in the folder. Nothing here touches a file.
//!
//! The primary configuration is the first valid file that is not ours. When an earlier one appears, that one gets our
//! entry; the entry in the later file stays until everything is uninstalled: the runtime does not read that file, and
//! each edit of a file of others is one more race with them.

use std::fmt;

use super::discovery::{Found, Kind, Network};
use super::document::{Flaw, List, text_of};
use super::join::{Joined, Scene};
use super::multus;
use super::options::{Chain, Mode, Options, sibling};
use super::warning::{Skipped, Warning};

/// A change of one file. `before` is what was in it when this was decided: whoever carries it out makes sure that
/// this is still so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The file has to say this.
    Write {
        /// Its name.
        name: String,
        /// What is in it, if it is there.
        before: Option<Vec<u8>>,
        /// What has to be in it.
        after: String,
    },
    /// The file, which is ours, has to go.
    Remove {
        /// Its name.
        name: String,
        /// What is in it.
        before: Vec<u8>,
    },
}

impl Step {
    /// The file's name.
    pub fn name(&self) -> &str {
        match self {
            Step::Write { name, .. } | Step::Remove { name, .. } => name,
        }
    }

    /// Does it bring our copy up to date with its original? Any other write puts something of ours back, or there for
    /// the first time.
    pub fn is_refresh(&self) -> bool {
        let Step::Write { before: Some(before), .. } = self else { return false };
        let list = text_of(before).and_then(List::parse);
        list.is_ok_and(|list| list.copy_of().is_some())
    }
}

/// Where the plan leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Goal {
    /// The runtime reads our entry in this file.
    InPlace(String),
    /// There is nothing yet that could be joined.
    Wait(Awaited),
}

/// What is waited for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Awaited {
    /// The folder.
    Folder,
    /// A valid file.
    AnyNetwork,
    /// A valid file of this name.
    Named(String),
    /// Multus, which has to write its file anew from that of the network that it calls.
    Multus {
        /// Multus's file.
        file: String,
        /// The file with our entry.
        network: String,
    },
}

impl fmt::Display for Awaited {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Awaited::Folder => formatter.write_str("the folder is not there yet"),
            Awaited::AnyNetwork => formatter.write_str("there is no valid .conf or .conflist in it yet"),
            Awaited::Named(name) => write!(formatter, "there is no valid {name} in it yet"),
            Awaited::Multus { file, network } => write!(
                formatter,
                "Multus has not taken our plugin from {network} over into {file} yet: its pod does so when it starts"
            ),
        }
    }
}

/// Has Multus had the time to write its file anew?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Multus {
    /// It may still do so.
    MayWrite,
    /// It does not do so by itself.
    HasNotWritten,
}

/// The changes, in the order in which they have to be made.
#[derive(Debug)]
pub struct Plan {
    /// The changes.
    pub steps: Vec<Step>,
    /// Where they lead.
    pub goal: Goal,
    /// What the operator should know.
    pub warnings: Vec<Warning>,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Our copy would not be read.
    #[error(
        "our copy {copy} of the network configuration is not read there: it has to sort {place}. Give it another name \
         with --owned-config-filename{}",
        instead.as_ref().map(|name| format!(", such as {name}")).unwrap_or_default()
    )]
    Unread {
        /// The copy's name.
        copy: String,
        /// Where it would be read.
        place: String,
        /// A name that would do.
        instead: Option<String>,
    },
    /// No name is known under which our copy would be read.
    #[error(
        "no name is known for our copy that sorts {place}: rename that file so that its name begins with 10 or more"
    )]
    NoName {
        /// Where it would be read.
        place: String,
    },
    /// Our list behind Multus has become the network that Multus calls.
    #[error(
        "{0} calls Multus itself: its pod took our list for the pods' network when it started. Start it with \
         --multus-master-cni-file-name=FILE, the network's own file, and delete {0}"
    )]
    Recursive(String),
    /// Our name is in use.
    #[error("{0} is there and was not written by this agent: give our file another name")]
    Taken(String),
    /// The file cannot be edited.
    #[error("{name} cannot be edited: {flaw}")]
    Edit {
        /// The file.
        name: String,
        /// Why not.
        #[source]
        flaw: Flaw,
    },
}

/// What has to change so that the runtime reads our entry.
///
/// # Errors
/// When the options do not fit what is in the folder.
pub fn plan(files: &[Found], options: &Options, multus: Multus) -> Result<Plan, Refusal> {
    let (chain, always_copy) = match &options.mode {
        Mode::Standalone { name } => return standalone(files, options, name),
        Mode::Chained(chain) => (chain, false),
        Mode::OwnedCopy(chain) => (chain, true),
    };
    let kind = options.entry.kind();
    let mut warnings = Vec::new();
    let Some((file, network)) = primary(files, chain, kind, &mut warnings) else {
        let copies = files.iter().filter(|file| file.is_ours(kind)).map(|file| file.name.clone());
        warnings.extend(copies.map(|copy| Warning::Orphan { copy }));
        let awaited = chain.primary.clone().map_or(Awaited::AnyNetwork, Awaited::Named);
        return Ok(Plan { steps: Vec::new(), goal: Goal::Wait(awaited), warnings });
    };
    warnings.extend(around(files, file, &network, kind));
    let scene = Scene { files, options, copy: chain.copy.as_deref(), always_copy, multus };
    let Joined { goal, mut steps, kept } = scene.join(file, &network, &mut warnings)?;
    // Those that are no longer needed go when all else is in place.
    let stale = files.iter().filter(|other| !kept.contains(&other.name) && other.is_copy());
    steps.extend(stale.filter_map(removal));
    Ok(Plan { steps, goal, warnings })
}

fn standalone(files: &[Found], options: &Options, name: &str) -> Result<Plan, Refusal> {
    let after = options.entry.alone();
    let steps = write_ours(files, options, name, after)?.into_iter().collect();
    Ok(Plan { steps, goal: Goal::InPlace(name.to_owned()), warnings: Vec::new() })
}

fn primary<'f>(
    files: &'f [Found],
    chain: &Chain,
    kind: &str,
    warnings: &mut Vec<Warning>,
) -> Option<(&'f Found, Network<'f>)> {
    let candidates: Vec<&Found> = match &chain.primary {
        None => files.iter().filter(|file| is_candidate(file)).collect(),
        Some(name) => {
            let named = |name: &str| files.iter().find(|file| file.name == name);
            [named(name), named(&sibling(name))].into_iter().flatten().collect()
        }
    };
    for file in candidates.into_iter().filter(|file| !file.is_ours(kind)) {
        match file.network() {
            Ok(network) => return Some((file, network)),
            Err(flaw) => warnings.push(Warning::Skipped(Skipped::new(&file.name, &flaw))),
        }
    }
    None
}

pub(super) fn is_candidate(file: &Found) -> bool {
    matches!(Kind::of(&file.name), Some(Kind::Single | Kind::List))
}

/// What is worth knowing about the primary file and those in front of it.
fn around(files: &[Found], primary: &Found, network: &Network<'_>, kind: &str) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for file in files.iter().filter(|file| file.name < primary.name && !file.is_ours(kind)) {
        if file.network().is_err() || multus::calls(file, primary, network, kind) {
            continue;
        }
        let (by, primary) = (file.name.clone(), primary.name.clone());
        warnings.push(match Kind::of(&file.name) {
            Some(Kind::Json) => Warning::Json { file: by, primary },
            _ => Warning::Preempted { by, primary },
        });
    }
    if matches!(network, Network::List(_)) && kind != ISTIO_KIND && network.kinds().contains(&ISTIO_KIND) {
        warnings.push(Warning::Istio { file: primary.name.clone() });
    }
    warnings
}

/// The type under which istio-cni chains itself.
const ISTIO_KIND: &str = "istio-cni";

pub(super) fn write(file: &Found, after: String) -> Option<Step> {
    let before = file.bytes.as_ref().ok()?;
    (*before != after.as_bytes()).then(|| Step::Write {
        name: file.name.clone(),
        before: Some(before.clone()),
        after,
    })
}

/// Writes a file that bears our name. What nobody can read there is taken for a damaged file of ours.
pub(super) fn write_ours(
    files: &[Found],
    options: &Options,
    name: &str,
    after: String,
) -> Result<Option<Step>, Refusal> {
    let Some(file) = files.iter().find(|file| file.name == name) else {
        return Ok(Some(Step::Write { name: name.to_owned(), before: None, after }));
    };
    if is_of_others(file, options.entry.kind()) {
        return Err(Refusal::Taken(name.to_owned()));
    }
    Ok(write(file, after))
}

pub(super) fn is_of_others(file: &Found, kind: &str) -> bool {
    file.bytes.is_err() || !file.is_plain || (file.network().is_ok() && !file.is_ours(kind))
}

pub(super) fn removal(file: &Found) -> Option<Step> {
    Some(Step::Remove { name: file.name.clone(), before: file.bytes.clone().ok()? })
}
