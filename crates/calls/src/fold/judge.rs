//! Decides how a call went: by what was seen of it elsewhere, or by what this server carried of it.

use super::facts::Facts;
use super::verdict::{Verdict, carried, customer_status};
use super::watched::watched;

/// Decides; total, whatever is missing.
pub(super) fn judge(facts: &Facts) -> Verdict {
    let seen = facts.is_watched().then(|| watched(facts, customer_status(facts, &facts.customer())));
    seen.flatten().unwrap_or_else(|| carried(facts))
}
