//! What is done to a pod in the API: deleted, labelled, told about.

use std::future::Future;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Client};
use serde_json::json;
use tokio::time::timeout;
use tracing::warn;

/// Who is said to have done it.
const COMPONENT: &str = "mesh-intercept-agent";

/// How long the API server may take for one answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Deletes the pod, if it is still this one and as it was seen.
///
/// # Errors
/// When the API refuses.
pub(super) async fn delete(client: &Client, pod: &Pod) -> Result<(), kube::Error> {
    let preconditions = Preconditions {
        uid: pod.metadata.uid.clone(),
        resource_version: pod.metadata.resource_version.clone(),
    };
    let parameters = DeleteParams { preconditions: Some(preconditions), ..DeleteParams::default() };
    within(pods(client, pod).delete(name(pod), &parameters)).await.map(drop)
}

/// Labels the pod, through its status: that takes a narrower permission than the pod itself.
///
/// # Errors
/// When the API refuses.
pub(super) async fn label(
    client: &Client,
    pod: &Pod,
    (key, value): &(String, String),
) -> Result<(), kube::Error> {
    let metadata = json!({ "uid": pod.metadata.uid, "labels": { key: value } });
    let patch = Patch::Merge(json!({ "metadata": metadata }));
    within(pods(client, pod).patch_status(name(pod), &PatchParams::default(), &patch)).await.map(drop)
}

/// Records an event of the pod. One that is lost is logged, and no reason to stop.
pub(super) async fn tell(client: &Client, pod: &Pod, node: &str, is_fine: bool, reason: &str, message: &str) {
    let namespace = pod.metadata.namespace.clone().unwrap_or_default();
    let now = Time(Timestamp::now());
    // The API takes at most 1,024 bytes.
    let mut message = message.to_owned();
    message.truncate(message.floor_char_boundary(1024));
    let event = Event {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}.", name(pod))),
            namespace: Some(namespace.clone()),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: pod.metadata.name.clone(),
            namespace: pod.metadata.namespace.clone(),
            uid: pod.metadata.uid.clone(),
            resource_version: pod.metadata.resource_version.clone(),
            ..ObjectReference::default()
        },
        type_: Some(if is_fine { "Normal" } else { "Warning" }.to_owned()),
        reason: Some(reason.to_owned()),
        message: Some(message),
        source: Some(EventSource { component: Some(COMPONENT.to_owned()), host: Some(node.to_owned()) }),
        first_timestamp: Some(now.clone()),
        last_timestamp: Some(now),
        count: Some(1),
        ..Event::default()
    };
    let events: Api<Event> = Api::namespaced(client.clone(), &namespace);
    if let Err(error) = within(events.create(&PostParams::default(), &event)).await {
        warn!("the event {reason} of the pod {namespace}/{} was not recorded: {error}", name(pod));
    }
}

/// An answer that does not come in time is none.
async fn within<T>(answer: impl Future<Output = Result<T, kube::Error>>) -> Result<T, kube::Error> {
    let silent = || kube::Error::Service(format!("the API server did not answer within {PATIENCE:?}").into());
    timeout(PATIENCE, answer).await.unwrap_or_else(|_| Err(silent()))
}

fn pods(client: &Client, pod: &Pod) -> Api<Pod> {
    Api::namespaced(client.clone(), pod.metadata.namespace.as_deref().unwrap_or_default())
}

fn name(pod: &Pod) -> &str {
    pod.metadata.name.as_deref().unwrap_or_default()
}
