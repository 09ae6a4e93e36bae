//! Opus (RFC 6716, RFC 8251) in RTP (RFC 7587): the codec of `opus-rs` behind the shapes of this crate.
//!
//! Everything is taken at 16 kHz and one channel, which is what speech over a telephone has; a stereo packet is mixed down
//! by the decoder. Packets are made by the speech half alone, with what rebuilds the packet before (in-band FEC). The codec
//! is young: should it ever panic, the packet is silent, the stream begins anew, and the thread goes on.

use std::panic::{AssertUnwindSafe, catch_unwind};

use opus_rs::{Application, OpusDecoder, OpusEncoder};

/// Samples per second that go in and come out.
const RATE_HZ: i32 = 16_000;
/// Samples in a tick of a recording's line.
const PER_TICK: usize = 2;
/// Ticks of the line in the longest packet: 120 ms (RFC 6716 section 3.2.5).
const MAX_TICKS: usize = 120 * 8;
/// Samples of 10 and 20 ms.
const SHORT: usize = 160;
const LONG: usize = 320;
/// Bits per second that packets are made with: wideband speech with room for what rebuilds the one before.
const BITRATE_BPS: i32 = 24_000;
/// How hard the encoder searches, 0 to 10: beyond 4 it costs twice as much and is hardly heard.
const COMPLEXITY: i32 = 4;
/// What it is told of the way, so that it spends bits on rebuilding.
const LOSS_PERCENT: i32 = 10;
/// The longest frame (section 3.4, R2).
const FRAME_MAX: usize = 1_275;

/// Returns how long a packet sounds, in ticks of a recording's line; 0 for what is no packet (RFC 6716 section 3.1).
#[must_use]
pub fn ticks(packet: &[u8]) -> usize {
    let Some(toc) = packet.first() else { return 0 };
    let ticks = frame_of(*toc) * frames(packet);
    if ticks <= MAX_TICKS { ticks } else { 0 }
}

/// Returns how long each frame of a packet sounds, in ticks of a recording's line.
pub(crate) fn frame_ticks(packet: &[u8]) -> usize {
    packet.first().map_or(0, |toc| frame_of(*toc))
}

fn frame_of(toc: u8) -> usize {
    let (configuration, lowest) = (toc >> 3, usize::from(toc >> 3 & 3));
    match configuration {
        0..12 => [80, 160, 320, 480].get(lowest).copied().unwrap_or_default(),
        12..16 => 80 << (lowest & 1),
        _ => 20 << lowest,
    }
}

fn frames(packet: &[u8]) -> usize {
    match packet {
        [toc, ..] if toc & 3 == 0 => 1,
        [toc, count, ..] if toc & 3 == 3 => usize::from(count & 0x3f),
        [toc, ..] if toc & 3 != 3 => 2,
        _ => 0,
    }
}

/// One stream that is heard.
pub struct Decoder {
    /// `None` after a panic, until the next packet.
    codec: Option<Box<OpusDecoder>>,
    heard: Vec<f32>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { codec: None, heard: vec![0.0; MAX_TICKS * PER_TICK] }
    }
}

impl std::fmt::Debug for Decoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("opus::Decoder")
    }
}

impl Decoder {
    /// Appends the samples of a packet: as many as its first octets say, silent ones if it cannot be read.
    pub fn decode(&mut self, packet: &[u8], out: &mut Vec<i16>) {
        let samples = ticks(packet) * PER_TICK;
        self.run(samples, out, |codec, heard| codec.decode(packet, samples, heard));
    }

    /// Appends what the decoder makes of a loss: the sound before it, fading.
    pub fn conceal(&mut self, ticks: usize, out: &mut Vec<i16>) {
        let samples = ticks * PER_TICK;
        self.run(samples, out, |codec, heard| codec.decode(&[], samples, heard));
    }

    /// Appends what the packet behind a loss knows of the frame before it; that packet is to be decoded next. Nothing but
    /// concealment where it knows nothing (RFC 7587 section 3.3).
    pub fn rebuild(&mut self, next: &[u8], ticks: usize, out: &mut Vec<i16>) {
        let samples = ticks * PER_TICK;
        self.run(samples, out, |codec, heard| codec.decode_fec(next, samples, heard));
    }

