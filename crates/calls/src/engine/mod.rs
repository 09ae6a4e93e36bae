//! The engine: live calls, one state machine each, and the effects that follow from what happens.
//!
//! Sans-IO: `handle_input(input, now, at)`, then `poll_output()` until it yields `Timeout` or `Idle`. It acts
//! in order of arrival; what a call comes to is the [fold](crate::fold)'s to say. Not here: SIP, media,
//! the database, the numbering of events.
//!
//! A user is in a call from the moment a device of theirs rings (or would, once the route is read)
//! until the customer's leg ends, as a telephone line is.

mod call;
mod dial;
mod finish;
mod hold;
mod late_fork;
mod missed;
mod outbox;
mod party;
mod recording;
mod recover;
mod ring;
mod session;
mod talk;
mod transfer;
mod view;
mod watch;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use call::{Call, RecordingStage, Saved, Stage};
use finish::edit_body;
use late_fork::LateForks;
use linecard_crm::matching::Candidate;
use outbox::Outbox;

use crate::effect::Effect;
use crate::event::{AgentState, AgentView, CallView, Event, Snapshot, Viewer};
use crate::fold::{fold, fold_recordings};
use crate::id::{CallId, IdSource, InteractionId, LegId, RecordingId, SightingId, SignalId, UserId};
use crate::interaction::{Interaction, Recording};
use crate::io::{EngineConfig, Input, Output, TimerReason};
use crate::opening::Opening;
use crate::quality::LegQuality;
use crate::sighting::Sighting;
use crate::signal::{EndCause, Lookup, Offer, Reason, Signal, SignalBody, Source};
use crate::time::UtcMillis;

/// How long the route may take; it is read from memory.
const ROUTE_WAIT: Duration = Duration::from_secs(2);
/// 482 Loop Detected: the same INVITE came by another way (RFC 3261 section 8.2.2.2).
const MERGED: u16 = 482;

/// All live calls of this process.
#[derive(Debug)]
pub struct Engine {
    config: EngineConfig,
    calls: HashMap<CallId, Call>,
    /// The live calls of each user.
    calls_of: BTreeMap<UserId, BTreeSet<CallId>>,
    /// The users that calls have shown, as last published.
    agents: BTreeMap<UserId, AgentView>,
    timers: BTreeSet<(Instant, TimerReason, CallId)>,
    /// The live calls by Call-ID and From tag, against the same INVITE by two ways.
    dialogs: HashMap<(String, String), CallId>,
    /// The calls in memory by the other party's number, and by every Call-ID that is known of them.
    by_number: HashMap<Option<String>, BTreeSet<CallId>>,
    sip_calls: HashMap<String, CallId>,
    /// What was seen and may be of a call that is being transferred, by the call that it will be if not.
    undecided: BTreeMap<CallId, (Sighting, Source)>,
    late_forks: LateForks,
    out: Outbox,
}

/// What the indexes hold of a call.
#[derive(Debug)]
struct Standing {
    live: bool,
    timer: Option<(Instant, TimerReason)>,
    users: BTreeSet<UserId>,
    number: Option<String>,
}

impl Standing {
    fn of(call: &Call) -> Self {
        Self {
            live: call.is_live(),
            timer: call.deadline(),
            users: call.engaged().into_keys().collect(),
            number: call.opening.number().map(str::to_owned),
        }
    }
}

impl Engine {
    /// Begins without calls; `ids` brings the seed of all randomness.
    pub fn new(config: EngineConfig, ids: IdSource, now: Instant, at: UtcMillis) -> Self {
        Self {
            config,
            calls: HashMap::new(),
            calls_of: BTreeMap::new(),
            agents: BTreeMap::new(),
            timers: BTreeSet::new(),
            dialogs: HashMap::new(),
            by_number: HashMap::new(),
            sip_calls: HashMap::new(),
            undecided: BTreeMap::new(),
            late_forks: LateForks::default(),
            out: Outbox::new(ids, now, at),
        }
    }

