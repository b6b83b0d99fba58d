//! `explain`: which rule decides about a packet, and why.

use std::fmt::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde_json::json;

use super::run::{enter_namespace, finish, prepare};
use super::{complain, show};
use crate::backend::iptables;
use crate::backend::lifted::Lifted;
use crate::config::ports::Port;
use crate::config::problem::Problems;
use crate::config::settings::{self, Setting};
use crate::config::typed::Settings;
use crate::config::{BackendChoice, BackendKind, Format, Question};
use crate::exit::Exit;
use crate::interception::{Failure, Interception};
use crate::kernel::files::Files;
use crate::kernel::{Kernel, System};
use crate::program::{Entry, Fate, Outcome, Owner, Packet, Program, Protocol, Surroundings, cause, simulate};

/// Where a packet from outside comes from when nobody says: addresses for documentation (RFC 5737, RFC 3849).
const OUTSIDE: (Ipv4Addr, Ipv6Addr) =
    (Ipv4Addr::new(192, 0, 2, 1), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));
/// The first of the ports that Linux takes for connections by itself (net.ipv4.ip_local_port_range).
const EPHEMERAL: u16 = 32768;

/// Runs the command.
pub(super) fn run(settings: Settings, mut problems: Problems) -> Exit {
    let question = Question::parse(&settings, &Files).map_err(|found| problems.extend(found));
    match (prepare(settings, problems), question) {
        (Ok(mut run), Ok(question)) => finish(explain(&mut run, &question)),
        (Err(exit), _) => exit,
        (Ok(_), Err(())) => complain(&Problems::default()),
    }
}

fn explain(run: &mut Interception, question: &Question) -> Result<(), Failure> {
    enter_namespace(run)?;
    let kernel = &mut System::default();
    let addresses = match &run.options.local_addresses[..] {
        [] => kernel.addresses()?,
        given => given.to_vec(),
    };
    let (program, foreign) = program(run, kernel)?;
    // Whether the proxy is up is another question.
    let surroundings = Surroundings { addresses, transparent_listener: true };
    let packet = packet(question, &surroundings);
    let answer = Answer { outcome: simulate(&program, &packet, &surroundings), packet, foreign, program };
    show(&match run.options.format {
        Format::Json => answer.json(),
        _ => answer.text(),
    })?;
    Ok(())
}

/// The rules that were asked for, or those that are there; and what of these is no rule of ours.
fn program(run: &mut Interception, kernel: &mut System) -> Result<(Program, Vec<String>), Failure> {
    if !run.options.live {
        return Ok((run.target(kernel)?.0.program(backend_of(run)).clone(), Vec::new()));
    }
    let found = run.find(kernel)?;
    let mut lifted = Lifted::default();
    for state in &found.states {
        lifted = lifted.and(state.lift());
        lifted.foreign.extend(state.foreign_before_ours());
    }
    // iptables keeps no ids; the flags know them.
    if let Some(wanted) =
        found.expected.and_then(|target| iptables::wanted(target.program(BackendKind::IptablesNft)).ok())
    {
        iptables::name(&mut lifted.program, &wanted);
    }
    Ok((lifted.program, lifted.foreign))
}

/// The back end that is asked for; that of `auto` where nothing is installed.
fn backend_of(run: &Interception) -> BackendKind {
    match run.options.backend {
        BackendChoice::Auto => BackendKind::Nftables,
        BackendChoice::Fixed(backend) => backend,
    }
}

fn packet(question: &Question, surroundings: &Surroundings) -> Packet {
    let to = question.to;
    let same_family = |address: &&IpAddr| address.is_ipv4() == to.is_ipv4() && !address.is_loopback();
    let own = || surroundings.addresses.iter().find(same_family).copied();
    let outside = || if to.is_ipv4() { OUTSIDE.0.into() } else { OUTSIDE.1.into() };
    let source = match (&question.incoming, surroundings.is_local(to.ip())) {
        (Some(_), _) => outside(),
        // The kernel takes the destination itself for the source of what stays in the pod.
        (None, true) if to.ip().is_loopback() && to.is_ipv4() => Ipv4Addr::LOCALHOST.into(),
        (None, true) => to.ip(),
        (None, false) => own().unwrap_or_else(outside),
    };
    let from = question.from.unwrap_or(SocketAddr::new(source, 0));
    let port = if from.port() == 0 { EPHEMERAL } else { from.port() };
    let entry = match &question.incoming {
        Some(interface) => Entry::Received { interface: interface.to_string() },
        None => Entry::Sent {
            owner: Some(Owner { uid: question.uid, gid: question.gid }),
            interface: question.outgoing.to_string(),
        },
    };
    let protocol = if question.is_udp { Protocol::Udp } else { Protocol::Tcp };
    Packet::first(entry, protocol, SocketAddr::new(from.ip(), port), to)
}

