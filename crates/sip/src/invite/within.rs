//! Requests inside a dialog other than changes of the session: BYE, OPTIONS, INFO, and what they are answered
//! (RFC 3261 sections 12.2 and 15).

use super::client::{Place, with_credentials};
use super::compose::{ACCEPTED_BODY, reply, with_allow};
use super::reinvite::Modification;
use super::session::{Life, Sent, Session};
use super::{CommandRefused, Context, EndCause, Purpose, SessionClock, Silence};
use crate::dialog::{Dialog, DialogId};
use crate::digest::Attempt;
use crate::message::{HeaderName, Method, ReasonValue, Request, Response, StatusCode};
use crate::transaction::ServerTransactionId;
use crate::ua::Event;
use std::time::Duration;

/// How long a peer may take to show that it lives: less than the 32 s of timer F, so that a call whose sound has
/// stopped for 30 s is over within the minute.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// How long after an OPTIONS that could not leave the next one is tried.
const ASK_AGAIN: Duration = Duration::from_secs(2);

impl Session {
    /// Hangs up an answered call.
    pub(crate) fn bye(
        &mut self,
        reasons: &[ReasonValue],
        ctx: &mut Context<'_>,
    ) -> Result<(), CommandRefused> {
        if !matches!(self.life, Life::Up(_)) {
            return Err(CommandRefused::WrongState);
        }
        self.end(EndCause::LocalBye, reasons, ctx);
        Ok(())
    }

    /// Asks whether the peer is alive.
    pub(crate) fn send_options(&mut self, ctx: &mut Context<'_>) -> Result<(), CommandRefused> {
        if self.sent.iter().any(|sent| sent.purpose == Purpose::Options) {
            return Err(CommandRefused::Busy);
        }
        if !matches!(self.life, Life::Up(_)) {
            return Err(CommandRefused::WrongState);
        }
        ctx.start(SessionClock::AskedInVain, ANSWER_WITHIN);
        self.probe(ctx);
        Ok(())
    }

    pub(super) fn probe(&mut self, ctx: &mut Context<'_>) {
        let Life::Up(up) = &mut self.life else { return };
        let mut options = up.dialog.request(Method::Options);
        options.headers.set(HeaderName::Accept, ACCEPTED_BODY);
        options.headers.set(HeaderName::UserAgent, ctx.settings.agent_name.as_str());
        let hop = up.dialog.next_hop().cloned();
        self.send(Purpose::Options, options, hop, Attempt::default(), ctx);
    }

    pub(super) fn options_answered(&mut self, response: &Response, ctx: &mut Context<'_>) {
        let handle = self.handle();
        let status = response.status.get();
        if response.status.is_provisional() || !matches!(self.life, Life::Up(_)) {
            return;
        }
        let Some(sent) = self.take_sent(Purpose::Options) else {
            return;
        };
        if !matches!(status, 401 | 407) {
            ctx.stop(SessionClock::AskedInVain);
        }
        match status {
            408 | 481 => {
                ctx.emit(Event::OptionsUnanswered { handle });
                self.lost(status, ctx);
            }
            401 | 407 => {
                if !self.send_again(sent, response, ctx) {
                    ctx.emit(Event::OptionsAnswered { handle, status });
                }
            }
            _ => ctx.emit(Event::OptionsAnswered { handle, status }),
        }
    }

    /// A request got 408 or 481. A peer that knows no such dialog (481) has hung up, and its BYE is under way or was lost and
    /// comes again after T1; or it has started anew, and none comes.
    pub(super) fn lost(&mut self, status: u16, ctx: &mut Context<'_>) {
        match status {
            481 => ctx.start(SessionClock::ByeOverdue, ctx.settings.timers.t1 * 2),
            _ => self.end(EndCause::Lost { status }, &[], ctx),
        }
    }

    /// Sends a request of the dialog again with credentials for the challenge; says whether there are any.
    pub(super) fn send_again(&mut self, sent: Sent, challenge: &Response, ctx: &mut Context<'_>) -> bool {
        let Life::Up(up) = &mut self.life else { return false };
        let purpose = sent.purpose;
        let cseq = up.dialog.local_cseq.saturating_add(1);
        let Some((request, attempt)) = with_credentials(sent, challenge, cseq, Place::Inside, ctx) else {
            return false;
        };
        up.dialog.local_cseq = cseq;
        let hop = up.dialog.next_hop().cloned();
        self.send(purpose, request, hop, attempt, ctx);
        true
    }

    /// An OPTIONS has no answer. One that could not leave says little (the peer may start again this very second) and is
    /// repeated; the peer counts as gone when its time is over.
    pub(super) fn options_unanswered(&mut self, silence: Silence, ctx: &mut Context<'_>) {
        match silence {
            Silence::TimedOut => self.asked_in_vain(ctx),
            Silence::TransportFailed => ctx.start(SessionClock::AskAgain, ASK_AGAIN),
        }
    }

    pub(super) fn asked_in_vain(&mut self, ctx: &mut Context<'_>) {
        if self.take_sent(Purpose::Options).is_none() || !matches!(self.life, Life::Up(_)) {
            return;
        }
        ctx.emit(Event::OptionsUnanswered { handle: self.handle() });
        self.end(EndCause::Lost { status: 408 }, &[], ctx);
    }

