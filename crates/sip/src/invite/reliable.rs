//! Provisional responses that are acknowledged (RFC 3262): PRACK for the peer's, repetition until PRACK for ours.

use std::time::Duration;

use rand_chacha::rand_core::RngCore;

use super::compose::reply;
use super::server::Called;
use super::session::{Life, Session};
use super::{Context, EndCause, Purpose, SessionClock};
use crate::dialog::Dialog;
use crate::digest::Attempt;
use crate::message::{HeaderName, Method, Request, Response, StatusCode};
use crate::transaction::ServerTransactionId;
use crate::ua::Event;

/// The option tag.
pub(crate) const RELIABLE: &str = "100rel";

/// An early dialog of an INVITE of ours.
#[derive(Debug)]
pub(super) struct Fork {
    pub(super) dialog: Dialog,
    /// RSeq of the last response that was acknowledged.
    acknowledged: Option<u32>,
    /// The session description last received in it.
    pub(super) description: Option<Vec<u8>>,
}

/// Whether a provisional response is news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// It is.
    Yes,
    /// It came before, or overtook another: it is not acknowledged, so that it comes again in its turn (section 4).
    No,
}

impl Fork {
    pub(super) fn new(dialog: Dialog) -> Self {
        Self { dialog, acknowledged: None, description: None }
    }

    /// Takes what a further response says of the dialog; what went on in it stays.
    pub(super) fn renew(&mut self, dialog: Dialog) {
        let before = &self.dialog;
        let local_cseq = before.local_cseq.max(dialog.local_cseq);
        self.dialog = Dialog { remote_cseq: before.remote_cseq, local_cseq, ..dialog };
    }

    /// Makes the PRACK for a response that asks for one.
    fn acknowledge(&mut self, response: &Response) -> (News, Option<Request>) {
        let required = response.headers.options_of(&HeaderName::Require);
        if !required.iter().any(|option| option.eq_ignore_ascii_case(RELIABLE)) {
            return (News::Yes, None);
        }
        let number =
            response.headers.text(&HeaderName::RSeq).and_then(|text| text.trim().parse::<u32>().ok());
        let (Some(number), Ok(invited)) = (number, response.headers.cseq()) else { return (News::Yes, None) };
        if self.acknowledged.is_some_and(|last| number != last.wrapping_add(1)) {
            return (News::No, None);
        }
        self.acknowledged = Some(number);
        let mut prack = self.dialog.request(Method::Prack);
        prack.headers.set(HeaderName::RAck, format!("{number} {} INVITE", invited.number));
        (News::Yes, Some(prack))
    }
}

/// A provisional response of ours that waits for its PRACK.
#[derive(Debug)]
pub(super) struct Unacknowledged {
    number: u32,
    response: Response,
    wait: Duration,
    /// What is to be told next, once this one is acknowledged (section 3).
    next: Option<Response>,
}

/// Of responses to our INVITE.
impl Session {
    /// Acknowledges a provisional response that asks for it; says whether it is news.
    pub(super) fn acknowledge_provisional(
        &mut self,
        tag: &str,
        response: &Response,
        ctx: &mut Context<'_>,
    ) -> News {
        let Life::Calling(calling) = &mut self.life else { return News::No };
        let fork = calling.forks.iter_mut().find(|fork| fork.dialog.id.remote_tag == tag);
        let Some(fork) = fork else { return News::Yes };
        let (news, prack) = fork.acknowledge(response);
        let hop = fork.dialog.next_hop().cloned();
        if let Some(mut prack) = prack {
            prack.headers.set(HeaderName::UserAgent, ctx.settings.agent_name.as_str());
            self.send(Purpose::Prack, prack, hop, Attempt::default(), ctx);
        }
        news
    }

    /// A PRACK has its answer: nothing follows from it (RFC 3262 section 4).
    pub(super) fn prack_answered(&mut self, response: &Response) {
        if response.status.is_final() {
            self.take_sent(Purpose::Prack);
        }
    }
}