    /// Names a leg for [`Input::LegOffered`].
    pub fn make_leg(&mut self, at: UtcMillis) -> LegId {
        self.out.ids.make(at)
    }

    /// Names a sighting for [`Input::Sighted`].
    pub fn make_sighting(&mut self, at: UtcMillis) -> SightingId {
        self.out.ids.make(at)
    }

    /// Names an interaction for [`Input::LegOffered`].
    pub fn make_interaction(&mut self, at: UtcMillis) -> InteractionId {
        self.out.ids.make(at)
    }

    /// Takes in what happened; `at` is the wall clock, which may jump.
    pub fn handle_input(&mut self, input: Input, now: Instant, at: UtcMillis) {
        self.out.now = now;
        self.out.at = at;
        match input {
            Input::LegOffered(offer) => self.leg_offered(offer),
            Input::Sighted { sighting, source } => self.sighted(sighting, source),
            Input::SightingOver { over, source } => self.sighting_over(over, source),
            Input::SessionTold { told, seen } => self.session_told(told, seen),
            Input::SessionOver { leg, by } => self.session_over(leg, by),
            Input::LegProgressed { leg, status } => {
                self.on_leg(leg, |call, out| call.progressed(leg, status, out));
            }
            Input::DialRequested { request, route, contact } => self.dial_requested(request, route, contact),
            Input::PhoneDialled { request, leg, device, route } => {
                self.phone_dialled(request, leg, device, route);
            }
            Input::EarlyMedia { leg } => self.on_customer(leg, Call::early_media),
            Input::LegAnswered { leg } => self.leg_answered(leg),
            Input::LegConfirmed { leg } => self.on_customer(leg, Call::customer_confirmed),
            Input::LegRejected { leg, status, reasons } => {
                self.on_leg(leg, |call, out| call.rejected(leg, status, reasons, out));
            }
            Input::LegCancelled { leg, reasons } => self.leg_cancelled(leg, reasons),
            Input::LegEnded { leg, by, reasons } => self.leg_ended(leg, by, reasons),
            Input::LegHeld { leg } => self.on_leg(leg, |call, out| call.held(leg, out)),
            Input::LegRetrieved { leg } => self.on_leg(leg, |call, out| call.retrieved(leg, out)),
            Input::PartyNamed { leg, party } => {
                self.on_customer(leg, |call, out| call.party_named(party, out));
            }
            Input::PartyReplaced { leg } => self.on_leg(leg, |call, out| {
                if call.has_room() {
                    call.record(Source::Anchor, SignalBody::PartyReplaced { leg }, out);
                }
            }),
            Input::LegRedirected { leg, status, number } => self.on_leg(leg, |call, out| {
                if call.has_room() {
                    call.record(Source::Anchor, SignalBody::LegRedirected { leg, status, number }, out);
                }
            }),
            Input::DialogChanged { leg, dialog } => self.dialog_changed(leg, dialog),
            Input::MediaLost { leg } => self.on_leg(leg, |call, out| call.media_lost(leg, out)),
            Input::LegMeasured { call, leg, quality } => self.leg_measured(call, leg, quality),
            Input::MissedActed { item, user, deed } => self.missed_acted(item, user, deed),
            Input::Timeout => self.timeout(),
            other => self.handle_answer(other),
        }
    }

    fn handle_answer(&mut self, input: Input) {
        match input {
            Input::MediaUnavailable { call, why } => {
                self.on_call(call, |call, out| call.media_unavailable(why, out));
            }
            Input::MediaReleased { call } => self.on_call(call, Call::media_released),
            Input::RouteFound { call, route } => {
                let busy_with = route.user.and_then(|user| self.other_call(user, call));
                self.on_call(call, |call, out| call.route_found(route, busy_with, out));
            }
            Input::RouteUnavailable { call } => {
                self.on_call(call, Call::route_unavailable);
            }
            Input::ContactFound { call, number, candidates } => self.contact_found(call, number, candidates),
            Input::ContactLearned { call, number, candidates } => {
                self.contact_learned(call, number, candidates);
            }
            Input::LookupUnavailable { call } => {
                self.on_call(call, Call::lookup_unavailable);
            }
            Input::RecordingOpened { recording, path } => self.recording_opened(recording, path),
            Input::RecordingClosed(closed) => self.recording_closed(closed),
            Input::RecordingFailed { recording, why } => self.recording_failed(recording, why),
            Input::SignalLate { call, signal } => self.signal_late(call, signal),
            other => self.handle_wish(other),
        }
    }

