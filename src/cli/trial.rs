//! Has the kernel take the rules for real, in a network namespace that nobody is in and that goes with this process.

use nix::sched::{CloneFlags, unshare};
use serde::Serialize;

use crate::backend::{self, Target};
use crate::config::BackendKind;
use crate::kernel::System;

/// What came of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Trial {
    /// The kernel took the rules.
    Accepted,
    /// It did not.
    Refused(String),
    /// There was no way to try.
    NotPermitted(String),
}

/// Tries. The process is in another namespace afterwards, so this has to come last.
pub(super) fn run(backend: BackendKind, target: &Target) -> Trial {
    let own = unshare(CloneFlags::CLONE_NEWNET)
        .or_else(|_| unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNET));
    if let Err(errno) = own {
        let why =
            format!("a network namespace of our own is not permitted ({errno}); it takes CAP_SYS_ADMIN");
        return Trial::NotPermitted(why);
    }
    // Routes take an interface that is up; there they are no more than what any kernel does.
    let rules = target.clone().without_routing();
    match backend::create(&mut System::default(), backend, &rules) {
        Ok(()) => Trial::Accepted,
        Err(failure) => Trial::Refused(failure.to_string()),
    }
}
