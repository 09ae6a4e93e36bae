//! From the INVITE to the first answer: pop, route, devices, refusals, ring time.

use std::time::Duration;

use super::call::{
    Call, DeviceEnd, DeviceLeg, DeviceState, Heard, Ringing, Stage, Talking, first_to_ring, take_next,
};
use super::finish::Ending;
use super::outbox::Outbox;
use crate::effect::{Effect, HangUpReason, Pickup};
use crate::event::Event;
use crate::id::{CallId, LegId, UserId};
use crate::interaction::Outcome;
use crate::opening::Opening;
use crate::rules::{
    NOT_ACCEPTABLE, NOT_THERE, OUT_OF_MEANS, Refusal, final_status, never_there, refusal, refuses_everywhere,
    unanswered,
};
use crate::signal::{CancelCause, EndCause, MediaFault, Reason, Route, RoutedDevice, SignalBody, Source};

/// How long a CANCEL may stay without final response: 64*T1 (RFC 3261 section 9.1) and some.
const CANCEL_WAIT: Duration = Duration::from_secs(40);
/// How long the customer's 200 may wait to be sent; durability takes 100 ms of it.
const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// What a ring time is kept within.
const RING_MS: std::ops::RangeInclusive<u32> = 1_000..=600_000;

impl Call {
    /// The route is known: rings the user, or says why not. `busy_with` is the user's other call.
    pub(super) fn route_found(&mut self, route: Route, busy_with: Option<CallId>, out: &mut Outbox) {
        if !self.is_routing() {
            return;
        }
        self.record(Source::Crm, SignalBody::Routed(route.clone()), out);
        let Some(user) = route.user.filter(|_| !route.devices.is_empty()) else {
            self.offer_to(route.user);
            self.reject(Outcome::NoAnswer, final_status(Outcome::NoAnswer), out);
            return;
        };
        if let Some(other) = busy_with.filter(|_| !route.allow_call_waiting) {
            self.offer_to(route.user);
            self.record(Source::Engine, SignalBody::UserInCall { user, other }, out);
            self.reject(Outcome::Busy, final_status(Outcome::Busy), out);
            return;
        }
        self.withdraw_pops_but(user, out);
        self.show_pop(user, out);
        self.ring(user, &route, out);
    }

    /// Keeps the engine's idea of whose call it is in step with the route.
    fn offer_to(&mut self, user: Option<UserId>) {
        if let Opening::Offered(offer) = &mut self.opening {
            offer.user = user;
        }
    }

    pub(super) fn route_unavailable(&mut self, out: &mut Outbox) {
        if self.is_routing() {
            self.record(Source::Crm, SignalBody::RouteUnavailable {}, out);
            self.reject(Outcome::Failed, OUT_OF_MEANS, out);
        }
    }

    pub(super) fn media_unavailable(&mut self, why: MediaFault, out: &mut Outbox) {
        if matches!(self.stage, Stage::Routing { .. } | Stage::Ringing(_) | Stage::Answering { .. }) {
            self.record(Source::Media, SignalBody::MediaUnavailable { why }, out);
            self.release_devices(CancelCause::System, EndCause::Local, HangUpReason::System, out);
            if self.opening.is_asked_for() {
                return self.never_dialled(CancelCause::System, Outcome::Failed, out);
            }
            let status = match why {
                MediaFault::NoPort | MediaFault::NoRoom => OUT_OF_MEANS,
                MediaFault::NoCodec | MediaFault::NoEncryption => NOT_ACCEPTABLE,
            };
            self.reject(Outcome::Failed, status, out);
        }
    }

    /// Dials the user's devices, or the first of them.
    pub(super) fn ring(&mut self, user: UserId, route: &Route, out: &mut Outbox) {
        let (first, pending) = first_to_ring(route);
        let timeout_ms = ring_time_ms(route);
        self.routes.insert(user, route.clone());
        let deadline = out.now + Duration::from_millis(u64::from(timeout_ms));
        // Several phones that pick up by themselves would all do so.
        let alone = first.len() == 1 && self.opening.is_asked_for();
        let pickup = if alone { Pickup::ByItself } else { Pickup::ByHand };
        let heard = Heard::Nothing;
        self.stage = Stage::Ringing(Ringing { user, pending, timeout_ms, deadline, heard, pickup });
        for device in first {
            self.dial(user, device, pickup, out);
        }
    }

