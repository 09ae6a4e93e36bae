//! A customer is handed over: at once, after a question, or back to the agent whom nobody relieved.
//!
//! The customer's leg stays, and with it the interaction and its recording; only who talks with the customer changes. The
//! agent's leg stays until the other has answered, so that the customer can come back; an agent who hangs up meanwhile
//! leaves the customer to the other, and is rung again when the other does not come.

use std::collections::VecDeque;
use std::time::Duration;

use super::Engine;
use super::call::{
    Call, DeviceLeg, DeviceState, Holder, Stage, Talking, Transfer, TransferStep, first_to_ring, take_next,
};
use super::hold::Edge;
use super::outbox::Outbox;
use super::ring::ring_time_ms;
use crate::effect::{Effect, HangUpReason, Pickup, Tone};
use crate::event::{Event, Viewer};
use crate::id::{CallId, LegId, UserId};
use crate::pop::PopState;
use crate::rules::Refusal;
use crate::signal::{CancelCause, EndCause, Reason, Route, SignalBody, Source, SpanKind};
use crate::transfer::{
    TalkRefusal, TransferFault, TransferKind, TransferRequest, TransferTarget, TransferredBy,
};

/// How long a number that is no user's may ring, in milliseconds.
const OTHER_RINGS_MS: u32 = 45_000;

impl Engine {
    /// Tells whether `viewer` may hand the customer of a call over to `to` now.
    ///
    /// # Errors
    /// Why not.
    pub fn may_transfer(
        &self,
        call: CallId,
        viewer: &Viewer,
        to: &TransferTarget,
    ) -> Result<UserId, TalkRefusal> {
        let talking = self.talk(call, viewer)?;
        if talking.transfer.is_some() {
            return Err(TalkRefusal::TransferUnderWay);
        }
        let TransferTarget::User { route, .. } = to else { return Ok(talking.user) };
        match route.user {
            Some(other) if other == talking.user => Err(TalkRefusal::SameUser),
            _ if route.devices.is_empty() => Err(TalkRefusal::NoDevice),
            Some(other) if !route.allow_call_waiting && self.other_call(other, call).is_some() => {
                Err(TalkRefusal::UserInCall)
            }
            _ => Ok(talking.user),
        }
    }

    /// Tells whether `viewer` may connect the customer of a call with the one who was asked first.
    ///
    /// # Errors
    /// Why not.
    pub fn may_complete(&self, call: CallId, viewer: &Viewer) -> Result<(), TalkRefusal> {
        match self.talk(call, viewer)?.transfer {
            Some(Transfer { step: TransferStep::Consulting { .. }, .. }) => Ok(()),
            Some(_) => Err(TalkRefusal::TransferUnderWay),
            None => Err(TalkRefusal::NoTransfer),
        }
    }

    /// Who is asked before the customer of a call is handed over, with what was wished for; `None` while nobody is.
    #[must_use]
    pub fn consultation(&self, call: CallId) -> Option<(LegId, &TransferRequest)> {
        match &self.calls.get(&call)?.stage {
            Stage::Talking(Talking { transfer: Some(transfer), .. }) => match transfer.step {
                TransferStep::Consulting { leg } => Some((leg, &transfer.request)),
                TransferStep::Ringing { .. } => None,
            },
            _ => None,
        }
    }
}

/// The wish, and what becomes of the one to whom the customer is to go.
impl Call {
    pub(super) fn transfer_requested(&mut self, request: TransferRequest, out: &mut Outbox) {
        let free = matches!(self.stage, Stage::Talking(Talking { transfer: None, .. }));
        if !free {
            return;
        }
        let source = if request.asked_on.is_some() { Source::Anchor } else { Source::User };
        self.record(source, SignalBody::TransferRequested(request.clone()), out);
        let customer = self.customer();
        if request.kind == TransferKind::Attended {
            let body = SignalBody::HoldRequested { user: request.by };
            self.hold(Holder::User, source, body, out);
        } else {
            out.effect(Effect::UnbridgeMedia { leg: customer });
            out.effect(Effect::PlayTone { leg: customer, tone: Tone::Hold });
        }
        self.mark(SpanKind::Transfer, Edge::Begin, out);
        self.ring_other(request, out);
    }

