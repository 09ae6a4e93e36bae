//! Calls that go on elsewhere: which sightings are of one call, who is shown it, and when it is over.
//!
//! A sighting joins a call that has its Call-ID, a device of its user that this server rings, the same extension seen by
//! another source, the other end of an internal call, or the same caller's number while nobody talks: ring groups and
//! hunts ring many extensions for one caller. All else is a call of its own.

use std::collections::BTreeSet;
use std::time::Duration;

use super::call::{Call, Stage, Watched};
use super::finish::{Ending, Face};
use super::hold::Edge;
use super::outbox::Outbox;
use super::{Engine, ROUTE_WAIT};
use crate::effect::Effect;
use crate::event::Event;
use crate::fold::fold;
use crate::id::{CallId, LegId, SightingId, SignalId, UserId};
use crate::interaction::{Direction, Outcome};
use crate::io::TimerReason;
use crate::opening::{Opening, SeenCall};
use crate::pop::PopState;
use crate::sighting::{Reach, Side, Sighting, SightingEnd, SightingOver, SightingStage};
use crate::signal::{Lookup, Offer, SignalBody, Source, SpanKind};
use crate::time::UtcMillis;
use crate::watch::WatchedLeg;

/// How long a call that nobody answered is waited for to ring somewhere else: a hunt goes on to its next extension, and
/// a phone reports the end of a losing fork before the winner's answer.
const HUNT_WAIT: Duration = Duration::from_secs(4);
/// How long a call that was answered is waited for to be talked in somewhere else: it is being transferred.
const TRANSFER_WAIT: Duration = Duration::from_secs(2);
/// How long after a restart the PBX may take to tell of a call again.
pub(super) const RESTART_WAIT: Duration = Duration::from_secs(40);
/// How long it may stay open whether what is seen is a call that is being transferred: the two ends of a transfer are told
/// within a few tens of milliseconds of each other.
const UNDECIDED: Duration = Duration::from_millis(700);
/// Forks of one call whose caller is not told begin within this time, in milliseconds.
const FORKS_WITHIN_MS: i64 = 1_000;

/// Why a sighting is of a known call; the greatest decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kinship {
    /// One of them tells no number, and they began together.
    Together,
    /// The same caller, and nobody talks.
    Number,
    /// The other end of an internal call.
    OtherEnd,
    /// The same extension, seen by another source.
    Leg,
    /// A device of the user that this server rings.
    OwnDevice,
    /// The same Call-ID.
    Dialog,
}

impl Engine {
    pub(super) fn sighted(&mut self, sighting: Sighting, source: Source) {
        if let Some(call) = self.out.sightings.get(&sighting.id).copied() {
            match self.moved_to(&sighting, source, call) {
                Some(other) => self.move_sighting(sighting, source, other),
                None => self.on_call(call, |call, out| call.sighted(sighting, source, out)),
            }
            return;
        }
        self.undecided.retain(|_, (known, _)| known.id != sighting.id);
        if let Some(call) = self.call_seen(&sighting, source) {
            self.join(call, sighting, source);
        } else if self.late_forks.take(&sighting, source, self.out.at) {
            // Its call is over and was told in full.
        } else if self.may_be_transferred(&sighting) {
            let id: CallId = self.out.ids.make(self.out.at);
            self.timers.insert((self.out.now + UNDECIDED, TimerReason::Undecided, id));
            self.undecided.insert(id, (sighting, source));
        } else if sighting.reach != Reach::Ours {
            let id = self.out.ids.make(self.out.at);
            self.open_seen(id, sighting, source);
        }
    }

    pub(super) fn sighting_over(&mut self, over: SightingOver, source: Source) {
        let waits =
            self.undecided.iter().find(|(_, (sighting, _))| sighting.id == over.id).map(|(id, _)| *id);
        if let Some(id) = waits {
            self.decide(id);
        }
        if let Some(call) = self.out.sightings.remove(&over.id) {
            self.on_call(call, |call, out| call.sighting_over(over, source, out));
        }
        let again: Vec<CallId> = self.undecided.keys().copied().collect();
        for id in again {
            let known =
                self.undecided.get(&id).and_then(|(sighting, source)| self.call_seen(sighting, *source));
            if known.is_some() {
                self.decide(id);
            }
        }
    }

