//! Logs of the plugin: standard error, and a file next to the agent's socket, because runtimes keep standard error of failed
//! calls only.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use nix::fcntl::{Flock, FlockArg};
use tracing::Level;
use tracing_subscriber::fmt::writer::{BoxMakeWriter, MakeWriterExt};

use super::netconf::NetConf;
use super::protocol::Invocation;

/// The file in the run directory.
const FILE: &str = "mesh-intercept-cni.log";
/// Its mode: at the level `debug` it holds what is known of pods.
const MODE: u32 = 0o600;
/// From this size on, in bytes, the file is put aside and another begun.
const LARGE: u64 = 4 << 20;

/// From here on, events are logged.
pub(super) fn start(conf: &NetConf, invocation: &Invocation) {
    let level = match conf.log_level.as_str() {
        "none" | "fatal" | "error" => Level::ERROR,
        "warn" => Level::WARN,
        "debug" => Level::DEBUG,
        "trace" => Level::TRACE,
        _ => Level::INFO,
    };
    let writer = match file(&conf.run_directory) {
        Ok(file) => BoxMakeWriter::new(io::stderr.and(Arc::new(file))),
        // A log that cannot be written is no reason to stop a pod.
        Err(_) => BoxMakeWriter::new(io::stderr),
    };
    let builder = tracing_subscriber::fmt().with_max_level(level).with_writer(writer).with_target(false);
    let _ = builder.json().flatten_event(true).try_init();
    if conf.is_ambient_expected {
        tracing::warn!(
            "ambient_enabled is set: pods without sidecars are not handled here, and stay outside of the mesh"
        );
    }
    tracing::debug!(?invocation, ?conf, "called");
}

fn file(folder: &Path) -> io::Result<fs::File> {
    let path = folder.join(FILE);
    let is_large = || fs::metadata(&path).is_ok_and(|it| it.len() > LARGE);
    // Of several plugins at once, only one may put it aside: the next would put the new one in its place.
    if is_large()
        && let Ok(_lock) = Flock::lock(fs::File::open(folder)?, FlockArg::LockExclusiveNonblock)
        && is_large()
    {
        fs::rename(&path, folder.join(format!("{FILE}.1")))?;
    }
    OpenOptions::new().create(true).append(true).mode(MODE).open(path)
}
