//! The sound of one direction of a recording: payloads in, samples of the file's rate out, gaps included.

use std::collections::VecDeque;

use crate::codec::{AudioCodec, Decoder, Resampler, SampleRate};
use crate::conceal::{Concealment, FADED_MS, Losses};
use crate::rtp::PayloadKind;
use crate::{TICKS_PER_MS, opus};

/// A packet behind a loss, which may know something of the one before it.
#[derive(Debug)]
pub(crate) struct Behind {
    pub(crate) ssrc: u32,
    pub(crate) kind: PayloadKind,
    pub(crate) payload: Box<[u8]>,
}

/// Who speaks, and in what: a decoder remembers its own stream only.
#[derive(Debug)]
struct Speaker {
    ssrc: u32,
    codec: AudioCodec,
    decoder: Decoder,
}

#[derive(Debug)]
pub(crate) struct Voice {
    rate: SampleRate,
    speaker: Option<Speaker>,
    resampler: Resampler,
    concealment: Option<Concealment>,
    /// What the decoder made of the loss that is being played.
    bridge: Option<VecDeque<i16>>,
    decoded: Vec<i16>,
}

impl Voice {
    pub(crate) fn new(rate: SampleRate, losses: Losses) -> Self {
        let concealment = match losses {
            Losses::Silent => None,
            Losses::Concealed => Some(Concealment::new(rate)),
        };
        let resampler = Resampler::new(rate);
        Self { rate, speaker: None, resampler, concealment, bridge: None, decoded: Vec::new() }
    }

    /// Appends a packet without its first ticks.
    pub(crate) fn play(
        &mut self,
        (ssrc, codec): (u32, AudioCodec),
        payload: &[u8],
        skip: usize,
        out: &mut Vec<i16>,
    ) {
        self.bridge = None;
        if self.speaker.as_ref().is_none_or(|known| (known.ssrc, known.codec) != (ssrc, codec)) {
            if self.spoken_rate() != codec.rate() {
                self.resampler = Resampler::new(self.rate);
            }
            self.speaker = Some(Speaker { ssrc, codec, decoder: Decoder::new(codec) });
        }
        self.decoded.clear();
        if let Some(speaker) = &mut self.speaker {
            speaker.decoder.decode(payload, &mut self.decoded);
        }
        let fresh = self.decoded.get(skip * codec.rate().per_tick()..).unwrap_or_default();
        let begin = out.len();
        self.resampler.push(codec.rate(), fresh, out);
        if let Some(concealment) = &mut self.concealment {
            concealment.heard(out.get(begin..).unwrap_or_default());
        }
    }

    /// Appends silence.
    pub(crate) fn silence(&mut self, ticks: usize, out: &mut Vec<i16>) {
        self.bridge = None;
        if let Some(concealment) = &mut self.concealment {
            concealment.forget();
        }
        // What the resampler still holds of the sound before has its place at the beginning of the silence.
        let from = self.spoken_rate();
        self.decoded.clear();
        self.decoded.resize(ticks * from.per_tick(), 0);
        self.resampler.push(from, &self.decoded, out);
    }

    /// Appends what stands for a loss, of which `left` ticks are to come until the packet behind it.
    pub(crate) fn lost(&mut self, ticks: usize, left: usize, behind: &Behind, out: &mut Vec<i16>) {
        if self.concealment.is_none() {
            return self.silence(ticks, out);
        }
        if self.bridge.is_none() {
            self.bridge = self.bridged(left, behind);
        }
        let samples = ticks * self.rate.per_tick();
        match (&mut self.bridge, &mut self.concealment) {
            (Some(bridge), _) => {
                let end = out.len() + samples;
                out.extend(bridge.drain(..samples.min(bridge.len())));
                out.resize(end, 0);
            }
            (None, Some(concealment)) => concealment.fill(samples, out),
            (None, None) => {}
        }
    }

    /// Lets a decoder that can do it bridge a loss: what was before goes on and fades, and the last frame is rebuilt from the
    /// packet behind it. `None` where the decoder knows nothing of losses.
    fn bridged(&mut self, ticks: usize, behind: &Behind) -> Option<VecDeque<i16>> {
        let Speaker { ssrc, decoder: Decoder::Opus(decoder), .. } = self.speaker.as_mut()? else {
            return None;
        };
        let same = (*ssrc, PayloadKind::Audio(AudioCodec::Opus)) == (behind.ssrc, behind.kind);
        // Frames are of 2.5 ms or a multiple of it.
        let rebuilt = if same { opus::frame_ticks(&behind.payload).min(ticks) } else { 0 };
        let faded = (FADED_MS * usize::try_from(TICKS_PER_MS).unwrap_or(8)).min(ticks - rebuilt);
        let (faded, rebuilt) = (whole(faded), whole(rebuilt));
        self.decoded.clear();
        decoder.conceal(faded, &mut self.decoded);
        self.decoded.resize(ticks.saturating_sub(rebuilt) * AudioCodec::Opus.rate().per_tick(), 0);
        if rebuilt > 0 {
            decoder.rebuild(&behind.payload, rebuilt, &mut self.decoded);
        }
        let mut made = Vec::new();
        self.resampler.push(AudioCodec::Opus.rate(), &self.decoded, &mut made);
        Some(made.into())
    }

    fn spoken_rate(&self) -> SampleRate {
        self.speaker.as_ref().map_or(self.rate, |speaker| speaker.codec.rate())
    }
}

/// Cuts a span to whole steps of 2.5 ms.
fn whole(ticks: usize) -> usize {
    ticks / 20 * 20
}
