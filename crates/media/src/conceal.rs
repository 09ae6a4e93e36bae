//! What stands in a recording for a lost packet: the last pitch period again and again, fading within 60 ms.
//!
//! After the idea of ITU-T G.711 appendix I, without its delay and its smoothed joints: what was received stays
//! as it was received, to the sample. It makes a talk easier to follow, never whole: losses are marked as well.

use crate::codec::SampleRate;

/// What stands where packets were lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Losses {
    /// Nothing.
    #[default]
    Silent,
    /// The sound before, fading.
    Concealed,
}

/// The shortest and the longest period of a voice looked for, in ms: 200 to 66 Hz.
const PERIOD_MS: [usize; 2] = [5, 15];
/// How much sound is compared with what was one period before, in ms.
const COMPARED_MS: usize = 20;
/// How long the repetition is as loud as the sound was, in ms.
const FULL_MS: usize = 10;
/// When it has faded out, in ms.
pub(crate) const FADED_MS: usize = 60;

/// A repetition under way.
#[derive(Clone, Copy, Debug)]
struct Repetition {
    period: usize,
    made: usize,
}

/// The memory of one direction.
#[derive(Debug)]
pub(crate) struct Concealment {
    per_ms: usize,
    heard: Vec<i16>,
    repetition: Option<Repetition>,
}

impl Concealment {
    pub(crate) fn new(rate: SampleRate) -> Self {
        let per_ms = usize::try_from(rate.per_ms()).unwrap_or(8);
        Self { per_ms, heard: Vec::new(), repetition: None }
    }

    /// Notes sound that was received.
    pub(crate) fn heard(&mut self, samples: &[i16]) {
        self.repetition = None;
        self.heard.extend_from_slice(samples);
        let surplus = self.heard.len().saturating_sub(self.memory());
        self.heard.drain(..surplus);
    }

    /// Forgets what was heard: silence is not repeated.
    pub(crate) fn forget(&mut self) {
        self.repetition = None;
        self.heard.clear();
    }

    /// Appends what stands for a loss; a loss that goes on fades on.
    pub(crate) fn fill(&mut self, samples: usize, out: &mut Vec<i16>) {
        let Repetition { period, made } = self.repetition.unwrap_or_else(|| self.begin());
        let last = self.heard.get(self.heard.len().saturating_sub(period)..).unwrap_or_default();
        let [full, faded] = [FULL_MS, FADED_MS].map(|ms| ms * self.per_ms);
        for at in made..made + samples {
            let left = faded.saturating_sub(at).min(faded - full);
            let sample = last.get(at % period.max(1)).copied().unwrap_or_default();
            let [left, span] = [left, faded - full].map(|it| i32::try_from(it).unwrap_or(1));
            out.push(i16::try_from(i32::from(sample) * left / span).unwrap_or_default());
        }
        self.repetition = Some(Repetition { period, made: made + samples });
    }

    fn memory(&self) -> usize {
        (PERIOD_MS[1] + COMPARED_MS) * self.per_ms
    }

    /// Finds the period; without enough sound to compare nothing is repeated.
    fn begin(&self) -> Repetition {
        let [shortest, longest] = PERIOD_MS.map(|ms| ms * self.per_ms);
        if self.heard.len() < self.memory() {
            return Repetition { period: 0, made: 0 };
        }
        let likeness = (shortest..=longest).map(|period| (self.likeness(period), period));
        let best = likeness.max_by(|one, other| one.0.total_cmp(&other.0));
        Repetition { period: best.map_or(shortest, |(_, period)| period), made: 0 }
    }

    /// How alike the last sound and the sound one period before it are, at 8 kHz: 1 is the same.
    fn likeness(&self, period: usize) -> f64 {
        let compared = COMPARED_MS * self.per_ms;
        let now = self.heard.iter().rev().take(compared);
        let before = self.heard.iter().rev().skip(period).take(compared);
        let (mut product, mut energy) = (0_i64, 0_i64);
        for (now, before) in now.zip(before).step_by((self.per_ms / 8).max(1)) {
            let (now, before) = (i64::from(*now), i64::from(*before));
            product += now * before;
            energy += before * before;
        }
        product as f64 / (energy.max(1) as f64).sqrt()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::cast_possible_truncation)]

    use super::*;

    fn voice(hz: f64, rate: SampleRate, len: usize) -> Vec<i16> {
        let radians = hz * std::f64::consts::TAU / f64::from(rate.hz());
        (0..len).map(|n| (8_000.0 * (n as f64 * radians).sin()) as i16).collect()
    }

    fn loudest(samples: &[i16]) -> u16 {
        samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or_default()
    }

    #[test]
    fn a_steady_voice_goes_on_in_its_pitch_and_fades_within_60_ms() {
        for (rate, hz) in
            [(SampleRate::Narrow, 100.0), (SampleRate::Narrow, 160.0), (SampleRate::Wide, 125.0)]
        {
            let ms = usize::try_from(rate.per_ms()).unwrap();
            let (spoken, lost) = (100 * ms, 80 * ms);
            let whole = voice(hz, rate, spoken + lost);
            let mut concealment = Concealment::new(rate);
            concealment.heard(&whole[..spoken]);
            let mut made = Vec::new();
            concealment.fill(lost / 2, &mut made);
            concealment.fill(lost - lost / 2, &mut made);
            let meant = &whole[spoken..spoken + 10 * ms];
            let error: Vec<i16> = made.iter().zip(meant).map(|(made, meant)| made - meant).collect();
            assert!(loudest(&error) < 800, "{hz} Hz: {} off", loudest(&error));
            let faded = loudest(&made[30 * ms..40 * ms]);
            assert!((4_200..5_000).contains(&faded), "{hz} Hz: three fifths after 30 ms, not {faded}");
            assert_eq!(loudest(&made[60 * ms..]), 0);
            assert_eq!(made.len(), lost);
        }
    }

    #[test]
    fn nothing_is_repeated_after_silence_or_at_the_very_beginning() {
        let mut concealment = Concealment::new(SampleRate::Narrow);
        let mut made = Vec::new();
        concealment.heard(&[9_000; 100]);
        concealment.fill(160, &mut made);
        concealment.heard(&[9_000; 400]);
        concealment.forget();
        concealment.fill(160, &mut made);
        assert_eq!(made, [0; 320]);
    }
}
