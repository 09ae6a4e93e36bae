//! What happened in a call, as the parties outside the server know it.

use std::time::Instant;

use super::world::Side;

/// What the ends of one call did and were told.
#[derive(Debug, Clone, Default)]
pub struct Deeds {
    /// When the customer dialled, or the agent clicked.
    pub begun: Option<Instant>,
    /// When the customer's INVITE left for the server and was not lost.
    pub invited: Option<Instant>,
    /// When the agent's phone began to ring.
    pub rang: Option<Instant>,
    /// When the agent's phone was picked up.
    pub picked_up: Option<Instant>,
    /// When the customer was called (outbound).
    pub dialled: Option<Instant>,
    /// When the customer's end was connected.
    pub connected: Option<Instant>,
    /// When the customer hung up before an answer.
    pub gave_up: Option<Instant>,
    /// When the customer's side held and went on.
    pub held: Option<(Instant, Option<Instant>)>,
    /// Who hung up first, and when.
    pub hung_up: Option<(Side, Instant)>,
    /// When the customer's end was over.
    pub over: Option<Instant>,
    /// The final status that the customer's INVITE got, or gave.
    pub status: Option<u16>,
    /// The call has left no dialog behind.
    pub done: Option<Instant>,
    /// What must not be.
    pub faults: Vec<String>,
}
