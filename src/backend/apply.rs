//! Applies a program: rules of both families and routing, all or nothing.

use super::iptables::{self, RestoreError};
use std::thread;
use std::time::Duration;

use super::nftables::{self, Record, Ruleset, encode, encode_change, encode_nothing, encode_removal};
use super::state::{Rendered, Rules, State, Target};
use crate::config::BackendKind;
use crate::faults;
use crate::kernel::{Error, Kernel, Refused, RoutingItem};
use crate::netlink::{Batch, TooLong};

/// A program that did not go in.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// Another run was faster: what was read before is not what is there.
    #[error("the rules changed meanwhile, again and again")]
    Overtaken,
    /// The kernel did not do what was asked.
    #[error(transparent)]
    Kernel(#[from] Error),
    /// The kernel refused the transaction.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The kernel does not know something that the rules need.
    #[error("this kernel has no {feature}, which {subject} needs: {remedy}")]
    Feature {
        /// What is missing.
        feature: &'static str,
        /// What needs it.
        subject: String,
        /// What to do.
        remedy: &'static str,
    },
    /// A rule cannot be written down.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// A restore program refused.
    #[error(transparent)]
    Restore(#[from] RestoreError),
    /// Something that was added could not be removed again.
    #[error("{failure}; then `{command}` failed too: {undo}")]
    NotUndone {
        /// What failed first.
        failure: Box<ApplyError>,
        /// What should have been undone, as an `ip` command.
        command: String,
        /// Why it was not.
        undo: Error,
    },
    /// Rules may be there that could not be looked at.
    #[error(
        "iptables-legacy has tables here that cannot be read ({0}): rules of ours may be in them, and stay"
    )]
    Unread(String),
    /// The rules are in, and something old is still there.
    #[error("the rules are in place, but what they replace could not be removed: {0}")]
    Leftover(#[source] Box<ApplyError>),
}

impl ApplyError {
    /// Does the machine lack something? Then another try cannot succeed.
    pub fn is_environment(&self) -> bool {
        matches!(
            self,
            ApplyError::Feature { .. }
                | ApplyError::Kernel(Error::NoNfTables(_) | Error::NoProgram(_))
                | ApplyError::Restore(
                    RestoreError::NoTable { .. }
                        | RestoreError::TooManyGroups { .. }
                        | RestoreError::TooManyRules { .. }
                )
                | ApplyError::Restore(RestoreError::Kernel(Error::NoProgram(_) | Error::NoNfTables(_)))
        )
    }
}

/// Puts the target where nothing of ours is. When anything fails, the kernel is as it was.
///
/// # Errors
/// What failed; [`ApplyError::Overtaken`] when something of ours is there after all.
pub fn create(kernel: &mut dyn Kernel, backend: BackendKind, target: &Target) -> Result<(), ApplyError> {
    let rendered = target.render(backend)?;
    with_routing(kernel, target, |kernel| match &rendered {
        Rendered::Nftables { ruleset, .. } => commit_new(kernel, ruleset, &target.record),
        Rendered::Iptables(wanted) => {
            let held = iptables::read(kernel, backend, wanted, target.claims_by_form)?;
            Ok(iptables::replace(kernel, &held, wanted, false)?)
        }
    })
}

/// Turns what is there into the target; with `all`, also what is equal already. When anything fails, the kernel is as it
/// was.
///
/// # Errors
/// What failed; [`ApplyError::Overtaken`] when what is there is not what was read.
pub fn replace(kernel: &mut dyn Kernel, state: &State, target: &Target, all: bool) -> Result<(), ApplyError> {
    let rendered = target.render(state.backend())?;
    with_routing(kernel, target, |kernel| match (&state.rules, &rendered) {
        (Rules::Nftables(held), Rendered::Nftables { ruleset, bridge }) => {
            replace_nftables(kernel, held, ruleset, bridge.as_ref(), &target.record, all)
        }
        (Rules::Iptables(held), Rendered::Iptables(wanted)) => {
            Ok(iptables::replace(kernel, held, wanted, all)?)
        }
        _ => Ok(()),
    })?;
    faults::point("rules");
    let wanted = target.routing();
    // A route before the rule that leads to it: whoever is ended in between is known by the rule.
    for item in state.routing.iter().filter(|item| !wanted.contains(item)) {
        kernel.remove(item).map_err(|error| ApplyError::Leftover(Box::new(error.into())))?;
    }
    Ok(())
}

