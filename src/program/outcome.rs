//! How a packet fared: its fate, and every rule that was looked at.

use std::net::SocketAddr;

use serde::Serialize;

use super::{ChainName, Hook, Table};

/// What becomes of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// To the proxy's outbound port.
    OutboundProxy,
    /// To the proxy's inbound port.
    InboundProxy,
    /// To the agent's DNS server.
    Dns,
    /// Where it was going.
    Direct,
    /// Nowhere.
    Dropped,
    /// Nowhere, and its sender is told so.
    Rejected,
}

/// A rule that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The hook.
    pub hook: Hook,
    /// The table.
    pub table: Table,
    /// The chain.
    pub chain: ChainName,
    /// The rule.
    pub rule: String,
    /// Why the rule is there.
    pub reason: String,
    /// The condition that does not hold, in words; nothing when the rule matches.
    pub fails: Option<String>,
    /// What the rule does, in words.
    pub verdict: String,
}

/// How a packet fared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// What becomes of it.
    pub fate: Fate,
    /// The port that it was sent to instead.
    pub port: Option<u16>,
    /// Where it goes in the end.
    pub destination: SocketAddr,
    /// Its mark in the end; 0 for none.
    pub mark: u32,
    /// The mark of its connection in the end; 0 for none.
    pub connection_mark: u32,
    /// The conntrack zone; 0 is that of every packet for which none is chosen.
    pub zone: u16,
    /// The rule that decided; nothing when none did.
    pub rule: Option<String>,
    /// Every rule that was looked at.
    pub path: Vec<Step>,
    /// Was the walk given up? Then nothing of this is known: the chains call each other without end, or nearly so. Rules of
    /// ours never do.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub endless: bool,
}
