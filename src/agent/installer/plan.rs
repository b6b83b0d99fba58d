//! What has to be written, from what is in the folder. Nothing here touches a file.
//!
//! The primary configuration is the first valid file that is not ours. When an earlier one appears, that one gets our
//! entry; the entry in the later file stays until everything is uninstalled: the runtime does not read that file, and
//! each edit of a file of others is one more race with them.

use super::discovery::{Found, Kind, Network};
use super::document::{Flaw, List, text_of};
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
        "our copy {copy} of the network configuration has to sort before {primary}, or the runtime does not read it: \
         give it another name with --owned-config-filename"
    )]
    SortsAfter {
        /// The copy's name.
        copy: String,
        /// The file that the runtime reads instead.
        primary: String,
    },
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
pub fn plan(files: &[Found], options: &Options) -> Result<Plan, Refusal> {
    match &options.mode {
        Mode::Standalone { name } => standalone(files, options, name),
        Mode::Chained(chain) => chained(files, options, chain, false),
        Mode::OwnedCopy(chain) => chained(files, options, chain, true),
    }
}

fn standalone(files: &[Found], options: &Options, name: &str) -> Result<Plan, Refusal> {
    let after = options.entry.alone();
    let steps = write_ours(files, options, name, after)?.into_iter().collect();
    Ok(Plan { steps, goal: Goal::InPlace(name.to_owned()), warnings: Vec::new() })
}

fn chained(files: &[Found], options: &Options, chain: &Chain, always_copy: bool) -> Result<Plan, Refusal> {
    let kind = options.entry.kind();
    let mut warnings = Vec::new();
    let primary = match &chain.primary {
        None => first_valid(files, kind, &mut warnings),
        Some(name) => named(files, name, kind, &mut warnings),
    };
    let Some((file, network)) = primary else {
        let copies = files.iter().filter(|file| file.is_ours(kind)).map(|file| file.name.clone());
        warnings.extend(copies.map(|copy| Warning::Orphan { copy }));
        let awaited = chain.primary.clone().map_or(Awaited::AnyNetwork, Awaited::Named);
        return Ok(Plan { steps: Vec::new(), goal: Goal::Wait(awaited), warnings });
    };
    warnings.extend(around(files, file, &network, kind));
    let edit = |flaw| Refusal::Edit { name: file.name.clone(), flaw };
    let (target, write) = match &network {
        Network::List(list) if !always_copy && file.is_plain && list.version().can_chain() => {
            (file.name.clone(), write(file, list.with(&options.entry).map_err(edit)?))
        }
        other => {
            let copy = copy_of(other, &file.name, options).map_err(edit)?;
            if chain.copy >= file.name {
                let (copy, primary) = (chain.copy.clone(), file.name.clone());
                return Err(Refusal::SortsAfter { copy, primary });
            }
            if !version_of(other) {
                warnings.push(Warning::OldVersion { file: file.name.clone(), copy: chain.copy.clone() });
            }
            (chain.copy.clone(), write_ours(files, options, &chain.copy, copy)?)
        }
    };
    let stale = files.iter().filter(|other| other.name != target && is_copy(other));
    let steps = write.into_iter().chain(stale.filter_map(removal)).collect();
    Ok(Plan { steps, goal: Goal::InPlace(target), warnings })
}

fn version_of(network: &Network<'_>) -> bool {
    match network {
        Network::Single(single) => single.version().can_chain(),
        Network::List(list) => list.version().can_chain(),
    }
}

fn copy_of(network: &Network<'_>, source: &str, options: &Options) -> Result<String, Flaw> {
    match network {
        Network::Single(single) => single.copied(source, &options.entry),
        Network::List(list) => list.copied(source, &options.entry),
    }
}

fn is_candidate(file: &Found) -> bool {
    matches!(Kind::of(&file.name), Some(Kind::Single | Kind::List))
}

fn is_copy(file: &Found) -> bool {
    matches!(file.network(), Ok(Network::List(list)) if list.copy_of().is_some())
}

