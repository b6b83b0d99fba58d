//! Pods that started without their rules, and an agent that finds them on its node.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod common;
#[path = "kubernetes/mod.rs"]
mod kubernetes;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use common::pod::{assert_same, bare_pod, pod as namespace};
use common::users::UserNamespace;
use common::{BINARY, Namespace, holders};
use kubernetes::{Agent, ApiServer, Fault, NODE, On, wait_until};
use serde_json::{Value, json};

/// The processes of a node, as far as the agent looks at them.
struct Proc {
    folder: tempfile::TempDir,
}

impl Proc {
    fn new() -> Proc {
        let proc = Proc { folder: tempfile::tempdir().unwrap() };
        // The first process of the node, in the node's own namespace, with the UID of everybody in its name.
        proc.put(1, Path::new("/proc/1/ns/net"), "/init.scope", 0);
        proc
    }

    fn put(&self, pid: u32, namespace: &Path, cgroup: &str, since: u64) {
        let folder = self.folder.path().join(pid.to_string());
        fs::create_dir_all(folder.join("ns")).unwrap();
        symlink(namespace, folder.join("ns/net")).unwrap();
        fs::write(folder.join("cgroup"), format!("0::{cgroup}\n")).unwrap();
        let fields = vec!["0"; 18].join(" ");
        fs::write(folder.join("stat"), format!("{pid} (a) b) S {fields} {since} 0")).unwrap();
    }
}

/// A process of the pod's, whose files the agent finds.
fn process(pod: &mut Namespace) -> PathBuf {
    pod.start(&["sh", "-c", "echo ready; exec sleep 1000"], "");
    let pid = pod.processes().split_whitespace().next().unwrap().to_owned();
    PathBuf::from(format!("/proc/{pid}/ns/net"))
}

/// A pod whose validation failed; `how` is its container's status.
fn broken(name: &str, uid: &str, how: Value) -> Value {
    let mut pod = kubernetes::pod(NODE, "shop", name, uid);
    let mut status =
        json!({"name": "istio-validation", "image": "i", "imageID": "i", "ready": false, "restartCount": 0});
    status.as_object_mut().unwrap().extend(how.as_object().unwrap().clone());
    pod["status"]["initContainerStatuses"] = json!([status]);
    pod
}

/// It ended once, and nothing was started again: a pod of a Job.
fn first_end() -> Value {
    json!({"state": {"terminated": {"exitCode": 126}}, "lastState": {}})
}

fn agent(server: &ApiServer, proc: &Proc, more: &[&str]) -> Agent {
    let more = more.iter().map(|it| (*it).to_owned());
    let more: Vec<String> = more.chain([format!("--host-proc={}", proc.folder.path().display())]).collect();
    Agent::start_with(tempfile::tempdir().unwrap(), server, &more)
}

fn has_event(server: &ApiServer, reason: &str, uid: &str) -> bool {
    server.events().iter().any(|it| it["reason"] == reason && it["involvedObject"]["uid"] == uid)
}

/// What init would have put there.
fn expected(role: &str) -> String {
    let pod = bare_pod(role);
    let flags = [
        "-u",
        "1337",
        "-i",
        "*",
        "-b",
        "*",
        "-d",
        "15020,15021,15090",
        "-o",
        "15020",
        "--redirect-dns",
        "--capture-all-dns",
    ];
    assert!(pod.output(&[&[BINARY, "init"], &flags[..]].concat()).status.success());
    pod.state()
}

#[test]
fn the_rules_are_put_in_at_the_first_failure() {
    let mut pod = namespace();
    let (proc, server) = (Proc::new(), ApiServer::start());
    // The application has made a namespace of its own since; systemd writes the UID in its way.
    let mut nested = bare_pod("nested");
    let group = "/kubepods.slice/kubepods-pod1234_5678.slice/cri-1.scope";
    proc.put(77, &process(&mut pod), group, 500);
    proc.put(78, &process(&mut nested), group, 900);
    server.put(broken("job", "1234-5678", first_end()));
    let before = nested.state();
    let agent = agent(&server, &proc, &[]);
    wait_until("the repair is told", || has_event(&server, "InterceptionRepaired", "1234-5678"));
    assert_same(&pod.state(), &expected("init"), "repaired");
    assert_same(&nested.state(), &before, "somebody else's");
    assert!(agent.metric("istio_cni_repair_pods_repaired_total{type=\"repair\",result=\"success\"} 1"));
}

