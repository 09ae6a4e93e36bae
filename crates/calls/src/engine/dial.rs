//! A call that a user asks for: the user's device first, then the one to be called (RFC 3725 section 4.1, with our
//! own offers on both sides).
//!
//! The one to be called never rings before the agent is there. When nobody is reached the agent hears why, and then
//! the agent's leg is hung up.

use std::time::Duration;

use super::Engine;
use super::call::{Call, Dialling, Farewell, Heard, Stage};
use super::finish::{Ending, edit_body};
use super::outbox::Outbox;
use crate::effect::{Effect, HangUpReason, Tone};
use crate::event::Event;
use crate::id::{CallId, ContactId, LegId, UserId};
use crate::interaction::Outcome;
use crate::io::{DialStanding, Edit};
use crate::opening::{DialRequest, Opening};
use crate::rules::callee_refused;
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
        if self.out.legs.contains_key(&request.leg) {
            return;
        }
        self.end_farewells_of(request.user);
        let id: CallId = self.out.ids.make(self.out.at);
        self.out.legs.insert(request.leg, id);
        let user = request.user;
        let body = SignalBody::DialRequested(request.clone());
        let opened = self.out.record(id, Source::User, self.out.at, body);
        let opening = Opening::Requested(request);
        let number = opening.number_to_match(&[]).map(str::to_owned);
        let lookup = if number.is_some() { Lookup::Pending } else { Lookup::Done };
        let mut call = Call::new(id, opening, opened, lookup, self.out.now, &self.out);
        call.record(Source::Crm, SignalBody::Routed(route.clone()), &mut self.out);
        if contact.is_some() {
            call.choose_contact(contact);
            call.record(Source::User, edit_body(Edit::Contact { contact, user }), &mut self.out);
        }
        self.out.publish(Event::CallCreated(call.view()));
        call.show_pop(user, &mut self.out);
        if let Some(number) = number {
            self.out.effect(Effect::FindContact { call: id, number });
        }
        if route.devices.is_empty() {
            call.never_dialled(CancelCause::AgentGone, Outcome::Canceled, &mut self.out);
        } else {
            call.ring(user, &route, &mut self.out);
        }
        self.settle(call, None);
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
        out.effect(Effect::PlayTone { leg: agent, tone: Tone::Ringback });
        out.publish(Event::CallRinging(self.view()));
    }

    /// The called one's side sends sound before the answer; the ringback ends by itself once some comes.
    pub(super) fn early_media(&mut self, out: &mut Outbox) {
        let Stage::Dialling(Dialling { agent, .. }) = self.stage else { return };
        let leg = self.customer();
        let known = |signal: &crate::signal::Signal| signal.body == SignalBody::EarlyMedia { leg };
        if !self.signals.iter().any(known) {
            self.record(Source::Anchor, SignalBody::EarlyMedia { leg }, out);
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
        self.finish(Ending::Told { outcome: callee_refused(status), agent }, out);
    }

    /// The called one's leg was lost between its answer and the connection.
    pub(super) fn callee_lost(&mut self, by: EndCause, reasons: Vec<Reason>, out: &mut Outbox) {
        let Stage::Dialling(Dialling { agent, .. }) = self.stage else { return };
        let leg = self.customer();
        self.record(Source::Anchor, SignalBody::LegEnded { leg, by, reasons }, out);
        self.finish(Ending::Told { outcome: Outcome::Failed, agent }, out);
    }

    /// The called one rang long enough.
    pub(super) fn callee_late(&mut self, out: &mut Outbox) {
        let Stage::Dialling(Dialling { agent, .. }) = self.stage else { return };
        self.stop_dialling(CancelCause::RingTimeout, out);
        self.finish(Ending::Told { outcome: Outcome::NoAnswer, agent }, out);
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
        out.effect(Effect::ReleaseMedia { call: self.id });
        self.save_if_complete(out);
    }
}
