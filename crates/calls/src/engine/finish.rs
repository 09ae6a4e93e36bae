//! The end of a call and what belongs to its whole life: pops, the lookup, the recording, the saving.

use std::time::Duration;

use super::call::{Call, RecordingStage, Saved, Stage};
use super::outbox::Outbox;
use crate::candidate::settled_contact;
use crate::event::{Event, MatchView};
use crate::fold::{fold, fold_recordings};
use crate::id::{LegId, UserId};
use crate::interaction::{Direction, Outcome};
use crate::io::{Edit, Effect, Output};
use crate::pop::{Pop, PopState};
use crate::signal::{Lookup, SignalBody, Source};
use linecard_crm::matching::Candidate;

/// How long the recording and the contacts are waited for before the interaction is saved without them.
const SAVE_WAIT: Duration = Duration::from_secs(5);

/// How the customer's leg comes to its end.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ending {
    /// This server sends the final response.
    Refused { outcome: Outcome, status: u16 },
    /// The customer's leg is already over.
    Gone { outcome: Outcome },
    /// The one who was called is gone, and the agent hears why.
    Told { outcome: Outcome, agent: LegId },
}

impl Call {
    pub(super) fn finish(&mut self, ending: Ending, out: &mut Outbox) {
        let (outcome, farewell) = match ending {
            Ending::Refused { outcome, status } => {
                let leg = self.customer();
                let body = SignalBody::LegRejected { leg, status, reasons: Vec::new() };
                let rejected = self.record(Source::Engine, body, out);
                out.effect_after(Effect::RejectLeg { leg, status }, rejected);
                (outcome, None)
            }
            Ending::Gone { outcome } => (outcome, None),
            Ending::Told { outcome, agent } => (outcome, Some(self.tell_agent(agent, outcome, out))),
        };
        out.legs.remove(&self.customer());
        let (user, answered_at) = (self.user(), self.answered_at());
        let saved = Saved::Waiting { deadline: out.now + SAVE_WAIT };
        let told = farewell.is_some();
        self.stage = Stage::Ended { user, answered_at, outcome, saved, farewell };
        self.retract_pops(out);
        self.tell_missed(out);
        if outcome != Outcome::Answered && self.opening.direction() == Direction::Inbound {
            out.publish(Event::CallMissed(self.view()));
        }
        out.publish(Event::CallEnded(self.view()));
        if let RecordingStage::Open(recording) = self.recording {
            self.recording = RecordingStage::Closing(recording);
            out.effect(Effect::CloseRecording { recording });
        }
        if !told {
            out.effect(Effect::ReleaseMedia { call: self.id });
        }
        self.save_if_complete(out);
    }

    /// Gives the interaction out once nothing more is expected for it.
    pub(super) fn save_if_complete(&mut self, out: &mut Outbox) {
        let recording_open = matches!(self.recording, RecordingStage::Open(_) | RecordingStage::Closing(_));
        let told = matches!(self.stage, Stage::Ended { farewell: Some(_), .. });
        if !recording_open && !told && self.lookup != Lookup::Pending {
            self.save(out);
        }
    }

    pub(super) fn save(&mut self, out: &mut Outbox) {
        let Stage::Ended { saved: saved @ Saved::Waiting { .. }, .. } = &mut self.stage else {
            return;
        };
        *saved = Saved::Done;
        let Some(interaction) = fold(&self.signals) else {
            return;
        };
        out.missed_amended(&interaction);
        let recordings = fold_recordings(&self.signals);
        let interaction = Box::new(interaction);
        out.queue.push_back(Output::CallEnded {
            call_id: self.id,
            interaction: interaction.clone(),
            recordings,
        });
        out.publish(Event::InteractionClosed(interaction));
    }

    /// Shows the user's pop; a second time does nothing.
    pub(super) fn show_pop(&mut self, user: UserId, out: &mut Outbox) {
        if self.pops.iter().any(|pop| pop.user_id == user) {
            return;
        }
        let pop = Pop {
            pop_id: out.ids.make(out.at),
            version: 1,
            call_id: self.id,
            interaction_id: self.opening.interaction(),
            user_id: user,
            state: PopState::Ringing,
            taken_by: None,
            direction: self.opening.direction(),
            number: self.opening.number().map(str::to_owned),
            number_dialled: self.opening.number_dialled().map(str::to_owned),
            display_name: self.opening.shown_on_device().display,
            line_id: self.opening.line(),
            did: self.opening.did().map(str::to_owned),
            candidates: self.candidates.clone(),
            lookup: self.lookup,
        };
        out.publish(Event::PopShown(pop.clone()));
        self.pops.push(pop);
    }

