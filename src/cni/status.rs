//! STATUS: could an ADD be served now?

use super::facts::Agent;
use super::interception::{FLAGS_ARE_WRONG, Node, problems};
use super::netconf::{NetConf, Source};
use super::protocol::{Error, code};
use crate::config::BackendKind;
use crate::kernel::capabilities;

/// Runs the command.
///
/// # Errors
/// When a pod of the mesh could not be served (code 50).
pub(super) fn run(conf: &NetConf) -> Result<(), Error> {
    Node::of(conf).map_err(|found| problems(code::CONFIGURATION, FLAGS_ARE_WRONG, &found))?;
    let mut missing = Vec::new();
    for source in &conf.sources {
        let answer = match source {
            Source::Agent => Agent::new(&conf.agent_socket).is_ready(),
            Source::Runtime if conf.has_annotations_capability => Ok(()),
            Source::Runtime => Err("it is not told to hand over annotations".to_owned()),
            Source::Kubeconfig => std::fs::File::open(&conf.kubeconfig)
                .map(drop)
                .map_err(|error| format!("{}: {error}", conf.kubeconfig.display())),
        };
        match answer {
            Ok(()) => {
                missing.clear();
                break;
            }
            Err(reason) => missing.push(format!("{source:?}: {reason}").to_lowercase()),
        }
    }
    if let Err(error) = capabilities::check(BackendKind::Nftables) {
        missing.push(error.to_string());
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::new(code::NOT_AVAILABLE, "pods of the mesh could not be served now")
        .with_details(missing.join("\n")))
}
