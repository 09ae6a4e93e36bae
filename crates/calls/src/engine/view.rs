//! A call as others see it: its state, its legs, and what it makes of its users' states.

use std::collections::BTreeMap;

use super::call::{
    Call, DeviceEnd, DeviceLeg, DeviceState, Dialling, Heard, Holder, Ringing, Stage, Talking, Transfer,
    TransferStep,
};
use crate::event::{AgentState, CallState, CallView, LegView};
use crate::fold::watched_leg_state;
use crate::id::{LegId, UserId};
use crate::interaction::{LegState, Outcome, Party};
use crate::sighting::{Side, SightingStage};
use crate::transfer::{HeldBy, TransferStage, TransferTarget, TransferView};

impl Call {
    fn state(&self) -> CallState {
        match &self.stage {
            Stage::Routing { .. } => CallState::Created,
            Stage::Ringing(Ringing { heard: Heard::Nothing, .. }) => CallState::Created,
            Stage::Ringing(_) | Stage::Answering { .. } | Stage::Dialling(_) => CallState::Ringing,
            Stage::Talking(Talking { holders, transfer: None, .. }) if holders.is_empty() => {
                CallState::Answered
            }
            Stage::Talking(_) => CallState::Held,
            Stage::Watched(_) if self.watch.is_held() => CallState::Held,
            Stage::Watched(_) if self.watch.talked_from().is_some() => CallState::Answered,
            Stage::Watched(_) => CallState::Ringing,
            Stage::Ended { .. } => CallState::Ended,
        }
    }

    /// What the call makes of its users' states.
    pub(super) fn engaged(&self) -> BTreeMap<UserId, AgentState> {
        let own = match self.stage {
            Stage::Ended { .. } => return BTreeMap::new(),
            // Whoever's phone is in it, as said below.
            Stage::Talking(_) => None,
            Stage::Routing { .. } | Stage::Watched(_) => Some(AgentState::Available),
            Stage::Ringing(_) => Some(AgentState::Ringing),
            Stage::Answering { .. } | Stage::Dialling(_) => Some(AgentState::Busy),
        };
        let mut users: BTreeMap<UserId, AgentState> = self.user().zip(own).into_iter().collect();
        let beside = self.watch.live().map(|(_, leg)| {
            let rings = (leg.stage(), leg.side) == (Some(SightingStage::Ringing), Side::Called);
            (leg.user, if rings { AgentState::Ringing } else { AgentState::Busy })
        });
        // Who talks, and who is to take the customer over.
        let devices = self.devices.values().filter(|_| matches!(self.stage, Stage::Talking(_)));
        let carried = devices.filter_map(|leg| match leg.state {
            DeviceState::Dialled | DeviceState::Ringing => Some((leg.user, AgentState::Ringing)),
            DeviceState::Calling | DeviceState::Answered => Some((leg.user, AgentState::Busy)),
            DeviceState::Cancelling { .. } | DeviceState::Over(_) => None,
        });
        for (user, state) in beside.chain(carried) {
            if let Some(user) = user {
                let known = users.entry(user).or_insert(state);
                *known = (*known).max(state);
            }
        }
        users
    }

    fn outcome(&self) -> Option<Outcome> {
        match &self.stage {
            Stage::Ended { outcome, .. } => Some(*outcome),
            _ => None,
        }
    }

    fn customer_leg_state(&self) -> LegState {
        match &self.stage {
            Stage::Routing { .. }
            | Stage::Ringing(Ringing { heard: Heard::Nothing, .. })
            | Stage::Dialling(Dialling { heard: Heard::Nothing, .. }) => LegState::Offered,
            // Of a call that the user asked for, only the user's own device rings yet.
            Stage::Ringing(_) if self.opening.is_asked_for() => LegState::Offered,
            Stage::Ringing(_) | Stage::Answering { .. } | Stage::Dialling(_) => LegState::Ringing,
            Stage::Talking(talking) if talking.holders.contains(&Holder::Leg(self.customer())) => {
                LegState::Held
            }
            Stage::Talking(_) => LegState::Answered,
            Stage::Watched(_) if self.watch.talked_from().is_some() => LegState::Answered,
            Stage::Watched(_) => LegState::Ringing,
            Stage::Ended { .. } => LegState::Ended,
        }
    }

