//! The client's side of the first INVITE: forks, answers, CANCEL, challenges (RFC 3261 sections 9.1 and 13.2).

use super::compose::{copy_credentials, put_sdp, sdp_of};
use super::reinvite::Modification;
use super::reliable::{Fork, News};
use super::session::{Life, PeerUpdates, Sent, SentAck, Session, SessionOrigin, Side, Up};
use super::session_timer::Agreement;
use super::{Action, CommandRefused, Context, EndCause, Purpose, SessionClock, Silence};
use crate::dialog::{Dialog, tag};
use crate::digest::{Attempt, Challenge};
use crate::message::{CSeq, Header, HeaderName, Method, Request, Response, StatusCode, readable};
use crate::ua::Event;
use crate::uri::SipUri;

/// How many forks of one INVITE are followed.
const MAX_FORKS: usize = 16;

/// Our INVITE before its final answer.
#[derive(Debug)]
pub(super) struct Calling {
    /// Early dialogs, one for each fork that rang.
    pub(super) forks: Vec<Fork>,
    wish: Wish,
}

/// Whether the application still wants the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Call,
    /// It was cancelled: CANCEL is sent or waits for a provisional response.
    Cancel,
}

/// Where a challenge comes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// To a request that began outside any dialog: our line's server asks.
    Outside,
    /// Inside a dialog, where the other party could ask: only realms of our registrar are answered.
    Inside,
}

impl Session {
    /// Begins with an INVITE to send; it has From, To, Call-ID, CSeq and Contact, and no Via.
    pub(crate) fn calling(
        origin: SessionOrigin,
        invite: Request,
        hop: Option<SipUri>,
        ctx: &mut Context<'_>,
    ) -> Self {
        let mut session =
            Self::new(origin, Side::Caller, Life::Calling(Calling { forks: Vec::new(), wish: Wish::Call }));
        if let (Some(call_id), Ok(from)) = (crate::dialog::call_id(&invite.headers), invite.headers.from_()) {
            let half = crate::dialog::DialogId { call_id, local_tag: tag(&from), remote_tag: String::new() };
            session.bind(half, ctx);
        }
        session.invite = Some(invite.clone());
        session.send(Purpose::Invite, invite, hop, Attempt::default(), ctx);
        session
    }

    /// Gives the call up; `Ended { Cancelled }` follows.
    pub(crate) fn cancel(
        &mut self,
        reasons: Vec<Header>,
        ctx: &mut Context<'_>,
    ) -> Result<(), CommandRefused> {
        match &mut self.life {
            Life::Calling(calling) if calling.wish == Wish::Call => {
                calling.wish = Wish::Cancel;
                ctx.actions.push(Action::Cancel { reasons });
                Ok(())
            }
            _ => Err(CommandRefused::WrongState),
        }
    }

    /// Sends the ACK that carries the answer to the offer in the peer's 2xx.
    pub(crate) fn acknowledge(&mut self, sdp: &[u8], ctx: &mut Context<'_>) -> Result<(), CommandRefused> {
        let (Some(invite), Life::Up(up)) = (self.invite.clone(), &mut self.life) else {
            return Err(CommandRefused::WrongState);
        };
        if up.local_sdp.is_some() {
            return Err(CommandRefused::WrongState);
        }
        up.local_sdp = Some(sdp.to_vec());
        let dialog = up.dialog.clone();
        self.send_ack(&dialog, &invite, Some(sdp), ctx);
        Ok(())
    }

    pub(super) fn invite_answered(&mut self, response: &Response, ctx: &mut Context<'_>) {
        if response.status.is_provisional() {
            self.progressed(response, ctx);
        } else if response.status.is_success() {
            self.accepted(response, ctx);
        } else {
            self.refused(response, ctx);
        }
    }

