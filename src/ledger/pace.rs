//! How often the writer commits: whatever is in it, a commit is some ten ways to the database and back.

use std::time::Duration;

use tokio::time::Instant;

/// So many commits may follow each other at once: a call alone waits for nothing.
const BURST: u32 = 4;

/// How often one more may follow.
const EVERY: Duration = Duration::from_millis(10);

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

    /// Notes a commit that begins now.
    pub(super) fn begun(&mut self, now: Instant) {
        self.rested_at = self.rested_at.max(now) + EVERY;
    }

    /// Returns when the next one may begin.
    pub(super) fn next_at(&self) -> Instant {
        self.rested_at.checked_sub(EVERY * (BURST - 1)).unwrap_or(self.rested_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_alone_waits_for_nothing_and_many_share_a_commit() {
        let begun = Instant::now();
        let mut pace = Pace::new(begun);
        let mut now = begun;
        let starts: Vec<Duration> = (0..8)
            .map(|_| {
                now = now.max(pace.next_at());
                pace.begun(now);
                now - begun
            })
            .collect();
        assert_eq!(starts, [0, 0, 0, 0, 10, 20, 30, 40].map(Duration::from_millis));
        now += EVERY * BURST;
        assert!(pace.next_at() <= now - EVERY * (BURST - 1), "after a rest they can be had again");
    }
}
