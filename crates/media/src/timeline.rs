//! One direction of a recording: packets in any order become one unbroken line of samples.
//!
//! Places are ticks of the line, 8,000 a second, whatever the rate of the samples and the clocks of the payload types. Tick
//! 0 is the instant the recording starts; from there on the RTP timestamp says where a packet's samples belong, and
//! the arrival instant anchors timestamps to the wall. What did not come is silence, or is concealed if it was lost.
//! It is no jitter buffer for playing: it waits a fixed 300 ms because nobody listens.
//!
//! The anchor of a stretch is the least delay among the packets that came before the stretch is first played,
//! so that one late packet at its start does not shift all that follows. A stretch ends where timestamps
//! stop matching the wall: a new SSRC, a jump, a paused clock, a codec of another clock (RFC 7160). Clocks that drift apart are brought together
//! at 40 ms. RFC 3550 sections 5.1 and 6.4, appendix A.1; RFC 3551 section 4.1 (silence suppression).

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use crate::{
    clock::ClockRate,
    codec::{AudioCodec, SampleRate},
    conceal::Losses,
    rtp::{PayloadKind, RtpPacket},
    sequence::{Arrival, SequenceWindow},
    span::{Span, SpanKind},
    voice::{Behind, Voice},
};

/// How long a packet may be under way longer than the fastest of its stretch.
pub const HORIZON: Duration = Duration::from_millis(300);

/// Ticks by which a packet may come earlier than its played stretch allows.
const EARLY: i64 = 200 * 8;
/// Ticks by which a newer packet may come later: beyond, the sender's clock stood still.
const STALLED: i64 = 500 * 8;
/// A new stretch that begins this close to where the last one ended continues it: less than any packet.
const SNAP: i64 = 9 * 8;
/// Difference of clocks that is corrected.
const DRIFT: i64 = 40 * 8;
/// Ticks over which the least delay is taken before clocks are compared.
const DRIFT_WINDOW: i64 = 4 * 8_000;
/// Packets that such a comparison needs.
const DRIFT_PACKETS: u32 = 32;
/// Packets held at most; a sender that floods loses its own surplus.
const MAX_HELD: usize = 1_024;
/// Streams and stretches of one stream that are open at most.
const MAX_OPEN: usize = 8;
/// Ticks after which an idle stretch that was followed by another is forgotten.
const FORGET: i64 = 2 * 8_000;

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// It has its place.
    Placed,
    /// It had come before.
    Duplicate,
    /// Its place has been played already.
    Late,
    /// Too many packets are waiting.
    Overflow,
}

/// What a timeline has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimelineStatistics {
    /// Packets given a place.
    pub placed: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets that came after their time.
    pub late: u64,
    /// Packets that found no room.
    pub overflowed: u64,
    /// Packets whose payload cannot be decoded here.
    pub undecodable: u64,
    /// Times the anchor was moved: new sources, jumps, drift.
    pub anchored: u64,
}

#[derive(Debug)]
struct Held {
    /// In ticks of the line.
    timestamp: i64,
    kind: PayloadKind,
    payload: Box<[u8]>,
}

impl Held {
    /// Ticks of audio in the packet.
    fn len(&self) -> i64 {
        let ticks = AudioCodec::of(self.kind).map_or(0, |codec| codec.ticks(&self.payload));
        i64::try_from(ticks).unwrap_or_default()
    }
}

/// Ticks `from..until` of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Reach {
    from: i64,
    until: i64,
}

/// Where timestamp 0 of a stretch lies on the line.
#[derive(Clone, Copy, Debug)]
enum Anchor {
    /// Nothing of the stretch was played: the least delay so far decides.
    Provisional { offset: i64 },
    /// Played, and watched for drift.
    Fixed { offset: i64, least: i64, since: i64, packets: u32 },
}

impl Anchor {
    fn offset(self) -> i64 {
        match self {
            Self::Provisional { offset } | Self::Fixed { offset, .. } => offset,
        }
    }

    fn fix(offset: i64, since: i64) -> Self {
        Self::Fixed { offset, least: i64::MAX, since, packets: 0 }
    }
}

