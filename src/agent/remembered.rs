//! Sandboxes that the plugin remembers, and for which its program has to stay.

use std::path::Path;

use tracing::{info, warn};

use super::living::{Identity, Life, Living};
use crate::cni::protocol::Attachment;
use crate::cni::sandboxes::{Sandbox, Sandboxes};

/// The sandboxes of a node, by what becomes of them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sorted {
    /// Their namespaces are gone: nobody will ask for them.
    dead: Vec<Attachment>,
    /// They have rules, and the runtime calls the plugin once more for each.
    needed: Vec<Attachment>,
    /// They may have rules, and whether their namespaces are there cannot be told.
    unknown: Vec<Attachment>,
}

fn sort(all: Vec<(Attachment, Option<Sandbox>)>, life: &dyn Fn(Option<Identity>) -> Life) -> Sorted {
    let mut sorted = Sorted::default();
    for (attachment, sandbox) in all {
        let namespace = sandbox.as_ref().and_then(|it| it.network_namespace);
        // Of what cannot be read it is not known that it has no rules.
        let has_rules = sandbox.is_none_or(|it| it.flags.is_some());
        match (life(namespace), has_rules) {
            (Life::Dead, _) => sorted.dead.push(attachment),
            (Life::Living, true) => sorted.needed.push(attachment),
            (Life::Unknown, true) => sorted.unknown.push(attachment),
            (Life::Living | Life::Unknown, false) => {}
        }
    }
    sorted
}

/// Forgets the sandboxes whose namespaces are gone. Says whether the program of the plugin is needed for others.
pub(super) fn tidy(sandboxes: &Sandboxes, host_proc: &Path) -> bool {
    // In this order: of a sandbox that is added meanwhile, the namespace was there when it was looked for.
    let all = match sandboxes.all() {
        Ok(all) => all,
        Err(error) => {
            warn!("{error}: sandboxes of this node count as living");
            return true;
        }
    };
    if all.is_empty() {
        return false;
    }
    let living = Living::look(host_proc);
    let Sorted { dead, needed, unknown } = sort(all, &|namespace| living.of(namespace));
    for attachment in &dead {
        if let Err(error) = sandboxes.forget(attachment) {
            warn!("{error}");
        }
    }
    if !dead.is_empty() {
        info!(sandboxes = dead.len(), "forgot sandboxes whose network namespaces are gone");
    }
    if let Some(first) = unknown.first() {
        warn!(
            sandboxes = unknown.len(),
            container_id = first.container_id,
            "sandboxes count as living: {} does not tell whether their network namespaces are there",
            host_proc.display()
        );
    }
    !needed.is_empty() || !unknown.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attachment(container_id: &str) -> Attachment {
        Attachment { container_id: container_id.into(), interface: "eth0".into() }
    }

    fn sandbox(flags: Option<&str>, inode: u64) -> Option<Sandbox> {
        Some(Sandbox {
            network: "n".into(),
            pod: None,
            flags: flags.map(str::to_owned),
            backend: None,
            network_namespace: Some((4, inode)),
            path: None,
            is_leaving: false,
        })
    }

    #[test]
    fn only_sandboxes_with_rules_whose_namespaces_may_live_need_the_program() {
        // Those that were left alone were never forgotten, and kept the program on the node for good.
        let life = |namespace: Option<Identity>| match namespace {
            Some((_, 1)) => Life::Living,
            Some((_, 2)) => Life::Dead,
            _ => Life::Unknown,
        };
        let all = vec![
            (attachment("meshed"), sandbox(Some("-b *"), 1)),
            (attachment("left-alone"), sandbox(None, 1)),
            (attachment("gone"), sandbox(Some("-b *"), 2)),
            (attachment("gone-too"), sandbox(None, 2)),
            (attachment("hidden"), sandbox(Some("-b *"), 3)),
            (attachment("hidden-too"), sandbox(None, 3)),
            (attachment("cut-off"), None),
        ];
        let expected = Sorted {
            dead: vec![attachment("gone"), attachment("gone-too")],
            needed: vec![attachment("meshed")],
            unknown: vec![attachment("hidden"), attachment("cut-off")],
        };
        assert_eq!(sort(all, &life), expected);
    }
}
