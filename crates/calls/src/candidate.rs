//! Which contact an answer of the matching settles.
//!
//! The search and the ranking are `linecard_crm::matching`'s; its [`Candidate`] stands in signals, pops and events.

use linecard_crm::matching::{Candidate, Level};

use crate::id::ContactId;

/// Yields the contact that may be taken without asking: the only one whose own number it is.
///
/// A shared number, a switchboard or a suffix never decides; then a user chooses.
pub fn settled_contact(candidates: &[Candidate]) -> Option<ContactId> {
    let mut own = candidates.iter().filter(|c| matches!(c.level, Level::Exact | Level::Extension));
    match (own.next(), own.next()) {
        (Some(only), None) => only.contact.id.parse().ok(),
        _ => None,
    }
}
