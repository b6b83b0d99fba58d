//! istio's ProxyConfig: the little of it that the rules depend on.

use std::collections::BTreeMap;

use yaml_rust2::Yaml;

use crate::config::settings::{ENVOY_PORT, INBOUND_CAPTURE_PORT, INTERCEPTION_MODE, Setting};
use crate::config::typed::{Origin, Settings};
use crate::yaml::{self, scalar};

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
        let Some(keys) = yaml::read(text)? else { return Ok(ProxyConfig::default()) };
        let mut config = ProxyConfig::default();
        for (name, setting) in SETTINGS {
            if let Some(value) = yaml::get(&keys, name) {
                let text = scalar(value).ok_or_else(|| format!("{name} has to be a single value"))?;
                config.settings.extend(text.map(|text| (setting, "", text)));
            }
        }
        match yaml::get(&keys, "proxyMetadata") {
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
