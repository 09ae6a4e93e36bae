//! What is heard of one source: what came, what did not, how evenly (RFC 3550 appendices A.1, A.3 and A.8).
//!
//! A number counts as lost once 32 later ones have come, so that disorder is no loss. A pause takes no numbers, so it
//! cannot be one. Jitter is taken between two packets of sound of one codec and one talkspurt alone: a marker, comfort
//! noise, a digit, another source or a change of the session begins anew, since timestamps may then be anything.

use std::time::{Duration, Instant};

use crate::codec::AudioCodec;
use crate::pattern::LossPattern;
use crate::rtcp::ReceptionBlock;
use crate::rtp::{PayloadKind, RtpPacket};
use crate::sequence::{Arrival, SequenceWindow};

/// How many later packets a packet may be behind before it counts as lost.
const HORIZON: i64 = 32;
/// The length of a window.
pub const WINDOW: Duration = Duration::from_secs(10);
/// A window with fewer packets than this says nothing: one second of packets of 20 ms.
pub const WINDOW_PACKETS_MIN: u64 = 50;
/// A step of the sender's time against ours beyond this is another timeline, not jitter: one second.
const TRANSIT_STEP_MAX_MS: f64 = 1_000.0;

/// How unevenly packets come (RFC 3550 appendix A.8), in ms.
#[derive(Clone, Copy, Debug, Default)]
struct Jitter {
    now: f64,
    sum: f64,
    count: u32,
    max: f64,
}

impl Jitter {
    fn note(&mut self, difference: f64) {
        self.now += (difference.abs() - self.now) / 16.0;
        self.sum += self.now;
        self.count = self.count.saturating_add(1);
        self.max = self.max.max(self.now);
    }

    fn mean_ms(&self) -> f64 {
        if self.count == 0 { 0.0 } else { self.sum / f64::from(self.count) }
    }

    /// Goes on measuring with an empty record.
    fn next_window(&mut self) -> Self {
        let now = self.now;
        std::mem::replace(self, Self { now, ..Self::default() })
    }
}

/// The current numbering of a source.
#[derive(Clone, Copy, Debug)]
struct Run {
    ssrc: u32,
    first: i64,
    window: SequenceWindow,
    fresh: u64,
    /// The last number of which it is decided whether it came.
    judged: i64,
    /// What the last report said: expected and lost.
    reported: (u64, u64),
}

impl Run {
    fn start(packet: &RtpPacket<'_>) -> Self {
        let window = SequenceWindow::start(packet.sequence());
        let first = window.highest();
        Self { ssrc: packet.ssrc(), first, window, fresh: 1, judged: first - 1, reported: (0, 0) }
    }

    fn expected(&self) -> u64 {
        u64::try_from(self.window.highest() - self.first + 1).unwrap_or_default()
    }

    fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.fresh)
    }

    /// Tells whether a number comes too late to count; before anything is decided, one before the first is still in time.
    fn is_decided(&self, extended: i64) -> bool {
        self.judged >= self.first && extended <= self.judged
    }

    /// Decides about every number up to one.
    fn judge(&mut self, until: i64, pattern: &mut LossPattern) {
        while self.judged < until {
            self.judged += 1;
            pattern.note(self.window.came(self.judged));
        }
    }
}

/// The last packet of sound: when it came and what it says of its time.
#[derive(Clone, Copy, Debug)]
struct Transit {
    at: Instant,
    timestamp: u32,
    payload_type: u8,
}

/// What a window has shown.
#[derive(Clone, Copy, Debug)]
pub struct Heard {
    /// Which packets came.
    pub pattern: LossPattern,
    /// Mean jitter in ms.
    pub jitter_ms: f64,
    /// Largest jitter in ms.
    pub jitter_max_ms: f64,
}

