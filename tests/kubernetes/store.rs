//! What an API server holds: pods, their history, and events.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// An answer that is an error: the HTTP status and why.
pub type Refusal = (u16, &'static str, String);

#[derive(Default)]
pub struct Store {
    pods: BTreeMap<(String, String), Value>,
    version: u64,
    /// Version, kind and object of every change.
    history: Vec<(u64, &'static str, Value)>,
    /// Watches from before this version are refused.
    oldest: u64,
    /// Lists that are read page by page, by their version.
    snapshots: BTreeMap<u64, Vec<Value>>,
    pub events: Vec<Value>,
}

fn key(pod: &Value) -> (String, String) {
    let text = |name: &str| pod["metadata"][name].as_str().unwrap().to_owned();
    (text("namespace"), text("name"))
}

/// Does an object match a selector of fields, `a.b=c,d!=e`?
pub fn selected(object: &Value, fields: Option<&str>, labels: Option<&str>) -> bool {
    let holds = |condition: &str, value: &dyn Fn(&str) -> String| match condition.split_once("!=") {
        Some((path, wanted)) => value(path) != wanted,
        None => {
            let (path, wanted) = condition.split_once('=').unwrap_or((condition, ""));
            value(path) == wanted.trim_start_matches('=')
        }
    };
    let field = |path: &str| {
        let found = object.pointer(&format!("/{}", path.replace('.', "/")));
        found.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let label = |name: &str| object["metadata"]["labels"][name].as_str().unwrap_or_default().to_owned();
    let conditions = |text: Option<&str>| -> Vec<String> {
        let items = text.unwrap_or_default().split(',').filter(|item| !item.is_empty());
        items.map(str::to_owned).collect()
    };
    conditions(fields).iter().all(|it| holds(it, &field))
        && conditions(labels).iter().all(|it| holds(it, &label))
}

impl Store {
    fn note(&mut self, kind: &'static str, mut pod: Value) -> Value {
        self.version += 1;
        pod["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.history.push((self.version, kind, pod.clone()));
        pod
    }

    pub fn put(&mut self, pod: Value) {
        let key = key(&pod);
        let kind = if self.pods.contains_key(&key) { "MODIFIED" } else { "ADDED" };
        let pod = self.note(kind, pod);
        self.pods.insert(key, pod);
    }

    pub fn remove(&mut self, namespace: &str, name: &str) -> Option<Value> {
        let pod = self.pods.remove(&(namespace.to_owned(), name.to_owned()))?;
        Some(self.note("DELETED", pod))
    }

    pub fn get(&self, namespace: &str, name: &str) -> Option<&Value> {
        self.pods.get(&(namespace.to_owned(), name.to_owned()))
    }

    pub fn version(&self) -> u64 {
        self.version
    }

    /// Watches can only begin now, and lists that have begun cannot be finished.
    pub fn forget(&mut self) {
        // A version of its own, so that whoever has read everything is outdated as well.
        self.version += 1;
        self.oldest = self.version;
        self.history.clear();
        self.snapshots.clear();
    }

    /// A page of a list.
    pub fn list(
        &mut self,
        matches: &dyn Fn(&Value) -> bool,
        limit: Option<usize>,
        token: Option<&str>,
    ) -> Result<Value, Refusal> {
        let (version, from) = match token {
            Some(token) => {
                let (version, from) = token.split_once('-').unwrap();
                (version.parse().unwrap(), from.parse().unwrap())
            }
            None => {
                let pods = self.pods.values().filter(|pod| matches(pod)).cloned().collect();
                self.snapshots.insert(self.version, pods);
                (self.version, 0)
            }
        };
        let Some(pods) = self.snapshots.get(&version) else {
            return Err((410, "Expired", "The provided continue parameter is too old".into()));
        };
        let to = limit.map_or(pods.len(), |limit| (from + limit).min(pods.len()));
        let rest = pods.len() - to;
        let mut metadata = json!({"resourceVersion": version.to_string()});
        if rest > 0 {
            metadata["continue"] = json!(format!("{version}-{to}"));
            metadata["remainingItemCount"] = json!(rest);
        }
        Ok(json!({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": pods[from..to]}))
    }

    /// What has happened after a version.
    pub fn since(&self, version: u64) -> Result<Vec<(u64, &'static str, Value)>, Refusal> {
        if version < self.oldest {
            let message = format!("too old resource version: {version} ({})", self.oldest);
            return Err((410, "Expired", message));
        }
        Ok(self.history.iter().filter(|(at, ..)| *at > version).cloned().collect())
    }

    pub fn patch(&mut self, namespace: &str, name: &str, patch: &Value) -> Result<Value, Refusal> {
        let old = self.get(namespace, name).ok_or_else(|| not_found(name))?;
        let mut pod = old.clone();
        let expected = &patch["metadata"]["resourceVersion"];
        if !expected.is_null() && *expected != pod["metadata"]["resourceVersion"] {
            return Err(conflict(name, "the object has been modified"));
        }
        merge(&mut pod, patch);
        self.put(pod);
        Ok(self.get(namespace, name).unwrap().clone())
    }

    pub fn delete(&mut self, namespace: &str, name: &str, options: &Value) -> Result<Value, Refusal> {
        let pod = self.get(namespace, name).ok_or_else(|| not_found(name))?;
        for field in ["uid", "resourceVersion"] {
            let expected = &options["preconditions"][field];
            if !expected.is_null() && *expected != pod["metadata"][field] {
                return Err(conflict(name, &format!("Precondition failed: {field}")));
            }
        }
        Ok(self.remove(namespace, name).unwrap())
    }
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().shift_remove(key);
        } else {
            merge(&mut target[key], value);
        }
    }
}

pub fn not_found(name: &str) -> Refusal {
    (404, "NotFound", format!("pods {name:?} not found"))
}

fn conflict(name: &str, why: &str) -> Refusal {
    (409, "Conflict", format!("Operation cannot be fulfilled on pods {name:?}: {why}"))
}
