//! The node agent against an API server that misbehaves: what it answers, what it says of itself, and how it ends.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]
#![allow(clippy::print_stderr, reason = "measurements are printed")]

#[path = "kubernetes/mod.rs"]
mod kubernetes;
#[path = "common/log.rs"]
#[allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]
mod log;

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use kubernetes::{Agent, ApiServer, Fault, NODE, On, pod, wait_until};
use mesh_intercept::logs::scopes::Program;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

fn served(names: &[&str]) -> ApiServer {
    let server = ApiServer::start();
    for name in names {
        server.put(pod(NODE, "shop", name, &format!("uid-{name}")));
    }
    server
}

#[test]
fn the_pods_of_the_node_are_answered_from_memory() {
    let server = served(&["web", "db"]);
    server.put(pod("node-2", "shop", "elsewhere", "uid-elsewhere"));
    let agent = Agent::following(&server);
    let requests = server.count(On::Any);
    let answer = agent.pod("web", "uid-web", 0);
    assert_eq!(answer["version"], 1);
    let facts = &answer["pod"];
    assert_eq!(facts["uid"], "uid-web");
    assert_eq!(facts["host_network"], false);
    assert_eq!(facts["labels"], json!({"app": "web"}));
    assert_eq!(facts["annotations"], json!({"sidecar.istio.io/status": "{}"}));
    let proxy = json!({
        "name": "istio-proxy", "is_init": true, "restarts_always": true, "args": ["proxy", "sidecar"],
        "env": {"ISTIO_META_DNS_CAPTURE": "true"}, "run_as_user": 1337, "run_as_group": 1337,
    });
    assert_eq!(facts["containers"][0], proxy);
    assert_eq!(facts["containers"][1]["name"], "app");
    assert!(agent.knows("db", "uid-db"));
    assert_eq!(agent.refusal("elsewhere", "uid-elsewhere"), "not_found");
    assert_eq!(server.count(On::Any), requests, "nobody asked the API server");
    assert!(agent.metric("mesh_intercept_pods 2") && agent.metric("mesh_intercept_watch_up 1"));
    let list = server.requests(On::List).remove(0);
    assert!(list.contains("fieldSelector=spec.nodeName=node-1") && list.contains("limit="), "{list}");
}

