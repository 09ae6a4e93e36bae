//! Simultaneous calls: the most that were under way at once, counted each time one begins.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::{By, CountedCall, Group, Zone};
use crate::time::UtcMillis;

/// The most calls at once, and when that was first so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peak {
    /// How many calls.
    pub calls: i64,
    /// When.
    pub at: UtcMillis,
}

impl Peak {
    /// Yields the higher of two, of equal ones the earlier.
    #[must_use]
    pub fn or(self, other: Peak) -> Peak {
        if (other.calls, self.at) > (self.calls, other.at) { other } else { self }
    }
}

/// Finds the peak of each part, and of all calls together, over the calls that begin from `from` on and before `until`;
/// calls that began before count as long as they are under way.
pub fn peaks(
    by: By,
    zone: &Zone,
    calls: &[CountedCall],
    from: UtcMillis,
    until: UtcMillis,
) -> BTreeMap<Group, Peak> {
    let mut highest = BTreeMap::new();
    let all: Vec<&CountedCall> = calls.iter().collect();
    for (at, calls) in counts(&all, from, until) {
        raise(&mut highest, Group::All, Peak { calls, at });
        if !by.parts_lines() {
            raise(&mut highest, by.group_of_time(at, zone), Peak { calls, at });
        }
    }
    if by.parts_lines() {
        let mut parts: BTreeMap<Group, Vec<&CountedCall>> = BTreeMap::new();
        for call in calls {
            parts.entry(by.group(call, zone)).or_default().push(call);
        }
        for (group, part) in parts {
            for (at, calls) in counts(&part, from, until) {
                raise(&mut highest, group, Peak { calls, at });
            }
        }
    }
    highest
}

/// Notes a peak when it is the highest of its part.
pub fn raise(highest: &mut BTreeMap<Group, Peak>, group: Group, peak: Peak) {
    match highest.entry(group) {
        Entry::Vacant(place) => {
            place.insert(peak);
        }
        Entry::Occupied(mut place) => {
            let higher = place.get().or(peak);
            place.insert(higher);
        }
    }
}

/// Counts, for each moment in the period at which a call begins, those under way then.
fn counts(calls: &[&CountedCall], from: UtcMillis, until: UtcMillis) -> Vec<(UtcMillis, i64)> {
    let mut starts: Vec<UtcMillis> = calls.iter().map(|call| call.started_at).collect();
    let mut ends: Vec<UtcMillis> = calls.iter().map(|call| call.under_way_until()).collect();
    starts.sort_unstable();
    ends.sort_unstable();
    let mut moments: Vec<UtcMillis> =
        starts.iter().copied().filter(|at| (from..until).contains(at)).collect();
    moments.dedup();
    let before = |times: &[UtcMillis], at: UtcMillis| times.partition_point(|time| *time <= at);
    let under_way = |at| before(&starts, at) - before(&ends, at);
    moments.into_iter().map(|at| (at, i64::try_from(under_way(at)).unwrap_or(i64::MAX))).collect()
}
