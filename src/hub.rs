//! The hub: numbers events, keeps them to resume from, and fans them out to browsers.
//!
//! Owned by the reactor: numbering, snapshots and subscriptions happen in one place, so no frame falls between a
//! snapshot and the stream that follows it. Other consumers (webhooks, further nodes) would subscribe here too.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use linecard_calls::{Cursor, Event, Frame, Snapshot, UserId, UtcMillis, Viewer};
use linecard_store::frames::{FrameRow, Numbering};
use linecard_web::port::{NumberedFrame, Start, Subscription};
use linecard_web::stream::{Outlet, Stream, stream};

use crate::ledger::Ledger;

/// Frames kept in memory; older ones are read from the database.
const RECENT_MAX: usize = 20_000;

/// Frames that may wait for a slow browser before it is told to reconnect.
const LAG_MAX: usize = 4_096;

/// The state of the hub.
#[derive(Debug)]
pub(crate) struct Hub {
    numbering: Numbering,
    recent: VecDeque<Arc<NumberedFrame>>,
    desks: Desks,
    ledger: Ledger,
}

impl Hub {
    /// Starts after the last number used.
    #[must_use]
    pub(crate) fn new(numbering: Numbering, ledger: Ledger) -> Self {
        Self { numbering, recent: VecDeque::new(), desks: Desks::default(), ledger }
    }

    /// Numbers an event, keeps it and sends it to everyone who may see it.
    pub(crate) fn publish(&mut self, event: Event, at: UtcMillis) {
        self.numbering.last_seq += 1;
        let numbered = match NumberedFrame::new(&Frame::new(self.cursor(), at, event)) {
            Ok(numbered) => Arc::new(numbered),
            Err(error) => {
                tracing::error!(%error, "an event cannot be written as JSON");
                return;
            }
        };
        let frame = numbered.text.as_str().to_owned();
        self.ledger.keep(FrameRow { seq: self.numbering.last_seq, at: at.0, frame });
        self.desks.send(&numbered);
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(numbered);
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
        &mut self,
        viewer: &Viewer,
        cursor: Option<&Cursor>,
        snapshot: impl FnOnce() -> Snapshot,
    ) -> Subscription {
        let now = self.cursor();
        let start = match cursor.filter(|cursor| cursor.epoch == now.epoch && cursor.seq <= now.seq) {
            Some(cursor) => self.missed(cursor, viewer),
            None => Start::Snapshot { snapshot: Box::new(snapshot()), cursor: now },
        };
        Subscription { start, stream: self.desks.open(viewer) }
    }

    fn missed(&self, cursor: &Cursor, viewer: &Viewer) -> Start {
        let seen = |frame: &&Arc<NumberedFrame>| frame.seq > cursor.seq && frame.visible_to(viewer);
        let recent: Vec<_> = self.recent.iter().filter(seen).map(Arc::clone).collect();
        let first_recent = self.recent.front().map_or(self.cursor().seq + 1, |frame| frame.seq);
        if cursor.seq + 1 >= first_recent {
            Start::Recent(recent)
        } else {
            Start::Stored { epoch: cursor.epoch.clone(), after: cursor.seq, until: first_recent - 1, recent }
        }
    }
}

/// Who listens: a frame wakes those alone who may see it.
#[derive(Debug, Default)]
struct Desks {
    /// Those who see what concerns them.
    agents: HashMap<UserId, Vec<Outlet>>,
    /// Those who see everything.
    watching: Vec<Outlet>,
}

impl Desks {
    fn open(&mut self, viewer: &Viewer) -> Stream {
        let (outlet, stream) = stream(LAG_MAX);
        let alike = if viewer.sees_all() {
            &mut self.watching
        } else {
            self.agents.entry(viewer.user_id).or_default()
        };
        // Whoever gets no frames is not noticed to have left otherwise.
        alike.retain(Outlet::is_read);
        alike.push(outlet);
        stream
    }

    fn send(&mut self, frame: &Arc<NumberedFrame>) {
        self.watching.retain(|outlet| outlet.send(frame));
        for user in &frame.concerned {
            if let Some(outlets) = self.agents.get_mut(user) {
                outlets.retain(|outlet| outlet.send(frame));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use linecard_calls::{AgentState, AgentView, Role};

    use super::*;

    fn viewer(number: u128, role: Role) -> Viewer {
        Viewer { user_id: UserId::from_uuid(uuid::Uuid::from_u128(number)), role }
    }

    /// A frame that concerns a user alone.
    fn of(viewer: &Viewer) -> Arc<NumberedFrame> {
        let view = AgentView { user_id: viewer.user_id, state: AgentState::Available, call_id: None };
        let cursor = Cursor { epoch: "e".to_owned(), seq: 1 };
        let frame = Frame::new(cursor, UtcMillis(0), Event::AgentStateChanged(view));
        Arc::new(NumberedFrame::new(&frame).expect("JSON"))
    }

    #[test]
    fn a_frame_wakes_every_desk_of_whom_it_concerns_and_of_supervisors_and_no_other() {
        let (pyotr, olga, anna) =
            (viewer(1, Role::Agent), viewer(2, Role::Agent), viewer(3, Role::Supervisor));
        let mut desks = Desks::default();
        let mut open = [&pyotr, &pyotr, &olga, &anna].map(|viewer| desks.open(viewer));
        desks.send(&of(&pyotr));
        desks.send(&of(&anna));
        let waiting = open.each_mut().map(|stream| stream.waiting());
        assert_eq!(waiting, [1, 1, 0, 2], "a supervisor gets what concerns itself once");
    }

    #[test]
    fn desks_that_were_left_are_forgotten() {
        let pyotr = viewer(1, Role::Agent);
        let mut desks = Desks::default();
        for _ in 0..100 {
            drop(desks.open(&pyotr));
        }
        assert_eq!(desks.agents.values().map(Vec::len).sum::<usize>(), 1);
        desks.send(&of(&pyotr));
        assert_eq!(desks.agents.values().map(Vec::len).sum::<usize>(), 0);
    }
}
