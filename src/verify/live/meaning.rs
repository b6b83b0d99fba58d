//! What a configuration means for one connection: said in words of packets, not of rules, so that a mistake in the
//! rules is no mistake here.

use std::net::{IpAddr, SocketAddr};

use crate::config::cidrs::{BIND_V4, BIND_V6};
use crate::config::families::Family;
use crate::config::interfaces::InterfaceName;
use crate::config::ports::Port;
use crate::config::values::{Mode, Quic, UncapturedFamily};
use crate::config::{Config, Dns, InboundPorts, OutboundRanges, OwnerGroups};
use crate::kernel::sockets::{Owner, Transport};
use crate::program::Pod;

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// Somebody in the pod.
    Pod(Owner),
    /// Somebody outside.
    Outside,
}

/// A connection, or a datagram and its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) caller: Caller,
    pub(super) transport: Transport,
    /// The address that the caller takes, where it does not leave that to the kernel.
    pub(super) from: Option<IpAddr>,
    pub(super) to: SocketAddr,
    /// Is `to` an address of the pod itself? Somebody in the pod then calls it over the loopback interface.
    pub(super) to_pod: bool,
}

impl Call {
    pub(super) fn family(&self) -> Family {
        Family::of(self.to.ip())
    }
}

/// Where a call arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// At the proxy's outbound port.
    Outbound,
    /// At the proxy's inbound port.
    Inbound,
    /// At the DNS agent.
    Dns,
    /// Where it was sent.
    Itself,
    /// Nowhere.
    Dropped,
    /// Nowhere, and the caller is told so.
    Rejected,
}

/// Where the call has to arrive.
pub(super) fn fate(config: &Config, pod: &Pod, call: &Call) -> Fate {
    let intercepted = pod.families.intercepted.contains(call.family());
    match call.caller {
        Caller::Outside if intercepted => inbound(config, call),
        Caller::Pod(owner) if intercepted => outbound(config, pod, call, owner),
        caller => uncaptured(config, call, caller),
    }
}

/// Which DNS is captured, after all.
pub(super) fn dns(config: &Config, pod: &Pod) -> Dns {
    match config.dns {
        Dns::Resolvers if pod.resolvers.is_empty() => Dns::Off,
        dns => dns,
    }
}

/// Does one of these names stand for the loopback interface?
pub(super) fn excludes_loopback(config: &Config) -> bool {
    config.excluded_interfaces.iter().any(|it| it.matches(InterfaceName::loopback().as_str()))
}

fn is_proxy(config: &Config, owner: Owner) -> bool {
    config.proxy_uids.iter().any(|uid| uid.0 == owner.uid)
        || config.proxy_gids.iter().any(|gid| gid.0 == owner.gid)
}

fn inbound(config: &Config, call: &Call) -> Fate {
    let port = call.to.port();
    let captured = match &config.inbound_ports {
        _ if call.transport != Transport::Tcp => false,
        // Connections through the tunnel are for the proxy itself; TPROXY hands them to its inbound port all the same.
        _ if config.mode == Mode::Redirect && port == config.tunnel_port.get() => false,
        InboundPorts::None => false,
        InboundPorts::AllExcept(excluded) => !excluded.contains(port),
        InboundPorts::Only(ports) => ports.contains(port),
    };
    if captured { Fate::Inbound } else { Fate::Itself }
}

fn outbound(config: &Config, pod: &Pod, call: &Call, owner: Owner) -> Fate {
    let (to, port) = (call.to.ip(), call.to.port());
    let captured_dns = dns(config, pod);
    if config.excluded_outbound_ports.contains(port) || (call.to_pod && excludes_loopback(config)) {
        return Fate::Itself;
    }
    let from_proxy_to_application = call.from == Some(BIND_V4.into()) || call.from == Some(BIND_V6.into());
    if call.to_pod && from_proxy_to_application {
        return Fate::Itself;
    }
    if let Some(fate) = by_owner(config, call, owner, captured_dns != Dns::Off) {
        return fate;
    }
    match &config.owner_groups {
        OwnerGroups::AllExcept(groups) if groups.iter().any(|gid| gid.0 == owner.gid) => return Fate::Itself,
        OwnerGroups::Only(groups) if groups.iter().all(|gid| gid.0 != owner.gid) => return Fate::Itself,
        _ => {}
    }
    let served = match captured_dns {
        Dns::Off => false,
        Dns::Resolvers => pod.resolvers.contains(&to),
        Dns::All => true,
    };
    if port == Port::DNS.get() && served {
        return Fate::Dns;
    }
    let captured = !is_loopback(config, to)
        && !config.excluded_ranges.covers(to)
        && (config.outbound_ports.contains(port)
            || match &config.outbound_ranges {
                OutboundRanges::All => true,
                OutboundRanges::Only(ranges) => ranges.covers(to),
            });
    let is_quic = port == Port::HTTPS.get() && !call.to_pod;
    match call.transport {
        Transport::Tcp if captured => Fate::Outbound,
        Transport::Udp if captured && is_quic && config.quic == Quic::Deny => Fate::Rejected,
        _ => Fate::Itself,
    }
}

/// What is decided by whose call it is: the first owner for whom anything is said, as istio's rules have it.
fn by_owner(config: &Config, call: &Call, owner: Owner, dns: bool) -> Option<Fate> {
    let (tcp, port) = (call.transport == Transport::Tcp, call.to.port());
    let to_dns = port == Port::DNS.get();
    let users = config.proxy_uids.iter().map(|uid| (uid.0 == owner.uid, true));
    let groups = config.proxy_gids.iter().map(|gid| (gid.0 == owner.gid, false));
    let captures_loopback =
        matches!(&config.outbound_ranges, OutboundRanges::Only(ranges) if ranges.names_loopback);
    let may_stay = !captures_loopback && (!dns || (tcp && !to_dns));
    for (is_owner, is_user) in users.chain(groups) {
        if is_owner {
            let spared = port == config.tunnel_port.get() || (dns && is_user && to_dns);
            let to_itself = call.to_pod && tcp && !spared && !is_loopback(config, call.to.ip());
            return Some(if to_itself { Fate::Inbound } else { Fate::Itself });
        }
        if call.to_pod && may_stay {
            return Some(Fate::Itself);
        }
    }
    None
}

fn uncaptured(config: &Config, call: &Call, caller: Caller) -> Fate {
    let denied = config.uncaptured_family == UncapturedFamily::Deny && call.family() == Family::Ipv6;
    let may_pass = match caller {
        Caller::Pod(owner) => call.to_pod || is_proxy(config, owner),
        Caller::Outside => false,
    };
    if denied && !may_pass { Fate::Rejected } else { Fate::Itself }
}

fn is_loopback(config: &Config, address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => config.loopback.net().contains(&address),
        IpAddr::V6(address) => address.is_loopback(),
    }
}
