//! Selectors by equality and presence, as Kubernetes writes them: `app=web,tier!=db,owner,!legacy`.

use std::str::FromStr;

use serde::Serialize;

/// What something has to be to be selected; everything is when there are no conditions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Selector(Vec<Condition>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Condition {
    Is(String, String),
    IsNot(String, String),
    Has(String),
    HasNot(String),
}

impl Selector {
    /// Is something selected that has these values?
    pub fn selects<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.0.iter().all(|condition| match condition {
            Condition::Is(key, wanted) => value(key) == Some(wanted),
            Condition::IsNot(key, unwanted) => value(key) != Some(unwanted),
            Condition::Has(key) => value(key).is_some(),
            Condition::HasNot(key) => value(key).is_none(),
        })
    }
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Selector, String> {
        let conditions = text.split(',').map(str::trim).filter(|it| !it.is_empty()).map(condition);
        conditions.collect::<Result<_, _>>().map(Selector)
    }
}

fn condition(text: &str) -> Result<Condition, String> {
    let two = |(key, value): (&str, &str)| (key.trim().to_owned(), value.trim().to_owned());
    let parts = [("!=", false), ("==", true), ("=", true)];
    let found = parts.iter().find_map(|(sign, is)| Some((text.split_once(sign).map(two)?, *is)));
    let condition = match (found, text.strip_prefix('!')) {
        (Some(((key, value), true)), _) => Condition::Is(key, value),
        (Some(((key, value), false)), _) => Condition::IsNot(key, value),
        (None, Some(key)) => Condition::HasNot(key.trim().to_owned()),
        (None, None) => Condition::Has(text.to_owned()),
    };
    let (Condition::Is(key, _) | Condition::IsNot(key, _) | Condition::Has(key) | Condition::HasNot(key)) =
        &condition;
    let is_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '_' | '-');
    if key.is_empty() || !key.chars().all(is_key) {
        return Err(format!(
            "{text:?} is no condition: write KEY=VALUE, KEY!=VALUE, KEY or !KEY (`in` is not known here)"
        ));
    }
    Ok(condition)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(selector: &str) -> bool {
        let value = |key: &str| match key {
            "app" => Some("web"),
            "empty" => Some(""),
            _ => None,
        };
        selector.parse::<Selector>().unwrap().selects(value)
    }

    #[test]
    fn every_condition_has_to_hold() {
        for yes in ["", "app=web", "app == web", "app", "!none", "none!=x", "empty=", "app=web,empty"] {
            assert!(selects(yes), "{yes}");
        }
        for no in ["app=db", "app!=web", "none", "!app", "none=", "app=web,none"] {
            assert!(!selects(no), "{no}");
        }
    }

    #[test]
    fn what_is_no_selector_is_refused() {
        for wrong in ["a in (b", "=x", "!", "a b"] {
            assert!(wrong.parse::<Selector>().is_err(), "{wrong}");
        }
    }
}
