//! The timers of RFC 3261 table 4 and RFC 6026, and the queue they wait in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::output::TransactionId;

/// How long a server waits for its user before it sends 100 by itself (RFC 3261 section 17.2.1).
pub(super) const TRYING_AFTER: Duration = Duration::from_millis(200);

/// The three constants that all timers derive from (RFC 3261 section 17.1.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timers {
    /// The round-trip estimate: 500 ms.
    pub t1: Duration,
    /// The longest wait between two repetitions of a non-INVITE request or an INVITE response: 4 s.
    pub t2: Duration,
    /// The longest time a message stays in the network: 5 s.
    pub t4: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self { t1: Duration::from_millis(500), t2: Duration::from_secs(4), t4: Duration::from_secs(5) }
    }
}

impl Timers {
    /// Gives 64 * T1, after which a transaction gives up: 32 s.
    pub fn patience(&self) -> Duration {
        self.t1 * 64
    }

    /// Gives timer D on an unreliable transport: at least 32 s, and as long as the peer may repeat its response.
    pub fn linger(&self) -> Duration {
        self.patience().max(Duration::from_secs(32))
    }

    /// Doubles a wait up to T2 (timers E and G).
    pub(super) fn doubled(&self, wait: Duration) -> Duration {
        (wait * 2).min(self.t2)
    }
}

/// The name of a timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerName {
    /// INVITE request repeated.
    A,
    /// INVITE request given up.
    B,
    /// Repeated INVITE failures absorbed.
    D,
    /// Non-INVITE request repeated.
    E,
    /// Non-INVITE request given up.
    F,
    /// INVITE failure response repeated.
    G,
    /// Wait for the ACK given up.
    H,
    /// Repeated ACKs absorbed.
    I,
    /// Repeated non-INVITE requests absorbed.
    J,
    /// Repeated non-INVITE responses absorbed.
    K,
    /// Accepted INVITE kept by the server (RFC 6026).
    L,
    /// Accepted INVITE kept by the client (RFC 6026).
    M,
    /// 100 Trying is due (RFC 3261 section 17.2.1).
    Trying,
    /// A cancelled INVITE is given up (RFC 3261 section 9.1).
    Cancelled,
}

/// Running timers, ordered by due time: starting, stopping and taking the next are O(log n), and a stopped timer
/// leaves nothing behind.
#[derive(Debug, Default)]
pub(super) struct TimerQueue {
    due: BTreeSet<(Instant, TransactionId, TimerName)>,
    running: BTreeMap<(TransactionId, TimerName), Instant>,
}

impl TimerQueue {
    pub(super) fn start(&mut self, id: TransactionId, name: TimerName, at: Instant) {
        self.stop(id, name);
        self.due.insert((at, id, name));
        self.running.insert((id, name), at);
    }

    pub(super) fn stop(&mut self, id: TransactionId, name: TimerName) {
        if let Some(at) = self.running.remove(&(id, name)) {
            self.due.remove(&(at, id, name));
        }
    }

    pub(super) fn stop_all(&mut self, id: TransactionId) {
        let names: Vec<TimerName> = self
            .running
            .range((id, TimerName::A)..=(id, TimerName::Cancelled))
            .map(|((_, name), _)| *name)
            .collect();
        for name in names {
            self.stop(id, name);
        }
    }

    pub(super) fn next(&self) -> Option<(Instant, TimerName)> {
        self.due.first().map(|(at, _, name)| (*at, *name))
    }

    /// Takes the first timer that is due at `now`.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<(TransactionId, TimerName)> {
        let (at, id, name) = *self.due.first()?;
        if at > now {
            return None;
        }
        self.stop(id, name);
        Some((id, name))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.due.is_empty()
    }
}
