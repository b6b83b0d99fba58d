//! A cable out of the pod, for packets that prove what the rules do to them.
//!
//! It leads into a namespace that only this process holds. The kernel takes an interface away with the namespace of its
//! other end, and addresses, neighbours and routes with their interface: whenever the process ends, nothing stays.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant};

use caps::{CapSet, Capability};
use futures_util::TryStreamExt;
use netlink_packet_route::address::{AddressHeaderFlags, AddressMessage};
use netlink_packet_route::link::{InfoData, InfoVeth, LinkAttribute, LinkMessage, State};
use netlink_packet_route::route::{RouteAddress, RouteAttribute, RouteMessage, RouteScope, RouteType};
use rtnetlink::{AddressMessageBuilder, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder};

use super::far_end::FarEnd;
use super::rtnetlink::Rtnetlink;
use super::sockets::TYPE_OF_SERVICE;
use crate::config::families::Family;

/// Locally administered, so that no device has them.
const NEAR_MAC: [u8; 6] = [0x02, 0x6d, 0x69, 0, 0, 2];
const FAR_MAC: [u8; 6] = [0x02, 0x6d, 0x69, 0, 0, 1];
const LOOPBACK: u32 = 1;
/// Two numbers that no interface gets by itself. The kernel takes one for the far end only next to one for the near end,
/// and hurries with a new carrier only when they differ (`linkwatch_urgent_event`): else it may take a second.
const NEAR_INDEX: u32 = 0x6d69;
const FAR_INDEX: u32 = 0x6d6a;
const PAUSE: Duration = Duration::from_millis(1);
/// The smallest networks with two hosts, so that as little of the pod's traffic as possible could go there.
const PREFIX_V4: u8 = 30;
const PREFIX_V6: u8 = 126;

/// The addresses of both ends, in one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// In the pod.
    pub near: IpAddr,
    /// Outside of it.
    pub far: IpAddr,
}

impl Ends {
    /// Their family.
    pub fn family(&self) -> Family {
        Family::of(self.near)
    }
}

/// Why there is no cable.
#[derive(Debug, thiserror::Error)]
pub enum CableError {
    /// A privilege is missing.
    #[error("a cable out of the pod needs {0}, which this process does not have")]
    Capability(String),
    /// The kernel refused.
    #[error("cannot {doing}: {source}")]
    Kernel {
        /// What was being done.
        doing: String,
        /// Why not.
        source: io::Error,
    },
    /// The interface is there already.
    #[error("the interface {0} is there already: another check runs in this pod")]
    Taken(String),
    /// It stays dead.
    #[error("the cable out of the pod did not come up in time")]
    Dead,
}

/// A cable from the network namespace of the thread that lays it.
pub struct Cable {
    near: Rtnetlink,
    far: Rtnetlink,
    far_end: FarEnd,
    /// Each family, and why it does not work if it does not.
    ends: Vec<(Ends, Result<(), String>)>,
}

impl Cable {
    /// Lays it: afterwards packets pass, in the families that the pod lets have addresses.
    ///
    /// # Errors
    /// When there is no cable. A family that fails alone is reported by [`Cable::carries`].
    pub fn lay(name: &str, ends: &[Ends], deadline: Instant) -> Result<Cable, CableError> {
        let missing: Vec<String> = [Capability::CAP_SYS_ADMIN, Capability::CAP_NET_ADMIN]
            .iter()
            .filter(|it| !caps::has_cap(None, CapSet::Effective, **it).unwrap_or(false))
            .map(ToString::to_string)
            .collect();
        if !missing.is_empty() {
            return Err(CableError::Capability(missing.join(" and ")));
        }
        let far_end = FarEnd::start().map_err(failed("make a network namespace"))?;
        let far = far_end.run(Rtnetlink::open).map_err(failed("open a routing socket"))?;
        let near = Rtnetlink::open().map_err(failed("open a routing socket"))?;
        plug_in(&near, &far_end, name, deadline)?;
        // From here on, dropping it takes the interface away.
        let mut cable = Cable { near, far, far_end, ends: Vec::new() };
        // A new end refuses to be up as long as it does not know of the other.
        for (rtnetlink, index) in [(&cable.far, LOOPBACK), (&cable.far, FAR_INDEX), (&cable.near, NEAR_INDEX)]
        {
            let up = LinkUnspec::new_with_index(index).up().build();
            rtnetlink
                .wait(rtnetlink.handle.link().set(up).execute())
                .map_err(failed("bring up the cable"))?;
        }
        for ends in ends {
            let result = cable.address(*ends).map_err(|error| error.to_string());
            cable.ends.push((*ends, result));
        }
        cable.wait_until_it_works(deadline)?;
        Ok(cable)
    }