/// Adds the routing, then does the rest; takes the routing back when that fails.
///
/// Routing goes first: routes that no rule uses yet harm nobody, rules without their routes lose packets.
fn with_routing(
    kernel: &mut dyn Kernel,
    target: &Target,
    rules: impl FnOnce(&mut dyn Kernel) -> Result<(), ApplyError>,
) -> Result<(), ApplyError> {
    let mut added = Vec::new();
    let result = add_routing(kernel, &target.routing(), &mut added).and_then(|()| {
        faults::point("routing");
        rules(kernel)
    });
    let mut failure = match result {
        Ok(()) => return Ok(()),
        // The rules are there, and need it.
        Err(failure @ ApplyError::Leftover(_)) => return Err(failure),
        Err(failure) => failure,
    };
    for item in added.iter().rev() {
        if let Err(undo) = kernel.remove(item) {
            let command = item.command("delete");
            failure = ApplyError::NotUndone { failure: Box::new(failure), command, undo };
        }
    }
    Err(failure)
}

fn add_routing(
    kernel: &mut dyn Kernel,
    items: &[RoutingItem],
    added: &mut Vec<RoutingItem>,
) -> Result<(), ApplyError> {
    for item in items {
        if kernel.add(item)? {
            added.push(*item);
        }
    }
    Ok(())
}

fn commit_new(kernel: &mut dyn Kernel, ruleset: &Ruleset, record: &Record) -> Result<(), ApplyError> {
    commit(kernel, &encode(ruleset, record)?, ruleset)
}

/// New in first, old out after: at every instant one of them is complete.
fn replace_nftables(
    kernel: &mut dyn Kernel,
    held: &nftables::Held,
    wanted: &Ruleset,
    bridge: Option<&Ruleset>,
    record: &Record,
    all: bool,
) -> Result<(), ApplyError> {
    let own = held.tables.iter().find(|table| table.family == wanted.family);
    let there = own.and_then(nftables::HeldTable::ruleset);
    let is_recorded = own.is_some_and(|table| table.is_recorded);
    let is_there = there.as_ref() == Some(wanted) && is_recorded && !all;
    match own {
        _ if is_there => {}
        None => commit_new(kernel, wanted, record)?,
        Some(own) => match bridge.filter(|bridge| own.needs(bridge) && there.as_ref() != Some(bridge)) {
            None => commit(kernel, &encode_change(own, held.generation, wanted, record)?, wanted)?,
            Some(bridge) => {
                commit(kernel, &encode_change(own, held.generation, bridge, record)?, bridge)?;
                faults::point("bridge");
                wait_for_packets(kernel);
                let second = nftables::read(kernel)?;
                let bridged = second.tables.iter().find(|table| table.family == wanted.family);
                let bridged = bridged.ok_or(ApplyError::Overtaken)?;
                let last = encode_change(bridged, second.generation, wanted, record)?;
                let last = commit(kernel, &last, wanted);
                last.map_err(|error| put_back(kernel, there.as_ref(), own.record.as_ref(), error))?;
            }
        },
    }
    let others: Vec<_> =
        held.tables.iter().map(|table| table.family).filter(|family| *family != wanted.family).collect();
    if others.is_empty() {
        return Ok(());
    }
    wait_for_packets(kernel);
    let gone = kernel.commit(&encode_removal(&others)?);
    match gone {
        Err(refused) if !is(&refused, nix::libc::ENOENT) => {
            Err(ApplyError::Leftover(Box::new(refused.into())))
        }
        _ => Ok(()),
    }
}

