//! The audio codecs that are understood here, each as a decoder and an encoder of one direction.
//!
//! Understood for recordings, tones and transcoding; payloads that are passed on are never touched. RFC 3551
//! sections 4.5.2 (G.722: its RTP clock counts 8,000 a second though it has 16,000 samples) and 4.5.14 (G.711), RFC 7587
//! (Opus, which is taken at 16 kHz here).

use crate::clock::ClockRate;
use crate::halfband::{Downsampler, Upsampler};
use crate::rtp::PayloadKind;
use crate::{g711, g722, opus};

/// Samples per second of a stream of samples or of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SampleRate {
    /// 8 kHz.
    #[default]
    Narrow,
    /// 16 kHz.
    Wide,
}

impl SampleRate {
    /// Returns the samples per second.
    #[must_use]
    pub fn hz(self) -> u32 {
        match self {
            Self::Narrow => 8_000,
            Self::Wide => 16_000,
        }
    }

    /// Returns the rate of so many samples per second, if it is one of these.
    #[must_use]
    pub fn of_hz(hz: u32) -> Option<Self> {
        [Self::Narrow, Self::Wide].into_iter().find(|rate| rate.hz() == hz)
    }

    /// Returns the samples in a tick of a recording's line.
    #[must_use]
    pub fn per_tick(self) -> usize {
        match self {
            Self::Narrow => 1,
            Self::Wide => 2,
        }
    }

    /// Returns the samples in a millisecond.
    #[must_use]
    pub fn per_ms(self) -> u64 {
        u64::from(self.hz() / 1_000)
    }
}

/// An audio codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AudioCodec {
    /// G.711 mu-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722 at 64 kbit/s.
    G722,
    /// Opus.
    Opus,
}

impl AudioCodec {
    /// Every codec.
    pub const ALL: [Self; 4] = [Self::Pcma, Self::Pcmu, Self::G722, Self::Opus];

    /// Returns the encoding's name in SDP.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
            Self::G722 => "G722",
            Self::Opus => "opus",
        }
    }

    /// Returns the clock of its timestamps.
    #[must_use]
    pub fn clock(self) -> ClockRate {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => ClockRate::Hz8000,
            Self::Opus => ClockRate::Hz48000,
        }
    }

    /// Returns how long a payload sounds, in ticks of a recording's line.
    #[must_use]
    pub fn ticks(self, payload: &[u8]) -> usize {
        match self {
            Self::Pcmu | Self::Pcma | Self::G722 => payload.len(),
            Self::Opus => opus::ticks(payload),
        }
    }

    /// Returns the rate of its samples.
    #[must_use]
    pub fn rate(self) -> SampleRate {
        match self {
            Self::Pcmu | Self::Pcma => SampleRate::Narrow,
            Self::G722 | Self::Opus => SampleRate::Wide,
        }
    }

    /// Returns the codec of a payload, if it is audio that is understood here.
    #[must_use]
    pub fn of(kind: PayloadKind) -> Option<Self> {
        match kind {
            PayloadKind::Audio(codec) => Some(codec),
            PayloadKind::ComfortNoise | PayloadKind::TelephoneEvent(_) | PayloadKind::Other => None,
        }
    }
}

/// Expands one direction of one codec into its own rate.
#[derive(Debug)]
pub enum Decoder {
    /// G.711 mu-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722, which remembers.
    G722(Box<g722::Decoder>),
    /// Opus, which remembers.
    Opus(Box<opus::Decoder>),
}

impl Decoder {
    /// Begins a stream.
    #[must_use]
    pub fn new(codec: AudioCodec) -> Self {
        match codec {
            AudioCodec::Pcmu => Self::Pcmu,
            AudioCodec::Pcma => Self::Pcma,
            AudioCodec::G722 => Self::G722(Box::default()),
            AudioCodec::Opus => Self::Opus(Box::default()),
        }
    }

    /// Appends the samples of a payload: of as many ticks as [`AudioCodec::ticks`] says.
    pub fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) {
        match self {
            Self::Pcmu => out.extend(payload.iter().copied().map(g711::decode_ulaw)),
            Self::Pcma => out.extend(payload.iter().copied().map(g711::decode_alaw)),
            Self::G722(decoder) => decoder.decode(payload, out),
            Self::Opus(decoder) => decoder.decode(payload, out),
        }
    }
}

/// Compresses one direction into one codec, from its own rate.
#[derive(Debug)]
pub enum Encoder {
    /// G.711 mu-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
    /// G.722, which remembers.
    G722(Box<g722::Encoder>),
    /// Opus, which remembers.
    Opus(Box<opus::Encoder>),
}

impl Encoder {
    /// Begins a stream.
    #[must_use]
    pub fn new(codec: AudioCodec) -> Self {
        match codec {
            AudioCodec::Pcmu => Self::Pcmu,
            AudioCodec::Pcma => Self::Pcma,
            AudioCodec::G722 => Self::G722(Box::default()),
            AudioCodec::Opus => Self::Opus(Box::default()),
        }
    }

    /// Appends the payload of samples; nothing while they do not fill a frame.
    pub fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) {
        match self {
            Self::Pcmu => out.extend(samples.iter().copied().map(g711::encode_ulaw)),
            Self::Pcma => out.extend(samples.iter().copied().map(g711::encode_alaw)),
            Self::G722(encoder) => encoder.encode(samples, out),
            Self::Opus(encoder) => encoder.encode(samples, out),
        }
    }
}

/// Brings one direction from any rate to one rate, without a jump when the rate before changes.
#[derive(Clone, Debug)]
pub struct Resampler {
    to: SampleRate,
    up: Upsampler,
    down: Downsampler,
}

impl Resampler {
    /// Begins a stream of samples at a rate.
    #[must_use]
    pub fn new(to: SampleRate) -> Self {
        Self { to, up: Upsampler::default(), down: Downsampler::default() }
    }

    /// Appends samples that come at `from`.
    pub fn push(&mut self, from: SampleRate, samples: &[i16], out: &mut Vec<i16>) {
        match (from, self.to) {
            (SampleRate::Narrow, SampleRate::Wide) => self.up.push(samples, out),
            (SampleRate::Wide, SampleRate::Narrow) => self.down.push(samples, out),
            (SampleRate::Narrow, SampleRate::Narrow) | (SampleRate::Wide, SampleRate::Wide) => {
                out.extend_from_slice(samples);
            }
        }
    }
}
