//! The non-INVITE client transaction (RFC 3261 section 17.1.2, figure 6).
//!
//! ```text
//!              request sent, E and F started
//!                        |
//!                   +--------+  1xx   +------------+    E: send again; in Trying E doubles up to T2,
//!                   | Trying |------->| Proceeding |       in Proceeding it is T2
//!                   +--------+        +------------+    F or transport error: tell the user, end
//!                        | 200-699          | 200-699
//!                        v                  v
//!                   +------------------------------+
//!                   |          Completed           |    repetitions absorbed, K ends it
//!                   +------------------------------+
//! ```

use std::time::Duration;

use super::client_invite::ClientInput;
use super::effect::Effect;
use super::timer::{TimerName, Timers};
use crate::message::Request;
use crate::transport::Transport;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Trying { resend_after: Duration },
    Proceeding,
    Completed,
    Terminated,
}

#[derive(Debug)]
pub(super) struct ClientNonInvite {
    pub(super) state: State,
    pub(super) request: Request,
    bytes: Vec<u8>,
    transport: Transport,
    timers: Timers,
}

impl ClientNonInvite {
    pub(super) fn start(request: Request, on: Transport, timers: Timers, effects: &mut Vec<Effect>) -> Self {
        let bytes = request.to_bytes();
        effects.push(Effect::Send(bytes.clone()));
        if !on.reliable() {
            effects.push(Effect::Start(TimerName::E, timers.t1));
        }
        effects.push(Effect::Start(TimerName::F, timers.patience()));
        let state = State::Trying { resend_after: timers.t1 };
        Self { state, request, bytes, transport: on, timers }
    }

    pub(super) fn handle(&mut self, input: ClientInput<'_>, effects: &mut Vec<Effect>) {
        use ClientInput::{Response, Timer, TransportFailed};
        use State::{Completed, Proceeding, Terminated, Trying};
        self.state = match (std::mem::replace(&mut self.state, Terminated), input) {
            (Trying { resend_after }, Timer(TimerName::E)) => {
                let resend_after = self.timers.doubled(resend_after);
                effects.push(Effect::Send(self.bytes.clone()));
                effects.push(Effect::Start(TimerName::E, resend_after));
                Trying { resend_after }
            }
            (Proceeding, Timer(TimerName::E)) => {
                effects.push(Effect::Send(self.bytes.clone()));
                effects.push(Effect::Start(TimerName::E, self.timers.t2));
                Proceeding
            }
            (Trying { .. } | Proceeding, Timer(TimerName::F)) => {
                effects.push(Effect::TimedOut);
                Terminated
            }
            (Trying { .. } | Proceeding, TransportFailed) => {
                effects.push(Effect::TransportFailed);
                Terminated
            }

            (Trying { .. } | Proceeding, Response(response)) if response.status.is_provisional() => {
                effects.push(Effect::Deliver);
                Proceeding
            }
            (Trying { .. } | Proceeding, Response(_)) => {
                effects.push(Effect::Stop(TimerName::E));
                effects.push(Effect::Stop(TimerName::F));
                effects.push(Effect::Deliver);
                effects.push(Effect::Start(TimerName::K, self.absorb()));
                Completed
            }

            (Completed, Timer(TimerName::K)) => Terminated,

            (state, _) => state,
        };
    }

    fn absorb(&self) -> Duration {
        if self.transport.reliable() { Duration::ZERO } else { self.timers.t4 }
    }
}