    /// Takes in what a user wants of a call.
    fn handle_wish(&mut self, input: Input) {
        match input {
            Input::HangUp { call, user } => {
                self.on_call(call, |call, out| call.hang_up(user, out));
            }
            Input::HoldRequested { call, user } => {
                self.on_call(call, |call, out| call.hold_requested(user, out));
            }
            Input::RetrieveRequested { call, user } => {
                self.on_call(call, |call, out| call.retrieve_requested(user, out));
            }
            Input::TransferRequested { call, request } => {
                self.on_call(call, |call, out| call.transfer_requested(request, out));
            }
            Input::ReferralSent { call, user, number } => self.on_call(call, |call, out| {
                call.record(Source::User, SignalBody::ReferralSent { user, number }, out);
            }),
            Input::ReferralFailed { call, status } => self.on_call(call, |call, out| {
                call.record(Source::Anchor, SignalBody::ReferralFailed { status }, out);
            }),
            Input::HandedToPbx { call, number } => {
                self.on_call(call, |call, out| call.handed_to_pbx(number, out));
            }
            Input::TransferCompleted { call, .. } => self.on_call(call, Call::complete_transfer),
            Input::DigitsSent { call, user, count } => self.on_call(call, |call, out| {
                if call.has_room() {
                    call.record(Source::User, SignalBody::DigitsSent { user, count }, out);
                }
            }),
            Input::Edited { call, edit } => {
                if self.calls.contains_key(&call) {
                    self.on_call(call, |call, out| call.edited(edit, out));
                } else {
                    self.amend(call, Source::User, edit_body(edit));
                }
            }
            _ => {}
        }
    }

