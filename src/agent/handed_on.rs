//! What the plugin hands on, in the agent's log.

use serde_json::json;
use tracing::warn;

use crate::cni::agent_protocol::{AddResult, CallLog, MOST_LINES, Report};
use crate::cni::pod::PodName;
use crate::logs::scopes::CNI_PLUGIN;
use crate::logs::write_foreign;

/// Logs a report: what the plugin has logged, or from an older plugin the report itself.
pub(super) fn report(report: &Report) {
    if let Some(handed_on) = &report.log {
        return log(handed_on);
    }
    let level = match report.result {
        AddResult::Installed | AddResult::Skipped => "info",
        AddResult::Failed => "warn",
    };
    let message = match report.result {
        AddResult::Installed => "the rules are in place",
        AddResult::Skipped => "not a pod of the mesh",
        AddResult::Failed => "ADD failed: the runtime will try again",
    };
    let PodName { namespace, name, uid } = &report.pod;
    let line = json!({
        "level": level, "msg": message, "command": "ADD", "namespace": namespace, "pod": name, "uid": uid,
        "container_id": report.container_id, "reason": report.reason, "details": report.message,
        "took_us": report.duration_us,
    });
    line.as_object().into_iter().for_each(|line| write_foreign(CNI_PLUGIN, line));
}

/// Writes what the plugin has logged. It keeps its time; what it holds is data.
pub(super) fn log(log: &CallLog) {
    let too_many = log.lines.len().saturating_sub(MOST_LINES);
    let left_out = log.left_out.saturating_add(too_many as u64);
    if left_out > 0 {
        warn!(
            left_out,
            "the first lines of a call of the plugin are left out: the file on the node has them"
        );
    }
    for line in &log.lines[too_many..] {
        write_foreign(CNI_PLUGIN, line);
    }
}