    /// What was seen is of a call that is known by now, or a call of its own.
    pub(super) fn decide(&mut self, id: CallId) {
        let Some((sighting, source)) = self.undecided.remove(&id) else { return };
        match self.call_seen(&sighting, source) {
            Some(call) => self.join(call, sighting, source),
            None => self.open_seen(id, sighting, source),
        }
    }

    fn join(&mut self, call: CallId, sighting: Sighting, source: Source) {
        self.out.sightings.insert(sighting.id, call);
        if let Some(sip_call) = sighting.sip_call_id.clone().filter(|_| self.calls.contains_key(&call)) {
            self.sip_calls.entry(sip_call).or_insert(call);
        }
        self.on_call(call, |call, out| call.sighted(sighting, source, out));
    }

    /// Whether somebody talks with this caller: its call may be on its way to the extension that rings now, for the end
    /// of the old part and the new one are told in any order. It may also be a second call of the same number.
    fn may_be_transferred(&self, sighting: &Sighting) -> bool {
        let rings = sighting.side == Side::Called && sighting.stage == SightingStage::Ringing;
        let same_number = self.by_number.get(&sighting.party.number).into_iter().flatten();
        let mut talks =
            same_number.filter_map(|id| self.calls.get(id)).filter(|call| call.is_talked_elsewhere(sighting));
        rings && sighting.party.number.is_some() && talks.next().is_some()
    }

    /// The call to which an extension was connected that took part in another until now: its other party changed.
    fn moved_to(&self, sighting: &Sighting, source: Source, from: CallId) -> Option<CallId> {
        let known = self.calls.get(&from)?.party_of(sighting.id)?;
        if sighting.party.number.is_none() || known == sighting.party.number.as_deref() {
            return None;
        }
        self.call_seen(sighting, source).filter(|call| *call != from)
    }

    fn move_sighting(&mut self, mut sighting: Sighting, source: Source, to: CallId) {
        let over =
            SightingOver { id: sighting.id, end: SightingEnd::Replaced, status: None, reasons: Vec::new() };
        self.sighting_over(over, source);
        sighting.leg = self.out.ids.make(self.out.at);
        self.join(to, sighting, source);
    }

    /// The call that a sighting is of, if it is a known one.
    fn call_seen(&self, sighting: &Sighting, source: Source) -> Option<CallId> {
        let kin: Vec<(Kinship, CallId)> = self
            .calls_near(sighting)
            .into_iter()
            .filter_map(|id| self.calls.get(&id))
            .filter_map(|call| Some((call.kinship(sighting, source, self.out.at)?, call.id)))
            .collect();
        let (kinship, call) = kin.iter().max().copied()?;
        // That two began together tells nothing when a third did too.
        (kinship != Kinship::Together || kin.len() == 1).then_some(call)
    }

    /// The calls that a sighting may be of; without a number it may be any.
    fn calls_near(&self, sighting: &Sighting) -> BTreeSet<CallId> {
        let number = &sighting.party.number;
        if number.is_none() {
            return self.calls.keys().copied().collect();
        }
        let dialog = sighting.sip_call_id.as_ref().and_then(|sip_call| self.sip_calls.get(sip_call));
        let of_user = sighting.user.and_then(|user| self.calls_of.get(&user)).into_iter().flatten();
        let numbers = [number, &None, &Some(sighting.extension.clone())];
        let of_number = numbers.into_iter().filter_map(|number| self.by_number.get(number)).flatten();
        dialog.into_iter().chain(of_user).chain(of_number).copied().collect()
    }

    fn open_seen(&mut self, id: CallId, sighting: Sighting, source: Source) {
        let customer: LegId = self.out.ids.make(self.out.at);
        let interaction = self.out.ids.make(self.out.at);
        self.out.sightings.insert(sighting.id, id);
        if let Some(sip_call) = sighting.sip_call_id.clone() {
            self.sip_calls.insert(sip_call, id);
        }
        let opening = Opening::Seen(SeenCall::new(customer, interaction, &sighting));
        let body = SignalBody::CallSighted { customer, interaction, sighting: sighting.clone() };
        let opened = self.out.record(id, source, self.out.at, body);
        let number = opening.number_to_match(&[]).map(str::to_owned);
        let lookup = if number.is_some() { Lookup::Pending } else { Lookup::Done };
        let mut call = Call::new(id, opening, opened, lookup, self.out.now, &self.out);
        call.stage = Stage::Watched(Watched::default());
        call.ring_along(sighting.id, source, call.opened_by, &mut self.out);
        self.out.publish(Event::CallCreated(call.view()));
        call.show_seen(&sighting, &mut self.out);
        if let Some(number) = number {
            self.out.effect(Effect::FindContact { call: id, number });
        }
        self.out.publish(Event::CallRinging(call.view()));
        call.follow(&mut self.out);
        self.settle(call, None);
    }