    /// Rings the other, and shows it who comes.
    fn ring_other(&mut self, request: TransferRequest, out: &mut Outbox) {
        let (devices, pending, timeout_ms) = match &request.to {
            TransferTarget::User { route, .. } => {
                let (first, pending) = first_to_ring(route);
                (first, pending, ring_time_ms(route))
            }
            TransferTarget::Number { .. } => (Vec::new(), VecDeque::new(), OTHER_RINGS_MS),
        };
        let deadline = out.now + Duration::from_millis(u64::from(timeout_ms));
        let step = TransferStep::Ringing { pending, timeout_ms, deadline };
        let Stage::Talking(talking) = &mut self.stage else { return };
        talking.transfer = Some(Transfer { request: request.clone(), step });
        match &request.to {
            TransferTarget::User { route, .. } => self.ring_user(&request, route, devices, out),
            TransferTarget::Number { number, dialled, replaces } => {
                self.dial_other(number, dialled.clone(), replaces.clone(), out);
            }
        }
        out.publish(Event::CallHeld(self.view()));
    }

    fn ring_user(
        &mut self,
        request: &TransferRequest,
        route: &Route,
        devices: Vec<crate::signal::RoutedDevice>,
        out: &mut Outbox,
    ) {
        let Some(user) = route.user else { return };
        self.routes.insert(user, route.clone());
        let by = TransferredBy { user_id: request.by, name: request.by_name.clone() };
        let by = (request.kind != TransferKind::Recall).then_some(by);
        self.show_pop_as(user, self.face().handed_over(by), out);
        for device in devices {
            self.dial(user, device, Pickup::ByHand, out);
        }
    }

    fn dial_other(&mut self, number: &str, dialled: String, replaces: Option<String>, out: &mut Outbox) {
        let leg: LegId = out.ids.make(out.at);
        out.legs.insert(leg, self.id);
        self.devices.insert(leg, DeviceLeg::dialled(None));
        let body = SignalBody::OtherDialled { leg, number: number.to_owned() };
        let recorded = self.record(Source::Engine, body, out);
        let (call, line, caller) = (self.id, self.opening.line(), self.shown_on_device());
        out.effect_after(Effect::DialOther { leg, call, line, dialled, replaces, caller }, recorded);
    }

    /// The other rings: whoever waits for it hears so.
    pub(super) fn other_rings(&mut self, out: &mut Outbox) {
        let customer = self.customer();
        let Stage::Talking(Talking { agent, transfer: Some(transfer), .. }) = &self.stage else { return };
        let (agent, kind, asked_on) = (*agent, transfer.request.kind, transfer.request.asked_on);
        let asks = kind == TransferKind::Attended && self.is_there(agent);
        out.effect(Effect::PlayTone { leg: if asks { agent } else { customer }, tone: Tone::Ringback });
        if let Some(leg) = asked_on {
            out.effect(Effect::TellReferrer { leg, status: 180 });
        }
    }

    /// Whether a leg is answered and not over.
    pub(super) fn is_there(&self, leg: LegId) -> bool {
        self.devices.get(&leg).is_some_and(|device| device.state == DeviceState::Answered)
    }

    pub(super) fn other_answered(&mut self, leg: LegId, out: &mut Outbox) {
        self.cancel_devices(CancelCause::AnsweredElsewhere, out);
        let user = self.devices.get(&leg).and_then(|device| device.user);
        let Stage::Talking(Talking { agent, transfer: Some(transfer), .. }) = &mut self.stage else { return };
        let (agent, kind) = (*agent, transfer.request.kind);
        let there = self.devices.get(&agent).is_some_and(|device| device.state == DeviceState::Answered);
        if kind != TransferKind::Attended || !there {
            return self.connect_other(leg, out);
        }
        transfer.step = TransferStep::Consulting { leg };
        out.effect(Effect::StopTone { leg: agent });
        // Not the customer's talk: neither of these two legs is the one that is recorded.
        out.effect(Effect::BridgeMedia { customer: agent, agent: leg });
        if let Some(user) = user {
            self.pop_taken_by(user, out);
        }
        out.publish(Event::CallHeld(self.view()));
    }

