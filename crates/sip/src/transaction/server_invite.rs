//! The INVITE server transaction (RFC 3261 section 17.2.1, figure 7, as replaced by RFC 6026 section 8.7, figure 5).
//!
//! ```text
//!                 INVITE: to the user; 100 after 200 ms unless the user was faster
//!                        |
//!                 +------------+   INVITE or 101-199 from the user: send the last response
//!                 | Proceeding |   transport error: tell the user
//!                 +------------+
//!    300-699 from |            | 2xx from
//!      the user   v            v  the user
//!          +-----------+   +----------+     Completed: INVITE or G: send the response, G doubles up to T2;
//!          | Completed |   | Accepted |                H: tell the user, end
//!          +-----------+   +----------+     Accepted:  INVITE absorbed, ACK to the user, 2xx from the user sent;
//!              | ACK           | L                     transport error: tell the user
//!              v               v
//!          +-----------+   (ended)          Confirmed: ACK absorbed, I ends it
//!          | Confirmed |
//!          +-----------+
//! ```

use std::time::Duration;

use super::effect::Effect;
use super::timer::{TRYING_AFTER, TimerName, Timers};
use crate::message::StatusCode;
use crate::transport::Transport;

/// What can happen to a server transaction.
#[derive(Debug, Clone)]
pub(super) enum ServerInput {
    /// The same request again.
    Repetition,
    /// The ACK with this transaction's branch (INVITE only).
    Ack,
    /// The user answers.
    Respond {
        status: StatusCode,
        bytes: Vec<u8>,
    },
    Timer(TimerName),
    TransportFailed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// The user has said nothing; `trying` is the 100 to send if that lasts.
    Received {
        trying: Vec<u8>,
    },
    Proceeding {
        response: Vec<u8>,
    },
    Completed {
        response: Vec<u8>,
        resend_after: Duration,
    },
    Confirmed,
    Accepted {
        response: Vec<u8>,
    },
    Terminated,
}

#[derive(Debug)]
pub(super) struct ServerInvite {
    pub(super) state: State,
    transport: Transport,
    timers: Timers,
}

impl ServerInvite {
    /// Starts with the 100 Trying to send when the user keeps silent.
    pub(super) fn start(
        trying: Vec<u8>,
        transport: Transport,
        timers: Timers,
        effects: &mut Vec<Effect>,
    ) -> Self {
        effects.push(Effect::Deliver);
        effects.push(Effect::Start(TimerName::Trying, TRYING_AFTER));
        Self { state: State::Received { trying }, transport, timers }
    }

    pub(super) fn handle(&mut self, input: ServerInput, effects: &mut Vec<Effect>) {
        use ServerInput::{Ack, Repetition, Respond, Timer, TransportFailed};
        use State::{Accepted, Completed, Confirmed, Proceeding, Received, Terminated};
        self.state = match (std::mem::replace(&mut self.state, Terminated), input) {
            // Received and Proceeding are the figure's one Proceeding, before and after the first response.
            (Received { trying }, Timer(TimerName::Trying)) => {
                effects.push(Effect::Send(trying.clone()));
                Proceeding { response: trying }
            }
            (Received { .. } | Proceeding { .. }, Respond { status, bytes }) => {
                effects.push(Effect::Stop(TimerName::Trying));
                effects.push(Effect::Send(bytes.clone()));
                self.answered(status, bytes, effects)
            }
            (state @ (Proceeding { .. } | Completed { .. }), Repetition) => {
                effects.extend(state.response().map(|bytes| Effect::Send(bytes.to_vec())));
                state
            }

            (Completed { response, resend_after }, Timer(TimerName::G)) => {
                let resend_after = self.timers.doubled(resend_after);
                effects.push(Effect::Send(response.clone()));
                effects.push(Effect::Start(TimerName::G, resend_after));
                Completed { response, resend_after }
            }
            (Completed { .. }, Ack) => {
                effects.push(Effect::Stop(TimerName::G));
                effects.push(Effect::Stop(TimerName::H));
                effects.push(Effect::Start(TimerName::I, self.absorb()));
                Confirmed
            }
            (Completed { .. }, Timer(TimerName::H)) => {
                effects.push(Effect::TimedOut);
                Terminated
            }

            (Confirmed, Timer(TimerName::I)) => Terminated,

            (Accepted { .. }, Respond { status, bytes }) if status.is_success() => {
                effects.push(Effect::Send(bytes.clone()));
                Accepted { response: bytes }
            }
            (state @ Accepted { .. }, Ack) => {
                effects.push(Effect::Deliver);
                state
            }
            (Accepted { .. }, Timer(TimerName::L)) => Terminated,

            // RFC 6026 section 7.1: a lost path ends nothing, the peer may come again by another.
            (
                state @ (Received { .. } | Proceeding { .. } | Completed { .. } | Accepted { .. }),
                TransportFailed,
            ) => {
                effects.push(Effect::TransportFailed);
                state
            }
            (state, Respond { .. }) => {
                effects.push(Effect::Refuse);
                state
            }
            (state, _) => state,
        };
    }

    fn answered(&self, status: StatusCode, response: Vec<u8>, effects: &mut Vec<Effect>) -> State {
        if status.is_provisional() {
            return State::Proceeding { response };
        }
        if status.is_success() {
            effects.push(Effect::Start(TimerName::L, self.timers.patience()));
            return State::Accepted { response };
        }
        if !self.transport.reliable() {
            effects.push(Effect::Start(TimerName::G, self.timers.t1));
        }
        effects.push(Effect::Start(TimerName::H, self.timers.patience()));
        State::Completed { response, resend_after: self.timers.t1 }
    }

    fn absorb(&self) -> Duration {
        if self.transport.reliable() { Duration::ZERO } else { self.timers.t4 }
    }
}

impl State {
    /// Gives the last response sent while it may have to be sent again.
    pub(super) fn response(&self) -> Option<&[u8]> {
        match self {
            State::Proceeding { response }
            | State::Completed { response, .. }
            | State::Accepted { response } => Some(response),
            State::Received { .. } | State::Confirmed | State::Terminated => None,
        }
    }
}
