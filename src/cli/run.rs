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
use crate::logs::Nested;

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
    let mut run = Interception {
        is_configured,
        gives_up_privileges: true,
        phases,
        ..Interception::new(config, options)
    };
    for contradiction in settings.contradictions() {
        run.warn(contradiction.to_string());
    }
    Ok(run)
}

/// Logs what is going to be applied.
pub(super) fn announce(run: &Interception) {
    info!(
        version = env!("CARGO_PKG_VERSION"),
        configuration = Nested::of(&run.config).value(),
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
