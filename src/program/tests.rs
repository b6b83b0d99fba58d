//! What holds for the program of every configuration.

use super::*;
use crate::config::families::{Families, PodFamilies};
use crate::config::owners::tests::Files;
use crate::config::settings::{self, Setting};
use crate::config::typed::{Origin, Settings};
use crate::config::{BackendKind, Config};

fn config(given: &[(&Setting, &str)]) -> Config {
    let mut settings = Settings::default();
    for (setting, text) in given {
        settings.set(setting, Origin::Flag(setting.flag), (*text).to_owned());
    }
    Config::parse(&settings, &Files).unwrap()
}

fn pod(intercepted: Families) -> Pod {
    let has_both = Families::BOTH == intercepted;
    let families = if has_both { PodFamilies::only(Families::BOTH) } else { PodFamilies::ipv4_of_both() };
    Pod { families, resolvers: vec!["10.96.0.10".parse().unwrap()] }
}

/// Every feature, alone and together, for one family and for both.
fn programs() -> Vec<Program> {
    let features: [(&Setting, &str); 17] = [
        (&settings::PROXY_UID, "3,4,3"),
        (&settings::PROXY_GID, "1,2"),
        (&settings::INTERCEPTION_MODE, "TPROXY"),
        (&settings::INBOUND_PORTS, "*"),
        (&settings::INBOUND_PORTS, "80,8000-8100"),
        (&settings::INBOUND_EXCLUDED_PORTS, "15020,15021"),
        (&settings::OUTBOUND_RANGES, "*"),
        (&settings::OUTBOUND_RANGES, "10.0.0.0/8,2001:db8::/32"),
        (&settings::OUTBOUND_EXCLUDED_RANGES, "10.9.0.0/16"),
        (&settings::OUTBOUND_PORTS, "443"),
        (&settings::OUTBOUND_EXCLUDED_PORTS, "22,25"),
        (&settings::EXCLUDED_INTERFACES, "eth9"),
        (&settings::VIRTUAL_INTERFACES, "vnet0"),
        (&settings::REDIRECT_DNS, "true"),
        (&settings::DROP_INVALID, "true"),
        (&settings::UNCAPTURED_FAMILY, "deny"),
        (&settings::QUIC, "deny"),
    ];
    let mut configurations: Vec<Vec<(&Setting, &str)>> =
        features.iter().map(|feature| vec![*feature]).collect();
    configurations.extend((1..=features.len()).map(|count| features[..count].to_vec()));
    let all = configurations.iter().map(|given| config(given)).collect::<Vec<_>>();
    let pods = [Families::IPV4, Families::BOTH].map(pod);
    let both = [BackendKind::Nftables, BackendKind::IptablesNft];
    let of = |config: &Config| pods.each_ref().map(|pod| both.map(|backend| compile(config, pod, backend)));
    all.iter().flat_map(|config| of(config).into_iter().flatten()).collect()
}

#[test]
fn rule_ids_are_unique_and_reasons_are_sentences_that_nft_can_show() {
    for program in programs() {
        let mut seen = Vec::new();
        for (chain, rule) in program.rules() {
            let name = (chain.table, rule.id.clone());
            assert!(!seen.contains(&name), "{name:?} twice");
            seen.push(name);
            assert!(rule.reason.starts_with(|c: char| c.is_uppercase()) && !rule.reason.contains('"'));
            assert!(rule.id.len() + rule.reason.len() + 2 < 128, "{}", rule.id);
        }
    }
}

