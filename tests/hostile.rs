//! Pods that their authors have made as large as the API server takes them: the agent keeps its memory and becomes ready.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]
#![allow(clippy::print_stderr, reason = "measurements are printed")]

#[path = "kubernetes/mod.rs"]
mod kubernetes;

use std::io::{self, BufReader, Read};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use kubernetes::http::{self, Request};
use kubernetes::{Agent, ApiServer, NODE, On, Port, pod, wait_until};
use serde_json::{Value, json};

/// The memory limit of the agent's container in `container/deploy`, in KiB.
const LIMIT: u64 = 128 * 1024;
/// The largest request body that the API server takes (`MaxRequestBodyBytes`), in bytes.
const LARGEST: usize = 3 << 20;
/// What Kubernetes allows all annotations of an object together.
const ANNOTATIONS: usize = 256 << 10;

/// Makes a pod large.
type Enlarge = fn(&mut Value);

/// Which field holds the bytes.
const KINDS: [(&str, Enlarge); 15] = [
    ("variables of the application", |pod| pod["spec"]["containers"][0]["env"] = variables("X", "v", 90)),
    ("one variable of the application", |pod| {
        pod["spec"]["containers"][0]["env"] = json!([{"name": "X", "value": "y".repeat(LARGEST)}]);
    }),
    ("the configuration of the proxy", |pod| {
        pod["spec"]["initContainers"][0]["env"] =
            json!([{"name": "PROXY_CONFIG", "value": "y".repeat(LARGEST)}]);
    }),
    ("many variables of the proxy", |pod| pod["spec"]["initContainers"][0]["env"] = variables("", "", 30)),
    ("arguments of the proxy", |pod| {
        pod["spec"]["initContainers"][0]["args"] = json!(vec!["a"; LARGEST / 4]);
    }),
    ("labels", |pod| {
        let labels = (0..LARGEST / 30).map(|number| (format!("a.example/label-{number}"), json!("v")));
        pod["metadata"]["labels"] = Value::Object(labels.collect());
    }),
    ("annotations that are read", |pod| {
        let ranges: Vec<_> =
            (0..ANNOTATIONS / 18).map(|it| format!("10.{}.{}.0/24", it / 256 % 256, it % 256)).collect();
        pod["metadata"]["annotations"]["traffic.sidecar.istio.io/includeOutboundIPRanges"] =
            json!(ranges.join(","));
    }),
    ("annotations that are not read", |pod| {
        for number in 0..ANNOTATIONS / 32 {
            pod["metadata"]["annotations"][format!("a.example/annotation-{number}")] = json!("v");
        }
    }),
    ("volumes", |pod| {
        let volumes =
            (0..LARGEST / 60).map(|it| json!({"name": format!("v-{it}"), "emptyDir": {"medium": "Memory"}}));
        pod["spec"]["volumes"] = volumes.collect();
    }),
    ("managed fields", |pod| {
        let fields = json!({"f:x": "y".repeat(LARGEST / 2), "\u{1}".repeat(LARGEST / 12): {}});
        pod["metadata"]["managedFields"] = json!([{"manager": "m", "fieldsV1": fields}]);
    }),
    ("owner references", |pod| {
        let owner = |it| json!({"apiVersion": "v1", "kind": "K", "name": format!("owner-{it}"), "uid": format!("u-{it}")});
        pod["metadata"]["ownerReferences"] = (0..LARGEST / 80).map(owner).collect();
    }),
    ("conditions", |pod| {
        let condition =
            |it| json!({"type": format!("a.example/{it}"), "status": "True", "message": "m".repeat(1000)});
        pod["status"]["conditions"] = (0..LARGEST / 1060).map(condition).collect();
    }),
    ("thousands of containers", |pod| {
        for number in 0..LARGEST / 60 {
            let container = json!({"name": format!("c-{number}"), "image": "i"});
            pod["spec"]["containers"].as_array_mut().unwrap().push(container);
        }
    }),
    ("statuses of thousands of containers", |pod| {
        let end = json!({"terminated": {"exitCode": 126, "message": "m".repeat(300)}});
        let status = |it| json!({"name": format!("c-{it}"), "state": end, "lastState": end});
        pod["status"]["initContainerStatuses"] = (0..LARGEST / 760).map(status).collect();
    }),
    ("texts of the status", |pod| {
        pod["status"]["phase"] = json!("P".repeat(LARGEST / 2));
        pod["status"]["initContainerStatuses"] = json!([{
            "name": "istio-validation",
            "state": {"terminated": {"exitCode": 1, "message": "m".repeat(LARGEST / 4), "containerID": "i".repeat(LARGEST / 4)}},
        }]);
    }),
];

