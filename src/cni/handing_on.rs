//! Hands on to the node's agent what a call has logged, and how an ADD ended: one message, when the runtime has its answer.

use tracing::{Level, debug};

use super::agent_protocol::{CallLog, Report};
use super::facts::Agent;
use super::logging;
use super::netconf::Source;
use super::plugin::Call;
use super::protocol::{Command, Error};
use super::{add, interception};

/// Hands on everything of a call that is over.
pub(super) fn of(call: &Call, report: Option<Report>) {
    if !call.conf.sources.contains(&Source::Agent) {
        return;
    }
    let worst = logging::worst();
    let is_of_interest = match call.invocation.command {
        // Asked again and again: only what is wrong is news.
        Command::Status => worst.is_some_and(|worst| worst <= Level::WARN),
        _ => worst.is_some(),
    };
    let agent = Agent::new(&call.conf.agent_socket);
    let told = match report {
        Some(report) => agent.report(Report { log: Some(log()), ..report }),
        None if is_of_interest => agent.log(log()),
        None => return,
    };
    if let Err(reason) = told {
        debug!("the agent was not told: {reason}");
    }
}

/// The report of an ADD that a defect has ended; nothing for other commands.
pub(super) fn report_of(call: &Call, error: &Error) -> Option<Report> {
    let is_add = call.invocation.command == Command::Add;
    let pod = interception::pod_of(&call.invocation).filter(|_| is_add);
    pod.map(|pod| add::failed(&call.invocation, pod, error, call.start))
}

fn log() -> CallLog {
    let (lines, left_out) = logging::take();
    let lines = lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    CallLog { lines, left_out }
}