#[test]
fn more_pods_than_a_page_holds_are_all_read() {
    let names: Vec<String> = (0..50).map(|number| format!("web-{number}")).collect();
    let server = served(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let agent = Agent::following(&server);
    assert!(names.iter().all(|name| agent.knows(name, &format!("uid-{name}"))));
    assert_eq!(server.count(On::Continue), 2);
}

#[test]
fn a_pod_that_appears_after_the_question_is_answered_within_its_wait() {
    let server = served(&[]);
    let agent = Agent::following(&server);
    thread::scope(|scope| {
        let asked = scope.spawn(|| agent.pod("late", "uid-late", 30_000));
        thread::sleep(Duration::from_millis(200));
        server.put(pod(NODE, "shop", "late", "uid-late"));
        assert_eq!(asked.join().unwrap()["pod"]["uid"], "uid-late");
    });
}

#[test]
fn a_pod_made_anew_under_its_name_is_another() {
    let server = served(&["web"]);
    let agent = Agent::following(&server);
    assert_eq!(agent.refusal("web", "uid-older"), "other_uid");
    thread::scope(|scope| {
        let asked = scope.spawn(|| agent.pod("web", "uid-newer", 30_000));
        thread::sleep(Duration::from_millis(200));
        server.remove("shop", "web");
        server.put(pod(NODE, "shop", "web", "uid-newer"));
        assert_eq!(asked.join().unwrap()["pod"]["uid"], "uid-newer");
    });
    assert_eq!(agent.refusal("web", "uid-web"), "other_uid");
    assert!(
        agent.ask(&json!({"version": 1, "request": "pod", "namespace": "shop", "name": "web"}))["pod"]
            .is_object()
    );
}

#[test]
fn an_api_server_that_comes_late_makes_the_agent_ready_late() {
    let server = ApiServer::down_from_the_start();
    server.put(pod(NODE, "shop", "web", "uid-web"));
    let agent = Agent::start(&server);
    assert_eq!(agent.refusal("web", "uid-web"), "not_ready");
    assert_eq!(agent.ask(&json!({"version": 1, "request": "ready"}))["error"]["code"], "not_ready");
    assert_eq!(agent.get(&agent.health, "/healthz").0, 200);
    // Until then the plugin may not be in place either.
    wait_until("the pods are what is waited for", || {
        let (status, reason) = agent.get(&agent.health, "/readyz");
        assert_eq!(status, 503);
        reason.contains("have not been read")
    });
    server.up();
    // The question itself makes the agent look at once.
    assert_eq!(agent.pod("web", "uid-web", 30_000)["pod"]["uid"], "uid-web");
    assert_eq!(agent.ask(&json!({"version": 1, "request": "ready"}))["ok"], true);
    assert!(agent.is_ready());
}

#[test]
fn without_its_api_server_the_agent_goes_on_answering_and_stays_ready() {
    let server = served(&["web"]);
    let agent = Agent::following(&server);
    server.down();
    wait_until("the loss is noticed", || agent.metric("mesh_intercept_watch_up 0"));
    assert!(agent.knows("web", "uid-web") && agent.is_ready());
    wait_until("it is said", || agent.log().contains("what was read before is still answered"));
    server.put(pod(NODE, "shop", "new", "uid-new"));
    server.up();
    wait_until("the agent catches up", || agent.knows("new", "uid-new"));
    assert!(agent.metric("mesh_intercept_watch_up 1"));
    assert_eq!(agent.log().matches("what was read before is still answered").count(), 1, "said once");
    assert_eq!(agent.log().matches("are followed again").count(), 1);
}

#[test]
fn who_was_away_too_long_reads_everything_again() {
    let absences = [
        ("an event of a watch that goes on", None),
        ("the first event of a watch", Some((Fault::Status(503), 2))),
        ("the answer to a watch", Some((Fault::Status(410), 1))),
    ];
    for (name, absence) in absences {
        let server = served(&["stays", "goes"]);
        let agent = Agent::following(&server);
        let lists = server.count(On::List);
        if let Some((fault, times)) = absence {
            server.inject(On::Watch, fault, times);
        }
        // Nobody is told that the pod goes: there is only a 410.
        server.remove_and_forget("shop", "goes");
        server.put(pod(NODE, "shop", "comes", "uid-comes"));
        wait_until(name, || agent.knows("comes", "uid-comes"));
        assert_eq!(agent.refusal("goes", "uid-goes"), "not_found", "{name}");
        assert!(agent.knows("stays", "uid-stays"), "{name}");
        assert!(server.count(On::List) > lists, "{name}");
        wait_until("the pods are followed", || server.watches() > 0);
    }
}

#[test]
fn a_list_that_is_forgotten_halfway_begins_anew() {
    let names: Vec<String> = (0..60).map(|number| format!("web-{number}")).collect();
    let server = served(&names.iter().map(String::as_str).collect::<Vec<_>>());
    server.inject(On::Continue, Fault::Status(410), 1);
    let agent = Agent::following(&server);
    assert!(names.iter().all(|name| agent.knows(name, &format!("uid-{name}"))));
}

#[test]
fn whatever_the_api_server_does_to_a_list_it_is_read_in_the_end() {
    let faults = [
        Fault::Status(401),
        Fault::Status(403),
        Fault::Status(404),
        Fault::Status(500),
        Fault::RetryAfter(429, 1),
        Fault::RetryAfter(503, 1),
        Fault::Cut,
        Fault::CutInTheMiddle,
        Fault::Slow(Duration::from_secs(1)),
    ];
    thread::scope(|scope| {
        for fault in faults {
            scope.spawn(move || {
                let server = served(&["web"]);
                server.inject(On::List, fault, 1);
                let agent = Agent::following(&server);
                assert!(agent.knows("web", "uid-web"), "{fault:?}");
            });
        }
    });
}

#[test]
fn whatever_the_api_server_does_to_a_watch_pods_are_seen_and_none_is_lost() {
    let faults = [
        Fault::Status(401),
        Fault::Status(403),
        Fault::Status(500),
        Fault::RetryAfter(429, 1),
        Fault::Cut,
        Fault::CutInTheMiddle,
        Fault::Slow(Duration::from_secs(1)),
        Fault::ErrorEvent(500),
        Fault::ErrorEvent(410),
    ];
    thread::scope(|scope| {
        for fault in faults {
            scope.spawn(move || {
                let server = served(&["web"]);
                let agent = Agent::following(&server);
                server.inject(On::Watch, fault, 2);
                server.cut_watches(true);
                server.put(pod(NODE, "shop", "new", "uid-new"));
                wait_until(&format!("{fault:?}"), || {
                    assert!(agent.knows("web", "uid-web") && agent.is_ready(), "{fault:?}");
                    agent.knows("new", "uid-new")
                });
            });
        }
    });
}

#[test]
fn a_watch_that_ends_goes_on_where_it_was() {
    let server = served(&["web"]);
    let agent = Agent::following(&server);
    let lists = server.count(On::List);
    for (round, in_the_middle) in [(0, false), (1, true)] {
        server.cut_watches(in_the_middle);
        let name = format!("new-{round}");
        server.put(pod(NODE, "shop", &name, "uid-new"));
        wait_until("the pod is seen", || agent.knows(&name, "uid-new"));
    }
    server.end_watches_orderly();
    server.remove("shop", "new-0");
    wait_until("the end of a pod is seen", || agent.refusal("new-0", "uid-new") == "not_found");
    assert_eq!(server.count(On::List), lists, "nothing had to be listed again");
}

#[test]
fn an_agent_that_may_not_read_pods_says_once_what_to_do() {
    let server = served(&["web"]);
    server.inject(On::List, Fault::Status(403), 3);
    let agent = Agent::start(&server);
    wait_until("the agent is ready", || agent.is_ready());
    wait_until("it is said", || agent.log().contains("are followed again"));
    let log = agent.log();
    let warnings: Vec<_> = log.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 1, "{log}");
    assert!(warnings[0].contains("bind its service account to a ClusterRole"), "{log}");
}

