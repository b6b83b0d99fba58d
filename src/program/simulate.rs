//! Runs a packet through a program, as the kernel does: every rule that is looked at, why it matches or not, and what
//! becomes of the packet.
//!
//! At one hook the tables run in the order raw, mangle, nat, filter; connection tracking comes after raw, and nat sees only
//! packets for whose connection it has not decided yet. A packet that a process sends to the pod itself comes in again by
//! the loopback interface, without its socket, with its mark and with what nat has decided.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::outcome::{Fate, Outcome, Step};
use super::packet::{Entry, Owner, Packet, Surroundings, Tracking};
use super::{ChainName, ConnectionState, Hook, Match, Program, Rule, Table, Verdict, condition};
use crate::config::cidrs::CidrSet;
use crate::config::families::Family;

/// How deep chains may call each other; the kernel has the same limit (`NFT_JUMP_STACK_SIZE`).
const DEEPEST: usize = 16;
/// More rules than any configuration has that fits into a command line, and no more than there is memory for.
const MOST_STEPS: usize = 1 << 18;

/// Runs a packet through a program.
pub fn simulate(program: &Program, packet: &Packet, surroundings: &Surroundings) -> Outcome {
    let mut walk = Walk::new(program, packet, surroundings);
    match &packet.entry {
        Entry::Received { interface } => {
            walk.interfaces = (Some(interface.clone()), None);
            walk.hook(Hook::Prerouting, None);
            walk.input();
        }
        Entry::Sent { owner, interface } => {
            let local = surroundings.is_local(packet.destination.ip());
            let interface = if local { LOOPBACK.to_owned() } else { interface.clone() };
            walk.interfaces = (None, Some(interface));
            walk.hook(Hook::Output, *owner);
            if !walk.ended() && walk.interfaces.1.as_deref() == Some(LOOPBACK) {
                walk.interfaces = (Some(LOOPBACK.to_owned()), None);
                walk.hook(Hook::Prerouting, None);
                walk.input();
            }
        }
    }
    walk.outcome()
}

/// The loopback interface's name.
const LOOPBACK: &str = "lo";

/// Where a walk through a chain ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// Back to the rule after the jump.
    Returned,
    /// The packet passes this table.
    Passed,
}

struct Walk<'a> {
    program: &'a Program,
    packet: &'a Packet,
    surroundings: &'a Surroundings,
    /// In, and out.
    interfaces: (Option<String>, Option<String>),
    destination: SocketAddr,
    mark: u32,
    connection_mark: u32,
    zone: u16,
    /// Has nat decided?
    is_translated: bool,
    /// Where the packet was sent first, and the rule that decided about it.
    redirected: Option<(Fate, u16, String)>,
    /// What ended it, and the rule that did.
    stopped: Option<(Fate, String)>,
    /// The last rule that let the packet pass, and its table.
    passed: Option<(Table, String)>,
    path: Vec<Step>,
    depth: usize,
    endless: bool,
}

/// The hook that is walked, and whose socket the packet has there.
#[derive(Clone, Copy)]
struct Place {
    hook: Hook,
    table: Table,
    owner: Option<Owner>,
}

