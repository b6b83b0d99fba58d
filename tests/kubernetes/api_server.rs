//! The server: one thread a connection, and faults where a test wants them.

use std::fs;
use std::io::{self, BufReader};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::http::{self, Request};
use super::port::Port;
use super::store::{self, Refusal, Store};

/// How often a quiet watch gets a bookmark.
const BOOKMARK: Duration = Duration::from_millis(300);

/// Which requests a fault is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    Any,
    /// A list, any page of it.
    List,
    /// A page of a list behind the first.
    Continue,
    Watch,
    Get,
    Patch,
    Delete,
    Event,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// This status.
    Status(u16),
    /// This status, with the seconds after which the client may try again.
    RetryAfter(u16, u32),
    /// The connection ends instead of an answer, or in the middle of it.
    Cut,
    CutInTheMiddle,
    /// The answer comes later.
    Slow(Duration),
    /// The answer comes never; the connection stays.
    Silent,
    /// The watch begins, and its first event is this error.
    ErrorEvent(u16),
}

#[derive(Default)]
struct State {
    store: Store,
    /// What goes wrong how many times more.
    faults: Vec<(On, Fault, usize)>,
    /// Which tokens are accepted; all when there are none.
    tokens: Vec<String>,
    requests: Vec<(On, String)>,
    watches: usize,
    /// Raised to end all watches of before; and how they end.
    epoch: u64,
    end: End,
    is_down: bool,
    connections: Vec<TcpStream>,
}

#[derive(Clone, Copy, Default)]
enum End {
    #[default]
    Orderly,
    Cut,
    InTheMiddle,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.changed.notify_all();
        result
    }
}

/// A server on a port of 127.0.0.1, which it keeps while it is down.
pub struct ApiServer {
    shared: Arc<Shared>,
    port: Port,
}

impl ApiServer {
    pub fn start() -> ApiServer {
        let server = ApiServer::down_from_the_start();
        server.up();
        server
    }

    /// Its port is known, and nobody listens there.
    pub fn down_from_the_start() -> ApiServer {
        let server = ApiServer { shared: Arc::default(), port: Port::reserve() };
        server.shared.change(|state| state.is_down = true);
        server
    }

    pub fn up(&self) {
        let listener = TcpListener::bind(self.port.address()).unwrap();
        self.shared.change(|state| state.is_down = false);
        let shared = Arc::clone(&self.shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                if shared.lock().is_down {
                    return;
                }
                shared.change(|state| state.connections.push(stream.try_clone().unwrap()));
                let shared = Arc::clone(&shared);
                // A client that goes away is no failure of the test.
                thread::spawn(move || drop(serve(&shared, stream)));
            }
        });
    }

    /// Nobody listens any more, and every connection ends.
    pub fn down(&self) {
        self.shared.change(|state| {
            state.is_down = true;
            for connection in state.connections.drain(..) {
                let _ = connection.shutdown(Shutdown::Both);
            }
        });
        // Wakes the listener, which then goes.
        drop(TcpStream::connect(self.port.address()));
        while TcpStream::connect(self.port.address()).is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn port(&self) -> &Port {
        &self.port
    }

    /// A kubeconfig file in this folder; the token is read from `token` in it, if that is there.
    pub fn kubeconfig(&self, folder: &Path) -> PathBuf {
        kubeconfig(&self.port, folder)
    }

    pub fn put(&self, pod: Value) {
        self.shared.change(|state| state.store.put(pod));
    }

    pub fn remove(&self, namespace: &str, name: &str) {
        self.shared.change(|state| state.store.remove(namespace, name)).unwrap();
    }

    pub fn get(&self, namespace: &str, name: &str) -> Option<Value> {
        self.shared.lock().store.get(namespace, name).cloned()
    }

    /// The events that were recorded.
    pub fn events(&self) -> Vec<Value> {
        self.shared.lock().store.events.clone()
    }

    /// Only these tokens are accepted.
    pub fn accept_tokens(&self, tokens: &[&str]) {
        self.shared.change(|state| state.tokens = tokens.iter().map(|it| (*it).to_owned()).collect());
    }

    /// The next so many requests of this kind go wrong.
    pub fn inject(&self, on: On, fault: Fault, times: usize) {
        self.shared.change(|state| state.faults.push((on, fault, times)));
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        self.shared.change(|state| state.faults.clear());
    }

    /// How many requests of this kind there were.
    pub fn count(&self, on: On) -> usize {
        self.requests(on).len()
    }

    /// The paths of the requests of this kind, with their parameters.
    pub fn requests(&self, on: On) -> Vec<String> {
        let state = self.shared.lock();
        let wanted = state.requests.iter().filter(|(kind, _)| on.covers(*kind));
        wanted.map(|(_, path)| path.clone()).collect()
    }

    /// How many watches are open.
    pub fn watches(&self) -> usize {
        self.shared.lock().watches
    }

    /// A pod goes, and with everything before it is forgotten at once: who watches from there is told 410. A watch that is
    /// open ends so as well, if it has not begun anew for another reason.
    pub fn remove_and_forget(&self, namespace: &str, name: &str) {
        self.shared.change(|state| {
            state.store.remove(namespace, name).unwrap();
            state.store.forget();
            if state.faults.iter().any(|(on, _, times)| *on == On::Watch && *times > 0) {
                state.epoch += 1;
                state.end = End::Orderly;
            }
        });
    }

    /// Every open watch ends as if its time was over.
    pub fn end_watches_orderly(&self) {
        self.end_watches(End::Orderly);
    }

    /// Every open watch is cut.
    pub fn cut_watches(&self, in_the_middle: bool) {
        self.end_watches(if in_the_middle { End::InTheMiddle } else { End::Cut });
    }

    fn end_watches(&self, end: End) {
        self.shared.change(|state| {
            state.epoch += 1;
            state.end = end;
        });
    }
}

