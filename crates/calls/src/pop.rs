//! The screen-pop: an object of the server with a version and a state, exactly one per call and user.
//!
//! A browser draws the highest version it has seen; it decides nothing.

use serde::{Deserialize, Serialize};

use crate::id::{CallId, InteractionId, LineId, PopId, UserId};
use crate::interaction::Direction;
use crate::signal::Lookup;
use crate::transfer::TransferredBy;
use linecard_crm::matching::Candidate;

/// A screen-pop as browsers see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pop {
    /// Its name.
    pub pop_id: PopId,
    /// Rises by one with every change; 1 when shown.
    pub version: u64,
    /// The call it is about.
    pub call_id: CallId,
    /// The interaction that the call will leave.
    pub interaction_id: InteractionId,
    /// Whose screen it is on.
    pub user_id: UserId,
    /// How it stands.
    pub state: PopState,
    /// Whose call it is instead, once it is elsewhere.
    #[serde(default)]
    pub taken_by: Option<UserId>,
    /// Who hands the customer over to this user.
    #[serde(default)]
    pub transferred_by: Option<TransferredBy>,
    /// Who called whom.
    pub direction: Direction,
    /// The number by which the customer is known: E.164, else digits; `None` when withheld or no number at all.
    pub number: Option<String>,
    /// The number as received.
    pub number_dialled: Option<String>,
    /// The number of who called first and put the customer through.
    #[serde(default)]
    pub put_through_by: Option<String>,
    /// The number at the customer's end now, where the PBX has connected the call with another party than the customer.
    #[serde(default)]
    pub connected_number: Option<String>,
    /// What the caller's side handed over with the call; text, never markup.
    #[serde(default)]
    pub user_to_user: Vec<String>,
    /// The caller's display name as received; text, never markup.
    pub display_name: Option<String>,
    /// The line that was called.
    pub line_id: LineId,
    /// The number that was dialled, when the PBX tells it.
    pub did: Option<String>,
    /// Who it may be, best first.
    pub candidates: Vec<Candidate>,
    /// How the search stands.
    pub lookup: Lookup,
}

/// How a pop stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PopState {
    /// The call waits for an answer.
    Ringing,
    /// This user talks.
    Mine,
    /// Somebody else has it.
    Elsewhere,
    /// Nobody answered.
    Missed,
    /// This user talked; it is over.
    Ended,
}

impl PopState {
    /// Tells whether the pop is withdrawn for good.
    pub fn is_over(self) -> bool {
        match self {
            PopState::Ringing | PopState::Mine => false,
            PopState::Elsewhere | PopState::Missed | PopState::Ended => true,
        }
    }
}
