//! What nf_tables has of ours, and how it stands to what is wanted.

use super::record::Record;
use super::rule::{Action, Rule};
use super::ruleset::{Base, Chain, Ruleset, Set, TableFamily, WantedTable};
use crate::backend::listing::Count;
use crate::backend::standing::Standing;
use crate::config::values::Mark;
use crate::program::Table;

/// A rule as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldRule {
    /// What it says, or why that is not known.
    pub rule: Result<Rule, String>,
    /// What it has counted, if it counts.
    pub count: Option<Count>,
}

/// A chain as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldChain {
    /// Its name.
    pub name: String,
    /// Where the kernel starts with it, or why that is not known.
    pub base: Result<Option<Base>, String>,
    /// Whether it is a base chain of nat at the priority of other programs, as earlier versions made it.
    pub is_late_nat: bool,
    /// Its rules, in order.
    pub rules: Vec<HeldRule>,
}

/// A set as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldSet {
    /// Its name.
    pub name: String,
    /// What it holds, or why that is not known.
    pub set: Result<Set, String>,
    /// Does it live and die with the rule that uses it?
    pub anonymous: bool,
}

/// A table of ours as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldTable {
    /// Which packets it sees.
    pub family: TableFamily,
    /// Is there a chain for the record? Kernels before 5.10 keep it empty.
    pub is_recorded: bool,
    /// Who put it there.
    pub record: Option<Record>,
    /// Its sets.
    pub sets: Vec<HeldSet>,
    /// Its chains, without that of the record.
    pub chains: Vec<HeldChain>,
    /// What else is in it, or is the matter with it.
    pub oddities: Vec<String>,
}

/// What nf_tables has of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The generation of rules that was read.
    pub generation: u32,
    /// Our tables: at most one a family.
    pub tables: Vec<HeldTable>,
}

impl Held {
    /// The table of this family.
    pub fn table(&self, family: TableFamily) -> Option<&HeldTable> {
        self.tables.iter().find(|table| table.family == family)
    }

    /// What the tables of the families of a ruleset hold, if nothing in them is unknown.
    pub fn ruleset(&self, wanted: &Ruleset) -> Option<Ruleset> {
        let held = |table: &WantedTable| self.table(table.family).and_then(HeldTable::wanted);
        Some(Ruleset { tables: wanted.tables.iter().map(held).collect::<Option<_>>()? })
    }

    /// What all tables hold, if nothing in them is unknown.
    pub fn whole(&self) -> Option<Ruleset> {
        Some(Ruleset { tables: self.tables.iter().map(HeldTable::wanted).collect::<Option<_>>()? })
    }

    /// Whether the installation is recorded.
    pub fn is_recorded(&self) -> bool {
        self.tables.iter().any(|table| table.is_recorded)
    }
}

impl HeldTable {
    /// The same as a table that is wanted, if nothing in it is unknown.
    fn wanted(&self) -> Option<WantedTable> {
        let chain = |held: &HeldChain| {
            let rules = held.rules.iter().map(|held| held.rule.clone().ok()).collect::<Option<_>>()?;
            Some(Chain { name: held.name.clone(), base: held.base.clone().ok()?, rules })
        };
        let table = WantedTable {
            family: self.family,
            sets: self.sets.iter().map(|held| held.set.clone().ok()).collect::<Option<_>>()?,
            chains: self.chains.iter().map(chain).collect::<Option<_>>()?,
        };
        self.oddities.is_empty().then(|| table.sorted())
    }
}

impl Held {
    /// Does the change to this ruleset need it? It captures inbound connections in two hooks, and the rules that are there do
    /// so in the later one alone: exchanged at one instant, a packet between the two hooks would meet neither.
    pub fn needs(&self, bridge: &Ruleset) -> bool {
        let earlier = |chain: &&Chain| matches!(chain.base, Some(Base { table: Table::Mangle, .. }));
        bridge.tables.iter().any(|table| {
            self.table(table.family).is_some_and(|there| {
                let is_there = |chain: &Chain| there.chains.iter().any(|it| chain.is_place_of(it));
                table.chains.iter().filter(earlier).any(|chain| !is_there(chain))
            })
        })
    }

    /// How it stands to a ruleset. `bridge` is there for a moment before it.
    pub fn standing(&self, wanted: &Ruleset, bridge: Option<&Ruleset>) -> Standing {
        if self.tables.is_empty() {
            return Standing::Absent;
        }
        match self.ruleset(wanted) {
            // A table of another family is to go as soon as those that are wanted are there.
            Some(there)
                if there == *wanted && (self.tables.len() > wanted.tables.len() || !self.is_recorded()) =>
            {
                Standing::Interrupted
            }
            Some(there) if there == *wanted => Standing::Equal,
            Some(there) if Some(&there) == bridge => Standing::Interrupted,
            // A whole table has gone, and nothing else is otherwise.
            None if self.is_part_of(wanted) => Standing::Interrupted,
            _ => Standing::Different,
        }
    }

    fn is_part_of(&self, wanted: &Ruleset) -> bool {
        let is_wanted = |held: &HeldTable| held.wanted().is_some_and(|it| wanted.tables.contains(&it));
        self.tables.iter().all(is_wanted)
    }

    /// The marks that rules give to connections which TPROXY intercepts.
    pub fn tproxy_marks(&self) -> Vec<Mark> {
        let chains = self.tables.iter().flat_map(|table| &table.chains);
        let rules = chains.flat_map(|chain| &chain.rules).filter_map(|held| held.rule.as_ref().ok());
        let tproxy = rules.filter(|rule| rule.actions.iter().any(|it| matches!(it, Action::Tproxy { .. })));
        let marks = tproxy.flat_map(|rule| &rule.actions).filter_map(|action| match action {
            Action::SetMark(mark) => mark.to_string().parse().ok(),
            _ => None,
        });
        marks.collect()
    }
}
