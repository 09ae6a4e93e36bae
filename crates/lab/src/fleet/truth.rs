//! What happened in a call, as the parties outside the server know it.

use std::time::Instant;

use super::talk::Side;

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
    /// When the customer answered (outbound).
    pub answered: Option<Instant>,
    /// When the customer's end was connected.
    pub connected: Option<Instant>,
    /// When the customer hung up before an answer.
    pub gave_up: Option<Instant>,
    /// When somebody held the other, and went on.
    pub held: Option<(Instant, Option<Instant>)>,
    /// What became of the plan to hand the customer over, once its time had come.
    pub handover: Option<Handing>,
    /// Why the last wish of the agent was refused.
    pub refused: Option<String>,
    /// Who hung up first, and when.
    pub hung_up: Option<(Side, Instant)>,
    /// When that end knew that the server knew: its BYE was answered.
    pub let_go: Option<Instant>,
    /// When the customer's end was over.
    pub over: Option<Instant>,
    /// The final status that the customer's INVITE got, or gave.
    pub status: Option<u16>,
    /// The call has left no dialog behind.
    pub done: Option<Instant>,
    /// What must not be.
    pub faults: Vec<String>,
}

/// What became of a plan to hand a customer over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handing {
    /// No colleague was idle, so that the agent kept the customer.
    NobodyIdle,
    /// The agent asked for it.
    Asked(Asked),
}

/// How it went with a customer whom an agent wanted to hand over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The colleague's desk; `None` for somebody outside.
    pub desk: Option<usize>,
    /// When the agent asked, for the last time if it was refused before.
    pub at: Instant,
    /// When the other's phone began to ring.
    pub rang: Option<Instant>,
    /// When the other answered.
    pub answered: Option<Instant>,
    /// When the agent's phone hung up, which did not wait for what comes of it.
    pub left: Option<Instant>,
    /// When the customer was the other's and the agent was free.
    pub taken: Option<Instant>,
    /// When the agent had the customer back.
    pub back: Option<Instant>,
    /// The final status that the agent's phone was told.
    pub told: Option<u16>,
}

impl Asked {
    /// Begins with the wish.
    #[must_use]
    pub fn new(desk: Option<usize>, at: Instant) -> Self {
        Self { desk, at, rang: None, answered: None, left: None, taken: None, back: None, told: None }
    }

    /// Tells whether nothing has come of it yet.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.taken.is_none() && self.back.is_none()
    }
}

impl Deeds {
    /// Gives how it went with the wish to hand the customer over, if the agent had it.
    #[must_use]
    pub fn asked(&self) -> Option<&Asked> {
        match &self.handover {
            Some(Handing::Asked(asked)) => Some(asked),
            Some(Handing::NobodyIdle) | None => None,
        }
    }
}
