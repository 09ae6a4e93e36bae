//! Customers: those who call, and those who are called.

use std::sync::Arc;
use std::time::{Duration, Instant};

use linecard_sip::message::{HeaderName, Method, NameAddr, Request, Response};
use linecard_sip::uri::{Host, SipUri, Uri};

use super::leg::{Leg, LegState, Sends, description};
use super::phones::T1;
use super::{Change, Pbx, Task};
use crate::fleet::quirk::Quirk;
use crate::fleet::talk::{Hold, HoldEnd, Side, Talk, Turn};
use crate::fleet::truth::Deeds;
use crate::fleet::world::{Course, Desk, InboundEnd, OutboundEnd, Party};

impl Pbx {
    /// A customer dials: the INVITE goes to the contact that the line has registered.
    pub(super) fn call_in(&mut self, call: usize, now: Instant) {
        let Some((mut leg, invite)) = self.compose_invite(call) else {
            self.fault(call, "the line has no binding: the PBX could not reach it".to_owned());
            return self.finish(call, now);
        };
        let flow = self.door.flow(self.address, leg.server);
        let transaction = self.layer.send_request(invite, flow, now);
        leg.state = LegState::Calling { invite: transaction };
        let id = self.add_leg(leg);
        self.invites.insert(transaction, id);
        let course = self.world.calls.get(call).map(|planned| &planned.course);
        if let Some(Course::Inbound { end: InboundEnd::GivesUp { after_ms }, .. }) = course {
            self.later(now + Duration::from_millis(*after_ms), Task::GiveUp(call));
        }
    }

    /// Makes the INVITE of a customer's call, and the leg that it may become; `None` when the line is not bound.
    pub(super) fn compose_invite(&mut self, call: usize) -> Option<(Leg, Request)> {
        let world = Arc::clone(&self.world);
        let planned = world.calls.get(call)?;
        let (Course::Inbound { caller, .. } | Course::Intrusion { caller, .. }) = &planned.course else {
            return None;
        };
        let desk = world.desks.get(planned.desk)?;
        let binding = self.seats.get(&planned.desk)?.binding.clone()?;
        let ports = self.seats.get(&planned.desk)?.ports;
        let from = self.caller(caller, desk);
        let dialled = if self.profile.has(Quirk::Diversion) { &desk.account } else { &desk.did };
        let mut leg = Leg {
            call,
            side: Side::Customer,
            call_id: format!("{}-{call}@{}", self.chance.token(), self.address.ip()),
            local: from,
            remote: NameAddr::new(self.account_uri(dialled)),
            target: binding.contact,
            server: binding.from,
            sequence: 0,
            version: 1,
            sends: Sends::Both,
            sound_to: None,
            second_fork: None,
            answer_wait: T1,
            state: LegState::GivingUp,
        };
        let mut invite = leg.request(Method::Invite, &self.contact());
        self.identify(&mut invite, caller, desk);
        invite.headers.push(HeaderName::ContentType, "application/sdp");
        invite.body = description(ports.customer, leg.version, leg.sends);
        Some((leg, invite))
    }

    /// Who calls, as From says it.
    fn caller(&mut self, caller: &Party, desk: &Desk) -> NameAddr {
        let tag = self.chance.token();
        let account_in_from =
            self.profile.has(Quirk::AssertedIdentity) || self.profile.has(Quirk::RemotePartyId);
        let (display, user) = match &caller.number {
            None => (Some("Anonymous".to_owned()), "anonymous".to_owned()),
            Some(_) if account_in_from => (None, desk.account.clone()),
            Some(number) if self.profile.has(Quirk::NumberInDisplay) => {
                let told = self.told(number);
                (Some(format!("Sales:{told}")), told)
            }
            Some(number) => (None, self.told(number)),
        };
        let mut from = NameAddr::new(self.account_uri(&user));
        from.display = display.map(String::into_bytes);
        from.set_tag(&tag);
        from
    }

    /// A number as the PBX writes it.
    fn told(&self, number: &str) -> String {
        match number.strip_prefix("+7") {
            Some(national) if self.profile.has(Quirk::NationalNumbers) => format!("8{national}"),
            _ => number.to_owned(),
        }
    }

