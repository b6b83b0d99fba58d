//! Which probes a configuration asks for, and how each has to end.

mod dns;
mod inbound;
mod outbound;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::addresses;
use super::meaning::{self, Call, Caller, Fate};
use crate::config::cidrs::{BIND_V4, BIND_V6};
use crate::config::families::Family;
use crate::config::owners::{Gid, Uid};
use crate::config::ports::{PortRange, PortSet};
use crate::config::settings::{EXCLUDED_INTERFACES, Setting, UNCAPTURED_FAMILY, VIRTUAL_INTERFACES};
use crate::config::values::{Mode, UncapturedFamily};
use crate::config::{Config, InboundPorts, OwnerGroups};
use crate::kernel::cable::Ends;
use crate::kernel::sockets::{Owner, Transport};
use crate::program::Pod;

/// So many of a list are probed in each family; who excludes thousands of ranges does not want to wait for each.
const MOST: usize = 16;
/// Ports that seldom mean anything. The first is the one that istio's validation uses.
const QUIET_PORTS: [u16; 6] = [15002, 30303, 61234, 1404, 7, 49001];
/// Ids that seldom belong to anybody.
const APPLICATION_IDS: std::ops::Range<u32> = 10_000..10_400;

/// A probe, before it is made.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub(super) what: String,
    pub(super) family: Option<Family>,
    pub(super) setting: Option<String>,
    /// The call and its fate, or why there is none.
    pub(super) call: Result<(Call, Fate), String>,
}

/// What there is to know before the first packet.
pub(super) struct Facts<'a> {
    pub(super) config: &'a Config,
    pub(super) pod: &'a Pod,
    /// The addresses of the pod's interfaces.
    pub(super) own: &'a [IpAddr],
}

/// Everything to ask, and the ends of the cable that it needs.
pub(super) fn questions(facts: &Facts<'_>) -> (Vec<Question>, Vec<Ends>) {
    let Facts { config, pod, .. } = facts;
    let denied = config.uncaptured_family == UncapturedFamily::Deny;
    let mut planned = (Vec::new(), Vec::new());
    for family in [Family::Ipv4, Family::Ipv6] {
        let intercepted = pod.families.intercepted.contains(family);
        let left_alone = pod.families.uncaptured.contains(family) || (denied && !intercepted);
        if !intercepted && !left_alone {
            continue;
        }
        let ends = addresses::ends(config, pod, facts.own, family);
        let mut planner = Planner::new(facts, family, ends);
        if intercepted {
            planner.outbound();
            planner.dns();
            planner.inbound();
        } else {
            planner.uncaptured();
        }
        planned.0.append(&mut planner.questions);
        planned.1.push(ends);
    }
    for (names, setting) in [
        (&config.excluded_interfaces, &EXCLUDED_INTERFACES),
        (&config.virtual_interfaces, &VIRTUAL_INTERFACES),
    ] {
        planned.0.extend(names.iter().map(|name| Question {
            what: format!("traffic of the interface {name}"),
            family: None,
            setting: Some(spelled(setting)),
            call: Err(format!("the probes' cable is another interface than {name}")),
        }));
    }
    planned
}

/// As it is written on the command line, or in the environment.
fn spelled(setting: &Setting) -> String {
    if setting.flag.is_empty() { setting.key().to_owned() } else { format!("--{}", setting.flag) }
}

/// Questions about one family.
struct Planner<'a> {
    config: &'a Config,
    pod: &'a Pod,
    own: &'a [IpAddr],
    family: Family,
    ends: Ends,
    /// Somebody whom nothing is said about.
    application: Owner,
    /// A port that nothing is said about.
    port: u16,
    questions: Vec<Question>,
}

