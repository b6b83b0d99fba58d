//! Network configurations as text: what is edited, and that nothing else is.

use mesh_intercept::agent::installer::Entry;
use mesh_intercept::agent::installer::document::{List, Single};
use proptest::prelude::*;
use serde_json::{Value, json};

fn entry() -> Entry {
    Entry::new(json!({"type": "mesh-intercept-cni", "log_level": "info"}), "mesh-intercept-cni").unwrap()
}

fn with(text: &str) -> String {
    List::parse(text).unwrap().with(&entry()).unwrap()
}

fn without(text: &str) -> Option<String> {
    List::parse(text).unwrap().without("mesh-intercept-cni").unwrap()
}

const OURS: &str = r#"{"type":"mesh-intercept-cni","log_level":"info"}"#;

/// A list before and after the entry was added, in each layout in which lists are found.
#[test]
fn the_entry_is_appended_in_the_layout_of_its_neighbours() {
    let table = [
        ("on one line", r#"{"name":"n","plugins":[{"type":"a"}]}"#, format!(r#"{{"name":"n","plugins":[{{"type":"a"}},{OURS}]}}"#)),
        (
            "on one line, with spaces",
            r#"{"name": "n", "plugins": [{"type": "a"}, {"type": "b"}]}"#,
            r#"{"name": "n", "plugins": [{"type": "a"}, {"type": "b"}, {"type": "mesh-intercept-cni", "log_level": "info"}]}"#.to_owned(),
        ),
        (
            "with two spaces",
            "{\n  \"name\": \"n\",\n  \"plugins\": [\n    {\n      \"type\": \"a\"\n    }\n  ],\n  \"cniVersion\": \"1.0.0\"\n}\n",
            "{\n  \"name\": \"n\",\n  \"plugins\": [\n    {\n      \"type\": \"a\"\n    },\n    {\n      \"type\": \"mesh-intercept-cni\",\n      \"log_level\": \"info\"\n    }\n  ],\n  \"cniVersion\": \"1.0.0\"\n}\n".to_owned(),
        ),
        (
            "with four spaces, and braces at the ends of lines",
            "{\n    \"name\": \"n\",\n    \"plugins\": [{\n        \"type\": \"a\"\n    }]\n}",
            "{\n    \"name\": \"n\",\n    \"plugins\": [{\n        \"type\": \"a\"\n    }, {\n        \"type\": \"mesh-intercept-cni\",\n        \"log_level\": \"info\"\n    }]\n}".to_owned(),
        ),
        (
            "with tabs and the line ends of another system",
            "{\r\n\t\"name\": \"n\",\r\n\t\"plugins\": [\r\n\t\t{\r\n\t\t\t\"type\": \"a\"\r\n\t\t}\r\n\t]\r\n}\r\n",
            "{\r\n\t\"name\": \"n\",\r\n\t\"plugins\": [\r\n\t\t{\r\n\t\t\t\"type\": \"a\"\r\n\t\t},\r\n\t\t{\r\n\t\t\t\"type\": \"mesh-intercept-cni\",\r\n\t\t\t\"log_level\": \"info\"\r\n\t\t}\r\n\t]\r\n}\r\n".to_owned(),
        ),
        (
            "one plugin a line",
            "{\"name\":\"n\",\"plugins\":[\n {\"type\":\"a\"},\n {\"type\":\"b\"}\n]}",
            format!("{{\"name\":\"n\",\"plugins\":[\n {{\"type\":\"a\"}},\n {{\"type\":\"b\"}},\n {OURS}\n]}}"),
        ),
        (
            "numbers, escapes, other alphabets, unknown keys",
            r#"{"z":1.0,"name":"n","big":123456789012345678901234567890,"plugins":[{"mtu":1e3,"type":"\u0061","é":"\u00e9 ☃"}],"a":-0}"#,
            format!(r#"{{"z":1.0,"name":"n","big":123456789012345678901234567890,"plugins":[{{"mtu":1e3,"type":"\u0061","é":"\u00e9 ☃"}},{OURS}],"a":-0}}"#),
        ),
        (
            "a key twice: the last one counts",
            r#"{"name":"x","plugins":[{"type":"old"}],"name":"n","plugins":[{"type":"a"}]}"#,
            format!(r#"{{"name":"x","plugins":[{{"type":"old"}}],"name":"n","plugins":[{{"type":"a"}},{OURS}]}}"#),
        ),
        (
            "brackets in texts",
            r#"{"name":"]}","plugins":[{"type":"a","x":"}]\"],"}],"y":["plugins"]}"#,
            format!(r#"{{"name":"]}}","plugins":[{{"type":"a","x":"}}]\"],"}},{OURS}],"y":["plugins"]}}"#),
        ),
    ];
    for (what, before, after) in table {
        assert_eq!(with(before), after, "{what}");
        assert_eq!(with(&after), after, "{what}: a second time");
        assert_eq!(without(&after).as_deref(), Some(before), "{what}: and out again");
    }
}

#[test]
fn an_entry_that_is_there_keeps_its_place_and_is_there_once() {
    let list = |plugins: &str| format!(r#"{{"name":"n","plugins":[{plugins}]}}"#);
    let (a, b, old) =
        (r#"{"type":"a"}"#, r#"{"type":"b"}"#, r#"{"type":"mesh-intercept-cni","log_level":"debug"}"#);
    let same = r#"{ "log_level" : "info", "type":"mesh-intercept-cni" }"#;
    for (before, after) in [
        (format!("{a},{old}"), format!("{a},{OURS}")),
        (format!("{a},{old},{b}"), format!("{a},{OURS},{b}")),
        (format!("{a},{same},{b}"), format!("{a},{same},{b}")),
        (format!("{a},{old},{b},{OURS}, {old}"), format!("{a},{OURS},{b}")),
        // The first plugin gets no result of another.
        (format!("{OURS},{a}"), format!("{a},{OURS}")),
        (format!("{old}, {OURS}, {a} , {old}, {b}, {OURS}"), format!("{a}, {b}, {OURS}")),
        (old.to_owned(), OURS.to_owned()),
        (format!("{old},{old}"), OURS.to_owned()),
    ] {
        assert_eq!(with(&list(&before)), list(&after), "{before}");
    }
}

#[test]
fn every_entry_is_taken_out_and_a_list_without_any_is_left_alone() {
    let list = |plugins: &str| format!(r#"{{"name":"n","plugins":[{plugins}]}}"#);
    let a = r#"{"type":"a"}"#;
    for (before, after) in [
        (format!("{OURS}, {a}"), Some(a.to_owned())),
        (format!("{a} , {OURS}"), Some(a.to_owned())),
        (format!("{OURS},{a},{OURS},{a},{OURS}"), Some(format!("{a},{a}"))),
        (format!(" {OURS},{OURS} , {OURS} "), Some("  ".to_owned())),
        (a.to_owned(), None),
    ] {
        assert_eq!(without(&list(&before)), after.map(|after| list(&after)), "{before}");
    }
}

#[test]
fn a_single_plugin_becomes_a_list_that_keeps_its_name_version_and_text() {
    let bridge = "{\n  \"cniVersion\": \"0.4.0\",\n  \"name\": \"net\",\n  \"type\": \"bridge\",\n  \"mtu\": 1.5e3\n}\n";
    assert_eq!(
        Single::parse(bridge).unwrap().copied("10-net.conf", &entry()).unwrap(),
        r#"{
  "mesh-intercept-copy-of": "10-net.conf",
  "cniVersion": "0.4.0",
  "name": "net",
  "plugins": [
    {
      "cniVersion": "0.4.0",
      "name": "net",
      "type": "bridge",
      "mtu": 1.5e3
    },
    {
      "type": "mesh-intercept-cni",
      "log_level": "info"
    }
  ]
}
"#
    );
    let bare = Single::parse(r#"{"type":"bridge"}"#).unwrap().copied("x.conf", &entry()).unwrap();
    assert_eq!(
        bare,
        format!(
            "{{\n  \"mesh-intercept-copy-of\": \"x.conf\",\n  \"cniVersion\": \"0.3.1\",\n  \"name\": \"k8s-pod-network\",\n  \
             \"plugins\": [\n    {{\"type\":\"bridge\"}},\n    {OURS}\n  ]\n}}\n"
        )
    );
}

#[test]
fn a_version_is_kept_unless_it_knows_no_chains() {
    for (version, kept) in [
        (Some("1.1.0"), "1.1.0"),
        (Some("1.0.0"), "1.0.0"),
        (Some("0.4.0"), "0.4.0"),
        (Some("0.3.1"), "0.3.1"),
        (Some("0.3.0"), "0.3.0"),
        (Some("9.0.0-rc1"), "9.0.0-rc1"),
        (Some("0.2.0"), "0.3.1"),
        (Some("0.1.0"), "0.3.1"),
        (Some(""), "0.3.1"),
        (None, "0.3.1"),
    ] {
        let mut single = json!({"name": "n", "type": "a"});
        let mut list = json!({"name": "n", "plugins": [{"type": "a"}]});
        if let Some(version) = version {
            single["cniVersion"] = version.into();
            list["cniVersion"] = version.into();
        }
        let (single, list) = (single.to_string(), list.to_string());
        let copies = [
            Single::parse(&single).unwrap().copied("x", &entry()).unwrap(),
            List::parse(&list).unwrap().copied("x", &entry()).unwrap(),
        ];
        for copy in copies {
            let value: Value = serde_json::from_str(&copy).unwrap();
            assert_eq!(value["cniVersion"], kept, "{version:?}");
        }
    }
}

#[test]
fn a_copy_of_a_list_is_the_list_with_a_mark_and_our_entry() {
    let list = "{\n\t\"name\": \"n\",\n\t\"cniVersion\": \"1.0.0\",\n\t\"plugins\": [{\"type\": \"a\"}]\n}";
    assert_eq!(
        List::parse(list).unwrap().copied("10-n.conflist", &entry()).unwrap(),
        "{\n\t\"mesh-intercept-copy-of\": \"10-n.conflist\",\n\t\"name\": \"n\",\n\t\"cniVersion\": \"1.0.0\",\n\t\
         \"plugins\": [{\"type\": \"a\"}, {\"type\": \"mesh-intercept-cni\", \"log_level\": \"info\"}]\n}"
    );
    let small = r#"{"cniVersion":"0.2.0","name":"n","plugins":[{"type":"a"}]}"#;
    assert_eq!(
        List::parse(small).unwrap().copied("x", &entry()).unwrap(),
        format!(
            r#"{{"mesh-intercept-copy-of":"x","cniVersion":"0.3.1","name":"n","plugins":[{{"type":"a"}},{OURS}]}}"#
        )
    );
}

#[test]
fn the_newest_of_several_versions_counts() {
    let list =
        r#"{"name":"n","cniVersion":"0.1.0","cniVersions":["0.2.0","1.1.0"],"plugins":[{"type":"a"}]}"#;
    assert!(List::parse(list).unwrap().version().can_chain());
}

#[test]
fn files_that_a_runtime_passes_over_are_told_with_the_reason() {
    for (text, reason) in [
        ("not JSON", "it is not JSON"),
        ("", "it is not JSON"),
        (r#"{"name":"n","plugins":[{"type":"a"}]} trailing"#, "it is not JSON"),
        ("{\"name\":\"n\", // why\n\"plugins\":[{\"type\":\"a\"}]}", "it is not JSON"),
        (r#"{"name":"n","plugins":[{"type":"a"},]}"#, "it is not JSON"),
        ("\u{feff}{\"name\":\"n\",\"plugins\":[{\"type\":\"a\"}]}", "it is not JSON"),
        (r#"{"name":"n","plugins":[{"type":"a","x":"\ud800"}]}"#, "it is not JSON"),
        (r#"[{"name":"n"}]"#, "it is not a JSON object"),
        (r#"{"plugins":[{"type":"a"}]}"#, "the list has no name"),
        (r#"{"name":"","plugins":[{"type":"a"}]}"#, "the list has no name"),
        (r#"{"name":3,"plugins":[{"type":"a"}]}"#, "the list has no name"),
        (r#"{"name":"n"}"#, "the list has no plugins"),
        (r#"{"name":"n","plugins":null}"#, "the list has no plugins"),
        (r#"{"name":"n","plugins":[]}"#, "the list has no plugins"),
        (r#"{"name":"n","plugins":{"type":"a"}}"#, "its plugins are not an array"),
        (r#"{"name":"n","plugins":[{"type":"a"},{"kind":"b"}]}"#, "plugin 2 of the list has no type"),
        (r#"{"name":"n","plugins":["a"]}"#, "plugin 1 of the list has no type"),
        (r#"{"name":"n","cniVersion":1,"plugins":[{"type":"a"}]}"#, "its cniVersion is not a string"),
    ] {
        let flaw = List::parse(text).unwrap_err().to_string();
        assert!(flaw.starts_with(reason), "{text}: {flaw}");
    }
    for (text, reason) in
        [(r#"{"name":"n"}"#, "the plugin has no type"), (r#"[{"type":"a"}]"#, "it is not a JSON object")]
    {
        assert_eq!(Single::parse(text).unwrap_err().to_string(), reason);
    }
}

#[test]
fn an_entry_is_an_object_whose_type_is_a_file_name() {
    assert!(Entry::new(json!([1]), "x").is_err());
    for kind in ["", ".", "..", "a/b", ".hidden"] {
        assert!(Entry::new(json!({}), kind).is_err(), "{kind}");
    }
    let entry = Entry::new(json!({"cniVersion": "1.0.0", "name": "n", "type": "other"}), "x").unwrap();
    assert_eq!(entry.value(), &json!({"name": "n", "type": "x"}));
    assert_eq!(entry.alone(), "{\n  \"cniVersion\": \"1.0.0\",\n  \"name\": \"n\",\n  \"type\": \"x\"\n}\n");
}

/// White space as people and programs leave it.
fn space() -> impl Strategy<Value = &'static str> {
    prop_oneof![4 => Just(""), 2 => Just(" "), 1 => Just("\n  "), 1 => Just("\r\n\t"), 1 => Just("\n    \n ")]
}

fn plugin() -> impl Strategy<Value = String> {
    let kind = prop_oneof![3 => "[a-c]", 1 => Just("mesh-intercept-cni".to_owned())];
    let number = prop_oneof![Just("1.0"), Just("1e3"), Just("-0"), Just("99999999999999999999")];
    (kind, number, space(), space(), any::<bool>()).prop_map(|(kind, number, one, other, is_first)| {
        let kind = format!("\"type\":{other}{}", Value::from(kind));
        let rest = format!("\"x ]}}\\\" é\":{one}[{number}{other}]");
        let (left, right) = if is_first { (kind, rest) } else { (rest, kind) };
        format!("{{{one}{left}{other},{one}{right}{one}}}")
    })
}

proptest! {
    #[test]
    fn any_list_gets_the_entry_once_and_loses_nothing(
        plugins in proptest::collection::vec((space(), plugin(), space()), 1..6),
        (before, behind) in (space(), space()),
    ) {
        let inner: Vec<_> = plugins.iter().map(|(left, plugin, right)| format!("{left}{plugin}{right}")).collect();
        let text = format!("{{{before}\"name\":\"n\",\"k\":1.50,\"plugins\":{behind}[{}]{before}}}", inner.join(","));
        let foreign = |text: &str| -> Vec<Value> {
            let list: Value = serde_json::from_str(text).unwrap();
            let all = list["plugins"].as_array().unwrap().clone();
            all.into_iter().filter(|plugin| plugin["type"] != "mesh-intercept-cni").collect()
        };
        let edited = with(&text);
        prop_assert_eq!(foreign(&edited), foreign(&text));
        prop_assert_eq!(with(&edited), edited.clone());
        let all: Value = serde_json::from_str(&edited).unwrap();
        let ours = all["plugins"].as_array().unwrap().iter().filter(|it| it["type"] == "mesh-intercept-cni");
        prop_assert!(ours.eq([entry().value()]), "{}", edited);
        let out = without(&edited).unwrap();
        prop_assert_eq!(foreign(&out), foreign(&text));
        if without(&text).is_none() {
            prop_assert_eq!(out, text.clone());
        }
        let copy = List::parse(&text).unwrap().copied("10-x.conflist", &entry()).unwrap();
        prop_assert_eq!(foreign(&copy), foreign(&text));
    }
}
