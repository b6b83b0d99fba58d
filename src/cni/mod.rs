//! CNI mode: the rules of a pod without an init container, by a plugin that the container runtime calls.
//!
//! Facts about the pod come from its node's agent or from the runtime ([`pod`]); with them it is decided whether the
//! pod is one of the mesh, and which settings hold for it; the rest is what `init` does, in the pod's network namespace.

mod add;
pub mod agent_protocol;
mod answer;
pub mod arguments;
mod check;
pub mod decision;
mod defect;
mod del;
pub mod facts;
mod gc;
mod handing_on;
pub mod interception;
mod logging;
pub mod netconf;
pub mod plugin;
pub mod pod;
pub mod protocol;
pub mod proxy_config;
pub mod sandboxes;
pub mod settings;
mod sharing;
mod status;
mod undo;
