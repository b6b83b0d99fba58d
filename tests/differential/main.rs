//! Random configurations, applied by each of the three back ends; real packets; and the simulator: all have to agree.
//!
//!     SEED=7 COUNT=1 cargo test --test differential -- --nocapture
//!
//! Configuration N of a run has the seed SEED + N, and so can be had again alone. COUNT=endless never stops.

#![allow(unreachable_pub, reason = "a test exports nothing")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot be set up has failed"
)]

mod case;
#[path = "../common/mod.rs"]
mod common;
mod configuration;
mod expected;
mod kept;
mod laboratory;
mod packet;
mod random;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use case::{Case, Report};
use laboratory::Laboratory;
use mesh_intercept::config::BackendKind;
use random::Dice;

const BACK_ENDS: [BackendKind; 3] =
    [BackendKind::Nftables, BackendKind::IptablesNft, BackendKind::IptablesLegacy];
const CONFIGURATIONS: u64 = 200;
const PACKETS: usize = 60;
/// So many cases may be under way: the back ends need not wait for each other after each.
const AT_ONCE: usize = 4;
const FIRST_SEED: u64 = 1;
/// How often the rate is printed.
const PERIOD: Duration = Duration::from_secs(60);
/// After so many disagreements nobody reads on.
const ENOUGH: usize = 20;

#[test]
fn the_back_ends_and_the_simulator_agree() {
    let seed = std::env::var("SEED").map_or(FIRST_SEED, |text| text.parse().expect("SEED is a number"));
    let count = match std::env::var("COUNT").as_deref() {
        Ok("endless") => u64::MAX - seed,
        Ok(text) => text.parse().expect("COUNT is a number, or endless"),
        Err(_) => CONFIGURATIONS,
    };
    println!("SEED={seed} COUNT={count}");
    let random = (seed..seed + count).map(|seed| {
        let mut dice = Dice::new(seed);
        let configuration = random::configuration(&mut dice);
        let packets = random::packets(&mut dice, &configuration, PACKETS);
        Case::new(format!("SEED={seed} COUNT=1"), configuration, packets)
    });
    let disagreements = run(kept::cases().into_iter().chain(random));
    assert!(disagreements.is_empty(), "{} disagreements:\n{}", disagreements.len(), disagreements.join("\n"));
}

/// Tries all cases with every back end; gives what did not agree.
fn run(cases: impl Iterator<Item = Case>) -> Vec<String> {
    let workers = BACK_ENDS.map(Worker::start);
    let mut progress = Progress::start();
    let mut under_way: VecDeque<Arc<Case>> = VecDeque::new();
    let mut disagreements = Vec::new();
    let mut cases = cases.map(Arc::new).fuse();
    loop {
        while under_way.len() < AT_ONCE {
            let Some(case) = cases.next() else { break };
            for worker in &workers {
                worker.cases.send(case.clone()).expect("a laboratory is gone: see above");
            }
            under_way.push_back(case);
        }
        let Some(case) = under_way.pop_front() else { break };
        let reports =
            workers.each_ref().map(|it| it.reports.recv().expect("a laboratory is gone: see above"));
        progress.count(&case, &reports);
        let text = case.disagreements(&reports);
        if !text.is_empty() {
            println!("{text}");
            disagreements.push(text);
        }
        if disagreements.len() >= ENOUGH {
            break;
        }
    }
    progress.print();
    disagreements
}

/// A thread with the laboratory of a back end: a mount namespace belongs to a thread.
struct Worker {
    cases: SyncSender<Arc<Case>>,
    reports: Receiver<Report>,
}

impl Worker {
    fn start(backend: BackendKind) -> Worker {
        let (cases, inbox) = sync_channel::<Arc<Case>>(AT_ONCE);
        let (outbox, reports) = sync_channel(AT_ONCE);
        let work = move || {
            let mut laboratory = Laboratory::new(backend);
            for case in inbox {
                if outbox.send(case.run(backend, &mut laboratory)).is_err() {
                    break;
                }
            }
        };
        thread::Builder::new().name(backend.name().to_owned()).spawn(work).unwrap();
        Worker { cases, reports }
    }
}

/// How much was tried, and how fast.
struct Progress {
    since: Instant,
    printed: Instant,
    configurations: usize,
    packets: usize,
    late: usize,
    /// How many answers of each kind were expected.
    answers: BTreeMap<String, usize>,
}

impl Progress {
    fn start() -> Progress {
        let now = Instant::now();
        Progress {
            since: now,
            printed: now,
            configurations: 0,
            packets: 0,
            late: 0,
            answers: BTreeMap::new(),
        }
    }

    fn count(&mut self, case: &Case, reports: &[Report]) {
        self.configurations += 1;
        self.packets += case.packets.len() * reports.len();
        self.late += reports.iter().map(|report| report.late).sum::<usize>();
        for answer in case.expected() {
            let who = answer.split('|').next().unwrap_or_default();
            *self.answers.entry(who.to_owned()).or_default() += reports.len();
        }
        if self.printed.elapsed() >= PERIOD {
            self.print();
        }
    }

    fn print(&mut self) {
        self.printed = Instant::now();
        let minutes = self.since.elapsed().as_secs_f64() / 60.0;
        println!(
            "{} configurations and {} packets in {minutes:.1} minutes: {:.0} and {:.0} a minute; {} answers came late; {:?}",
            self.configurations,
            self.packets,
            self.configurations as f64 / minutes,
            self.packets as f64 / minutes,
            self.late,
            self.answers,
        );
    }
}
