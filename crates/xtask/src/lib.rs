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

/// The project's root.
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