/// Where a packet says that it belongs.
#[derive(Clone, Copy, Debug)]
struct RtpPlace {
    timestamp: u32,
    /// What the timestamp counts; `None` of what is no sound: it shares the clock of the sound around it.
    clock: Option<ClockRate>,
}

/// Packets whose timestamps have one relation to the wall.
#[derive(Debug)]
struct Stretch {
    anchor: Anchor,
    clock: ClockRate,
    /// Newest timestamp, without wrap, as its clock counts.
    timestamp: i64,
    /// When its first packet came.
    begun: i64,
    /// When its last packet came.
    arrival: i64,
    held: BTreeMap<i64, Held>,
}

impl Stretch {
    fn start(place: &RtpPlace, arrival: i64) -> Self {
        let (timestamp, clock) = (i64::from(place.timestamp), place.clock.unwrap_or_default());
        let offset = arrival - clock.convert(timestamp, ClockRate::Hz8000);
        let anchor = Anchor::Provisional { offset };
        Self { anchor, clock, timestamp, begun: arrival, arrival, held: BTreeMap::new() }
    }

    fn unwrap_timestamp(&self, timestamp: u32) -> i64 {
        let last = u32::try_from(self.timestamp & 0xffff_ffff).unwrap_or_default();
        self.timestamp + i64::from(timestamp.wrapping_sub(last) as i32)
    }

    /// Returns a timestamp in ticks of the line.
    fn ticks(&self, timestamp: u32) -> i64 {
        self.clock.convert(self.unwrap_timestamp(timestamp), ClockRate::Hz8000)
    }

    /// How much later than its anchor says a packet came; `None` if that cannot be.
    fn delay(&self, place: &RtpPlace, arrival: i64) -> Option<i64> {
        // What is no sound has no clock of its own.
        if place.clock.is_some_and(|clock| clock != self.clock) {
            return None;
        }
        let delay = arrival - self.ticks(place.timestamp) - self.anchor.offset();
        let early = match self.anchor {
            // A stretch that began in a jam: what comes faster shows where it belongs.
            Anchor::Provisional { .. } => STALLED,
            Anchor::Fixed { .. } => EARLY,
        };
        (-early..=STALLED).contains(&delay).then_some(delay)
    }

    fn front(&self) -> Option<i64> {
        self.held.first_key_value().map(|(_, held)| held.timestamp + self.anchor.offset())
    }

    /// Notes a packet's delay; returns whether the anchor moved.
    fn note(&mut self, timestamp: u32, arrival: i64, delay: i64) -> bool {
        self.timestamp = self.timestamp.max(self.unwrap_timestamp(timestamp));
        self.arrival = arrival;
        match &mut self.anchor {
            Anchor::Provisional { offset } => {
                *offset += delay.min(0);
                false
            }
            Anchor::Fixed { offset, least, since, packets } => {
                *least = delay.min(*least);
                *packets += 1;
                if arrival - *since < DRIFT_WINDOW || *packets < DRIFT_PACKETS {
                    return false;
                }
                let drifted = least.abs() > DRIFT;
                let moved = *offset + if drifted { *least } else { 0 };
                self.anchor = Anchor::fix(moved, arrival);
                drifted
            }
        }
    }
}

/// The last packet of a stream that was played.
#[derive(Clone, Copy, Debug)]
struct Played {
    sequence: i64,
    end: i64,
    len: i64,
}

/// One sender: packets with one SSRC and one numbering.
#[derive(Debug)]
struct Stream {
    ssrc: u32,
    window: SequenceWindow,
    stretches: VecDeque<Stretch>,
    played: Option<Played>,
}

/// The samples of one direction.
#[derive(Debug)]
pub struct Timeline {
    start: Instant,
    cursor: i64,
    held: usize,
    /// Where the last audio played ended, whoever sent it.
    tail: Option<i64>,
    streams: VecDeque<Stream>,
    losses: Vec<Span>,
    counted: TimelineStatistics,
    voice: Voice,
}

