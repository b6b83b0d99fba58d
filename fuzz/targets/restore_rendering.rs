//! Configurations that are right, in any pod: what both back ends are told is what they then hold.
#![no_main]

use arbitrary::Unstructured;
use libfuzzer_sys::fuzz_target;
use mesh_intercept::config::Config;
use mesh_intercept_fuzz::files::Files;
use mesh_intercept_fuzz::{holds, input};

fuzz_target!(|bytes: &[u8]| {
    let from = &mut Unstructured::new(bytes);
    let (Ok(settings), Ok(pod)) = (input::settings(from), input::pod(from)) else { return };
    let Ok(config) = Config::parse(&settings, &Files) else { return };
    holds::flags_give_the_same(&config);
    holds::everything(&config, &pod);
});
