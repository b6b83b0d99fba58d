//! Traffic interception for service-mesh sidecars: what istio-init does, over netlink, all or nothing.
//!
//! Data flows one way. Text from the command line and the environment becomes a [`config::Config`], which is
//! valid by construction; [`program::compile`] turns it into a [`program::Program`], the interception rules
//! independent of any back end; a renderer in [`backend`] translates that into an nftables transaction or into
//! `iptables-restore` input. Everything up to there is pure. [`kernel`] holds the effects and nothing else.

#[cfg(feature = "agent")]
pub mod agent;
pub mod backend;
pub mod cli;
pub mod cni;
pub mod config;
pub mod exit;
pub mod faults;
pub mod import;
pub mod interception;
pub mod kernel;
#[cfg(test)]
mod linear;
pub mod logs;
pub mod nearest;
pub mod netlink;
pub mod program;
pub mod verify;
pub mod yaml;
