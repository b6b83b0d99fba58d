//! Proves that what is in the kernel does what was asked for.

pub mod compare;
pub mod live;
mod probe;

pub use probe::{ProbeError, prove};
