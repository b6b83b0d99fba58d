//! Any packet through the rules of any configuration: those that were compiled, and those read back from both back ends,
//! do the same to it.
#![no_main]

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use mesh_intercept::backend::iptables::{self, Held};
use mesh_intercept::backend::lifted::Lifted;
use mesh_intercept::backend::nftables;
use mesh_intercept::config::{BackendKind, Config};
use mesh_intercept::program::{Packet, Program, Surroundings, cause, compile, simulate};
use mesh_intercept_fuzz::files::Files;
use mesh_intercept_fuzz::{holds, input};

fuzz_target!(|bytes: &[u8]| {
    let from = &mut Unstructured::new(bytes);
    let (Ok(settings), Ok(pod)) = (input::settings(from), input::pod(from)) else { return };
    let Ok(config) = Config::parse(&settings, &Files) else { return };
    let Ok(backend) = from.choose(&[BackendKind::Nftables, BackendKind::IptablesNft]) else { return };
    let program = compile(&config, &pod, *backend);
    let by_nftables = holds::nftables_round_trip(&program)
        .map(|held| held.tables.iter().map(nftables::lift).fold(Lifted::default(), Lifted::and));
    let by_iptables = iptables::wanted(&program).ok().map(|families| {
        let held = Held { variant: BackendKind::IptablesNft, families };
        iptables::lift(&held)
    });
    for _ in 0..8 {
        let (Ok(packet), Ok(surroundings)) = (input::packet(from), input::surroundings(from)) else { return };
        for lifted in by_nftables.iter().chain(&by_iptables) {
            assert!(lifted.foreign.is_empty(), "{:?}", lifted.foreign);
            // Routes are not in the tables.
            let program_read = Program { routing: program.routing.clone(), ..lifted.program.clone() };
            same_fate(&program, &program_read, &packet, &surroundings);
        }
    }
});

fn same_fate(program: &Program, read: &Program, packet: &Packet, surroundings: &Surroundings) {
    let (one, other) = (simulate(program, packet, surroundings), simulate(read, packet, surroundings));
    let _ = one.rule.as_deref().map(cause);
    let what = |it: &mesh_intercept::program::Outcome| {
        (it.fate, it.port, it.destination, it.mark, it.connection_mark, it.zone)
    };
    assert_eq!(what(&one), what(&other), "{packet:?}: {one:#?} is not {other:#?}");
}
