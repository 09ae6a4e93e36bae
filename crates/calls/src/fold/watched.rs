//! How a call went that went on elsewhere: from what was seen of it.
//!
//! What weighs most comes first. An extension that was seen to talk has answered. An end that a PBX tells as a refusal
//! or as too long a ring is one. A Reason that another phone was answered (RFC 3326) is believed only when nothing of
//! the kind is told: PBXes leave it out, and some send it for calls that nobody took. A fork that just ends says nothing,
//! for the losing forks of an answered call end like those of a caller who left.

use super::facts::{Facts, LegFacts};
use super::verdict::{Rule, Verdict, unfinished};
use crate::id::LegId;
use crate::interaction::{Direction, HangupBy, LegRecord, LegState, Outcome, Party};
use crate::opening::Opening;
use crate::rules::{callee_refused, refusal, unanswered};
use crate::sighting::{Side, SightingEnd, SightingOver, SightingStage};
use crate::time::UtcMillis;
use crate::watch::WatchedLeg;

/// Decides; `None` when what this server carried of the call decides.
pub(super) fn watched(facts: &Facts, sip_status: Option<u16>) -> Option<Verdict> {
    let carried = matches!(facts.opening, Opening::Offered(_));
    if carried && facts.watch.is_over() && facts.watch.talked_from().is_none() {
        return None;
    }
    let Some(ended_at) = facts.watch.over_at().filter(|_| facts.watch.is_over()) else {
        return Some(unfinished(facts, &LegFacts::default()));
    };
    let (outcome, rule, hangup_by) = decide(facts);
    let ended_at = Some(ended_at.max(facts.started_at));
    Some(Verdict {
        outcome: Some(outcome),
        rule,
        ended_at,
        hangup_by,
        sip_status: sip_status.or(told_status(facts)),
    })
}

/// When the call was answered.
pub(super) fn answered_at(facts: &Facts) -> Option<UtcMillis> {
    facts.watch.talked_from().or_else(|| {
        let seen = matches!(facts.opening, Opening::Seen(_)) && facts.watch.is_over();
        let elsewhere = seen && decide(facts).1 == Rule::AnsweredElsewhere;
        facts.watch.over_at().filter(|_| elsewhere)
    })
}

/// How the leg of the other party stands.
pub(super) fn customer_state(facts: &Facts) -> LegState {
    let talked = facts.watch.talked_from().is_some();
    let over = facts.watch.is_over() || facts.interrupted.is_some();
    match (facts.watch.talking().next().is_some(), talked, over) {
        (true, _, false) | (false, true, false) => LegState::Answered,
        (false, false, false) => LegState::Ringing,
        (_, true, true) => LegState::Ended,
        (_, false, true) => LegState::Cancelled,
    }
}

/// Shows an extension's part.
pub(super) fn leg_record(id: LegId, leg: &WatchedLeg, interrupted: Option<UtcMillis>) -> LegRecord {
    LegRecord {
        leg_id: id,
        party: Party::Agent,
        user_id: leg.user,
        device_id: None,
        number: None,
        state: leg_state(leg),
        started_at: leg.first_seen,
        answered_at: leg.talked_from,
        ended_at: leg.over_at().or(interrupted),
        sip_status: match leg.talked_from {
            Some(_) => Some(200),
            None => leg.decisive_end().and_then(|over| over.status),
        },
        quality: None,
    }
}

/// Tells how an extension's part stands.
pub(crate) fn leg_state(leg: &WatchedLeg) -> LegState {
    match (leg.stage(), leg.talked_from) {
        (Some(SightingStage::Talking), _) => LegState::Answered,
        (Some(SightingStage::Holding), _) => LegState::Held,
        (Some(SightingStage::Ringing), _) => LegState::Ringing,
        (None, Some(_)) => LegState::Ended,
        (None, None) => match leg.decisive_end().map(|over| over.end) {
            Some(SightingEnd::Rejected) => LegState::Rejected,
            _ => LegState::Cancelled,
        },
    }
}