#[test]
fn chains_that_are_jumped_to_exist_and_chains_that_exist_are_jumped_to() {
    // istio makes these three in every case, and uses them when a configuration has a use for them.
    let always = [ChainName::Inbound, ChainName::InRedirect, ChainName::Redirect];
    for program in programs() {
        let targets: Vec<_> = program
            .rules()
            .filter_map(|(chain, rule)| match rule.verdict {
                Verdict::Jump(target) => Some((chain.table, target)),
                _ => None,
            })
            .collect();
        for target in &targets {
            assert!(program.chains.iter().any(|chain| (chain.table, chain.name) == *target), "{target:?}");
        }
        for chain in program.chains.iter().filter(|chain| chain.name.hook().is_none()) {
            let used = targets.contains(&(chain.table, chain.name));
            assert!(used || always.contains(&chain.name), "{} {}", chain.table.name(), chain.name);
        }
    }
}

/// nftables says "return" of a rule with a negated owner as "accept" (see `nftables::translate`). Both mean the same as
/// long as nothing follows the jump to the rule's chain in the hook's chain.
#[test]
fn rules_with_a_negated_owner_are_in_a_chain_that_the_last_rule_of_a_hook_calls() {
    for program in programs() {
        for (chain, rule) in program.rules() {
            let negated = |it: &Match| matches!(it, Match::NotOwnerUid(_) | Match::NotOwnerGid(_));
            if !rule.matches.iter().any(negated) {
                continue;
            }
            assert_eq!(rule.verdict, Verdict::Return);
            for caller in &program.chains {
                let jumps =
                    |it: &Rule| caller.table == chain.table && it.verdict == Verdict::Jump(chain.name);
                if let Some(place) = caller.rules.iter().position(jumps) {
                    assert!(caller.name.hook().is_some());
                    assert_eq!(place, caller.rules.len() - 1);
                }
            }
        }
    }
}

#[test]
fn a_family_that_is_not_intercepted_has_no_rule_but_those_that_refuse_it() {
    for mode in ["REDIRECT", "TPROXY"] {
        let config = config(&[(&settings::INTERCEPTION_MODE, mode), (&settings::INBOUND_PORTS, "*")]);
        let program = compile(&config, &pod(Families::IPV4), BackendKind::IptablesNft);
        assert_eq!(program.families(), Families::IPV4);
        assert!(!program.routing.bind_address);
    }
    for policy in ["warn", "deny"] {
        let config = config(&[(&settings::UNCAPTURED_FAMILY, policy), (&settings::INBOUND_PORTS, "*")]);
        let program = compile(&config, &pod(Families::IPV4), BackendKind::Nftables);
        let tables: Vec<Table> = program.only(Family::Ipv6).chains.iter().map(|chain| chain.table).collect();
        assert!(!tables.is_empty() && tables.iter().all(|table| *table == Table::Filter), "{tables:?}");
    }
}

#[test]
fn warnings_say_what_bypasses_the_proxy() {
    let warned = |given: &[(&Setting, &str)], pod: &Pod| warnings(&config(given), pod).join("\n");
    let half = pod(Families::IPV4);
    assert!(warned(&[], &half).contains("IPv6 is not intercepted"));
    assert_eq!(warned(&[(&settings::UNCAPTURED_FAMILY, "allow")], &half), "");
    assert_eq!(warned(&[], &pod(Families::BOTH)), "");
    let mapped = [(&settings::OUTBOUND_EXCLUDED_RANGES, "::ffff:10.0.0.0/104")];
    assert!(warned(&mapped, &pod(Families::BOTH)).contains("write it as IPv4"));
    let quic = |more: &[(&Setting, &str)]| {
        warned(
            &[&[(&settings::QUIC, "deny"), (&settings::OUTBOUND_RANGES, "*")], more].concat(),
            &pod(Families::BOTH),
        )
    };
    assert_eq!(quic(&[]), "");
    assert!(quic(&[(&settings::OUTBOUND_EXCLUDED_PORTS, "400-500")]).contains("refuses nothing"));
    assert!(quic(&[(&settings::VIRTUAL_INTERFACES, "vnet0")]).contains("virtual machines"));
    let no_servers = Pod { resolvers: vec![], ..pod(Families::BOTH) };
    assert!(warned(&[(&settings::REDIRECT_DNS, "true")], &no_servers).contains("DNS capture is off"));
}