/// A kubeconfig file in this folder for the server on this port.
pub fn kubeconfig(port: &Port, folder: &Path) -> PathBuf {
    let token = folder.join("token");
    let user = if token.exists() { json!({"tokenFile": token}) } else { json!({}) };
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": format!("http://{}", port.address())}}],
        "users": [{"name": "test", "user": user}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        "current-context": "test",
    });
    let path = folder.join("kubeconfig");
    fs::write(&path, config.to_string()).unwrap();
    path
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        self.down();
    }
}

impl On {
    fn of(request: &Request) -> On {
        let is_event = request.path.ends_with("/events");
        let is_one = request.path.contains("/pods/");
        match request.method.as_str() {
            "POST" if is_event => On::Event,
            "PATCH" => On::Patch,
            "DELETE" => On::Delete,
            _ if is_one => On::Get,
            _ if request.parameter("watch") == Some("true") => On::Watch,
            _ if request.parameter("continue").is_some() => On::Continue,
            _ => On::List,
        }
    }

    fn covers(self, kind: On) -> bool {
        self == On::Any || self == kind || (self == On::List && kind == On::Continue)
    }
}

fn serve(shared: &Shared, mut stream: TcpStream) -> io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(request) = Request::read(&mut reader)? {
        let kind = On::of(&request);
        let fault = shared.change(|state| {
            let query: Vec<_> = request.query.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let body = String::from_utf8_lossy(&request.body);
            state.requests.push((kind, format!("{}?{} {body}", request.path, query.join("&"))));
            state.fault(kind, request.token.as_deref())
        });
        match fault {
            Some(Fault::Status(code)) => {
                refuse(&mut stream, (code, "Injected", "as asked for".into()), None)?
            }
            Some(Fault::RetryAfter(code, seconds)) => {
                refuse(&mut stream, (code, "Injected", "as asked for".into()), Some(seconds))?;
            }
            Some(Fault::Cut) => return stream.shutdown(Shutdown::Both),
            Some(Fault::CutInTheMiddle) => {
                let mut answer = Vec::new();
                if let Ok(list) = respond(shared, kind, &request) {
                    answer = list.to_string().into_bytes();
                }
                http::begin_chunks(&mut stream)?;
                http::half_a_chunk(&mut stream, &answer)?;
                return stream.shutdown(Shutdown::Both);
            }
            Some(Fault::Silent) => {
                while !shared.lock().faults.is_empty() {
                    thread::sleep(Duration::from_millis(20));
                }
                return stream.shutdown(Shutdown::Both);
            }
            Some(Fault::ErrorEvent(code)) => {
                http::begin_chunks(&mut stream)?;
                http::chunk(&mut stream, error_event(code, "as asked for").as_bytes())?;
                http::end_chunks(&mut stream)?;
            }
            slow_or_none => {
                if let Some(Fault::Slow(pause)) = slow_or_none {
                    thread::sleep(pause);
                }
                if kind == On::Watch {
                    let result = watch(shared, &request, &mut stream);
                    shared.change(|state| state.watches -= 1);
                    result?;
                } else {
                    match respond(shared, kind, &request) {
                        Ok(body) => http::answer(&mut stream, 200, "", body.to_string().as_bytes())?,
                        Err(refusal) => refuse(&mut stream, refusal, None)?,
                    }
                }
            }
        }
    }
    Ok(())
}

impl State {
    fn fault(&mut self, kind: On, token: Option<&str>) -> Option<Fault> {
        let found = self.faults.iter_mut().find(|(on, _, times)| on.covers(kind) && *times > 0);
        if let Some((_, fault, times)) = found {
            *times -= 1;
            return Some(*fault);
        }
        let is_known = self.tokens.is_empty() || self.tokens.iter().any(|it| Some(it.as_str()) == token);
        (!is_known).then_some(Fault::Status(401))
    }
}

