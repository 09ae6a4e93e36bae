//! The way from the relay to a recorder thread: bounded, without waiting, without allocation per packet.
//!
//! Packets are copied into a batch; full batches go through a bounded channel and come back empty. When the
//! writer lags so far that no batch is free any more, packets are dropped and counted: their recording is flagged.

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender, TrySendError};
use std::time::{Duration, Instant};

use linecard_media::{PayloadKind, SampleRate, Side, SpanKind};

use super::store::RecordingId;

/// Batches on their way at most: five seconds at one a flush.
const QUEUE_LEN: usize = 256;
/// Bytes after which a batch is sent early.
const BATCH_LEN: usize = 64 * 1024;
/// Work that may wait on the relay's side when the channel is full.
const BACKLOG_LEN: usize = 64;
/// How often packets are handed over.
const FLUSH_EVERY: Duration = Duration::from_millis(20);
/// How often an empty batch says that time goes by.
const HEARTBEAT_EVERY: Duration = Duration::from_millis(100);

/// A recording within one relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Slot(pub(crate) u64);

/// Where a packet belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tap {
    pub(crate) slot: Slot,
    pub(crate) side: Side,
    pub(crate) kind: PayloadKind,
    pub(crate) at: Instant,
}

/// Packets in order of arrival.
#[derive(Debug)]
pub(crate) struct Batch {
    taps: Vec<(Tap, usize)>,
    bytes: Vec<u8>,
    until: Instant,
}

impl Batch {
    fn new(until: Instant) -> Self {
        Self { taps: Vec::new(), bytes: Vec::new(), until }
    }

    pub(crate) fn clear(&mut self) {
        self.taps.clear();
        self.bytes.clear();
    }

    /// Returns the instant up to which the relay has seen everything.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }

    pub(crate) fn packets(&self) -> impl Iterator<Item = (Tap, &[u8])> {
        let mut rest = self.bytes.as_slice();
        self.taps.iter().map_while(move |(tap, len)| {
            let (packet, after) = rest.split_at_checked(*len)?;
            rest = after;
            Some((*tap, packet))
        })
    }
}

/// Whether a marked stretch begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    Begin,
    End,
}

/// What a writer is given.
#[derive(Debug)]
pub(crate) enum Work {
    Start { slot: Slot, id: RecordingId, rate: SampleRate, at: Instant },
    Batch(Batch),
    Mark { slot: Slot, kind: SpanKind, edge: Edge, at: Instant },
    Stop { slot: Slot, at: Instant, overflowed: u64 },
}

/// The relay's end of the way to one writer.
pub(crate) struct Lane {
    work: SyncSender<Work>,
    spare: Receiver<Batch>,
    current: Batch,
    backlog: VecDeque<Work>,
    sent_at: Instant,
    /// Up to when the relay has read what its sockets had. A batch says no more: the writer plays what is older than that
    /// by its horizon, and packets that a busy machine lets wait in their sockets would come too late.
    seen: Instant,
    /// Open recordings, with the packets dropped of each.
    open: HashMap<Slot, u64>,
}

impl Lane {
    /// Makes a lane, the writer's end of it, and the way back for empty batches.
    pub(crate) fn new() -> (Self, Receiver<Work>, Sender<Batch>) {
        let now = Instant::now();
        let (work, receiver) = mpsc::sync_channel(QUEUE_LEN);
        let (back, spare) = mpsc::channel();
        let lane = Self {
            work,
            spare,
            current: Batch::new(now),
            backlog: VecDeque::new(),
            sent_at: now,
            seen: now,
            open: HashMap::new(),
        };
        (lane, receiver, back)
    }

    pub(crate) fn start(&mut self, slot: Slot, id: RecordingId, rate: SampleRate, at: Instant) {
        self.open.insert(slot, 0);
        self.push_control(Work::Start { slot, id, rate, at });
    }

    pub(crate) fn mark(&mut self, slot: Slot, kind: SpanKind, edge: Edge, at: Instant) {
        self.push_control(Work::Mark { slot, kind, edge, at });
    }

    pub(crate) fn stop(&mut self, slot: Slot, at: Instant) {
        if let Some(overflowed) = self.open.remove(&slot) {
            self.push_control(Work::Stop { slot, at, overflowed });
        }
    }

    /// Copies a packet for its recording.
    pub(crate) fn record(&mut self, tap: Tap, bytes: &[u8]) {
        if self.current.bytes.len() >= BATCH_LEN {
            if self.backlog.len() >= BACKLOG_LEN {
                if let Some(overflowed) = self.open.get_mut(&tap.slot) {
                    *overflowed += 1;
                }
                return;
            }
            self.seal();
        }
        self.current.bytes.extend_from_slice(bytes);
        self.current.taps.push((tap, bytes.len()));
    }

