//! Nothing takes the square of its input: a megabyte is read in about four times the time of a quarter.
//!
//! The processor time of the thread is compared, which other programs do not lengthen, and the bound is generous: what is
//! quadratic takes sixteen times as long, and the best of several tries counts.

use std::hint::black_box;
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

use crate::backend::iptables::{self, Held};
use crate::backend::nftables::{self, Record, TABLE, TableFamily};
use crate::config::families::{Families, Family, PodFamilies};
use crate::config::owners::tests::Files;
use crate::config::resolvers::Resolvers;
use crate::config::settings::{self, Setting};
use crate::config::typed::{Origin, Settings};
use crate::config::{BackendKind, Config};
use crate::kernel::recording::Recording;
use crate::kernel::{Finished, ListedChain};
use crate::netlink::{Attributes, message};
use crate::program::{Pod, Program, compile};
use crate::verify::compare::compare;

/// Bytes of the larger input.
const LARGE: usize = 1 << 20;
/// How many tries there are to stay below the bound.
const TRIES: usize = 5;
/// The factor that is still believed to be the machine's fault.
const MOST: u32 = 10;

/// Does `work` with inputs of a quarter of a megabyte and of a megabyte, which `input` makes.
fn is_linear<T>(input: impl Fn(usize) -> T, work: impl Fn(&T)) {
    // What this thread has worked, whatever else the machine does meanwhile.
    let worked = || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).unwrap());
    let took = |input: &T| {
        let start = worked();
        work(input);
        worked() - start
    };
    let (small, large) = (input(LARGE / 4), input(LARGE));
    let (mut least, mut most) = (Duration::MAX, Duration::MAX);
    for _ in 0..TRIES {
        (least, most) = (least.min(took(&small)), most.min(took(&large)));
        if most < least * MOST {
            return;
        }
    }
    panic!("a quarter of the input takes {least:?}, all of it {most:?}");
}

/// Items until there are so many bytes.
fn items(size: usize, separator: &str, item: impl Fn(usize) -> String) -> String {
    let mut text = String::new();
    for number in 0.. {
        if text.len() >= size {
            break;
        }
        text.push_str(&item(number));
        text.push_str(separator);
    }
    text
}

fn config(setting: &Setting, text: &str) -> Config {
    let mut all = Settings::default();
    all.set(setting, Origin::Default(setting.key()), text.to_owned());
    Config::parse(&all, &Files).unwrap()
}

fn program(config: &Config) -> Program {
    let families = PodFamilies::only(Families::BOTH);
    compile(config, &Pod { families, resolvers: Vec::new() }, BackendKind::IptablesNft)
}

/// A list, through everything that is made of it. An item of a list may become several rules, which tests without optimisation
/// take their time for: such lists are shorter by `divisor`.
fn list_is_linear(setting: &Setting, divisor: usize, item: impl Fn(usize) -> String) {
    is_linear(
        |size| items(size / divisor, ",", &item),
        |text| {
            let config = config(setting, text);
            black_box(config.flags());
            let program = program(&config);
            let ruleset = nftables::translate(&program);
            black_box(nftables::render(&ruleset, &[]));
            let _ = black_box(nftables::encode(&ruleset, &Record::now(String::new(), &[])));
            let empty = iptables::FamilyState::default();
            for (_, wanted) in iptables::wanted(&program).unwrap() {
                black_box(iptables::transition(&empty, &wanted, true));
            }
        },
    );
}

#[test]
fn lists_of_settings() {
    list_is_linear(&settings::INBOUND_PORTS, 4, |i| (i % 65535 + 1).to_string());
    list_is_linear(&settings::OUTBOUND_EXCLUDED_RANGES, 4, |i| {
        format!("10.{}.{}.{}/32", i >> 16, i >> 8 & 255, i & 255)
    });
    list_is_linear(&settings::OUTBOUND_RANGES, 4, |i| format!("fd00::{:x}:{:x}/128", i >> 16, i & 0xffff));
    list_is_linear(&settings::EXCLUDED_INTERFACES, 4, |i| format!("e{i}"));
    list_is_linear(&settings::PROXY_GID, 16, |i| i.to_string());
    list_is_linear(&settings::PROXY_UID, 16, |i| i.to_string());
}