#[test]
fn a_server_that_is_busy_is_left_alone_as_long_as_it_says() {
    let server = served(&["web"]);
    server.inject(On::List, Fault::RetryAfter(429, 3), 1);
    let start = Instant::now();
    let agent = Agent::start(&server);
    // Not even a question may shorten that.
    assert_eq!(agent.pod("web", "uid-web", 30_000)["pod"]["uid"], "uid-web");
    assert!(start.elapsed() >= Duration::from_secs(3), "{:?}", start.elapsed());
}

#[test]
fn a_server_that_says_410_for_ever_is_not_asked_for_ever() {
    let server = served(&["web"]);
    let agent = Agent::following(&server);
    server.inject(On::Watch, Fault::ErrorEvent(410), usize::MAX);
    server.end_watches_orderly();
    let before = server.count(On::Any);
    thread::sleep(Duration::from_secs(4));
    let asked = server.count(On::Any) - before;
    assert!(asked < 20, "{asked} requests in four seconds");
    assert!(agent.knows("web", "uid-web") && agent.is_ready());
}

#[test]
fn a_pod_that_a_dead_watch_does_not_show_is_listed() {
    let server = served(&[]);
    let agent = Agent::following(&server);
    // The connection is there, and nothing comes any more.
    server.inject(On::Watch, Fault::Silent, 1);
    server.cut_watches(false);
    wait_until("the silent watch has begun", || server.count(On::Watch) >= 2);
    server.put(pod(NODE, "shop", "web", "uid-web"));
    // 30 seconds are given to a server that says nothing at all.
    wait_until("the pod is seen", || agent.pod("web", "uid-web", 1000)["pod"]["uid"] == "uid-web");
}

#[test]
fn a_token_that_changes_is_read_again_and_readiness_does_not_flap() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("token"), "first").unwrap();
    let server = served(&["web"]);
    server.accept_tokens(&["first"]);
    let agent = Agent::start_in(folder, &server);
    wait_until("the agent is ready", || agent.is_ready() && server.watches() > 0);
    for token in ["second", "third"] {
        server.accept_tokens(&[token]);
        server.cut_watches(false);
        wait_until("the old token is refused", || agent.metric("mesh_intercept_watch_up 0"));
        assert!(agent.is_ready() && agent.knows("web", "uid-web"));
        fs::write(agent.folder.path().join("token"), token).unwrap();
        wait_until("the new token is used", || {
            assert!(agent.is_ready());
            agent.metric("mesh_intercept_watch_up 1")
        });
    }
}

