//! What leaves for one party: the other party's packets, and digits put between them (RFC 4733 section 2.5).
//!
//! Digits share source, numbers and time with the sound around them (section 2.1), so while they leave the sound does
//! not, and what follows them is numbered on from them: the party sees one stream without a gap.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rtp_rs::{RtpPacketBuilder, RtpReader};

use crate::clock::ClockRate;
use crate::rtp::PayloadMap;
use crate::telephone_event::TelephoneEvent;

/// How often a packet of a digit leaves.
const EVERY: Duration = Duration::from_millis(20);
/// The same in ms.
const STEP_MS: u32 = 20;
/// How many packets tell that a digit goes on: 160 ms of it.
const REPORTS: u16 = 8;
/// How many tell that it is over (section 2.5.1.4).
const LAST_REPORTS: u16 = 3;
/// How many times 20 ms lie between two digits.
const PAUSE: u16 = 4;
/// Digits that wait at most.
const QUEUE_MAX: usize = 128;
/// Power of a digit in -dBm0.
const VOLUME: u8 = 10;

/// A key of a telephone: 0 to 9, `*`, `#`, A to D. Never shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digit(u8);

impl Digit {
    /// Reads a key; `None` for anything else.
    #[must_use]
    pub fn of(key: char) -> Option<Self> {
        let code = match key.to_ascii_uppercase() {
            digit @ '0'..='9' => digit.to_digit(10)?,
            '*' => 10,
            '#' => 11,
            letter @ 'A'..='D' => letter.to_digit(16)? + 2,
            _ => return None,
        };
        u8::try_from(code).ok().map(Self)
    }
}

impl std::fmt::Debug for Digit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digit")
    }
}

/// How a party wants its digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventFormat {
    /// Its payload type for telephone events.
    pub payload_type: u8,
    /// What their length is told in.
    pub clock: ClockRate,
    /// The clock of the sound around them, which their times follow (RFC 4733 section 2.1).
    pub sound: ClockRate,
}

impl EventFormat {
    /// Returns how the party of a leg wants them, if it takes them in its sound.
    #[must_use]
    pub fn of(formats: &PayloadMap) -> Option<Self> {
        let (payload_type, clock) = formats.events()?;
        Some(Self { payload_type, clock, sound: formats.clock() })
    }
}

/// Where the stream to a party stands.
#[derive(Debug, Clone, Copy)]
struct Place {
    ssrc: u32,
    number: u16,
    time: u32,
    at: Instant,
}

/// The digit that leaves now.
#[derive(Debug, Clone, Copy)]
struct Pressed {
    digit: Digit,
    format: EventFormat,
    /// RTP time of its beginning: all its packets carry it.
    began: u32,
    /// Steps of 20 ms since then.
    steps: u16,
    due: Instant,
}

/// The stream to one party.
#[derive(Debug, Default)]
pub struct Outgoing {
    last: Option<Place>,
    /// What the numbers of forwarded packets are shifted by, and of which source.
    shift: Option<(u32, u16)>,
    /// Digits were sent since the last forwarded packet: the next one is numbered on from them.
    renumber: bool,
    waiting: VecDeque<(Digit, EventFormat)>,
    pressed: Option<Pressed>,
}

impl Outgoing {
    /// Queues digits to be sent as the party wants them; those beyond the queue's end are left out. Returns how many were
    /// taken.
    pub fn press(&mut self, digits: &[Digit], format: EventFormat) -> usize {
        let room = QUEUE_MAX.saturating_sub(self.waiting.len()).min(digits.len());
        self.waiting.extend(digits.iter().take(room).map(|digit| (*digit, format)));
        room
    }

    /// Tells whether digits leave or wait.
    #[must_use]
    pub fn is_pressing(&self) -> bool {
        self.pressed.is_some() || !self.waiting.is_empty()
    }

