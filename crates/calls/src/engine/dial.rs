//! A call that a user asks for: the user's device first, then the one to be called (RFC 3725 section 4.1, with our
//! own offers on both sides).
//!
//! The one to be called never rings before the agent is there. When nobody is reached the agent hears why, and then
//! the agent's leg is hung up.

use std::time::Duration;

use super::Engine;
use super::call::{Call, DeviceEnd, DeviceLeg, DeviceState, Dialling, Farewell, Heard, Stage};
use super::finish::{Ending, edit_body};
use super::outbox::Outbox;
use crate::effect::{Effect, HangUpReason, Tone};
use crate::event::Event;
use crate::id::{CallId, ContactId, DeviceId, LegId, UserId};
use crate::interaction::Outcome;
use crate::io::{DialStanding, Edit};
use crate::opening::{DialRequest, Opening};
use crate::rules::{NOT_THERE, OUT_OF_MEANS, callee_refused, phone_status};
use crate::signal::{CancelCause, EndCause, Lookup, Reason, Route, SignalBody, Source};

/// How long the one who is called may ring; networks give up earlier.
const CALLEE_RINGS: Duration = Duration::from_secs(90);
/// How long the agent hears that the called one was not reached.
const FAREWELL: Duration = Duration::from_secs(4);

impl Engine {
    /// Tells whether `user` may ask for a call to `number` now.
    pub fn dial_standing(&self, user: UserId, number: &str) -> DialStanding {
        let calls = self.calls_of.get(&user).into_iter().flatten();
        let mut live = calls.filter_map(|id| self.calls.get(id));
        let Some(other) = live.next() else { return DialStanding::Free };
        let asked_for = other.opening.is_asked_for();
        if asked_for && other.opening.number() == Some(number) && other.answered_at().is_none() {
            DialStanding::Underway(Box::new(other.view()))
        } else {
            DialStanding::InCall(other.id)
        }
    }

    pub(super) fn dial_requested(&mut self, request: DialRequest, route: Route, contact: Option<ContactId>) {
        let user = request.user;
        let Some(mut call) = self.call_requested(request, Source::User) else { return };
        call.record(Source::Crm, SignalBody::Routed(route.clone()), &mut self.out);
        if contact.is_some() {
            call.choose_contact(contact);
            call.record(Source::User, edit_body(Edit::Contact { contact, user }), &mut self.out);
        }
        self.show_requested(&mut call, user);
        if route.devices.is_empty() {
            call.never_dialled(CancelCause::AgentGone, Outcome::Canceled, &mut self.out);
        } else {
            call.ring(user, &route, &mut self.out);
        }
        self.settle(call, None);
    }

    /// A user dials on a device: it is there already, and hears what becomes of the one who is called.
    pub(super) fn phone_dialled(&mut self, request: DialRequest, leg: LegId, device: DeviceId, route: Route) {
        if self.out.legs.contains_key(&leg) {
            return;
        }
        let user = request.user;
        let Some(mut call) = self.call_requested(request.clone(), Source::Anchor) else { return };
        self.out.legs.insert(leg, call.id);
        call.devices.insert(leg, DeviceLeg::calling(user));
        call.routes.insert(user, route);
        call.record(Source::Anchor, SignalBody::PhoneDialled { leg, user, device }, &mut self.out);
        self.show_requested(&mut call, user);
        call.dial_callee(user, leg, request, &mut self.out);
        self.settle(call, None);
    }

    fn call_requested(&mut self, request: DialRequest, source: Source) -> Option<Call> {
        if self.out.legs.contains_key(&request.leg) {
            return None;
        }
        self.end_farewells_of(request.user);
        let id: CallId = self.out.ids.make(self.out.at);
        self.out.legs.insert(request.leg, id);
        let body = SignalBody::DialRequested(request.clone());
        let opened = self.out.record(id, source, self.out.at, body);
        let opening = Opening::Requested(request);
        let lookup = if opening.number_to_match(&[]).is_some() { Lookup::Pending } else { Lookup::Done };
        Some(Call::new(id, opening, opened, lookup, self.out.now, &self.out))
    }

