//! The packet that `explain` is asked about.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::interfaces::InterfaceName;
use super::owners::{Accounts, Gid, Uid};
use super::problem::Problems;
use super::reader::Reader;
use super::settings;
use super::typed::Settings;

/// The packet that is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Where it goes.
    pub to: SocketAddr,
    /// UDP instead of TCP?
    pub is_udp: bool,
    /// Who sends it, when a process of the pod does.
    pub uid: Uid,
    /// The sender's group.
    pub gid: Gid,
    /// Whence, if that was said; the port is 0 if it was not.
    pub from: Option<SocketAddr>,
    /// The interface by which it comes in; nothing for a packet of the pod's own.
    pub incoming: Option<InterfaceName>,
    /// The interface by which it would leave.
    pub outgoing: InterfaceName,
}

impl Question {
    /// Reads the question out of what was typed.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(settings: &Settings, accounts: &dyn Accounts) -> Result<Question, Problems> {
        let reader = &mut Reader::new(settings);
        let uid = reader.parsed(&settings::FROM_UID, |text| Uid::parse(text, accounts));
        let gid = reader.parsed(&settings::FROM_GID, |text| match text {
            "" => Ok(Gid(uid.0)),
            text => Gid::parse(text, accounts),
        });
        let question = Question {
            to: to(reader),
            is_udp: reader.parsed(&settings::PROTO, |text| match text {
                "tcp" => Ok(false),
                "udp" => Ok(true),
                _ => Err("write tcp or udp".to_owned()),
            }),
            uid,
            gid,
            from: reader.parsed(&settings::FROM, from),
            incoming: reader.parsed(&settings::IN, |text| match text {
                "" => Ok(None),
                text => interface(text).map(Some),
            }),
            outgoing: reader.parsed(&settings::OUT, interface),
        };
        let is_known = !question.to.ip().is_unspecified();
        if let Some(from) = question.from.filter(|from| is_known && from.is_ipv4() != question.to.is_ipv4()) {
            let typed = reader.typed(&settings::FROM);
            reader.fault(&typed, &from.ip().to_string(), "not of the family of --to");
        }
        if let (true, Some(out)) = (question.incoming.is_some(), settings.given(&settings::OUT)) {
            reader.fault(out, &out.text, "a packet comes in by --in, or leaves by --out: say one of them");
        }
        let reader = std::mem::replace(reader, Reader::new(settings));
        reader.finish(question)
    }
}

fn to(reader: &mut Reader<'_>) -> SocketAddr {
    let to = reader.parsed(&settings::TO, |text| match text {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| "write an address and a port: 10.0.0.1:80 or [fd00::1]:80".to_owned()),
    });
    let typed = reader.typed(&settings::TO);
    if typed.text.is_empty() {
        reader.fault(&typed, "", "say where the packet goes, such as --to 10.0.0.1:80");
    }
    to.unwrap_or(SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 0))
}

/// An address, with or without a port.
fn from(text: &str) -> Result<Option<SocketAddr>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let alone = text.parse::<IpAddr>().map(|address| SocketAddr::new(address, 0));
    alone
        .or_else(|_| text.parse())
        .map(Some)
        .map_err(|_| "write an address, with a port or without".to_owned())
}

fn interface(text: &str) -> Result<InterfaceName, String> {
    let name: InterfaceName = text.parse()?;
    if name.is_prefix() { Err("one interface is taken here, not a pattern".to_owned()) } else { Ok(name) }
}
