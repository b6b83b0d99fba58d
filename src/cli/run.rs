//! What the commands have in common: from settings to an interception, and how it ended.

use tracing::info;

use super::logging::Logging;
use super::{NAME, complain};
use crate::config::problem::Problems;
use crate::config::settings::CONFIGURATION;
use crate::config::typed::Settings;
use crate::config::{Config, Options, lists};
use crate::exit::Exit;
use crate::interception::{Failure, Interception, Phases};
use crate::kernel::capabilities;
use crate::kernel::files::Files;
use crate::kernel::netns;

/// Reads everything that was typed, or says everything that is wrong with it.
pub(super) fn prepare(mut settings: Settings, mut problems: Problems) -> Result<Interception, Exit> {
    let mut phases = Phases::start();
    problems.extend(lists::expand(&mut settings, &Files));
    let config = Config::parse(&settings, &Files).map_err(|found| problems.extend(found));
    let options = Options::parse(&settings).map_err(|found| problems.extend(found));
    let logging = Logging::parse(&settings).map_err(|found| problems.extend(found));
    let (Ok(config), Ok(options), Ok(logging), true) = (config, options, logging, problems.is_empty()) else {
        return Err(complain(&problems));
    };
    logging.start();
    capabilities::switch_on().map_err(|error| finish(Err(error.into())))?;
    phases.end("parse");
    let is_configured = settings.gives_any(CONFIGURATION);
    Ok(Interception {
        is_configured,
        gives_up_privileges: true,
        phases,
        ..Interception::new(config, options)
    })
}

/// Logs what is going to be applied.
pub(super) fn announce(run: &Interception) {
    info!(
        version = env!("CARGO_PKG_VERSION"),
        configuration = %configuration(&run.config),
        "effective configuration"
    );
}

/// Goes where the run has to work.
pub(super) fn enter_namespace(run: &Interception) -> Result<(), Failure> {
    match &run.options.network_namespace {
        Some(path) => Ok(netns::enter(path)?),
        None => Ok(()),
    }
}

/// Says how the run ended.
pub(super) fn finish(result: Result<(), Failure>) -> Exit {
    match result {
        Ok(()) => Exit::Done,
        Err(failure) => {
            // Spoken to the operator even when logs are turned off.
            if tracing::enabled!(tracing::Level::ERROR) {
                tracing::error!("{failure}");
            } else {
                super::warn(&format!("{NAME}: {failure}\n"));
            }
            failure.exit()
        }
    }
}

/// The configuration as JSON, cut where a long list would fill the log: what is not shown is not written either.
fn configuration(config: &Config) -> String {
    const LONGEST: usize = 16 * 1024;
    let mut text = vec![0; LONGEST];
    let mut room = &mut text[..];
    let is_whole = serde_json::to_writer(&mut room, config).is_ok();
    let unused = room.len();
    text.truncate(LONGEST - unused);
    // Every value is ASCII: a cut falls between characters.
    let mut text = String::from_utf8(text).unwrap_or_default();
    if !is_whole {
        text.push_str("... (cut here: it is too long for a log)");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::OUTBOUND_EXCLUDED_RANGES;
    use crate::config::typed::Origin;

    #[test]
    fn a_long_list_does_not_fill_the_log() {
        let logged = |ranges: usize| {
            let mut settings = Settings::default();
            let ranges: Vec<String> =
                (0..ranges).map(|it| format!("10.{}.{}.0/25", it / 256, it % 256)).collect();
            settings.set(&OUTBOUND_EXCLUDED_RANGES, Origin::Flag("x"), ranges.join(","));
            configuration(&Config::parse(&settings, &Files).unwrap())
        };
        let whole = logged(2);
        assert!(serde_json::from_str::<serde_json::Value>(&whole).is_ok(), "{whole}");
        let cut = logged(20_000);
        assert!(cut.len() < 17 * 1024 && cut.ends_with("(cut here: it is too long for a log)"), "{cut}");
    }
}
