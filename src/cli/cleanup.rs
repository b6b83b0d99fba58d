//! `cleanup`: removes everything of ours, wherever it is.

use serde_json::json;
use tracing::info;

use super::run::{enter_namespace, finish, prepare};
use super::show;
use crate::config::Format;
use crate::config::problem::Problems;
use crate::config::typed::Settings;
use crate::exit::Exit;
use crate::interception::{Failure, Interception};
use crate::kernel::System;

/// Runs the command.
pub(super) fn run(settings: Settings, problems: Problems) -> Exit {
    match prepare(settings, problems) {
        Ok(mut run) => finish(clean_up(&mut run)),
        Err(exit) => exit,
    }
}

/// Removes everything; with `--dry-run` it says what would go.
pub(super) fn clean_up(run: &mut Interception) -> Result<(), Failure> {
    enter_namespace(run)?;
    let removed = run.remove(&mut System::default())?;
    if run.options.dry_run {
        print(run, &removed.words)?;
    } else {
        if run.options.format == Format::Json {
            let failed: Vec<String> = removed.failures.iter().map(ToString::to_string).collect();
            show(&format!("{:#}\n", json!({ "removed": removed.words, "failed": failed })))?;
        }
        let took = run.phases.nested();
        let phases = took.value();
        match &removed.words[..] {
            [] if removed.failures.is_empty() => info!(phases, "removed nothing: nothing was there"),
            [] => {}
            words => info!(phases, "removed {}", words.join(", ")),
        }
    }
    if removed.failures.is_empty() { Ok(()) } else { Err(Failure::Cleanup(removed.failures)) }
}

fn print(run: &Interception, words: &[String]) -> Result<(), Failure> {
    let text = match words {
        words if run.options.format == Format::Json => format!("{:#}\n", json!({ "would_remove": words })),
        [] => "nothing of ours is here\n".to_owned(),
        words => words.iter().map(|word| format!("would remove {word}\n")).collect(),
    };
    show(&text).map(drop)
}
