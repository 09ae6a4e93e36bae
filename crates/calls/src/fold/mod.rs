//! The fold: a call's signals become its interaction.
//!
//! Pure and total. Signals are ordered by time, per-process order and id, duplicates are dropped by id,
//! so any permutation and duplication of them gives the same interaction. It knows nothing of the
//! engine: what the engine decided enters only as the signals that it recorded.

mod explain;
mod facts;
mod judge;
mod verdict;
mod watched;

use std::collections::BTreeSet;

pub use explain::{Explanation, Sentence, explain};
pub use verdict::Rule;
pub(crate) use watched::leg_state as watched_leg_state;

use crate::id::{LegId, UserId};
use crate::interaction::{Interaction, InteractionState, LegRecord, LegState, Party, Recording};
use crate::opening::Opening;
use crate::signal::{RecordingState, Signal};
use crate::time::UtcMillis;
pub(crate) use facts::in_order;
use facts::{Facts, Hold, Holder, LegFacts, gather};
use judge::judge;
use verdict::{Verdict, status};

/// Folds the signals of one call; `None` when the signal that opens it is missing.
///
/// Signals of other calls than the earliest opened one are left aside.
pub fn fold(signals: &[Signal]) -> Option<Interaction> {
    gather(signals).map(|facts| interaction(&facts))
}

/// Folds the recordings of one call, oldest first.
pub fn fold_recordings(signals: &[Signal]) -> Vec<Recording> {
    gather(signals).map(|facts| recordings(&facts)).unwrap_or_default()
}

/// How the question stands who the customer of a call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContactStanding {
    /// A user said who it is, or that it is nobody known; or there is no number to know anybody by.
    Decided,
    /// The contacts knew the number.
    Matched,
    /// Nobody is known.
    Open,
}

/// Says how the question stands who the customer of a call is.
pub fn contact_standing(signals: &[Signal]) -> ContactStanding {
    match gather(signals) {
        Some(facts) if facts.contact_chosen.is_some() || facts.number_to_match().is_none() => {
            ContactStanding::Decided
        }
        Some(facts) if facts.contact().is_some() => ContactStanding::Matched,
        _ => ContactStanding::Open,
    }
}

fn interaction(facts: &Facts) -> Interaction {
    let verdict = judge(facts);
    let started_at = facts.started_at;
    let answered_at = answered_at(facts).map(|at| at.max(started_at));
    let talk_until = talk_end(facts, &verdict);
    Interaction {
        id: facts.opening.interaction(),
        call_id: facts.call_id,
        direction: facts.opening.direction(),
        outcome: verdict.outcome,
        state: match verdict.ended_at {
            Some(_) => InteractionState::Ended,
            None => InteractionState::Live,
        },
        caller_number: facts.opening.caller_number().map(str::to_owned),
        caller_dialled: facts.opening.caller_dialled().map(str::to_owned),
        callee_number: facts.opening.callee_number().map(str::to_owned),
        customer_number: facts.known_number().map(str::to_owned),
        connected_number: facts.connected_number().map(str::to_owned),
        user_to_user: facts.opening.user_to_user().to_vec(),
        contact_id: facts.contact(),
        user_id: facts.user(),
        line_id: facts.opening.line(),
        started_at,
        answered_at,
        ended_at: verdict.ended_at,
        ringing_ms: answered_at.or(verdict.ended_at).map(|until| until.since_ms(started_at)),
        talk_ms: talk_until.map(|until| answered_at.map_or(0, |from| until.since_ms(from))),
        hold_ms: talk_until.map(|until| answered_at.map_or(0, |from| hold_ms(facts, from, until))),
        hangup_by: verdict.hangup_by,
        sip_status: verdict.sip_status,
        legs: legs(facts, &verdict),
        recording_ids: facts.recordings.keys().copied().collect(),
        notes: facts.notes.clone(),
        disposition: facts.disposition.clone(),
    }
}

/// When the two were connected, here or elsewhere.
fn answered_at(facts: &Facts) -> Option<UtcMillis> {
    match facts.bridges.first() {
        Some((at, _)) => Some(*at),
        None if facts.is_watched() => watched::answered_at(facts),
        None => None,
    }
}

/// The first BYE of the two who talked; `None` while the call is open.
fn talk_end(facts: &Facts, verdict: &Verdict) -> Option<UtcMillis> {
    let ended_at = verdict.ended_at?;
    let agent_end = facts.last_agent().and_then(|agent| agent.ended);
    Some(agent_end.map_or(ended_at, |(at, _)| at.min(ended_at)))
}

