//! The conformance suite on PostgreSQL, and what only a server can get wrong.

#[path = "../conformance/mod.rs"]
mod conformance;
mod database;
mod server;
