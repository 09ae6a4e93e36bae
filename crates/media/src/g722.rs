//! G.722 at 64 kbit/s to and from linear 16-bit samples at 16 kHz, for recordings and transcoding.
//!
//! Sub-band ADPCM: two samples are one octet, six bits for the lower and two for the higher band. Block names in
//! the comments are those of ITU-T G.722 section 6. Its RTP clock runs at 8 kHz all the same (RFC 3551 section
//! 4.5.2). No packet loss concealment (appendices III and IV) and none of the 56 and 48 kbit/s modes.

/// QMF coefficients of one phase (table 11); the other phase has them in reverse.
const QMF: [i32; 12] = [3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11];

/// Decision levels of the lower band (table 14, `Q6`).
const LEVELS: [i32; 29] = [
    35, 72, 110, 150, 190, 233, 276, 323, 370, 422, 473, 530, 587, 650, 714, 786, 858, 940, 1023, 1121, 1219,
    1339, 1458, 1612, 1765, 1980, 2195, 2557, 2919,
];
/// Decision level of the higher band (table 20).
const HIGH_LEVEL: i32 = 564;

/// Inverse quantizer of the lower band, six bits (table 15).
const INVERSE_6: [i32; 64] = [
    -136, -136, -136, -136, -24808, -21904, -19008, -16704, -14984, -13512, -12280, -11192, -10232, -9360,
    -8576, -7856, -7192, -6576, -6000, -5456, -4944, -4464, -4008, -3576, -3168, -2776, -2400, -2032, -1688,
    -1360, -1040, -728, 24808, 21904, 19008, 16704, 14984, 13512, 12280, 11192, 10232, 9360, 8576, 7856,
    7192, 6576, 6000, 5456, 4944, 4464, 4008, 3576, 3168, 2776, 2400, 2032, 1688, 1360, 1040, 728, 432, 136,
    -432, -136,
];
/// Inverse quantizer of the lower band, four bits, for the predictor (table 17).
const INVERSE_4: [i32; 16] =
    [0, -20456, -12896, -8968, -6288, -4240, -2584, -1200, 20456, 12896, 8968, 6288, 4240, 2584, 1200, 0];
/// Inverse quantizer of the higher band (table 21).
const INVERSE_2: [i32; 4] = [-7408, -1616, 7408, 1616];

/// Log scale multipliers of the lower band by its four bits (tables 17 and 18).
const STEP_4: [i32; 16] = [-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60];
/// Log scale multipliers of the higher band (table 21).
const STEP_2: [i32; 4] = [798, -214, 798, -214];

/// The inverse logarithm (table 19, `ILB`).
const INVERSE_LOG: [i32; 32] = [
    2048, 2093, 2139, 2186, 2233, 2282, 2332, 2383, 2435, 2489, 2543, 2599, 2656, 2714, 2774, 2834, 2896,
    2960, 3025, 3091, 3158, 3228, 3298, 3371, 3444, 3520, 3597, 3676, 3756, 3838, 3922, 4008,
];

fn saturate(value: i32) -> i32 {
    value.clamp(i32::from(i16::MIN), i32::from(i16::MAX))
}

fn sample(value: i32) -> i16 {
    i16::try_from(saturate(value)).unwrap_or_default()
}

/// Looks a table up; every index here is masked to the table's length.
fn entry<const N: usize>(table: &[i32; N], index: i32) -> i32 {
    usize::try_from(index).ok().and_then(|index| table.get(index)).copied().unwrap_or_default()
}

fn signs_agree(one: i32, other: i32) -> bool {
    (one < 0) == (other < 0)
}

/// The adaptive predictor and the scale factor of one band: alike in encoder and decoder.
#[derive(Clone, Debug)]
struct Band {
    scale: i32,
    log_scale: i32,
    estimate: i32,
    zero_estimate: i32,
    poles: [i32; 2],
    zeros: [i32; 6],
    differences: [i32; 6],
    reconstructed: [i32; 2],
    partial: [i32; 2],
}

impl Band {
    fn new(scale: i32) -> Self {
        Self {
            scale,
            log_scale: 0,
            estimate: 0,
            zero_estimate: 0,
            poles: [0; 2],
            zeros: [0; 6],
            differences: [0; 6],
            reconstructed: [0; 2],
            partial: [0; 2],
        }
    }

    fn scaled(&self, level: i32) -> i32 {
        (self.scale * level) >> 15
    }

    /// LOGSCL, SCALEL and their like of the higher band.
    fn rescale(&mut self, step: i32, log_max: i32, shift: i32) {
        self.log_scale = (((self.log_scale * 127) >> 7) + step).clamp(0, log_max);
        let mantissa = entry(&INVERSE_LOG, (self.log_scale >> 6) & 31);
        let shift = shift - (self.log_scale >> 11);
        self.scale = (if shift < 0 { mantissa << -shift } else { mantissa >> shift }) << 2;
    }

