//! One thing that can be set: how it is written, by which names, and what holds without it.

use super::values;

/// How a setting is written on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One value.
    Value,
    /// Values separated by commas; `@FILE` and `@-` stand for the content of a file or of standard input.
    List,
    /// A boolean: the flag alone means true.
    Switch,
}

/// One thing that can be set.
#[derive(Debug)]
pub struct Setting {
    /// The long flag without its dashes; empty for what only the environment can set.
    pub flag: &'static str,
    /// The commands that take it; empty for all.
    pub verbs: &'static [&'static str],
    /// Another name of the flag.
    pub alias: Option<&'static str>,
    /// The one-letter form of the flag.
    pub short: Option<char>,
    /// The environment variables that are looked at when the flag is not there; the first that is set wins. Where istio has
    /// two, the order is istio's.
    pub variables: &'static [&'static str],
    /// Whether a variable counts that is set and empty.
    pub counts_when_empty: bool,
    /// What holds when neither is there.
    pub default: &'static str,
    /// How the flag is written.
    pub kind: Kind,
    /// What the help calls the value.
    pub placeholder: &'static str,
    /// What the help says.
    pub help: &'static str,
}

pub(super) const fn value(flag: &'static str, placeholder: &'static str, default: &'static str) -> Setting {
    Setting {
        flag,
        verbs: &[],
        alias: None,
        short: None,
        variables: &[],
        counts_when_empty: false,
        default,
        kind: Kind::Value,
        placeholder,
        help: "",
    }
}

pub(super) const fn list(flag: &'static str, placeholder: &'static str) -> Setting {
    Setting { kind: Kind::List, ..value(flag, placeholder, "") }
}

pub(super) const fn switch(flag: &'static str) -> Setting {
    Setting { kind: Kind::Switch, ..value(flag, "BOOLEAN", "false") }
}

impl Setting {
    pub(super) const fn only(self, verbs: &'static [&'static str]) -> Setting {
        Setting { verbs, ..self }
    }

    /// Does this command take it?
    pub fn is_for(&self, verb: &str) -> bool {
        self.verbs.is_empty() || self.verbs.contains(&verb)
    }

    pub(super) const fn alias(self, alias: &'static str) -> Setting {
        Setting { alias: Some(alias), ..self }
    }

    pub(super) const fn short(self, letter: char) -> Setting {
        Setting { short: Some(letter), ..self }
    }

    pub(super) const fn variables(self, variables: &'static [&'static str]) -> Setting {
        Setting { variables, ..self }
    }

    pub(super) const fn counts_when_empty(self) -> Setting {
        Setting { counts_when_empty: true, ..self }
    }

    pub(super) const fn default(self, default: &'static str) -> Setting {
        Setting { default, ..self }
    }

    pub(super) const fn help(self, help: &'static str) -> Setting {
        Setting { help, ..self }
    }

    /// Whether two texts say the same of it.
    pub fn means_the_same(&self, one: &str, other: &str) -> bool {
        match (self.kind, values::boolean(one), values::boolean(other)) {
            (Kind::Switch, Ok(one), Ok(other)) => one == other,
            _ => one == other,
        }
    }

    /// What identifies the setting: its flag, or its variable where it has no flag.
    pub fn key(&self) -> &'static str {
        if self.flag.is_empty() { self.variables.first().copied().unwrap_or_default() } else { self.flag }
    }
}
