//! The RTCP session with one party: when a report leaves and what it says, and what the party's reports tell.
//!
//! Each leg is a session of its own (RFC 7667 section 3.2.3, a back-to-back agent): what is forwarded to a party has this
//! end's reports, under the source that the packets carry, and the party's reports end here. RFC 3550 section 6; names by
//! RFC 7022. It knows no clock and no chance: time comes with each call, the seed and the name with the beginning.

use std::time::{Duration, Instant};

use crate::clock::ClockRate;
use crate::pattern::LossPattern;
use crate::reception::{Heard, Reception, WINDOW_PACKETS_MIN};
use crate::rtcp::{self, ReceptionBlock, RtcpItem};
use crate::sent::SentStream;

/// The deterministic interval (RFC 3550 section 6.2).
const INTERVAL_MIN: Duration = Duration::from_secs(5);
/// What the random factor is divided by so that reports keep the rate (section 6.3.1).
const COMPENSATION: f64 = 1.218_28;
/// A way to and fro that is longer than this was told wrongly.
const ROUND_TRIP_MAX_MS: f64 = 10_000.0;
/// Jitter beyond this was told wrongly.
const JITTER_MAX_MS: f64 = 10_000.0;

/// What a session begins with.
#[derive(Clone, Copy, Debug)]
pub struct SessionOrigin {
    /// Drawn for this talk, and telling nothing of anybody.
    pub name: [u8; 12],
    /// The source of reports while nothing has been sent.
    pub ssrc: u32,
    /// Decides the moments of reports.
    pub seed: u64,
    /// A moment and its wall clock in NTP format.
    pub clock: (Instant, u64),
}

impl SessionOrigin {
    fn cname(&self) -> String {
        self.name.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The wall clock, NTP format.
    fn ntp(&self, now: Instant) -> u64 {
        let (at, ntp) = self.clock;
        let elapsed = now.saturating_duration_since(at);
        let fraction = (u64::from(elapsed.subsec_nanos()) << 32) / 1_000_000_000;
        ntp.wrapping_add((elapsed.as_secs() << 32).wrapping_add(fraction))
    }
}

/// The last report that the party made as a sender.
#[derive(Clone, Copy, Debug)]
struct SenderSeen {
    ssrc: u32,
    middle: u32,
    at: Instant,
}

/// What the party's last report said of our stream.
#[derive(Clone, Copy, Debug)]
struct Told {
    ssrc: u32,
    /// The newest number that it had, as we count.
    number: i64,
    lost: i64,
    /// How many of the numbers up to there never left: they were lost before this leg.
    gaps: u16,
    at: Instant,
}

/// Mean and largest of a figure in ms.
#[derive(Clone, Copy, Debug, Default)]
struct Figure {
    sum_ms: f64,
    max_ms: f64,
    count: u32,
}

impl Figure {
    fn note(&mut self, ms: f64) {
        self.sum_ms += ms;
        self.max_ms = self.max_ms.max(ms);
        self.count = self.count.saturating_add(1);
    }

    fn mean_ms(&self) -> Option<f64> {
        (self.count > 0).then(|| self.sum_ms / f64::from(self.count))
    }
}

/// How long the way to the party and back takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoundTrip {
    /// Mean, in ms.
    pub mean_ms: f64,
    /// Largest, in ms.
    pub max_ms: f64,
}

/// The session with one party.
#[derive(Debug)]
pub struct ReportSession {
    origin: SessionOrigin,
    chance: u64,
    /// When the next report leaves; nothing before something has flowed.
    due: Option<Instant>,
    /// Whether anything left in the interval: then a report is a sender's.
    sent: Option<SentStream>,
    sender: Option<SenderSeen>,
    told: Option<Told>,
    heard: LossPattern,
    jitter: Figure,
    round_trip: Figure,
    window: Option<(Instant, Heard)>,
}

