//! What is installed in a namespace, and what should be: by the flags, or by what the installation has recorded.

use super::{Failure, Interception};
use crate::backend::nftables::{Record, digest_of};
use crate::backend::{Installed, Rules, State, Target};
use crate::config::arguments::recorded;
use crate::config::{BackendKind, Config};
use crate::kernel::files::Files;
use crate::kernel::{Kernel, System, capabilities};

/// What is installed.
pub struct Found {
    /// Every back end that holds rules, with what it holds.
    pub states: Vec<State>,
    /// Tables of istio's own nftables mode.
    pub istio_tables: Vec<String>,
    /// What should be there; nothing when neither flags nor a record say.
    pub expected: Option<Target>,
}

impl Interception {
    /// Returns `true` if any back end holds rules of a mesh.
    ///
    /// # Errors
    /// [`Failure`] if the kernel does not answer, or the privilege to look is missing.
    pub fn is_any_installed(&mut self, kernel: &mut System) -> Result<bool, Failure> {
        self.check_capabilities()?;
        let installed = self.look(kernel)?;
        Ok(!installed.backends().is_empty() || !installed.istio_tables().is_empty())
    }

    /// Looks. Nothing but reading follows, so everything that only writing needs is given up.
    ///
    /// # Errors
    /// When something cannot be read.
    pub fn find(&mut self, kernel: &mut System) -> Result<Found, Failure> {
        self.check_capabilities()?;
        let installed = self.look(kernel)?;
        // Packets that are sent as somebody else, on a cable to another namespace, need more.
        if self.gives_up_privileges && !self.options.live {
            capabilities::keep_only_needed(neediest(&installed))?;
        }
        if !self.is_configured {
            for record in records(self, kernel, &installed)? {
                adopt(self, &record);
            }
        }
        let expected = if self.is_configured { Some(self.target(kernel)?.0) } else { None };
        let by = expected.clone().unwrap_or_else(|| self.target_for_any_pod());
        let mut states = Vec::new();
        for backend in installed.backends() {
            states.push(State::read(kernel, *backend, &by).map_err(Failure::Read)?);
        }
        let istio_tables = installed.istio_tables().iter().map(|table| table.name.clone()).collect();
        Ok(Found { states, istio_tables, expected })
    }
}

pub(super) fn neediest(installed: &Installed) -> BackendKind {
    let by_need = [BackendKind::IptablesLegacy, BackendKind::IptablesNft];
    by_need.into_iter().find(|it| installed.contains(*it)).unwrap_or(BackendKind::Nftables)
}

fn records(
    run: &Interception,
    kernel: &mut dyn Kernel,
    installed: &Installed,
) -> Result<Vec<Record>, Failure> {
    if !installed.contains(BackendKind::Nftables) {
        return Ok(Vec::new());
    }
    let state = State::read(kernel, BackendKind::Nftables, &run.target_for_any_pod());
    Ok(state.map_err(Failure::Read)?.record().cloned().into_iter().collect())
}

/// Takes the configuration that was recorded, if it was recorded whole and is one still.
fn adopt(run: &mut Interception, record: &Record) {
    let config = recorded(&record.configuration).and_then(|settings| Config::parse(&settings, &Files).ok());
    if let (Some(config), true) = (config, record.whole) {
        run.config = config;
        run.is_configured = true;
        let servers = record.resolvers.split(',').filter_map(|server| server.parse().ok());
        run.recorded_resolvers = Some(servers.collect());
    }
}

/// Are the rules those that were installed? Nothing when that is not recorded, or was by another version.
pub fn is_as_installed(state: &State) -> Option<bool> {
    let Rules::Nftables(held) = &state.rules else { return None };
    let record = state.record().filter(|record| record.is_of_this_version())?;
    let digest = held.whole().and_then(|ruleset| digest_of(&ruleset).ok());
    Some(digest == Some(record.digest))
}