    pub(super) fn dial(&mut self, user: UserId, device: RoutedDevice, pickup: Pickup, out: &mut Outbox) {
        let leg: LegId = out.ids.make(out.at);
        out.legs.insert(leg, self.id);
        self.devices.insert(leg, DeviceLeg::dialled(Some(user)));
        self.record(Source::Engine, SignalBody::LegDialled { leg, user, device: device.device }, out);
        out.effect(Effect::DialDevice {
            leg,
            call: self.id,
            line: self.opening.line(),
            device,
            caller: self.shown_on_device(),
            pickup,
        });
    }

    pub(super) fn device_progressed(&mut self, leg: LegId, status: u16, out: &mut Outbox) {
        let Some(device) = self.devices.get_mut(&leg) else {
            return;
        };
        if device.state != DeviceState::Dialled || status < 180 {
            return;
        }
        device.state = DeviceState::Ringing;
        self.record(Source::Anchor, SignalBody::LegProgressed { leg, status }, out);
        if self.is_transferring() {
            self.other_rings(out);
        } else if let Stage::Ringing(ringing) = &mut self.stage
            && ringing.heard == Heard::Nothing
        {
            ringing.heard = Heard::Ringing;
            if !self.opening.is_asked_for() {
                out.effect_after(Effect::RingBack { leg: self.customer() }, self.opened_by);
            }
            out.publish(Event::CallRinging(self.view()));
        }
    }

    pub(super) fn device_answered(&mut self, leg: LegId, out: &mut Outbox) {
        let Some(device) = self.devices.get_mut(&leg) else {
            return;
        };
        match (device.state, &self.stage) {
            (DeviceState::Dialled | DeviceState::Ringing, Stage::Ringing(ringing)) => {
                let user = ringing.user;
                device.state = DeviceState::Answered;
                let answered = self.record(Source::Anchor, SignalBody::LegAnswered { leg }, out);
                self.cancel_devices(CancelCause::AnsweredElsewhere, out);
                if let Opening::Requested(request) = self.opening.clone() {
                    return self.dial_callee(user, leg, request, out);
                }
                let customer = self.customer();
                self.stage = Stage::Answering { user, agent: leg, deadline: out.now + ANSWER_WAIT };
                out.effect(Effect::BridgeMedia { customer, agent: leg });
                out.effect_after(Effect::AnswerLeg { leg: customer }, answered);
            }
            (
                DeviceState::Dialled | DeviceState::Ringing,
                Stage::Talking(Talking { transfer: Some(_), .. }),
            ) => {
                device.state = DeviceState::Answered;
                self.record(Source::Anchor, SignalBody::LegAnswered { leg }, out);
                self.other_answered(leg, out);
            }
            (DeviceState::Dialled | DeviceState::Ringing | DeviceState::Cancelling { .. }, _) => {
                self.record(Source::Anchor, SignalBody::LegAnswered { leg }, out);
                self.hang_up_device(leg, EndCause::Local, HangUpReason::AnsweredElsewhere, out);
            }
            (DeviceState::Calling | DeviceState::Answered | DeviceState::Over(_), _) => {}
        }
    }

    pub(super) fn device_rejected(
        &mut self,
        leg: LegId,
        status: u16,
        reasons: Vec<Reason>,
        out: &mut Outbox,
    ) {
        let Some(device) = self.devices.get_mut(&leg) else {
            return;
        };
        match device.state {
            DeviceState::Cancelling { cause, .. } => {
                device.state = DeviceState::Over(DeviceEnd::Cancelled(cause));
                out.legs.remove(&leg);
            }
            DeviceState::Dialled | DeviceState::Ringing => {
                device.state = DeviceState::Over(DeviceEnd::Rejected(status));
                out.legs.remove(&leg);
                self.record(Source::Anchor, SignalBody::LegRejected { leg, status, reasons }, out);
                if self.is_transferring() {
                    return self.other_refused(Some(refusal(status)), out);
                }
                if refuses_everywhere(status) {
                    self.cancel_devices(CancelCause::DeclinedElsewhere, out);
                    self.give_up(out);
                } else {
                    self.ring_on(out);
                }
            }
            DeviceState::Calling | DeviceState::Answered | DeviceState::Over(_) => {}
        }
    }

    /// A device's leg was lost before its answer.
    pub(super) fn device_lost(&mut self, leg: LegId, by: EndCause, reasons: Vec<Reason>, out: &mut Outbox) {
        let Some(device) = self.devices.get_mut(&leg) else {
            return;
        };
        match device.state {
            DeviceState::Cancelling { cause, .. } => {
                device.state = DeviceState::Over(DeviceEnd::Cancelled(cause));
                out.legs.remove(&leg);
            }
            DeviceState::Dialled | DeviceState::Ringing => {
                self.device_over(leg, by, reasons, out);
                if self.is_transferring() {
                    return self.other_refused(Some(Refusal::Fault), out);
                }
                self.ring_on(out);
            }
            DeviceState::Calling | DeviceState::Answered | DeviceState::Over(_) => {}
        }
    }

