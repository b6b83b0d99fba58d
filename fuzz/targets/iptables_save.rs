//! Text of `iptables-save`, of anybody: what it is changed to holds our rules and all of the others'.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use mesh_intercept::backend::iptables::{self, CHAINS, FamilyState, Held};
use mesh_intercept::config::families::Family;
use mesh_intercept::config::{BackendKind, Config};
use mesh_intercept::program::{Pod, Surroundings, compile, simulate};
use mesh_intercept_fuzz::chains::Tables;
use mesh_intercept_fuzz::files::Files;
use mesh_intercept_fuzz::{holds, input, script};

/// What is asked for: nothing, the rules of an injected pod, and nearly everything with TPROXY.
static WANTED: LazyLock<[FamilyState; 3]> = LazyLock::new(|| {
    let of = |text: &str| {
        let settings = input::settings_of_lines(text);
        let Ok(config) = Config::parse(&settings, &Files) else { unreachable!("{text}") };
        let pod = Pod { families: input::PODS[2], resolvers: vec![[10, 96, 0, 10].into()] };
        iptables::render(&compile(&config, &pod, BackendKind::IptablesNft), Family::Ipv4)
    };
    let injected = "G*\nI*\nH15090,15021,15020";
    let everything = "FTPROXY\nG*\nI10.0.0.0/8\nJ10.1.0.0/16\nK80\nL90-99\nMeth9,net+\nNvnet0\nQtrue\nTtrue";
    [FamilyState::default(), of(injected), of(everything)]
});

fuzz_target!(|bytes: &[u8]| {
    let Some((which, text)) = bytes.split_first() else { return };
    let wanted = &WANTED[usize::from(*which) % WANTED.len()];
    let text = String::from_utf8_lossy(text);
    let there = holds::read(&text, Family::Ipv4, wanted);
    let change = iptables::transition(&there, wanted, *which >= 128);
    script::check(&change, &there, wanted, *which >= 128);
    // The model below reads line by line; a comment may span several.
    let is_plain = text.lines().all(|line| line.matches('"').count() % 2 == 0 && !line.contains('\\'));
    if let Some(before) = Tables::read(&text).filter(|_| is_plain) {
        carried_out(before, &change, &there, wanted);
    }
    let families = [(Family::Ipv4, there), (Family::Ipv6, FamilyState::default())];
    let held = Held { variant: BackendKind::IptablesNft, families };
    for line in held.listing().places.iter().flat_map(|place| &place.lines) {
        assert!(!line.contains(['\n', '\0']), "{line:?}");
    }
    held.tproxy_marks();
    held.foreign_before_ours();
    let program = iptables::lift(&held).program;
    if let Ok(packet) = input::packet(&mut Unstructured::new(bytes)) {
        simulate(&program, &packet, &Surroundings { addresses: Vec::new(), transparent_listener: true });
    }
});

/// After the change ours are there as they were asked for, and the others as they were.
fn carried_out(before: Tables, change: &str, there: &FamilyState, wanted: &FamilyState) {
    let mut after = before.clone();
    after.restore(change).unwrap_or_else(|line| panic!("iptables would refuse {line:?} of\n{change}"));
    let in_hooks = |state: &FamilyState, table: &str, chain: &str, line: &str| {
        let hooks = state.table(table).map(|it| it.hooks.as_slice()).unwrap_or_default();
        hooks.iter().any(|hook| hook.chain == chain && hook.line.specification == line)
    };
    let ours = |table: &str, chain: &str, line: &str| {
        in_hooks(there, table, chain, line) || in_hooks(wanted, table, chain, line)
    };
    assert_eq!(
        before.without(&CHAINS, ours),
        after.without(&CHAINS, ours),
        "rules of others changed: {change}"
    );
}
