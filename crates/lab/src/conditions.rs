//! How well a link carries what is given to it.

use std::time::Duration;

/// How one direction of a link treats what it carries. Streams are only delayed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conditions {
    /// Share of datagrams lost, 0 to 1.
    pub loss: f64,
    /// Share of datagrams that arrive twice.
    pub duplicate: f64,
    /// Share of datagrams held back by up to `held_back`, so that later ones overtake them.
    pub reorder: f64,
    /// The longest time a reordered datagram is held back.
    pub held_back: Duration,
    /// The least time in transit.
    pub delay: Duration,
    /// What transit may take beyond `delay`, evenly spread.
    pub jitter: Duration,
}

impl Default for Conditions {
    /// A good network: 5 ms, nothing lost.
    fn default() -> Self {
        Self {
            loss: 0.0,
            duplicate: 0.0,
            reorder: 0.0,
            held_back: Duration::from_millis(800),
            delay: Duration::from_millis(5),
            jitter: Duration::ZERO,
        }
    }
}

impl Conditions {
    /// Gives a network that loses this share of datagrams, with a little jitter.
    pub fn lossy(loss: f64) -> Self {
        Self { loss, jitter: Duration::from_millis(20), ..Self::default() }
    }

    /// Gives a network with everything wrong at once.
    pub fn hostile(loss: f64) -> Self {
        Self { duplicate: 0.2, reorder: 0.2, ..Self::lossy(loss) }
    }
}
