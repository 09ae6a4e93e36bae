//! What a path of packets sounds like: the E-model (ITU-T G.107, wideband G.107.1), as a pure function.
//!
//! Everything that is not measured here has the default of G.107 table 3: loudness, noise, sidetone, echo. The factors of
//! the codecs are those of G.113 appendix I. For G.722 the wideband factor of G.113 appendix IV is used on the scale of
//! G.107.1, which is brought to that of a MOS by 1.29; its robustness against loss is an approximation: a phone repeats
//! and fades as it does for G.711, but the adaptive predictors need time to come back, so half of that of G.711 is taken.
//! No recommendation has factors for Opus. Speech of 16 kHz at about 24 kbit/s is taken to be what AMR-WB is at 23.85 (8, G.113
//! appendix IV), and as robust as G.722 here: what rebuilds a lost packet helps against losses apart and not in a row, and
//! many senders leave it out.

use crate::codec::AudioCodec;

/// Basic signal-to-noise ratio with every default (G.107 clause 7.2).
const RO: f64 = 94.768_8;
/// Simultaneous impairment with every default (clause 7.3).
const IS: f64 = 1.413_6;
/// Echo path loudness, `TELR` (clause 7.4).
const TELR_DB: f64 = 65.0;
/// Weighted echo path loss, `WEPL`.
const WEPL_DB: f64 = 110.0;
/// How much wider the scale of G.107.1 is.
const WIDEBAND_SCALE: f64 = 1.29;
/// The rating of a wideband path without impairment (G.107.1).
const WIDEBAND_RO: f64 = 129.0;

/// What was measured of one path.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PathMeasure {
    /// What the packets are in.
    pub codec: AudioCodec,
    /// Packets that did not come, 0 to 1 (`Ppl`).
    pub loss: f64,
    /// How much longer losses are together than they would be by chance, from 1 on (`BurstR`).
    pub burst_ratio: f64,
    /// From mouth to ear, one way, in ms (`Ta`).
    pub delay_ms: f64,
}

/// The factors of a codec.
#[derive(Clone, Copy, Debug)]
struct Equipment {
    /// `Ie`.
    impairment: f64,
    /// `Bpl`.
    robustness: f64,
}

impl Equipment {
    /// G.711 with concealment, which phones have had for twenty years: table I.4; G.722 as said above.
    fn of(codec: AudioCodec) -> Self {
        match codec {
            AudioCodec::Pcma | AudioCodec::Pcmu => Self { impairment: 0.0, robustness: 25.1 },
            AudioCodec::G722 => Self { impairment: 13.0, robustness: 12.5 },
            AudioCodec::Opus => Self { impairment: 8.0, robustness: 12.5 },
        }
    }

    /// `Ie,eff` (G.107 formula 7-29).
    fn effective(self, loss: f64, burst_ratio: f64) -> f64 {
        let percent = 100.0 * loss.clamp(0.0, 1.0);
        let robust = percent / burst_ratio.max(1.0) + self.robustness;
        self.impairment + (95.0 - self.impairment) * percent / robust
    }
}

/// Returns the transmission rating `R`, on the scale of narrowband telephony: 93.2 is the best of G.711.
#[must_use]
pub fn rating(path: PathMeasure) -> f64 {
    let lost = Equipment::of(path.codec).effective(path.loss, path.burst_ratio);
    let delayed = delay_impairment(path.delay_ms.max(0.0));
    match path.codec {
        AudioCodec::Pcma | AudioCodec::Pcmu => RO - IS - delayed - lost,
        AudioCodec::G722 | AudioCodec::Opus => (WIDEBAND_RO - delayed - lost) / WIDEBAND_SCALE,
    }
}

/// Returns the mean opinion score of a rating, 1 to 4.5 (G.107 annex B).
#[must_use]
pub fn mos_of(rating: f64) -> f64 {
    match rating {
        poor if poor <= 0.0 => 1.0,
        best if best >= 100.0 => 4.5,
        // The cubic dips below 1 close to 0.
        r => (1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6).max(1.0),
    }
}

/// Returns the mean opinion score of a path.
#[must_use]
pub fn mos(path: PathMeasure) -> f64 {
    mos_of(rating(path))
}

/// `Id` (clause 7.4): echo to the talker, echo to the listener, and too long a way, with `T = Ta` and `Tr = 2 Ta`.
fn delay_impairment(delay_ms: f64) -> f64 {
    talker_echo(delay_ms) + listener_echo(2.0 * delay_ms) + pure_delay(delay_ms)
}