    fn show_requested(&mut self, call: &mut Call, user: UserId) {
        self.out.publish(Event::CallCreated(call.view()));
        call.show_pop(user, &mut self.out);
        if let Some(number) = call.opening.number_to_match(&[]).map(str::to_owned) {
            self.out.effect(Effect::FindContact { call: call.id, number });
        }
    }

    /// Hangs up what a user only hears a tone on.
    fn end_farewells_of(&mut self, user: UserId) {
        let told = |call: &&Call| matches!(call.stage, Stage::Ended { farewell: Some(_), .. });
        let theirs = self.calls.values().filter(told).filter(|call| call.user() == Some(user));
        let calls: Vec<CallId> = theirs.map(|call| call.id).collect();
        for call in calls {
            self.on_call(call, Call::farewell_over);
        }
    }
}

impl Call {
    pub(super) fn dial_callee(&mut self, user: UserId, agent: LegId, request: DialRequest, out: &mut Outbox) {
        let DialRequest { leg, line, callee, caller_id, .. } = request;
        let deadline = out.now + CALLEE_RINGS;
        self.stage = Stage::Dialling(Dialling { user, agent, deadline, heard: Heard::Nothing });
        let dialled = self.record(Source::Engine, SignalBody::CalleeDialled { leg }, out);
        let call = self.id;
        out.effect_after(Effect::DialCallee { leg, call, line, dialled: callee.dialled, caller_id }, dialled);
        out.publish(Event::CallRinging(self.view()));
    }

    /// A phone rings: a device's, or the called one's.
    pub(super) fn progressed(&mut self, leg: LegId, status: u16, out: &mut Outbox) {
        if leg == self.customer() {
            self.callee_progressed(status, out);
        } else {
            self.device_progressed(leg, status, out);
        }
    }

    fn callee_progressed(&mut self, status: u16, out: &mut Outbox) {
        let leg = self.customer();
        let Stage::Dialling(dialling) = &mut self.stage else { return };
        if status < 180 || dialling.heard == Heard::Ringing {
            return;
        }
        dialling.heard = Heard::Ringing;
        let agent = dialling.agent;
        self.record(Source::Anchor, SignalBody::LegProgressed { leg, status }, out);
        // A device that dialled makes the tone itself.
        let calling = self.is_calling(agent);
        let told = Effect::RingBack { leg: agent };
        out.effect(if calling { told } else { Effect::PlayTone { leg: agent, tone: Tone::Ringback } });
        out.publish(Event::CallRinging(self.view()));
    }

    /// The called one's side sends sound before the answer; the ringback ends by itself once some comes.
    pub(super) fn early_media(&mut self, out: &mut Outbox) {
        let Stage::Dialling(Dialling { agent, .. }) = self.stage else { return };
        let leg = self.customer();
        let known = |signal: &crate::signal::Signal| signal.body == SignalBody::EarlyMedia { leg };
        if !self.signals.iter().any(known) {
            self.record(Source::Anchor, SignalBody::EarlyMedia { leg }, out);
            if self.is_calling(agent) {
                out.effect(Effect::AnswerEarly { leg: agent });
            }
            out.effect(Effect::BridgeMedia { customer: leg, agent });
        }
    }

    /// A device or the called one refused.
    pub(super) fn rejected(&mut self, leg: LegId, status: u16, reasons: Vec<Reason>, out: &mut Outbox) {
        if leg == self.customer() {
            self.callee_rejected(status, reasons, out);
        } else {
            self.device_rejected(leg, status, reasons, out);
        }
    }

    fn callee_rejected(&mut self, status: u16, reasons: Vec<Reason>, out: &mut Outbox) {
        let Stage::Dialling(Dialling { agent, .. }) = self.stage else { return };
        let leg = self.customer();
        self.record(Source::Anchor, SignalBody::LegRejected { leg, status, reasons }, out);
        self.end_unreached(agent, callee_refused(status), phone_status(status), out);
    }

