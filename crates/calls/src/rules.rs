//! What a device's refusal means and which one decides when several devices refused.
//!
//! The engine decides by these rules what the PBX is told, the fold what the interaction says.

use crate::interaction::Outcome;

/// Why a device did not answer; of several devices the greatest decides.
///
/// A person's own act counts above a timer, a phone that rang above one that could not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Refusal {
    /// A fault: 5xx, or a request the device would not take.
    Fault,
    /// Not there: 404, 408, 410, 430, 480, 487, a redirection.
    Absent,
    /// 486 or 600.
    Busy,
    /// It rang until the time was over.
    RangOut,
    /// The user declined: 403, 603, 607, 608.
    Declined,
}

/// Reads a device's final status (RFC 3261 section 21, RFC 5628, RFC 8197, RFC 8688).
pub(crate) fn refusal(status: u16) -> Refusal {
    match status {
        486 | 600 => Refusal::Busy,
        403 | 603 | 607 | 608 => Refusal::Declined,
        300..=399 | 404 | 408 | 410 | 430 | 480 | 487 | 604 => Refusal::Absent,
        _ => Refusal::Fault,
    }
}

/// Tells whether the refusal stands for every device of the user (RFC 3261 section 21.6).
pub(crate) fn refuses_everywhere(status: u16) -> bool {
    matches!(status, 600 | 603 | 607 | 608)
}

/// Names the outcome when no device answered; `None` when there was none to ring.
pub(crate) fn unanswered(worst: Option<Refusal>) -> Outcome {
    match worst {
        None | Some(Refusal::RangOut | Refusal::Absent) => Outcome::NoAnswer,
        Some(Refusal::Busy) => Outcome::Busy,
        Some(Refusal::Declined) => Outcome::Rejected,
        Some(Refusal::Fault) => Outcome::Failed,
    }
}

/// Names the outcome when a user asked for a call and none of the user's own devices was picked up.
pub(crate) fn never_there(worst: Option<Refusal>) -> Outcome {
    match worst {
        Some(Refusal::Fault) => Outcome::Failed,
        _ => Outcome::Canceled,
    }
}

/// Names the outcome when the one who was called refused: 486 and 600 `busy`, 603 `rejected`, 408, 480 and 487
/// `no_answer`, else `failed`.
pub(crate) fn callee_refused(status: u16) -> Outcome {
    match status {
        486 | 600 => Outcome::Busy,
        603 => Outcome::Rejected,
        408 | 480 | 487 => Outcome::NoAnswer,
        _ => Outcome::Failed,
    }
}

/// Yields what the PBX is told: 480 for `no_answer`, 486 for `busy` and `rejected`, else 500.
pub(crate) fn final_status(outcome: Outcome) -> u16 {
    match outcome {
        Outcome::NoAnswer => 480,
        Outcome::Busy | Outcome::Rejected => 486,
        _ => 500,
    }
}

/// Told to the PBX when ports or the route are missing: it may try elsewhere.
pub(crate) const OUT_OF_MEANS: u16 = 503;

/// Told to a device that dialled when nobody came, or when somebody hung up for it.
pub(crate) const NOT_THERE: u16 = 480;

/// Yields what a device that dialled is told of the called one's refusal: the same, but for redirections, which are not
/// followed, and for challenges, which are not the device's to answer.
pub(crate) fn phone_status(status: u16) -> u16 {
    match status {
        401 | 407 => 403,
        400..=699 => status,
        _ => NOT_THERE,
    }
}

/// The status towards a customer whose offer holds nothing that can be passed on (RFC 3261 section 21.4.26).
pub(crate) const NOT_ACCEPTABLE: u16 = 488;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_persons_decision_outranks_a_timer_and_a_timer_outranks_a_fault() {
        let order = [500, 480, 486, 603].map(refusal);
        assert!(order.is_sorted(), "{order:?}");
        assert!(Refusal::RangOut > refusal(486) && Refusal::RangOut < refusal(603));
    }
}
