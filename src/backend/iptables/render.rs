//! The program as iptables rules: one rule an item, in the words and the order of `iptables-save`.

use std::net::Ipv4Addr;

use ipnet::Ipv6Net;

use super::state::{FamilyState, HookLine, Line, OwnChain};
use crate::config::families::Family;
use crate::config::ports::{PortRange, PortSet};
use crate::program::{ConnectionState, Match, Placement, Program, Protocol, Rule, Verdict};

/// Says what iptables has to hold in this family.
pub fn render(program: &Program, family: Family) -> FamilyState {
    let mut state = FamilyState::default();
    for chain in &program.chains {
        let rules: Vec<&Rule> = chain.rules.iter().filter(|rule| rule.families.contains(family)).collect();
        if rules.is_empty() {
            continue;
        }
        let table = state.table_mut(chain.table.name());
        if chain.name.hook().is_none() {
            let lines = expand(&rules, family).into_iter().map(|(_, line)| line).collect();
            table.chains.push(OwnChain { name: chain.name.to_string(), lines });
            continue;
        }
        let mut at_head = 0;
        for (placement, line) in expand(&rules, family) {
            let place = match placement {
                Placement::AtHead => {
                    at_head += 1;
                    Some(at_head)
                }
                Placement::Appended => None,
            };
            table.hooks.push(HookLine { chain: chain.name.to_string(), place, line });
        }
    }
    state
}

/// One line an item; paired rules take turns.
fn expand(rules: &[&Rule], family: Family) -> Vec<(Placement, Line)> {
    let mut lines = Vec::new();
    let mut rest = rules;
    while let [first, others @ ..] = rest {
        let paired = others.iter().take_while(|rule| rule.paired).count();
        let group: Vec<(&Rule, Vec<Specification>)> = std::iter::once(first)
            .chain(&others[..paired])
            .map(|rule| (*rule, specifications(rule, family)))
            .collect();
        let turns = group.iter().map(|(_, all)| all.len()).max().unwrap_or(0);
        for turn in 0..turns {
            for (rule, all) in &group {
                let Some(specification) = all.get(turn) else { continue };
                let comment = format!("{}: {}", rule.id, rule.reason);
                let specification = specification.write(target(rule.verdict, family));
                lines.push((rule.placement, Line { specification, comment, count: None }));
            }
        }
        rest = &others[paired..];
    }
    lines
}

/// The conditions of one line. `iptables-save` writes them in the order of the fields.
#[derive(Clone, Debug, Default)]
struct Specification {
    source: String,
    destination: String,
    in_interface: String,
    out_interface: String,
    protocol: String,
    matches: Vec<String>,
}

impl Specification {
    fn write(&self, target: String) -> String {
        let fixed =
            [&self.source, &self.destination, &self.in_interface, &self.out_interface, &self.protocol];
        let words = fixed.into_iter().chain(&self.matches).chain([&target]);
        words.filter(|word| !word.is_empty()).cloned().collect::<Vec<_>>().join(" ")
    }
}

/// How many lines a rule takes.
pub(super) fn lines_of(rule: &Rule, family: Family) -> usize {
    let items = |condition: &Match| match (condition, family) {
        (Match::Source(it) | Match::Destination(it) | Match::NotDestination(it), Family::Ipv4) => it.v4.len(),
        (Match::Source(it) | Match::Destination(it) | Match::NotDestination(it), Family::Ipv6) => it.v6.len(),
        (Match::InInterface(names) | Match::OutInterface(names), _) => names.len(),
        (Match::SourcePort(ports) | Match::DestinationPort(ports), _) => ports.ranges().len(),
        (Match::OwnerUid(users), _) => users.len(),
        (Match::OwnerGid(groups), _) => groups.len(),
        (Match::Icmpv6Type(types), _) => types.len(),
        _ => 1,
    };
    rule.matches.iter().map(items).fold(1, usize::saturating_mul)
}

/// The lines of a rule: the first list it has changes slowest.
fn specifications(rule: &Rule, family: Family) -> Vec<Specification> {
    let mut all = vec![Specification::default()];
    for condition in &rule.matches {
        let before = std::mem::take(&mut all);
        for one in before {
            let items = items(condition, family, &one.protocol);
            all.extend(items.into_iter().map(|set| {
                let mut next = one.clone();
                set(&mut next);
                next
            }));
        }
    }
    all
}

type Setter = Box<dyn Fn(&mut Specification)>;