struct Answer {
    outcome: Outcome,
    packet: Packet,
    foreign: Vec<String>,
    program: Program,
}

impl Answer {
    /// The setting that is the reason; without a deciding rule, the one that would have made a rule.
    fn setting(&self) -> Option<&'static Setting> {
        if let Some(rule) = &self.outcome.rule {
            return cause(rule);
        }
        let intercepted = self.program.families().contains(self.packet.family());
        match (&self.packet.entry, self.outcome.fate, self.packet.protocol) {
            (_, Fate::Dropped | Fate::Rejected, _) => None,
            _ if self.nothing_is_installed() => None,
            _ if !intercepted => Some(&settings::DUAL_STACK),
            (Entry::Sent { .. }, _, Protocol::Tcp) => Some(&settings::OUTBOUND_RANGES),
            (Entry::Sent { .. }, _, Protocol::Udp) => self.setting_of_udp(),
            (Entry::Received { .. }, _, Protocol::Tcp) => Some(&settings::INBOUND_PORTS),
            _ => None,
        }
    }

    /// Of UDP, only DNS goes to the proxy, and only QUIC can be refused.
    fn setting_of_udp(&self) -> Option<&'static Setting> {
        const HTTPS: u16 = Port::HTTPS.get();
        const DNS: u16 = Port::DNS.get();
        let has = |setting: &Setting| {
            let mut causes = self.program.rules().filter_map(|(_, rule)| cause(&rule.id));
            causes.any(|it| it.flag == setting.flag)
        };
        match self.packet.destination.port() {
            HTTPS if has(&settings::QUIC) => Some(&settings::OUTBOUND_RANGES),
            HTTPS => Some(&settings::QUIC),
            DNS if has(&settings::REDIRECT_DNS) => Some(&settings::CAPTURE_ALL_DNS),
            DNS => Some(&settings::REDIRECT_DNS),
            _ => None,
        }
    }

    /// Rules that are there were asked for, and there are none.
    fn nothing_is_installed(&self) -> bool {
        self.program.rules().next().is_none()
    }

    fn flag(&self) -> Option<String> {
        let setting = self.setting()?;
        Some(if setting.flag.is_empty() { setting.key().to_owned() } else { format!("--{}", setting.flag) })
    }

    fn json(&self) -> String {
        let mut answer = json!(self.outcome);
        if let Some(fields) = answer.as_object_mut() {
            fields.insert("flag".to_owned(), json!(self.flag()));
            fields.insert("foreign".to_owned(), json!(self.foreign));
        }
        format!("{answer:#}\n")
    }

    fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, out: &mut String) -> fmt::Result {
        let packet = &self.packet;
        let who = match &packet.entry {
            Entry::Sent { owner: Some(owner), .. } => format!("by user {}, group {}", owner.uid, owner.gid),
            Entry::Sent { owner: None, .. } => "by the kernel".to_owned(),
            Entry::Received { interface } => format!("in by {interface}"),
        };
        writeln!(out, "{} from {} to {}, {who}\n", packet.protocol, packet.source, packet.destination)?;
        for step in &self.outcome.path {
            let place = format!("{} {}", step.table.name(), step.chain);
            match &step.fails {
                None if step.reason.is_empty() => writeln!(out, "  {place:<24} yes  {}", step.rule)?,
                None => {
                    writeln!(out, "  {place:<24} yes  {}: {} -> {}", step.rule, step.reason, step.verdict)?
                }
                Some(fails) => writeln!(out, "  {place:<24} no   {}: it is not \"{fails}\"", step.rule)?,
            }
        }
        for rule in &self.foreign {
            writeln!(out, "  a rule of others is not looked at: {rule}")?;
        }
        if self.outcome.endless {
            return writeln!(out, "\nNobody can say: the chains call each other without end");
        }
        let port = self.outcome.port.unwrap_or_default();
        let fate = match self.outcome.fate {
            Fate::OutboundProxy => format!("goes to the proxy's outbound port {port}"),
            Fate::InboundProxy => format!("goes to the proxy's inbound port {port}"),
            Fate::Dns => format!("goes to the DNS agent at port {port}"),
            Fate::Direct => "goes where it was sent, past the proxy".to_owned(),
            Fate::Dropped => "is dropped".to_owned(),
            Fate::Rejected => "is refused at once".to_owned(),
        };
        write!(out, "\nIt {fate}")?;
        match (&self.outcome.rule, self.flag()) {
            (Some(rule), Some(flag)) => writeln!(out, ": {flag} (rule {rule})"),
            (Some(rule), None) => writeln!(out, ": rule {rule}"),
            (None, Some(flag)) => writeln!(out, ": no rule is about it (see {flag})"),
            (None, None) if self.nothing_is_installed() => writeln!(out, ": no rules are installed here"),
            (None, None) => writeln!(out, ": no rule is about it"),
        }
    }
}
