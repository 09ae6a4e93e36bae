//! Time that moves only when told.

use std::time::{Duration, Instant};

/// A clock of fabricated instants: it starts at an arbitrary one and never moves by itself.
#[derive(Debug, Clone, Copy)]
pub struct SimClock {
    start: Instant,
    elapsed: Duration,
    start_utc_ms: i64,
}

impl SimClock {
    /// Starts a clock; its wall time begins at 2026-01-01T00:00:00Z.
    pub fn new() -> Self {
        // The one reading of the real clock: an `Instant` cannot be made otherwise. Its value is never shown.
        Self { start: Instant::now(), elapsed: Duration::ZERO, start_utc_ms: 1_767_225_600_000 }
    }

    /// Gives the present instant.
    pub fn now(&self) -> Instant {
        self.start + self.elapsed
    }

    /// Gives the instant at which the clock started.
    pub fn start(&self) -> Instant {
        self.start
    }

    /// Gives the time since the start.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Gives the wall time in UTC milliseconds.
    pub fn utc_ms(&self) -> i64 {
        self.start_utc_ms.saturating_add(i64::try_from(self.elapsed.as_millis()).unwrap_or(i64::MAX))
    }

    /// Moves on by a duration.
    pub fn advance(&mut self, by: Duration) {
        self.elapsed += by;
    }

    /// Moves on to an instant; one that is past changes nothing.
    pub fn advance_to(&mut self, at: Instant) {
        self.elapsed = self.elapsed.max(at.saturating_duration_since(self.start));
    }

    /// Makes the wall time jump while the instants go on evenly, as when an operator sets the clock.
    pub fn jump_wall_ms(&mut self, by_ms: i64) {
        self.start_utc_ms = self.start_utc_ms.saturating_add(by_ms);
    }
}

impl Default for SimClock {
    fn default() -> Self {
        Self::new()
    }
}
