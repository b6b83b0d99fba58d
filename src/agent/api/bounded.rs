//! Values that keep a bounded part of what a Pod says, whatever its author has written into it.
//!
//! The API server takes objects of up to 3 MB, and any field of a Pod can hold most of that. Nothing here allocates
//! more than its bound, apart from the one text that the JSON parser is reading.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The beginning of a text: at most `MOST` bytes. For values that are compared with shorter ones, or shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cut<const MOST: usize>(String);

impl<const MOST: usize> Cut<MOST> {
    /// The beginning of this text.
    pub fn of(text: &str) -> Cut<MOST> {
        Cut(text[..text.floor_char_boundary(MOST)].to_owned())
    }

    /// The text.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl<const MOST: usize> Deref for Cut<MOST> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de, const MOST: usize> Deserialize<'de> for Cut<MOST> {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Cut<MOST>, D::Error> {
        struct Text<const MOST: usize>;
        impl<const MOST: usize> Visitor<'_> for Text<MOST> {
            type Value = Cut<MOST>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a text")
            }

            fn visit_str<E>(self, text: &str) -> Result<Cut<MOST>, E> {
                Ok(Cut::of(text))
            }
        }
        source.deserialize_str(Text)
    }
}

/// The room that is left for the parts of one field, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Room(Option<usize>);

impl Room {
    /// Room for this many bytes.
    pub fn of(bytes: usize) -> Room {
        Room(Some(bytes))
    }

    /// Takes room for a part. Returns `false` from the first part on that does not fit.
    pub fn take(&mut self, bytes: usize) -> bool {
        self.0 = self.0.and_then(|left| left.checked_sub(bytes));
        self.0.is_some()
    }

    /// Returns `true` if a part did not fit.
    pub fn is_exceeded(&self) -> bool {
        self.0.is_none()
    }
}

/// What a field holds; `None` if that is larger than the field's bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounded<T>(Option<T>);

impl<T> Bounded<T> {
    /// A value, unless the room was exceeded by it.
    pub fn within(room: Room, value: T) -> Bounded<T> {
        Bounded(Some(value).filter(|_| !room.is_exceeded()))
    }

    /// The value; `None` if it was larger than its bound.
    pub fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }
}

impl<T: Default> Default for Bounded<T> {
    fn default() -> Bounded<T> {
        Bounded(Some(T::default()))
    }
}

/// Reads a map whose keys and values have at most `MOST` bytes together.
///
/// # Errors
/// If the source holds no map of texts.
pub fn map<'de, D: Deserializer<'de>, const MOST: usize>(
    source: D,
) -> Result<Bounded<BTreeMap<String, String>>, D::Error> {
    let mut room = Room::of(MOST);
    let mut map = BTreeMap::new();
    each_entry(source, |key: Cut<KEY>, value: Cut<MOST>| {
        if room.take(key.len() + value.len() + ENTRY) {
            map.insert(key.into_string(), value.into_string());
        }
    })?;
    Ok(Bounded::within(room, map))
}

/// The longest key that Kubernetes allows has 317 bytes (a prefix of 253, a slash, a name of 63).
pub const KEY: usize = 320;
/// What an entry of a collection takes besides its texts, about.
pub const ENTRY: usize = 64;

/// Hands each entry of a map over. `null` stands for an empty map.
///
/// # Errors
/// If the source holds no map of such entries.
pub fn each_entry<'de, D: Deserializer<'de>, K: Deserialize<'de>, V: Deserialize<'de>>(
    source: D,
    take: impl FnMut(K, V),
) -> Result<(), D::Error> {
    struct Entries<K, V, F>(F, PhantomData<(K, V)>);
    impl<'de, K: Deserialize<'de>, V: Deserialize<'de>, F: FnMut(K, V)> Visitor<'de> for Entries<K, V, F> {
        type Value = ();

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("an object")
        }

        fn visit_unit<E>(self) -> Result<(), E> {
            Ok(())
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
            while let Some((key, value)) = map.next_entry()? {
                (self.0)(key, value);
            }
            Ok(())
        }
    }
    source.deserialize_any(Entries(take, PhantomData))
}

/// Hands each item of a list over. `null` stands for an empty list.
///
/// # Errors
/// If the source holds no list of such items.
pub fn each_item<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    source: D,
    take: impl FnMut(T),
) -> Result<(), D::Error> {
    struct Items<T, F>(F, PhantomData<T>);
    impl<'de, T: Deserialize<'de>, F: FnMut(T)> Visitor<'de> for Items<T, F> {
        type Value = ();

        fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            out.write_str("a list")
        }

        fn visit_unit<E>(self) -> Result<(), E> {
            Ok(())
        }

        fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
            while let Some(item) = items.next_element()? {
                (self.0)(item);
            }
            Ok(())
        }
    }
    source.deserialize_any(Items(take, PhantomData))
}

/// Whether a value is there; what it says is skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Presence(pub bool);

impl<'de> Deserialize<'de> for Presence {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Presence, D::Error> {
        Option::<IgnoredAny>::deserialize(source).map(|value| Presence(value.is_some()))
    }
}

/// Keys of at most `MOST` bytes together.
pub type Keys = Bounded<BTreeSet<String>>;

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(json: &str) -> Bounded<BTreeMap<String, String>> {
        map::<_, 200>(&mut serde_json::Deserializer::from_str(json)).unwrap()
    }

    #[test]
    fn a_map_within_its_bound_is_whole_and_a_larger_one_is_none() {
        assert_eq!(labels(r#"{"a":"b"}"#).get(), Some(&BTreeMap::from([("a".into(), "b".into())])));
        assert_eq!(labels("null").get(), Some(&BTreeMap::new()));
        assert_eq!(labels(&format!(r#"{{"a":"{}"}}"#, "x".repeat(300))).get(), None);
        assert_eq!(labels(r#"{"a":"","b":"","c":"","d":""}"#).get(), None, "entries count");
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        let text: Cut<4> = serde_json::from_str(r#""abc\u00e4f""#).unwrap();
        assert_eq!(&*text, "abc");
    }
}
