//! What comes from outside.

use std::net::SocketAddr;

use super::Planner;
use crate::config::InboundPorts;
use crate::config::settings::{INBOUND_EXCLUDED_PORTS, INBOUND_PORTS, INBOUND_TUNNEL_PORT};
use crate::kernel::sockets::Transport;
use crate::verify::live::meaning::{Call, Caller};

impl Planner<'_> {
    pub(super) fn inbound(&mut self) {
        let call = self.client_call(self.port);
        self.ask(Some(&INBOUND_PORTS), "a client", "", call);
        let (setting, listed) = match &self.config.inbound_ports {
            InboundPorts::None => return,
            InboundPorts::AllExcept(ports) => (&INBOUND_EXCLUDED_PORTS, ports),
            InboundPorts::Only(ports) => (&INBOUND_PORTS, ports),
        };
        for port in self.ends_of(setting, listed) {
            let call = self.client_call(port);
            self.ask(Some(setting), "a client", "", call);
        }
        let call = self.client_call(self.config.tunnel_port.get());
        self.ask(Some(&INBOUND_TUNNEL_PORT), "a client", "the tunnel port", call);
    }

    /// Somebody at the far end of the cable calls the pod.
    pub(super) fn client_call(&self, port: u16) -> Call {
        Call {
            caller: Caller::Outside,
            transport: Transport::Tcp,
            from: Some(self.ends.far),
            to: SocketAddr::new(self.ends.near, port),
            to_pod: true,
        }
    }
}
