//! The images, as a container runtime runs them: the rules that they put into a pod, with which privileges, and that the
//! same binaries always make the same image.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

mod runtimes;

use std::path::PathBuf;
use std::process::{Command, Output};

use runtimes::actors::{Actors, ask};
use runtimes::node::Node;
use runtimes::{APP, PROXY, everything, podman};
use serde_json::{Value, json};

const INIT: &str = "mesh-intercept";
const AGENT: &str = "mesh-intercept-agent";
/// A pod, and somebody that it talks to.
const POD: (&str, &str) = ("/run/netns/pod", "10.0.0.2");
const NEIGHBOUR: (&str, &str) = ("/run/netns/neighbour", "10.0.0.3");
const PORT: u16 = 8080;
/// What a sidecar injector writes into `initContainers.args`.
const INJECTED: [&str; 16] = [
    "istio-iptables",
    "-p",
    "15001",
    "-z",
    "15006",
    "-u",
    "1337",
    "-m",
    "REDIRECT",
    "-i",
    "*",
    "-x",
    "192.168.0.1/32",
    "-b",
    "*",
    "-d=15090,15021,15081,9191,15020",
];
const LOGGING: &str = "--log_output_level=default:info";
/// A container's security context: a read-only root file system and no capability, except those that are added.
const CONFINED: [&str; 4] = ["--rm", "--read-only", "--read-only-tmpfs=false", "--cap-drop=ALL"];
const NET_ADMIN: &str = "--cap-add=NET_ADMIN";
/// `allowPrivilegeEscalation: false`.
const NO_NEW_PRIVILEGES: &str = "--security-opt=no-new-privileges";

/// podman puts the container's capabilities into the ambient set of users that are not root, which Kubernetes' runtimes do
/// not: this takes them out again. Some runtimes leave such a user nothing but the bounding set, see [`BOUNDING_ONLY`].
const AS_KUBERNETES: &str = r#"#!/usr/bin/python3
import json, os, sys
for place, word in enumerate(sys.argv):
    if word in ("--bundle", "-b"):
        path = os.path.join(sys.argv[place + 1], "config.json")
        with open(path) as file:
            configuration = json.load(file)
        capabilities = configuration["process"]["capabilities"]
        capabilities["ambient"] = capabilities["inheritable"] = []
        if "bounding-only" in configuration["annotations"]:
            capabilities["permitted"] = capabilities["effective"] = []
        with open(path, "w") as file:
            json.dump(configuration, file)
os.execv("/usr/bin/crun", ["crun", *sys.argv[1:]])
"#;

const BOUNDING_ONLY: &str = "--annotation=bounding-only=true";

fn script() -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/container/build").to_owned()
}

/// Makes an image of the programs under test, in a folder that holds them, and gives its archive and digest.
fn build(folder: &std::path::Path, image: &str) -> (PathBuf, String) {
    for program in [env!("CARGO_BIN_EXE_mesh-intercept"), env!("CARGO_BIN_EXE_mesh-intercept-agent")] {
        let name = PathBuf::from(program).file_name().unwrap().to_owned();
        // Tables for debuggers are nine tenths of a test build, and podman copies them into each container.
        let strip = Command::new("strip").arg("-o").arg(folder.join(name)).arg(program).status().unwrap();
        assert!(strip.success());
    }
    let archive = folder.join(format!("{image}.tar"));
    let output = Command::new(script())
        .args([image, "--revision", "0123456", "--created", "1700000000", "--binaries"])
        .arg(folder)
        .arg("--output")
        .arg(&archive)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", everything(&output));
    (archive, String::from_utf8(output.stdout).unwrap().trim().to_owned())
}

/// A node with podman, an image, and the namespaces of two pods with a cable between them.
struct Laboratory {
    node: Node,
    image: String,
    digest: String,
}

