//! The server's side of the first INVITE: ringing, answering, refusing, CANCEL, and 2xx until ACK
//! (RFC 3261 sections 9.2 and 13.3).

use std::time::Duration;

use super::compose::{put_sdp, reply, sdp_of, warning_value, with_allow};
use super::identity::PeerIdentity;
use super::reinvite::Modification;
use super::reliable::Unacknowledged;
use super::session::{Life, PeerUpdates, Session, SessionOrigin, Side, Up};
use super::session_timer::Agreement;
use super::{CommandRefused, Context, EndCause, SessionClock};
use crate::dialog::Dialog;
use crate::message::{HeaderName, ReasonValue, Request, Response, StatusCode};
use crate::transaction::ServerTransactionId;
use crate::ua::Event;

/// A ringing that lasts is repeated this often, before a proxy's timer C of three minutes.
const RINGING_REPEATED: Duration = Duration::from_secs(60);

/// An INVITE that waits for the application.
#[derive(Debug)]
pub(super) struct Called {
    pub(super) to: ServerTransactionId,
    pub(super) request: Request,
    pub(super) dialog: Dialog,
    pub(super) agreement: Option<Agreement>,
    /// The provisional response sent last.
    pub(super) ringing: Option<Response>,
    /// RSeq of the last one that had to be acknowledged (RFC 3262).
    pub(super) told: Option<u32>,
    pub(super) unacknowledged: Option<Unacknowledged>,
}

/// A 2xx of ours that is not acknowledged yet.
#[derive(Debug)]
pub(super) struct AckWait {
    pub(super) to: ServerTransactionId,
    pub(super) cseq: u32,
    pub(super) response: Response,
    /// The next wait.
    pub(super) wait: Duration,
    pub(super) answer: AwaitedAnswer,
    pub(super) of: Answered,
}

/// Which INVITE a 2xx of ours answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answered {
    /// The one that made the session.
    First,
    /// One inside the dialog: its peer knows the dialog, so that a BYE need not wait for the ACK.
    Change,
}

/// Whether the ACK must bring the answer to an offer of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AwaitedAnswer {
    InAck,
    Given,
}

impl Session {
    /// Begins with an INVITE that passed all checks: 100 leaves at once.
    pub(crate) fn called(
        origin: SessionOrigin,
        to: ServerTransactionId,
        request: Request,
        dialog: Dialog,
        agreement: Option<Agreement>,
        ctx: &mut Context<'_>,
    ) -> Self {
        ctx.respond(to, Response::reply_to(&request, StatusCode::TRYING));
        let id = dialog.id.clone();
        let (ringing, told, unacknowledged) = (None, None, None);
        let peer = PeerIdentity::of(&request.headers);
        let called = Called { to, request, dialog, agreement, ringing, told, unacknowledged };
        let mut session = Self::new(origin, Side::Callee, Life::Called(called));
        session.peer = peer;
        session.bind(id, ctx);
        session
    }

    /// Sends a provisional response with our tag.
    pub(crate) fn ring(
        &mut self,
        status: u16,
        sdp: Option<&[u8]>,
        ctx: &mut Context<'_>,
    ) -> Result<(), CommandRefused> {
        let status = StatusCode::new(status)
            .filter(|status| status.is_provisional() && *status != StatusCode::TRYING)
            .ok_or(CommandRefused::WrongStatus)?;
        let contact = self.origin.contact.clone();
        let Life::Called(called) = &mut self.life else {
            return Err(CommandRefused::WrongState);
        };
        let mut response = reply(&called.request, status, &called.dialog.id.local_tag);
        response.headers.set(HeaderName::Contact, contact);
        put_sdp(&mut response.headers, &mut response.body, sdp);
        called.ringing = Some(response.clone());
        self.tell_provisional(response, ctx);
        ctx.start(SessionClock::RepeatRinging, RINGING_REPEATED);
        Ok(())
    }