/// What the author of a pod, or who may write its status, can make it say of the victim.
fn claims(victim_uid: &str, victim_address: &str) -> Vec<(&'static str, Value)> {
    let mirror = json!({
        "sidecar.istio.io/status": "{}", "kubernetes.io/config.mirror": "x", "kubernetes.io/config.hash": victim_uid,
        "kubernetes.io/config.source": "api",
    });
    let address =
        json!({"podIP": victim_address, "podIPs": [{"ip": victim_address}], "hostIP": victim_address});
    vec![
        ("annotations of a mirror pod", json!({"metadata": {"annotations": mirror}})),
        ("addresses in the status", json!({"status": address})),
        ("both", json!({"metadata": {"annotations": mirror}, "status": address})),
        (
            "a label",
            json!({"metadata": {"labels": {"uid": victim_uid, "io.kubernetes.pod.uid": victim_uid}}}),
        ),
        (
            "owner",
            json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "v", "uid": victim_uid}]}}),
        ),
        (
            "container",
            json!({"status": {"initContainerStatuses": [{"containerID": format!("cri://{victim_uid}")}]}}),
        ),
    ]
}

fn merge(into: &mut Value, more: &Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(more)) if !into.is_empty() => merge(&mut into[0], &more[0]),
        (into, more) => *into = more.clone(),
    }
}

#[test]
fn nothing_that_the_author_of_a_pod_writes_points_to_the_rules_of_another() {
    // The agent once took the UID of a mirror pod from its annotations, and a namespace by the addresses of the status.
    let mut victim = namespace();
    victim.ip("address add 10.1.2.3/32 dev lo");
    assert!(victim.output(&[BINARY, "init", "-u", "1338", "-i", "*", "-b", "*"]).status.success());
    let before = victim.state();
    let (proc, server) = (Proc::new(), ApiServer::start());
    // One process in the victim's cgroup, one that a runtime has left in none.
    let path = process(&mut victim);
    proc.put(77, &path, "/kubepods/burstable/podbbbb-2222/c", 5);
    proc.put(79, &path, "/system.slice/runtime.service", 4);
    for (number, (what, claim)) in claims("bbbb-2222", "10.1.2.3").into_iter().enumerate() {
        for (phase, failure) in [("Running", json!({"state": {"running": {}}})), ("Pending", first_end())] {
            let name = format!("attacker-{number}-{}", phase.to_lowercase());
            let mut pod = broken(&name, &format!("aaaa-{name}"), failure);
            pod["status"]["phase"] = json!(phase);
            merge(&mut pod, &claim);
            assert!(!what.is_empty());
            server.put(pod);
        }
    }
    let agent = agent(&server, &proc, &["--reconcile-interval=200ms"]);
    let told = |reason: &str| server.events().iter().filter(|it| it["reason"] == reason).count();
    wait_until("every failure is told", || {
        told("InterceptionRepairFailed") + told("InterceptionNotRepaired") >= claims("", "").len()
    });
    std::thread::sleep(std::time::Duration::from_millis(800));
    assert_same(&victim.state(), &before, "the victim's");
    assert_eq!(told("InterceptionRepaired") + told("InterceptionDrift"), 0);
    assert!(agent.log().contains("compared") || agent.log().contains("cannot compare"), "{}", agent.log());
}

