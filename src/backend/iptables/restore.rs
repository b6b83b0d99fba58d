//! Puts rules in through the restore programs, both families or neither.

use super::render::render;
use super::save::ours;
use super::script::transition;
use super::state::FamilyState;
use crate::backend::nftables::encode_pruning;
use crate::config::BackendKind;
use crate::config::families::Family;
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

/// Puts the program in, in place of what is there of ours. When one family fails, both are as they were. Rules that may
/// be an earlier run's or somebody else's are replaced with `reconcile`, and given back otherwise.
///
/// # Errors
/// What a restore program said.
pub fn apply(
    kernel: &mut dyn Kernel,
    variant: BackendKind,
    program: &Program,
    reconcile: bool,
) -> Result<Vec<String>, RestoreError> {
    for (_, rule) in program.rules() {
        for condition in &rule.matches {
            if let Match::NotOwnerGid(gids) = condition
                && gids.len() > MOST_OWNERS
            {
                return Err(RestoreError::TooManyGroups { groups: gids.len() });
            }
        }
    }
    let wanted = [Family::Ipv4, Family::Ipv6].map(|family| (family, render(program, family)));
    replace(kernel, variant, &wanted, reconcile)
}

/// Removes what is ours, and the rules in hooks' chains that `program` names. True when anything was there.
///
/// # Errors
/// What a restore program said.
pub fn remove(
    kernel: &mut dyn Kernel,
    variant: BackendKind,
    program: &Program,
) -> Result<bool, RestoreError> {
    let programs = Programs { variant };
    let mut removed = false;
    for family in [Family::Ipv4, Family::Ipv6] {
        let there = current(kernel, variant, family, &render(program, family))?;
        if !there.is_empty() {
            programs.restore(kernel, family, &transition(&there, &FamilyState::default(), false))?;
            prune(kernel, variant, family, &there.table_names(), &[]);
            removed = true;
        }
    }
    Ok(removed)
}

/// Takes out the empty chains that iptables-nft leaves behind, and tables that hold nothing else. iptables-legacy has
/// no way to do the same: its empty tables stay until the namespace goes.
///
/// What cannot be taken out harms nobody: it lets everything pass.
fn prune(
    kernel: &mut dyn Kernel,
    variant: BackendKind,
    family: Family,
    tables: &[&str],
    kept: &[ListedChain],
) {
    if variant != BackendKind::IptablesNft || tables.is_empty() {
        return;
    }
    let number = family_number(family);
    let chains = kernel.chains().unwrap_or_default();
    let in_reach = |chain: &&ListedChain| chain.family == number && tables.contains(&chain.table.as_str());
    let goes = |chain: &ListedChain| {
        chain.is_idle
            && !kept.iter().any(|it| (it.family, &it.table, &it.name) == (number, &chain.table, &chain.name))
    };
    let idle: Vec<&ListedChain> = chains.iter().filter(in_reach).filter(|chain| goes(chain)).collect();
    let emptied = |table: &str| {
        let mut all = chains.iter().filter(in_reach).filter(|chain| chain.table == table).peekable();
        all.peek().is_some() && all.all(goes)
    };
    let emptied: Vec<(u8, &str)> =
        tables.iter().copied().filter(|table| emptied(table)).map(|table| (number, table)).collect();
    if let (false, Ok(batch)) = (idle.is_empty(), encode_pruning(&idle, &emptied)) {
        let _ = kernel.commit(&batch);
    }
}

fn replace(
    kernel: &mut dyn Kernel,
    variant: BackendKind,
    wanted: &[(Family, FamilyState)],
    reconcile: bool,
) -> Result<Vec<String>, RestoreError> {
    let mut kept = Vec::new();
    let programs = Programs { variant };
    let mut done: Vec<(Family, &FamilyState, FamilyState)> = Vec::new();
    let chains = if variant == BackendKind::IptablesNft { kernel.chains()? } else { Vec::new() };
    for (family, wanted) in wanted {
        let mut before = current(kernel, variant, *family, wanted)?;
        if reconcile {
            before = before.with_doubtful();
        }
        let doubtful =
            before.tables.iter().flat_map(|table| table.doubtful.iter().map(|hook| (&table.table, hook)));
        kept.extend(
            doubtful.map(|(table, hook)| format!("{table} {} {}", hook.chain, hook.line.specification)),
        );
        let script = transition(&before, wanted, false);
        if script.is_empty() {
            continue;
        }
        let result = programs.restore(kernel, *family, &script);
        // A table that fails leaves those before it committed: this family is undone as well.
        done.push((*family, wanted, before));
        if let Err(failure) = result {
            return Err(undo(kernel, variant, done, &chains, reconcile, failure));
        }
    }
    for (family, _, before) in &done {
        prune(kernel, variant, *family, &before.table_names(), &[]);
    }
    Ok(kept)
}

/// Puts every family back as it was. Reads what is there now, since a failed run may have gone in by half.
fn undo(
    kernel: &mut dyn Kernel,
    variant: BackendKind,
    done: Vec<(Family, &FamilyState, FamilyState)>,
    chains: &[ListedChain],
    reconcile: bool,
    failure: RestoreError,
) -> RestoreError {
    let programs = Programs { variant };
    for (family, wanted, before) in done.into_iter().rev() {
        let back = current(kernel, variant, family, wanted).and_then(|now| {
            // What counted as ours before has to count as ours now, or it would be added a second time.
            let now = if reconcile { now.with_doubtful() } else { now };
            if now == before {
                return Ok(());
            }
            programs.restore(kernel, family, &transition(&now, &before, false))
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
    let saved = programs.run(kernel, family, "save", &[], "")?;
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
