//! Timers by name: starting, stopping and taking the next are O(log n).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Running timers named by `K`; each name runs once at most.
#[derive(Debug)]
pub(super) struct Clocks<K> {
    due: BTreeSet<(Instant, K)>,
    running: BTreeMap<K, Instant>,
}

impl<K: Ord + Clone> Clocks<K> {
    pub(super) fn new() -> Self {
        Self { due: BTreeSet::new(), running: BTreeMap::new() }
    }

    pub(super) fn start(&mut self, name: K, at: Instant) {
        self.stop(&name);
        self.due.insert((at, name.clone()));
        self.running.insert(name, at);
    }

    pub(super) fn stop(&mut self, name: &K) {
        if let Some((name, at)) = self.running.remove_entry(name) {
            self.due.remove(&(at, name));
        }
    }

    pub(super) fn is_running(&self, name: &K) -> bool {
        self.running.contains_key(name)
    }

    pub(super) fn next(&self) -> Option<(Instant, &K)> {
        self.due.first().map(|(at, name)| (*at, name))
    }

    pub(super) fn take_due(&mut self, now: Instant) -> Option<K> {
        let (at, name) = self.due.first()?;
        if *at > now {
            return None;
        }
        let name = name.clone();
        self.stop(&name);
        Some(name)
    }
}
