//! iptables, either variant: the rules of istio-iptables to the letter, through the restore programs.

mod render;
mod restore;
mod save;
mod script;
mod state;

pub use render::render;
pub use restore::{RestoreError, apply, current, remove};
pub use save::CHAINS;
pub use script::transition;
pub use state::{FamilyState, TableState};