#[test]
fn questions_that_are_none_are_answered_and_harm_nobody() {
    let server = served(&["web"]);
    let agent = Agent::following(&server);
    let code = |question: &[u8]| agent.raw(question)["error"]["code"].as_str().unwrap().to_owned();
    assert_eq!(code(b"GET /readyz HTTP/1.1\r\n\r\n"), "bad_request");
    assert_eq!(code(b"\xff\xfe\x00\n"), "bad_request");
    assert_eq!(code(b"{\"version\":1}\n"), "bad_request");
    assert_eq!(code(b"{\"version\":7,\"request\":\"dance\"}\n"), "version");
    assert_eq!(code(&[b"{\"version\":1,".as_slice(), &vec![b' '; 200_000]].concat()), "bad_request");
    // Those who connect and say nothing do not stand in the way of others.
    let idle: Vec<_> = (0..100).map(|_| UnixStream::connect(agent.socket()).unwrap()).collect();
    assert!(agent.knows("web", "uid-web"));
    drop(idle);
}

#[test]
fn reports_show_in_the_metrics_and_in_the_log() {
    let server = served(&[]);
    let agent = Agent::following(&server);
    let report = |result: &str, reason: &str, message: &str| {
        agent.ask(&json!({
            "version": 1, "request": "report", "namespace": "shop", "name": "web", "uid": "u", "container_id": "c-1",
            "result": result, "reason": reason, "message": message, "duration_us": 3000,
        }))
    };
    assert_eq!(report("installed", "installed", ""), json!({"version": 1, "ok": true}));
    report("skipped", "host_network", "");
    report("failed", "no_facts", "no facts\nin time");
    report("failed", "what nobody has thought of", "");
    for line in [
        "mesh_intercept_cni_adds_total{result=\"installed\",reason=\"installed\"} 1",
        "mesh_intercept_cni_adds_total{result=\"skipped\",reason=\"host_network\"} 1",
        "mesh_intercept_cni_adds_total{result=\"failed\",reason=\"no_facts\"} 1",
        "mesh_intercept_cni_adds_total{result=\"failed\",reason=\"other\"} 1",
        "mesh_intercept_cni_add_duration_seconds_count 4",
        "istio_cni_install_ready 1",
    ] {
        assert!(agent.metric(line), "{line} not in\n{}", agent.get(&agent.monitoring, "/metrics").1);
    }
    let log = agent.log();
    assert!(log.lines().all(|line| line.starts_with("20")), "{log}");
    let failed = log.lines().find(|line| line.contains("no facts")).unwrap();
    assert!(failed.contains("WARN") && failed.contains("cni-plugin") && failed.contains("\\n"), "{failed}");
}

