//! Changes of a running session by re-INVITE or UPDATE, from either end (RFC 3261 section 14, RFC 3311, RFC 4028).

use std::time::Duration;

use rand_chacha::rand_core::RngCore;

use super::client::ack_like;
use super::compose::{put_sdp, reply, sdp_of, with_allow};
use super::server::{Answered, AwaitedAnswer};
use super::session::{Life, PeerUpdates, Sent, Session, Side, Up};
use super::session_timer::{Agreement, Refresher, SHORTEST_S};
use super::{CommandRefused, Context, EndCause, Purpose, SessionClock, Silence};
use crate::dialog::{Dialog, DialogId, tag};
use crate::digest::Attempt;
use crate::message::{Header, HeaderName, Method, Request, Response, StatusCode};
use crate::transaction::ServerTransactionId;
use crate::ua::{Event, ReinviteAnswer};

/// How often a change that got 491 is tried again.
const MAX_GLARES: u32 = 10;

/// A change that cannot be asked for now is tried again after this.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// A refresh that failed or could not begin is tried again after this.
const REFRESH_AGAIN: Duration = Duration::from_secs(5);

/// The change under way, if any.
#[derive(Debug)]
pub(super) enum Modification {
    Idle,
    /// We asked and wait for the answer.
    Ours(Wanted),
    /// The peer asked and the application has not answered.
    Theirs(Theirs),
}

/// A change we want.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    aim: Aim,
    /// Who is at this end, when that is to be told.
    identity: Vec<Header>,
    glares: u32,
}

impl Wanted {
    fn new(aim: Aim) -> Self {
        Self { aim, identity: Vec::new(), glares: 0 }
    }

    /// Makes one that changes nothing and says who is at this end.
    pub(super) fn naming(identity: Vec<Header>) -> Self {
        Self { identity, ..Self::new(Aim::Name) }
    }
}

/// What a change of ours is for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Aim {
    /// The application's new offer.
    Change(Vec<u8>),
    /// A refresh of the session timer.
    Refresh,
    /// Who is at this end.
    Name,
}

/// A change the peer wants.
#[derive(Debug)]
pub(super) struct Theirs {
    pub(super) to: ServerTransactionId,
    request: Request,
    agreement: Option<Agreement>,
}

impl Theirs {
    pub(super) fn refusal(&self, status: StatusCode, dialog: &Dialog) -> Response {
        reply(&self.request, status, &dialog.id.local_tag)
    }
}

/// Commands and clocks.
impl Session {
    /// Offers another session description by re-INVITE.
    pub(crate) fn reinvite(&mut self, sdp: &[u8], ctx: &mut Context<'_>) -> Result<(), CommandRefused> {
        let Life::Up(up) = &mut self.life else {
            return Err(CommandRefused::WrongState);
        };
        let waiting = up.glare.take_if(|waiting| waiting.aim == Aim::Name);
        if !up.is_free() {
            up.glare = up.glare.take().or(waiting);
            return Err(CommandRefused::Busy);
        }
        let identity = waiting.map(|waiting| waiting.identity).unwrap_or_default();
        let wanted = Wanted { identity, ..Wanted::new(Aim::Change(sdp.to_vec())) };
        self.ask(wanted, Method::Invite, ctx);
        Ok(())
    }

    /// Answers the change the peer asked for.
    pub(crate) fn answer_reinvite(
        &mut self,
        answer: ReinviteAnswer,
        ctx: &mut Context<'_>,
    ) -> Result<(), CommandRefused> {
        let handle = self.handle();
        let contact = self.origin.contact.clone();
        let Life::Up(up) = &mut self.life else {
            return Err(CommandRefused::WrongState);
        };
        if let ReinviteAnswer::Refuse(status) = &answer
            && StatusCode::new(*status).is_none_or(|status| !status.is_final() || status.is_success())
        {
            return Err(CommandRefused::WrongStatus);
        }
        let theirs = match std::mem::replace(&mut up.modification, Modification::Idle) {
            Modification::Theirs(theirs) => theirs,
            other => {
                up.modification = other;
                return Err(CommandRefused::WrongState);
            }
        };
        match answer {
            ReinviteAnswer::Accept(sdp) => {
                up.grant_change(theirs, &sdp, &contact, ctx);
                ctx.emit(Event::DialogUpdated { handle });
            }
            ReinviteAnswer::Refuse(status) => {
                if let Some(status) = StatusCode::new(status) {
                    ctx.respond(theirs.to, theirs.refusal(status, &up.dialog));
                }
            }
        }
        Ok(())
    }

