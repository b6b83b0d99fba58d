//! DEL: a sandbox goes. What is left of the rules goes with it, and what cannot be removed does not keep it.

use std::path::Path;

use tracing::{info, warn};

use super::interception::{kernel, removal};
use super::netconf::NetConf;
use super::protocol::{Attachment, Error, Invocation, code};
use super::sandboxes::{Sandbox, SandboxError, Sandboxes};
use super::sharing;
use crate::kernel::netns::{self, NamespaceError};

/// Runs the command.
///
/// # Errors
/// When the sandbox cannot be forgotten.
pub(super) fn run(invocation: &Invocation, conf: &NetConf) -> Result<(), Error> {
    let sandboxes = Sandboxes::of(&conf.run_directory);
    let attachment = &invocation.attachment;
    let sandbox = sandboxes.get(attachment).unwrap_or_else(|error| {
        warn!("{error}");
        None
    });
    let path = invocation.network_namespace.as_deref();
    leave(&sandboxes, attachment, sandbox, path, invocation.may_be_own_namespace)
        .map_err(|error| Error::new(code::IO, format!("{error}: is the file system read-only?")))
}

/// Removes what is left of an attachment's rules, and then forgets the attachment: a call that ends in between is made
/// again, and finds what it has to remove. Of two attachments that go at once, neither counts for the other.
///
/// # Errors
/// When it cannot be forgotten.
pub(super) fn leave(
    sandboxes: &Sandboxes,
    attachment: &Attachment,
    sandbox: Option<Sandbox>,
    path: Option<&Path>,
    may_be_own: bool,
) -> Result<(), SandboxError> {
    if let (Some(sandbox), Some(path)) = (sandbox.filter(|it| it.flags.is_some()), path) {
        let leaving = Sandbox { is_leaving: true, ..sandbox };
        if let Err(error) = sandboxes.put(attachment, &leaving) {
            warn!("{error}");
        }
        undo(sandboxes, attachment, &leaving, path, may_be_own);
    }
    sandboxes.forget(attachment)
}

/// Removes what is left of the rules of an attachment, if the namespace is still that of the sandbox and no other
/// attachment has rules there. Rules that a pod has put there by itself are not the plugin's to remove.
pub(super) fn undo(
    sandboxes: &Sandboxes,
    attachment: &Attachment,
    sandbox: &Sandbox,
    path: &Path,
    may_be_own: bool,
) {
    if sandbox.flags.is_none() {
        return;
    }
    let namespace = netns::identity(path);
    if sandbox.network_namespace != namespace {
        return info!("the network namespace is gone, and the rules with it");
    }
    match sharing::others(sandboxes, attachment, namespace) {
        Err(error) => return warn!("the rules stay, for other networks of the pod may have them: {error}"),
        Ok(others) => {
            if let Some((other, sandbox)) = others.first() {
                let (interface, network) = (&other.interface, &sandbox.network);
                return info!(interface, network, "the rules stay: another network of the pod has them too");
            }
        }
    }
    let mut kernel = match kernel(path, may_be_own) {
        Ok(kernel) => kernel,
        Err(NamespaceError::Open { .. }) => {
            return info!("the network namespace is gone, and the rules with it");
        }
        Err(error) => return warn!("{error}"),
    };
    match removal().remove(&mut kernel) {
        Ok(removed) => {
            match &removed.words[..] {
                [] => info!("no rules were left to remove"),
                words => info!("removed {}", words.join(", ")),
            }
            for failure in removed.failures {
                warn!("{failure}");
            }
        }
        Err(failure) => warn!("{failure}"),
    }
}
