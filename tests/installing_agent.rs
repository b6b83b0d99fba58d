//! The agent installs the plugin, keeps it there, and takes it out only when it is told to.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "kubernetes/mod.rs"]
mod kubernetes;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use kubernetes::{Agent, ApiServer, DEADLINE, NETWORK, wait_until};
use nix::sys::signal::Signal;
use serde_json::Value;

fn start(more: &[&str]) -> (ApiServer, Agent) {
    let server = ApiServer::start();
    let more: Vec<String> = more.iter().map(|it| (*it).to_owned()).collect();
    let agent = Agent::start_with(tempfile::tempdir().unwrap(), &server, &more);
    (server, agent)
}

fn network(agent: &Agent) -> PathBuf {
    agent.folder.path().join("net.d/10-net.conflist")
}

fn program(agent: &Agent) -> PathBuf {
    agent.folder.path().join("bin/mesh-intercept-cni")
}

/// The types of the plugins in the list.
fn chain(agent: &Agent) -> Vec<String> {
    let Ok(list) = serde_json::from_slice::<Value>(&fs::read(network(agent)).unwrap()) else { return vec![] };
    list["plugins"].as_array().unwrap().iter().map(|it| it["type"].as_str().unwrap().to_owned()).collect()
}

fn has_entry(agent: &Agent) -> bool {
    chain(agent) == ["bridge", "mesh-intercept-cni"]
}

fn end(agent: &mut Agent) {
    agent.signal(Signal::SIGTERM);
    assert!(agent.child.wait().unwrap().success());
}

#[test]
fn the_plugin_is_installed_and_told_where_the_agent_is() {
    let (_server, agent) = start(&["--exclude-namespaces=kube-system,other", "--pod-namespace=mesh"]);
    wait_until("the agent is ready", || agent.is_ready());
    assert_eq!(fs::read(program(&agent)).unwrap(), fs::read("/bin/true").unwrap());
    let list: Value = serde_json::from_slice(&fs::read(network(&agent)).unwrap()).unwrap();
    let entry = &list["plugins"][1];
    assert_eq!(entry["type"], "mesh-intercept-cni");
    assert_eq!(entry["cni_agent_run_dir"], agent.folder.path().join("run").to_str().unwrap());
    assert_eq!(entry["exclude_namespaces"], serde_json::json!(["kube-system", "other"]));
    assert_eq!(entry["pod_namespace"], "mesh");
    assert_eq!(entry["capabilities"]["io.kubernetes.cri.pod-annotations"], true);
    assert!(agent.metric("istio_cni_install_ready 1"));
    // What somebody else wrote is there to the byte.
    assert!(fs::read_to_string(network(&agent)).unwrap().contains("{\"type\": \"bridge\"}"));
}

#[test]
fn what_others_take_away_comes_back() {
    let (_server, agent) = start(&[]);
    wait_until("it is installed", || has_entry(&agent) && program(&agent).exists());
    fs::write(network(&agent), NETWORK).unwrap();
    wait_until("the entry is back", || has_entry(&agent));
    fs::remove_file(program(&agent)).unwrap();
    wait_until("the program is back", || program(&agent).exists());
    // A new file in front of the one that was edited is the one that the runtime reads now.
    let earlier = agent.folder.path().join("net.d/05-earlier.conflist");
    fs::write(&earlier, NETWORK).unwrap();
    wait_until("the earlier file has it", || {
        fs::read_to_string(&earlier).unwrap().contains("mesh-intercept-cni")
    });
}

/// The documentation showed keys that the agent does not write, and another order.
#[test]
fn the_documented_entry_is_the_one_that_the_manifests_make_it_write() {
    let text = include_str!("../docs/cni.md");
    let (_, text) = text.split_once("With the manifests as they are it writes:\n\n```json\n").unwrap();
    let documented: Value = serde_json::from_str(text.split_once("```").unwrap().0).unwrap();
    let (_server, agent) = start(&["--exclude-namespaces=kube-system", "--pod-namespace=mesh-intercept"]);
    wait_until("it is installed", || has_entry(&agent));
    let list: Value = serde_json::from_slice(&fs::read(network(&agent)).unwrap()).unwrap();
    let run = agent.folder.path().join("run");
    let written = list["plugins"][1].to_string().replace(run.to_str().unwrap(), "/var/run/mesh-intercept");
    // The agent of a test logs more than others.
    assert_eq!(written.replace("debug", "info"), documented.to_string());
}

