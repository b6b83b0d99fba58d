//! Changes what one variant of iptables holds: both families or neither.

use super::held::{Held, current};
use super::programs::{Programs, RestoreError};
use super::save::HOOKS;
use super::script::{CHANGE, section, steps, transactions, transition};
use super::state::FamilyState;
use crate::backend::apply::wait_for_packets;
use crate::backend::nftables::encode_pruning;
use crate::config::BackendKind;
use crate::config::families::Family;
use crate::kernel::{Kernel, ListedChain};
use crate::netlink::family_number;

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
    let idle: Vec<ListedChain> = chains.iter().filter(|chain| chain.is_idle).cloned().collect();
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
        // A table that fails leaves those before it committed: this family is undone as well.
        done.push((*family, *wanted, *before));
        for (number, step) in steps(script, before, wanted).into_iter().enumerate() {
            if number > 0 {
                wait_for_packets(kernel);
            }
            if let Err(failure) = programs.restore(kernel, *family, step) {
                return Err(undo(kernel, held.variant, done, &chains, &end, failure));
            }
        }
    }
    for (family, script) in end {
        programs.restore(kernel, family, &script)?;
    }
    for (family, _, before) in &done {
        prune(kernel, held.variant, *family, &before.table_names(), &idle);
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

/// Looks whether the programs are there that [`remove`] needs.
///
/// # Errors
/// When one of them is missing or cannot be run.
pub fn check_removal(kernel: &mut dyn Kernel, held: &Held) -> Result<(), RestoreError> {
    let programs = Programs { variant: held.variant };
    for (family, _) in held.families.iter().filter(|(_, there)| !there.is_empty()) {
        programs.run(kernel, *family, "restore", &["--version"], "")?;
    }
    Ok(())
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
    let mut idle = kernel.chains().unwrap_or_default();
    idle.retain(|chain| chain.is_idle);
    for (family, there) in held.families.iter().filter(|(_, there)| !there.is_empty()) {
        // A run that was ended half-way has left idle chains of ours: they cannot be told from others'.
        let kept = if there.changing { &[] } else { &idle[..] };
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
            if prune(kernel, held.variant, *family, &touched, kept)
                || held.variant != BackendKind::IptablesNft
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
        (chain.is_idle && HOOKS.contains(&chain.name.as_str()) || chain.name == CHANGE)
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
    let mut commit = |emptied: &[(u8, &str)]| match encode_pruning(&idle, emptied) {
        Ok(batch) => kernel.commit(&batch).is_ok(),
        Err(_) => false,
    };
    // A table that holds something else as well stays, without what is ours.
    idle.is_empty() || commit(&emptied) || commit(&[])
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
        let back = current(kernel, variant, family, wanted).and_then(|now| {
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
