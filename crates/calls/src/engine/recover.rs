//! The start after a crash: every open dialog gets a BYE, every open call is closed as interrupted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Engine;
use super::call::Call;
use crate::effect::Effect;
use crate::event::{CallState, CallView, Event, LegView};
use crate::fold::{fold, fold_recordings};
use crate::id::{LegId, RecordingId};
use crate::interaction::{Direction, Interaction, InteractionState, LegRecord, LegState, Party};
use crate::io::{OpenCall, Output, RecoveredRecording};
use crate::opening::Opening;
use crate::signal::{RecordingState, Signal, SignalBody, Source};
use crate::time::UtcMillis;

impl Engine {
    /// Closes the calls that an earlier process left open.
    ///
    /// `alive_until` is the last moment at which that process is known to have lived; `None` takes each
    /// call's last signal. It ends talk and ringing, since the time of the restart says nothing about them.
    /// For each call come: a BYE for every dialog that was recorded and is not over, the recordings'
    /// signals, the interruption, [`Output::CallEnded`] and the events.
    pub fn recover(&mut self, open: Vec<OpenCall>, alive_until: Option<UtcMillis>, at: UtcMillis) {
        self.out.at = at;
        let order = open.iter().flat_map(|call| &call.signals).map(|signal| signal.order).max();
        self.out.continue_order(order.unwrap_or(0));
        for call in open {
            self.recover_call(call, alive_until);
        }
    }

    fn recover_call(&mut self, open: OpenCall, alive_until: Option<UtcMillis>) {
        let mut signals = open.signals;
        let Some(before) = fold(&signals) else { return };
        signals.retain(|signal| signal.call_id == before.call_id);
        if before.state == InteractionState::Live && self.watch_again(&signals, alive_until) {
            return;
        }
        let last = signals.iter().map(|signal| signal.observed_at).max().unwrap_or(before.started_at);
        let at = self.out.at.max(last);
        let unfinished = fold_recordings(&signals)
            .into_iter()
            .filter(|recording| recording.state == RecordingState::Recording)
            .map(|recording| recording.id)
            .collect();
        let mut write = |engine: &mut Engine, body: SignalBody| {
            signals.push(engine.out.record(before.call_id, Source::Recovery, at, body));
        };
        if before.state == InteractionState::Live {
            let alive_until = alive_until.unwrap_or(last).clamp(last, at);
            write(self, SignalBody::Interrupted { alive_until });
        }
        for body in recordings_found(unfinished, open.recordings) {
            write(self, body);
        }
        self.hang_up_dialogs(&before, &signals);
        let recordings = fold_recordings(&signals);
        let Some(interaction) = fold(&signals) else { return };
        self.out.missed_or_reached(&interaction);
        let interaction = Box::new(interaction);
        self.out.queue.push_back(Output::CallEnded {
            call_id: before.call_id,
            interaction: interaction.clone(),
            recordings,
            signals,
        });
        if before.state == InteractionState::Live {
            let view = ended_view(&interaction);
            if interaction.direction == Direction::Inbound && interaction.answered_at.is_none() {
                self.out.publish(Event::CallMissed(view.clone()));
            }
            self.out.publish(Event::CallEnded(view));
        }
        self.out.publish(Event::InteractionClosed(interaction));
    }

