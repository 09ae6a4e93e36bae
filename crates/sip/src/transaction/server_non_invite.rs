//! The non-INVITE server transaction (RFC 3261 section 17.2.2, figure 8).
//!
//! ```text
//!            request: to the user
//!                    |
//!               +--------+ 1xx from the user  +------------+   repetition: in Trying absorbed, later the last
//!               | Trying |------------------->| Proceeding |               response is sent again
//!               +--------+                    +------------+   transport error in Proceeding: tell the user, end
//!                    | 200-699 from the user        |
//!                    v                              v
//!               +------------------------------------------+
//!               |                Completed                 |   J ends it
//!               +------------------------------------------+
//! ```
//!
//! One deviation: a transport error in Completed is told to the user but does not end the transaction, because the
//! next repetition of the request would then pass for a new one.

use std::time::Duration;

use super::effect::Effect;
use super::server_invite::ServerInput;
use super::timer::{TimerName, Timers};
use crate::transport::Transport;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Trying,
    Proceeding { response: Vec<u8> },
    Completed { response: Vec<u8> },
    Terminated,
}

#[derive(Debug)]
pub(super) struct ServerNonInvite {
    pub(super) state: State,
    transport: Transport,
    timers: Timers,
}

impl ServerNonInvite {
    pub(super) fn start(transport: Transport, timers: Timers, effects: &mut Vec<Effect>) -> Self {
        effects.push(Effect::Deliver);
        Self { state: State::Trying, transport, timers }
    }

    pub(super) fn handle(&mut self, input: ServerInput, effects: &mut Vec<Effect>) {
        use ServerInput::{Repetition, Respond, Timer, TransportFailed};
        use State::{Completed, Proceeding, Terminated, Trying};
        self.state = match (std::mem::replace(&mut self.state, Terminated), input) {
            (Trying | Proceeding { .. }, Respond { status, bytes }) => {
                effects.push(Effect::Send(bytes.clone()));
                if status.is_provisional() {
                    Proceeding { response: bytes }
                } else {
                    effects.push(Effect::Start(TimerName::J, self.absorb()));
                    Completed { response: bytes }
                }
            }
            (state @ (Proceeding { .. } | Completed { .. }), Repetition) => {
                effects.extend(state.response().map(|bytes| Effect::Send(bytes.to_vec())));
                state
            }
            (Proceeding { .. }, TransportFailed) => {
                effects.push(Effect::TransportFailed);
                Terminated
            }

            (state @ Completed { .. }, TransportFailed) => {
                effects.push(Effect::TransportFailed);
                state
            }
            (Completed { .. }, Timer(TimerName::J)) => Terminated,

            (state, Respond { .. }) => {
                effects.push(Effect::Refuse);
                state
            }
            (state, _) => state,
        };
    }

    fn absorb(&self) -> Duration {
        if self.transport.reliable() { Duration::ZERO } else { self.timers.patience() }
    }
}

impl State {
    /// Gives the last response sent while it may have to be sent again.
    pub(super) fn response(&self) -> Option<&[u8]> {
        match self {
            State::Proceeding { response } | State::Completed { response } => Some(response),
            State::Trying | State::Terminated => None,
        }
    }
}
