//! What holds for every configuration: all renderers mean the same, and what they write can be read back.
//!
//! MESH_INTERCEPT_CASES says how many configurations are tried, MESH_INTERCEPT_SEED repeats a run. Failures are shrunk and kept
//! in `proptest-regressions/`.

#![allow(clippy::print_stdout, reason = "the seed of a run is worth reading")]

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::RngSeed;

use super::iptables::{self, FamilyState};
use super::lifted::Lifted;
use super::nftables::{self, Record, encode};
use crate::config::arbitrary::{Texts, config, texts};
use crate::config::families::{Families, Family, PodFamilies};
use crate::config::owners::tests::Files;
use crate::config::settings::{self, Setting};
use crate::config::typed::{Origin, Settings};
use crate::config::{BackendKind, Config, OutboundRanges};
use crate::kernel::Kernel;
use crate::kernel::recording::Recording;
use crate::program::arbitrary::{packet, surroundings};
use crate::program::{Fate, Outcome, Packet, Pod, Program, compile, simulate};

/// How many configurations are tried when nobody says.
const CASES: u32 = 500;
/// How many packets each configuration gets.
const PACKETS: usize = 8;

fn settings_of_a_run() -> ProptestConfig {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let cases = number("MESH_INTERCEPT_CASES").and_then(|it| u32::try_from(it).ok()).unwrap_or(CASES);
    // Whatever the standard library takes for its own random numbers.
    let random = || RandomState::new().build_hasher().finish();
    let seed = number("MESH_INTERCEPT_SEED").unwrap_or_else(random);
    println!("{cases} configurations by MESH_INTERCEPT_SEED={seed}");
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(seed), ..ProptestConfig::default() }
}

fn pods() -> impl Strategy<Value = Pod> {
    let families = prop_oneof![
        Just(PodFamilies::only(Families::IPV4)),
        Just(PodFamilies::only(Families::BOTH)),
        Just(PodFamilies::ipv4_of_both()),
        Just(PodFamilies::link_local()),
        Just(PodFamilies::dual_stack_later()),
    ];
    let server = proptest::sample::select(vec!["10.1.2.3", "10.128.0.1", "2001:db8::53", "fd00::a"]);
    let resolvers = proptest::collection::vec(server.prop_map(|it| it.parse().unwrap()), 0..3);
    (families, resolvers).prop_map(|(families, resolvers)| Pod { families, resolvers })
}

/// What the nftables back end means by a program: written as messages, read back, lifted.
fn through_netlink(program: &Program) -> Lifted {
    let mut kernel = Recording::default();
    kernel.commit(&encode(&nftables::translate(program), &Record::now(String::new(), &[])).unwrap()).unwrap();
    let held = nftables::read(&mut kernel).unwrap();
    held.tables.iter().map(nftables::lift).fold(Lifted::default(), Lifted::and)
}

/// What the iptables back ends mean by it: written as `iptables-save` prints it, read back, lifted.
fn through_iptables(program: &Program) -> Lifted {
    let wanted = [Family::Ipv4, Family::Ipv6].map(|family| (family, iptables::render(program, family)));
    let families = wanted.clone().map(|(family, state)| {
        (family, iptables::parse(&saved(&state), &state, &iptables::Claim::default()))
    });
    let held = iptables::Held { variant: BackendKind::IptablesLegacy, families };
    assert_eq!(held.standing(&wanted), super::standing::Standing::Equal, "{:#?}", held.listing());
    iptables::lift(&held)
}

fn saved(state: &FamilyState) -> String {
    let mut text = String::new();
    for table in &state.tables {
        text.push_str(&format!(
            "*{}\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n",
            table.table
        ));
        for chain in &table.chains {
            text.push_str(&format!(":{} - [0:0]\n", chain.name));
        }
        for hook in &table.hooks {
            text.push_str(&format!("-A {} {}\n", hook.chain, hook.line.specification));
        }
        for chain in &table.chains {
            for line in &chain.lines {
                text.push_str(&format!("-A {} {}\n", chain.name, line.specification));
            }
        }
        text.push_str("COMMIT\n");
    }
    text
}

/// What a packet can tell of an outcome.
fn visible(outcome: &Outcome) -> impl PartialEq + std::fmt::Debug + use<> {
    (outcome.fate, outcome.port, outcome.destination, outcome.mark, outcome.connection_mark, outcome.zone)
}

fn assert_same_fate(program: &Program, lifted: &Lifted, packets: &[Packet]) -> Result<(), TestCaseError> {
    prop_assert!(lifted.foreign.is_empty(), "{:?}", lifted.foreign);
    let program_read = Program { routing: program.routing.clone(), ..lifted.program.clone() };
    for (packet, listens) in packets.iter().zip([true, true, true, false].into_iter().cycle()) {
        let surroundings = surroundings(listens);
        let (one, other) =
            (simulate(program, packet, &surroundings), simulate(&program_read, packet, &surroundings));
        prop_assert_eq!(visible(&one), visible(&other), "{:#?}\n{:#?}\n{:#?}", packet, one.path, other.path);
    }
    Ok(())
}

