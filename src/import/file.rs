//! Files of other meshes: a configuration by itself, or the manifest of a pod that carries one.

use std::path::Path;

use yaml_rust2::Yaml;
use yaml_rust2::yaml::Hash;

use super::{Draft, Grade, Peer};
use crate::config::lists::ListFiles;
use crate::yaml::{self, scalar};

/// Longer files are no configuration of a pod: etcd would not take one.
const LONGEST: usize = 1 << 20;

/// What a file holds; `-` is standard input, and a text that is no name is taken as it is.
pub(super) fn content(path: &str, files: &dyn ListFiles) -> Result<String, String> {
    let is_text = path.starts_with('{') || path.contains('\n') || path.contains(": ");
    let text = match path {
        _ if is_text => path.to_owned(),
        "-" => files.standard_input()?,
        path => files.file(Path::new(path))?,
    };
    if text.len() > LONGEST { Err("it is longer than 1 MiB".to_owned()) } else { Ok(text) }
}

/// The annotation that holds the whole configuration.
fn whole(peer: Peer) -> Option<&'static str> {
    match peer {
        Peer::Linkerd => None,
        Peer::Kuma => Some("traffic.kuma.io/transparent-proxy-config"),
        Peer::Consul => Some("consul.hashicorp.com/redirect-traffic-config"),
    }
}

fn inner<'y>(keys: &'y Hash, path: &[&str]) -> Option<&'y Hash> {
    path.iter().try_fold(keys, |keys, name| yaml::get(keys, name)?.as_hash())
}

impl Draft {
    /// Reads a file; what it says overrules the files before it.
    pub(super) fn read_file(&mut self, peer: Peer, path: &str, text: &str) {
        let keys = match yaml::read(text) {
            Ok(keys) => keys.unwrap_or_default(),
            Err(reason) => return self.problem(path, &reason),
        };
        if yaml::get(&keys, "items").is_some() {
            return self.problem(path, "it holds a list of objects: give a file with one pod");
        }
        // A Deployment holds the pod as its template, a CronJob inside the template of its jobs.
        let templates = [&["spec", "jobTemplate", "spec", "template"][..], &["spec", "template"]];
        let pod = templates.iter().find_map(|path| inner(&keys, path)).unwrap_or(&keys);
        let Some(metadata) = inner(pod, &["metadata"]) else {
            return self.keys(peer, "", &keys);
        };
        let none = Hash::new();
        let annotations = inner(metadata, &["annotations"]).unwrap_or(&none);
        match whole(peer) {
            None => self.linkerd_pod(peer, pod, annotations),
            Some(name) => match yaml::get(annotations, name).and_then(Yaml::as_str).map(yaml::read) {
                // Annotations about single settings are in it already.
                Some(Ok(keys)) => self.keys(peer, "", &keys.unwrap_or_default()),
                Some(Err(reason)) => self.problem(name, &reason),
                None => self.problem(path, &format!("the pod has no annotation {name}")),
            },
        }
    }

    /// What was injected already says it exactly; else the annotations do, on top of the chart's values.
    fn linkerd_pod(&mut self, peer: Peer, pod: &Hash, annotations: &Hash) {
        match init_container(pod) {
            Some(Some(words)) => return self.container(peer, &words),
            Some(None) => return self.problem("linkerd-init", "its args are no list of texts"),
            None => {}
        }
        super::linkerd::assume_chart(self);
        for (name, value) in annotations {
            let (Some(name), Some(Some(text))) = (name.as_str(), scalar(value)) else { continue };
            match self.given.place_of(name) {
                Some((place, key)) => self.given.replace(place, key, &text, &mut self.problems),
                None => self.other_annotation(name, &text),
            }
        }
    }

    /// Most annotations of linkerd are about anything but its rules.
    fn other_annotation(&mut self, name: &str, text: &str) {
        match name.strip_prefix("config.linkerd.io/") {
            Some("control-port" | "admin-port") => {
                let why = "linkerd leaves inbound connections to this port of its proxy alone";
                self.note(Grade::NoEqual, format!("{name}: {text}"), why, "add the port to -d");
            }
            Some(rest) if rest.starts_with("skip-") => self.problem(name, "linkerd has no such annotation"),
            _ => {}
        }
    }

    /// The flags of an injected init container.
    fn container(&mut self, peer: Peer, words: &[String]) {
        let files = self.given.read_words(peer, words, &mut self.problems);
        for word in files {
            self.problem(&word, "unexpected: every value follows a flag");
        }
    }

    /// Reads keys, those inside others as `outer.inner`.
    fn keys(&mut self, peer: Peer, path: &str, keys: &Hash) {
        for (name, value) in keys {
            // A key that is a list or a mapping itself is none of anybody's.
            let name = scalar(name).flatten().unwrap_or_else(|| "(no text)".to_owned());
            let key = if path.is_empty() { name } else { format!("{path}.{name}") };
            let Some((place, known)) = self.given.place_of(&key) else {
                match value {
                    Yaml::Hash(inner) => self.keys(peer, &key, inner),
                    _ => self.problem(&key, &format!("{} has no such setting", peer.name())),
                }
                continue;
            };
            let text = match value {
                Yaml::Array(items) => {
                    let texts: Option<Vec<String>> =
                        items.iter().map(|item| scalar(item).map(Option::unwrap_or_default)).collect();
                    texts.map(|texts| texts.join(","))
                }
                // Programs by their names: what they are does not matter here.
                Yaml::Hash(programs) => Some(format!("({} values)", programs.len())),
                value => scalar(value).map(Option::unwrap_or_default),
            };
            match text {
                // Null and an empty list ask for nothing.
                Some(text) if text.is_empty() => {}
                Some(text) => self.given.replace(place, known, &text, &mut self.problems),
                None => self.problem(&key, "expected a single value, or a list of them"),
            }
        }
    }
}

/// The arguments of linkerd's init container, if the pod has it; nothing in their place when they cannot be read.
fn init_container(pod: &Hash) -> Option<Option<Vec<String>>> {
    let containers = yaml::get(inner(pod, &["spec"])?, "initContainers")?.as_vec()?;
    let is_it = |it: &&Hash| yaml::get(it, "name").and_then(Yaml::as_str) == Some("linkerd-init");
    let container = containers.iter().filter_map(Yaml::as_hash).find(is_it)?;
    let arguments = yaml::get(container, "args").and_then(Yaml::as_vec);
    Some(arguments.and_then(|all| all.iter().map(|it| scalar(it).flatten()).collect()))
}