fn refuse(stream: &mut TcpStream, refusal: Refusal, retry_after: Option<u32>) -> io::Result<()> {
    let (code, reason, message) = refusal;
    let mut status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message,
    });
    let mut header = String::new();
    if let Some(seconds) = retry_after {
        status["details"] = json!({"retryAfterSeconds": seconds});
        header = format!("Retry-After: {seconds}\r\n");
    }
    http::answer(stream, code, &header, status.to_string().as_bytes())
}

/// Namespace and name in the path of a request.
fn named(path: &str) -> Option<(&str, &str)> {
    let mut words = path.strip_prefix("/api/v1/namespaces/")?.split('/');
    let namespace = words.next()?;
    (words.next() == Some("pods")).then_some(())?;
    Some((namespace, words.next()?))
}

fn respond(shared: &Shared, kind: On, request: &Request) -> Result<Value, Refusal> {
    let path = request.path.as_str();
    let missing = || (404, "NotFound", "the server could not find the requested resource".to_owned());
    shared.change(|state| match kind {
        On::List | On::Continue if path.ends_with("/pods") => {
            let limit = request.parameter("limit").map(|limit| limit.parse().unwrap());
            state.store.list(&|pod| matches(request, pod), limit, request.parameter("continue"))
        }
        On::Event => {
            let event = request.json();
            let name = &event["metadata"]["name"];
            if state.store.events.iter().any(|it| it["metadata"]["name"] == *name) {
                return Err((409, "AlreadyExists", format!("events {name} already exists")));
            }
            state.store.events.push(event.clone());
            Ok(event)
        }
        On::Get | On::Patch | On::Delete => {
            let (namespace, name) = named(path).ok_or_else(missing)?;
            match kind {
                On::Patch => state.store.patch(namespace, name, &request.json()),
                On::Delete => state.store.delete(namespace, name, &request.json()),
                _ => state.store.get(namespace, name).cloned().ok_or_else(|| store::not_found(name)),
            }
        }
        _ => Err(missing()),
    })
}

fn matches(request: &Request, pod: &Value) -> bool {
    let in_namespace = request
        .path
        .strip_prefix("/api/v1/namespaces/")
        .is_none_or(|rest| rest.split('/').next() == pod["metadata"]["namespace"].as_str());
    in_namespace
        && store::selected(pod, request.parameter("fieldSelector"), request.parameter("labelSelector"))
}

fn error_event(code: u16, message: &str) -> String {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": "Expired", "message": message,
    });
    format!("{}\n", json!({"type": "ERROR", "object": status}))
}

/// Sends what happens until the watch ends.
fn watch(shared: &Shared, request: &Request, stream: &mut TcpStream) -> io::Result<()> {
    let epoch = shared.change(|state| {
        state.watches += 1;
        state.epoch
    });
    let seconds = request.parameter("timeoutSeconds").and_then(|text| text.parse().ok()).unwrap_or(300);
    let over = Instant::now() + Duration::from_secs(seconds);
    let asked = request.parameter("resourceVersion").and_then(|version| version.parse().ok());
    let mut version = asked.unwrap_or_else(|| shared.lock().store.version());
    http::begin_chunks(stream)?;
    loop {
        let mut state = shared.lock();
        let changes = state.store.since(version);
        let is_quiet = state.epoch == epoch && changes.as_ref().is_ok_and(Vec::is_empty) && !state.is_down;
        if is_quiet {
            state = shared.changed.wait_timeout(state, BOOKMARK).unwrap().0;
        }
        if state.is_down {
            return Ok(());
        }
        let end = (state.epoch != epoch).then_some(state.end);
        let changes = state.store.since(version);
        let current = state.store.version();
        drop(state);
        match end {
            Some(End::Cut) => return stream.shutdown(Shutdown::Both),
            Some(End::InTheMiddle) => {
                http::half_a_chunk(stream, error_event(500, "nobody reads this").as_bytes())?;
                return stream.shutdown(Shutdown::Both);
            }
            Some(End::Orderly) => return http::end_chunks(stream),
            None if Instant::now() >= over => return http::end_chunks(stream),
            None => {}
        }
        let changes = match changes {
            Ok(changes) => changes,
            Err((code, _, message)) => {
                http::chunk(stream, error_event(code, &message).as_bytes())?;
                return http::end_chunks(stream);
            }
        };
        let is_empty = changes.is_empty();
        for (at, kind, object) in changes {
            version = at;
            if matches(request, &object) {
                http::chunk(stream, format!("{}\n", json!({"type": kind, "object": object})).as_bytes())?;
            }
        }
        if is_empty && request.parameter("allowWatchBookmarks") == Some("true") {
            version = current;
            let object = json!({
                "kind": "Pod", "apiVersion": "v1", "metadata": {"resourceVersion": current.to_string()},
            });
            http::chunk(stream, format!("{}\n", json!({"type": "BOOKMARK", "object": object})).as_bytes())?;
        }
    }
}