fn variables(name: &str, value: &str, each: usize) -> Value {
    (0..LARGEST / each)
        .map(|it| json!({"name": format!("{name}{it}"), "value": value.repeat(each - 30)}))
        .collect()
}

fn hostile(name: &str, make: Enlarge) -> Value {
    let mut pod = pod(NODE, "tenant", name, &format!("uid-{name}"));
    make(&mut pod);
    pod
}

/// An API server whose list has twenty pods of a kind, and whose watch adds twenty more and an ordinary one. The pods are
/// one text with other names: as values, they would take the test's own memory.
fn server_of(make: Enlarge) -> Port {
    const PLACE: &str = "large-NUMBER";
    let text = Arc::new(hostile(PLACE, make).to_string());
    let port = Port::reserve();
    let listener = TcpListener::bind(port.address()).unwrap();
    let serve = move |mut stream: TcpStream, text: &str| -> io::Result<()> {
        let named = |name: String, version: usize| {
            let version = format!("\"metadata\":{{\"resourceVersion\":\"{version}\",");
            text.replace(PLACE, &name).replacen("\"metadata\":{", &version, 1)
        };
        let mut reader = BufReader::new(stream.try_clone()?);
        while let Some(request) = Request::read(&mut reader)? {
            http::begin_chunks(&mut stream)?;
            if request.parameter("watch").is_none() {
                http::chunk(
                    &mut stream,
                    br#"{"kind":"PodList","metadata":{"resourceVersion":"20"},"items":["#,
                )?;
                for number in 0..20 {
                    let comma = if number == 0 { "" } else { "," };
                    http::chunk(
                        &mut stream,
                        (comma.to_owned() + &named(format!("large-{number}"), number + 1)).as_bytes(),
                    )?;
                }
                http::chunk(&mut stream, b"]}")?;
                http::end_chunks(&mut stream)?;
                continue;
            }
            for number in 20..40 {
                let pod = named(format!("large-{number}"), number + 1);
                http::chunk(&mut stream, format!("{{\"type\":\"ADDED\",\"object\":{pod}}}\n").as_bytes())?;
            }
            let mut last = pod(NODE, "shop", "db", "uid-db");
            last["metadata"]["resourceVersion"] = json!("41");
            http::chunk(&mut stream, format!("{}\n", json!({"type": "ADDED", "object": last})).as_bytes())?;
            // The watch goes on until the agent ends.
            let _ = reader.read(&mut [0]);
        }
        Ok(())
    };
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, text) = (stream.unwrap(), Arc::clone(&text));
            // A client that goes away is no failure of the test.
            std::thread::spawn(move || drop(serve(stream, &text)));
        }
    });
    port
}

#[test]
fn twenty_pods_of_the_largest_size_fit_in_the_list_and_in_the_watch() {
    for (kind, make) in KINDS {
        let agent = Agent::at(tempfile::tempdir().unwrap(), &server_of(make), &[]);
        wait_until(kind, || agent.knows("db", "uid-db") && agent.is_ready());
        wait_until(kind, || agent.metric("mesh_intercept_pods 41"));
        let peak = agent.peak_memory();
        eprintln!("{kind}: {peak} KiB");
        assert!(peak < LIMIT, "{kind}: {peak} KiB");
    }
}

