//! What leaves the pod, and what stays in it.

use std::net::IpAddr;

use ipnet::IpNet;

use super::{Planner, meaning};
use crate::config::cidrs::CidrSet;
use crate::config::families::Family;
use crate::config::owners::Gid;
use crate::config::ports::Port;
use crate::config::settings::{
    OUTBOUND_EXCLUDED_PORTS, OUTBOUND_EXCLUDED_RANGES, OUTBOUND_PORTS, OUTBOUND_RANGES, OWNER_GROUPS,
    OWNER_GROUPS_EXCLUDED, PROXY_GID, PROXY_UID, QUIC, Setting,
};
use crate::config::values::Quic;
use crate::config::{Config, OutboundRanges, OwnerGroups};
use crate::kernel::sockets::{Owner, Transport};
use crate::verify::live::addresses;
use crate::verify::live::meaning::Fate;

use Transport::{Tcp, Udp};

impl Planner<'_> {
    pub(super) fn outbound(&mut self) {
        let (application, far, port) = (self.application, self.ends.far, self.port);
        let config = self.config;
        match &config.outbound_ranges {
            OutboundRanges::All => {
                let call = self.call(application, Tcp, far, port);
                self.ask(Some(&OUTBOUND_RANGES), "the application", "", call);
            }
            OutboundRanges::Only(ranges) => {
                self.ranges(&OUTBOUND_RANGES, ranges, |config| match &mut config.outbound_ranges {
                    OutboundRanges::Only(ranges) => Some(ranges),
                    OutboundRanges::All => None,
                });
                let call = self.call(application, Tcp, far, port);
                self.ask(Some(&OUTBOUND_RANGES), "the application", "", call);
            }
        }
        self.ranges(&OUTBOUND_EXCLUDED_RANGES, &config.excluded_ranges, |it| Some(&mut it.excluded_ranges));
        for port in self.ends_of(&OUTBOUND_PORTS, &config.outbound_ports) {
            let call = self.call(application, Tcp, far, port);
            self.ask(Some(&OUTBOUND_PORTS), "the application", "", call);
        }
        let captured = self.captured_address();
        for port in self.ends_of(&OUTBOUND_EXCLUDED_PORTS, &config.excluded_outbound_ports) {
            for transport in [Tcp, Udp] {
                let call = self.call(application, transport, captured, port);
                self.ask(Some(&OUTBOUND_EXCLUDED_PORTS), "the application", "", call);
            }
        }
        self.proxies_are_left_alone(&[Tcp], captured, port);
        self.owner_groups(captured);
        let call = self.call(application, Udp, captured, port);
        self.ask(None, "the application", "", call);
        self.quic(captured);
        self.local_calls();
    }

    /// Only what is denied is asked about: of every other port, one speaks for all.
    fn quic(&mut self, to: IpAddr) {
        if self.config.quic == Quic::Allow {
            return;
        }
        let call = self.call(self.application, Udp, to, Port::HTTPS.get());
        self.ask(Some(&QUIC), "the application", "QUIC", call);
        self.proxies_are_left_alone(&[Udp], to, Port::HTTPS.get());
    }

    /// An address that is captured, if there is any.
    pub(super) fn captured_address(&self) -> IpAddr {
        let captured =
            |to: &IpAddr| self.fate(&self.call(self.application, Tcp, *to, self.port)) == Fate::Outbound;
        let included = match &self.config.outbound_ranges {
            OutboundRanges::All => Vec::new(),
            OutboundRanges::Only(ranges) => nets(ranges, self.family),
        };
        let candidates = included.into_iter().flat_map(addresses::candidates);
        [self.ends.far].into_iter().chain(candidates).find(captured).unwrap_or(self.ends.far)
    }

    /// Each of the proxy's users and groups alone is left alone.
    pub(super) fn proxies_are_left_alone(&mut self, transports: &[Transport], to: IpAddr, port: u16) {
        let (config, application) = (self.config, self.application);
        for uid in self.first_of(&PROXY_UID, "users of the proxy", &config.proxy_uids) {
            for transport in transports {
                let call = self.call(Owner { uid: uid.0, ..application }, *transport, to, port);
                self.ask(Some(&PROXY_UID), &format!("the proxy's user {uid}"), "", call);
            }
        }
        for gid in self.first_of(&PROXY_GID, "groups of the proxy", &config.proxy_gids) {
            for transport in transports {
                let call = self.call(Owner { gid: gid.0, ..application }, *transport, to, port);
                self.ask(Some(&PROXY_GID), &format!("the proxy's group {gid}"), "", call);
            }
        }
    }

    fn owner_groups(&mut self, to: IpAddr) {
        let (config, application, port) = (self.config, self.application, self.port);
        let (setting, listed, other) = match &config.owner_groups {
            OwnerGroups::AllExcept(groups) => (&OWNER_GROUPS_EXCLUDED, groups, None),
            OwnerGroups::Only(groups) => {
                let unlisted =
                    |gid: &u32| !groups.contains(&Gid(*gid)) && !config.proxy_gids.contains(&Gid(*gid));
                (&OWNER_GROUPS, groups, super::APPLICATION_IDS.clone().find(unlisted))
            }
        };
        let listed = self.first_of(setting, "groups", listed);
        for gid in listed.into_iter().chain(other.map(Gid)) {
            let call = self.call(Owner { gid: gid.0, ..application }, Tcp, to, port);
            self.ask(Some(setting), &format!("group {gid}"), "", call);
        }
    }

    /// One address of each range: such that the range decides its fate, where there is one.
    fn ranges(
        &mut self,
        setting: &'static Setting,
        ranges: &CidrSet,
        list: fn(&mut Config) -> Option<&mut CidrSet>,
    ) {
        let all = nets(ranges, self.family);
        for (place, range) in self.first_of(setting, "ranges", &all).into_iter().enumerate() {
            let mut without = self.config.clone();
            if let Some(list) = list(&mut without) {
                match self.family {
                    Family::Ipv4 => drop(list.v4.remove(place)),
                    Family::Ipv6 => drop(list.v6.remove(place)),
                }
            }
            let local = range.addr().is_loopback();
            let far = [self.ends.far].into_iter().filter(|far| range.contains(far));
            let calls: Vec<_> = far
                .chain(addresses::candidates(range))
                .filter(|address| local || !(address.is_loopback() || self.own.contains(address)))
                .map(|address| self.call(self.application, Tcp, address, self.port))
                .collect();
            let decides = calls.iter().find(|it| self.fate(it) != meaning::fate(&without, self.pod, it));
            match decides.or(calls.first()) {
                Some(call) => self.ask(Some(setting), "the application", &format!("in {range}"), *call),
                None => self.skip(
                    setting,
                    &format!("TCP of the application to {range}"),
                    "no address of it can be called over the cable".to_owned(),
                ),
            }
        }
    }

    /// Calls that stay inside the pod.
    fn local_calls(&mut self) {
        let (application, port, near) = (self.application, self.port, self.ends.near);
        let (loopback, bind_address) = (self.loopback(), self.bind_address());
        for to in [loopback, near] {
            let call = self.call(application, Tcp, to, port);
            self.ask(None, "the application", "", call);
        }
        // A local call by any but the first of the proxy's users and groups is not sent back (the rules are istio's).
        let Some(uid) = self.config.proxy_uids.first() else { return };
        // As the proxy is, so that whoever runs as the proxy can ask at least this.
        let gid = self.config.proxy_gids.first().map_or(application.gid, |gid| gid.0);
        let proxy = Owner { uid: uid.0, gid };
        let call = self.call(proxy, Tcp, loopback, port);
        self.ask(None, "the proxy", "", call);
        // A call to ::6 would come from ::6 itself, which is how the proxy calls the application.
        let call = self.call(proxy, Tcp, bind_address, port);
        self.ask(None, "the proxy", "", super::Call { from: Some(loopback), ..call });
        let call = self.call(proxy, Tcp, near, port);
        self.ask(None, "the proxy", "", super::Call { from: Some(bind_address), ..call });
    }
}

fn nets(ranges: &CidrSet, family: Family) -> Vec<IpNet> {
    match family {
        Family::Ipv4 => ranges.v4.iter().copied().map(IpNet::V4).collect(),
        Family::Ipv6 => ranges.v6.iter().copied().map(IpNet::V6).collect(),
    }
}
