//! What one back end holds of ours, with the routing that goes with it; and what it should hold.

use std::sync::OnceLock;

use super::iptables::{self, FamilyState, RestoreError};
use super::lifted::Lifted;
use super::listing::Listing;
use super::nftables::{self, Record, Ruleset, translate};
use super::standing::Standing;
use crate::config::families::{Families, Family};
use crate::config::values::{Mark, RouteTable};
use crate::config::{BackendKind, Config};
use crate::kernel::{Kernel, RoutingItem};
use crate::program::{self, LocalDelivery, Pod, Program, Routing, bridge, compile};

/// What should be there.
#[derive(Clone, Debug)]
pub struct Target {
    config: Config,
    pod: Pod,
    part: Part,
    /// The programs of nftables and of iptables, once they are needed.
    programs: [OnceLock<Program>; 2],
    /// The mark and the table that TPROXY uses, or would use.
    pub delivery: (Mark, RouteTable),
    /// Are rules of others' chains claimed that an earlier run would have written, and somebody else might have?
    pub claims_by_form: bool,
    /// Who installs it.
    pub record: Record,
}

/// What of the rules is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// All of them, with their routing.
    Whole,
    /// All but what TPROXY routes by.
    WithoutDelivery,
    /// The rules alone.
    WithoutRouting,
    /// None.
    Nothing,
}

/// The target in the words of a back end.
#[derive(Clone, Debug)]
pub(super) enum Rendered {
    Nftables { ruleset: Ruleset, bridge: Option<Ruleset> },
    Iptables([(Family, FamilyState); 2]),
}

impl Target {
    /// The rules of a configuration in a pod.
    pub fn new(config: Config, pod: Pod, record: Record) -> Target {
        let delivery = (config.tproxy_mark, config.tproxy_table);
        Target {
            config,
            pod,
            part: Part::Whole,
            programs: Default::default(),
            delivery,
            claims_by_form: false,
            record,
        }
    }

    /// The rules in this back end.
    pub fn program(&self, backend: BackendKind) -> &Program {
        let [nftables, iptables] = &self.programs;
        let cell = if backend == BackendKind::Nftables { nftables } else { iptables };
        cell.get_or_init(|| {
            let mut program = match self.part {
                Part::Nothing => return Program::default(),
                _ => compile(&self.config, &self.pod, backend),
            };
            match self.part {
                Part::WithoutDelivery => program.routing.delivery = None,
                Part::WithoutRouting => program.routing = Routing::default(),
                Part::Whole | Part::Nothing => {}
            }
            program
        })
    }

    /// What is there for a moment when inbound connections go from REDIRECT to TPROXY: both of them.
    pub(super) fn bridge(&self) -> Option<Program> {
        (self.part != Part::Nothing).then(|| bridge(&self.config, &self.pod, BackendKind::Nftables)).flatten()
    }

    /// What the operator should know about the rules in this back end.
    pub fn remark(&self, backend: BackendKind) -> Option<&'static str> {
        program::remark(&self.config, &self.pod, backend)
    }

    /// Whether marked packets are delivered locally.
    pub fn needs_delivery(&self) -> bool {
        self.program(BackendKind::Nftables).routing.delivery.is_some()
    }

    pub(super) fn render(&self, backend: BackendKind) -> Result<Rendered, RestoreError> {
        let program = self.program(backend);
        Ok(match backend {
            BackendKind::Nftables => Rendered::Nftables {
                ruleset: translate(program),
                bridge: self.bridge().as_ref().map(translate),
            },
            _ => Rendered::Iptables(iptables::wanted(program)?),
        })
    }

    /// Everything that should be there in this back end, as places.
    ///
    /// # Errors
    /// When the back end cannot say it.
    pub fn listing(&self, backend: BackendKind) -> Result<Listing, RestoreError> {
        let rules = match self.render(backend)? {
            Rendered::Nftables { ruleset, .. } => nftables::listing(&ruleset),
            Rendered::Iptables(families) => iptables::listing(backend, &families),
        };
        Ok(with_routing(rules, &self.routing(backend)))
    }

    pub(super) fn routing(&self, backend: BackendKind) -> Vec<RoutingItem> {
        RoutingItem::all(&self.program(backend).routing)
    }

    /// The same without what TPROXY routes by: a route that other programs use as well is not the product's to remove.
    #[must_use]
    pub fn without_delivery(self) -> Target {
        self.only(Part::WithoutDelivery)
    }

    /// The same without routes, policy rules and addresses.
    #[must_use]
    pub fn without_routing(self) -> Target {
        self.only(Part::WithoutRouting)
    }

    fn only(self, part: Part) -> Target {
        Target { part, programs: Default::default(), ..self }
    }

    /// What should be in a back end that the rules leave: no rule of others counts as ours there, because none is wanted.
    pub(super) fn without_rules(&self) -> Target {
        Target { claims_by_form: true, ..self.clone().only(Part::Nothing) }
    }
}

