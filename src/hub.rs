//! The hub: numbers events, keeps them to resume from, and fans them out to browsers.
//!
//! Owned by the reactor: numbering, snapshots and subscriptions happen in one place, so no frame falls between a
//! snapshot and the stream that follows it. Other consumers (webhooks, further nodes) would subscribe here too.

use std::collections::VecDeque;
use std::sync::Arc;

use linecard_calls::{Cursor, Event, Frame, Snapshot, UtcMillis, Viewer};
use linecard_store::frames::{FrameRow, Numbering};
use linecard_web::port::{NumberedFrame, Start, Subscription};
use tokio::sync::broadcast;

use crate::ledger::Ledger;

/// Frames kept in memory; older ones are read from the database.
const RECENT_MAX: usize = 20_000;

/// Frames that a slow browser may lag behind before it is told to reconnect.
const LAG_MAX: usize = 4_096;

/// The state of the hub.
#[derive(Debug)]
pub(crate) struct Hub {
    numbering: Numbering,
    recent: VecDeque<Arc<NumberedFrame>>,
    stream: broadcast::Sender<Arc<NumberedFrame>>,
    ledger: Ledger,
}

impl Hub {
    /// Starts after the last number used.
    #[must_use]
    pub(crate) fn new(numbering: Numbering, ledger: Ledger) -> Self {
        let (stream, _) = broadcast::channel(LAG_MAX);
        Self { numbering, recent: VecDeque::new(), stream, ledger }
    }

    /// Numbers an event, keeps it and sends it to everyone who listens.
    pub(crate) fn publish(&mut self, event: Event, at: UtcMillis) {
        self.numbering.last_seq += 1;
        let frame = Frame::new(self.cursor(), at, event);
        let text = match serde_json::to_string(&frame) {
            Ok(text) => text,
            Err(error) => {
                tracing::error!(%error, "an event cannot be written as JSON");
                return;
            }
        };
        self.ledger.keep(FrameRow { seq: self.numbering.last_seq, at: at.0, frame: text.clone() });
        let numbered = Arc::new(NumberedFrame { frame, text });
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(Arc::clone(&numbered));
        // Without a browser there is no receiver, which is no failure.
        let _ = self.stream.send(numbered);
    }

    /// Returns the place of the last frame.
    #[must_use]
    pub(crate) fn cursor(&self) -> Cursor {
        Cursor {
            epoch: self.numbering.epoch.clone(),
            seq: u64::try_from(self.numbering.last_seq).unwrap_or(0),
        }
    }

    /// Returns where the numbering stands, to be continued after a clean stop.
    #[must_use]
    pub(crate) fn numbering(&self) -> &Numbering {
        &self.numbering
    }

    /// Subscribes a viewer: what it missed since `cursor`, else everything there is, then every frame from now on.
    #[must_use]
    pub(crate) fn subscribe(
        &self,
        viewer: &Viewer,
        cursor: Option<&Cursor>,
        snapshot: impl FnOnce() -> Snapshot,
    ) -> Subscription {
        let now = self.cursor();
        let start = match cursor.filter(|cursor| cursor.epoch == now.epoch && cursor.seq <= now.seq) {
            Some(cursor) => self.missed(cursor, viewer),
            None => Start::Snapshot { snapshot: Box::new(snapshot()), cursor: now },
        };
        Subscription { start, stream: self.stream.subscribe() }
    }

    fn missed(&self, cursor: &Cursor, viewer: &Viewer) -> Start {
        let seen = |frame: &&Arc<NumberedFrame>| {
            frame.frame.seq > cursor.seq && frame.frame.event.visible_to(viewer)
        };
        let recent: Vec<_> = self.recent.iter().filter(seen).map(Arc::clone).collect();
        let first_recent = self.recent.front().map_or(self.cursor().seq + 1, |frame| frame.frame.seq);
        if cursor.seq + 1 >= first_recent {
            Start::Recent(recent)
        } else {
            Start::Stored { epoch: cursor.epoch.clone(), after: cursor.seq, until: first_recent - 1, recent }
        }
    }
}
