//! Logs of the plugin: standard error, a file next to the agent's socket, because runtimes keep standard error of failed
//! calls only, and what is handed on to the agent.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use nix::fcntl::{Flock, FlockArg};
use tracing::Level;
use tracing::level_filters::LevelFilter;

use super::arguments;
use super::netconf::NetConf;
use super::protocol::Invocation;
use crate::logs::scopes::Program;
use crate::logs::{self, Collected, Format, Nested, Outlet, Stream};

/// The file in the run directory.
const FILE: &str = "mesh-intercept-cni.log";
/// Its mode: at the level `debug` it holds what is known of pods.
const MODE: u32 = 0o600;
/// From this size on, in bytes, the file is put aside and another begun.
const LARGE: u64 = 4 << 20;

/// What is handed on to the agent.
static COLLECTED: Mutex<Collected> = Mutex::new(Collected::new());

/// From here on, events are logged, with what the runtime says of the call on every line. Without a configuration that can
/// be read, only standard error is written to.
pub(super) fn start(conf: Option<&NetConf>, variable: &dyn Fn(&str) -> Option<String>) {
    let level = match conf.map_or("info", |conf| conf.log_level.as_str()) {
        "none" | "fatal" | "error" => LevelFilter::ERROR,
        "warn" => LevelFilter::WARN,
        "debug" => LevelFilter::DEBUG,
        "trace" => LevelFilter::TRACE,
        _ => LevelFilter::INFO,
    };
    let mut outlets = vec![Outlet::Stream(Stream::stderr())];
    if let Some(conf) = conf {
        // A log that cannot be written is no reason to stop a pod.
        outlets.extend(file(&conf.run_directory).map(Outlet::Stream));
        outlets.push(Outlet::Memory(&COLLECTED, Level::INFO));
    }
    logs::start(logs::Settings {
        program: Program::Plugin,
        level,
        format: Format::Json,
        context: context(variable),
        outlets,
    });
}

/// What every line says.
fn context(variable: &dyn Fn(&str) -> Option<String>) -> Vec<(&'static str, String)> {
    let text = |name| variable(name).unwrap_or_default();
    let arguments = text("CNI_ARGS");
    let of_pod = |key| arguments::value(&arguments, key).unwrap_or_default();
    let fields = [
        ("command", text("CNI_COMMAND")),
        ("namespace", of_pod(arguments::NAMESPACE)),
        ("pod", of_pod(arguments::NAME)),
        ("uid", of_pod(arguments::UID)),
        ("container_id", text("CNI_CONTAINERID")),
    ];
    fields.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// Says what the call is about.
pub(super) fn announce(conf: &NetConf, invocation: &Invocation, text: &str) {
    if conf.is_ambient_expected {
        tracing::warn!(
            "ambient_enabled is set: pods without sidecars are not handled here, and stay outside of the mesh"
        );
    }
    let namespace = invocation.network_namespace.as_ref().map(|path| path.display().to_string());
    if tracing::enabled!(Level::DEBUG) {
        tracing::debug!(
            interface = invocation.attachment.interface,
            network_namespace = namespace,
            arguments = invocation.arguments,
            configuration = Nested::parse(text).value(),
            "called"
        );
    }
}

/// The worst level of what was logged for the agent; nothing when nothing was.
pub(super) fn worst() -> Option<Level> {
    COLLECTED.lock().unwrap_or_else(PoisonError::into_inner).worst()
}

/// What was logged for the agent: the last lines, and how many there were before.
pub(super) fn take() -> (Vec<String>, u64) {
    COLLECTED.lock().unwrap_or_else(PoisonError::into_inner).take()
}

fn file(folder: &Path) -> io::Result<Stream> {
    let path = folder.join(FILE);
    let is_large = || fs::metadata(&path).is_ok_and(|it| it.len() > LARGE);
    // Of several plugins at once, only one may put it aside: the next would put the new one in its place.
    if is_large()
        // The file itself: the folder can be opened, and so locked, by every user of the node.
        && let Ok(_lock) = Flock::lock(fs::File::open(&path)?, FlockArg::LockExclusiveNonblock)
        && is_large()
    {
        fs::rename(&path, folder.join(format!("{FILE}.1")))?;
    }
    Stream::file(&path, MODE)
}
