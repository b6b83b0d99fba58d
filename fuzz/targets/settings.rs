//! Texts of settings, as annotations bring them: what is accepted can be printed, compiled, rendered and read back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_intercept::config::{Config, Options, lists};
use mesh_intercept::program::Pod;
use mesh_intercept_fuzz::files::Files;
use mesh_intercept_fuzz::{holds, input};

fuzz_target!(|text: &str| {
    let mut settings = input::settings_of_lines(text);
    holds::complaint_is_short(&lists::expand(&mut settings, &Files));
    let _ = Options::parse(&settings).map_err(|problems| holds::complaint_is_short(&problems));
    let config = match Config::parse(&settings, &Files) {
        Ok(config) => config,
        Err(problems) => return holds::complaint_is_short(&problems),
    };
    holds::flags_give_the_same(&config);
    for families in input::PODS {
        holds::everything(&config, &Pod { families, resolvers: vec![[10, 96, 0, 10].into()] });
    }
});
