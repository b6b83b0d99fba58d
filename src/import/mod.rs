//! The settings of other meshes, in the words of our own.
//!
//! Their flags or their file are read by the table of their settings ([`table::Item`]); what has an equal becomes typed
//! text of ours, which is parsed like everybody's, so that nothing is printed that `init` would refuse. What has no
//! equal, and what differs, becomes a [`Note`]: nothing is dropped silently. The tables are in docs/import.md as well,
//! and a test compares the two.

mod consul;
mod file;
mod kuma;
mod linkerd;
mod print;
pub mod table;

use serde::Serialize;

use crate::config::lists::{self, ListFiles};
use crate::config::owners::Accounts;
use crate::config::ports::Port;
use crate::config::problem::{Problem, Problems};
use crate::config::settings::{self, Setting};
use crate::config::typed::{Origin, Settings};
use crate::config::{Config, Options};
use table::{Given, Here, Item};

/// A mesh whose settings are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// linkerd2-proxy-init.
    Linkerd,
    /// kumactl install transparent-proxy.
    Kuma,
    /// consul connect redirect-traffic.
    Consul,
}

impl Peer {
    /// All of them.
    pub const ALL: [Peer; 3] = [Peer::Linkerd, Peer::Kuma, Peer::Consul];

    /// As the command line names it.
    pub fn name(self) -> &'static str {
        match self {
            Peer::Linkerd => "linkerd",
            Peer::Kuma => "kuma",
            Peer::Consul => "consul",
        }
    }

    /// Everything that can be set there.
    pub fn items(self) -> &'static [&'static Item] {
        match self {
            Peer::Linkerd => linkerd::ITEMS,
            Peer::Kuma => kuma::ITEMS,
            Peer::Consul => consul::ITEMS,
        }
    }

    /// The words that its command line may begin with.
    fn program(self) -> &'static [&'static str] {
        match self {
            Peer::Linkerd => &["linkerd2-proxy-init", "proxy-init"],
            Peer::Kuma => &["kumactl", "install", "transparent-proxy"],
            Peer::Consul => &["consul", "connect", "redirect-traffic"],
        }
    }
}

/// How far a note goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// It was asked for and cannot be had: traffic goes another way, or something is not done.
    NoEqual,
    /// The rules differ where hardly any traffic is, or something was assumed.
    Differs,
    /// It says how the other program works, and means nothing here.
    WithoutEffect,
}

/// Something about the import that a person has to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// How far it goes.
    pub grade: Grade,
    /// Their setting, with its value where that matters.
    pub item: String,
    /// What is the matter.
    pub why: String,
    /// What to do; empty when there is nothing to do.
    pub instead: String,
}

/// What came of the import.
#[derive(Clone, Debug)]
pub struct Imported {
    /// Which traffic is intercepted.
    pub config: Config,
    /// Our words behind the name of our program.
    pub arguments: Vec<String>,
    /// What has no equal, and what differs.
    pub notes: Vec<Note>,
}

impl Imported {
    /// Was something asked for that has no equal?
    pub fn is_incomplete(&self) -> bool {
        self.notes.iter().any(|note| note.grade == Grade::NoEqual)
    }
}

/// Their settings on the way to ours.
struct Draft {
    given: Given,
    /// Do the values of linkerd's chart stand behind what was given?
    is_chart: bool,
    settings: Settings,
    notes: Vec<Note>,
    problems: Problems,
}

/// Reads what another mesh's program was told: its flags, or a file that says the same.
///
/// # Errors
/// Everything that is wrong with it.
pub fn import(
    peer: Peer,
    words: &[String],
    files: &dyn ListFiles,
    accounts: &dyn Accounts,
) -> Result<Imported, Problems> {
    let mut draft = Draft {
        given: Given::new(peer.items()),
        is_chart: false,
        settings: Settings::default(),
        notes: Vec::new(),
        problems: Problems::default(),
    };
    let paths = draft.given.read_words(peer, without_program(peer, words), &mut draft.problems);
    let flags = std::mem::replace(&mut draft.given, Given::new(peer.items()));
    for path in &paths {
        match file::content(path, files) {
            Ok(text) => draft.read_file(peer, path, &text),
            Err(reason) => draft.problem(path, &reason),
        }
    }
    draft.given.overrule(flags);
    draft.plain_items();
    match peer {
        Peer::Linkerd => linkerd::complete(&mut draft),
        Peer::Kuma => kuma::complete(&mut draft),
        Peer::Consul => consul::complete(&mut draft, files),
    }
    draft.finish(accounts)
}

/// Their words, without the command that they may begin with.
fn without_program(peer: Peer, words: &[String]) -> &[String] {
    let is_program = |word: &&String| {
        let name = word.rsplit('/').next().unwrap_or_default();
        peer.program().contains(&name)
    };
    &words[words.iter().take_while(is_program).count()..]
}