#[test]
fn what_the_plugin_has_logged_is_in_the_agents_log() {
    let server = served(&[]);
    let agent = Agent::start_with(tempfile::tempdir().unwrap(), &server, &["--log_as_json".to_owned()]);
    let line = json!({
        "time": "2026-07-01T12:00:00.000001Z", "level": "info", "scope": "cni-plugin", "msg": "the pod has its rules",
        "command": "ADD", "namespace": "shop", "pod": "web", "uid": "u", "container_id": "c-1", "reason": "installed",
        "backend": "nftables", "rules": 12, "changed": true, "took_us": 2100, "families": ["IPv4"],
    });
    let report = |log: Value| {
        agent.ask(&json!({
            "version": 1, "request": "report", "namespace": "shop", "name": "web", "uid": "u", "container_id": "c-1",
            "result": "installed", "reason": "installed", "message": "-b *", "duration_us": 2100, "warnings": ["w"],
            "log": log,
        }))
    };
    assert_eq!(report(json!({"lines": [line]})), json!({"version": 1, "ok": true}));
    let nasty = json!({"time": "never", "level": "warn", "scope": "repair", "msg": "a\n\u{1b}[2J", "details": "x".repeat(50_000)});
    let many = vec![json!({"msg": "one of many"}); 3000];
    for log in [json!({"lines": [nasty]}), json!({"lines": many, "left_out": 7}), json!({"lines": []})] {
        assert_eq!(agent.ask(&json!({"version": 1, "request": "log", "lines": log["lines"], "left_out": log["left_out"].as_u64().unwrap_or(0)}))["ok"], true);
    }
    let lines = log::lines(&agent.log(), Program::Agent);
    let of_plugin: Vec<_> = lines.iter().filter(|line| line["scope"] == "cni-plugin").collect();
    assert_eq!(of_plugin[0], &line, "as it was, its time as well");
    assert_eq!(of_plugin[1]["msg"], "a\n\u{1b}[2J");
    assert!(of_plugin[1]["details"].as_str().unwrap().len() < 9000);
    assert_eq!(of_plugin.len(), 2 + 1000);
    assert!(lines.iter().any(|line| line["left_out"] == 2007), "what is left out is counted");
    let start = lines.iter().find(|line| line["options"].is_object()).unwrap();
    assert_eq!((&start["scope"], &start["options"]["node"]), (&json!("cni-agent"), &json!(NODE)));
    assert!(lines.iter().any(|line| line["scope"] == "install"), "{lines:?}");
    assert!(agent.metric("mesh_intercept_cni_adds_total{result=\"installed\",reason=\"installed\"} 1"));
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    let server = served(&["web"]);
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/full", folder.path().join("log")).unwrap();
    let agent = Agent::start_in(folder, &server);
    wait_until("the agent is ready", || agent.is_ready() && agent.knows("web", "uid-web"));
    fs::remove_file(agent.folder.path().join("log")).unwrap();
    File::create(agent.folder.path().join("log")).unwrap();
}

