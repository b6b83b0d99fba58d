//! GC: the runtime says which sandboxes there are; the others are forgotten, as by DEL. Most rules went with their
//! namespaces.

use tracing::info;

use super::del;
use super::netconf::NetConf;
use super::protocol::{Error, code};
use super::sandboxes::{SandboxError, Sandboxes};

/// Runs the command.
///
/// # Errors
/// When something cannot be forgotten; the rest is.
pub(super) fn run(conf: &NetConf) -> Result<(), Error> {
    let Some(valid) = &conf.valid_attachments else {
        let message =
            "GC needs the key cni.dev/valid-attachments: without it, every sandbox would be taken for gone";
        return Err(Error::new(code::CONFIGURATION, message));
    };
    let failed = |error: SandboxError| Error::new(code::IO, error.to_string());
    let sandboxes = Sandboxes::of(&conf.run_directory);
    let mut result = Ok(());
    for (attachment, sandbox) in sandboxes.all().map_err(failed)? {
        // What cannot be read is of no network, and of no use.
        let is_of_network = sandbox.as_ref().is_none_or(|it| it.network == conf.network);
        if !is_of_network || valid.contains(&attachment) {
            continue;
        }
        info!(container_id = attachment.container_id, interface = attachment.interface, "forgotten");
        let path = sandbox.as_ref().and_then(|it| it.path.clone());
        if let Err(error) = del::leave(&sandboxes, &attachment, sandbox, path.as_deref(), false) {
            result = Err(failed(error));
        }
    }
    result
}