    /// The call that an INVITE on a line of ours is a further fork of.
    pub(super) fn call_offered(&self, offer: &Offer) -> Option<CallId> {
        let dialog = self.sip_calls.get(&offer.sip_call_id);
        let numbers =
            [&offer.caller.number, &None].into_iter().filter_map(|number| self.by_number.get(number));
        let near: BTreeSet<CallId> = dialog.into_iter().chain(numbers.flatten()).copied().collect();
        let kin = near.iter().filter_map(|id| self.calls.get(id));
        let kin: Vec<&Call> = kin.filter(|call| call.rings_only_elsewhere(offer, self.out.at)).collect();
        let named = kin.iter().find(|call| call.opening.number() == offer.caller.number.as_deref());
        named.or(kin.first().filter(|_| kin.len() == 1)).map(|call| call.id)
    }

    /// A call that was seen to ring elsewhere comes to a line of ours too: it is carried from now on.
    pub(super) fn seen_call_offered(&mut self, id: CallId, dialog: (String, String), offer: Offer) {
        self.dialogs.insert(dialog, id);
        self.out.legs.insert(offer.leg, id);
        self.sip_calls.entry(offer.sip_call_id.clone()).or_insert(id);
        let free = offer.user.filter(|user| self.other_call(*user, id).is_none());
        let line = offer.line;
        self.on_call(id, |call, out| {
            call.offered(offer, out);
            if let Some(user) = free {
                call.show_pop(user, out);
            }
        });
        self.out.effect(Effect::FindRoute { call: id, line });
    }
}

impl Call {
    fn kinship(&self, sighting: &Sighting, source: Source, at: UtcMillis) -> Option<Kinship> {
        if let Some(sip_call) = &sighting.sip_call_id
            && (self.watch.knows_sip_call(sip_call) || self.is_offered_as(sip_call))
        {
            return Some(Kinship::Dialog);
        }
        if !self.is_live() {
            return None;
        }
        let number = sighting.party.number.as_deref();
        let may_be = |known: Option<&str>| known.is_none() || number.is_none() || known == number;
        let rings_own = sighting.user.is_some() && self.user() == sighting.user && !self.devices.is_empty();
        if rings_own && sighting.side == Side::Called && !self.is_watched() {
            let ours = sighting.reach == Reach::Ours || may_be(self.opening.number());
            return ours.then_some(Kinship::OwnDevice);
        }
        if sighting.reach == Reach::Ours {
            return None;
        }
        let same_leg = |leg: &WatchedLeg| {
            leg.is_extension(sighting) && !leg.is_seen_by(source) && may_be(leg.number.as_deref())
        };
        if self.watch.live().any(|(_, leg)| same_leg(leg))
            || self.goes_on_to_talk(sighting, may_be(self.opening.number()))
        {
            return Some(Kinship::Leg);
        }
        if self.watch.live().any(|(_, leg)| leg.is_other_end(sighting)) {
            return Some(Kinship::OtherEnd);
        }
        self.rings_on(sighting, at)
    }

    /// Whether it is seen to talk what just rang there, and was lost sight of by who told of the ringing.
    fn goes_on_to_talk(&self, sighting: &Sighting, may_be: bool) -> bool {
        let rang = |leg: &WatchedLeg| {
            leg.is_extension(sighting) && leg.stage().is_none() && leg.talked_from.is_none()
        };
        let mut legs = self.watch.legs();
        let waits = matches!(self.stage, Stage::Watched(_)) && self.watch.talking().next().is_none();
        sighting.stage.is_connected() && waits && may_be && legs.any(|(_, leg)| rang(leg))
    }

