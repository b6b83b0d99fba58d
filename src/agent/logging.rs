//! Logs of the agent: text or JSON, on standard error.

use std::io;

use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use super::options::Logs;

/// From here on, events are logged. What libraries say of their own work is left out: the agent says what came of it.
pub(super) fn start(logs: Logs) {
    let filter = Targets::new()
        .with_target("mesh_intercept", logs.level)
        .with_target("cni-plugin", logs.level)
        .with_default(logs.level.min(LevelFilter::ERROR));
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(false);
    let lines = if logs.json { lines.json().flatten_event(true).boxed() } else { lines.boxed() };
    // Somebody who links this as a library may have set up logs already; then theirs stay.
    let _ = tracing_subscriber::registry().with(lines.with_filter(filter)).try_init();
}
