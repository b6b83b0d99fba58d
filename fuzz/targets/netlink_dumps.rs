//! What nf_tables answers, whoever wrote it: read, compared, shown, lifted and written again.
#![no_main]

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use mesh_intercept::backend::nftables::{self, Record, ends};
use mesh_intercept::backend::standing::Standing;
use mesh_intercept::netlink::{attributes, messages, nested};
use mesh_intercept::program::{Surroundings, simulate};
use mesh_intercept_fuzz::input;
use mesh_intercept_fuzz::kernel::Fake;

fuzz_target!(|bytes: &[u8]| {
    for received in messages(bytes) {
        attributes(received.payload).for_each(|(_, content)| descend(content, 8));
    }
    let Ok(held) = nftables::read(&mut Fake::holding(bytes)) else { unreachable!("the fake never fails") };
    held.tproxy_marks();
    for table in &held.tables {
        let listing = nftables::listing_of_held(table);
        for text in listing.places.iter().flat_map(|place| place.lines.iter().chain([&place.name])) {
            assert!(!text.contains(char::is_control), "{text:?}");
        }
        if let Some(record) = &table.record {
            assert!(
                ![&record.installer, &record.configuration].iter().any(|it| it.contains(char::is_control))
            );
        }
        let lifted = nftables::lift(table);
        assert!(!lifted.foreign.iter().any(|text| text.contains(char::is_control)), "{:?}", lifted.foreign);
        if let Ok(packet) = input::packet(&mut Unstructured::new(bytes)) {
            let surroundings = Surroundings { addresses: Vec::new(), transparent_listener: true };
            simulate(&lifted.program, &packet, &surroundings);
        }
    }
    let Some(ruleset) = held.whole() else { return };
    nftables::render(&ruleset, &[]);
    for rule in ruleset.tables.iter().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules) {
        ends(rule);
    }
    assert_ne!(held.standing(&ruleset, None), Standing::Different);
    // Whatever was understood can be written, unless it is too long for it.
    let _ = nftables::encode(&ruleset, &Record::now(String::new(), &[]));
    let _ = nftables::encode_change(&held, &ruleset, &Record::now(String::new(), &[]));
    if let Some(chains) = nftables::BaseChains::late_nat(&held) {
        let stand_ins = chains.stand_ins();
        let _ = (stand_ins.is_in(&held), stand_ins.encode_addition());
        let _ = chains.encode_renewal();
    }
});

fn descend(content: &[u8], depth: usize) {
    if depth > 0 {
        nested(content).for_each(|(_, inner)| descend(inner, depth - 1));
    }
}
