//! One direction from one codec into another, for two parties that share none.
//!
//! It is a translator (RFC 3550 section 7.1): a packet becomes a packet with the same source and sequence number and the
//! same time on the clock of the other codec, so that losses and pauses show behind it as before it.

use crate::clock::Retiming;
use crate::codec::{AudioCodec, Decoder, Encoder, Resampler};
use crate::rtp::{RtpHeader, RtpPacket};

/// Turns the payloads of one direction into another codec.
#[derive(Debug)]
pub struct Transcoder {
    from: AudioCodec,
    to: AudioCodec,
    times: Retiming,
    /// Packets that were too short to fill a frame of the other codec: what follows takes their numbers.
    merged: u16,
    decoder: Decoder,
    resampler: Resampler,
    encoder: Encoder,
    samples: Vec<i16>,
    resampled: Vec<i16>,
    payload: Vec<u8>,
}

impl Transcoder {
    /// Begins a direction.
    #[must_use]
    pub fn new(from: AudioCodec, to: AudioCodec) -> Self {
        Self {
            from,
            to,
            times: Retiming::new(from.clock(), to.clock()),
            merged: 0,
            decoder: Decoder::new(from),
            resampler: Resampler::new(to.rate()),
            encoder: Encoder::new(to),
            samples: Vec::new(),
            resampled: Vec::new(),
            payload: Vec::new(),
        }
    }

    /// Tells whether it does this.
    #[must_use]
    pub fn does(&self, from: AudioCodec, to: AudioCodec) -> bool {
        (self.from, self.to) == (from, to)
    }

    /// Returns the times of the direction, if the two clocks differ: what is no sound has to follow them.
    pub(crate) fn times(&mut self) -> Option<&mut Retiming> {
        Some(&mut self.times).filter(|times| times.changes())
    }

    /// Returns by how much numbers are lower behind it.
    pub(crate) fn merged(&self) -> u16 {
        self.merged
    }

    /// Makes the packet that goes on, numbered as the receiver numbers the codec; none of a packet that was too short.
    pub fn transcode(&mut self, packet: &RtpPacket<'_>, payload_type: u8) -> Option<Vec<u8>> {
        self.samples.clear();
        self.resampled.clear();
        self.payload.clear();
        self.decoder.decode(packet.payload(), &mut self.samples);
        self.resampler.push(self.from.rate(), &self.samples, &mut self.resampled);
        self.encoder.encode(&self.resampled, &mut self.payload);
        let timestamp = self.times.time(packet.ssrc(), packet.timestamp());
        if self.payload.is_empty() && !self.resampled.is_empty() {
            self.merged = self.merged.wrapping_add(1);
            return None;
        }
        let header = RtpHeader {
            payload_type,
            marker: packet.marker(),
            sequence: packet.sequence().wrapping_sub(self.merged),
            timestamp,
            ssrc: packet.ssrc(),
        };
        header.build(&self.payload).ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::cast_possible_truncation)]

    use super::*;

    fn spoken(codec: AudioCodec, packets: u16) -> Vec<Vec<u8>> {
        let rate_hz = f64::from(codec.rate().hz());
        let per_packet = 160 * codec.rate().per_tick();
        let mut encoder = Encoder::new(codec);
        (0..packets)
            .map(|n| {
                let first = usize::from(n) * per_packet;
                let angle = |at: usize| at as f64 * 1_000.0 * std::f64::consts::TAU / rate_hz;
                let tone: Vec<i16> =
                    (first..first + per_packet).map(|at| (8_000.0 * angle(at).sin()) as i16).collect();
                let mut payload = Vec::new();
                encoder.encode(&tone, &mut payload);
                let timestamp = u32::from(n) * 20 * codec.clock().per_ms();
                let header = RtpHeader {
                    payload_type: 97,
                    marker: n == 0,
                    sequence: n.wrapping_add(65_530),
                    timestamp,
                    ssrc: 9,
                };
                header.build(&payload).unwrap()
            })
            .collect()
    }

    /// How much of the sound is the tone of 1 kHz, from 0 to 1 (Goertzel).
    fn share(samples: &[i16], rate_hz: u32) -> f64 {
        let step = 1_000.0 * std::f64::consts::TAU / f64::from(rate_hz);
        let (mut real, mut imaginary, mut energy) = (0.0, 0.0, 0.0);
        for (at, sample) in samples.iter().enumerate() {
            let sample = f64::from(*sample);
            real += sample * (at as f64 * step).cos();
            imaginary += sample * (at as f64 * step).sin();
            energy += sample * sample;
        }
        2.0 * (real * real + imaginary * imaginary) / (energy * samples.len() as f64)
    }

    #[test]
    fn a_tone_stays_a_tone_from_every_codec_into_every_other() {
        for from in AudioCodec::ALL {
            for to in AudioCodec::ALL.into_iter().filter(|to| *to != from) {
                let mut transcoder = Transcoder::new(from, to);
                let mut decoder = Decoder::new(to);
                let mut heard = Vec::new();
                for packet in spoken(from, 50) {
                    let packet = transcoder.transcode(&RtpPacket::parse(&packet).unwrap(), 8).unwrap();
                    let packet = RtpPacket::parse(&packet).unwrap();
                    assert_eq!(to.ticks(packet.payload()), 160, "{from:?} to {to:?}");
                    decoder.decode(packet.payload(), &mut heard);
                }
                assert_eq!(heard.len(), 50 * 160 * to.rate().per_tick());
                let share = share(&heard[1_600..], to.rate().hz());
                let whole = if [from, to].contains(&AudioCodec::Opus) { 0.97 } else { 0.99 };
                assert!(share > whole, "{from:?} to {to:?}: {share}");
                let peak = heard[1_600..].iter().map(|sample| sample.unsigned_abs()).max().unwrap();
                assert!((7_500..8_600).contains(&peak), "{from:?} to {to:?}: as loud, {peak}");
            }
        }
    }

    #[test]
    fn a_packet_keeps_its_source_number_and_time() {
        let mut transcoder = Transcoder::new(AudioCodec::G722, AudioCodec::Pcmu);
        for packet in spoken(AudioCodec::G722, 20).iter().step_by(3) {
            let before = RtpPacket::parse(packet).unwrap();
            let after = transcoder.transcode(&before, 0).unwrap();
            let after = RtpPacket::parse(&after).unwrap();
            let place = |it: &RtpPacket<'_>| (it.ssrc(), it.sequence(), it.timestamp(), it.marker());
            assert_eq!(place(&after), place(&before));
            assert_eq!(after.payload_type(), 0);
        }
    }
}