    /// Hands over what is due; the relay has read everything that came until `seen`. Returns how long nothing more will be
    /// due, and whether the writer is alive.
    pub(crate) fn flush(&mut self, now: Instant, seen: Instant) -> LaneState {
        self.seen = seen;
        let idle = now.saturating_duration_since(self.sent_at);
        let due = if self.current.taps.is_empty() { HEARTBEAT_EVERY } else { FLUSH_EVERY };
        if !self.open.is_empty() && idle >= due && self.backlog.len() < BACKLOG_LEN {
            self.seal();
            self.sent_at = now;
        }
        while let Some(work) = self.backlog.pop_front() {
            match self.work.try_send(work) {
                Ok(()) => {}
                Err(TrySendError::Full(work)) => {
                    self.backlog.push_front(work);
                    return LaneState::Waiting(FLUSH_EVERY);
                }
                Err(TrySendError::Disconnected(_)) => return LaneState::Gone,
            }
        }
        match (self.open.is_empty(), self.current.taps.is_empty()) {
            (true, _) => LaneState::Idle,
            (false, true) => LaneState::Waiting(HEARTBEAT_EVERY),
            (false, false) => LaneState::Waiting(FLUSH_EVERY),
        }
    }

    /// Hands over everything, waiting if need be: the last act before the relay ends.
    pub(crate) fn drain(mut self) {
        for work in std::mem::take(&mut self.backlog) {
            if self.work.send(work).is_err() {
                return;
            }
        }
    }

    /// Control work keeps its place among the packets and is never dropped.
    fn push_control(&mut self, work: Work) {
        if !self.current.taps.is_empty() {
            self.seal();
        }
        self.backlog.push_back(work);
    }

    fn seal(&mut self) {
        let next = self.spare.try_recv().unwrap_or_else(|_| Batch::new(self.seen));
        let mut batch = std::mem::replace(&mut self.current, next);
        batch.until = self.seen;
        self.backlog.push_back(Work::Batch(batch));
    }
}

/// How a lane stands after a flush.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LaneState {
    /// No recording is open.
    Idle,
    /// It wants to be flushed again after this time.
    Waiting(Duration),
    /// Its writer has ended.
    Gone,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tap(slot: u64) -> Tap {
        let (side, kind, at) = (Side::Customer, PayloadKind::Other, Instant::now());
        Tap { slot: Slot(slot), side, kind, at }
    }

    #[test]
    fn a_writer_that_stands_still_costs_packets_and_never_waiting_or_memory() {
        let (mut lane, work, _spare) = Lane::new();
        lane.start(Slot(1), RecordingId::new("slow").unwrap(), SampleRate::Narrow, Instant::now());
        let packet = [0; 1_000];
        for _ in 0..100_000 {
            lane.record(tap(1), &packet);
            lane.flush(Instant::now() + FLUSH_EVERY, Instant::now());
        }
        lane.stop(Slot(1), Instant::now());
        let stored = |item: &Work| match item {
            Work::Batch(batch) => batch.packets().count(),
            _ => 0,
        };
        // The writer wakes up: everything but the surplus is there, in order, and the surplus is known.
        let (mut packets, mut overflowed) = (0, None);
        while overflowed.is_none() {
            lane.flush(Instant::now(), Instant::now());
            while let Ok(item) = work.try_recv() {
                packets += stored(&item);
                if let Work::Stop { overflowed: dropped, .. } = item {
                    overflowed = Some(usize::try_from(dropped).unwrap());
                }
            }
        }
        assert_eq!(packets + overflowed.unwrap(), 100_000);
        assert!(packets * 1_000 <= (QUEUE_LEN + BACKLOG_LEN + 2) * (BATCH_LEN + 1_000), "{packets}");
        assert!(overflowed > Some(0));
    }

    #[test]
    fn a_batch_that_is_full_says_nothing_of_sockets_that_were_not_read() {
        let (mut lane, work, _spare) = Lane::new();
        let seen = Instant::now();
        lane.start(Slot(1), RecordingId::new("jam").unwrap(), SampleRate::Narrow, seen);
        lane.flush(seen, seen);
        // The machine stood still for a second; the first sockets that are read fill a batch.
        let late = seen + Duration::from_secs(1);
        for _ in 0..=BATCH_LEN / 1_000 + 1 {
            lane.record(Tap { at: late, ..tap(1) }, &[0; 1_000]);
        }
        lane.mark(Slot(1), SpanKind::Hold, Edge::Begin, late);
        lane.flush(late, seen);
        lane.flush(late + HEARTBEAT_EVERY, late);
        lane.stop(Slot(1), late);
        lane.drain();
        let untils: Vec<Instant> = work
            .iter()
            .filter_map(|item| if let Work::Batch(batch) = item { Some(batch.until()) } else { None })
            .collect();
        assert!(untils.len() >= 3 && untils.last() == Some(&late), "{untils:?}");
        assert!(untils.iter().rev().skip(1).all(|until| *until == seen), "{untils:?}");
    }

    #[test]
    fn control_work_keeps_its_place_among_the_packets() {
        let (mut lane, work, _spare) = Lane::new();
        let now = Instant::now();
        lane.start(Slot(1), RecordingId::new("call").unwrap(), SampleRate::Narrow, now);
        lane.record(tap(1), b"before");
        lane.mark(Slot(1), SpanKind::Hold, Edge::Begin, now);
        lane.record(tap(1), b"after");
        lane.stop(Slot(1), now);
        lane.drain();
        let order: Vec<String> = work
            .iter()
            .map(|item| match item {
                Work::Start { .. } => "start".to_owned(),
                Work::Mark { .. } => "mark".to_owned(),
                Work::Stop { .. } => "stop".to_owned(),
                Work::Batch(batch) => {
                    batch.packets().map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned()).collect()
                }
            })
            .collect();
        assert_eq!(order, ["start", "before", "mark", "after", "stop"]);
    }
}
