//! Logs: text or JSON, on standard error unless istio's flags say otherwise.

use std::io;
use std::path::Path;

use tracing::level_filters::LevelFilter;

use crate::config::lists;
use crate::config::problem::{Problem, Problems};
use crate::config::settings::{LOG_AS_JSON, LOG_OUTPUT_LEVEL, LOG_TARGET};
use crate::config::typed::Settings;
use crate::config::values;
use crate::logs::scopes::Program;
use crate::logs::{self, Format, Outlet, Stream, tell};

/// The mode of a log file that is made, before the umask.
const MODE: u32 = 0o666;

/// How logs are written.
pub(super) struct Logging {
    level: LevelFilter,
    json: bool,
    target: String,
}

impl Logging {
    /// Reads istio's logging flags.
    pub(super) fn parse(settings: &Settings) -> Result<Logging, Problems> {
        let mut problems = Problems::default();
        let typed = settings.get(&LOG_OUTPUT_LEVEL);
        let mut level = LevelFilter::INFO;
        for item in lists::items(&typed.text) {
            let (scope, name) = item.split_once(':').unwrap_or(("default", item));
            match named_level(name) {
                // Scopes are parts of istio; this program has one.
                Some(named) if matches!(scope, "default" | "all") => level = named,
                Some(_) => {}
                None => problems.push(Problem::new(
                    typed.origin,
                    item,
                    "not a log level: write none, error, warn, info or debug, also as SCOPE:LEVEL",
                )),
            }
        }
        let typed = settings.get(&LOG_AS_JSON);
        let json = values::boolean(&typed.text).unwrap_or_else(|reason| {
            problems.push(Problem::new(typed.origin, &typed.text, reason));
            false
        });
        let typed = settings.get(&LOG_TARGET);
        let target = lists::items(&typed.text).last().unwrap_or("stderr").to_owned();
        if problems.is_empty() { Ok(Logging { level, json, target }) } else { Err(problems) }
    }

    /// From here on, events are logged; on standard error when the file cannot be written.
    pub(super) fn start(self) {
        let stream = stream(&self.target).unwrap_or_else(|error| {
            tell(&format!("cannot write logs to {}: {error}\n", self.target));
            Stream::stderr()
        });
        logs::start(logs::Settings {
            program: Program::Commands,
            level: self.level,
            format: if self.json { Format::Json } else { Format::Terminal },
            context: Vec::new(),
            outlets: vec![Outlet::Stream(stream)],
        });
    }
}

fn named_level(name: &str) -> Option<LevelFilter> {
    Some(match name {
        "none" => LevelFilter::OFF,
        "fatal" | "error" => LevelFilter::ERROR,
        "warn" => LevelFilter::WARN,
        "info" => LevelFilter::INFO,
        "debug" => LevelFilter::DEBUG,
        _ => return None,
    })
}

fn stream(target: &str) -> io::Result<Stream> {
    match target {
        "stderr" => Ok(Stream::stderr()),
        "stdout" => Ok(Stream::stdout()),
        path => Stream::file(Path::new(path), MODE),
    }
}
