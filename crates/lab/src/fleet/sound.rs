//! What each end says, a tone of its own, and how it is found again in a recording.

use std::f64::consts::TAU;
use std::io::Cursor;

use super::world::Side;

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

/// Gives the tone of one end of a call; neighbours have others, and no customer sounds as any agent.
#[must_use]
pub fn tone_hz(call: usize, side: Side) -> u32 {
    let step = u32::try_from(call % TONES).unwrap_or(0);
    match side {
        Side::Customer => 350 + 100 * step,
        Side::Agent => 1_250 + 100 * step,
    }
}

/// What is in a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listening {
    /// Its length, in ms.
    pub duration_ms: u64,
    /// The customer's channel, left.
    pub customer: Channel,
    /// The agent's, right.
    pub agent: Channel,
}

/// What is in one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Channel {
    /// The tone that is there the longest; `None` when nobody's is.
    pub tone_hz: Option<u32>,
    /// How long it is there, in ms.
    pub own_ms: u64,
    /// How long something else is there, in ms.
    pub foreign_ms: u64,
    /// Where that begins, in ms, and whose tone it is, if anybody's.
    pub foreign_from: Option<(u64, Option<u32>)>,
    /// The longest silence between its first and its last sound, in ms.
    pub gap_ms: u64,
}

impl Channel {
    /// Says what else is there.
    #[must_use]
    pub fn foreign(&self) -> String {
        let from = self.foreign_from.map_or(String::new(), |(at_ms, hz)| {
            let what = hz.map_or("noise".to_owned(), |hz| format!("a tone of {hz} Hz"));
            format!(", first {what} at {at_ms} ms")
        });
        format!("{} ms of it{from}", self.foreign_ms)
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

impl Frame {
    fn tone(self) -> Option<u32> {
        match self {
            Self::Tone(hz) => Some(hz),
            Self::Silence | Self::Edge | Self::Noise => None,
        }
    }
}

fn judge_channel(samples: &[i16]) -> Channel {
    let tones: Vec<u32> =
        (0..TONES).flat_map(|call| [Side::Customer, Side::Agent].map(|side| tone_hz(call, side))).collect();
    let frames: Vec<Frame> = samples.chunks_exact(FRAME).map(|frame| heard(frame, &tones)).collect();
    let length_ms = |wanted: Frame| frames.iter().filter(|frame| **frame == wanted).count() as u64 * FRAME_MS;
    let longest = tones.iter().copied().max_by_key(|hz| length_ms(Frame::Tone(*hz)));
    let Some(own) = longest.map(Frame::Tone).filter(|tone| length_ms(*tone) > 0) else {
        let foreign_ms = length_ms(Frame::Noise);
        return Channel { foreign_ms, ..Channel::default() };
    };
    let mut channel = Channel { tone_hz: longest, own_ms: length_ms(own), ..Channel::default() };
    let strange = |place: Option<usize>| {
        let frame = place.and_then(|place| frames.get(place));
        frame.is_some_and(|frame| ![own, Frame::Silence, Frame::Edge].contains(frame))
    };
    let mut gap_ms = None;
    for (place, frame) in frames.iter().enumerate() {
        if *frame == own || *frame == Frame::Edge && gap_ms.is_some() {
            channel.gap_ms = channel.gap_ms.max(gap_ms.unwrap_or(0));
            gap_ms = Some(0);
        } else if *frame == Frame::Silence {
            gap_ms = gap_ms.map(|gap| gap + FRAME_MS);
        } else if strange(place.checked_sub(1)) || strange(place.checked_add(1)) {
            // One alone is where the tone begins or ends within a frame.
            channel.foreign_ms += FRAME_MS;
            channel.foreign_from.get_or_insert((place as u64 * FRAME_MS, frame.tone()));
        }
    }
    channel
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
        let whole = listen(&wav(customer, agent, 0..0)).unwrap();
        assert_eq!(whole.duration_ms, 1_000);
        assert_eq!(whole.customer, Channel { tone_hz: Some(customer), own_ms: 1_000, ..Channel::default() });
        assert_eq!(whole.agent, Channel { tone_hz: Some(agent), ..whole.customer });
        let cut = listen(&wav(customer, agent, 400..600)).unwrap();
        assert_eq!((cut.customer.own_ms, cut.customer.gap_ms, cut.customer.foreign_ms), (800, 200, 0));
        let mut mixed = samples_of(&wav(customer, agent, 0..0));
        for (n, pair) in mixed.chunks_exact_mut(2).enumerate().skip(4_000).take(1_600) {
            pair[1] = pair[0].wrapping_mul(i16::from(n % 2 == 0));
        }
        let strange = judge_channel(&mixed.iter().skip(1).step_by(2).copied().collect::<Vec<_>>());
        assert_eq!((strange.foreign_ms, strange.foreign_from), (200, Some((500, None))));
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
                let heard = lossy(lost, ahead);
                assert_eq!(
                    (heard.tone_hz, heard.foreign_ms),
                    (Some(tone_hz(2, Side::Agent)), 0),
                    "{ahead} {lost:?}"
                );
                assert!(
                    (most_ms - 20..=most_ms).contains(&heard.gap_ms),
                    "{ahead} {lost:?}: {}",
                    heard.gap_ms
                );
            }
        }
    }
}
