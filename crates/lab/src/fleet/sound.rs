//! What each end says, a tone of its own, and how it is found again in a recording.

use std::f64::consts::TAU;
use std::io::Cursor;

use super::talk::Side;

/// A frame that is judged: 20 ms.
const FRAME: usize = 160;
const FRAME_MS: u64 = 20;
const RATE_HZ: f64 = 8_000.0;
/// Below this root mean square a frame is silent.
const SILENT_RMS: f64 = 200.0;
/// How much of a frame's beginning or end is silent where sound begins, ends or is lost, in samples: 8 ms.
const EDGE: usize = 64;
/// Silence is looked for in steps of 1 ms.
const STEP: usize = 8;
/// The share of a frame's power that has to be in the tone.
const PURE: f64 = 0.6;

/// How many tones each side has.
const TONES: usize = 7;

/// Gives the tone of one end of a call; neighbours have others, and each side sounds as no other.
#[must_use]
pub fn tone_hz(call: usize, side: Side) -> u32 {
    let step = u32::try_from(call % TONES).unwrap_or(0);
    match side {
        Side::Customer => 350 + 100 * step,
        Side::Agent => 1_250 + 100 * step,
        Side::Other => 2_250 + 100 * step,
    }
}

/// What is in a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// Its length, in ms.
    pub duration_ms: u64,
    /// The customer's channel, left.
    pub customer: Channel,
    /// The agent's, right.
    pub agent: Channel,
}

/// What is in one channel, in its order; what is between is silent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Channel {
    /// Everything that is heard.
    pub runs: Vec<Run>,
}

/// A part of a channel in which one thing is heard without a silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Whose tone; `None` for what is nobody's.
    pub tone_hz: Option<u32>,
    /// Where it begins, in ms.
    pub from_ms: u64,
    /// Where it ends, in ms.
    pub until_ms: u64,
}

impl Run {
    /// Gives its length, in ms.
    #[must_use]
    pub fn length_ms(self) -> u64 {
        self.until_ms.saturating_sub(self.from_ms)
    }
}

impl Channel {
    /// Gives how long a tone is heard, in ms.
    #[must_use]
    pub fn heard_ms(&self, hz: u32) -> u64 {
        self.runs.iter().filter(|run| run.tone_hz == Some(hz)).map(|run| run.length_ms()).sum()
    }

    /// Lists which of these tones are heard, each once for every turn that it has.
    #[must_use]
    pub fn turns(&self, own: &[u32]) -> Vec<u32> {
        let tones = self.runs.iter().filter_map(|run| run.tone_hz);
        let mut turns: Vec<u32> = tones.filter(|hz| own.contains(hz)).collect();
        turns.dedup();
        turns
    }

    /// Lists what is heard beside these tones.
    #[must_use]
    pub fn strange(&self, own: &[u32]) -> Vec<Run> {
        let is_own = |run: &Run| run.tone_hz.is_some_and(|hz| own.contains(&hz));
        self.runs.iter().copied().filter(|run| !is_own(run)).collect()
    }

    /// Lists the silences between its first and its last sound that are longer than this, in ms.
    #[must_use]
    pub fn gaps_ms(&self, longer_than: u64) -> Vec<u64> {
        let gaps = self.runs.iter().zip(self.runs.iter().skip(1));
        let gaps = gaps.map(|(before, after)| after.from_ms.saturating_sub(before.until_ms));
        gaps.filter(|gap| *gap > longer_than).collect()
    }
}

