//! Reads the output of `iptables-save`, and finds in it what is ours.

mod barrier;

use std::collections::{HashMap, HashSet};

use barrier::is_barrier;

use super::script::CHANGE;
use super::state::{Barrier, FamilyState, HookLine, Line, OwnChain, TableState};
use crate::backend::listing::Count;

/// The chains of istio-iptables and of ours, by their exact names: a name that merely begins so is somebody else's.
pub const CHAINS: [&str; 11] = [
    "ISTIO_INBOUND",
    "ISTIO_IN_REDIRECT",
    "ISTIO_OUTPUT",
    "ISTIO_OUTPUT_DNS",
    "ISTIO_REDIRECT",
    "ISTIO_DIVERT",
    "ISTIO_TPROXY",
    "ISTIO_DROP",
    "ISTIO_UNCAPTURED",
    "ISTIO_UNCAPTURED_IN",
    "ISTIO_QUIC",
];

/// A chain that istio's ambient mode has in the network namespace of a pod, and a sidecar has not. Its other chain there
/// is called as one of a sidecar (istio: cni/pkg/iptables).
pub const AMBIENT_CHAIN: &str = "ISTIO_PRERT";

/// The tables that rules of ours are in.
pub const TABLES: [&str; 4] = ["raw", "mangle", "nat", "filter"];

/// The chains that the kernel walks by itself. Rules in other chains of others are theirs, whatever they jump to.
pub(super) const HOOKS: [&str; 5] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];

/// A rule in the chain of a hook.
struct Found<'a> {
    chain: &'a str,
    place: usize,
    specification: &'a str,
    count: Option<Count>,
}

/// What counts as ours beside our chains and what leads to them.
#[derive(Clone, Debug, Default)]
pub struct Claim {
    /// Also rules of a form that an earlier run would have written, and somebody else might have.
    pub by_form: bool,
    /// Virtual interfaces that rules of ours name in either family.
    pub virtual_interfaces: Vec<String>,
}

/// Finds what is ours: our chains, the jumps to them from hooks, the rules in hooks' chains that `wanted` names, and what is
/// claimed.
pub fn ours(save: &str, wanted: &FamilyState, claim: &Claim) -> FamilyState {
    let mut state = FamilyState::default();
    let mut sections: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in rules(save) {
        match (line.strip_prefix('*'), sections.last_mut()) {
            (Some(name), _) => sections.push((name.trim(), Vec::new())),
            (None, Some((_, lines))) => lines.push(line),
            (None, None) => {}
        }
    }
    let is_ambient =
        |line: &&str| line.strip_prefix(':').and_then(|it| it.split(' ').next()) == Some(AMBIENT_CHAIN);
    if sections.iter().flat_map(|(_, lines)| lines).any(is_ambient) {
        return FamilyState { is_ambient: true, ..FamilyState::default() };
    }
    for (name, lines) in sections {
        if !TABLES.contains(&name) || state.table(name).is_some() {
            continue;
        }
        let (table, changing) = read_table(name, &lines, wanted, claim);
        state.changing |= changing;
        if !table.is_empty() || !table.needed.is_empty() || !table.barriers.is_empty() {
            state.tables.push(table);
        }
    }
    state
}

/// The virtual interfaces that rules of ours name: those by which traffic goes to the proxy's outbound port.
pub(super) fn virtual_interfaces(save: &str) -> Vec<String> {
    let captured = rules(save).into_iter().filter_map(appended).filter(|(chain, specification, _)| {
        *chain == "PREROUTING" && target(specification) == Some("ISTIO_REDIRECT")
    });
    captured.filter_map(|(_, specification, _)| option_of(specification, "-i").map(str::to_owned)).collect()
}

/// The tables that the save program of iptables-nft cannot print, because they hold what iptables has no word for.
pub(super) fn unprinted(save: &str) -> impl Iterator<Item = &str> {
    save.lines()
        .filter_map(|line| line.strip_prefix("# Table `")?.strip_suffix("' is incompatible, use 'nft' tool."))
}

/// Lines, and what only looks like several: a comment may hold line breaks.
fn rules(save: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, byte) in save.bytes().enumerate() {
        match byte {
            b'\n' if !quoted => {
                lines.push(save[start..at].trim());
                start = at + 1;
            }
            b'"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = byte == b'\\' && !escaped;
    }
    lines.push(save[start..].trim());
    lines
}

