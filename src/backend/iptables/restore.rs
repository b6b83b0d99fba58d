//! Puts rules in through the restore programs, both families or neither.

use super::render::render;
use super::save::ours;
use super::script::{CHANGE, section, transactions, transition};
use super::state::FamilyState;
use crate::backend::listing::Listing;
use crate::backend::nftables::encode_pruning;
use crate::backend::standing::Standing;
use crate::config::BackendKind;
use crate::config::families::Family;
use crate::config::values::Mark;
use crate::kernel::{Error, Finished, Kernel, ListedChain};
use crate::netlink::family_number;
use crate::program::{Match, Program};

/// How many seconds the restore programs wait for the lock.
const LOCK_SECONDS: &str = "5";
/// The exit code of iptables when somebody else holds the lock (RESOURCE_PROBLEM).
const RESOURCE_PROBLEM: i32 = 4;

/// Rules that did not go in.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A program could not be run.
    #[error(transparent)]
    Kernel(#[from] Error),
    /// A restore program refused.
    #[error("{program} failed: {complaint}{line}")]
    Failed {
        /// The program.
        program: String,
        /// What it said.
        complaint: String,
        /// The rule that it stumbled over, if it said where.
        line: String,
    },
    /// The restore programs cannot read so long a line.
    #[error(
        "{groups} included groups are one rule, and iptables-restore reads no more than {MOST_OWNERS} in a line: \
         use --backend nftables"
    )]
    TooManyGroups {
        /// How many there are.
        groups: usize,
    },
    /// And then the other family could not be put back as it was.
    #[error("{failure}; then the rules of {family} could not be put back: {undo}")]
    NotUndone {
        /// What failed first.
        failure: Box<RestoreError>,
        /// The family that is not as it was.
        family: Family,
        /// What failed then.
        undo: Box<RestoreError>,
    },
}

/// `iptables-restore` splits a line into at most 255 words (MAX_ARGC), and each group takes five.
const MOST_OWNERS: usize = 49;

/// What one variant of iptables holds of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The variant.
    pub variant: BackendKind,
    /// Both families.
    pub families: [(Family, FamilyState); 2],
}

/// What iptables has to hold.
///
/// # Errors
/// When the restore programs cannot read it.
pub fn wanted(program: &Program) -> Result<[(Family, FamilyState); 2], RestoreError> {
    for (_, rule) in program.rules() {
        for condition in &rule.matches {
            if let Match::NotOwnerGid(gids) = condition
                && gids.len() > MOST_OWNERS
            {
                return Err(RestoreError::TooManyGroups { groups: gids.len() });
            }
        }
    }
    Ok([Family::Ipv4, Family::Ipv6].map(|family| (family, render(program, family))))
}

/// Reads what this variant holds of ours; rules in hooks' chains that `wanted` names count as ours.
///
/// # Errors
/// When the kernel or a save program does not answer.
pub fn read(
    kernel: &mut dyn Kernel,
    variant: BackendKind,
    wanted: &[(Family, FamilyState); 2],
) -> Result<Held, RestoreError> {
    let [(ipv4, first), (ipv6, second)] = wanted;
    let families = [
        (*ipv4, current(kernel, variant, *ipv4, first, &[])?),
        (*ipv6, current(kernel, variant, *ipv6, second, &[])?),
    ];
    Ok(Held { variant, families })
}

impl Held {
    /// The same, with what each rule has counted.
    ///
    /// # Errors
    /// When the kernel or a save program does not answer.
    pub fn with_counts(self, kernel: &mut dyn Kernel) -> Result<Held, RestoreError> {
        let [(ipv4, first), (ipv6, second)] = &self.families;
        let families = [
            (*ipv4, current(kernel, self.variant, *ipv4, first, &["--counters"])?),
            (*ipv6, current(kernel, self.variant, *ipv6, second, &["--counters"])?),
        ];
        Ok(Held { variant: self.variant, families })
    }

