//! The command line: picks the command, and says how it ended.

mod cleanup;
mod explain;
mod import;
mod init;
mod logging;
mod plan;
mod run;
mod status;
mod trial;
mod verify;

use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::path::Path;

use crate::cni::plugin;
use crate::config::Format;
use crate::config::arguments::NAME;
use crate::config::problem::{Problem, Problems};
use crate::config::settings::OUTPUT;
use crate::config::typed::{Settings, Typed};
use crate::exit::Exit;
use crate::interception::Failure;
use crate::logs::tell;

pub use crate::config::arguments::{Outcome, command, parse, recorded};

/// istio's name for `init`: the name of the program, or the first argument behind its own or pilot-agent's name.
const ISTIO_NAME: &str = "istio-iptables";

/// The importer: behind `--` stand the words of another program.
const IMPORT: &str = "import";

/// The plugin: it takes no flags, a runtime calls it.
const CNI: &str = "cni";

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Init,
    Plan,
    Cleanup,
    Status,
    Verify,
    Explain,
}

/// Every command: its name, other names, and what it does.
const VERBS: [(Verb, &str, &[&str], &str); 6] = [
    (Verb::Init, "init", &[ISTIO_NAME], "Put the interception rules of a pod into the kernel"),
    (Verb::Plan, "plan", &[], "Print what init would do; change nothing"),
    (Verb::Cleanup, "cleanup", &[], "Remove the rules from every back end, and the routes that go with them"),
    (Verb::Status, "status", &[], "Print what is installed, and what each rule has counted"),
    (Verb::Verify, "verify", &[], "Check that the rules in the kernel do what was asked for"),
    (Verb::Explain, "explain", &[], "Tell which rule decides about a packet, and why"),
];

/// Runs what the arguments ask for.
pub fn run(arguments: Vec<OsString>) -> Exit {
    let mut arguments = match as_text(arguments) {
        Ok(arguments) => arguments,
        Err(problems) => return complain(&problems),
    };
    let called = arguments.first().map(|name| Path::new(name).file_name().unwrap_or_default().to_owned());
    if called.as_ref().is_some_and(|name| name == ISTIO_NAME) {
        return dispatch(Verb::Init, arguments);
    }
    let is_plugin = called.is_some_and(|name| plugin::NAMES.iter().any(|known| name == *known));
    let has_arguments = arguments.len() > 1;
    if is_plugin || (!has_arguments && plugin::is_called()) || arguments.get(1).is_some_and(|it| it == CNI) {
        return plugin::run();
    }
    let asked = arguments.get(1).map(String::as_str).unwrap_or_default();
    if asked == IMPORT {
        return import::run(&arguments[1..]);
    }
    let verb = VERBS.iter().find(|(_, name, aliases, _)| *name == asked || aliases.contains(&asked));
    match verb {
        Some((verb, ..)) => {
            arguments.remove(1);
            dispatch(*verb, arguments)
        }
        None => overview(&arguments),
    }
}

fn dispatch(verb: Verb, arguments: Vec<String>) -> Exit {
    let (_, name, _, about) = VERBS[verb as usize];
    match parse(name, about, arguments, &|name| std::env::var(name)) {
        Outcome::Asked(text) => show_all(&text),
        Outcome::Parsed(settings, mut problems) => {
            if !matches!(verb, Verb::Init | Verb::Plan) {
                refuse_rules(&settings, &mut problems);
            }
            match verb {
                Verb::Init => init::run(settings, problems),
                Verb::Plan => plan::run(settings, problems),
                Verb::Cleanup => cleanup::run(settings, problems),
                Verb::Status => status::run(settings, problems),
                Verb::Verify => verify::run(settings, problems),
                Verb::Explain => explain::run(settings, problems),
            }
        }
    }
}

/// Only a plan is printed as rules.
fn refuse_rules(settings: &Settings, problems: &mut Problems) {
    let is_rules = |typed: &&Typed| matches!(typed.text.parse(), Ok(Format::Nft | Format::Iptables));
    if let Some(typed) = settings.given(&OUTPUT).filter(is_rules) {
        let reason = "only plan prints rules: write text or json";
        problems.push(Problem::new(typed.origin, &typed.text, reason));
    }
}

/// The program with its commands, which `describe` tells more of than their names.
fn program(describe: fn(&'static str, &'static str) -> clap::Command) -> clap::Command {
    let program = clap::Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .about(env!("CARGO_PKG_DESCRIPTION"))
        .subcommand_required(true)
        .disable_help_subcommand(true);
    let verbs = VERBS.iter().map(|(_, name, aliases, about)| {
        describe(name, about).about(*about).visible_aliases(aliases.iter().copied())
    });
    let plugin = clap::Command::new(CNI).about("Answer a container runtime, as a CNI plugin");
    let importer = import::command(IMPORT);
    program.subcommands(verbs).subcommand(importer).subcommand(plugin)
}

/// Every command with all its flags: what manual pages and completions are made of.
pub fn reference() -> clap::Command {
    program(command)
}

/// Help, version, or what is wrong when no command was named.
fn overview(arguments: &[String]) -> Exit {
    match program(|name, _| clap::Command::new(name)).try_get_matches_from(arguments) {
        Err(error) if !error.use_stderr() => show_all(&error.to_string()),
        Err(error) => {
            warn(&error.to_string());
            Exit::BadInput
        }
        Ok(_) => Exit::Done,
    }
}

/// Arguments that are no text name nothing: every one of them is an error.
fn as_text(arguments: Vec<OsString>) -> Result<Vec<String>, Problems> {
    let mut problems = Problems::default();
    let mut texts = Vec::new();
    for argument in arguments {
        match argument.into_string() {
            Ok(text) => texts.push(text),
            Err(bytes) => problems.push(Problem {
                origin: None,
                item: bytes.to_string_lossy().into_owned(),
                reason: "an argument has to be UTF-8 text".to_owned(),
            }),
        }
    }
    if problems.is_empty() { Ok(texts) } else { Err(problems) }
}

/// Says what is wrong with the input.
fn complain(problems: &Problems) -> Exit {
    warn(&format!("{NAME}: {problems}\n"));
    Exit::BadInput
}

/// Writes what was asked for to standard output. Returns `false` if the reader went away, which is no reason to fail.
///
/// # Errors
/// [`Failure::Output`] if it cannot be written, to a full disk for example.
fn show(text: &str) -> Result<bool, Failure> {
    let mut output = std::io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::Output(error)),
    }
}

/// Writes what was asked for, where nothing else can fail.
fn show_all(text: &str) -> Exit {
    run::finish(show(text).map(drop))
}

fn warn(text: &str) {
    tell(text);
}
