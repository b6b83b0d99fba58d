//! What `init` and `plan` have in common: from settings to a program for this pod.

use std::net::IpAddr;
use std::time::Instant;

use tracing::{info, warn};

use super::logging::Logging;
use super::{NAME, complain};
use crate::backend::nftables::Record;
use crate::backend::{ApplyError, DetectError, Target};
use crate::config::families::{Families, PodFamilies};
use crate::config::owners::Uid;
use crate::config::problem::Problems;
use crate::config::resolvers::Resolvers;
use crate::config::settings::CONFIGURATION;
use crate::config::typed::Settings;
use crate::config::values::Mode;
use crate::config::{Config, Dns, Options, Policy, lists};
use crate::exit::Exit;
use crate::kernel::capabilities::CapabilityError;
use crate::kernel::files::{self, Files};
use crate::kernel::netns::{self, NamespaceError};
use crate::kernel::os::NodeOs;
use crate::kernel::{self, Kernel};
use crate::program::{self, Pod};
use crate::verify::ProbeError;
use crate::verify::compare::Difference;

/// A run with valid input.
pub(super) struct Run {
    pub(super) config: Config,
    /// Was any setting of the configuration given?
    pub(super) is_configured: bool,
    /// The DNS servers of the installation, where its configuration was taken from its record.
    pub(super) recorded_resolvers: Option<Vec<IpAddr>>,
    pub(super) options: Options,
    pub(super) phases: Phases,
}

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    #[error(transparent)]
    Kernel(#[from] kernel::Error),
    #[error(transparent)]
    Capability(#[from] CapabilityError),
    #[error(transparent)]
    Detect(#[from] DetectError),
    #[error(transparent)]
    Apply(#[from] ApplyError),
    #[error(
        "the rules that are there differ from what is asked for, and nothing was changed: --reconcile replaces them \
         without a gap. To be added (+) and removed (-):\n{0}"
    )]
    Drift(Difference),
    #[error(
        "the rules are not those that were asked for: `mesh-intercept init --reconcile` with the same flags replaces them"
    )]
    Differs,
    #[error("nothing of ours is here")]
    NothingThere,
    #[error(
        "nothing says what should be there: this back end keeps no record of the configuration, or it did not fit. Give \
         the flags of init"
    )]
    NotRecorded,
    #[error("{}", join(.0))]
    Cleanup(Vec<ApplyError>),
    #[error(
        "the pod has no address yet: its network has to be set up before its rules. Interfaces with loopback and \
         link-local addresses do not count"
    )]
    NoAddress,
    #[error(
        "TPROXY is not supported on CentOS nodes, and {evidence}. Use -m REDIRECT, or run the pod on another node. \
         --allow-tproxy-on-centos overrides this"
    )]
    Centos { evidence: String },
    #[error(
        "validation has to run as the proxy's user ({proxy}), and this is user {own}: only calls of that user are \
         redirected back to the pod. In a pod, set runAsUser"
    )]
    ValidationUser { proxy: Uid, own: u32 },
    #[error("validation failed: {}", join(errors))]
    Validation { errors: Vec<ProbeError>, code: u8 },
    #[error("verification failed: {failed} of {made} probes by packets did not end as they have to")]
    Live { failed: usize, made: usize, code: u8 },
}

impl Failure {
    pub(super) fn exit(&self) -> Exit {
        match self {
            Failure::Apply(error) if error.is_environment() => Exit::Environment,
            Failure::Apply(_) | Failure::Cleanup(_) => Exit::ApplyFailed,
            Failure::Detect(DetectError::Elsewhere { .. })
            | Failure::Namespace(NamespaceError::Locked { .. })
            | Failure::Drift(_)
            | Failure::Differs
            | Failure::NothingThere => Exit::Conflict,
            Failure::NotRecorded => Exit::BadInput,
            Failure::Live { code, .. } => Exit::ValidationFailed(*code),
            Failure::Validation { errors, code }
                if errors.iter().any(|it| matches!(it, ProbeError::NotRedirected { .. })) =>
            {
                Exit::ValidationFailed(*code)
            }
            _ => Exit::Environment,
        }
    }
}

