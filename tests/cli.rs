//! What the command line says: help, errors, plans. The files in tests/cli are the sessions.
//!
//! `TRYCMD=overwrite cargo test --test cli` writes them anew.

#[test]
fn sessions() {
    trycmd::TestCases::new()
        .register_bin("mesh-intercept", std::path::Path::new(env!("CARGO_BIN_EXE_mesh-intercept")))
        .case("tests/cli/*.trycmd");
}