    fn progressed(&mut self, response: &Response, ctx: &mut Context<'_>) {
        let handle = self.handle();
        let (Some(invite), Life::Calling(calling)) = (&self.invite, &mut self.life) else {
            return;
        };
        if response.status == StatusCode::TRYING {
            return;
        }
        let Ok(dialog) = Dialog::sent(invite, response) else {
            return;
        };
        let id = dialog.id.clone();
        let room = calling.forks.len() < MAX_FORKS;
        match calling.forks.iter_mut().find(|fork| fork.dialog.id == id) {
            Some(fork) => fork.renew(dialog),
            None if room => calling.forks.push(Fork::new(dialog)),
            None => return,
        }
        let wish = calling.wish;
        self.bind(id.clone(), ctx);
        if self.acknowledge_provisional(&id.remote_tag, response, ctx) == News::No {
            return;
        }
        let sdp = sdp_of(&response.headers, &response.body);
        if let (Life::Calling(calling), Some(_)) = (&mut self.life, &sdp)
            && let Some(fork) = calling.forks.iter_mut().find(|fork| fork.dialog.id == id)
        {
            fork.description.clone_from(&sdp);
        }
        if wish == Wish::Call {
            ctx.emit(Event::Progress { handle, status: response.status.get(), sdp, fork: id.remote_tag });
        }
    }

    /// Takes a 2xx: the first makes the call, one of another fork or of a cancelled call is hung up at once.
    fn accepted(&mut self, response: &Response, ctx: &mut Context<'_>) {
        let Some(invite) = self.invite.clone() else { return };
        let Ok(mut dialog) = Dialog::sent(&invite, response) else {
            return;
        };
        if self.acknowledge_again(&dialog.id.remote_tag, dialog.local_cseq, ctx) {
            return;
        }
        match &mut self.life {
            Life::Calling(calling) => {
                let wish = calling.wish;
                let mut early = None;
                if let Some(fork) = calling.forks.iter().position(|fork| fork.dialog.id == dialog.id) {
                    let mut fork = calling.forks.swap_remove(fork);
                    fork.renew(dialog);
                    (dialog, early) = (fork.dialog, fork.description);
                }
                ctx.start(SessionClock::Settle, ctx.settings.timers.patience());
                match wish {
                    Wish::Call => self.take_up(dialog, &invite, response, early, ctx),
                    Wish::Cancel => {
                        self.life = Life::Over;
                        self.release_stray(dialog, &invite, ctx);
                        ctx.emit(Event::Ended { handle: self.handle(), cause: EndCause::Cancelled });
                    }
                }
            }
            // The answer is the application's to give; until then the repetition of the 2xx waits too.
            Life::Up(up) if up.dialog.id == dialog.id => {}
            Life::Up(_) | Life::Called(_) | Life::AwaitingAck(..) | Life::Over => {
                self.release_stray(dialog, &invite, ctx);
            }
        }
    }

    /// `early` is what the fork has said of its media before: a 2xx need not repeat it (RFC 3262 section 5).
    fn take_up(
        &mut self,
        dialog: Dialog,
        invite: &Request,
        response: &Response,
        early: Option<Vec<u8>>,
        ctx: &mut Context<'_>,
    ) {
        let handle = self.handle();
        let sdp = sdp_of(&response.headers, &response.body).or(early);
        let offer = sdp_of(&invite.headers, &invite.body);
        self.bind(dialog.id.clone(), ctx);
        if offer.is_some() {
            self.send_ack(&dialog, invite, None, ctx);
        }
        let fork = dialog.id.remote_tag.clone();
        let up = Up {
            dialog,
            modification: Modification::Idle,
            glare: None,
            ack_wait: None,
            agreement: Agreement::settled(&response.headers),
            service: self.origin.service,
            updates: PeerUpdates::of(&response.headers),
            local_sdp: offer,
            remote_sdp: sdp.clone(),
        };
        up.run_session_timer(ctx);
        self.life = Life::Up(up);
        ctx.emit(Event::Answered { handle, sdp, fork });
        self.note_identity(&response.headers, ctx);
        ctx.emit(Event::DialogUpdated { handle });
    }