    pub(super) fn bye_answered(&mut self, number: u32, response: &Response, ctx: &mut Context<'_>) {
        if response.status.is_provisional() {
            return;
        }
        let sent = self.take_sent(Purpose::Bye(number));
        let goodbye = self.byes.iter_mut().find(|bye| bye.number == number);
        let (Some(sent), Some(goodbye)) = (sent, goodbye) else {
            return;
        };
        if matches!(response.status.get(), 401 | 407) {
            let cseq = goodbye.dialog.local_cseq.saturating_add(1);
            if let Some((request, attempt)) = with_credentials(sent, response, cseq, Place::Inside, ctx) {
                goodbye.dialog.local_cseq = cseq;
                let hop = goodbye.dialog.next_hop().cloned();
                return self.send(Purpose::Bye(number), request, hop, attempt, ctx);
            }
        }
        self.bye_done(number, Some(response.status.get()), ctx);
    }

    /// A BYE has its answer, or never gets one: its dialog is gone.
    pub(super) fn bye_done(&mut self, number: u32, status: Option<u16>, ctx: &mut Context<'_>) {
        self.take_sent(Purpose::Bye(number));
        let Some(at) = self.byes.iter().position(|bye| bye.number == number) else {
            return;
        };
        let goodbye = self.byes.swap_remove(at);
        if self.side == super::session::Side::Restored {
            ctx.emit(Event::Released { call_id: goodbye.dialog.id.call_id, status });
        }
    }

    pub(super) fn dialog_mut(&mut self, id: &DialogId) -> Option<&mut Dialog> {
        match &mut self.life {
            Life::Up(up) => Some(&mut up.dialog).filter(|dialog| dialog.id == *id),
            Life::Called(called) => Some(&mut called.dialog).filter(|dialog| dialog.id == *id),
            Life::AwaitingAck(dialog, ..) => Some(&mut **dialog).filter(|dialog| dialog.id == *id),
            Life::Calling(calling) => {
                calling.forks.iter_mut().map(|fork| &mut fork.dialog).find(|dialog| dialog.id == *id)
            }
            Life::Over => None,
        }
    }

    /// Gives the refusal of a request with an old CSeq, or of one for a dialog that is no more.
    pub(super) fn out_of_order(&mut self, request: &Request) -> Option<Response> {
        let id = DialogId::of_request(request)?;
        let cseq = request.headers.cseq().ok()?.number;
        let crosses = request.method == Method::Bye && self.byes.iter().any(|bye| bye.dialog.id == id);
        match self.dialog_mut(&id) {
            Some(dialog) => {
                let refused = dialog.receive(cseq).is_err();
                refused.then(|| reply(request, StatusCode::SERVER_INTERNAL_ERROR, &id.local_tag))
            }
            // Both ends hung up at once: a BYE that crosses ours is fine.
            None if crosses => None,
            None => Some(reply(request, StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST, &id.local_tag)),
        }
    }

    pub(super) fn hung_up(&mut self, to: ServerTransactionId, bye: &Request, ctx: &mut Context<'_>) {
        ctx.respond(to, reply(bye, StatusCode::OK, ""));
        let handle = self.handle();
        let reasons = bye.headers.reasons();
        match &self.life {
            Life::Called(_) => self.abandoned(reasons, ctx),
            Life::Up(up) => {
                if let Modification::Theirs(theirs) = &up.modification {
                    ctx.respond(theirs.to, theirs.refusal(StatusCode::REQUEST_TERMINATED, &up.dialog));
                }
                self.stop_clocks(ctx);
                self.life = Life::Over;
                ctx.emit(Event::Ended { handle, cause: EndCause::RemoteBye { reasons } });
            }
            Life::AwaitingAck(..) => {
                self.stop_clocks(ctx);
                self.life = Life::Over;
            }
            // A callee may not send BYE before it answered; the INVITE's own answer decides.
            Life::Calling(_) | Life::Over => {}
        }
    }

    pub(super) fn stop_clocks(&self, ctx: &mut Context<'_>) {
        for clock in [
            SessionClock::RepeatAnswer,
            SessionClock::AckOverdue,
            SessionClock::RepeatRinging,
            SessionClock::RepeatProvisional,
            SessionClock::PrackOverdue,
            SessionClock::Refresh,
            SessionClock::Expire,
            SessionClock::Glare,
            SessionClock::AskAgain,
            SessionClock::AskedInVain,
            SessionClock::ReferralOverdue,
            SessionClock::ByeOverdue,
        ] {
            ctx.stop(clock);
        }
    }

    /// Answers OPTIONS and the rest.
    pub(super) fn asked(&mut self, to: ServerTransactionId, request: &Request, ctx: &mut Context<'_>) {
        let response = match request.method {
            Method::Options => {
                let mut response = reply(request, StatusCode::OK, "");
                response.headers.set(HeaderName::Accept, ACCEPTED_BODY);
                with_allow(&mut response.headers, self.origin.service);
                response
            }
            _ => {
                let mut response = reply(request, StatusCode::METHOD_NOT_ALLOWED, "");
                with_allow(&mut response.headers, self.origin.service);
                response
            }
        };
        ctx.respond(to, response);
    }
}
