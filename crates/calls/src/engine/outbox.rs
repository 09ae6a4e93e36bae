//! What the engine has to say and has not yet been asked for; also the maker of ids and signals.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use crate::effect::Effect;
use crate::event::{AlarmView, Event};
use crate::id::{CallId, IdSource, InteractionId, LegId, RecordingId, SightingId, SignalId, UserId};
use crate::io::Output;
use crate::missed::Book;
use crate::signal::{Signal, SignalBody, Source};
use crate::time::UtcMillis;

/// Collects outputs; every transition writes into it.
#[derive(Debug)]
pub(super) struct Outbox {
    pub(super) ids: IdSource,
    pub(super) now: Instant,
    pub(super) at: UtcMillis,
    /// Which call a leg belongs to; only live legs and those whose CANCEL is not answered.
    pub(super) legs: HashMap<LegId, CallId>,
    /// Which call a sighting belongs to, until it is over.
    pub(super) sightings: HashMap<SightingId, CallId>,
    /// The recordings that are open or being closed.
    pub(super) recordings: HashMap<RecordingId, RecordingOwner>,
    /// The last alarm about recordings that was not cleared.
    pub(super) recording_alarm: Option<AlarmView>,
    pub(super) queue: VecDeque<Output>,
    /// The missed-call items; a call tells them how it ended before it tells anybody else.
    pub(super) missed: Book,
    order: u64,
}

/// Whose a recording is, also when its call is over.
#[derive(Debug, Clone, Copy)]
pub(super) struct RecordingOwner {
    pub(super) call: CallId,
    pub(super) interaction: InteractionId,
    pub(super) user: Option<UserId>,
}

impl Outbox {
    pub(super) fn new(ids: IdSource, now: Instant, at: UtcMillis) -> Self {
        Self {
            ids,
            now,
            at,
            legs: HashMap::new(),
            sightings: HashMap::new(),
            recordings: HashMap::new(),
            recording_alarm: None,
            queue: VecDeque::new(),
            missed: Book::default(),
            order: 0,
        }
    }

    pub(super) fn effect(&mut self, effect: Effect) {
        self.queue.push_back(Output::Effect { effect, after: None, told_at: self.now });
    }

    pub(super) fn effect_after(&mut self, effect: Effect, after: SignalId) {
        self.queue.push_back(Output::Effect { effect, after: Some(after), told_at: self.now });
    }

    pub(super) fn publish(&mut self, event: Event) {
        self.queue.push_back(Output::Publish(event));
    }

    /// Makes a signal and asks for its recording.
    pub(super) fn record(
        &mut self,
        call_id: CallId,
        source: Source,
        observed_at: UtcMillis,
        body: SignalBody,
    ) -> Signal {
        self.order += 1;
        let signal =
            Signal { id: self.ids.make(self.at), call_id, source, observed_at, order: self.order, body };
        self.queue.push_back(Output::Record(signal.clone()));
        signal
    }

    /// Goes on counting above the order of an earlier process.
    pub(super) fn continue_order(&mut self, above: u64) {
        self.order = self.order.max(above);
    }
}