/// Whatever is heard of one party.
#[derive(Clone, Debug, Default)]
pub struct Reception {
    run: Option<Run>,
    transit: Option<Transit>,
    codec: Option<AudioCodec>,
    jitter: Jitter,
    pattern: LossPattern,
    jitter_window: Jitter,
    pattern_window: LossPattern,
    window_began: Option<Instant>,
    /// Packets that came twice, or so late that nobody knows.
    duplicates: u64,
    /// Packets that came behind later ones.
    reordered: u64,
    /// Packets that came when they had been counted as lost.
    late: u64,
    /// Changes of the source or of its numbering.
    restarts: u64,
}

impl Reception {
    /// Takes a packet of the party.
    pub fn take(&mut self, packet: &RtpPacket<'_>, kind: PayloadKind, now: Instant) {
        self.window_began.get_or_insert(now);
        self.codec = AudioCodec::of(kind).or(self.codec);
        self.count(packet);
        self.time(packet, kind, now);
    }

    /// Begins anew behind a hold or a change of the session: what lies between is no loss. Returns the window that was
    /// under way.
    pub fn interrupt(&mut self) -> Option<(Instant, Heard)> {
        self.end_run();
        let began = self.window_began.take()?;
        Some((began, self.close_window()))
    }

    /// What the last sound was in.
    #[must_use]
    pub fn codec(&self) -> Option<AudioCodec> {
        self.codec
    }

