//! Base chains of nat that an earlier version has made, where they have to go, and what stands in for them on the way.

use super::encode::Writer;
use super::held::Held;
use super::ruleset::{Base, Chain, WantedTable};
use super::translate::chain_name;
use crate::netlink::{Batch, TooLong};
use crate::program::ChainName::Hook as At;
use crate::program::{Hook, Table};

/// Base chains with their rules, in one table or in several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseChains(Vec<WantedTable>);

impl BaseChains {
    /// The base chains of nat that stand at the priority of other programs, as they should be; nothing where a rule in one of
    /// them is not understood.
    pub fn late_nat(held: &Held) -> Option<BaseChains> {
        let mut tables = Vec::new();
        for table in &held.tables {
            let mut chains = Vec::new();
            for chain in table.chains.iter().filter(|chain| chain.is_late_nat) {
                let hook =
                    Hook::ALL.into_iter().find(|hook| chain_name(Table::Nat, At(*hook)) == chain.name)?;
                let rules = chain.rules.iter().map(|rule| rule.rule.clone().ok()).collect::<Option<_>>()?;
                let base = Some(Base { hook, table: Table::Nat });
                chains.push(Chain { name: chain.name.clone(), base, rules });
            }
            tables.push(WantedTable { family: table.family, sets: Vec::new(), chains });
        }
        tables.retain(|table| !table.chains.is_empty());
        Some(BaseChains(tables))
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The same by other names, to stand in for them while they are made anew.
    #[must_use]
    pub fn stand_ins(&self) -> BaseChains {
        let mut all = self.clone();
        for chain in all.0.iter_mut().flat_map(|table| &mut table.chains) {
            chain.name.push_str("-stand-in");
        }
        all
    }

    /// Whether any of them is there. One transaction adds them all.
    pub fn is_in(&self, held: &Held) -> bool {
        self.0.iter().any(|table| {
            let is_there = |chain: &Chain| {
                held.table(table.family).is_some_and(|it| it.chains.iter().any(|it| it.name == chain.name))
            };
            table.chains.iter().any(is_there)
        })
    }

    /// Writes the transaction that adds them.
    ///
    /// # Errors
    /// When something does not fit into an attribute.
    pub fn encode_addition(&self) -> Result<Batch, TooLong> {
        self.encode(false, true)
    }

    /// Writes the transaction that removes them.
    ///
    /// # Errors
    /// When something does not fit into an attribute.
    pub fn encode_removal(&self) -> Result<Batch, TooLong> {
        self.encode(true, false)
    }

    /// Writes the transaction that makes those anew that are there by these names.
    ///
    /// # Errors
    /// When something does not fit into an attribute.
    pub fn encode_renewal(&self) -> Result<Batch, TooLong> {
        self.encode(true, true)
    }

    fn encode(&self, removes: bool, adds: bool) -> Result<Batch, TooLong> {
        let mut batch = Batch::new();
        for table in &self.0 {
            let mut writer = Writer::begin(batch, table);
            for chain in table.chains.iter().filter(|_| removes) {
                writer.remove_rules(&chain.name)?;
                writer.remove_chain(&chain.name)?;
            }
            for chain in table.chains.iter().filter(|_| adds) {
                writer.new_chain(chain)?;
            }
            if adds {
                writer.new_rules()?;
            }
            batch = writer.batch;
        }
        Ok(batch.finish())
    }
}
