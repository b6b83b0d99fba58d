//! resolv.conf: every server is a line's, and the rules for them can be written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mesh_intercept::config::Config;
use mesh_intercept::config::resolvers::Resolvers;
use mesh_intercept::config::settings::REDIRECT_DNS;
use mesh_intercept::config::typed::{Origin, Settings};
use mesh_intercept::program::Pod;
use mesh_intercept_fuzz::files::Files;
use mesh_intercept_fuzz::{holds, input};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let resolvers = Resolvers::parse(&text);
    let entries = text.matches("nameserver").count();
    assert!(resolvers.servers.len() + resolvers.ignored.len() <= entries);
    assert!(resolvers.ignored.iter().all(|word| !word.contains([' ', '\t', '\n', '\r'])));
    let mut settings = Settings::default();
    settings.set(&REDIRECT_DNS, Origin::Default("redirect-dns"), "true".to_owned());
    let Ok(config) = Config::parse(&settings, &Files) else { unreachable!("a switch") };
    for families in input::PODS {
        holds::everything(&config, &Pod { families, resolvers: resolvers.servers.clone() });
    }
});
