//! Puts the plugin and its configuration where the container runtime looks for them.
//!
//! What has to be written follows from what is in the folder alone ([`plan`]); the text of a list is edited without
//! changing a byte that is not ours ([`document`]); a file is replaced all at once, and only as long as it is what the
//! edit was based on ([`folder`]). [`Installer`] puts these together. Files of others are never renamed, and never
//! removed.

pub mod beside;
pub mod changes;
mod contention;
pub mod discovery;
pub mod document;
pub mod entry;
mod flaw;
pub mod folder;
mod install;
mod join;
mod lock;
mod members;
mod multus;
mod names;
pub mod options;
pub mod plan;
mod plugin;
mod program;
pub mod removal;
mod single;
mod splice;
mod style;
mod temporary;
pub mod trouble;
pub mod version;
pub mod warning;

pub use entry::{Entry, EntryError};
pub use install::{Error, Installer, Outcome, Removal, State};
pub use options::{Chain, Mode, Options, OptionsError, Program};
pub use warning::Warning;
