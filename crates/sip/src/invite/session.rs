//! One leg: its parts, what comes in and how it ends.

use std::collections::VecDeque;

use super::client::Calling;
use super::identity::PeerIdentity;
use super::referral::Referral;
use super::referring::Referring;
use super::reinvite::{Modification, Wanted};
use super::server::{AckWait, Answered, Called};
use super::session_id::SessionId;
use super::session_timer::Agreement;
use super::{Action, Context, DialogHandle, EndCause, Purpose, SessionClock, Silence};
use crate::dialog::{Dialog, DialogId};
use crate::digest::Attempt;
use crate::message::{HeaderName, Method, ReasonValue, Request, Response, StatusCode};
use crate::siprec;
use crate::transaction::{ClientTransactionId, ServerTransactionId};
use crate::transport::Flow;
use crate::ua::{Event, Key, LineId};
use crate::uri::SipUri;

/// Where a leg belongs.
#[derive(Debug, Clone)]
pub(crate) struct SessionOrigin {
    pub(crate) handle: DialogHandle,
    pub(crate) line: Option<LineId>,
    /// Our Contact header's value.
    pub(crate) contact: String,
    /// The path of the messages that made it; `None` while the first request waits for the resolver.
    pub(crate) flow: Option<Flow>,
    pub(crate) path: Path,
    pub(crate) service: Service,
    /// `None` for a dialog of an earlier process, whose name is lost.
    pub(crate) session_id: Option<SessionId>,
}

/// What a leg is for, as far as what this end says of itself depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Service {
    /// A call.
    Calls,
    /// The recording of a call that goes on elsewhere (RFC 7866): this end is the recording server.
    Recording,
}

/// Where requests of a dialog without routes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Path {
    /// Where the peer's Contact says (RFC 3261 section 12.2.1.1).
    Contact,
    /// Back where its requests came from: the peer is behind a NAT that its Contact does not know.
    Back,
}

/// One leg from its INVITE to its last BYE.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) origin: SessionOrigin,
    /// Dialog names that are routed here; the user agent takes them back at the end.
    pub(crate) bound: Vec<DialogId>,
    /// The transaction of our INVITE, for its CANCEL.
    pub(crate) invite_transaction: Option<ClientTransactionId>,
    pub(super) side: Side,
    pub(super) life: Life,
    /// The INVITE we sent, for forks that answer late; dropped when they are no longer expected.
    pub(super) invite: Option<Request>,
    pub(super) sent: Vec<Sent>,
    pub(super) acks: Vec<SentAck>,
    pub(super) byes: Vec<Goodbye>,
    pub(super) next_bye: u32,
    pub(super) referral: Option<Referral>,
    pub(super) referring: Option<Referring>,
    /// Who the peer's end last said that it is.
    pub(super) peer: Option<PeerIdentity>,
    /// Digits that are to be sent by INFO, the first one on its way.
    pub(super) keys: VecDeque<Key>,
}

/// Who made the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// We did, and own the Call-ID.
    Caller,
    /// The peer did.
    Callee,
    /// An earlier process was in it.
    Restored,
}

/// Where a leg stands.
#[derive(Debug)]
pub(super) enum Life {
    /// We invited and wait for a final answer.
    Calling(Calling),
    /// We are invited and owe the final answer.
    Called(Called),
    /// A 2xx was sent or received.
    Up(Up),
    /// We hung up, but may not say so before the ACK (RFC 3261 section 15).
    AwaitingAck(Box<Dialog>, AckWait, Vec<ReasonValue>),
    /// Nothing but unanswered BYEs and late forks.
    Over,
}

/// A session that was answered.
#[derive(Debug)]
pub(super) struct Up {
    pub(super) dialog: Dialog,
    pub(super) modification: Modification,
    /// A change that got 491 and is tried again.
    pub(super) glare: Option<Wanted>,
    pub(super) ack_wait: Option<AckWait>,
    pub(super) agreement: Option<Agreement>,
    pub(super) service: Service,
    pub(super) updates: PeerUpdates,
    /// The session description sent last.
    pub(super) local_sdp: Option<Vec<u8>>,
    /// The session description received last.
    pub(super) remote_sdp: Option<Vec<u8>>,
}

/// Whether the peer takes UPDATE (RFC 3311).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PeerUpdates {
    Allowed,
    Unknown,
}

impl PeerUpdates {
    pub(super) fn of(headers: &crate::message::Headers) -> Self {
        let allowed = headers.options_of(&HeaderName::Allow);
        if allowed.iter().any(|method| method == "UPDATE") { Self::Allowed } else { Self::Unknown }
    }

    /// The method of a request that leaves the session description as it is.
    pub(super) fn method(self) -> Method {
        match self {
            Self::Allowed => Method::Update,
            Self::Unknown => Method::Invite,
        }
    }
}

/// A request in flight.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) purpose: Purpose,
    pub(super) request: Request,
    pub(super) attempt: Attempt,
}

