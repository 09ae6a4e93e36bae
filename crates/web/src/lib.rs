//! The outside contract over HTTP: REST under `/api/v1`, the events WebSocket, the embedded interface.
//!
//! Handlers read and write the store and ask the reactor through [`port`]; they decide nothing about calls.
//! `router.rs` is the table of contents.

mod about;
mod audit;
pub mod auth;
mod calls;
mod colleagues;
mod companies;
mod completion;
mod contacts;
pub mod dial;
pub mod doctor;
mod error;
mod extract;
mod headers;
mod health;
pub mod heard;
mod idempotency;
mod import;
mod interactions;
mod json;
mod line_check;
mod lines;
mod listens;
mod listing;
mod lockout;
mod metrics;
mod missed;
mod openapi;
pub mod outline;
mod people;
pub mod phones;
pub mod port;
mod recent;
mod recordings;
mod reports;
mod router;
mod session;
mod sessions;
mod sheet;
mod source;
mod standings;
mod state;
pub mod stream;
mod talks;
mod ui;
mod users;
mod version;
pub mod websocket_address;
mod ws;
mod zone;

pub use error::ApiError;
pub use router::router;
pub use source::{Connection, Network, NetworkError};
pub use state::{App, WebSettings};