fn read_table(name: &str, lines: &[&str], wanted: &FamilyState, claim: &Claim) -> (TableState, bool) {
    let mut table = TableState { table: name.to_owned(), ..TableState::default() };
    let mut found: Vec<Found<'_>> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut changing = false;
    // No rule has a zero in it; one in a script would end the line early for the restore programs.
    for line in lines.iter().filter(|line| !line.contains('\0')) {
        if let Some(chain) = line.strip_prefix(':').and_then(|rest| rest.split(' ').next()) {
            changing |= name == "nat" && chain == CHANGE;
            if CHAINS.contains(&chain) && !table.chains.iter().any(|own| own.name == chain) {
                table.chains.push(OwnChain { name: chain.to_owned(), lines: Vec::new() });
            }
        } else if let Some((chain, specification, count)) = appended(line) {
            if let Some(own) = table.chains.iter_mut().find(|own| own.name == chain) {
                // A line break in a comment would be two lines for the restore programs.
                let specification = specification.replace('\n', "\u{fffd}");
                own.lines.push(Line { specification, count, ..Line::default() });
            } else if HOOKS.contains(&chain) {
                let place = places.entry(chain).or_default();
                *place += 1;
                found.push(Found { chain, place: *place, specification, count });
            } else if let Some(target) = target(specification).filter(|it| CHAINS.contains(it))
                && !table.needed.iter().any(|needed| needed == target)
            {
                table.needed.push(target.to_owned());
            }
        }
    }
    let marks = if name == "mangle" { marks(&table.chains) } else { HashSet::new() };
    let claims = claim.by_form && !table.chains.is_empty();
    let pairs = Pairs::of(&found, &claim.virtual_interfaces);
    let wanted = wanted.table(name).map(|table| table.hooks.as_slice()).unwrap_or_default();
    let wanted: HashSet<(&str, &str)> =
        wanted.iter().map(|hook| (hook.chain.as_str(), hook.line.specification.as_str())).collect();
    let mut others = Vec::new();
    let mut last_of_ours: HashMap<&str, usize> = HashMap::new();
    for rule in &found {
        let belongs = claims && (carries_mark(rule.specification, &marks) || pairs.has(rule));
        let is_ours = target(rule.specification).is_some_and(|target| CHAINS.contains(&target))
            || wanted.contains(&(rule.chain, rule.specification))
            || belongs;
        // What has line breaks in it, we have not written, and could not name to a restore program.
        if is_ours && !rule.specification.contains('\n') {
            let line =
                Line { specification: rule.specification.to_owned(), count: rule.count, ..Line::default() };
            table.hooks.push(HookLine { chain: rule.chain.to_owned(), place: Some(rule.place), line });
            last_of_ours.insert(rule.chain, rule.place);
            continue;
        }
        others.push(rule);
        if is_barrier(rule.specification) && !table.barriers.iter().any(|it| it.chain == rule.chain) {
            table.barriers.push(Barrier {
                chain: rule.chain.to_owned(),
                place: rule.place,
                specification: rule.specification.replace('\n', "\u{fffd}"),
            });
        }
    }
    let is_before = |rule: &&&Found<'_>| last_of_ours.get(rule.chain).is_some_and(|last| rule.place < *last);
    let before = others.iter().filter(is_before);
    let words =
        |rule: &&Found<'_>| format!("{} {}", rule.chain, rule.specification).replace('\n', "\u{fffd}");
    table.before_ours = before.map(words).collect();
    // Emptied, and kept for the rules of others that lead there.
    let (husks, chains) = std::mem::take(&mut table.chains)
        .into_iter()
        .partition(|chain| chain.lines.is_empty() && table.needed.contains(&chain.name));
    table.chains = chains;
    table.husks = Vec::into_iter(husks).map(|chain| chain.name).collect();
    (table, changing)
}

/// Chain, specification and count of a line `-A CHAIN SPECIFICATION`, with or without `[PACKETS:BYTES]` before it.
fn appended(line: &str) -> Option<(&str, &str, Option<Count>)> {
    let (count, line) = match line.strip_prefix('[') {
        Some(rest) => {
            let (count, rest) = rest.split_once("] ")?;
            let (packets, bytes) = count.split_once(':')?;
            (Some(Count { packets: packets.parse().ok()?, bytes: bytes.parse().ok()? }), rest)
        }
        None => (None, line),
    };
    let rest = line.strip_prefix("-A ")?;
    let (chain, specification) = rest.split_once(' ').unwrap_or((rest, ""));
    Some((chain, specification, count))
}

