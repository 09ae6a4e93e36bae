//! Missed-call items: one piece of work for each caller whom nobody answered.
//!
//! Pure. [`CallerEvidence`] is what is known of one caller: missed calls, answered ones, what users did; [`items`] makes
//! the items of it, whatever its order of arrival and however often it came. [`Book`] keeps the callers that matter now
//! and says what each new piece changes. Not here: the database, the numbering of events.

mod book;
mod evidence;
mod items;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use book::{Book, KeptItem, MissedChange, RINGS_AT_MOST_MS};
pub use evidence::{Act, Answer, CallerEvidence, CallerKey, Callers, MissedCall};
pub use items::{Item, items};

use crate::event::Viewer;
use crate::id::{ContactId, InteractionId, MissedId, UserId};
use crate::time::{UtcMillis, rfc3339};

/// One item in the shape that REST shows; every field is present, `null` when unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MissedItem {
    /// Its name: that of the interaction which opened it.
    pub id: MissedId,
    /// E.164, else digits; `None` when withheld or no number at all.
    pub number: Option<String>,
    /// The number as last received.
    pub number_dialled: Option<String>,
    /// The caller, as the newest call that names one has it.
    pub contact_id: Option<ContactId>,
    /// How many calls nobody answered.
    pub attempts: u64,
    /// The first call's INVITE.
    #[serde(with = "rfc3339")]
    pub first_at: UtcMillis,
    /// The last call's INVITE.
    #[serde(with = "rfc3339")]
    pub last_at: UtcMillis,
    /// The user who claimed it.
    pub owner_id: Option<UserId>,
    /// How it stands.
    pub state: MissedState,
    /// The user who closed it, or who talked with the caller.
    pub closed_by: Option<UserId>,
    /// When it was closed.
    #[serde(with = "rfc3339::option")]
    pub closed_at: Option<UtcMillis>,
    /// The answered call that closed it; `None` when a user did.
    pub answered_interaction_id: Option<InteractionId>,
    /// The last call that nobody answered.
    pub interaction_id: InteractionId,
    /// The users whose lines were called: beside supervisors, those who see it.
    pub user_ids: Vec<UserId>,
}

/// How an item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MissedState {
    /// Nobody has taken it.
    Open,
    /// A user has taken it.
    Claimed,
    /// The caller was reached, or a user closed it.
    Closed,
}

/// What a user does with an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deed {
    /// Takes it.
    Claim,
    /// Closes it.
    Close,
}

/// What comes of a deed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// It changes the item.
    Due,
    /// The item is already so.
    Done,
    /// Another user has the item, or it is closed.
    Refused,
}

impl MissedItem {
    /// Tells whether `viewer` may see it.
    pub fn visible_to(&self, viewer: &Viewer) -> bool {
        viewer.sees_any_of(self.user_ids.iter().copied())
    }

    /// Says what comes of `deed` when `user` does it.
    pub fn judge(&self, deed: Deed, user: UserId) -> Judgement {
        match (deed, self.state) {
            (Deed::Claim, MissedState::Open) => Judgement::Due,
            (Deed::Claim, MissedState::Claimed) if self.owner_id == Some(user) => Judgement::Done,
            (Deed::Claim, MissedState::Claimed | MissedState::Closed) => Judgement::Refused,
            (Deed::Close, MissedState::Open | MissedState::Claimed) => Judgement::Due,
            (Deed::Close, MissedState::Closed) => Judgement::Done,
        }
    }
}
