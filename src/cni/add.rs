//! ADD: a sandbox has its network, and gets its rules.

use std::path::Path;
use std::time::Instant;

use tracing::{info, warn};

use super::agent_protocol::{AddResult, INSTALLED, Report};
use super::arguments;
use super::decision::{Decision, Reason, by_facts, by_name};
use super::del;
use super::facts::{self, Agent, Learned};
use super::interception::{FLAGS_ARE_WRONG, Node, cut, error, kernel, problems};
use super::netconf::{NetConf, Source, WithoutFacts};
use super::pod::PodName;
use super::protocol::{Attachment, Error, Invocation, code};
use super::sandboxes::{Sandbox, Sandboxes};
use super::sharing;
use crate::interception::Installation;
use crate::kernel::netns;

/// What came of it.
enum Outcome {
    Skipped(Reason),
    Installed { flags: String, installation: Installation, source: &'static str },
}

/// Runs the command.
///
/// # Errors
/// When the pod is one of the mesh, or may be, and has no rules: it must not start.
pub(super) fn run(invocation: &Invocation, conf: &NetConf, start: Instant) -> Result<(), Error> {
    let pod = arguments::pod(&invocation.arguments)?;
    let outcome = add(invocation, conf, pod.as_ref(), start);
    if let Ok(outcome) = &outcome {
        remember(invocation, conf, pod.as_ref(), outcome);
    }
    if let (Some(pod), true) = (pod, conf.sources.contains(&Source::Agent)) {
        let report = report(invocation, pod, &outcome, start);
        if let Err(reason) = Agent::new(&conf.agent_socket).report(report) {
            tracing::debug!("the agent was not told: {reason}");
        }
    }
    outcome.map(|_| ())
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
        info!(pod = ?pod, rule = reason.word(), "no rules: {reason}");
        return Ok(Outcome::Skipped(reason));
    };
    let outcome = with_facts(invocation, conf, pod, start)?;
    match &outcome {
        Outcome::Skipped(reason) => info!(?pod, rule = reason.word(), "no rules: {reason}"),
        Outcome::Installed { flags, installation, source } => {
            info!(?pod, ?installation, flags, source, took = ?start.elapsed(), "the pod has its rules");
        }
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
    let path = invocation.network_namespace.as_deref().unwrap_or(Path::new(""));
    let mut kernel =
        kernel(path, invocation.may_be_own_namespace).map_err(|failure| error(&failure.into()))?;
    let installation = rules.install(&mut kernel).map_err(|failure| error(&failure))?;
    Ok(Outcome::Installed { flags: rules.config.flags(), installation, source: learned.source })
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
            del::undo(&sandboxes, attachment, &before, path, invocation.may_be_own_namespace);
        }
        (Some(flags), ..) => same_rules(&sandboxes, attachment, network_namespace, flags, backend.as_deref()),
        _ => {}
    }
    let path = path.map(Path::to_owned);
    let sandbox =
        Sandbox { network: conf.network.clone(), pod: pod.cloned(), flags, backend, network_namespace, path };
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
    let (result, reason, message) = match outcome {
        Ok(Outcome::Installed { flags, .. }) => (AddResult::Installed, INSTALLED, flags.clone()),
        Ok(Outcome::Skipped(reason)) => (AddResult::Skipped, reason.word(), reason.to_string()),
        Err(error) => (AddResult::Failed, word(error.code), error.message.clone()),
    };
    Report {
        pod,
        container_id: invocation.attachment.container_id.clone(),
        result,
        reason: reason.to_owned(),
        message: cut(&message, 2000),
        duration_us: u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX),
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
