//! Local time as far as reports need it: what a clock on the wall adds to UTC, and from when on.

use crate::time::UtcMillis;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A time zone over a period: one offset, or several that follow each other where clocks are put forward or back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Zone {
    first_ms: i64,
    /// From when on another offset holds, in order.
    changes: Vec<(UtcMillis, i64)>,
}

impl Zone {
    /// Makes a zone that is always `offset_ms` ahead of UTC.
    pub fn fixed(offset_ms: i64) -> Self {
        Self { first_ms: offset_ms, changes: Vec::new() }
    }

    /// Adds that from `at` on, which follows all changes before, the zone is `offset_ms` ahead.
    pub fn change(&mut self, at: UtcMillis, offset_ms: i64) {
        self.changes.push((at, offset_ms));
    }

    /// Yields the offset at a moment, in milliseconds.
    pub fn offset_ms(&self, at: UtcMillis) -> i64 {
        let next = self.changes.partition_point(|(from, _)| *from <= at);
        let last = next.checked_sub(1).and_then(|last| self.changes.get(last));
        last.map_or(self.first_ms, |(_, offset_ms)| *offset_ms)
    }

    /// Yields the offset before the first change, and the changes in order.
    pub fn steps(&self) -> (i64, &[(UtcMillis, i64)]) {
        (self.first_ms, &self.changes)
    }

    /// Yields the hour of the day, 0 to 23.
    pub fn hour(&self, at: UtcMillis) -> i64 {
        (at.0 + self.offset_ms(at)).div_euclid(HOUR_MS).rem_euclid(24)
    }

    /// Yields the day of the week, Monday 1 to Sunday 7.
    pub fn weekday(&self, at: UtcMillis) -> i64 {
        // 1970-01-01 was a Thursday.
        ((at.0 + self.offset_ms(at)).div_euclid(DAY_MS) + 3).rem_euclid(7) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UtcMillis {
        text.parse().expect("a time")
    }

    #[test]
    fn hours_and_weekdays_are_those_of_the_wall() {
        let moscow = Zone::fixed(3 * HOUR_MS);
        assert_eq!(
            (moscow.hour(at("2026-11-29T21:30:00Z")), moscow.weekday(at("2026-11-29T21:30:00Z"))),
            (0, 1)
        );
        assert_eq!(moscow.weekday(at("2026-11-29T20:59:59.999Z")), 7);
        let west = Zone::fixed(-5 * HOUR_MS - HOUR_MS / 2);
        assert_eq!(
            (west.hour(at("1970-01-01T00:00:00Z")), west.weekday(at("1970-01-01T00:00:00Z"))),
            (18, 3)
        );
    }

    #[test]
    fn clocks_that_are_put_back_say_an_hour_twice() {
        let mut berlin = Zone::fixed(2 * HOUR_MS);
        berlin.change(at("2026-10-25T01:00:00Z"), HOUR_MS);
        let hours = ["2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"].map(|text| berlin.hour(at(text)));
        assert_eq!(hours, [2, 2]);
    }
}
