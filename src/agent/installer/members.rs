//! The members of a JSON object and the elements of an array, as the pieces of text that they are.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::document::Flaw;
use super::splice::range_of;
use super::version::CniVersion;

/// The members of an object in their order, each key as often as it is there.
#[derive(Debug)]
pub(super) struct Members<'t> {
    all: Vec<(String, &'t str)>,
    /// Just after the brace with which the object begins.
    pub(super) inside: usize,
}

impl<'t> Members<'t> {
    pub(super) fn parse(text: &'t str) -> Result<Members<'t>, Flaw> {
        let whole: &RawValue = serde_json::from_str(text)?;
        if !whole.get().starts_with('{') {
            return Err(Flaw::NotObject);
        }
        // Texts that cannot be decoded hide in values that nobody here looks at.
        serde_json::from_str::<Value>(text)?;
        let Pieces(all) = serde_json::from_str(whole.get())?;
        Ok(Members { all, inside: range_of(text, whole.get()).start + 1 })
    }

    /// The text of a value; of several with this key the last, as in libcni.
    pub(super) fn last(&self, key: &str) -> Option<&'t str> {
        self.all.iter().rfind(|(name, _)| name == key).map(|(_, raw)| *raw)
    }

    /// A string; nothing when it is not there or is something else.
    pub(super) fn string(&self, key: &str) -> Result<Option<String>, Flaw> {
        let value = self.last(key).map(serde_json::from_str::<Value>).transpose()?;
        Ok(value.and_then(|value| value.as_str().map(str::to_owned)))
    }

    pub(super) fn strings(&self, key: &str) -> Result<Vec<String>, Flaw> {
        let value = self.last(key).map(serde_json::from_str::<Value>).transpose()?.unwrap_or_default();
        let all = value.as_array().into_iter().flatten();
        Ok(all.filter_map(|it| it.as_str().map(str::to_owned)).collect())
    }

    pub(super) fn version(&self) -> Result<CniVersion, Flaw> {
        match (self.last("cniVersion"), self.string("cniVersion")?) {
            (None | Some("null"), _) => Ok(CniVersion::parse("")),
            (Some(_), Some(text)) => Ok(CniVersion::parse(&text)),
            (Some(_), None) => Err(Flaw::Version),
        }
    }
}

/// The elements of an array.
pub(super) fn elements(text: &str) -> Result<Vec<&str>, Flaw> {
    let raws: Vec<&RawValue> = serde_json::from_str(text)?;
    Ok(raws.into_iter().map(RawValue::get).collect())
}

struct Pieces<'t>(Vec<(String, &'t str)>);

impl<'de> Deserialize<'de> for Pieces<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Pieces<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pieces<'de>, A::Error> {
                let mut all = Vec::new();
                while let Some((key, value)) = map.next_entry::<String, &'de RawValue>()? {
                    all.push((key, value.get()));
                }
                Ok(Pieces(all))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}
