//! What becomes of calls in the database: as they stand while they go on, and for good once they are over.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use linecard_calls::{CallId, Interaction, Recording, RecordingView, Signal};
use linecard_store::ledger::SavedCall;

use super::{FAREWELL, Reactor};

/// How long a call that goes on may differ from what the database has of it: it changes many times in its first seconds,
/// and is read from here until it is over.
const SAVED_WITHIN: Duration = Duration::from_millis(200);

/// Calls that changed, each with its recordings that began.
#[derive(Debug, Default)]
pub(super) struct Changed {
    calls: BTreeMap<CallId, Vec<Recording>>,
    due_at: Option<Instant>,
}

impl Changed {
    pub(super) fn note(&mut self, call: CallId, begun: Option<Recording>) {
        self.due_at.get_or_insert_with(|| Instant::now() + SAVED_WITHIN);
        self.calls.entry(call).or_default().extend(begun);
    }

    pub(super) fn due_at(&self) -> Option<Instant> {
        self.due_at
    }

    fn take(&mut self) -> BTreeMap<CallId, Vec<Recording>> {
        self.due_at = None;
        std::mem::take(&mut self.calls)
    }
}

/// An ended call that the database does not have yet.
#[derive(Debug, Clone)]
pub(super) struct Unsaved {
    pub(super) call: SavedCall,
    /// Its evidence; `None` when it was folded from the database, which has it then.
    pub(super) signals: Option<Vec<Signal>>,
}

impl Reactor {
    /// Gives the database what changed of the calls that go on; those that are over meanwhile were given to it for good.
    pub(super) fn save_changed(&mut self) {
        for (call, recordings) in self.changed.take() {
            if let Some(interaction) = self.live_interaction(call) {
                self.parts.ledger.save(SavedCall { interaction, recordings, settled: false });
            }
        }
    }

    pub(super) fn live_interaction(&self, call: CallId) -> Option<Interaction> {
        self.parts.engine.live_interaction(call)
    }

    /// Gives an interaction to the database and shows it as it is until it is there.
    pub(super) fn save_for_good(
        &mut self,
        interaction: Interaction,
        recordings: Vec<Recording>,
        signals: Option<Vec<Signal>>,
    ) {
        let call = SavedCall { interaction, recordings, settled: true };
        self.unsaved.insert(call.interaction.id, Unsaved { call: call.clone(), signals });
        self.parts.ledger.save(call);
    }

    pub(super) fn call_ended(
        &mut self,
        call: CallId,
        interaction: Interaction,
        recordings: Vec<Recording>,
        signals: Vec<Signal>,
    ) {
        let recorded: Vec<_> = recordings.iter().map(|recording| recording.id.to_string()).collect();
        self.tally.call_ended(interaction.outcome);
        self.save_for_good(interaction, recordings, Some(signals));
        self.farewells.push_back((Instant::now() + FAREWELL, call));
        if recorded.is_empty() {
            return;
        }
        let (ledger, files) = (self.parts.ledger.clone(), self.parts.recordings.clone());
        tokio::spawn(async move {
            ledger.flush().await;
            for id in recorded.into_iter().filter_map(|id| crate::recorder::RecordingId::new(id).ok()) {
                if let Err(error) = files.acknowledge(&id) {
                    tracing::warn!(%error, "the spans kept beside a recording cannot be removed");
                }
            }
        });
    }
}

/// A recording of which nothing is known but that it is being written.
pub(super) fn begun(started: &RecordingView) -> Recording {
    Recording {
        id: started.recording_id,
        interaction_id: started.interaction_id,
        state: started.state,
        duration_ms: None,
        channels: None,
        sample_rate_hz: None,
        sha256: None,
        spans: Vec::new(),
        path: None,
    }
}
