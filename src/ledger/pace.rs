//! How often the writer commits: whatever is in it, a commit is some ten ways to the database and back.

use std::time::Duration;

use tokio::time::Instant;

/// So many commits may follow each other at once: a call alone waits for nothing.
const BURST: u32 = 4;

/// How often one more may follow.
const EVERY: Duration = Duration::from_millis(5);

/// From so many signals on it is more seldom: the fuller a commit, the less each signal of it costs.
const SELDOM: [(usize, Duration); 2] = [(32, Duration::from_millis(20)), (8, Duration::from_millis(10))];

/// How long a commit of so many signals keeps others waiting.
fn rest_after(signals: usize) -> Duration {
    SELDOM.iter().find(|(many, _)| signals >= *many).map_or(EVERY, |(_, rest)| *rest)
}

/// The commits of late.
#[derive(Debug)]
pub(super) struct Pace {
    /// When all commits of the burst can be had again.
    rested_at: Instant,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { rested_at: now }
    }

    /// Notes a commit of so many signals that begins now.
    pub(super) fn begun(&mut self, signals: usize, now: Instant) {
        self.rested_at = self.rested_at.max(now) + rest_after(signals);
    }

    /// Returns when the next one may begin.
    pub(super) fn next_at(&self) -> Instant {
        self.rested_at.checked_sub(EVERY * (BURST - 1)).unwrap_or(self.rested_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When commits of so many signals begin, in milliseconds, if there is always something to write.
    fn starts(signals: usize) -> Vec<u128> {
        let begun = Instant::now();
        let mut pace = Pace::new(begun);
        let mut now = begun;
        let start = |_| {
            now = now.max(pace.next_at());
            pace.begun(signals, now);
            (now - begun).as_millis()
        };
        (0..8).map(start).collect()
    }

    #[test]
    fn a_call_alone_waits_for_nothing_and_many_share_a_commit() {
        assert_eq!(starts(1), [0, 0, 0, 0, 5, 10, 15, 20]);
        assert_eq!(starts(8), [0, 0, 5, 15, 25, 35, 45, 55]);
        assert_eq!(starts(32), [0, 5, 25, 45, 65, 85, 105, 125]);
    }

    #[test]
    fn after_a_rest_the_burst_can_be_had_again() {
        let begun = Instant::now();
        let mut pace = Pace::new(begun);
        (0..9).for_each(|_| pace.begun(1, begun));
        assert_eq!(pace.next_at(), begun + EVERY * 6);
        let later = begun + Duration::from_secs(1);
        (1..BURST).for_each(|_| pace.begun(1, later));
        assert!(pace.next_at() <= later);
    }
}