    /// Acknowledges and hangs up an answer that nobody waits for (RFC 3261 section 13.2.2.4).
    fn release_stray(&mut self, dialog: Dialog, invite: &Request, ctx: &mut Context<'_>) {
        let fork = dialog.id.remote_tag.clone();
        self.bind(dialog.id.clone(), ctx);
        self.send_ack(&dialog, invite, None, ctx);
        self.say_goodbye(dialog, &[], ctx);
        ctx.emit(Event::StrayAnswerReleased { handle: self.handle(), fork });
    }

    fn refused(&mut self, response: &Response, ctx: &mut Context<'_>) {
        let Life::Calling(calling) = &self.life else {
            return;
        };
        if calling.wish == Wish::Cancel {
            return self.give_up(Event::Ended { handle: self.handle(), cause: EndCause::Cancelled }, ctx);
        }
        let sent = self.take_sent(Purpose::Invite);
        let retried = sent.and_then(|sent| match response.status.get() {
            401 | 407 => {
                let cseq = sent.request.headers.cseq().ok()?.number.checked_add(1)?;
                with_credentials(sent, response, cseq, Place::Outside, ctx)
            }
            422 => with_longer_interval(sent, response),
            _ => None,
        });
        if let Some((request, attempt)) = retried {
            self.invite = Some(request.clone());
            return self.send(Purpose::Invite, request, None, attempt, ctx);
        }
        let headers = &response.headers;
        let redirects =
            if response.status.class() == 3 { headers.contacts().unwrap_or_default() } else { Vec::new() };
        let event = Event::Rejected {
            handle: self.handle(),
            status: response.status.get(),
            phrase: readable(&response.reason).into_owned(),
            retry_after_s: headers.retry_after(),
            reasons: headers.reasons(),
            redirects,
        };
        self.give_up(event, ctx);
    }

    fn give_up(&mut self, event: Event, ctx: &mut Context<'_>) {
        self.life = Life::Over;
        self.invite = None;
        ctx.emit(event);
    }

    pub(super) fn invite_unanswered(&mut self, silence: Silence, ctx: &mut Context<'_>) {
        let Life::Calling(calling) = &self.life else {
            return;
        };
        let handle = self.handle();
        let wish = calling.wish;
        self.life = Life::Over;
        match silence {
            // A 2xx may still be under way: it must be acknowledged and hung up.
            Silence::TimedOut => ctx.start(SessionClock::Settle, ctx.settings.timers.patience()),
            Silence::TransportFailed => self.invite = None,
        }
        ctx.emit(match wish {
            Wish::Cancel => Event::Ended { handle, cause: EndCause::Cancelled },
            Wish::Call => Event::Rejected {
                handle,
                status: if silence == Silence::TimedOut { 408 } else { 503 },
                phrase: String::new(),
                retry_after_s: None,
                reasons: Vec::new(),
                redirects: Vec::new(),
            },
        });
    }

    /// Late forks are no longer expected.
    pub(super) fn settle(&mut self) {
        self.invite = None;
    }

    /// Sends the ACK for a 2xx to `invite` and keeps it for repetitions of the 2xx.
    pub(super) fn send_ack(
        &mut self,
        dialog: &Dialog,
        invite: &Request,
        sdp: Option<&[u8]>,
        ctx: &mut Context<'_>,
    ) {
        let Ok(cseq) = invite.headers.cseq() else { return };
        let mut ack = dialog.ack(cseq.number);
        copy_credentials(invite, &mut ack);
        put_sdp(&mut ack.headers, &mut ack.body, sdp);
        self.keep_ack(ack, &dialog.id.remote_tag, cseq.number, dialog.next_hop().cloned(), ctx);
    }

