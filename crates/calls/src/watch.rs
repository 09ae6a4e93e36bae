//! What is seen of a call from beside it, sighting by sighting: the engine and the fold read the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{LegId, SightingId, UserId};
use crate::sighting::{Side, Sighting, SightingEnd, SightingOver, SightingStage};
use crate::signal::{Signal, SignalBody, Source};
use crate::time::UtcMillis;

/// Every extension that is, or was, seen to take part in a call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch {
    legs: BTreeMap<LegId, WatchedLeg>,
    sip_call_ids: BTreeSet<String>,
    /// When the last recording session ended.
    session_over_at: Option<UtcMillis>,
    over: bool,
}

/// One extension's part.
#[derive(Debug, Clone)]
pub(crate) struct WatchedLeg {
    pub(crate) user: Option<UserId>,
    pub(crate) extension: String,
    pub(crate) server: String,
    pub(crate) side: Side,
    pub(crate) number: Option<String>,
    pub(crate) first_seen: UtcMillis,
    pub(crate) talked_from: Option<UtcMillis>,
    over_at: Option<UtcMillis>,
    seen: BTreeMap<SightingId, (Source, SightingStage)>,
    /// When its PBX told that its talk is over; a recording client may tell of that later.
    told_over_at: Option<UtcMillis>,
    pub(crate) ends: Vec<SightingOver>,
}

impl WatchedLeg {
    fn new(sighting: &Sighting, at: UtcMillis) -> Self {
        Self {
            user: sighting.user,
            extension: sighting.extension.clone(),
            server: sighting.server.clone(),
            side: sighting.side,
            number: sighting.party.number.clone(),
            first_seen: at,
            talked_from: None,
            over_at: None,
            seen: BTreeMap::new(),
            told_over_at: None,
            ends: Vec::new(),
        }
    }

    /// How far it is; `None` once nobody sees it.
    pub(crate) fn stage(&self) -> Option<SightingStage> {
        let outdated = |source: Source| source == Source::Siprec && self.told_over_at.is_some();
        self.seen.values().filter(|(source, _)| !outdated(*source)).map(|(_, stage)| *stage).max()
    }

    /// When the last source lost sight of it; `None` while one sees it.
    pub(crate) fn over_at(&self) -> Option<UtcMillis> {
        self.over_at
    }

    /// Whether `source` sees it.
    pub(crate) fn is_seen_by(&self, source: Source) -> bool {
        self.seen.values().any(|(by, _)| *by == source)
    }

    /// Whether nobody sees it but these.
    pub(crate) fn is_seen_only_by(&self, sightings: &[SightingId]) -> bool {
        self.seen.keys().all(|id| sightings.contains(id))
    }

    /// The end that says most: what a PBX tells outranks that it tells nothing.
    pub(crate) fn decisive_end(&self) -> Option<&SightingOver> {
        let weight = |over: &&SightingOver| match over.end {
            SightingEnd::Blind => 0,
            SightingEnd::Untold => 1,
            SightingEnd::Cancelled => 2,
            _ => 3,
        };
        self.ends.iter().max_by_key(weight)
    }

    fn look(&mut self, sighting: &Sighting, source: Source, at: UtcMillis) {
        if source == Source::DialogInfo {
            self.told_over_at = None;
        }
        self.seen.insert(sighting.id, (source, sighting.stage));
        if self.stage().is_some() {
            self.over_at = None;
        }
        if self.number.is_none() {
            self.number.clone_from(&sighting.party.number);
        }
        if sighting.stage.is_connected() {
            self.talked_from.get_or_insert(at);
        }
    }

    fn lose(&mut self, over: &SightingOver, at: UtcMillis) {
        if let Some((source, stage)) = self.seen.remove(&over.id) {
            let talked = stage.is_connected() && source == Source::DialogInfo;
            if talked && over.end != SightingEnd::Blind {
                self.told_over_at = Some(at);
            }
            self.ends.push(over.clone());
            if self.stage().is_none() {
                self.over_at.get_or_insert(at);
            }
        }
    }
}