impl Laboratory {
    fn new(image: &str) -> Laboratory {
        let node = Node::start();
        // podman asks runtimes that are called otherwise for cgroups.
        let runtime = node.path("as-kubernetes/crun");
        std::fs::create_dir_all(runtime.parent().unwrap()).unwrap();
        std::fs::write(&runtime, AS_KUBERNETES).unwrap();
        std::fs::set_permissions(&runtime, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        podman::configure(&node, runtime.to_str().unwrap());
        let (archive, digest) = build(&node.path(""), image);
        podman::text(&node, &["load", "--input", archive.to_str().unwrap()]);
        let image = format!("localhost/{image}:{}", env!("CARGO_PKG_VERSION"));
        for (path, _) in [POD, NEIGHBOUR] {
            let name = path.rsplit('/').next().unwrap();
            node.text(&["ip", "netns", "add", name]);
            node.text(&["ip", "-n", name, "link", "set", "lo", "up"]);
        }
        let cable = ["ip", "-n", "pod", "link", "add", "eth0", "type", "veth", "peer", "eth0"];
        node.text(&[&cable[..], &["netns", "neighbour"]].concat());
        for (path, address) in [POD, NEIGHBOUR] {
            let name = path.rsplit('/').next().unwrap();
            node.text(&["ip", "-n", name, "address", "add", &format!("{address}/24"), "dev", "eth0"]);
            node.text(&["ip", "-n", name, "link", "set", "eth0", "up"]);
        }
        Laboratory { node, image, digest }
    }

    /// Runs the image in the pod: options of podman, and the container's arguments.
    fn run(&self, options: &[&str], arguments: &[&str]) -> Output {
        let network = format!("--network=ns:{}", POD.0);
        let image = [self.image.as_str()];
        podman::run(&self.node, &[&CONFINED[..], &[&network], options, &image, arguments].concat())
    }

    /// The same, which has to end with this code; what it said.
    #[track_caller]
    fn ends(&self, code: i32, options: &[&str], arguments: &[&str]) -> String {
        let output = self.run(options, arguments);
        let said = everything(&output);
        assert_eq!(output.status.code(), Some(code), "{options:?} {arguments:?}: {said}");
        said
    }

    fn rules(&self) -> String {
        self.node.rules(POD.0)
    }

    fn forget_rules(&self) {
        self.node.text(&["ip", "netns", "exec", "pod", "nft", "flush", "ruleset"]);
    }
}

#[test]
fn the_init_image_redirects_with_net_admin_alone() {
    let laboratory = Laboratory::new(INIT);
    let node = &laboratory.node;
    let _pod = Actors::start(node, POD.0, &[PORT]);
    let _neighbour = Actors::start(node, NEIGHBOUR.0, &[PORT]);
    let out = |user| ask(node, POD.0, user, NEIGHBOUR.1, PORT);
    assert_eq!(out(APP), format!("app|{}:{PORT}|{}", NEIGHBOUR.1, POD.1));

    let arguments = [&INJECTED[..], &[LOGGING]].concat();
    let said = laboratory.ends(0, &[NET_ADMIN, NO_NEW_PRIVILEGES], &arguments);
    assert!(said.contains("rules are in the kernel"), "{said}");
    // The proxy gets what the application sends, and knows where to; what it sends itself goes out.
    assert_eq!(out(APP), format!("outbound|{}:{PORT}|{}", NEIGHBOUR.1, POD.1));
    assert_eq!(out(PROXY), format!("app|{}:{PORT}|{}", NEIGHBOUR.1, POD.1));
    let inbound = ask(node, NEIGHBOUR.0, APP, POD.1, PORT);
    assert_eq!(inbound, format!("inbound|{}:{PORT}|{}", POD.1, NEIGHBOUR.1));
}

#[test]
fn the_init_image_answers_to_every_name_and_touches_nothing_when_the_input_is_wrong() {
    let laboratory = Laboratory::new(INIT);
    let options = [NET_ADMIN, NO_NEW_PRIVILEGES];
    let before = laboratory.rules();
    for wrong in
        [&["istio-iptables", "-p", "70000"][..], &["istio-iptables", "--no-such-flag"], &["no-command"]]
    {
        let said = laboratory.ends(1, &options, wrong);
        assert!(said.contains(wrong.last().unwrap()), "{said}");
        assert_eq!(laboratory.rules(), before);
    }
    laboratory.ends(0, &options, &INJECTED);
    let rules = laboratory.rules();
    assert_ne!(rules, before);
    let flags = &INJECTED[1..];
    let init = [&["init"], flags].concat();
    for (entrypoint, arguments) in [
        ("istio-iptables", flags),
        ("pilot-agent", &INJECTED[..]),
        ("mesh-intercept", &init),
        ("/usr/local/bin/pilot-agent", &INJECTED),
    ] {
        laboratory.forget_rules();
        let entrypoint = format!("--entrypoint={entrypoint}");
        laboratory.ends(0, &[&options[..], &[&entrypoint]].concat(), arguments);
        assert_eq!(laboratory.rules(), rules, "{entrypoint}");
    }
    for question in ["--version", "--help"] {
        assert!(laboratory.ends(0, &[NO_NEW_PRIVILEGES], &[question]).contains(INIT));
    }
    // A scratch image holds no programs of iptables.
    laboratory.forget_rules();
    let said = laboratory.ends(2, &options, &[&INJECTED[..], &["--backend=iptables-nft"]].concat());
    assert!(said.contains("iptables"), "{said}");
}

#[test]
fn who_may_redirect_is_what_the_documentation_says() {
    let laboratory = Laboratory::new(INIT);
    let (root, other) = ("--user=0:0", "--user=65532:65532");
    for (options, code) in [
        (&[root, NET_ADMIN, NO_NEW_PRIVILEGES][..], 0),
        (&[root, NO_NEW_PRIVILEGES], 2),
        // By the capability of the file.
        (&[other, NET_ADMIN], 0),
        (&[other, NET_ADMIN, BOUNDING_ONLY], 0),
        // Under no_new_privs a file gives what its caller has, and no more.
        (&[other, NET_ADMIN, NO_NEW_PRIVILEGES], 0),
        (&[other, NET_ADMIN, NO_NEW_PRIVILEGES, BOUNDING_ONLY], 2),
        (&[other], 2),
    ] {
        let said = laboratory.ends(code, options, &INJECTED);
        assert_eq!(said.contains("needs CAP_NET_ADMIN"), code == 2, "{options:?}: {said}");
        assert_eq!(laboratory.rules().contains("table"), code == 0, "{options:?}: {said}");
        laboratory.forget_rules();
    }
    // The validation container: the proxy's user, no capability. The file's capability does not keep it from starting.
    let validation =
        |patience| [&INJECTED[..], &["--run-validation", "--skip-rule-apply", patience]].concat();
    let options = ["--user=1337:1337", NO_NEW_PRIVILEGES];
    laboratory.ends(126, &options, &validation("--probe-timeout=1s"));
    laboratory.ends(0, &[NET_ADMIN, NO_NEW_PRIVILEGES], &INJECTED);
    laboratory.ends(0, &options, &validation("--probe-timeout=30s"));
}

#[test]
fn the_agent_image_holds_the_agent_and_the_plugin() {
    let laboratory = Laboratory::new(AGENT);
    let version = laboratory.ends(0, &[NO_NEW_PRIVILEGES], &["--version"]);
    assert!(version.contains(AGENT) && version.contains(env!("CARGO_PKG_VERSION")), "{version}");
    assert!(laboratory.ends(0, &[], &["--help"]).contains("--plugin-program"));
    // The agent's default for the program that it installs.
    let plugin = "--entrypoint=/usr/local/bin/mesh-intercept";
    assert!(laboratory.ends(0, &[plugin], &["--version"]).contains(INIT));
    let said = laboratory.ends(0, &[plugin, "--env=CNI_COMMAND=VERSION"], &["cni"]);
    assert!(said.contains("supportedVersions"), "{said}");
}

#[test]
fn the_same_binaries_make_the_same_image() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    for image in [INIT, AGENT] {
        let [one, two] = [0, 1].map(|index| build(folders[index].path(), image));
        assert_eq!(one.1, two.1);
        assert!(
            std::fs::read(one.0).unwrap() == std::fs::read(two.0).unwrap(),
            "{image}: the archives differ"
        );
    }
}

