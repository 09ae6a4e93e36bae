//! The tones that tell a caller how a call goes, as a stream of packets (ITU-T E.180, its Supplement 2).
//!
//! Countries differ in frequencies and cadences; one that is not in the table has the tones that E.180 recommends.

use std::f64::consts::TAU;

use rtp_rs::RtpPacketBuilder;

use crate::codec::{AudioCodec, Encoder};

/// How long a packet sounds.
const PACKET_MS: u32 = 20;
/// The peak of a tone of -10 dBm0; full scale is 3.14 dBm0 (ITU-T G.711).
const PEAK: f64 = 7_220.0;

/// What a caller hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProgressTone {
    /// The called phone rings.
    Ringback,
    /// The called one is in a call.
    Busy,
    /// The called one cannot be reached.
    Congestion,
    /// The party is on hold and not forgotten.
    Hold,
}

/// Frequencies that sound together, and how long the sound and the silence last in turn.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Cadence {
    frequencies_hz: &'static [f64],
    /// Sound and silence in ms, repeated for ever.
    beats_ms: &'static [(u32, u32)],
}

/// The three tones of a country.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ToneTable {
    ringback: Cadence,
    busy: Cadence,
    congestion: Cadence,
}

const fn cadence(frequencies_hz: &'static [f64], beats_ms: &'static [(u32, u32)]) -> Cadence {
    Cadence { frequencies_hz, beats_ms }
}

/// ITU-T E.180 sections 3 to 5: 425 Hz.
const RECOMMENDED: ToneTable = ToneTable {
    ringback: cadence(&[425.0], &[(1_000, 4_000)]),
    busy: cadence(&[425.0], &[(500, 500)]),
    congestion: cadence(&[425.0], &[(250, 250)]),
};

/// Two short beeps every ten seconds, in every country: for who hears nothing else while being on hold.
const HOLD: Cadence = cadence(&[425.0], &[(120, 180), (120, 9_580)]);

impl ToneTable {
    /// Finds a country's tones by its ISO 3166 code, in any case.
    #[must_use]
    pub fn of(region: &str) -> Self {
        match region.to_ascii_uppercase().as_str() {
            "RU" | "BY" | "KZ" | "KG" | "TJ" | "UZ" | "AM" | "MD" => Self {
                ringback: cadence(&[425.0], &[(1_000, 4_000)]),
                busy: cadence(&[425.0], &[(350, 350)]),
                congestion: cadence(&[425.0], &[(175, 175)]),
            },
            "US" | "CA" => Self {
                ringback: cadence(&[440.0, 480.0], &[(2_000, 4_000)]),
                busy: cadence(&[480.0, 620.0], &[(500, 500)]),
                congestion: cadence(&[480.0, 620.0], &[(250, 250)]),
            },
            "GB" | "IE" => Self {
                ringback: cadence(&[400.0, 450.0], &[(400, 200), (400, 2_000)]),
                busy: cadence(&[400.0], &[(375, 375)]),
                congestion: cadence(&[400.0], &[(400, 350), (225, 525)]),
            },
            "DE" | "AT" => Self {
                ringback: cadence(&[425.0], &[(1_000, 4_000)]),
                busy: cadence(&[425.0], &[(480, 480)]),
                congestion: cadence(&[425.0], &[(240, 240)]),
            },
            "FR" => Self {
                ringback: cadence(&[440.0], &[(1_500, 3_500)]),
                busy: cadence(&[440.0], &[(500, 500)]),
                congestion: cadence(&[440.0], &[(250, 250)]),
            },
            _ => RECOMMENDED,
        }
    }

    fn cadence(&self, tone: ProgressTone) -> Cadence {
        match tone {
            ProgressTone::Ringback => self.ringback,
            ProgressTone::Busy => self.busy,
            ProgressTone::Congestion => self.congestion,
            ProgressTone::Hold => HOLD,
        }
    }
}

/// A tone as RTP, one packet of 20 ms after another.
#[derive(Debug)]
pub struct ToneStream {
    cadence: Cadence,
    codec: AudioCodec,
    encoder: Encoder,
    payload_type: u8,
    ssrc: u32,
    /// Packets made so far.
    packets: u32,
}

