//! Both directions of a call on one clock: customer left, agent right, as interleaved frames.
//!
//! It plays what is older than the horizon and no more, so that late and reordered packets find their place.
//! It knows nothing of files.

use std::time::Instant;

use crate::{
    TICKS_PER_MS,
    codec::SampleRate,
    conceal::Losses,
    rtp::{PayloadKind, RtpPacket},
    span::{self, Span, SpanKind},
    timeline::{HORIZON, Placement, Timeline, TimelineStatistics, position},
};

/// The ticks by which the last packet's end may lengthen a recording beyond the wall time: most phones' whole packet.
const LONGEST_END: i64 = 20 * TICKS_PER_MS;

/// Whose voice it is, and which channel it is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The left channel.
    Customer,
    /// The right channel.
    Agent,
}

/// What a finished mix was made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mixed {
    /// Frames played in all.
    pub frames: u64,
    /// All spans, in order.
    pub spans: Vec<Span>,
    /// What the left channel counted.
    pub customer: TimelineStatistics,
    /// What the right channel counted.
    pub agent: TimelineStatistics,
}

#[derive(Debug)]
struct Channel {
    timeline: Timeline,
    ready: Vec<i16>,
}

impl Channel {
    fn new(start: Instant, rate: SampleRate, losses: Losses) -> Self {
        Self { timeline: Timeline::new(start, rate, losses), ready: Vec::new() }
    }
}

/// A stretch that is marked and not over, in ticks.
#[derive(Clone, Copy, Debug)]
struct Mark {
    kind: SpanKind,
    from: i64,
}

/// The two timelines of a call and its marks.
#[derive(Debug)]
pub struct StereoMix {
    start: Instant,
    rate: SampleRate,
    customer: Channel,
    agent: Channel,
    played: i64,
    open: Vec<Mark>,
    masks: Vec<(i64, i64)>,
    spans: Vec<Span>,
    reported: usize,
}

impl StereoMix {
    /// Makes a mix whose first frame is at `start`.
    #[must_use]
    pub fn new(start: Instant, rate: SampleRate, losses: Losses) -> Self {
        Self {
            start,
            rate,
            customer: Channel::new(start, rate, losses),
            agent: Channel::new(start, rate, losses),
            played: 0,
            open: Vec::new(),
            masks: Vec::new(),
            spans: Vec::new(),
            reported: 0,
        }
    }

    /// Returns the frames per second.
    #[must_use]
    pub fn rate(&self) -> SampleRate {
        self.rate
    }

    /// Takes a packet of one side that arrived at `at`.
    pub fn push(&mut self, side: Side, packet: &RtpPacket<'_>, kind: PayloadKind, at: Instant) -> Placement {
        let channel = match side {
            Side::Customer => &mut self.customer,
            Side::Agent => &mut self.agent,
        };
        channel.timeline.push(packet, kind, at)
    }

    /// Begins a marked stretch; one of the same kind that is open goes on.
    pub fn begin(&mut self, kind: SpanKind, at: Instant) {
        if self.open.iter().all(|mark| mark.kind != kind) {
            let from = position(self.start, at).max(0);
            self.open.push(Mark { kind, from });
        }
    }

    /// Ends a marked stretch; without one, nothing happens. A call that is handed over at once is marked all the same.
    pub fn end(&mut self, kind: SpanKind, at: Instant) {
        let until = position(self.start, at);
        if let Some(index) = self.open.iter().position(|mark| mark.kind == kind) {
            let mark = self.open.swap_remove(index);
            let until = if kind == SpanKind::Transfer { until.max(mark.from + 1) } else { until };
            self.close(mark, until);
        }
    }

    /// Marks frames that were played but not stored.
    pub fn note_unwritten(&mut self, from_frame: u64, until_frame: u64) {
        self.spans.push(Span::of_frames(SpanKind::Loss, from_frame, until_frame, self.rate));
    }

