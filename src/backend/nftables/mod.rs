//! nf_tables: one `inet` table of our own, written over netlink in one transaction.

mod encode;
mod expressions;
pub mod intervals;
mod ruleset;
mod text;
mod translate;

pub use encode::{encode, encode_pruning, encode_removal};
pub use ruleset::{Ruleset, TABLE, TableFamily};
pub use text::render;
pub use translate::translate;
