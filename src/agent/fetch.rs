//! The facts of a pod: out of memory, or from the API server where memory does not keep them.

use std::borrow::Cow;
use std::time::Duration;

use tokio::time::timeout;

use super::api::{Source, Target, Trouble};
use super::facts::{self, TooLarge};
use super::pods::{Facts, KnownPod};
use crate::cni::pod::PodFacts;

/// How long the API server may take for one pod.
const PATIENCE: Duration = Duration::from_secs(5);

/// Why the facts of a pod are not to be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The pod says more than is read.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The API server does not say.
    #[error(transparent)]
    Api(#[from] Trouble),
    /// The pod has gone, or another one has its name.
    #[error("the pod is gone by now")]
    Gone,
}

/// The facts of a pod.
///
/// # Errors
/// [`FetchError`] if they are neither in memory nor to be had from the API server.
pub async fn facts<'a>(source: &Source, pod: &'a KnownPod) -> Result<Cow<'a, PodFacts>, FetchError> {
    match &pod.facts {
        Facts::Kept(facts) => Ok(Cow::Borrowed(facts)),
        Facts::TooLarge(error) => Err((*error).into()),
        Facts::NotKept => {
            let target = Target { namespace: &pod.name.namespace, name: &pod.name.name };
            let asked = async { source.client().await?.pod(target).await };
            let object = timeout(PATIENCE, asked).await.unwrap_or(Err(Trouble::Silent))?;
            let object = object.filter(|it| *it.metadata.uid == *pod.uid).ok_or(FetchError::Gone)?;
            Ok(Cow::Owned(facts::facts(&object)?))
        }
    }
}
