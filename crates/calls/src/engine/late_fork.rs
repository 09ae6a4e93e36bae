//! Forks that come behind the end of their call: an INVITE that the network loses comes again, for as long as timer B runs
//! (RFC 3261 section 17.1.1.2). Where dialog events told of the call, they would tell of a new one too.

use std::collections::VecDeque;

use super::call::Call;
use crate::id::LineId;
use crate::interaction::Direction;
use crate::opening::Opening;
use crate::sighting::{Sighting, SightingStage};
use crate::signal::{Signal, SignalBody, Source};
use crate::time::UtcMillis;

/// As long an INVITE that gets no answer is repeated, in milliseconds.
const REPEATED_FOR_MS: i64 = 32_000;

/// The forks of calls that are over.
#[derive(Debug, Default)]
pub(super) struct LateForks {
    expected: VecDeque<Expected>,
}

/// A fork that may still come.
#[derive(Debug)]
struct Expected {
    since: UtcMillis,
    line: LineId,
    number: String,
}

impl LateForks {
    /// Takes note of a call that is over at `at`, and of which no INVITE was seen.
    pub(super) fn call_over(&mut self, call: &Call, at: UtcMillis) {
        self.forget(at);
        let Opening::Seen(seen) = &call.opening else { return };
        let number = seen.party.number.clone().filter(|_| seen.direction == Direction::Inbound);
        if let Some(number) = number.filter(|_| call.is_told_by_dialogs_alone()) {
            self.expected.push_back(Expected { since: call.started_at(), line: seen.line, number });
        }
    }

    /// Tells whether what is seen is such a fork; each comes once.
    pub(super) fn take(&mut self, sighting: &Sighting, source: Source, at: UtcMillis) -> bool {
        self.forget(at);
        if source != Source::Shadow || sighting.stage != SightingStage::Ringing {
            return false;
        }
        let is_its = |fork: &Expected| {
            fork.line == sighting.line && sighting.party.number.as_deref() == Some(&fork.number)
        };
        let found = self.expected.iter().position(is_its);
        found.and_then(|place| self.expected.remove(place)).is_some()
    }

    fn forget(&mut self, at: UtcMillis) {
        self.expected.retain(|fork| at.since_ms(fork.since) < REPEATED_FOR_MS);
    }
}

impl Call {
    fn is_told_by_dialogs_alone(&self) -> bool {
        let seen =
            |signal: &&Signal| matches!(signal.body, SignalBody::CallSighted { .. } | SignalBody::Sighted(_));
        self.signals.iter().filter(seen).all(|signal| signal.source == Source::DialogInfo)
    }
}