impl ToneStream {
    /// Begins a tone; `ssrc` is drawn by the caller.
    #[must_use]
    pub fn new(
        table: &ToneTable,
        tone: ProgressTone,
        codec: AudioCodec,
        payload_type: u8,
        ssrc: u32,
    ) -> Self {
        let encoder = Encoder::new(codec);
        Self { cadence: table.cadence(tone), codec, encoder, payload_type, ssrc, packets: 0 }
    }

    /// Makes the next packet: 12 bytes of header and 20 ms of sound.
    pub fn next_packet(&mut self) -> Vec<u8> {
        let first = self.packets.wrapping_mul(PACKET_MS * self.codec.clock().per_ms());
        let payload = self.payload();
        let [low, high, ..] = self.packets.to_le_bytes();
        let packet = RtpPacketBuilder::new()
            .payload_type(self.payload_type)
            .ssrc(self.ssrc)
            .sequence(u16::from_le_bytes([low, high]).into())
            .timestamp(first)
            .marked(self.packets == 0)
            .payload(&payload)
            .build();
        self.packets = self.packets.wrapping_add(1);
        // Refused only for a payload type above 127, which no description of a party holds.
        packet.unwrap_or_default()
    }

    fn payload(&mut self) -> Vec<u8> {
        let len = PACKET_MS * self.codec.rate().hz() / 1_000;
        let first = u64::from(self.packets) * u64::from(len);
        let samples: Vec<i16> = (0..len).map(|offset| self.linear(first + u64::from(offset))).collect();
        let mut payload = Vec::with_capacity(160);
        self.encoder.encode(&samples, &mut payload);
        payload
    }

    #[expect(clippy::cast_possible_truncation, reason = "clamped to what an i16 holds")]
    fn linear(&self, sample: u64) -> i16 {
        let rate = self.codec.rate();
        if !self.sounds_at_ms(sample / rate.per_ms()) {
            return 0;
        }
        let seconds = sample as f64 / f64::from(rate.hz());
        let frequencies = self.cadence.frequencies_hz;
        let sum: f64 = frequencies.iter().map(|hz| (TAU * hz * seconds).sin()).sum();
        // The tone's power is shared by its frequencies.
        let level = PEAK / f64::from(u32::try_from(frequencies.len()).unwrap_or(1).max(1)).sqrt();
        (sum * level).clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16
    }

