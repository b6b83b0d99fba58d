//! Reads the output of `iptables-save`, and finds in it what is ours.

use super::state::{FamilyState, HookLine, Line, OwnChain};

/// The chains of istio-iptables and of ours, by their exact names: a name that merely begins so is somebody else's.
pub const CHAINS: [&str; 9] = [
    "ISTIO_INBOUND",
    "ISTIO_IN_REDIRECT",
    "ISTIO_OUTPUT",
    "ISTIO_OUTPUT_DNS",
    "ISTIO_REDIRECT",
    "ISTIO_DIVERT",
    "ISTIO_TPROXY",
    "ISTIO_DROP",
    "ISTIO_UNCAPTURED",
];

/// Finds what is ours: our chains, the jumps to them, and the rules in hooks' chains that `wanted` names as well.
pub(super) fn ours(save: &str, wanted: &FamilyState) -> FamilyState {
    let mut state = FamilyState::default();
    let mut table = String::new();
    let mut places: Vec<(String, usize)> = Vec::new();
    for line in save.lines() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('*') {
            table = name.to_owned();
            places.clear();
        } else if let Some(chain) = line.strip_prefix(':').and_then(|rest| rest.split(' ').next()) {
            if CHAINS.contains(&chain) {
                state.table_mut(&table).chains.push(OwnChain { name: chain.to_owned(), lines: Vec::new() });
            }
        } else if let Some((chain, specification)) = appended(line) {
            let found = Line { specification: specification.to_owned(), comment: String::new() };
            if CHAINS.contains(&chain) {
                let chains = &mut state.table_mut(&table).chains;
                if let Some(own) = chains.iter_mut().find(|own| own.name == chain) {
                    own.lines.push(found);
                }
                continue;
            }
            let at = places.iter().position(|(name, _)| name == chain).unwrap_or_else(|| {
                places.push((chain.to_owned(), 0));
                places.len() - 1
            });
            places[at].1 += 1;
            let hook = HookLine { chain: chain.to_owned(), place: Some(places[at].1), line: found };
            let has_own_chains = state.table(&table).is_some_and(|table| !table.chains.is_empty());
            if jumps_to_ours(specification)
                || is_wanted(wanted, &table, chain, specification)
                || (has_own_chains && table == "mangle" && carries_marks(specification))
            {
                state.table_mut(&table).hooks.push(hook);
            } else if has_own_chains && is_interface_alone(specification) {
                state.table_mut(&table).doubtful.push(hook);
            }
        }
    }
    state
        .tables
        .retain(|table| !(table.chains.is_empty() && table.hooks.is_empty() && table.doubtful.is_empty()));
    state
}

/// Chain and specification of a line `-A CHAIN SPECIFICATION`, with or without counters before it.
fn appended(line: &str) -> Option<(&str, &str)> {
    let line = match line.strip_prefix('[') {
        Some(rest) => rest.split_once("] ")?.1,
        None => line,
    };
    let rest = line.strip_prefix("-A ")?;
    Some(rest.split_once(' ').unwrap_or((rest, "")))
}

/// The target is the last option of a line, unless it has options of its own; jumps to chains have none.
fn jumps_to_ours(specification: &str) -> bool {
    let mut words = specification.rsplit(' ');
    let (target, option) = (words.next(), words.next());
    matches!(option, Some("-j" | "-g")) && target.is_some_and(|target| CHAINS.contains(&target))
}

/// Is it one of the rules that TPROXY has in the hooks of mangle? Nobody else has rules of these forms beside our chains.
fn carries_marks(specification: &str) -> bool {
    let words: Vec<&str> = specification.split(' ').collect();
    let all_bits = ["--nfmask", "0xffffffff", "--ctmask", "0xffffffff"];
    match words[..] {
        ["-p", "tcp", "-m", "mark", "--mark", _, "-j", "CONNMARK", "--save-mark", ref rest @ ..]
        | ["-p", "tcp", "-m", "connmark", "--mark", _, "-j", "CONNMARK", "--restore-mark", ref rest @ ..] => {
            rest == all_bits
        }
        ["-o", "lo", "-p", "tcp", "-m", "mark", "--mark", _, "-j", "RETURN"] => true,
        [
            "!",
            "-d",
            _,
            "-o",
            "lo",
            "-p",
            "tcp",
            "-m",
            "owner",
            "--uid-owner" | "--gid-owner",
            _,
            "-j",
            "MARK",
            ref rest @ ..,
        ] => rest == ["--set-xmark", "0x53a/0xffffffff"],
        _ => false,
    }
}

