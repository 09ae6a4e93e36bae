//! Whoever the server calls: the phones of agents, and customers whom agents asked for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use linecard_sip::message::{HeaderName, NameAddr, Request, Response, StatusCode};
use linecard_sip::transaction::ServerTransactionId;
use linecard_sip::transport::Flow;
use linecard_sip::uri::Uri;

use super::leg::{Fork, ForkState, Leg, LegId, LegState, Sends, description};
use super::{Pbx, Task, status};
use crate::fleet::quirk::Quirk;
use crate::fleet::talk::Side;
use crate::fleet::world::{AfterRefusal, Course, InboundEnd, Network, OutboundEnd};

/// T1 and T2 of RFC 3261 section 17.1.1.1: how soon a 200 is repeated, and how seldom.
pub(super) const T1: Duration = Duration::from_millis(500);
const T2: Duration = Duration::from_secs(4);

/// How an end answers an INVITE.
pub(super) enum Reaction {
    /// It rings until it is cancelled.
    Rings,
    /// It rings and is answered.
    Answers(u64),
    /// It is there already: what is called is a place in a talk.
    IsThere,
    /// It refuses; a phone that is busy does so without ringing.
    Refuses { after_ms: u64, status: u16, rings: bool },
}

impl Pbx {
    /// The server calls somebody of this PBX.
    pub(super) fn invited(&mut self, id: ServerTransactionId, request: Request, flow: Flow, now: Instant) {
        let account = request.headers.from_().ok().and_then(|from| from.uri.as_sip()?.user.clone());
        if self.profile.has(Quirk::ChallengesInvites) {
            let account = account.unwrap_or_default();
            if !self.proves(&request, &account, &HeaderName::ProxyAuthorization) {
                let response = self.challenge(&request, 407);
                return self.reply(id, response, now);
            }
        }
        let user = match &request.uri {
            Uri::Sip(uri) => uri.user_decoded().and_then(|user| String::from_utf8(user).ok()),
            Uri::Tel(_) | Uri::Other(_) => None,
        };
        let user = user.unwrap_or_default();
        let shown = shown_on(&request);
        let called = self.phone_called(&user, shown.as_deref()).or_else(|| self.customer_called(&user));
        // One that comes late may find the desk in its next call.
        let is_its = |(call, side): (usize, Side)| {
            side == Side::Customer || self.world.other_number(call) == shown.as_deref()
        };
        let called = called.filter(|called| is_its(*called) || !self.came_late(&user, shown.as_deref()));
        let Some((call, side)) = called else {
            if self.came_late(&user, shown.as_deref()) {
                return self.reply(id, Response::reply_to(&request, status(480)), now);
            }
            self.strangers.push(format!("{user} was called by {} and nobody asked for it", flow.remote));
            return self.reply(id, Response::reply_to(&request, status(404)), now);
        };
        if self.leg_of(call, side).is_some_and(|leg| self.legs.get(&leg).is_some_and(|leg| !leg.is_over())) {
            self.fault(call, format!("{user} was rung twice"));
            return self.reply(id, Response::reply_to(&request, status(486)), now);
        }
        self.check_shown(call, side, shown);
        if side == Side::Other {
            self.check_place(call, &request);
        }
        self.ring(call, side, (id, request, flow), now);
    }

    /// The call for which an extension may be rung now: the desk's, or one that came into the middle of it.
    fn phone_called(&self, user: &str, shown: Option<&str>) -> Option<(usize, Side)> {
        let desk = self.seat_of_extension(user)?;
        let call = self.seats.get(&desk)?.call?;
        if self.world.calls.get(call)?.desk != desk {
            return Some((call, Side::Other));
        }
        let intrusion = self.open_intrusion(call).filter(|other| self.world.other_number(*other) == shown);
        Some((intrusion.unwrap_or(call), Side::Agent))
    }

    /// On a network that loses, an INVITE may come for a call that was over before it left: its caller gave up.
    fn came_late(&self, extension: &str, shown: Option<&str>) -> bool {
        let desk = self.seat_of_extension(extension);
        let over = self.deeds.iter().filter(|(_, deeds)| deeds.done.is_some()).map(|(call, _)| *call);
        let mut of_desk = over.filter(|call| self.world.calls.get(*call).map(|planned| planned.desk) == desk);
        let lossy = self.world.plan.network == Network::Lossy;
        lossy && of_desk.any(|call| self.world.other_number(call) == shown)
    }

    /// The call for which a customer may be called now.
    fn customer_called(&self, user: &str) -> Option<(usize, Side)> {
        let wanted = |call: usize| match &self.world.calls.get(call)?.course {
            Course::Outbound { callee, .. } if callee.number.as_deref() == Some(user) => {
                Some((call, Side::Customer))
            }
            _ if self.is_asked_for(call, user) => Some((call, Side::Other)),
            _ => None,
        };
        self.seats.values().filter_map(|seat| seat.call).find_map(wanted)
    }