    fn device_leg_state(&self, leg: LegId, device: &DeviceLeg) -> LegState {
        match device.state {
            DeviceState::Calling | DeviceState::Dialled => LegState::Offered,
            DeviceState::Ringing => LegState::Ringing,
            DeviceState::Cancelling { .. } | DeviceState::Over(DeviceEnd::Cancelled(_)) => {
                LegState::Cancelled
            }
            DeviceState::Answered => match &self.stage {
                Stage::Talking(talking) if talking.holders.contains(&Holder::Leg(leg)) => LegState::Held,
                _ => LegState::Answered,
            },
            DeviceState::Over(DeviceEnd::Rejected(_)) => LegState::Rejected,
            DeviceState::Over(DeviceEnd::Ended(_)) => LegState::Ended,
        }
    }

    /// Says what is bad in a leg's sound, while the two talk.
    fn with_sound(&self, leg: LegView) -> LegView {
        let talking = matches!(self.stage, Stage::Talking(_)) && leg.state == LegState::Answered;
        let Some(quality) = self.measured.get(&leg.leg_id).filter(|_| talking) else { return leg };
        let [bad_received, bad_sent] = quality.bad().map(|window| window.cloned());
        LegView { bad_received, bad_sent, ..leg }
    }

    pub(super) fn view(&self) -> CallView {
        let customer = LegView::new(self.customer(), Party::Customer, self.customer_leg_state());
        let devices = self
            .devices
            .iter()
            .map(|(leg, device)| LegView::new(*leg, Party::Agent, self.device_leg_state(*leg, device)));
        let beside = self.watch.legs().filter(|_| self.devices.is_empty());
        let beside = beside.map(|(id, leg)| LegView::new(id, Party::Agent, watched_leg_state(leg)));
        let talking = match &self.stage {
            Stage::Talking(talking) => Some(talking),
            _ => None,
        };
        CallView {
            call_id: self.id,
            interaction_id: self.opening.interaction(),
            direction: self.opening.direction(),
            state: self.state(),
            user_id: self.user(),
            user_ids: self.users().into_iter().collect(),
            watched: self.is_watched(),
            line_id: self.opening.line(),
            number: self.known_number().map(str::to_owned),
            connected_number: self.connected_number().map(str::to_owned),
            contact_id: self.contact(),
            started_at: self.started_at(),
            answered_at: self.answered_at(),
            outcome: self.outcome(),
            held_by: talking.and_then(|talking| talking.held_by(self.customer())),
            transfer: talking.and_then(|talking| talking.transfer.as_ref()).map(Transfer::view),
            legs: std::iter::once(customer)
                .chain(devices)
                .chain(beside)
                .map(|leg| self.with_sound(leg))
                .collect(),
        }
    }
}

impl Talking {
    /// Whether the agent's side holds the customer.
    pub(super) fn agent_holds(&self) -> bool {
        self.holders.contains(&Holder::User) || self.holders.contains(&Holder::Leg(self.agent))
    }

    fn held_by(&self, customer: LegId) -> Option<HeldBy> {
        match (self.agent_holds(), self.holders.contains(&Holder::Leg(customer))) {
            (true, true) => Some(HeldBy::Both),
            (true, false) => Some(HeldBy::Agent),
            (false, true) => Some(HeldBy::Customer),
            (false, false) => None,
        }
    }
}

impl Transfer {
    fn view(&self) -> TransferView {
        let (name, number) = match &self.request.to {
            TransferTarget::User { name, .. } => (name.clone(), None),
            TransferTarget::Number { number, .. } => (None, Some(number.clone())),
        };
        let stage = match self.step {
            TransferStep::Ringing { .. } => TransferStage::Ringing,
            TransferStep::Consulting { .. } => TransferStage::Talking,
        };
        let (kind, by) = (self.request.kind, self.request.by);
        TransferView { kind, stage, user_id: self.request.to.user(), name, number, by }
    }
}
