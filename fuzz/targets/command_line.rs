//! Arguments, as they are typed: read by the same parsers as in a run, without what follows.
#![no_main]

use std::env::VarError;

use libfuzzer_sys::fuzz_target;
use mesh_intercept::cli::{Outcome, parse};
use mesh_intercept::config::{Config, Options, Question, lists};
use mesh_intercept_fuzz::files::Files;
use mesh_intercept_fuzz::holds;

const VERBS: [&str; 6] = ["init", "plan", "cleanup", "status", "verify", "explain"];

// The first byte is the command; a line is an argument.
fuzz_target!(|bytes: &[u8]| {
    let Some((verb, rest)) = bytes.split_first() else { return };
    let rest = String::from_utf8_lossy(rest);
    let verb = VERBS[usize::from(*verb) % VERBS.len()];
    let arguments = std::iter::once(verb).chain(rest.split('\n')).map(str::to_owned).collect();
    let Outcome::Parsed(mut settings, problems) = parse(verb, "", arguments, &|_| Err(VarError::NotPresent))
    else {
        return;
    };
    holds::complaint_is_short(&problems);
    holds::complaint_is_short(&lists::expand(&mut settings, &Files));
    match Config::parse(&settings, &Files) {
        Ok(config) => holds::flags_give_the_same(&config),
        Err(problems) => holds::complaint_is_short(&problems),
    }
    let _ = Options::parse(&settings).map_err(|problems| holds::complaint_is_short(&problems));
    let _ = Question::parse(&settings, &Files).map_err(|problems| holds::complaint_is_short(&problems));
});
