//! The stream that leaves for a party, as its reports have to be held against.

use std::time::Instant;

use crate::clock::ClockRate;
use crate::sequence::{Arrival, SequenceWindow};

/// Numbers behind the newest of which it is known how many did not leave: a report is seldom older than a second.
const KEPT: usize = 512;
/// The fixed part of an RTP header.
const HEADER_LEN: usize = 12;

/// What a sender report says of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentSoFar {
    /// This moment on the stream's clock.
    pub timestamp: u32,
    /// Packets that left.
    pub packets: u32,
    /// Octets of payload that left.
    pub octets: u32,
}

/// One source's packets to one party.
#[derive(Clone, Debug)]
pub struct SentStream {
    ssrc: u32,
    began: Instant,
    first: i64,
    window: SequenceWindow,
    /// How many numbers up to each of the newest ones never left, by the number's remainder.
    gaps_at: Box<[u16]>,
    gaps: u16,
    last: (Instant, u32),
    /// What its times count.
    clock: ClockRate,
    packets: u32,
    octets: u32,
    /// Packets that had left at the last report.
    reported: u32,
}

/// Source, number and time of a packet, if it is one.
fn header_of(packet: &[u8]) -> Option<(u32, u16, u32)> {
    let &[_, _, n0, n1, t0, t1, t2, t3, s0, s1, s2, s3, ..] = packet else { return None };
    let (time, ssrc) = (u32::from_be_bytes([t0, t1, t2, t3]), u32::from_be_bytes([s0, s1, s2, s3]));
    Some((ssrc, u16::from_be_bytes([n0, n1]), time))
}

impl SentStream {
    /// Begins with its first packet.
    #[must_use]
    pub fn start(packet: &[u8], clock: ClockRate, now: Instant) -> Option<Self> {
        let (ssrc, number, time) = header_of(packet)?;
        let window = SequenceWindow::start(number);
        let mut stream = Self {
            ssrc,
            began: now,
            first: window.highest(),
            window,
            gaps_at: vec![0; KEPT].into(),
            gaps: 0,
            last: (now, time),
            clock,
            packets: 0,
            octets: 0,
            reported: 0,
        };
        stream.count(packet);
        Some(stream)
    }

    /// Tells whether a packet is of this source and goes on with its numbers.
    #[must_use]
    pub fn is_of(&self, packet: &[u8]) -> bool {
        let goes_on = |number| !matches!(self.window.clone().observe(number), Arrival::Restarted);
        header_of(packet).is_some_and(|(ssrc, number, _)| ssrc == self.ssrc && goes_on(number))
    }

    /// Takes note of a further packet.
    pub fn note(&mut self, packet: &[u8], clock: ClockRate, now: Instant) {
        self.clock = clock;
        let Some((_, number, time)) = header_of(packet) else { return };
        let before = self.window.highest();
        match self.window.observe(number) {
            Arrival::Fresh { extended, ahead: true } => {
                for skipped in before + 1..extended {
                    self.gaps = self.gaps.wrapping_add(1);
                    self.keep(skipped);
                }
                self.keep(extended);
                self.last = (now, time);
            }
            Arrival::Fresh { extended, .. } if extended > self.first => self.fill(extended),
            Arrival::Fresh { .. } | Arrival::Duplicate | Arrival::Stale | Arrival::Restarted => {}
        }
        self.count(packet);
    }

    /// The source.
    #[must_use]
    pub fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// The number of its first packet, as counted here.
    #[must_use]
    pub fn first(&self) -> i64 {
        self.first
    }

    /// What its times count.
    #[must_use]
    pub fn clock(&self) -> ClockRate {
        self.clock
    }

    /// When its first packet left.
    #[must_use]
    pub fn began(&self) -> Instant {
        self.began
    }

    /// Returns what a report says, if anything left since the last one.
    pub fn report(&mut self, now: Instant) -> Option<SentSoFar> {
        if std::mem::replace(&mut self.reported, self.packets) == self.packets {
            return None;
        }
        let (at, time) = self.last;
        let passed_ms = u32::try_from(now.saturating_duration_since(at).as_millis()).unwrap_or(u32::MAX);
        let ticks = passed_ms.wrapping_mul(self.clock.per_ms());
        Some(SentSoFar { timestamp: time.wrapping_add(ticks), packets: self.packets, octets: self.octets })
    }

    /// Returns a number that the party names as counted here, and how many up to it never left; `None` of a number that
    /// was not sent lately. The party's count of cycles is its own, so the low half alone counts.
    #[must_use]
    pub fn standing_at(&self, extended_sequence: u32) -> Option<(i64, u16)> {
        let [_, _, high, low] = extended_sequence.to_be_bytes();
        let number = self.window.highest() + self.window.step_to(u16::from_be_bytes([high, low]));
        let oldest = self.window.highest() - i64::try_from(KEPT).unwrap_or(0);
        let known = number > oldest && number <= self.window.highest() && number >= self.first;
        let gaps = known.then(|| self.gaps_at.get(place_of(number)).copied())??;
        Some((number, gaps))
    }

    /// A number that had been skipped leaves behind later ones: from it on there is one less that never left.
    fn fill(&mut self, number: i64) {
        self.gaps = self.gaps.wrapping_sub(1);
        for place in (number..=self.window.highest()).map(place_of) {
            if let Some(gaps) = self.gaps_at.get_mut(place) {
                *gaps = gaps.wrapping_sub(1);
            }
        }
    }

    fn keep(&mut self, number: i64) {
        if let Some(place) = self.gaps_at.get_mut(place_of(number)) {
            *place = self.gaps;
        }
    }

    fn count(&mut self, packet: &[u8]) {
        self.packets = self.packets.wrapping_add(1);
        let octets = packet.len().saturating_sub(HEADER_LEN);
        self.octets = self.octets.wrapping_add(u32::try_from(octets).unwrap_or(0));
    }
}

fn place_of(number: i64) -> usize {
    usize::try_from(number).unwrap_or(0) % KEPT
}
