//! Leaves the tables for unwinding out of release binaries: a panic aborts there, so that nobody ever reads them. They are
//! an eighth of the file.

use std::env;

fn main() {
    println!("cargo:rerun-if-changed=src/without_unwinding.ld");
    let is = |name: &str, value: &str| env::var(name).is_ok_and(|it| it == value);
    // The linker that comes with Rust for this target takes such a script; others were not tried.
    let is_known_linker = is("CARGO_CFG_TARGET_ARCH", "x86_64") && is("CARGO_CFG_TARGET_ENV", "gnu");
    if is_known_linker && is("PROFILE", "release") {
        let folder = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo:rustc-link-arg-bins=-Wl,-T,{folder}/src/without_unwinding.ld");
    }
}