    fn run(
        &mut self,
        samples: usize,
        out: &mut Vec<i16>,
        with: impl FnOnce(&mut OpusDecoder, &mut [f32]) -> Result<usize, &'static str>,
    ) {
        if samples == 0 || samples > self.heard.len() {
            return;
        }
        let end = out.len() + samples;
        let codec = self.codec.take().or_else(|| OpusDecoder::new(RATE_HZ, 1).ok().map(Box::new));
        if let Some(mut codec) = codec {
            let heard = &mut self.heard;
            let made = catch_unwind(AssertUnwindSafe(|| with(&mut codec, heard)));
            let len = made.as_ref().map_or(0, |made| made.unwrap_or(0)).min(samples);
            out.extend(self.heard.iter().take(len).copied().map(to_sample));
            self.codec = made.is_ok().then_some(codec);
        }
        out.resize(end, 0);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "clamped to what an i16 holds; what is no number becomes 0"
)]
fn to_sample(value: f32) -> i16 {
    (value * 32_768.0).clamp(f32::from(i16::MIN), f32::from(i16::MAX)) as i16
}

/// One stream that is spoken.
#[derive(Default)]
pub struct Encoder {
    codec: Option<Box<OpusEncoder>>,
    /// What fills no frame yet.
    waiting: Vec<i16>,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("opus::Encoder")
    }
}

impl Encoder {
    /// Appends one packet of samples, in frames of 20 or 10 ms; none while less than 10 ms wait. What is beyond 120 ms is
    /// left out.
    pub fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) {
        self.waiting.extend_from_slice(samples);
        self.waiting.truncate(MAX_TICKS * PER_TICK);
        let whole = self.waiting.len() / SHORT * SHORT;
        let frame = if whole.is_multiple_of(LONG) { LONG } else { SHORT };
        let speech: Vec<i16> = self.waiting.drain(..whole).collect();
        let frames = speech.chunks_exact(frame).filter_map(|frame| self.frame(frame));
        let mut frames: Vec<Vec<u8>> = frames.collect();
        // A packet has one kind of frame; the encoder may find its bandwidth within the first ones.
        let kind = frames.last().and_then(|frame| frame.first().copied());
        frames.retain(|frame| frame.first().copied() == kind);
        pack(&frames, out);
    }

    fn frame(&mut self, samples: &[i16]) -> Option<Vec<u8>> {
        let mut codec = self.codec.take().or_else(begin)?;
        let mut packet = vec![0; FRAME_MAX + 1];
        let made = catch_unwind(AssertUnwindSafe(|| codec.encode_i16(samples, samples.len(), &mut packet)));
        self.codec = made.is_ok().then_some(codec);
        packet.truncate(made.ok()?.ok()?);
        // One frame a packet, which is what the encoder makes of 20 ms.
        packet.first().is_some_and(|toc| toc & 3 == 0).then_some(packet)
    }
}

fn begin() -> Option<Box<OpusEncoder>> {
    let mut codec = Box::new(OpusEncoder::new(RATE_HZ, 1, Application::Voip).ok()?);
    codec.bitrate_bps = BITRATE_BPS;
    codec.complexity = COMPLEXITY;
    codec.use_inband_fec = true;
    codec.packet_loss_perc = LOSS_PERCENT;
    Some(codec)
}

/// Appends packets of one frame each as one (RFC 6716 section 3.2.5, each frame with its length).
fn pack(frames: &[Vec<u8>], out: &mut Vec<u8>) {
    let [first, .., last] = frames else {
        return frames.iter().for_each(|only| out.extend_from_slice(only));
    };
    let (Some(toc), Ok(count)) = (first.first(), u8::try_from(frames.len())) else { return };
    out.extend([toc | 3, 0x80 | count]);
    for frame in frames.iter().take(frames.len() - 1) {
        out.extend(length(frame.len().saturating_sub(1)));
    }
    debug_assert!(last.len() <= FRAME_MAX + 1, "a frame has at most 1275 octets");
    frames.iter().for_each(|frame| out.extend(frame.iter().skip(1)));
}

/// Writes a frame's length (RFC 6716 section 3.2.1).
fn length(octets: usize) -> Vec<u8> {
    let octet = |value: usize| u8::try_from(value).unwrap_or(u8::MAX);
    match octets {
        short @ 0..252 => vec![octet(short)],
        long => {
            let first = 252 + (long & 3);
            vec![octet(first), octet((long - first) / 4)]
        }
    }
}
