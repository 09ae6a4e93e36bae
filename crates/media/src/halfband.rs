//! Between 8 and 16 kHz: one half-band filter of 47 taps, once as interpolator and once as decimator.
//!
//! Flat to 3.4 kHz within 0.02 dB, 57 dB down from 4.6 kHz on. Interpolation leaves every sample that was given
//! untouched in the even places, [`DELAY`] samples later, and puts the computed ones between them.

/// The taps beside the centre, from the inside; both halves add up to 1 in Q15. A Kaiser window with beta 5.5.
const TAPS: [i64; 12] = [20_782, -6_691, 3_744, -2_404, 1_616, -1_096, 733, -475, 294, -169, 87, -37];

/// Samples at 8 kHz by which either direction is late: 1.5 ms.
pub const DELAY: usize = 12;

fn clamped(value: i64) -> i16 {
    i16::try_from(value.clamp(i64::from(i16::MIN), i64::from(i16::MAX))).unwrap_or_default()
}

/// The point in the middle of 24 samples, in Q15.
fn middle(samples: &[i16; 24]) -> i64 {
    let (before, after) = samples.split_at(12);
    let pairs = before.iter().rev().zip(after);
    pairs.zip(TAPS).map(|((before, after), tap)| (i64::from(*before) + i64::from(*after)) * tap).sum()
}

/// From 8 to 16 kHz.
#[derive(Clone, Debug, Default)]
pub struct Upsampler {
    history: [i16; 24],
}

impl Upsampler {
    /// Appends two samples for each one given.
    pub fn push(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        out.reserve(samples.len() * 2);
        for sample in samples {
            self.history.rotate_left(1);
            self.history[23] = *sample;
            let between = (middle(&self.history) + (1 << 14)) >> 15;
            out.extend([self.history[11], clamped(between)]);
        }
    }
}

/// From 16 to 8 kHz.
#[derive(Clone, Debug, Default)]
pub struct Downsampler {
    /// The first samples of pairs; the one in the middle is the filter's centre.
    centres: [i16; 12],
    /// The second ones.
    sides: [i16; 24],
    first: Option<i16>,
}

impl Downsampler {
    /// Appends a sample for every two given.
    pub fn push(&mut self, samples: &[i16], out: &mut Vec<i16>) {
        for sample in samples {
            let Some(first) = self.first.take() else {
                self.first = Some(*sample);
                continue;
            };
            self.centres.rotate_left(1);
            self.centres[11] = first;
            self.sides.rotate_left(1);
            self.sides[23] = *sample;
            let centre = i64::from(self.centres[0]) << 15;
            out.push(clamped((centre + middle(&self.sides) + (1 << 15)) >> 16));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::cast_possible_truncation)]

    use super::*;

    fn tone(hz: f64, rate_hz: f64, len: u32) -> Vec<i16> {
        let radians = hz * std::f64::consts::TAU / rate_hz;
        (0..len).map(|n| (10_000.0 * (f64::from(n) * radians).sin()) as i16).collect()
    }

    fn power(samples: &[i16]) -> f64 {
        let sum: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
        sum / f64::from(u32::try_from(samples.len()).unwrap())
    }

    fn decibels(ratio: f64) -> f64 {
        10.0 * ratio.max(1e-12).log10()
    }

    #[test]
    fn what_was_given_stays_in_the_even_places() {
        let given = tone(1_234.0, 8_000.0, 500);
        let mut wide = Vec::new();
        given.chunks(7).fold(Upsampler::default(), |mut upsampler, part| {
            upsampler.push(part, &mut wide);
            upsampler
        });
        let even: Vec<i16> = wide.iter().step_by(2).copied().collect();
        assert_eq!(even[DELAY..], given[..given.len() - DELAY]);
    }

    #[test]
    fn telephone_speech_passes_both_ways_and_images_do_not() {
        for hz in [300.0, 1_000.0, 2_500.0, 3_400.0] {
            let given = tone(hz, 8_000.0, 4_000);
            let (mut wide, mut back) = (Vec::new(), Vec::new());
            Upsampler::default().push(&given, &mut wide);
            let ideal = tone(hz, 16_000.0, 8_000);
            let error: Vec<i16> =
                wide.iter().skip(2 * DELAY + 100).zip(ideal.iter().skip(100)).map(|(a, b)| a - b).collect();
            assert!(decibels(power(&error) / power(&ideal)) < -40.0, "{hz} Hz up");
            Downsampler::default().push(&wide, &mut back);
            assert!(decibels(power(&back[200..]) / power(&given)).abs() < 0.1, "{hz} Hz down");
        }
    }

    #[test]
    fn what_8_khz_cannot_carry_is_not_folded_into_it() {
        for hz in [4_800.0, 5_600.0, 7_000.0] {
            let mut narrow = Vec::new();
            let given = tone(hz, 16_000.0, 8_000);
            Downsampler::default().push(&given, &mut narrow);
            assert!(decibels(power(&narrow[100..]) / power(&given)) < -50.0, "{hz} Hz");
        }
    }

    #[test]
    fn full_scale_does_not_wrap() {
        let square: Vec<i16> = (0..400).map(|n| if n / 20 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let (mut wide, mut back) = (Vec::new(), Vec::new());
        Upsampler::default().push(&square, &mut wide);
        Downsampler::default().push(&wide, &mut back);
        let steps = wide.windows(2).filter(|pair| (i32::from(pair[0]) - i32::from(pair[1])).abs() > 60_000);
        assert_eq!(steps.count(), 0);
        assert_eq!(back.len(), square.len());
    }
}
