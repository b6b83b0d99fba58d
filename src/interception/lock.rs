//! The lock of the namespace that a run works in.

use std::sync::atomic::{AtomicBool, Ordering};

use super::{Failure, Interception};
use crate::kernel::System;
use crate::kernel::lock::NamespaceLock;

/// Does a run hold a lock? Of use in a process that works in one namespace: the plugin.
static HELD: AtomicBool = AtomicBool::new(false);

/// Does a run of this process hold the lock of a namespace?
pub fn is_held() -> bool {
    HELD.load(Ordering::SeqCst)
}

/// The lock, where there is one.
pub(super) struct Held(Option<NamespaceLock>);

impl Drop for Held {
    fn drop(&mut self) {
        if self.0.is_some() {
            HELD.store(false, Ordering::SeqCst);
        }
    }
}

impl Interception {
    /// Waits until no other run works in the namespace.
    pub(super) fn lock(&self, kernel: &System) -> Result<Held, Failure> {
        if self.has_lock {
            return Ok(Held(None));
        }
        let lock = kernel.lock()?;
        HELD.store(lock.is_some(), Ordering::SeqCst);
        Ok(Held(lock))
    }
}
