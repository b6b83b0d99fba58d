//! A real proxy behind the rules: HTTP through Envoy, outbound and inbound, for every back end.
//!
//! Envoy is not part of this repository: the environment variable ENVOY names its binary.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

#[macro_use]
mod common;

use std::io::Write;
use std::time::{Duration, Instant};

use common::{APP, INJECTED, Lab, Namespace, PEER_V4, PEER_V6, POD_V4, POD_V6, PROXY};
use nix::mount::{MsFlags, mount};
use serde_json::{Value, json};

const OUT_V4: &str = "203.0.113.5";
const OUT_V6: &str = "2001:db8::5";
const APP_PORT: &str = "8080";
const ADMIN: u16 = 15000;

const PYTHON: &str = "/usr/bin/python3";
// Other users cannot read what is in root's home, where the source tree and Envoy may be.
const WEB: &str = "/run/web.py";
const ENVOY: &str = "/run/envoy";
const CONFIG: &str = "/run/envoy.json";
const LOG: &str = "/run/envoy.log";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Redirect,
    Tproxy,
}

/// The proxy's binary. Nobody is to believe that a CI run without it has tested anything.
fn binary() -> Option<String> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let binary = set("ENVOY");
    if binary.is_none() {
        let message = "the environment variable ENVOY has to name an Envoy binary";
        assert!(set("CI").is_none(), "{message}");
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        // Not eprintln, which the harness keeps to itself when a test passes.
        let loudly = format!("\n*** {test} DID NOT RUN: {message} ***\n");
        std::io::stderr().write_all(loudly.as_bytes()).unwrap();
    }
    binary
}

/// A listener on both families that passes every request on to where the client had sent it. Its name is in
/// the responses, as their server.
fn listener(name: &str, port: u16, mode: Mode) -> Value {
    let address = |any: &str| json!({"socket_address": {"address": any, "port_value": port}});
    let mut filters = vec![extension("listener", "original_dst", "OriginalDst", json!({}))];
    if mode == Mode::Tproxy {
        // Dials the application from the client's address, with the mark that brings the answers back.
        filters.push(extension("listener", "original_src", "OriginalSrc", json!({"mark": 1337})));
    }
    let everything = json!([{"match": {"prefix": "/"}, "route": {"cluster": name}}]);
    let manager = json!({
        "stat_prefix": name,
        "server_name": format!("envoy-{name}"),
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": everything}]},
        "http_filters": [extension("http", "router", "Router", json!({}))],
    });
    json!({
        "name": name,
        "address": address("0.0.0.0"),
        "additional_addresses": [{"address": address("::")}],
        "transparent": mode == Mode::Tproxy,
        "listener_filters": filters,
        "filter_chains": [{
            "filters": [extension("network", "http_connection_manager", "HttpConnectionManager", manager)],
        }],
    })
}

fn extension(kind: &str, name: &str, message: &str, mut settings: Value) -> Value {
    settings["@type"] =
        json!(format!("type.googleapis.com/envoy.extensions.filters.{kind}.{name}.v3.{message}"));
    json!({"name": format!("envoy.filters.{kind}.{name}"), "typed_config": settings})
}

/// What a sidecar's agent gives to Envoy, as far as interception is concerned.
fn configuration(mode: Mode) -> Value {
    let outbound = json!({
        "name": "outbound", "type": "ORIGINAL_DST", "lb_policy": "CLUSTER_PROVIDED", "connect_timeout": "5s",
    });
    let mut inbound = outbound.clone();
    inbound["name"] = json!("inbound");
    if mode == Mode::Redirect {
        // The rules know what the proxy sends to the application by this address.
        let address = |address: &str| json!({"address": address, "port_value": 0});
        inbound["upstream_bind_config"] = json!({
            "source_address": address("127.0.0.6"),
            "extra_source_addresses": [{"address": address("::6")}],
        });
    }
    json!({
        "admin": {"address": {"socket_address": {"address": "127.0.0.1", "port_value": ADMIN}}},
        "static_resources": {
            // Only the inbound side of TPROXY is transparent: outbound traffic is redirected in both modes.
            "listeners": [listener("outbound", 15001, Mode::Redirect), listener("inbound", 15006, mode)],
            "clusters": [outbound, inbound],
        },
    })
}

/// Starts a program as this user and group. A change of the user clears the signal that `start` asked for.
fn start_as(namespace: &mut Namespace, user: u32, group: u32, more: &[&str], program: &[&str]) {
    let (user, group) = (user.to_string(), group.to_string());
    let who = ["setpriv", "--reuid", &user, "--regid", &group, "--clear-groups", "--pdeathsig", "KILL"];
    namespace.start(&[&who[..], more, program].concat(), "");
}

