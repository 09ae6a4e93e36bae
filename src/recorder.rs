//! Recorder threads: packets from the relay become WAV files beside the talk, never in its way.
//!
//! The relay hands over batches through bounded queues and never waits. Time here is the relay's: a batch says
//! up to which instant the relay has seen everything, so a slow disk delays a recording but does not tear it.

mod finish;
mod queue;
mod store;
mod track;

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use linecard_media::{Losses, StereoMix};

pub use finish::{ClosedRecording, RecordingState};
pub(crate) use queue::{Edge, Lane, LaneState, Slot, Tap};
pub use store::{RecorderError, RecordingFile, RecordingId, RecordingStore, Recovered};

use self::finish::Finishing;
use self::queue::{Batch, Work};
use self::track::{Progress, Track};

/// What the recorder reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordingEvent {
    /// A recording has ended, for better or worse.
    Closed(ClosedRecording),
    /// Storage refuses a recording; an alarm until [`RecordingEvent::Resumed`] or the end.
    Failed {
        /// Which one.
        id: RecordingId,
        /// What the system said.
        why: String,
    },
    /// Storage takes a recording again that it had refused.
    Resumed {
        /// Which one.
        id: RecordingId,
    },
}

/// Takes reports from the recorder's threads; must not block.
pub(crate) type RecorderSink = Arc<dyn Fn(RecordingEvent) + Send + Sync>;

/// The recorder's threads.
pub(crate) struct Recorder {
    threads: Vec<JoinHandle<()>>,
}

impl Recorder {
    /// Starts `writers` writing threads and one that finishes files; returns the writers' queues.
    pub(crate) fn start(
        store: &RecordingStore,
        writers: usize,
        losses: Losses,
        sink: &RecorderSink,
    ) -> io::Result<(Self, Vec<Lane>)> {
        let (finishing, tracks) = mpsc::channel();
        let mut threads = Vec::new();
        let mut lanes = Vec::new();
        for index in 0..writers.max(1) {
            let (lane, work, spare) = Lane::new();
            let (finishing, sink) = (finishing.clone(), Arc::clone(sink));
            let (tracks, store) = (HashMap::new(), store.clone());
            let writer = Writer { tracks, store, losses, finishing, spare, sink };
            let name = format!("recorder-{index}");
            threads.push(thread::Builder::new().name(name).spawn(move || writer.run(&work))?);
            lanes.push(lane);
        }
        let (store, sink) = (store.clone(), Arc::clone(sink));
        let finisher = thread::Builder::new().name("recorder-end".to_owned());
        threads.push(finisher.spawn(move || finish::run(&store, &tracks, &sink))?);
        Ok((Self { threads }, lanes))
    }

    /// Waits until every file is in its place. The lanes must be gone.
    pub(crate) fn join(self) {
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a recorder thread has panicked");
            }
        }
    }
}

/// One writing thread: the tracks of some recordings.
struct Writer {
    tracks: HashMap<Slot, Track>,
    store: RecordingStore,
    losses: Losses,
    finishing: Sender<Finishing>,
    spare: Sender<Batch>,
    sink: RecorderSink,
}

impl Writer {
    fn run(mut self, work: &Receiver<Work>) {
        for work in work {
            self.take(work);
        }
    }

    fn take(&mut self, work: Work) {
        match work {
            Work::Start { slot, id, rate, at } => {
                let mix = StereoMix::new(at, rate, self.losses);
                let (track, progress) = Track::start(id, self.store.clone(), mix, at);
                report(&self.sink, track.id(), progress);
                self.tracks.insert(slot, track);
            }
            Work::Batch(batch) => self.take_batch(batch),
            Work::Mark { slot, kind, edge, at } => {
                if let Some(track) = self.tracks.get_mut(&slot) {
                    match edge {
                        Edge::Begin => track.begin(kind, at),
                        Edge::End => track.end(kind, at),
                    }
                }
            }
            Work::Stop { slot, at, overflowed } => {
                if let Some(track) = self.tracks.remove(&slot) {
                    let track = track.finish(at);
                    // The finisher lives as long as any writer.
                    let _ = self.finishing.send(Finishing { track, overflowed });
                }
            }
        }
    }

    fn take_batch(&mut self, mut batch: Batch) {
        for (tap, bytes) in batch.packets() {
            if let Some(track) = self.tracks.get_mut(&tap.slot) {
                track.push(tap.side, tap.kind, tap.at, bytes);
            }
        }
        for track in self.tracks.values_mut() {
            let progress = track.advance(batch.until());
            report(&self.sink, track.id(), progress);
        }
        batch.clear();
        // The relay may be gone already; then nobody needs spare batches.
        let _ = self.spare.send(batch);
    }
}

fn report(sink: &RecorderSink, id: &RecordingId, progress: Progress) {
    match progress {
        Progress::Steady => {}
        Progress::Refused(why) => sink(RecordingEvent::Failed { id: id.clone(), why: why.to_string() }),
        Progress::Resumed => sink(RecordingEvent::Resumed { id: id.clone() }),
    }
}
