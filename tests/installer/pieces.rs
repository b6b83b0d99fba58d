//! Lists of CNI 1.1 whose plugins are files in a folder beside them.

use std::fs;
use std::os::unix::fs::symlink;

use mesh_intercept::agent::installer::{Chain, Mode, State, Warning};
use serde_json::Value;

use crate::node::{BRIDGE, COPY, KIND, Node, OURS, chained, list, owned_copy};

const NETWORK: &str = "10-net.conflist";
/// A list without plugins of its own.
const BARE: &str = "{\n\t\"cniVersion\": \"1.1.0\",\n\t\"name\": \"net\",\n\t\"big\": 1.50e3\n}\n";

fn piece(node: &Node, name: &str, text: &str) {
    fs::create_dir_all(node.path("net")).unwrap();
    fs::write(node.path("net").join(name), text).unwrap();
}

/// The folder with everything in it, folders included.
fn all(node: &Node) -> Vec<(String, String)> {
    let folder = node.root().join("net.d");
    let mut all = Vec::new();
    for inner in [folder.clone(), folder.join("net")] {
        for entry in fs::read_dir(inner).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                all.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    all.sort();
    all
}

/// The types that a runtime calls, as libcni 1.3 reads the first list.
fn called(node: &Node) -> Vec<String> {
    let first = node.names().into_iter().find(|name| name.ends_with(".conflist")).unwrap();
    let list: Value = serde_json::from_str(&node.read(&first)).unwrap();
    let mut plugins = list["plugins"].as_array().cloned().unwrap_or_default();
    if list["loadOnlyInlinedPlugins"] != true {
        let folder = node.path(list["name"].as_str().unwrap());
        let mut files: Vec<_> =
            fs::read_dir(folder).into_iter().flatten().map(|it| it.unwrap().path()).collect();
        files.sort();
        files.retain(|path| path.file_name().unwrap().to_str().unwrap().ends_with(".conf") && !path.is_dir());
        plugins.extend(
            files
                .iter()
                .map(|path| serde_json::from_str::<Value>(&fs::read_to_string(path).unwrap()).unwrap()),
        );
    }
    plugins.iter().map(|it| it["type"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn our_plugin_is_called_after_those_in_the_folder() {
    let mut node = Node::new(&[(NETWORK, BARE)]);
    piece(&node, "20-second.conf", r#"{"type":"tuning","sysctl":{"a":1.50}}"#);
    piece(&node, "10-first.conf", "{\n  \"type\": \"bridge\"\n}\n");
    piece(&node, ".hidden.conf", r#"{"type":"zeroth"}"#);
    piece(&node, "30-not.conflist", "{}");
    piece(&node, "40-not.json", "{}");
    fs::create_dir(node.path("net/50-folder.conf")).unwrap();
    let before = all(&node);
    assert_eq!(called(&node), ["zeroth", "bridge", "tuning"]);
    assert_eq!(node.install(), COPY);
    assert_eq!(called(&node), ["zeroth", "bridge", "tuning", KIND]);
    assert!(node.read(COPY).contains("1.50}"), "{}", node.read(COPY));
    node.uninstall();
    assert_eq!(all(&node), before);
}

#[test]
fn those_in_the_list_come_first_and_ours_is_last_wherever_it_was() {
    for (inlined, expected) in [
        (vec![BRIDGE, r#"{"type":"portmap"}"#], vec!["bridge", "portmap", "tuning", KIND]),
        (vec![BRIDGE, OURS, r#"{"type":"portmap"}"#], vec!["bridge", "portmap", "tuning", KIND]),
        (vec![OURS], vec!["tuning", KIND]),
    ] {
        for more in ["", r#""loadOnlyInlinedPlugins":false,"#, r#""loadOnlyInlinedPlugins":"False","#] {
            let text = list("net", &inlined).replacen('{', &format!("{{{more}"), 1);
            let mut node = Node::new(&[(NETWORK, &text)]);
            piece(&node, "1.conf", r#"{"type":"tuning"}"#);
            piece(&node, "2.conf", &format!("{OURS}\n"));
            assert_eq!(node.install(), COPY);
            assert_eq!(called(&node), expected, "{text}");
            assert_eq!(node.read(NETWORK), text);
        }
    }
}

#[test]
fn a_list_that_says_that_all_is_in_it_is_edited_in_place() {
    let text = list("net", &[BRIDGE]).replacen('{', "{\"loadOnlyInlinedPlugins\":true,", 1);
    let mut node = Node::new(&[(NETWORK, &text)]);
    piece(&node, "1.conf", "not even JSON");
    assert_eq!(node.install(), NETWORK);
    assert_eq!(called(&node), ["bridge", KIND]);
    node.uninstall();
    assert_eq!(node.read(NETWORK), text);
}

#[test]
fn a_folder_that_comes_and_goes_is_followed() {
    let plain = list("net", &[BRIDGE]);
    let mut node = Node::new(&[(NETWORK, &plain)]);
    assert_eq!(node.install(), NETWORK);
    assert_eq!(node.installer.plugin_folders().unwrap(), [node.path("net")]);
    piece(&node, "1.conf", r#"{"type":"tuning"}"#);
    assert!(!node.installer.is_installed().unwrap());
    assert_eq!(node.install(), COPY);
    assert_eq!(called(&node), ["bridge", "tuning", KIND]);
    // Changes of a file in it, as fast as they come, are no fight.
    for mtu in 0..20 {
        piece(&node, "1.conf", &format!(r#"{{"type":"tuning","mtu":{mtu}}}"#));
        assert!(!node.installer.is_installed().unwrap());
        assert_eq!(node.install(), COPY);
    }
    fs::remove_dir_all(node.path("net")).unwrap();
    assert_eq!(node.install(), NETWORK);
    assert_eq!(node.names(), [NETWORK]);
    assert_eq!(node.read(NETWORK), chained("net"));
}

#[test]
fn a_plugin_that_is_none_spoils_the_list_as_it_does_for_the_runtime() {
    for (name, text, reason) in [
        ("1.conf", "{", "net/1.conf, from which the runtime takes plugins of it: it is not JSON"),
        ("1.conf", "", "it is empty"),
        ("1.conf", r#"{"name":"x"}"#, "the plugin has no type"),
    ] {
        let mut node =
            Node::new(&[(NETWORK, &list("net", &[BRIDGE])), ("20-b.conflist", &list("b", &[BRIDGE]))]);
        piece(&node, name, text);
        assert_eq!(node.install(), "20-b.conflist");
        let warnings = node.ensure().warnings;
        let [Warning::Skipped(skipped)] = &warnings[..] else { panic!("{warnings:?}") };
        assert!(skipped.file == NETWORK && skipped.reason.contains(reason), "{skipped}");
    }
    // An entry of ours comes out of such a list all the same.
    let mut node = Node::new(&[(NETWORK, &chained("net"))]);
    piece(&node, "1.conf", "{");
    node.uninstall();
    assert_eq!(node.read(NETWORK), list("net", &[BRIDGE]));

    let mut node = Node::new(&[(NETWORK, BARE)]);
    fs::create_dir(node.path("net")).unwrap();
    symlink("nowhere", node.path("net/1.conf")).unwrap();
    assert!(matches!(node.ensure().state, State::Waiting(_)));
}

#[test]
fn a_name_that_leads_out_of_the_folder_is_not_followed() {
    let text = BARE.replace("net", "../bin");
    let mut node = Node::new(&[(NETWORK, &text)]);
    fs::write(node.root().join("bin/1.conf"), r#"{"type":"tuning"}"#).unwrap();
    assert!(matches!(node.ensure().state, State::Waiting(_)));
    assert_eq!(node.installer.plugin_folders().unwrap(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn an_owned_copy_gathers_them_too_and_an_old_version_is_raised() {
    let mut node = Node::in_mode(owned_copy(), &[(NETWORK, &BARE.replace("1.1.0", "0.2.0"))]);
    piece(&node, "1.conf", BRIDGE);
    assert_eq!(node.install(), COPY);
    assert_eq!(called(&node), ["bridge", KIND]);
    assert!(node.read(COPY).contains("\"0.3.1\""));
    let asked = Chain { primary: Some(NETWORK.to_owned()), copy: Some("05-own.conflist".to_owned()) };
    node.change(|options, _| options.mode = Mode::OwnedCopy(asked));
    assert_eq!(node.install(), "05-own.conflist");
    assert_eq!(node.names(), ["05-own.conflist", NETWORK, "net"]);
}
