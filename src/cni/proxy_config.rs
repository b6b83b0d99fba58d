//! istio's ProxyConfig: the little of it that the rules depend on.

use std::collections::BTreeMap;

use yaml_rust2::parser::Parser;
use yaml_rust2::{Event, Yaml, YamlLoader};

use crate::config::settings::{ENVOY_PORT, INBOUND_CAPTURE_PORT, INTERCEPTION_MODE, Setting};
use crate::config::typed::{Origin, Settings};

/// The variable of the proxy's container that holds it, as JSON.
pub const VARIABLE: &str = "PROXY_CONFIG";

/// What a ProxyConfig says; unknown keys are ignored.
#[derive(Clone, Debug, Default)]
pub struct ProxyConfig {
    /// Settings, each with where it was said.
    settings: Vec<(&'static Setting, &'static str, String)>,
    /// `proxyMetadata`: variables for the proxy.
    pub metadata: BTreeMap<String, String>,
}

/// The keys that make settings.
const SETTINGS: [(&str, &Setting); 3] = [
    ("interceptionMode", &INTERCEPTION_MODE),
    ("proxyListenPort", &ENVOY_PORT),
    ("proxyInboundListenPort", &INBOUND_CAPTURE_PORT),
];

impl ProxyConfig {
    /// Reads YAML, of which JSON is a part. Where it was said is not known yet.
    ///
    /// # Errors
    /// The reason why it cannot be read.
    pub fn parse(text: &str) -> Result<ProxyConfig, String> {
        check_depth(text)?;
        let documents = YamlLoader::load_from_str(text).map_err(|error| format!("no YAML: {error}"))?;
        let keys = match &documents[..] {
            [] | [Yaml::Null] => return Ok(ProxyConfig::default()),
            [Yaml::Hash(keys)] => keys,
            _ => return Err("no ProxyConfig: expected one document of keys and values".to_owned()),
        };
        let mut config = ProxyConfig::default();
        for (name, setting) in SETTINGS {
            if let Some(value) = keys.get(&Yaml::String(name.to_owned())) {
                let text = scalar(value).ok_or_else(|| format!("{name} has to be a single value"))?;
                config.settings.extend(text.map(|text| (setting, "", text)));
            }
        }
        match keys.get(&Yaml::String("proxyMetadata".to_owned())) {
            None | Some(Yaml::Null) => {}
            Some(Yaml::Hash(variables)) => {
                for (name, value) in variables {
                    let (Some(Some(name)), Some(value)) = (scalar(name), scalar(value)) else {
                        return Err("proxyMetadata has to be names and single values".to_owned());
                    };
                    config.metadata.extend(value.map(|value| (name, value)));
                }
            }
            Some(_) => return Err("proxyMetadata has to be names and values".to_owned()),
        }
        Ok(config)
    }

    /// The same, with everything that another one says, which was said in `origin`.
    #[must_use]
    pub fn overruled_by(mut self, other: ProxyConfig, origin: &'static str) -> ProxyConfig {
        for (setting, _, text) in other.settings {
            self.settings.retain(|(known, ..)| known.key() != setting.key());
            self.settings.push((setting, origin, text));
        }
        self.metadata.extend(other.metadata);
        self
    }

    /// Makes its settings.
    pub fn set(&self, settings: &mut Settings) {
        for (setting, origin, text) in &self.settings {
            settings.set(setting, Origin::Pod(origin), text.clone());
        }
    }
}

/// The text of a single value, with or without quotes; nothing inside for null, nothing at all for what is no single value.
fn scalar(value: &Yaml) -> Option<Option<String>> {
    Some(match value {
        Yaml::Null => None,
        Yaml::String(text) | Yaml::Real(text) => Some(text.clone()),
        Yaml::Integer(number) => Some(number.to_string()),
        Yaml::Boolean(value) => Some(value.to_string()),
        Yaml::Array(_) | Yaml::Hash(_) | Yaml::Alias(_) | Yaml::BadValue => return None,
    })
}

/// More than this many values in each other are no ProxyConfig. The whole is read into a tree, and a tree can be too deep
/// for the stack; this looks at it without one.
const DEEPEST: usize = 64;

fn check_depth(text: &str) -> Result<(), String> {
    let mut parser = Parser::new(text.chars());
    let mut depth = 0_usize;
    loop {
        let (event, _) = parser.next_token().map_err(|error| format!("no YAML: {error}"))?;
        match event {
            Event::StreamEnd => return Ok(()),
            Event::SequenceStart(..) | Event::MappingStart(..) => depth += 1,
            // An alias of an alias of an alias: a few lines can stand for more values than there is memory.
            Event::Alias(_) => return Err("it has aliases, which no ProxyConfig needs".to_owned()),
            Event::SequenceEnd | Event::MappingEnd => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST {
            return Err(format!("more than {DEEPEST} values in each other"));
        }
    }
}
