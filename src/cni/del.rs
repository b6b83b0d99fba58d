//! DEL: a sandbox goes. What is left of the rules goes with it, and what cannot be removed does not keep it.

use tracing::{info, warn};

use super::interception::{kernel, removal};
use super::netconf::NetConf;
use super::protocol::{Error, Invocation, code};
use super::sandboxes::{Sandbox, Sandboxes};
use crate::kernel::netns::{self, NamespaceError};

/// Runs the command.
///
/// # Errors
/// When the sandbox cannot be forgotten.
pub(super) fn run(invocation: &Invocation, conf: &NetConf) -> Result<(), Error> {
    let sandboxes = Sandboxes::of(&conf.run_directory);
    let sandbox = sandboxes.get(&invocation.attachment).unwrap_or_else(|error| {
        warn!("{error}");
        None
    });
    // Rules that a pod has put there by itself are not ours to remove.
    if let Some(sandbox) = sandbox.filter(|it| it.flags.is_some()) {
        remove(invocation, &sandbox);
    }
    sandboxes
        .forget(&invocation.attachment)
        .map_err(|error| Error::new(code::IO, format!("{error}: is the file system read-only?")))
}

/// Removes what is left of the rules, if the namespace is still that of the sandbox.
pub(super) fn remove(invocation: &Invocation, sandbox: &Sandbox) {
    let Some(path) = &invocation.network_namespace else { return };
    if sandbox.network_namespace != netns::identity(path) {
        return info!("the network namespace is gone, and the rules with it");
    }
    let mut kernel = match kernel(path, invocation) {
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
