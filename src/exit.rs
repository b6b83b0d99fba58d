//! Exit codes: one for each kind of failure, so that a controller can tell them apart.

use std::process::ExitCode;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is done.
    Done = 0,
    /// The input is wrong; nothing was touched.
    BadInput = 1,
    /// The environment lacks something: a capability, a kernel feature, a program, an address.
    Environment = 2,
    /// Applying failed; the kernel is as before.
    ApplyFailed = 3,
    /// What is there belongs to somebody else, or differs.
    Conflict = 4,
    /// Validation failed; istio's repair controllers look for this number.
    ValidationFailed = 126,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}
