//! The flags and files of other meshes.
#![no_main]

use std::env::VarError;

use libfuzzer_sys::fuzz_target;
use mesh_intercept::cli::{Outcome, parse};
use mesh_intercept::config::Config;
use mesh_intercept::import::{Peer, import};
use mesh_intercept_fuzz::files::Files;
use mesh_intercept_fuzz::holds;

// The first byte is the mesh; a byte 1 ends an argument, which may be a whole file.
fuzz_target!(|bytes: &[u8]| {
    let Some((peer, rest)) = bytes.split_first() else { return };
    let peer = Peer::ALL[usize::from(*peer) % Peer::ALL.len()];
    let words: Vec<String> = String::from_utf8_lossy(rest).split('\u{1}').map(str::to_owned).collect();
    let imported = match import(peer, &words, &Files, &Files) {
        Ok(imported) => imported,
        Err(problems) => return holds::complaint_is_short(&problems),
    };
    // The command is read as what was meant, and what stands below it is no command.
    let Outcome::Parsed(settings, problems) =
        parse("init", "", imported.arguments.clone(), &|_| Err(VarError::NotPresent))
    else {
        panic!("{:?} asks for help", imported.arguments)
    };
    assert!(problems.is_empty(), "{:?}: {problems}", imported.arguments);
    assert_eq!(Config::parse(&settings, &Files).ok().as_ref(), Some(&imported.config));
    let text = imported.text();
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    assert!(text.lines().skip(1).all(|line| line.starts_with('#')), "{text:?}");
    let _ = imported.json();
});
