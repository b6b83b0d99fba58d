//! Which back end to use: looks at the kernel, changes nothing.

use super::iptables::{CHAINS, FamilyState, current};
use super::nftables::TABLE;
use super::nftables::wire::FAMILY_INET;
use crate::config::families::Family;
use crate::config::{BackendChoice, BackendKind};
use crate::kernel::{Error, Kernel};

/// The tables that istio's own nftables mode makes.
const ISTIO_NFTABLES: [&str; 3] = ["istio-proxy-nat", "istio-proxy-mangle", "istio-proxy-raw"];

/// Why no back end can be chosen.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// The kernel did not answer.
    #[error(transparent)]
    Kernel(#[from] Error),
    /// istio's own nftables rules are there; ours beside them would redirect everything twice.
    #[error("istio-init left its nftables table {0} here: remove it with `nft delete table inet {0}` first")]
    IstioNftables(String),
}

/// The back end, and why it is that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The back end.
    pub backend: BackendKind,
    /// Why.
    pub reason: &'static str,
    /// Is our nftables table there already?
    pub has_our_table: bool,
}

/// Decides. Where rules of ours or of istio-init are in iptables, they stay there: a second set elsewhere would
/// redirect everything twice.
///
/// # Errors
/// When the kernel does not answer, or istio's nftables tables are there.
pub fn choose(kernel: &mut dyn Kernel, asked: BackendChoice) -> Result<Choice, DetectError> {
    let (chains, has_nf_tables) = match kernel.chains() {
        Ok(chains) => (chains, true),
        Err(Error::NoNfTables(_)) => (Vec::new(), false),
        Err(error) => return Err(error.into()),
    };
    if let Some(chain) = chains.iter().find(|chain| ISTIO_NFTABLES.contains(&chain.table.as_str())) {
        return Err(DetectError::IstioNftables(chain.table.clone()));
    }
    let has_our_table = chains.iter().any(|chain| chain.family == FAMILY_INET && chain.table == TABLE);
    let choice = |backend, reason| Ok(Choice { backend, reason, has_our_table });
    if let BackendChoice::Fixed(backend) = asked {
        return choice(backend, "asked for");
    }
    if !has_nf_tables {
        return choice(BackendKind::IptablesLegacy, "the kernel has no nf_tables");
    }
    if chains.iter().any(|chain| CHAINS.contains(&chain.name.as_str())) {
        return choice(BackendKind::IptablesNft, "iptables-nft holds rules of the mesh");
    }
    for family in [Family::Ipv4, Family::Ipv6] {
        // Without the program nobody can say what is in the tables, and nobody here can have put anything in.
        let held = current(kernel, BackendKind::IptablesLegacy, family, &FamilyState::default());
        if held.is_ok_and(|held| !held.is_empty()) {
            return choice(BackendKind::IptablesLegacy, "iptables-legacy holds rules of the mesh");
        }
    }
    choice(BackendKind::Nftables, "the kernel has nf_tables, and iptables holds no rules of the mesh")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::recording::Recording;
    use crate::kernel::{Finished, ListedChain};

    const SAVED: &str = "*nat\n:ISTIO_OUTPUT - [0:0]\n-A OUTPUT -j ISTIO_OUTPUT\nCOMMIT\n";

    fn chain(family: u8, table: &str, name: &str) -> ListedChain {
        ListedChain { family, table: table.into(), name: name.into(), is_idle: false }
    }

    fn chosen(kernel: &mut Recording) -> BackendKind {
        choose(kernel, BackendChoice::Auto).unwrap().backend
    }

    #[test]
    fn an_empty_namespace_gets_nftables_and_no_program_is_run() {
        let mut kernel = Recording::default();
        assert_eq!(chosen(&mut kernel), BackendKind::Nftables);
        assert_eq!(kernel.log, [""; 0]);
    }

    #[test]
    fn rules_of_the_mesh_stay_where_they_are() {
        let mut kernel = Recording { chains: vec![chain(2, "nat", "ISTIO_OUTPUT")], ..Recording::default() };
        assert_eq!(chosen(&mut kernel), BackendKind::IptablesNft);
        let saved = Finished { code: Some(0), output: SAVED.into(), ..Finished::default() };
        let mut kernel =
            Recording { legacy_tables: vec!["nat".into()], answers: vec![saved], ..Recording::default() };
        assert_eq!(chosen(&mut kernel), BackendKind::IptablesLegacy);
    }

    #[test]
    fn rules_of_others_decide_nothing() {
        let mut kernel = Recording {
            chains: vec![chain(2, "nat", "ISTIO_OUTPUTS"), chain(1, "filter", "input")],
            legacy_tables: vec!["filter".into()],
            ..Recording::default()
        };
        assert_eq!(chosen(&mut kernel), BackendKind::Nftables);
    }

    #[test]
    fn a_kernel_without_nf_tables_gets_iptables_legacy() {
        let mut kernel = Recording { no_nf_tables: true, ..Recording::default() };
        assert_eq!(chosen(&mut kernel), BackendKind::IptablesLegacy);
    }

    #[test]
    fn the_tables_of_istio_s_nftables_mode_are_a_conflict() {
        let mut kernel =
            Recording { chains: vec![chain(1, "istio-proxy-nat", "output")], ..Recording::default() };
        let fixed = BackendChoice::Fixed(BackendKind::Nftables);
        assert!(matches!(choose(&mut kernel, fixed), Err(DetectError::IstioNftables(_))));
    }
}