/// Waits until no packet is on its way that has met the rules before the last transaction: one that has passed the new rules
/// before they were in force must still meet the old ones.
pub(super) fn wait_for_packets(kernel: &mut dyn Kernel) {
    /// Longer than a packet is in the rules, where there is no nf_tables to ask.
    const LONG: Duration = Duration::from_millis(50);
    match encode_nothing().map(|batch| kernel.commit(&batch)) {
        Ok(Ok(())) => kernel.settle(),
        _ => thread::sleep(LONG),
    }
}

/// The second of two transactions failed: the rules become what they were before the first.
fn put_back(
    kernel: &mut dyn Kernel,
    before: Option<&Ruleset>,
    record: Option<&Record>,
    failure: ApplyError,
) -> ApplyError {
    let (Some(before), Ok(now)) = (before, nftables::read(kernel)) else { return failure };
    let unknown = Record::now(String::new(), &[]);
    let table = now.tables.iter().find(|table| table.family == before.family);
    let batch = table.map(|table| encode_change(table, now.generation, before, record.unwrap_or(&unknown)));
    if let Some(Ok(batch)) = batch {
        let _ = kernel.commit(&batch);
    }
    failure
}

/// Sends the transaction that leads to a ruleset.
fn commit(kernel: &mut dyn Kernel, batch: &Batch, wanted: &Ruleset) -> Result<(), ApplyError> {
    let Err(refused) = kernel.commit(batch) else { return Ok(()) };
    match refused.source.raw_os_error() {
        Some(nix::libc::ERESTART) => Err(ApplyError::Overtaken),
        Some(nix::libc::EEXIST) if refused.subject == "the table" => Err(ApplyError::Overtaken),
        // The kernel's answer is lost: whether it took the transaction shows in what is there.
        Some(nix::libc::ENOBUFS) if is_there(kernel, wanted)? => Ok(()),
        _ => Err(missing_feature(refused)),
    }
}

fn is_there(kernel: &mut dyn Kernel, wanted: &Ruleset) -> Result<bool, ApplyError> {
    let held = nftables::read(kernel)?;
    Ok(held.tables.iter().any(|table| table.ruleset().as_ref() == Some(wanted)))
}

fn is(refused: &Refused, code: i32) -> bool {
    refused.source.raw_os_error() == Some(code)
}

/// The kernel says ENOENT of an expression that it does not know, and EOPNOTSUPP of a chain type.
fn missing_feature(refused: Refused) -> ApplyError {
    let unknown = is(&refused, nix::libc::ENOENT) || is(&refused, nix::libc::EOPNOTSUPP);
    let rules: [(&str, &'static str, &'static str); 4] = [
        (
            "tproxy-",
            "TPROXY for nf_tables (CONFIG_NFT_TPROXY)",
            "use -m REDIRECT, or load the module nft_tproxy on the node",
        ),
        (
            "zone-",
            "conntrack zones for nf_tables (CONFIG_NFT_CT)",
            "load the module nft_ct on the node, or turn DNS capture off",
        ),
        (
            "redirect-",
            "redirect for nf_tables (CONFIG_NFT_REDIR)",
            "load the module nft_redir on the node, or use an iptables back end",
        ),
        (
            "dns-",
            "redirect for nf_tables (CONFIG_NFT_REDIR)",
            "load the module nft_redir on the node, or use an iptables back end",
        ),
    ];
    let rule = refused.subject.strip_prefix("the rule \"");
    if let (true, Some(rule)) = (unknown, rule)
        && let Some((_, feature, remedy)) = rules.iter().find(|(prefix, ..)| rule.starts_with(prefix))
    {
        return ApplyError::Feature { feature, subject: refused.subject, remedy };
    }
    if unknown && refused.subject.starts_with("the chain ") {
        let feature = "such chains in nf_tables (Linux 5.2 is the first to have nat in inet tables)";
        let remedy = "use an iptables back end";
        return ApplyError::Feature { feature, subject: refused.subject, remedy };
    }
    refused.into()
}

#[cfg(test)]
mod tests;
