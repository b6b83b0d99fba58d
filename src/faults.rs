//! Places at which a test can have the program end with a defect: so it is seen what a defect leaves behind.
//!
//! Builds with debug assertions only; in a release nothing of it is left.

/// Where the names of places are, separated by commas; `NAME:N` is the N-th time that the place is passed.
pub const VARIABLE: &str = "MESH_INTERCEPT_PANIC_AT";

/// The program passes the place of this name. Each place that [`VARIABLE`] names panics once.
#[cfg(debug_assertions)]
pub fn point(name: &str) {
    use std::collections::BTreeMap;
    use std::sync::{Mutex, PoisonError};

    static PASSED: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());
    let Ok(wanted) = std::env::var(VARIABLE) else { return };
    let times = {
        let mut passed = PASSED.lock().unwrap_or_else(PoisonError::into_inner);
        let times = passed.entry(name.to_owned()).or_default();
        *times += 1;
        *times
    };
    let is_this = |place: &str| match place.split_once(':') {
        Some((wanted, number)) => wanted == name && number.parse() == Ok(times),
        None => place == name && times == 1,
    };
    #[allow(clippy::panic, reason = "this is what a test has asked for")]
    if wanted.split(',').any(is_this) {
        panic!("a test wants a defect at {name}");
    }
}

/// The program passes the place of this name: nothing happens.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn point(_: &str) {}
