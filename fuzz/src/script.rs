//! Whether a script for iptables-restore says what was meant, and nothing else.

use std::collections::HashSet;

use mesh_intercept::backend::iptables::{CHAINS, FamilyState};

/// The tables that a script may be about.
const TABLES: [&str; 4] = ["raw", "mangle", "filter", "nat"];
/// The chains of others in which rules of ours are.
const HOOKS: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];

/// Every line has a form that is meant, and says what `from` or `to` say.
///
/// # Panics
/// When a line does not.
pub fn check(script: &str, from: &FamilyState, to: &FamilyState, comments: bool) {
    let (removed, added) = (rules(from), rules(to));
    // A carriage return may be in the comment of somebody's rule, and breaks no line for the restore programs.
    assert!(!script.contains('\0'), "{script:?}");
    for line in script.split_terminator('\n') {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (chain, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let meant = match verb {
            "COMMIT" => line == "COMMIT",
            "#" => comments,
            "-F" | "-X" | "-N" => CHAINS.contains(&chain) && rest.is_empty(),
            "-D" => HOOKS.contains(&chain) && removed.contains(&(chain, rest)),
            "-A" => added.contains(&(chain, rest)),
            "-I" => {
                let (place, specification) = rest.split_once(' ').unwrap_or((rest, ""));
                place.parse::<usize>().is_ok_and(|it| it > 0) && added.contains(&(chain, specification))
            }
            table => table.strip_prefix('*').is_some_and(|name| TABLES.contains(&name)) && line == verb,
        };
        assert!(meant, "a line that was not meant: {line:?}");
    }
}

/// Every rule of a state with its chain.
fn rules(state: &FamilyState) -> HashSet<(&str, &str)> {
    let mut all = HashSet::new();
    for table in &state.tables {
        for chain in &table.chains {
            all.extend(chain.lines.iter().map(|line| (chain.name.as_str(), line.specification.as_str())));
        }
        let hooks = table.hooks.iter();
        all.extend(hooks.map(|hook| (hook.chain.as_str(), hook.line.specification.as_str())));
    }
    all
}
