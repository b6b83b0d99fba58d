//! iptables, either variant: the rules of istio-iptables to the letter, through the restore programs.

mod held;
mod lift;
mod programs;
mod render;
mod restore;
mod save;
mod script;
mod state;

pub use held::{Held, current, listing, read, wanted};
pub use lift::{lift, name};
pub use programs::RestoreError;
pub use render::render;
pub use restore::{check_removal, remove, replace};
pub use save::{AMBIENT_CHAIN, CHAINS, TABLES};
pub use save::{Claim, ours as parse};
pub use script::{CHANGE, transition};
pub use state::{FamilyState, Line, TableState};