/// What each item of a condition adds to a line.
fn items(condition: &Match, family: Family, protocol: &str) -> Vec<Setter> {
    fn each<T>(items: impl IntoIterator<Item = T>, write: impl Fn(T) -> Setter) -> Vec<Setter> {
        items.into_iter().map(write).collect()
    }
    fn matching(text: String) -> Setter {
        Box::new(move |line| line.matches.push(text.clone()))
    }
    // The tcp and udp matches are named after the protocol.
    let transport = protocol.strip_prefix("-p ").unwrap_or(protocol).to_owned();
    let addresses = |ranges: &crate::config::cidrs::CidrSet| -> Vec<String> {
        match family {
            Family::Ipv4 => ranges.v4.iter().map(|net| address(net.prefix_len(), net)).collect(),
            Family::Ipv6 => {
                ranges.v6.iter().map(|net| address(net.prefix_len(), &as_inet_ntop(net))).collect()
            }
        }
    };
    match condition {
        Match::Source(ranges) => {
            each(addresses(ranges), |net| Box::new(move |line| line.source = option("-s", &net)))
        }
        Match::Destination(ranges) => {
            each(addresses(ranges), |net| Box::new(move |line| line.destination = option("-d", &net)))
        }
        Match::NotDestination(ranges) => {
            each(addresses(ranges), |net| Box::new(move |line| line.destination = option("! -d", &net)))
        }
        Match::InInterface(names) => {
            each(names.clone(), |name| Box::new(move |line| line.in_interface = format!("-i {name}")))
        }
        Match::OutInterface(names) => {
            each(names.clone(), |name| Box::new(move |line| line.out_interface = format!("-o {name}")))
        }
        Match::Protocol(protocol) => {
            let name = match protocol {
                Protocol::Tcp => "tcp",
                Protocol::Udp => "udp",
                Protocol::Icmpv6 => "ipv6-icmp",
            };
            vec![Box::new(move |line| line.protocol = format!("-p {name}"))]
        }
        Match::SourcePort(ports) => each(ports.ranges().to_vec(), |range| {
            matching(format!("-m {transport} --sport {}", port_range(range)))
        }),
        Match::DestinationPort(ports) => each(ports.ranges().to_vec(), |range| {
            matching(format!("-m {transport} --dport {}", port_range(range)))
        }),
        Match::NotDestinationPort(ports) => vec![matching(not_ports(&transport, ports))],
        Match::Icmpv6Type(types) => {
            each(types.clone(), |kind| matching(format!("-m icmp6 --icmpv6-type {kind}")))
        }
        Match::OwnerUid(uids) => each(uids.clone(), |uid| matching(format!("-m owner --uid-owner {uid}"))),
        Match::OwnerGid(gids) => each(gids.clone(), |gid| matching(format!("-m owner --gid-owner {gid}"))),
        Match::NotOwnerUid(uids) => vec![matching(none_of("--uid-owner", uids))],
        Match::NotOwnerGid(gids) => vec![matching(none_of("--gid-owner", gids))],
        Match::Mark(mark) => vec![matching(format!("-m mark --mark {mark}"))],
        Match::NotMark(mark) => vec![matching(format!("-m mark ! --mark {mark}"))],
        Match::ConnectionMark(mark) => vec![matching(format!("-m connmark --mark {mark}"))],
        Match::State(ConnectionState::Invalid) => vec![matching("-m conntrack --ctstate INVALID".to_owned())],
        Match::State(ConnectionState::EstablishedOrRelated) => {
            vec![matching("-m conntrack --ctstate RELATED,ESTABLISHED".to_owned())]
        }
    }
}

/// As the C library writes it: the last four bytes in dots when nothing comes before them.
fn as_inet_ntop(net: &Ipv6Net) -> String {
    match net.addr().segments() {
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => {
            let last = Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
            format!("::{last}/{}", net.prefix_len())
        }
        _ => net.to_string(),
    }
}

/// Empty for the network that is everything: `iptables-save` leaves it out.
fn address(prefix: u8, net: &dyn std::fmt::Display) -> String {
    if prefix == 0 { String::new() } else { net.to_string() }
}

fn option(name: &str, value: &str) -> String {
    if value.is_empty() { String::new() } else { format!("{name} {value}") }
}

fn port_range(range: PortRange) -> String {
    if range.is_single() { range.first().to_string() } else { format!("{}:{}", range.first(), range.last()) }
}

fn not_ports(transport: &str, ports: &PortSet) -> String {
    match ports.ranges() {
        [range] => format!("-m {transport} ! --dport {}", port_range(*range)),
        ranges => {
            let ranges: Vec<String> = ranges.iter().map(|range| port_range(*range)).collect();
            format!("-m multiport ! --dports {}", ranges.join(","))
        }
    }
}

/// Conditions that hold when the owner is none of these: they stand side by side.
fn none_of(option: &str, ids: &[impl std::fmt::Display]) -> String {
    let all: Vec<String> = ids.iter().map(|id| format!("-m owner ! {option} {id}")).collect();
    all.join(" ")
}

fn target(verdict: Verdict, family: Family) -> String {
    match verdict {
        Verdict::Return => "-j RETURN".to_owned(),
        Verdict::Accept => "-j ACCEPT".to_owned(),
        Verdict::Drop => "-j DROP".to_owned(),
        Verdict::Reject => match family {
            Family::Ipv4 => "-j REJECT --reject-with icmp-port-unreachable".to_owned(),
            Family::Ipv6 => "-j REJECT --reject-with icmp6-port-unreachable".to_owned(),
        },
        Verdict::Reset => "-j REJECT --reject-with tcp-reset".to_owned(),
        Verdict::Jump(chain) => format!("-j {chain}"),
        Verdict::Redirect(port) => format!("-j REDIRECT --to-ports {port}"),
        Verdict::Tproxy { port, mark } => {
            let any = match family {
                Family::Ipv4 => "0.0.0.0",
                Family::Ipv6 => "::",
            };
            format!("-j TPROXY --on-port {port} --on-ip {any} --tproxy-mark {mark}/0xffffffff")
        }
        Verdict::SetMark(mark) => format!("-j MARK --set-xmark {mark}/0xffffffff"),
        Verdict::SaveMark => "-j CONNMARK --save-mark --nfmask 0xffffffff --ctmask 0xffffffff".to_owned(),
        Verdict::RestoreMark => {
            "-j CONNMARK --restore-mark --nfmask 0xffffffff --ctmask 0xffffffff".to_owned()
        }
        Verdict::SetZone(zone) => format!("-j CT --zone {zone}"),
    }
}
