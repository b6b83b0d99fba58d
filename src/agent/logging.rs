//! Logs of the agent: text or JSON, on standard error.

use super::options::Logs;
use crate::logs::scopes::Program;
use crate::logs::{self, Format, Outlet, Stream};

/// From here on, events are logged. What libraries say of their own work is left out: the agent says what came of it.
pub(super) fn start(logs: Logs) {
    logs::start(logs::Settings {
        program: Program::Agent,
        level: logs.level,
        format: if logs.json { Format::Json } else { Format::Text },
        context: Vec::new(),
        outlets: vec![Outlet::Stream(Stream::stderr())],
    });
}