    /// How it stands to what is wanted.
    pub fn standing(&self, wanted: &[(Family, FamilyState); 2]) -> Standing {
        if self.families.iter().any(|(_, state)| state.changing) {
            return Standing::Interrupted;
        }
        let families = self.families.iter().zip(wanted);
        let all = families.flat_map(|((_, found), (_, wanted))| found.standings(wanted));
        all.map(|(_, standing)| standing).reduce(Standing::with).unwrap_or(Standing::Equal)
    }

    /// As places.
    pub fn listing(&self) -> Listing {
        listing(self.variant, &self.families)
    }

    /// Rules of others in the chains of hooks that packets meet before ours.
    pub fn foreign_before_ours(&self) -> Vec<String> {
        let tables = self
            .families
            .iter()
            .flat_map(|(family, state)| state.tables.iter().map(move |table| (family, table)));
        tables
            .flat_map(|(family, table)| {
                table.before_ours.iter().map(move |rule| format!("{family} {} {rule}", table.table))
            })
            .collect()
    }

    /// The marks that rules give to connections which TPROXY intercepts.
    pub fn tproxy_marks(&self) -> Vec<Mark> {
        let tables = self.families.iter().filter_map(|(_, state)| state.table("mangle"));
        let lines = tables.flat_map(|table| &table.chains).flat_map(|chain| &chain.lines);
        let marks = lines.filter_map(|line| {
            let (_, rest) = line.specification.split_once("--tproxy-mark ")?;
            rest.split('/').next()?.parse().ok()
        });
        marks.collect()
    }

    /// Is nothing of ours there?
    pub fn is_empty(&self) -> bool {
        self.families.iter().all(|(_, state)| state.is_empty())
    }
}

/// Both families as places.
pub fn listing(variant: BackendKind, families: &[(Family, FamilyState); 2]) -> Listing {
    families.iter().fold(Listing::default(), |all, (family, state)| all.and(state.listing(variant, *family)))
}

/// Turns what is there into what is wanted; with `all`, also tables that are equal already. When one family fails, both
/// are as they were.
///
/// # Errors
/// What a restore program said.
pub fn replace(
    kernel: &mut dyn Kernel,
    held: &Held,
    wanted: &[(Family, FamilyState); 2],
    all: bool,
) -> Result<(), RestoreError> {
    let programs = Programs { variant: held.variant };
    let chains = if held.variant == BackendKind::IptablesNft { kernel.chains()? } else { Vec::new() };
    let parts = held.families.iter().zip(wanted).map(|((family, before), (_, wanted))| {
        let (from, to) = if all { (before.clone(), wanted.clone()) } else { before.differing(wanted) };
        (*family, transition(&from, &to, false), before, wanted)
    });
    let mut parts: Vec<_> = parts.collect();
    let (begin, end) = change_marks(held, parts.iter().map(|(_, script, ..)| script.as_str()));
    if let Some((_, script, ..)) = parts.iter_mut().find(|(_, script, ..)| !script.is_empty()) {
        script.insert_str(0, &begin);
    }
    let mut done = Vec::new();
    for (family, script, before, wanted) in parts.iter().filter(|(_, script, ..)| !script.is_empty()) {
        let result = programs.restore(kernel, *family, script);
        // A table that fails leaves those before it committed: this family is undone as well.
        done.push((*family, *wanted, *before));
        if let Err(failure) = result {
            return Err(undo(kernel, held.variant, done, &chains, &end, failure));
        }
    }
    for (family, script) in end {
        programs.restore(kernel, family, &script)?;
    }
    for (family, _, before) in &done {
        prune(kernel, held.variant, *family, &before.table_names(), &[]);
    }
    Ok(())
}

/// What is written before and after a replacement that takes several transactions, so that whoever finds it half-way
/// knows. The mark is in the first family that changes.
fn change_marks<'a>(
    held: &Held,
    scripts: impl Iterator<Item = &'a str> + Clone,
) -> (String, Vec<(Family, String)>) {
    let marked: Vec<Family> =
        held.families.iter().filter(|(_, state)| state.changing).map(|(family, _)| *family).collect();
    let remove = |family| (family, section("nat", &format!("-X {CHANGE}\n")));
    if !marked.is_empty() {
        return (String::new(), marked.into_iter().map(remove).collect());
    }
    let replaces = held.families.iter().any(|(_, state)| !state.is_empty());
    let first = held.families.iter().zip(scripts.clone()).find(|(_, script)| !script.is_empty());
    match first {
        Some(((family, _), _)) if replaces && scripts.map(transactions).sum::<usize>() > 1 => {
            (section("nat", &format!("-N {CHANGE}\n")), vec![remove(*family)])
        }
        _ => (String::new(), Vec::new()),
    }
}

