//! The INVITE client transaction (RFC 3261 section 17.1.1, figure 5, as changed by RFC 6026 section 8.4).
//!
//! ```text
//!              INVITE sent, A and B started
//!                        |                         A: send again, A doubled
//!                   +---------+ <----+             B or transport error: tell the user, end
//!      1xx +--------| Calling |------+
//!          v        +---------+----------------+ 2xx
//!   +------------+ 300-699 | \--------------+  |       1xx: to the user
//!   | Proceeding |---------+                |  |       timer Cancelled: tell the user, end
//!   +------------+         v                v  v
//!          | 2xx     +-----------+      +----------+   Accepted:  2xx to the user each time, M ends it
//!          |         | Completed |      | Accepted |   Completed: 300-699 acknowledged again, D or
//!          |         +-----------+      +----------+              transport error ends it
//!          +-------------------------------^
//! ```

use std::time::Duration;

use super::effect::Effect;
use super::timer::{TimerName, Timers};
use crate::message::{HeaderName, Method, Request, Response};
use crate::transport::Transport;

/// What can happen to a client transaction.
#[derive(Debug, Clone, Copy)]
pub(super) enum ClientInput<'a> {
    Response(&'a Response),
    Timer(TimerName),
    TransportFailed,
    /// Its CANCEL was sent (INVITE only).
    CancelSent,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Calling { resend_after: Duration },
    Proceeding,
    Completed { ack: Vec<u8> },
    Accepted,
    Terminated,
}

#[derive(Debug)]
pub(super) struct ClientInvite {
    pub(super) state: State,
    pub(super) request: Request,
    bytes: Vec<u8>,
    transport: Transport,
    timers: Timers,
}

impl ClientInvite {
    pub(super) fn start(request: Request, on: Transport, timers: Timers, effects: &mut Vec<Effect>) -> Self {
        let bytes = request.to_bytes();
        effects.push(Effect::Send(bytes.clone()));
        if !on.reliable() {
            effects.push(Effect::Start(TimerName::A, timers.t1));
        }
        effects.push(Effect::Start(TimerName::B, timers.patience()));
        let state = State::Calling { resend_after: timers.t1 };
        Self { state, request, bytes, transport: on, timers }
    }

    // mirrors RFC 3261 figure 5 and RFC 6026 figure 5
    pub(super) fn handle(&mut self, input: ClientInput<'_>, effects: &mut Vec<Effect>) {
        use ClientInput::{CancelSent, Response, Timer, TransportFailed};
        use State::{Accepted, Calling, Completed, Proceeding, Terminated};
        self.state = match (std::mem::replace(&mut self.state, Terminated), input) {
            (Calling { resend_after }, Timer(TimerName::A)) => {
                let resend_after = resend_after * 2;
                effects.push(Effect::Send(self.bytes.clone()));
                effects.push(Effect::Start(TimerName::A, resend_after));
                Calling { resend_after }
            }
            (Calling { .. }, Timer(TimerName::B)) => {
                effects.push(Effect::TimedOut);
                Terminated
            }
            (Calling { .. } | Completed { .. }, TransportFailed) => {
                effects.push(Effect::TransportFailed);
                Terminated
            }

            (Calling { .. }, Response(response)) if response.status.is_provisional() => {
                self.stop_calling(effects);
                effects.push(Effect::Deliver);
                Proceeding
            }
            (Proceeding, Response(response)) if response.status.is_provisional() => {
                effects.push(Effect::Deliver);
                Proceeding
            }
            // RFC 6026 section 7.2: the 2xx leaves the transaction alive for its repetitions and for forks.
            (Calling { .. } | Proceeding, Response(response)) if response.status.is_success() => {
                self.stop_calling(effects);
                effects.push(Effect::Stop(TimerName::Cancelled));
                effects.push(Effect::Deliver);
                effects.push(Effect::Start(TimerName::M, self.timers.patience()));
                Accepted
            }
            (Calling { .. } | Proceeding, Response(response)) => {
                self.stop_calling(effects);
                effects.push(Effect::Stop(TimerName::Cancelled));
                let ack = acknowledge(&self.request, response);
                effects.push(Effect::Send(ack.clone()));
                effects.push(Effect::Deliver);
                effects.push(Effect::Start(TimerName::D, self.linger()));
                Completed { ack }
            }

            // RFC 3261 section 9.1: no final answer 64 * T1 after the CANCEL means there will be none.
            (Proceeding, CancelSent) => {
                effects.push(Effect::Start(TimerName::Cancelled, self.timers.patience()));
                Proceeding
            }
            (Proceeding, Timer(TimerName::Cancelled)) => {
                effects.push(Effect::TimedOut);
                Terminated
            }

            (Completed { ack }, Response(response)) if is_failure(response) => {
                effects.push(Effect::Send(ack.clone()));
                Completed { ack }
            }
            (Completed { .. }, Timer(TimerName::D)) => Terminated,

            (Accepted, Response(response)) if response.status.is_success() => {
                effects.push(Effect::Deliver);
                Accepted
            }
            (Accepted, Timer(TimerName::M)) => Terminated,

            (state, _) => state,
        };
    }

    fn stop_calling(&self, effects: &mut Vec<Effect>) {
        effects.push(Effect::Stop(TimerName::A));
        effects.push(Effect::Stop(TimerName::B));
    }

    fn linger(&self) -> Duration {
        if self.transport.reliable() { Duration::ZERO } else { self.timers.linger() }
    }
}

fn is_failure(response: &Response) -> bool {
    response.status.is_final() && !response.status.is_success()
}

/// Makes the ACK for a failure (RFC 3261 section 17.1.1.3): the INVITE's own Via, Route and CSeq number, the
/// response's To.
fn acknowledge(invite: &Request, response: &Response) -> Vec<u8> {
    let mut ack = follow_up(invite, Method::Ack);
    if let Some(to) = response.headers.get(&HeaderName::To) {
        ack.headers.set(HeaderName::To, to.to_vec());
    }
    ack.to_bytes()
}

/// Makes an ACK or CANCEL that belongs to the INVITE's own transaction (RFC 3261 sections 9.1 and 17.1.1.3).
pub(super) fn follow_up(invite: &Request, method: Method) -> Request {
    let mut request = Request::new(method.clone(), invite.uri.clone());
    for name in [
        HeaderName::Via,
        HeaderName::Route,
        HeaderName::MaxForwards,
        HeaderName::From,
        HeaderName::To,
        HeaderName::CallId,
    ] {
        for value in invite.headers.get_all(&name) {
            request.headers.push(name.clone(), value.to_vec());
        }
    }
    let number = invite.headers.cseq().map_or(0, |cseq| cseq.number);
    request.headers.push(HeaderName::CSeq, format!("{number} {}", method.as_str()));
    request
}
