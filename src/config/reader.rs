//! Takes values out of the typed text and remembers everything that is wrong.

use std::str::FromStr;

use super::lists;
use super::problem::{Problem, Problems};
use super::settings::Setting;
use super::typed::{Settings, Typed};
use super::values;

/// Reads settings one by one. What is wrong is remembered and replaced by the setting's default, so that the rest can
/// still be read; [`Reader::finish`] then refuses the whole.
pub(super) struct Reader<'a> {
    settings: &'a Settings,
    problems: Problems,
}

impl<'a> Reader<'a> {
    pub(super) fn new(settings: &'a Settings) -> Reader<'a> {
        Reader { settings, problems: Problems::default() }
    }

    /// The text of a setting.
    pub(super) fn typed(&self, setting: &Setting) -> Typed {
        self.settings.get(setting)
    }

    /// Remembers that something is wrong.
    pub(super) fn fault(&mut self, typed: &Typed, item: &str, reason: &str) {
        self.problems.push(Problem::new(typed.origin, item, reason));
    }

    /// One value.
    pub(super) fn value<T: FromStr<Err = String>>(&mut self, setting: &Setting) -> T {
        self.parsed(setting, str::parse)
    }

    /// A boolean.
    pub(super) fn switch(&mut self, setting: &Setting) -> bool {
        self.parsed(setting, values::boolean)
    }

    /// One value, read by `parse`.
    pub(super) fn parsed<T>(&mut self, setting: &Setting, parse: impl Fn(&str) -> Result<T, String>) -> T {
        let typed = self.typed(setting);
        parse(typed.text.trim_matches([' ', '\t'])).unwrap_or_else(|reason| {
            self.fault(&typed, &typed.text, &reason);
            // A test holds that every default can be read.
            parse(setting.default)
                .unwrap_or_else(|reason| unreachable!("default of {}: {reason}", setting.key()))
        })
    }

    /// A list, each item read by `parse`.
    pub(super) fn list<T, C: FromIterator<T>>(
        &mut self,
        setting: &Setting,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> C {
        let typed = self.typed(setting);
        let mut faults = Vec::new();
        let values = lists::items(&typed.text).filter_map(|item| match parse(item) {
            Ok(value) => Some(value),
            Err(reason) => {
                faults.push((item.to_owned(), reason));
                None
            }
        });
        let values = values.collect();
        for (item, reason) in faults {
            self.fault(&typed, &item, &reason);
        }
        values
    }

    /// Gives what was read, if nothing was wrong.
    pub(super) fn finish<T>(self, value: T) -> Result<T, Problems> {
        if self.problems.is_empty() { Ok(value) } else { Err(self.problems) }
    }
}