#[test]
fn a_process_id_that_goes_to_another_pod_while_it_is_looked_at_does_not_count() {
    // The namespace was once opened by the path of a process that had been looked at before.
    let (mut pod, mut victim) = (namespace(), bare_pod("victim"));
    let before = victim.state();
    let (proc, server) = (Proc::new(), ApiServer::start());
    let folder = proc.folder.path().join("77");
    let of_victim = process(&mut victim);
    proc.put(77, &process(&mut pod), "", 5);
    fs::remove_file(folder.join("cgroup")).unwrap();
    nix::unistd::mkfifo(&folder.join("cgroup"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    server.put(broken("web", "u-1", first_end()));
    let writer = {
        let folder = folder.clone();
        // The first reader is told that the process is the pod's; then the PID goes to the victim.
        move |uid: &str| {
            let mut cgroup = fs::File::options().write(true).open(folder.join("cgroup")).unwrap();
            std::io::Write::write_all(&mut cgroup, format!("0::/kubepods/pod{uid}/c\n").as_bytes()).unwrap();
        }
    };
    let _agent = agent(&server, &proc, &[]);
    let first = writer.clone();
    let swap = {
        let folder = folder.clone();
        move || {
            fs::remove_file(folder.join("ns/net")).unwrap();
            symlink(&of_victim, folder.join("ns/net")).unwrap();
        }
    };
    first("u-1");
    swap();
    // From here on, the process says that it is the victim's.
    let ends = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ends.load(std::sync::atomic::Ordering::Relaxed) {
                writer("u-2");
            }
        });
        wait_until("the failure is told", || has_event(&server, "InterceptionRepairFailed", "u-1"));
        ends.store(true, std::sync::atomic::Ordering::Relaxed);
        // Lets the writer go that waits for a reader.
        drop(fs::read(folder.join("cgroup")));
    });
    assert_same(&victim.state(), &before, "the victim's");
}

#[test]
fn a_namespace_that_was_another_pods_before_is_not_taken() {
    // A process of the pod has gone into the namespace of another pod.
    let mut victim = namespace();
    let before = victim.state();
    let (proc, server) = (Proc::new(), ApiServer::start());
    let path = process(&mut victim);
    proc.put(77, &path, "/kubepods/podu-1/c", 50);
    proc.put(78, &path, "/kubepods/podu-2/c", 5);
    server.put(broken("web", "u-1", first_end()));
    let _agent = agent(&server, &proc, &[]);
    wait_until("the failure is told", || has_event(&server, "InterceptionRepairFailed", "u-1"));
    assert_same(&victim.state(), &before, "the other pod's");
}

#[test]
fn the_root_of_the_kubelets_cgroups_may_have_any_name() {
    // `/my-pods` was once taken for the cgroup of a pod with the UID `s`.
    for (root, role) in [("/my-pods", "one"), ("/pods/podman", "two")] {
        let mut pod = bare_pod(role);
        let (proc, server) = (Proc::new(), ApiServer::start());
        proc.put(77, &process(&mut pod), &format!("{root}/kubepods/besteffort/podu-1/c"), 5);
        server.put(broken("web", "u-1", first_end()));
        let _agent = agent(&server, &proc, &[]);
        wait_until("the repair is told", || has_event(&server, "InterceptionRepaired", "u-1"));
    }
}

#[test]
fn a_pod_that_never_restarts_is_told_so_and_not_repaired() {
    let mut pod = namespace();
    let before = pod.state();
    let (proc, server) = (Proc::new(), ApiServer::start());
    proc.put(77, &process(&mut pod), "/kubepods/podu-1/c", 5);
    let mut job = broken("job", "u-1", first_end());
    job["spec"]["restartPolicy"] = json!("Never");
    server.put(job);
    let _agent = agent(&server, &proc, &[]);
    wait_until("it is told", || has_event(&server, "InterceptionNotRepaired", "u-1"));
    let message = server.events()[0]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("restartPolicy Never") && message.contains("anew"), "{message}");
    assert_same(&pod.state(), &before, "untouched");
    assert!(!has_event(&server, "InterceptionRepaired", "u-1"));
}

#[test]
fn a_pod_that_is_over_before_the_agent_sees_it_is_told_why_it_is_not_repaired() {
    for (phase, policy) in [("Failed", "OnFailure"), ("Failed", "Never"), ("Succeeded", "Always")] {
        let (proc, server) = (Proc::new(), ApiServer::start());
        let mut over = broken("job", "u-1", first_end());
        over["spec"]["restartPolicy"] = json!(policy);
        over["status"]["phase"] = json!(phase);
        server.put(over);
        let _agent = agent(&server, &proc, &[]);
        wait_until("it is told", || has_event(&server, "InterceptionNotRepaired", "u-1"));
        let message = server.events()[0]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("is not repaired") && message.contains("anew"), "{message}");
        assert!(!has_event(&server, "InterceptionRepaired", "u-1"), "{phase} {policy}");
    }
}

