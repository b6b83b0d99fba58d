//! What the operator should know although the work goes on.

use std::fmt;

use super::document::Flaw;

/// What the operator should know although the work goes on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Warning {
    /// A file is passed over.
    #[error("{0}")]
    Skipped(Skipped),
    /// A file that some runtimes read, and this agent does not.
    #[error(
        "{file} sorts before {primary}: a runtime that reads .json files takes it, and pods get no rules; rename it"
    )]
    Json {
        /// The file.
        file: String,
        /// The file with our entry.
        primary: String,
    },
    /// The file that was named is not the one that the runtime takes.
    #[error("{by} sorts before {primary}, which was asked for: the runtime takes {by}, without our plugin")]
    Preempted {
        /// The file that the runtime takes.
        by: String,
        /// The file with our entry.
        primary: String,
    },
    /// Both would set rules.
    #[error("{file} also chains istio-cni: two plugins set the rules of each pod; uninstall one of them")]
    Istio {
        /// The file.
        file: String,
    },
    /// A version was raised in our copy.
    #[error(
        "{file} claims a version of CNI that has no chains (0.3.0 is the first that has): {copy} claims 0.3.1 instead"
    )]
    OldVersion {
        /// The file of others.
        file: String,
        /// Our copy.
        copy: String,
    },
    /// A copy without its original.
    #[error("{copy} is left as it is: the network configuration of which it is a copy is gone or not valid")]
    Orphan {
        /// Our file.
        copy: String,
    },
    /// A program under our name that is not ours.
    #[error("{path} is not the program that this agent installs: it is left there")]
    OtherProgram {
        /// Where it is.
        path: String,
    },
}

/// A file that is passed over, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skipped {
    /// The file.
    pub file: String,
    /// Why.
    pub reason: String,
}

impl Skipped {
    pub(super) fn new(file: &str, flaw: &Flaw) -> Skipped {
        Skipped { file: file.to_owned(), reason: flaw.to_string() }
    }
}

impl fmt::Display for Skipped {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} is passed over: {}", self.file, self.reason)
    }
}