    /// Refreshes the session timer, or tries a little later when something is under way.
    pub(super) fn refresh(&mut self, ctx: &mut Context<'_>) {
        let Life::Up(up) = &self.life else { return };
        if !up.agreement.is_some_and(|agreement| agreement.refresher == Refresher::Us) {
            return;
        }
        match (&up.local_sdp, up.is_free()) {
            (Some(_), true) => {
                let method = up.updates.method();
                self.ask(Wanted::new(Aim::Refresh), method, ctx);
            }
            _ => ctx.start(SessionClock::Refresh, REFRESH_AGAIN),
        }
    }

    /// Tries a change again after 491.
    pub(super) fn try_again(&mut self, ctx: &mut Context<'_>) {
        let Life::Up(up) = &mut self.life else { return };
        if let Some(wanted) = up.glare.take() {
            self.ask_or_wait(wanted, Method::Invite, ctx);
        }
    }

    /// Asks now, or a little later when something is under way.
    pub(super) fn ask_or_wait(&mut self, wanted: Wanted, method: Method, ctx: &mut Context<'_>) {
        let Life::Up(up) = &mut self.life else { return };
        if up.is_free() {
            return self.ask(wanted, method, ctx);
        }
        match &mut up.glare {
            Some(waiting) => waiting.identity = wanted.identity,
            None => {
                up.glare = Some(wanted);
                ctx.start(SessionClock::Glare, ASK_AGAIN);
            }
        }
    }

    fn ask(&mut self, wanted: Wanted, method: Method, ctx: &mut Context<'_>) {
        let contact = self.origin.contact.clone();
        let Life::Up(up) = &mut self.life else { return };
        let mut request = up.dialog.request(method.clone());
        request.headers.set(HeaderName::Contact, contact);
        with_allow(&mut request.headers, up.service);
        request.headers.set(HeaderName::UserAgent, ctx.settings.agent_name.as_str());
        for header in &wanted.identity {
            request.headers.push(header.name.clone(), header.value.clone());
        }
        if let Some(agreement) = up.agreement {
            Agreement::ask(&mut request.headers, agreement.interval_s, SHORTEST_S, Some(agreement));
        }
        let purpose = if method == Method::Update {
            Purpose::Update
        } else {
            let sdp = match &wanted.aim {
                Aim::Change(sdp) => Some(sdp),
                Aim::Refresh | Aim::Name => up.local_sdp.as_ref(),
            };
            put_sdp(&mut request.headers, &mut request.body, sdp.map(Vec::as_slice));
            Purpose::Reinvite
        };
        up.modification = Modification::Ours(wanted);
        let hop = up.dialog.next_hop().cloned();
        self.send(purpose, request, hop, Attempt::default(), ctx);
    }
}

/// Answers to changes of ours.
impl Session {
    pub(super) fn change_answered(&mut self, purpose: Purpose, response: &Response, ctx: &mut Context<'_>) {
        if response.status.is_provisional() {
            return;
        }
        let (Ok(to), Ok(cseq)) = (response.headers.to(), response.headers.cseq()) else {
            return;
        };
        if purpose == Purpose::Reinvite
            && response.status.is_success()
            && self.acknowledge_again(&tag(&to), cseq.number, ctx)
        {
            return;
        }
        let Some(sent) = self.take_sent(purpose) else {
            return;
        };
        if !matches!(self.life, Life::Up(_)) {
            // The session ended meanwhile; a 2xx to INVITE wants its ACK all the same.
            if purpose == Purpose::Reinvite && response.status.is_success() {
                let ack = ack_like(&sent.request, response);
                self.keep_ack(ack, &tag(&to), cseq.number, None, ctx);
            }
            return;
        }
        match response.status.get() {
            200..=299 => self.change_accepted(&sent, response, ctx),
            status @ (408 | 481) => self.lost(status, ctx),
            491 => self.glared(ctx),
            401 | 407 => self.change_challenged(sent, response, ctx),
            status => self.change_refused(purpose, status, ctx),
        }
    }