#[test]
fn the_reason_why_a_pod_is_not_repaired_is_told_once_also_by_the_next_agent() {
    let (proc, server) = (Proc::new(), ApiServer::start());
    let mut host = broken("host", "u-1", first_end());
    host["spec"]["hostNetwork"] = json!(true);
    server.put(host);
    let mut excluded = broken("out", "u-2", first_end());
    excluded["metadata"]["labels"]["sidecar.istio.io/inject"] = json!("false");
    server.put(excluded);
    let told = || ["u-1", "u-2"].iter().all(|uid| has_event(&server, "InterceptionNotRepaired", uid));
    let first = agent(&server, &proc, &[]);
    wait_until("both are told", told);
    drop(first);
    let asked = server.count(On::Event);
    let _second = agent(&server, &proc, &[]);
    wait_until("the second agent has asked", || server.count(On::Event) == asked + 2);
    assert_eq!(server.events().len(), 2, "{:?}", server.events());
    let said = server.events().iter().map(|it| it["message"].to_string()).collect::<String>();
    assert!(said.contains("it uses the node's network") && said.contains("inject is false"), "{said}");
}

#[test]
fn a_pod_without_validation_that_starts_without_rules_is_repaired_and_one_that_runs_is_told() {
    let (mut starting, mut running) = (namespace(), bare_pod("running"));
    let before = running.state();
    let (proc, server) = (Proc::new(), ApiServer::start());
    proc.put(77, &process(&mut starting), "/kubepods/podu-1/c", 5);
    proc.put(78, &process(&mut running), "/kubepods/podu-2/c", 5);
    let state = |init: &str, app: &str| {
        let status = |name: &str, state: &str| json!([{"name": name, "state": {state: {}}}]);
        json!({
            "phase": "Pending", "initContainerStatuses": status("istio-proxy", init),
            "containerStatuses": status("app", app),
        })
    };
    let mut pod = kubernetes::pod(NODE, "shop", "starting", "u-1");
    pod["status"] = state("running", "waiting");
    server.put(pod);
    let mut pod = kubernetes::pod(NODE, "shop", "running", "u-2");
    pod["status"] = state("running", "running");
    server.put(pod);
    let agent = agent(&server, &proc, &[]);
    wait_until("the repair is told", || has_event(&server, "InterceptionRepaired", "u-1"));
    wait_until("the other is told", || has_event(&server, "InterceptionMissing", "u-2"));
    assert!(starting.state().contains("15006"));
    assert_same(&running.state(), &before, "connections that are open are left alone");
    drop(agent);
    let again = self::agent(&server, &proc, &[]);
    wait_until("the next agent says so as well", || {
        again.log().contains("runs without its interception rules")
    });
    let asked = || server.requests(On::Event).iter().filter(|it| it.contains("InterceptionMissing")).count();
    wait_until("the next agent has asked", || asked() == 2);
    let told = server.events().iter().filter(|it| it["reason"] == "InterceptionMissing").count();
    assert_eq!(told, 1, "{:?}", server.events());
}

#[test]
fn a_warning_about_a_pod_is_said_once_with_its_name_and_told_to_its_owner() {
    // A pod with IPv6 that is not captured: once in the log at each comparison, and without the pod's name.
    let mut pod = namespace();
    pod.ip("address add 10.1.2.3/32 dev lo");
    pod.ip("address add 2001:db8::3/128 dev lo nodad");
    let (proc, server) = (Proc::new(), ApiServer::start());
    proc.put(77, &process(&mut pod), "/kubepods/podu-1/c", 5);
    let mut running = kubernetes::pod(NODE, "shop", "web", "u-1");
    running["status"]["phase"] = json!("Running");
    server.put(running);
    let agent = agent(&server, &proc, &["--reconcile-interval=100ms"]);
    wait_until("the warning is told", || has_event(&server, "InterceptionWarning", "u-1"));
    std::thread::sleep(std::time::Duration::from_secs(1));
    let log = agent.log();
    let warnings: Vec<_> =
        log.lines().filter(|line| line.contains("IPv6") && line.to_lowercase().contains("warn")).collect();
    assert_eq!(warnings.len(), 1, "{log}");
    assert!(warnings[0].contains("shop") && warnings[0].contains("web"), "{}", warnings[0]);
    let told = server.events().iter().filter(|it| it["reason"] == "InterceptionWarning").count();
    assert_eq!(told, 1);
}

