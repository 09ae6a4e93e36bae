//! How a call went that this server carried, and the rule that decided.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::facts::{Facts, LegFacts};
use crate::interaction::{HangupBy, Outcome};
use crate::opening::Opening;
use crate::rules::{Refusal, callee_refused, never_there, refusal, unanswered};
use crate::signal::{CancelCause, EndCause, MediaFault};
use crate::time::UtcMillis;

/// The rule that decided an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The customer's leg lives: no verdict yet.
    StillOpen,
    /// Customer and agent were connected.
    Connected,
    /// The process died with the call open.
    CutByCrash,
    /// The customer cancelled, or hung up, before the connection.
    CallerLeft,
    /// The customer's leg was lost before the connection.
    CallerLost,
    /// The user had another call.
    UserInCall,
    /// No ports were left.
    NoMedia,
    /// As many talks were relayed as the machine can bear.
    NoRoom,
    /// The customer offered nothing that can be passed on.
    NoCodec,
    /// The customer's offer does not fit how talks are encrypted here.
    NoEncryption,
    /// The route could not be read.
    NoRoute,
    /// A user hung up in the interface before the connection.
    DeclinedInInterface,
    /// The line belongs to nobody, or its user has no devices.
    NobodyToRing,
    /// A device declined.
    DeclinedOnDevice,
    /// The ring time was over.
    RangOut,
    /// The devices were busy.
    DevicesBusy,
    /// The devices could not be reached.
    DevicesAbsent,
    /// The devices answered with faults.
    DevicesFaulty,
    /// Nothing explains the refusal but its own status.
    StatusOnly,
    /// Asked for by a user whose own devices were not picked up.
    AgentNeverThere,
    /// Asked for by a user whose own devices answered with faults.
    AgentUnreachable,
    /// The user hung up before the called one answered.
    AgentLeft,
    /// The called one was busy.
    CalleeBusy,
    /// The called one declined.
    CalleeDeclined,
    /// The called one did not answer.
    CalleeSilent,
    /// The called one could not be reached, or the network refused.
    CalleeUnreachable,
    /// An extension was seen to talk.
    SeenTalking,
    /// No extension was seen to talk, and the end of one gave as its reason that another phone was answered.
    AnsweredElsewhere,
    /// An extension refused.
    SeenRefused,
    /// An extension rang for too long.
    SeenRingOut,
    /// Nobody was seen to talk, and nothing tells of an answer.
    SeenUnanswered,
}

/// How a call went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) outcome: Option<Outcome>,
    pub(super) rule: Rule,
    pub(super) ended_at: Option<UtcMillis>,
    pub(super) hangup_by: Option<HangupBy>,
    pub(super) sip_status: Option<u16>,
}

/// Decides by what this server carried of the call; total, whatever is missing.
pub(super) fn carried(facts: &Facts) -> Verdict {
    let customer = facts.customer();
    let over_at = customer.over_at();
    let Some(ended_at) = over_at else {
        return unfinished(facts, &customer);
    };
    let (outcome, rule, hangup_by) = match facts.opening {
        Opening::Requested(_) => requested(facts, &customer),
        Opening::Offered(_) | Opening::Seen(_) => finished(facts, &customer),
    };
    Verdict {
        outcome: Some(outcome),
        rule,
        ended_at: Some(ended_at.max(facts.started_at)),
        hangup_by: Some(hangup_by),
        sip_status: customer_status(facts, &customer),
    }
}

/// The final status on the customer's leg; none when it was never dialled.
pub(super) fn customer_status(facts: &Facts, customer: &LegFacts) -> Option<u16> {
    let dialled = matches!(facts.opening, Opening::Offered(_)) || facts.callee_dialled.is_some();
    status(customer).filter(|_| dialled)
}

pub(super) fn unfinished(facts: &Facts, customer: &LegFacts) -> Verdict {
    let sip_status = customer_status(facts, customer);
    match facts.interrupted {
        Some(alive_until) => Verdict {
            outcome: Some(Outcome::Interrupted),
            rule: Rule::CutByCrash,
            ended_at: Some(alive_until.max(facts.started_at)),
            hangup_by: Some(HangupBy::Interrupted),
            sip_status,
        },
        None => Verdict { outcome: None, rule: Rule::StillOpen, ended_at: None, hangup_by: None, sip_status },
    }
}

fn finished(facts: &Facts, customer: &LegFacts) -> (Outcome, Rule, HangupBy) {
    if let Some(agent) = facts.last_agent() {
        return (Outcome::Answered, Rule::Connected, who_hung_up(customer, agent));
    }
    if let Some((_, by)) = customer.ended {
        return lost_or_left(by == EndCause::Remote);
    }
    match (customer.rejected, customer.cancelled) {
        (Some((_, status)), _) => refused(facts, status),
        (None, Some((_, by))) => lost_or_left(by == CancelCause::Remote),
        (None, None) => (Outcome::Failed, Rule::StatusOnly, HangupBy::System),
    }
}

