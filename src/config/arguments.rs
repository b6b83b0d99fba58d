//! The flags, made from the table of settings.

use std::env::VarError;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Command};

use crate::config::problem::{Problem, Problems};
use crate::config::settings::{ALL, CONFIGURATION, Kind, Setting};
use crate::config::typed::{Origin, Settings};

/// The name of this program.
pub const NAME: &str = "mesh-intercept";

/// What came of the arguments.
#[derive(Debug)]
pub enum Outcome {
    /// Settings from flags and environment, and what is wrong with the arguments.
    Parsed(Settings, Problems),
    /// A text that was asked for: the help.
    Asked(String),
}

/// After so many errors the arguments are not read once more: every error takes another reading.
const MOST_ERRORS: usize = 50;

/// Arguments that belong to no flag.
const EXTRA: &str = "";

/// The command with all its flags and their help.
pub fn command(name: &'static str, about: &'static str) -> Command {
    flags_of(name).fold(
        bare_command(name).about(about).after_help(environment_help()).max_term_width(100),
        |command, setting| command.mut_arg(setting.flag, |flag| flag.help(help(setting))),
    )
}

/// The same without the texts, which only the help needs.
fn bare_command(name: &'static str) -> Command {
    let flags = flags_of(name).map(flag);
    Command::new(name)
        .bin_name(format!("{NAME} {name}"))
        .disable_version_flag(true)
        .args(flags)
        .arg(Arg::new(EXTRA).num_args(0..).action(ArgAction::Append).hide(true))
}

/// The flags that a command takes.
fn flags_of(name: &'static str) -> impl Iterator<Item = &'static Setting> {
    ALL.iter().copied().filter(move |setting| !setting.flag.is_empty() && setting.is_for(name))
}

fn flag(setting: &'static Setting) -> Arg {
    let flag = Arg::new(setting.flag)
        .long(setting.flag)
        .value_name(setting.placeholder)
        .action(ArgAction::Append)
        .hide_default_value(true);
    let flag = match setting.short {
        Some(letter) => flag.short(letter),
        None => flag,
    };
    let flag = match setting.alias {
        Some(alias) => flag.alias(alias),
        None => flag,
    };
    match setting.kind {
        // istio's parser takes whatever follows as the value; what it is worth is decided when it is read.
        Kind::Value | Kind::List => flag.num_args(1).allow_hyphen_values(true),
        Kind::Switch => flag.num_args(0..=1).require_equals(true).default_missing_value("true"),
    }
}

fn help(setting: &Setting) -> StyledStr {
    let mut help = setting.help.to_owned();
    if !setting.default.is_empty() && setting.kind != Kind::Switch {
        help.push_str(&format!(" [default: {}]", setting.default));
    }
    if !setting.variables.is_empty() {
        help.push_str(&format!(" [env: {}]", setting.variables.join(", ")));
    }
    help.into()
}

fn environment_help() -> String {
    let mut text = "Only in the environment:\n".to_owned();
    for setting in ALL.iter().filter(|setting| setting.flag.is_empty()) {
        text.push_str(&format!(
            "  {}\n          {} [default: {}]\n",
            setting.key(),
            setting.help,
            setting.default
        ));
    }
    text.push_str("\nA list may be @FILE, or @- for standard input: items between commas or line breaks, # begins a comment.\n");
    text.push_str("Exit codes: 0 done; 1 bad input; 2 the environment lacks something; 3 apply failed, kernel as before; 4 conflict; 126 validation failed.");
    text
}

/// Reads the arguments. Everything wrong with them is collected: clap stops at the first unknown flag, so that one is
/// taken out and the rest is read again.
///
/// `environment` says what a variable holds: a function, so that only the program itself looks into its own.
pub fn parse(
    name: &'static str,
    about: &'static str,
    mut arguments: Vec<String>,
    environment: &dyn Fn(&str) -> Result<String, VarError>,
) -> Outcome {
    let mut problems = Problems::default();
    loop {
        let error = match bare_command(name).try_get_matches_from(&arguments) {
            Ok(matches) => {
                for extra in matches.get_many::<String>(EXTRA).into_iter().flatten() {
                    problems.push(problem(extra, "unexpected: every value follows a flag".to_owned()));
                }
                // A flag that is repeated: the last one counts.
                let flag = |setting: &Setting| {
                    let named = !setting.flag.is_empty() && setting.is_for(name);
                    named.then(|| matches.get_many::<String>(setting.flag)?.next_back().cloned()).flatten()
                };
                let settings =
                    Settings::gather(flag, |name| variable(name, environment(name), &mut problems));
                return Outcome::Parsed(settings, problems);
            }
            Err(error) => error,
        };
        if problems.iter().count() == MOST_ERRORS {
            let reason = format!("and perhaps more: reading ends after {MOST_ERRORS} errors");
            problems.push(problem("", reason));
            return Outcome::Parsed(Settings::default(), problems);
        }
        if !error.use_stderr() {
            return Outcome::Asked(command(name, about).render_help().to_string());
        }
        let text = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => Some(text.clone()),
            _ => None,
        };
        let wrong = text(ContextKind::InvalidArg).unwrap_or_default();
        let find = |is: &dyn Fn(&String) -> bool| arguments.iter().skip(1).position(is);
        let place = find(&|argument| argument == &wrong || argument.starts_with(&format!("{wrong}=")))
            .or_else(|| find(&|argument| names_short_flag(argument, &wrong)));
        match (error.kind(), place) {
            (ErrorKind::UnknownArgument, Some(place)) => {
                let hint = text(ContextKind::SuggestedArg)
                    .map(|it| format!(": did you mean {it}?"))
                    .unwrap_or_default();
                problems.push(problem(&arguments[place + 1], format!("unknown flag{hint}")));
                arguments.remove(place + 1);
            }
            _ => {
                let message = error.to_string();
                let first =
                    message.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
                problems.push(problem(&wrong, first));
                // A value is missing: only the last argument can lack one. The rest is read without it.
                if arguments.len() < 2 {
                    return Outcome::Parsed(Settings::default(), problems);
                }
                arguments.pop();
            }
        }
    }
}

