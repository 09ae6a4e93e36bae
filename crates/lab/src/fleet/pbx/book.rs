//! The legs of calls: taken in, found, over; and what is done when a call is.

use std::time::{Duration, Instant};

use super::leg::{Leg, LegId, LegState};
use super::phones::T1;
use super::{FORGOTTEN_AFTER, PAUSE, Pbx, PbxOutput, STUCK_AFTER, Task};
use crate::fleet::talk::Side;
use crate::fleet::world::{Course, Network, OutboundEnd, PlannedCall};

impl Pbx {
    pub(super) fn stuck(&mut self, call: usize, now: Instant) {
        if self.deeds.get(&call).is_some_and(|deeds| deeds.done.is_some()) {
            return;
        }
        let open: Vec<LegId> = self.open_legs(call).collect();
        let stand: Vec<String> = open.iter().filter_map(|leg| self.legs.get(leg)).map(standing).collect();
        let refused = self.deeds.get(&call).and_then(|deeds| deeds.refused.clone());
        let stand = stand.into_iter().chain(refused).collect::<Vec<_>>().join(", ");
        self.fault(call, format!("not over after {} s: {stand}", STUCK_AFTER.as_secs()));
        for leg in open {
            self.hang_up_leg(leg, now);
            self.leg_over(leg, now);
        }
        self.finish(call, now);
    }

    pub(super) fn open_legs(&self, call: usize) -> impl Iterator<Item = LegId> {
        let legs = self.by_call.get(&call).into_iter().flatten().copied();
        legs.filter(|id| self.legs.get(id).is_some_and(|leg| !leg.is_over()))
    }

    /// Forgets a call's dialogs and lets its desk rest.
    pub(super) fn finish(&mut self, call: usize, now: Instant) {
        let legs = self.by_call.get(&call).into_iter().flatten();
        let unhung = legs.filter_map(|id| self.legs.get(id)).any(|leg| leg.second_fork.is_some());
        if unhung {
            self.fault(call, "the second fork that answered was not hung up".to_owned());
        }
        let Some(deeds) = self.deeds.get_mut(&call).filter(|deeds| deeds.done.is_none()) else { return };
        deeds.done = Some(now);
        self.let_taker_go(call, now);
        self.later(now + FORGOTTEN_AFTER, Task::Forget(call));
        let Some(planned) = self.world.calls.get(call) else { return };
        self.later(now + self.rest_after(planned), Task::Free(planned.desk, call));
    }

    /// How long a desk rests after a call. A refusal of the agent's own phone ends the call here at once; on a network that
    /// loses, it may have to be repeated three times until the server knows of it (RFC 3261 section 17.2.1).
    fn rest_after(&self, planned: &PlannedCall) -> Duration {
        let declined = matches!(planned.course, Course::Outbound { end: OutboundEnd::AgentDeclines, .. });
        match self.world.plan.network {
            Network::Lossy if declined => T1 * 7 + PAUSE,
            Network::Lossy | Network::Good => PAUSE,
        }
    }

    pub(super) fn forget(&mut self, call: usize) {
        for id in self.by_call.remove(&call).unwrap_or_default() {
            if let Some(leg) = self.legs.remove(&id) {
                self.by_call_id.remove(&leg.call_id);
            }
        }
    }

    pub(super) fn add_leg(&mut self, leg: Leg) -> LegId {
        self.next_leg += 1;
        let id = self.next_leg;
        self.by_call.entry(leg.call).or_default().push(id);
        self.by_call_id.insert(leg.call_id.clone(), id);
        self.legs.insert(id, leg);
        id
    }

    pub(super) fn leg_of(&self, call: usize, side: Side) -> Option<LegId> {
        let mut legs = self.by_call.get(&call).into_iter().flatten().copied();
        legs.rfind(|id| self.legs.get(id).is_some_and(|leg| leg.side == side))
    }

    /// A leg is over: its end falls silent, and with the last one the call is done.
    pub(super) fn leg_over(&mut self, id: LegId, now: Instant) {
        let Some(leg) = self.legs.get_mut(&id).filter(|leg| !leg.is_over()) else { return };
        leg.state = LegState::Over;
        let (call, side) = (leg.call, leg.side);
        if let Some(planned) = self.world.calls.get(call)
            && self.seats.get(&planned.desk).is_some_and(|seat| seat.call == Some(call))
        {
            self.outputs.push_back(PbxOutput::Hush { desk: planned.desk, side });
        }
        if side == Side::Customer {
            self.note(call, |deeds| deeds.over = Some(now));
        }
        match side {
            Side::Customer => {}
            Side::Agent => self.taken_over(call, now),
            Side::Other => self.not_taken_over(call, now),
        }
        if self.open_legs(call).next().is_none() {
            self.finish(call, now);
        }
    }
}

/// Says how a leg stands, for a person.
fn standing(leg: &Leg) -> String {
    let side = match leg.side {
        Side::Customer => "the customer",
        Side::Agent => "the phone",
        Side::Other => "the one who is to take the customer",
    };
    let state = match leg.state {
        LegState::Calling { .. } => "calls",
        LegState::GivingUp => "gave up and is told nothing",
        LegState::Called { .. } => "rings",
        LegState::Answered { .. } => "answered and gets no ACK",
        LegState::Up => "talks",
        LegState::Over => "is gone",
    };
    format!("{side} {state}")
}