    pub(super) fn withdraw_pops_but(&mut self, user: UserId, out: &mut Outbox) {
        let others = self.pops.iter_mut().filter(|pop| pop.user_id != user && !pop.state.is_over());
        for pop in others {
            pop.taken_by = Some(user);
            retract(pop, PopState::Elsewhere, out);
        }
    }

    pub(super) fn pop_answered_by(&mut self, user: UserId, out: &mut Outbox) {
        self.withdraw_pops_but(user, out);
        for pop in self.pops.iter_mut().filter(|pop| pop.user_id == user) {
            pop.state = PopState::Mine;
            pop.version += 1;
            out.publish(Event::PopUpdated(pop.clone()));
        }
    }

    fn retract_pops(&mut self, out: &mut Outbox) {
        for pop in self.pops.iter_mut().filter(|pop| !pop.state.is_over()) {
            let missed = pop.direction == Direction::Inbound && pop.state == PopState::Ringing;
            let state = if missed { PopState::Missed } else { PopState::Ended };
            retract(pop, state, out);
        }
    }

    /// The contacts answered; a second answer counts only after an unavailable one.
    pub(super) fn contact_found(&mut self, candidates: Vec<Candidate>, out: &mut Outbox) {
        if self.lookup != Lookup::Done {
            self.take_candidates(candidates, out);
        }
    }

    /// The contacts learned the number since they were asked.
    pub(super) fn contact_learned(&mut self, candidates: Vec<Candidate>, out: &mut Outbox) {
        if !self.is_decided() && self.contact().is_none() && self.candidates != candidates {
            self.take_candidates(candidates, out);
        }
    }

    fn take_candidates(&mut self, candidates: Vec<Candidate>, out: &mut Outbox) {
        self.lookup = Lookup::Done;
        self.candidates = candidates;
        self.record_lookup(out);
        self.update_pops(out);
        if !self.candidates.is_empty() {
            out.publish(Event::ContactMatched(MatchView {
                call_id: self.id,
                interaction_id: self.opening.interaction(),
                user_id: self.user(),
                number: self.opening.number().map(str::to_owned),
                contact_id: settled_contact(&self.candidates),
                candidates: self.candidates.clone(),
            }));
        }
        self.save_if_ended(out);
    }

    pub(super) fn lookup_unavailable(&mut self, out: &mut Outbox) {
        if self.lookup == Lookup::Pending {
            self.lookup = Lookup::Unavailable;
            self.record_lookup(out);
            self.update_pops(out);
            self.save_if_ended(out);
        }
    }

    fn record_lookup(&mut self, out: &mut Outbox) {
        let body = SignalBody::ContactLookedUp {
            number: self.opening.number().map(str::to_owned),
            candidates: self.candidates.clone(),
            lookup: self.lookup,
        };
        self.record(Source::Crm, body, out);
    }

    fn update_pops(&mut self, out: &mut Outbox) {
        for pop in self.pops.iter_mut().filter(|pop| !pop.state.is_over()) {
            pop.candidates.clone_from(&self.candidates);
            pop.lookup = self.lookup;
            pop.version += 1;
            out.publish(Event::PopUpdated(pop.clone()));
        }
    }

    /// The recording is complete or failed; whether it was ever opened does not matter here.
    pub(super) fn recording_done(&mut self, body: SignalBody, out: &mut Outbox) {
        self.recording = RecordingStage::Done;
        self.record(Source::Media, body, out);
        self.save_if_ended(out);
    }

    fn save_if_ended(&mut self, out: &mut Outbox) {
        if !self.is_live() {
            self.save_if_complete(out);
        }
    }

    pub(super) fn edited(&mut self, edit: Edit, out: &mut Outbox) {
        if let Edit::Contact { contact, .. } = &edit {
            self.choose_contact(*contact);
        }
        self.record(Source::User, edit_body(edit), out);
    }
}

fn retract(pop: &mut Pop, state: PopState, out: &mut Outbox) {
    pop.state = state;
    pop.version += 1;
    out.publish(Event::PopRetracted(pop.clone()));
}

/// What an edit is in the ledger.
pub(super) fn edit_body(edit: Edit) -> SignalBody {
    match edit {
        Edit::Notes { notes, user } => SignalBody::NoteEdited { notes, user },
        Edit::Disposition { disposition, user } => SignalBody::DispositionChosen { disposition, user },
        Edit::Contact { contact, user } => SignalBody::ContactChosen { contact, user },
    }
}
