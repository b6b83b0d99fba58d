//! Puts the agent's parts together, and takes them apart when it is told to end.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;
use tracing::{error, info, warn};

use super::api::Source;
use super::endpoints::{Endpoint, EndpointError, Sources, Subject};
use super::events::Announcer;
use super::installation::{self, InstallResult, Installed, Kept};
use super::limits::Limits;
use super::logging;
use super::metrics::Metrics;
use super::options::{Options, Outcome, Surroundings};
use super::plugin;
use super::pods::Pods;
use super::repair::{Processes, Repairs};
use super::socket::{Desk, Socket, SocketError};
use super::watch;
use crate::exit::Exit;
use crate::logs::{Nested, tell};

/// The name of this program.
const NAME: &str = "mesh-intercept-agent";
/// Threads that answer and watch: one that reads a long list must not keep a question waiting.
const THREADS: usize = 2;
/// How long the configuration may take to be taken out at the end. A pod has 30 seconds to end, unless its
/// specification says otherwise.
const UNINSTALL: Duration = Duration::from_secs(20);
/// How long work that blocks may go on when all else has ended.
const LAST_WORK: Duration = Duration::from_millis(500);

/// Why the agent does not run.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Socket(#[from] SocketError),
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    #[error("cannot wait for signals: {0}")]
    Signal(#[source] io::Error),
    #[error("cannot start threads: {0}")]
    Runtime(#[source] io::Error),
}

/// Runs the agent until it is told to end.
pub fn run(arguments: Vec<OsString>) -> Exit {
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let variable = |name: &str| std::env::var_os(name).map(OsString::into_string);
    let surroundings = Surroundings { variable: &variable, hostname: hostname.trim() };
    let options = match Options::parse(arguments, &surroundings) {
        Ok(Outcome::Run(options)) => *options,
        Ok(Outcome::Show(text)) => {
            let _ = io::stdout().lock().write_all(text.as_bytes());
            return Exit::Done;
        }
        Err(problems) => {
            tell(&format!("{NAME}: {problems}\n"));
            return Exit::BadInput;
        }
    };
    logging::start(options.logs);
    let installation = match plugin::Installed::new(&options) {
        Ok(plugin) => {
            plugin.tidy();
            Arc::new(Kept::new(plugin))
        }
        Err(reason) => {
            error!("{reason}");
            return Exit::BadInput;
        }
    };
    match start(&options, installation) {
        Ok(()) => Exit::Done,
        Err(failure) => {
            error!("{failure}");
            Exit::Environment
        }
    }
}

fn start(options: &Options, installation: Arc<Kept>) -> Result<(), Failure> {
    let runtime = runtime().map_err(Failure::Runtime)?;
    let ended = runtime.block_on(serve(options, installation));
    runtime.shutdown_timeout(LAST_WORK);
    ended
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(THREADS).enable_all().build()
}

async fn serve(options: &Options, installation: Arc<Kept>) -> Result<(), Failure> {
    let signals = Signals::new().map_err(Failure::Signal)?;
    info!(version = env!("CARGO_PKG_VERSION"), options = Nested::of(options).value(), "the agent starts");
    for warning in &options.warnings {
        warn!("{warning}");
    }
    let pods = Arc::new(Pods::default());
    let metrics = Arc::new(Metrics::default());
    let installed = Arc::new(Installed::default());

    // What others ask is there before anything that may have to wait.
    let socket = Socket::listen(&options.run_directory)?;
    let sources =
        Sources { pods: Arc::clone(&pods), installed: Arc::clone(&installed), metrics: Arc::clone(&metrics) };
    let limits = Limits::of_this_process();
    let endpoints = listen(options, limits)?;

    let mut tasks = JoinSet::new();
    let source = Source { kubeconfig: options.kubeconfig.clone(), node: options.node.clone() };
    let (events, recorder) = Announcer::new(source.clone());
    tasks.spawn(recorder);
    let desk = Desk::new(Arc::clone(&pods), Arc::clone(&metrics), source.clone(), events.clone());
    tasks.spawn(socket.serve(Arc::new(desk), limits.socket));
    let sources = Arc::new(sources);
    for endpoint in endpoints {
        tasks.spawn(endpoint.serve(Arc::clone(&sources)));
    }
    let repair = options.repair.clone();
    tasks.spawn(watch::follow(source.clone(), Arc::clone(&pods), repair, Arc::clone(&metrics)));
    match plugin::node(options) {
        Ok(node) => {
            let repairs = Repairs {
                options: options.repair.clone(),
                reconcile_interval: options.reconcile_interval,
                source,
                node: Arc::new(node.quiet()),
                processes: Processes::of(&options.host_proc),
                pods,
                metrics: Arc::clone(&metrics),
                events,
            };
            tasks.spawn(repairs.follow());
            tasks.spawn(installation::keep(Arc::clone(&installation), installed, metrics));
        }
        // The plugin of an earlier installation is answered all the same: its pods go on starting.
        Err(unusable) => {
            error!("{unusable}");
            metrics.install(InstallResult::CreateConfig);
            installed.refuse(unusable.to_string());
        }
    }

    signals.wait().await;
    info!("the agent ends");
    // As long as the configuration names the plugin, the plugin is answered.
    if options.install.uninstall {
        uninstall(installation).await;
    }
    // Removes the socket's file: the plugin finds out at once that nobody answers.
    tasks.shutdown().await;
    Ok(())
}

fn listen(options: &Options, limits: Limits) -> Result<Vec<Endpoint>, Failure> {
    let wanted =
        [(Subject::Health, options.endpoints.health), (Subject::Metrics, options.endpoints.monitoring)];
    let mut endpoints = Vec::new();
    for (subject, port) in wanted {
        if let Some(port) = port {
            endpoints.push(Endpoint::listen(subject, options.endpoints.address, port, limits.port)?);
        }
    }
    Ok(endpoints)
}

async fn uninstall(installation: Arc<Kept>) {
    match timeout(UNINSTALL, spawn_blocking(move || installation.uninstall())).await {
        Ok(Ok(Ok(()))) => info!("the plugin is out of the configuration"),
        Ok(Ok(Err(problem))) => error!("the plugin could not be taken out: {problem}"),
        Ok(Err(error)) => error!("the plugin could not be taken out: {error}"),
        Err(_) => error!("the plugin could not be taken out within {UNINSTALL:?}"),
    }
}

/// The signals that end the agent.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn wait(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
