//! The node agent: what the plugin needs on a node, and what a plugin that is called once a pod cannot do.
//!
//! It watches the pods of its node ([`watch`]), keeps them in memory ([`pods`]) as the [`facts`] that the plugin asks for,
//! and answers over a Unix socket ([`socket`]); it installs the plugin and its configuration, and repairs pods that started
//! without rules. What it does shows at its [`endpoints`] and in its [`metrics`]. [`mod@run`] puts the parts together.
//!
//! Nothing waits for the API server: the socket and the endpoints are there before it is asked for the first time, and
//! what was read once is answered for as long as the agent lives.

pub mod api;
pub mod endpoints;
pub mod events;
pub mod facts;
pub mod fetch;
mod handed_on;
pub mod installation;
pub mod installer;
mod limits;
mod living;
mod logging;
pub mod metrics;
pub mod options;
mod plugin;
pub mod pods;
mod remembered;
pub mod repair;
pub mod run;
mod selector;
pub mod socket;
pub mod watch;

pub use run::run;