/// Why a file is no recording.
#[derive(Debug, thiserror::Error)]
pub enum SoundError {
    /// It is no WAV file.
    #[error("the file is no WAV: {0}")]
    NotWav(#[from] hound::Error),
    /// It is not stereo of 16 bits at 8 kHz.
    #[error("the file has {channels} channels of {bits} bits at {rate_hz} Hz")]
    Shape {
        /// Channels.
        channels: u16,
        /// Bits a sample.
        bits: u16,
        /// Samples per second.
        rate_hz: u32,
    },
}

/// Listens to a recording.
///
/// # Errors
/// When it is no stereo WAV of 16 bits at 8 kHz.
pub fn listen(wav: &[u8]) -> Result<Listening, SoundError> {
    let reader = hound::WavReader::new(Cursor::new(wav))?;
    let shape = reader.spec();
    if (shape.channels, shape.bits_per_sample, shape.sample_rate) != (2, 16, 8_000) {
        let (channels, bits, rate_hz) = (shape.channels, shape.bits_per_sample, shape.sample_rate);
        return Err(SoundError::Shape { channels, bits, rate_hz });
    }
    let samples: Vec<i16> = reader.into_samples().collect::<Result<_, _>>()?;
    let channel = |first: usize| samples.iter().skip(first).step_by(2).copied().collect::<Vec<i16>>();
    let (left, right) = (channel(0), channel(1));
    Ok(Listening {
        duration_ms: left.len() as u64 / 8,
        customer: judge_channel(&left),
        agent: judge_channel(&right),
    })
}

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Frame {
    Silence,
    Tone(u32),
    /// Sound beside silence, too short to tell whose.
    Edge,
    Noise,
}

fn judge_channel(samples: &[i16]) -> Channel {
    let tones: Vec<u32> = (0..TONES).flat_map(|call| Side::ALL.map(|side| tone_hz(call, side))).collect();
    let mut frames: Vec<Frame> = samples.chunks_exact(FRAME).map(|frame| heard(frame, &tones)).collect();
    round_off(&mut frames);
    let mut runs: Vec<Run> = Vec::new();
    let mut from = 0;
    for same in frames.chunk_by(|a, b| a == b) {
        let until = from + same.len();
        let [from_ms, until_ms] = [from, until].map(|place| place as u64 * FRAME_MS);
        from = until;
        let tone_hz = match same.first() {
            Some(Frame::Tone(hz)) => Some(*hz),
            Some(Frame::Noise) => None,
            Some(Frame::Silence | Frame::Edge) | None => continue,
        };
        runs.push(Run { tone_hz, from_ms, until_ms });
    }
    Channel { runs }
}

/// What begins or ends within a frame makes noise of that one: alone it counts as the tone beside it, and so does sound beside
/// silence, wherever it stands.
fn round_off(frames: &mut [Frame]) {
    let heard = frames.to_vec();
    let tone = |frame: &&Frame| matches!(frame, Frame::Tone(_));
    for (place, frame) in frames.iter_mut().enumerate() {
        let (before, after) = heard.split_at(place);
        let after = after.get(1..).unwrap_or_default();
        let beside = [before.last(), after.first()];
        let alone = *frame == Frame::Noise && !beside.contains(&Some(&Frame::Noise));
        let spoken = beside.into_iter().flatten().find(tone);
        let nearest = match *frame {
            Frame::Noise if alone => spoken,
            // Lost packets leave a row of edges: whoever spoke before them goes on.
            Frame::Edge => spoken.or_else(|| before.iter().rev().chain(after).find(tone)),
            _ => continue,
        };
        *frame = nearest.copied().unwrap_or(Frame::Silence);
    }
}

fn heard(frame: &[i16], tones: &[u32]) -> Frame {
    if rms(frame) < SILENT_RMS {
        return Frame::Silence;
    }
    match tones.iter().copied().find(|hz| is_tone(frame, *hz)) {
        Some(hz) => Frame::Tone(hz),
        None if is_edge(frame) => Frame::Edge,
        None => Frame::Noise,
    }
}

/// Tells whether a frame begins or ends with silence.
fn is_edge(frame: &[i16]) -> bool {
    let silent = |step: &[i16]| rms(step) < SILENT_RMS;
    let before = frame.chunks(STEP).take_while(|step| silent(step)).count();
    let after = frame.chunks(STEP).rev().take_while(|step| silent(step)).count();
    before.max(after) * STEP >= EDGE
}

fn rms(frame: &[i16]) -> f64 {
    let power: f64 = frame.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    (power / frame.len().max(1) as f64).sqrt()
}

/// Tells whether most of a frame's power is at one frequency (Goertzel's sum, written out).
fn is_tone(frame: &[i16], hz: u32) -> bool {
    let level = rms(frame);
    let (mut re, mut im) = (0.0, 0.0);
    for (index, sample) in frame.iter().enumerate() {
        let angle = TAU * f64::from(hz) * index as f64 / RATE_HZ;
        re += f64::from(*sample) * angle.cos();
        im += f64::from(*sample) * angle.sin();
    }
    // A sine of amplitude A sums up to A * n / 2, and its mean square is A^2 / 2.
    let amplitude = 2.0 * re.hypot(im) / frame.len() as f64;
    amplitude * amplitude / 2.0 >= PURE * level * level
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wav(left_hz: u32, right_hz: u32, silent_ms: std::ops::Range<usize>) -> Vec<u8> {
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec).unwrap();
        for n in 0..8_000 {
            for hz in [left_hz, right_hz] {
                let loud = if silent_ms.contains(&(n / 8)) { 0.0 } else { 8_000.0 };
                let sample = loud * (TAU * f64::from(hz) * n as f64 / RATE_HZ).sin();
                #[allow(clippy::cast_possible_truncation)]
                writer.write_sample(sample as i16).unwrap();
            }
        }
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    fn samples_of(wav: &[u8]) -> Vec<i16> {
        let reader = hound::WavReader::new(Cursor::new(wav)).unwrap();
        reader.into_samples().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn each_end_is_found_in_its_own_channel_and_a_gap_is_measured() {
        let (customer, agent) = (tone_hz(5, Side::Customer), tone_hz(5, Side::Agent));
        let runs = |runs: &[(Option<u32>, u64, u64)]| {
            let run = |&(tone_hz, from_ms, until_ms): &_| Run { tone_hz, from_ms, until_ms };
            Channel { runs: runs.iter().map(run).collect() }
        };
        let whole = listen(&wav(customer, agent, 0..0)).unwrap();
        assert_eq!(whole.duration_ms, 1_000);
        assert_eq!(whole.customer, runs(&[(Some(customer), 0, 1_000)]));
        assert_eq!(whole.agent, runs(&[(Some(agent), 0, 1_000)]));
        let cut = listen(&wav(customer, agent, 400..612)).unwrap().customer;
        assert_eq!((cut.heard_ms(customer), cut.gaps_ms(60)), (800, vec![200]));
        assert_eq!(cut.strange(&[customer]), [], "that it begins within a frame is nothing strange");
        let mut mixed = samples_of(&wav(customer, agent, 0..0));
        for (n, pair) in mixed.chunks_exact_mut(2).enumerate().skip(4_000).take(1_600) {
            pair[1] = pair[0].wrapping_mul(i16::from(n % 2 == 0));
        }
        let strange = judge_channel(&mixed.iter().skip(1).step_by(2).copied().collect::<Vec<_>>());
        assert_eq!(strange.strange(&[agent]), [Run { tone_hz: None, from_ms: 500, until_ms: 700 }]);
        let nothing = listen(&wav(customer, agent, 0..1_000)).unwrap();
        assert_eq!(nothing.customer, Channel::default());
        assert_ne!(tone_hz(5, Side::Customer), tone_hz(6, Side::Customer), "neighbours can be told apart");
        assert!(listen(b"RIFF").is_err());
    }

    /// A tone of 20 packets, of which some are lost, `ahead` samples before the frames in which it is looked at.
    fn lossy(lost: &[usize], ahead: usize) -> Channel {
        let hz = f64::from(tone_hz(2, Side::Agent));
        let sample = |n: usize| {
            let loud = if lost.contains(&(n / FRAME)) { 0.0 } else { 8_000.0 };
            #[allow(clippy::cast_possible_truncation)]
            let sample = (loud * (TAU * hz * n as f64 / RATE_HZ).sin()) as i16;
            sample
        };
        judge_channel(&(ahead..20 * FRAME).map(sample).collect::<Vec<_>>())
    }

    #[test]
    fn lost_packets_are_gaps_and_nothing_strange_wherever_frames_begin() {
        for ahead in 0..FRAME {
            for (lost, most_ms) in [(&[5][..], 20), (&[5, 7, 9, 11], 20), (&[4, 5, 6, 9], 60)] {
                let (heard, own) = (lossy(lost, ahead), [tone_hz(2, Side::Agent)]);
                assert_eq!(
                    (heard.turns(&own), heard.strange(&own)),
                    (own.to_vec(), Vec::new()),
                    "{ahead} {lost:?}"
                );
                let longest = heard.gaps_ms(0).into_iter().max().unwrap_or(0);
                assert!((most_ms - 20..=most_ms).contains(&longest), "{ahead} {lost:?}: {longest}");
            }
        }
    }

    #[test]
    fn two_who_speak_in_turn_are_told_apart_in_one_channel() {
        let (first, second) = (tone_hz(3, Side::Agent), tone_hz(3, Side::Other));
        let [before, after] = [first, second].map(|hz| samples_of(&wav(hz, hz, 0..0)));
        let one_side = |samples: &[i16]| samples.iter().step_by(2).copied().take(4_000).collect::<Vec<_>>();
        let handed_over = judge_channel(&[one_side(&before), vec![0; 1_600], one_side(&after)].concat());
        assert_eq!(handed_over.turns(&[first, second]), [first, second]);
        assert_eq!((handed_over.heard_ms(first), handed_over.heard_ms(second)), (500, 500));
        assert_eq!((handed_over.gaps_ms(60), handed_over.strange(&[first, second])), (vec![200], Vec::new()));
        assert_eq!(handed_over.strange(&[first]).len(), 1);
        let back = judge_channel(&[one_side(&before), one_side(&after), one_side(&before)].concat());
        assert_eq!(back.turns(&[first, second]), [first, second, first]);
    }
}
