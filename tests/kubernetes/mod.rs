//! A Kubernetes API server for tests: as much of it as a node agent meets, and everything that can go wrong with it.

#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test file uses its own part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot be set up has failed"
)]
#![allow(clippy::print_stderr, reason = "the log of an agent that failed is printed")]

pub mod agent;
pub mod api_server;
pub mod http;
mod port;
mod store;

pub use agent::{Agent, DEADLINE, NETWORK, NODE, wait_until};
pub use api_server::{ApiServer, Fault, On, kubeconfig};
pub use port::Port;

use serde_json::{Value, json};

/// A pod as an injector leaves it: with a native sidecar, on a node.
pub fn pod(node: &str, namespace: &str, name: &str, uid: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": namespace,
            "name": name,
            "uid": uid,
            "labels": {"app": name},
            "annotations": {"sidecar.istio.io/status": "{}"},
            "managedFields": [{"manager": "kubelet", "operation": "Update"}],
        },
        "spec": {
            "nodeName": node,
            "initContainers": [{
                "name": "istio-proxy",
                "image": "proxy",
                "restartPolicy": "Always",
                "args": ["proxy", "sidecar"],
                "env": [{"name": "ISTIO_META_DNS_CAPTURE", "value": "true"}],
                "securityContext": {"runAsUser": 1337, "runAsGroup": 1337},
            }],
            "containers": [{"name": "app", "image": "app"}],
        },
        "status": {"phase": "Pending"},
    })
}