/// Starts Envoy and waits until it listens.
fn start_envoy(lab: &mut Lab, binary: &str, mode: Mode) {
    std::fs::write(ENVOY, "").unwrap();
    // A copy in a tmpfs would cost 100 MB of memory.
    mount(Some(binary), ENVOY, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
    std::fs::write(CONFIG, configuration(mode).to_string()).unwrap();
    // REDIRECT takes no capability at all. For TPROXY istio's injector gives the proxy NET_ADMIN and makes it
    // root with the proxy's group. With the proxy's user as well, its connections to the application would be
    // redirected back to it: the rules take them for calls to the pod's own address.
    let (user, caps): (u32, &[&str]) = match mode {
        Mode::Redirect => (PROXY, &[]),
        Mode::Tproxy => (0, &["--inh-caps", "-all,+net_admin", "--bounding-set", "-all,+net_admin"]),
    };
    // Hot restart would share memory with the Envoys of other tests, and leave it in /dev/shm.
    let program = [
        "sh",
        "-c",
        "echo ready; exec \"$@\"",
        "sh",
        ENVOY,
        "--config-path",
        CONFIG,
        "--log-path",
        LOG,
        "--concurrency",
        "1",
        "--disable-hot-restart",
    ];
    start_as(&mut lab.pod, user, PROXY, caps, &program);
    let patience = Instant::now() + Duration::from_secs(30);
    while !stats(lab, "listener_manager.workers_started").contains(".workers_started: 1") {
        assert!(
            Instant::now() < patience,
            "Envoy does not start:\n{}",
            std::fs::read_to_string(LOG).unwrap_or_default()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Envoy's own counters.
fn stats(lab: &Lab, filter: &str) -> String {
    get(&lab.pod, 0, &[&format!("http://127.0.0.1:{ADMIN}/stats?filter={filter}")])
}

/// Who answers this user, and whom they say they answer; a line for each address.
fn get(namespace: &Namespace, user: u32, urls: &[&str]) -> String {
    let user = user.to_string();
    let client = ["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups", PYTHON, WEB, "get"];
    namespace.text(&[&client[..], urls].concat())
}

fn check(backend: &str, mode: Mode) {
    let Some(binary) = binary() else { return };
    let mut lab = Lab::new("");
    std::fs::write(WEB, include_str!("common/web.py")).unwrap();
    lab.peer.ip(&format!("address add {OUT_V4}/32 dev lo"));
    lab.peer.ip(&format!("address add {OUT_V6}/128 dev lo"));
    start_as(&mut lab.pod, APP, APP, &[], &[PYTHON, WEB, "serve", "app", APP_PORT]);
    lab.peer.start(&[PYTHON, WEB, "serve", "outside", "80"], "");
    let outside = [format!("http://{OUT_V4}/"), format!("http://[{OUT_V6}]/")];
    let app = [format!("http://{POD_V4}:{APP_PORT}/"), format!("http://[{POD_V6}]:{APP_PORT}/")];
    let out = |lab: &Lab| get(&lab.pod, APP, &outside.each_ref().map(String::as_str));
    let inwards = |lab: &Lab| get(&lab.peer, 0, &app.each_ref().map(String::as_str));

    // Without rules nobody stands in between.
    assert_eq!(out(&lab), format!("direct: outside for {POD_V4}\ndirect: outside for {POD_V6}\n"));
    assert_eq!(inwards(&lab), format!("direct: app for {PEER_V4}\ndirect: app for {PEER_V6}\n"));

    // With rules, but before the proxy is there, nothing slips past.
    let flag = if mode == Mode::Tproxy { "TPROXY" } else { "REDIRECT" };
    let output = lab.init(&[&["--backend", backend, "--dual-stack"], &INJECTED[..], &["-m", flag]].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(out(&lab), "error: Connection refused\n".repeat(2));
    let closed = inwards(&lab);
    assert!(closed.lines().all(|line| line.starts_with("error: ")), "{closed}");

    start_envoy(&mut lab, &binary, mode);
    let log = || std::fs::read_to_string(LOG).unwrap();
    let through = |name: &str, server: &str, clients: [&str; 2]| -> String {
        clients.iter().map(|client| format!("envoy-{name}: {server} for {client}\n")).collect()
    };
    assert_eq!(out(&lab), through("outbound", "outside", [POD_V4, POD_V6]), "{}\n{}", log(), lab.pod.state());
    let clients = if mode == Mode::Tproxy { [PEER_V4, PEER_V6] } else { ["127.0.0.6", "::6"] };
    assert_eq!(inwards(&lab), through("inbound", "app", clients), "{}\n{}", log(), lab.pod.state());

    // Envoy has counted two requests each way: none of them passed it twice.
    let counters = stats(&lab, "bound.upstream_rq_total");
    for name in ["outbound", "inbound"] {
        assert!(counters.contains(&format!("cluster.{name}.upstream_rq_total: 2")), "{counters}");
    }
}

for_each_back_end! {
    redirect => super::Mode::Redirect;
    tproxy => super::Mode::Tproxy;
}
