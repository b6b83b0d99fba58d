//! What each rule has counted, and what that means for the traffic: redirected, or past the proxy.

use std::collections::HashMap;

use serde::Serialize;

use super::iptables::{self, FamilyState, Line, TableState};
use super::listing::Count;
use super::nftables::{self, HeldRule};
use super::state::Rules;
use crate::config::families::Family;

/// What becomes of the packets that a rule counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// To the proxy's outbound port.
    RedirectedOut,
    /// To the proxy's inbound port.
    RedirectedIn,
    /// To the agent's DNS server.
    Dns,
    /// Past the proxy.
    Bypassed,
    /// Nowhere.
    Dropped,
    /// Nowhere, and the sender is told so.
    Rejected,
    /// On to other rules.
    OnTheWay,
}

impl Fate {
    /// Every fate, in the order in which they are shown.
    pub const ALL: [Fate; 7] = [
        Fate::RedirectedOut,
        Fate::RedirectedIn,
        Fate::Dns,
        Fate::Bypassed,
        Fate::Dropped,
        Fate::Rejected,
        Fate::OnTheWay,
    ];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Fate::RedirectedOut => "redirected out",
            Fate::RedirectedIn => "redirected in",
            Fate::Dns => "DNS",
            Fate::Bypassed => "bypassed",
            Fate::Dropped => "dropped",
            Fate::Rejected => "rejected",
            Fate::OnTheWay => "on the way",
        }
    }
}

/// A rule of the program with what it has counted, over both families and all of its forms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counted {
    /// The rule's id; where iptables' rules are not known by the flags, the rule itself.
    pub id: String,
    /// Why it is there.
    pub reason: String,
    /// The table.
    pub table: String,
    /// What becomes of the packets.
    pub fate: Fate,
    /// How many there were. Rules in nat see the first packet of each connection only.
    pub count: Count,
}

/// Adds up what the rules have counted. `wanted` tells the ids of rules in iptables.
pub fn counted(rules: &Rules, wanted: Option<&[(Family, FamilyState); 2]>) -> Vec<Counted> {
    let mut all: Vec<Counted> = Vec::new();
    let mut places: HashMap<(String, Fate), usize> = HashMap::new();
    let mut add = |one: Counted| match places.get(&(one.id.clone(), one.fate)) {
        Some(place) => {
            all[*place].count.packets += one.count.packets;
            all[*place].count.bytes += one.count.bytes;
        }
        None => {
            places.insert((one.id.clone(), one.fate), all.len());
            all.push(one);
        }
    };
    match rules {
        Rules::Nftables(held) => {
            for chain in held.tables.iter().flat_map(|table| &table.chains) {
                chain.rules.iter().filter_map(|rule| of_nftables(&chain.name, rule)).for_each(&mut add);
            }
        }
        Rules::Iptables(held) => of_iptables(held, wanted).into_iter().for_each(&mut add),
    }
    all
}

fn of_nftables(chain: &str, held: &HeldRule) -> Option<Counted> {
    let (count, rule) = (held.count?, held.rule.as_ref().ok()?);
    let (id, reason) = rule.comment.split_once(": ").unwrap_or((&rule.comment, ""));
    let (table, chain) = chain.split_once('-').unwrap_or(("", chain));
    let fate = match nftables::ends(rule) {
        nftables::End::Redirects => of_redirect(chain),
        nftables::End::Passes if id != "divert-accept" && table != "raw" => Fate::Bypassed,
        nftables::End::Drops => Fate::Dropped,
        nftables::End::Rejects => Fate::Rejected,
        _ => Fate::OnTheWay,
    };
    let text = |text: &str| text.to_owned();
    Some(Counted { id: text(id), reason: text(reason), table: text(table), fate, count })
}

/// By the chain that redirects; names are nftables' own spelling or istio's.
fn of_redirect(chain: &str) -> Fate {
    match chain.to_ascii_lowercase().replace('_', "-").as_str() {
        "istio-redirect" => Fate::RedirectedOut,
        "istio-output-dns" => Fate::Dns,
        _ => Fate::RedirectedIn,
    }
}

fn of_iptables(held: &iptables::Held, wanted: Option<&[(Family, FamilyState); 2]>) -> Vec<Counted> {
    let comments: HashMap<Place<'_>, &str> = wanted.into_iter().flatten().flat_map(lines).collect();
    let mut all = Vec::new();
    for of_family in &held.families {
        let found = of_family.1.tables.iter().flat_map(|table| lines_of(of_family.0, table));
        for (place, line) in found {
            let comment = comments.get(&place).and_then(|comment| comment.split_once(": "));
            let (_, table, chain, specification) = place;
            let unknown = format!("{chain} {specification}");
            let (id, reason) = comment.unwrap_or((&unknown, ""));
            all.push(Counted {
                id: id.to_owned(),
                reason: reason.to_owned(),
                table: table.to_owned(),
                fate: of_target(table, chain, line),
                count: line.count.unwrap_or_default(),
            });
        }
    }
    all
}

/// Where a line stands, and what it says.
type Place<'a> = (Family, &'a str, &'a str, &'a str);

/// Every line of a family with its comment.
fn lines<'a>((family, state): &'a (Family, FamilyState)) -> impl Iterator<Item = (Place<'a>, &'a str)> {
    let all = state.tables.iter().flat_map(|table| lines_of(*family, table));
    all.map(|(place, line)| (place, line.comment.as_str()))
}

fn lines_of(family: Family, table: &TableState) -> impl Iterator<Item = (Place<'_>, &Line)> {
    let own = table.chains.iter().flat_map(|own| own.lines.iter().map(|line| (own.name.as_str(), line)));
    let hooks = table.hooks.iter().map(|hook| (hook.chain.as_str(), &hook.line));
    own.chain(hooks)
        .map(move |(chain, line)| ((family, table.table.as_str(), chain, line.specification.as_str()), line))
}

fn of_target(table: &str, chain: &str, line: &Line) -> Fate {
    let target = line.specification.split("-j ").last().unwrap_or_default();
    match target.split(' ').next().unwrap_or_default() {
        "REDIRECT" | "TPROXY" => of_redirect(chain),
        "RETURN" if table != "raw" => Fate::Bypassed,
        "DROP" => Fate::Dropped,
        "REJECT" => Fate::Rejected,
        _ => Fate::OnTheWay,
    }
}
