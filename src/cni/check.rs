//! CHECK: are the rules of a sandbox those that ADD installed?

use std::path::Path;

use tracing::info;

use super::interception::{FLAGS_ARE_WRONG, Node, error, kernel, problems};
use super::netconf::NetConf;
use super::protocol::{Error, Invocation, code};
use super::sandboxes::Sandboxes;
use super::sharing;
use crate::interception::Failure;
use crate::kernel::netns;

/// Runs the command.
///
/// # Errors
/// When they differ; the details say how.
pub(super) fn run(invocation: &Invocation, conf: &NetConf) -> Result<(), Error> {
    let unreadable = |failure: super::sandboxes::SandboxError| Error::new(code::IO, failure.to_string());
    let sandboxes = Sandboxes::of(&conf.run_directory);
    let path = invocation.network_namespace.as_deref().unwrap_or(Path::new(""));
    let sandbox = match sandboxes.get(&invocation.attachment).map_err(unreadable)? {
        // The rules of another network of the pod are those that should be there.
        None => {
            let others = sharing::others(&sandboxes, &invocation.attachment, netns::identity(path));
            others.map_err(unreadable)?.pop().map(|(_, sandbox)| sandbox)
        }
        sandbox => sandbox,
    };
    if sandbox.as_ref().is_some_and(|it| it.flags.is_none()) {
        info!("the sandbox was left alone");
        return Ok(());
    }
    let of_node = |found| problems(code::CONFIGURATION, FLAGS_ARE_WRONG, &found);
    let mut rules = Node::of(conf).map_err(of_node)?.remembered(sandbox.as_ref());
    let mut kernel =
        kernel(path, invocation.may_be_own_namespace).map_err(|failure| error(&failure.into()))?;
    match rules.compare(&mut kernel) {
        Ok(found) if found.difference.is_none() => Ok(()),
        Ok(found) => Err(Error::new(code::DRIFT, "the rules are not those that were installed")
            .with_details(found.difference.to_string())),
        // A sandbox that nobody remembers, without anything that this plugin would have left: of an earlier installation.
        Err(Failure::NothingThere | Failure::NotRecorded) if sandbox.is_none() => {
            info!("nothing says that the sandbox has rules");
            Ok(())
        }
        Err(failure) => Err(error(&failure)),
    }
}
