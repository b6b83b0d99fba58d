//! What a namespace holds, chain by chain, in an order that does not depend on what was made first.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Namespace;

/// Rules and routing of a namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Snapshot {
    /// The lines of every chain and set that nft lists.
    nft: Chains,
    /// The rules of every chain that iptables saves; built-in chains only when they have rules.
    saved: Chains,
    routing: Vec<String>,
    /// iptables-legacy's tables, with rules or without: they cannot be removed again.
    legacy_tables: String,
}

type Chains = BTreeMap<String, Vec<String>>;

/// A chain of this name in nat says that a replacement has begun and has not ended.
const CHANGE: &str = "MESH_INTERCEPT_CHANGE";

/// One command for everything: a test takes hundreds of snapshots.
const COMMANDS: &str = "\
    echo @nft; nft -s list ruleset
    [ BACKEND = nftables ] || for program in iptables ip6tables; do
        echo @$program; $program-VARIANT-save
    done
    echo @routing; ip -4 -batch /run/look4; ip -6 -batch /run/look6
    echo @legacy; cat /proc/net/ip_tables_names /proc/net/ip6_tables_names 2>/dev/null; true";

impl Snapshot {
    /// What a namespace holds that has only rules of this back end.
    pub fn take(pod: &Namespace, backend: &str) -> Snapshot {
        let look = "rule\nroute show table all\n";
        std::fs::write("/run/look4", look).unwrap();
        std::fs::write("/run/look6", format!("{look}address show dev lo\n")).unwrap();
        let variant = backend.trim_start_matches("iptables-");
        let commands = COMMANDS.replace("BACKEND", backend).replace("VARIANT", variant);
        let mut text = pod.text(&["sh", "-c", &commands]);
        // The kernel makes an address usable, and its route, a moment after it was added.
        while text.contains(" tentative") {
            std::thread::sleep(Duration::from_millis(1));
            text = pod.text(&["sh", "-c", &commands]);
        }
        let mut snapshot = Snapshot::default();
        for section in text.trim_start_matches('@').split("\n@") {
            let (name, text) = section.split_once('\n').unwrap_or((section, ""));
            let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
            match name {
                "nft" => snapshot.nft = listed(lines),
                "routing" => snapshot.routing = lines.map(str::to_owned).collect(),
                "legacy" => snapshot.legacy_tables = text.to_owned(),
                family => snapshot.saved.extend(saved(family, lines)),
            }
        }
        if backend == "iptables-nft" {
            // What nft says of a rule of iptables depends on the rules above it: the save programs know better.
            snapshot.nft.values_mut().for_each(|lines| lines.retain(|line| line.starts_with("type ")));
        }
        snapshot.routing.sort_unstable();
        snapshot
    }

    /// Says what differs, if anything: rules and routing.
    pub fn difference(&self, wanted: &Snapshot) -> Option<String> {
        let one = [self.describe(&self.nft), self.describe(&self.saved), self.routing.clone()].concat();
        let other =
            [wanted.describe(&wanted.nft), wanted.describe(&wanted.saved), wanted.routing.clone()].concat();
        let missing = other.iter().filter(|line| !one.contains(line)).map(|line| format!("- {line}\n"));
        let extra = one.iter().filter(|line| !other.contains(line)).map(|line| format!("+ {line}\n"));
        (one != other).then(|| missing.chain(extra).collect())
    }

    /// Is every transaction done or not begun? nftables has one for all rules, iptables one for each table and family.
    pub fn torn(&self, old: &Snapshot, new: &Snapshot) -> Option<String> {
        let one_of = |now: &Chains, old: &Chains, new: &Chains| now == old || now == new;
        if self.saved.is_empty() && old.saved.is_empty() && new.saved.is_empty() {
            return (!one_of(&self.nft, &old.nft, &new.nft)).then(|| "the nftables rules".to_owned());
        }
        let (now, old, new) = (self.by_table(), old.by_table(), new.by_table());
        let nothing = Chains::new();
        let of =
            |tables: &BTreeMap<String, Chains>, table: &str| tables.get(table).unwrap_or(&nothing).clone();
        let mut tables = now.keys().chain(old.keys()).chain(new.keys());
        tables.find(|table| !one_of(&of(&now, table), &of(&old, table), &of(&new, table))).cloned()
    }

    /// Are all rules those of the other, and no replacement in progress?
    pub fn has_rules_of(&self, other: &Snapshot) -> bool {
        let rules = |snapshot: &Snapshot| -> Chains {
            if snapshot.saved.is_empty() { snapshot.nft.clone() } else { snapshot.saved.clone() }
        };
        rules(self) == rules(other)
    }

    /// What iptables saves by family and table, without the sign of a replacement.
    fn by_table(&self) -> BTreeMap<String, Chains> {
        let mut tables: BTreeMap<String, Chains> = BTreeMap::new();
        for (chain, rules) in self.saved.iter().filter(|(chain, _)| !chain.ends_with(CHANGE)) {
            let (table, name) = chain.rsplit_once(' ').unwrap();
            tables.entry(table.to_owned()).or_default().insert(name.to_owned(), rules.clone());
        }
        tables
    }

    fn describe(&self, chains: &Chains) -> Vec<String> {
        let lines = chains.iter().flat_map(|(chain, rules)| {
            std::iter::once(chain.clone()).chain(rules.iter().map(move |rule| format!("{chain}: {rule}")))
        });
        lines.collect()
    }
}

/// `table FAMILY NAME {`, in it `chain NAME {` or `set NAME {`, in it lines.
fn listed<'a>(lines: impl Iterator<Item = &'a str>) -> Chains {
    let mut blocks = Chains::new();
    let (mut table, mut block) = (String::new(), String::new());
    for line in lines {
        match (line.trim_end_matches(" {"), line.chars().take_while(|it| *it == '\t').count()) {
            ("}" | "\t}", _) => block = table.clone(),
            (head, 0) => {
                table = head.to_owned();
                block = table.clone();
                blocks.insert(table.clone(), Vec::new());
            }
            (head, 1) => {
                block = format!("{table} {}", head.trim());
                blocks.insert(block.clone(), Vec::new());
            }
            _ => blocks.get_mut(&block).unwrap().push(line.trim().to_owned()),
        }
    }
    blocks
}

/// `*TABLE`, then `:CHAIN POLICY`, with `-` for chains that are not built in, then `-A CHAIN RULE`.
fn saved<'a>(family: &str, lines: impl Iterator<Item = &'a str>) -> Chains {
    let mut chains = Chains::new();
    let mut table = "";
    for line in lines {
        let mut words = line.split(' ');
        match (line.split_at(1), words.nth(1)) {
            (("*", name), _) => table = name,
            ((":", rest), Some("-")) => {
                let name = rest.split(' ').next().unwrap();
                chains.entry(format!("{family} {table} {name}")).or_default();
            }
            (("-", _), Some(name)) => {
                chains.entry(format!("{family} {table} {name}")).or_default().push(line.to_owned());
            }
            _ => {}
        }
    }
    chains
}
