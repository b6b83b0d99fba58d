//! What has to be written so that nothing of ours is left. Nothing here touches a file.

use super::discovery::Found;
use super::multus::Multus;
use super::options::{Mode, Options};
use super::plan::{Refusal, Step, is_candidate, removal, write};

/// What has to change so that nothing of ours is left: our entry goes out of every list and out of the networks that
/// Multus calls, our copies and our standalone file go away, files of others stay.
///
/// # Errors
/// When a file cannot be edited.
pub fn removal_plan(files: &[Found], options: &Options) -> Result<Vec<Step>, Refusal> {
    let kind = options.entry.kind();
    let mut steps = Vec::new();
    // Files of others first: while our copy is there, the runtime reads that one.
    for file in files.iter().filter(|file| is_candidate(file) && file.is_plain && !file.is_copy()) {
        let Ok(text) = file.text() else { continue };
        let edit = |flaw| Refusal::Edit { name: file.name.clone(), flaw };
        let chained = file.list().map(|list| list.without(kind)).transpose().map_err(edit)?.flatten();
        let text = chained.as_deref().unwrap_or(text);
        let called = Multus::of(text).map(|multus| multus.without(kind)).transpose().map_err(edit)?.flatten();
        steps.extend(called.or(chained).and_then(|after| write(file, after)));
    }
    let standalone = match &options.mode {
        Mode::Standalone { name } => Some(name.as_str()),
        _ => None,
    };
    for file in files.iter().filter(|file| file.is_plain && is_candidate(file)) {
        if file.is_copy() || (standalone == Some(&file.name) && file.is_ours(kind)) {
            steps.extend(removal(file));
        }
    }
    Ok(steps)
}
