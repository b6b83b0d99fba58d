//! Applies a program: rules of both families and routing, all or nothing.

use super::iptables::{self, RestoreError};
use std::thread;
use std::time::Duration;

use super::nftables::{
    self, BaseChains, Record, Ruleset, encode, encode_change, encode_nothing, encode_removal,
};
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
    with_routing(kernel, &target.routing(backend), |kernel| match &rendered {
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
    let wanted = target.routing(state.backend());
    with_routing(kernel, &wanted, |kernel| match (&state.rules, &rendered) {
        (Rules::Nftables(held), Rendered::Nftables { ruleset, bridge }) => {
            let renewed = renew_nat(kernel, held)?;
            let held = renewed.as_ref().unwrap_or(held);
            replace_nftables(kernel, held, ruleset, bridge.as_ref(), &target.record, all)
        }
        (Rules::Iptables(held), Rendered::Iptables(wanted)) => {
            Ok(iptables::replace(kernel, held, wanted, all)?)
        }
        _ => Ok(()),
    })?;
    faults::point("rules");
    // A route before the rule that leads to it: whoever is ended in between is known by the rule.
    for item in state.routing.iter().filter(|item| !wanted.contains(item)) {
        let removed = kernel.remove(item).or_else(|_| kernel.remove(item));
        removed.map_err(|error| ApplyError::Leftover(Box::new(error.into())))?;
    }
    Ok(())
}

/// Adds the routing, then does the rest; takes the routing back when that fails.
///
/// Routing goes first: routes that no rule uses yet harm nobody, rules without their routes lose packets.
fn with_routing(
    kernel: &mut dyn Kernel,
    routing: &[RoutingItem],
    rules: impl FnOnce(&mut dyn Kernel) -> Result<(), ApplyError>,
) -> Result<(), ApplyError> {
    let mut added = Vec::new();
    let result = add_routing(kernel, routing, &mut added).and_then(|()| {
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
        if let Err(undo) = kernel.remove(item).or_else(|_| kernel.remove(item)) {
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

/// Moves base chains of nat that an earlier version has made before those of other programs, and reads again. Chains of the
/// same rules stand in for them meanwhile: a packet between the places of an old and a new one would meet neither.
fn renew_nat(kernel: &mut dyn Kernel, held: &nftables::Held) -> Result<Option<nftables::Held>, ApplyError> {
    let Some(chains) = BaseChains::late_nat(held).filter(|chains| !chains.is_empty()) else {
        return Ok(None);
    };
    let stand_ins = chains.stand_ins();
    // A run that was killed may have left them.
    let added = if stand_ins.is_in(held) { Ok(()) } else { send(kernel, &stand_ins.encode_addition()?) };
    let done = added.and_then(|()| {
        faults::point("stand-ins");
        wait_for_packets(kernel);
        send(kernel, &chains.encode_renewal()?)
    });
    wait_for_packets(kernel);
    let gone = send(kernel, &stand_ins.encode_removal()?);
    done?;
    gone?;
    Ok(Some(nftables::read(kernel)?))
}

fn send(kernel: &mut dyn Kernel, batch: &Batch) -> Result<(), ApplyError> {
    kernel.commit(batch).map_err(|refused| match refused.source.raw_os_error() {
        // Another run has changed the chains.
        Some(nix::libc::ENOENT | nix::libc::EEXIST) => ApplyError::Overtaken,
        _ => refused.into(),
    })
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
    let there = held.ruleset(wanted);
    let is_there = there.as_ref() == Some(wanted) && held.is_recorded() && !all;
    let is_new = !wanted.tables.iter().any(|table| held.table(table.family).is_some());
    match bridge.filter(|bridge| held.needs(bridge) && there.as_ref() != Some(bridge)) {
        _ if is_there => {}
        _ if is_new => commit_new(kernel, wanted, record)?,
        None => commit(kernel, &encode_change(held, wanted, record)?, wanted)?,
        Some(bridge) => {
            commit(kernel, &encode_change(held, bridge, record)?, bridge)?;
            faults::point("bridge");
            wait_for_packets(kernel);
            let last = nftables::read(kernel)
                .map_err(ApplyError::from)
                .and_then(|bridged| commit(kernel, &encode_change(&bridged, wanted, record)?, wanted));
            let record = held.tables.iter().find_map(|table| table.record.as_ref());
            last.map_err(|error| put_back(kernel, there.as_ref(), record, error))?;
        }
    }
    let others = held.tables.iter().map(|table| table.family);
    let others: Vec<_> = others.filter(|family| wanted.table(*family).is_none()).collect();
    if others.is_empty() {
        return Ok(());
    }
    wait_for_packets(kernel);
    let removal = encode_removal(&others)?;
    match kernel.commit(&removal).or_else(|_| kernel.commit(&removal)) {
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
    if let Ok(batch) = encode_change(&now, before, record.unwrap_or(&unknown)) {
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
        _ if refused.is_lost && is_there(kernel, wanted)? => Ok(()),
        _ => Err(missing_feature(refused)),
    }
}

fn is_there(kernel: &mut dyn Kernel, wanted: &Ruleset) -> Result<bool, ApplyError> {
    let held = nftables::read(kernel)?;
    Ok(held.ruleset(wanted).as_ref() == Some(wanted))
}

fn is(refused: &Refused, code: i32) -> bool {
    refused.source.raw_os_error() == Some(code)
}

/// The kernel says ENOENT of an expression that it does not know, and EOPNOTSUPP of a chain type.
fn missing_feature(refused: Refused) -> ApplyError {
    let unknown = is(&refused, nix::libc::ENOENT) || is(&refused, nix::libc::EOPNOTSUPP);
    let rules: [(&str, &'static str, &'static str); 5] = [
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
            "uncaptured-",
            "reject for nf_tables (CONFIG_NFT_REJECT)",
            "load the modules nft_reject and nft_reject_ipv6 on the node, or use --uncaptured-family=allow",
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
