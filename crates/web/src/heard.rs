//! How well legs were heard, as histograms for `/metrics`: by line and direction, without names or numbers.

use std::collections::BTreeMap;

use linecard_calls::{LegQuality, LineId, PathQuality};

/// Bounds of scores: what a word changes at (ITU-T G.109), and a finer step at the top.
const MOS: &[f64] = &[2.0, 2.58, 3.1, 3.6, 4.03, 4.2, 4.34];
/// Bounds of jitter in ms.
const JITTER_MS: &[f64] = &[1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 80.0];
/// Bounds of loss in percent.
const LOSS_PERCENT: &[f64] = &[0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0];

/// Which direction of a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// What came from its party.
    Received,
    /// What its party heard.
    Sent,
}

/// How often a figure was at most each of some bounds.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// The bounds, rising, with how many figures were not above each.
    pub buckets: Vec<(f64, u64)>,
    /// The sum of all figures.
    pub sum: f64,
    /// How many there were.
    pub count: u64,
}

impl Histogram {
    fn new(bounds: &[f64]) -> Self {
        Self { buckets: bounds.iter().map(|bound| (*bound, 0)).collect(), sum: 0.0, count: 0 }
    }

    fn note(&mut self, figure: f64) {
        self.buckets.iter_mut().filter(|(bound, _)| figure <= *bound).for_each(|(_, count)| *count += 1);
        self.sum += figure;
        self.count += 1;
    }
}

/// One line's figures in one direction.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    /// Mean opinion scores.
    pub mos: Histogram,
    /// Mean jitter in ms.
    pub jitter_ms: Histogram,
    /// Lost packets in percent.
    pub loss_percent: Histogram,
}

/// What ended legs were like.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HeardByLine(BTreeMap<(LineId, Way), Heard>);

impl HeardByLine {
    /// Counts a leg that is over.
    pub fn note(&mut self, line: LineId, quality: &LegQuality) {
        let ways = [(Way::Received, &quality.received), (Way::Sent, &quality.sent)];
        for (way, path) in ways {
            if let Some(PathQuality { mos, jitter_ms, loss_percent, .. }) = path {
                let heard = self.0.entry((line, way)).or_insert_with(|| Heard {
                    mos: Histogram::new(MOS),
                    jitter_ms: Histogram::new(JITTER_MS),
                    loss_percent: Histogram::new(LOSS_PERCENT),
                });
                heard.mos.note(*mos);
                heard.jitter_ms.note(*jitter_ms);
                heard.loss_percent.note(*loss_percent);
            }
        }
    }

    /// Yields the figures of each line and direction.
    pub fn iter(&self) -> impl Iterator<Item = (LineId, Way, &Heard)> {
        self.0.iter().map(|((line, way), heard)| (*line, *way, heard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_counts_under_each_bound_that_it_does_not_exceed() {
        let mut histogram = Histogram::new(&[1.0, 2.0, 5.0]);
        [0.5, 2.0, 9.0].into_iter().for_each(|figure| histogram.note(figure));
        assert_eq!(histogram.buckets, [(1.0, 1), (2.0, 2), (5.0, 2)]);
        assert_eq!((histogram.count, histogram.sum), (3, 11.5));
    }
}
