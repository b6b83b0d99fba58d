//! Which back end to use: looks at the kernel, changes nothing.

use super::iptables::{CHAINS, FamilyState, current};
use super::nftables::{TABLE, TableFamily};
use crate::config::families::Family;
use crate::config::{BackendChoice, BackendKind};
use crate::kernel::{Error, Kernel};
use crate::netlink::family_number;

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
    /// Rules of the mesh are in another back end than the one that was asked for.
    #[error(
        "{found} holds rules of the mesh already, and {asked} beside it would redirect everything twice: use \
         --backend auto, or remove them with --cleanup-only first",
        found = found.name(),
        asked = asked.name()
    )]
    Elsewhere {
        /// Where they are.
        found: BackendKind,
        /// What was asked for.
        asked: BackendKind,
    },
}

/// Where rules of the mesh are, ours or istio-init's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installed {
    has_nf_tables: bool,
    istio_nftables: Option<String>,
    our_tables: Vec<TableFamily>,
    backends: Vec<BackendKind>,
    unread: Option<String>,
}

impl Installed {
    /// Looks into the kernel and changes nothing. A program is run only when iptables-legacy has tables here.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn look(kernel: &mut dyn Kernel) -> Result<Installed, Error> {
        let (chains, has_nf_tables) = match kernel.chains() {
            Ok(chains) => (chains, true),
            Err(Error::NoNfTables(_)) => (Vec::new(), false),
            Err(error) => return Err(error),
        };
        let istio = chains.iter().find(|chain| ISTIO_NFTABLES.contains(&chain.table.as_str()));
        let istio_nftables = istio.map(|chain| chain.table.clone());
        let mut backends = Vec::new();
        let has =
            |family: &TableFamily| chains.iter().any(|it| it.family == family.number() && it.table == TABLE);
        let our_tables: Vec<TableFamily> = TableFamily::ALL.into_iter().filter(has).collect();
        if !our_tables.is_empty() {
            backends.push(BackendKind::Nftables);
        }
        let in_iptables = |family: u8| [Family::Ipv4, Family::Ipv6].map(family_number).contains(&family);
        if chains.iter().any(|chain| in_iptables(chain.family) && CHAINS.contains(&chain.name.as_str())) {
            backends.push(BackendKind::IptablesNft);
        }
        let mut unread = None;
        for family in [Family::Ipv4, Family::Ipv6] {
            match current(kernel, BackendKind::IptablesLegacy, family, &FamilyState::default()) {
                Ok(held) if held.is_empty() => {}
                Ok(_) => {
                    backends.push(BackendKind::IptablesLegacy);
                    break;
                }
                Err(why) => unread = Some(why.to_string()),
            }
        }
        Ok(Installed { has_nf_tables, istio_nftables, our_tables, backends, unread })
    }

    /// What the operator should know: iptables-legacy has tables here that could not be read. Rules of the mesh in
    /// them would redirect everything twice.
    pub fn warning(&self) -> Option<String> {
        let why = self.unread.as_ref()?;
        Some(format!(
            "iptables-legacy has tables in this network namespace that cannot be read ({why}): if they hold rules of \
             istio-init, everything is redirected twice"
        ))
    }

    /// The nftables tables of ours that are there.
    pub fn our_tables(&self) -> &[TableFamily] {
        &self.our_tables
    }

    /// Does this back end hold rules of the mesh?
    pub fn contains(&self, backend: BackendKind) -> bool {
        self.backends.contains(&backend)
    }

    /// Decides for a back end. Rules stay where they are: a second set elsewhere would redirect everything twice.
    ///
    /// # Errors
    /// When what is there and what was asked for do not go together.
    pub fn choose(&self, asked: BackendChoice) -> Result<Choice, DetectError> {
        if let Some(table) = &self.istio_nftables {
            return Err(DetectError::IstioNftables(table.clone()));
        }
        let choice = |backend, reason| {
            Ok(Choice {
                backend,
                reason,
                replaces: self.contains(backend),
                our_tables: self.our_tables.clone(),
            })
        };
        match asked {
            BackendChoice::Fixed(asked) => match self.backends.iter().find(|found| **found != asked) {
                Some(found) => Err(DetectError::Elsewhere { found: *found, asked }),
                None => choice(asked, "asked for"),
            },
            BackendChoice::Auto => match (&self.backends[..], self.has_nf_tables) {
                ([found], _) => choice(*found, "it holds rules of the mesh already"),
                ([found, other, ..], _) => Err(DetectError::Elsewhere { found: *other, asked: *found }),
                ([], true) => {
                    choice(BackendKind::Nftables, "the kernel has nf_tables, and no rules of the mesh")
                }
                ([], false) => choice(BackendKind::IptablesLegacy, "the kernel has no nf_tables"),
            },
        }
    }
}

/// The back end, and why it is that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The back end.
    pub backend: BackendKind,
    /// Why.
    pub reason: &'static str,
    /// Does it hold rules of the mesh already?
    pub replaces: bool,
    /// The nftables tables of ours that are there.
    pub our_tables: Vec<TableFamily>,
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
        Installed::look(kernel).unwrap().choose(BackendChoice::Auto).unwrap().backend
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
        let choice =
            Installed::look(&mut kernel).unwrap().choose(BackendChoice::Fixed(BackendKind::Nftables));
        assert!(matches!(choice, Err(DetectError::IstioNftables(_))));
    }

    #[test]
    fn another_back_end_than_the_one_with_the_rules_is_a_conflict() {
        let mut kernel = Recording { chains: vec![chain(1, TABLE, "nat-output")], ..Recording::default() };
        let installed = Installed::look(&mut kernel).unwrap();
        for asked in [BackendKind::IptablesNft, BackendKind::IptablesLegacy] {
            let choice = installed.choose(BackendChoice::Fixed(asked));
            assert!(matches!(choice, Err(DetectError::Elsewhere { found: BackendKind::Nftables, .. })));
        }
        assert!(installed.choose(BackendChoice::Fixed(BackendKind::Nftables)).unwrap().replaces);
    }
}