/// Decides how a call went that a user asked for.
fn requested(facts: &Facts, customer: &LegFacts) -> (Outcome, Rule, HangupBy) {
    if let Some(agent) = facts.last_agent() {
        let by = match who_hung_up(customer, agent) {
            HangupBy::Caller => HangupBy::Callee,
            by => by,
        };
        return (Outcome::Answered, Rule::Connected, by);
    }
    if facts.callee_dialled.is_none() {
        return never_dialled(facts);
    }
    match (customer.ended, customer.rejected, customer.cancelled) {
        (Some(_), ..) => (Outcome::Failed, Rule::CalleeUnreachable, HangupBy::System),
        (None, _, Some((_, CancelCause::RingTimeout))) => {
            (Outcome::NoAnswer, Rule::CalleeSilent, HangupBy::System)
        }
        (None, _, Some((_, CancelCause::AgentGone | CancelCause::HungUp))) => {
            (Outcome::Canceled, Rule::AgentLeft, HangupBy::Agent)
        }
        (None, Some((_, status)), None) => by_callee(callee_refused(status)),
        (None, _, _) => (Outcome::Failed, Rule::StatusOnly, HangupBy::System),
    }
}

fn never_dialled(facts: &Facts) -> (Outcome, Rule, HangupBy) {
    if facts.hang_up_requested.is_some() {
        return (Outcome::Canceled, Rule::AgentLeft, HangupBy::Agent);
    }
    if facts.media_unavailable.is_some() {
        return (Outcome::Failed, Rule::NoMedia, HangupBy::System);
    }
    let worst = facts.agents().filter_map(|(_, leg)| leg.refusal()).max();
    let by = if worst == Some(Refusal::Declined) { HangupBy::Agent } else { HangupBy::System };
    match never_there(worst) {
        Outcome::Failed => (Outcome::Failed, Rule::AgentUnreachable, by),
        outcome => (outcome, Rule::AgentNeverThere, by),
    }
}

fn by_callee(outcome: Outcome) -> (Outcome, Rule, HangupBy) {
    let (rule, by) = match outcome {
        Outcome::Busy => (Rule::CalleeBusy, HangupBy::Callee),
        Outcome::Rejected => (Rule::CalleeDeclined, HangupBy::Callee),
        Outcome::NoAnswer => (Rule::CalleeSilent, HangupBy::System),
        _ => (Rule::CalleeUnreachable, HangupBy::System),
    };
    (outcome, rule, by)
}

fn lost_or_left(by_caller: bool) -> (Outcome, Rule, HangupBy) {
    if by_caller {
        (Outcome::Abandoned, Rule::CallerLeft, HangupBy::Caller)
    } else {
        (Outcome::Failed, Rule::CallerLost, HangupBy::System)
    }
}

fn refused(facts: &Facts, status: u16) -> (Outcome, Rule, HangupBy) {
    let nobody = facts.route.as_ref().is_some_and(|route| route.user.is_none() || route.devices.is_empty());
    if let Some(why) = facts.media_unavailable {
        let rule = match why {
            MediaFault::NoPort => Rule::NoMedia,
            MediaFault::NoRoom => Rule::NoRoom,
            MediaFault::NoCodec => Rule::NoCodec,
            MediaFault::NoEncryption => Rule::NoEncryption,
        };
        (Outcome::Failed, rule, HangupBy::System)
    } else if facts.hang_up_requested.is_some() {
        (Outcome::Rejected, Rule::DeclinedInInterface, HangupBy::Agent)
    } else if facts.user_in_call.is_some() {
        (Outcome::Busy, Rule::UserInCall, HangupBy::System)
    } else if facts.route_unavailable {
        (Outcome::Failed, Rule::NoRoute, HangupBy::System)
    } else if nobody {
        (Outcome::NoAnswer, Rule::NobodyToRing, HangupBy::System)
    } else {
        by_devices(facts.agents().filter_map(|(_, leg)| leg.refusal()).max(), status)
    }
}

fn by_devices(decisive: Option<Refusal>, status: u16) -> (Outcome, Rule, HangupBy) {
    let rule = match decisive {
        Some(Refusal::Declined) => Rule::DeclinedOnDevice,
        Some(Refusal::RangOut) => Rule::RangOut,
        Some(Refusal::Busy) => Rule::DevicesBusy,
        Some(Refusal::Absent) => Rule::DevicesAbsent,
        Some(Refusal::Fault) => Rule::DevicesFaulty,
        None => Rule::StatusOnly,
    };
    let outcome = unanswered(Some(decisive.unwrap_or_else(|| refusal(status))));
    let by = if outcome == Outcome::Rejected { HangupBy::Agent } else { HangupBy::System };
    (outcome, rule, by)
}

fn who_hung_up(customer: &LegFacts, agent: &LegFacts) -> HangupBy {
    match (customer.ended, agent.ended) {
        (Some((_, EndCause::Remote)), _) => HangupBy::Caller,
        (Some((_, EndCause::HungUp)), _) => HangupBy::Agent,
        (Some((_, EndCause::Local)), Some((_, EndCause::Remote | EndCause::HungUp))) => HangupBy::Agent,
        _ => HangupBy::System,
    }
}

/// The final status on a leg: 200, the refusal's, or 487 for a cancelled one (RFC 3261 section 15.1.2).
pub(super) fn status(leg: &LegFacts) -> Option<u16> {
    match (leg.answered, leg.rejected, leg.cancelled) {
        (Some(_), _, _) => Some(200),
        (None, Some((_, status)), _) => Some(status),
        (None, None, Some(_)) => Some(487),
        (None, None, None) => None,
    }
}