    /// The ring time of those who ring is over.
    pub(super) fn ring_over(&mut self, out: &mut Outbox) {
        self.cancel_devices(CancelCause::RingTimeout, out);
        self.ring_on(out);
    }

    /// Rings the next device when none rings; gives up when there is none.
    fn ring_on(&mut self, out: &mut Outbox) {
        let rings = |leg: &DeviceLeg| matches!(leg.state, DeviceState::Dialled | DeviceState::Ringing);
        if self.devices.values().any(rings) {
            return;
        }
        let Stage::Ringing(ringing) = &mut self.stage else {
            return;
        };
        let next = take_next(&mut ringing.pending);
        if next.is_empty() {
            self.give_up(out);
            return;
        }
        ringing.deadline = out.now + Duration::from_millis(u64::from(ringing.timeout_ms));
        let (user, pickup) = (ringing.user, ringing.pickup);
        for device in next {
            self.dial(user, device, pickup, out);
        }
    }

    /// Tells the PBX what the devices' refusals come to.
    pub(super) fn give_up(&mut self, out: &mut Outbox) {
        if self.opening.is_asked_for() {
            let outcome = never_there(self.decisive_refusal());
            return self.never_dialled(CancelCause::AgentGone, outcome, out);
        }
        let outcome = unanswered(self.decisive_refusal());
        self.reject(outcome, final_status(outcome), out);
    }

    fn reject(&mut self, outcome: Outcome, status: u16, out: &mut Outbox) {
        self.finish(Ending::Refused { outcome, status }, out);
    }

    /// Cancels every device that was dialled and has not answered.
    pub(super) fn cancel_devices(&mut self, cause: CancelCause, out: &mut Outbox) {
        let mut cancelled = Vec::new();
        for (leg, device) in &mut self.devices {
            if let DeviceState::Dialled | DeviceState::Ringing = device.state {
                device.state = DeviceState::Cancelling { cause, deadline: out.now + CANCEL_WAIT };
                cancelled.push(*leg);
            }
        }
        for leg in cancelled {
            let body = SignalBody::LegCancelled { leg, by: cause, reasons: Vec::new() };
            self.record(Source::Engine, body, out);
            out.effect(Effect::CancelLeg { leg });
        }
    }

    /// Cancels the devices that ring and hangs up on those that answered.
    pub(super) fn release_devices(
        &mut self,
        cause: CancelCause,
        by: EndCause,
        reason: HangUpReason,
        out: &mut Outbox,
    ) {
        self.cancel_devices(cause, out);
        let answered = |leg: &DeviceLeg| matches!(leg.state, DeviceState::Calling | DeviceState::Answered);
        let legs: Vec<LegId> =
            self.devices.iter().filter(|(_, leg)| answered(leg)).map(|(leg, _)| *leg).collect();
        for leg in legs {
            self.hang_up_device(leg, by, reason, out);
        }
    }

    pub(super) fn hang_up_device(
        &mut self,
        leg: LegId,
        by: EndCause,
        reason: HangUpReason,
        out: &mut Outbox,
    ) {
        if self.is_calling(leg) {
            return self.refuse_phone(leg, NOT_THERE, out);
        }
        self.device_over(leg, by, Vec::new(), out);
        out.effect(Effect::HangUpLeg { leg, reason });
    }

    pub(super) fn device_over(&mut self, leg: LegId, by: EndCause, reasons: Vec<Reason>, out: &mut Outbox) {
        if let Some(device) = self.devices.get_mut(&leg) {
            device.state = DeviceState::Over(DeviceEnd::Ended(by));
            out.legs.remove(&leg);
            self.record(Source::Anchor, SignalBody::LegEnded { leg, by, reasons }, out);
        }
    }

    /// Forgets the legs whose CANCEL was never answered.
    pub(super) fn cancel_late(&mut self, out: &mut Outbox) {
        for (leg, device) in &mut self.devices {
            if let DeviceState::Cancelling { cause, deadline } = device.state
                && deadline <= out.now
            {
                device.state = DeviceState::Over(DeviceEnd::Cancelled(cause));
                out.legs.remove(leg);
            }
        }
    }
}

/// How long a route's devices ring; in order, each of them.
pub(super) fn ring_time_ms(route: &Route) -> u32 {
    route.ring_timeout_ms.clamp(*RING_MS.start(), *RING_MS.end())
}