    /// The phone has to show the other party of the call.
    fn check_shown(&mut self, call: usize, side: Side, shown: Option<String>) {
        let expected = self.world.other_number(call).map(str::to_owned);
        if side != Side::Customer && shown != expected {
            self.fault(call, format!("the phone was shown {shown:?} instead of {expected:?}"));
        }
    }

    fn ring(
        &mut self,
        call: usize,
        side: Side,
        (transaction, request, flow): (ServerTransactionId, Request, Flow),
        now: Instant,
    ) {
        let (Ok(from), Ok(mut to)) = (request.headers.from_(), request.headers.to()) else { return };
        to.set_tag(&self.chance.token());
        let target = request.headers.contacts().ok().and_then(|contacts| contacts.into_iter().next());
        let Some(target) = target.map(|contact| contact.uri) else {
            return self.reply(transaction, Response::reply_to(&request, status(400)), now);
        };
        let mut leg = Leg {
            call,
            side,
            call_id: request.headers.call_id().unwrap_or_default().to_owned(),
            local: to,
            remote: from,
            target,
            server: flow.remote,
            sequence: 0,
            version: 1,
            sends: Sends::Both,
            sound_to: None,
            second_fork: None,
            answer_wait: T1,
            state: LegState::Over,
        };
        leg.hear(&request.body);
        leg.state = LegState::Called { invite: transaction, request };
        let id = self.add_leg(leg);
        let reaction = self.reaction(call, side);
        if !matches!(reaction, Reaction::Refuses { rings: false, .. } | Reaction::IsThere) {
            self.progress(id, status(180), None, now);
            self.note(call, |deeds| match side {
                // One who is rung again has the customer back.
                Side::Agent => {
                    deeds.rang.get_or_insert(now);
                }
                Side::Customer => deeds.dialled = Some(now),
                Side::Other => {}
            });
            if side == Side::Other {
                self.note_asked(call, |asked| asked.rang = Some(now));
            }
        }
        let after = |ms: u64| now + Duration::from_millis(ms);
        match reaction {
            Reaction::Rings => {}
            Reaction::IsThere => self.answer(id, now),
            Reaction::Answers(after_ms) => {
                if self.profile.has(Quirk::RingsThenEarlyMedia) {
                    self.later(after(20), Task::EarlyMedia(id));
                }
                self.later(after(after_ms), Task::Answer(id));
            }
            Reaction::Refuses { after_ms, status, .. } => {
                self.later(after(after_ms), Task::Refuse(id, status))
            }
        }
        if let (Side::Customer, Some(after_ms)) = (side, self.agent_leaves(call)) {
            self.later(after(after_ms), Task::HangUp(call, Side::Agent));
        }
    }

    fn hangs_up_when_refused(&self, call: usize) -> bool {
        matches!(
            self.world.calls.get(call).map(|planned| &planned.course),
            Some(Course::Outbound { end: OutboundEnd::Refused { then: AfterRefusal::HangsUp, .. }, .. })
        )
    }

    fn agent_leaves(&self, call: usize) -> Option<u64> {
        match self.world.calls.get(call)?.course {
            Course::Outbound { end: OutboundEnd::AgentLeaves { after_ms }, .. } => Some(after_ms),
            _ => None,
        }
    }

    /// How an end answers, as planned; once the customer is gone a phone only rings.
    fn reaction(&self, call: usize, side: Side) -> Reaction {
        let world = Arc::clone(&self.world);
        let gone = self.deeds.get(&call).is_some_and(|deeds| deeds.over.is_some());
        let Some(planned) = world.calls.get(call).filter(|_| !gone) else { return Reaction::Rings };
        match (&planned.course, side) {
            (_, Side::Other) => self.reaction_of_other(call),
            (Course::Inbound { end, .. }, Side::Agent) => match *end {
                InboundEnd::Talk { after_ms, .. } => Reaction::Answers(after_ms),
                InboundEnd::GivesUp { .. } | InboundEnd::RingsOut => Reaction::Rings,
                InboundEnd::Busy { after_ms } => Reaction::Refuses { after_ms, status: 486, rings: false },
                InboundEnd::Declined { after_ms } => Reaction::Refuses { after_ms, status: 603, rings: true },
            },
            (Course::Outbound { pickup_ms, end, .. }, Side::Agent) => match end {
                OutboundEnd::AgentDeclines => {
                    Reaction::Refuses { after_ms: *pickup_ms, status: 603, rings: true }
                }
                _ => Reaction::Answers(*pickup_ms),
            },
            (Course::Outbound { end, .. }, Side::Customer) => match *end {
                OutboundEnd::Talk { after_ms, .. } => Reaction::Answers(after_ms),
                OutboundEnd::Refused { after_ms, status, .. } => {
                    Reaction::Refuses { after_ms, status, rings: true }
                }
                OutboundEnd::AgentLeaves { .. } | OutboundEnd::AgentDeclines => Reaction::Rings,
            },
            _ => Reaction::Rings,
        }
    }

