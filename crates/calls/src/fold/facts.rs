//! Gathers a call's signals into facts that no longer depend on their order.

use std::collections::{BTreeMap, BTreeSet};

use crate::candidate::settled_contact;
use crate::id::{CallId, ContactId, DeviceId, LegId, RecordingId, UserId};
use crate::opening::Opening;
use crate::quality::LegQuality;
use crate::rules::{Refusal, refusal};
use crate::sighting::{Sighting, SightingStage};
use crate::signal::{
    Caller, CancelCause, EndCause, Lookup, MediaFault, RecordingClosed, RecordingState, Route, Signal,
    SignalBody,
};
use crate::time::UtcMillis;
use crate::watch::Watch;
use linecard_crm::matching::Candidate;

/// What is known of one leg.
#[derive(Debug, Clone, Default)]
pub(super) struct LegFacts {
    pub(super) dialled: Option<(UtcMillis, UserId, DeviceId)>,
    pub(super) progressed: Option<UtcMillis>,
    pub(super) answered: Option<UtcMillis>,
    pub(super) rejected: Option<(UtcMillis, u16)>,
    pub(super) cancelled: Option<(UtcMillis, CancelCause)>,
    pub(super) ended: Option<(UtcMillis, EndCause)>,
    pub(super) first_seen: Option<UtcMillis>,
    /// The number of somebody who is no user.
    pub(super) number: Option<String>,
    /// How it was heard so far.
    pub(super) quality: Option<Box<LegQuality>>,
}

impl LegFacts {
    /// When it was over, if it is.
    pub(super) fn over_at(&self) -> Option<UtcMillis> {
        if let Some((at, _)) = self.ended {
            return Some(at);
        }
        if self.answered.is_some() {
            return None;
        }
        match (self.cancelled, self.rejected) {
            (Some((cancelled, _)), Some((rejected, _))) => Some(cancelled.min(rejected)),
            (Some((at, _)), None) | (None, Some((at, _))) => Some(at),
            (None, None) => None,
        }
    }

    /// Why its device did not answer; `None` when the device had no say in it.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        if let Some((_, cause)) = self.cancelled {
            return (cause == CancelCause::RingTimeout).then_some(Refusal::RangOut);
        }
        match (self.rejected, self.ended) {
            (Some((_, status)), _) => Some(refusal(status)),
            (None, Some((_, EndCause::Remote))) if self.answered.is_some() => Some(Refusal::Declined),
            (None, Some((_, EndCause::System))) => Some(Refusal::Fault),
            _ => None,
        }
    }
}

/// What is known of one recording.
#[derive(Debug, Clone, Default)]
pub(super) struct RecordingFacts {
    pub(super) path: Option<String>,
    pub(super) closed: Option<RecordingClosed>,
    pub(super) state: Option<RecordingState>,
}

/// What is known of one call.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) call_id: CallId,
    pub(super) started_at: UtcMillis,
    pub(super) opening: Opening,
    /// When the one to be called was dialled, in a call that a user asked for.
    pub(super) callee_dialled: Option<UtcMillis>,
    pub(super) route: Option<Route>,
    pub(super) route_unavailable: bool,
    pub(super) media_unavailable: Option<MediaFault>,
    pub(super) user_in_call: Option<CallId>,
    pub(super) hang_up_requested: Option<UtcMillis>,
    /// Who was connected with the customer, one after the other.
    pub(super) bridges: Vec<(UtcMillis, LegId)>,
    pub(super) interrupted: Option<UtcMillis>,
    pub(super) legs: BTreeMap<LegId, LegFacts>,
    pub(super) holds: Vec<(UtcMillis, Holder, Hold)>,
    /// What the contacts said, the number they were asked for beside it where that was told.
    lookups: Vec<(Option<String>, Vec<Candidate>)>,
    /// Who was at the customer's end after the one that the call began with.
    connected: Vec<Caller>,
    pub(super) contact_chosen: Option<Option<ContactId>>,
    pub(super) recordings: BTreeMap<RecordingId, RecordingFacts>,
    pub(super) notes: Option<String>,
    pub(super) disposition: Option<String>,
    /// What is seen of it from beside.
    pub(super) watch: Watch,
}

/// Who holds the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holder {
    /// A leg's party, on its own phone.
    Leg(LegId),
    /// The agent, in the interface.
    User,
}

/// A change of hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hold {
    Held,
    Retrieved,
}

/// Orders the signals of one call and drops duplicates; empty when the call's opening is missing.
pub(crate) fn in_order(signals: &[Signal]) -> Vec<&Signal> {
    let mut ordered: Vec<&Signal> = signals.iter().collect();
    ordered.sort_by_key(|signal| signal.key());
    let opening = ordered.iter().find(|signal| signal.body.opens_call());
    let Some(call_id) = opening.map(|signal| signal.call_id) else {
        return Vec::new();
    };
    let mut seen = BTreeSet::new();
    ordered.retain(|signal| signal.call_id == call_id && seen.insert(signal.id));
    ordered
}

