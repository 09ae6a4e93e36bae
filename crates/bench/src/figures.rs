//! Medians, percentiles, and how they are written.

use serde_json::{Value, json};

/// The value below which a share of sorted values lies; 0 of none.
#[must_use]
pub fn percentile(sorted: &[u32], share: f64) -> u32 {
    let last = sorted.len().saturating_sub(1);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let at = (last as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or(0)
}

/// Median, p99 and p99.9 of a series in microseconds, as milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Spread {
    /// How many values.
    pub count: usize,
    /// The median, ms.
    pub p50_ms: f64,
    /// The 99th percentile, ms.
    pub p99_ms: f64,
    /// The 99.9th percentile, ms.
    pub p999_ms: f64,
    /// The largest, ms.
    pub max_ms: f64,
}

impl Spread {
    /// Of values in microseconds.
    #[must_use]
    pub fn of(mut values_us: Vec<u32>) -> Self {
        values_us.sort_unstable();
        let at = |share| f64::from(percentile(&values_us, share)) / 1_000.0;
        let max_ms = values_us.last().map_or(0.0, |us| f64::from(*us) / 1_000.0);
        Self { count: values_us.len(), p50_ms: at(0.5), p99_ms: at(0.99), p999_ms: at(0.999), max_ms }
    }

    /// As JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({"count": self.count, "p50_ms": self.p50_ms, "p99_ms": self.p99_ms, "p999_ms": self.p999_ms, "max_ms": self.max_ms})
    }
}

/// The median of a few figures, with the least and the greatest.
#[must_use]
pub fn median_of(figures: &[f64]) -> (f64, f64, f64) {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN);
    (middle, sorted.first().copied().unwrap_or(f64::NAN), sorted.last().copied().unwrap_or(f64::NAN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_there() {
        let values: Vec<u32> = (1..=100).collect();
        assert_eq!([0.0, 0.5, 0.99, 1.0].map(|share| percentile(&values, share)), [1, 51, 99, 100]);
        assert_eq!(percentile(&[], 0.5), 0);
    }

    #[test]
    fn a_median_has_its_range() {
        assert_eq!(median_of(&[3.0, 1.0, 2.0]), (2.0, 1.0, 3.0));
    }
}