    /// Yields the next output; after `Timeout` or `Idle` there is none until the next input.
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.out.queue.pop_front() {
            return output;
        }
        match self.timers.first() {
            Some((at, reason, _)) => Output::Timeout { at: *at, reason: *reason },
            None => Output::Idle,
        }
    }

    fn leg_offered(&mut self, offer: Offer) {
        if self.out.legs.contains_key(&offer.leg) {
            return;
        }
        let dialog = (offer.sip_call_id.clone(), offer.from_tag.clone());
        if self.dialogs.contains_key(&dialog) {
            self.out.effect(Effect::RejectLeg { leg: offer.leg, status: MERGED });
            return;
        }
        if let Some(call) = self.call_offered(&offer) {
            return self.seen_call_offered(call, dialog, offer);
        }
        let id: CallId = self.out.ids.make(self.out.at);
        self.dialogs.insert(dialog, id);
        self.out.legs.insert(offer.leg, id);
        self.sip_calls.entry(offer.sip_call_id.clone()).or_insert(id);
        let number = offer.caller.number.clone();
        let (line, user) = (offer.line, offer.user);
        let free = user.filter(|user| self.other_call(*user, id).is_none());
        let opening = self.out.record(id, Source::Anchor, self.out.at, SignalBody::LegOffered(offer.clone()));
        let lookup = if number.is_some() { Lookup::Pending } else { Lookup::Done };
        let deadline = self.out.now + ROUTE_WAIT;
        let mut call = Call::new(id, Opening::Offered(offer), opening, lookup, deadline, &self.out);
        self.out.publish(Event::CallCreated(call.view()));
        if let Some(user) = free {
            call.show_pop(user, &mut self.out);
        }
        // Whoever reads the contacts does so while the route is found and the device dialled.
        if let Some(number) = number {
            self.out.effect(Effect::FindContact { call: id, number });
        }
        self.out.effect(Effect::FindRoute { call: id, line });
        self.settle(call, None);
    }

    /// The user's other call: one that rings or talks, or an earlier one whose route is not read yet.
    fn other_call(&self, user: UserId, id: CallId) -> Option<CallId> {
        let others = self.calls_of.get(&user)?.iter().filter(|other| **other != id);
        others
            .filter_map(|other| self.calls.get(other))
            .find(|other| !other.is_routing() || other.id < id)
            .map(|other| other.id)
    }

    fn on_call(&mut self, id: CallId, act: impl FnOnce(&mut Call, &mut Outbox)) {
        let Some(mut call) = self.calls.remove(&id) else {
            return;
        };
        let before = Standing::of(&call);
        act(&mut call, &mut self.out);
        self.settle(call, Some(before));
    }

    fn on_leg(&mut self, leg: LegId, act: impl FnOnce(&mut Call, &mut Outbox)) {
        if let Some(id) = self.out.legs.get(&leg).copied() {
            self.on_call(id, act);
        }
    }

    fn on_customer(&mut self, leg: LegId, act: impl FnOnce(&mut Call, &mut Outbox)) {
        self.on_leg(leg, |call, out| {
            if call.customer() == leg {
                act(call, out);
            }
        });
    }

    /// Brings the indexes in step with a call and keeps or forgets it.
    fn settle(&mut self, call: Call, before: Option<Standing>) {
        let id = call.id;
        let after = Standing::of(&call);
        let timer = before.as_ref().and_then(|before| before.timer);
        if timer != after.timer {
            if let Some((at, reason)) = timer {
                self.timers.remove(&(at, reason, id));
            }
            if let Some((at, reason)) = after.timer {
                self.timers.insert((at, reason, id));
            }
        }
        let mut concerned = after.users.clone();
        for user in before.iter().flat_map(|before| &before.users) {
            if concerned.insert(*user)
                && let Some(calls) = self.calls_of.get_mut(user)
            {
                calls.remove(&id);
            }
        }
        for user in &after.users {
            self.calls_of.entry(*user).or_default().insert(id);
        }
        if let Opening::Offered(offer) = &call.opening
            && !call.is_live()
        {
            self.dialogs.remove(&(offer.sip_call_id.clone(), offer.from_tag.clone()));
        }
        if !after.live && before.as_ref().is_some_and(|before| before.live) {
            self.late_forks.call_over(&call, self.out.at);
        }
        self.index(&call, before.as_ref(), after.number);
        if !call.is_forgettable() {
            self.calls.insert(id, call);
        }
        for user in concerned {
            self.refresh_agent(user);
        }
    }

    /// Keeps the call to be found by number and Call-ID while it is in memory.
    fn index(&mut self, call: &Call, before: Option<&Standing>, number: Option<String>) {
        let forgotten = call.is_forgettable();
        if let Some(before) = before.filter(|before| forgotten || before.number != number)
            && let Some(calls) = self.by_number.get_mut(&before.number)
        {
            calls.remove(&call.id);
            if calls.is_empty() {
                self.by_number.remove(&before.number);
            }
        }
        if !forgotten {
            self.by_number.entry(number).or_default().insert(call.id);
            return;
        }
        let offered = match &call.opening {
            Opening::Offered(offer) => Some(&offer.sip_call_id),
            Opening::Requested(_) | Opening::Seen(_) => None,
        };
        for sip_call in call.watch.sip_call_ids().chain(offered) {
            if self.sip_calls.get(sip_call) == Some(&call.id) {
                self.sip_calls.remove(sip_call);
            }
        }
    }

    fn refresh_agent(&mut self, user: UserId) {
        let calls = self.calls_of.get(&user).into_iter().flatten();
        let states = calls.filter_map(|id| self.calls.get(id));
        let states = states.filter_map(|call| Some((*call.engaged().get(&user)?, call.id)));
        let busiest = states.max_by_key(|(state, _)| *state);
        let (state, call_id) = match busiest {
            Some((state, call)) if state != AgentState::Available => (state, Some(call)),
            _ => (AgentState::Available, None),
        };
        let view = AgentView { user_id: user, state, call_id };
        let known = self.agents.insert(user, view.clone());
        let known = known.map_or((AgentState::Available, None), |known| (known.state, known.call_id));
        if known != (view.state, view.call_id) {
            self.out.publish(Event::AgentStateChanged(view));
        }
        if self.calls_of.get(&user).is_some_and(BTreeSet::is_empty) {
            self.calls_of.remove(&user);
        }
    }

    fn leg_answered(&mut self, leg: LegId) {
        let config = self.config;
        self.on_leg(leg, |call, out| {
            if call.customer() == leg {
                call.customer_answered(&config, out);
            } else {
                call.device_answered(leg, out);
            }
        });
    }

    /// The customer gave up before our answer, or the user on the device that dialled.
    fn leg_cancelled(&mut self, leg: LegId, reasons: Vec<Reason>) {
        self.on_leg(leg, |call, out| {
            if call.customer() == leg {
                call.customer_cancelled(reasons, out);
            } else if call.is_calling(leg) {
                call.device_ended(leg, EndCause::Remote, reasons, out);
            }
        });
    }

    fn leg_ended(&mut self, leg: LegId, by: EndCause, reasons: Vec<Reason>) {
        self.on_leg(leg, |call, out| {
            if call.customer() == leg {
                call.customer_ended(by, reasons, out);
            } else {
                call.device_ended(leg, by, reasons, out);
            }
        });
    }

    fn dialog_changed(&mut self, leg: LegId, dialog: serde_json::Value) {
        self.on_leg(leg, |call, out| {
            if call.has_room() {
                let at = call.clock(out);
                out.record(call.id, Source::Anchor, at, SignalBody::DialogRecorded { leg, dialog });
            }
        });
    }

    fn contact_found(&mut self, call: CallId, number: String, candidates: Vec<Candidate>) {
        if self.calls.contains_key(&call) {
            self.on_call(call, |call, out| call.contact_found(&number, candidates, out));
        } else {
            self.amend_lookup(call, number, candidates);
        }
    }

    fn contact_learned(&mut self, call: CallId, number: String, candidates: Vec<Candidate>) {
        if self.calls.contains_key(&call) {
            self.on_call(call, |call, out| call.contact_learned(candidates, out));
        } else {
            self.amend_lookup(call, number, candidates);
        }
    }

    fn amend_lookup(&mut self, call: CallId, number: String, candidates: Vec<Candidate>) {
        let (number, lookup) = (Some(number), Lookup::Done);
        self.amend(call, Source::Crm, SignalBody::ContactLookedUp { number, candidates, lookup });
    }

    fn leg_measured(&mut self, call: CallId, leg: LegId, quality: Box<LegQuality>) {
        if self.calls.contains_key(&call) {
            self.on_call(call, |call, out| call.leg_measured(leg, quality, out));
        } else {
            self.amend(call, Source::Media, SignalBody::LegMeasured { leg, quality });
        }
    }

    /// Records evidence about a call that is over and forgotten.
    fn amend(&mut self, call_id: CallId, source: Source, body: SignalBody) {
        self.out.record(call_id, source, self.out.at, body);
        self.out.queue.push_back(Output::CallAmended { call_id });
    }

    fn signal_late(&mut self, call: CallId, signal: SignalId) {
        let body = SignalBody::LateDurable { signal };
        if self.calls.contains_key(&call) {
            self.on_call(call, |call, out| {
                call.record(Source::Engine, body, out);
            });
        } else {
            self.out.record(call, Source::Engine, self.out.at, body);
        }
    }

    fn timeout(&mut self) {
        while let Some((at, reason, id)) = self.timers.first().copied() {
            if at > self.out.now {
                return;
            }
            self.timers.remove(&(at, reason, id));
            if reason == TimerReason::Undecided {
                self.decide(id);
                continue;
            }
            self.on_call(id, |call, out| match reason {
                TimerReason::RouteLate => call.route_unavailable(out),
                TimerReason::RingOver => call.ring_over(out),
                TimerReason::AnswerLate => call.answer_late(out),
                TimerReason::SaveLate => call.save(out),
                TimerReason::CancelLate => call.cancel_late(out),
                TimerReason::CalleeLate => call.callee_late(out),
                TimerReason::FarewellOver => call.farewell_over(out),
                TimerReason::TransferLate => call.transfer_late(out),
                TimerReason::WatchOver => call.watch_over(out),
                TimerReason::Undecided => {}
            });
        }
    }

    /// Returns the call that a leg belongs to.
    #[must_use]
    pub fn call_of(&self, leg: LegId) -> Option<CallId> {
        self.out.legs.get(&leg).copied()
    }

    /// Shows a live call.
    pub fn call(&self, id: CallId) -> Option<CallView> {
        self.calls.get(&id).filter(|call| call.is_live()).map(Call::view)
    }

    /// Names the calls in memory whose other party has `number`, live or just over.
    pub fn calls_of_number(&self, number: &str) -> Vec<CallId> {
        let of_number = |call: &&Call| call.number_to_match() == Some(number);
        self.calls.values().filter(of_number).map(|call| call.id).collect()
    }

    /// Shows the live calls that `viewer` may see, oldest first.
    pub fn calls(&self, viewer: &Viewer) -> Vec<CallView> {
        let live = self.calls.values().filter(|call| call.is_live());
        let mut views: Vec<CallView> = live.map(Call::view).filter(|view| view.visible_to(viewer)).collect();
        views.sort_by_key(|view| view.call_id);
        views
    }

    /// Folds the interaction of one call; `None` once it is saved.
    pub fn live_interaction(&self, id: CallId) -> Option<Interaction> {
        self.calls.get(&id).filter(is_unsaved).and_then(|call| fold(&call.signals))
    }

    /// Shows the evidence of the call that will leave `interaction`; `None` once it is saved.
    pub fn live_signals(&self, interaction: InteractionId) -> Option<&[Signal]> {
        let mut calls = self.calls.values().filter(is_unsaved);
        calls.find(|call| call.opening.interaction() == interaction).map(|call| call.signals.as_slice())
    }

    /// Folds one recording of a call that is not saved yet.
    pub fn live_recording(&self, id: RecordingId) -> Option<Recording> {
        let unsaved = self.calls.values().filter(is_unsaved);
        unsaved.flat_map(|call| fold_recordings(&call.signals)).find(|recording| recording.id == id)
    }

    /// Folds the interactions that are not saved yet and that `viewer` may see, oldest first.
    pub fn live_interactions(&self, viewer: &Viewer) -> Vec<Interaction> {
        let folded = self.calls.values().filter(is_unsaved).filter_map(|call| fold(&call.signals));
        let mut interactions: Vec<Interaction> = folded.filter(|it| it.visible_to(viewer)).collect();
        interactions.sort_by_key(|interaction| interaction.id);
        interactions
    }

    /// Tells whether no call runs through this server and nothing waits to be saved; calls that go on elsewhere and are
    /// not recorded here are no reason to wait.
    pub fn is_at_rest(&self) -> bool {
        let only_seen = |call: &Call| {
            call.is_live() && call.is_watched() && matches!(call.recording, RecordingStage::Nothing)
        };
        self.calls.values().filter(is_unsaved).all(only_seen)
    }

    /// Shows everything that `viewer` may see, as of now.
    pub fn snapshot(&self, viewer: &Viewer) -> Snapshot {
        let pops = self.calls.values().flat_map(|call| &call.pops);
        let mut pops: Vec<_> =
            pops.filter(|pop| !pop.state.is_over() && viewer.sees(Some(pop.user_id))).cloned().collect();
        pops.sort_by_key(|pop| pop.pop_id);
        let agents = self.agents.values().filter(|agent| viewer.sees(Some(agent.user_id)));
        Snapshot {
            calls: self.calls(viewer),
            pops,
            agents: agents.cloned().collect(),
            missed_open: self.out.missed.open_for(viewer),
        }
    }
}

fn is_unsaved(call: &&Call) -> bool {
    !matches!(call.stage, Stage::Ended { saved: Saved::Done, .. })
}
