//! Set-up and orchestration around the server: what `cargo verify` and `cargo demo` do, and how the settings in
//! `sip-config` become a running phone (the end-to-end tests use that part too).
//!
//! Deliberately no part of the server: nothing here is linked into it.

pub mod demo;
pub mod phone;
pub mod setup;
pub mod verify;

use std::path::PathBuf;

/// The project's root.
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