/// Where a rule leads. The target is the last option of a line, unless it has options of its own; jumps to chains have
/// none.
fn target(specification: &str) -> Option<&str> {
    let mut words = specification.rsplit(' ');
    let (target, option) = (words.next(), words.next());
    target.filter(|_| matches!(option, Some("-j" | "-g")))
}

/// The marks that our chains of mangle give or look for.
fn marks(chains: &[OwnChain]) -> HashSet<&str> {
    let mut marks = HashSet::new();
    for line in chains.iter().flat_map(|chain| &chain.lines) {
        let words: Vec<&str> = line.specification.split(' ').collect();
        match words[..] {
            ["-j", "MARK", "--set-xmark", mark] => marks.extend(mark.strip_suffix("/0xffffffff")),
            ["-p", "tcp", "-m", "mark", "--mark", mark, "-j", "RETURN"] => {
                marks.insert(mark);
            }
            _ => {}
        }
    }
    marks
}

/// Is it one of the rules that TPROXY has in the hooks of mangle, for one of these marks?
fn carries_mark(specification: &str, marks: &HashSet<&str>) -> bool {
    let is_ours = |mark: &str| marks.contains(mark);
    let words: Vec<&str> = specification.split(' ').collect();
    let all_bits = ["--nfmask", "0xffffffff", "--ctmask", "0xffffffff"];
    match words[..] {
        ["-p", "tcp", "-m", "mark", "--mark", mark, "-j", "CONNMARK", "--save-mark", ref rest @ ..]
        | [
            "-p",
            "tcp",
            "-m",
            "connmark",
            "--mark",
            mark,
            "-j",
            "CONNMARK",
            "--restore-mark",
            ref rest @ ..,
        ] => rest == all_bits && is_ours(mark),
        ["-o", "lo", "-p", "tcp", "-m", "mark", "--mark", mark, "-j", "RETURN"] => is_ours(mark),
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
        ] => !marks.is_empty() && rest == ["--set-xmark", "0x53a/0xffffffff"],
        _ => false,
    }
}

/// Rules that let everything pass on an interface and have a counterpart that tells whose they are: excluded interfaces have
/// such a rule in both directions, virtual interfaces have one beside a jump to our chain.
struct Pairs<'a> {
    incoming: HashSet<&'a str>,
    outgoing: HashSet<&'a str>,
    virtual_interfaces: HashSet<&'a str>,
}

impl<'a> Pairs<'a> {
    fn of(found: &[Found<'a>], virtual_interfaces: &'a [String]) -> Pairs<'a> {
        let alone = |chain: &str, option: &str| {
            let rules = found.iter().filter(|rule| rule.chain == chain);
            let interfaces = rules.filter_map(|rule| interface_alone(rule.specification));
            interfaces.filter(|(other, _)| *other == option).map(|(_, name)| name).collect()
        };
        let (incoming, outgoing) = (alone("PREROUTING", "-i"), alone("OUTPUT", "-o"));
        Pairs {
            incoming,
            outgoing,
            virtual_interfaces: virtual_interfaces.iter().map(String::as_str).collect(),
        }
    }

    fn has(&self, rule: &Found<'_>) -> bool {
        match (rule.chain, interface_alone(rule.specification)) {
            ("PREROUTING", Some(("-i", name))) => {
                self.outgoing.contains(name) || self.virtual_interfaces.contains(name)
            }
            ("OUTPUT", Some(("-o", name))) => self.incoming.contains(name),
            _ => false,
        }
    }
}

/// The word behind an option.
fn option_of<'a>(specification: &'a str, option: &str) -> Option<&'a str> {
    let mut words = specification.split(' ').skip_while(|word| *word != option);
    words.nth(1)
}

fn interface_alone(specification: &str) -> Option<(&str, &str)> {
    let words: Vec<&str> = specification.split(' ').collect();
    match words[..] {
        [option @ ("-i" | "-o"), interface, "-j", "RETURN"] => Some((option, interface)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
