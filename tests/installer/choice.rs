//! Which file gets the entry, and which are left alone.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use mesh_intercept::agent::installer::plan::Awaited;
use mesh_intercept::agent::installer::{Chain, Installer, Mode, OptionsError, State, Warning};

use crate::node::{BRIDGE, COPY, Node, OURS, chained, list, options, owned_copy, primary, standalone};

fn plain(name: &str) -> String {
    list(name, &[BRIDGE])
}

const CONF: &str = r#"{"cniVersion":"0.4.0","name":"net","type":"bridge"}"#;

#[test]
fn the_first_valid_file_gets_the_entry_and_the_others_stay() {
    let mut node = Node::new(&[
        ("00-readme.txt", "hello"),
        ("01-broken.conflist", "not JSON"),
        ("02-empty.conf", ""),
        ("03-nameless.conflist", r#"{"plugins":[{"type":"a"}]}"#),
        ("04-pluginless.conflist", r#"{"name":"n","plugins":[]}"#),
        ("05-typeless.conf", r#"{"name":"n"}"#),
        ("10-net.conflist", &plain("net")),
        ("20-other.conflist", &plain("other")),
    ]);
    let before = node.files();
    assert_eq!(node.install(), "10-net.conflist");
    let mut after = before.clone();
    after[6].1 = chained("net");
    assert_eq!(node.files(), after);

    let warnings: Vec<_> = node.ensure().warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings[1..],
        [
            "02-empty.conf is passed over: it is empty",
            "03-nameless.conflist is passed over: the list has no name",
            "04-pluginless.conflist is passed over: the list has no plugins",
            "05-typeless.conf is passed over: the plugin has no type",
        ]
    );
    assert!(warnings[0].starts_with("01-broken.conflist is passed over: it is not JSON"), "{warnings:?}");

    node.uninstall();
    assert_eq!(node.files(), before);
}

#[test]
fn a_node_without_a_network_is_waited_for() {
    let mut node = Node::new(&[("10-net.json", CONF)]);
    assert_eq!(node.ensure().state, State::Waiting(Awaited::AnyNetwork));
    assert!(!node.installer.is_installed().unwrap());
    node.write("10-net.conflist", &plain("net"));
    assert_eq!(node.install(), "10-net.conflist");

    std::fs::remove_dir_all(node.root().join("net.d")).unwrap();
    assert_eq!(node.ensure().state, State::Waiting(Awaited::Folder));
    assert!(!node.installer.is_installed().unwrap());
}

#[test]
fn a_single_plugin_is_left_alone_and_a_list_of_ours_put_in_front() {
    let mut node = Node::new(&[("10-net.conf", CONF)]);
    assert_eq!(node.install(), COPY);
    assert_eq!(node.read("10-net.conf"), CONF);
    assert_eq!(node.types(COPY), ["bridge", "mesh-intercept-cni"]);
    assert_eq!(std::fs::metadata(node.path(COPY)).unwrap().permissions().mode() & 0o777, 0o600);

    // The plugin's settings change.
    let changed = CONF.replace("}", ",\"mtu\":1400.0}");
    node.write("10-net.conf", &changed);
    assert!(!node.installer.is_installed().unwrap());
    assert_eq!(node.install(), COPY);
    assert!(node.read(COPY).contains("\"mtu\":1400.0}"), "{}", node.read(COPY));

    // It becomes a list: our copy has had its time.
    node.remove("10-net.conf");
    node.write("10-net.conflist", &plain("net"));
    assert_eq!(node.install(), "10-net.conflist");
    assert_eq!(node.names(), ["10-net.conflist"]);
}

/// Our copy was called 02-mesh-intercept.conflist whatever the primary's name was, and no flag helped.
#[test]
fn a_copy_is_given_a_name_that_the_runtime_reads_before_the_original() {
    for (primary, copy) in [
        ("10-net.conf", COPY),
        ("NET.conf", COPY),
        ("02-a.conf", "00-mesh-intercept.conflist"),
        ("01-x.conf", "00-mesh-intercept.conflist"),
        ("00-cilium.conf", "!mesh-intercept.conflist"),
        ("!eager.conf", "!!mesh-intercept.conflist"),
    ] {
        let mut node = Node::new(&[(primary, CONF)]);
        assert_eq!(node.install(), copy, "{primary}");
        assert_eq!(node.names(), [copy, primary]);
        assert_eq!(node.types(copy), ["bridge", "mesh-intercept-cni"]);
        node.uninstall();
        assert_eq!(node.files(), [(primary.to_owned(), CONF.to_owned())]);

        let list = primary.replace(".conf", ".conflist");
        let mut node = Node::in_mode(owned_copy(), &[(&list, &plain("net"))]);
        assert_eq!(node.install(), copy, "{list}");
        node.uninstall();
        assert_eq!(node.files(), [(list, plain("net"))]);
    }
}

#[test]
fn a_copy_moves_in_front_of_a_new_primary() {
    let mut node = Node::in_mode(owned_copy(), &[("10-net.conflist", &plain("net"))]);
    assert_eq!(node.install(), COPY);
    node.write("01-new.conflist", &plain("new"));
    assert!(!node.installer.is_installed().unwrap());
    assert_eq!(node.install(), "00-mesh-intercept.conflist");
    assert_eq!(node.names(), ["00-mesh-intercept.conflist", "01-new.conflist", "10-net.conflist"]);
    node.remove("01-new.conflist");
    assert_eq!(node.install(), COPY);
    assert_eq!(node.names(), [COPY, "10-net.conflist"]);
}

#[test]
fn a_name_that_was_given_and_would_not_be_read_is_refused_with_one_that_is() {
    let given = |name: &str| Chain { copy: Some(name.to_owned()), primary: None };
    let mut node = Node::in_mode(Mode::Chained(given("10-mesh.conflist")), &[("01-net.conf", CONF)]);
    let refusal = node.refusal();
    assert!(refusal.contains("10-mesh.conflist") && refusal.contains("before 01-net.conf"), "{refusal}");
    let name = refusal.rsplit(' ').next().unwrap().to_owned();
    node.change(|options, _| options.mode = Mode::Chained(given(&name)));
    assert_eq!(node.install(), name);

    let mut node = Node::new(&[(" blank.conf", CONF)]);
    let refusal = node.refusal();
    assert!(refusal.contains("before  blank.conf: rename that file"), "{refusal}");
}

#[test]
fn an_owned_copy_leaves_the_primary_alone_and_follows_it() {
    let mut node = Node::in_mode(owned_copy(), &[("10-net.conflist", &plain("net"))]);
    assert_eq!(node.install(), COPY);
    let copy = format!(
        r#"{{"mesh-intercept-copy-of":"10-net.conflist","cniVersion":"1.0.0","name":"net","plugins":[{BRIDGE},{OURS}]}}"#
    );
    let both = |copy: &str, original: &str| {
        vec![(COPY.to_owned(), copy.to_owned()), ("10-net.conflist".to_owned(), original.to_owned())]
    };
    assert_eq!(node.files(), both(&copy, &plain("net")));

    // Types are the same, a setting is not.
    let changed = plain("net").replace("\"bridge\"", "\"bridge\",\"mtu\":9000");
    node.write("10-net.conflist", &changed);
    assert!(!node.installer.is_installed().unwrap());
    node.install();
    assert_eq!(node.files(), both(&copy.replace("\"bridge\"", "\"bridge\",\"mtu\":9000"), &changed));

    for damage in ["", "{", &copy.replace(OURS, BRIDGE)] {
        node.write(COPY, damage);
        assert!(!node.installer.is_installed().unwrap(), "{damage}");
        assert_eq!(node.install(), COPY);
    }

    // Without the original, pods had better wait than go without rules.
    let before = node.read(COPY);
    node.remove("10-net.conflist");
    let outcome = node.ensure();
    assert_eq!(outcome.state, State::Waiting(Awaited::AnyNetwork));
    assert_eq!(outcome.warnings, [Warning::Orphan { copy: COPY.to_owned() }]);
    assert_eq!(node.read(COPY), before);

    node.write("10-net.conflist", &plain("net"));
    node.install();
    node.uninstall();
    assert_eq!(node.names(), ["10-net.conflist"]);
    assert_eq!(node.read("10-net.conflist"), plain("net"));
}

#[test]
fn whatever_the_mode_was_uninstalling_removes_no_file_of_others() {
    for (installed, uninstalled) in [
        (owned_copy(), primary("10-net.conflist")),
        (primary("10-net.conflist"), owned_copy()),
        (owned_copy(), standalone()),
    ] {
        let files = [("10-net.conflist", &*plain("net")), ("99-x.conf", CONF)];
        let mut node = Node::in_mode(installed, &files);
        node.install();
        node.change(|options, _| options.mode = uninstalled);
        node.uninstall();
        let files = files.map(|(name, text)| (name.to_owned(), text.to_owned()));
        assert_eq!(node.files(), files);
    }
}

#[test]
fn a_name_in_use_by_others_is_refused() {
    let files = [(COPY, &*plain("theirs")), ("10-net.conflist", &plain("net"))];
    let (primary, copy) = (Some("10-net.conflist".to_owned()), Some(COPY.to_owned()));
    let mut node = Node::in_mode(Mode::OwnedCopy(Chain { primary: primary.clone(), copy }), &files);
    assert!(node.refusal().contains("was not written by this agent"));
    // The agent takes another one by itself.
    let mut node = Node::in_mode(Mode::OwnedCopy(Chain { primary, copy: None }), &files);
    assert_eq!(node.install(), "00-mesh-intercept.conflist");
    assert_eq!(node.read(COPY), plain("theirs"));
    let mut node = Node::in_mode(standalone(), &[("YYY-mesh-intercept.conf", CONF)]);
    assert!(node.refusal().contains("was not written by this agent"));
}

#[test]
fn a_named_file_is_waited_for_and_may_have_the_other_ending() {
    for (asked, there) in [("20-b.conflist", "20-b.conflist"), ("20-b.conf", "20-b.conflist")] {
        let mut node = Node::in_mode(primary(asked), &[]);
        assert_eq!(node.ensure().state, State::Waiting(Awaited::Named(asked.to_owned())));
        node.write("30-c.conflist", &plain("c"));
        assert_eq!(node.ensure().state, State::Waiting(Awaited::Named(asked.to_owned())));
        node.write(there, "damaged");
        assert_eq!(node.ensure().state, State::Waiting(Awaited::Named(asked.to_owned())));
        node.write(there, &plain("b"));
        assert_eq!(node.install(), there);
        assert_eq!(node.read("30-c.conflist"), plain("c"));
    }
    let mut node = Node::in_mode(primary("20-b.conflist"), &[("20-b.conf", CONF)]);
    assert_eq!(node.install(), COPY);
}

#[test]
fn a_file_in_front_of_the_one_that_was_asked_for_is_warned_of() {
    let mut node = Node::in_mode(
        primary("20-b.conflist"),
        &[("00-x.json", CONF), ("10-a.conflist", &plain("a")), ("20-b.conflist", &plain("b"))],
    );
    assert_eq!(node.install(), "20-b.conflist");
    let (primary, outcome) = ("20-b.conflist".to_owned(), node.ensure());
    assert_eq!(
        outcome.warnings,
        [
            Warning::Json { file: "00-x.json".to_owned(), primary: primary.clone() },
            Warning::Preempted { by: "10-a.conflist".to_owned(), primary },
        ]
    );
    assert_eq!(node.read("10-a.conflist"), plain("a"));
}

#[test]
fn it_heals_when_the_entry_goes_and_when_a_new_first_file_comes() {
    let mut node = Node::new(&[("10-net.conflist", &plain("net"))]);
    node.install();
    node.write("10-net.conflist", &plain("net"));
    assert!(!node.installer.is_installed().unwrap());
    node.install();
    assert_eq!(node.read("10-net.conflist"), chained("net"));

    // Settings were edited, not only taken out.
    node.write("10-net.conflist", &chained("net").replace("info", "debug"));
    node.install();
    assert_eq!(node.read("10-net.conflist"), chained("net"));

    node.write("05-new.conflist", &plain("new"));
    assert!(!node.installer.is_installed().unwrap());
    assert_eq!(node.install(), "05-new.conflist");
    assert_eq!(node.read("05-new.conflist"), chained("new"));
    // The runtime does not read the later file any more.
    assert_eq!(node.read("10-net.conflist"), chained("net"));

    node.remove("05-new.conflist");
    assert_eq!(node.install(), "10-net.conflist");

    node.remove("10-net.conflist");
    assert_eq!(node.ensure().state, State::Waiting(Awaited::AnyNetwork));
    node.write("77-renamed.conflist", &plain("net"));
    assert_eq!(node.install(), "77-renamed.conflist");
    node.uninstall();
    assert_eq!(node.files(), [("77-renamed.conflist".to_owned(), plain("net"))]);
}

#[test]
fn uninstalling_takes_the_entry_out_of_every_list() {
    let old = chained("b").replace("info", "old");
    let mut node = Node::new(&[("10-a.conflist", &chained("a")), ("20-b.conflist", &old)]);
    node.uninstall();
    assert_eq!(node.read("10-a.conflist"), plain("a"));
    assert_eq!(node.read("20-b.conflist"), plain("b"));
    let again = node.uninstall();
    assert_eq!(again.changed, Vec::<PathBuf>::new());
}

#[test]
fn a_standalone_plugin_has_a_file_of_its_own() {
    let files = [("10-net.conflist", &*plain("net"))];
    let mut node = Node::in_mode(standalone(), &files);
    assert_eq!(node.install(), "YYY-mesh-intercept.conf");
    assert_eq!(
        node.read("YYY-mesh-intercept.conf"),
        "{\n  \"cniVersion\": \"0.3.1\",\n  \"name\": \"mesh-intercept-cni\",\n  \"type\": \"mesh-intercept-cni\",\n  \
         \"log_level\": \"info\"\n}\n"
    );
    assert_eq!(node.read("10-net.conflist"), plain("net"));
    node.write("YYY-mesh-intercept.conf", "");
    node.install();
    node.uninstall();
    assert_eq!(node.names(), ["10-net.conflist"]);

    // It needs no network of others, and is none that others could be chained to.
    let mut node = Node::in_mode(standalone(), &[]);
    node.install();
    node.change(|_, _| {});
    assert_eq!(node.ensure().state, State::Waiting(Awaited::AnyNetwork));
}

#[test]
fn a_list_that_knows_no_chains_is_copied_instead() {
    let old = plain("net").replace("1.0.0", "0.2.0");
    let mut node = Node::new(&[("10-net.conflist", &old)]);
    assert_eq!(node.install(), COPY);
    assert_eq!(node.read("10-net.conflist"), old);
    assert!(node.read(COPY).contains(r#""cniVersion":"0.3.1""#));
    let warnings = node.ensure().warnings;
    assert_eq!(warnings, [Warning::OldVersion { file: "10-net.conflist".to_owned(), copy: COPY.to_owned() }]);
}

#[test]
fn a_link_is_not_replaced_by_a_file() {
    let mut node = Node::new(&[]);
    std::fs::write(node.root().join("elsewhere"), plain("net")).unwrap();
    symlink(node.root().join("elsewhere"), node.path("10-net.conflist")).unwrap();
    assert_eq!(node.install(), COPY);
    assert!(std::fs::symlink_metadata(node.path("10-net.conflist")).unwrap().is_symlink());
    assert_eq!(std::fs::read_to_string(node.root().join("elsewhere")).unwrap(), plain("net"));
    node.uninstall();
    assert_eq!(node.names(), ["10-net.conflist"]);
}

#[test]
fn istio_cni_beside_us_is_left_alone_with_a_warning() {
    let both = list("net", &[BRIDGE, r#"{"type":"istio-cni"}"#]);
    let mut node = Node::new(&[("10-net.conflist", &both)]);
    node.install();
    assert_eq!(node.types("10-net.conflist"), ["bridge", "istio-cni", "mesh-intercept-cni"]);
    assert_eq!(node.ensure().warnings, [Warning::Istio { file: "10-net.conflist".to_owned() }]);

    // Under its name we take its place.
    let mut node = Node::with(&[("10-net.conflist", &both)], |options| {
        let value = serde_json::json!({"log_level": "info"});
        options.entry = mesh_intercept::agent::installer::Entry::new(value, "istio-cni").unwrap();
    });
    node.install();
    assert_eq!(node.types("10-net.conflist"), ["bridge", "istio-cni"]);
    assert!(node.read("10-net.conflist").contains("log_level"));
}

#[test]
fn a_file_keeps_its_mode_and_owner_and_a_new_one_is_private() {
    let mut node = Node::new(&[("10-net.conflist", &plain("net"))]);
    let path = node.path("10-net.conflist");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o664)).unwrap();
    std::os::unix::fs::chown(&path, Some(1234), Some(4321)).unwrap();
    node.install();
    let metadata = std::fs::metadata(&path).unwrap();
    assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o7777), (1234, 4321, 0o664));

    for (group_read, mode) in [(false, 0o600), (true, 0o640)] {
        let mut node = Node::with(&[("10-net.conf", CONF)], |options| options.group_read = group_read);
        node.install();
        assert_eq!(std::fs::metadata(node.path(COPY)).unwrap().mode() & 0o7777, mode);
    }
}

#[test]
fn names_that_cannot_be_used_are_refused_at_once() {
    let refuse = |mode: Mode| {
        let mut options = options(std::path::Path::new("/nonexistent"));
        options.mode = mode;
        Installer::new(options).unwrap_err()
    };
    let copy = |name: &str| Mode::OwnedCopy(Chain { copy: Some(name.to_owned()), primary: None });
    for name in ["", "x", "a/b.conflist", ".hidden.conflist", "x.conf"] {
        assert!(matches!(refuse(copy(name)), OptionsError::Name { .. }), "{name}");
    }
    assert!(matches!(refuse(primary("10-net.json")), OptionsError::Name { .. }));
    let same = Chain { copy: Some(COPY.to_owned()), primary: Some(COPY.to_owned()) };
    assert_eq!(refuse(Mode::OwnedCopy(same)), OptionsError::Same(COPY.to_owned()));
    let list = Mode::Standalone { name: "x.conflist".to_owned() };
    assert!(matches!(refuse(list), OptionsError::Name { .. }));
}