/// Gathers what the signals say; `None` when the call's opening is missing.
pub(super) fn gather(signals: &[Signal]) -> Option<Facts> {
    let ordered = in_order(signals);
    let mut openings = ordered.iter().filter_map(|signal| Some((signal, Opening::of(&signal.body)?)));
    let (first, seen) = openings.next()?;
    // A call that was seen before it came to a line of ours is carried from then on.
    let carried = |opening: &Opening| !matches!(opening, Opening::Seen(_));
    let opening = match carried(&seen) {
        true => seen,
        false => openings.map(|(_, opening)| opening).find(carried).unwrap_or(seen),
    };
    let mut facts = Facts::new(first.call_id, first.observed_at, opening);
    for signal in ordered {
        facts.take(signal);
    }
    Some(facts)
}

impl Facts {
    fn new(call_id: CallId, started_at: UtcMillis, opening: Opening) -> Self {
        Self {
            call_id,
            started_at,
            legs: BTreeMap::from([(opening.leg(), LegFacts::default())]),
            opening,
            callee_dialled: None,
            route: None,
            route_unavailable: false,
            media_unavailable: None,
            user_in_call: None,
            hang_up_requested: None,
            bridges: Vec::new(),
            interrupted: None,
            holds: Vec::new(),
            lookups: Vec::new(),
            connected: Vec::new(),
            contact_chosen: None,
            recordings: BTreeMap::new(),
            notes: None,
            disposition: None,
            watch: Watch::default(),
        }
    }

    /// The customer's leg.
    pub(super) fn customer(&self) -> LegFacts {
        self.legs.get(&self.opening.leg()).cloned().unwrap_or_default()
    }

    /// Everybody else's legs.
    pub(super) fn agents(&self) -> impl Iterator<Item = (&LegId, &LegFacts)> {
        let customer = self.opening.leg();
        self.legs.iter().filter(move |(leg, _)| **leg != customer)
    }

    /// Whether what is seen from beside decides how the call went, and not what this server carries.
    pub(super) fn is_watched(&self) -> bool {
        match self.opening {
            Opening::Seen(_) => true,
            Opening::Offered(_) => self.bridges.is_empty() && !self.watch.is_empty(),
            Opening::Requested(_) => false,
        }
    }

    /// Whose call it is: who was connected or seen to talk, else whom the route names, else the line's user.
    pub(super) fn user(&self) -> Option<UserId> {
        let connected = self.bridges.first().and_then(|(_, leg)| self.legs.get(leg)?.dialled);
        let taken = self.watch.taken_by().filter(|_| self.is_watched());
        match (connected, taken, &self.opening, &self.route) {
            (Some((_, user, _)), ..) => Some(user),
            (None, Some(leg), ..) => leg.user,
            (None, None, Opening::Seen(_), _) => self.watch.user(),
            (None, None, _, Some(route)) => route.user,
            (None, None, _, None) => self.opening.user(),
        }
    }

    /// Who the customer is: chosen by a user, else settled by the match.
    pub(super) fn contact(&self) -> Option<ContactId> {
        match self.contact_chosen {
            Some(chosen) => chosen,
            None => self.looked_up().and_then(settled_contact),
        }
    }

    /// What the contacts last said of the number by which the customer is known at last.
    fn looked_up(&self) -> Option<&[Candidate]> {
        let known = self.number_to_match();
        let mut of_it =
            self.lookups.iter().rev().filter(|(number, _)| number.is_none() || number.as_deref() == known);
        of_it.next().map(|(_, candidates)| candidates.as_slice())
    }

    /// The number to ask the contacts for.
    pub(super) fn number_to_match(&self) -> Option<&str> {
        self.opening.number_to_match(&self.connected)
    }

    /// The number by which the customer is known.
    pub(super) fn known_number(&self) -> Option<&str> {
        self.opening.known_number(&self.connected)
    }

    /// The number at the customer's end, where it is another.
    pub(super) fn connected_number(&self) -> Option<&str> {
        self.opening.connected_number(&self.connected)
    }

    fn leg(&mut self, leg: LegId, at: UtcMillis) -> &mut LegFacts {
        let facts = self.legs.entry(leg).or_default();
        facts.first_seen.get_or_insert(at);
        facts
    }