    /// Whether a further extension that is called may be one that this call goes on to.
    fn rings_on(&self, sighting: &Sighting, at: UtcMillis) -> Option<Kinship> {
        let inbound = self.opening.direction() == Direction::Inbound && sighting.side == Side::Called;
        let dids = (self.opening.did(), sighting.did.as_deref());
        let other_did = matches!(dids, (Some(one), Some(other)) if one != other);
        let taken = self.watch.live().any(|(_, leg)| leg.is_extension(sighting));
        let revived = sighting.stage.is_connected() || self.watch.talking().next().is_none();
        let carried = matches!(self.stage, Stage::Answering { .. } | Stage::Dialling(_) | Stage::Talking(_));
        if !inbound || other_did || taken || carried || !revived {
            return None;
        }
        match (self.opening.number(), sighting.party.number.as_deref()) {
            (Some(one), Some(other)) => (one == other).then_some(Kinship::Number),
            (None, Some(_)) if self.opening.is_withheld() => None,
            (Some(_), None) if sighting.party.is_withheld() => None,
            _ => (at.since_ms(self.newest_fork()).abs() <= FORKS_WITHIN_MS).then_some(Kinship::Together),
        }
    }

    /// Whether other extensions talk in it with the party that is seen.
    fn is_talked_elsewhere(&self, sighting: &Sighting) -> bool {
        let watched =
            matches!(self.stage, Stage::Watched(_)) && self.opening.direction() == Direction::Inbound;
        watched
            && self.watch.talking().next().is_some()
            && !self.watch.live().any(|(_, leg)| leg.is_extension(sighting))
    }

    /// The number of the other party of the extension that is seen by `id`; the inner option is one not known.
    fn party_of(&self, id: SightingId) -> Option<Option<&str>> {
        let (leg, _) = self.watch.sighting(id)?;
        self.watch.legs().find(|(id, _)| *id == leg).map(|(_, leg)| leg.number.as_deref())
    }

    fn newest_fork(&self) -> UtcMillis {
        let seen = self.watch.legs().map(|(_, leg)| leg.first_seen);
        seen.fold(self.started_at(), UtcMillis::max)
    }

    fn is_offered_as(&self, sip_call: &str) -> bool {
        matches!(&self.opening, Opening::Offered(offer) if offer.sip_call_id == sip_call)
    }

    /// Whether it is a call that so far rings elsewhere and may ring here too.
    fn rings_only_elsewhere(&self, offer: &Offer, at: UtcMillis) -> bool {
        let together = at.since_ms(self.newest_fork()).abs() <= FORKS_WITHIN_MS;
        let numbers = (self.opening.number(), offer.caller.number.as_deref());
        let may_be = match numbers {
            (Some(one), Some(other)) => one == other,
            (None, Some(_)) if self.opening.is_withheld() => false,
            (Some(_), None) if offer.caller.is_withheld() => false,
            _ => together || self.watch.knows_sip_call(&offer.sip_call_id),
        };
        let ringing = matches!(self.stage, Stage::Watched(_)) && self.watch.talking().next().is_none();
        let seen = matches!(self.opening, Opening::Seen(_)) && self.opening.direction() == Direction::Inbound;
        let dids = (self.opening.did(), offer.did.as_deref());
        may_be && ringing && seen && !matches!(dids, (Some(one), Some(other)) if one != other)
    }

    fn offered(&mut self, mut offer: Offer, out: &mut Outbox) {
        offer.interaction = self.opening.interaction();
        let before = self.number_to_match().map(str::to_owned);
        self.opened_by = self.record(Source::Anchor, SignalBody::LegOffered(offer.clone()), out);
        self.opening = Opening::Offered(offer);
        self.stage = Stage::Routing { deadline: out.now + ROUTE_WAIT };
        self.number_learned(before.as_deref(), out);
    }

    fn sighted(&mut self, mut sighting: Sighting, source: Source, out: &mut Outbox) {
        if !self.is_live() || !self.has_room() {
            return;
        }
        let known = self.watch.sighting(sighting.id);
        let learned = self.opening.number().is_none() && sighting.party.number.is_some();
        let news = known.is_none_or(|(_, stage)| {
            // What talks does not ring again; a hold comes and goes.
            stage != sighting.stage && sighting.stage.is_connected()
        });
        if !news && !learned {
            return;
        }
        let leg = known.map(|(leg, _)| leg).or_else(|| self.leg_of(&sighting, source));
        sighting.leg = leg.unwrap_or(sighting.leg);
        let before = self.number_to_match().map(str::to_owned);
        self.opening.learn(&sighting);
        let seen = self.record(source, SignalBody::Sighted(sighting.clone()), out);
        if known.is_none() {
            self.ring_along(sighting.id, source, seen, out);
        }
        self.number_learned(before.as_deref(), out);
        if known.is_none() {
            self.show_seen(&sighting, out);
        }
        self.follow(out);
    }

