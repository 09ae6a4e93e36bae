//! How well the legs of a talk were heard, as evidence and as REST shows it. It is measured elsewhere.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::time::{UtcMillis, rfc3339};

/// From this score on a direction is good: `R` of 80, satisfied users (ITU-T G.109).
const GOOD_FROM: f64 = 4.0;
/// From this score on it is fair: below it, at `R` of 60, nearly all users are dissatisfied.
const FAIR_FROM: f64 = 3.1;

/// How a leg was heard from its beginning on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LegQuality {
    /// The codec of what its party sent last, such as `PCMA`.
    pub codec: Option<String>,
    /// What came from its party, as counted here; null when nothing came.
    pub received: Option<PathQuality>,
    /// What its party heard, as it has reported by RTCP; null when it reports nothing, which many phones do.
    pub sent: Option<PathQuality>,
    /// The way to its party and back in ms, mean; null when its party does not tell.
    pub round_trip_ms: Option<f64>,
    /// The longest of them.
    pub round_trip_max_ms: Option<f64>,
}

/// One direction of a leg.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PathQuality {
    /// In a word, by `mos`.
    pub grade: Grade,
    /// Mean opinion score, 1 to 4.5, by the E-model (ITU-T G.107) from loss, bursts, jitter and delay of this leg alone.
    pub mos: f64,
    /// Packets that came.
    pub packets: u64,
    /// Packets that did not, or came too late to be played.
    pub lost: u64,
    /// Their share.
    pub loss_percent: f64,
    /// How much longer losses are together than by chance, 1 and more; null of what is only reported.
    pub burst_ratio: Option<f64>,
    /// Bursts: losses with fewer than 16 packets between them (RFC 3611); null of what is only reported.
    pub bursts: Option<u64>,
    /// The longest of them in packets.
    pub burst_longest: Option<u64>,
    /// Packets that came twice; null of what is only reported.
    pub duplicates: Option<u64>,
    /// Packets that came behind later ones; null of what is only reported.
    pub reordered: Option<u64>,
    /// Interarrival jitter in ms (RFC 3550), mean.
    pub jitter_ms: f64,
    /// The largest.
    pub jitter_max_ms: f64,
    /// The worst stretch: ten seconds, or what lies between two reports.
    pub worst: Option<WindowQuality>,
    /// The last bad stretch, while the direction counts as bad: until two stretches were good.
    pub bad: Option<WindowQuality>,
}

/// A stretch of one direction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct WindowQuality {
    /// When it began.
    #[serde(with = "rfc3339")]
    pub at: UtcMillis,
    /// Mean opinion score of it.
    pub mos: f64,
    /// What was lost in it.
    pub loss_percent: f64,
    /// Mean jitter in it.
    pub jitter_ms: f64,
}

/// How a direction sounded, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    /// Many were dissatisfied.
    Poor,
    /// Some were.
    Fair,
    /// Nobody had reason to be.
    Good,
}

impl Grade {
    /// Grades a mean opinion score.
    #[must_use]
    pub fn of(mos: f64) -> Self {
        match mos {
            good if good >= GOOD_FROM => Self::Good,
            fair if fair >= FAIR_FROM => Self::Fair,
            _ => Self::Poor,
        }
    }

    /// Returns the word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Poor => "poor",
            Self::Fair => "fair",
            Self::Good => "good",
        }
    }
}

impl LegQuality {
    /// Returns what is bad now: what comes from the party, and what it hears.
    #[must_use]
    pub fn bad(&self) -> [Option<&WindowQuality>; 2] {
        [&self.received, &self.sent].map(|path| path.as_ref().and_then(|path| path.bad.as_ref()))
    }
}

/// Rounds a figure to what is worth telling: two decimals, which a text keeps exactly.
#[must_use]
pub fn told(figure: f64) -> f64 {
    (figure * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_become_words() {
        let graded = [4.5, 4.0, 3.99, 3.1, 3.09, 1.0].map(Grade::of);
        use Grade::{Fair, Good, Poor};
        assert_eq!(graded, [Good, Good, Fair, Fair, Poor, Poor]);
    }

    #[test]
    fn a_figure_is_the_same_behind_its_text() {
        for n in 0..2_000_u32 {
            let figure = told(f64::from(n) * 0.377_777_7);
            let text = serde_json::to_string(&figure).unwrap();
            assert_eq!(serde_json::from_str::<f64>(&text).unwrap(), figure, "{text}");
        }
    }
}