    /// Does the cable work in this family?
    ///
    /// # Errors
    /// Why not.
    pub fn carries(&self, family: Family) -> Result<(), String> {
        match self.ends.iter().find(|(ends, _)| ends.family() == family) {
            Some((_, result)) => result.clone(),
            None => Err(format!("the cable out of the pod has no {family} address")),
        }
    }

    /// Leads an address over the cable, for sockets of ours alone: the pod's own packets to it lack what the route asks
    /// for, and go where they went.
    ///
    /// # Errors
    /// When the kernel takes no such route, or prefers another.
    pub fn lead(&self, to: IpAddr) -> io::Result<()> {
        let ends = self.ends.iter().find(|(ends, _)| ends.family() == Family::of(to));
        let Some((Ends { near, far }, _)) = ends else {
            return Err(io::Error::other("the cable has no address of this family"));
        };
        let mut key = host(to);
        match near {
            IpAddr::V4(_) => key.header.tos = TYPE_OF_SERVICE,
            IpAddr::V6(near) => {
                key.header.source_prefix_length = Ipv6Addr::BITS as u8;
                key.attributes.push(RouteAttribute::Source(RouteAddress::Inet6(*near)));
            }
        }
        let mut route = key.clone();
        let gateway = match far {
            IpAddr::V4(far) => RouteAddress::Inet(*far),
            IpAddr::V6(far) => RouteAddress::Inet6(*far),
        };
        route.attributes.extend([RouteAttribute::Gateway(gateway), RouteAttribute::Oif(NEAR_INDEX)]);
        self.near.wait(self.near.handle.route().add(route).execute())?;
        let ours = |route: &RouteMessage| {
            route.header.kind == RouteType::Unicast
                && route.attributes.contains(&RouteAttribute::Oif(NEAR_INDEX))
        };
        if self.taken(key)?.iter().any(ours) {
            Ok(())
        } else {
            Err(io::Error::other("other routes or policy rules of the pod come first"))
        }
    }

    /// Does something at the far end: sockets that it opens are there.
    ///
    /// # Errors
    /// When it fails.
    pub fn at_far_end<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        self.far_end.run(work)
    }

    fn address(&self, ends: Ends) -> io::Result<()> {
        for (rtnetlink, index, own, other, mac) in [
            (&self.near, NEAR_INDEX, ends.near, ends.far, FAR_MAC),
            (&self.far, FAR_INDEX, ends.far, ends.near, NEAR_MAC),
        ] {
            let (address, local) = (own_address(index, own), everything_is_local(own));
            let mut request = rtnetlink.handle.address().add(index, own, prefix(own));
            *request.message_mut() = address;
            rtnetlink.wait(request.execute())?;
            // Asking for a neighbour takes time, and a packet that is lost meanwhile takes a second more.
            let known = rtnetlink.handle.neighbours().add(index, other).link_layer_address(&mac);
            rtnetlink.wait(known.execute())?;
            if index == FAR_INDEX {
                rtnetlink.wait(rtnetlink.handle.route().add(local).execute())?;
            }
        }
        Ok(())
    }

    /// A cable without carrier swallows packets silently, and so does an IPv6 address that the kernel has taken but whose
    /// local route it leaves to a work queue.
    fn wait_until_it_works(&self, deadline: Instant) -> Result<(), CableError> {
        let up = |rtnetlink, index| {
            link(rtnetlink, index)
                .is_ok_and(|it| it.attributes.contains(&LinkAttribute::OperState(State::Up)))
        };
        let addressed = |(ends, result): &(Ends, Result<(), String>)| {
            let local = |route: &RouteMessage| route.header.kind == RouteType::Local;
            result.is_err() || self.taken(host(ends.near)).is_ok_and(|it| it.iter().any(local))
        };
        loop {
            if up(&self.near, NEAR_INDEX) && up(&self.far, FAR_INDEX) && self.ends.iter().all(addressed) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(CableError::Dead);
            }
            thread::sleep(PAUSE);
        }
    }

    /// The route that the pod takes for this key.
    fn taken(&self, key: RouteMessage) -> io::Result<Vec<RouteMessage>> {
        self.near.wait(self.near.handle.route().get(key).execute().try_collect())
    }
}

