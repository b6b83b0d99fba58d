//! What iptables holds of ours, in one family: chains with their rules, and rules in the chains of hooks.

use crate::backend::listing::{Count, Listing};
use crate::backend::standing::Standing;
use crate::config::BackendKind;
use crate::config::families::Family;

/// One rule as `iptables-save` writes it, without `-A CHAIN`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// The conditions and the target.
    pub specification: String,
    /// Why it is there; empty for what was read from the kernel.
    pub comment: String,
    /// What it has counted, if that was asked for.
    pub count: Option<Count>,
}

/// A chain that is ours whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnChain {
    /// Its name.
    pub name: String,
    /// Its rules.
    pub lines: Vec<Line>,
}

/// A rule of ours in a chain that others use as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookLine {
    /// The chain.
    pub chain: String,
    /// Its place in the chain, counted from 1; nothing for behind all others.
    pub place: Option<usize>,
    /// The rule.
    pub line: Line,
}

/// A rule of others in the chain of a hook that lets no packet, or none of a protocol, come to the rules behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Barrier {
    /// The chain.
    pub chain: String,
    /// Its place in the chain, counted from 1.
    pub place: usize,
    /// The rule.
    pub specification: String,
}

/// What is ours in a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableState {
    /// The table.
    pub table: String,
    /// Chains that are ours.
    pub chains: Vec<OwnChain>,
    /// Rules in the chains of hooks, in order.
    pub hooks: Vec<HookLine>,
    /// The first barrier of each chain that has one.
    pub barriers: Vec<Barrier>,
    /// Rules of others that packets meet before rules of ours.
    pub before_ours: Vec<String>,
    /// Chains of ours to which rules of others lead: they can be emptied, not removed.
    pub needed: Vec<String>,
    /// Those of them that are empty: as good as not there, but not to be made again.
    pub husks: Vec<String>,
}

impl TableState {
    /// Is nothing of ours there?
    pub fn is_empty(&self) -> bool {
        self.chains.is_empty() && self.hooks.is_empty()
    }

    /// The barrier that keeps packets from rules of ours.
    fn effective_barriers(&self) -> impl Iterator<Item = &Barrier> {
        self.barriers.iter().filter(|barrier| {
            let mut ours = self.hooks.iter().filter(|hook| hook.chain == barrier.chain);
            ours.any(|hook| hook.place.is_some_and(|place| place > barrier.place))
        })
    }

    /// How this stands to what is wanted.
    fn standing(&self, wanted: &TableState) -> Standing {
        match (self.is_empty(), wanted.is_empty()) {
            (true, true) => return Standing::Equal,
            (true, false) => return Standing::Absent,
            _ => {}
        }
        if self.chains_and_rules() == wanted.chains_and_rules() {
            Standing::Equal
        } else {
            Standing::Different
        }
    }

    /// Everything by its place, sorted by name.
    fn chains_and_rules(&self) -> Vec<(String, Vec<String>)> {
        let text = |line: &Line| line.specification.clone();
        let mut all: Vec<(String, Vec<String>)> = Vec::new();
        for chain in &self.chains {
            all.push((format!("chain {}", chain.name), chain.lines.iter().map(text).collect()));
        }
        for hook in &self.hooks {
            let name = format!("rules in {}", hook.chain);
            match all.iter_mut().find(|(other, _)| *other == name) {
                Some((_, lines)) => lines.push(text(&hook.line)),
                None => all.push((name, vec![text(&hook.line)])),
            }
        }
        for barrier in self.effective_barriers() {
            let line =
                format!("behind a rule of others that lets nothing through: {}", barrier.specification);
            all.push((format!("rules in {}, out of reach", barrier.chain), vec![line]));
        }
        all.sort();
        all
    }
}

/// What is ours in all tables of a family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FamilyState {
    /// The tables that hold anything of ours.
    pub tables: Vec<TableState>,
    /// Whether the chains with istio's names are those of its ambient mode: they belong to istio's node agent.
    pub is_ambient: bool,
    /// Was a replacement begun and not ended? Then [`super::script::CHANGE`] is there.
    pub changing: bool,
}

impl FamilyState {
    /// Is nothing of ours there?
    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(TableState::is_empty) && !self.changing
    }

    /// The tables that hold anything of ours, by name.
    pub fn table_names(&self) -> Vec<&str> {
        self.tables.iter().filter(|table| !table.is_empty()).map(|table| table.table.as_str()).collect()
    }

    /// The table of this name.
    pub fn table(&self, name: &str) -> Option<&TableState> {
        self.tables.iter().find(|table| table.table == name)
    }

    /// The table of this name, made when it is not there.
    pub fn table_mut(&mut self, name: &str) -> &mut TableState {
        let at = self.tables.iter().position(|table| table.table == name).unwrap_or_else(|| {
            self.tables.push(TableState { table: name.to_owned(), ..TableState::default() });
            self.tables.len() - 1
        });
        &mut self.tables[at]
    }

    /// How each table stands to what is wanted: those that either has.
    pub fn standings<'a>(&'a self, wanted: &'a FamilyState) -> impl Iterator<Item = (&'a str, Standing)> {
        let nothing = TableState::default();
        let names = self.table_names().into_iter();
        let names = names.chain(
            wanted.table_names().into_iter().filter(|name| self.table(name).is_none_or(TableState::is_empty)),
        );
        names.map(move |name| {
            let found = self.table(name).unwrap_or(&nothing);
            (name, found.standing(wanted.table(name).unwrap_or(&nothing)))
        })
    }

    /// This and what is wanted, without the tables that are equal.
    pub fn differing(&self, wanted: &FamilyState) -> (FamilyState, FamilyState) {
        let equal: Vec<&str> = self
            .standings(wanted)
            .filter(|(_, standing)| *standing == Standing::Equal)
            .map(|(name, _)| name)
            .collect();
        let rest = |state: &FamilyState| FamilyState {
            tables: state.tables.iter().filter(|it| !equal.contains(&it.table.as_str())).cloned().collect(),
            changing: state.changing,
            is_ambient: state.is_ambient,
        };
        (rest(self), rest(wanted))
    }

    /// As places of this variant.
    pub fn listing(&self, variant: BackendKind, family: Family) -> Listing {
        let variant = variant.name();
        let mut listing = Listing::default();
        for table in &self.tables {
            for (name, lines) in table.chains_and_rules() {
                listing.push(format!("{variant} {} {name} ({family})", table.table), lines);
            }
        }
        if self.changing {
            let line = "a replacement was begun and not ended".to_owned();
            listing.push(format!("{variant} nat chain {} ({family})", super::script::CHANGE), vec![line]);
        }
        listing
    }
}