    /// The called one's leg was lost between its answer and the connection.
    pub(super) fn callee_lost(&mut self, by: EndCause, reasons: Vec<Reason>, out: &mut Outbox) {
        let Stage::Dialling(Dialling { agent, .. }) = self.stage else { return };
        let leg = self.customer();
        self.record(Source::Anchor, SignalBody::LegEnded { leg, by, reasons }, out);
        self.end_unreached(agent, Outcome::Failed, OUT_OF_MEANS, out);
    }

    /// The called one rang long enough.
    pub(super) fn callee_late(&mut self, out: &mut Outbox) {
        let Stage::Dialling(Dialling { agent, .. }) = self.stage else { return };
        self.stop_dialling(CancelCause::RingTimeout, out);
        self.end_unreached(agent, Outcome::NoAnswer, NOT_THERE, out);
    }

    /// The called one was not reached: a device that dialled is told by a status, any other by a tone.
    fn end_unreached(&mut self, agent: LegId, outcome: Outcome, status: u16, out: &mut Outbox) {
        if self.is_calling(agent) {
            self.refuse_phone(agent, status, out);
            return self.finish(Ending::Gone { outcome }, out);
        }
        self.finish(Ending::Told { outcome, agent }, out);
    }

    /// Whether the leg is a device's that dialled and was not answered yet.
    pub(super) fn is_calling(&self, leg: LegId) -> bool {
        self.devices.get(&leg).is_some_and(|device| device.state == DeviceState::Calling)
    }

    /// Refuses the INVITE of a device that dialled.
    pub(super) fn refuse_phone(&mut self, leg: LegId, status: u16, out: &mut Outbox) {
        if let Some(device) = self.devices.get_mut(&leg) {
            device.state = DeviceState::Over(DeviceEnd::Rejected(status));
            out.legs.remove(&leg);
            let body = SignalBody::LegRejected { leg, status, reasons: Vec::new() };
            let rejected = self.record(Source::Engine, body, out);
            out.effect_after(Effect::RejectLeg { leg, status }, rejected);
        }
    }

    /// The one who is called answered: so is the device that dialled.
    pub(super) fn answer_phone(&mut self, leg: LegId, out: &mut Outbox) {
        if let Some(device) = self.devices.get_mut(&leg).filter(|device| device.state == DeviceState::Calling)
        {
            device.state = DeviceState::Answered;
            let answered = self.record(Source::Engine, SignalBody::LegAnswered { leg }, out);
            out.effect_after(Effect::AnswerLeg { leg }, answered);
        }
    }

    /// Gives the called one up; a 200 that crosses the CANCEL is acknowledged and hung up by the SIP layer.
    pub(super) fn stop_dialling(&mut self, by: CancelCause, out: &mut Outbox) {
        let leg = self.customer();
        self.record(Source::Engine, SignalBody::LegCancelled { leg, by, reasons: Vec::new() }, out);
        out.effect(Effect::CancelLeg { leg });
    }

    /// The call is over before the one to be called was dialled.
    pub(super) fn never_dialled(&mut self, by: CancelCause, outcome: Outcome, out: &mut Outbox) {
        let leg = self.customer();
        self.record(Source::Engine, SignalBody::LegCancelled { leg, by, reasons: Vec::new() }, out);
        self.finish(Ending::Gone { outcome }, out);
    }

    pub(super) fn tell_agent(&mut self, agent: LegId, outcome: Outcome, out: &mut Outbox) -> Farewell {
        let tone = match outcome {
            Outcome::Busy | Outcome::Rejected => Tone::Busy,
            _ => Tone::Congestion,
        };
        out.effect(Effect::PlayTone { leg: agent, tone });
        Farewell { agent, until: out.now + FAREWELL }
    }

    /// The agent has heard enough, or has hung up.
    pub(super) fn farewell_over(&mut self, out: &mut Outbox) {
        let Stage::Ended { farewell, .. } = &mut self.stage else { return };
        let Some(Farewell { agent, .. }) = farewell.take() else { return };
        if out.legs.contains_key(&agent) {
            self.hang_up_device(agent, EndCause::Local, HangUpReason::OtherPartyGone, out);
        }
        self.release_media(out);
        self.save_if_complete(out);
    }
}
