//! What waits in memory to be written beside the signals: calls and missed calls as they stand, and frames.
//!
//! A call that goes on and a frame may wait a while: both can be made again from the signals, and a call that goes on
//! changes often. What is over is read from the database by everybody, and what a user has done is answered when it is
//! written: neither waits.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use linecard_calls::missed::MissedCall;
use linecard_calls::{InteractionId, MissedChange, MissedId};
use linecard_store::frames::FrameRow;
use linecard_store::ledger::{Batch, SavedCall};
use tokio::time::Instant;

/// How long calls that go on and frames wait at the longest.
const AT_LEISURE: Duration = Duration::from_millis(300);

/// So many frames do not wait for more.
const FRAMES_DUE: usize = 256;

/// The most frames that wait for a database that is away; older ones can then no longer be resumed from.
pub(super) const FRAMES_MAX: usize = 100_000;

/// How much of what waits is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Share {
    /// What must not wait, and the rest if it has waited long enough.
    Due,
    /// Everything.
    All,
}

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    saves: BTreeMap<InteractionId, SavedCall>,
    /// Those of `saves` that are not to wait.
    urgent: BTreeSet<InteractionId>,
    missed: BTreeMap<MissedId, MissedChange>,
    frames: Vec<FrameRow>,
    frames_lost_until: Option<i64>,
    /// Since when something waits that may wait.
    since: Option<Instant>,
}

impl Waiting {
    /// Keeps the newest state of an interaction, and the recordings of an older one that does not speak of any.
    pub(super) fn save(&mut self, mut call: SavedCall) {
        let id = call.interaction.id;
        let older = self.saves.remove(&id);
        if let (true, Some(older)) = (call.recordings.is_empty(), older) {
            call.recordings = older.recordings;
        }
        if call.settled {
            self.urgent.insert(id);
        } else {
            self.note_wait();
        }
        self.saves.insert(id, call);
    }

    /// Keeps the newest state of an item with the interaction that brought it about, and of the item's calls all that
    /// changed since it was written.
    pub(super) fn save_missed(&mut self, mut change: MissedChange, because: Option<SavedCall>) {
        if let Some(call) = because {
            self.urgent.insert(call.interaction.id);
            self.save(call);
        }
        if let Some(older) = self.missed.remove(&change.item.id).filter(|_| !change.void) {
            let newer =
                |call: &MissedCall| change.calls.iter().any(|it| it.interaction_id == call.interaction_id);
            let mut calls: Vec<MissedCall> = older.calls.into_iter().filter(|call| !newer(call)).collect();
            calls.append(&mut change.calls);
            change.calls = calls;
        }
        self.missed.insert(change.item.id, change);
    }

    /// Keeps a frame; beyond the bound the oldest are given up.
    pub(super) fn keep(&mut self, frame: FrameRow) {
        self.note_wait();
        self.frames.push(frame);
        self.bound_frames();
    }

    fn note_wait(&mut self) {
        self.since.get_or_insert_with(Instant::now);
    }

    fn bound_frames(&mut self) {
        if let Some(excess) = self.frames.len().checked_sub(FRAMES_MAX).filter(|excess| *excess > 0) {
            self.frames_lost_until = self.frames.drain(..excess).next_back().map(|frame| frame.seq);
        }
    }

    /// Tells whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.saves.is_empty() && self.missed.is_empty() && self.frames.is_empty()
    }

    /// Returns when what may wait has waited long enough.
    pub(super) fn due_at(&self) -> Option<Instant> {
        let since = self.since?;
        Some(if self.frames.len() >= FRAMES_DUE { since } else { since + AT_LEISURE })
    }

    /// Takes what is to be written now.
    pub(super) fn take(&mut self, share: Share, now: Instant) -> Batch {
        let missed = std::mem::take(&mut self.missed).into_values().collect();
        let urgent = std::mem::take(&mut self.urgent);
        if share == Share::Due && self.due_at().is_none_or(|due| due > now) {
            let saves = urgent.iter().filter_map(|id| self.saves.remove(id)).collect();
            return Batch { saves, missed, ..Batch::default() };
        }
        self.since = None;
        Batch {
            saves: std::mem::take(&mut self.saves).into_values().collect(),
            missed,
            frames: std::mem::take(&mut self.frames),
            frames_lost_until: self.frames_lost_until.take(),
            ..Batch::default()
        }
    }

    /// Takes back what could not be written.
    pub(super) fn put_back(&mut self, batch: Batch) {
        for call in batch.saves {
            self.urgent.insert(call.interaction.id);
            self.saves.insert(call.interaction.id, call);
        }
        self.missed.extend(batch.missed.into_iter().map(|change| (change.item.id, change)));
        if !batch.frames.is_empty() {
            self.note_wait();
            self.frames.splice(..0, batch.frames);
        }
        self.frames_lost_until = self.frames_lost_until.max(batch.frames_lost_until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(seq: i64) -> FrameRow {
        FrameRow { seq, at: 0, frame: "{}".to_owned() }
    }

    fn numbers(batch: &Batch) -> Vec<i64> {
        batch.frames.iter().map(|frame| frame.seq).collect()
    }

    #[tokio::test]
    async fn frames_wait_for_a_while_or_for_many() {
        let mut waiting = Waiting::default();
        assert_eq!(waiting.due_at(), None);
        waiting.keep(frame(1));
        let now = Instant::now();
        assert!(waiting.take(Share::Due, now).is_empty());
        assert_eq!(numbers(&waiting.take(Share::Due, now + AT_LEISURE)), [1]);
        assert!(waiting.is_empty() && waiting.due_at().is_none());
        for seq in 2..=i64::try_from(FRAMES_DUE).unwrap() + 1 {
            assert!(waiting.take(Share::Due, now).is_empty(), "before frame {seq}");
            waiting.keep(frame(seq));
        }
        assert_eq!(waiting.take(Share::Due, Instant::now()).frames.len(), FRAMES_DUE);
    }

    #[tokio::test]
    async fn everything_is_taken_when_it_is_asked_for_and_taken_back_in_its_order() {
        let mut waiting = Waiting::default();
        waiting.keep(frame(1));
        let batch = waiting.take(Share::All, Instant::now());
        assert_eq!(numbers(&batch), [1]);
        waiting.keep(frame(2));
        waiting.put_back(batch);
        assert_eq!(numbers(&waiting.take(Share::All, Instant::now())), [1, 2]);
    }

    #[tokio::test]
    async fn more_frames_than_can_wait_cost_the_oldest_and_say_so() {
        let mut waiting = Waiting::default();
        let many = i64::try_from(FRAMES_MAX).unwrap();
        (1..=many + 6).for_each(|seq| waiting.keep(frame(seq)));
        let batch = waiting.take(Share::All, Instant::now());
        assert_eq!((batch.frames.len(), batch.frames[0].seq), (FRAMES_MAX, 7));
        assert_eq!(batch.frames_lost_until, Some(6));
        waiting.put_back(batch);
        assert_eq!(waiting.take(Share::All, Instant::now()).frames_lost_until, Some(6));
    }
}
