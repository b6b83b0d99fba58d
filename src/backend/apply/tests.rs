//! All or nothing: whatever fails, what was done before is undone. And what was done is read back as what was wanted.

use super::*;
use crate::backend::standing::Standing;
use crate::config::Config;
use crate::config::families::{Families, PodFamilies};
use crate::config::owners::tests::Files;
use crate::config::settings::{
    CAPTURE_ALL_DNS, INBOUND_PORTS, INTERCEPTION_MODE, OUTBOUND_EXCLUDED_RANGES, OUTBOUND_RANGES,
    REDIRECT_DNS, Setting,
};
use crate::config::typed::{Origin, Settings};
use crate::kernel::Finished;
use crate::kernel::recording::Recording;
use crate::program::Pod;
use crate::verify::compare::compare;

fn target(families: Families, flags: &[(&Setting, &str)]) -> Target {
    let mut settings = Settings::default();
    for (setting, text) in flags {
        settings.set(setting, Origin::Flag("test"), (*text).to_owned());
    }
    let config = Config::parse(&settings, &Files).unwrap();
    let pod = Pod { families: PodFamilies::only(families), resolvers: vec![] };
    let record = Record::now(config.flags(), &[]);
    Target::new(config, pod, record)
}

fn redirect() -> Target {
    let ranges = "10.0.0.0/8,192.168.0.1/32,2001:db8::/32";
    target(
        Families::BOTH,
        &[(&OUTBOUND_RANGES, "*"), (&INBOUND_PORTS, "*"), (&OUTBOUND_EXCLUDED_RANGES, ranges)],
    )
}

fn tproxy_dual_stack() -> Target {
    let dns = [(&REDIRECT_DNS, "true"), (&CAPTURE_ALL_DNS, "true")];
    target(Families::BOTH, &[&[(&INTERCEPTION_MODE, "TPROXY"), (&INBOUND_PORTS, "*")], &dns[..]].concat())
}

fn read(kernel: &mut Recording, target: &Target) -> State {
    State::read(kernel, BackendKind::Nftables, target).unwrap()
}

#[track_caller]
fn assert_same(state: &State, target: &Target) {
    let difference = compare(&state.listing(), &target.listing(BackendKind::Nftables).unwrap());
    assert!(difference.is_none(), "{difference}");
}

#[test]
fn routing_goes_in_before_the_rules() {
    let mut kernel = Recording::default();
    create(&mut kernel, BackendKind::Nftables, &tproxy_dual_stack()).unwrap();
    assert_eq!(kernel.routing.len(), 5, "{:?}", kernel.routing);
    assert_eq!(kernel.log.len(), 1);
}

#[test]
fn what_was_written_is_read_back_exactly() {
    for wanted in [redirect(), tproxy_dual_stack(), target(Families::IPV4, &[])] {
        let mut kernel = Recording::default();
        create(&mut kernel, BackendKind::Nftables, &wanted).unwrap();
        let state = read(&mut kernel, &wanted);
        assert_same(&state, &wanted);
        assert_eq!(state.standing(&wanted).unwrap(), Standing::Equal);
        let Rules::Nftables(held) = &state.rules else { panic!("another back end") };
        let ruleset = held.whole().unwrap();
        assert_eq!(state.record().unwrap().digest, nftables::digest_of(&ruleset).unwrap());
        assert_eq!(state.record().unwrap().configuration, wanted.record.configuration);
    }
}

