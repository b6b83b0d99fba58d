//! iptables, either variant: the rules of istio-iptables to the letter, through the restore programs.

mod render;
mod restore;
mod save;
mod script;
mod state;

pub use render::render;
pub use restore::{Held, RestoreError, current, listing, read, remove, replace, wanted};
pub use save::CHAINS;
pub use script::{CHANGE, transition};
pub use state::{FamilyState, Line, TableState};