proptest! {
    #![proptest_config(settings_of_a_run())]

    /// simulator(Program) = simulator(decode(encode(Program))) for every renderer; so sets and one rule an item mean the
    /// same.
    #[test]
    fn every_renderer_means_what_the_program_means(
        texts in texts(),
        pod in pods(),
        packets in proptest::collection::vec(packet(), PACKETS),
    ) {
        let program = compile(&config(&texts), &pod, BackendKind::Nftables);
        assert_same_fate(&program, &through_netlink(&program), &packets)?;
        let program = compile(&config(&texts), &pod, BackendKind::IptablesNft);
        assert_same_fate(&program, &through_iptables(&program), &packets)?;
    }

    #[test]
    fn a_configuration_that_is_printed_is_read_as_the_same(texts in texts()) {
        let config = config(&texts);
        prop_assert_eq!(&reread(&config), &config, "{}", config.flags());
    }

    #[test]
    fn another_exclusion_never_redirects_more(
        texts in texts(),
        pod in pods(),
        which in any::<Index>(),
        item in any::<Index>(),
        packets in proptest::collection::vec(packet(), PACKETS),
    ) {
        let (setting, items) = which.get(EXCLUSIONS);
        let more = with_item(&texts, setting, item.get::<&str>(items));
        let compile = |texts: &Texts| compile(&config(texts), &pod, BackendKind::Nftables);
        let (before, after) = (compile(&texts), compile(&more));
        for packet in &packets {
            let surroundings = surroundings(true);
            let (one, other) = (simulate(&before, packet, &surroundings), simulate(&after, packet, &surroundings));
            let is_redirected = |outcome: &Outcome| !matches!(outcome.fate, Fate::Direct | Fate::Dropped | Fate::Rejected);
            prop_assert!(
                is_redirected(&one) || !is_redirected(&other),
                "{} {:?}\n{:#?}\n{:#?}", setting.key(), packet, one.path, other.path
            );
        }
    }
}

/// What can be excluded, and some of it.
const EXCLUSIONS: &[(&Setting, &[&str])] = &[
    (
        &settings::OUTBOUND_EXCLUDED_RANGES,
        &["10.0.0.0/8", "10.1.2.3/32", "0.0.0.0/0", "::/0", "2001:db8::/32"],
    ),
    (&settings::OUTBOUND_EXCLUDED_PORTS, &["80", "1-65535", "53", "8000-8100"]),
    (&settings::INBOUND_EXCLUDED_PORTS, &["80", "1-65535", "15008", "8000-8100"]),
    (&settings::OWNER_GROUPS_EXCLUDED, &["0", "1000", "1337"]),
    (&settings::EXCLUDED_INTERFACES, &["eth0", "lo", "net1", "e+"]),
];

fn with_item(texts: &Texts, setting: &Setting, item: &str) -> Texts {
    let add = |text: &str| if text.is_empty() { item.to_owned() } else { format!("{text},{item}") };
    let changed = |(it, text): &(&'static Setting, String)| {
        (*it, if it.key() == setting.key() { add(text) } else { text.clone() })
    };
    texts.iter().map(changed).collect()
}

/// Reads the flags and variables that a configuration is printed as.
fn reread(config: &Config) -> Config {
    let mut typed = Settings::default();
    let flags = config.flags();
    let mut words = flags.split(' ').filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        let of = |name: &str| settings::ALL.iter().find(|setting| setting.key() == name).unwrap();
        let (setting, text) = match (word.strip_prefix("--"), word.strip_prefix('-'), word.split_once('=')) {
            (Some(_), _, Some((name, text))) => (of(&name[2..]), text),
            (Some(name), _, None) => (of(name), words.next().unwrap()),
            (None, Some(letter), _) => {
                let short = settings::ALL.iter().find(|it| it.short == letter.chars().next()).unwrap();
                (short, words.next().unwrap())
            }
            (None, None, Some((name, text))) => (of(name), text),
            (None, None, None) => panic!("{flags}"),
        };
        typed.set(setting, Origin::Flag("test"), text.to_owned());
    }
    Config::parse(&typed, &Files).unwrap_or_else(|problems| panic!("{flags}\n{problems}"))
}

/// The one thing that a range does not keep of what was typed.
#[test]
fn a_loopback_address_with_a_short_prefix_is_printed_so_that_it_stays_one() {
    let config = config(&vec![(&settings::OUTBOUND_RANGES, "127.0.0.1/7".to_owned())]);
    assert!(matches!(&config.outbound_ranges, OutboundRanges::Only(ranges) if ranges.names_loopback));
    assert_eq!(reread(&config), config, "{}", config.flags());
}
