//! The plugin: one call of the runtime, one answer on standard output.

use std::io::{self, Read, Write};
use std::time::Instant;

use super::netconf::NetConf;
use super::protocol::{self, Command, Error, Invocation, code};
use super::{add, check, del, gc, logging, status};
use crate::exit::Exit;

/// Names under which the program is the plugin.
pub const NAMES: [&str; 2] = ["mesh-intercept-cni", "istio-cni"];
/// The longest configuration that is read, in bytes.
const LONGEST: u64 = 16 << 20;

/// Does a runtime call, by what the environment says?
pub fn is_called() -> bool {
    variable("CNI_COMMAND").is_some_and(|command| !command.is_empty())
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Answers the call. Nothing but the answer is written to standard output.
pub fn run() -> Exit {
    let start = Instant::now();
    std::panic::set_hook(Box::new(|panic| {
        let error = Error::new(code::INTERNAL, format!("the plugin has a defect, please report it: {panic}"));
        let text = serde_json::to_string(&error).unwrap_or_default();
        let _ = io::stdout().lock().write_all(text.as_bytes());
    }));
    let answer = match Invocation::read(&variable) {
        None => {
            let about = format!(
                "{} {}: a CNI plugin, called by a container runtime. Speaks CNI {}\n",
                NAMES[0],
                env!("CARGO_PKG_VERSION"),
                protocol::VERSIONS.join(", ")
            );
            let _ = io::stderr().lock().write_all(about.as_bytes());
            return Exit::Done;
        }
        Some(Err(error)) => Err(error),
        Some(Ok(invocation)) => answer(&invocation, start),
    };
    let (text, exit) = match answer {
        Ok(text) => (text, Exit::Done),
        Err(error) => {
            tracing::error!(code = error.code, details = %error.details, "{}", error.message);
            (serde_json::to_string(&error).unwrap_or_default(), Exit::BadInput)
        }
    };
    let mut output = io::stdout().lock();
    // A runtime that went away has cleaned up after itself.
    let _ = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    exit
}

fn answer(invocation: &Invocation, start: Instant) -> Result<String, Error> {
    let mut text = String::new();
    io::stdin()
        .lock()
        .take(LONGEST)
        .read_to_string(&mut text)
        .map_err(|error| Error::new(code::IO, format!("cannot read the configuration: {error}")))?;
    if invocation.command == Command::Version {
        return Ok(protocol::versions());
    }
    let conf = match invocation.command {
        Command::Del | Command::Gc => NetConf::parse_for_removal(&text)?,
        _ => NetConf::parse(&text)?,
    };
    logging::start(&conf, invocation);
    for doubt in &conf.doubts {
        tracing::warn!("the plugin's configuration: {doubt}");
    }
    carry_out(invocation, &conf, start).map_err(|error| error.of_version(&conf.version))
}

fn carry_out(invocation: &Invocation, conf: &NetConf, start: Instant) -> Result<String, Error> {
    let command = invocation.command;
    if !protocol::is_at_least(&conf.version, command.since()) {
        let message = format!("{} needs a configuration of CNI {} or later", command.name(), command.since());
        return Err(Error::new(code::VERSION, message)
            .with_details(format!("the version of this one is {}", conf.version)));
    }
    match command {
        Command::Add => add::run(invocation, conf, start).map(|()| conf.result()),
        Command::Check => check::run(invocation, conf).map(|()| String::new()),
        Command::Del => del::run(invocation, conf).map(|()| String::new()),
        Command::Gc => gc::run(conf).map(|()| String::new()),
        Command::Status => status::run(conf).map(|()| String::new()),
        Command::Version => Ok(protocol::versions()),
    }
}
