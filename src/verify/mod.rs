//! Proves that what is in the kernel does what was asked for.

mod probe;

pub use probe::{ProbeError, prove};