fn with_routing(mut listing: Listing, items: &[RoutingItem]) -> Listing {
    let line = |item: &RoutingItem| match item {
        RoutingItem::LatePolicyRule { .. } => format!("{} (too late)", item.command("add")),
        _ => item.command("add"),
    };
    let mut lines: Vec<String> = items.iter().map(line).collect();
    lines.sort();
    if !lines.is_empty() {
        listing.push("routing".to_owned(), lines);
    }
    listing
}

/// The rules that a back end holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rules {
    /// In nf_tables.
    Nftables(nftables::Held),
    /// In iptables.
    Iptables(iptables::Held),
}

/// What a back end holds of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The rules.
    pub rules: Rules,
    /// Routes, policy rules and addresses that are ours.
    pub routing: Vec<RoutingItem>,
}

impl State {
    /// Reads it. Rules in hooks' chains of iptables that the target names count as ours.
    ///
    /// # Errors
    /// When the kernel or a save program does not answer.
    pub fn read(
        kernel: &mut dyn Kernel,
        backend: BackendKind,
        target: &Target,
    ) -> Result<State, RestoreError> {
        let rules = match target.render(backend)? {
            Rendered::Nftables { .. } => Rules::Nftables(nftables::read(kernel)?),
            Rendered::Iptables(wanted) => {
                Rules::Iptables(iptables::read(kernel, backend, &wanted, target.claims_by_form)?)
            }
        };
        let routing = ours(kernel.routing()?, &rules, target, backend);
        Ok(State { rules, routing })
    }

    /// The back end.
    pub fn backend(&self) -> BackendKind {
        match &self.rules {
            Rules::Nftables(_) => BackendKind::Nftables,
            Rules::Iptables(held) => held.variant,
        }
    }

    /// Who installed the rules, where that is recorded.
    pub fn record(&self) -> Option<&Record> {
        match &self.rules {
            Rules::Nftables(held) => held.tables.iter().find_map(|table| table.record.as_ref()),
            Rules::Iptables(_) => None,
        }
    }

    /// Everything as places.
    pub fn listing(&self) -> Listing {
        let rules = match &self.rules {
            Rules::Nftables(held) => held
                .tables
                .iter()
                .fold(Listing::default(), |all, table| all.and(nftables::listing_of_held(table))),
            Rules::Iptables(held) => held.listing(),
        };
        with_routing(rules, &self.routing)
    }

    /// How it stands to the target.
    ///
    /// # Errors
    /// When the back end cannot say the target.
    pub fn standing(&self, target: &Target) -> Result<Standing, RestoreError> {
        let rules = match (&self.rules, target.render(self.backend())?) {
            (Rules::Nftables(held), Rendered::Nftables { ruleset, bridge }) => {
                held.standing(&ruleset, bridge.as_ref())
            }
            (Rules::Iptables(held), Rendered::Iptables(wanted)) => held.standing(&wanted),
            _ => Standing::Different,
        };
        let wanted = target.routing(self.backend());
        Ok(match rules {
            // istio-init does routing last, and may have been ended before it.
            Standing::Equal
                if matches!(self.rules, Rules::Iptables(_))
                    && !wanted.is_empty()
                    && !wanted.iter().any(|item| self.routing.contains(item)) =>
            {
                Standing::Interrupted
            }
            Standing::Equal if wanted.iter().any(|item| !self.routing.contains(item)) => Standing::Different,
            // A run was ended between the rules and what they do not need any more.
            Standing::Equal if self.routing.iter().any(|item| !wanted.contains(item)) => {
                Standing::Interrupted
            }
            standing => standing,
        })
    }

