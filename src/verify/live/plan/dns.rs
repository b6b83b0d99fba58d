//! DNS.

use std::net::IpAddr;

use super::Planner;
use crate::config::Dns;
use crate::config::families::Family;
use crate::config::ports::Port;
use crate::config::settings::{CAPTURE_ALL_DNS, REDIRECT_DNS};
use crate::kernel::sockets::Transport;
use crate::verify::live::meaning;

impl Planner<'_> {
    /// Where queries go; and that the agent's own queries do not come back to it.
    pub(super) fn dns(&mut self) {
        let both = [Transport::Udp, Transport::Tcp];
        let (application, far, port) = (self.application, self.ends.far, Port::DNS.get());
        let (setting, servers, others) = match meaning::dns(self.config, self.pod) {
            Dns::Off => return,
            Dns::All => (&CAPTURE_ALL_DNS, vec![far], None),
            Dns::Resolvers => {
                let all: Vec<IpAddr> =
                    self.pod.resolvers.iter().copied().filter(|it| Family::of(*it) == self.family).collect();
                (&REDIRECT_DNS, self.first_of(&REDIRECT_DNS, "name servers", &all), Some(far))
            }
        };
        for to in servers.iter().copied().chain(others) {
            let link_local = matches!(to, IpAddr::V6(to) if to.is_unicast_link_local());
            if link_local {
                let why = "a link-local address cannot be led over the cable".to_owned();
                self.skip(setting, &format!("DNS of the application to {to}"), why);
                continue;
            }
            for transport in both {
                // Who else is called over TCP is a matter of the included ranges.
                if transport == Transport::Udp || Some(to) != others {
                    let call = self.call(application, transport, to, port);
                    self.ask(Some(setting), "the application", "", call);
                }
            }
        }
        let server = servers.iter().copied().find(|to| !self.call(application, both[0], *to, port).to_pod);
        if let Some(to) = server.filter(|to| !matches!(to, IpAddr::V6(to) if to.is_unicast_link_local())) {
            self.proxies_are_left_alone(&both, to, port);
        }
    }
}