    /// Appends the interleaved frames that are older than the horizon at `now`.
    pub fn advance(&mut self, now: Instant, out: &mut Vec<i16>) {
        let horizon = i64::try_from(HORIZON.as_millis()).unwrap_or_default() * TICKS_PER_MS;
        let limit = position(self.start, now) - horizon;
        self.play(limit, out);
    }

    /// Takes the spans that were closed since the last call, to be kept beside the file.
    pub fn take_news(&mut self) -> Vec<Span> {
        self.collect_losses();
        let news = self.spans.get(self.reported..).unwrap_or_default().to_vec();
        self.reported = self.spans.len();
        news
    }

    /// Returns the number of frames played so far.
    #[must_use]
    pub fn frames(&self) -> u64 {
        u64::try_from(self.frames_of(self.played)).unwrap_or_default()
    }

    /// Appends the rest up to `stop`, whatever has come, and closes every mark there.
    ///
    /// A packet that begins before `stop` is heard to its end, or for 20 ms more.
    #[must_use]
    pub fn finish(mut self, stop: Instant, out: &mut Vec<i16>) -> Mixed {
        self.play(position(self.start, stop), out);
        let until = self.played + self.begun_ticks().min(LONGEST_END);
        self.play(until, out);
        for mark in std::mem::take(&mut self.open) {
            self.close(mark, until);
        }
        self.collect_losses();
        let frames = self.frames();
        Mixed {
            frames,
            spans: span::settle(self.spans, frames.div_ceil(self.rate.per_ms())),
            customer: self.customer.timeline.statistics(),
            agent: self.agent.timeline.statistics(),
        }
    }

    fn close(&mut self, mark: Mark, until: i64) {
        if until <= mark.from {
            return;
        }
        if mark.kind == SpanKind::Masked {
            self.masks.push((mark.from, until));
        }
        self.spans.push(Span::of_ticks(mark.kind, mark.from, until));
    }

    /// Returns the frames of so many ticks.
    fn frames_of(&self, ticks: i64) -> usize {
        usize::try_from(ticks).unwrap_or_default().saturating_mul(self.rate.per_tick())
    }

    /// Returns the ticks of what has begun and is not played yet.
    fn begun_ticks(&self) -> i64 {
        let samples = self.customer.ready.len().max(self.agent.ready.len());
        i64::try_from(samples.div_ceil(self.rate.per_tick())).unwrap_or_default()
    }

    fn collect_losses(&mut self) {
        self.spans.extend(self.customer.timeline.take_losses());
        self.spans.extend(self.agent.timeline.take_losses());
    }

    fn play(&mut self, limit: i64, out: &mut Vec<i16>) {
        let frames = self.frames_of(limit - self.played);
        if frames == 0 {
            return;
        }
        self.customer.timeline.advance(limit, &mut self.customer.ready);
        self.agent.timeline.advance(limit, &mut self.agent.ready);
        let begin = out.len();
        let left = self.customer.ready.drain(..frames.min(self.customer.ready.len()));
        let right = self.agent.ready.drain(..frames.min(self.agent.ready.len()));
        out.extend(left.zip(right).flat_map(|(left, right)| [left, right]));
        // What is over is a part of a packet at most.
        self.customer.ready.shrink_to_fit();
        self.agent.ready.shrink_to_fit();
        self.mask(out.get_mut(begin..).unwrap_or_default());
        self.played = limit;
    }

    /// Silences what is masked of frames that begin at `played`.
    fn mask(&mut self, fresh: &mut [i16]) {
        let open = self.open.iter().find(|mark| mark.kind == SpanKind::Masked);
        let open = open.map(|mark| (mark.from, i64::MAX));
        for (from, until) in self.masks.iter().copied().chain(open) {
            let skip = self.frames_of(from - self.played);
            let end = self.frames_of(until.saturating_sub(self.played));
            let masked = fresh.chunks_exact_mut(2).take(end).skip(skip);
            masked.for_each(|frame| frame.fill(0));
        }
        let played = self.played;
        self.masks.retain(|(_, until)| *until > played);
    }
}