#[test]
fn lists_that_are_only_read() {
    let both = [&settings::OUTBOUND_RANGES, &settings::PROXY_UID];
    for (setting, is_wrong) in both.into_iter().flat_map(|setting| [(setting, true), (setting, false)]) {
        is_linear(
            |size| items(size, ",", |i| if is_wrong { "-".to_owned() } else { i.to_string() }),
            |text| {
                let mut all = Settings::default();
                all.set(setting, Origin::Default(setting.key()), text.clone());
                let read = Config::parse(&all, &Files).map_err(|problems| problems.to_string());
                let _ = black_box(read);
            },
        );
    }
}

#[test]
fn every_pair_of_two_lists_is_refused_when_there_are_too_many() {
    let mut all = Settings::default();
    let names = (0..1001).map(|i| format!("e{i}")).collect::<Vec<_>>().join(",");
    let ranges = (0..1000).map(|i| format!("10.0.{}.{}/32", i >> 8, i & 255)).collect::<Vec<_>>().join(",");
    all.set(&settings::VIRTUAL_INTERFACES, Origin::Default("interfaces"), names);
    all.set(&settings::OUTBOUND_RANGES, Origin::Default("ranges"), ranges);
    let program = program(&Config::parse(&all, &Files).unwrap());
    let refused = iptables::wanted(&program);
    assert!(
        matches!(refused, Err(iptables::RestoreError::TooManyRules { rules: 1_001_000, .. })),
        "{refused:?}"
    );
}

#[test]
fn resolv_conf() {
    is_linear(
        |size| items(size, "\n", |_| "nameserver ::1".to_owned()),
        |text| {
            black_box(Resolvers::parse(text));
        },
    );
}

/// What `iptables-save` prints, read, compared and replaced.
fn save_is_linear(wanted: &Config, line: impl Fn(usize) -> String) {
    let wanted = iptables::wanted(&program(wanted)).unwrap();
    is_linear(
        |size| {
            let rules = items(size, "\n", &line);
            format!("*nat\n:ISTIO_OUTPUT - [0:0]\n:ISTIO_REDIRECT - [0:0]\n{rules}COMMIT\n")
        },
        |saved| {
            let chain = ListedChain { family: 2, table: "nat".into(), name: "OUTPUT".into(), is_idle: false };
            let finished = Finished { code: Some(0), output: saved.clone(), complaints: String::new() };
            let mut kernel =
                Recording { chains: vec![chain], answers: vec![finished], ..Recording::default() };
            let variant = BackendKind::IptablesNft;
            let (family, first) = (Family::Ipv4, &wanted[0].1);
            let there = iptables::current(&mut kernel, variant, family, first).unwrap();
            black_box(iptables::transition(&there, first, true));
            black_box(iptables::transition(first, &there, true));
            let held = Held { variant, families: [(family, there), wanted[1].clone()] };
            black_box(held.standing(&wanted));
            black_box(iptables::lift(&held));
            black_box(compare(&held.listing(), &iptables::listing(variant, &wanted)).to_string());
        },
    );
}

