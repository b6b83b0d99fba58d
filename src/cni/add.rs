//! ADD: a sandbox has its network, and gets its rules.

use std::path::Path;
use std::time::Instant;

use tracing::{info, warn};

use super::agent_protocol::{AddResult, INSTALLED, LONGEST_WARNING, MOST_WARNINGS, Report};
use super::arguments;
use super::decision::{Decision, Reason, by_facts, by_name};
use super::del;
use super::facts::{self, Learned};
use super::interception::{FLAGS_ARE_WRONG, Node, cut, error, kernel, problems};
use super::netconf::{NetConf, WithoutFacts};
use super::pod::PodName;
use super::protocol::{Attachment, Error, Invocation, code};
use super::sandboxes::{Sandbox, Sandboxes};
use super::sharing;
use super::undo;
use crate::faults;
use crate::interception::{Before, Installation, Interception};
use crate::kernel::netns;

/// What came of it.
enum Outcome {
    Skipped(Reason),
    Installed { flags: String, installation: Installation, source: &'static str, warnings: Vec<String> },
}

/// Runs the command. What came of it is for the runtime, and of a pod of Kubernetes also for the agent.
///
/// The first is an error when the pod is one of the mesh, or may be, and has no rules: it must not start.
pub(super) fn run(
    invocation: &Invocation,
    conf: &NetConf,
    start: Instant,
) -> (Result<(), Error>, Option<Report>) {
    let pod = match arguments::pod(&invocation.arguments) {
        Ok(pod) => pod,
        Err(error) => return (Err(error), None),
    };
    let outcome = add(invocation, conf, pod.as_ref(), start);
    if let Ok(outcome) = &outcome {
        remember(invocation, conf, pod.as_ref(), outcome);
    }
    faults::point("remembered");
    let report = pod.map(|pod| report(invocation, pod, &outcome, start));
    (outcome.map(|_| ()), report)
}

fn add(
    invocation: &Invocation,
    conf: &NetConf,
    pod: Option<&PodName>,
    start: Instant,
) -> Result<Outcome, Error> {
    let at_hand = by_name(pod, &conf.excluded_namespaces, &conf.agent_namespace);
    let (pod, reason) = match (pod, at_hand) {
        (pod, Some(reason)) => (pod, Some(reason)),
        (pod, None) => match facts::at_hand(conf).map(|facts| by_facts(&facts)) {
            Some(Decision::Skip(reason)) => (pod, Some(reason)),
            _ => (pod, None),
        },
    };
    let (Some(pod), None) = (pod, reason) else {
        let reason = reason.unwrap_or(Reason::NotKubernetes);
        info!(reason = reason.word(), changed = false, took_us = micros(start), "no rules: {reason}");
        return Ok(Outcome::Skipped(reason));
    };
    let outcome = with_facts(invocation, conf, pod, start)?;
    let took_us = micros(start);
    match &outcome {
        Outcome::Skipped(reason) => {
            info!(reason = reason.word(), changed = false, took_us, "no rules: {reason}");
        }
        Outcome::Installed { flags, installation, source, .. } => info!(
            reason = INSTALLED,
            backend = installation.backend.name(),
            rules = installation.rules,
            changed = installation.is_changed,
            took_us,
            flags,
            source,
            "the pod has its rules"
        ),
    }
    Ok(outcome)
}

fn with_facts(
    invocation: &Invocation,
    conf: &NetConf,
    pod: &PodName,
    start: Instant,
) -> Result<Outcome, Error> {
    let of_node = |found| problems(code::CONFIGURATION, FLAGS_ARE_WRONG, &found);
    let node = Node::of(conf).map_err(of_node)?;
    let learned = match facts::learn(pod, conf, start) {
        Ok(Learned { decision: Decision::Skip(reason), .. }) => return Ok(Outcome::Skipped(reason)),
        Ok(learned) => learned,
        Err(unknown) if conf.without_facts == WithoutFacts::Skip => {
            warn!("{unknown}");
            return Ok(Outcome::Skipped(Reason::NoFacts));
        }
        Err(unknown) => {
            let message = format!("{unknown}. Is the node agent running? The runtime will try again");
            return Err(Error::new(code::TRY_AGAIN, message));
        }
    };
    let what = format!("the settings of the pod {}/{} are wrong", pod.namespace, pod.name);
    let wanted =
        node.rules_of(&learned.facts).map_err(|found| problems(code::POD_SETTINGS, &what, &found))?;
    let Some(mut rules) = wanted else { return Ok(Outcome::Skipped(Reason::ModeNone)) };
    rules.config.dual_stack |= conf.is_ipv6_first();
    let path = invocation.network_namespace.as_deref().unwrap_or(Path::new(""));
    let mut kernel =
        kernel(path, invocation.may_be_own_namespace).map_err(|failure| error(&failure.into()))?;
    prepare_undo(invocation, conf, &node, &rules)?;
    rules.before_changes = undo::begin;
    let installation = rules.install(&mut kernel).map_err(|failure| {
        undo::forget();
        error(&failure)
    })?;
    faults::point("installed");
    let (flags, warnings) = (rules.config.flags(), rules.warned);
    Ok(Outcome::Installed { flags, installation, source: learned.source, warnings })
}

/// A sandbox that had rules gets those again that are remembered, or else those that it was about to get.
fn prepare_undo(
    invocation: &Invocation,
    conf: &NetConf,
    node: &Node,
    wanted: &Interception,
) -> Result<(), Error> {
    let sandbox = Sandboxes::of(&conf.run_directory).get(&invocation.attachment).ok().flatten();
    let restore = match &sandbox {
        Some(sandbox) if sandbox.flags.is_some() => node.remembered(Some(sandbox)),
        _ => Interception::new(wanted.config.clone(), wanted.options.clone()),
    };
    undo::prepare(invocation, conf, sandbox, node.remembered(None), restore)
        .map_err(|failure| error(&failure.into()))
}

fn micros(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// What cannot be remembered is compared by what the kernel says of it: no reason to stop a pod that has its rules.
fn remember(invocation: &Invocation, conf: &NetConf, pod: Option<&PodName>, outcome: &Outcome) {
    let (flags, backend) = match outcome {
        Outcome::Skipped(_) => (None, None),
        Outcome::Installed { flags, installation, .. } => {
            (Some(flags.clone()), Some(installation.backend.name().to_owned()))
        }
    };
    let path = invocation.network_namespace.as_deref();
    let network_namespace = path.and_then(netns::identity);
    let sandboxes = Sandboxes::of(&conf.run_directory);
    let attachment = &invocation.attachment;
    match (&flags, sandboxes.get(attachment), path) {
        // It was one of the mesh, and is none any more: its rules would stay for ever.
        (None, Ok(Some(before)), Some(path)) => {
            if before.flags.is_some()
                && let Ok(node) = Node::of(conf)
            {
                let restore = node.remembered(Some(&before));
                let planned =
                    undo::prepare(invocation, conf, Some(before.clone()), node.remembered(None), restore);
                if planned.is_ok() {
                    undo::begin(Before::Rules);
                }
            }
            del::undo(&sandboxes, attachment, &before, path, invocation.may_be_own_namespace);
        }
        (Some(flags), ..) => same_rules(&sandboxes, attachment, network_namespace, flags, backend.as_deref()),
        _ => {}
    }
    let path = path.map(Path::to_owned);
    let sandbox = Sandbox {
        network: conf.network.clone(),
        pod: pod.cloned(),
        flags,
        backend,
        network_namespace,
        path,
        is_leaving: false,
    };
    if let Err(error) = sandboxes.put(attachment, &sandbox) {
        warn!("{error}");
    }
}

/// The rules that are there now are those of every attachment that shares the namespace.
fn same_rules(
    sandboxes: &Sandboxes,
    attachment: &Attachment,
    namespace: Option<(u64, u64)>,
    flags: &str,
    backend: Option<&str>,
) {
    let others = sharing::others_of_container(sandboxes, attachment, namespace).unwrap_or_else(|error| {
        warn!("{error}");
        Vec::new()
    });
    for (other, mut sandbox) in others {
        if (sandbox.flags.as_deref(), sandbox.backend.as_deref()) == (Some(flags), backend) {
            continue;
        }
        (sandbox.flags, sandbox.backend) = (Some(flags.to_owned()), backend.map(str::to_owned));
        if let Err(error) = sandboxes.put(&other, &sandbox) {
            warn!("{error}");
        }
    }
}

fn report(invocation: &Invocation, pod: PodName, outcome: &Result<Outcome, Error>, start: Instant) -> Report {
    let (result, reason, message, warnings) = match outcome {
        Ok(Outcome::Installed { flags, warnings, .. }) => {
            (AddResult::Installed, INSTALLED, flags.clone(), warnings.as_slice())
        }
        Ok(Outcome::Skipped(reason)) => (AddResult::Skipped, reason.word(), reason.to_string(), &[][..]),
        Err(error) => return failed(invocation, pod, error, start),
    };
    let warnings = warnings.iter().take(MOST_WARNINGS).map(|text| cut(text, LONGEST_WARNING)).collect();
    Report { warnings, ..new_report(invocation, pod, (result, reason, &message), start) }
}

/// The report of an ADD that failed.
pub(super) fn failed(invocation: &Invocation, pod: PodName, error: &Error, start: Instant) -> Report {
    new_report(invocation, pod, (AddResult::Failed, word(error.code), &error.message), start)
}

fn new_report(
    invocation: &Invocation,
    pod: PodName,
    (result, reason, message): (AddResult, &str, &str),
    start: Instant,
) -> Report {
    Report {
        pod,
        container_id: invocation.attachment.container_id.clone(),
        result,
        reason: reason.to_owned(),
        message: cut(message, 2000),
        duration_us: micros(start),
        warnings: Vec::new(),
        log: None,
    }
}

/// A code as a word for metrics.
fn word(code: u32) -> &'static str {
    match code {
        code::TRY_AGAIN => "no_facts",
        code::CONFIGURATION => "bad_configuration",
        code::POD_SETTINGS => "bad_settings",
        code::NODE => "node",
        code::NOT_APPLIED => "not_applied",
        code::CONFLICT => "conflict",
        code::IO => "io",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::super::agent_protocol::REASONS;
    use super::*;

    #[test]
    fn every_reason_is_one_of_the_protocol() {
        let skipped = [
            Reason::NotKubernetes,
            Reason::ExcludedNamespace,
            Reason::HostNetwork,
            Reason::OwnAgent,
            Reason::NoProxy,
            Reason::HasInit,
            Reason::ProxyDisabled,
            Reason::NotASidecar,
            Reason::NotInjected,
            Reason::NoStatus,
            Reason::ModeNone,
            Reason::NoFacts,
        ];
        let failed = [
            code::TRY_AGAIN,
            code::CONFIGURATION,
            code::POD_SETTINGS,
            code::NODE,
            code::NOT_APPLIED,
            code::CONFLICT,
            code::IO,
            0,
        ];
        for word in skipped.map(Reason::word).into_iter().chain(failed.map(word)) {
            assert!(REASONS.contains(&word), "{word}");
        }
    }
}