    /// What it means, as a program.
    pub fn lift(&self) -> Lifted {
        let mut lifted = match &self.rules {
            Rules::Nftables(held) => {
                held.tables.iter().map(nftables::lift).fold(Lifted::default(), Lifted::and)
            }
            Rules::Iptables(held) => iptables::lift(held),
        };
        lifted.program.routing = routing_of(&self.routing);
        lifted
    }

    /// Rules of others in the chains of hooks that packets meet before ours, where the back end has such chains.
    pub fn foreign_before_ours(&self) -> Vec<String> {
        match &self.rules {
            Rules::Nftables(_) => Vec::new(),
            Rules::Iptables(held) => held.foreign_before_ours(),
        }
    }

    /// Is nothing of ours there?
    pub fn is_empty(&self) -> bool {
        self.routing.is_empty()
            && match &self.rules {
                Rules::Nftables(held) => held.tables.is_empty(),
                Rules::Iptables(held) => held.is_empty(),
            }
    }
}

fn routing_of(items: &[RoutingItem]) -> Routing {
    let mut routing = Routing::default();
    for item in items {
        match *item {
            RoutingItem::BindAddress => routing.bind_address = true,
            RoutingItem::PolicyRule { family, mark, table } => {
                let only = Families::from_iter([family]);
                let families = routing.delivery.map_or(only, |it: LocalDelivery| it.families.union(only));
                routing.delivery = Some(LocalDelivery { mark, table, families });
            }
            RoutingItem::LocalRoute { .. } | RoutingItem::LatePolicyRule { .. } => {}
        }
    }
    routing
}

impl Rules {
    /// The marks of connections that TPROXY intercepts here.
    fn marks(&self) -> Vec<Mark> {
        match self {
            Rules::Nftables(held) => held.tproxy_marks(),
            Rules::Iptables(held) => held.tproxy_marks(),
        }
    }

    fn has_ipv6(&self) -> bool {
        match self {
            Rules::Nftables(held) => {
                held.tables.iter().any(|table| table.family == nftables::TableFamily::Inet)
            }
            Rules::Iptables(held) => {
                held.families.iter().any(|(family, state)| *family == Family::Ipv6 && !state.is_empty())
            }
        }
    }
}

/// Which items are ours: what the target needs, what the rules that are there need, and what an earlier TPROXY with the
/// target's mark and table has left.
fn ours(found: Vec<RoutingItem>, rules: &Rules, target: &Target, backend: BackendKind) -> Vec<RoutingItem> {
    let marks = rules.marks();
    let is_our_rule = |item: &RoutingItem| match *item {
        RoutingItem::PolicyRule { family, mark, table }
        | RoutingItem::LatePolicyRule { family, mark, table } => {
            // A mark alone says little: others may route by the same.
            let delivers_locally = || found.contains(&RoutingItem::LocalRoute { family, table });
            (mark, table) == target.delivery || (marks.contains(&mark) && delivers_locally())
        }
        _ => false,
    };
    let leads_to = |item: &RoutingItem, wanted: (Family, RouteTable)| match *item {
        RoutingItem::PolicyRule { family, table, .. } | RoutingItem::LatePolicyRule { family, table, .. } => {
            (family, table) == wanted
        }
        _ => false,
    };
    let is_ours = |item: &RoutingItem| match *item {
        RoutingItem::BindAddress => rules.has_ipv6(),
        RoutingItem::PolicyRule { .. } | RoutingItem::LatePolicyRule { .. } => is_our_rule(item),
        // A route belongs to those whose rule leads to it.
        RoutingItem::LocalRoute { family, table } => {
            found.iter().any(|rule| is_our_rule(rule) && leads_to(rule, (family, table)))
        }
    };
    let needed = target.routing(backend);
    found.iter().filter(|item| needed.contains(item) || is_ours(item)).copied().collect()
}