    fn take(&mut self, signal: &Signal) {
        let at = signal.observed_at;
        self.watch.take(signal);
        match &signal.body {
            SignalBody::Routed(route) => {
                self.route.get_or_insert_with(|| route.clone());
            }
            SignalBody::CalleeDialled { .. } => {
                self.callee_dialled.get_or_insert(at);
            }
            SignalBody::RouteUnavailable {} => self.route_unavailable = true,
            SignalBody::MediaUnavailable { why } => {
                self.media_unavailable.get_or_insert(*why);
            }
            SignalBody::UserInCall { other, .. } => {
                self.user_in_call.get_or_insert(*other);
            }
            SignalBody::HangUpRequested { .. } => {
                self.hang_up_requested.get_or_insert(at);
            }
            SignalBody::Bridged { agent, .. } => {
                self.take_bridge(at, *agent);
            }
            SignalBody::Interrupted { alive_until } => {
                self.interrupted.get_or_insert(*alive_until);
            }
            SignalBody::ContactLookedUp { number, candidates, lookup: Lookup::Done } => {
                self.lookups.push((number.clone(), candidates.clone()));
            }
            SignalBody::PartyNamed { party, .. } => self.connected.push(party.clone()),
            SignalBody::Sighted(sighting) => {
                self.opening.learn(sighting);
                self.held_or_not(sighting, at);
            }
            SignalBody::CallSighted { sighting, .. } => self.held_or_not(sighting, at),
            SignalBody::ContactChosen { contact, .. } => self.contact_chosen = Some(*contact),
            SignalBody::NoteEdited { notes, .. } => self.notes = Some(notes.clone()),
            SignalBody::DispositionChosen { disposition, .. } => self.disposition = disposition.clone(),
            _ => self.take_media_or_leg(signal),
        }
    }

    /// Another one talks with the customer: nobody holds it any more for the one who did.
    fn take_bridge(&mut self, at: UtcMillis, agent: LegId) {
        if let Some((_, before)) = self.bridges.last() {
            let holders = [Holder::User, Holder::Leg(*before)];
            self.holds.extend(holders.map(|holder| (at, holder, Hold::Retrieved)));
        }
        self.bridges.push((at, agent));
    }

    /// The one who talked with the customer last.
    pub(super) fn last_agent(&self) -> Option<&LegFacts> {
        self.bridges.last().and_then(|(_, leg)| self.legs.get(leg))
    }

    /// A hold that is seen counts as one that is carried.
    fn held_or_not(&mut self, sighting: &Sighting, at: UtcMillis) {
        match sighting.stage {
            SightingStage::Ringing => {}
            SightingStage::Talking => self.holds.push((at, Holder::Leg(sighting.leg), Hold::Retrieved)),
            SightingStage::Holding => self.holds.push((at, Holder::Leg(sighting.leg), Hold::Held)),
        }
    }

    fn take_media_or_leg(&mut self, signal: &Signal) {
        let at = signal.observed_at;
        match &signal.body {
            SignalBody::RecordingOpened { recording, path } => {
                let facts = self.recordings.entry(*recording).or_default();
                facts.path.get_or_insert_with(|| path.clone());
            }
            SignalBody::RecordingClosed(closed) => {
                let facts = self.recordings.entry(closed.recording).or_default();
                facts.state = Some(closed.state);
                facts.closed = Some(closed.clone());
            }
            SignalBody::RecordingFailed { recording, .. } => {
                self.recordings.entry(*recording).or_default().state = Some(RecordingState::Failed);
            }
            SignalBody::Held { leg } => self.holds.push((at, Holder::Leg(*leg), Hold::Held)),
            SignalBody::Retrieved { leg } => self.holds.push((at, Holder::Leg(*leg), Hold::Retrieved)),
            SignalBody::HoldRequested { .. } => self.holds.push((at, Holder::User, Hold::Held)),
            SignalBody::RetrieveRequested { .. } => self.holds.push((at, Holder::User, Hold::Retrieved)),
            SignalBody::OtherDialled { leg, number } => {
                self.leg(*leg, at).number.get_or_insert_with(|| number.clone());
            }
            SignalBody::LegDialled { leg, user, device } | SignalBody::PhoneDialled { leg, user, device } => {
                self.leg(*leg, at).dialled.get_or_insert((at, *user, *device));
            }
            SignalBody::LegProgressed { leg, .. } => {
                self.leg(*leg, at).progressed.get_or_insert(at);
            }
            SignalBody::LegAnswered { leg } => {
                self.leg(*leg, at).answered.get_or_insert(at);
            }
            SignalBody::LegRejected { leg, status, .. } => {
                self.leg(*leg, at).rejected.get_or_insert((at, *status));
            }
            SignalBody::LegCancelled { leg, by, .. } => {
                self.leg(*leg, at).cancelled.get_or_insert((at, *by));
            }
            SignalBody::LegMeasured { leg, quality } => {
                self.leg(*leg, at).quality = Some(quality.clone());
            }
            SignalBody::LegEnded { leg, by, .. } => {
                self.leg(*leg, at).ended.get_or_insert((at, *by));
            }
            _ => {}
        }
    }
}
