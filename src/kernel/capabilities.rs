//! Capabilities: what is needed is checked, everything else is given up.

use caps::{CapSet, Capability, CapsHashSet, errors::CapsError};

use crate::config::BackendKind;

/// Why a run cannot have the privileges that it needs.
#[derive(Debug, thiserror::Error)]
pub enum CapabilityError {
    /// Some are not there.
    #[error(
        "the {backend} back end needs {missing}, which this process does not have. In a pod, grant it with:\n  \
         securityContext:\n    capabilities:\n      drop: [\"ALL\"]\n      add: [{granted}]\nElsewhere, run it as root"
    )]
    Missing {
        /// Who needs it.
        backend: &'static str,
        /// What is missing, by name.
        missing: String,
        /// What the security context has to grant.
        granted: String,
    },
    /// The kernel does not let them be read or changed.
    #[error("cannot change capabilities: {0}")]
    Kernel(#[from] CapsError),
    /// The kernel does not let the process forbid itself new ones.
    #[error("cannot set no_new_privs: {0}")]
    NoNewPrivileges(#[source] std::io::Error),
}

/// What a back end needs: iptables-legacy opens raw sockets.
fn needed(backend: BackendKind) -> &'static [Capability] {
    match backend {
        BackendKind::Nftables | BackendKind::IptablesNft => &[Capability::CAP_NET_ADMIN],
        BackendKind::IptablesLegacy => &[Capability::CAP_NET_ADMIN, Capability::CAP_NET_RAW],
    }
}

/// Checks that the process has what the back end needs.
///
/// # Errors
/// When something is missing; it is named.
pub fn check(backend: BackendKind) -> Result<(), CapabilityError> {
    let needed = needed(backend);
    let permitted = caps::read(None, CapSet::Permitted)?;
    let missing: Vec<String> =
        needed.iter().filter(|it| !permitted.contains(it)).map(ToString::to_string).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let short = |it: &Capability| format!("\"{}\"", it.to_string().trim_start_matches("CAP_"));
    Err(CapabilityError::Missing {
        backend: backend.name(),
        missing: missing.join(" and "),
        granted: needed.iter().map(short).collect::<Vec<_>>().join(", "),
    })
}

/// Switches on what the process may have. A program file that carries capabilities without the effective bit starts with
/// them permitted only: that bit would keep the file from being started at all where one of them cannot be had, as in
/// the validation container.
///
/// # Errors
/// When the kernel refuses.
pub fn switch_on() -> Result<(), CapabilityError> {
    let permitted = caps::read(None, CapSet::Permitted)?;
    if caps::read(None, CapSet::Effective)? != permitted {
        caps::set(None, CapSet::Effective, &permitted)?;
    }
    Ok(())
}

/// Keeps what the back end needs and gives up everything else for good: neither the process nor its children can
/// gain a privilege again (`PR_SET_NO_NEW_PRIVS`).
///
/// # Errors
/// When something needed is missing, or the kernel refuses.
pub fn keep_only_needed(backend: BackendKind) -> Result<(), CapabilityError> {
    check(backend)?;
    let needed = needed(backend);
    nix::sys::prctl::set_no_new_privs().map_err(|errno| CapabilityError::NoNewPrivileges(errno.into()))?;
    let kept: CapsHashSet = needed.iter().copied().collect();
    let runs_programs = backend != BackendKind::Nftables;
    if runs_programs {
        limit_children(&kept)?;
    }
    caps::set(None, CapSet::Effective, &kept)?;
    caps::set(None, CapSet::Permitted, &kept)?;
    if runs_programs {
        // A program that root starts gets the bounding set; one that anybody else starts gets the ambient set.
        caps::set(None, CapSet::Inheritable, &kept)?;
        for capability in needed {
            caps::raise(None, CapSet::Ambient, *capability)?;
        }
    } else {
        caps::clear(None, CapSet::Inheritable)?;
    }
    Ok(())
}

/// Takes everything else out of the bounding set, where that is allowed.
fn limit_children(kept: &CapsHashSet) -> Result<(), CapsError> {
    if !caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)? {
        return Ok(());
    }
    for capability in caps::read(None, CapSet::Bounding)?.difference(kept) {
        caps::drop(None, CapSet::Bounding, *capability)?;
    }
    Ok(())
}
