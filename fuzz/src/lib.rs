//! What the fuzz targets have in common: inputs made of bytes, a kernel that answers with them, and what has to hold.

pub mod chains;
pub mod files;
pub mod holds;
pub mod input;
pub mod kernel;
pub mod script;