#[test]
fn the_image_says_what_it_is() {
    let laboratory = Laboratory::new(INIT);
    let text = podman::text(&laboratory.node, &["image", "inspect", &laboratory.image]);
    let image: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(image[0]["Digest"], json!(laboratory.digest));
    assert_eq!(image[0]["Config"]["User"], "0:0");
    let labels = &image[0]["Config"]["Labels"];
    let label = |word: &str| labels[format!("org.opencontainers.image.{word}")].as_str().unwrap().to_owned();
    assert_eq!(label("title"), INIT);
    assert_eq!(label("version"), env!("CARGO_PKG_VERSION"));
    assert_eq!(label("revision"), "0123456");
    assert_eq!(label("created"), "2023-11-14T22:13:20Z");
    assert_eq!(label("licenses"), env!("CARGO_PKG_LICENSE"));
    assert!(!label("description").is_empty());
}

#[test]
fn the_bill_of_materials_lists_what_is_linked_in_and_nothing_else() {
    let bill = |package, features| {
        let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
        let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/container/sbom"))
            .args(["--package", package, "--features", features, "--target", &target, "--created=0"])
            .args(["--binary", env!("CARGO_BIN_EXE_mesh-intercept")])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", everything(&output));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).unwrap();
    let (small, large) = (bill(INIT, ""), bill(AGENT, "agent"));
    for bill in [&small, &large] {
        for component in bill["components"].as_array().unwrap() {
            let text = |pointer| component.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            assert!(
                !text("/version").is_empty() && !text("/licenses/0/expression").is_empty(),
                "{component}"
            );
            let checksum = text("/hashes/0/content");
            let is_locked = !checksum.is_empty() && lock.contains(checksum);
            assert!(is_locked || !text("/purl").starts_with("pkg:cargo/"), "{component}");
        }
    }
    let has = |bill: &Value, name| bill["components"].as_array().unwrap().iter().any(|it| it["name"] == name);
    for name in ["clap", "netlink-packet-route", "std", "libc6-dev"] {
        assert!(has(&small, name) && has(&large, name), "{name}");
    }
    for name in ["kube", "rustls", "ring"] {
        assert!(has(&large, name) && !has(&small, name), "{name}");
    }
    // For building, for tests, and for other systems.
    for name in ["serde_derive", "cc", "insta", "proptest", "trycmd", "windows-sys"] {
        assert!(!has(&small, name) && !has(&large, name), "{name}");
    }
}

#[test]
fn a_binary_that_would_not_start_in_an_empty_image_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("image.tar");
    let build = || {
        let mut command = Command::new(script());
        command.args([INIT, "--revision=0", "--created=0", "--binaries"]).arg(folder.path());
        command.arg("--output").arg(&output).output().unwrap()
    };
    let program = folder.path().join(INIT);
    std::fs::copy("/bin/bash", &program).unwrap();
    let said = build();
    assert!(!said.status.success() && everything(&said).contains("not static"), "{}", everything(&said));
    std::fs::write(&program, script()).unwrap();
    let said = build();
    assert!(!said.status.success() && everything(&said).contains("ELF"), "{}", everything(&said));
    assert!(!output.exists());
}
