//! One recording on its way to the disk: its mix, its file, and what happens when the disk refuses.
//!
//! A refusal never ends a recording: what could not be written is a marked loss, the file is tried again
//! every second and goes on at the right place. A talk does not notice.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use linecard_media::{
    MediaError, Mixed, PayloadKind, RtpPacket, SampleRate, Side, SpanKind, StereoMix, WavTrack, span,
};

use super::store::{RecordingFile, RecordingId, RecordingStore};

/// How often samples reach the file. With the timeline's horizon a crash loses less than a second.
const WRITE_EVERY: Duration = Duration::from_millis(500);

/// How long to wait before a refused file is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What writing has led to.
#[derive(Debug)]
pub(crate) enum Progress {
    /// Nothing worth telling.
    Steady,
    /// The disk has refused; the recording will be flagged.
    Refused(MediaError),
    /// The disk takes samples again.
    Resumed,
}

/// The file of a recording.
enum Sink {
    /// Samples go to the file.
    Open(WavTrack<RecordingFile>),
    /// The disk has refused: all from this frame on is missing.
    Refused { from_frame: u64, retry_at: Instant },
}

/// How whole a recording's file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wholeness {
    /// Every frame is in the file.
    Whole,
    /// The file has its full length, with marked losses.
    Gapped,
    /// There is no usable file.
    None,
}

/// What a finished track hands to those who put it in its place.
#[derive(Debug)]
pub(crate) struct FinishedTrack {
    pub(crate) id: RecordingId,
    pub(crate) rate: SampleRate,
    pub(crate) mixed: Mixed,
    pub(crate) wholeness: Wholeness,
}

/// A recording being written.
pub(crate) struct Track {
    id: RecordingId,
    store: RecordingStore,
    mix: StereoMix,
    sink: Sink,
    written_at: Instant,
    /// Frames played so far, in the file or not.
    frames: u64,
    gapped: Wholeness,
    block: Vec<i16>,
}

impl Track {
    /// Begins a recording of a mix that begins at `start`. A file that cannot be made is tried again later.
    pub(crate) fn start(
        id: RecordingId,
        store: RecordingStore,
        mix: StereoMix,
        start: Instant,
    ) -> (Self, Progress) {
        let mut track = Self {
            mix,
            sink: Sink::Refused { from_frame: 0, retry_at: start },
            written_at: start,
            frames: 0,
            gapped: Wholeness::Whole,
            block: Vec::new(),
            id,
            store,
        };
        match track.open(0, 0) {
            Ok(wav) => {
                track.sink = Sink::Open(wav);
                (track, Progress::Steady)
            }
            Err(error) => {
                track.refuse(0, start);
                (track, Progress::Refused(error))
            }
        }
    }

    pub(crate) fn id(&self) -> &RecordingId {
        &self.id
    }

    /// Takes a packet; what is no RTP was never forwarded to here.
    pub(crate) fn push(&mut self, side: Side, kind: PayloadKind, at: Instant, bytes: &[u8]) {
        if let Ok(packet) = RtpPacket::parse(bytes) {
            self.mix.push(side, &packet, kind, at);
        }
    }

    pub(crate) fn begin(&mut self, kind: SpanKind, at: Instant) {
        self.mix.begin(kind, at);
    }

    pub(crate) fn end(&mut self, kind: SpanKind, at: Instant) {
        self.mix.end(kind, at);
    }

    /// Writes what is due at `now`.
    pub(crate) fn advance(&mut self, now: Instant) -> Progress {
        if now.saturating_duration_since(self.written_at) < WRITE_EVERY {
            return Progress::Steady;
        }
        self.written_at = now;
        self.mix.advance(now, &mut self.block);
        let progress = self.write_block(now);
        // Most of what a recording would hold on to between two writes.
        self.block = Vec::new();
        self.keep_spans();
        progress
    }

