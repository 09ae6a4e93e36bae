//! What handlers ask, what tasks bring back, and the lines that the user agent serves.

use std::time::Instant;

use linecard_calls::{
    CallId, CallView, Input, InteractionId, LineId, Recording, RecordingId, Signal, Viewer, fold,
    fold_recordings,
};
use linecard_store::ledger::SavedCall;
use linecard_web::port::{Command, LiveInteraction, Refusal};

use super::learning::Learning;
use super::{Answer, Reactor};

impl Reactor {
    /// Answers a handler.
    pub(super) fn command(&mut self, command: Command) {
        match command {
            Command::Calls { viewer, reply } => {
                let _ = reply.send(self.parts.engine.calls(&viewer));
            }
            Command::HangUp { call, viewer, reply } => {
                let _ = reply.send(self.hang_up(call, &viewer));
            }
            Command::Talk { call, viewer, wish, reply } => {
                let _ = reply.send(self.talk_wish(call, &viewer, wish));
            }
            Command::Colleagues { reply } => {
                let _ = reply.send(self.colleagues());
            }
            Command::Dial { order, reply } => {
                let _ = reply.send(self.dial_ordered(order));
            }
            Command::Edit { call, edits, reply } => self.edit(call, edits, reply),
            Command::LiveInteractions { viewer, reply } => {
                let _ = reply.send(self.live_interactions(&viewer));
            }
            Command::LiveInteraction { interaction, reply } => {
                let _ = reply.send(self.live_or_unsaved(interaction));
            }
            Command::LiveRecording { recording, reply } => {
                let _ = reply.send(self.live_recording(recording));
            }
            Command::LiveSignals { interaction, reply } => {
                let _ = reply.send(self.live_evidence(interaction));
            }
            Command::Subscribe { viewer, cursor, reply } => {
                let engine = &self.parts.engine;
                let subscription =
                    self.parts.hub.subscribe(&viewer, cursor.as_ref(), || engine.snapshot(&viewer));
                let _ = reply.send(subscription);
            }
            Command::PopDrawn { user, pop_id, version, rendered_ms } => {
                tracing::debug!(%user, %pop_id, version, rendered_ms, "a pop was drawn");
            }
            Command::UnsavedMissed { viewer, reply } => {
                let _ = reply.send(self.unsaved_missed(&viewer));
            }
            Command::Missed { item, viewer, reply } => {
                let _ = reply.send(self.missed(item, &viewer));
            }
            Command::MissedAct { item, viewer, deed, reply } => self.missed_act(item, &viewer, deed, reply),
            Command::Registrations { of, reply } => {
                let known = |line: LineId| Some((line, self.standings.get(&line)?.clone()));
                let _ = reply.send(of.into_iter().filter_map(known).collect());
            }
            Command::Phones { reply } => {
                let _ = reply.send(self.phone_views());
            }
            Command::Figures { reply } => {
                let _ = reply.send(self.figures());
            }
            Command::PutBack { line, reply } => {
                let name = linecard_sip::ua::LineId::new(&line.to_string());
                let asked = self.parts.agent.put_back(&name, Instant::now());
                let _ = reply.send(asked.map_err(|_| Refusal::NoSuchLine));
            }
            Command::Reload { reply } => self.reload(reply),
        }
    }

    fn hang_up(&mut self, call: CallId, viewer: &Viewer) -> Result<CallView, Refusal> {
        let view = self.parts.engine.call(call).filter(|view| view.visible_to(viewer));
        let view = view.ok_or(Refusal::NoSuchCall)?;
        if view.watched {
            return Err(Refusal::OnDeskPhone);
        }
        self.engine(Input::HangUp { call, user: viewer.user_id });
        Ok(self.parts.engine.call(call).unwrap_or(view))
    }

    fn live_interactions(&self, viewer: &Viewer) -> Vec<LiveInteraction> {
        let engine = &self.parts.engine;
        let unsaved = self.unsaved.values().map(|unsaved| unsaved.call.interaction.clone());
        let unsaved = unsaved.filter(|it| it.visible_to(viewer));
        let interactions = engine.live_interactions(viewer).into_iter().chain(unsaved);
        let live = |interaction| LiveInteraction { missed: engine.missed_stands(&interaction), interaction };
        interactions.map(live).collect()
    }

    fn live_or_unsaved(&self, interaction: InteractionId) -> Option<SavedCall> {
        let live = self.parts.engine.live_signals(interaction).and_then(folded);
        live.or_else(|| self.unsaved.get(&interaction).map(|unsaved| unsaved.call.clone()))
    }

    fn live_evidence(&self, interaction: InteractionId) -> Option<Vec<Signal>> {
        let live = self.parts.engine.live_signals(interaction).map(<[_]>::to_vec);
        live.or_else(|| self.unsaved.get(&interaction).and_then(|unsaved| unsaved.signals.clone()))
    }

    fn live_recording(&self, id: RecordingId) -> Option<Recording> {
        let mut unsaved = self.unsaved.values().flat_map(|unsaved| &unsaved.call.recordings);
        let live = self.parts.engine.live_recording(id);
        live.or_else(|| unsaved.find(|recording| recording.id == id).cloned())
    }

    /// Takes in what a task brought back.
    pub(super) fn answered(&mut self, answer: Answer) {
        match answer {
            Answer::Contacts { call, number, candidates: Some(candidates) } => {
                self.engine(Input::ContactFound { call, number, candidates });
            }
            Answer::Contacts { call, candidates: None, .. } => self.engine(Input::LookupUnavailable { call }),
            Answer::Amended { call, folded } => self.amended(call, folded),
            Answer::Learned { learned, old } => self.learned(&learned, old),
            Answer::LearnedAll => self.learning = Learning::Idle,
            Answer::PhoneJudged { handle, order } => self.phone_judged(handle, order),
            Answer::ReferralJudged { handle, judged } => self.referral_judged(handle, judged),
            Answer::Loaded { directory } => self.loaded(directory),
        }
    }
}

/// What the evidence of a call comes to as far as it goes.
fn folded(signals: &[Signal]) -> Option<SavedCall> {
    let recordings = fold_recordings(signals);
    fold(signals).map(|interaction| SavedCall { interaction, recordings, settled: false })
}