    pub(super) fn keep_ack(
        &mut self,
        ack: Request,
        tag: &str,
        cseq: u32,
        hop: Option<SipUri>,
        ctx: &mut Context<'_>,
    ) {
        self.acks.retain(|kept| kept.tag != tag || kept.cseq == cseq);
        self.acks.push(SentAck { tag: tag.to_owned(), cseq, request: ack.clone(), hop: hop.clone() });
        ctx.actions.push(Action::Acknowledge { ack: Box::new(ack), tag: tag.to_owned(), hop });
    }

    /// Repeats the ACK for a repeated 2xx; false when this 2xx is new.
    pub(super) fn acknowledge_again(&self, tag: &str, cseq: u32, ctx: &mut Context<'_>) -> bool {
        let Some(kept) = self.acks.iter().find(|kept| kept.tag == tag && kept.cseq == cseq) else {
            return false;
        };
        ctx.actions.push(Action::Acknowledge {
            ack: Box::new(kept.request.clone()),
            tag: tag.to_owned(),
            hop: kept.hop.clone(),
        });
        true
    }
}

/// Makes the request anew with credentials and a new CSeq (RFC 3261 section 22.2); `None` when the challenge is not
/// to be answered.
pub(super) fn with_credentials(
    sent: Sent,
    challenge: &Response,
    cseq: u32,
    place: Place,
    ctx: &mut Context<'_>,
) -> Option<(Request, Attempt)> {
    let account = ctx.account.as_mut()?;
    if place == Place::Inside && !only_asks(challenge, account.realms) {
        return None;
    }
    let Sent { mut request, mut attempt, .. } = sent;
    renumber(&mut request, cseq);
    account.digest.answer(&mut attempt, &mut request, challenge, ctx.rng).ok()?;
    Some((request, attempt))
}

/// Makes the INVITE anew with the session interval the server insists on (RFC 4028 section 7.4).
fn with_longer_interval(sent: Sent, response: &Response) -> Option<(Request, Attempt)> {
    let Sent { mut request, attempt, .. } = sent;
    let min_s = response.headers.min_se()?;
    let (asked_s, _) = request.headers.session_expires()?;
    if min_s <= asked_s {
        return None;
    }
    let cseq = request.headers.cseq().ok()?.number.checked_add(1)?;
    renumber(&mut request, cseq);
    Agreement::ask(&mut request.headers, min_s, min_s, None);
    Some((request, attempt))
}

pub(super) fn renumber(request: &mut Request, number: u32) {
    let cseq = CSeq { number, method: request.method.clone() };
    request.headers.set(HeaderName::CSeq, cseq.to_string());
}

/// Makes the ACK for a 2xx out of the INVITE itself, when its dialog is gone already.
pub(super) fn ack_like(invite: &Request, response: &Response) -> Request {
    let mut ack = Request::new(Method::Ack, invite.uri.clone());
    for header in &invite.headers {
        let kept = matches!(
            header.name,
            HeaderName::Route
                | HeaderName::MaxForwards
                | HeaderName::From
                | HeaderName::CallId
                | HeaderName::Authorization
                | HeaderName::ProxyAuthorization
        );
        if kept {
            ack.headers.push(header.name.clone(), header.value.clone());
        }
    }
    ack.headers.copy_first(&response.headers, &HeaderName::To);
    let number = invite.headers.cseq().map_or(0, |cseq| cseq.number);
    ack.headers.set(HeaderName::CSeq, CSeq { number, method: Method::Ack }.to_string());
    ack
}

/// Tells whether all realms of a challenge are among `realms`.
fn only_asks(challenge: &Response, realms: &[Vec<u8>]) -> bool {
    [HeaderName::WwwAuthenticate, HeaderName::ProxyAuthenticate].iter().all(|name| {
        challenge.headers.get_all(name).all(|value| {
            Challenge::parse(value)
                .is_ok_and(|challenges| challenges.iter().all(|challenge| realms.contains(&challenge.realm)))
        })
    })
}
