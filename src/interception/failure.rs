//! Why an interception could not be looked at, installed or removed.

use crate::backend::iptables::RestoreError;
use crate::backend::{ApplyError, DetectError};
use crate::config::owners::Uid;
use crate::exit::Exit;
use crate::kernel;
use crate::kernel::capabilities::CapabilityError;
use crate::kernel::lock::LockError;
use crate::kernel::netns::NamespaceError;
use crate::verify::ProbeError;
use crate::verify::compare::Difference;

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The pod's network namespace cannot be worked in.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The lock of the namespace was not had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The kernel does not answer.
    #[error(transparent)]
    Kernel(#[from] kernel::Error),
    /// A privilege is missing.
    #[error(transparent)]
    Capability(#[from] CapabilityError),
    /// No back end can be chosen.
    #[error(transparent)]
    Detect(#[from] DetectError),
    /// The rules that are there cannot be read.
    #[error(transparent)]
    Read(RestoreError),
    /// The rules were not applied.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// Other rules are there, and nothing says that they may be replaced.
    #[error(
        "the rules that are there differ from what is asked for, and nothing was changed: --reconcile replaces them \
         without a gap. To be added (+) and removed (-):\n{0}"
    )]
    Drift(Difference),
    /// What was asked for could not be written.
    #[error("cannot write to standard output: {0}. Make room, or write it somewhere else")]
    Output(#[source] std::io::Error),
    /// A verification found other rules.
    #[error(
        "the rules are not those that were asked for: `mesh-intercept init --reconcile` with the same flags replaces them"
    )]
    Differs,
    /// A verification found no rules, and was not told which there should be.
    #[error("nothing of ours is here")]
    NothingThere,
    /// A verification found rules, but nothing that says which there should be.
    #[error(
        "nothing says what should be there: this back end keeps no record of the configuration, or it did not fit. Give \
         the flags of init"
    )]
    NotRecorded,
    /// Not everything could be removed.
    #[error("{}", join(.0))]
    Cleanup(Vec<ApplyError>),
    /// The pod's families cannot be known yet.
    #[error(
        "the pod has no address yet: its network has to be set up before its rules. Interfaces with loopback and \
         link-local addresses do not count"
    )]
    NoAddress,
    /// TPROXY on CentOS.
    #[error(
        "TPROXY is not supported on CentOS nodes, and {evidence}. Use -m REDIRECT, or run the pod on another node. \
         --allow-tproxy-on-centos overrides this"
    )]
    Centos {
        /// What says that this is CentOS.
        evidence: String,
    },
    /// Only the proxy's user can validate.
    #[error(
        "validation has to run as the proxy's user ({proxy}), and this is user {own}: only calls of that user are \
         redirected back to the pod. In a pod, set runAsUser"
    )]
    ValidationUser {
        /// The proxy's user.
        proxy: Uid,
        /// The user of this process.
        own: u32,
    },
    /// A connection of the proxy's user did not arrive where it should.
    #[error("validation failed: {}", join(errors))]
    Validation {
        /// One for each family.
        errors: Vec<ProbeError>,
        /// The exit code.
        code: u8,
    },
    /// Packets were asked for, and none could be sent.
    #[error("nothing was proven: none of the {0} probes could be made, for the reasons above")]
    NotProven(usize),
    /// Packets did not end as they have to.
    #[error("verification failed: {failed} of {made} probes by packets did not end as they have to")]
    Live {
        /// How many.
        failed: usize,
        /// Of how many.
        made: usize,
        /// The exit code.
        code: u8,
    },
}

impl Failure {
    /// Returns `true` if more rules are there than may be read ([`kernel::System::may_read`]).
    pub fn is_too_much(&self) -> bool {
        let error = match self {
            Failure::Kernel(error)
            | Failure::Read(RestoreError::Kernel(error))
            | Failure::Apply(ApplyError::Kernel(error) | ApplyError::Restore(RestoreError::Kernel(error))) => {
                error
            }
            _ => return false,
        };
        matches!(error, kernel::Error::TooMuch(_))
    }

    /// The exit code that says it.
    pub fn exit(&self) -> Exit {
        match self {
            Failure::Apply(error) if error.is_environment() => Exit::Environment,
            // The kernel did not answer: the machine lacks something.
            Failure::Read(RestoreError::Kernel(_)) => Exit::Environment,
            Failure::Apply(_) | Failure::Cleanup(_) | Failure::Read(_) => Exit::ApplyFailed,
            Failure::Detect(DetectError::Elsewhere { .. } | DetectError::Ambient { .. })
            | Failure::Lock(LockError::Held { .. })
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