    /// An INVITE that only rings along is told so once it is written down.
    fn ring_along(&self, sighting: SightingId, source: Source, seen: SignalId, out: &mut Outbox) {
        if source == Source::Shadow {
            out.effect_after(Effect::RingAlong { call: self.id, sighting }, seen);
        }
    }

    /// The leg of the extension that is seen, when it has one: another source sees it, or it was lost sight of.
    fn leg_of(&self, sighting: &Sighting, source: Source) -> Option<LegId> {
        let same = self.watch.legs().filter(|(_, leg)| leg.is_extension(sighting));
        let dialog = sighting.sip_call_id.as_deref().is_some_and(|call| self.watch.knows_sip_call(call));
        let mut free = same.filter(|(_, leg)| match leg.stage() {
            Some(_) => dialog || !leg.is_seen_by(source),
            None => true,
        });
        free.next().map(|(id, _)| id)
    }

    /// The contacts are asked once it is known for whom.
    pub(super) fn number_learned(&mut self, before: Option<&str>, out: &mut Outbox) {
        let number = self.number_to_match().filter(|number| Some(*number) != before);
        let Some(number) = number.map(str::to_owned) else { return };
        self.await_contact(out);
        out.effect(Effect::FindContact { call: self.id, number });
    }

    fn sighting_over(&mut self, over: SightingOver, source: Source, out: &mut Outbox) {
        if self.is_live() && self.watch.sighting(over.id).is_some() {
            self.record(source, SignalBody::SightingOver(over), out);
            self.follow(out);
        }
    }

    /// Shows the call to the user whose extension takes part, unless they have it on the screen.
    fn show_seen(&mut self, sighting: &Sighting, out: &mut Outbox) {
        let own_device = !self.is_watched() && self.user() == sighting.user;
        if let Some(user) = sighting.user.filter(|_| !own_device) {
            let face = match sighting.side {
                Side::Called => Face::of_caller(sighting),
                Side::Calling => Face::of_opening(&self.opening),
            };
            self.show_pop_as(user, face, out);
        }
    }

    /// Brings pops, state and timer in step with what is seen.
    pub(super) fn follow(&mut self, out: &mut Outbox) {
        self.withdraw_unseen(out);
        let Stage::Watched(watched) = self.stage else { return };
        let talks = self.watch.talking().next().is_some();
        let seen = self.watch.live().next().is_some() || !self.sessions.is_empty();
        let quiet_until = match (seen, watched.quiet_until) {
            (true, _) => None,
            (false, Some(until)) => Some(until),
            (false, None) if self.watch.talked_from().is_some() => Some(out.now + TRANSFER_WAIT),
            (false, None) => Some(out.now + HUNT_WAIT),
        };
        let cut_at = watched.cut_at.filter(|_| !seen);
        let talker = if talks { Some(self.watch.holder()) } else { watched.talker };
        let held = self.watch.is_held();
        self.stage = Stage::Watched(Watched { talker, held, quiet_until, cut_at });
        self.pops_taken(out);
        match (watched.talker, talker) {
            (None, Some(_)) => {
                self.tell_missed(out);
                out.publish(Event::CallAnswered(self.view()));
            }
            (Some(before), Some(now)) if before != now => {
                self.mark(SpanKind::Transfer, Edge::Begin, out);
                out.publish(Event::CallTransferred(self.view()));
            }
            // The one who talked has left, and the other party is still recorded.
            (Some(_), Some(_)) if !talks => self.mark(SpanKind::Transfer, Edge::Begin, out),
            _ => {}
        }
        if talks {
            self.mark(SpanKind::Transfer, Edge::End, out);
        }
        match (watched.held, held) {
            (false, true) => {
                self.mark(SpanKind::Hold, Edge::Begin, out);
                out.publish(Event::CallHeld(self.view()));
            }
            (true, false) => {
                self.mark(SpanKind::Hold, Edge::End, out);
                if talks {
                    out.publish(Event::CallRetrieved(self.view()));
                }
            }
            _ => {}
        }
    }

