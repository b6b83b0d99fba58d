//! What iptables holds of ours, in one family: chains with their rules, and rules in the chains of hooks.

/// One rule as `iptables-save` writes it, without `-A CHAIN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The conditions and the target.
    pub specification: String,
    /// Why it is there; empty for what was read from the kernel.
    pub comment: String,
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

/// What is ours in a table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableState {
    /// The table.
    pub table: String,
    /// Chains that are ours.
    pub chains: Vec<OwnChain>,
    /// Rules in others' chains, in order.
    pub hooks: Vec<HookLine>,
    /// Rules in others' chains that may be an earlier run's or somebody else's: nothing but an interface tells.
    pub doubtful: Vec<HookLine>,
}

/// What is ours in all tables of a family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FamilyState {
    /// The tables that hold anything of ours.
    pub tables: Vec<TableState>,
}

impl FamilyState {
    /// Takes the doubtful rules for ours.
    #[must_use]
    pub fn with_doubtful(mut self) -> FamilyState {
        for table in &mut self.tables {
            table.hooks.append(&mut table.doubtful);
            // A rule is put back at its place: they have to come in order.
            table.hooks.sort_by(|one, other| (&one.chain, one.place).cmp(&(&other.chain, other.place)));
        }
        self
    }

    /// Is nothing of ours there?
    pub fn is_empty(&self) -> bool {
        self.tables.iter().all(|table| table.chains.is_empty() && table.hooks.is_empty())
    }

    /// The tables that hold anything of ours, by name.
    pub fn table_names(&self) -> Vec<&str> {
        self.tables.iter().map(|table| table.table.as_str()).collect()
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
}
