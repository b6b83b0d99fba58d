//! `cleanup`: removes everything of ours, wherever it is.

use serde_json::json;
use tracing::info;

use super::init::{check_capabilities, look};
use super::run::{Failure, Run, finish};
use super::show;
use crate::backend::{self, ApplyError, Removal};
use crate::config::problem::Problems;
use crate::config::typed::Settings;
use crate::config::{BackendKind, Format};
use crate::exit::Exit;
use crate::kernel::{System, capabilities, netns};

/// Runs the command.
pub(super) fn run(settings: Settings, problems: Problems) -> Exit {
    match Run::prepare(settings, problems) {
        Ok(mut run) => finish(clean_up(&mut run)),
        Err(exit) => exit,
    }
}

/// Removes everything, and goes on after an error; with `--dry-run` it says what would go.
pub(super) fn clean_up(run: &mut Run) -> Result<(), Failure> {
    run.enter_namespace()?;
    check_capabilities(run)?;
    let kernel = &mut System::default();
    let _lock = netns::lock()?;
    let installed = look(kernel, run)?;
    let by_need = [BackendKind::IptablesLegacy, BackendKind::IptablesNft];
    let needed = by_need.into_iter().find(|it| installed.contains(*it)).unwrap_or(BackendKind::Nftables);
    capabilities::keep_only_needed(needed)?;
    let (removals, mut failures) = backend::everything(kernel, &installed, &run.target_for_any_pod());
    run.phases.end("look");
    if run.options.dry_run {
        print(run, &removals);
        return if failures.is_empty() { Ok(()) } else { Err(Failure::Cleanup(failures)) };
    }
    let mut removed = Vec::new();
    // Routes stay as long as rules do that need them: without them, those would lose packets.
    let may_go = |removal: &Removal, failures: &[ApplyError]| !removal.is_routing() || failures.is_empty();
    for removal in &removals {
        if !may_go(removal, &failures) {
            continue;
        }
        match removal.carry_out(kernel) {
            Ok(()) => removed.extend(removal.words()),
            Err(more) => failures.extend(more),
        }
    }
    run.phases.end("remove");
    if run.options.format == Format::Json {
        let failed: Vec<String> = failures.iter().map(ToString::to_string).collect();
        show(&format!("{:#}\n", json!({ "removed": removed, "failed": failed })));
    }
    let what = if removed.is_empty() { "nothing: nothing was there".to_owned() } else { removed.join(", ") };
    info!(took = %run.phases.summary(), "removed {what}");
    if failures.is_empty() { Ok(()) } else { Err(Failure::Cleanup(failures)) }
}

fn print(run: &Run, removals: &[Removal]) {
    let words: Vec<String> = removals.iter().flat_map(Removal::words).collect();
    if run.options.format == Format::Json {
        return show(&format!("{:#}\n", json!({ "would_remove": words })));
    }
    match &words[..] {
        [] => show("nothing of ours is here\n"),
        words => show(&words.iter().map(|word| format!("would remove {word}\n")).collect::<String>()),
    }
}
