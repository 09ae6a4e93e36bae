//! The conformance suite on SQLite, and what only a file can get wrong.

#[path = "../conformance/mod.rs"]
mod conformance;
mod database;
mod file;
