//! What one variant of iptables holds of ours in both families, and what it should hold.

use super::programs::{Programs, RestoreError};
use super::render::{lines_of, render};
use super::save::{CHAINS, Claim, ours, unprinted, virtual_interfaces};
use super::state::FamilyState;
use crate::backend::listing::Listing;
use crate::backend::standing::Standing;
use crate::config::BackendKind;
use crate::config::families::Family;
use crate::config::values::Mark;
use crate::kernel::{Kernel, ListedChain};
use crate::netlink::family_number;
use crate::program::{Match, Program};

/// `iptables-restore` splits a line into at most 255 words (MAX_ARGC), and each group takes five.
const MOST_OWNERS: usize = 49;

/// A rule with two lists is a line for every pair of their items: more of them than this are no input for a program.
const MOST_LINES: usize = 1_000_000;

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
        let rules = Family::ALL.map(|family| lines_of(rule, family)).into_iter().max().unwrap_or(0);
        if rules > MOST_LINES {
            return Err(RestoreError::TooManyRules { rules, most: MOST_LINES });
        }
        for condition in &rule.matches {
            if let Match::NotOwnerGid(gids) = condition
                && gids.len() > MOST_OWNERS
            {
                return Err(RestoreError::TooManyGroups { groups: gids.len(), most: MOST_OWNERS });
            }
        }
    }
    Ok([Family::Ipv4, Family::Ipv6].map(|family| (family, render(program, family))))
}

/// Reads what this variant holds of ours: rules in hooks' chains that `wanted` names, and with `by_form` those that an
/// earlier run would have written.
///
/// # Errors
/// When the kernel or a save program does not answer, or cannot print a table.
pub fn read(
    kernel: &mut dyn Kernel,
    variant: BackendKind,
    wanted: &[(Family, FamilyState); 2],
    by_form: bool,
) -> Result<Held, RestoreError> {
    read_with(kernel, variant, wanted, by_form, &[])
}

fn read_with(
    kernel: &mut dyn Kernel,
    variant: BackendKind,
    wanted: &[(Family, FamilyState); 2],
    by_form: bool,
    options: &[&str],
) -> Result<Held, RestoreError> {
    let [(ipv4, first), (ipv6, second)] = wanted;
    let texts =
        [saved(kernel, variant, *ipv4, first, options)?, saved(kernel, variant, *ipv6, second, options)?];
    // A family without ranges has no rule that tells whose its rules about virtual interfaces are.
    let virtual_interfaces = texts.iter().flat_map(|text| virtual_interfaces(text)).collect();
    let claim = Claim { by_form, virtual_interfaces };
    let families = [(*ipv4, ours(&texts[0], first, &claim)), (*ipv6, ours(&texts[1], second, &claim))];
    Ok(Held { variant, families })
}

impl Held {
    /// The same, with what each rule has counted.
    ///
    /// # Errors
    /// When the kernel or a save program does not answer.
    pub fn with_counts(self, kernel: &mut dyn Kernel) -> Result<Held, RestoreError> {
        read_with(kernel, self.variant, &self.families, false, &["--counters"])
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

/// What iptables holds of ours in a family.
///
/// # Errors
/// When the kernel or a save program does not answer, or cannot print a table.
pub fn current(
    kernel: &mut dyn Kernel,
    variant: BackendKind,
    family: Family,
    wanted: &FamilyState,
) -> Result<FamilyState, RestoreError> {
    let text = saved(kernel, variant, family, wanted, &[])?;
    let claim = Claim { by_form: true, virtual_interfaces: virtual_interfaces(&text) };
    Ok(ours(&text, wanted, &claim))
}

/// The output of the save program. No program is run where the kernel has no tables of this variant: the programs would
/// create them.
fn saved(
    kernel: &mut dyn Kernel,
    variant: BackendKind,
    family: Family,
    wanted: &FamilyState,
    options: &[&str],
) -> Result<String, RestoreError> {
    let chains = match variant {
        BackendKind::IptablesLegacy if kernel.legacy_tables(family)?.is_empty() => return Ok(String::new()),
        BackendKind::IptablesLegacy => Vec::new(),
        _ => {
            let mut chains = kernel.chains()?;
            chains.retain(|chain| chain.family == family_number(family));
            if chains.is_empty() {
                return Ok(String::new());
            }
            chains
        }
    };
    let text = Programs { variant }.run(kernel, family, "save", options, "")?.output;
    let holds_ours = |table: &str| {
        let is_ours = |chain: &ListedChain| chain.table == table && CHAINS.contains(&chain.name.as_str());
        chains.iter().any(is_ours) || wanted.table(table).is_some_and(|table| !table.is_empty())
    };
    let table = unprinted(&text).find(|table| holds_ours(table)).map(str::to_owned);
    table.map_or(Ok(text), |table| Err(RestoreError::Unprinted { family, table }))
}
