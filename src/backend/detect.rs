//! Which back end to use: looks at the kernel, changes nothing.

use super::iptables::{AMBIENT_CHAIN, CHAINS, CHANGE, FamilyState, RestoreError, TABLES, current};
use super::nftables::{TABLE, TableFamily};
use crate::config::families::Family;
use crate::config::{BackendChoice, BackendKind};
use crate::kernel::{Error, Kernel, ListedChain};
use crate::netlink::family_number;

/// The tables of istio's ambient mode in a pod (istio: cni/pkg/nftables).
const AMBIENT_TABLES: [&str; 3] = ["istio-ambient-nat", "istio-ambient-mangle", "istio-ambient-raw"];
/// The tables that istio's own nftables mode makes.
const ISTIO_NFTABLES: [&str; 3] = ["istio-proxy-nat", "istio-proxy-mangle", "istio-proxy-raw"];

/// Why no back end can be chosen.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// The kernel did not answer.
    #[error(transparent)]
    Kernel(#[from] Error),
    /// Rules of the mesh are elsewhere than in the back end that was asked for.
    #[error(
        "{} {} rules of the mesh already, and {asked} beside it would redirect everything twice: --migrate moves them, \
         and `mesh-intercept cleanup` removes them",
        found.join(" and "),
        if found.len() == 1 { "holds" } else { "hold" }
    )]
    Elsewhere {
        /// Where they are.
        found: Vec<String>,
        /// What was asked for.
        asked: &'static str,
    },
    /// The pod is one of istio's ambient mode.
    #[error(
        "{} holds the rules of istio's ambient mode, which captures this pod's traffic already: rules of a sidecar beside \
         them would redirect it twice. Take the pod out of ambient mode (label istio.io/dataplane-mode=none) and create it \
         anew, or do without a sidecar",
        found.join(" and ")
    )]
    Ambient {
        /// Where they are.
        found: Vec<String>,
    },
    /// Rules were to move, and it cannot be known from where.
    #[error(
        "iptables-legacy has tables here that cannot be read ({0}), and --migrate moves rules only when none can be left \
         behind: provide what is missing, or do without --migrate where no rules of istio-init are in them"
    )]
    Unread(String),
}

/// A table that istio's own nftables mode has made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IstioTable {
    /// Its family in netfilter.
    pub family: u8,
    /// Its name.
    pub name: String,
}

/// Where rules of the mesh are, ours or istio-init's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Installed {
    has_nf_tables: bool,
    istio_tables: Vec<IstioTable>,
    backends: Vec<BackendKind>,
    /// Where rules of istio's ambient mode are. They are left alone.
    ambient: Vec<String>,
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
        let mut istio_tables: Vec<IstioTable> = Vec::new();
        for chain in chains.iter().filter(|chain| ISTIO_NFTABLES.contains(&chain.table.as_str())) {
            let table = IstioTable { family: chain.family, name: chain.table.clone() };
            if !istio_tables.contains(&table) {
                istio_tables.push(table);
            }
        }
        let mut backends = Vec::new();
        let is_ours = |chain: &ListedChain| {
            chain.table == TABLE && TableFamily::ALL.iter().any(|family| family.number() == chain.family)
        };
        if chains.iter().any(is_ours) {
            backends.push(BackendKind::Nftables);
        }
        let in_iptables = |family: u8| [Family::Ipv4, Family::Ipv6].map(family_number).contains(&family);
        let is_mesh = |chain: &ListedChain| {
            TABLES.contains(&chain.table.as_str())
                && (CHAINS.contains(&chain.name.as_str())
                    || [CHANGE, AMBIENT_CHAIN].contains(&chain.name.as_str()))
        };
        let in_iptables_nft = chains.iter().any(|it| in_iptables(it.family) && is_mesh(it));
        let mut ambient: Vec<String> = Vec::new();
        for chain in chains.iter().filter(|chain| AMBIENT_TABLES.contains(&chain.table.as_str())) {
            let place = format!("the nftables table {}", chain.table);
            if !ambient.contains(&place) {
                ambient.push(place);
            }
        }
        // A chain alone may be one that others need, and empty; what cannot be read counts as rules.
        match in_iptables_nft.then(|| holds_rules(kernel, BackendKind::IptablesNft)) {
            None | Some(Ok(Holds::Nothing)) => {}
            Some(Ok(Holds::Ambient)) => ambient.push(BackendKind::IptablesNft.name().to_owned()),
            Some(Ok(Holds::Rules) | Err(_)) => backends.push(BackendKind::IptablesNft),
        }
        let mut unread = None;
        match holds_rules(kernel, BackendKind::IptablesLegacy) {
            Ok(Holds::Rules) => backends.push(BackendKind::IptablesLegacy),
            Ok(Holds::Ambient) => ambient.push(BackendKind::IptablesLegacy.name().to_owned()),
            Ok(Holds::Nothing) => {}
            Err(why) => unread = Some(why.to_string()),
        }
        Ok(Installed { has_nf_tables, istio_tables, backends, ambient, unread })
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

    /// Why tables of iptables-legacy could not be read, if there are any.
    pub fn unread(&self) -> Option<String> {
        self.unread.clone()
    }

    /// Does this back end hold rules of the mesh?
    pub fn contains(&self, backend: BackendKind) -> bool {
        self.backends.contains(&backend)
    }

    /// The back ends that hold rules of the mesh.
    pub fn backends(&self) -> &[BackendKind] {
        &self.backends
    }

    /// The tables of istio's own nftables mode.
    pub fn istio_tables(&self) -> &[IstioTable] {
        &self.istio_tables
    }

    /// Decides for a back end. Rules stay where they are, or move: a second set elsewhere would redirect everything
    /// twice.
    ///
    /// # Errors
    /// When what is there and what was asked for do not go together.
    pub fn choose(&self, asked: BackendChoice, migrate: bool) -> Result<Choice, DetectError> {
        if !self.ambient.is_empty() {
            return Err(DetectError::Ambient { found: self.ambient.clone() });
        }
        let native = if self.has_nf_tables { BackendKind::Nftables } else { BackendKind::IptablesLegacy };
        let (backend, reason) = match (asked, &self.backends[..]) {
            (BackendChoice::Fixed(asked), _) => (asked, "asked for"),
            (BackendChoice::Auto, [found]) if !migrate => (*found, "it holds rules of the mesh already"),
            (BackendChoice::Auto, _) if self.has_nf_tables && self.backends.is_empty() => {
                (native, "the kernel has nf_tables, and no rules of the mesh")
            }
            (BackendChoice::Auto, _) if self.has_nf_tables => (native, "the kernel has nf_tables"),
            (BackendChoice::Auto, _) => (native, "the kernel has no nf_tables"),
        };
        if let (true, Some(why)) = (migrate && backend != BackendKind::IptablesLegacy, &self.unread) {
            return Err(DetectError::Unread(why.clone()));
        }
        let leaves: Vec<BackendKind> = self.backends.iter().copied().filter(|it| *it != backend).collect();
        let choice = Choice {
            backend,
            reason,
            holds_rules: self.contains(backend),
            leaves,
            istio_tables: self.istio_tables.clone(),
        };
        let is_moved = !choice.leaves.is_empty() || !choice.istio_tables.is_empty();
        if !is_moved || migrate {
            return Ok(choice);
        }
        let elsewhere = choice.leaves.iter().map(|it| it.name().to_owned());
        let istio = self.istio_tables.iter().map(|table| format!("istio's nftables table {}", table.name));
        Err(DetectError::Elsewhere { found: elsewhere.chain(istio).collect(), asked: backend.name() })
    }
}