    /// Packets lost so far, those included of which a late one may still come.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.ended().pattern.lost
    }

    /// Packets that came twice.
    #[must_use]
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Packets that came behind later ones.
    #[must_use]
    pub fn reordered(&self) -> u64 {
        self.reordered
    }

    /// Packets that came too late for any phone to play: counted as lost.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Changes of the source or restarts of its numbering.
    #[must_use]
    pub fn restarts(&self) -> u64 {
        self.restarts
    }

    /// Returns what was heard from the beginning on.
    #[must_use]
    pub fn whole(&self) -> Heard {
        let pattern = self.ended().pattern;
        let jitter_max_ms = self.jitter.max;
        Heard { pattern, jitter_ms: self.jitter.mean_ms(), jitter_max_ms }
    }

    /// Returns a window that is over, with its beginning.
    pub fn take_window(&mut self, now: Instant) -> Option<(Instant, Heard)> {
        let began = self.window_began.filter(|began| now.saturating_duration_since(*began) >= WINDOW)?;
        // Silence is no window: the next one begins with the next packet.
        self.window_began = None;
        Some((began, self.close_window()))
    }

    /// Returns what the window under way has shown, with its beginning.
    #[must_use]
    pub fn last_window(&self) -> Option<(Instant, Heard)> {
        let mut ended = self.ended();
        Some((self.window_began?, ended.close_window()))
    }

    /// Returns what a report says of the source, and counts it as told; `since_report` is the age of the source's last own
    /// report and its time.
    pub fn report(&mut self, sender_report: u32, since_sender_report: u32) -> Option<ReceptionBlock> {
        let clock = self.codec.map(AudioCodec::clock).unwrap_or_default();
        let jitter = ticks(self.jitter.now * f64::from(clock.per_ms()));
        let run = self.run.as_mut()?;
        let (expected, lost) = (run.expected(), run.lost());
        let (expected_before, lost_before) = std::mem::replace(&mut run.reported, (expected, lost));
        let between = (expected.saturating_sub(expected_before), lost.saturating_sub(lost_before));
        let fraction = (between.1.saturating_mul(256)).checked_div(between.0).unwrap_or(0);
        Some(ReceptionBlock {
            ssrc: run.ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            cumulative_lost: u32::try_from(lost).unwrap_or(u32::MAX).min(0x7f_ffff),
            // The window counts from one cycle on.
            extended_sequence: u32::try_from((run.window.highest() - 0x1_0000) & 0xffff_ffff)
                .unwrap_or_default(),
            jitter,
            sender_report,
            since_sender_report,
        })
    }

    fn count(&mut self, packet: &RtpPacket<'_>) {
        let Some(run) = self.run.as_mut().filter(|run| run.ssrc == packet.ssrc()) else {
            return self.start_run(packet);
        };
        // Before a leap moves what came out of the window.
        if run.window.step_to(packet.sequence()) > HORIZON {
            run.judge(run.window.highest(), &mut self.pattern_window);
        }
        match run.window.observe(packet.sequence()) {
            Arrival::Fresh { extended, .. } if run.is_decided(extended) => {
                run.fresh += u64::from(extended >= run.first);
                self.late += 1;
            }
            Arrival::Fresh { extended, ahead } => {
                if extended < run.first {
                    (run.first, run.judged) = (extended, extended - 1);
                }
                run.fresh += 1;
                self.reordered += u64::from(!ahead);
                let until = run.window.highest() - HORIZON;
                run.judge(until, &mut self.pattern_window);
            }
            Arrival::Duplicate | Arrival::Stale => self.duplicates += 1,
            Arrival::Restarted => self.start_run(packet),
        }
    }

    fn start_run(&mut self, packet: &RtpPacket<'_>) {
        self.restarts += u64::from(self.run.is_some());
        self.end_run();
        self.run = Some(Run::start(packet));
    }

    fn end_run(&mut self) {
        if let Some(mut run) = self.run.take() {
            run.judge(run.window.highest(), &mut self.pattern_window);
        }
        self.transit = None;
    }

    fn close_window(&mut self) -> Heard {
        let pattern = std::mem::take(&mut self.pattern_window);
        self.pattern.add(&pattern);
        let jitter = self.jitter_window.next_window();
        Heard { pattern, jitter_ms: jitter.mean_ms(), jitter_max_ms: jitter.max }
    }

    /// The same as if the source had fallen silent for good: all is decided, and all is in the whole.
    fn ended(&self) -> Self {
        let mut ended = self.clone();
        if let Some(run) = &mut ended.run {
            run.judge(run.window.highest(), &mut ended.pattern_window);
        }
        ended.pattern.add(&ended.pattern_window);
        ended
    }

    fn time(&mut self, packet: &RtpPacket<'_>, kind: PayloadKind, now: Instant) {
        let Some(codec) = AudioCodec::of(kind) else {
            self.transit = None;
            return;
        };
        let (timestamp, payload_type) = (packet.timestamp(), packet.payload_type());
        let before = self.transit.replace(Transit { at: now, timestamp, payload_type });
        let same = |before: &Transit| before.payload_type == payload_type && !packet.marker();
        let Some(before) = before.filter(same) else { return };
        let arrived = now.saturating_duration_since(before.at).as_secs_f64() * 1_000.0;
        let ticks = timestamp.wrapping_sub(before.timestamp).cast_signed();
        let sent = f64::from(ticks) / f64::from(codec.clock().per_ms());
        let difference = arrived - sent;
        if difference.abs() < TRANSIT_STEP_MAX_MS {
            self.jitter.note(difference);
            self.jitter_window.note(difference);
        }
    }
}

