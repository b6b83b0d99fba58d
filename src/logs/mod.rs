//! What every program logs, and how: a line is data, in JSON or as text for people, and a log that cannot be written
//! stops nothing.
//!
//! The rest of the program calls `tracing`'s macros with names of [`fields`]; a [`Logger`](start) makes each call a
//! [`line`], with every text escaped and cut, and hands it to the outlets. docs/logs.md describes the result.

mod collected;
pub mod fields;
mod foreign;
mod line;
mod nested;
mod outlet;
pub mod scopes;
mod subscriber;
mod text;

pub use collected::Collected;
pub use foreign::write_foreign;
pub use line::Format;
pub use nested::Nested;
pub use outlet::{Outlet, Stream, tell};
pub use subscriber::{Settings, start};
pub use text::LONGEST_VALUE;