/// Returns how many ticks after `start` an instant lies; negative before it.
#[must_use]
pub fn position(start: Instant, at: Instant) -> i64 {
    let samples = |span: Duration| i64::try_from(span.as_micros() / 125).unwrap_or(i64::MAX);
    match at.checked_duration_since(start) {
        Some(after) => samples(after),
        None => -samples(start.duration_since(at)),
    }
}

impl Timeline {
    /// Makes an empty line whose tick 0 is at `start`.
    #[must_use]
    pub fn new(start: Instant, rate: SampleRate, losses: Losses) -> Self {
        Self {
            start,
            cursor: 0,
            held: 0,
            tail: None,
            streams: VecDeque::new(),
            losses: Vec::new(),
            counted: TimelineStatistics::default(),
            voice: Voice::new(rate, losses),
        }
    }

    /// Takes a packet that arrived at `at`.
    pub fn push(&mut self, packet: &RtpPacket<'_>, kind: PayloadKind, at: Instant) -> Placement {
        let arrival = position(self.start, at);
        let placement = self.place(packet, kind, arrival);
        match placement {
            Placement::Placed => self.counted.placed += 1,
            Placement::Duplicate => self.counted.duplicates += 1,
            Placement::Late => self.counted.late += 1,
            Placement::Overflow => self.counted.overflowed += 1,
        }
        placement
    }

    /// Returns the number of ticks played so far.
    #[must_use]
    pub fn cursor(&self) -> i64 {
        self.cursor
    }

    /// Returns what was counted so far.
    #[must_use]
    pub fn statistics(&self) -> TimelineStatistics {
        self.counted
    }

    /// Takes the losses found since the last call.
    pub fn take_losses(&mut self) -> Vec<Span> {
        std::mem::take(&mut self.losses)
    }

    /// Appends samples up to tick `limit`, or beyond by the rest of a packet.
    pub fn advance(&mut self, limit: i64, out: &mut Vec<i16>) {
        while let Some((stream, stretch)) = self.next_due(limit) {
            self.play_front(stream, stretch, out);
        }
        match self.loss_ahead() {
            Some((lost, behind)) => self.fill(limit, Some((lost, &behind)), out),
            None => self.fill(limit, None, out),
        }
        self.forget();
    }

    fn place(&mut self, packet: &RtpPacket<'_>, kind: PayloadKind, arrival: i64) -> Placement {
        let known = self.streams.iter().rposition(|stream| stream.ssrc == packet.ssrc());
        let fresh = match known.and_then(|index| self.streams.get_mut(index).map(|stream| (index, stream))) {
            Some((index, stream)) => match stream.window.observe(packet.sequence()) {
                Arrival::Fresh { extended, ahead } => Some((index, extended, ahead)),
                Arrival::Duplicate => return Placement::Duplicate,
                Arrival::Stale => return Placement::Late,
                Arrival::Restarted => None,
            },
            None => None,
        };
        if self.held >= MAX_HELD {
            return Placement::Overflow;
        }
        let (index, sequence, ahead) = fresh.unwrap_or_else(|| self.open_stream(packet));
        let Some(stream) = self.streams.get_mut(index) else {
            return Placement::Late;
        };
        let place =
            RtpPlace { timestamp: packet.timestamp(), clock: AudioCodec::of(kind).map(AudioCodec::clock) };
        let Some((stretch, started)) = stream.stretch_for(&place, arrival, ahead) else {
            return Placement::Late;
        };
        let timestamp = stretch.ticks(place.timestamp);
        let delay = arrival - timestamp - stretch.anchor.offset();
        let drifted = stretch.note(place.timestamp, arrival, delay);
        let payload = packet.payload().into();
        stretch.held.insert(sequence, Held { timestamp, kind, payload });
        self.held += 1;
        self.counted.anchored += u64::from(started) + u64::from(drifted);
        Placement::Placed
    }

    fn open_stream(&mut self, packet: &RtpPacket<'_>) -> (usize, i64, bool) {
        if self.streams.len() >= MAX_OPEN
            && let Some(oldest) = self.streams.pop_front()
        {
            self.abandon(oldest.stretches.iter().map(|stretch| stretch.held.len()).sum());
        }
        let window = SequenceWindow::start(packet.sequence());
        let stream = Stream { ssrc: packet.ssrc(), window, stretches: VecDeque::new(), played: None };
        self.streams.push_back(stream);
        (self.streams.len() - 1, window.highest(), true)
    }