fn decide(facts: &Facts) -> (Outcome, Rule, Option<HangupBy>) {
    let outbound = facts.opening.direction() != Direction::Inbound;
    let taken = facts.watch.taken_by();
    if facts.watch.talked_from().is_some() {
        let end = taken.and_then(WatchedLeg::decisive_end).map(|over| over.end);
        return (Outcome::Answered, Rule::SeenTalking, end.and_then(|end| who_hung_up(end, outbound)));
    }
    match taken {
        Some(caller) => unanswered_call(caller.decisive_end()),
        None => unanswered_by_all(facts),
    }
}

/// An extension called, and the other party was not seen to answer.
fn unanswered_call(end: Option<&SightingOver>) -> (Outcome, Rule, Option<HangupBy>) {
    match end.map(|over| (over.end, over.status)) {
        Some((SightingEnd::Rejected, Some(status))) => match callee_refused(status) {
            Outcome::Busy => (Outcome::Busy, Rule::CalleeBusy, Some(HangupBy::Callee)),
            Outcome::Rejected => (Outcome::Rejected, Rule::CalleeDeclined, Some(HangupBy::Callee)),
            Outcome::NoAnswer => (Outcome::NoAnswer, Rule::CalleeSilent, Some(HangupBy::System)),
            outcome => (outcome, Rule::CalleeUnreachable, Some(HangupBy::System)),
        },
        Some((SightingEnd::Cancelled | SightingEnd::HungUp, _)) => {
            (Outcome::Canceled, Rule::AgentLeft, Some(HangupBy::Agent))
        }
        Some((SightingEnd::RangOut, _)) => (Outcome::NoAnswer, Rule::CalleeSilent, Some(HangupBy::System)),
        Some((SightingEnd::Fault, _)) => (Outcome::Failed, Rule::CalleeUnreachable, Some(HangupBy::System)),
        _ => (Outcome::NoAnswer, Rule::SeenUnanswered, None),
    }
}

/// Extensions were called, and none was seen to talk.
fn unanswered_by_all(facts: &Facts) -> (Outcome, Rule, Option<HangupBy>) {
    let ends = || facts.watch.legs().filter_map(|(_, leg)| leg.decisive_end());
    let refused = ends().filter(|over| over.end == SightingEnd::Rejected).filter_map(|over| over.status);
    let worst = refused.filter(|status| *status != 487).map(refusal).max();
    if let Some(worst) = worst {
        let outcome = unanswered(Some(worst));
        let by = if outcome == Outcome::Rejected { HangupBy::Agent } else { HangupBy::System };
        (outcome, Rule::SeenRefused, Some(by))
    } else if ends().any(|over| over.end == SightingEnd::RangOut) {
        (Outcome::NoAnswer, Rule::SeenRingOut, Some(HangupBy::System))
    } else if facts.watch.says_answered_elsewhere() {
        (Outcome::Answered, Rule::AnsweredElsewhere, None)
    } else {
        (Outcome::Abandoned, Rule::SeenUnanswered, None)
    }
}

fn who_hung_up(end: SightingEnd, outbound: bool) -> Option<HangupBy> {
    match end {
        SightingEnd::HungUp => Some(HangupBy::Agent),
        SightingEnd::OtherHungUp if outbound => Some(HangupBy::Callee),
        SightingEnd::OtherHungUp => Some(HangupBy::Caller),
        SightingEnd::Fault | SightingEnd::Blind => Some(HangupBy::System),
        _ => None,
    }
}

/// The status that a PBX told, of the extension whose part decides.
fn told_status(facts: &Facts) -> Option<u16> {
    if facts.watch.talked_from().is_some() {
        return Some(200);
    }
    let calling = facts.watch.legs().find(|(_, leg)| leg.side == Side::Calling);
    calling.and_then(|(_, leg)| leg.decisive_end()?.status)
}
