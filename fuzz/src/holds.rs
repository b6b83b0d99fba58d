//! What has to hold of every configuration that was accepted.

use mesh_intercept::backend::iptables::{self, FamilyState};
use mesh_intercept::backend::nftables::{self, Record, Ruleset};
use mesh_intercept::backend::standing::Standing;
use mesh_intercept::cli;
use mesh_intercept::config::families::Family;
use mesh_intercept::config::problem::Problems;
use mesh_intercept::config::{BackendKind, Config, lists};
use mesh_intercept::program::{Pod, Program};

use crate::chains::Tables;
use crate::files::Files;
use crate::kernel::Fake;
use crate::script;

/// A complaint is one line a problem, and at most fifty of them.
///
/// # Panics
/// When it is not.
pub fn complaint_is_short(problems: &Problems) {
    let text = problems.to_string();
    assert!(text.lines().count() <= 52, "{} lines", text.lines().count());
    assert!(text.len() < 64 * 1024, "{} bytes", text.len());
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()), "{text:?}");
}

/// What a configuration says of itself gives the same configuration again, typed or read from a record.
///
/// # Panics
/// When it does not.
pub fn flags_give_the_same(config: &Config) {
    let flags = config.flags();
    assert!(flags.is_ascii() && !flags.contains(char::is_control), "{flags:?}");
    let Some(mut settings) = cli::recorded(&flags) else { panic!("no settings: {flags}") };
    assert_eq!(Config::parse(&settings, &Files).as_ref(), Ok(config), "recorded as {flags}");
    assert!(lists::expand(&mut settings, &Files).is_empty(), "a file: {flags}");
    assert_eq!(Config::parse(&settings, &Files).as_ref(), Ok(config), "typed as {flags}");
}

/// What iptables is told is what it then holds, beside nothing else, and it can be removed again.
///
/// # Panics
/// When it is not.
pub fn iptables_round_trip(program: &Program) {
    let Ok(wanted) = iptables::wanted(program) else { return };
    for comments in [false, true] {
        let mut saved = Vec::new();
        for (_, wanted) in &wanted {
            let empty = FamilyState::default();
            let text = iptables::transition(&empty, wanted, comments);
            script::check(&text, &empty, wanted, comments);
            let mut tables = Tables::default();
            tables.restore(&text).unwrap_or_else(|line| panic!("iptables would refuse {line:?}"));
            saved.push(tables);
        }
        for ((family, wanted), tables) in wanted.iter().zip(&mut saved) {
            let there = read(&tables.save(), *family, wanted);
            assert_same(&there, wanted);
            let text = iptables::transition(&there, &FamilyState::default(), comments);
            script::check(&text, &there, &FamilyState::default(), comments);
            tables.restore(&text).unwrap_or_else(|line| panic!("iptables would refuse {line:?}"));
            assert_eq!(tables.clone().without(&[], |_, _, _| false), Tables::default(), "something stays");
        }
    }
}

/// What is ours in a text that a save program printed.
///
/// # Panics
/// Never: the fake kernel does not fail.
pub fn read(saved: &str, family: Family, wanted: &FamilyState) -> FamilyState {
    let kernel = &mut Fake::saying(saved);
    match iptables::current(kernel, BackendKind::IptablesNft, family, wanted) {
        Ok(state) => state,
        Err(error) => unreachable!("{error}"),
    }
}

/// # Panics
/// When the rules differ.
pub fn assert_same(there: &FamilyState, wanted: &FamilyState) {
    let standings: Vec<_> = there.standings(wanted).filter(|(_, it)| *it != Standing::Equal).collect();
    assert!(standings.is_empty(), "{standings:?}: {there:#?} is not {wanted:#?}");
}

/// What nftables is told, as messages, is what is read back, and its text has a line a rule.
///
/// # Panics
/// When it is not.
pub fn nftables_round_trip(program: &Program) -> Option<nftables::Held> {
    let ruleset = nftables::translate(program);
    text_is_well_formed(&ruleset);
    let record = Record::now("-u 1337".to_owned(), &[]);
    let batch = nftables::encode(&ruleset, &record).ok()?;
    let held = match nftables::read(&mut Fake::holding(batch.bytes())) {
        Ok(held) => held,
        Err(error) => unreachable!("{error}"),
    };
    assert_eq!(held.standing(&ruleset, None), Standing::Equal, "{held:#?} is not {ruleset:#?}");
    let places: usize = held.tables.iter().map(|table| nftables::listing_of_held(table).places.len()).sum();
    assert_eq!(places, nftables::listing(&ruleset).places.len());
    let record = held.tables.iter().find_map(|table| table.record.as_ref());
    assert_eq!(record.map(|it| it.configuration.as_str()), Some("-u 1337"));
    Some(held)
}

/// Every line of the text has the form of its place; a comment is the last thing on its line.
///
/// # Panics
/// When one has not.
pub fn text_is_well_formed(ruleset: &Ruleset) {
    let text = nftables::render(ruleset, &[]);
    let mut depth = 0;
    let mut rules = 0;
    for line in text.lines() {
        assert!(line.chars().all(|c| c == '\t' || !c.is_control()), "{line:?}");
        assert_eq!(line.matches('"').count() % 2, 0, "a quote is open: {line:?}");
        let bare = line.trim_start_matches('\t');
        if let Some(comment) = bare.find(" comment \"").filter(|_| depth == 2) {
            let comment = &bare[comment + " comment \"".len()..];
            assert_eq!(comment.find('"'), Some(comment.len() - 1), "a comment that ends early: {line:?}");
            rules += 1;
            continue;
        }
        let words = bare.split(' ').next().unwrap_or_default();
        let meant = match depth {
            0 => words == "table" && bare.ends_with('{'),
            1 => bare.is_empty() || bare == "}" || (matches!(words, "set" | "chain") && bare.ends_with('{')),
            _ => bare == "}" || matches!(words, "type" | "flags" | "elements" | "comment"),
        };
        assert!(meant, "a line that was not meant: {line:?}");
        match bare {
            "}" => depth -= 1,
            _ if bare.ends_with('{') => depth += 1,
            _ => {}
        }
    }
    assert_eq!(depth, 0, "{text}");
    let chains = ruleset.tables.iter().flat_map(|table| &table.chains);
    assert_eq!(rules, chains.map(|chain| chain.rules.len()).sum::<usize>(), "{text}");
}

/// Everything of a configuration in a pod.
///
/// # Panics
/// When anything does not hold.
pub fn everything(config: &Config, pod: &Pod) {
    mesh_intercept::program::warnings(config, pod);
    for backend in [BackendKind::Nftables, BackendKind::IptablesNft] {
        mesh_intercept::program::remark(config, pod, backend);
        let program = mesh_intercept::program::compile(config, pod, backend);
        let bridge = mesh_intercept::program::bridge(config, pod, backend);
        for program in std::iter::once(&program).chain(&bridge) {
            iptables_round_trip(program);
            nftables_round_trip(program);
        }
    }
}