#[test]
fn every_rule_that_is_missing_or_moved_is_a_difference() {
    let wanted = tproxy_dual_stack();
    let mut kernel = Recording::default();
    create(&mut kernel, BackendKind::Nftables, &wanted).unwrap();
    let objects = kernel.objects.clone();
    for place in 0..objects.len() {
        let mut broken = Recording { routing: kernel.routing.clone(), ..Recording::default() };
        broken.objects = objects.clone();
        let (kind, payload) = broken.objects.remove(place);
        let is_record = attribute_text(&payload, 3).as_deref() == Some("installation");
        if kind == crate::netlink::message::NEW_TABLE || is_record {
            continue;
        }
        let state = read(&mut broken, &wanted);
        assert_eq!(state.standing(&wanted).unwrap(), Standing::Different, "without {place}");
        assert_ne!(state.listing(), wanted.listing(BackendKind::Nftables).unwrap());
    }
    let rules: Vec<usize> =
        (0..objects.len()).filter(|place| objects[*place].0 == crate::netlink::message::NEW_RULE).collect();
    for pair in rules.windows(2) {
        if attribute_text(&objects[pair[0]].1, 2) != attribute_text(&objects[pair[1]].1, 2) {
            continue;
        }
        let mut broken = Recording { routing: kernel.routing.clone(), ..Recording::default() };
        broken.objects = objects.clone();
        broken.objects.swap(pair[0], pair[1]);
        assert_eq!(read(&mut broken, &wanted).standing(&wanted).unwrap(), Standing::Different);
    }
}

fn attribute_text(payload: &[u8], part: u16) -> Option<String> {
    crate::netlink::attribute(payload, part).map(crate::netlink::text)
}

#[test]
fn every_change_of_configuration_ends_in_what_a_first_apply_gives() {
    let all = [redirect(), tproxy_dual_stack(), target(Families::IPV4, &[]), target(Families::BOTH, &[])];
    for from in &all {
        for to in &all {
            let mut kernel = Recording::default();
            create(&mut kernel, BackendKind::Nftables, from).unwrap();
            let state = read(&mut kernel, to);
            replace(&mut kernel, &state, to, false).unwrap();
            let state = read(&mut kernel, to);
            assert_eq!(state.standing(to).unwrap(), Standing::Equal);
            assert_same(&state, to);
        }
    }
}

#[test]
fn from_redirect_to_tproxy_both_are_there_for_a_moment() {
    let (from, to) = (redirect(), tproxy_dual_stack());
    let mut kernel = Recording::default();
    create(&mut kernel, BackendKind::Nftables, &from).unwrap();
    let state = read(&mut kernel, &to);
    // The second transaction fails: the first is taken back.
    kernel.refuses = Some(("the old chain nat-prerouting", nix::libc::EINVAL));
    replace(&mut kernel, &state, &to, false).unwrap_err();
    kernel.refuses = None;
    let state = read(&mut kernel, &from);
    assert_eq!(state.standing(&from).unwrap(), Standing::Equal);
    // The first alone is an interrupted run, which the next one ends.
    let Rules::Nftables(held) = &state.rules else { panic!("another back end") };
    let bridge = nftables::translate(&to.bridge().unwrap());
    let batch = encode_change(held, &bridge, &to.record).unwrap();
    kernel.commit(&batch).unwrap();
    let state = read(&mut kernel, &to);
    assert_eq!(state.standing(&to).unwrap(), Standing::Interrupted);
    replace(&mut kernel, &state, &to, false).unwrap();
    assert_eq!(read(&mut kernel, &to).standing(&to).unwrap(), Standing::Equal);
}

#[test]
fn refused_rules_take_their_routing_with_them_but_not_what_was_there_before() {
    let mut kernel = Recording { refuses: Some(("divert-mark", nix::libc::EINVAL)), ..Recording::default() };
    kernel.routing.push(RoutingItem::BindAddress);
    let failure = create(&mut kernel, BackendKind::Nftables, &tproxy_dual_stack()).unwrap_err();
    assert_eq!(kernel.routing, [RoutingItem::BindAddress]);
    assert!(failure.to_string().contains("divert-mark"), "{failure}");
    assert!(!failure.is_environment());
}

#[test]
fn routing_that_fails_half_way_is_undone_and_no_rule_is_sent() {
    let target = tproxy_dual_stack();
    for item in target.routing(BackendKind::Nftables) {
        let mut kernel = Recording { fails_at: Some(item), ..Recording::default() };
        let failure = create(&mut kernel, BackendKind::Nftables, &target).unwrap_err();
        assert!(failure.to_string().contains(&item.command("add")), "{failure}");
        assert!(kernel.routing.is_empty() && kernel.log.is_empty());
    }
}

