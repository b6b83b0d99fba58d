//! Reads flags and variables by the table, and remembers everything that is wrong.

use std::collections::BTreeMap;
use std::ffi::OsString;

use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::flags::{ALL, Flag, Kind};
use crate::config::problem::{Problem, Problems};
use crate::config::typed::{Origin, Typed};
use crate::config::values;

/// The name of the program.
const NAME: &str = "mesh-intercept-agent";
/// Arguments that belong to no flag.
const EXTRA: &str = "";
/// After so many errors the arguments are not read once more: every error takes another reading.
const MOST_ERRORS: usize = 50;

/// What came of the arguments.
pub(super) enum Read {
    /// Values to be read one by one.
    Settings(Reader),
    /// A text that was asked for.
    Asked(String),
}

/// Gives the values of flags, and remembers what is wrong with them.
#[derive(Default)]
pub(super) struct Reader {
    typed: BTreeMap<&'static str, Typed>,
    problems: Problems,
}

impl Reader {
    /// Reads the arguments, and for flags that are not among them the environment.
    pub(super) fn read(
        arguments: Vec<OsString>,
        variable: &dyn Fn(&str) -> Option<Result<String, OsString>>,
    ) -> Read {
        let mut reader = Reader::default();
        let mut arguments = reader.texts(arguments);
        loop {
            match command().try_get_matches_from(&arguments) {
                Ok(matches) => {
                    reader.take(&matches, variable);
                    return Read::Settings(reader);
                }
                Err(error) if !error.use_stderr() => return Read::Asked(text(error.kind())),
                Err(error) => {
                    if !reader.leave_out(&error, &mut arguments) {
                        return Read::Settings(reader);
                    }
                }
            }
        }
    }

    /// Arguments that are no text name nothing: every one of them is an error.
    fn texts(&mut self, arguments: Vec<OsString>) -> Vec<String> {
        let mut texts = Vec::new();
        for argument in arguments {
            match argument.into_string() {
                Ok(text) => texts.push(text),
                Err(bytes) => {
                    self.complain(&bytes.to_string_lossy(), "an argument has to be UTF-8 text".into())
                }
            }
        }
        texts
    }