    pub(super) fn change_unanswered(&mut self, purpose: Purpose, silence: Silence, ctx: &mut Context<'_>) {
        self.take_sent(purpose);
        match silence {
            Silence::TimedOut => self.end(EndCause::Lost { status: 408 }, &[], ctx),
            Silence::TransportFailed => self.change_refused(purpose, 503, ctx),
        }
    }

    fn change_accepted(&mut self, sent: &Sent, response: &Response, ctx: &mut Context<'_>) {
        let handle = self.handle();
        let Life::Up(up) = &mut self.life else { return };
        up.dialog.refresh_target(&response.headers);
        up.agreement = Agreement::settled(&response.headers);
        up.run_session_timer(ctx);
        let Modification::Ours(wanted) = std::mem::replace(&mut up.modification, Modification::Idle) else {
            return;
        };
        let answer = sdp_of(&response.headers, &response.body);
        let changed = answer.is_some() && answer != up.remote_sdp;
        if answer.is_some() {
            up.remote_sdp.clone_from(&answer);
        }
        let wish = matches!(wanted.aim, Aim::Change(_));
        if let Aim::Change(sdp) = wanted.aim {
            up.local_sdp = Some(sdp);
        }
        let dialog = up.dialog.clone();
        if sent.purpose == Purpose::Reinvite {
            self.send_ack(&dialog, &sent.request, None, ctx);
        }
        if wish || changed {
            ctx.emit(Event::ReinviteAnswered { handle, sdp: answer });
        }
        ctx.emit(Event::DialogUpdated { handle });
    }

    /// Both ends asked at once: wait at random, the owner of the Call-ID longer (RFC 3261 section 14.1).
    fn glared(&mut self, ctx: &mut Context<'_>) {
        let side = self.side;
        let Life::Up(up) = &mut self.life else { return };
        let Modification::Ours(mut wanted) = std::mem::replace(&mut up.modification, Modification::Idle)
        else {
            return;
        };
        wanted.glares += 1;
        if wanted.glares > MAX_GLARES {
            up.modification = Modification::Ours(wanted);
            return self.change_refused(Purpose::Reinvite, 491, ctx);
        }
        let tens_of_ms = match side {
            Side::Caller => 210 + u64::from(ctx.rng.next_u32() % 191),
            Side::Callee | Side::Restored => u64::from(ctx.rng.next_u32() % 201),
        };
        up.glare = Some(wanted);
        ctx.start(SessionClock::Glare, Duration::from_millis(tens_of_ms * 10));
    }

    fn change_challenged(&mut self, sent: Sent, response: &Response, ctx: &mut Context<'_>) {
        let purpose = sent.purpose;
        if !self.send_again(sent, response, ctx) {
            self.change_refused(purpose, response.status.get(), ctx);
        }
    }

    fn change_refused(&mut self, purpose: Purpose, status: u16, ctx: &mut Context<'_>) {
        let handle = self.handle();
        let Life::Up(up) = &mut self.life else { return };
        let Modification::Ours(wanted) = std::mem::replace(&mut up.modification, Modification::Idle) else {
            return;
        };
        match wanted.aim {
            Aim::Change(_) => ctx.emit(Event::ReinviteRejected { handle, status }),
            // A peer that does not take UPDATE takes a re-INVITE; the clock that ends the session runs on.
            Aim::Refresh if purpose == Purpose::Update => {
                up.updates = PeerUpdates::Unknown;
                self.refresh(ctx);
            }
            Aim::Refresh => ctx.start(SessionClock::Refresh, REFRESH_AGAIN),
            Aim::Name if purpose == Purpose::Update => {
                up.updates = PeerUpdates::Unknown;
                self.ask_or_wait(wanted, Method::Invite, ctx);
            }
            // It shows what it was told before.
            Aim::Name => {}
        }
    }
}

