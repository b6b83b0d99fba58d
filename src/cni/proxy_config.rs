//! istio's ProxyConfig: the little of it that the rules depend on.

use std::collections::BTreeMap;

use yaml_rust2::Yaml;
use yaml_rust2::yaml::Hash;

use crate::config::settings::{ENVOY_PORT, INBOUND_CAPTURE_PORT, INTERCEPTION_MODE, Setting};
use crate::config::typed::{Origin, Settings};
use crate::nearest::nearest;
use crate::yaml::{self, scalar};

/// The variable of the proxy's container that holds it, as JSON.
pub const VARIABLE: &str = "PROXY_CONFIG";

/// What a ProxyConfig says; unknown keys are ignored, as istio does.
#[derive(Clone, Debug, Default)]
pub struct ProxyConfig {
    /// Settings, each with where it was said.
    settings: Vec<(&'static Setting, &'static str, String)>,
    /// `proxyMetadata`: variables for the proxy.
    pub metadata: BTreeMap<String, String>,
    /// What is worth a warning.
    pub notes: Vec<String>,
}

/// A field: as JSON spells it, and as the definition of the message does. istio's reader (protojson) takes both.
struct Field {
    json: &'static str,
    original: &'static str,
}

/// The fields that make settings.
const SETTINGS: [(Field, &Setting); 3] = [
    (Field { json: "interceptionMode", original: "interception_mode" }, &INTERCEPTION_MODE),
    (Field { json: "proxyListenPort", original: "proxy_listen_port" }, &ENVOY_PORT),
    (Field { json: "proxyInboundListenPort", original: "proxy_inbound_listen_port" }, &INBOUND_CAPTURE_PORT),
];
const METADATA: Field = Field { json: "proxyMetadata", original: "proxy_metadata" };

impl Field {
    /// Its value; nothing when it is not there.
    fn of<'y>(&self, keys: &'y Hash) -> Result<Option<&'y Yaml>, String> {
        match (yaml::get(keys, self.json), yaml::get(keys, self.original)) {
            (Some(_), Some(_)) => {
                Err(format!("{} and {} are the same field: say it once", self.json, self.original))
            }
            (json, original) => Ok(json.or(original)),
        }
    }
}

impl ProxyConfig {
    /// Reads YAML, of which JSON is a part. Where it was said is not known yet.
    ///
    /// # Errors
    /// The reason why it cannot be read.
    pub fn parse(text: &str) -> Result<ProxyConfig, String> {
        let Some(keys) = yaml::read(text)? else { return Ok(ProxyConfig::default()) };
        let mut config = ProxyConfig { notes: notes(&keys), ..ProxyConfig::default() };
        for (field, setting) in SETTINGS {
            if let Some(value) = field.of(&keys)? {
                let text = scalar(value).ok_or_else(|| format!("{} has to be a single value", field.json))?;
                config.settings.extend(text.map(|text| (setting, "", text)));
            }
        }
        match METADATA.of(&keys)? {
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
        self.notes.extend(other.notes.into_iter().map(|note| format!("{origin}: {note}")));
        self
    }

    /// Makes its settings.
    pub fn set(&self, settings: &mut Settings) {
        for (setting, origin, text) in &self.settings {
            settings.set(setting, Origin::Pod(origin), text.clone());
        }
    }
}

/// Most keys of a ProxyConfig are about anything but its rules. One that is nearly a field that is read is a slip.
fn notes(keys: &Hash) -> Vec<String> {
    let fields = SETTINGS.iter().map(|(field, _)| field).chain([&METADATA]);
    let known: Vec<&str> = fields.flat_map(|field| [field.json, field.original]).collect();
    let names = keys.keys().filter_map(Yaml::as_str).filter(|name| !known.contains(name));
    let near = names.filter_map(|name| Some((name, nearest(name, known.iter().copied())?)));
    near.map(|(name, field)| format!("the key {name:?} is ignored: did you mean {field}?")).collect()
}