    /// Takes out what clap has stopped at, so that the rest can be read. Says whether that makes sense.
    fn leave_out(&mut self, error: &clap::Error, arguments: &mut Vec<String>) -> bool {
        let context = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => Some(text.clone()),
            _ => None,
        };
        let wrong = context(ContextKind::InvalidArg).unwrap_or_default();
        let names = |argument: &String| *argument == wrong || argument.starts_with(&format!("{wrong}="));
        let place = arguments.iter().skip(1).position(names).map(|place| place + 1);
        match (error.kind(), place) {
            (ErrorKind::UnknownArgument, Some(place)) => {
                let hint = context(ContextKind::SuggestedArg);
                let hint = hint.map(|it| format!(": did you mean {it}?")).unwrap_or_default();
                self.complain(&arguments.remove(place), format!("unknown flag{hint}"));
            }
            _ => {
                let message = error.to_string();
                let first = message.lines().next().unwrap_or_default();
                self.complain(&wrong, first.trim_start_matches("error: ").to_owned());
                // A value is missing: only the last argument can lack one.
                if arguments.len() < 2 {
                    return false;
                }
                arguments.pop();
            }
        }
        self.problems.iter().count() < MOST_ERRORS
    }

    fn take(&mut self, matches: &ArgMatches, variable: &dyn Fn(&str) -> Option<Result<String, OsString>>) {
        for extra in matches.get_many::<String>(EXTRA).into_iter().flatten() {
            self.complain(extra, "unexpected: every value follows a flag".to_owned());
        }
        for flag in ALL {
            // A flag that is repeated: the last one counts.
            let given = matches.get_many::<String>(flag.name).and_then(|mut values| values.next_back());
            if let Some(text) = given {
                self.typed.insert(flag.name, Typed { origin: Origin::Flag(flag.name), text: text.clone() });
                continue;
            }
            for name in flag.variables {
                match variable(name) {
                    Some(Ok(text)) if !text.is_empty() => {
                        self.typed.insert(flag.name, Typed { origin: Origin::Variable(name), text });
                        break;
                    }
                    Some(Err(bytes)) => {
                        let reason = "the value has to be UTF-8 text";
                        let item = bytes.to_string_lossy();
                        self.problems.push(Problem::new(Origin::Variable(name), &item, reason));
                        break;
                    }
                    _ => {}
                }
            }
        }
    }

    fn complain(&mut self, item: &str, reason: String) {
        self.problems.push(Problem { origin: None, item: item.to_owned(), reason });
    }

    fn typed(&self, flag: &Flag) -> Typed {
        let default = || Typed { origin: Origin::Default(flag.name), text: flag.default.to_owned() };
        self.typed.get(flag.name).cloned().unwrap_or_else(default)
    }

    /// Remembers that something is wrong with the value of a flag.
    pub(super) fn fault(&mut self, flag: &Flag, item: &str, reason: &str) {
        self.problems.push(Problem::new(self.typed(flag).origin, item, reason));
    }

    /// The text of a flag; nothing when it is empty.
    pub(super) fn text(&self, flag: &Flag) -> Option<String> {
        Some(self.typed(flag).text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// The text of a flag that must not be empty.
    pub(super) fn required(&mut self, flag: &Flag) -> String {
        self.text(flag).unwrap_or_else(|| {
            self.fault(flag, "", "it must not be empty");
            String::new()
        })
    }

    /// A boolean.
    pub(super) fn switch(&mut self, flag: &Flag) -> bool {
        self.parsed(flag, values::boolean)
    }

    /// One value, read by `parse`. What is wrong is replaced by the default, so that the rest can still be read.
    pub(super) fn parsed<T>(&mut self, flag: &Flag, parse: impl Fn(&str) -> Result<T, String>) -> T {
        let typed = self.typed(flag);
        parse(typed.text.trim()).unwrap_or_else(|reason| {
            self.fault(flag, &typed.text, &reason);
            // A test holds that every default can be read.
            parse(flag.default).unwrap_or_else(|reason| unreachable!("default of {}: {reason}", flag.name))
        })
    }

    /// What was typed of that which has no effect here.
    pub(super) fn warnings(&self) -> Vec<String> {
        let dead = ALL.iter().filter(|flag| flag.kind == Kind::Dead);
        // What is off has no effect in istio either.
        let given = dead.filter_map(|flag| Some((flag, self.typed.get(flag.name)?)));
        given
            .filter(|(_, typed)| values::boolean(&typed.text) != Ok(false))
            .map(|(flag, typed)| format!("{} has no effect: {}", typed.origin, flag.help))
            .collect()
    }

    /// Gives what was read, if nothing was wrong.
    pub(super) fn finish<T>(self, value: T) -> Result<T, Problems> {
        if self.problems.is_empty() { Ok(value) } else { Err(self.problems) }
    }
}

fn command() -> Command {
    Command::new(NAME)
        .version(env!("CARGO_PKG_VERSION"))
        .about("Looks after the pods of a node: answers the CNI plugin, installs it, and repairs pods without rules")
        .max_term_width(100)
        .args(ALL.iter().map(|flag| argument(flag)))
        .arg(Arg::new(EXTRA).num_args(0..).action(ArgAction::Append).hide(true))
}

fn argument(flag: &'static Flag) -> Arg {
    let argument = Arg::new(flag.name).long(flag.name).action(ArgAction::Append).help(help(flag));
    let argument = if flag.alias.is_empty() { argument } else { argument.alias(flag.alias) };
    match flag.kind {
        Kind::Value(placeholder) => argument.num_args(1).allow_hyphen_values(true).value_name(placeholder),
        Kind::Switch => {
            argument.num_args(0..=1).require_equals(true).default_missing_value("true").value_name("BOOLEAN")
        }
        Kind::Dead => argument.num_args(0..=1).default_missing_value("true").hide(true),
    }
}

fn help(flag: &Flag) -> StyledStr {
    let mut help = flag.help.to_owned();
    if !flag.default.is_empty() {
        help.push_str(&format!(" [default: {}]", flag.default));
    }
    if !flag.variables.is_empty() {
        help.push_str(&format!(" [env: {}]", flag.variables.join(", ")));
    }
    help.into()
}

fn text(kind: ErrorKind) -> String {
    match kind {
        ErrorKind::DisplayVersion => command().render_version(),
        _ => command().render_help().to_string(),
    }
}