#[test]
fn a_pod_with_users_of_its_own_is_repaired_as_any_other() {
    // istio's repair does not enter user namespaces.
    common::isolate("");
    let pod = UserNamespace::new();
    let (proc, server) = (Proc::new(), ApiServer::start());
    proc.put(77, &pod.network(), "/kubepods/podu-1/c", 5);
    server.put(broken("web", "u-1", first_end()));
    let _agent = agent(&server, &proc, &[]);
    wait_until("the repair is told", || has_event(&server, "InterceptionRepaired", "u-1"));
    let rules = pod.inside(&["nft", "list", "ruleset"]);
    assert!(String::from_utf8_lossy(&rules.stdout).contains("skuid 1337"), "{rules:?}");
}

#[test]
fn a_user_of_the_pod_that_locks_what_it_can_holds_up_no_repair() {
    let mut pod = namespace();
    holders::start_user(&mut pod);
    let (proc, server) = (Proc::new(), ApiServer::start());
    proc.put(77, &process(&mut pod), "/kubepods/podu-1/c", 5);
    server.put(broken("web", "u-1", first_end()));
    let agent = agent(&server, &proc, &[]);
    wait_until("the repair is told", || has_event(&server, "InterceptionRepaired", "u-1"));
    assert!(!has_event(&server, "InterceptionRepairFailed", "u-1"), "{}", agent.log());
    assert_same(&pod.state(), &expected("init"), "repaired");
}

#[test]
fn what_cannot_be_repaired_is_told_and_tried_again() {
    let mut pod = namespace();
    let (proc, server) = (Proc::new(), ApiServer::start());
    server.put(broken("web", "u-1", first_end()));
    let agent = agent(&server, &proc, &[]);
    wait_until("the failure is told", || has_event(&server, "InterceptionRepairFailed", "u-1"));
    proc.put(77, &process(&mut pod), "/kubepods/podu-1/c", 5);
    wait_until("the repair is told", || has_event(&server, "InterceptionRepaired", "u-1"));
    let failures = server.events().iter().filter(|it| it["reason"] == "InterceptionRepairFailed").count();
    assert_eq!(failures, 1, "told once, whatever the number of tries");
    drop(agent);
}

#[test]
fn partial_rules_are_no_obstacle_and_right_ones_are_left_alone() {
    let mut pod = namespace();
    pod.text(&["iptables-legacy", "-t", "nat", "-N", "ISTIO_REDIRECT"]);
    let (proc, server) = (Proc::new(), ApiServer::start());
    proc.put(77, &process(&mut pod), "/kubepods/podu-1/c", 5);
    server.put(broken("web", "u-1", first_end()));
    let agent = agent(&server, &proc, &[]);
    wait_until("the repair is told", || has_event(&server, "InterceptionRepaired", "u-1"));
    let repaired = pod.state();
    // The agent starts again, and finds the pod still waiting for its next try.
    drop(agent);
    let again = self::agent(&server, &proc, &[]);
    let skipped = "istio_cni_repair_pods_repaired_total{type=\"repair\",result=\"skip\"} 1";
    wait_until("it was looked at", || again.metric(skipped));
    assert_same(&repaired, &pod.state(), "looked at again");
}

#[test]
fn pods_that_are_none_of_the_mesh_are_not_repaired() {
    let mut pod = namespace();
    let before = pod.state();
    let (proc, server) = (Proc::new(), ApiServer::start());
    proc.put(77, &process(&mut pod), "/kubepods/podu-1/c", 5);
    let mut own = broken("own", "u-1", first_end());
    own["spec"]["initContainers"].as_array_mut().unwrap().push(json!({"name": "istio-init", "image": "i"}));
    server.put(own);
    let agent = agent(&server, &proc, &[]);
    let skipped = "istio_cni_repair_pods_repaired_total{type=\"repair\",result=\"skip\"} 1";
    wait_until("it was looked at", || agent.metric(skipped));
    assert_same(&before, &pod.state(), "somebody else's");
}

#[test]
fn a_pod_of_an_excluded_namespace_is_left_alone() {
    let mut pod = namespace();
    let before = pod.state();
    let (proc, server) = (Proc::new(), ApiServer::start());
    proc.put(77, &process(&mut pod), "/kubepods/podu-1/c", 5);
    server.put(broken("web", "u-1", first_end()));
    let agent = agent(&server, &proc, &["--exclude-namespaces=shop"]);
    let skipped = "istio_cni_repair_pods_repaired_total{type=\"repair\",result=\"skip\"} 1";
    wait_until("it was looked at", || agent.metric(skipped));
    assert_same(&before, &pod.state(), "excluded");
}

