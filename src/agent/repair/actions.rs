//! What is done to a pod in the API: deleted, labelled.

use std::future::Future;
use std::time::Duration;

use kube::api::{DeleteParams, Preconditions};
use serde_json::json;
use tokio::time::timeout;

use crate::agent::api::{Source, Target, Trouble};
use crate::agent::pods::KnownPod;

/// How long the API server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Deletes the pod, if it is still this one and as it was seen.
///
/// # Errors
/// [`Trouble`] if the API server refuses, or does not answer.
pub(super) async fn delete(source: &Source, pod: &KnownPod) -> Result<(), Trouble> {
    let said = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
    let preconditions = Preconditions { uid: said(&pod.uid), resource_version: said(&pod.version) };
    let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    within(async { source.client().await?.delete(target(pod), &parameters).await }).await
}

/// Labels the pod, through its status: that takes a narrower permission than the pod itself.
///
/// # Errors
/// [`Trouble`] if the API server refuses, or does not answer.
pub(super) async fn label(
    source: &Source,
    pod: &KnownPod,
    (key, value): &(String, String),
) -> Result<(), Trouble> {
    let patch = json!({ "metadata": { "uid": pod.uid, "labels": { key: value } } });
    within(async { source.client().await?.patch_status(target(pod), &patch).await }).await
}

/// An answer that does not come in time is none.
async fn within<T>(answer: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    timeout(PATIENCE, answer).await.unwrap_or(Err(Trouble::Silent))
}

fn target(pod: &KnownPod) -> Target<'_> {
    Target { namespace: &pod.name.namespace, name: &pod.name.name }
}