/// What a variant of iptables holds in either family.
enum Holds {
    Nothing,
    Rules,
    /// Rules of istio's ambient mode.
    Ambient,
}

fn holds_rules(kernel: &mut dyn Kernel, variant: BackendKind) -> Result<Holds, RestoreError> {
    let mut holds = Holds::Nothing;
    for family in [Family::Ipv4, Family::Ipv6] {
        let state = current(kernel, variant, family, &FamilyState::default())?;
        if state.is_ambient {
            return Ok(Holds::Ambient);
        }
        if !state.is_empty() {
            holds = Holds::Rules;
        }
    }
    Ok(holds)
}

/// The back end, and why it is that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// The back end.
    pub backend: BackendKind,
    /// Why.
    pub reason: &'static str,
    /// Does it hold rules of the mesh already?
    pub holds_rules: bool,
    /// The back ends whose rules are to go as soon as these are in.
    pub leaves: Vec<BackendKind>,
    /// The tables of istio's own nftables mode, which are to go likewise.
    pub istio_tables: Vec<IstioTable>,
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
        Installed::look(kernel).unwrap().choose(BackendChoice::Auto, false).unwrap().backend
    }

    #[test]
    fn an_empty_namespace_gets_nftables_and_no_program_is_run() {
        let mut kernel = Recording::default();
        assert_eq!(chosen(&mut kernel), BackendKind::Nftables);
        assert_eq!(kernel.log, [""; 0]);
    }

    #[test]
    fn rules_of_the_mesh_stay_where_they_are() {
        let saved = || Finished { code: Some(0), output: SAVED.into(), ..Finished::default() };
        let chains = vec![chain(2, "nat", "ISTIO_OUTPUT")];
        let mut kernel = Recording { chains, answers: vec![saved()], ..Recording::default() };
        assert_eq!(chosen(&mut kernel), BackendKind::IptablesNft);
        let saved = saved();
        let mut kernel =
            Recording { legacy_tables: vec!["nat".into()], answers: vec![saved], ..Recording::default() };
        assert_eq!(chosen(&mut kernel), BackendKind::IptablesLegacy);
    }

    #[test]
    fn rules_of_others_decide_nothing() {
        let mut kernel = Recording {
            chains: vec![
                chain(2, "nat", "ISTIO_OUTPUTS"),
                chain(1, "filter", "input"),
                chain(2, "other", "ISTIO_OUTPUT"),
            ],
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
            Installed::look(&mut kernel).unwrap().choose(BackendChoice::Fixed(BackendKind::Nftables), false);
        assert!(choice.unwrap_err().to_string().contains("istio-proxy-nat"));
        let moved = Installed::look(&mut kernel).unwrap().choose(BackendChoice::Auto, true).unwrap();
        assert_eq!((moved.backend, moved.istio_tables.len()), (BackendKind::Nftables, 1));
    }

    #[test]
    fn another_back_end_than_the_one_with_the_rules_is_a_conflict() {
        let mut kernel = Recording { chains: vec![chain(1, TABLE, "nat-output")], ..Recording::default() };
        let installed = Installed::look(&mut kernel).unwrap();
        for asked in [BackendKind::IptablesNft, BackendKind::IptablesLegacy] {
            let choice = installed.choose(BackendChoice::Fixed(asked), false);
            assert!(choice.unwrap_err().to_string().starts_with("nftables holds rules"));
            let moved = installed.choose(BackendChoice::Fixed(asked), true).unwrap();
            assert_eq!((moved.backend, &moved.leaves[..]), (asked, &[BackendKind::Nftables][..]));
        }
        assert!(installed.choose(BackendChoice::Fixed(BackendKind::Nftables), false).unwrap().holds_rules);
    }
}
