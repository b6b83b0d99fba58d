//! istio's ProxyConfig: the little of it that the rules depend on.

use std::collections::BTreeMap;

use serde::Deserialize;

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

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Keys {
    interception_mode: Option<String>,
    proxy_listen_port: Option<Scalar>,
    proxy_inbound_listen_port: Option<Scalar>,
    proxy_metadata: Option<BTreeMap<String, Option<Scalar>>>,
}

/// A value that people write with and without quotes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Boolean(bool),
    Number(i64),
    Text(String),
}

impl Scalar {
    fn text(self) -> String {
        match self {
            Scalar::Boolean(value) => value.to_string(),
            Scalar::Number(value) => value.to_string(),
            Scalar::Text(text) => text,
        }
    }
}

impl ProxyConfig {
    /// Reads YAML, of which JSON is a part. Where it was said is not known yet.
    ///
    /// # Errors
    /// The reason why it cannot be read.
    pub fn parse(text: &str) -> Result<ProxyConfig, String> {
        if text.trim().is_empty() {
            return Ok(ProxyConfig::default());
        }
        let keys: Option<Keys> = serde_saphyr::from_str(text).map_err(|error| {
            let error = error.to_string();
            format!("no YAML of a ProxyConfig: {}", error.lines().next().unwrap_or_default())
        })?;
        let keys = keys.unwrap_or_default();
        let settings = [
            (&INTERCEPTION_MODE, keys.interception_mode),
            (&ENVOY_PORT, keys.proxy_listen_port.map(Scalar::text)),
            (&INBOUND_CAPTURE_PORT, keys.proxy_inbound_listen_port.map(Scalar::text)),
        ];
        let metadata = keys.proxy_metadata.into_iter().flatten();
        Ok(ProxyConfig {
            settings: settings.into_iter().filter_map(|(setting, text)| Some((setting, "", text?))).collect(),
            metadata: metadata.filter_map(|(name, value)| Some((name, value?.text()))).collect(),
        })
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
