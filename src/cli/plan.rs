//! `plan` and `--dry-run`: prints what `init` would do, changes nothing, needs no privileges.

use std::fmt::{self, Write};

use serde_json::json;

use super::run::{Failure, Run, finish};
use super::show;
use crate::backend::{Choice, DetectError, Installed, iptables, nftables};
use crate::config::families::{Families, Family};
use crate::config::problem::Problems;
use crate::config::typed::Settings;
use crate::config::{BackendChoice, BackendKind, Config, Format};
use crate::exit::Exit;
use crate::kernel::{Kernel, RoutingItem, System};
use crate::program::{self, Program};

/// Runs the command.
pub(super) fn run(settings: Settings, problems: Problems) -> Exit {
    match Run::prepare(settings, problems) {
        Ok(mut run) => finish(print(&mut run)),
        Err(exit) => exit,
    }
}

/// Prints the plan of a run.
pub(super) fn print(run: &mut Run) -> Result<(), Failure> {
    run.enter_namespace()?;
    let kernel = &mut System::default();
    let (program, warnings) = run.program(kernel)?;
    let plan = Plan { choice: choice(kernel, run.options.backend)?, config: &run.config, program, warnings };
    show(&plan.render(run.options.format));
    Ok(())
}

/// Without privileges the kernel does not show its rules; a plan is then for a pod in which there are none.
fn choice(kernel: &mut dyn Kernel, asked: BackendChoice) -> Result<Choice, DetectError> {
    match Installed::look(kernel) {
        Ok(installed) => installed.choose(asked),
        Err(_) => Ok(Choice {
            backend: match asked {
                BackendChoice::Auto => BackendKind::Nftables,
                BackendChoice::Fixed(backend) => backend,
            },
            reason: "the rules of the kernel could not be looked at; none are assumed",
            replaces: false,
            our_tables: Vec::new(),
        }),
    }
}

struct Plan<'a> {
    choice: Choice,
    config: &'a Config,
    program: Program,
    warnings: Vec<String>,
}

impl Plan<'_> {
    fn render(&self, format: Format) -> String {
        match format {
            Format::Text => self.text(),
            Format::Json => self.json(),
            Format::Nft => self.nft(),
            Format::Iptables => self.iptables(),
        }
    }

    fn routing(&self) -> Vec<String> {
        RoutingItem::all(&self.program.routing).iter().map(|item| item.command("add")).collect()
    }

    fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_text(&mut text);
        text
    }

    fn write_text(&self, out: &mut String) -> fmt::Result {
        let families: Vec<String> = self.program.families().iter().map(|family| family.to_string()).collect();
        writeln!(out, "back end: {} ({})", self.choice.backend.name(), self.choice.reason)?;
        if self.choice.replaces {
            writeln!(out, "replaces the rules that an earlier run left, each table in one transaction")?;
        }
        writeln!(out, "families: {}", families.join(" and "))?;
        for warning in &self.warnings {
            writeln!(out, "warning: {warning}")?;
        }
        for command in self.routing() {
            writeln!(out, "routing: {command}")?;
        }
        for chain in &self.program.chains {
            writeln!(out, "\n{} {}", chain.table.name(), chain.name)?;
            for rule in &chain.rules {
                let only = match rule.families.iter().collect::<Vec<_>>()[..] {
                    [family] if self.program.families() == Families::BOTH => format!("{family}: "),
                    _ => String::new(),
                };
                writeln!(out, "  {only}{} -> {}", program::conditions(rule), rule.verdict)?;
                writeln!(out, "      {}: {}", rule.id, rule.reason)?;
            }
        }
        Ok(())
    }

    fn json(&self) -> String {
        let plan = json!({
            "backend": self.choice.backend.name(),
            "backend_reason": self.choice.reason,
            "warnings": self.warnings,
            "configuration": self.config,
            "families": self.program.families(),
            "routing": self.routing(),
            "chains": self.program.chains,
        });
        format!("{plan:#}\n")
    }

    fn nft(&self) -> String {
        let mut text = String::new();
        for command in self.routing() {
            text.push_str(&format!("# {command}\n"));
        }
        text + &nftables::render(&nftables::translate(&self.program), &self.choice.our_tables)
    }

    fn iptables(&self) -> String {
        let mut text = String::new();
        for command in self.routing() {
            text.push_str(&format!("# {command}\n"));
        }
        for family in [Family::Ipv4, Family::Ipv6] {
            let state = iptables::render(&self.program, family);
            if state.is_empty() {
                continue;
            }
            let program = if family == Family::Ipv4 { "iptables-restore" } else { "ip6tables-restore" };
            text.push_str(&format!("# {program} --noflush\n"));
            text.push_str(&iptables::transition(&iptables::FamilyState::default(), &state, true));
        }
        text
    }
}
