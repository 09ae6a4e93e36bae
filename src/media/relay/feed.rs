//! Recordings of what recording sessions send: streams that are received and passed on to nobody.

use std::time::Instant;

use linecard_media::{PayloadKind, Side};

use super::{Channel, Relay};
use crate::media::{Feed, LegId, Voice};
use crate::recorder::{RecordingId, Slot, Tap};

impl Voice {
    fn sides(self) -> &'static [Side] {
        match self {
            Self::Customer => &[Side::Customer],
            Self::Agent => &[Side::Agent],
            Self::Both => &[Side::Customer, Side::Agent],
        }
    }
}

impl Relay {
    /// Begins a recording, or goes on with it: from now on these legs are heard in it and no others.
    pub(super) fn feed(&mut self, recording: RecordingId, feeds: &[Feed], at: Instant) {
        let indices: Vec<(usize, Voice)> = feeds
            .iter()
            .filter_map(|feed| self.indices.get(&feed.leg).map(|index| (*index, feed.voice)))
            .collect();
        let slot = match self.recordings.get(&recording).copied() {
            Some(slot) => slot,
            None => {
                let legs: Vec<usize> = indices.iter().map(|(index, _)| *index).collect();
                self.begin_fed(recording, &legs, at)
            }
        };
        self.read_fed(slot);
        for line in self.lines.iter_mut().flatten() {
            line.fed = line.fed.filter(|(known, _)| *known != slot);
        }
        for (index, voice) in indices {
            if let Some(line) = self.line_mut(index) {
                line.fed = Some((slot, voice));
            }
        }
    }

    fn begin_fed(&mut self, recording: RecordingId, legs: &[usize], at: Instant) -> Slot {
        let slot = Slot(self.next_slot);
        self.next_slot += 1;
        self.recordings.insert(recording.clone(), slot);
        let lines = legs.iter().filter_map(|index| self.lines.get(*index).and_then(Option::as_ref));
        let rates = lines.flat_map(|line| line.leg.formats().codecs().map(|(_, codec)| codec.rate()));
        let rate = rates.max().unwrap_or_default();
        if let Some(lane) = self.lane(slot) {
            lane.start(slot, recording, rate, at);
        }
        slot
    }

    /// Hands a packet of a line to the recording that hears it.
    pub(super) fn record_fed(&mut self, fed: (Slot, Voice), kind: PayloadKind, at: Instant, bytes: &[u8]) {
        let (slot, voice) = fed;
        for side in voice.sides() {
            self.record(Tap { slot, side: *side, kind, at }, bytes);
        }
    }

    /// Takes what has come for a recording before it ends or hears others.
    pub(super) fn read_fed(&mut self, slot: Slot) {
        let fed: Vec<LegId> = self
            .lines
            .iter()
            .flatten()
            .filter(|line| line.fed.is_some_and(|(known, _)| known == slot))
            .map(|line| line.id)
            .collect();
        for leg in fed {
            if let Some(index) = self.indices.get(&leg).copied() {
                self.read(index, Channel::Rtp);
            }
        }
    }

    /// Ends what is still open: the relay stops.
    pub(super) fn stop_all(&mut self, at: Instant) {
        let open: Vec<RecordingId> = self.recordings.keys().cloned().collect();
        open.iter().for_each(|recording| self.stop_recording(recording, at));
    }
}