/// Removes what is ours. Goes on with the other family after an error.
///
/// iptables-nft leaves empty chains behind, which another transaction takes out: the mark of a change goes with that, so that
/// a run which is ended before it is known by the mark.
///
/// # Errors
/// What a restore program said, for each family.
pub fn remove(kernel: &mut dyn Kernel, held: &Held) -> Result<(), Vec<RestoreError>> {
    let programs = Programs { variant: held.variant };
    let mut failures = Vec::new();
    for (family, there) in held.families.iter().filter(|(_, there)| !there.is_empty()) {
        let rules = transition(there, &FamilyState::default(), false);
        let (begin, end) =
            (section("nat", &format!("-N {CHANGE}\n")), section("nat", &format!("-X {CHANGE}\n")));
        let script = match (held.variant, there.changing) {
            (BackendKind::IptablesNft, false) => begin + &rules,
            (BackendKind::IptablesNft, true) | (_, false) => rules,
            (_, true) => rules + &end,
        };
        let result = if script.is_empty() { Ok(()) } else { programs.restore(kernel, *family, &script) };
        let mut touched = there.table_names();
        touched.extend(if there.changing { &["raw", "mangle", "filter", "nat"][..] } else { &["nat"] });
        let result = result.and_then(|()| {
            if prune(kernel, held.variant, *family, &touched, &[]) || held.variant != BackendKind::IptablesNft
            {
                return Ok(());
            }
            programs.restore(kernel, *family, &end)
        });
        failures.extend(result.err());
    }
    if failures.is_empty() { Ok(()) } else { Err(failures) }
}

/// Takes out the empty chains that iptables-nft leaves behind, and tables that hold nothing else. iptables-legacy has
/// no way to do the same: its empty tables stay until the namespace goes.
///
/// What cannot be taken out harms nobody: it lets everything pass. False when it is there still.
fn prune(
    kernel: &mut dyn Kernel,
    variant: BackendKind,
    family: Family,
    tables: &[&str],
    kept: &[ListedChain],
) -> bool {
    if variant != BackendKind::IptablesNft || tables.is_empty() {
        return true;
    }
    let number = family_number(family);
    let chains = kernel.chains().unwrap_or_default();
    let in_reach = |chain: &&ListedChain| chain.family == number && tables.contains(&chain.table.as_str());
    let goes = |chain: &ListedChain| {
        (chain.is_idle || chain.name == CHANGE)
            && !kept.iter().any(|it| (it.family, &it.table, &it.name) == (number, &chain.table, &chain.name))
    };
    let idle: Vec<&ListedChain> = chains.iter().filter(in_reach).filter(|chain| goes(chain)).collect();
    let mut emptied: Vec<(u8, &str)> = Vec::new();
    for table in tables {
        let mut all = chains.iter().filter(in_reach).filter(|chain| chain.table == *table).peekable();
        if all.peek().is_some() && all.all(goes) && !emptied.contains(&(number, table)) {
            emptied.push((number, table));
        }
    }
    match (idle.is_empty(), encode_pruning(&idle, &emptied)) {
        (false, Ok(batch)) => kernel.commit(&batch).is_ok(),
        _ => true,
    }
}

/// Puts every family back as it was. Reads what is there now, since a failed run may have gone in by half.
fn undo(
    kernel: &mut dyn Kernel,
    variant: BackendKind,
    done: Vec<(Family, &FamilyState, &FamilyState)>,
    chains: &[ListedChain],
    end: &[(Family, String)],
    failure: RestoreError,
) -> RestoreError {
    let programs = Programs { variant };
    for (family, wanted, before) in done.into_iter().rev() {
        let back = current(kernel, variant, family, wanted, &[]).and_then(|now| {
            let (from, to) = now.differing(before);
            let mut script = transition(&from, &to, false);
            if now.changing && !before.changing {
                let marks = end.iter().filter(|(other, _)| *other == family);
                script.extend(marks.map(|(_, script)| script.as_str()));
            }
            if script.is_empty() { Ok(()) } else { programs.restore(kernel, family, &script) }
        });
        if let Err(undo) = back {
            return RestoreError::NotUndone { failure: Box::new(failure), family, undo: Box::new(undo) };
        }
        prune(kernel, variant, family, &wanted.table_names(), chains);
    }
    failure
}

