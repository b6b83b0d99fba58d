//! Applies a program: rules of both families and routing, all or nothing.

use super::detect::{Choice, Installed};
use super::iptables::{self, RestoreError};
use super::nftables::{TableFamily, encode, encode_removal, translate};
use crate::config::BackendKind;
use crate::kernel::{Error, Kernel, Refused, RoutingItem};
use crate::netlink::TooLong;
use crate::program::Program;

/// A program that did not go in.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
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
}

impl ApplyError {
    /// Does the machine lack something? Then another try cannot succeed.
    pub fn is_environment(&self) -> bool {
        matches!(
            self,
            ApplyError::Feature { .. }
                | ApplyError::Kernel(Error::NoNfTables(_) | Error::NoProgram(_))
                | ApplyError::Restore(RestoreError::TooManyGroups { .. })
                | ApplyError::Restore(RestoreError::Kernel(Error::NoProgram(_) | Error::NoNfTables(_)))
        )
    }
}

/// Puts the program into the kernel. When anything fails, the kernel is as it was.
///
/// Gives back the rules in hooks' chains that may be an earlier run's, or somebody else's; with `reconcile` those are
/// replaced as well.
///
/// Routing goes first: routes that no rule uses yet harm nobody, rules without their routes lose packets.
///
/// # Errors
/// What failed.
pub fn apply(
    kernel: &mut dyn Kernel,
    choice: &Choice,
    program: &Program,
    reconcile: bool,
) -> Result<Vec<String>, ApplyError> {
    let mut added = Vec::new();
    let result = add_routing(kernel, program, &mut added).and_then(|()| match choice.backend {
        BackendKind::Nftables => apply_nftables(kernel, program, &choice.our_tables).map(|()| Vec::new()),
        variant => iptables::apply(kernel, variant, program, reconcile).map_err(ApplyError::from),
    });
    let mut failure = match result {
        Ok(doubtful) => return Ok(doubtful),
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
    program: &Program,
    added: &mut Vec<RoutingItem>,
) -> Result<(), ApplyError> {
    for item in RoutingItem::all(&program.routing) {
        if kernel.add(&item)? {
            added.push(item);
        }
    }
    Ok(())
}

/// Creates our table, in place of those that are there.
fn apply_nftables(kernel: &mut dyn Kernel, program: &Program, old: &[TableFamily]) -> Result<(), ApplyError> {
    let ruleset = translate(program);
    let again = match kernel.commit(&encode(&ruleset, old)?) {
        // Another run was faster, or took the table away.
        Err(refused) if is(&refused, nix::libc::EEXIST) && refused.subject == "the table" => {
            [ruleset.family].to_vec()
        }
        Err(refused) if is(&refused, nix::libc::ENOENT) && refused.subject == "the old table" => Vec::new(),
        result => return result.map_err(missing_feature),
    };
    kernel.commit(&encode(&ruleset, &again)?).map_err(missing_feature)
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

/// What a cleanup removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// The things that were there, in words.
    pub what: Vec<String>,
}

/// Removes our rules from every back end, and the routing of `program`. Goes on after an error.
///
/// # Errors
/// Everything that failed.
pub fn remove(
    kernel: &mut dyn Kernel,
    installed: &Installed,
    program: &Program,
) -> Result<Removed, Vec<ApplyError>> {
    let mut removed = Removed::default();
    let mut failures = Vec::new();
    if installed.contains(BackendKind::Nftables) {
        match encode_removal(installed.our_tables())
            .map_err(ApplyError::from)
            .and_then(|batch| Ok(kernel.commit(&batch)?))
        {
            Ok(()) => removed.what.push("the nftables table".to_owned()),
            Err(failure) => failures.push(failure),
        }
    }
    for variant in [BackendKind::IptablesNft, BackendKind::IptablesLegacy] {
        if !installed.contains(variant) {
            continue;
        }
        match iptables::remove(kernel, variant, program) {
            Ok(true) => removed.what.push(format!("the rules of {}", variant.name())),
            Ok(false) | Err(RestoreError::Kernel(Error::NoNfTables(_))) => {}
            Err(failure) => failures.push(failure.into()),
        }
    }
    for item in RoutingItem::all(&program.routing).iter().rev() {
        match kernel.remove(item) {
            Ok(true) => removed.what.push(item.command("delete")),
            Ok(false) => {}
            Err(failure) => failures.push(failure.into()),
        }
    }
    if failures.is_empty() { Ok(removed) } else { Err(failures) }
}

#[cfg(test)]
mod tests;