impl Watch {
    /// Takes a signal, in the order of the fold; one of another kind changes nothing.
    pub(crate) fn take(&mut self, signal: &Signal) {
        let at = signal.observed_at;
        match &signal.body {
            SignalBody::CallSighted { sighting, .. } | SignalBody::Sighted(sighting) => {
                self.sip_call_ids.extend(sighting.sip_call_id.clone());
                let leg = self.legs.entry(sighting.leg).or_insert_with(|| WatchedLeg::new(sighting, at));
                leg.look(sighting, signal.source, at);
            }
            SignalBody::SightingOver(over) => {
                for leg in self.legs.values_mut() {
                    leg.lose(over, at);
                }
            }
            SignalBody::SessionOver { .. } => self.session_over_at = self.session_over_at.max(Some(at)),
            SignalBody::WatchOver {} => self.over = true,
            _ => {}
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.legs.is_empty()
    }

    /// Whether the engine has waited long enough for somebody to see the call again.
    pub(crate) fn is_over(&self) -> bool {
        self.over
    }

    pub(crate) fn legs(&self) -> impl Iterator<Item = (LegId, &WatchedLeg)> {
        self.legs.iter().map(|(id, leg)| (*id, leg))
    }

    /// The legs that somebody sees.
    pub(crate) fn live(&self) -> impl Iterator<Item = (LegId, &WatchedLeg)> {
        self.legs().filter(|(_, leg)| leg.stage().is_some())
    }

    /// The legs that talk now.
    pub(crate) fn talking(&self) -> impl Iterator<Item = (LegId, &WatchedLeg)> {
        self.legs().filter(|(_, leg)| leg.stage().is_some_and(SightingStage::is_connected))
    }

    /// Whether somebody who talks holds the other party.
    pub(crate) fn is_held(&self) -> bool {
        self.legs().any(|(_, leg)| leg.stage() == Some(SightingStage::Holding))
    }

    /// When the first extension was seen to talk.
    pub(crate) fn talked_from(&self) -> Option<UtcMillis> {
        self.legs.values().filter_map(|leg| leg.talked_from).min()
    }

    /// When the last was lost sight of; `None` while one is seen, and when none ever was.
    pub(crate) fn over_at(&self) -> Option<UtcMillis> {
        let mut last = None;
        for leg in self.legs.values() {
            last = last.max(Some(leg.over_at?));
        }
        last.map(|last: UtcMillis| last.max(self.session_over_at.unwrap_or(last)))
    }

    pub(crate) fn knows_sip_call(&self, call_id: &str) -> bool {
        self.sip_call_ids.contains(call_id)
    }

    pub(crate) fn sip_call_ids(&self) -> impl Iterator<Item = &String> {
        self.sip_call_ids.iter()
    }

    /// The leg that sees `id`, and how far it was seen to be.
    pub(crate) fn sighting(&self, id: SightingId) -> Option<(LegId, SightingStage)> {
        self.legs.iter().find_map(|(leg, watched)| Some((*leg, watched.seen.get(&id)?.1)))
    }

    /// What is seen now.
    pub(crate) fn sightings(&self) -> impl Iterator<Item = SightingId> {
        self.legs.values().flat_map(|leg| leg.seen.keys().copied())
    }

    /// The users of the legs that somebody sees.
    pub(crate) fn live_users(&self) -> impl Iterator<Item = UserId> {
        self.live().filter_map(|(_, leg)| leg.user)
    }

    /// Whether the end of a part gave as its reason that another phone was answered.
    pub(crate) fn says_answered_elsewhere(&self) -> bool {
        self.legs.values().flat_map(|leg| &leg.ends).any(SightingOver::says_answered_elsewhere)
    }

    /// Who took the call: of those who were called, the one who talked first; of those who called, the first.
    pub(crate) fn taken_by(&self) -> Option<&WatchedLeg> {
        let calling = self.legs.values().find(|leg| leg.side == Side::Calling);
        let talked = self.legs.values().filter(|leg| leg.talked_from.is_some());
        calling.or_else(|| talked.min_by_key(|leg| leg.talked_from))
    }

    /// Who has the call now: who took it, else who talks, else whose it is.
    pub(crate) fn holder(&self) -> Option<UserId> {
        let taken = self.taken_by().filter(|leg| leg.stage().is_some());
        let talking = || self.talking().map(|(_, leg)| leg).next();
        taken.or_else(talking).map_or_else(|| self.user(), |leg| leg.user)
    }

    /// Who answered it and has it now; the inner option is an extension of nobody. `None` when nobody was seen to talk.
    pub(crate) fn answered_by(&self) -> Option<Option<UserId>> {
        self.talked_from().map(|_| self.holder())
    }

    /// Whose call it is: who took it, else the first that was called.
    pub(crate) fn user(&self) -> Option<UserId> {
        let first = || self.legs.values().min_by_key(|leg| leg.first_seen);
        self.taken_by().or_else(first).and_then(|leg| leg.user)
    }
}