/// What iptables holds of ours in a family. No program is run where the kernel has no tables of this variant: the
/// programs would create them.
///
/// # Errors
/// When the kernel or a save program does not answer.
pub fn current(
    kernel: &mut dyn Kernel,
    variant: BackendKind,
    family: Family,
    wanted: &FamilyState,
    options: &[&str],
) -> Result<FamilyState, RestoreError> {
    let has_tables = match variant {
        BackendKind::IptablesLegacy => !kernel.legacy_tables(family)?.is_empty(),
        _ => {
            let number = family_number(family);
            kernel.chains()?.iter().any(|chain| chain.family == number)
        }
    };
    if !has_tables {
        return Ok(FamilyState::default());
    }
    let programs = Programs { variant };
    let saved = programs.run(kernel, family, "save", options, "")?;
    Ok(ours(&saved.output, wanted))
}

/// The programs of one variant.
struct Programs {
    variant: BackendKind,
}

impl Programs {
    fn name(&self, family: Family, verb: &str) -> String {
        let prefix = match family {
            Family::Ipv4 => "iptables",
            Family::Ipv6 => "ip6tables",
        };
        let variant = if self.variant == BackendKind::IptablesLegacy { "legacy" } else { "nft" };
        format!("{prefix}-{variant}-{verb}")
    }

    /// The program without the variant in its name, where that is the wanted variant: old and small installations have
    /// only these. `iptables-restore --version` says `(nf_tables)`, or `(legacy)`, or before 1.8 nothing.
    fn plain_name(&self, kernel: &mut dyn Kernel, family: Family, verb: &str) -> Option<String> {
        let plain = self.name(family, verb).replace("-legacy", "").replace("-nft", "");
        let version = kernel.run(&plain, &["--version"], "").ok()?.output;
        let is_nft = version.contains("nf_tables");
        (is_nft == (self.variant == BackendKind::IptablesNft)).then_some(plain)
    }

    fn restore(&self, kernel: &mut dyn Kernel, family: Family, script: &str) -> Result<(), RestoreError> {
        self.run(kernel, family, "restore", &["--noflush", "--wait", LOCK_SECONDS], script).map(|_| ())
    }

    fn run(
        &self,
        kernel: &mut dyn Kernel,
        family: Family,
        verb: &str,
        arguments: &[&str],
        input: &str,
    ) -> Result<Finished, RestoreError> {
        let mut program = self.name(family, verb);
        let finished = match kernel.run(&program, arguments, input) {
            Err(Error::NoProgram(missing)) => {
                program = self.plain_name(kernel, family, verb).ok_or(Error::NoProgram(missing))?;
                kernel.run(&program, arguments, input)?
            }
            finished => finished?,
        };
        match finished.code {
            Some(0) => Ok(finished),
            Some(RESOURCE_PROBLEM) if finished.complaints.contains("lock") => Err(RestoreError::Failed {
                program,
                complaint: format!("another program held the iptables lock for {LOCK_SECONDS} seconds"),
                line: String::new(),
            }),
            _ => Err(RestoreError::Failed {
                program,
                line: named_line(&finished.complaints, input),
                complaint: finished.complaints,
            }),
        }
    }
}

/// The line of the script that a complaint names by its number.
fn named_line(complaints: &str, script: &str) -> String {
    let number = complaints.split("line").skip(1).find_map(|rest| {
        let rest = rest.trim_start_matches([' ', ':']);
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse::<usize>().ok()
    });
    let line = number.and_then(|number| script.lines().nth(number.checked_sub(1)?));
    line.map_or_else(String::new, |line| format!(" (that line is: {line})"))
}