    /// Takes a packet that is to be forwarded: numbered so that it follows what left before it; `None` while digits leave.
    pub fn forward<'a>(
        &mut self,
        packet: &'a [u8],
        scratch: &'a mut Vec<u8>,
        now: Instant,
    ) -> Option<&'a [u8]> {
        if self.is_pressing() {
            return None;
        }
        let Ok(header) = RtpReader::new(packet) else { return Some(packet) };
        let (ssrc, number, time) = (header.ssrc(), u16::from(header.sequence_number()), header.timestamp());
        if self.renumber {
            let follows = self.last.map_or(number, |last| last.number.wrapping_add(1));
            self.shift = Some((ssrc, follows.wrapping_sub(number)));
            self.renumber = false;
        }
        let shift = self.shift.filter(|(of, shift)| *of == ssrc && *shift != 0).map_or(0, |(_, shift)| shift);
        let number = number.wrapping_add(shift);
        self.last = Some(Place { ssrc, number, time, at: now });
        if shift == 0 {
            return Some(packet);
        }
        scratch.clear();
        scratch.extend_from_slice(packet);
        let [high, low] = number.to_be_bytes();
        for (place, byte) in scratch.iter_mut().skip(2).zip([high, low]) {
            *place = byte;
        }
        Some(scratch.as_slice())
    }

    /// Makes the next packet of a digit that is due; `ssrc` is used when nothing has left for the party yet.
    pub fn poll_packet(&mut self, ssrc: u32, now: Instant) -> Option<Vec<u8>> {
        loop {
            let pressed = match self.pressed {
                Some(pressed) => pressed,
                None => self.begin(ssrc, now)?,
            };
            if pressed.due > now {
                self.pressed = Some(pressed);
                return None;
            }
            let steps = pressed.steps + 1;
            let next = Pressed { steps, due: pressed.due + EVERY, ..pressed };
            self.pressed = (steps < REPORTS + LAST_REPORTS + PAUSE).then_some(next);
            if pressed.steps < REPORTS + LAST_REPORTS {
                return self.report(&pressed, now);
            }
        }
    }

    /// When the next packet of a digit is due.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        self.pressed.map(|pressed| pressed.due)
    }

    fn begin(&mut self, ssrc: u32, now: Instant) -> Option<Pressed> {
        let (digit, format) = self.waiting.pop_front()?;
        let last = *self.last.get_or_insert(Place { ssrc, number: 0, time: 0, at: now });
        let passed_ms = now.saturating_duration_since(last.at).as_millis();
        let passed_ms = u32::try_from(passed_ms).unwrap_or(u32::MAX).max(STEP_MS);
        let began = last.time.wrapping_add(passed_ms.wrapping_mul(format.sound.per_ms()));
        Some(Pressed { digit, format, began, steps: 0, due: now })
    }

    fn report(&mut self, pressed: &Pressed, now: Instant) -> Option<Vec<u8>> {
        let last = self.last.as_mut()?;
        last.number = last.number.wrapping_add(1);
        if pressed.steps == 0 {
            (last.time, last.at) = (pressed.began, now);
        }
        self.renumber = true;
        let ended = pressed.steps >= REPORTS;
        let step = u16::try_from(STEP_MS * pressed.format.clock.per_ms()).unwrap_or(u16::MAX);
        let duration = (pressed.steps + 1).min(REPORTS).saturating_mul(step);
        let event = TelephoneEvent::new(pressed.digit.0, ended, VOLUME, duration);
        let packet = RtpPacketBuilder::new()
            .payload_type(pressed.format.payload_type)
            .marked(pressed.steps == 0)
            .ssrc(last.ssrc)
            .sequence(last.number.into())
            .timestamp(pressed.began)
            .payload(&event.to_payload())
            .build();
        packet.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NARROW: EventFormat =
        EventFormat { payload_type: 101, clock: ClockRate::Hz8000, sound: ClockRate::Hz8000 };

    fn digits(keys: &str) -> Vec<Digit> {
        keys.chars().map(|key| Digit::of(key).expect("a key")).collect()
    }

    fn sound(ssrc: u32, number: u16, time: u32) -> Vec<u8> {
        let packet =
            RtpPacketBuilder::new().payload_type(8).ssrc(ssrc).sequence(number.into()).timestamp(time);
        packet.payload(&[0x55; 160]).build().expect("a packet")
    }

    /// Forwards sound each 20 ms, presses keys meanwhile, and returns what left: number, time, payload type, payload.
    fn talk(keys: &str, before: u16, after: u16) -> Vec<(u16, u32, u8, bool, Vec<u8>)> {
        let (mut outgoing, mut now) = (Outgoing::default(), Instant::now());
        let (mut left, mut scratch) = (Vec::new(), Vec::new());
        let keys = digits(keys);
        let pressed_at = before;
        let mut quiet = 0;
        for n in 0.. {
            if n == pressed_at {
                assert_eq!(outgoing.press(&keys, NARROW), keys.len());
            }
            if !outgoing.is_pressing() && n > pressed_at {
                quiet += 1;
                if quiet > after {
                    break;
                }
            }
            while let Some(packet) = outgoing.poll_packet(7, now) {
                left.push(packet);
            }
            let packet = sound(7, 1_000 + n, 160 * u32::from(n));
            if let Some(packet) = outgoing.forward(&packet, &mut scratch, now) {
                left.push(packet.to_vec());
            }
            now += EVERY;
        }
        let read = |packet: &Vec<u8>| {
            let it = RtpReader::new(packet).expect("RTP");
            assert_eq!(it.ssrc(), 7, "one source");
            (
                u16::from(it.sequence_number()),
                it.timestamp(),
                it.payload_type(),
                it.mark(),
                it.payload().to_vec(),
            )
        };
        left.iter().map(read).collect()
    }

    #[test]
    fn digits_leave_between_the_sound_in_one_stream_without_a_gap() {
        let left = talk("5#", 10, 10);
        let numbers: Vec<u16> = left.iter().map(|it| it.0).collect();
        let first = numbers[0];
        assert!(numbers.iter().zip(first..).all(|(number, expected)| *number == expected), "{numbers:?}");
        assert!(left.windows(2).all(|two| two[1].1 >= two[0].1), "time never falls back");
        let events: Vec<_> = left.iter().filter(|it| it.2 == 101).collect();
        assert_eq!(events.len(), usize::from(2 * (REPORTS + LAST_REPORTS)));
        for (digit, events) in [(5, &events[..11]), (11, &events[11..])] {
            assert!(events.iter().all(|it| it.1 == events[0].1), "one time for one digit");
            assert_eq!(
                events.iter().map(|it| it.3).collect::<Vec<_>>(),
                [&[true][..], &[false; 10]].concat()
            );
            let read: Vec<_> =
                events.iter().map(|it| TelephoneEvent::parse(&it.4).expect("an event")).collect();
            assert!(read.iter().all(|event| event.code() == digit));
            let durations: Vec<u16> = read.iter().map(|event| event.duration).collect();
            assert_eq!(durations, [160, 320, 480, 640, 800, 960, 1_120, 1_280, 1_280, 1_280, 1_280]);
            let ended: Vec<bool> = read.iter().map(|event| event.ended).collect();
            assert_eq!(ended, [&[false; 8][..], &[true; 3]].concat());
        }
        assert!(events[11].1 >= events[0].1 + 1_280 + 480, "a pause lies between two digits");
        let (first, last) = (left.first().map(|it| it.2), left.last().map(|it| it.2));
        assert_eq!((first, last), (Some(8), Some(8)), "the sound goes on before and after");
    }

    #[test]
    fn without_digits_a_packet_leaves_as_it_came() {
        let (mut outgoing, mut scratch) = (Outgoing::default(), Vec::new());
        for number in [5, 4, 9, 65_535, 0] {
            let packet = sound(3, number, 160);
            assert_eq!(outgoing.forward(&packet, &mut scratch, Instant::now()), Some(packet.as_slice()));
        }
    }

    #[test]
    fn another_source_after_the_digits_keeps_its_own_numbers_from_its_second_change_on() {
        let (mut outgoing, mut scratch, now) = (Outgoing::default(), Vec::new(), Instant::now());
        outgoing.forward(&sound(3, 10, 0), &mut scratch, now);
        outgoing.press(&digits("1"), NARROW);
        let mut at = now;
        while outgoing.is_pressing() {
            outgoing.poll_packet(3, at);
            at += EVERY;
        }
        let number =
            |packet: Option<&[u8]>| packet.map(|it| u16::from(RtpReader::new(it).unwrap().sequence_number()));
        let shifted = sound(3, 26, 2_560);
        assert_eq!(number(outgoing.forward(&shifted, &mut scratch, at)), Some(22));
        let other = sound(4, 500, 0);
        assert_eq!(number(outgoing.forward(&other, &mut scratch, at)), Some(500));
    }

    #[test]
    fn keys_are_read_queued_within_bounds_and_never_shown() {
        assert!("0123456789*#ABCDabcd".chars().all(|key| Digit::of(key).is_some()));
        assert!("eE+ ,pw".chars().all(|key| Digit::of(key).is_none()));
        assert_eq!(Digit::of('D'), Some(Digit(15)));
        assert_eq!(format!("{:?}", digits("19")), "[Digit, Digit]");
        let mut outgoing = Outgoing::default();
        assert_eq!(outgoing.press(&digits(&"1".repeat(200)), NARROW), QUEUE_MAX);
        assert_eq!(outgoing.press(&digits("1"), NARROW), 0);
    }
}