#[test]
fn only_root_and_the_agents_user_may_ask() {
    let server = served(&["web"]);
    let agent = Agent::following(&server);
    assert_eq!(fs::metadata(agent.socket()).unwrap().permissions().mode() & 0o777, 0o600);
    fs::set_permissions(agent.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let script = "import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
try:
    s.sendall(b'{\"version\":1,\"request\":\"ready\"}\\n')
except BrokenPipeError:
    pass
print(s.makefile().readline())";
    let ask = || {
        let output = Command::new("setpriv")
            .args(["--reuid", "1000", "--regid", "1000", "--clear-groups", "/usr/bin/python3", "-c", script])
            .arg(agent.socket())
            .output()
            .unwrap();
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let text = ask();
    assert!(text.contains("PermissionError"), "{text}");
    fs::set_permissions(agent.socket(), fs::Permissions::from_mode(0o666)).unwrap();
    let text = ask();
    assert!(text.contains("bad_request") && text.contains("only root may ask"), "{text}");
    assert!(agent.log().contains("a user that may not ask"));
}

#[test]
fn health_readiness_and_metrics_are_on_their_ports() {
    let server = served(&[]);
    let agent = Agent::following(&server);
    assert_eq!(agent.get(&agent.health, "/healthz"), (200, "ok\n".into()));
    assert_eq!(agent.get(&agent.health, "/readyz"), (200, "ok\n".into()));
    assert_eq!(agent.get(&agent.health, "/metrics").0, 404);
    let (status, text) = agent.get(&agent.monitoring, "/metrics");
    assert_eq!(status, 200);
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[test]
fn a_signal_ends_the_agent_and_its_socket() {
    let server = served(&["web"]);
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut agent = Agent::following(&server);
        // Somebody who waits for a pod does not hold it up.
        let mut waiting = UnixStream::connect(agent.socket()).unwrap();
        let question = r#"{"version":1,"request":"pod","namespace":"a","name":"b","wait_ms":50000}"#;
        writeln!(waiting, "{question}").unwrap();
        let start = Instant::now();
        agent.signal(signal);
        let status = agent.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{}", agent.log());
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
        assert!(!agent.socket().exists());
    }
}

#[test]
fn an_agent_that_died_is_replaced_by_the_next() {
    let server = served(&["web"]);
    let mut agent = Agent::following(&server);
    agent.signal(Signal::SIGKILL);
    agent.child.wait().unwrap();
    assert!(agent.socket().exists(), "left behind");
    let folder = std::mem::replace(&mut agent.folder, tempfile::tempdir().unwrap());
    File::create(agent.folder.path().join("log")).unwrap();
    let next = Agent::start_in(folder, &server);
    wait_until("the next is ready", || next.is_ready());
    assert!(next.knows("web", "uid-web"));
}

#[test]
fn two_agents_hand_over_the_socket() {
    let server = served(&["web"]);
    let mut old = Agent::following(&server);
    // A rolling update that starts the new one first: both in the same run directory.
    let new_folder = tempfile::tempdir().unwrap();
    fs::create_dir(new_folder.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(old.folder.path().join("run"), new_folder.path().join("run")).unwrap();
    let new = Agent::start_in(new_folder, &server);
    wait_until("the new one is ready", || new.is_ready());
    old.signal(Signal::SIGTERM);
    old.child.wait().unwrap();
    assert!(new.knows("web", "uid-web"), "the old one has not removed the new one's socket");
}

#[test]
fn a_socket_that_somebody_removes_comes_back() {
    let server = served(&["web"]);
    let agent = Agent::following(&server);
    fs::remove_file(agent.socket()).unwrap();
    wait_until("the socket is there again", || agent.socket().exists());
    assert!(agent.knows("web", "uid-web"));
}

#[test]
fn what_keeps_the_agent_from_starting_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let run = |run_directory: &str, port: u16| {
        let output = Command::new(env!("CARGO_BIN_EXE_mesh-intercept-agent"))
            .args(["--node-name", NODE, "--listen-address", "127.0.0.1", "--monitoring-port=0"])
            .args([format!("--cni-agent-run-dir={run_directory}"), format!("--health-port={port}")])
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = folder.path().join("run").display().to_string();
    let (code, text) = run(&here, taken.local_addr().unwrap().port());
    assert_eq!(code, Some(2));
    assert!(text.contains("cannot listen on 127.0.0.1:") && text.contains("--health-port"), "{text}");
    let (code, text) = run("/proc/nowhere", 0);
    assert_eq!(code, Some(2));
    assert!(text.contains("cannot make the run directory /proc/nowhere"), "{text}");
    let (code, text) = run(&format!("{here}/{}", "x".repeat(120)), 0);
    assert_eq!(code, Some(2));
    assert!(text.contains("shorter than"), "{text}");
    let (code, text) = run("relative", 0);
    assert_eq!(code, Some(1));
    assert!(text.contains("--cni-agent-run-dir: \"relative\""), "{text}");
}

#[test]
fn a_full_node_is_answered_fast_and_fits_into_little_memory() {
    let names: Vec<String> = (0..250).map(|number| format!("web-{number}")).collect();
    let server = ApiServer::start();
    for name in &names {
        let mut pod = pod(NODE, "shop", name, &format!("uid-{name}"));
        // As large as pods are, most of which nobody needs.
        pod["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"] =
            json!("x".repeat(4000));
        pod["metadata"]["managedFields"] = json!([{"fieldsV1": {"f:spec": {"f:x": "y".repeat(6000)}}}]);
        pod["spec"]["volumes"] = (0..10).map(|number| json!({"name": format!("volume-{number}")})).collect();
        server.put(pod);
    }
    let agent = Agent::following(&server);
    let mut times: Vec<Duration> = (0..2000)
        .map(|number| {
            let name = &names[number % names.len()];
            let start = Instant::now();
            let answer = agent.pod(name, &format!("uid-{name}"), 0);
            let took = start.elapsed();
            assert!(answer["pod"].is_object(), "{answer}");
            took
        })
        .collect();
    times.sort();
    let (median, p99) = (times[1000], times[1980]);
    let status = fs::read_to_string(format!("/proc/{}/status", agent.child.id())).unwrap();
    let peak: u64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap()
        .trim_end_matches("kB")
        .trim()
        .parse()
        .unwrap();
    eprintln!("2000 questions with 250 pods: p50 {median:?}, p99 {p99:?}; peak memory {peak} KiB");
    // The target is 5 ms; a machine that others use as well gets more.
    assert!(p99 < Duration::from_millis(250), "{p99:?}");
    assert!(peak < 128 * 1024, "{peak} KiB");
}
