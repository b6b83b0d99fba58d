//! Variables of the environment, of any bytes.
#![no_main]

use std::collections::HashMap;
use std::env::VarError;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use libfuzzer_sys::fuzz_target;
use mesh_intercept::cli::{Outcome, parse};
use mesh_intercept::config::{Config, Options, lists};
use mesh_intercept_fuzz::files::Files;
use mesh_intercept_fuzz::{holds, input};

// A part between zeros is a variable: the first byte says whose, the rest is its value.
fuzz_target!(|bytes: &[u8]| {
    let mut variables: HashMap<&str, OsString> = HashMap::new();
    for part in bytes.split(|byte| *byte == 0) {
        let Some((which, value)) = part.split_first() else { continue };
        let Some(setting) = input::setting_of(*which) else { continue };
        for name in setting.variables {
            variables.insert(name, OsString::from_vec(value.to_vec()));
        }
    }
    let environment = |name: &str| match variables.get(name) {
        Some(value) => value.clone().into_string().map_err(VarError::NotUnicode),
        None => Err(VarError::NotPresent),
    };
    let Outcome::Parsed(mut settings, problems) = parse("init", "", vec!["init".to_owned()], &environment)
    else {
        unreachable!("nothing asks for help");
    };
    holds::complaint_is_short(&problems);
    holds::complaint_is_short(&lists::expand(&mut settings, &Files));
    match Config::parse(&settings, &Files) {
        Ok(config) => holds::flags_give_the_same(&config),
        Err(problems) => holds::complaint_is_short(&problems),
    }
    let _ = Options::parse(&settings).map_err(|problems| holds::complaint_is_short(&problems));
});
