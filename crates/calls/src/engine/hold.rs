//! Hold: by either party's own phone, and by the agent in the interface (RFC 3264 section 8.4).
//!
//! What the customer hears on hold is up to the PBX, which is told by re-INVITE; a phone that plays nothing by itself
//! gets a sign from here now and then.

use super::Engine;
use super::call::{Call, Holder, RecordingStage, Stage, Talking};
use super::outbox::Outbox;
use crate::effect::{Effect, Tone};
use crate::event::{Event, Role, Viewer};
use crate::id::{CallId, LegId, UserId};
use crate::signal::{SignalBody, Source, SpanKind};
use crate::transfer::TalkRefusal;

impl Engine {
    /// Tells whether `viewer` may put the customer of a call on hold now, or send digits to it.
    ///
    /// # Errors
    /// Why not.
    pub fn may_hold(&self, call: CallId, viewer: &Viewer) -> Result<(), TalkRefusal> {
        match self.talk(call, viewer)?.transfer {
            Some(_) => Err(TalkRefusal::TransferUnderWay),
            None => Ok(()),
        }
    }

    /// Tells whether `viewer` may take the customer of a call back now, from hold or from a transfer.
    ///
    /// # Errors
    /// Why not.
    pub fn may_retrieve(&self, call: CallId, viewer: &Viewer) -> Result<(), TalkRefusal> {
        let agent = self.talk(call, viewer)?.agent;
        let there = self.calls.get(&call).is_some_and(|call| call.is_there(agent));
        if there { Ok(()) } else { Err(TalkRefusal::NotTalking) }
    }

    /// The talk of a call that `viewer` may act on: an agent on its own, whoever leads on any.
    pub(super) fn talk(&self, call: CallId, viewer: &Viewer) -> Result<&Talking, TalkRefusal> {
        let call = self.calls.get(&call).ok_or(TalkRefusal::NotTalking)?;
        let Stage::Talking(talking) = &call.stage else { return Err(TalkRefusal::NotTalking) };
        let talks = call.devices.get(&talking.agent).and_then(|leg| leg.user) == Some(viewer.user_id);
        match viewer.role {
            Role::Agent if !talks => Err(TalkRefusal::NotTalking),
            Role::Agent | Role::Supervisor | Role::Admin => Ok(talking),
        }
    }
}

impl Call {
    /// A party put the other on hold on its own phone.
    pub(super) fn held(&mut self, leg: LegId, out: &mut Outbox) {
        let belongs = self.has_room() && self.is_party(leg);
        if belongs {
            self.hold(Holder::Leg(leg), Source::Anchor, SignalBody::Held { leg }, out);
        }
    }

    /// A party came back on its own phone.
    pub(super) fn retrieved(&mut self, leg: LegId, out: &mut Outbox) {
        self.retrieve(Holder::Leg(leg), Source::Anchor, SignalBody::Retrieved { leg }, out);
    }

    /// The agent puts the customer on hold in the interface.
    pub(super) fn hold_requested(&mut self, user: UserId, out: &mut Outbox) {
        if matches!(self.stage, Stage::Talking(Talking { transfer: None, .. })) {
            self.hold(Holder::User, Source::User, SignalBody::HoldRequested { user }, out);
        }
    }

    /// The agent takes the customer back in the interface, also from a transfer under way.
    pub(super) fn retrieve_requested(&mut self, user: UserId, out: &mut Outbox) {
        // To an agent who has left nobody can be taken back.
        let Stage::Talking(Talking { agent, .. }) = &self.stage else { return };
        if !self.is_there(*agent) {
            return;
        }
        self.give_up_transfer(out);
        self.retrieve(Holder::User, Source::User, SignalBody::RetrieveRequested { user }, out);
    }

    fn is_party(&self, leg: LegId) -> bool {
        let agent = match &self.stage {
            Stage::Talking(talking) => Some(talking.agent),
            _ => None,
        };
        agent.is_some() && (leg == self.customer() || Some(leg) == agent)
    }

    pub(super) fn hold(&mut self, holder: Holder, source: Source, body: SignalBody, out: &mut Outbox) {
        let customer = self.customer();
        let Stage::Talking(talking) = &mut self.stage else { return };
        let (free, by_agent) = (talking.holders.is_empty(), talking.agent_holds());
        if !talking.holders.insert(holder) {
            return;
        }
        let parks = !by_agent && talking.agent_holds();
        self.record(source, body, out);
        if holder == Holder::User {
            out.effect(Effect::UnbridgeMedia { leg: customer });
        }
        if parks {
            out.effect(Effect::HoldLeg { leg: customer });
        }
        if parks || holder == Holder::User {
            // What the agent's own phone sends on hold ends it.
            out.effect(Effect::PlayTone { leg: customer, tone: Tone::Hold });
        }
        if free {
            self.mark(SpanKind::Hold, Edge::Begin, out);
        }
        out.publish(Event::CallHeld(self.view()));
    }

    fn retrieve(&mut self, holder: Holder, source: Source, body: SignalBody, out: &mut Outbox) {
        let customer = self.customer();
        let Stage::Talking(talking) = &mut self.stage else { return };
        let by_agent = talking.agent_holds();
        if !talking.holders.remove(&holder) {
            return;
        }
        let (agent, free, parked) = (talking.agent, talking.holders.is_empty(), talking.agent_holds());
        self.record(source, body, out);
        if by_agent && !parked {
            out.effect(Effect::StopTone { leg: customer });
            out.effect(Effect::RetrieveLeg { leg: customer });
        }
        if holder == Holder::User {
            out.effect(Effect::BridgeMedia { customer, agent });
        }
        if free {
            self.mark(SpanKind::Hold, Edge::End, out);
            out.publish(Event::CallRetrieved(self.view()));
        } else {
            out.publish(Event::CallHeld(self.view()));
        }
    }

    /// Marks the beginning or the end of a part of the recording, when there is one.
    pub(super) fn mark(&self, kind: SpanKind, edge: Edge, out: &mut Outbox) {
        let RecordingStage::Open(recording, _) = self.recording else { return };
        out.effect(match edge {
            Edge::Begin => Effect::BeginSpan { recording, kind },
            Edge::End => Effect::EndSpan { recording, kind },
        });
    }
}

/// Which end of a part of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    Begin,
    End,
}