impl ReportSession {
    /// Begins a session in which nothing has flowed yet.
    #[must_use]
    pub fn new(origin: SessionOrigin) -> Self {
        Self {
            origin,
            chance: origin.seed | 1,
            due: None,
            sent: None,
            sender: None,
            told: None,
            heard: LossPattern::default(),
            jitter: Figure::default(),
            round_trip: Figure::default(),
            window: None,
        }
    }

    /// Takes note that something has come from the party: reports begin.
    pub fn note_received(&mut self, now: Instant) {
        if self.due.is_none() {
            // The first one after half the time (RFC 3550 section 6.2).
            self.due = Some(now + self.interval() / 2);
        }
    }

    /// Takes note of a packet that leaves for the party, with times on a clock.
    pub fn note_sent(&mut self, packet: &[u8], clock: ClockRate, now: Instant) {
        self.note_received(now);
        match &mut self.sent {
            Some(stream) if stream.is_of(packet) => stream.note(packet, clock, now),
            // The party counts another source anew, and so do we.
            _ => self.sent = SentStream::start(packet, clock, now).or(self.sent.take()),
        }
    }

    /// Reads the party's reports; those of other sources than it is sent are left aside.
    pub fn take(&mut self, items: &[RtcpItem], now: Instant) {
        for item in items {
            let blocks = match item {
                RtcpItem::SenderReport { ssrc, ntp_timestamp, blocks, .. } => {
                    let middle = middle_of(*ntp_timestamp);
                    self.sender = Some(SenderSeen { ssrc: *ssrc, middle, at: now });
                    blocks
                }
                RtcpItem::ReceiverReport { blocks, .. } => blocks,
                RtcpItem::Bye { .. } | RtcpItem::Name { .. } | RtcpItem::Other => continue,
            };
            let ours = self.sent.as_ref().map(SentStream::ssrc);
            if let Some(block) = blocks.iter().find(|block| Some(block.ssrc) == ours) {
                self.take_block(block, now);
            }
        }
    }

    /// Returns the report that is due, with what `reception` has heard.
    pub fn poll(&mut self, reception: &mut Reception, now: Instant) -> Option<Vec<u8>> {
        self.due.filter(|due| *due <= now)?;
        self.due = Some(now + self.interval());
        rtcp::build(&self.items(reception, now)).ok()
    }

    /// Returns the last report, with a farewell; none when nothing has flowed (RFC 3550 section 6.3.7).
    pub fn leave(&mut self, reception: &mut Reception, now: Instant) -> Option<Vec<u8>> {
        self.due.take()?;
        let mut items = self.items(reception, now);
        items.push(RtcpItem::Bye { ssrcs: vec![self.ssrc()] });
        rtcp::build(&items).ok()
    }

    /// Returns how the way to the party and back was.
    #[must_use]
    pub fn round_trip(&self) -> Option<RoundTrip> {
        let Figure { max_ms, .. } = self.round_trip;
        self.round_trip.mean_ms().map(|mean_ms| RoundTrip { mean_ms, max_ms })
    }

    /// Returns what the party has heard of us, by its reports.
    #[must_use]
    pub fn whole(&self) -> Option<Heard> {
        let jitter_ms = self.jitter.mean_ms()?;
        Some(Heard { pattern: self.heard, jitter_ms, jitter_max_ms: self.jitter.max_ms })
    }

    /// Returns what the party heard between two of its reports, once, with the time of the first.
    pub fn take_window(&mut self) -> Option<(Instant, Heard)> {
        self.window.take()
    }

    fn ssrc(&self) -> u32 {
        self.sent.as_ref().map_or(self.origin.ssrc, SentStream::ssrc)
    }

