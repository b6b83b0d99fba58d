//! What a runtime and the author of a pod hand to the plugin: its configuration, CNI_ARGS, annotations and the proxy's
//! configuration.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use mesh_intercept::cni::decision::by_facts;
use mesh_intercept::cni::interception::Node;
use mesh_intercept::cni::netconf::NetConf;
use mesh_intercept::cni::pod::{Container, PodFacts};
use mesh_intercept::cni::{arguments, settings};
use mesh_intercept::config::Config;
use mesh_intercept::config::typed::Settings;
use mesh_intercept_fuzz::files::Files;
use mesh_intercept_fuzz::holds;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(conf) = NetConf::parse(&text) {
        if let Some(result) = &conf.previous_result {
            assert!(text.contains(result.as_str()), "not to the byte: {result:?}");
        }
        assert!(conf.result().starts_with('{'));
        let _ = Node::of(&conf);
    }
    let _ = arguments::pod(&text);
    pod(&text);
});

/// A pod whose annotations and variables are the lines of this text: `name value`.
fn pod(text: &str) {
    let pairs = text.split('\u{1}').filter_map(|line| line.split_once(' '));
    let pairs: BTreeMap<String, String> =
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let annotations_only = PodFacts { annotations: Some(pairs.clone()), ..PodFacts::default() };
    let _ = by_facts(&annotations_only);
    let args = pairs.values().cloned().collect();
    let container = |name: &str| Container { name: name.into(), env: pairs.clone(), ..Container::default() };
    let validation = Container { args, ..container("istio-validation") };
    let containers = Some(vec![validation, container("istio-proxy")]);
    let facts = PodFacts { containers, ..annotations_only };
    if let Ok(settings::Wanted::Rules(settings, _)) = settings::wanted(&facts, Settings::default())
        && let Ok(config) = Config::parse(&settings, &Files)
    {
        holds::flags_give_the_same(&config);
    }
}
