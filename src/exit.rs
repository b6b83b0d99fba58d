//! Exit codes: one for each kind of failure, so that a controller can tell them apart.

use std::process::ExitCode;

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// All is done.
    Done,
    /// The input is wrong; nothing was touched.
    BadInput,
    /// The environment lacks something: a capability, a kernel feature, a program, an address.
    Environment,
    /// Applying failed; the kernel is as before.
    ApplyFailed,
    /// What is there belongs to somebody else, or differs.
    Conflict,
    /// Validation failed. istio's repair controllers look for 126, others' for another number.
    ValidationFailed(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::BadInput => 1,
            Exit::Environment => 2,
            Exit::ApplyFailed => 3,
            Exit::Conflict => 4,
            Exit::ValidationFailed(code) => code,
        })
    }
}
