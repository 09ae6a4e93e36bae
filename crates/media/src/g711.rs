//! G.711 A-law and mu-law to and from linear 16-bit samples, for recordings and tests.
//!
//! Not used by the relay, which passes payloads untouched. ITU-T G.711 tables 1a to 2b: the linear values
//! are the recommendation's 13-bit (A-law) and 14-bit (mu-law) values shifted up to 16 bits.

const ULAW_BIAS: i16 = 0x84;
const ULAW_CLIP: u16 = 32_635;

/// Expands one mu-law code.
#[must_use]
pub fn decode_ulaw(code: u8) -> i16 {
    let code = !code;
    let segment = (code >> 4) & 0x07;
    let step = i16::from(code & 0x0f);
    let magnitude = (((step << 3) + ULAW_BIAS) << segment) - ULAW_BIAS;
    if code & 0x80 == 0 { magnitude } else { -magnitude }
}

/// Compresses one sample to mu-law.
#[must_use]
pub fn encode_ulaw(sample: i16) -> u8 {
    let magnitude = sample.unsigned_abs().min(ULAW_CLIP) + ULAW_BIAS.unsigned_abs();
    let segment = 8 - magnitude.leading_zeros();
    let [step, _] = ((magnitude >> (segment + 3)) & 0x0f).to_le_bytes();
    let [segment, ..] = segment.to_le_bytes();
    let sign = if sample < 0 { 0x80 } else { 0 };
    !(sign | (segment << 4) | step)
}

/// Expands one A-law code.
#[must_use]
pub fn decode_alaw(code: u8) -> i16 {
    let code = code ^ 0x55;
    let segment = (code >> 4) & 0x07;
    let step = i16::from(code & 0x0f) << 4;
    let magnitude = match segment {
        0 => step + 0x08,
        _ => (step + 0x108) << (segment - 1),
    };
    if code & 0x80 == 0 { -magnitude } else { magnitude }
}

/// Compresses one sample to A-law.
#[must_use]
pub fn encode_alaw(sample: i16) -> u8 {
    let (sign, magnitude) = if sample < 0 { (0, !sample) } else { (0x80, sample) };
    let level = magnitude.unsigned_abs() >> 4;
    let segment = 12_u32.saturating_sub(level.leading_zeros());
    let [step, _] = ((level >> segment.saturating_sub(1)) & 0x0f).to_le_bytes();
    let [segment, ..] = segment.to_le_bytes();
    (sign | (segment << 4) | step) ^ 0x55
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Table 2a of the recommendation as a formula: `2^s * (33 + 2q) - 33`, 14 bits.
    fn ulaw_value(code: u8) -> i32 {
        let inverted = 255 - i32::from(code);
        let (segment, step) = ((inverted % 128) / 16, inverted % 16);
        let value = 2_i32.pow(u32::try_from(segment).unwrap()) * (33 + 2 * step) - 33;
        if inverted >= 128 { -value * 4 } else { value * 4 }
    }

    /// Table 1a as a formula, 13 bits, even bits inverted.
    fn alaw_value(code: u8) -> i32 {
        let plain = i32::from(code ^ 0b0101_0101);
        let (segment, step) = ((plain % 128) / 16, plain % 16);
        let value = match segment {
            0 => 2 * step + 1,
            s => 2_i32.pow(u32::try_from(s - 1).unwrap()) * (33 + 2 * step),
        };
        if plain >= 128 { value * 8 } else { -value * 8 }
    }

    #[test]
    fn every_code_expands_to_the_value_of_the_itu_formula() {
        for code in 0..=u8::MAX {
            assert_eq!(i32::from(decode_ulaw(code)), ulaw_value(code), "mu-law {code:#x}");
            assert_eq!(i32::from(decode_alaw(code)), alaw_value(code), "A-law {code:#x}");
        }
    }

    /// Half the distance between the decision values on either side of a code's value, in 16 bits.
    fn half_step(segment: u8, scale: i32) -> i32 {
        scale << segment
    }

    #[test]
    fn every_sample_compresses_to_the_code_between_whose_decision_values_it_lies() {
        for sample in i16::MIN..=i16::MAX {
            let wanted = i32::from(sample).abs();
            let code = encode_ulaw(sample);
            let value = ulaw_value(code);
            let reach = half_step((!code >> 4) & 7, 4);
            assert!((value.abs() - wanted).abs() <= reach || wanted > 32_635, "mu-law {sample}: {value}");
            assert!(value == 0 || (value < 0) == (sample < 0), "mu-law sign of {sample}");
            let code = encode_alaw(sample);
            let value = alaw_value(code);
            let reach = half_step((((code ^ 0x55) >> 4) & 7).saturating_sub(1), 8);
            assert!((value.abs() - wanted).abs() <= reach, "A-law {sample}: {value}");
            assert_eq!(value < 0, sample < 0, "A-law sign of {sample}");
        }
    }

    #[test]
    fn every_code_survives_expansion_and_compression() {
        for code in 0..=u8::MAX {
            assert_eq!(encode_alaw(decode_alaw(code)), code);
            let back = encode_ulaw(decode_ulaw(code));
            // 0x7f is the negative zero: it has the value of 0xff and no sample of its own.
            assert_eq!(back, if code == 0x7f { 0xff } else { code });
        }
    }
}
