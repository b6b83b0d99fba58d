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
    use crate::agent::api::{Source, Target};
    use crate::agent::facts;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let asked = async {
        let source = Source { kubeconfig: Some(file.to_owned()), node: String::new() };
        let server = source.client().await.map_err(|trouble| trouble.to_string())?;
        let target = Target { namespace: &pod.namespace, name: &pod.name };
        let found = server.pod(target).await.map_err(|trouble| trouble.to_string())?;
        let found = found.ok_or_else(|| "the API server knows no such pod".to_owned())?;
        facts::facts(&found).map_err(|error| error.to_string())
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
