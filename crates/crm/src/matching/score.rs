//! A candidate's score. Kept in thousandths so that equal candidates are equal, which sums of floating-point numbers are not.

use crate::CrmError;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// How well a candidate fits, from 0 to 1 in thousandths; in JSON a number such as `0.85`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Score(u16);

// The levels' bands never overlap: a base plus every signal (100 in all) stays below the next better base.
impl Score {
    /// One contact alone holds the very number.
    pub(super) const EXACT: Self = Self(1000);
    /// Several contacts hold the very number.
    pub(super) const SHARED: Self = Self(850);
    pub(super) const EXTENSION: Self = Self(700);
    pub(super) const COMPANY: Self = Self(500);
    pub(super) const RESPONSIBLE: u16 = 40;
    pub(super) const RECENT_TALK: u16 = 30;
    pub(super) const PERSONAL: u16 = 20;

    /// More common digits are better evidence: 6 give 0.2, each further one 0.02, at most 0.36.
    pub(super) fn suffix(digits: usize) -> Self {
        let further =
            u16::try_from(digits.saturating_sub(crate::number::SUFFIX_DIGITS_MIN)).unwrap_or(8).min(8);
        Self(200 + 20 * further)
    }

    pub(super) fn plus(self, thousandths: u16) -> Self {
        Self(self.0.saturating_add(thousandths).min(1000))
    }

    /// The score as a fraction from 0 to 1.
    #[must_use]
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 1000.0
    }

    /// The score in thousandths, 0 to 1000.
    #[must_use]
    pub fn thousandths(self) -> u16 {
        self.0
    }
}

impl TryFrom<f64> for Score {
    type Error = CrmError;

    /// Rounds to thousandths. Errors: [`CrmError::ScoreRange`] outside 0 to 1 and for a value that is no number.
    fn try_from(score: f64) -> Result<Self, CrmError> {
        let out_of_range = || CrmError::ScoreRange { score: score.to_string() };
        if !(0.0..=1.0).contains(&score) {
            return Err(out_of_range());
        }
        let rounded = (0..=1000u16).min_by(|one, other| {
            let distance = |thousandths: &u16| (f64::from(*thousandths) / 1000.0 - score).abs();
            distance(one).total_cmp(&distance(other))
        });
        rounded.map(Self).ok_or_else(out_of_range)
    }
}

impl Serialize for Score {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.as_f64())
    }
}

impl<'de> Deserialize<'de> for Score {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::try_from(f64::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}