    /// What else the PBX tells of the caller and of where the call was before.
    fn identify(&self, invite: &mut Request, caller: &Party, desk: &Desk) {
        let host = self.address;
        let headers = &mut invite.headers;
        match &caller.number {
            Some(number) if self.profile.has(Quirk::AssertedIdentity) => {
                headers.push(HeaderName::PAssertedIdentity, format!("<sip:{number}@{host}>"));
            }
            Some(number) if self.profile.has(Quirk::RemotePartyId) => {
                let value = format!("<sip:{number}@{host}>;party=calling;privacy=off;screen=yes");
                headers.push(HeaderName::RemotePartyId, value);
            }
            None => headers.push(HeaderName::Privacy, "id"),
            Some(_) => {}
        }
        if self.profile.has(Quirk::Diversion) {
            headers.push(HeaderName::Diversion, format!("<sip:{}@{host}>;reason=unconditional", desk.did));
        }
        if self.profile.has(Quirk::SessionTimer) {
            headers.push(HeaderName::Supported, "timer");
            headers.push(HeaderName::SessionExpires, "1800");
        }
    }

    pub(super) fn account_uri(&self, user: &str) -> Uri {
        let host = Host::parse(self.address.ip().to_string().as_bytes());
        let host = host.unwrap_or_else(|_| Host::Name("localhost".into()));
        let uri =
            SipUri { user: Some(user.to_owned()), port: Some(self.address.port()), ..SipUri::new(host) };
        Uri::from(uri)
    }

    pub(super) fn contact(&self) -> String {
        self.door.contact(self.address)
    }

    /// The customer hangs up before an answer; one that came meanwhile is hung up.
    pub(super) fn give_up(&mut self, call: usize, now: Instant) {
        let Some(id) = self.leg_of(call, Side::Customer) else { return };
        let Some(leg) = self.legs.get_mut(&id) else { return };
        let LegState::Calling { invite } = leg.state else { return };
        if self.layer.cancel(invite, Vec::new(), now).is_ok() {
            leg.state = LegState::GivingUp;
            self.note(call, |deeds| deeds.gave_up = Some(now));
        }
    }

    /// The final response to a customer's INVITE.
    pub(super) fn customer_told(&mut self, call: usize, response: &Response, now: Instant) {
        let code = response.status.get();
        self.note(call, |deeds| {
            deeds.status.get_or_insert(code);
        });
        if response.status.is_success() {
            self.customer_connected(call, now);
        }
    }

    /// The customer's end talks: what follows is the plan of the talk.
    pub(super) fn customer_connected(&mut self, call: usize, now: Instant) {
        if self.deeds.get(&call).is_none_or(|deeds| deeds.connected.is_some()) {
            return;
        }
        self.note(call, |deeds| deeds.connected = Some(now));
        self.speak(call, Side::Customer);
        if self.profile.has(Quirk::ReinviteAfterAnswer) {
            let again = Task::Change(call, Side::Customer, Change::Refresh);
            self.later(now + Duration::from_millis(20), again);
        }
        let Some(Talk { talk_ms, ends, turn }) = self.talk_of(call) else { return };
        let after = |ms: u64| now + Duration::from_millis(ms);
        match turn {
            Turn::Straight => {}
            Turn::Hold(Hold { by, offer, end }) => {
                self.later(after(talk_ms / 3), Task::Change(call, by, Change::Hold(offer)));
                if end == HoldEnd::Retrieved {
                    self.later(after(talk_ms * 2 / 3), Task::Change(call, by, Change::Retrieve));
                }
            }
            // Who hangs up and when depends on what becomes of it.
            Turn::Handover(_) => return self.later(after(talk_ms / 3), Task::HandOver(call)),
        }
        self.later(after(talk_ms), Task::HangUp(call, ends));
        if let Some(intrusion) = self.intrusion_upon(call) {
            self.later(after(talk_ms / 4), Task::Begin(intrusion));
        }
    }

    pub(super) fn talk_of(&self, call: usize) -> Option<Talk> {
        match &self.world.calls.get(call)?.course {
            Course::Inbound { end: InboundEnd::Talk { talk, .. }, .. }
            | Course::Outbound { end: OutboundEnd::Talk { talk, .. }, .. } => Some(*talk),
            _ => None,
        }
    }

    /// A call that came into the middle of this one and is not over.
    pub(super) fn open_intrusion(&self, call: usize) -> Option<usize> {
        let intrusion = self.intrusion_upon(call)?;
        let open = |deeds: &Deeds| deeds.begun.is_some() && deeds.done.is_none();
        self.deeds.get(&intrusion).is_some_and(open).then_some(intrusion)
    }

    fn intrusion_upon(&self, call: usize) -> Option<usize> {
        let next = call + 1;
        let planned = self.world.calls.get(next)?;
        matches!(planned.course, Course::Intrusion { upon, .. } if upon == call).then_some(next)
    }
}
