//! Tones, G.711 A-law and WAV files: what a test sends and how it finds it again.

use std::f64::consts::TAU;
use std::path::Path;

use serde_json::Value;

/// Samples in a second of telephone sound.
pub(crate) const RATE_HZ: u32 = 8000;

/// `count` samples of a sine, beginning with sample number `first`; the amplitude is 0.3 of full scale.
pub(crate) fn sine(hz: u32, first: u64, count: usize) -> Vec<i16> {
    let step = TAU * f64::from(hz) / f64::from(RATE_HZ);
    (0..count as u64).map(|n| quantize(0.3 * ((first + n) as f64 * step).sin())).collect()
}

#[expect(clippy::cast_possible_truncation, reason = "clamped to the range of a sample")]
fn quantize(value: f64) -> i16 {
    (value * 32767.0).clamp(-32768.0, 32767.0) as i16
}

/// G.711 A-law of one sample (ITU-T G.711, table 1a; even bits inverted).
pub(crate) fn to_alaw(sample: i16) -> u8 {
    let (sign, magnitude) = if sample >= 0 { (0x80, sample) } else { (0, !sample) };
    let magnitude = magnitude >> 3;
    let code = if magnitude < 32 {
        magnitude >> 1
    } else {
        let segment = 11 - magnitude.leading_zeros();
        let segment = i16::try_from(segment).expect("at most 7");
        (segment << 4) | ((magnitude >> segment) & 0x0f)
    };
    (sign | u8::try_from(code).expect("seven bits")) ^ 0x55
}

/// The sample that an A-law byte stands for.
pub(crate) fn from_alaw(byte: u8) -> i16 {
    let code = byte ^ 0x55;
    let (segment, step) = (i16::from(code >> 4 & 7), i16::from(code & 0x0f));
    let magnitude = match segment {
        0 => (step << 4) + 8,
        _ => ((step << 4) + 0x108) << (segment - 1),
    };
    if code & 0x80 != 0 { magnitude } else { -magnitude }
}

/// How loud the tone of `hz` is in `samples`: its amplitude as a part of full scale (Goertzel).
pub(crate) fn level(samples: &[i16], rate_hz: u32, hz: u32) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    let factor = 2.0 * (TAU * f64::from(hz) / f64::from(rate_hz)).cos();
    let (mut before, mut last) = (0.0, 0.0);
    for &sample in samples {
        let next = f64::from(sample) / 32768.0 + factor * last - before;
        (before, last) = (last, next);
    }
    let power = last * last + before * before - factor * last * before;
    2.0 * power.max(0.0).sqrt() / samples.len() as f64
}

/// A WAV file, taken apart into its channels.
#[derive(Debug)]
pub(crate) struct Wav {
    /// The samples of each channel; 0 is the left one.
    pub(crate) channels: Vec<Vec<i16>>,
    /// Samples a second.
    pub(crate) rate_hz: u32,
}

impl Wav {
    /// Reads a 16-bit file; fails the test if it is none.
    pub(crate) fn open(path: &Path) -> Self {
        let reader = hound::WavReader::open(path);
        let mut reader = reader.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let spec = reader.spec();
        assert_eq!(spec.bits_per_sample, 16, "{}", path.display());
        let mut channels = vec![Vec::new(); usize::from(spec.channels)];
        for (index, sample) in reader.samples::<i16>().enumerate() {
            channels[index % usize::from(spec.channels)].push(sample.expect("a whole sample"));
        }
        Self { channels, rate_hz: spec.sample_rate }
    }

    /// Fails the test unless the file is as long as the talk of `interaction` within 20 ms. It may begin earlier by what the
    /// evidence of the answer took to become safe, at most 100 ms: the agent speaks already, and the customer hears it.
    pub(crate) fn is_as_long_as(&self, interaction: &Value) {
        let talk_ms = interaction["talk_ms"].as_u64().unwrap_or_else(|| panic!("no talk_ms: {interaction}"));
        let length_ms = self.duration_ms();
        let right = talk_ms.saturating_sub(20)..=talk_ms + 20 + 100;
        assert!(right.contains(&length_ms), "WAV {length_ms} ms, talk {talk_ms} ms: {interaction}");
    }

    /// Writes one channel of telephone sound.
    pub(crate) fn write(path: &Path, samples: &[i16]) {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: RATE_HZ,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = hound::WavWriter::create(path, spec).expect("the file is made");
        for &sample in samples {
            writer.write_sample(sample).expect("the sample is written");
        }
        writer.finalize().expect("the file is finished");
    }

    /// How long it is, in milliseconds.
    pub(crate) fn duration_ms(&self) -> u64 {
        let samples = self.channels.first().map_or(0, Vec::len) as u64;
        samples * 1000 / u64::from(self.rate_hz)
    }

    /// How loud the tone of `hz` is in a whole channel, as a part of full scale.
    pub(crate) fn tone_in(&self, channel: usize, hz: u32) -> f64 {
        level(&self.channels[channel], self.rate_hz, hz)
    }

    /// How loud the tone of `hz` is in a channel between two moments in milliseconds.
    pub(crate) fn tone_between(&self, channel: usize, hz: u32, from_ms: u64, until_ms: u64) -> f64 {
        let samples = &self.channels[channel];
        let at =
            |ms: u64| usize::try_from(ms * u64::from(self.rate_hz) / 1000).expect("fits").min(samples.len());
        level(&samples[at(from_ms)..at(until_ms)], self.rate_hz, hz)
    }
}