    /// Those whose extension talks have the call.
    fn pops_taken(&mut self, out: &mut Outbox) {
        let talking: BTreeSet<UserId> = self.watch.talking().filter_map(|(_, leg)| leg.user).collect();
        for pop in self.pops.iter_mut().filter(|pop| talking.contains(&pop.user_id)) {
            if pop.state == PopState::Ringing {
                pop.state = PopState::Mine;
                pop.version += 1;
                out.publish(Event::PopUpdated(pop.clone()));
            }
        }
    }

    /// Takes the call off the screens of those whose extension takes no part in it any more.
    fn withdraw_unseen(&mut self, out: &mut Outbox) {
        let carried = if self.is_watched() { None } else { self.user() };
        let seen: BTreeSet<UserId> = self.watch.live_users().chain(carried).collect();
        let beside: BTreeSet<UserId> = self.watch.legs().filter_map(|(_, leg)| leg.user).collect();
        let taken_by = self.watch.answered_by().flatten();
        let elsewhere = taken_by.is_some() || self.watch.says_answered_elsewhere();
        self.withdraw(out, |pop| {
            if seen.contains(&pop.user_id) || !beside.contains(&pop.user_id) {
                return None;
            }
            Some(match (pop.state, pop.direction) {
                (PopState::Ringing, Direction::Inbound) if elsewhere => (PopState::Elsewhere, taken_by),
                (PopState::Ringing, Direction::Inbound) => (PopState::Missed, None),
                _ => (PopState::Ended, None),
            })
        });
    }

    /// Whether others may still answer the call when it is over here.
    pub(super) fn goes_on_elsewhere(&self, outcome: Outcome) -> bool {
        let carried = matches!(self.opening, Opening::Offered(_)) && !matches!(self.stage, Stage::Watched(_));
        carried && outcome != Outcome::Answered && !self.watch.is_empty()
    }

    /// The call is over here; what is seen of it decides how it went.
    pub(super) fn watch_on(&mut self, out: &mut Outbox) {
        self.stage = Stage::Watched(Watched::default());
        self.release_media(out);
        let taken_by = self.watch.answered_by().flatten();
        let seen: BTreeSet<UserId> = self.watch.live_users().collect();
        self.withdraw(out, |pop| match (seen.contains(&pop.user_id), taken_by) {
            (true, _) => None,
            (false, Some(user)) => Some((PopState::Elsewhere, Some(user))),
            (false, None) => Some((PopState::Missed, None)),
        });
        self.follow(out);
    }

    /// Nobody has seen the call for a while.
    pub(super) fn watch_over(&mut self, out: &mut Outbox) {
        let Stage::Watched(watched) = self.stage else { return };
        match watched.cut_at {
            Some(alive_until) => self.record(Source::Recovery, SignalBody::Interrupted { alive_until }, out),
            None => self.record(Source::Engine, SignalBody::WatchOver {}, out),
        };
        let outcome = fold(&self.signals).and_then(|interaction| interaction.outcome);
        self.finish(Ending::Gone { outcome: outcome.unwrap_or(Outcome::Failed) }, out);
    }

    /// The start after a crash: no source is trusted to see what it saw before.
    pub(super) fn forget_sightings(&mut self, out: &mut Outbox) {
        let seen: Vec<SightingId> = self.watch.sightings().collect();
        for id in seen {
            let over = SightingOver { id, end: SightingEnd::Blind, status: None, reasons: Vec::new() };
            self.record(Source::Recovery, SignalBody::SightingOver(over), out);
        }
        if let Stage::Watched(watched) = &mut self.stage {
            watched.quiet_until = Some(out.now + RESTART_WAIT);
            watched.talker = self.watch.answered_by();
        }
    }
}

impl WatchedLeg {
    /// Whether it is of the extension that is seen.
    fn is_extension(&self, sighting: &Sighting) -> bool {
        self.server == sighting.server && self.extension == sighting.extension && self.side == sighting.side
    }

    /// Whether it and what is seen are the two ends of an internal call.
    fn is_other_end(&self, sighting: &Sighting) -> bool {
        self.server == sighting.server
            && self.side != sighting.side
            && self.number.as_deref() == Some(&sighting.extension)
            && sighting.party.number.as_deref() == Some(&self.extension)
    }
}
