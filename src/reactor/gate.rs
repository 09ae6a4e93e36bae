//! What waits for its evidence: 180, 200 and refusals leave once their signal is durable, or after 100 ms.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Instant;

use linecard_calls::{CallId, Effect, SignalId};

use crate::ledger::DURABLE_WITHIN;

/// Signals that are not safe yet, and the effects that wait for them.
#[derive(Debug, Default)]
pub(super) struct Gate {
    unsafe_signals: HashSet<SignalId>,
    waiting: HashMap<SignalId, (CallId, Vec<Effect>)>,
    deadlines: VecDeque<(Instant, SignalId)>,
}

impl Gate {
    /// Notes that a signal was handed to the ledger.
    pub(super) fn recorded(&mut self, signal: SignalId) {
        self.unsafe_signals.insert(signal);
    }

    /// Keeps an effect until `signal` is durable; gives it back at once when it is.
    pub(super) fn hold(
        &mut self,
        effect: Effect,
        signal: SignalId,
        call: CallId,
        now: Instant,
    ) -> Option<Effect> {
        if !self.unsafe_signals.contains(&signal) {
            return Some(effect);
        }
        let (_, effects) = self.waiting.entry(signal).or_insert_with(|| {
            self.deadlines.push_back((now + DURABLE_WITHIN, signal));
            (call, Vec::new())
        });
        effects.push(effect);
        None
    }

    /// Notes that a signal is durable and gives back what waited for it.
    pub(super) fn durable(&mut self, signal: SignalId) -> Vec<Effect> {
        self.unsafe_signals.remove(&signal);
        self.waiting.remove(&signal).map(|(_, effects)| effects).unwrap_or_default()
    }

    /// Gives back what has waited long enough, with the signal that is late.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<(SignalId, CallId, Vec<Effect>)> {
        while let Some((deadline, signal)) = self.deadlines.front().copied() {
            if deadline > now {
                return None;
            }
            self.deadlines.pop_front();
            if let Some((call, effects)) = self.waiting.remove(&signal) {
                return Some((signal, call, effects));
            }
        }
        None
    }

    /// Returns when `overdue` has something next.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.front().map(|(deadline, _)| *deadline)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use linecard_calls::{IdSource, LegId, UtcMillis};
    use rand_chacha::ChaCha12Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    fn ids() -> IdSource {
        IdSource::new(ChaCha12Rng::seed_from_u64(1))
    }

    fn ring(ids: &mut IdSource) -> Effect {
        Effect::RingBack { leg: ids.make::<LegId>(UtcMillis(1)) }
    }

    #[test]
    fn an_effect_leaves_when_its_signal_is_durable_and_not_before() {
        let (mut ids, mut gate, now) = (ids(), Gate::default(), Instant::now());
        let (signal, call) = (ids.make(UtcMillis(1)), ids.make(UtcMillis(1)));
        gate.recorded(signal);
        assert_eq!(gate.hold(ring(&mut ids), signal, call, now), None);
        assert_eq!(gate.overdue(now + Duration::from_millis(99)), None);
        assert_eq!(gate.durable(signal).len(), 1);
        assert_eq!(gate.overdue(now + Duration::from_secs(1)), None);
    }

    #[test]
    fn an_effect_leaves_after_100_ms_without_its_signal() {
        let (mut ids, mut gate, now) = (ids(), Gate::default(), Instant::now());
        let (signal, call) = (ids.make(UtcMillis(1)), ids.make(UtcMillis(1)));
        gate.recorded(signal);
        gate.hold(ring(&mut ids), signal, call, now);
        assert_eq!(gate.next_deadline(), Some(now + Duration::from_millis(100)));
        let (late, of, effects) = gate.overdue(now + Duration::from_millis(100)).unwrap();
        assert_eq!((late, of, effects.len()), (signal, call, 1));
    }

    #[test]
    fn an_effect_of_a_durable_signal_does_not_wait() {
        let (mut ids, mut gate, now) = (ids(), Gate::default(), Instant::now());
        let (signal, call) = (ids.make(UtcMillis(1)), ids.make(UtcMillis(1)));
        gate.recorded(signal);
        gate.durable(signal);
        assert!(gate.hold(ring(&mut ids), signal, call, now).is_some());
    }
}
