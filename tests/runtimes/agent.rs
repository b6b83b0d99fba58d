//! A stand-in for the node agent: it says what the test has told it about pods, and keeps what the plugin reports.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mesh_intercept::cni::agent_protocol::{
    Answer, LONGEST_LINE, Question, Refusal, Report, Request, Response, SOCKET, VERSION,
};
use mesh_intercept::cni::pod::{Container, PodFacts, PodName};

use super::node::Node;
use super::{PROXY, uid_of};

/// The agent. It is gone when this is dropped.
pub struct Agent {
    socket: PathBuf,
    known: Arc<Mutex<Known>>,
}

#[derive(Default)]
struct Known {
    pods: BTreeMap<String, PodFacts>,
    reports: Vec<Report>,
    is_gone: bool,
}

/// Where the agent of a node listens.
pub fn socket(node: &Node) -> PathBuf {
    node.path("agent").join(SOCKET)
}

impl Agent {
    /// Starts one that knows no pod.
    pub fn start(node: &Node) -> Agent {
        let socket = socket(node);
        std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
        let listener = UnixListener::bind(&socket).unwrap();
        let known = Arc::new(Mutex::new(Known::default()));
        let agent = Agent { socket, known: known.clone() };
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                if known.lock().unwrap().is_gone {
                    return;
                }
                let known = known.clone();
                std::thread::spawn(move || answer(connection.unwrap(), &known));
            }
        });
        agent
    }

    /// Tells it of a pod.
    pub fn knows(&self, name: &str, facts: PodFacts) {
        self.known.lock().unwrap().pods.insert(name.to_owned(), facts);
    }

    /// What the plugin has reported about a pod.
    pub fn reports(&self, name: &str) -> Vec<Report> {
        let known = self.known.lock().unwrap();
        known.reports.iter().filter(|report| report.pod.name == name).cloned().collect()
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.known.lock().unwrap().is_gone = true;
        // Wakes the thread, which closes the socket.
        let _ = UnixStream::connect(&self.socket);
        let _ = std::fs::remove_file(&self.socket);
    }
}

/// A pod of the mesh: an application and a proxy.
pub fn meshed(name: &str, annotations: &[(&str, &str)]) -> PodFacts {
    let proxy = Container {
        name: "istio-proxy".into(),
        args: vec!["proxy".into(), "sidecar".into()],
        run_as_user: Some(PROXY),
        run_as_group: Some(PROXY),
        ..Container::default()
    };
    let mut facts = unmeshed(name);
    facts.containers.as_mut().unwrap().push(proxy);
    let all = [&[STATUS], annotations].concat();
    facts.annotations = Some(all.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect());
    facts
}

/// A pod that the injector has not touched.
pub fn unmeshed(name: &str) -> PodFacts {
    PodFacts {
        uid: Some(uid_of(name)),
        host_network: Some(false),
        labels: Some(BTreeMap::new()),
        annotations: Some(BTreeMap::new()),
        containers: Some(vec![Container { name: "app".into(), ..Container::default() }]),
    }
}

/// The annotation that the injector leaves on a pod.
pub const STATUS: (&str, &str) =
    ("sidecar.istio.io/status", r#"{"initContainers":["istio-validation"],"containers":["istio-proxy"]}"#);

fn answer(stream: UnixStream, known: &Mutex<Known>) {
    let mut line = String::new();
    // A plugin that has run out of time hangs up.
    if BufReader::new((&stream).take(LONGEST_LINE)).read_line(&mut line).is_err() || line.is_empty() {
        return;
    }
    let request: Request = serde_json::from_str(&line).unwrap();
    let answer = match request.question {
        Question::Pod { pod, wait_ms } => look_up(&pod, Duration::from_millis(wait_ms), known),
        Question::Ready | Question::Log(_) => Answer::Ok(true),
        Question::Report(report) => {
            known.lock().unwrap().reports.push(report);
            Answer::Ok(true)
        }
    };
    let response = serde_json::to_string(&Response { version: VERSION, answer }).unwrap();
    let _ = writeln!(&stream, "{response}");
}

fn look_up(pod: &PodName, patience: Duration, known: &Mutex<Known>) -> Answer {
    let until = Instant::now() + patience;
    loop {
        let facts = known.lock().unwrap().pods.get(&pod.name).cloned();
        match facts {
            Some(facts) if pod.uid.is_some() && pod.uid != facts.uid => {
                let message = format!("{} has another UID", pod.name);
                return Answer::Error { code: Refusal::OtherUid, message };
            }
            Some(facts) => return Answer::Pod(facts),
            None if Instant::now() >= until => {
                let message = format!("no pod {}/{} on this node", pod.namespace, pod.name);
                return Answer::Error { code: Refusal::NotFound, message };
            }
            None => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}
