//! What was typed, by setting, and where it was typed.

use std::collections::BTreeMap;
use std::fmt;

use super::settings::{ALL, Kind, Setting};

/// Where a value came from: what an error message has to name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The long flag.
    Flag(&'static str),
    /// The environment variable.
    Variable(&'static str),
    /// An annotation of the pod, or a part of its proxy's container.
    Pod(&'static str),
    /// A flag of another mesh's program, or a key of its file.
    Peer(&'static str),
    /// Nobody set it; the key of the setting.
    Default(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Flag(name) => write!(out, "--{name}"),
            Origin::Variable(name) | Origin::Pod(name) | Origin::Peer(name) => write!(out, "{name}"),
            Origin::Default(key) => write!(out, "{key} (default)"),
        }
    }
}

/// A value as it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed {
    /// Who set it.
    pub origin: Origin,
    /// The text, untouched.
    pub text: String,
}

/// What was typed, by setting.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    values: BTreeMap<&'static str, Typed>,
    contradictions: Vec<Contradiction>,
}

/// Two variables of one setting that say different things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contradiction {
    /// The variable that counts, and what it says.
    counts: (&'static str, String),
    /// The other one.
    ignored: (&'static str, String),
}

impl fmt::Display for Contradiction {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ((first, text), (other, ignored)) = (&self.counts, &self.ignored);
        write!(
            out,
            "{first}={text} and {other}={ignored} contradict each other: {first} counts, as in istio. Unset one of them"
        )
    }
}

impl Settings {
    /// Takes what the flags say, and for the others what the environment says. A flag beats the environment; an
    /// empty variable counts as not set, as in istio-iptables.
    pub fn gather(
        flag: impl Fn(&Setting) -> Option<String>,
        mut variable: impl FnMut(&'static str) -> Option<String>,
    ) -> Settings {
        let mut settings = Settings::default();
        for setting in ALL {
            if let Some(text) = flag(setting) {
                settings.set(setting, Origin::Flag(setting.flag), text);
                continue;
            }
            let is_set = |text: &String| setting.counts_when_empty || !text.is_empty();
            let given =
                setting.variables.iter().filter_map(|name| Some((*name, variable(name).filter(is_set)?)));
            let mut given = given.collect::<Vec<_>>().into_iter();
            let Some((first, text)) = given.next() else { continue };
            for (other, ignored) in given.filter(|(_, other)| !setting.means_the_same(&text, other)) {
                let (counts, ignored) = ((first, text.clone()), (other, ignored));
                settings.contradictions.push(Contradiction { counts, ignored });
            }
            settings.set(setting, Origin::Variable(first), text);
        }
        settings
    }

    /// Variables that contradict each other.
    pub fn contradictions(&self) -> &[Contradiction] {
        &self.contradictions
    }

    /// Sets one value.
    pub fn set(&mut self, setting: &Setting, origin: Origin, text: String) {
        self.values.insert(setting.key(), Typed { origin, text });
    }

    /// What was typed for `setting`, or its default.
    pub fn get(&self, setting: &Setting) -> Typed {
        self.given(setting).cloned().unwrap_or_else(|| Typed {
            origin: Origin::Default(setting.key()),
            text: setting.default.to_owned(),
        })
    }

    /// What was typed for `setting`, if anything was.
    pub fn given(&self, setting: &Setting) -> Option<&Typed> {
        self.values.get(setting.key())
    }

    /// Was any of these typed?
    pub fn gives_any(&self, settings: &[&Setting]) -> bool {
        settings.iter().any(|setting| self.given(setting).is_some())
    }

    /// The same, with these settings as `other` has them.
    #[must_use]
    pub fn with(mut self, settings: &[&Setting], other: &Settings) -> Settings {
        for setting in settings {
            match other.given(setting) {
                Some(typed) => self.values.insert(setting.key(), typed.clone()),
                None => self.values.remove(setting.key()),
            };
        }
        self
    }

    /// Every list that was typed, to have its `@FILE` replaced; always in the same order.
    pub fn lists_mut(&mut self) -> impl Iterator<Item = &mut Typed> {
        let lists: Vec<_> = ALL.iter().filter(|s| s.kind == Kind::List).map(|s| s.key()).collect();
        self.values.iter_mut().filter(move |(key, _)| lists.contains(key)).map(|(_, typed)| typed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::settings::{DROP_INVALID, DUAL_STACK, PROXY_GID, PROXY_UID, REDIRECT_DNS};
    use super::*;

    #[test]
    fn a_flag_beats_the_environment_and_an_empty_variable_is_not_set() {
        let flag = |s: &Setting| (s.key() == "proxy-uid").then(|| "5".to_owned());
        let variable = |name: &str| match name {
            "PROXY_UID" => Some("6".to_owned()),
            "PROXY_GID" => Some(String::new()),
            "INVALID_DROP" => Some("true".to_owned()),
            _ => None,
        };
        let settings = Settings::gather(flag, variable);
        assert_eq!(settings.get(&PROXY_UID), Typed { origin: Origin::Flag("proxy-uid"), text: "5".into() });
        assert_eq!(settings.given(&PROXY_GID), None);
        assert_eq!(settings.get(&DROP_INVALID).origin, Origin::Variable("INVALID_DROP"));
    }

    #[test]
    fn of_two_variables_istio_s_counts_and_a_contradiction_is_named() {
        let pairs = [
            (&REDIRECT_DNS, "ISTIO_META_DNS_CAPTURE", "REDIRECT_DNS"),
            (&DROP_INVALID, "INVALID_DROP", "DROP_INVALID"),
            (&DUAL_STACK, "ISTIO_DUAL_STACK", "DUAL_STACK"),
        ];
        for (setting, first, other) in pairs {
            for (one, two, is_contradiction) in [
                ("true", "false", true),
                ("false", "true", true),
                ("true", "1", false),
                ("0", "false", false),
            ] {
                let variable = |name: &str| match name {
                    name if name == first => Some(one.to_owned()),
                    name if name == other => Some(two.to_owned()),
                    _ => None,
                };
                let settings = Settings::gather(|_| None, variable);
                assert_eq!(settings.get(setting).origin, Origin::Variable(first));
                let said: String = settings.contradictions().iter().map(ToString::to_string).collect();
                assert_eq!(said.contains(&format!("{first} counts")), is_contradiction, "{said}");
            }
        }
    }
}