    pub(super) fn repeat_ringing(&mut self, ctx: &mut Context<'_>) {
        let Life::Called(called) = &self.life else { return };
        if let Some(ringing) = called.ringing.clone() {
            self.tell_provisional(ringing, ctx);
            ctx.start(SessionClock::RepeatRinging, RINGING_REPEATED);
        }
    }

    /// Sends 200 and repeats it until the ACK comes.
    pub(crate) fn accept(&mut self, sdp: &[u8], ctx: &mut Context<'_>) -> Result<(), CommandRefused> {
        let called = match std::mem::replace(&mut self.life, Life::Over) {
            Life::Called(called) => called,
            other => {
                self.life = other;
                return Err(CommandRefused::WrongState);
            }
        };
        stop_ringing(ctx);
        let Called { to, request, mut dialog, agreement, .. } = called;
        dialog.confirm();
        let mut response = reply(&request, StatusCode::OK, &dialog.id.local_tag);
        response.headers.set(HeaderName::Contact, self.origin.contact.as_str());
        with_allow(&mut response.headers, self.origin.service);
        if let Some(agreement) = agreement {
            agreement.grant(&mut response.headers);
        }
        put_sdp(&mut response.headers, &mut response.body, Some(sdp));
        let offer = sdp_of(&request.headers, &request.body);
        let answer = if offer.is_some() { AwaitedAnswer::Given } else { AwaitedAnswer::InAck };
        let cseq = request.headers.cseq().map_or(0, |cseq| cseq.number);
        let mut up = Up {
            dialog,
            modification: Modification::Idle,
            glare: None,
            ack_wait: None,
            agreement,
            service: self.origin.service,
            updates: PeerUpdates::of(&request.headers),
            local_sdp: Some(sdp.to_vec()),
            remote_sdp: offer,
        };
        up.answer(to, cseq, response, (answer, Answered::First), ctx);
        up.run_session_timer(ctx);
        self.life = Life::Up(up);
        ctx.emit(Event::DialogUpdated { handle: self.handle() });
        Ok(())
    }

    /// Refuses the call, with words that a phone shows (the reason phrase) and whoever reads the peer's log finds (a
    /// Warning, RFC 3261 section 20.43); the leg is over.
    pub(crate) fn reject(
        &mut self,
        status: u16,
        warning: Option<&str>,
        ctx: &mut Context<'_>,
    ) -> Result<(), CommandRefused> {
        let status = StatusCode::new(status)
            .filter(|status| status.is_final() && !status.is_success())
            .ok_or(CommandRefused::WrongStatus)?;
        let Life::Called(called) = &self.life else {
            return Err(CommandRefused::WrongState);
        };
        let mut response = reply(&called.request, status, &called.dialog.id.local_tag);
        if let Some(warning) = warning {
            response.reason = warning.as_bytes().to_vec();
            response.headers.set(HeaderName::Warning, warning_value(&ctx.settings.agent_name, warning));
        }
        ctx.respond(called.to, response);
        stop_ringing(ctx);
        self.life = Life::Over;
        Ok(())
    }

    /// Takes the CANCEL of an INVITE; after our final answer it changes nothing (RFC 3261 section 9.2).
    pub(crate) fn cancelled(
        &mut self,
        invite: ServerTransactionId,
        reasons: Vec<ReasonValue>,
        ctx: &mut Context<'_>,
    ) {
        match &mut self.life {
            Life::Called(called) if called.to == invite => self.abandoned(reasons, ctx),
            Life::Up(up) => up.change_cancelled(invite, ctx),
            Life::Called(_) | Life::Calling(_) | Life::AwaitingAck(..) | Life::Over => {}
        }
    }

    /// Ends a call that the caller gave up before it was answered.
    pub(super) fn abandoned(&mut self, reasons: Vec<ReasonValue>, ctx: &mut Context<'_>) {
        let Life::Called(called) = &self.life else { return };
        let response = reply(&called.request, StatusCode::REQUEST_TERMINATED, &called.dialog.id.local_tag);
        ctx.respond(called.to, response);
        stop_ringing(ctx);
        self.life = Life::Over;
        ctx.emit(Event::Cancelled { handle: self.handle(), reasons });
    }

