//! The two kinds of answers that hold Pods: a page of a list, and the events of a watch.

use std::fmt;
use std::io::{BufReader, Read};

use kube::core::Status;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::body::Sink;
use super::bounded::Cut;
use super::pod::{Name, PodObject};

/// A part of a list.
#[derive(Debug)]
pub(super) enum ListPart {
    /// A Pod.
    Pod(Box<PodObject>),
    /// What the list says of itself; the last part.
    End(ListMetadata),
}

/// What a page of a list says of itself.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(in crate::agent) struct ListMetadata {
    /// The version that the list is of.
    pub(in crate::agent) resource_version: Name,
    /// Where the next page begins; empty on the last page. A token of the server's own, of some hundred bytes.
    #[serde(rename = "continue")]
    pub(in crate::agent) next: Cut<{ 64 << 10 }>,
}

/// Reads a page of a list.
pub(super) fn list(source: &mut dyn Read, sink: &mut Sink<'_, ListPart>) -> serde_json::Result<()> {
    let mut source = serde_json::Deserializer::from_reader(BufReader::new(source));
    let metadata = source.deserialize_map(List(sink))?;
    sink(ListPart::End(metadata));
    Ok(())
}

struct List<'a, 'b>(&'a mut Sink<'b, ListPart>);

impl<'de> Visitor<'de> for List<'_, '_> {
    type Value = ListMetadata;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a list of pods")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ListMetadata, A::Error> {
        let mut metadata = ListMetadata::default();
        while let Some(key) = map.next_key::<Name>()? {
            match &*key {
                "metadata" => metadata = map.next_value()?,
                "items" => map.next_value_seed(Items(&mut *self.0))?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(metadata)
    }
}

struct Items<'a, 'b>(&'a mut Sink<'b, ListPart>);

impl<'de> DeserializeSeed<'de> for Items<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, source: D) -> Result<(), D::Error> {
        source.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_, '_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("pods")
    }

    /// Go writes an empty list as `null` at times.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pods: A) -> Result<(), A::Error> {
        while let Some(pod) = pods.next_element()? {
            if !(self.0)(ListPart::Pod(pod)) {
                return Err(A::Error::custom("the list is not wanted any more"));
            }
        }
        Ok(())
    }
}

/// An event of a watch.
#[derive(Debug)]
pub(in crate::agent) enum Event {
    /// A Pod is there, or is different now.
    Changed(Box<PodObject>),
    /// A Pod is gone.
    Deleted(Box<PodObject>),
    /// Everything up to this version was sent.
    Bookmark(Box<PodObject>),
    /// The server ends the watch for this reason.
    Error(Box<Status>),
    /// A kind of event that is not known here.
    Unknown,
}

/// Reads the events of a watch.
pub(super) fn events(source: &mut dyn Read, sink: &mut Sink<'_, Event>) -> serde_json::Result<()> {
    let source = serde_json::Deserializer::from_reader(BufReader::new(source));
    for event in source.into_iter() {
        if !sink(event?) {
            return Ok(());
        }
    }
    Ok(())
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Event, D::Error> {
        source.deserialize_map(EventVisitor)
    }
}

struct EventVisitor;

impl<'de> Visitor<'de> for EventVisitor {
    type Value = Event;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("an event of a watch")
    }

    /// The API server writes the type in front of the object (`metav1.WatchEvent`), which is read by it.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Event, A::Error> {
        let (mut kind, mut event) = (None::<Name>, None);
        while let Some(key) = map.next_key::<Name>()? {
            match (&*key, kind.as_deref()) {
                ("type", _) => kind = Some(map.next_value()?),
                ("object", None) => return Err(A::Error::custom("an event's object came before its type")),
                ("object", Some("ADDED" | "MODIFIED")) => event = Some(Event::Changed(map.next_value()?)),
                ("object", Some("DELETED")) => event = Some(Event::Deleted(map.next_value()?)),
                ("object", Some("BOOKMARK")) => event = Some(Event::Bookmark(map.next_value()?)),
                ("object", Some("ERROR")) => event = Some(Event::Error(map.next_value()?)),
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(event.unwrap_or(Event::Unknown))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pods(json: &str) -> (Vec<String>, ListMetadata) {
        let (mut names, mut end) = (Vec::new(), None);
        let mut sink = |part| {
            match part {
                ListPart::Pod(pod) => names.push(pod.metadata.name.into_string()),
                ListPart::End(metadata) => end = Some(metadata),
            }
            true
        };
        list(&mut json.as_bytes(), &mut sink).unwrap();
        (names, end.unwrap())
    }

    #[test]
    fn a_list_is_read_pod_by_pod_in_any_order_of_its_keys() {
        let (names, metadata) = pods(
            r#"{"items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"}}],"kind":"PodList",
                "metadata":{"resourceVersion":"7","continue":"t"}}"#,
        );
        assert_eq!(names, ["a", "b"]);
        assert_eq!((&*metadata.resource_version, &*metadata.next), ("7", "t"));
        assert!(pods(r#"{"metadata":{"resourceVersion":"7"},"items":null}"#).0.is_empty());
    }

    #[test]
    fn events_are_read_one_by_one_and_a_half_one_is_an_error() {
        let text = concat!(
            r#"{"type":"ADDED","object":{"metadata":{"name":"a"}}}"#,
            "\n",
            r#"{"type":"ERROR","object":{"kind":"Status","status":"Failure","code":410,"message":"m","reason":"r"}}"#,
            "\n",
            r#"{"type":"SURPRISE","object":{"status":"x"}}"#,
            "\n",
            r#"{"type":"ADD"#,
        );
        let mut seen = Vec::new();
        let mut sink = |event| {
            seen.push(event);
            true
        };
        assert!(events(&mut text.as_bytes(), &mut sink).unwrap_err().is_eof());
        let [Event::Changed(pod), Event::Error(status), Event::Unknown] = &seen[..] else {
            panic!("{seen:?}")
        };
        assert_eq!((&*pod.metadata.name, status.code), ("a", 410));
    }
}
