//! Input for `iptables-restore --noflush`: from one state of ours to another, each table in one transaction.

use super::state::{FamilyState, HookLine, TableState};

/// Writes what leads from `from` to `to`. With `comments`, each rule has its reason above it.
///
/// Tables are in the order in which the kernel walks them; nat comes last, so that nothing is redirected before
/// everything else is there. New chains are `-N` lines: a `:CHAIN` line would make iptables-nft look for one to flush.
pub fn transition(from: &FamilyState, to: &FamilyState, comments: bool) -> String {
    let mut script = String::new();
    for table in ["raw", "mangle", "filter", "nat"] {
        let nothing = TableState::default();
        let (old, new) = (from.table(table), to.table(table));
        if old.is_none() && new.is_none() {
            continue;
        }
        let lines = table_lines(old.unwrap_or(&nothing), new.unwrap_or(&nothing), comments);
        script.push_str(&format!("*{table}\n{}COMMIT\n", lines.concat()));
    }
    script
}

fn table_lines(old: &TableState, new: &TableState, comments: bool) -> Vec<String> {
    let mut lines = Vec::new();
    let has = |table: &TableState, name: &str| table.chains.iter().any(|chain| chain.name == name);
    lines.extend(old.hooks.iter().map(|hook| format!("-D {} {}\n", hook.chain, hook.line.specification)));
    lines.extend(old.chains.iter().map(|chain| format!("-F {}\n", chain.name)));
    lines.extend(
        old.chains.iter().filter(|chain| !has(new, &chain.name)).map(|chain| format!("-X {}\n", chain.name)),
    );
    lines.extend(
        new.chains.iter().filter(|chain| !has(old, &chain.name)).map(|chain| format!("-N {}\n", chain.name)),
    );
    let comment =
        |text: &str| if comments && !text.is_empty() { format!("# {text}\n") } else { String::new() };
    for chain in &new.chains {
        for line in &chain.lines {
            lines.push(comment(&line.comment));
            lines.push(format!("-A {} {}\n", chain.name, line.specification));
        }
    }
    for HookLine { chain, place, line } in &new.hooks {
        lines.push(comment(&line.comment));
        lines.push(match place {
            Some(place) => format!("-I {chain} {place} {}\n", line.specification),
            None => format!("-A {chain} {}\n", line.specification),
        });
    }
    lines
}
