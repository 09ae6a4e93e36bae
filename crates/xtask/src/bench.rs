//! `cargo bench-all`: builds what is measured and hands over to the rounds of `linecard-bench`.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::{root, setup};

/// Runs the rounds that are named, or all; true when every one of them could be measured.
///
/// # Errors
/// When something is missing or does not build.
pub fn run(words: &[&str]) -> Result<bool> {
    println!("set-up");
    setup::for_bench()?;
    // Together: each alone would have its own features of the same libraries, and everything would be built twice.
    let built = super::cargo()
        .args(["build", "--release", "--locked", "--package", "linecard", "--package", "linecard-bench"])
        .current_dir(root())
        .status()
        .context("cargo")?;
    ensure!(built.success(), "the server or the rounds do not build");
    let release = root().join("target/release");
    let done = Command::new(release.join("linecard-bench"))
        .arg("rounds")
        .arg(release.join("linecard"))
        .arg(root().join("target/bench"))
        .args(words)
        .current_dir(root())
        .status()?;
    Ok(done.success())
}