#[test]
fn text_of_iptables_save() {
    let plain = config(&settings::OUTBOUND_RANGES, "*");
    let excluded = config(&settings::EXCLUDED_INTERFACES, &items(LARGE / 16, ",", |i| format!("e{i}")));
    save_is_linear(&plain, |i| format!("-A ISTIO_OUTPUT -d 10.0.{}.{}/32 -j RETURN", i >> 8 & 255, i & 255));
    save_is_linear(&plain, |i| format!("-A OUTPUT -d 10.0.{}.{}/32 -j RETURN", i >> 8 & 255, i & 255));
    save_is_linear(&excluded, |i| format!("-A OUTPUT -o e{i} -j RETURN\n-A PREROUTING -i e{i} -j RETURN"));
    save_is_linear(&excluded, |i| format!("-A PREROUTING -i e{i} -j RETURN"));
    save_is_linear(&plain, |i| format!("-A PREROUTING -i e{i} -j ISTIO_REDIRECT"));
    save_is_linear(&plain, |_| ":ISTIO_OUTPUT - [0:0]\n-A X -j ISTIO_OUTPUT".to_owned());
    save_is_linear(&plain, |i| format!("COMMIT\n*table{i}\n:ISTIO_OUTPUT - [0:0]"));
    // One long line.
    is_linear(
        |size| format!("-A ISTIO_OUTPUT {}", "-m owner ".repeat(size / 9)),
        |line| {
            save_is_read(line);
        },
    );
}

fn save_is_read(line: &str) {
    let chain = ListedChain { family: 2, table: "nat".into(), name: "OUTPUT".into(), is_idle: false };
    let output = format!("*nat\n:ISTIO_OUTPUT - [0:0]\n{line}\nCOMMIT\n");
    let finished = Finished { code: Some(0), output, complaints: String::new() };
    let mut kernel = Recording { chains: vec![chain], answers: vec![finished], ..Recording::default() };
    let nothing = iptables::FamilyState::default();
    let variant = BackendKind::IptablesNft;
    let there = iptables::current(&mut kernel, variant, Family::Ipv4, &nothing).unwrap();
    black_box(iptables::lift(&Held { variant, families: [(Family::Ipv4, there), (Family::Ipv6, nothing)] }));
}

/// A kernel with so many bytes of chains and rules in our table: each chain has a rule that jumps to the next one.
fn kernel_with_chains(size: usize) -> Recording {
    const NAME: u16 = 3;
    const CHAIN_OF_RULE: u16 = 2;
    let payload = |write: &dyn Fn(&mut Attributes)| {
        let mut attributes = Attributes::default();
        attributes.text(1, TABLE);
        write(&mut attributes);
        [&[TableFamily::Ip.number(), 0, 0, 0], attributes.written()].concat()
    };
    let mut kernel = Recording::default();
    kernel.objects.push((message::NEW_TABLE, payload(&|_| {})));
    let mut written = 0;
    for number in 0.. {
        if written >= size {
            break;
        }
        let name = format!("chain-{number}");
        let chain = payload(&|it| {
            it.text(NAME, &name);
        });
        let rule = payload(&|it| {
            it.text(CHAIN_OF_RULE, &name).nested(4, |list| {
                list.nested(1, |expression| {
                    expression.text(1, "immediate").nested(2, |data| {
                        data.u32(1, 0).nested(2, |value| {
                            value.nested(2, |verdict| {
                                verdict
                                    .bytes(1, &(-3_i32).to_be_bytes())
                                    .text(2, &format!("chain-{}", number + 1));
                            });
                        });
                    });
                });
            });
        });
        written += chain.len() + rule.len();
        kernel.objects.push((message::NEW_CHAIN, chain));
        kernel.objects.push((message::NEW_RULE, rule));
    }
    kernel
}

#[test]
fn listings_of_nf_tables() {
    let read = |kernel: &Recording| {
        let mut copy = Recording { objects: kernel.objects.clone(), ..Recording::default() };
        nftables::read(&mut copy).unwrap()
    };
    assert!(read(&kernel_with_chains(1000)).whole().is_some());
    is_linear(kernel_with_chains, |kernel| {
        let held = read(kernel);
        let table = &held.tables[0];
        black_box(nftables::lift(table));
        black_box(compare(&nftables::listing_of_held(table), &nftables::listing(&held.whole().unwrap())));
    });
}