/// Settings out of flags and variables, as [`crate::config::Config::flags`] writes them; nothing when they are none.
pub fn recorded(configuration: &str) -> Option<Settings> {
    let words: Vec<String> = configuration.split_whitespace().map(str::to_owned).collect();
    let is_variable = |word: &String| !word.starts_with('-') && word.contains('=');
    let variables: Vec<String> = words.iter().take_while(|word| is_variable(word)).cloned().collect();
    let arguments = [&["recorded".to_owned()], &words[variables.len()..]].concat();
    // What is not recorded had its default then, whatever the environment says now.
    let Outcome::Parsed(mut settings, problems) =
        parse("recorded", "", arguments, &|_| Err(VarError::NotPresent))
    else {
        return None;
    };
    for variable in &variables {
        let (name, text) = variable.split_once('=')?;
        let setting = CONFIGURATION.iter().find(|setting| setting.key() == name)?;
        settings.set(setting, Origin::Default(setting.key()), text.to_owned());
    }
    problems.is_empty().then_some(settings)
}

/// A variable of the environment. One that is no text must not pass for one that is not set.
fn variable(name: &'static str, held: Result<String, VarError>, problems: &mut Problems) -> Option<String> {
    match held {
        Ok(text) => Some(text),
        Err(VarError::NotPresent) => None,
        Err(VarError::NotUnicode(bytes)) => {
            let reason = "the value has to be UTF-8 text";
            problems.push(Problem::new(Origin::Variable(name), &bytes.to_string_lossy(), reason));
            None
        }
    }
}

/// Is it a cluster of one-letter flags that has this one?
fn names_short_flag(argument: &str, wrong: &str) -> bool {
    let letter = wrong.strip_prefix('-').filter(|rest| rest.chars().count() == 1);
    let cluster = argument.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
    matches!((cluster, letter), (Some(cluster), Some(letter)) if cluster.contains(letter))
}

fn problem(item: &str, reason: String) -> Problem {
    Problem { origin: None, item: item.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing(_: &str) -> Result<String, VarError> {
        Err(VarError::NotPresent)
    }

    #[test]
    fn arguments_that_are_all_wrong_are_not_read_once_for_each() {
        let wrong = std::iter::repeat_n("-Q".to_owned(), 100_000);
        let arguments = std::iter::once("init".to_owned()).chain(wrong).collect();
        let Outcome::Parsed(_, problems) = parse("init", "", arguments, &nothing) else { panic!() };
        assert_eq!(problems.iter().count(), MOST_ERRORS + 1);
    }
}
