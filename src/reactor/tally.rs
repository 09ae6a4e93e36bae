//! What the reactor counts, for `/metrics`; nothing is decided by it.

use std::collections::{BTreeMap, HashMap, HashSet};

use linecard_calls::{
    AlarmKind, AlarmView, CallId, Event, LegQuality, LineId, LineState, Outcome, RecordingId, RecordingState,
    UtcMillis,
};
use linecard_web::heard::HeardByLine;
use linecard_web::port::{Figures, StandingAlarm};

use super::{Reactor, everybody};
use crate::media::LegTotals;

const OUTCOMES: [Outcome; 8] = [
    Outcome::Answered,
    Outcome::Abandoned,
    Outcome::NoAnswer,
    Outcome::Busy,
    Outcome::Rejected,
    Outcome::Failed,
    Outcome::Canceled,
    Outcome::Interrupted,
];
const LINE_STATES: [LineState; 3] = [LineState::Registered, LineState::Trying, LineState::Failed];
const RECORDING_STATES: [RecordingState; 4] =
    [RecordingState::Finished, RecordingState::Repaired, RecordingState::Truncated, RecordingState::Failed];

/// The counts since the start.
#[derive(Debug)]
pub(super) struct Tally {
    calls_ended: BTreeMap<Outcome, u64>,
    pub(super) signals_appended: u64,
    pub(super) signals_late: u64,
    events_published: u64,
    recordings_open: HashSet<RecordingId>,
    /// One of a kind: when storage takes recordings again, what was wrong with another one is over too.
    alarms: Vec<StandingAlarm>,
    recordings_ended: [u64; RECORDING_STATES.len()],
    /// The most legs that there are RTP ports for.
    rtp_legs_max: usize,
    legs: LegsEnded,
    /// The lines of calls whose legs may still end.
    lines: HashMap<CallId, LineId>,
    heard: HeardByLine,
}

/// What legs that have ended had counted.
#[derive(Debug, Default)]
struct LegsEnded {
    passed_on: u64,
    transcoded: u64,
    received: u64,
    lost: u64,
    unknown_source: u64,
    unprotected: u64,
}

impl Tally {
    pub(super) fn new(rtp_legs_max: usize) -> Self {
        Self {
            calls_ended: BTreeMap::new(),
            signals_appended: 0,
            signals_late: 0,
            events_published: 0,
            recordings_open: HashSet::new(),
            alarms: Vec::new(),
            recordings_ended: [0; RECORDING_STATES.len()],
            rtp_legs_max,
            legs: LegsEnded::default(),
            lines: HashMap::new(),
            heard: HeardByLine::default(),
        }
    }

    /// Counts a leg whose ports are free again.
    pub(super) fn leg_closed(&mut self, totals: &LegTotals) {
        let LegTotals { heard, transcoded, .. } = totals;
        let legs = &mut self.legs;
        match (heard.received, transcoded) {
            // Nobody spoke.
            (0, _) => {}
            (_, 0) => legs.passed_on += 1,
            _ => legs.transcoded += 1,
        }
        legs.received += heard.received;
        legs.lost += heard.lost;
        legs.unknown_source += heard.unknown_source;
        legs.unprotected += heard.unprotected;
    }

    /// Counts how a leg was heard that is over.
    pub(super) fn leg_heard(&mut self, call: CallId, quality: &LegQuality) {
        if let Some(line) = self.lines.get(&call) {
            self.heard.note(*line, quality);
        }
    }

    /// Forgets a call of which nothing ends any more.
    pub(super) fn forget(&mut self, call: CallId) {
        self.lines.remove(&call);
    }

    pub(super) fn call_ended(&mut self, outcome: Option<Outcome>) {
        if let Some(outcome) = outcome {
            *self.calls_ended.entry(outcome).or_default() += 1;
        }
    }

    pub(super) fn published(&mut self, event: &Event, at: UtcMillis) {
        self.events_published += 1;
        match event {
            Event::CallCreated(call) => {
                self.lines.insert(call.call_id, call.line_id);
            }
            // That a signal was late is over at once; how many were stands in a count.
            Event::AlarmRaised(alarm) if alarm.alarm != AlarmKind::SignalLate => self.raised(alarm, at),
            Event::AlarmCleared(cleared) => self.alarms.retain(|it| it.alarm.alarm != cleared.alarm),
            Event::RecordingStarted(recording) => {
                self.recordings_open.insert(recording.recording_id);
            }
            Event::RecordingFinished(recording) => {
                self.recordings_open.remove(&recording.recording_id);
                let counts = RECORDING_STATES.iter().zip(&mut self.recordings_ended);
                counts.filter(|(state, _)| **state == recording.state).for_each(|(_, count)| *count += 1);
            }
            _ => {}
        }
    }

    fn raised(&mut self, alarm: &AlarmView, at: UtcMillis) {
        let since = self.alarms.iter().find(|it| it.alarm.alarm == alarm.alarm).map_or(at, |it| it.since);
        self.alarms.retain(|it| it.alarm.alarm != alarm.alarm);
        self.alarms.push(StandingAlarm { since, alarm: alarm.clone() });
    }
}

impl Reactor {
    /// Returns what there is to count.
    pub(super) fn figures(&self) -> Figures {
        let tally = &self.tally;
        let free = self.parts.media.free_legs();
        let (door, phones_registered) = self.parts.agent.door_figures();
        let lines_in = |state| self.standings.values().filter(|line| line.state == state).count();
        Figures {
            calls_live: whole(self.parts.engine.calls(&everybody()).len()),
            calls_ended: OUTCOMES.map(|it| (it, tally.calls_ended.get(&it).copied().unwrap_or(0))).to_vec(),
            registrations: LINE_STATES.map(|state| (state, whole(lines_in(state)))).to_vec(),
            phones_registered: whole(phones_registered),
            phone_requests: vec![
                ("challenged", door.challenged),
                ("wrong", door.wrong),
                ("silenced", door.silenced),
            ],
            signals_appended: tally.signals_appended,
            signals_late: tally.signals_late,
            signals_spooled: self.parts.ledger.spooled(),
            events_published: tally.events_published,
            rtp_legs: whole(tally.rtp_legs_max.saturating_sub(free)),
            rtp_legs_free: whole(free),
            rtp_legs_ended: vec![("passed_on", tally.legs.passed_on), ("transcoded", tally.legs.transcoded)],
            rtp_packets: vec![
                ("received", tally.legs.received),
                ("lost", tally.legs.lost),
                ("unknown_source", tally.legs.unknown_source),
                ("unprotected", tally.legs.unprotected),
            ],
            heard: tally.heard.clone(),
            recordings_open: whole(tally.recordings_open.len()),
            recordings_ended: RECORDING_STATES.into_iter().zip(tally.recordings_ended).collect(),
            alarms: tally.alarms.clone(),
        }
    }
}

fn whole(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