/// Of our responses.
impl Session {
    /// Sends a provisional response: once, or until it is acknowledged when the caller insists on that.
    pub(super) fn tell_provisional(&mut self, mut response: Response, ctx: &mut Context<'_>) {
        let Life::Called(called) = &mut self.life else { return };
        let required = called.request.headers.options_of(&HeaderName::Require);
        if !required.iter().any(|option| option.eq_ignore_ascii_case(RELIABLE)) {
            return ctx.respond(called.to, response);
        }
        if let Some(waiting) = &mut called.unacknowledged {
            waiting.next = Some(response);
            return;
        }
        // Section 3: chosen at random for the first one, then rising by one; below 2^31.
        let first = || ctx.rng.next_u32() >> 2;
        let number = called.told.map_or_else(first, |last| last + 1).max(1);
        called.told = Some(number);
        response.headers.set(HeaderName::Require, RELIABLE);
        response.headers.set(HeaderName::RSeq, number.to_string());
        let wait = ctx.settings.timers.t1;
        called.unacknowledged = Some(Unacknowledged { number, response: response.clone(), wait, next: None });
        ctx.respond(called.to, response);
        ctx.start(SessionClock::RepeatProvisional, wait);
        ctx.start(SessionClock::PrackOverdue, ctx.settings.timers.patience());
    }

    pub(super) fn repeat_provisional(&mut self, ctx: &mut Context<'_>) {
        let Life::Called(Called { to, unacknowledged: Some(waiting), .. }) = &mut self.life else { return };
        ctx.respond(*to, waiting.response.clone());
        waiting.wait *= 2;
        ctx.start(SessionClock::RepeatProvisional, waiting.wait);
    }

    /// Nobody acknowledges: the call cannot go on (section 3).
    pub(super) fn prack_overdue(&mut self, ctx: &mut Context<'_>) {
        let Life::Called(called) = &self.life else { return };
        let response = reply(&called.request, StatusCode::SERVER_TIME_OUT, &called.dialog.id.local_tag);
        ctx.respond(called.to, response);
        self.stop_clocks(ctx);
        self.life = Life::Over;
        ctx.emit(Event::Ended { handle: self.handle(), cause: EndCause::Lost { status: 408 } });
    }

    /// Takes a PRACK.
    pub(super) fn acknowledged_provisional(
        &mut self,
        to: ServerTransactionId,
        prack: &Request,
        ctx: &mut Context<'_>,
    ) {
        let status = match &mut self.life {
            Life::Called(called) if called.is_acknowledged_by(prack) => StatusCode::OK,
            // One that crossed our final answer.
            Life::Up(_) => StatusCode::OK,
            _ => StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST,
        };
        // An offer in it would want an answer (RFC 3262 section 5); a re-INVITE can bring it as well.
        let status = if status == StatusCode::OK && !prack.body.is_empty() {
            StatusCode::NOT_ACCEPTABLE_HERE
        } else {
            status
        };
        ctx.respond(to, reply(prack, status, ""));
        let Life::Called(called) = &mut self.life else { return };
        if status == StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST {
            return;
        }
        let next = called.unacknowledged.take().and_then(|waiting| waiting.next);
        ctx.stop(SessionClock::RepeatProvisional);
        ctx.stop(SessionClock::PrackOverdue);
        if let Some(next) = next {
            self.tell_provisional(next, ctx);
        }
    }
}

impl Called {
    /// Whether a PRACK names the response that waits for it (RFC 3262 section 7.2).
    fn is_acknowledged_by(&self, prack: &Request) -> bool {
        let Some(waiting) = &self.unacknowledged else { return false };
        let Some(named) = prack.headers.text(&HeaderName::RAck) else { return false };
        let invited = self.request.headers.cseq().map_or(0, |cseq| cseq.number);
        let mut words = named.split_ascii_whitespace();
        let number = words.next().and_then(|word| word.parse::<u32>().ok());
        let cseq = words.next().and_then(|word| word.parse::<u32>().ok());
        (number, cseq, words.next()) == (Some(waiting.number), Some(invited), Some("INVITE"))
    }
}
