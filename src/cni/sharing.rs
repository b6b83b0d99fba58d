//! Attachments that share a network namespace: a pod with several networks is added for each of them, and has one set of
//! rules, which stays until the last of them is undone.

use super::protocol::Attachment;
use super::sandboxes::{Sandbox, SandboxError, Sandboxes};
use crate::kernel::netns;

/// The other attachments that have rules in this network namespace.
///
/// # Errors
/// When what is remembered cannot be read.
pub(super) fn others(
    sandboxes: &Sandboxes,
    attachment: &Attachment,
    namespace: Option<(u64, u64)>,
) -> Result<Vec<(Attachment, Sandbox)>, SandboxError> {
    among(sandboxes.attachments()?, sandboxes, attachment, namespace)
}

/// Those of them that belong to the same container, for which a few files have to be read and not all.
///
/// # Errors
/// When what is remembered cannot be read.
pub(super) fn others_of_container(
    sandboxes: &Sandboxes,
    attachment: &Attachment,
    namespace: Option<(u64, u64)>,
) -> Result<Vec<(Attachment, Sandbox)>, SandboxError> {
    let mut all = sandboxes.attachments()?;
    all.retain(|it| it.container_id == attachment.container_id);
    among(all, sandboxes, attachment, namespace)
}

fn among(
    all: Vec<Attachment>,
    sandboxes: &Sandboxes,
    attachment: &Attachment,
    namespace: Option<(u64, u64)>,
) -> Result<Vec<(Attachment, Sandbox)>, SandboxError> {
    let mut found = Vec::new();
    for other in all.into_iter().filter(|it| it != attachment) {
        if let Some(sandbox) = sandboxes.get(&other)?
            && shares(attachment, namespace, &other, &sandbox)
        {
            found.push((other, sandbox));
        }
    }
    Ok(found)
}

fn shares(attachment: &Attachment, namespace: Option<(u64, u64)>, it: &Attachment, other: &Sandbox) -> bool {
    if other.flags.is_none() || other.is_leaving {
        return false;
    }
    let is_same = match (namespace, other.network_namespace) {
        (Some(one), Some(other)) => Some(one == other),
        _ => None,
    };
    if it.container_id == attachment.container_id {
        return is_same != Some(false);
    }
    // The kernel uses the number of a namespace again that is gone: of another sandbox, its own file has to stand for
    // the namespace still.
    is_same == Some(true) && other.path.as_deref().and_then(netns::identity) == namespace
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn attachment(container_id: &str, interface: &str) -> Attachment {
        Attachment { container_id: container_id.into(), interface: interface.into() }
    }

    fn sandbox(network_namespace: Option<(u64, u64)>, path: Option<&Path>) -> Sandbox {
        Sandbox {
            network: "n".into(),
            pod: None,
            flags: Some("-b *".into()),
            backend: None,
            network_namespace,
            path: path.map(Path::to_owned),
            is_leaving: false,
        }
    }

    #[test]
    fn only_attachments_of_the_same_living_namespace_share_its_rules() {
        let own = attachment("web", "eth0");
        let here = Path::new("/proc/self/ns/net");
        let namespace = netns::identity(here);
        let elsewhere = Some((1, 2));
        let gone = Path::new("/run/netns/gone");
        let shares = |container_id, interface, other| {
            shares(&own, namespace, &attachment(container_id, interface), &other)
        };
        assert!(shares("web", "net1", sandbox(namespace, None)));
        assert!(shares("web", "net1", sandbox(None, None)), "of a version that did not remember it");
        assert!(!shares("web", "net1", sandbox(elsewhere, None)), "the sandbox was made anew");
        assert!(shares("other", "eth0", sandbox(namespace, Some(here))));
        assert!(!shares("other", "eth0", sandbox(namespace, Some(gone))), "a number that is used again");
        assert!(!shares("other", "eth0", sandbox(namespace, None)));
        assert!(!shares("other", "eth0", sandbox(None, Some(here))));
        assert!(!shares("web", "net1", Sandbox { flags: None, ..sandbox(namespace, Some(here)) }));
    }
}
