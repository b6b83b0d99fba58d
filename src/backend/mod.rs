//! Ways to put a program into the kernel: nftables over netlink, iptables through its restore programs. They translate
//! and decide nothing.

mod apply;
mod cleanup;
mod detect;
pub mod iptables;
pub mod lifted;
pub mod listing;
#[cfg(test)]
mod mutations;
pub mod nftables;
#[cfg(test)]
mod properties;
pub mod standing;
mod state;
pub mod traffic;

pub use apply::{ApplyError, create, replace};
pub use cleanup::{Removal, check_leaving, everything, leave};
pub use detect::{Choice, DetectError, Installed, IstioTable};
pub use state::{Rules, State, Target};