/// Between its look and its wait the agent saw nothing, and found what had happened there up to five seconds later.
#[test]
fn what_happens_right_after_a_look_is_seen_at_once() {
    let (_server, agent) = start(&["--owned-config"]);
    let copy = agent.folder.path().join("net.d/02-mesh-intercept.conflist");
    let start = Instant::now();
    wait_until("it is ready", || agent.is_ready());
    // By looking every five seconds alone, this would take five times as long as the deadline.
    for round in 0..30 {
        fs::remove_file(program(&agent)).unwrap();
        wait_until("the program is back", || program(&agent).exists());
        fs::write(network(&agent), NETWORK.replace("net", &format!("net{round}"))).unwrap();
        wait_until("the copy follows", || {
            fs::read_to_string(&copy).is_ok_and(|text| text.contains(&format!("net{round}")))
        });
        assert!(start.elapsed() < DEADLINE, "round {round}");
    }
}

#[test]
fn an_agent_that_ends_leaves_everything_in_place() {
    let (_server, mut agent) = start(&[]);
    wait_until("it is installed", || has_entry(&agent));
    end(&mut agent);
    assert!(has_entry(&agent) && program(&agent).exists());
}

#[test]
fn an_agent_that_uninstalls_leaves_what_was_there_before() {
    let (_server, mut agent) = start(&["--uninstall"]);
    wait_until("it is installed", || has_entry(&agent));
    end(&mut agent);
    assert_eq!(fs::read_to_string(network(&agent)).unwrap(), NETWORK);
    assert!(!program(&agent).exists());
}

#[test]
fn the_program_stays_as_long_as_a_sandbox_may_need_it() {
    let (_server, mut agent) = start(&["--uninstall"]);
    wait_until("it is installed", || has_entry(&agent));
    let sandboxes = agent.folder.path().join("run/sandboxes");
    fs::create_dir_all(&sandboxes).unwrap();
    fs::write(sandboxes.join("a@eth0.json"), "{}").unwrap();
    end(&mut agent);
    assert_eq!(fs::read_to_string(network(&agent)).unwrap(), NETWORK);
    assert!(program(&agent).exists());
}

#[test]
fn a_copy_of_its_own_leaves_the_primary_as_it_is() {
    let (_server, mut agent) = start(&["--owned-config", "--uninstall"]);
    let copy = agent.folder.path().join("net.d/02-mesh-intercept.conflist");
    wait_until("the copy is there", || {
        fs::read_to_string(&copy).is_ok_and(|text| text.contains("mesh-intercept-cni"))
    });
    assert_eq!(fs::read_to_string(network(&agent)).unwrap(), NETWORK);
    end(&mut agent);
    // istio-cni would have removed the primary: its cleanup and its writing disagree about which file is its own.
    assert!(!copy.exists());
    assert_eq!(fs::read_to_string(network(&agent)).unwrap(), NETWORK);
}

#[test]
fn without_a_network_to_join_the_agent_is_not_ready_and_says_so() {
    let (_server, agent) = start(&["--cni-conf-name=99-none.conflist"]);
    wait_until("it says so", || agent.log().contains("99-none.conflist"));
    assert!(!agent.is_ready());
    assert!(agent.metric("istio_cni_install_ready 0"));
}

/// A network configuration that an earlier agent has edited.
const EARLIER: &str = "{\n  \"cniVersion\": \"1.0.0\",\n  \"name\": \"net\",\n  \"plugins\": [\n    {\"type\": \"bridge\"},\n    {\"type\":\"mesh-intercept-cni\",\"time_budget\":\"7s\"}\n  ]\n}\n";

