//! nf_tables: tables of the product alone, written over netlink in one transaction, and read back.

mod base_chains;
mod decode;
mod encode;
mod expressions;
mod held;
pub mod intervals;
mod lift;
mod record;
mod rule;
mod ruleset;
mod text;
mod translate;

pub use base_chains::BaseChains;
pub use decode::read;
pub use encode::{
    digest_of, encode, encode_change, encode_nothing, encode_pruning, encode_removal, encode_removal_of,
};
pub use held::{Held, HeldChain, HeldRule, HeldTable};
pub use lift::lift;
pub use record::Record;
pub use rule::{End, Rule, ends};
pub use ruleset::{Ruleset, TABLE, TableFamily, WantedTable};
pub use text::{listing, listing_of_held, render};
pub use translate::translate;