    /// Gives the tag this end uses in the dialog, for the answer to a CANCEL (RFC 3261 section 9.2).
    pub(crate) fn local_tag(&self) -> Option<&str> {
        self.bound.first().map(|id| id.local_tag.as_str())
    }

    /// Takes an ACK for a 2xx of ours.
    pub(crate) fn handle_ack(&mut self, ack: &Request, ctx: &mut Context<'_>) {
        let Ok(cseq) = ack.headers.cseq() else { return };
        let handle = self.handle();
        match &mut self.life {
            Life::Up(up) => {
                if up.ack_wait.as_ref().is_some_and(|wait| wait.cseq == cseq.number) {
                    up.confirmed(handle, sdp_of(&ack.headers, &ack.body), ctx);
                }
            }
            Life::AwaitingAck(_, wait, _) if wait.cseq == cseq.number => self.hang_up_now(ctx),
            Life::AwaitingAck(..) | Life::Calling(_) | Life::Called(_) | Life::Over => {}
        }
    }

    pub(super) fn repeat_answer(&mut self, ctx: &mut Context<'_>) {
        let wait = match &mut self.life {
            Life::Up(Up { ack_wait: Some(wait), .. }) | Life::AwaitingAck(_, wait, _) => wait,
            _ => return,
        };
        ctx.respond(wait.to, wait.response.clone());
        wait.wait = (wait.wait * 2).min(ctx.settings.timers.t2);
        ctx.start(SessionClock::RepeatAnswer, wait.wait);
    }

    pub(super) fn ack_overdue(&mut self, ctx: &mut Context<'_>) {
        match &self.life {
            Life::Up(_) => self.end(EndCause::AckTimeout, &[], ctx),
            Life::AwaitingAck(..) => self.hang_up_now(ctx),
            Life::Calling(_) | Life::Called(_) | Life::Over => {}
        }
    }

    /// Sends the BYE that waited for the ACK.
    fn hang_up_now(&mut self, ctx: &mut Context<'_>) {
        if let Life::AwaitingAck(dialog, _, reasons) = std::mem::replace(&mut self.life, Life::Over) {
            ctx.stop(SessionClock::RepeatAnswer);
            ctx.stop(SessionClock::AckOverdue);
            self.say_goodbye(*dialog, &reasons, ctx);
        }
    }
}

fn stop_ringing(ctx: &mut Context<'_>) {
    for clock in [SessionClock::RepeatRinging, SessionClock::RepeatProvisional, SessionClock::PrackOverdue] {
        ctx.stop(clock);
    }
}

impl Up {
    /// Sends a 2xx to an INVITE and waits for its ACK, T1 doubling up to T2, 64 * T1 in all.
    pub(super) fn answer(
        &mut self,
        to: ServerTransactionId,
        cseq: u32,
        response: Response,
        (answer, of): (AwaitedAnswer, Answered),
        ctx: &mut Context<'_>,
    ) {
        let timers = ctx.settings.timers;
        ctx.respond(to, response.clone());
        ctx.start(SessionClock::RepeatAnswer, timers.t1);
        ctx.start(SessionClock::AckOverdue, timers.patience());
        self.ack_wait = Some(AckWait { to, cseq, response, wait: timers.t1, answer, of });
    }

    /// Stops waiting for the ACK.
    pub(super) fn confirmed(
        &mut self,
        handle: super::DialogHandle,
        sdp: Option<Vec<u8>>,
        ctx: &mut Context<'_>,
    ) {
        ctx.stop(SessionClock::RepeatAnswer);
        ctx.stop(SessionClock::AckOverdue);
        let Some(wait) = self.ack_wait.take() else { return };
        // An SDP in the ACK of an INVITE that had an offer answers nothing.
        let sdp = sdp.filter(|_| wait.answer == AwaitedAnswer::InAck);
        if let Some(sdp) = &sdp {
            self.remote_sdp = Some(sdp.clone());
        }
        ctx.emit(Event::Confirmed { handle, sdp });
    }
}
