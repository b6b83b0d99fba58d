//! Removes what is ours: from every back end, or from those that the rules have moved away from.

use super::apply::{ApplyError, wait_for_packets};
use super::detect::{Choice, Installed, IstioTable};
use super::iptables::{self, RestoreError};
use super::nftables::{self, TABLE, encode_removal, encode_removal_of};
use super::state::{Rules, State, Target};
use crate::config::BackendKind;
use crate::kernel::{Error, Kernel, RoutingItem};
use crate::netlink::{Batch, TooLong};

/// Something that goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Our tables in nf_tables.
    Nftables(nftables::Held),
    /// A table of istio's own nftables mode.
    Istio(IstioTable),
    /// Our rules in iptables.
    Iptables(iptables::Held),
    /// A route, policy rule or address.
    Routing(RoutingItem),
}

/// Everything of ours that is there, in the order in which it has to go: rules before the routes that they need. And what
/// could not be looked at.
pub fn everything(
    kernel: &mut dyn Kernel,
    installed: &Installed,
    target: &Target,
) -> (Vec<Removal>, Vec<ApplyError>) {
    let mut failures: Vec<ApplyError> = installed.unread().map(ApplyError::Unread).into_iter().collect();
    let mut removals = Vec::new();
    let mut routing: Vec<RoutingItem> = Vec::new();
    let mut found = installed.backends().to_vec();
    // Where no rules are left, routing can be.
    if found.is_empty() {
        found.push(BackendKind::Nftables);
    }
    for backend in found {
        match State::read(kernel, backend, target) {
            Ok(state) => {
                removals.extend(of_rules(state.rules));
                for item in state.routing {
                    if !routing.contains(&item) {
                        routing.push(item);
                    }
                }
            }
            Err(RestoreError::Kernel(Error::NoNfTables(_))) => {}
            Err(failure) => failures.push(failure.into()),
        }
    }
    removals.extend(installed.istio_tables().iter().cloned().map(Removal::Istio));
    // A route before the rule that leads to it: whoever is ended in between is known by the rule.
    removals.extend(routing.into_iter().map(Removal::Routing));
    (removals, failures)
}

fn of_rules(rules: Rules) -> Option<Removal> {
    match rules {
        Rules::Nftables(held) => (!held.tables.is_empty()).then_some(Removal::Nftables(held)),
        Rules::Iptables(held) => (!held.is_empty()).then_some(Removal::Iptables(held)),
    }
}

/// Looks whether [`leave`] can do its work. Asked before anything is written: rules in two places would redirect everything
/// twice.
///
/// # Errors
/// What is in the way, such as a program that is missing.
pub fn check_leaving(kernel: &mut dyn Kernel, choice: &Choice, target: &Target) -> Result<(), ApplyError> {
    for backend in &choice.leaves {
        if let Rules::Iptables(held) = State::read(kernel, *backend, &target.without_rules())?.rules {
            iptables::check_removal(kernel, &held)?;
        }
    }
    Ok(())
}

/// Removes what the rules have moved away from, and the routing that nothing needs any more.
///
/// # Errors
/// What could not be removed; the new rules stay.
pub fn leave(kernel: &mut dyn Kernel, choice: &Choice, target: &Target) -> Result<Vec<String>, ApplyError> {
    let mut left = Vec::new();
    if !choice.leaves.is_empty() || !choice.istio_tables.is_empty() {
        wait_for_packets(kernel);
    }
    let leftover = |error| ApplyError::Leftover(Box::new(error));
    let needed = target.routing(choice.backend);
    let nothing = target.without_rules();
    for backend in &choice.leaves {
        let state = State::read(kernel, *backend, &nothing).map_err(|error| leftover(error.into()))?;
        let unneeded = state.routing.iter().filter(|item| !needed.contains(item));
        let routing: Vec<Removal> = unneeded.copied().map(Removal::Routing).collect();
        for removal in of_rules(state.rules).into_iter().chain(routing) {
            removal.carry_out(kernel).map_err(|mut failures| leftover(failures.remove(0)))?;
            left.extend(removal.words());
        }
    }
    for table in &choice.istio_tables {
        let removal = Removal::Istio(table.clone());
        removal.carry_out(kernel).map_err(|mut failures| leftover(failures.remove(0)))?;
        left.extend(removal.words());
    }
    Ok(left)
}

impl Removal {
    /// Is it something that rules need? It stays as long as they do.
    pub fn is_routing(&self) -> bool {
        matches!(self, Removal::Routing(_))
    }

    /// Whether a removal that failed may be tried again as it is. A restore program may have done a part of its script.
    pub fn is_repeatable(&self) -> bool {
        !matches!(self, Removal::Iptables(_))
    }

    /// Removes it. What has gone meanwhile is no error.
    ///
    /// # Errors
    /// What the kernel or a program refused.
    pub fn carry_out(&self, kernel: &mut dyn Kernel) -> Result<(), Vec<ApplyError>> {
        let commit = |kernel: &mut dyn Kernel, batch: Result<Batch, TooLong>| match kernel
            .commit(&batch.map_err(|error| vec![error.into()])?)
        {
            Err(refused) if refused.source.raw_os_error() == Some(nix::libc::ENOENT) => Ok(()),
            result => result.map_err(|refused| vec![refused.into()]),
        };
        match self {
            Removal::Nftables(held) => {
                let families: Vec<_> = held.tables.iter().map(|table| table.family).collect();
                commit(kernel, encode_removal(&families))
            }
            Removal::Istio(table) => commit(kernel, encode_removal_of(table.family, &table.name)),
            Removal::Iptables(held) => iptables::remove(kernel, held)
                .map_err(|failures| failures.into_iter().map(ApplyError::from).collect()),
            Removal::Routing(item) => kernel.remove(item).map(|_| ()).map_err(|failure| vec![failure.into()]),
        }
    }

    /// In words, one line each.
    pub fn words(&self) -> Vec<String> {
        match self {
            Removal::Nftables(held) => held
                .tables
                .iter()
                .map(|it| format!("the nftables table {} {TABLE}", it.family.name()))
                .collect(),
            Removal::Istio(table) => vec![format!("istio's nftables table {}", table.name)],
            Removal::Iptables(held) => {
                let families = held.families.iter().filter(|(_, state)| !state.is_empty());
                families
                    .map(|(family, state)| {
                        let tables = state.table_names().join(", ");
                        format!("the rules of {} for {family} ({tables})", held.variant.name())
                    })
                    .collect()
            }
            Removal::Routing(item) => vec![item.to_string()],
        }
    }
}
