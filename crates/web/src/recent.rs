//! What each key has done of late, counted over a window of time. Nothing here reads a clock.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use linecard_calls::UtcMillis;

/// Keys that are counted at a time.
const KEYS_MAX: usize = 10_000;

/// When each key has done it, oldest first.
#[derive(Debug)]
pub(crate) struct Recent<K> {
    window_ms: i64,
    times: HashMap<K, VecDeque<i64>>,
}

impl<K: Copy + Eq + Hash> Recent<K> {
    /// Counts over the last `window_ms`.
    pub(crate) fn within(window_ms: i64) -> Self {
        Self { window_ms, times: HashMap::new() }
    }

    /// Returns how long the key has to wait until it has done it less than `limit` times within the window; none when
    /// that is so now.
    pub(crate) fn wait_ms(&self, key: &K, limit: usize, now: UtcMillis) -> Option<i64> {
        let times = self.times.get(key)?.iter().copied();
        let counting: Vec<i64> = times.filter(|at| counts(*at, now, self.window_ms)).collect();
        let last_to_go = counting.len().checked_sub(limit)?;
        counting.get(last_to_go).map(|at| at + self.window_ms - now.0)
    }

    /// Counts one more.
    pub(crate) fn add(&mut self, key: K, now: UtcMillis) {
        if self.times.len() >= KEYS_MAX && !self.times.contains_key(&key) {
            self.make_room(now);
        }
        let window_ms = self.window_ms;
        let times = self.times.entry(key).or_default();
        times.retain(|at| counts(*at, now, window_ms));
        times.push_back(now.0);
    }

    /// Counts from nothing again.
    pub(crate) fn forget(&mut self, key: &K) {
        self.times.remove(key);
    }

    /// Forgets what no longer counts; when all counts, the key with the fewest, of those the oldest.
    fn make_room(&mut self, now: UtcMillis) {
        let window_ms = self.window_ms;
        self.times.retain(|_, times| times.back().is_some_and(|at| counts(*at, now, window_ms)));
        if self.times.len() < KEYS_MAX {
            return;
        }
        let least = self.times.iter().min_by_key(|(_, times)| (times.len(), times.back().copied()));
        if let Some(key) = least.map(|(key, _)| *key) {
            self.times.remove(&key);
        }
    }
}

/// Tells whether `at` counts; what is from the future does not, or a clock set back would make wait for longer.
fn counts(at: i64, now: UtcMillis, window_ms: i64) -> bool {
    at <= now.0 && now.0 - at < window_ms
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: i64 = 60_000;

    fn recent(key: u32, times: impl IntoIterator<Item = i64>) -> Recent<u32> {
        let mut recent = Recent::within(MINUTE_MS);
        for at in times {
            recent.add(key, UtcMillis(at));
        }
        recent
    }

    #[test]
    fn who_has_done_it_more_often_than_may_be_waits_for_as_many_to_go() {
        let recent = recent(1, [0, 10_000, 20_000]);
        let waits = [4, 3, 2, 1].map(|limit| recent.wait_ms(&1, limit, UtcMillis(30_000)));
        assert_eq!(waits, [None, Some(30_000), Some(40_000), Some(50_000)]);
        assert_eq!(recent.wait_ms(&2, 1, UtcMillis(30_000)), None);
    }

    #[test]
    fn memory_is_bounded_and_a_flood_frees_nobody_who_waits() {
        let mut recent = recent(0, [0, 0]);
        for key in 1..=10_500 {
            recent.add(key, UtcMillis(1));
        }
        assert_eq!(recent.times.len(), KEYS_MAX);
        assert!(recent.wait_ms(&0, 2, UtcMillis(1)).is_some());
        recent.add(99_999, UtcMillis(2 * MINUTE_MS));
        assert_eq!(recent.times.len(), 1, "what no longer counts is gone");
    }
}