/// The ACK for a 2xx, kept to be sent again.
#[derive(Debug)]
pub(super) struct SentAck {
    pub(super) tag: String,
    pub(super) cseq: u32,
    pub(super) request: Request,
    pub(super) hop: Option<SipUri>,
}

/// A dialog whose BYE is not answered yet.
#[derive(Debug)]
pub(super) struct Goodbye {
    pub(super) number: u32,
    pub(super) dialog: Dialog,
}

impl Session {
    pub(super) fn new(origin: SessionOrigin, side: Side, life: Life) -> Self {
        Self {
            origin,
            side,
            bound: Vec::new(),
            invite_transaction: None,
            life,
            invite: None,
            sent: Vec::new(),
            acks: Vec::new(),
            byes: Vec::new(),
            next_bye: 0,
            referral: None,
            referring: None,
            peer: None,
            keys: VecDeque::new(),
        }
    }

    /// Makes a session out of a dialog of an earlier process, only to hang it up.
    pub(crate) fn restored(
        origin: SessionOrigin,
        dialog: Dialog,
        reasons: Vec<ReasonValue>,
        ctx: &mut Context<'_>,
    ) -> Self {
        let mut session = Self::new(origin, Side::Restored, Life::Over);
        session.bind(dialog.id.clone(), ctx);
        session.say_goodbye(dialog, &reasons, ctx);
        session
    }

    pub(crate) fn handle(&self) -> DialogHandle {
        self.origin.handle
    }

    /// Tells whether nothing more can come of it.
    pub(crate) fn is_finished(&self) -> bool {
        // A re-INVITE in flight may still get a 2xx, which wants its ACK.
        matches!(self.life, Life::Over)
            && self.byes.is_empty()
            && self.invite.is_none()
            && !self.sent.iter().any(|sent| sent.purpose == Purpose::Reinvite)
    }

    /// Gives the dialog of a leg that is not over, early ones of incoming calls included.
    pub(crate) fn dialog(&self) -> Option<&Dialog> {
        match &self.life {
            Life::Up(up) => Some(&up.dialog),
            Life::Called(called) => Some(&called.dialog),
            Life::AwaitingAck(dialog, ..) => Some(dialog),
            Life::Calling(_) | Life::Over => None,
        }
    }

    /// Takes a response to the request that was sent for `purpose`.
    pub(crate) fn handle_response(&mut self, purpose: Purpose, response: &Response, ctx: &mut Context<'_>) {
        self.learn_session_id(&response.headers);
        match purpose {
            Purpose::Invite => self.invite_answered(response, ctx),
            Purpose::Reinvite | Purpose::Update => self.change_answered(purpose, response, ctx),
            Purpose::Options => self.options_answered(response, ctx),
            Purpose::Notify => self.notify_answered(response, ctx),
            Purpose::Refer => self.refer_answered(response, ctx),
            Purpose::Info => self.press_answered(response, ctx),
            Purpose::Prack => self.prack_answered(response),
            Purpose::Bye(number) => self.bye_answered(number, response, ctx),
        }
    }

    /// Takes note that the request sent for `purpose` has no answer.
    pub(crate) fn handle_silence(&mut self, purpose: Purpose, silence: Silence, ctx: &mut Context<'_>) {
        match purpose {
            Purpose::Invite => self.invite_unanswered(silence, ctx),
            Purpose::Reinvite | Purpose::Update => self.change_unanswered(purpose, silence, ctx),
            Purpose::Options => self.options_unanswered(silence, ctx),
            Purpose::Info => self.press_unanswered(),
            Purpose::Notify | Purpose::Prack => {
                self.take_sent(purpose);
            }
            Purpose::Refer => self.refer_unanswered(ctx),
            Purpose::Bye(number) => self.bye_done(number, None, ctx),
        }
    }

    /// Takes a 2xx to an INVITE of ours whose transaction is gone.
    pub(crate) fn handle_stray(&mut self, response: &Response, ctx: &mut Context<'_>) {
        let (Ok(to), Ok(cseq)) = (response.headers.to(), response.headers.cseq()) else {
            return;
        };
        let invited = self.invite.as_ref().and_then(|invite| invite.headers.cseq().ok());
        if invited.is_some_and(|invited| invited.number == cseq.number) {
            self.invite_answered(response, ctx);
        } else {
            self.acknowledge_again(&crate::dialog::tag(&to), cseq.number, ctx);
        }
    }

    /// Takes a request inside one of its dialogs, ACK and CANCEL excepted.
    pub(crate) fn handle_request(
        &mut self,
        to: ServerTransactionId,
        request: &Request,
        ctx: &mut Context<'_>,
    ) {
        if let Some(refusal) = self.out_of_order(request) {
            return ctx.respond(to, refusal);
        }
        self.learn_session_id(&request.headers);
        if matches!(request.method, Method::Invite | Method::Update) {
            self.note_identity(&request.headers, ctx);
        }
        self.tell_metadata(request, ctx);
        match request.method {
            Method::Invite => self.reinvited(to, request, ctx),
            Method::Update => self.updated(to, request, ctx),
            Method::Bye => self.hung_up(to, request, ctx),
            Method::Refer => self.referred(to, request, ctx),
            Method::Notify => self.notified(to, request, ctx),
            Method::Info => self.informed(to, request, ctx),
            Method::Prack => self.acknowledged_provisional(to, request, ctx),
            _ => self.asked(to, request, ctx),
        }
    }