    /// Customer and the other are connected; the agent is free.
    fn connect_other(&mut self, leg: LegId, out: &mut Outbox) {
        let customer = self.customer();
        let user = self.devices.get(&leg).and_then(|device| device.user);
        let Stage::Talking(talking) = &mut self.stage else { return };
        let Some(transfer) = talking.transfer.take() else { return };
        let (before, held) = (talking.agent, talking.agent_holds());
        let free = talking.holders.is_empty();
        talking.agent = leg;
        talking.holders.retain(|holder| *holder == Holder::Leg(customer));
        let freed = !free && talking.holders.is_empty();
        let former = std::mem::replace(&mut talking.user, user.unwrap_or(transfer.request.by));
        self.record(Source::Engine, SignalBody::Bridged { customer, agent: leg }, out);
        out.effect(Effect::StopTone { leg: customer });
        out.effect(Effect::BridgeMedia { customer, agent: leg });
        if held {
            out.effect(Effect::RetrieveLeg { leg: customer });
        }
        if freed {
            self.mark(SpanKind::Hold, Edge::End, out);
        }
        self.mark(SpanKind::Transfer, Edge::End, out);
        if let Some(asked_on) = transfer.request.asked_on {
            out.effect(Effect::TellReferrer { leg: asked_on, status: 200 });
        }
        if self.is_there(before) {
            self.hang_up_device(before, EndCause::Local, HangUpReason::Transferred, out);
        }
        out.effect(Effect::ReleaseLeg { leg: before });
        if Some(former) != user {
            self.withdraw(out, |pop| (pop.user_id == former).then_some((PopState::Ended, None)));
        }
        if let Some(user) = user {
            self.pop_answered_by(user, out);
        }
        out.publish(Event::CallTransferred(self.view()));
    }

    /// A phone of the other refused or was lost: the next one, or none.
    pub(super) fn other_refused(&mut self, last: Option<Refusal>, out: &mut Outbox) {
        let rings = |leg: &DeviceLeg| matches!(leg.state, DeviceState::Dialled | DeviceState::Ringing);
        if self.devices.values().any(rings) {
            return;
        }
        let Stage::Talking(Talking { transfer: Some(transfer), .. }) = &mut self.stage else { return };
        let TransferStep::Ringing { pending, timeout_ms, deadline } = &mut transfer.step else { return };
        let next = take_next(pending);
        if let (false, Some(user)) = (next.is_empty(), transfer.request.to.user()) {
            *deadline = out.now + Duration::from_millis(u64::from(*timeout_ms));
            for device in next {
                self.dial(user, device, Pickup::ByHand, out);
            }
            return;
        }
        let why = match last {
            Some(Refusal::Busy) => TransferFault::Busy,
            Some(Refusal::Declined) => TransferFault::Declined,
            Some(Refusal::RangOut) => TransferFault::NoAnswer,
            Some(Refusal::Absent | Refusal::Fault) | None => TransferFault::Unreachable,
        };
        self.transfer_failed(why, out);
    }

    /// The other rang long enough.
    pub(super) fn transfer_late(&mut self, out: &mut Outbox) {
        self.cancel_devices(CancelCause::RingTimeout, out);
        self.other_refused(Some(Refusal::RangOut), out);
    }
}

/// How a transfer ends in another way.
impl Call {
    /// The PBX has connected the customer with somebody else: both legs here are over.
    pub(super) fn handed_to_pbx(&mut self, number: String, out: &mut Outbox) {
        let Stage::Talking(talking) = &mut self.stage else { return };
        match talking.transfer.take() {
            Some(Transfer { step: TransferStep::Consulting { .. }, .. }) => {
                self.mark(SpanKind::Transfer, Edge::End, out);
            }
            None => {}
            ringing => {
                talking.transfer = ringing;
                return;
            }
        }
        self.record(Source::Anchor, SignalBody::HandedToPbx { number }, out);
        let reason = HangUpReason::Transferred;
        self.release_devices(CancelCause::AnsweredElsewhere, EndCause::Local, reason, out);
        self.hang_up_customer(EndCause::Local, reason, out);
    }

    /// The agent connects the customer with the one who was asked.
    pub(super) fn complete_transfer(&mut self, out: &mut Outbox) {
        if let Some(leg) = self.consulted() {
            self.connect_other(leg, out);
        }
    }

    /// The leg of the one whom the agent asks.
    pub(super) fn consulted(&self) -> Option<LegId> {
        match &self.stage {
            Stage::Talking(Talking { transfer: Some(Transfer { step, .. }), .. }) => match step {
                TransferStep::Consulting { leg } => Some(*leg),
                TransferStep::Ringing { .. } => None,
            },
            _ => None,
        }
    }

    pub(super) fn is_transferring(&self) -> bool {
        matches!(self.stage, Stage::Talking(Talking { transfer: Some(_), .. }))
    }

