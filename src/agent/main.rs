//! The entry point of the node agent; the only place of it that exits.

use std::process::ExitCode;

use mesh_intercept::agent;
use mesh_intercept::cni::plugin;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    // Installed as the plugin, this binary can ask the API server by itself (`kubeconfig` among `pod_facts`).
    let exit =
        if arguments.len() == 1 && plugin::is_called() { plugin::run() } else { agent::run(arguments) };
    exit.into()
}