    fn abandon(&mut self, packets: usize) {
        self.held = self.held.saturating_sub(packets);
        self.counted.late += u64::try_from(packets).unwrap_or_default();
    }

    /// Finds the stretch whose next packet lies first on the line and before `limit`.
    fn next_due(&self, limit: i64) -> Option<(usize, usize)> {
        let due = self.fronts().min().filter(|(front, ..)| *front < limit);
        due.map(|(_, stream, stretch)| (stream, stretch))
    }

    /// Returns where each stretch goes on, with its stream and its place there.
    fn fronts(&self) -> impl Iterator<Item = (i64, usize, usize)> {
        self.streams.iter().enumerate().flat_map(|(at, stream)| {
            let stretches = stream.stretches.iter().enumerate();
            stretches.filter_map(move |(n, stretch)| Some((stretch.front()?, at, n)))
        })
    }

    fn play_front(&mut self, stream: usize, stretch: usize, out: &mut Vec<i16>) {
        let tail = self.tail;
        let Some(stream) = self.streams.get_mut(stream) else {
            return;
        };
        stream.fix_anchor(stretch, tail);
        let Some((sequence, held, offset)) = stream.take_front(stretch) else {
            return;
        };
        self.held = self.held.saturating_sub(1);
        let from = held.timestamp + offset;
        let (len, ssrc) = (held.len(), stream.ssrc);
        if len > 0 && from + len <= self.cursor {
            self.counted.late += 1;
            return;
        }
        let lost = stream.loss_before(sequence, from, len);
        stream.note_played(sequence, from, len);
        self.losses.extend(lost.map(|lost| Span::of_ticks(SpanKind::Loss, lost.from, lost.until)));
        if held.kind == PayloadKind::Other {
            self.counted.undecodable += 1;
        }
        if let Some(codec) = AudioCodec::of(held.kind).filter(|_| len > 0) {
            let behind = Behind { ssrc, kind: held.kind, payload: held.payload };
            self.fill(from, lost.map(|lost| (lost, &behind)), out);
            let skip = usize::try_from(self.cursor - from).unwrap_or_default();
            self.voice.play((ssrc, codec), &behind.payload, skip, out);
            self.cursor = from + len;
            self.tail = Some(self.cursor);
        }
    }

    /// Plays up to `until` what nobody has sent, and what was sent and lost before the packet behind it.
    fn fill(&mut self, until: i64, lost: Option<(Reach, &Behind)>, out: &mut Vec<i16>) {
        if let Some((lost, behind)) = lost {
            self.fill_to(lost.from.min(until), Voice::silence, out);
            let left = usize::try_from(lost.until - self.cursor).unwrap_or_default();
            let bridge = |voice: &mut Voice, ticks: usize, out: &mut Vec<i16>| {
                voice.lost(ticks, left, behind, out);
            };
            self.fill_to(lost.until.min(until), bridge, out);
        }
        self.fill_to(until, Voice::silence, out);
    }

    fn fill_to(&mut self, until: i64, with: impl Fn(&mut Voice, usize, &mut Vec<i16>), out: &mut Vec<i16>) {
        if let Some(ticks) = usize::try_from(until - self.cursor).ok().filter(|ticks| *ticks > 0) {
            with(&mut self.voice, ticks, out);
            self.cursor = until;
        }
    }

    /// Finds what of the time to come is known to be lost: the packet behind the gap has come.
    fn loss_ahead(&self) -> Option<(Reach, Behind)> {
        let (_, stream, stretch) = self.fronts().min()?;
        let stream = self.streams.get(stream)?;
        let stretch = stream.stretches.get(stretch)?;
        let Anchor::Fixed { offset, .. } = stretch.anchor else { return None };
        let (sequence, held) = stretch.held.first_key_value()?;
        let lost = stream.loss_before(*sequence, held.timestamp + offset, held.len())?;
        Some((lost, Behind { ssrc: stream.ssrc, kind: held.kind, payload: held.payload.clone() }))
    }

