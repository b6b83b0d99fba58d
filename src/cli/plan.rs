//! `plan` and `--dry-run`: prints what `init` would do, changes nothing, needs no privileges.

use std::fmt::{self, Write};

use serde_json::json;

use super::run::{enter_namespace, finish, prepare};
use super::show;
use super::trial::{self, Trial};
use crate::backend::{ApplyError, Choice, Installed, Rules, State, Target, iptables, nftables};
use crate::config::families::{Families, Family};
use crate::config::problem::Problems;
use crate::config::typed::Settings;
use crate::config::{BackendChoice, BackendKind, Config, Format};
use crate::exit::Exit;
use crate::interception::{Failure, Interception};
use crate::kernel::{Kernel, RoutingItem, System};
use crate::program::{self, Program};
use crate::verify::compare::{Difference, Fate, compare};

/// Runs the command.
pub(super) fn run(settings: Settings, problems: Problems) -> Exit {
    match prepare(settings, problems) {
        Ok(mut run) => finish(print(&mut run)),
        Err(exit) => exit,
    }
}

/// Prints the plan of a run.
pub(super) fn print(run: &mut Interception) -> Result<(), Failure> {
    enter_namespace(run)?;
    let kernel = &mut System::default();
    let (target, mut warnings) = run.target(kernel)?;
    let (choice, state) = found(kernel, run, &target)?;
    warnings.extend(target.remark(choice.backend).map(str::to_owned));
    let wanted = target.listing(choice.backend).map_err(ApplyError::from)?;
    let held = state.as_ref().map(State::listing).unwrap_or_default();
    let difference = compare(&held, &wanted);
    let for_people = matches!(run.options.format, Format::Text | Format::Json);
    let check =
        if for_people { trial::run(choice.backend, &target) } else { Trial::NotPermitted(String::new()) };
    let plan = Plan { choice, config: &run.config, target, warnings, state, difference, check };
    show(&plan.render(run.options.format))?;
    Ok(())
}

/// Where the rules would go, and what is there. Without privileges the kernel does not show its rules; a plan is then for
/// a pod in which there are none.
fn found(
    kernel: &mut dyn Kernel,
    run: &Interception,
    target: &Target,
) -> Result<(Choice, Option<State>), Failure> {
    let Ok(installed) = Installed::look(kernel) else {
        let backend = match run.options.backend {
            BackendChoice::Auto => BackendKind::Nftables,
            BackendChoice::Fixed(backend) => backend,
        };
        let reason = "the rules of the kernel could not be looked at; none are assumed";
        let choice =
            Choice { backend, reason, holds_rules: false, leaves: Vec::new(), istio_tables: Vec::new() };
        return Ok((choice, None));
    };
    let choice = installed.choose(run.options.backend, run.options.migrate)?;
    // Where there are no rules, there may be routing all the same.
    match State::read(kernel, choice.backend, target) {
        Ok(state) => Ok((choice, Some(state))),
        Err(_) if !choice.holds_rules => Ok((choice, None)),
        Err(error) => Err(ApplyError::from(error).into()),
    }
}

/// What is needed besides rules, as `ip` commands.
fn routing(program: &Program) -> Vec<String> {
    RoutingItem::all(&program.routing).iter().map(|item| item.command("add")).collect()
}

struct Plan<'a> {
    choice: Choice,
    config: &'a Config,
    target: Target,
    warnings: Vec<String>,
    state: Option<State>,
    difference: Difference,
    check: Trial,
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

    fn program(&self) -> &Program {
        self.target.program(self.choice.backend)
    }

    fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_text(&mut text);
        text
    }

    fn write_text(&self, out: &mut String) -> fmt::Result {
        let families: Vec<String> =
            self.program().families().iter().map(|family| family.to_string()).collect();
        writeln!(out, "back end: {} ({})", self.choice.backend.name(), self.choice.reason)?;
        writeln!(out, "families: {}", families.join(" and "))?;
        for warning in &self.warnings {
            writeln!(out, "warning: {warning}")?;
        }
        for command in routing(self.program()) {
            writeln!(out, "routing: {command}")?;
        }
        for chain in &self.program().chains {
            writeln!(out, "\n{} {}", chain.table.name(), chain.name)?;
            for rule in &chain.rules {
                let only = match rule.families.iter().collect::<Vec<_>>()[..] {
                    [family] if self.program().families() == Families::BOTH => format!("{family}: "),
                    _ => String::new(),
                };
                writeln!(out, "  {only}{} -> {}", program::conditions(rule), rule.verdict)?;
                writeln!(out, "      {}: {}", rule.id, rule.reason)?;
            }
        }
        self.write_difference(out)
    }

    /// What the rules would move away from.
    fn moves(&self) -> Vec<String> {
        let backends = self.choice.leaves.iter().map(|it| it.name().to_owned());
        let istio = self.choice.istio_tables.iter().map(|it| format!("istio's nftables table {}", it.name));
        backends.chain(istio).collect()
    }

    fn write_difference(&self, out: &mut String) -> fmt::Result {
        let counts = Fate::ALL.map(|fate| format!("{} {}", self.difference.count(fate), fate.name()));
        writeln!(out, "\nagainst the kernel, by chains and sets: {}", counts.join(", "))?;
        for place in self.moves() {
            writeln!(out, "moves from {place}, whose rules go")?;
        }
        if self.choice.holds_rules {
            write!(out, "{}", self.difference)?;
        }
        match &self.check {
            Trial::Accepted => {
                writeln!(out, "the kernel accepts the rules (tried in a namespace of their own)")
            }
            Trial::Refused(why) => writeln!(out, "the kernel refuses the rules: {why}"),
            Trial::NotPermitted(why) => writeln!(out, "not tried in the kernel: {why}"),
        }
    }

    fn json(&self) -> String {
        let plan = json!({
            "backend": self.choice.backend.name(),
            "backend_reason": self.choice.reason,
            "warnings": self.warnings,
            "configuration": self.config,
            "families": self.program().families(),
            "routing": routing(self.program()),
            "chains": self.program().chains,
            "difference": self.difference,
            "moves_from": self.moves(),
            "trial": self.check,
        });
        format!("{plan:#}\n")
    }

    fn nft(&self) -> String {
        let program = self.target.program(BackendKind::Nftables);
        let mut text = String::new();
        for command in routing(program) {
            text.push_str(&format!("# {command}\n"));
        }
        let old: Vec<nftables::TableFamily> = match self.state.as_ref().map(|state| &state.rules) {
            Some(Rules::Nftables(held)) => held.tables.iter().map(|table| table.family).collect(),
            _ => Vec::new(),
        };
        if !old.is_empty() {
            text.push_str("# init exchanges the rules in place; to delete the table, as here, leaves a moment without them\n");
        }
        text + &nftables::render(&nftables::translate(program), &old)
    }

    fn iptables(&self) -> String {
        let program = self.target.program(BackendKind::IptablesNft);
        let mut text = String::new();
        for command in routing(program) {
            text.push_str(&format!("# {command}\n"));
        }
        let families = match iptables::wanted(program) {
            Ok(families) => families,
            Err(error) => return format!("# {error}\n"),
        };
        for (family, state) in families {
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