    fn sounds_at_ms(&self, ms: u64) -> bool {
        let beats = self.cadence.beats_ms;
        let period: u64 = beats.iter().map(|(on, off)| u64::from(on + off)).sum();
        let mut place = ms % period.max(1);
        for (on, off) in beats {
            if place < u64::from(*on) {
                return true;
            }
            match place.checked_sub(u64::from(on + off)) {
                Some(rest) => place = rest,
                None => return false,
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RtpPacket;
    use crate::codec::Decoder;

    const REGIONS: [&str; 7] = ["RU", "US", "GB", "DE", "FR", "JP", "ru"];

    fn samples(region: &str, tone: ProgressTone, codec: AudioCodec, seconds: usize) -> Vec<i16> {
        let mut stream = ToneStream::new(&ToneTable::of(region), tone, codec, 8, 7);
        let (mut decoder, mut heard) = (Decoder::new(codec), Vec::new());
        for _ in 0..seconds * 50 {
            decoder.decode(stream.next_packet().get(12..).unwrap_or_default(), &mut heard);
        }
        heard
    }

    /// The energy at a frequency, against the energy of all (Goertzel).
    fn share(samples: &[i16], hz: f64) -> f64 {
        let step = TAU * hz / 8_000.0;
        let (mut real, mut imaginary, mut all) = (0.0, 0.0, 0.0);
        for (n, sample) in samples.iter().enumerate() {
            let value = f64::from(*sample);
            real += value * (step * n as f64).cos();
            imaginary += value * (step * n as f64).sin();
            all += value * value;
        }
        2.0 * (real * real + imaginary * imaginary) / (samples.len() as f64 * all.max(1.0))
    }

    fn loud(samples: &[i16]) -> bool {
        samples.iter().any(|sample| sample.unsigned_abs() > 1_000)
    }

    #[test]
    fn russian_ringback_is_425_hz_for_one_second_of_five() {
        for codec in AudioCodec::ALL {
            let mut heard = samples("RU", ProgressTone::Ringback, codec, 10);
            // How late the codec is at 16 kHz, whose every second sample is looked at.
            let late = match codec {
                AudioCodec::Pcma | AudioCodec::Pcmu => None,
                AudioCodec::G722 => Some(22),
                AudioCodec::Opus => Some(104),
            };
            if let Some(late) = late {
                heard = heard.into_iter().skip(late).step_by(2).collect();
            }
            let second = |n: usize| heard.get(n * 8_000..(n + 1) * 8_000).unwrap_or_default();
            assert!(share(second(0), 425.0) > 0.98, "{codec:?}");
            // Opus lets a sound ring on for some ms.
            let sounds: Vec<bool> = (0..10).map(|n| loud(second(n).get(400..).unwrap_or_default())).collect();
            assert_eq!(sounds, [true, false, false, false, false, true, false, false, false, false]);
        }
    }

    /// How long sound and silence last in turn, in ms, as far as heard in full.
    fn beats_ms(samples: &[i16]) -> Vec<usize> {
        const BLOCK_MS: usize = 5;
        let blocks: Vec<bool> = samples.chunks(BLOCK_MS * 8).map(loud).collect();
        let runs = blocks.chunk_by(|one, next| one == next).map(|run| run.len() * BLOCK_MS);
        let mut runs: Vec<usize> = runs.collect();
        runs.pop();
        runs
    }

    #[test]
    fn each_tone_has_the_cadence_of_its_country() {
        for (region, tone, expected) in [
            ("RU", ProgressTone::Busy, [350, 350, 350, 350]),
            ("RU", ProgressTone::Congestion, [175, 175, 175, 175]),
            ("GB", ProgressTone::Ringback, [400, 200, 400, 2_000]),
            ("GB", ProgressTone::Congestion, [400, 350, 225, 525]),
            ("US", ProgressTone::Ringback, [2_000, 4_000, 2_000, 4_000]),
            ("DE", ProgressTone::Busy, [480, 480, 480, 480]),
            ("FR", ProgressTone::Ringback, [1_500, 3_500, 1_500, 3_500]),
            ("ZZ", ProgressTone::Busy, [500, 500, 500, 500]),
        ] {
            let heard = beats_ms(&samples(region, tone, AudioCodec::Pcma, 13));
            assert_eq!(heard.get(..4), Some(&expected[..]), "{region} {tone:?}");
        }
    }

    #[test]
    fn every_region_tells_its_tones_apart_and_none_clips() {
        for region in REGIONS {
            let all = [ProgressTone::Ringback, ProgressTone::Busy, ProgressTone::Congestion]
                .map(|tone| samples(region, tone, AudioCodec::Pcma, 5));
            let [ringback, busy, congestion] = &all;
            assert!(ringback != busy && busy != congestion && ringback != congestion, "{region}");
            for tone in &all {
                let peak = tone.iter().map(|sample| sample.unsigned_abs()).max();
                assert!(peak.is_some_and(|peak| (5_000..12_000).contains(&peak)), "{region} {peak:?}");
            }
        }
        let american = samples("US", ProgressTone::Busy, AudioCodec::Pcmu, 1);
        let sound = american.get(..4_000).unwrap_or_default();
        assert!(share(sound, 480.0) > 0.4 && share(sound, 620.0) > 0.4);
    }

    #[test]
    fn a_tone_towards_opus_counts_the_clock_of_opus() {
        let mut stream = ToneStream::new(&ToneTable::of("RU"), ProgressTone::Busy, AudioCodec::Opus, 111, 9);
        for n in 0..50_u32 {
            let bytes = stream.next_packet();
            let packet = RtpPacket::parse(&bytes).expect("a packet");
            assert_eq!((packet.timestamp(), packet.payload_type()), (n * 960, 111));
            assert_eq!(AudioCodec::Opus.ticks(packet.payload()), 160, "20 ms");
        }
    }

    #[test]
    fn packets_follow_each_other_without_a_gap() {
        let mut stream = ToneStream::new(&ToneTable::of("RU"), ProgressTone::Busy, AudioCodec::Pcmu, 0, 99);
        for n in 0..70_000_u32 {
            let bytes = stream.next_packet();
            let Ok(packet) = RtpPacket::parse(&bytes) else { panic!("packet {n}") };
            let expected = (u32::from(packet.sequence()), packet.timestamp(), packet.marker());
            assert_eq!(expected, (n % 65_536, n * 160, n == 0));
            assert_eq!((packet.ssrc(), packet.payload_type(), packet.payload().len()), (99, 0, 160));
        }
    }
}