    /// Forgets streams and stretches that were followed by another long enough ago for no straggler to come.
    fn forget(&mut self) {
        let cursor = self.cursor;
        for stream in &mut self.streams {
            while let [first, next, ..] = stream.stretches.make_contiguous()
                && first.is_over(next.begun, cursor)
            {
                stream.stretches.pop_front();
            }
        }
        while let [first, next, ..] = self.streams.make_contiguous()
            && let Some(begun) = next.stretches.front().map(|stretch| stretch.begun)
            && first.stretches.iter().all(|stretch| stretch.is_over(begun, cursor))
        {
            self.streams.pop_front();
        }
    }
}

impl Stretch {
    fn is_over(&self, followed: i64, cursor: i64) -> bool {
        self.held.is_empty() && self.arrival.max(followed) + FORGET < cursor
    }
}

impl Stream {
    /// Finds the stretch a packet belongs to; starts one (and says so) if a newer packet fits none.
    fn stretch_for(&mut self, place: &RtpPlace, arrival: i64, ahead: bool) -> Option<(&mut Stretch, bool)> {
        let newest = self.stretches.len().checked_sub(1);
        let fitting = if ahead {
            newest.filter(|at| self.fits(*at, place, arrival))
        } else {
            (0..self.stretches.len()).rev().find(|at| self.fits(*at, place, arrival))
        };
        if let Some(at) = fitting {
            return self.stretches.get_mut(at).map(|stretch| (stretch, false));
        }
        if !ahead || self.stretches.len() >= MAX_OPEN {
            return None;
        }
        self.stretches.push_back(Stretch::start(place, arrival));
        self.stretches.back_mut().map(|stretch| (stretch, true))
    }

    fn fits(&self, at: usize, place: &RtpPlace, arrival: i64) -> bool {
        self.stretches.get(at).is_some_and(|stretch| stretch.delay(place, arrival).is_some())
    }

    fn take_front(&mut self, stretch: usize) -> Option<(i64, Held, i64)> {
        let stretch = self.stretches.get_mut(stretch)?;
        let (sequence, held) = stretch.held.pop_first()?;
        Some((sequence, held, stretch.anchor.offset()))
    }

    /// Fixes the anchor of a stretch that is about to be played for the first time. `tail` is where the
    /// audio before it ended.
    fn fix_anchor(&mut self, stretch: usize, tail: Option<i64>) {
        let played = self.played;
        let Some(stretch) = self.stretches.get_mut(stretch) else {
            return;
        };
        let Anchor::Provisional { offset } = stretch.anchor else {
            return;
        };
        let Some((sequence, held)) = stretch.held.first_key_value() else {
            return;
        };
        let from = held.timestamp + offset;
        let expected = match (played, tail) {
            (Some(last), _) => Some(last.end + (sequence - last.sequence - 1).max(0) * last.len),
            (None, tail) => tail,
        };
        let shift = match expected {
            Some(expected) if (from - expected).abs() <= SNAP => expected - from,
            Some(_) => 0,
            // The first packet of all is never clipped, however late it was.
            None => (-from).max(0),
        };
        stretch.anchor = Anchor::fix(offset + shift, stretch.arrival);
    }

    /// Returns the loss before a packet: as many packets as are missing, but no more than there is room for,
    /// since a sender may also have been silent.
    fn loss_before(&self, sequence: i64, from: i64, len: i64) -> Option<Reach> {
        let last = self.played?;
        let missing = (sequence - last.sequence - 1).max(0);
        let lost = (missing * last.len.max(len)).min(from - last.end);
        (lost > 0).then_some(Reach { from: from - lost, until: from })
    }

    fn note_played(&mut self, sequence: i64, from: i64, len: i64) {
        self.played = Some(match self.played {
            None => Played { sequence, end: from + len, len },
            Some(last) => Played {
                sequence: sequence.max(last.sequence),
                end: last.end.max(from + len),
                len: if len > 0 { len } else { last.len },
            },
        });
    }
}
