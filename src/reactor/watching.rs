//! Lines that watch: what their PBX tells of the extension's calls (RFC 4235), and how the subscription stands.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use linecard_calls::{
    Input, LineId, Reach, Side, SightingEnd, SightingId, SightingOver, SightingStage, Source,
};
use linecard_sip::dialog_info::{DialogChange, DialogInfo, DialogKey, DialogTable, Reading, ReportedDialog};
use linecard_sip::subscription::SubscriptionState;
use linecard_sip::ua::{LineId as SipLineId, SubscriptionHandle};
use linecard_store::lines::{Line, LineMode};

use super::{Course, Reactor};
use crate::clock::wall_clock;
use crate::directory::server_host;
use crate::{sightings, translate};

/// How long a PBX may be silent before its extension's calls count as not seen any more.
const BLIND_AFTER: Duration = Duration::from_secs(120);

/// The watch over one extension.
#[derive(Debug)]
pub(super) struct LineWatch {
    handle: SubscriptionHandle,
    table: DialogTable,
    seen: HashMap<DialogKey, SightingId>,
    /// Since when nothing is told.
    silent_since: Option<Instant>,
    /// How many calls of a line that should ring along were seen since one rang here.
    unforked: u32,
}

/// So many calls in a row that ring the desk phone and not a line beside it are no accident.
const UNFORKED: u32 = 3;

impl Reactor {
    /// Asks the PBX of a line that watches about its extension's calls. A line that rings along is told more by it, if the
    /// PBX does so.
    pub(super) fn watch(&mut self, line: LineId) {
        let Some(known) = self.parts.directory.line(line) else { return };
        if matches!(known.account.mode, LineMode::Anchor | LineMode::Siprec) {
            return;
        }
        let (name, extension) = (SipLineId::new(&line.to_string()), known.account.username.clone());
        match self.parts.agent.subscribe_dialogs(&name, &extension, Instant::now()) {
            Ok(handle) => {
                let (table, seen) = (DialogTable::default(), HashMap::new());
                self.watches.insert(line, LineWatch { handle, table, seen, silent_since: None, unforked: 0 });
            }
            Err(error) => tracing::error!(%line, %error, "an extension cannot be watched"),
        }
    }

    fn watching(&self, handle: SubscriptionHandle) -> Option<LineId> {
        self.watches.iter().find(|(_, watch)| watch.handle == handle).map(|(line, _)| *line)
    }

    /// Takes in how a subscription stands.
    pub(super) fn subscription_changed(&mut self, handle: SubscriptionHandle, state: &SubscriptionState) {
        let Some(line) = self.watching(handle) else { return };
        if let Some(watch) = self.watches.get_mut(&line) {
            watch.silent_since = match state {
                SubscriptionState::Active => None,
                _ => watch.silent_since.or(Some(Instant::now())),
            };
        }
        let mode = self.parts.directory.line(line).map(|line| line.account.mode);
        if *state == SubscriptionState::Ended {
            self.unwatch(line);
        } else if let Some(standing) = translate::watch_standing(state)
            && mode == Some(LineMode::DialogInfo)
        {
            self.line_stands(line, standing);
        }
    }

    /// A call rang at a line beside a desk phone.
    pub(super) fn forked(&mut self, line: LineId) {
        let unforked = self.watches.get_mut(&line).map(|watch| std::mem::take(&mut watch.unforked));
        if unforked.is_some_and(|unforked| unforked >= UNFORKED) {
            self.stands_as_registered(line);
        }
    }

    /// A call of the extension was seen to ring; a line that rings along should hear of it too.
    fn not_forked_yet(&mut self, line: LineId) {
        let rings_along =
            self.parts.directory.line(line).is_some_and(|line| line.account.mode == LineMode::Shadow);
        let Some(watch) = self.watches.get_mut(&line).filter(|_| rings_along) else { return };
        watch.unforked += 1;
        if watch.unforked == UNFORKED {
            self.stands_as_registered(line);
        }
    }

    /// Whether the PBX rings the desk phone and not the line beside it.
    pub(super) fn is_never_forked(&self, line: LineId) -> bool {
        self.watches.get(&line).is_some_and(|watch| watch.unforked >= UNFORKED)
    }