/// Rounds down to whole ticks.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn ticks(value: f64) -> u32 {
    // A float that is too large becomes the largest number.
    value as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{ClockRate, RtpHeader};

    struct Sender {
        reception: Reception,
        began: Instant,
    }

    /// A packet of 20 ms: its number, its time in ms on the sender's clock, and when it comes.
    #[derive(Clone, Copy)]
    struct Sent {
        number: u16,
        ms: u32,
        at_ms: u64,
        kind: PayloadKind,
        marker: bool,
        ssrc: u32,
    }

    fn sound(number: u16, at_ms: u64) -> Sent {
        let kind = PayloadKind::Audio(AudioCodec::Pcma);
        Sent { number, ms: u32::from(number) * 20, at_ms, kind, marker: false, ssrc: 5 }
    }

    impl Sender {
        fn new() -> Self {
            Self { reception: Reception::default(), began: Instant::now() }
        }

        fn at(&self, ms: u64) -> Instant {
            self.began + Duration::from_millis(ms)
        }

        fn send(&mut self, sent: Sent) {
            let payload_type = match sent.kind {
                PayloadKind::Audio(AudioCodec::G722) => 9,
                PayloadKind::Audio(_) => 8,
                PayloadKind::ComfortNoise => 13,
                _ => 101,
            };
            let header = RtpHeader {
                payload_type,
                marker: sent.marker,
                sequence: sent.number,
                timestamp: sent.ms.wrapping_mul(8),
                ssrc: sent.ssrc,
            };
            let bytes = header.build(&[0; 160]).unwrap();
            let now = self.at(sent.at_ms);
            self.reception.take(&RtpPacket::parse(&bytes).unwrap(), sent.kind, now);
        }

        fn even(&mut self, numbers: std::ops::Range<u16>) {
            numbers.for_each(|number| self.send(sound(number, u64::from(number) * 20)));
        }
    }

    #[test]
    fn an_even_stream_has_neither_loss_nor_jitter() {
        let mut sender = Sender::new();
        sender.even(0..500);
        let heard = sender.reception.whole();
        assert_eq!((heard.pattern.received, heard.pattern.lost), (500, 0));
        assert!(heard.jitter_max_ms < 0.01, "{}", heard.jitter_max_ms);
    }

    #[test]
    fn what_does_not_come_is_lost_and_what_comes_late_is_not() {
        let mut sender = Sender::new();
        for number in (0..1_000_u16).filter(|number| number % 50 != 10) {
            // Each tenth but one comes behind its follower.
            let order = if number % 10 == 4 {
                number + 1
            } else if number % 10 == 5 {
                number - 1
            } else {
                number
            };
            sender.send(sound(order, u64::from(number) * 20));
        }
        let heard = sender.reception.whole();
        assert_eq!((heard.pattern.lost, heard.pattern.expected()), (20, 1_000));
        assert_eq!(sender.reception.reordered(), 100);
        assert_eq!(sender.reception.duplicates(), 0);
        sender.send(sound(999, 20_000));
        assert_eq!(sender.reception.duplicates(), 1);
    }

    /// RFC 3550 appendix A.8: deviations of 10 ms to and fro are a jitter of 20 ms between neighbours.
    #[test]
    fn jitter_is_what_the_rfc_says() {
        let mut sender = Sender::new();
        for number in 0..500_u16 {
            let late_ms = if number % 2 == 0 { 10 } else { 0 };
            sender.send(sound(number, u64::from(number) * 20 + late_ms));
        }
        let heard = sender.reception.whole();
        assert!((heard.jitter_max_ms - 10.0).abs() < 0.1, "{}", heard.jitter_max_ms);
        assert!((9.0..10.0).contains(&heard.jitter_ms), "{}", heard.jitter_ms);
    }

    #[test]
    fn silence_digits_a_new_source_and_another_codec_are_neither_loss_nor_jitter() {
        let mut sender = Sender::new();
        sender.even(0..100);
        // Silence suppression: a sign of it, 3 s of nothing, then a talkspurt whose time says something else.
        sender.send(Sent { kind: PayloadKind::ComfortNoise, ..sound(100, 2_007) });
        sender.send(Sent { ms: 9_000, marker: true, ..sound(101, 5_000) });
        sender.send(Sent { ms: 9_020, ..sound(102, 5_020) });
        // A digit: its packets share one time.
        for number in 103..110 {
            let event =
                Sent { kind: PayloadKind::TelephoneEvent(ClockRate::Hz8000), ms: 9_040, ..sound(number, 0) };
            sender.send(Sent { at_ms: 5_040 + 20 * u64::from(number - 103), ..event });
        }
        sender.send(Sent { ms: 9_180, ..sound(110, 5_180) });
        // A pause without any sign of it, of which the sender's clock knows but half.
        sender.send(Sent { ms: 9_380, marker: true, ..sound(111, 5_580) });
        sender.send(Sent { ms: 9_400, ..sound(112, 5_600) });
        // Another source with numbers of its own, then a codec with another clock.
        sender.send(Sent { ssrc: 6, ms: 77, ..sound(40_000, 5_620) });
        sender.send(Sent { ssrc: 6, ms: 97, ..sound(40_001, 5_640) });
        let wide = PayloadKind::Audio(AudioCodec::G722);
        sender.send(Sent { ssrc: 6, ms: 50_000, kind: wide, ..sound(40_002, 5_660) });
        sender.send(Sent { ssrc: 6, ms: 50_020, kind: wide, ..sound(40_003, 5_680) });
        let heard = sender.reception.whole();
        assert_eq!(heard.pattern.lost, 0);
        assert_eq!(heard.pattern.received, 117);
        assert!(heard.jitter_max_ms < 0.01, "{}", heard.jitter_max_ms);
        assert_eq!((sender.reception.restarts(), sender.reception.codec()), (1, Some(AudioCodec::G722)));
    }

    #[test]
    fn a_hold_in_which_numbers_went_on_is_no_loss() {
        let mut sender = Sender::new();
        sender.even(0..100);
        sender.reception.interrupt();
        sender.even(400..500);
        let heard = sender.reception.whole();
        assert_eq!((heard.pattern.received, heard.pattern.lost), (200, 0));
    }

    #[test]
    fn a_bad_window_is_not_averaged_away() {
        let mut sender = Sender::new();
        let mut worst = LossPattern::default();
        for number in 0..18_000_u16 {
            let bad = (9_000..9_500).contains(&number) && number % 5 == 0;
            if !bad {
                sender.send(sound(number, u64::from(number) * 20));
            }
            if let Some((_, heard)) = sender.reception.take_window(sender.at(u64::from(number) * 20))
                && heard.pattern.loss() > worst.loss()
            {
                worst = heard.pattern;
            }
        }
        assert!(sender.reception.whole().pattern.loss() < 0.006);
        assert_eq!(sender.reception.whole().pattern.expected(), 18_000);
        assert!((0.18..0.21).contains(&worst.loss()), "{}", worst.loss());
    }

    #[test]
    fn a_report_tells_the_loss_since_the_last_one() {
        let mut sender = Sender::new();
        (0..100)
            .filter(|number| number % 4 != 1)
            .for_each(|number| sender.send(sound(number, u64::from(number) * 20)));
        let first = sender.reception.report(7, 8).unwrap();
        assert_eq!((first.ssrc, first.fraction_lost, first.cumulative_lost), (5, 64, 25));
        assert_eq!((first.extended_sequence, first.sender_report, first.since_sender_report), (99, 7, 8));
        sender.even(100..200);
        let second = sender.reception.report(0, 0).unwrap();
        assert_eq!((second.fraction_lost, second.cumulative_lost, second.extended_sequence), (0, 25, 199));
        assert!(Reception::default().report(0, 0).is_none());
    }

    proptest! {
        /// Whatever comes in whatever order, what is expected is what came and what did not.
        #[test]
        fn received_is_what_came(numbers in proptest::collection::vec(any::<u16>(), 1..300), step in 1_u64..100) {
            let mut sender = Sender::new();
            for (n, number) in (0_u64..).zip(&numbers) {
                sender.send(sound(*number, n * step));
            }
            let heard = sender.reception.whole();
            let Reception { duplicates, late, .. } = sender.reception;
            let taken = heard.pattern.received + duplicates + late;
            prop_assert_eq!(taken, u64::try_from(numbers.len()).unwrap());
            prop_assert!(heard.pattern.loss() <= 1.0 && heard.jitter_max_ms.is_finite());
        }
    }
}
