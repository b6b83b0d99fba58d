//! Everything that is done about the rules of one pod, whoever asks: the command line, the plugin or the node agent.

mod comparison;
mod failure;
mod install;
mod installed;
mod lock;
mod phases;
mod removal;

pub use comparison::Comparison;
pub use failure::Failure;
pub use install::Installation;
pub use installed::{Found, is_as_installed};
pub use lock::is_held;
pub use phases::Phases;
pub use removal::Removed;

use std::net::IpAddr;

use tracing::warn;

use crate::backend::Target;
use crate::backend::nftables::Record;
use crate::config::families::PodFamilies;
use crate::config::resolvers::Resolvers;
use crate::config::values::Mode;
use crate::config::{Config, Dns, Options, Policy};
use crate::kernel::Kernel;
use crate::kernel::files;
use crate::kernel::os::NodeOs;
use crate::program::{self, Pod};

/// What a namespace holds before it is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// Nothing of the product, in no back end.
    Nothing,
    /// Rules, whole or in part.
    Rules,
}

/// The rules of a pod as they are asked for, and how to go about them.
pub struct Interception {
    /// Which traffic is intercepted.
    pub config: Config,
    /// Was any setting of the configuration given? If not, what an installation has recorded counts.
    pub is_configured: bool,
    /// The DNS servers of the installation, where its configuration was taken from its record.
    pub recorded_resolvers: Option<Vec<IpAddr>>,
    /// What is to be done.
    pub options: Options,
    /// May the process give up every privilege that the rules do not need, for good?
    pub gives_up_privileges: bool,
    /// How long what took.
    pub phases: Phases,
    /// What was warned of: once is enough.
    pub warned: Vec<String>,
    /// What was remarked.
    pub remarked: Vec<&'static str>,
    /// Whether nothing is logged: the caller says itself what came of it, and about which pod.
    pub is_quiet: bool,
    /// Is told, right before an installation changes anything, what the namespace holds.
    pub before_changes: fn(Before),
    /// Does the process hold the namespace's lock already, for a run that a defect has ended?
    pub has_lock: bool,
}

impl Interception {
    /// Everything for this configuration, to be done as these options say.
    pub fn new(config: Config, options: Options) -> Interception {
        Interception {
            config,
            is_configured: true,
            recorded_resolvers: None,
            options,
            gives_up_privileges: false,
            phases: Phases::start(),
            warned: Vec::new(),
            remarked: Vec::new(),
            is_quiet: false,
            before_changes: |_| {},
            has_lock: false,
        }
    }

    /// Warns, once.
    pub fn warn(&mut self, warning: String) {
        if self.warned.contains(&warning) {
            return;
        }
        if !self.is_quiet {
            warn!("{warning}");
        }
        self.warned.push(warning);
    }

    /// Says what is to be known of the back end, once. It holds for most pods of a cluster, so that no owner of a pod is told.
    pub fn remark(&mut self, remark: &'static str) {
        if !self.is_quiet && !self.remarked.contains(&remark) {
            warn!("{remark}");
            self.remarked.push(remark);
        }
    }

    /// What a cleanup takes for ours: whatever the pod is, or was.
    pub fn target_for_any_pod(&self) -> Target {
        let families = PodFamilies::any();
        // What is needed is not asked here.
        let mut target = self.target_for(Pod { families, resolvers: Vec::new() }).without_delivery();
        target.claims_by_form = true;
        target
    }

    fn target_for(&self, pod: Pod) -> Target {
        let record = Record::now(self.config.flags(), &pod.resolvers);
        let mut target = Target::new(self.config.clone(), pod, record);
        target.claims_by_form = self.options.policy != Policy::Plain;
        target
    }

    /// The families of the pod, by its addresses.
    ///
    /// # Errors
    /// When the kernel does not answer, or the pod has no address yet.
    pub fn families(&self, kernel: &mut dyn Kernel) -> Result<PodFamilies, Failure> {
        let addresses = match &self.options.local_addresses[..] {
            [] => kernel.addresses()?,
            given => given.to_vec(),
        };
        PodFamilies::decide(&addresses, self.config.dual_stack).ok_or(Failure::NoAddress)
    }

    /// The pod that is there.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn pod(&mut self, kernel: &mut dyn Kernel) -> Result<Pod, Failure> {
        let families = self.families(kernel)?;
        let resolvers = match (self.config.dns, &self.recorded_resolvers) {
            (Dns::Resolvers, Some(servers)) => Resolvers { servers: servers.clone(), ..Resolvers::default() },
            (Dns::Resolvers, None) => Resolvers::parse(&files::read(&self.options.resolv_conf)?),
            (Dns::Off | Dns::All, _) => Resolvers::default(),
        };
        for ignored in &resolvers.ignored {
            let file = self.options.resolv_conf.display();
            self.warn(format!("{file}: {ignored:?} is no address of a name server"));
        }
        Ok(Pod { families, resolvers: resolvers.servers })
    }

    /// Says what should be there in the pod that is there, and what is worth a warning.
    ///
    /// # Errors
    /// When the pod cannot be looked at, or TPROXY is refused.
    pub fn target(&mut self, kernel: &mut dyn Kernel) -> Result<(Target, Vec<String>), Failure> {
        self.refuse_centos()?;
        let pod = self.pod(kernel)?;
        self.phases.end("look");
        let warnings = program::warnings(&self.config, &pod);
        let target = self.target_for(pod);
        for warning in &warnings {
            self.warn(warning.clone());
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