/// Does it let everything pass on an interface, as excluded and virtual interfaces do?
fn is_interface_alone(specification: &str) -> bool {
    let words: Vec<&str> = specification.split(' ').collect();
    matches!(words[..], ["-i" | "-o", _, "-j", "RETURN"])
}

fn is_wanted(wanted: &FamilyState, table: &str, chain: &str, specification: &str) -> bool {
    wanted.table(table).is_some_and(|table| {
        table.hooks.iter().any(|hook| hook.chain == chain && hook.line.specification == specification)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAVE: &str = "\
# Generated by iptables-save
*nat
:PREROUTING ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
:ISTIO_OUTPUT - [0:0]
:ISTIO_OUTPUTS - [0:0]
-A OUTPUT -p tcp -j OTHER
[1:60] -A OUTPUT -j ISTIO_OUTPUT
-A OUTPUT -m comment --comment \"for ISTIO_OUTPUT\" -j ISTIO_OUTPUTS
-A OUTPUT -o eth9 -j RETURN
-A ISTIO_OUTPUT -d 127.0.0.1/32 -j RETURN
-A ISTIO_OUTPUTS -j ISTIO_OUTPUT
COMMIT
";

    #[test]
    fn ours_are_our_chains_the_jumps_to_them_and_what_is_wanted() {
        let mut wanted = FamilyState::default();
        let line = Line { specification: "-o eth9 -j RETURN".into(), comment: "why".into() };
        wanted.table_mut("nat").hooks.push(HookLine { chain: "OUTPUT".into(), place: None, line });
        let found = ours(SAVE, &wanted);
        let nat = found.table("nat").unwrap();
        assert_eq!(nat.chains.len(), 1);
        assert_eq!(nat.chains[0].lines[0].specification, "-d 127.0.0.1/32 -j RETURN");
        assert!(nat.doubtful.is_empty());
        let hooks: Vec<_> = nat.hooks.iter().map(|hook| (hook.chain.as_str(), hook.place)).collect();
        assert_eq!(hooks, [("OUTPUT", Some(2)), ("OUTPUT", Some(4)), ("ISTIO_OUTPUTS", Some(1))]);
    }

    #[test]
    fn rules_of_an_earlier_run_are_known_by_their_form_or_doubtful() {
        let save = "*mangle\n:ISTIO_INBOUND - [0:0]\n-A OUTPUT -o eth9 -j RETURN\n\
                    -A OUTPUT -p tcp -m connmark --mark 0x7 -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff\n\
                    -A OUTPUT -p udp -m connmark --mark 0x7 -j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff\n\
                    -A OUTPUT -j MARK --set-xmark 0x53a/0xffffffff\nCOMMIT\n";
        let state = ours(save, &FamilyState::default());
        let mangle = state.table("mangle").unwrap();
        assert_eq!(mangle.hooks.iter().map(|hook| hook.place).collect::<Vec<_>>(), [Some(2)]);
        assert_eq!(mangle.doubtful.iter().map(|hook| hook.place).collect::<Vec<_>>(), [Some(1)]);
        let taken = state.with_doubtful();
        assert_eq!(taken.table("mangle").unwrap().hooks.len(), 2);
        // Beside no chain of ours, none of them is.
        assert!(ours(&save.replace(":ISTIO_INBOUND", ":OTHER"), &FamilyState::default()).is_empty());
    }

    #[test]
    fn nothing_of_ours_is_an_empty_state() {
        assert!(
            ours("*nat\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT -j X\nCOMMIT\n", &FamilyState::default()).is_empty()
        );
        assert!(ours("", &FamilyState::default()).is_empty());
    }
}
