//! `import`: the settings of another mesh, in the words of our own. Changes nothing, needs no privileges.

use clap::{Arg, ArgAction, Command};

use super::{IMPORT, complain, show_all, warn};
use crate::config::arguments::NAME;
use crate::exit::Exit;
use crate::import::{Peer, import};
use crate::kernel::files::Files;

const ABOUT: &str = "Print the flags of init that are equal to another mesh's settings";
const AFTER: &str = "\
THEIRS are the flags of linkerd2-proxy-init, kumactl install transparent-proxy or consul connect redirect-traffic, or
a file: kuma's configuration, Consul's as JSON, or the manifest of a pod; - is standard input.
The first line that is printed is the command; comments behind it say what has no equal, and what differs.
Exit codes: 0 everything has an equal; 1 bad input; 4 something that is asked for has no equal.";

/// The command with its arguments and their help.
pub(super) fn command(name: &'static str) -> Command {
    let names = Peer::ALL.map(Peer::name);
    Command::new(name)
        .bin_name(format!("{NAME} {name}"))
        .about(ABOUT)
        .after_help(AFTER)
        .max_term_width(100)
        .arg(Arg::new("MESH").required(true).value_parser(names).help("Whose settings they are"))
        .arg(
            Arg::new("output")
                .long("output")
                .value_name("text|json")
                .value_parser(["text", "json"])
                .default_value("text")
                .hide_possible_values(true)
                .help("How the result is printed"),
        )
        .arg(
            Arg::new("THEIRS")
                .num_args(0..)
                .last(true)
                .action(ArgAction::Append)
                .help("Their flags, or a file"),
        )
}

/// Runs the command.
pub(super) fn run(arguments: &[String]) -> Exit {
    let matches = match command(IMPORT).try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) if error.use_stderr() => {
            warn(&error.to_string());
            return Exit::BadInput;
        }
        Err(help) => {
            return show_all(&help.to_string());
        }
    };
    let text = |name| matches.get_one::<String>(name).map(String::as_str).unwrap_or_default();
    let Some(peer) = Peer::ALL.into_iter().find(|peer| peer.name() == text("MESH")) else {
        return Exit::BadInput;
    };
    let words: Vec<String> = matches.get_many("THEIRS").into_iter().flatten().cloned().collect();
    match import(peer, &words, &Files, &Files) {
        Ok(imported) => {
            let shown = show_all(&if text("output") == "json" { imported.json() } else { imported.text() });
            if imported.is_incomplete() { Exit::Conflict } else { shown }
        }
        Err(problems) => complain(&problems),
    }
}
