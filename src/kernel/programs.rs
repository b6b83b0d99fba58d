//! The restore and save programs of iptables.

use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;

use super::{Error, Finished};

/// Where programs are when PATH does not say: an init container may start without one.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Held by iptables-legacy while it works (iptables' XT_LOCK_NAME).
const XTABLES_LOCK: &str = "/run/xtables.lock";
/// The lock that the programs are given when the usual one cannot be opened, on a read-only root for example. It is one
/// of this container; that no two runs meet in a network namespace is seen to by the lock of the namespace
/// (`kernel/lock.rs`).
const CONTAINER_LOCK: &str = "/proc/self/ns/mnt";

/// Runs a program to its end.
///
/// # Errors
/// When it is missing or cannot be started.
pub fn run(program: &str, arguments: &[&str], input: &str) -> Result<Finished, Error> {
    let failed = |source: io::Error| match source.kind() {
        ErrorKind::NotFound => Error::NoProgram(program.to_owned()),
        _ => Error::Program { program: program.to_owned(), source },
    };
    let path = std::env::var_os("PATH").filter(|path| !path.is_empty() && is_trusted());
    let path = path.unwrap_or_else(|| PATH.into());
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", &path).env("LC_ALL", "C");
    if !can_be_opened(Path::new(XTABLES_LOCK)) {
        command.env("XTABLES_LOCKFILE", CONTAINER_LOCK);
    }
    // A thread writes the input while the output is read: neither pipe can fill up and stop both. Where there is none to be
    // had, the program does not start.
    let (stdin, mut writer) = io::pipe().map_err(failed)?;
    let input = input.to_owned();
    let writer = thread::Builder::new().spawn(move || writer.write_all(input.as_bytes())).map_err(failed)?;
    command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn();
    // The writer is told when the program has ended: nobody else holds the pipe.
    drop(command);
    let output = child.and_then(Child::wait_with_output).map_err(failed)?;
    // A program that stops reading says why on its standard error.
    let _ = writer.join();
    Ok(Finished {
        code: output.status.code(),
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
        complaints: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

/// Whoever is not root may have this process's privileges from its file alone, and must not choose what runs with them.
fn is_trusted() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Can the lock file be opened, or made?
fn can_be_opened(lock: &Path) -> bool {
    match lock.parent().map(|folder| nix::unistd::access(folder, nix::unistd::AccessFlags::W_OK)) {
        _ if lock.exists() => nix::unistd::access(lock, nix::unistd::AccessFlags::R_OK).is_ok(),
        Some(folder) => folder.is_ok(),
        None => false,
    }
}
