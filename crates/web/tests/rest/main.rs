//! REST in process: the real router on a real store, with the real engine behind the reactor's door.
//!
//! Not here: sockets, SIP, and what the engine makes of a call.
#![allow(clippy::indexing_slicing)]

mod export;
mod idempotency;
mod live;
mod problems;
mod readiness;
mod support;