/// Settings that say what a run does, which an import can make as well.
const OPTIONS: [&Setting; 6] = [
    &settings::BACKEND,
    &settings::NETWORK_NAMESPACE,
    &settings::RESOLV_CONF,
    &settings::LOG_OUTPUT_LEVEL,
    &settings::LOG_AS_JSON,
    &settings::RECONCILE,
];

impl Draft {
    fn problem(&mut self, item: &str, reason: &str) {
        self.problems.push(Problem { origin: None, item: item.to_owned(), reason: reason.to_owned() });
    }

    fn fault(&mut self, item: &Item, text: &str, reason: impl Into<String>) {
        self.problems.push(Problem::new(self.given.origin(item), text, reason));
    }

    fn note(&mut self, grade: Grade, item: impl Into<String>, why: &str, instead: &str) {
        self.notes.push(Note { grade, item: item.into(), why: why.to_owned(), instead: instead.to_owned() });
    }

    /// Makes one of our settings for one of theirs.
    fn set(&mut self, setting: &Setting, item: &Item, text: impl Into<String>) {
        self.settings.set(setting, self.given.origin(item), text.into());
    }

    /// Makes one of our settings for what the other program does always.
    fn always(&mut self, setting: &Setting, peer: Peer, text: &str) {
        self.settings.set(setting, Origin::Peer(peer.name()), text.to_owned());
    }

    /// A setting without which their program does not start.
    fn require(&mut self, item: &Item, reason: &str) {
        if matches!(self.given.text(item), "" | "0") {
            self.problem(item.flag, reason);
        }
    }

    /// The proxy's inbound port; connections to it are for the proxy itself, and no other port is.
    fn inbound_port(&mut self, item: &Item) {
        let text = self.given.text(item).to_owned();
        if text.parse::<Port>().is_ok() {
            self.set(&settings::INBOUND_TUNNEL_PORT, item, text.clone());
        }
        if !text.is_empty() {
            self.set(&settings::INBOUND_CAPTURE_PORT, item, text);
        }
    }

    /// Other meshes look at the user alone.
    fn note_group(&mut self) {
        let groups = self.settings.given(&settings::PROXY_GID);
        let groups =
            groups.map_or_else(|| self.settings.get(&settings::PROXY_UID).text, |it| it.text.clone());
        let why = format!("sockets of the group {groups} are left alone like those of the user");
        self.note(Grade::Differs, "group", &why, "");
    }

    /// Does what the table alone says.
    fn plain_items(&mut self) {
        for (item, typed) in self.given.all() {
            let is_default = typed.text.is_empty() || typed.text == item.default;
            match item.here {
                Here::Same(setting) => self.settings.set(setting, typed.origin, typed.text),
                Here::NoEqual(why, instead) if !is_default && !item.is_off(&typed.text) => {
                    let name = format!("{} {}", typed.origin, typed.text);
                    self.note(Grade::NoEqual, name, why, instead);
                }
                // Its value may be a secret.
                Here::Nothing(why) if !is_default => {
                    self.note(Grade::WithoutEffect, typed.origin.to_string(), why, "");
                }
                Here::Makes(_) | Here::File | Here::NoEqual(..) | Here::Nothing(_) => {}
            }
        }
    }

    fn finish(mut self, accounts: &dyn Accounts) -> Result<Imported, Problems> {
        let config = Config::parse(&self.settings, accounts).map_err(|found| self.problems.extend(found));
        let options = Options::parse(&self.settings).map_err(|found| self.problems.extend(found));
        let (Ok(config), Ok(options), true) = (config, options, self.problems.is_empty()) else {
            return Err(self.problems);
        };
        let verb = if options.dry_run { "plan" } else { "init" };
        let mut arguments = vec![verb.to_owned()];
        // No value of the configuration holds a space.
        arguments.extend(config.flags().split(' ').map(str::to_owned));
        for setting in OPTIONS {
            let text = self.settings.get(setting).text;
            if text != setting.default {
                arguments.push(format!("--{}={text}", setting.flag));
            }
        }
        self.notes.sort_by_key(|note| note.grade as u8);
        Ok(Imported { config, arguments, notes: self.notes })
    }
}

/// Items between commas, each made by `make`; what it refuses is left as it is, to be refused where it is parsed.
fn each(list: &str, make: impl Fn(&str) -> Option<String>) -> String {
    let items = lists::items(list).map(|item| make(item).unwrap_or_else(|| item.to_owned()));
    items.collect::<Vec<_>>().join(",")
}

/// An address alone stands for its range.
fn as_range(item: &str) -> Option<String> {
    let address = item.parse::<std::net::IpAddr>().ok()?;
    Some(format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 }))
}