#[test]
fn a_missing_kernel_feature_is_named() {
    let mut kernel =
        Recording { refuses: Some(("\"tproxy-inbound", nix::libc::ENOENT)), ..Recording::default() };
    let failure = create(&mut kernel, BackendKind::Nftables, &tproxy_dual_stack()).unwrap_err();
    assert!(failure.is_environment());
    assert!(failure.to_string().contains("CONFIG_NFT_TPROXY"), "{failure}");
}

#[test]
fn a_kernel_without_tables_of_iptables_lacks_something() {
    let complaints = "iptables-restore v1.8.9 (legacy): iptables-restore: unable to initialize table 'raw'";
    let refused = || Finished { code: Some(1), complaints: complaints.into(), ..Finished::default() };
    let mut kernel = Recording { answers: vec![refused(), refused()], ..Recording::default() };
    let failure = create(&mut kernel, BackendKind::IptablesLegacy, &redirect()).unwrap_err();
    assert!(failure.is_environment(), "{failure}");
    assert!(failure.to_string().contains("unable to initialize table 'raw'"), "{failure}");
}

/// Two runs at once: the other one's table is there when ours is to be created, or has changed since it was read.
#[test]
fn what_was_overtaken_is_not_an_error_of_the_kernel() {
    let mut kernel = Recording { refuses: Some(("the table", nix::libc::EEXIST)), ..Recording::default() };
    let failure = create(&mut kernel, BackendKind::Nftables, &tproxy_dual_stack()).unwrap_err();
    assert!(matches!(failure, ApplyError::Overtaken));
    assert!(kernel.routing.is_empty());
    kernel.refuses = None;
    create(&mut kernel, BackendKind::Nftables, &redirect()).unwrap();
    let state = read(&mut kernel, &redirect());
    kernel.refuses = Some(("the beginning", nix::libc::ERESTART));
    let failure = replace(&mut kernel, &state, &redirect(), true).unwrap_err();
    assert!(matches!(failure, ApplyError::Overtaken));
}

#[test]
fn a_lost_answer_is_neither_success_nor_failure_until_the_kernel_is_read() {
    let mut kernel = Recording { loses_answers: true, ..Recording::default() };
    create(&mut kernel, BackendKind::Nftables, &tproxy_dual_stack()).unwrap();
    let state = read(&mut kernel, &redirect());
    replace(&mut kernel, &state, &redirect(), false).unwrap();
    assert_eq!(read(&mut kernel, &redirect()).standing(&redirect()).unwrap(), Standing::Equal);
    // Lost, and not carried out.
    let refuses = Some(("the table", nix::libc::ENOBUFS));
    let mut kernel = Recording { refuses, ..Recording::default() };
    create(&mut kernel, BackendKind::Nftables, &redirect()).unwrap_err();
    assert!(kernel.routing.is_empty() && kernel.objects.is_empty());
}

#[test]
fn ipv6_that_fails_takes_ipv4_back_out() {
    let ok = |output: &str| Finished { code: Some(0), output: output.into(), ..Finished::default() };
    let failed = Finished {
        code: Some(2),
        complaints: "ip6tables-restore: line 3 failed".into(),
        ..Finished::default()
    };
    let saved = "*nat\n:ISTIO_OUTPUT - [0:0]\n-A OUTPUT -j ISTIO_OUTPUT\nCOMMIT\n";
    let mut kernel = Recording {
        // Nothing is there; IPv4 goes in, IPv6 fails; then each family is read, and what is there is taken out.
        answers: vec![ok(""), ok(""), ok(""), failed, ok(""), ok(saved)],
        legacy_tables: vec!["nat".into()],
        ..Recording::default()
    };
    let failure = create(&mut kernel, BackendKind::IptablesLegacy, &tproxy_dual_stack()).unwrap_err();
    assert!(failure.to_string().contains("ip6tables-legacy-restore failed"), "{failure}");
    assert!(failure.to_string().contains("that line is: "), "{failure}");
    let programs: Vec<_> = kernel.log.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(
        programs,
        [
            "iptables-legacy-save",
            "ip6tables-legacy-save",
            "iptables-legacy-restore",
            "ip6tables-legacy-restore",
            "ip6tables-legacy-save",
            "iptables-legacy-save",
            "iptables-legacy-restore",
        ]
    );
    assert!(kernel.routing.is_empty());
}