impl<'a> Walk<'a> {
    fn new(program: &'a Program, packet: &'a Packet, surroundings: &'a Surroundings) -> Walk<'a> {
        Walk {
            program,
            packet,
            surroundings,
            interfaces: (None, None),
            destination: packet.destination,
            mark: packet.mark,
            connection_mark: packet.connection_mark,
            zone: 0,
            is_translated: packet.tracking != Tracking::New,
            redirected: None,
            stopped: None,
            passed: None,
            path: Vec::new(),
            depth: 0,
            endless: false,
        }
    }

    fn ended(&self) -> bool {
        self.stopped.is_some() || self.endless
    }

    /// What came in is for the pod, unless it is routed on to another machine.
    fn input(&mut self) {
        let to = self.destination.ip();
        let is_for_the_pod = self.redirected.is_some() || self.surroundings.is_local(to) || to.is_multicast();
        if !self.ended() && is_for_the_pod {
            self.hook(Hook::Input, None);
        }
    }

    fn hook(&mut self, hook: Hook, owner: Option<Owner>) {
        for table in Table::ALL {
            if table == Table::Nat {
                if self.is_translated {
                    continue;
                }
                self.is_translated = true;
            }
            let mark = self.mark;
            self.chain(Place { hook, table, owner }, ChainName::Hook(hook), None);
            if self.ended() {
                return;
            }
            // A changed mark, or a new destination, is routed again.
            if hook == Hook::Output && mark != self.mark && self.is_delivered_locally() {
                self.interfaces.1 = Some(LOOPBACK.to_owned());
            }
        }
    }

    /// Does the policy rule lead packets with this mark to a local socket?
    fn is_delivered_locally(&self) -> bool {
        let family = self.packet.family();
        let delivery = self.program.routing.delivery;
        delivery.is_some_and(|it| it.mark.get() == self.mark && it.families.contains(family))
    }

    fn chain(&mut self, place: Place, name: ChainName, caller: Option<&Rule>) -> End {
        let program = self.program;
        let chains = program.chains.iter().filter(|it| (it.table, it.name) == (place.table, name));
        for rule in chains.flat_map(|chain| &chain.rules) {
            if !rule.families.contains(self.packet.family()) {
                continue;
            }
            if self.path.len() == MOST_STEPS || self.depth > DEEPEST {
                self.endless = true;
                return End::Passed;
            }
            let fails = rule.matches.iter().find(|it| !self.holds(it, place.owner));
            self.path.push(Step {
                hook: place.hook,
                table: place.table,
                chain: name,
                rule: rule.id.clone(),
                reason: rule.reason.to_string(),
                fails: fails.map(|it| condition(it, rule.families)),
                verdict: rule.verdict.to_string(),
            });
            if fails.is_some() {
                continue;
            }
            if let Some(end) = self.carry_out(place, name, rule, caller) {
                return end;
            }
        }
        End::Returned
    }

    /// Nothing when the walk goes on with the next rule.
    fn carry_out(
        &mut self,
        place: Place,
        name: ChainName,
        rule: &Rule,
        caller: Option<&Rule>,
    ) -> Option<End> {
        // Who sends a packet to a chain that does nothing but redirect has decided.
        let decider = caller.unwrap_or(rule).id.clone();
        match rule.verdict {
            Verdict::Return => {
                // Which connections are redirected is decided in nat, where there is anything to decide.
                if self.passed.as_ref().is_none_or(|(table, _)| *table != Table::Nat) {
                    self.passed = Some((place.table, rule.id.clone()));
                }
                return Some(End::Returned);
            }
            Verdict::Accept => return Some(End::Passed),
            Verdict::Drop => self.stopped = Some((Fate::Dropped, decider)),
            Verdict::Reject | Verdict::Reset => self.stopped = Some((Fate::Rejected, decider)),
            Verdict::Jump(chain) => {
                let caller = matches!(
                    chain,
                    ChainName::Redirect | ChainName::InRedirect | ChainName::Tproxy | ChainName::Drop
                )
                .then_some(rule);
                self.depth += 1;
                let end = self.chain(place, chain, caller);
                self.depth -= 1;
                return (end == End::Passed || self.ended()).then_some(End::Passed);
            }
            Verdict::Redirect(port) => {
                let fate = match name {
                    ChainName::Redirect => Fate::OutboundProxy,
                    ChainName::OutputDns => Fate::Dns,
                    _ => Fate::InboundProxy,
                };
                self.redirect(place.hook, port.get(), fate, decider);
            }
            Verdict::Tproxy { port, mark } => {
                if self.surroundings.transparent_listener {
                    self.mark = mark.get();
                    self.redirected.get_or_insert((Fate::InboundProxy, port.get(), decider));
                } else {
                    self.stopped = Some((Fate::Dropped, decider));
                }
            }
            Verdict::SetMark(mark) => {
                self.mark = mark.get();
                return None;
            }
            Verdict::SaveMark => {
                self.connection_mark = self.mark;
                return None;
            }
            Verdict::RestoreMark => {
                self.mark = self.connection_mark;
                return None;
            }
            Verdict::SetZone(zone) => {
                // The first one stays.
                if self.zone == 0 {
                    self.zone = zone;
                }
                return None;
            }
        }
        Some(End::Passed)
    }

    /// What was sent goes to the loopback address, what came in to an address of the interface that it came in by.
    fn redirect(&mut self, hook: Hook, port: u16, fate: Fate, decider: String) {
        let loopback: IpAddr = match self.packet.family() {
            Family::Ipv4 => Ipv4Addr::LOCALHOST.into(),
            Family::Ipv6 => Ipv6Addr::LOCALHOST.into(),
        };
        let address = match hook {
            Hook::Output => loopback,
            Hook::Prerouting | Hook::Input => self.destination.ip(),
        };
        self.destination = SocketAddr::new(address, port);
        if hook == Hook::Output {
            self.interfaces.1 = Some(LOOPBACK.to_owned());
        }
        self.redirected.get_or_insert((fate, port, decider));
    }

    fn holds(&self, condition: &Match, owner: Option<Owner>) -> bool {
        let packet = self.packet;
        let by = |name: &Option<String>, names: &[crate::config::interfaces::InterfaceName]| {
            name.as_deref().is_some_and(|name| names.iter().any(|it| it.matches(name)))
        };
        match condition {
            Match::Source(ranges) => contains(ranges, packet.source.ip()),
            Match::Destination(ranges) => contains(ranges, self.destination.ip()),
            Match::NotDestination(ranges) => !contains(ranges, self.destination.ip()),
            Match::InInterface(names) => by(&self.interfaces.0, names),
            Match::OutInterface(names) => by(&self.interfaces.1, names),
            Match::Protocol(protocol) => *protocol == packet.protocol,
            Match::SourcePort(ports) => ports.contains(packet.source.port()),
            Match::DestinationPort(ports) => ports.contains(self.destination.port()),
            Match::NotDestinationPort(ports) => !ports.contains(self.destination.port()),
            Match::Icmpv6Type(types) => types.contains(&packet.icmpv6_type),
            Match::OwnerUid(uids) => owner.is_some_and(|it| uids.contains(&it.uid)),
            Match::NotOwnerUid(uids) => !owner.is_some_and(|it| uids.contains(&it.uid)),
            Match::OwnerGid(gids) => owner.is_some_and(|it| gids.contains(&it.gid)),
            Match::NotOwnerGid(gids) => !owner.is_some_and(|it| gids.contains(&it.gid)),
            Match::Mark(mark) => self.mark == mark.get(),
            Match::NotMark(mark) => self.mark != mark.get(),
            Match::ConnectionMark(mark) => self.connection_mark == mark.get(),
            Match::State(ConnectionState::Invalid) => packet.tracking == Tracking::Invalid,
            Match::State(ConnectionState::EstablishedOrRelated) => packet.tracking == Tracking::Established,
        }
    }

    fn outcome(self) -> Outcome {
        let (fate, port, rule) = match (self.stopped, self.redirected) {
            (Some((fate, rule)), _) => (fate, None, Some(rule)),
            (None, Some((fate, port, rule))) => (fate, Some(port), Some(rule)),
            (None, None) => (Fate::Direct, None, self.passed.map(|(_, rule)| rule)),
        };
        Outcome {
            fate,
            port,
            destination: self.destination,
            mark: self.mark,
            connection_mark: self.connection_mark,
            zone: self.zone,
            rule,
            path: self.path,
            endless: self.endless,
        }
    }
}

fn contains(ranges: &CidrSet, address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => ranges.v4.iter().any(|net| net.contains(&address)),
        IpAddr::V6(address) => ranges.v6.iter().any(|net| net.contains(&address)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Chain, Protocol};
    use super::*;

    fn endless(rules: &[(ChainName, ChainName)]) -> bool {
        let mut program = Program::default();
        for (from, to) in rules {
            let rule = Rule::new("rule", "Jumps", vec![], Verdict::Jump(*to));
            program.chains.push(Chain { table: Table::Nat, name: *from, rules: vec![rule; 20] });
        }
        let (one, other) = (SocketAddr::from(([10, 0, 0, 1], 1)), SocketAddr::from(([10, 0, 0, 2], 2)));
        let packet = Packet::first(Entry::Received { interface: "a".into() }, Protocol::Tcp, one, other);
        let outcome =
            simulate(&program, &packet, &Surroundings { addresses: vec![], transparent_listener: true });
        assert!(outcome.path.len() <= MOST_STEPS);
        outcome.endless
    }

    #[test]
    fn chains_that_call_each_other_without_end_end_the_walk() {
        let start = ChainName::Hook(Hook::Prerouting);
        assert!(!endless(&[(start, ChainName::Inbound)]));
        assert!(endless(&[(start, ChainName::Inbound), (ChainName::Inbound, start)]));
        // Twenty to the sixth rules are none that anybody can look at.
        let names = [start, ChainName::Inbound, ChainName::Output, ChainName::OutputDns];
        let others = [ChainName::Divert, ChainName::Uncaptured, ChainName::Redirect];
        let all: Vec<ChainName> = names.into_iter().chain(others).collect();
        assert!(endless(&all.windows(2).map(|pair| (pair[0], pair[1])).collect::<Vec<_>>()));
    }
}