/// `Idte`.
fn talker_echo(delay_ms: f64) -> f64 {
    let telr = TELR_DB - 40.0 * ((1.0 + delay_ms / 10.0) / (1.0 + delay_ms / 150.0)).log10()
        + 6.0 * (-0.3 * delay_ms * delay_ms).exp();
    let re = 80.0 + 2.5 * (telr - 14.0);
    // `Roe` is `Ro` with the default loudness: SLR + RLR = 10 dB.
    let half = (RO - re) / 2.0;
    (half + (half * half + 100.0).sqrt() - 1.0) * (1.0 - (-delay_ms).exp())
}

/// `Idle`.
fn listener_echo(round_ms: f64) -> f64 {
    let rle = 10.5 * (WEPL_DB + 7.0) * (round_ms + 1.0).powf(-0.25);
    let half = (RO - rle) / 2.0;
    half + (half * half + 169.0).sqrt()
}

/// `Idd`.
fn pure_delay(delay_ms: f64) -> f64 {
    if delay_ms <= 100.0 {
        return 0.0;
    }
    let x = (delay_ms / 100.0).log2();
    let sixth = |x: f64| (1.0 + x.powi(6)).powf(1.0 / 6.0);
    25.0 * (sixth(x) - 3.0 * sixth(x / 3.0) + 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(codec: AudioCodec) -> PathMeasure {
        PathMeasure { codec, loss: 0.0, burst_ratio: 1.0, delay_ms: 0.0 }
    }

    fn close(value: f64, expected: f64, within: f64, what: &str) {
        assert!((value - expected).abs() <= within, "{what}: {value}, expected {expected}");
    }

    /// G.107 clause 7.7: with every default R is 93.2, and its MOS 4.41.
    #[test]
    fn the_default_of_the_recommendation_is_met() {
        close(rating(path(AudioCodec::Pcma)), 93.2, 0.05, "R");
        close(mos(path(AudioCodec::Pcmu)), 4.41, 0.005, "MOS");
    }

    /// G.107 table B.1.
    #[test]
    fn ratings_become_the_scores_of_the_published_table() {
        for (r, score) in [(90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58)] {
            close(mos_of(r), score, 0.01, &format!("R = {r}"));
        }
        assert_eq!((mos_of(-3.0), mos_of(0.0), mos_of(100.0), mos_of(120.0)), (1.0, 1.0, 4.5, 4.5));
        assert!((0..=1_000).all(|tenth| mos_of(f64::from(tenth) / 10.0) >= 1.0));
    }

    /// G.113 table I.2, G.711 with concealment and random loss: 5, 7, 10 at 1, 2, 3 percent.
    #[test]
    fn loss_impairs_as_the_published_values_of_g711_with_concealment_say() {
        let whole = rating(path(AudioCodec::Pcma));
        for (percent, impairment) in [(1.0, 5.0), (2.0, 7.0), (3.0, 10.0), (5.0, 15.0)] {
            let lossy = PathMeasure { loss: percent / 100.0, ..path(AudioCodec::Pcma) };
            close(whole - rating(lossy), impairment, 1.5, &format!("{percent} %"));
        }
    }

    /// G.114 figure I.1: 150 ms are hardly noticed, 400 ms are many users' limit.
    #[test]
    fn delay_impairs_little_up_to_150_ms_and_much_at_400() {
        for (delay_ms, r) in
            [(50.0, 91.8), (100.0, 90.7), (150.0, 89.5), (200.0, 85.8), (300.0, 72.7), (400.0, 62.3)]
        {
            close(
                rating(PathMeasure { delay_ms, ..path(AudioCodec::Pcma) }),
                r,
                0.1,
                &format!("{delay_ms} ms"),
            );
        }
    }

    #[test]
    fn losses_in_a_row_are_worse_than_losses_apart() {
        let apart = PathMeasure { loss: 0.03, ..path(AudioCodec::Pcma) };
        let together = PathMeasure { burst_ratio: 3.0, ..apart };
        assert!(mos(together) < mos(apart) - 0.02, "{} and {}", mos(together), mos(apart));
    }

    #[test]
    fn wideband_is_clean_above_4_3_and_everything_stays_on_the_scale() {
        for codec in [AudioCodec::G722, AudioCodec::Opus] {
            let clean = mos(path(codec));
            assert!((4.3..4.45).contains(&clean), "{codec:?}: {clean}");
        }
        assert!(mos(path(AudioCodec::Opus)) > mos(path(AudioCodec::G722)), "less is lost in it");
        for codec in AudioCodec::ALL {
            let scores: Vec<f64> = (0..=100)
                .map(|percent| mos(PathMeasure { loss: f64::from(percent) / 100.0, ..path(codec) }))
                .collect();
            assert!(scores.windows(2).all(|two| two[1] <= two[0]), "more loss is never better");
            assert!(scores.iter().all(|score| (1.0..=4.5).contains(score)));
            assert!(scores[100] < 1.8, "{}", scores[100]);
        }
    }
}