    /// RECONS to PREDIC: takes a quantized difference in and predicts the next sample.
    fn adapt(&mut self, difference: i32) {
        let reconstructed = saturate(self.estimate + difference);
        let partial = saturate(self.zero_estimate + difference);
        self.adapt_poles(partial);
        self.adapt_zeros(difference);
        self.differences.rotate_right(1);
        self.reconstructed.rotate_right(1);
        self.partial.rotate_right(1);
        [self.differences[0], self.reconstructed[0], self.partial[0]] = [difference, reconstructed, partial];
        let weighed = |(factor, value): (&i32, &i32)| (factor * saturate(value << 1)) >> 15;
        let pole_estimate = saturate(self.poles.iter().zip(&self.reconstructed).map(weighed).sum());
        self.zero_estimate = saturate(self.zeros.iter().zip(&self.differences).map(weighed).sum());
        self.estimate = saturate(pole_estimate + self.zero_estimate);
    }

    /// UPPOL2 and UPPOL1.
    fn adapt_poles(&mut self, partial: i32) {
        let [first, second] = self.poles;
        let [last, before] = self.partial;
        let lead = saturate(first << 2);
        let lead = if signs_agree(partial, last) { -lead } else { lead }.min(i32::from(i16::MAX));
        let step = if signs_agree(partial, before) { 128 } else { -128 };
        let second = ((lead >> 7) + step + ((second * 32_512) >> 15)).clamp(-12_288, 12_288);
        let step = if signs_agree(partial, last) { 192 } else { -192 };
        let limit = 15_360 - second;
        let first = saturate(step + ((first * 32_640) >> 15)).clamp(-limit, limit);
        self.poles = [first, second];
    }

    /// UPZERO.
    fn adapt_zeros(&mut self, difference: i32) {
        let step = if difference == 0 { 0 } else { 128 };
        for (zero, before) in self.zeros.iter_mut().zip(&self.differences) {
            let step = if signs_agree(difference, *before) { step } else { -step };
            *zero = saturate(step + ((*zero * 32_640) >> 15));
        }
    }

    fn adapt_low(&mut self, code: i32) {
        let code = (code >> 2) & 15;
        let difference = self.scaled(entry(&INVERSE_4, code));
        self.rescale(entry(&STEP_4, code), 18_432, 8);
        self.adapt(difference);
    }

    fn adapt_high(&mut self, code: i32) {
        let difference = self.scaled(entry(&INVERSE_2, code & 3));
        self.rescale(entry(&STEP_2, code & 3), 22_528, 10);
        self.adapt(difference);
    }
}

/// Both bands with their initial scale factors (section 5.2.8: DETL and DETH).
fn bands() -> [Band; 2] {
    [Band::new(32), Band::new(8)]
}

/// The last 24 samples of a quadrature mirror filter.
#[derive(Clone, Debug, Default)]
struct Mirror {
    history: [i32; 24],
}

impl Mirror {
    /// Takes two samples in and returns the sums of the even and of the odd places.
    fn filter(&mut self, pair: [i32; 2]) -> [i32; 2] {
        self.history.rotate_left(2);
        [self.history[22], self.history[23]] = pair;
        let even = self.history.iter().step_by(2).zip(QMF).map(|(sample, factor)| sample * factor);
        let odd = self.history.iter().skip(1).step_by(2).zip(QMF.iter().rev());
        [even.sum(), odd.map(|(sample, factor)| sample * factor).sum()]
    }
}

/// Expands octets.
#[derive(Clone, Debug)]
pub struct Decoder {
    bands: [Band; 2],
    mirror: Mirror,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { bands: bands(), mirror: Mirror::default() }
    }
}

impl Decoder {
    /// Appends two samples for each octet.
    pub fn decode(&mut self, octets: &[u8], out: &mut Vec<i16>) {
        out.reserve(octets.len() * 2);
        for octet in octets {
            let (low_code, high_code) = (i32::from(octet & 63), i32::from(octet >> 6));
            let [low, high] = &mut self.bands;
            let limited = |value: i32| value.clamp(-16_384, 16_383);
            let low_sample = limited(low.estimate + low.scaled(entry(&INVERSE_6, low_code)));
            let high_sample = limited(high.estimate + high.scaled(entry(&INVERSE_2, high_code)));
            low.adapt_low(low_code);
            high.adapt_high(high_code);
            let [even, odd] = self.mirror.filter([low_sample + high_sample, low_sample - high_sample]);
            out.extend([sample(odd >> 11), sample(even >> 11)]);
        }
    }
}

/// Compresses samples.
#[derive(Clone, Debug)]
pub struct Encoder {
    bands: [Band; 2],
    mirror: Mirror,
    /// The first sample of a pair whose second has not come.
    odd: Option<i16>,
}

