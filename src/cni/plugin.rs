//! The plugin: one call of the runtime, one answer on standard output.

use std::io::{self, Read};
use std::sync::OnceLock;
use std::time::Instant;

use super::agent_protocol::Report;
use super::answer::{self, Answer};
use super::netconf::NetConf;
use super::protocol::{self, Command, Error, Invocation, code};
use super::{add, check, defect, del, gc, handing_on, logging, status};
use crate::exit::Exit;
use crate::faults;
use crate::logs::tell;

/// Names under which the program is the plugin.
pub const NAMES: [&str; 2] = ["mesh-intercept-cni", "istio-cni"];
/// The longest configuration that is read, in bytes.
const LONGEST: u64 = 16 << 20;

/// A call, as far as it is known.
pub(super) struct Call {
    pub(super) invocation: Invocation,
    pub(super) conf: NetConf,
    pub(super) start: Instant,
}

/// The call that this process answers, as soon as it is known: a defect has to be answered as well.
static CALL: OnceLock<Call> = OnceLock::new();

/// What came of a call.
struct Outcome {
    result: Result<String, Error>,
    /// How an ADD ended, for the agent.
    report: Option<Report>,
}

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
    defect::catch(&CALL);
    let outcome = match Invocation::read(&variable) {
        None => {
            tell(&format!(
                "{} {}: a CNI plugin, called by a container runtime. Speaks CNI {}\n",
                NAMES[0],
                env!("CARGO_PKG_VERSION"),
                protocol::VERSIONS.join(", ")
            ));
            return Exit::Done;
        }
        Some(Err(error)) => {
            logging::start(None, &variable);
            Err(error).into()
        }
        Some(Ok(invocation)) => outcome(invocation, start),
    };
    let is_success = outcome.result.is_ok();
    let text = outcome.result.unwrap_or_else(|error| {
        // An ADD says itself how it ended.
        let reason = outcome.report.as_ref().map(|report| report.reason.as_str());
        let took_us = outcome.report.as_ref().map(|report| report.duration_us);
        let details = Some(&error.details).filter(|details| !details.is_empty());
        tracing::error!(code = error.code, reason, took_us, details, "{}", error.message);
        serde_json::to_string(&error).unwrap_or_default()
    });
    let answer = answer::deliver(Answer { text, is_success });
    if let Some(call) = CALL.get() {
        handing_on::of(call, outcome.report);
    }
    if answer.is_success { Exit::Done } else { Exit::BadInput }
}

impl From<Result<String, Error>> for Outcome {
    fn from(result: Result<String, Error>) -> Outcome {
        Outcome { result, report: None }
    }
}

fn outcome(invocation: Invocation, start: Instant) -> Outcome {
    let text = match configuration() {
        Ok(text) => text,
        Err(error) => {
            logging::start(None, &variable);
            return Err(error).into();
        }
    };
    let conf = match invocation.command {
        Command::Version => return Ok(protocol::versions()).into(),
        Command::Del | Command::Gc => NetConf::parse_for_removal(&text),
        _ => NetConf::parse(&text),
    };
    let conf = match conf {
        Ok(conf) => conf,
        Err(error) => {
            // The log's place may be known all the same.
            if let Ok(conf) = NetConf::parse_for_removal(&text) {
                logging::start(Some(&conf), &variable);
                let _ = CALL.set(Call { invocation, conf, start });
            } else {
                logging::start(None, &variable);
            }
            return Err(error).into();
        }
    };
    logging::start(Some(&conf), &variable);
    logging::announce(&conf, &invocation, &text);
    for doubt in &conf.doubts {
        tracing::warn!("the plugin's configuration: {doubt}");
    }
    let call = CALL.get_or_init(|| Call { invocation, conf, start });
    faults::point("called");
    let mut outcome = carry_out(call);
    outcome.result = outcome.result.map_err(|error| error.of_version(&call.conf.version));
    outcome
}

fn configuration() -> Result<String, Error> {
    let mut text = String::new();
    let input = io::stdin().lock().take(LONGEST).read_to_string(&mut text);
    input.map_err(|error| Error::new(code::IO, format!("cannot read the configuration: {error}")))?;
    Ok(text)
}

fn carry_out(call: &Call) -> Outcome {
    let Call { invocation, conf, start } = call;
    let command = invocation.command;
    if !protocol::is_at_least(&conf.version, command.since()) {
        let message = format!("{} needs a configuration of CNI {} or later", command.name(), command.since());
        let details = format!("the version of this one is {}", conf.version);
        return Err(Error::new(code::VERSION, message).with_details(details)).into();
    }
    let result = match command {
        Command::Add => {
            let (result, report) = add::run(invocation, conf, *start);
            return Outcome { result: result.map(|()| conf.result()), report };
        }
        Command::Check => check::run(invocation, conf).map(|()| String::new()),
        Command::Del => del::run(invocation, conf).map(|()| String::new()),
        Command::Gc => gc::run(conf).map(|()| String::new()),
        Command::Status => status::run(conf).map(|()| String::new()),
        Command::Version => Ok(protocol::versions()),
    };
    result.into()
}
