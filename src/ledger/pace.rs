//! How often the writer commits: whatever is in it, a commit is some ten ways to the database and back.

use std::time::Duration;

use tokio::time::Instant;

/// So many commits may follow each other at once: a call alone waits for nothing.
const BURST: u32 = 4;

/// How often one more may follow, and how often when many signals come.
const EVERY: Duration = Duration::from_millis(5);
const EVERY_OF_MANY: Duration = Duration::from_millis(10);

/// So many signals in a commit are many.
const MANY: usize = 8;

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
        let rest = if signals < MANY { EVERY } else { EVERY_OF_MANY };
        self.rested_at = self.rested_at.max(now) + rest;
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
        assert_eq!(starts(MANY), [0, 0, 5, 15, 25, 35, 45, 55]);
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