impl Default for Encoder {
    fn default() -> Self {
        Self { bands: bands(), mirror: Mirror::default(), odd: None }
    }
}

impl Encoder {
    /// Appends an octet for every two samples.
    pub fn encode(&mut self, samples: &[i16], out: &mut Vec<u8>) {
        for sample in samples {
            match self.odd.take() {
                None => self.odd = Some(*sample),
                Some(first) => out.push(self.octet(first, *sample)),
            }
        }
    }

    fn octet(&mut self, first: i16, second: i16) -> u8 {
        let [even, odd] = self.mirror.filter([i32::from(first), i32::from(second)]);
        let [low, high] = &mut self.bands;
        let low_code = low_code(low, saturate(((odd + even) >> 14) - low.estimate));
        let high_code = high_code(high, saturate(((odd - even) >> 14) - high.estimate));
        low.adapt_low(low_code);
        high.adapt_high(high_code);
        u8::try_from((high_code << 6) | low_code).unwrap_or_default()
    }
}

/// QUANTL: codes fall as levels rise, from 61 for positive and from 63 for negative differences (table 14).
fn low_code(band: &Band, difference: i32) -> i32 {
    let magnitude = if difference < 0 { -(difference + 1) } else { difference };
    let above = |level: &&i32| magnitude >= (**level * band.scale) >> 12;
    let interval = i32::try_from(LEVELS.iter().take_while(above).count()).unwrap_or_default();
    match (difference < 0, interval) {
        (false, interval) => 61 - interval,
        (true, 0..=1) => 63 - interval,
        (true, interval) => 33 - interval,
    }
}

/// QUANTH.
fn high_code(band: &Band, difference: i32) -> i32 {
    let magnitude = if difference < 0 { -(difference + 1) } else { difference };
    let outer = magnitude >= (HIGH_LEVEL * band.scale) >> 12;
    match (difference < 0, outer) {
        (false, false) => 3,
        (false, true) => 2,
        (true, false) => 1,
        (true, true) => 0,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::cast_possible_truncation)]

    use sha2::{Digest, Sha256};

    use super::*;

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 7_u32;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_be_bytes()[0]
        };
        std::iter::repeat_with(next).take(len).collect()
    }

    fn digest(bytes: &[u8]) -> String {
        Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What `ffmpeg -f g722 -i noise -f s16le` makes of the same octets.
    #[test]
    fn arbitrary_octets_decode_bit_exactly_as_another_implementation_decodes_them() {
        let mut samples = Vec::new();
        Decoder::default().decode(&noise(32_000), &mut samples);
        let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        assert_eq!(digest(&bytes), "6cb987268469c22492937c3b770cd021475ba177af6548c6239e3603f56da9ec");
    }

    /// What `ffmpeg -f s16le -ar 16000 -ac 1 -i noise -c:a g722` makes of the same samples.
    #[test]
    fn arbitrary_samples_encode_bit_exactly_as_another_implementation_encodes_them() {
        let samples: Vec<i16> =
            noise(64_000).chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]) / 4).collect();
        let mut octets = Vec::new();
        Encoder::default().encode(&samples, &mut octets);
        assert_eq!(digest(&octets), "16a43d77040e837017e241b8a2587b63dfab9bb0ff7bb2354e613d6957fe1bcf");
    }

    #[test]
    fn packets_of_an_odd_length_lose_no_sample() {
        let samples: Vec<i16> = (0..4_000_i16).map(|n| n.wrapping_mul(37) % 9_000).collect();
        let (mut whole, mut parts) = (Vec::new(), Vec::new());
        Encoder::default().encode(&samples, &mut whole);
        let mut encoder = Encoder::default();
        samples.chunks(33).for_each(|part| encoder.encode(part, &mut parts));
        assert_eq!(parts, whole);
    }

    #[test]
    fn a_voice_survives_both_ways() {
        let tone: Vec<i16> = (0..16_000)
            .map(|n| (8_000.0 * (f64::from(n) * 1_000.0 * std::f64::consts::TAU / 16_000.0).sin()) as i16)
            .collect();
        let (mut octets, mut back) = (Vec::new(), Vec::new());
        Encoder::default().encode(&tone, &mut octets);
        Decoder::default().decode(&octets, &mut back);
        // Both filters together are 22 samples late (section 2.2).
        let noise: f64 = tone
            .iter()
            .skip(1_000)
            .zip(back.iter().skip(1_022))
            .map(|(a, b)| (f64::from(*a) - f64::from(*b)).powi(2))
            .sum();
        let signal: f64 = tone.iter().skip(1_000).map(|a| f64::from(*a).powi(2)).sum();
        assert!(signal / noise > 1_000.0, "signal to noise {}", signal / noise);
    }
}
