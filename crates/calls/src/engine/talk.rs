//! From the customer's 200 to the first BYE: connection, hold, hang-up.

use std::collections::BTreeSet;

use super::call::{Ack, Call, Dialling, Farewell, Feed, RecordingStage, Stage, Talking};
use super::finish::Ending;
use super::outbox::{Outbox, RecordingOwner};
use crate::effect::{Effect, HangUpReason};
use crate::event::Event;
use crate::id::{LegId, RecordingId, UserId};
use crate::interaction::{Direction, Outcome};
use crate::io::{EngineConfig, RecordingPolicy};
use crate::quality::LegQuality;
use crate::rules::final_status;
use crate::signal::{CancelCause, EndCause, Reason, SignalBody, Source};

impl Call {
    /// The relay says how a leg was heard so far.
    pub(super) fn leg_measured(&mut self, leg: LegId, quality: Box<LegQuality>, out: &mut Outbox) {
        // What ends is always written down: there is one end a leg.
        if !self.has_room() && self.is_live() {
            return;
        }
        let turned = |call: &Self| call.measured.get(&leg).map_or([false; 2], is_bad) != is_bad(&quality);
        let tells = turned(self) && matches!(self.stage, Stage::Talking(_));
        self.measured.insert(leg, (*quality).clone());
        self.record(Source::Media, SignalBody::LegMeasured { leg, quality }, out);
        if tells {
            out.publish(Event::CallQuality(self.view()));
        }
    }

    /// Our 200 left for the customer, or the one who is called answered: the two are connected.
    pub(super) fn customer_answered(&mut self, config: &EngineConfig, out: &mut Outbox) {
        let customer = self.customer();
        let (user, agent, ack) = match self.stage {
            Stage::Answering { user, agent, .. } => (user, agent, Ack::Awaited),
            Stage::Dialling(Dialling { user, agent, .. }) => (user, agent, Ack::Seen),
            _ => return,
        };
        self.record(Source::Anchor, SignalBody::LegAnswered { leg: customer }, out);
        self.record(Source::Engine, SignalBody::Bridged { customer, agent }, out);
        if ack == Ack::Seen {
            out.effect(Effect::BridgeMedia { customer, agent });
            self.answer_phone(agent, out);
        }
        let since = self.clock(out);
        let holders = BTreeSet::new();
        self.stage = Stage::Talking(Talking { user, agent, since, holders, ack, transfer: None });
        if config.recording == RecordingPolicy::All {
            self.open_recording(user, out);
        }
        self.tell_missed(out);
        out.publish(Event::CallAnswered(self.view()));
        self.pop_answered_by(user, out);
    }

    fn open_recording(&mut self, user: UserId, out: &mut Outbox) {
        let recording: RecordingId = out.ids.make(out.at);
        let owner =
            RecordingOwner { call: self.id, interaction: self.opening.interaction(), user: Some(user) };
        out.recordings.insert(recording, owner);
        self.recording = RecordingStage::Open(recording, Feed::Talk);
        out.effect(Effect::OpenRecording { recording, call: self.id });
    }

    pub(super) fn customer_confirmed(&mut self, out: &mut Outbox) {
        let leg = self.customer();
        if let Stage::Talking(talking) = &mut self.stage
            && talking.ack == Ack::Awaited
        {
            talking.ack = Ack::Seen;
            self.record(Source::Anchor, SignalBody::LegConfirmed { leg }, out);
        }
    }

    /// The customer gave up before the answer; the SIP layer has sent 487.
    pub(super) fn customer_cancelled(&mut self, reasons: Vec<Reason>, out: &mut Outbox) {
        if matches!(self.stage, Stage::Routing { .. } | Stage::Ringing(_) | Stage::Answering { .. }) {
            let leg = self.customer();
            let body = SignalBody::LegCancelled { leg, by: CancelCause::Remote, reasons };
            self.record(Source::Anchor, body, out);
            self.customer_gone(Outcome::Abandoned, out);
        }
    }

    pub(super) fn customer_ended(&mut self, by: EndCause, reasons: Vec<Reason>, out: &mut Outbox) {
        let leg = self.customer();
        match self.stage {
            Stage::Routing { .. } | Stage::Ringing(_) | Stage::Answering { .. } => {
                self.record(Source::Anchor, SignalBody::LegEnded { leg, by, reasons }, out);
                let outcome = if by == EndCause::Remote { Outcome::Abandoned } else { Outcome::Failed };
                self.customer_gone(outcome, out);
            }
            Stage::Dialling(_) => self.callee_lost(by, reasons, out),
            Stage::Talking(_) => {
                self.record(Source::Anchor, SignalBody::LegEnded { leg, by, reasons }, out);
                self.customer_gone(Outcome::Answered, out);
            }
            Stage::Watched(_) | Stage::Ended { .. } => {}
        }
    }