#[test]
fn an_address_that_is_another_pods_by_now_is_not_taken() {
    let mut other = namespace();
    other.ip("address add 10.1.2.3/32 dev lo");
    let before = other.state();
    let (proc, server) = (Proc::new(), ApiServer::start());
    proc.put(78, &process(&mut other), "/kubepods/podu-2/c", 5);
    let mut gone = broken("gone", "u-1", first_end());
    gone["status"]["podIPs"] = json!([{"ip": "10.1.2.3"}]);
    server.put(gone);
    let _agent = agent(&server, &proc, &[]);
    wait_until("the failure is told", || has_event(&server, "InterceptionRepairFailed", "u-1"));
    assert_same(&other.state(), &before, "somebody else's");
}

#[test]
fn an_api_server_that_is_silent_keeps_no_pod_from_being_repaired() {
    let (mut one, mut two) = (namespace(), bare_pod("two"));
    let (proc, server) = (Proc::new(), ApiServer::start());
    proc.put(77, &process(&mut one), "/kubepods/podu-1/c", 5);
    proc.put(78, &process(&mut two), "/kubepods/podu-2/c", 5);
    server.inject(On::Event, Fault::Silent, 2);
    server.put(broken("one", "u-1", first_end()));
    server.put(broken("two", "u-2", first_end()));
    let agent = agent(&server, &proc, &[]);
    let both = "istio_cni_repair_pods_repaired_total{type=\"repair\",result=\"success\"} 2";
    let start = std::time::Instant::now();
    wait_until("both are repaired", || agent.metric(both));
    // The first event is given up after ten seconds, and the pods did not wait for it.
    assert!(start.elapsed().as_secs() < 10);
}

#[test]
fn a_broken_pod_is_deleted_only_as_it_was_seen() {
    let (proc, server) = (Proc::new(), ApiServer::start());
    server.inject(On::Delete, Fault::Status(500), 1);
    server.put(broken("web", "u-1", first_end()));
    server.put(kubernetes::pod(NODE, "shop", "fine", "u-2"));
    let agent = agent(&server, &proc, &["--repair-delete-pods"]);
    wait_until("it is gone", || server.get("shop", "web").is_none());
    wait_until("that is told", || has_event(&server, "DeleteBrokenPod", "u-1"));
    assert!(server.get("shop", "fine").is_some());
    let requests = server.requests(On::Delete);
    assert!(requests.iter().all(|it| it.contains("u-1") && it.contains("resourceVersion")), "{requests:?}");
    drop(agent);
}

#[test]
fn a_broken_pod_is_labelled_once() {
    let (proc, server) = (Proc::new(), ApiServer::start());
    server.put(broken("web", "u-1", first_end()));
    let agent = agent(&server, &proc, &["--repair-label-pods", "--repair-broken-pod-label-key=broken"]);
    let label = || server.get("shop", "web").unwrap()["metadata"]["labels"]["broken"].clone();
    wait_until("it is labelled", || label() == "true");
    wait_until("that is told", || has_event(&server, "LabelBrokenPod", "u-1"));
    assert!(server.get("shop", "web").unwrap()["metadata"]["labels"]["app"] == "web");
    drop(agent);
}

#[test]
fn drift_is_found_and_mended_when_that_is_asked_for() {
    let mut pod = namespace();
    let (proc, server) = (Proc::new(), ApiServer::start());
    proc.put(77, &process(&mut pod), "/kubepods/podu-1/c", 5);
    let mut running = kubernetes::pod(NODE, "shop", "web", "u-1");
    running["status"]["phase"] = json!("Running");
    server.put(running);
    let agent = agent(&server, &proc, &["--reconcile-interval=300ms"]);
    wait_until("the rules are there", || pod.state().contains("15006"));
    let right = pod.state();
    pod.text(&["nft", "flush", "ruleset"]);
    wait_until("the rules are there again", || pod.state() == right);
    wait_until("that is counted", || agent.metric("mesh_intercept_drift_found_total 2"));
    assert!(has_event(&server, "InterceptionDrift", "u-1"));
}