fn join(errors: &[impl ToString]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// How long each phase of a run took.
pub(super) struct Phases {
    last: Instant,
    took: Vec<(&'static str, u128)>,
}

impl Phases {
    fn start() -> Phases {
        Phases { last: Instant::now(), took: Vec::new() }
    }

    /// The phase of this name is over.
    pub(super) fn end(&mut self, name: &'static str) {
        let now = Instant::now();
        self.took.push((name, (now - self.last).as_micros()));
        self.last = now;
    }

    /// Every phase with its microseconds.
    pub(super) fn summary(&self) -> String {
        let phases = self.took.iter().map(|(name, took)| format!("{name} {took} us"));
        phases.collect::<Vec<_>>().join(", ")
    }
}

impl Run {
    /// Reads everything that was typed, or says everything that is wrong with it.
    pub(super) fn prepare(mut settings: Settings, mut problems: Problems) -> Result<Run, Exit> {
        let mut phases = Phases::start();
        problems.extend(lists::expand(&mut settings, &Files));
        let config = Config::parse(&settings, &Files).map_err(|found| problems.extend(found));
        let options = Options::parse(&settings).map_err(|found| problems.extend(found));
        let logging = Logging::parse(&settings).map_err(|found| problems.extend(found));
        let (Ok(config), Ok(options), Ok(logging), true) = (config, options, logging, problems.is_empty())
        else {
            return Err(complain(&problems));
        };
        logging.start();
        phases.end("parse");
        let is_configured = settings.gives_any(CONFIGURATION);
        Ok(Run { config, is_configured, recorded_resolvers: None, options, phases })
    }

    /// Logs what is going to be applied.
    pub(super) fn announce(&self) {
        info!(
            version = env!("CARGO_PKG_VERSION"),
            configuration = %configuration(&self.config),
            "effective configuration"
        );
    }

    /// Goes where the run has to work.
    pub(super) fn enter_namespace(&self) -> Result<(), Failure> {
        match &self.options.network_namespace {
            Some(path) => Ok(netns::enter(path)?),
            None => Ok(()),
        }
    }

    /// What a cleanup takes for ours: whatever the pod is, or was.
    pub(super) fn target_for_any_pod(&self) -> Target {
        let families = PodFamilies { intercepted: Families::BOTH, uncaptured: Families::NONE };
        let mut target = self.target_for(&Pod { families, resolvers: Vec::new() });
        // What is needed is not asked here: a route that others use as well is not ours to remove.
        target.program.routing.delivery = None;
        target.claims_by_form = true;
        target
    }

    fn target_for(&self, pod: &Pod) -> Target {
        Target {
            program: program::compile(&self.config, pod),
            bridge: program::bridge(&self.config, pod),
            delivery: (self.config.tproxy_mark, self.config.tproxy_table),
            claims_by_form: self.options.policy != Policy::Plain,
            record: Record::now(self.config.flags(), &pod.resolvers),
        }
    }

    /// The families of the pod, by its addresses.
    pub(super) fn families(&self, kernel: &mut dyn Kernel) -> Result<PodFamilies, Failure> {
        let addresses = match &self.options.local_addresses[..] {
            [] => kernel.addresses()?,
            given => given.to_vec(),
        };
        PodFamilies::decide(&addresses, self.config.dual_stack).ok_or(Failure::NoAddress)
    }

    /// The pod that is there.
    pub(super) fn pod(&self, kernel: &mut dyn Kernel) -> Result<Pod, Failure> {
        let families = self.families(kernel)?;
        let resolvers = match (self.config.dns, &self.recorded_resolvers) {
            (Dns::Resolvers, Some(servers)) => Resolvers { servers: servers.clone(), ..Resolvers::default() },
            (Dns::Resolvers, None) => Resolvers::parse(&files::read(&self.options.resolv_conf)?),
            (Dns::Off | Dns::All, _) => Resolvers::default(),
        };
        for ignored in &resolvers.ignored {
            warn!("{}: {ignored:?} is no address of a name server", self.options.resolv_conf.display());
        }
        Ok(Pod { families, resolvers: resolvers.servers })
    }

    /// Says what should be there in the pod that is there, and what is worth a warning.
    pub(super) fn target(&mut self, kernel: &mut dyn Kernel) -> Result<(Target, Vec<String>), Failure> {
        self.refuse_centos()?;
        let pod = self.pod(kernel)?;
        self.phases.end("look");
        let target = self.target_for(&pod);
        let warnings = program::warnings(&self.config, &pod);
        for warning in &warnings {
            warn!("{warning}");
        }
        self.phases.end("compile");
        Ok((target, warnings))
    }

    fn refuse_centos(&self) -> Result<(), Failure> {
        if self.config.mode != Mode::Tproxy || self.options.allow_tproxy_on_centos {
            return Ok(());
        }
        let os = NodeOs::look(self.options.node_os.clone(), self.options.host_os_release.as_deref())?;
        match os.centos() {
            Some(evidence) => Err(Failure::Centos { evidence }),
            None => Ok(()),
        }
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

/// The configuration as JSON, cut where a long list would fill the log.
fn configuration(config: &Config) -> String {
    const LONGEST: usize = 16 * 1024;
    let mut text = serde_json::to_string(config).unwrap_or_default();
    let length = text.len();
    if length > LONGEST {
        // Every value is ASCII: a cut falls between characters.
        text.truncate(LONGEST);
        text.push_str(&format!("... ({length} bytes in all)"));
    }
    text
}
