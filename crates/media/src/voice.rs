//! The sound of one direction of a recording: payloads in, samples of the file's rate out, gaps included.

use crate::codec::{AudioCodec, Decoder, Resampler, SampleRate};
use crate::conceal::{Concealment, Losses};

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
    decoded: Vec<i16>,
}

impl Voice {
    pub(crate) fn new(rate: SampleRate, losses: Losses) -> Self {
        let concealment = match losses {
            Losses::Silent => None,
            Losses::Concealed => Some(Concealment::new(rate)),
        };
        Self { rate, speaker: None, resampler: Resampler::new(rate), concealment, decoded: Vec::new() }
    }

    /// Appends a payload without its first ticks.
    pub(crate) fn play(
        &mut self,
        ssrc: u32,
        codec: AudioCodec,
        payload: &[u8],
        skip: usize,
        out: &mut Vec<i16>,
    ) {
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
        if let Some(concealment) = &mut self.concealment {
            concealment.forget();
        }
        // What the resampler still holds of the sound before has its place at the beginning of the silence.
        let from = self.spoken_rate();
        self.decoded.clear();
        self.decoded.resize(ticks * from.per_tick(), 0);
        self.resampler.push(from, &self.decoded, out);
    }

    /// Appends what stands for a loss.
    pub(crate) fn lost(&mut self, ticks: usize, out: &mut Vec<i16>) {
        match &mut self.concealment {
            Some(concealment) => concealment.fill(ticks * self.rate.per_tick(), out),
            None => self.silence(ticks, out),
        }
    }

    fn spoken_rate(&self) -> SampleRate {
        self.speaker.as_ref().map_or(self.rate, |speaker| speaker.codec.rate())
    }
}
