//! What becomes of the pod's namespace when a defect ends an ADD: what was there before is there again.
//!
//! Rules that fail to go in are undone by the engine itself. A defect is another matter: nothing that the engine holds can
//! be relied on then, so the undo has a kernel, a configuration and sockets of its own.

use std::path::Path;
use std::sync::{Mutex, PoisonError, TryLockError};

use super::interception::namespace;
use super::netconf::NetConf;
use super::protocol::{Attachment, Invocation};
use super::sandboxes::{Sandbox, Sandboxes};
use crate::faults;
use crate::interception::{Before, Interception, is_held};
use crate::kernel::System;
use crate::kernel::netns::{Namespace, NamespaceError};

/// What is to be done, should it come to that.
static PLAN: Mutex<Option<Plan>> = Mutex::new(None);

struct Plan {
    /// The pod's namespace, opened before anything happened; nothing for the process's own.
    namespace: Option<Namespace>,
    /// What was there; nothing as long as nothing was changed.
    before: Option<Before>,
    /// Removes everything.
    remove: Interception,
    /// Puts in the rules that the namespace had.
    restore: Interception,
    sandboxes: Sandboxes,
    attachment: Attachment,
    /// What was remembered of the sandbox.
    sandbox: Option<Sandbox>,
}

/// Plans for the worst, right before rules are installed or removed: of a sandbox of which this is remembered.
///
/// # Errors
/// When the namespace cannot be opened.
pub(super) fn prepare(
    invocation: &Invocation,
    conf: &NetConf,
    sandbox: Option<Sandbox>,
    remove: Interception,
    restore: Interception,
) -> Result<(), NamespaceError> {
    let path = invocation.network_namespace.as_deref().unwrap_or(Path::new(""));
    let sandboxes = Sandboxes::of(&conf.run_directory);
    let attachment = invocation.attachment.clone();
    let namespace = namespace(path, invocation.may_be_own_namespace)?;
    *PLAN.lock().unwrap_or_else(PoisonError::into_inner) =
        Some(Plan { namespace, before: None, remove, restore, sandboxes, attachment, sandbox });
    Ok(())
}

/// The namespace is going to be changed.
pub(super) fn begin(before: Before) {
    if let Some(plan) = &mut *PLAN.lock().unwrap_or_else(PoisonError::into_inner) {
        plan.before.get_or_insert(before);
    }
}

/// The namespace is as it was: the engine has failed, and has undone what it did.
pub(super) fn forget() {
    *PLAN.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// Does what was planned, if anything was changed.
pub(super) fn carry_out() {
    let plan = match PLAN.try_lock() {
        Ok(mut plan) => plan.take(),
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().take(),
        Err(TryLockError::WouldBlock) => None,
    };
    if let Some(plan) = plan
        && let Some(before) = plan.before
    {
        plan.carry_out(before);
    }
}

impl Plan {
    fn carry_out(self, before: Before) {
        let mut kernel = self.namespace.map(System::inside).unwrap_or_default();
        faults::point("undo");
        let undone = match before {
            Before::Nothing => {
                let mut remove = Interception { has_lock: is_held(), ..self.remove };
                remove.remove(&mut kernel).map(|removed| {
                    for failure in removed.failures {
                        tracing::warn!("{failure}");
                    }
                })
            }
            Before::Rules => {
                let mut restore = Interception { has_lock: is_held(), ..self.restore };
                restore.install(&mut kernel).map(drop)
            }
        };
        match undone {
            Ok(()) => tracing::info!("the pod's namespace is as it was before the defect"),
            Err(failure) => tracing::error!("the pod's namespace could not be put back: {failure}"),
        }
        let remembered = match &self.sandbox {
            Some(sandbox) => self.sandboxes.put(&self.attachment, sandbox),
            None => self.sandboxes.forget(&self.attachment),
        };
        if let Err(error) = remembered {
            tracing::warn!("{error}");
        }
    }
}
