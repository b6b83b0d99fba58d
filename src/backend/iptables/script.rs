//! Input for `iptables-restore --noflush`: from one state of ours to another, each table in one transaction.

use std::collections::HashMap;

use super::state::{FamilyState, HookLine, TableState};

/// A chain that is there while a replacement takes several transactions: who finds it knows that the run was ended
/// half-way, and may finish the work.
pub const CHANGE: &str = "MESH_INTERCEPT_CHANGE";

/// Writes what leads from `from` to `to`, for every table that either has. With `comments`, each rule has its
/// reason above it.
///
/// Tables are in the order in which the kernel walks them; nat comes last, so that nothing is redirected before
/// everything else is there. Only when inbound connections go back from TPROXY to REDIRECT, nat goes before mangle: at
/// every moment one of them captures. New chains are `-N` lines: a `:CHAIN` line would make iptables-nft look for one to
/// flush.
pub fn transition(from: &FamilyState, to: &FamilyState, comments: bool) -> String {
    let order = match captures_by_tproxy(from) && !captures_by_tproxy(to) {
        true => ["raw", "nat", "mangle", "filter"],
        false => ["raw", "mangle", "filter", "nat"],
    };
    let nothing = TableState::default();
    let mut script = String::new();
    for table in order {
        let (old, new) = (from.table(table).unwrap_or(&nothing), to.table(table).unwrap_or(&nothing));
        let lines = table_lines(old, new, comments);
        if !lines.is_empty() {
            script.push_str(&section(table, &lines.concat()));
        }
    }
    script
}

fn captures_by_tproxy(state: &FamilyState) -> bool {
    let chains = state.table("mangle").map(|table| &table.chains);
    chains.is_some_and(|chains| chains.iter().any(|chain| chain.name == "ISTIO_TPROXY"))
}

/// Parts of a script between which packets have to get through: when inbound connections go from REDIRECT to TPROXY, a packet
/// that has passed mangle before its new rules were in force must still meet the old ones of nat.
pub(super) fn steps<'a>(script: &'a str, from: &FamilyState, to: &FamilyState) -> Vec<&'a str> {
    let changes_hooks = !from.is_empty() && !captures_by_tproxy(from) && captures_by_tproxy(to);
    match script.rfind("\n*nat\n").filter(|_| changes_hooks) {
        Some(end) => vec![&script[..=end], &script[end + 1..]],
        None => vec![script],
    }
}

/// One transaction.
pub(super) fn section(table: &str, lines: &str) -> String {
    format!("*{table}\n{lines}COMMIT\n")
}

/// How many transactions a script has.
pub(super) fn transactions(script: &str) -> usize {
    script.lines().filter(|line| *line == "COMMIT").count()
}

fn table_lines(old: &TableState, new: &TableState, comments: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let has = |table: &TableState, name: &str| table.chains.iter().any(|chain| chain.name == name);
    lines.extend(old.hooks.iter().map(|hook| format!("-D {} {}\n", hook.chain, hook.line.specification)));
    lines.extend(old.chains.iter().map(|chain| format!("-F {}\n", chain.name)));
    let removable = |name: &str| !has(new, name) && !old.needed.iter().any(|needed| needed == name);
    lines.extend(
        old.chains.iter().filter(|chain| removable(&chain.name)).map(|chain| format!("-X {}\n", chain.name)),
    );
    let is_made = |name: &String| has(old, name) || old.husks.contains(name);
    lines.extend(
        new.chains.iter().filter(|chain| !is_made(&chain.name)).map(|chain| format!("-N {}\n", chain.name)),
    );
    let comment =
        |text: &str| if comments && !text.is_empty() { format!("# {text}\n") } else { String::new() };
    for chain in &new.chains {
        for line in &chain.lines {
            lines.push(comment(&line.comment));
            lines.push(format!("-A {} {}\n", chain.name, line.specification));
        }
    }
    // By chain: where the first goes that has no place of its own, and how many were written.
    let mut chains: HashMap<&str, (Option<usize>, usize)> = HashMap::new();
    for HookLine { chain, place, line } in &new.hooks {
        lines.push(comment(&line.comment));
        let (first, before) = chains.entry(chain).or_insert_with(|| (place_among_others(old, chain), 0));
        let place = place.or_else(|| Some((*first)? + *before));
        lines.push(match place {
            Some(place) => format!("-I {chain} {place} {}\n", line.specification),
            None => format!("-A {chain} {}\n", line.specification),
        });
        *before += 1;
    }
    lines
}

/// Where rules of ours go that have no place of their own: where the first of ours was, and before a barrier. Nothing for
/// behind all others. Counted among the rules of others, which are all that is left when this is used.
fn place_among_others(old: &TableState, chain: &str) -> Option<usize> {
    let ours = |place: usize| {
        let before = |hook: &&HookLine| hook.chain == chain && hook.place.is_some_and(|it| it < place);
        old.hooks.iter().filter(before).count()
    };
    let first = old.hooks.iter().find(|hook| hook.chain == chain).and_then(|hook| hook.place);
    let barrier = old.barriers.iter().find(|barrier| barrier.chain == chain).map(|it| it.place);
    let barrier = barrier.map(|place| place - ours(place));
    [first, barrier].into_iter().flatten().min()
}
