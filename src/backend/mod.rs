//! Ways to put a program into the kernel: nftables over netlink, iptables through its restore programs. They translate
//! and decide nothing.

mod apply;
mod detect;
pub mod iptables;
pub mod nftables;

pub use apply::{ApplyError, Removed, apply, remove};
pub use detect::{Choice, DetectError, Installed};