/// How long, between two times, at least one of the two who talk held the other.
fn hold_ms(facts: &Facts, from: UtcMillis, until: UtcMillis) -> i64 {
    let mut holders: BTreeSet<Holder> = BTreeSet::new();
    let mut held_since: Option<UtcMillis> = None;
    let mut total_ms = 0_i64;
    for (at, holder, hold) in &facts.holds {
        let at = (*at).max(from).min(until.max(from));
        match hold {
            Hold::Held => holders.insert(*holder),
            Hold::Retrieved => holders.remove(holder),
        };
        match (held_since, holders.is_empty()) {
            (None, false) => held_since = Some(at),
            (Some(since), true) => {
                total_ms = total_ms.saturating_add(at.since_ms(since));
                held_since = None;
            }
            _ => {}
        }
    }
    total_ms.saturating_add(held_since.map_or(0, |since| until.since_ms(since)))
}

fn legs(facts: &Facts, verdict: &Verdict) -> Vec<LegRecord> {
    let customer = facts.customer();
    let holders = holders(facts);
    let record = |leg: LegId, party: Party, known: &LegFacts| LegRecord {
        leg_id: leg,
        party,
        user_id: known.dialled.map(|(_, user, _)| user),
        device_id: known.dialled.map(|(_, _, device)| device),
        number: known.number.clone(),
        state: leg_state(known, facts.interrupted, holders.contains(&Holder::Leg(leg))),
        started_at: match party {
            Party::Customer => facts.callee_dialled.unwrap_or(facts.started_at),
            Party::Agent => {
                known.dialled.map(|(at, _, _)| at).or(known.first_seen).unwrap_or(facts.started_at)
            }
        },
        answered_at: known.answered,
        ended_at: known.over_at().or(facts.interrupted),
        sip_status: match party {
            Party::Customer => verdict.sip_status,
            Party::Agent => status(known),
        },
        quality: known.quality.as_deref().cloned(),
    };
    let mut legs = vec![record(facts.opening.leg(), Party::Customer, &customer)];
    if let Some(first) = legs.first_mut() {
        first.ended_at = verdict.ended_at;
    }
    legs.extend(facts.agents().map(|(leg, known)| record(*leg, Party::Agent, known)));
    if facts.is_watched() {
        if let (Some(first), Opening::Seen(_)) = (legs.first_mut(), &facts.opening) {
            (first.state, first.answered_at) = (watched::customer_state(facts), answered_at(facts));
        }
        let dialled: BTreeSet<UserId> =
            facts.agents().filter_map(|(_, leg)| leg.dialled.map(|(_, user, _)| user)).collect();
        let beside =
            facts.watch.legs().filter(|(_, leg)| leg.user.is_none_or(|user| !dialled.contains(&user)));
        legs.extend(beside.map(|(id, leg)| watched::leg_record(id, leg, facts.interrupted)));
    }
    legs
}

fn holders(facts: &Facts) -> BTreeSet<Holder> {
    let mut holders = BTreeSet::new();
    for (_, holder, hold) in &facts.holds {
        match hold {
            Hold::Held => holders.insert(*holder),
            Hold::Retrieved => holders.remove(holder),
        };
    }
    holders
}

fn leg_state(leg: &LegFacts, interrupted: Option<UtcMillis>, holds: bool) -> LegState {
    if leg.ended.is_some() {
        LegState::Ended
    } else if leg.answered.is_some() {
        match (interrupted, holds) {
            (Some(_), _) => LegState::Ended,
            (None, true) => LegState::Held,
            (None, false) => LegState::Answered,
        }
    } else if leg.cancelled.is_some() {
        LegState::Cancelled
    } else if leg.rejected.is_some() {
        LegState::Rejected
    } else if interrupted.is_some() {
        LegState::Ended
    } else if leg.progressed.is_some() {
        LegState::Ringing
    } else {
        LegState::Offered
    }
}

fn recordings(facts: &Facts) -> Vec<Recording> {
    let one = facts.recordings.iter().map(|(id, known)| Recording {
        id: *id,
        interaction_id: facts.opening.interaction(),
        state: known.state.unwrap_or(RecordingState::Recording),
        duration_ms: known.closed.as_ref().map(|closed| closed.duration_ms),
        channels: known.closed.as_ref().map(|closed| closed.channels),
        sample_rate_hz: known.closed.as_ref().map(|closed| closed.sample_rate_hz),
        sha256: known.closed.as_ref().and_then(|closed| closed.sha256.clone()),
        spans: known.closed.as_ref().map(|closed| closed.spans.clone()).unwrap_or_default(),
        path: known.path.clone(),
    });
    one.collect()
}
