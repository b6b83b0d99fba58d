//! The API server, as far as the agent talks to it.
//!
//! Answers are parsed while they arrive and keep only what is read, each part with a bound: the memory that an answer
//! takes does not depend on what the authors of Pods have written into them. kube's own types would hold whole objects.

mod answer;
mod body;
pub mod bounded;
pub mod pod;
mod trouble;

use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::api::core::v1::Event as KubernetesEvent;
use kube::Client;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::Request;
use serde_json::Value;

use answer::ListPart;
pub(super) use answer::{Event, ListMetadata};
use body::Items;
use pod::PodObject;
pub use trouble::Trouble;

/// How long a server may take to connect.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a connection may say nothing: longer than a watch lasts.
const READ: Duration = Duration::from_secs(260);
/// What the agent calls itself, as in the API server's audit log.
const USER_AGENT: &str = concat!("mesh-intercept-agent/", env!("CARGO_PKG_VERSION"));

/// Where the API is, and whose pods are followed.
#[derive(Clone, Debug)]
pub struct Source {
    /// A kubeconfig file; `None` for the service account of the agent's pod.
    pub kubeconfig: Option<PathBuf>,
    /// The node.
    pub node: String,
}

impl Source {
    /// A client of the API. Nothing is connected yet.
    ///
    /// # Errors
    /// [`Trouble::ServiceAccount`] or [`Trouble::Kubeconfig`] if the files that say where the API is cannot be read;
    /// [`Trouble::Unreachable`] if they cannot be used.
    pub async fn client(&self) -> Result<ApiServer, Trouble> {
        let mut config = match &self.kubeconfig {
            None => kube::Config::incluster().map_err(Trouble::service_account)?,
            Some(path) => {
                let read = Kubeconfig::read_from(path).map_err(|error| Trouble::kubeconfig(path, error))?;
                kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default())
                    .await
                    .map_err(|error| Trouble::kubeconfig(path, error))?
            }
        };
        config.connect_timeout = Some(CONNECT);
        config.read_timeout = Some(READ);
        // A connection that has rested is not slow.
        config.reset_reader_on_write = true;
        // How often, and after what pause, is decided by the caller.
        config.default_retry = false;
        if let (Ok(name), Ok(value)) = ("user-agent".parse(), USER_AGENT.parse()) {
            config.headers.push((name, value));
        }
        Ok(ApiServer { client: Client::try_from(config)?, node: self.node.clone() })
    }
}

/// The API server.
#[derive(Clone)]
pub struct ApiServer {
    client: Client,
    node: String,
}

/// Which Pod a request is about.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
}

/// The answer to a list, page by page.
pub(super) struct Page(Items<ListPart>);

impl Page {
    /// Hands each Pod of the page over.
    pub(super) async fn each(mut self, mut take: impl FnMut(PodObject)) -> Result<ListMetadata, Trouble> {
        while let Some(part) = self.0.next().await {
            match part? {
                ListPart::Pod(pod) => take(*pod),
                ListPart::End(metadata) => return Ok(metadata),
            }
        }
        Err(Trouble::NoVersion)
    }
}

/// The events of a watch.
pub(super) struct Events(Items<Event>);

impl Events {
    /// The next event; `None` at the end of the watch.
    pub(super) async fn next(&mut self) -> Option<Result<Event, Trouble>> {
        self.0.next().await
    }
}

impl ApiServer {
    /// Begins to read a page of the node's Pods.
    pub(super) async fn list(&self, limit: u32, next: &str) -> Result<Page, Trouble> {
        let mut parameters = ListParams::default().fields(&self.of_node()).limit(limit);
        if !next.is_empty() {
            parameters = parameters.continue_token(next);
        }
        let request = Request::new("/api/v1/pods").list(&parameters).map_err(build)?;
        let body = self.client.request_stream(request).await?;
        Ok(Page(Items::read(body, answer::list)))
    }

    /// Begins to watch the node's Pods from a version on.
    pub(super) async fn watch(&self, version: &str, lasting: Duration) -> Result<Events, Trouble> {
        let seconds = u32::try_from(lasting.as_secs()).unwrap_or(u32::MAX);
        let parameters = WatchParams::default().fields(&self.of_node()).timeout(seconds);
        let request = Request::new("/api/v1/pods").watch(&parameters, version).map_err(build)?;
        let body = self.client.request_stream(request).await?;
        Ok(Events(Items::read(body, answer::events)))
    }

    /// Reads one Pod by a list of one, for which the permission to list is enough. Returns `None` if there is no such
    /// Pod. A node that is not named is any node.
    ///
    /// # Errors
    /// [`Trouble`] if the server does not answer, or refuses.
    pub async fn pod(&self, Target { namespace, name }: Target<'_>) -> Result<Option<PodObject>, Trouble> {
        let mut fields = format!("metadata.name={name}");
        if !self.node.is_empty() {
            fields = format!("{fields},{}", self.of_node());
        }
        let parameters = ListParams::default().fields(&fields).limit(1);
        let request = Request::new(pods_of(namespace)).list(&parameters).map_err(build)?;
        let body = self.client.request_stream(request).await?;
        let mut found = None;
        Page(Items::read(body, answer::list)).each(|pod| found = Some(pod)).await?;
        Ok(found)
    }

    /// Deletes a Pod under these conditions. What the server says of the Pod is not read.
    ///
    /// # Errors
    /// [`Trouble`] if the server does not answer, or refuses.
    pub async fn delete(&self, target: Target<'_>, conditions: &DeleteParams) -> Result<(), Trouble> {
        let request = Request::new(pods_of(target.namespace)).delete(target.name, conditions);
        self.client.request_stream(request.map_err(build)?).await?;
        Ok(())
    }

    /// Merges a patch into the status of a Pod. What the server says of the Pod is not read.
    ///
    /// # Errors
    /// [`Trouble`] if the server does not answer, or refuses.
    pub async fn patch_status(&self, target: Target<'_>, patch: &Value) -> Result<(), Trouble> {
        let (parameters, patch) = (PatchParams::default(), Patch::Merge(patch));
        let request = Request::new(pods_of(target.namespace)).patch_subresource(
            "status",
            target.name,
            &parameters,
            &patch,
        );
        self.client.request_stream(request.map_err(build)?).await?;
        Ok(())
    }

    /// Records an event.
    ///
    /// # Errors
    /// [`Trouble`] if the server does not answer, or refuses.
    pub async fn record(&self, namespace: &str, event: &KubernetesEvent) -> Result<(), Trouble> {
        let body = serde_json::to_vec(event).map_err(kube::Error::SerdeError)?;
        let request = Request::new(format!("/api/v1/namespaces/{namespace}/events"));
        let request = request.create(&PostParams::default(), body).map_err(build)?;
        self.client.request_stream(request).await?;
        Ok(())
    }

    fn of_node(&self) -> String {
        format!("spec.nodeName={}", self.node)
    }
}

fn pods_of(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/pods")
}

fn build(error: kube::core::request::Error) -> Trouble {
    kube::Error::BuildRequest(error).into()
}
