//! Puts the plugin and its configuration where the container runtime looks for them.
//!
//! The text of a list is edited without changing a byte that is not ours ([`document`]).

pub mod document;
pub mod entry;
mod members;
mod splice;
mod style;
pub mod version;

pub use entry::{Entry, EntryError};
