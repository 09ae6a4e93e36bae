//! SIP without sockets, clocks or threads (RFC 3261 and its extensions).
//!
//! Every machine here takes input and `now`, and is polled for output. It never reads a clock, a socket or
//! a source of randomness: those are given. The only code that touches the network is the server's runtime.

pub mod body;
pub mod dialog;
pub mod dialog_info;
pub mod digest;
pub mod frame;
pub mod invite;
pub mod message;
pub mod registrar;
pub mod registration;
pub mod sdp;
pub mod siprec;
pub mod subscription;
pub mod transaction;
pub mod transport;
pub mod ua;
pub mod uri;
mod xml;