/// Changes the peer asks for.
impl Session {
    pub(super) fn reinvited(&mut self, to: ServerTransactionId, request: &Request, ctx: &mut Context<'_>) {
        let contact = self.origin.contact.clone();
        let handle = self.handle();
        let refusal = match &mut self.life {
            Life::Up(up) => match up.obstacle(request, ctx) {
                Some(refusal) => refusal,
                None => {
                    if up.ack_wait.is_some() {
                        // Its ACK was lost: an INVITE in the dialog shows that our 2xx arrived (RFC 5407 section 3.1.4).
                        up.confirmed(handle, None, ctx);
                    }
                    return up.consider(handle, to, request, &contact, ctx);
                }
            },
            Life::Called(_) => try_later(request, ctx),
            Life::Calling(_) => refuse(request, StatusCode::REQUEST_PENDING),
            Life::AwaitingAck(..) | Life::Over => {
                refuse(request, StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST)
            }
        };
        ctx.respond(to, refusal);
    }

    pub(super) fn updated(&mut self, to: ServerTransactionId, request: &Request, ctx: &mut Context<'_>) {
        let contact = self.origin.contact.clone();
        let handle = self.handle();
        let offer = sdp_of(&request.headers, &request.body);
        let response = match (&mut self.life, offer) {
            (Life::Up(up), None) => up.grant_refresh(request, &contact, ctx),
            (Life::Up(up), Some(_)) => match up.obstacle(request, ctx) {
                Some(refusal) => refusal,
                None => return up.consider(handle, to, request, &contact, ctx),
            },
            (Life::Called(_) | Life::Calling(_), None) => {
                if let Some(dialog) = DialogId::of_request(request).and_then(|id| self.dialog_mut(&id)) {
                    dialog.refresh_target(&request.headers);
                }
                let mut response = reply(request, StatusCode::OK, "");
                response.headers.set(HeaderName::Contact, contact);
                response
            }
            // RFC 3311 section 5.2: an offer of the peer, or of ours, is not answered yet.
            (Life::Called(_), Some(_)) => try_later(request, ctx),
            (Life::Calling(_), Some(_)) => refuse(request, StatusCode::REQUEST_PENDING),
            (Life::AwaitingAck(..) | Life::Over, _) => {
                refuse(request, StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST)
            }
        };
        ctx.respond(to, response);
    }
}

impl Up {
    /// Tells whether a change of ours may begin now: no INVITE under way in either direction.
    fn is_free(&self) -> bool {
        matches!(self.modification, Modification::Idle) && self.glare.is_none() && self.ack_wait.is_none()
    }

    /// The peer gave its change up before it was answered.
    pub(super) fn change_cancelled(&mut self, invite: ServerTransactionId, ctx: &mut Context<'_>) {
        if let Modification::Theirs(theirs) = &self.modification
            && theirs.to == invite
        {
            ctx.respond(invite, theirs.refusal(StatusCode::REQUEST_TERMINATED, &self.dialog));
            self.modification = Modification::Idle;
        }
    }

    /// Starts the clocks of the agreement, or stops them.
    pub(super) fn run_session_timer(&self, ctx: &mut Context<'_>) {
        ctx.stop(SessionClock::Refresh);
        ctx.stop(SessionClock::Expire);
        let Some(agreement) = self.agreement else { return };
        ctx.start(SessionClock::Expire, agreement.expires_after());
        if agreement.refresher == Refresher::Us {
            ctx.start(SessionClock::Refresh, agreement.refresh_after());
        }
    }

    /// Gives the refusal of a change that cannot begin now (RFC 3261 section 14.2).
    fn obstacle(&self, request: &Request, ctx: &mut Context<'_>) -> Option<Response> {
        match &self.modification {
            Modification::Ours(_) => return Some(refuse(request, StatusCode::REQUEST_PENDING)),
            Modification::Theirs(_) => return Some(try_later(request, ctx)),
            Modification::Idle => {}
        }
        if self.ack_wait.as_ref().is_some_and(|wait| wait.answer == AwaitedAnswer::InAck) {
            return Some(refuse(request, StatusCode::REQUEST_PENDING));
        }
        Agreement::serve(&request.headers, None).is_err().then(|| too_brief(request))
    }

