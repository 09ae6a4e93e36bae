//! The end of a call and what belongs to its whole life: pops, the lookup, the recording, the saving.

use std::time::Duration;

use super::call::{Call, RecordingStage, Saved, Stage};
use super::outbox::Outbox;
use crate::candidate::settled_contact;
use crate::effect::Effect;
use crate::event::{Event, MatchView};
use crate::fold::{fold, fold_recordings};
use crate::id::{LegId, LineId, RecordingId, UserId};
use crate::interaction::{Direction, Outcome};
use crate::io::{Edit, Output};
use crate::opening::Opening;
use crate::pop::{Pop, PopState};
use crate::sighting::Sighting;
use crate::signal::{Caller, Lookup, SignalBody, Source};
use crate::transfer::TransferredBy;
use linecard_crm::matching::Candidate;

/// How long the recording, the figures of the sound and the contacts are waited for before the interaction is saved
/// without them.
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
        if self.goes_on_elsewhere(outcome) {
            return self.watch_on(out);
        }
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
        if let RecordingStage::Open(recording, _) = self.recording {
            self.recording = RecordingStage::Closing(recording);
            out.effect(Effect::CloseRecording { recording });
        }
        if !told {
            self.release_media(out);
        }
        self.save_if_complete(out);
    }

    /// Gives the ports up; how the legs were heard is told then.
    pub(super) fn release_media(&mut self, out: &mut Outbox) {
        self.is_releasing = true;
        out.effect(Effect::ReleaseMedia { call: self.id });
    }

    pub(super) fn media_released(&mut self, out: &mut Outbox) {
        self.is_releasing = false;
        self.save_if_ended(out);
    }

    /// Gives the interaction out once nothing more is expected for it.
    pub(super) fn save_if_complete(&mut self, out: &mut Outbox) {
        let recording_open = matches!(self.recording, RecordingStage::Open(..) | RecordingStage::Closing(_));
        let told = matches!(self.stage, Stage::Ended { farewell: Some(_), .. });
        if !recording_open && !told && !self.is_releasing && self.lookup != Lookup::Pending {
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
            signals: self.signals.clone(),
        });
        out.publish(Event::InteractionClosed(interaction));
    }

    /// Shows the user's pop; a second time does nothing.
    pub(super) fn show_pop(&mut self, user: UserId, out: &mut Outbox) {
        if !self.pops.iter().any(|pop| pop.user_id == user) {
            self.show_pop_as(user, self.face(), out);
        }
    }

    /// Shows a pop to a user who has none on the screen.
    pub(super) fn show_pop_as(&mut self, user: UserId, face: Face, out: &mut Outbox) {
        if self.pops.iter().any(|pop| pop.user_id == user && !pop.state.is_over()) {
            return;
        }
        let same = face.number.as_deref() == self.known_number();
        let pop = Pop {
            pop_id: out.ids.make(out.at),
            version: 1,
            call_id: self.id,
            interaction_id: self.opening.interaction(),
            user_id: user,
            state: PopState::Ringing,
            taken_by: None,
            transferred_by: face.transferred_by,
            direction: face.direction,
            number: face.number,
            number_dialled: face.number_dialled,
            display_name: face.display_name,
            line_id: face.line,
            did: face.did,
            put_through_by: face.put_through_by,
            connected_number: face.connected_number,
            user_to_user: self.opening.user_to_user().to_vec(),
            candidates: if same { self.candidates.clone() } else { Vec::new() },
            lookup: if same { self.lookup } else { Lookup::Done },
        };
        out.publish(Event::PopShown(pop.clone()));
        self.pops.push(pop);
    }

    /// Takes pops off the screens: those that `to` names a state for, and who has the call instead.
    pub(super) fn withdraw(
        &mut self,
        out: &mut Outbox,
        to: impl Fn(&Pop) -> Option<(PopState, Option<UserId>)>,
    ) {
        for pop in self.pops.iter_mut().filter(|pop| !pop.state.is_over()) {
            if let Some((state, taken_by)) = to(pop) {
                (pop.state, pop.taken_by) = (state, taken_by);
                pop.version += 1;
                out.publish(Event::PopRetracted(pop.clone()));
            }
        }
    }

    pub(super) fn withdraw_pops_but(&mut self, user: UserId, out: &mut Outbox) {
        self.withdraw(out, |pop| (pop.user_id != user).then_some((PopState::Elsewhere, Some(user))));
    }

    pub(super) fn pop_answered_by(&mut self, user: UserId, out: &mut Outbox) {
        self.withdraw_pops_but(user, out);
        self.pop_taken_by(user, out);
    }

    /// The user is in the call; what the others see stays.
    pub(super) fn pop_taken_by(&mut self, user: UserId, out: &mut Outbox) {
        let theirs = |pop: &&mut Pop| pop.user_id == user && pop.state == PopState::Ringing;
        for pop in self.pops.iter_mut().filter(theirs) {
            pop.state = PopState::Mine;
            pop.version += 1;
            out.publish(Event::PopUpdated(pop.clone()));
        }
    }

    fn retract_pops(&mut self, out: &mut Outbox) {
        let unanswered = self.answered_at().is_none();
        self.withdraw(out, |pop| {
            let missed = unanswered && pop.direction == Direction::Inbound && pop.state == PopState::Ringing;
            Some((if missed { PopState::Missed } else { PopState::Ended }, None))
        });
    }

    /// The number became known: the contacts are asked for it.
    pub(super) fn await_contact(&mut self, out: &mut Outbox) {
        self.lookup = Lookup::Pending;
        let face = self.face();
        for pop in self.pops.iter_mut().filter(|pop| pop.number.is_none()) {
            face.show_party(pop);
        }
        self.update_pops(out);
    }

    /// The contacts answered; a second answer counts only after an unavailable one, and none about a number by which
    /// the customer is known no more.
    pub(super) fn contact_found(&mut self, number: &str, candidates: Vec<Candidate>, out: &mut Outbox) {
        if self.lookup != Lookup::Done && self.number_to_match() == Some(number) {
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
                number: self.number_to_match().map(str::to_owned),
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
            number: self.number_to_match().map(str::to_owned),
            candidates: self.candidates.clone(),
            lookup: self.lookup,
        };
        self.record(Source::Crm, body, out);
    }

    fn update_pops(&mut self, out: &mut Outbox) {
        let number = self.known_number().map(str::to_owned);
        let of_it = |pop: &&mut Pop| !pop.state.is_over() && pop.number == number;
        for pop in self.pops.iter_mut().filter(of_it) {
            pop.candidates.clone_from(&self.candidates);
            pop.lookup = self.lookup;
            pop.version += 1;
            out.publish(Event::PopUpdated(pop.clone()));
        }
    }

    /// The recording is complete or failed; whether it was ever opened does not matter here.
    pub(super) fn recording_done(&mut self, recording: RecordingId, body: SignalBody, out: &mut Outbox) {
        let current = matches!(self.recording, RecordingStage::Open(open, _) | RecordingStage::Closing(open) if open == recording);
        if current {
            self.recording = RecordingStage::Done;
        }
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

/// What a pop shows of a call.
#[derive(Debug, Clone)]
pub(super) struct Face {
    direction: Direction,
    number: Option<String>,
    number_dialled: Option<String>,
    display_name: Option<String>,
    line: LineId,
    did: Option<String>,
    put_through_by: Option<String>,
    connected_number: Option<String>,
    transferred_by: Option<TransferredBy>,
}

impl Face {
    /// What the call's user sees.
    pub(super) fn of_opening(opening: &Opening) -> Self {
        Self {
            direction: opening.direction(),
            number: opening.number().map(str::to_owned),
            number_dialled: opening.number_dialled().map(str::to_owned),
            display_name: opening.shown_on_device().display,
            line: opening.line(),
            did: opening.did().map(str::to_owned),
            put_through_by: None,
            connected_number: None,
            transferred_by: None,
        }
    }

    /// The customer whom the first caller has put through.
    pub(super) fn put_through(self, party: &Caller) -> Self {
        Self {
            put_through_by: self.number,
            number: party.number.clone(),
            number_dialled: party.dialled.clone(),
            display_name: party.display.clone(),
            ..self
        }
    }

    /// The customer, while somebody else is at that end.
    pub(super) fn connected_with(self, number: Option<&str>) -> Self {
        Self { connected_number: number.map(str::to_owned), ..self }
    }

    /// Lets a pop show who is there.
    pub(super) fn show_party(&self, pop: &mut Pop) {
        pop.number.clone_from(&self.number);
        pop.number_dialled.clone_from(&self.number_dialled);
        pop.display_name.clone_from(&self.display_name);
        pop.put_through_by.clone_from(&self.put_through_by);
        pop.connected_number.clone_from(&self.connected_number);
    }

    /// What a user sees to whom the customer is handed over.
    pub(super) fn handed_over(self, by: Option<TransferredBy>) -> Self {
        Self { transferred_by: by, ..self }
    }

    /// What a user sees whose extension is called.
    pub(super) fn of_caller(sighting: &Sighting) -> Self {
        Self {
            direction: Direction::Inbound,
            number: sighting.party.number.clone(),
            number_dialled: sighting.party.dialled.clone(),
            display_name: sighting.party.display.clone(),
            line: sighting.line,
            did: sighting.did.clone(),
            put_through_by: None,
            connected_number: None,
            transferred_by: None,
        }
    }
}

/// What an edit is in the ledger.
pub(super) fn edit_body(edit: Edit) -> SignalBody {
    match edit {
        Edit::Notes { notes, user } => SignalBody::NoteEdited { notes, user },
        Edit::Disposition { disposition, user } => SignalBody::DispositionChosen { disposition, user },
        Edit::Contact { contact, user } => SignalBody::ContactChosen { contact, user },
    }
}