#[test]
fn the_plugin_asks_the_api_server_when_it_is_told_to() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    let pod = namespace();
    let server = ApiServer::start();
    server.put(kubernetes::pod(NODE, "shop", "web", "u-1"));
    let folder = tempfile::tempdir().unwrap();
    let conf = json!({
        "cniVersion": "1.0.0", "name": "n", "type": "t", "cni_agent_run_dir": folder.path(),
        "pod_facts": ["kubeconfig"], "kubeconfig": server.kubeconfig(folder.path()),
    });
    let mut child = Command::new(env!("CARGO_BIN_EXE_mesh-intercept-agent"))
        .env_clear()
        .envs([
            ("CNI_COMMAND", "ADD"),
            ("CNI_CONTAINERID", "a"),
            ("CNI_NETNS", pod.path().to_str().unwrap()),
            ("CNI_IFNAME", "eth0"),
            ("CNI_PATH", "/nowhere"),
            ("CNI_ARGS", "K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;K8S_POD_UID=u-1"),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(conf.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(pod.state().contains("15006"));
}

/// Rules that a process of the pod with CAP_NET_ADMIN may put there, in the words of nft.
fn rules_without_end(table: &str, what: &str) -> String {
    let sets = match what {
        "elements" => {
            let elements: Vec<_> =
                (0..200_000u32).map(|it| format!("10.{}.{}.{}", it >> 16, it >> 8 & 255, it & 255)).collect();
            format!("set s {{ type ipv4_addr; elements = {{ {} }}; }}\n", elements.join(", "))
        }
        "chains" => (0..60_000).map(|it| format!("chain c-{}-{it} {{ }}\n", "x".repeat(100))).collect(),
        _ => {
            let rules = "ip daddr 10.0.0.1 tcp dport 80 counter\n".repeat(100_000);
            format!("chain many {{\n{rules}}}\n")
        }
    };
    format!("table {table} {{\n{sets}}}\n")
}

#[test]
fn a_pod_with_rules_without_end_takes_neither_memory_nor_the_turn_of_another_pod() {
    let kinds = [
        ("inet mesh-intercept", "elements"),
        ("inet mesh-intercept", "rules"),
        ("inet mesh-intercept", "chains"),
        ("ip other", "chains"),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (table, what) in kinds {
        let (mut hostile, mut other) = (namespace(), bare_pod("other"));
        let (proc, server) = (Proc::new(), ApiServer::start());
        let rules = rules_without_end(table, what);
        let file = folder.path().join("rules.nft");
        fs::write(&file, rules).unwrap();
        assert!(hostile.output(&["nft", "-f", file.to_str().unwrap()]).status.success(), "{table} {what}");
        proc.put(77, &process(&mut hostile), "/kubepods/podu-1/c", 5);
        proc.put(78, &process(&mut other), "/kubepods/podu-2/c", 5);
        server.put(broken("hostile", "u-1", first_end()));
        server.put(broken("other", "u-2", first_end()));
        let agent = agent(&server, &proc, &[]);
        wait_until("the other pod is repaired", || has_event(&server, "InterceptionRepaired", "u-2"));
        wait_until("it is told", || has_event(&server, "InterceptionRepairFailed", "u-1"));
        let events = server.events();
        let failed = events.iter().find(|it| it["reason"] == "InterceptionRepairFailed").unwrap();
        let message = failed["message"].as_str().unwrap();
        assert!(message.contains("more rules in nf_tables than are read"), "{table} {what}: {message}");
        let peak = agent.peak_memory();
        assert!(peak < 128 * 1024, "{table} {what}: {peak} KiB");
    }
}

#[test]
fn a_pod_whose_first_address_is_one_of_ipv6_gets_rules_for_it() {
    for (address, is_captured) in [("fd00:10::2", true), ("240.240.240.240", false)] {
        let mut pod = namespace();
        let (proc, server) = (Proc::new(), ApiServer::start());
        proc.put(77, &process(&mut pod), "/kubepods/podu-1/c", 5);
        let mut broken = broken("job", "u-1", first_end());
        broken["status"]["podIP"] = json!(address);
        server.put(broken);
        let _agent = agent(&server, &proc, &[]);
        wait_until("the repair is told", || has_event(&server, "InterceptionRepaired", "u-1"));
        assert_eq!(pod.state().contains("table inet mesh-intercept"), is_captured, "{address}");
    }
}
