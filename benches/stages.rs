//! What each stage costs between the command line and the kernel, for one excluded range and for 20,000.
//!
//! `cargo bench --profile benchmark --bench stages` says it in time, `scripts/bench instructions` in instructions, which
//! do not depend on the machine's mood, and compares them with `benches/instructions.json`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    missing_docs,
    reason = "a benchmark that cannot be set up has failed; criterion's macros make functions without documentation"
)]

#[path = "../fuzz/src/files.rs"]
#[allow(unreachable_pub, reason = "the fuzz targets use it as well")]
mod files;
#[path = "../fuzz/src/kernel.rs"]
#[allow(dead_code, unreachable_pub, reason = "the fuzz targets use it as well")]
mod kernel;

use std::env::VarError;
use std::hint::black_box;
use std::net::SocketAddr;

use criterion::{Criterion, criterion_group, criterion_main};
use mesh_intercept::backend::iptables::{self, FamilyState};
use mesh_intercept::backend::nftables::{self, Held, Record, Ruleset};
use mesh_intercept::config::arguments::{self, Outcome};
use mesh_intercept::config::families::{Families, PodFamilies};
use mesh_intercept::config::owners::{Gid, Uid};
use mesh_intercept::config::{BackendKind, Config};
use mesh_intercept::netlink::Batch;
use mesh_intercept::program::{
    Entry, Fate, Owner, Packet, Pod, Program, Protocol, Surroundings, compile, simulate,
};

use files::Files;
use kernel::Fake;

/// How many ranges are excluded.
const RANGES: [u32; 2] = [1, 20_000];
const POD: Pod = Pod {
    families: PodFamilies {
        intercepted: Families::IPV4,
        uncaptured: Families::NONE,
        later: Families::NONE,
        has_ipv6: true,
    },
    resolvers: Vec::new(),
};

/// The flags of an injected pod; every second /25 of 10.0.0.0/8 and following is excluded, so that none can be merged.
fn command_line(ranges: u32) -> Vec<String> {
    let excluded: Vec<String> =
        (0..ranges).map(|number| format!("10.{}.{}.0/25", number >> 8, number & 255)).collect();
    let fixed = ["init", "-p", "15001", "-z", "15006", "-u", "1337", "-m", "REDIRECT", "-i", "*", "-b", "*"];
    let mut line: Vec<String> = fixed.map(str::to_owned).to_vec();
    line.extend(["-d".to_owned(), "15090,15021,15020".to_owned(), "-x".to_owned(), excluded.join(",")]);
    line
}

fn parse(line: Vec<String>) -> Config {
    match arguments::parse("init", "", line, &|_| Err(VarError::NotPresent)) {
        Outcome::Parsed(settings, problems) if problems.is_empty() => {
            Config::parse(&settings, &Files).unwrap_or_else(|problems| panic!("{problems}"))
        }
        _ => panic!("the flags are not understood"),
    }
}

fn encode(ruleset: &Ruleset) -> Batch {
    nftables::encode(ruleset, &Record::now("-u 1337".to_owned(), &[])).unwrap()
}

fn decode(kernel: &mut Fake) -> Held {
    nftables::read(kernel).unwrap()
}

fn render(program: &Program) -> Vec<String> {
    let wanted = iptables::wanted(program).unwrap();
    wanted.iter().map(|(_, state)| iptables::transition(&FamilyState::default(), state, true)).collect()
}

/// The first packet of a connection of the application to an address that no range contains.
fn packet() -> Packet {
    let owner = Some(Owner { uid: Uid(1000), gid: Gid(1000) });
    let entry = Entry::Sent { owner, interface: "eth0".to_owned() };
    Packet::first(
        entry,
        Protocol::Tcp,
        SocketAddr::from(([10, 9, 0, 2], 40_000)),
        SocketAddr::from(([203, 0, 113, 5], 8080)),
    )
}

/// Instructions are counted in here: the name is what callgrind looks for.
#[inline(never)]
fn measured<T>(work: impl FnOnce() -> T) -> T {
    black_box(work())
}

fn stages(criterion: &mut Criterion) {
    for ranges in RANGES {
        let line = command_line(ranges);
        let config = parse(line.clone());
        let program = compile(&config, &POD, BackendKind::Nftables);
        let ruleset = nftables::translate(&program);
        let batch = encode(&ruleset);
        let surroundings = Surroundings { addresses: Vec::new(), transparent_listener: false };
        // What is fast because it does nothing would be measured in vain.
        assert_eq!(decode(&mut Fake::holding(batch.bytes())).tables.len(), 1);
        assert_eq!(simulate(&program, &packet(), &surroundings).fate, Fate::OutboundProxy);

        let mut stage = |name: &str, work: &mut dyn FnMut()| {
            criterion.bench_function(&format!("{name}/{ranges}"), |bencher| {
                bencher.iter(|| measured(&mut *work));
            });
        };
        stage("parse", &mut || drop(black_box(parse(line.clone()))));
        stage("compile", &mut || drop(black_box(compile(&config, &POD, BackendKind::Nftables))));
        stage("translate", &mut || drop(black_box(nftables::translate(&program))));
        stage("encode", &mut || drop(black_box(encode(&ruleset))));
        let mut held = Fake::holding(batch.bytes());
        stage("decode", &mut || drop(black_box(decode(&mut held))));
        stage("render", &mut || drop(black_box(render(&program))));
        stage("simulate", &mut || drop(black_box(simulate(&program, &packet(), &surroundings))));
    }
}

criterion_group!(benches, stages);
criterion_main!(benches);