impl Drop for Cable {
    /// The namespace would take it along, but some time after the process has ended.
    fn drop(&mut self) {
        let _ = self.near.wait(self.near.handle.link().del(NEAR_INDEX).execute());
    }
}

/// Makes both ends.
fn plug_in(near: &Rtnetlink, far_end: &FarEnd, name: &str, deadline: Instant) -> Result<(), CableError> {
    let namespace = far_end.namespace().map_err(failed("open the network namespace of the far end"))?;
    let peer = LinkUnspec::new_with_index(FAR_INDEX)
        .name(name)
        .address(FAR_MAC.to_vec())
        .setns_by_fd(namespace.as_raw_fd())
        .build();
    let pair = LinkMessageBuilder::<LinkVeth>::new(name, name)
        .index(NEAR_INDEX)
        .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
        .address(NEAR_MAC.to_vec())
        .build();
    loop {
        match near.wait(near.handle.link().add(pair.clone()).execute()) {
            Ok(()) => return Ok(()),
            // The kernel may still be taking away what a run left that was killed.
            Err(error) if matches!(error.raw_os_error(), Some(nix::libc::EEXIST | nix::libc::EBUSY)) => {
                if Instant::now() >= deadline {
                    return Err(CableError::Taken(name.to_owned()));
                }
                thread::sleep(10 * PAUSE);
            }
            Err(error) => return Err(failed("lay a cable out of the pod")(error)),
        }
    }
}

fn link(rtnetlink: &Rtnetlink, index: u32) -> io::Result<LinkMessage> {
    let mut found = rtnetlink.handle.link().get().match_index(index).execute();
    rtnetlink.wait(async { found.try_next().await })?.ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// The route to one address.
fn host(to: IpAddr) -> RouteMessage {
    match to {
        IpAddr::V4(to) => {
            RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(to, Ipv4Addr::BITS as u8).build()
        }
        IpAddr::V6(to) => {
            RouteMessageBuilder::<Ipv6Addr>::new().destination_prefix(to, Ipv6Addr::BITS as u8).build()
        }
    }
}

fn prefix(address: IpAddr) -> u8 {
    if address.is_ipv4() { PREFIX_V4 } else { PREFIX_V6 }
}

/// Nobody else is on the cable: looking for duplicates would only keep the address from being used.
fn own_address(index: u32, own: IpAddr) -> AddressMessage {
    match own {
        IpAddr::V4(own) => {
            AddressMessageBuilder::<Ipv4Addr>::new().index(index).address(own, PREFIX_V4).build()
        }
        IpAddr::V6(own) => {
            let mut message =
                AddressMessageBuilder::<Ipv6Addr>::new().index(index).address(own, PREFIX_V6).build();
            message.header.flags |= AddressHeaderFlags::Nodad;
            message
        }
    }
}

/// `local default dev lo`. In the main table: in the local one it would come before the route back to the pod.
fn everything_is_local(family_of: IpAddr) -> RouteMessage {
    let mut message = match family_of {
        IpAddr::V4(_) => {
            let route = RouteMessageBuilder::<Ipv4Addr>::new().output_interface(LOOPBACK);
            route.scope(RouteScope::Host).build()
        }
        IpAddr::V6(_) => RouteMessageBuilder::<Ipv6Addr>::new().output_interface(LOOPBACK).build(),
    };
    message.header.kind = RouteType::Local;
    message
}

fn failed(doing: &str) -> impl FnOnce(io::Error) -> CableError {
    move |source| CableError::Kernel { doing: doing.to_owned(), source }
}