    fn items(&mut self, reception: &mut Reception, now: Instant) -> Vec<RtcpItem> {
        let ssrc = self.ssrc();
        let (last, since) = self
            .sender
            .map_or((0, 0), |sender| (sender.middle, short(now.saturating_duration_since(sender.at))));
        let block = reception.report(last, since);
        let known = |block: &ReceptionBlock| self.sender.is_none_or(|sender| sender.ssrc == block.ssrc);
        // A report of another source than the one heard says nothing of this one's way.
        let blocks = block.map(|block| match known(&block) {
            true => block,
            false => ReceptionBlock { sender_report: 0, since_sender_report: 0, ..block },
        });
        let blocks = blocks.into_iter().collect();
        let report = match self.sent.as_mut().and_then(|stream| stream.report(now)) {
            Some(sent) => RtcpItem::SenderReport {
                ssrc,
                ntp_timestamp: self.origin.ntp(now),
                rtp_timestamp: sent.timestamp,
                packets: sent.packets,
                octets: sent.octets,
                blocks,
            },
            None => RtcpItem::ReceiverReport { ssrc, blocks },
        };
        vec![report, RtcpItem::Name { ssrc, cname: self.origin.cname() }]
    }

    fn take_block(&mut self, block: &ReceptionBlock, now: Instant) {
        self.take_round_trip(block, now);
        let Some(stream) = &self.sent else { return };
        let Some((number, gaps)) = stream.standing_at(block.extended_sequence) else { return };
        let clock = stream.clock();
        // Of 24 bits with a sign (RFC 3550 section 6.4.1).
        let lost = i64::from((block.cumulative_lost << 8).cast_signed() >> 8);
        let told = Told { ssrc: block.ssrc, number, lost, gaps, at: now };
        let same = self.told.filter(|before| before.ssrc == block.ssrc);
        let before =
            same.unwrap_or(Told { number: stream.first() - 1, lost: 0, gaps: 0, at: stream.began(), ..told });
        let expected = number - before.number;
        if expected <= 0 {
            return;
        }
        self.told = Some(told);
        // What never left was lost on the other party's way here.
        let never_left = i64::from(gaps.wrapping_sub(before.gaps));
        let sent = (expected - never_left).max(0);
        let lost = (lost - before.lost - never_left).clamp(0, sent);
        let (sent, lost) = (u64::try_from(sent).unwrap_or(0), u64::try_from(lost).unwrap_or(0));
        let pattern = LossPattern::counted(sent - lost, lost);
        self.heard.add(&pattern);
        let jitter_ms = (f64::from(block.jitter) / f64::from(clock.per_ms())).min(JITTER_MAX_MS);
        self.jitter.note(jitter_ms);
        if sent >= WINDOW_PACKETS_MIN {
            self.window = Some((before.at, Heard { pattern, jitter_ms, jitter_max_ms: jitter_ms }));
        }
    }

    /// RFC 3550 section 6.4.1: what has passed since our report, less what the party has kept it.
    fn take_round_trip(&mut self, block: &ReceptionBlock, now: Instant) {
        if block.sender_report == 0 {
            return;
        }
        let passed = middle_of(self.origin.ntp(now)).wrapping_sub(block.sender_report);
        let round = passed.wrapping_sub(block.since_sender_report);
        let ms = f64::from(round) * 1_000.0 / 65_536.0;
        // Clocks that differ by a tick make a short way negative, which wraps.
        if ms < ROUND_TRIP_MAX_MS {
            self.round_trip.note(ms);
        }
    }

    /// Draws an interval between 0.5 and 1.5 times the deterministic one, compensated (section 6.3.1).
    fn interval(&mut self) -> Duration {
        // Xorshift: moments that do not fall together need no more.
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        let part = f64::from(u32::try_from(self.chance >> 32).unwrap_or(0)) / f64::from(u32::MAX);
        INTERVAL_MIN.mul_f64((0.5 + part) / COMPENSATION)
    }
}

fn middle_of(ntp: u64) -> u32 {
    u32::try_from((ntp >> 16) & 0xffff_ffff).unwrap_or_default()
}

/// A duration in 1/65536 s.
fn short(duration: Duration) -> u32 {
    u32::try_from((duration.as_nanos() << 16) / 1_000_000_000).unwrap_or(u32::MAX)
}
