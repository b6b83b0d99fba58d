//! A defect of the plugin ends the process where it shows: a release does not unwind. What has to happen all the same
//! happens in the panic hook: the runtime is answered, and the pod's namespace becomes what it was.

use std::panic::{self, PanicHookInfo};
use std::process;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::answer::{self, Answer};
use super::handing_on;
use super::plugin::Call;
use super::protocol::{Error, VERSIONS, code};
use super::undo;
use crate::faults;

/// Is a defect dealt with?
static IS_ENDING: AtomicBool = AtomicBool::new(false);

/// From here on, a panic ends the process in an orderly way. What is known of the call will be in `call`.
pub(super) fn catch(call: &'static OnceLock<Call>) {
    panic::set_hook(Box::new(move |panic| end(panic, call.get())));
}

/// The order counts: a second defect in one step does not take back those before it. The answer is first.
fn end(panic: &PanicHookInfo<'_>, call: Option<&Call>) {
    if IS_ENDING.swap(true, Ordering::SeqCst) {
        // Another thread, with a defect of its own: the process ends in a moment.
        loop {
            thread::park();
        }
    }
    let version = call.map_or(VERSIONS[VERSIONS.len() - 1], |call| &call.conf.version);
    let message = format!("the plugin has a defect, please report it: {panic}");
    let error = Error::new(code::INTERNAL, message).of_version(version);
    let was_decided = answer::is_decided();
    let text = serde_json::to_string(&error).unwrap_or_default();
    let answer = answer::deliver(Answer { text, is_success: false });
    faults::point("ending");
    let report = call.and_then(|call| handing_on::report_of(call, &error));
    let reason = report.as_ref().map(|report| report.reason.as_str());
    let took_us = report.as_ref().map(|report| report.duration_us);
    tracing::error!(code = error.code, reason, took_us, "{}", error.message);
    // A success that the runtime was told of stays one.
    if !was_decided {
        undo::carry_out();
    }
    if let Some(call) = call {
        handing_on::of(call, report);
    }
    #[allow(
        clippy::exit,
        reason = "a hook that returns would have the process aborted, without the documented exit code"
    )]
    process::exit(i32::from(!answer.is_success))
}