fn first_valid<'f>(
    files: &'f [Found],
    kind: &str,
    warnings: &mut Vec<Warning>,
) -> Option<(&'f Found, Network<'f>)> {
    for file in files.iter().filter(|file| is_candidate(file) && !file.is_ours(kind)) {
        match file.network() {
            Ok(network) => return Some((file, network)),
            Err(flaw) => warnings.push(Warning::Skipped(Skipped::new(&file.name, &flaw))),
        }
    }
    None
}

fn named<'f>(
    files: &'f [Found],
    name: &str,
    kind: &str,
    warnings: &mut Vec<Warning>,
) -> Option<(&'f Found, Network<'f>)> {
    let other = sibling(name);
    for wanted in [name, &other] {
        let Some(file) = files.iter().find(|file| file.name == wanted && !file.is_ours(kind)) else {
            continue;
        };
        match file.network() {
            Ok(network) => return Some((file, network)),
            Err(flaw) => warnings.push(Warning::Skipped(Skipped::new(wanted, &flaw))),
        }
    }
    None
}

/// What is worth knowing about the primary file and those in front of it.
fn around(files: &[Found], primary: &Found, network: &Network<'_>, kind: &str) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for file in files.iter().filter(|file| file.name < primary.name && !file.is_ours(kind)) {
        if file.network().is_err() {
            continue;
        }
        let (by, primary) = (file.name.clone(), primary.name.clone());
        warnings.push(match Kind::of(&file.name) {
            Some(Kind::Json) => Warning::Json { file: by, primary },
            _ => Warning::Preempted { by, primary },
        });
    }
    if let Network::List(list) = network
        && kind != ISTIO_KIND
        && list.has(ISTIO_KIND)
    {
        warnings.push(Warning::Istio { file: primary.name.clone() });
    }
    warnings
}

/// The type under which istio-cni chains itself.
const ISTIO_KIND: &str = "istio-cni";

fn write(file: &Found, after: String) -> Option<Step> {
    let before = file.bytes.as_ref().ok()?;
    (*before != after.as_bytes()).then(|| Step::Write {
        name: file.name.clone(),
        before: Some(before.clone()),
        after,
    })
}

/// Writes a file that bears our name. What nobody can read there is taken for a damaged file of ours.
fn write_ours(
    files: &[Found],
    options: &Options,
    name: &str,
    after: String,
) -> Result<Option<Step>, Refusal> {
    let taken = || Refusal::Taken(name.to_owned());
    let Some(file) = files.iter().find(|file| file.name == name) else {
        return Ok(Some(Step::Write { name: name.to_owned(), before: None, after }));
    };
    if file.bytes.is_err()
        || !file.is_plain
        || (file.network().is_ok() && !file.is_ours(options.entry.kind()))
    {
        return Err(taken());
    }
    Ok(write(file, after))
}

fn removal(file: &Found) -> Option<Step> {
    Some(Step::Remove { name: file.name.clone(), before: file.bytes.clone().ok()? })
}

/// What has to change so that nothing of ours is left: our entry goes out of every list, our copies and our
/// standalone file go away, files of others stay.
///
/// # Errors
/// When a file cannot be edited.
pub fn removal_plan(files: &[Found], options: &Options) -> Result<Vec<Step>, Refusal> {
    let kind = options.entry.kind();
    let mut steps = Vec::new();
    // Lists first: while our copy is there, the runtime reads that one.
    for file in files.iter().filter(|file| Kind::of(&file.name) == Some(Kind::List) && file.is_plain) {
        let Ok(Network::List(list)) = file.network() else { continue };
        if list.copy_of().is_some() {
            continue;
        }
        let after = list.without(kind).map_err(|flaw| Refusal::Edit { name: file.name.clone(), flaw })?;
        steps.extend(after.and_then(|after| write(file, after)));
    }
    let standalone = match &options.mode {
        Mode::Standalone { name } => Some(name.as_str()),
        _ => None,
    };
    for file in files.iter().filter(|file| file.is_plain && is_candidate(file)) {
        if is_copy(file) || (standalone == Some(&file.name) && file.is_ours(kind)) {
            steps.extend(removal(file));
        }
    }
    Ok(steps)
}
