//! The entry point of the node agent; the only place of it that exits.

use std::process::ExitCode;

fn main() -> ExitCode {
    mesh_intercept::agent::run(std::env::args_os().collect()).into()
}