    fn progress(&mut self, id: LegId, code: StatusCode, body: Option<Vec<u8>>, now: Instant) {
        let contact = self.contact();
        let Some(leg) = self.legs.get(&id) else { return };
        let LegState::Called { invite, request } = &leg.state else { return };
        let response = answer(request, code, leg, &contact, body);
        let _ = self.layer.respond(*invite, response, now);
    }

    pub(super) fn early_media(&mut self, id: LegId, now: Instant) {
        let body = self.description_of(id);
        self.progress(id, status(183), body, now);
    }

    /// The session that an end of a desk has.
    pub(super) fn description_of(&self, id: LegId) -> Option<Vec<u8>> {
        self.described(id, self.legs.get(&id)?.sends)
    }

    /// The session that an end of a desk has, or wants to have.
    pub(super) fn described(&self, id: LegId, sends: Sends) -> Option<Vec<u8>> {
        let leg = self.legs.get(&id)?;
        let desk = self.world.calls.get(leg.call)?.desk;
        let own = self.seats.get(&desk)?.ports.of(leg.side);
        Some(description(own, leg.version, sends))
    }

    pub(super) fn answer(&mut self, id: LegId, now: Instant) {
        let (contact, body) = (self.contact(), self.description_of(id));
        let second = self.profile.has(Quirk::SecondForkAnswers).then(|| self.chance.token());
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let LegState::Called { invite, request } = &leg.state else { return };
        let invite = *invite;
        let response = answer(request, StatusCode::OK, leg, &contact, body);
        let _ = self.layer.respond(invite, response.clone(), now);
        if let Some(tag) = second {
            let mut fork = response.clone();
            fork.headers.set_to_tag(&tag);
            let _ = self.layer.respond(invite, fork.clone(), now);
            leg.second_fork = Some(Fork { tag, state: ForkState::Answered { invite, response: fork } });
        }
        leg.state = LegState::Answered { invite, response };
        let (call, side) = (leg.call, leg.side);
        self.later(now + T1, Task::RepeatAnswer(id));
        self.speak(call, side);
        match side {
            Side::Agent => {
                self.note(call, |deeds| {
                    deeds.picked_up.get_or_insert(now);
                });
                self.has_customer_back(call, now);
            }
            Side::Other => self.other_answered(call, now),
            // Connected is whoever has the ACK.
            Side::Customer => self.note(call, |deeds| {
                deeds.status = Some(200);
                deeds.answered = Some(now);
            }),
        }
    }

    /// Repeats a 200 whose ACK has not come (RFC 3261 section 13.3.1.4), of each fork that answered.
    pub(super) fn repeat_answer(&mut self, id: LegId, now: Instant) {
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| !leg.is_over()) else { return };
        let mut unheard = Vec::new();
        if let LegState::Answered { invite, response } = &leg.state {
            unheard.push((*invite, response.clone()));
        }
        if let Some(Fork { state: ForkState::Answered { invite, response }, .. }) = &leg.second_fork {
            unheard.push((*invite, response.clone()));
        }
        if unheard.is_empty() {
            return;
        }
        leg.answer_wait = (leg.answer_wait * 2).min(T2);
        let wait = leg.answer_wait;
        for (invite, response) in unheard {
            let _ = self.layer.respond(invite, response, now);
        }
        self.later(now + wait, Task::RepeatAnswer(id));
    }

    pub(super) fn refuse(&mut self, id: LegId, code: u16, now: Instant) {
        let contact = self.contact();
        let Some(leg) = self.legs.get(&id) else { return };
        let LegState::Called { invite, request } = &leg.state else { return };
        let response = answer(request, status(code), leg, &contact, None);
        let (call, side) = (leg.call, leg.side);
        let _ = self.layer.respond(*invite, response, now);
        if side == Side::Customer {
            self.note(call, |deeds| deeds.status = Some(code));
            if self.hangs_up_when_refused(call) {
                self.later(now + Duration::from_millis(200), Task::HangUp(call, Side::Agent));
            }
        }
        self.leg_over(id, now);
    }
}

/// The number that a phone shows.
fn shown_on(request: &Request) -> Option<String> {
    let identity = request.headers.asserted_identity().into_iter().next()?;
    identity.uri.as_sip()?.user.clone()
}

/// Makes a response of this end of a dialog.
pub(super) fn answer(
    request: &Request,
    code: StatusCode,
    leg: &Leg,
    contact: &str,
    body: Option<Vec<u8>>,
) -> Response {
    let mut response = Response::reply_to(request, code);
    response.headers.set_to_tag(leg.local.tag().unwrap_or_default());
    if code.get() < 300 {
        response.headers.push(HeaderName::Contact, contact);
    }
    if let Some(body) = body {
        response.headers.push(HeaderName::ContentType, "application/sdp");
        response.body = body;
    }
    response
}

/// Reads whom a dialog's request is from, by its tags.
pub(super) fn tag_of(address: Option<NameAddr>) -> Option<String> {
    address.and_then(|address| address.tag().map(str::to_owned))
}
