//! Transactions: one request and its responses, kept safe from loss and repetition (RFC 3261 section 17).
//!
//! Each of the four machines is a file whose `match` is the RFC's figure, with the Accepted states of RFC 6026.
//! [`TransactionLayer`] holds the table of machines, the timers and the rules of section 18 that belong to
//! messages rather than sockets: Via, `received`, `rport`, where a response goes, when a request is too large for UDP.
//!
//! It is no proxy: it replaces Via headers rather than stacking them, and it knows nothing of dialogs.

mod client;
mod client_invite;
mod client_non_invite;
mod effect;
mod key;
mod layer;
mod output;
mod server;
mod server_invite;
mod server_non_invite;
mod timer;
mod via;

#[cfg(test)]
mod tests;

pub use layer::TransactionLayer;
pub use output::{
    CancelRefused, ClientTransactionId, RespondRefused, ServerTransactionId, TransactionId, TransactionOutput,
};
pub use timer::{TimerName, Timers};

use crate::transport::LocalAddress;
use crate::uri::Host;

/// How the layer behaves; [`TransactionConfig::default`] is right for the open internet.
#[derive(Debug, Clone)]
pub struct TransactionConfig {
    /// T1, T2 and T4.
    pub timers: Timers,
    /// The host written into our Via instead of the flow's local address (an external address behind a NAT).
    pub sent_by: Option<Host>,
    /// The host written into our Via along a WebSocket: nobody can open one to us (RFC 7118 section 5).
    pub nowhere: Host,
    /// Addresses listened on. A TCP one among them lets requests too large for UDP change to TCP.
    pub local_addresses: Vec<LocalAddress>,
    /// The size in bytes over which a request leaves UDP (RFC 3261 section 18.1.1).
    pub datagram_limit: usize,
    /// How many server transactions may live at once. A request beyond that gets `when_full`. CANCEL and requests
    /// inside a dialog may use an eighth more, so that calls can still be ended under a flood.
    pub max_server_transactions: usize,
    /// What a new request gets when the table is full.
    pub when_full: WhenFull,
}

impl Default for TransactionConfig {
    fn default() -> Self {
        Self {
            timers: Timers::default(),
            sent_by: None,
            nowhere: Host::Name("linecard.invalid".to_owned()),
            local_addresses: Vec::new(),
            datagram_limit: 1300,
            max_server_transactions: 20_000,
            when_full: WhenFull::Answer503 { retry_after_s: 10 },
        }
    }
}

/// What happens to a request that finds the table full; no state is made for it either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// It is dropped, as if the network had lost it.
    Drop,
    /// It is answered 503 with this Retry-After, in seconds.
    Answer503 {
        /// The value of Retry-After.
        retry_after_s: u32,
    },
}