    /// Tells what a recording client says of the recorded call, in whichever request it stands.
    fn tell_metadata(&self, request: &Request, ctx: &mut Context<'_>) {
        if self.origin.service == Service::Recording
            && let Ok(Some(document)) = siprec::metadata_of(&request.headers, &request.body)
        {
            ctx.emit(Event::MetadataReceived { handle: self.handle(), document });
        }
    }

    /// Fires one of its timers.
    pub(crate) fn handle_clock(&mut self, clock: SessionClock, ctx: &mut Context<'_>) {
        match clock {
            SessionClock::RepeatAnswer => self.repeat_answer(ctx),
            SessionClock::AckOverdue => self.ack_overdue(ctx),
            SessionClock::RepeatRinging => self.repeat_ringing(ctx),
            SessionClock::RepeatProvisional => self.repeat_provisional(ctx),
            SessionClock::PrackOverdue => self.prack_overdue(ctx),
            SessionClock::Refresh => self.refresh(ctx),
            SessionClock::Expire => self.end(EndCause::SessionExpired, &[], ctx),
            SessionClock::Glare => self.try_again(ctx),
            SessionClock::Settle => self.settle(),
            SessionClock::AskAgain => self.probe(ctx),
            SessionClock::AskedInVain => self.asked_in_vain(ctx),
            SessionClock::ReferralOverdue => self.referral_overdue(ctx),
            SessionClock::ByeOverdue => self.end(EndCause::Lost { status: 481 }, &[], ctx),
        }
    }

    /// Keeps the ACK as it was sent, with its Via.
    pub(crate) fn acknowledged(&mut self, tag: &str, ack: Request) {
        let cseq = ack.headers.cseq().map_or(0, |cseq| cseq.number);
        if let Some(kept) = self.acks.iter_mut().find(|kept| kept.tag == tag && kept.cseq == cseq) {
            kept.request = ack;
        }
    }

    pub(super) fn bind(&mut self, id: DialogId, ctx: &mut Context<'_>) {
        if !self.bound.contains(&id) {
            self.bound.push(id.clone());
            ctx.actions.push(Action::Bind(id));
        }
    }

    /// Sends a request and remembers it for a challenge.
    pub(super) fn send(
        &mut self,
        purpose: Purpose,
        request: Request,
        hop: Option<SipUri>,
        attempt: Attempt,
        ctx: &mut Context<'_>,
    ) {
        self.sent.retain(|sent| sent.purpose != purpose);
        self.sent.push(Sent { purpose, request: request.clone(), attempt });
        ctx.actions.push(Action::Send { purpose, request: Box::new(request), hop });
    }

    pub(super) fn take_sent(&mut self, purpose: Purpose) -> Option<Sent> {
        let at = self.sent.iter().position(|sent| sent.purpose == purpose)?;
        Some(self.sent.swap_remove(at))
    }

    /// Ends an answered session from this side: tells the application, sends BYE as soon as that is allowed.
    pub(super) fn end(&mut self, cause: EndCause, reasons: &[ReasonValue], ctx: &mut Context<'_>) {
        let Life::Up(up) = std::mem::replace(&mut self.life, Life::Over) else {
            return;
        };
        let handle = self.handle();
        if let Modification::Theirs(theirs) = &up.modification {
            ctx.respond(theirs.to, theirs.refusal(StatusCode::REQUEST_TERMINATED, &up.dialog));
        }
        match up.ack_wait {
            Some(wait) if cause == EndCause::LocalBye && wait.of == Answered::First => {
                for clock in [SessionClock::Refresh, SessionClock::Expire, SessionClock::Glare] {
                    ctx.stop(clock);
                }
                self.life = Life::AwaitingAck(Box::new(up.dialog), wait, reasons.to_vec());
            }
            _ => {
                self.stop_clocks(ctx);
                self.say_goodbye(up.dialog, reasons, ctx);
            }
        }
        ctx.emit(Event::Ended { handle, cause });
    }

    /// Sends BYE; `Bye(number)` is answered, challenged or given up on its own.
    pub(super) fn say_goodbye(&mut self, mut dialog: Dialog, reasons: &[ReasonValue], ctx: &mut Context<'_>) {
        let mut bye = dialog.request(Method::Bye);
        for reason in reasons {
            let header = super::reason_value(reason);
            bye.headers.push(header.name, header.value);
        }
        bye.headers.set(HeaderName::UserAgent, ctx.settings.agent_name.as_str());
        let number = self.next_bye;
        self.next_bye = self.next_bye.wrapping_add(1);
        let hop = dialog.next_hop().cloned();
        self.byes.push(Goodbye { number, dialog });
        self.send(Purpose::Bye(number), bye, hop, Attempt::default(), ctx);
    }
}
