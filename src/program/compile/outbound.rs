//! Outbound connections: what is left alone before what is captured.

use std::net::IpAddr;

use super::{Compiler, from_bind_address, link_local, tcp, to_loopback, udp};
use crate::config::cidrs::{CidrSet, LINK_LOCAL};
use crate::config::ports::{Port, PortSet};
use crate::config::{Dns, OutboundRanges, OwnerGroups};
use crate::program::ChainName::{self, Hook as At};
use crate::program::Hook::{Output, Prerouting};
use crate::program::{Match, Rule, Table, Verdict};

/// Whose socket it is: rules for users and for groups differ in little else.
pub(super) struct Proxy {
    pub(super) id: String,
    pub(super) is: Match,
    is_not: Match,
    /// istio leaves DNS over TCP to the agent only in the rules for users.
    spares_dns: bool,
}

impl Compiler<'_> {
    pub(super) fn outbound(&mut self, resolvers: &[IpAddr]) {
        let config = self.config;
        let dns = match config.dns {
            Dns::Resolvers if resolvers.is_empty() => Dns::Off,
            dns => dns,
        };
        let jump = Verdict::Jump(ChainName::Output);
        self.add(
            Table::Nat,
            At(Output),
            Rule::new("outbound", "Outgoing connections are captured", vec![], jump),
        );
        if !config.excluded_outbound_ports.is_empty() {
            let why = "Excluded outbound ports are left alone";
            let ports = Match::DestinationPort(config.excluded_outbound_ports.clone());
            let over_tcp = vec![tcp(), ports.clone()];
            let over_udp = vec![udp(), ports];
            self.output(Rule::new("outbound-excluded-tcp", why, over_tcp, Verdict::Return));
            self.output(Rule::new("outbound-excluded-udp", why, over_udp, Verdict::Return).paired());
        }
        let why = "The proxy's connections to the application are not intercepted again";
        self.output(Rule::new(
            "outbound-bind-address",
            why,
            vec![from_bind_address(), to_loopback()],
            Verdict::Return,
        ));
        let proxies: Vec<Proxy> = self.proxies().collect();
        for proxy in &proxies {
            self.own_traffic(proxy, dns != Dns::Off);
        }
        self.owner_groups();
        if dns != Dns::Off {
            let servers = (dns == Dns::Resolvers).then(|| CidrSet::hosts(resolvers));
            self.dns(servers.as_ref());
        }
        let why = "Calls to the loopback address stay local";
        self.output(Rule::new(
            "outbound-loopback",
            why,
            vec![Match::Destination(self.loopback())],
            Verdict::Return,
        ));
        self.link_local_destinations();
        let excluded = &config.excluded_ranges;
        let why = "Excluded ranges are left alone";
        let rule = Rule::new(
            "outbound-excluded-ranges",
            why,
            vec![Match::Destination(excluded.clone())],
            Verdict::Return,
        );
        self.output_for(excluded, rule);
        let capture = Verdict::Jump(ChainName::Redirect);
        if !config.outbound_ports.is_empty() {
            let why = "Included outbound ports go to the proxy whatever the address";
            let matches = vec![tcp(), Match::DestinationPort(config.outbound_ports.clone())];
            self.output(Rule::new("outbound-included", why, matches, capture));
        }
        match &config.outbound_ranges {
            OutboundRanges::All => {
                let why = "All other outbound connections go to the proxy";
                self.output(Rule::new("outbound-captured", why, vec![], capture));
            }
            OutboundRanges::Only(ranges) => {
                let why = "Included ranges go to the proxy";
                let matches = vec![Match::Destination(ranges.clone())];
                self.output_for(ranges, Rule::new("outbound-included-ranges", why, matches, capture));
            }
        }
    }

    /// Not in istio: the socket of such a connection is bound to its interface, and reaches no proxy on the loopback interface.
    fn link_local_destinations(&mut self) {
        let is_asked_for = matches!(&self.config.outbound_ranges, OutboundRanges::Only(ranges)
            if ranges.v6.iter().any(|net| LINK_LOCAL.contains(net)));
        if !self.is_native || is_asked_for {
            return;
        }
        let why = "A connection to a link-local address cannot leave its interface";
        let to = vec![Match::Destination(link_local())];
        let rule = Rule::new("outbound-link-local", why, to, Verdict::Return);
        self.output_for(&link_local(), rule);
    }

    pub(super) fn output(&mut self, rule: Rule) {
        self.add(Table::Nat, ChainName::Output, rule);
    }

    /// Adds a rule for the families that `ranges` has any of.
    pub(super) fn output_for(&mut self, ranges: &CidrSet, rule: Rule) {
        let families = self.families_of(ranges);
        if !families.is_empty() {
            self.output(rule.only(families));
        }
    }

    pub(super) fn proxies(&self) -> impl Iterator<Item = Proxy> + use<> {
        let users = self.config.proxy_uids.clone().into_iter().map(|uid| Proxy {
            id: format!("uid-{uid}"),
            is: Match::OwnerUid(vec![uid]),
            is_not: Match::NotOwnerUid(vec![uid]),
            spares_dns: true,
        });
        let groups = self.config.proxy_gids.clone().into_iter().map(|gid| Proxy {
            id: format!("gid-{gid}"),
            is: Match::OwnerGid(vec![gid]),
            is_not: Match::NotOwnerGid(vec![gid]),
            spares_dns: false,
        });
        users.chain(groups)
    }

    /// The proxy's own traffic, and local calls of everybody else.
    fn own_traffic(&mut self, proxy: &Proxy, dns: bool) {
        let config = self.config;
        let not_to = if dns && proxy.spares_dns {
            [Port::DNS, config.tunnel_port].into_iter().collect()
        } else {
            PortSet::from_iter([config.tunnel_port])
        };
        let self_call = vec![
            Match::NotDestination(self.loopback()),
            to_loopback(),
            tcp(),
            Match::NotDestinationPort(not_to),
            proxy.is.clone(),
        ];
        let why = "A call that the proxy sends back to the pod passes the inbound proxy";
        let jump = Verdict::Jump(ChainName::InRedirect);
        self.output(Rule::new(format!("outbound-self-call-{}", proxy.id), why, self_call, jump));

        let captures_loopback =
            matches!(&config.outbound_ranges, OutboundRanges::Only(ranges) if ranges.names_loopback);
        if !captures_loopback {
            let mut local = vec![to_loopback()];
            if dns {
                // A resolver on the loopback interface is still captured.
                local.extend([tcp(), Match::NotDestinationPort(PortSet::from_iter([Port::DNS]))]);
            }
            local.push(proxy.is_not.clone());
            let why = "Local calls of anybody but the proxy stay local";
            self.output(Rule::new(format!("outbound-local-not-{}", proxy.id), why, local, Verdict::Return));
        }
        let why = "The proxy's own traffic is left alone, or it would loop";
        let own = vec![proxy.is.clone()];
        self.output(Rule::new(format!("outbound-proxy-{}", proxy.id), why, own, Verdict::Return));
    }

    fn owner_groups(&mut self) {
        let (id, why, owners) = match &self.config.owner_groups {
            OwnerGroups::AllExcept(groups) if groups.is_empty() => return,
            OwnerGroups::AllExcept(groups) => (
                "outbound-excluded-groups",
                "Excluded groups are left alone",
                Match::OwnerGid(groups.clone()),
            ),
            OwnerGroups::Only(groups) => (
                "outbound-other-groups",
                "Only included groups are captured",
                Match::NotOwnerGid(groups.clone()),
            ),
        };
        self.output(Rule::new(id, why, vec![owners], Verdict::Return));
    }

    /// istio inserts these one by one at the head of the chain, so the last of everything comes first.
    pub(super) fn virtual_interfaces(&mut self) {
        let config = self.config;
        if config.virtual_interfaces.is_empty() {
            return;
        }
        let interfaces = Match::InInterface(config.virtual_interfaces.iter().rev().cloned().collect());
        let mut rules = Vec::new();
        let capture = Verdict::Jump(ChainName::Redirect);
        let (id, why) = ("virtual-captured", "Traffic of virtual machines counts as outbound");
        match &config.outbound_ranges {
            OutboundRanges::All => rules.push(Rule::new(id, why, vec![interfaces.clone()], capture)),
            OutboundRanges::Only(ranges) => {
                let families = self.families_of(ranges);
                let mut reversed = ranges.clone();
                reversed.v4.reverse();
                reversed.v6.reverse();
                let matches = vec![Match::Destination(reversed), interfaces.clone()];
                rules.push(Rule::new(id, why, matches, capture).only(families));
            }
        }
        let why = "Other traffic of virtual machines is not inbound traffic of the pod";
        rules.push(Rule::new("virtual-other", why, vec![interfaces], Verdict::Return));
        let chain = (Table::Nat, At(Prerouting));
        let later = self
            .chains
            .iter_mut()
            .find(|it| (it.table, it.name) == chain)
            .map(|it| std::mem::take(&mut it.rules));
        let families = self.families;
        for rule in rules.into_iter().filter(|rule| !rule.families.intersection(families).is_empty()) {
            self.add(chain.0, chain.1, rule.at_head());
        }
        for rule in later.unwrap_or_default() {
            self.add(chain.0, chain.1, rule);
        }
    }
}
