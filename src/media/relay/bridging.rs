//! Who talks with whom, and which file hears them, from the first packet on.

use std::time::Instant;

use linecard_media::{LegInput, Remote, Side};

use super::super::{Bridge, LegId};
use super::Relay;
use crate::recorder::{RecordingId, Slot, Tap};

impl Relay {
    /// Says where a leg's party is; what has come from there already is taken now.
    pub(super) fn place(&mut self, leg: LegId, remote: Remote) {
        let Some((index, line)) = self.line_of(leg) else { return };
        let party = remote.rtp;
        line.leg.handle_input(LegInput::Remote(remote), Instant::now());
        line.open_way();
        let (peer, ahead) = (line.peer, line.ahead.take().unwrap_or_default());
        for (at, bytes) in ahead.of(party) {
            self.take_rtp(index, party, &bytes, at);
        }
        if let Some(peer) = peer {
            self.catch_up(peer);
        }
    }

    pub(super) fn bridge(&mut self, bridge: Bridge) {
        let Bridge { customer, agent, recording, at } = bridge;
        let indices = [customer, agent].map(|leg| self.line_of(leg).map(|(index, _)| index));
        let [Some(left), Some(right)] = indices else {
            return;
        };
        // Bridged as they are already: a repeated command must not tear the talk.
        if self.line_mut(left).is_some_and(|line| line.peer != Some(right)) {
            self.unbridge(customer);
            self.unbridge(agent);
        }
        for (index, peer) in [(left, right), (right, left)] {
            if let Some(line) = self.line_mut(index)
                && line.peer.replace(peer).is_none()
            {
                line.bridged_at = at;
            }
        }
        self.catch_up(left);
        self.catch_up(right);
        self.tap_agent(left, at);
        if let Some(recording) = recording {
            self.start_recording(recording, customer, at);
        }
    }

    /// Sends on what came of a line since the talk began: before its bridge stood, or before it was known where the other
    /// party listens.
    pub(super) fn catch_up(&mut self, index: usize) {
        let Some(line) = self.line_mut(index) else { return };
        let Some(peer) = line.peer else { return };
        let (since, now) = (line.bridged_at, Instant::now());
        if self.line_mut(peer).is_none_or(|peer| peer.leg.rtp_target().is_none()) {
            return;
        }
        let waiting =
            self.line_mut(index).map(|line| line.recent.take_unsent(since, now)).unwrap_or_default();
        for (kind, bytes) in waiting {
            if self.forward(index, peer, kind, &bytes)
                && let Some(line) = self.line_mut(index)
            {
                line.forwarded += 1;
                line.unforwarded = line.unforwarded.saturating_sub(1);
            }
        }
    }

    /// Lets the peer of a recorded customer be the recording's other side.
    fn tap_agent(&mut self, customer: usize, since: Instant) {
        let Some(line) = self.line_mut(customer) else {
            return;
        };
        if let (Some((slot, Side::Customer)), Some(peer)) = (line.tap, line.peer) {
            self.tap(peer, (slot, Side::Agent), since);
        }
    }

    /// Lets a recording hear a line from `since` on.
    fn tap(&mut self, index: usize, tap: (Slot, Side), since: Instant) {
        let Some(line) = self.line_mut(index) else { return };
        if line.tap.replace(tap) == Some(tap) || line.peer.is_none() {
            return;
        }
        let recorded = line.recorded_since(since);
        let ((slot, side), waiting) = (tap, line.recent.take(recorded));
        for packet in waiting {
            self.record(Tap { slot, side, kind: packet.kind, at: packet.at }, &packet.bytes);
        }
    }

    pub(super) fn unbridge(&mut self, leg: LegId) {
        self.read_leg(leg);
        let Some((index, line)) = self.line_of(leg) else {
            return;
        };
        let Some(peer) = line.peer.take() else { return };
        if let Some(peer) = self.line_mut(peer) {
            peer.peer = None;
        }
        for index in [index, peer] {
            if let Some(line) = self.line_mut(index) {
                line.tap = line.tap.filter(|(_, side)| *side == Side::Customer);
            }
        }
    }

    pub(super) fn start_recording(&mut self, recording: RecordingId, customer: LegId, at: Instant) {
        let Some((index, line)) = self.line_of(customer) else {
            return;
        };
        // A leg has one recording at a time; the running one goes on.
        if let Some((_, Side::Customer)) = line.tap {
            return;
        }
        let slot = match self.recordings.get(&recording) {
            Some(slot) => *slot,
            None => self.open_recording(recording, index, at),
        };
        self.tap(index, (slot, Side::Customer), at);
        self.tap_agent(index, at);
    }

    /// Opens the file of a talk that began at `at`, or with the first packet that overtook the word of it: that is as much
    /// earlier as the evidence of the answer took to become safe.
    fn open_recording(&mut self, recording: RecordingId, customer: usize, at: Instant) -> Slot {
        let slot = Slot(self.next_slot);
        self.next_slot += 1;
        self.recordings.insert(recording.clone(), slot);
        let rate = self.recording_rate(customer);
        let peer = self.line_mut(customer).and_then(|line| line.peer);
        let lines = peer.into_iter().chain(peer.map(|_| customer));
        let firsts = lines.filter_map(|index| {
            let line = self.lines.get_mut(index)?.as_mut()?;
            line.recent.first(line.recorded_since(at))
        });
        let begins = firsts.min().map_or(at, |first| first.min(at));
        if let Some(lane) = self.lane(slot) {
            lane.start(slot, recording, rate, begins);
        }
        slot
    }
}
