//! `CNI_ARGS`: what the runtime says about the pod.

use super::pod::PodName;
use super::protocol::{Error, code};

/// The keys that are known; others need `IgnoreUnknown=1`.
pub(super) const NAMESPACE: &str = "K8S_POD_NAMESPACE";
pub(super) const NAME: &str = "K8S_POD_NAME";
pub(super) const UID: &str = "K8S_POD_UID";
const KNOWN: [&str; 5] = [NAMESPACE, NAME, UID, "K8S_POD_INFRA_CONTAINER_ID", "IgnoreUnknown"];

/// The value of a key, whatever else is wrong.
pub(super) fn value(arguments: &str, key: &str) -> Option<String> {
    let pairs = arguments.split(';').filter_map(|pair| pair.split_once('='));
    pairs.into_iter().find(|(name, _)| *name == key).map(|(_, value)| value.to_owned())
}

/// Which pod it is; nothing when the caller is not Kubernetes.
///
/// # Errors
/// When a pair has no `=`, or a key is unknown and nothing allows that (code 4).
pub fn pod(arguments: &str) -> Result<Option<PodName>, Error> {
    let mut pairs = Vec::new();
    let mut wrong = Vec::new();
    for pair in arguments.split(';').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(pair) => pairs.push(pair),
            None => wrong.push(format!("{pair:?} is not KEY=VALUE")),
        }
    }
    let value = |wanted| pairs.iter().find(|(key, _)| *key == wanted).map(|(_, value)| (*value).to_owned());
    let ignores =
        value("IgnoreUnknown").is_some_and(|it| matches!(it.as_str(), "1" | "true" | "TRUE" | "True"));
    if !ignores {
        let unknown = pairs.iter().filter(|(key, _)| !KNOWN.contains(key));
        wrong.extend(unknown.map(|(key, _)| format!("{key:?} is unknown (IgnoreUnknown=1 would allow it)")));
    }
    if !wrong.is_empty() {
        return Err(Error::new(code::ENVIRONMENT, format!("CNI_ARGS: {}", wrong.join("; "))));
    }
    let filled = |key| value(key).filter(|text| !text.is_empty());
    Ok(match (filled(NAMESPACE), filled(NAME)) {
        (Some(namespace), Some(name)) => Some(PodName { namespace, name, uid: filled(UID) }),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_has_a_namespace_and_a_name() {
        let named = pod("IgnoreUnknown=1;K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web;X=y;K8S_POD_UID=u").unwrap();
        let web = PodName { namespace: "shop".into(), name: "web".into(), uid: Some("u".into()) };
        assert_eq!(named, Some(web));
        assert_eq!(pod("").unwrap(), None);
        assert_eq!(pod("IgnoreUnknown=1;K8S_POD_NAME=container").unwrap(), None);
    }

    #[test]
    fn nonsense_is_refused_and_named() {
        let error = pod("K8S_POD_NAME=a;stray;X=1").unwrap_err();
        assert_eq!(error.code, code::ENVIRONMENT);
        assert!(error.message.contains("\"stray\"") && error.message.contains("\"X\""), "{}", error.message);
    }
}
