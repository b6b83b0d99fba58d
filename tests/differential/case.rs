//! A configuration with its packets, and what became of them in one laboratory.

use std::fmt::Write;

use mesh_intercept::backend::{State, Target};
use mesh_intercept::config::BackendKind;
use mesh_intercept::kernel::System;
use mesh_intercept::program::Outcome;

use crate::configuration::Configuration;
use crate::expected;
use crate::laboratory::Laboratory;
use crate::packet::Packet;

/// What is tried.
pub struct Case {
    /// How to have it again.
    pub origin: String,
    pub configuration: Configuration,
    pub packets: Vec<Packet>,
    target: Target,
    /// What the simulator says, by packet.
    told: Vec<(String, Outcome)>,
}

/// What one back end did.
pub struct Report {
    backend: BackendKind,
    result: Result<Vec<String>, String>,
    /// What the simulator says of the rules that were read back from the kernel, where it differs.
    read_back: Vec<String>,
    /// How many packets got the expected answer only when they were asked again.
    pub late: usize,
}

impl Case {
    pub fn new(origin: String, configuration: Configuration, packets: Vec<Packet>) -> Case {
        let target = configuration.target();
        let told = packets
            .iter()
            .map(|packet| expected::answer(target.program(BackendKind::Nftables), packet))
            .collect();
        Case { origin, configuration, packets, target, told }
    }

    /// The answers that the simulator tells.
    pub fn expected(&self) -> impl Iterator<Item = &str> {
        self.told.iter().map(|(answer, _)| answer.as_str())
    }

    /// Tries it with a back end.
    pub fn run(&self, backend: BackendKind, laboratory: &mut Laboratory) -> Report {
        let mut report = Report { backend, result: Ok(Vec::new()), read_back: Vec::new(), late: 0 };
        report.result = laboratory.apply(&self.configuration).map(|()| {
            let mut answers = laboratory.ask(&self.packets);
            let wrong: Vec<usize> =
                (0..answers.len()).filter(|place| answers[*place] != self.told[*place].0).collect();
            if !wrong.is_empty() {
                let again: Vec<Packet> = wrong.iter().map(|place| self.packets[*place].clone()).collect();
                for (place, answer) in wrong.into_iter().zip(laboratory.ask_again(&again)) {
                    report.late += usize::from(answer == self.told[place].0);
                    answers[place] = answer;
                }
            }
            answers
        });
        if report.result.is_ok() {
            report.read_back = self.read_back(backend);
        }
        report
    }

    /// Reads the rules out of the kernel and has the packets simulated by them.
    fn read_back(&self, backend: BackendKind) -> Vec<String> {
        let lifted = match State::read(&mut System::default(), backend, &self.target) {
            Ok(state) => state.lift(),
            Err(error) => return vec![error.to_string()],
        };
        let mut wrong = lifted.foreign;
        for (packet, (answer, _)) in self.packets.iter().zip(&self.told) {
            let (other, _) = expected::answer(&lifted.program, packet);
            if other != *answer {
                wrong.push(format!("{packet}: {other} by the rules that are there, not {answer}"));
            }
        }
        wrong
    }

    /// Everything about what is not as the simulator tells; empty when nothing is.
    pub fn disagreements(&self, reports: &[Report]) -> String {
        let mut text = String::new();
        for report in reports {
            let name = report.backend.name();
            if let Err(failure) = &report.result {
                let _ = writeln!(text, "  {name} was not applied: {failure}");
            }
            for line in &report.read_back {
                let _ = writeln!(text, "  {name} as it was read back: {line}");
            }
        }
        for (place, packet) in self.packets.iter().enumerate() {
            let (answer, outcome) = &self.told[place];
            let got = |report: &Report| report.result.as_ref().map(|answers| answers[place].clone()).ok();
            if reports.iter().filter_map(got).all(|it| it == *answer) {
                continue;
            }
            let _ = writeln!(text, "  {packet}");
            for report in reports {
                let _ =
                    writeln!(text, "    {:<16} {}", report.backend.name(), got(report).unwrap_or_default());
            }
            let _ = writeln!(text, "    {:<16} {answer}", "simulator");
            for step in outcome.path.iter().filter(|step| step.fails.is_none()) {
                let chain = step.chain;
                let _ =
                    writeln!(text, "      {} {chain} {} -> {}", step.table.name(), step.rule, step.verdict);
            }
        }
        if text.is_empty() { text } else { format!("{}\n  {}\n{text}", self.origin, self.configuration) }
    }
}
