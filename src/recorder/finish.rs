//! The last steps of a recording, off the writers' threads because they wait for the disk.

use std::fs::{self, File};
use std::sync::mpsc::Receiver;

use linecard_media::wav::{Expected, Inspection};
use linecard_media::{Mixed, Span, TimelineStatistics, span};

use super::store::{RecorderError, RecordingId, RecordingStore};
use super::track::{FinishedTrack, Wholeness};
use super::{RecorderSink, RecordingEvent};

/// How a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingState {
    /// Every sample that came is in the file.
    Finished,
    /// Storage refused at times: the length is right, marked losses are silence.
    Truncated,
    /// There is no usable file.
    Failed,
}

/// What is known of a recording that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedRecording {
    /// Which one.
    pub id: RecordingId,
    /// How it ended.
    pub state: RecordingState,
    /// Frames per second.
    pub sample_rate_hz: u32,
    /// Length in milliseconds: the wall time from start to stop.
    pub duration_ms: u64,
    /// SHA-256 of the file, lower-case hexadecimal; `None` if it failed.
    pub sha256: Option<String>,
    /// Marked spans, in order.
    pub spans: Vec<Span>,
    /// What the customer's timeline counted.
    pub customer: TimelineStatistics,
    /// What the agent's timeline counted.
    pub agent: TimelineStatistics,
}

/// A track on its way to its final name.
#[derive(Debug)]
pub(crate) struct Finishing {
    pub(crate) track: FinishedTrack,
    /// Packets that never reached the writer because its queue was full.
    pub(crate) overflowed: u64,
}

/// Puts finished tracks in their place until the last sender is gone.
pub(crate) fn run(store: &RecordingStore, tracks: &Receiver<Finishing>, sink: &RecorderSink) {
    for finishing in tracks {
        let (closed, fault) = close(store, finishing);
        if let Some(fault) = fault {
            sink(RecordingEvent::Failed { id: closed.id.clone(), why: fault.to_string() });
        }
        sink(RecordingEvent::Closed(closed));
    }
}

fn close(store: &RecordingStore, finishing: Finishing) -> (ClosedRecording, Option<RecorderError>) {
    let Finishing { track: FinishedTrack { id, rate, mixed, wholeness }, overflowed } = finishing;
    let settled = match wholeness {
        Wholeness::None => Err(RecorderError::Missing(id.clone())),
        Wholeness::Whole | Wholeness::Gapped => settle(store, &id, &mixed.spans),
    };
    let (state, sha256, fault) = match settled {
        Ok(found) if wholeness == Wholeness::Whole && overflowed == 0 => {
            (RecordingState::Finished, Some(found.sha256), None)
        }
        Ok(found) => (RecordingState::Truncated, Some(found.sha256), None),
        Err(fault) => (RecordingState::Failed, None, Some(fault)),
    };
    let (sample_rate_hz, duration_ms) = (rate.hz(), mixed.frames / rate.per_ms());
    let Mixed { spans, customer, agent, .. } = mixed;
    (ClosedRecording { id, state, sample_rate_hz, duration_ms, sha256, spans, customer, agent }, fault)
}

fn settle(store: &RecordingStore, id: &RecordingId, spans: &[Span]) -> Result<Inspection, RecorderError> {
    // Kept until the ledger has the recording; without it a crash in between would forget the marks only.
    if let Err(error) = fs::write(store.spans_path(id), span::print(spans)) {
        tracing::debug!(recording = %id, %error, "spans not kept beside the recording");
    }
    let path = store.part_path(id);
    let part = File::open(&path).map_err(|source| RecorderError::File { path, source })?;
    store.settle(id, &part)?;
    store.verify(id, &Expected::default())
}