#[test]
fn settings_that_cannot_be_keep_the_agent_unready_and_what_is_installed_as_it_was() {
    // The agent was ready, the node's taint went, and every pod failed.
    for (flag, words) in [
        (r#"--plugin-config={"flags":["-z","99999"]}"#, "inbound-capture-port"),
        (r#"--plugin-config={"flags":["--istio-inbound-interception-mode","BAD"]}"#, "REDIRECT or TPROXY"),
        (r#"--plugin-config={"flags":["--no-such-flag"]}"#, "--no-such-flag"),
        (r#"--plugin-config={"without_fact":"skip"}"#, "did you mean without_facts?"),
        (r#"--plugin-config={"pod_facts":["agents"]}"#, "pod_facts[0]"),
        (r#"--plugin-config={"ambient_enabled":"no"}"#, "expected true or false"),
        (r#"--plugin-config={"backend":"auto","backend":"nftables"}"#, "more than once"),
        (r#"--plugin-config={"plugin_log_level":"verbose"}"#, "plugin_log_level"),
        (r#"--plugin-config={"host_os_release":5}"#, "host_os_release"),
        (r#"--plugin-config={"pod_facts":["kubeconfig"],"kubeconfig":"/k"}"#, "--plugin-program"),
        ("--exclude-namespaces=Kube-System", "exclude_namespaces[0]"),
        ("--pod-namespace=my_mesh", "pod_namespace"),
    ] {
        let server = ApiServer::start();
        server.put(kubernetes::pod(kubernetes::NODE, "shop", "web", "u-1"));
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("net.d")).unwrap();
        fs::write(folder.path().join("net.d/10-net.conflist"), EARLIER).unwrap();
        let mut agent = Agent::start_with(folder, &server, &[flag.to_owned(), "--uninstall".to_owned()]);
        // The plugin of the earlier installation is answered: its pods go on starting.
        wait_until("it answers for pods", || agent.knows("web", "u-1"));
        wait_until("it says why", || agent.log().contains("settings cannot be used"));
        let (status, body) = agent.get(&agent.health, "/readyz");
        assert_eq!(status, 503, "{flag}: {body}");
        assert!(body.contains(words) && body.contains("settings cannot be used"), "{words}: {body}");
        let log = agent.log();
        let is_told =
            log.lines().any(|line| line.contains("ERROR") && line.contains("settings cannot be used"));
        assert!(is_told, "{log}");
        assert!(agent.metric("istio_cni_install_ready 0"));
        assert_eq!(fs::read_to_string(network(&agent)).unwrap(), EARLIER, "{flag}");
        assert!(!program(&agent).exists());
        // Taking it out is no matter of settings.
        end(&mut agent);
        assert!(!fs::read_to_string(network(&agent)).unwrap().contains("mesh-intercept-cni"));
    }
}

/// A /proc of a node on which these network namespaces are mounted.
fn host_proc(folder: &Path, inodes: &[u64]) -> String {
    let proc = folder.join("proc");
    fs::create_dir_all(proc.join("1")).unwrap();
    let mut mounts = "22 28 0:21 / /proc rw shared:5 - proc proc rw\n".to_owned();
    for inode in inodes {
        mounts += &format!("9 8 0:4 net:[{inode}] /run/netns/cni-{inode} rw shared:9 - nsfs nsfs rw\n");
    }
    fs::write(proc.join("1/mountinfo"), mounts).unwrap();
    format!("--host-proc={}", proc.display())
}

/// What the plugin remembers of a sandbox, with rules or without.
fn remember(folder: &Path, name: &str, flags: Option<&str>, inode: u64) {
    let sandboxes = folder.join("run/sandboxes");
    fs::create_dir_all(&sandboxes).unwrap();
    let sandbox = serde_json::json!({
        "network": "net", "pod": null, "flags": flags, "backend": null, "network_namespace": [4, inode],
    });
    fs::write(sandboxes.join(format!("{name}@eth0.json")), sandbox.to_string()).unwrap();
}

fn remembered(agent: &Agent) -> Vec<String> {
    let files = fs::read_dir(agent.folder.path().join("run/sandboxes")).unwrap();
    let mut names: Vec<_> = files.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn sandboxes_that_are_gone_are_forgotten_and_those_without_rules_need_no_program() {
    // The program stayed in the node's folder for good: the runtime calls no DEL once the entry is out.
    let server = ApiServer::start();
    let folder = tempfile::tempdir().unwrap();
    let proc = host_proc(folder.path(), &[100, 101]);
    remember(folder.path(), "meshed-and-gone", Some("-b *"), 99);
    remember(folder.path(), "left-alone-and-gone", None, 98);
    remember(folder.path(), "left-alone", None, 100);
    let mut agent = Agent::start_with(folder, &server, &["--uninstall".to_owned(), proc]);
    wait_until("it is installed", || has_entry(&agent));
    assert_eq!(remembered(&agent), ["left-alone@eth0.json"]);
    // Gone while the agent ran.
    remember(agent.folder.path(), "meshed", Some("-b *"), 101);
    host_proc(agent.folder.path(), &[100]);
    end(&mut agent);
    assert_eq!(fs::read_to_string(network(&agent)).unwrap(), NETWORK);
    assert!(!program(&agent).exists());
    assert_eq!(remembered(&agent), ["left-alone@eth0.json"]);
}

#[test]
fn the_program_stays_for_a_living_sandbox_with_rules_and_where_that_cannot_be_told() {
    for (inodes, is_told) in [(&[100][..], false), (&[], true)] {
        let server = ApiServer::start();
        let folder = tempfile::tempdir().unwrap();
        let proc = host_proc(folder.path(), inodes);
        remember(folder.path(), "meshed", Some("-b *"), 100);
        let mut agent = Agent::start_with(folder, &server, &["--uninstall".to_owned(), proc]);
        wait_until("it is installed", || has_entry(&agent));
        end(&mut agent);
        assert_eq!(fs::read_to_string(network(&agent)).unwrap(), NETWORK);
        assert!(program(&agent).exists());
        assert_eq!(remembered(&agent), ["meshed@eth0.json"]);
        assert_eq!(agent.log().contains("does not tell whether"), is_told, "{}", agent.log());
    }
}
