//! The part of the node agent that installs the plugin and its configuration.

#![cfg(feature = "agent")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot be set up has failed"
)]
#![allow(unreachable_pub, reason = "each module uses its own part of the others")]

#[path = "../common/mod.rs"]
#[macro_use]
#[allow(unused_macros, reason = "for each back end")]
mod common;
mod choice;
mod deed;
mod disk;
mod documents;
mod killed;
mod multus;
mod node;
mod pieces;
mod racing;