impl<'a> Planner<'a> {
    fn new(facts: &Facts<'a>, family: Family, ends: Ends) -> Planner<'a> {
        let Facts { config, pod, own } = *facts;
        Planner {
            config,
            pod,
            own,
            family,
            ends,
            application: application(config),
            port: quiet_port(config),
            questions: Vec::new(),
        }
    }

    /// Somebody in the pod calls.
    fn call(&self, owner: Owner, transport: Transport, to: IpAddr, port: u16) -> Call {
        let to_pod = to.is_loopback()
            || [self.ends.near, BIND_V4.into(), BIND_V6.into()].contains(&to)
            || self.own.contains(&to);
        let to = SocketAddr::new(to, port);
        Call { caller: Caller::Pod(owner), transport, from: None, to, to_pod }
    }

    fn fate(&self, call: &Call) -> Fate {
        meaning::fate(self.config, self.pod, call)
    }

    /// Asks what becomes of a call.
    fn ask(&mut self, setting: Option<&Setting>, who: &str, why: &str, call: Call) {
        let fate = self.fate(&call);
        let transport = match call.transport {
            Transport::Tcp => "TCP",
            Transport::Udp => "UDP",
        };
        let ending = match (fate, call.caller) {
            (Fate::Outbound, _) => format!("goes to the proxy (port {})", self.config.outbound_port),
            (Fate::Inbound, Caller::Outside) if self.config.mode == Mode::Tproxy => format!(
                "goes to the proxy (port {}), which sees the client's own address",
                self.config.inbound_port
            ),
            (Fate::Inbound, _) => format!("goes to the proxy (port {})", self.config.inbound_port),
            (Fate::Dns, _) => "goes to the DNS agent (port 15053)".to_owned(),
            (Fate::Itself, Caller::Outside) => "arrives there".to_owned(),
            (Fate::Itself, Caller::Pod(_)) if call.to_pod => "stays in the pod".to_owned(),
            (Fate::Itself, Caller::Pod(_)) => "is left alone".to_owned(),
            (Fate::Dropped, _) => "is dropped".to_owned(),
            (Fate::Rejected, _) => "is refused".to_owned(),
        };
        let from = call.from.map(|from| format!(" from {from}")).unwrap_or_default();
        let why = if why.is_empty() { String::new() } else { format!(" ({why})") };
        self.questions.push(Question {
            what: format!("{}: {transport} of {who}{from} to {}{why} {ending}", self.family, call.to),
            family: Some(self.family),
            setting: setting.map(spelled),
            call: Ok((call, fate)),
        });
    }

    /// Says what is not asked.
    fn skip(&mut self, setting: &Setting, what: &str, why: String) {
        self.questions.push(Question {
            what: format!("{}: {what}", self.family),
            family: Some(self.family),
            setting: Some(spelled(setting)),
            call: Err(why),
        });
    }

    /// The beginning of a list; that there is more is said.
    fn first_of<T: Clone>(&mut self, setting: &Setting, what: &str, all: &[T]) -> Vec<T> {
        if let Some(more @ 1..) = all.len().checked_sub(MOST) {
            let why = format!("at most {MOST} of a list are probed in each family");
            self.skip(setting, &format!("{more} more {what}"), why);
        }
        all.iter().take(MOST).cloned().collect()
    }

    /// The ends of port ranges, with their range where it says more.
    fn ends_of(&mut self, setting: &Setting, ports: &PortSet) -> Vec<u16> {
        let ranges = self.first_of(setting, "ranges of ports", ports.ranges());
        let ends = |range: &PortRange| {
            let both = if range.is_single() { 1 } else { 2 };
            [range.first().get(), range.last().get()].into_iter().take(both)
        };
        ranges.iter().flat_map(ends).collect()
    }

    /// A family without interception.
    fn uncaptured(&mut self) {
        let denied = self.config.uncaptured_family == UncapturedFamily::Deny;
        let setting = denied.then_some(&UNCAPTURED_FAMILY);
        let (application, far, port) = (self.application, self.ends.far, self.port);
        for transport in [Transport::Tcp, Transport::Udp] {
            let call = self.call(application, transport, far, port);
            self.ask(setting, "the application", "", call);
        }
        self.proxies_are_left_alone(&[Transport::Tcp], far, port);
        let call = self.call(application, Transport::Tcp, self.loopback(), port);
        self.ask(setting, "the application", "", call);
        // A denied family takes clients by ports that are not captured alone.
        if !denied {
            let call = self.client_call(port);
            self.ask(None, "a client", "", call);
        }
    }

    fn loopback(&self) -> IpAddr {
        match self.family {
            Family::Ipv4 => Ipv4Addr::LOCALHOST.into(),
            Family::Ipv6 => Ipv6Addr::LOCALHOST.into(),
        }
    }

    fn bind_address(&self) -> IpAddr {
        match self.family {
            Family::Ipv4 => BIND_V4.into(),
            Family::Ipv6 => BIND_V6.into(),
        }
    }
}

/// An owner whose traffic is captured, if anybody's is.
fn application(config: &Config) -> Owner {
    let uid = APPLICATION_IDS.clone().find(|uid| !config.proxy_uids.contains(&Uid(*uid)));
    let free = |gid: &u32| !config.proxy_gids.contains(&Gid(*gid));
    let gid = match &config.owner_groups {
        OwnerGroups::AllExcept(groups) => {
            APPLICATION_IDS.clone().find(|gid| free(gid) && !groups.contains(&Gid(*gid)))
        }
        OwnerGroups::Only(groups) => groups.iter().map(|gid| gid.0).find(free),
    };
    Owner { uid: uid.unwrap_or(APPLICATION_IDS.start), gid: gid.unwrap_or(APPLICATION_IDS.start) }
}

fn quiet_port(config: &Config) -> u16 {
    let inbound = match &config.inbound_ports {
        InboundPorts::None => &PortSet::default(),
        InboundPorts::AllExcept(ports) | InboundPorts::Only(ports) => ports,
    };
    let ours = [config.outbound_port, config.inbound_port, config.tunnel_port].map(|port| port.get());
    let quiet = |port: &u16| {
        ![&config.excluded_outbound_ports, &config.outbound_ports, inbound]
            .iter()
            .any(|it| it.contains(*port))
            && !ours.contains(port)
            && ![53, 15053].contains(port)
    };
    let others = 20_000..=u16::MAX;
    QUIET_PORTS.into_iter().chain(others).find(quiet).unwrap_or(QUIET_PORTS[0])
}

#[cfg(test)]
mod tests;