    /// Answers a refresh by itself and leaves everything else to the application.
    fn consider(
        &mut self,
        handle: super::DialogHandle,
        to: ServerTransactionId,
        request: &Request,
        contact: &str,
        ctx: &mut Context<'_>,
    ) {
        let offer = sdp_of(&request.headers, &request.body);
        let agreement = self.served(request);
        let theirs = Theirs { to, request: request.clone(), agreement };
        match &self.local_sdp {
            Some(sdp) if offer.is_some() && offer == self.remote_sdp => {
                let sdp = sdp.clone();
                self.grant_change(theirs, &sdp, contact, ctx);
            }
            _ => {
                self.modification = Modification::Theirs(theirs);
                ctx.emit(Event::ReinviteReceived { handle, offer });
            }
        }
    }

    /// Sends 200 to the peer's change.
    fn grant_change(&mut self, theirs: Theirs, sdp: &[u8], contact: &str, ctx: &mut Context<'_>) {
        let Theirs { to, request, agreement } = theirs;
        let offer = sdp_of(&request.headers, &request.body);
        let answer = if offer.is_some() { AwaitedAnswer::Given } else { AwaitedAnswer::InAck };
        self.dialog.refresh_target(&request.headers);
        self.agreement = agreement;
        let mut response = reply(&request, StatusCode::OK, &self.dialog.id.local_tag);
        response.headers.set(HeaderName::Contact, contact);
        with_allow(&mut response.headers, self.service);
        if let Some(agreement) = agreement {
            agreement.grant(&mut response.headers);
        }
        put_sdp(&mut response.headers, &mut response.body, Some(sdp));
        self.local_sdp = Some(sdp.to_vec());
        if offer.is_some() {
            self.remote_sdp = offer;
        }
        match request.headers.cseq() {
            Ok(cseq) if request.method == Method::Invite => {
                self.answer(to, cseq.number, response, (answer, Answered::Change), ctx)
            }
            _ => ctx.respond(to, response),
        }
        self.run_session_timer(ctx);
    }

    /// Answers an UPDATE without a session description.
    fn grant_refresh(&mut self, request: &Request, contact: &str, ctx: &mut Context<'_>) -> Response {
        if Agreement::serve(&request.headers, None).is_err() {
            return too_brief(request);
        }
        self.dialog.refresh_target(&request.headers);
        self.agreement = self.served(request);
        self.run_session_timer(ctx);
        let mut response = reply(request, StatusCode::OK, &self.dialog.id.local_tag);
        response.headers.set(HeaderName::Contact, contact);
        with_allow(&mut response.headers, self.service);
        if let Some(agreement) = self.agreement {
            agreement.grant(&mut response.headers);
        }
        response
    }

    /// Decides the session timer for a request of the peer; one that does not speak of it keeps ours running.
    fn served(&self, request: &Request) -> Option<Agreement> {
        let kept = self.agreement.filter(|agreement| agreement.refresher == Refresher::Us);
        let wanted_s = kept.map(|agreement| agreement.interval_s);
        Agreement::serve(&request.headers, wanted_s).ok().flatten()
    }
}

fn refuse(request: &Request, status: StatusCode) -> Response {
    reply(request, status, "")
}

/// Makes 500 with a Retry-After of 0 to 10 s (RFC 3261 section 14.2).
fn try_later(request: &Request, ctx: &mut Context<'_>) -> Response {
    let mut response = reply(request, StatusCode::SERVER_INTERNAL_ERROR, "");
    response.headers.set(HeaderName::RetryAfter, (ctx.rng.next_u32() % 11).to_string());
    response
}

/// Makes 422 with the shortest interval taken (RFC 4028 section 9).
pub(crate) fn too_brief(request: &Request) -> Response {
    let mut response = Response::reply_to(request, StatusCode::SESSION_INTERVAL_TOO_SMALL);
    response.headers.set(HeaderName::MinSe, SHORTEST_S.to_string());
    response
}