    fn customer_gone(&mut self, outcome: Outcome, out: &mut Outbox) {
        let reason = HangUpReason::OtherPartyGone;
        self.release_devices(CancelCause::CallerGone, EndCause::Local, reason, out);
        self.finish(Ending::Gone { outcome }, out);
    }

    /// A device's leg ended by itself.
    pub(super) fn device_ended(&mut self, leg: LegId, by: EndCause, reasons: Vec<Reason>, out: &mut Outbox) {
        match self.stage {
            Stage::Answering { agent, .. } if agent == leg => {
                self.device_over(leg, by, reasons, out);
                self.give_up(out);
            }
            Stage::Talking(Talking { agent, .. }) if agent == leg => {
                self.device_over(leg, by, reasons, out);
                if self.is_transferring() {
                    return self.agent_left_transfer(leg, out);
                }
                self.hang_up_customer(EndCause::Local, HangUpReason::OtherPartyGone, out);
            }
            Stage::Talking(_) if self.consulted() == Some(leg) => self.other_left(leg, by, reasons, out),
            Stage::Dialling(Dialling { agent, .. }) if agent == leg => {
                self.device_over(leg, by, reasons, out);
                self.stop_dialling(CancelCause::AgentGone, out);
                self.finish(Ending::Gone { outcome: Outcome::Canceled }, out);
            }
            Stage::Ended { farewell: Some(Farewell { agent, .. }), .. } if agent == leg => {
                self.device_over(leg, by, reasons, out);
                self.farewell_over(out);
            }
            _ => self.device_lost(leg, by, reasons, out),
        }
    }

    pub(super) fn hang_up_customer(&mut self, by: EndCause, reason: HangUpReason, out: &mut Outbox) {
        let leg = self.customer();
        self.record(Source::Engine, SignalBody::LegEnded { leg, by, reasons: Vec::new() }, out);
        out.effect(Effect::HangUpLeg { leg, reason });
        self.finish(Ending::Gone { outcome: Outcome::Answered }, out);
    }

    /// The leg's party counts as dead: both legs are hung up.
    pub(super) fn media_lost(&mut self, leg: LegId, out: &mut Outbox) {
        if let Stage::Talking(talking) = &self.stage {
            let (agent, customer) = (talking.agent, self.customer());
            self.record(Source::Media, SignalBody::MediaLost { leg }, out);
            if leg != customer && (leg != agent || self.is_transferring()) {
                out.effect(Effect::HangUpLeg { leg, reason: HangUpReason::MediaLost });
                return self.device_ended(leg, EndCause::System, Vec::new(), out);
            }
            let reason = HangUpReason::MediaLost;
            self.release_devices(CancelCause::System, EndCause::System, reason, out);
            self.hang_up_customer(EndCause::System, reason, out);
        }
    }

    /// A user hangs up in the interface: declines what rings, ends what talks.
    pub(super) fn hang_up(&mut self, user: UserId, out: &mut Outbox) {
        if !self.is_live() || self.is_watched() {
            return;
        }
        self.record(Source::User, SignalBody::HangUpRequested { user }, out);
        let reason = HangUpReason::Requested;
        self.release_devices(CancelCause::HungUp, EndCause::HungUp, reason, out);
        match (&self.stage, self.opening.direction()) {
            (Stage::Talking(_), _) => self.hang_up_customer(EndCause::HungUp, reason, out),
            (Stage::Dialling(_), _) => {
                self.stop_dialling(CancelCause::HungUp, out);
                self.finish(Ending::Gone { outcome: Outcome::Canceled }, out);
            }
            (_, Direction::Inbound) => {
                let outcome = Outcome::Rejected;
                self.finish(Ending::Refused { outcome, status: final_status(outcome) }, out);
            }
            (_, Direction::Outbound | Direction::Internal) => {
                self.never_dialled(CancelCause::HungUp, Outcome::Canceled, out);
            }
        }
    }

    /// The customer's 200 was never sent.
    pub(super) fn answer_late(&mut self, out: &mut Outbox) {
        self.release_devices(CancelCause::System, EndCause::System, HangUpReason::System, out);
        self.give_up(out);
    }
}

/// Which directions are bad.
fn is_bad(quality: &LegQuality) -> [bool; 2] {
    quality.bad().map(|window| window.is_some())
}
