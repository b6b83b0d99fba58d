//! Asks the API server, with the credentials of a file.

use std::path::Path;
use std::time::Duration;

use crate::cni::pod::{PodFacts, PodName};

/// What the API server knows of a pod.
///
/// # Errors
/// The reason why it does not say.
#[cfg(feature = "agent")]
pub(super) fn pod(file: &Path, pod: &PodName, patience: Duration) -> Result<PodFacts, String> {
    use crate::agent::{facts, watch::Source};

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let asked = async {
        let source = Source { kubeconfig: Some(file.to_owned()), node: String::new() };
        let client = source.client().await.map_err(|trouble| trouble.to_string())?;
        let pods = kube::Api::namespaced(client, &pod.namespace);
        let found = pods.get_opt(&pod.name).await.map_err(|error| error.to_string())?;
        found.map(|pod| facts::facts(&pod)).ok_or_else(|| "the API server knows no such pod".to_owned())
    };
    // The timeout has to be made where there is a clock.
    let answer = runtime.block_on(async { tokio::time::timeout(patience, asked).await });
    // A name server that does not answer must not keep the plugin.
    runtime.shutdown_background();
    answer.unwrap_or_else(|_| Err(format!("the API server did not answer within {patience:?}")))
}

/// A Kubernetes client with TLS is many times the size of everything else: only the agent's binary has one.
#[cfg(not(feature = "agent"))]
pub(super) fn pod(_: &Path, _: &PodName, _: Duration) -> Result<PodFacts, String> {
    Err("this binary has no Kubernetes client: install mesh-intercept-agent as the plugin".to_owned())
}