    /// Goes on with a call that never ran through this server: it may not have noticed the restart at all.
    fn watch_again(&mut self, signals: &[Signal], alive_until: Option<UtcMillis>) -> bool {
        let mut ordered = signals.to_vec();
        ordered.sort_by_key(Signal::key);
        let Some(mut opening) = ordered.iter().find_map(|signal| Opening::of(&signal.body)) else {
            return false;
        };
        // What was recorded here cannot go on in its file.
        let carried =
            |signal: &Signal| matches!(signal.body, SignalBody::LegOffered(_) | SignalBody::SessionTold(_));
        if !matches!(opening, Opening::Seen(_)) || ordered.iter().any(carried) {
            return false;
        }
        for signal in &ordered {
            if let SignalBody::Sighted(sighting) = &signal.body {
                opening.learn(sighting);
            }
        }
        let last = ordered.last().map_or(self.out.at, |signal| signal.observed_at);
        let cut_at = alive_until.unwrap_or(last).max(last);
        let Some(mut call) = Call::restored(opening, ordered, cut_at, &self.out) else { return false };
        call.forget_sightings(&mut self.out);
        for sip_call in call.watch.sip_call_ids() {
            self.sip_calls.insert(sip_call.clone(), call.id);
        }
        self.out.publish(Event::CallCreated(call.view()));
        self.settle(call, None);
        true
    }

    /// Sends a BYE in every dialog that is not known to be over; a needless one is answered with 481.
    fn hang_up_dialogs(&mut self, before: &Interaction, signals: &[Signal]) {
        let over: BTreeSet<LegId> =
            before.legs.iter().filter(|leg| needs_no_bye(leg)).map(|leg| leg.leg_id).collect();
        let sessions = signals.iter().filter_map(|signal| match signal.body {
            SignalBody::SessionOver { leg, .. } => Some(leg),
            _ => None,
        });
        let over: BTreeSet<LegId> = over.into_iter().chain(sessions).collect();
        let mut dialogs: BTreeMap<LegId, ((UtcMillis, u64), Value)> = BTreeMap::new();
        for signal in signals {
            if let SignalBody::DialogRecorded { leg, dialog } = &signal.body {
                let key = (signal.observed_at, signal.order);
                let newer = dialogs.get(leg).is_none_or(|(known, _)| *known < key);
                if newer && !over.contains(leg) {
                    dialogs.insert(*leg, (key, dialog.clone()));
                }
            }
        }
        for (leg, (_, dialog)) in dialogs {
            self.out.effect(Effect::HangUpDialog { leg, dialog });
        }
    }
}

/// Tells whether a leg's dialog is over for both sides; a 200 may have crossed the CANCEL to a device.
fn needs_no_bye(leg: &LegRecord) -> bool {
    match leg.state {
        LegState::Ended | LegState::Rejected => true,
        LegState::Cancelled => leg.party == Party::Customer,
        _ => false,
    }
}

/// What became of each recording that the call had begun.
fn recordings_found(mut missing: BTreeSet<RecordingId>, found: Vec<RecoveredRecording>) -> Vec<SignalBody> {
    let mut bodies = Vec::new();
    for recording in found {
        match recording {
            RecoveredRecording::Repaired(closed) => {
                missing.remove(&closed.recording);
                bodies.push(SignalBody::RecordingClosed(closed));
            }
            RecoveredRecording::Lost { recording, why } => {
                missing.remove(&recording);
                bodies.push(SignalBody::RecordingFailed { recording, why });
            }
        }
    }
    bodies.extend(missing.into_iter().map(|recording| SignalBody::RecordingFailed {
        recording,
        why: "not found after the restart".to_owned(),
    }));
    bodies
}

fn ended_view(interaction: &Interaction) -> CallView {
    let legs = interaction.legs.iter();
    CallView {
        call_id: interaction.call_id,
        interaction_id: interaction.id,
        direction: interaction.direction,
        state: CallState::Ended,
        user_id: interaction.user_id,
        user_ids: interaction.user_id.into_iter().chain(legs.clone().filter_map(|leg| leg.user_id)).collect(),
        watched: false,
        line_id: interaction.line_id,
        number: interaction.other_number().map(str::to_owned),
        connected_number: interaction.connected_number.clone(),
        contact_id: interaction.contact_id,
        started_at: interaction.started_at,
        answered_at: interaction.answered_at,
        outcome: interaction.outcome,
        held_by: None,
        transfer: None,
        legs: legs.map(|leg| LegView::new(leg.leg_id, leg.party, leg.state)).collect(),
    }
}
