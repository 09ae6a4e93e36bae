//! Set-up and orchestration around the server: what `cargo verify`, `cargo demo`, `cargo soak` and `cargo bench-all` do, the Debian package, how the settings in `sip-config`
//! become a running phone, and where tests get a PostgreSQL (the tests use these two parts too).
//!
//! Deliberately no part of the server: nothing here is linked into it.

pub mod bench;
pub mod demo;
pub mod package;
pub mod phone;
pub mod postgres;
mod running;
pub mod setup;
pub mod soak;
pub mod verify;

use std::path::PathBuf;
use std::process::Command;

/// The project's root.
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The cargo that runs this, without what it tells of the package that is run: build scripts that read it (`ring`'s) would
/// run again, and all that leans on them be built again, whenever cargo is called by hand in between.
pub fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os().filter(|(name, _)| tells_of_the_package(&name.to_string_lossy())) {
        cargo.env_remove(name);
    }
    cargo
}

fn tells_of_the_package(variable: &str) -> bool {
    variable.starts_with("CARGO_PKG_") || variable.starts_with("CARGO_MANIFEST_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_of_this_package_is_told_to_no_other() {
        assert!(std::env::var_os("CARGO_PKG_NAME").is_some(), "cargo told it to this test");
        let cargo = cargo();
        let passed: Vec<_> = cargo.get_envs().filter(|(_, value)| value.is_some()).collect();
        assert!(passed.is_empty(), "{passed:?}");
        let removed: Vec<_> = cargo.get_envs().map(|(name, _)| name.to_string_lossy()).collect();
        assert!(removed.contains(&"CARGO_PKG_NAME".into()) && removed.contains(&"CARGO_MANIFEST_DIR".into()));
        assert!(!removed.contains(&"CARGO".into()) && !tells_of_the_package("CARGO_TARGET_DIR"));
    }
}