#[test]
fn all_of_them_together_are_asked_for_at_once() {
    let server = ApiServer::start();
    for (number, (_, make)) in KINDS.into_iter().enumerate() {
        server.put(hostile(&format!("large-{number}"), make));
    }
    let agent = Agent::following(&server);
    let answers: Vec<Value> = std::thread::scope(|scope| {
        let ask = |number| {
            let question = json!({
                "version": 1, "request": "pod", "namespace": "tenant", "name": format!("large-{number}"), "wait_ms": 0,
            });
            agent.ask(&question)
        };
        let asking: Vec<_> =
            (0..4 * KINDS.len()).map(|it| scope.spawn(move || ask(it % KINDS.len()))).collect();
        asking.into_iter().map(|it| it.join().unwrap()).collect()
    });
    for (number, answer) in answers.iter().enumerate() {
        let is_answer = answer["pod"].is_object() || answer["error"]["code"] == "too_large";
        assert!(is_answer, "{}: {answer}", KINDS[number % KINDS.len()].0);
    }
    let of_labels = KINDS.iter().position(|(kind, _)| *kind == "labels").unwrap();
    let message = answers[of_labels]["error"]["message"].as_str().unwrap();
    assert!(message.contains("labels") && message.contains("bytes"), "{message}");
    assert!(agent.peak_memory() < LIMIT, "{} KiB", agent.peak_memory());
}

#[test]
fn a_pod_whose_facts_do_not_fit_is_read_from_the_api_server_when_it_is_asked_for() {
    let server = ApiServer::start();
    let ranges = "10.1.0.0/16,".repeat(ANNOTATIONS / 13);
    for number in 0..200 {
        let mut pod = pod(NODE, "tenant", &format!("p-{number}"), &format!("uid-{number}"));
        pod["metadata"]["annotations"]["traffic.sidecar.istio.io/excludeOutboundIPRanges"] = json!(ranges);
        server.put(pod);
    }
    let agent = Agent::following(&server);
    let lists = server.count(On::List);
    for number in 0..200 {
        let question = json!({
            "version": 1, "request": "pod", "namespace": "tenant", "name": format!("p-{number}"),
            "uid": format!("uid-{number}"), "wait_ms": 0,
        });
        let answer = agent.ask(&question);
        assert_eq!(answer["pod"]["uid"], format!("uid-{number}"), "{answer}");
        let said = &answer["pod"]["annotations"]["traffic.sidecar.istio.io/excludeOutboundIPRanges"];
        assert_eq!(said.as_str().map(str::len), Some(ranges.len()));
    }
    let asked = server.count(On::List) - lists;
    assert!(asked > 20 && asked < 150, "most are in memory: {asked} of 200 were read again");
    assert!(agent.peak_memory() < LIMIT, "{} KiB", agent.peak_memory());
    // Of a pod that has gone meanwhile, nothing is said.
    server.remove("tenant", "p-199");
    wait_until("the end is seen", || agent.metric("mesh_intercept_pods 199"));
}

#[test]
fn pods_that_are_over_take_next_to_nothing() {
    let server = ApiServer::start();
    for number in 0..1500 {
        let mut pod = pod(NODE, "tenant", &format!("p-{number}"), &format!("uid-{number}"));
        pod["metadata"]["annotations"]["traffic.sidecar.istio.io/includeInboundPorts"] =
            json!("8080,".repeat(2000));
        pod["status"] = json!({"phase": "Failed", "reason": "OutOfcpu"});
        server.put(pod);
    }
    let agent = Agent::following(&server);
    eprintln!("1500 pods that are over: {} KiB", agent.peak_memory());
    assert!(agent.peak_memory() < LIMIT / 4, "{} KiB", agent.peak_memory());
}
