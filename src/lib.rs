//! The Linecard server: the only code with sockets, tasks, clocks, environment and files.
//!
//! [`run`] is what `linecard serve` does and what the end-to-end tests start. Decisions about calls are in
//! `linecard-calls`, about SIP in `linecard-sip`, about sound in `linecard-media`; here they are wired together.

mod audit;
mod backup;
mod bindings;
mod chance;
pub mod cli;
mod clock;
pub mod config;
mod directory;
mod doctor;
mod http;
mod hub;
mod ledger;
mod log;
pub mod media;
mod reactor;
pub mod recorder;
mod server;
mod sightings;
mod simulate;
mod siprec;
mod spool;
mod tls;
mod translate;
mod trouble;
mod wire;

pub use server::{StartError, run};
