//! Handing a customer over to somebody else, as it is asked for and as it stands.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::id::{LegId, UserId};
use crate::signal::Route;

/// A wish to have the customer connected to somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransferRequest {
    /// The user who hands the customer over.
    pub by: UserId,
    /// That user's name, for the screen of the other.
    pub by_name: Option<String>,
    /// How; in the ledger `kind` is the signal's.
    #[serde(rename = "how")]
    pub kind: TransferKind,
    /// To whom.
    pub to: TransferTarget,
    /// The leg whose phone asked by REFER (RFC 3515) and is told how it goes; `None` for a wish from the interface.
    pub asked_on: Option<LegId>,
}

/// How a customer is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransferKind {
    /// The other is connected to the customer as soon as it answers.
    Blind,
    /// The agent talks with the other first.
    Attended,
    /// Nobody took the customer over and the agent has left: the agent is rung again.
    Recall,
}

/// To whom a customer is handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TransferTarget {
    /// A user: the devices ring, the screen pops.
    User {
        /// The user's name.
        name: Option<String>,
        /// Whose devices ring; its `user` is the one meant.
        route: Route,
    },
    /// A number that the PBX of the call's line reaches.
    Number {
        /// E.164, else digits.
        number: String,
        /// As the PBX is told.
        dialled: String,
        /// The dialog that the call takes the place of, as the value of a Replaces header (RFC 3891).
        replaces: Option<String>,
    },
}

impl TransferTarget {
    /// Yields the user who is meant.
    pub fn user(&self) -> Option<UserId> {
        match self {
            Self::User { route, .. } => route.user,
            Self::Number { .. } => None,
        }
    }
}

/// Why a customer was not handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransferFault {
    /// The other was busy.
    Busy,
    /// The other declined.
    Declined,
    /// The other did not answer in time.
    NoAnswer,
    /// The other could not be reached.
    Unreachable,
    /// The agent took the customer back.
    GivenUp,
    /// The other hung up while the agent asked.
    OtherLeft,
}

/// A transfer under way, as `call.*` and `/calls` show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = CallTransfer)]
pub struct TransferView {
    /// How.
    pub kind: TransferKind,
    /// How far it is.
    pub stage: TransferStage,
    /// The user to whom.
    pub user_id: Option<UserId>,
    /// That user's name.
    pub name: Option<String>,
    /// The number to whom, E.164 or digits.
    pub number: Option<String>,
    /// Who hands the customer over.
    pub by: UserId,
}

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransferStage {
    /// The other is rung.
    Ringing,
    /// The agent talks with the other; the customer waits.
    Talking,
}

/// Who hands a customer over to the user of a pop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TransferredBy {
    /// The user.
    pub user_id: UserId,
    /// The user's name.
    pub name: Option<String>,
}

/// Who holds whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HeldBy {
    /// The agent holds the customer.
    Agent,
    /// The customer holds the agent.
    Customer,
    /// Each holds the other.
    Both,
}

/// Why nothing can be done with a call as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TalkRefusal {
    /// Customer and agent do not talk, or not with this user.
    NotTalking,
    /// A transfer is under way.
    TransferUnderWay,
    /// None is.
    NoTransfer,
    /// The customer would be handed over to who hands over.
    SameUser,
    /// The other is in a call and takes one at a time.
    UserInCall,
    /// The other has no device that could ring.
    NoDevice,
}
