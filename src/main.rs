//! The entry point; the only place that exits.

use std::process::ExitCode;

fn main() -> ExitCode {
    mesh_intercept::cli::run(std::env::args_os().collect()).into()
}