    /// The agent takes the customer back.
    pub(super) fn give_up_transfer(&mut self, out: &mut Outbox) {
        if !self.is_transferring() {
            return;
        }
        self.cancel_devices(CancelCause::HungUp, out);
        if let Some(other) = self.consulted() {
            self.hang_up_device(other, EndCause::Local, HangUpReason::Requested, out);
        }
        self.transfer_failed(TransferFault::GivenUp, out);
    }

    /// The agent's leg is over while the customer is being handed over: the other gets the customer, once it is there.
    pub(super) fn agent_left_transfer(&mut self, agent: LegId, out: &mut Outbox) {
        if let Some(other) = self.consulted() {
            return self.connect_other(other, out);
        }
        out.effect(Effect::ReleaseLeg { leg: agent });
        let left = self.devices.get(&agent).and_then(|leg| leg.user);
        self.withdraw(out, |pop| (Some(pop.user_id) == left).then_some((PopState::Ended, None)));
        let rings = self.devices.values().any(|leg| leg.state == DeviceState::Ringing);
        if rings {
            out.effect(Effect::PlayTone { leg: self.customer(), tone: Tone::Ringback });
        }
        out.publish(Event::CallHeld(self.view()));
    }

    /// The one who was asked hung up, or its leg was lost.
    pub(super) fn other_left(&mut self, leg: LegId, by: EndCause, reasons: Vec<Reason>, out: &mut Outbox) {
        self.device_over(leg, by, reasons, out);
        out.effect(Effect::ReleaseLeg { leg });
        self.transfer_failed(TransferFault::OtherLeft, out);
    }

    fn transfer_failed(&mut self, why: TransferFault, out: &mut Outbox) {
        let customer = self.customer();
        let Stage::Talking(talking) = &mut self.stage else { return };
        let Some(transfer) = talking.transfer.take() else { return };
        let (agent, held) = (talking.agent, talking.agent_holds());
        let in_interface = talking.holders.contains(&Holder::User);
        let request = transfer.request;
        self.record(Source::Engine, SignalBody::TransferFailed { why }, out);
        self.mark(SpanKind::Transfer, Edge::End, out);
        if let Some(leg) = request.asked_on {
            out.effect(Effect::TellReferrer { leg, status: told_referrer(why) });
        }
        let (other, by) = (request.to.user(), request.by);
        self.withdraw(out, |pop| (Some(pop.user_id) == other).then_some((PopState::Elsewhere, Some(by))));
        if !self.is_there(agent) {
            return self.recall(&request, out);
        }
        out.effect(Effect::StopTone { leg: agent });
        if !in_interface {
            out.effect(Effect::BridgeMedia { customer, agent });
        }
        if held {
            out.effect(Effect::PlayTone { leg: customer, tone: Tone::Hold });
            out.publish(Event::CallHeld(self.view()));
        } else {
            out.effect(Effect::StopTone { leg: customer });
            out.publish(Event::CallRetrieved(self.view()));
        }
    }

    /// Nobody has the customer: the agent is rung again, once.
    fn recall(&mut self, failed: &TransferRequest, out: &mut Outbox) {
        let route = self.routes.get(&failed.by).filter(|route| !route.devices.is_empty()).cloned();
        let Some(route) = route.filter(|_| failed.kind != TransferKind::Recall) else {
            return self.hang_up_customer(EndCause::Local, HangUpReason::OtherPartyGone, out);
        };
        let request = TransferRequest {
            by: failed.by,
            by_name: failed.by_name.clone(),
            kind: TransferKind::Recall,
            to: TransferTarget::User { name: failed.by_name.clone(), route },
            asked_on: None,
        };
        self.record(Source::Engine, SignalBody::TransferRequested(request.clone()), out);
        self.mark(SpanKind::Transfer, Edge::Begin, out);
        out.effect(Effect::PlayTone { leg: self.customer(), tone: Tone::Hold });
        self.ring_other(request, out);
    }
}

/// What a phone that asked for a transfer is told of its end (RFC 3515 section 2.4.5).
fn told_referrer(why: TransferFault) -> u16 {
    match why {
        TransferFault::Busy => 486,
        TransferFault::Declined => 603,
        TransferFault::NoAnswer => 480,
        TransferFault::Unreachable => 503,
        TransferFault::GivenUp | TransferFault::OtherLeft => 487,
    }
}