    /// Takes in what a PBX tells of an extension.
    pub(super) fn dialogs_told(&mut self, handle: SubscriptionHandle, body: &[u8]) {
        let Some(line) = self.watching(handle) else { return };
        let document = match DialogInfo::parse(body) {
            Ok(document) => document,
            Err(error) => {
                tracing::warn!(%line, %error, "what the PBX tells of an extension's calls cannot be read");
                return;
            }
        };
        let Some(watch) = self.watches.get_mut(&line) else { return };
        match watch.table.take(document) {
            Reading::Taken(changes) => {
                changes.into_iter().for_each(|change| self.dialog_changed(line, change))
            }
            Reading::Stale => tracing::debug!(%line, "an older document came after a newer one"),
            Reading::Gap => self.parts.agent.refresh_subscription(handle, Instant::now()),
        }
    }

    fn dialog_changed(&mut self, line: LineId, change: DialogChange) {
        let at = wall_clock();
        match change {
            DialogChange::Now { key, dialog } => {
                let Some(known) = self.parts.directory.line(line) else { return };
                let reach = self.reach_of(&dialog, line);
                let Some(watch) = self.watches.get_mut(&line) else { return };
                let engine = &mut self.parts.engine;
                let first = !watch.seen.contains_key(&key);
                let id = *watch.seen.entry(key).or_insert_with(|| engine.make_sighting(at));
                let leg = engine.make_leg(at);
                let plan = &self.parts.dial_plan;
                let sighting = sightings::of_dialog(plan, known, &dialog, reach, id, leg);
                if first && (sighting.side, sighting.stage) == (Side::Called, SightingStage::Ringing) {
                    self.not_forked_yet(line);
                }
                self.engine(Input::Sighted { sighting, source: Source::DialogInfo });
            }
            DialogChange::Over { key, was, told } => {
                let seen = self.watches.get_mut(&line).and_then(|watch| watch.seen.remove(&key));
                let Some(id) = seen else { return };
                let over = sightings::over(id, &was, told);
                self.engine(Input::SightingOver { over, source: Source::DialogInfo });
            }
        }
    }

    /// Tells whether the other party is an account of this server: then the call runs through it.
    fn reach_of(&self, dialog: &ReportedDialog, watching: LineId) -> Option<Reach> {
        let party = sightings::account_of(dialog.remote.as_ref()?)?;
        let watched = self.parts.directory.line(watching)?;
        self.is_own_account(&party, watched).then_some(Reach::Ours)
    }

    /// Tells whether an account at a line's PBX is one by which this server calls: the line's own, one that calls come
    /// to, or one that a call goes out by now.
    pub(super) fn is_own_account(&self, account: &str, seen_by: &Line) -> bool {
        let Some(server) = server_host(&seen_by.account.server) else { return false };
        let mut same = self.parts.directory.lines().filter(|line| {
            line.account.username == account && server_host(&line.account.server).as_ref() == Some(&server)
        });
        let carries = |line: LineId| {
            let mut calls = self.legs.all().filter_map(|(_, leg)| self.parts.engine.call(leg.call?));
            line == seen_by.id || calls.any(|call| !call.watched && call.line_id == line)
        };
        same.any(|line| line.account.mode == LineMode::Anchor || carries(line.id))
    }

    /// Gives a watch up; what it saw is not seen any more.
    pub(super) fn unwatch(&mut self, line: LineId) {
        if let Some(watch) = self.watches.remove(&line)
            && self.course == Course::Running
        {
            self.lose_sight(watch.seen.into_values().collect());
        }
    }

    /// Gives up what was seen through PBXes that have been silent for too long.
    pub(super) fn lose_silent(&mut self, now: Instant) {
        let mut lost = Vec::new();
        for watch in self.watches.values_mut() {
            let silent = watch.silent_since.is_some_and(|since| now.duration_since(since) >= BLIND_AFTER);
            if silent && !watch.seen.is_empty() {
                watch.table = DialogTable::default();
                lost.extend(watch.seen.drain().map(|(_, id)| id));
            }
        }
        self.lose_sight(lost);
    }

    fn lose_sight(&mut self, lost: Vec<SightingId>) {
        for id in lost {
            let over = SightingOver { id, end: SightingEnd::Blind, status: None, reasons: Vec::new() };
            self.engine(Input::SightingOver { over, source: Source::DialogInfo });
        }
    }
}