    /// Plays up to `stop` and closes the file.
    pub(crate) fn finish(mut self, stop: Instant) -> FinishedTrack {
        self.block.clear();
        let mixed_until = self.frames;
        let rate = self.mix.rate();
        let Self { id, store, mix, sink, frames: _, gapped, mut block, .. } = self;
        let mut mixed = mix.finish(stop, &mut block);
        let (wholeness, from_frame) = match sink {
            Sink::Open(mut wav) => match wav.write(&block) {
                Ok(()) => (gapped, None),
                Err(_) => (Wholeness::Gapped, Some(wav.frames())),
            },
            Sink::Refused { from_frame, .. } => (Wholeness::Gapped, Some(from_frame)),
        };
        if let Some(from_frame) = from_frame {
            mixed.spans.push(span::Span::of_frames(SpanKind::Loss, from_frame, mixed.frames, rate));
            mixed.spans = span::settle(mixed.spans, mixed.frames.div_ceil(rate.per_ms()));
        }
        tracing::debug!(recording = %id, from = mixed_until, until = mixed.frames, "recording closed");
        // A file that refuses samples often still takes its length and header.
        let kept = from_frame.unwrap_or(mixed.frames);
        let wholeness =
            match open_part(&store, &id).and_then(|file| WavTrack::resume(file, rate, kept, mixed.frames)) {
                Ok(wav) => wav.finish().map_or(Wholeness::None, |_| wholeness),
                Err(_) => Wholeness::None,
            };
        FinishedTrack { id, rate, mixed, wholeness }
    }

    fn open(&self, kept: u64, at: u64) -> Result<WavTrack<RecordingFile>, MediaError> {
        let file = open_part(&self.store, &self.id)?;
        WavTrack::resume(file, self.mix.rate(), kept, at)
    }

    fn refuse(&mut self, from_frame: u64, now: Instant) {
        self.gapped = Wholeness::Gapped;
        self.sink = Sink::Refused { from_frame, retry_at: now + RETRY_AFTER };
    }

    fn write_block(&mut self, now: Instant) -> Progress {
        let before = self.frames;
        self.frames = self.mix.frames();
        match &mut self.sink {
            Sink::Open(wav) => {
                let Err(error) = wav.write(&self.block) else {
                    return Progress::Steady;
                };
                let from_frame = wav.frames();
                self.refuse(from_frame, now);
                Progress::Refused(error)
            }
            Sink::Refused { retry_at, .. } if now < *retry_at => Progress::Steady,
            Sink::Refused { from_frame, .. } => {
                let from_frame = *from_frame;
                self.retry(from_frame, before, now)
            }
        }
    }

    /// Tries a refused file again: silence up to frame `at`, then the current block.
    fn retry(&mut self, from_frame: u64, at: u64, now: Instant) -> Progress {
        let opened = self.open(from_frame, at).and_then(|mut wav| wav.write(&self.block).map(|()| wav));
        match opened {
            Ok(wav) => {
                self.sink = Sink::Open(wav);
                self.mix.note_unwritten(from_frame, at);
                Progress::Resumed
            }
            Err(_) => {
                self.refuse(from_frame, now);
                Progress::Steady
            }
        }
    }

    /// Keeps new spans beside the file. They are in memory too: a refusal costs them only after a crash.
    fn keep_spans(&mut self) {
        let news = self.mix.take_news();
        if news.is_empty() {
            return;
        }
        let path = self.store.spans_path(&self.id);
        let kept = File::options().append(true).create(true).open(path);
        let kept = kept.and_then(|mut file| file.write_all(span::print(&news).as_bytes()));
        if let Err(error) = kept {
            tracing::debug!(recording = %self.id, %error, "spans not kept beside the recording");
        }
    }
}

fn open_part(store: &RecordingStore, id: &RecordingId) -> Result<RecordingFile, MediaError> {
    let path = store.part_path(id);
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    Ok(RecordingFile(file))
}
