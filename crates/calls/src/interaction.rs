//! The record that a call leaves with the customer, in the shape that REST shows.
//!
//! Interactions are made by the [fold](crate::fold) alone.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::event::Viewer;
use crate::id::{CallId, ContactId, DeviceId, InteractionId, LegId, LineId, RecordingId, UserId};
use crate::quality::LegQuality;
use crate::signal::{RecordingState, Span};
use crate::time::{UtcMillis, rfc3339};

/// One interaction; every field is present, `null` when unknown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Interaction {
    /// Its name.
    pub id: InteractionId,
    /// The call it came from.
    pub call_id: CallId,
    /// Who called whom.
    pub direction: Direction,
    /// How it went; `None` while it is open.
    pub outcome: Option<Outcome>,
    /// Whether the customer's leg still lives.
    pub state: InteractionState,
    /// E.164, else digits; `None` when withheld or no number at all.
    pub caller_number: Option<String>,
    /// The caller's number as received.
    pub caller_dialled: Option<String>,
    /// The number that was called, when known: E.164, else digits or a code as typed.
    pub callee_number: Option<String>,
    /// The number by which the customer is known: the caller's or the one called, unless that is no public number and the
    /// PBX has connected the call with one since. E.164, else digits.
    #[serde(default)]
    pub customer_number: Option<String>,
    /// The number at the customer's end at last, where the PBX has connected the call with another party than the customer.
    #[serde(default)]
    pub connected_number: Option<String>,
    /// What the caller's side handed over with the call, such as a ticket's number (RFC 7433).
    #[serde(default)]
    pub user_to_user: Vec<String>,
    /// The customer.
    pub contact_id: Option<ContactId>,
    /// The user who answered, else the one it was meant for.
    pub user_id: Option<UserId>,
    /// The line.
    pub line_id: LineId,
    /// The INVITE.
    #[serde(with = "rfc3339")]
    pub started_at: UtcMillis,
    /// When customer and agent were connected.
    #[serde(with = "rfc3339::option")]
    pub answered_at: Option<UtcMillis>,
    /// The end of the customer's leg.
    #[serde(with = "rfc3339::option")]
    pub ended_at: Option<UtcMillis>,
    /// From the INVITE to the answer or the end; `None` while it rings.
    pub ringing_ms: Option<i64>,
    /// Both connected until the first BYE, hold included; 0 when never answered, `None` while they talk.
    pub talk_ms: Option<i64>,
    /// The part of the talk on hold; `None` while they talk.
    pub hold_ms: Option<i64>,
    /// Who ended it; `None` while it is open.
    pub hangup_by: Option<HangupBy>,
    /// The final status on the customer's leg.
    pub sip_status: Option<u16>,
    /// Every leg, the customer's first.
    pub legs: Vec<LegRecord>,
    /// Its recordings.
    pub recording_ids: Vec<RecordingId>,
    /// What the user wrote.
    pub notes: Option<String>,
    /// What the user chose.
    pub disposition: Option<String>,
}

impl Interaction {
    /// Yields the users beside the first who talked with the customer: those to whom the customer was handed over.
    pub fn further_talkers(&self) -> BTreeSet<UserId> {
        let talked = self.legs.iter().filter(|leg| leg.answered_at.is_some());
        talked.filter_map(|leg| leg.user_id).filter(|user| Some(*user) != self.user_id).collect()
    }

    /// Yields the users who may see it whatever their role, some twice: whoever leads, who talked, and whose phone is in
    /// the call.
    pub fn parties(&self) -> impl Iterator<Item = UserId> + '_ {
        let takes_part = |leg: &&LegRecord| leg.answered_at.is_some() || leg.ended_at.is_none();
        self.user_id.into_iter().chain(self.legs.iter().filter(takes_part).filter_map(|leg| leg.user_id))
    }

    /// Tells whether it may be shown to `viewer`.
    pub fn visible_to(&self, viewer: &Viewer) -> bool {
        viewer.sees_any_of(self.parties())
    }

    /// Yields the number of the customer, or of whoever else the user talks with.
    pub fn other_number(&self) -> Option<&str> {
        let first = match self.direction {
            Direction::Inbound => self.caller_number.as_deref(),
            Direction::Outbound | Direction::Internal => self.callee_number.as_deref(),
        };
        // Saved by an earlier version, it has none.
        self.customer_number.as_deref().or(first)
    }
}

/// Who called whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// A customer called.
    Inbound,
    /// A user called a customer.
    Outbound,
    /// A user called a user.
    Internal,
}

/// How an interaction went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Customer and agent were connected.
    Answered,
    /// The caller left first.
    Abandoned,
    /// The ring time was over, or nobody could be rung.
    NoAnswer,
    /// The user was in a call, or the devices were busy.
    Busy,
    /// The user declined.
    Rejected,
    /// A fault of ours or of a device.
    Failed,
    /// The user hung up before the customer answered (outbound).
    Canceled,
    /// Cut by a crash.
    Interrupted,
}

/// Whether an interaction is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum InteractionState {
    /// The customer's leg lives.
    Live,
    /// The customer's leg has ended.
    Ended,
}

/// Who ended an interaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HangupBy {
    /// The customer who called.
    Caller,
    /// The customer who was called (outbound).
    Callee,
    /// The user, on a device or in the interface.
    Agent,
    /// The server.
    System,
    /// A crash.
    Interrupted,
}

/// One party's side of the call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LegRecord {
    /// Its name.
    pub leg_id: LegId,
    /// Whose side it is.
    pub party: Party,
    /// The user of an agent's leg.
    pub user_id: Option<UserId>,
    /// The device of an agent's leg.
    pub device_id: Option<DeviceId>,
    /// The number of a leg to somebody who is no user: to whom the customer was handed over, or was to be.
    #[serde(default)]
    pub number: Option<String>,
    /// How it stands or ended.
    pub state: LegState,
    /// The INVITE.
    #[serde(with = "rfc3339")]
    pub started_at: UtcMillis,
    /// Its answer.
    #[serde(with = "rfc3339::option")]
    pub answered_at: Option<UtcMillis>,
    /// Its end.
    #[serde(with = "rfc3339::option")]
    pub ended_at: Option<UtcMillis>,
    /// Its final status.
    pub sip_status: Option<u16>,
    /// How well it was heard; `None` while it is not known, and when it has no sound here.
    #[serde(default)]
    pub quality: Option<LegQuality>,
}

/// Whose side of the call a leg is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Party {
    /// The customer.
    Customer,
    /// A user's device.
    Agent,
}

/// How a leg stands or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LegState {
    /// INVITE sent or received, nothing heard.
    Offered,
    /// It rings.
    Ringing,
    /// It is answered.
    Answered,
    /// Its party holds the other.
    Held,
    /// It was cancelled before an answer.
    Cancelled,
    /// It got a final response other than 2xx.
    Rejected,
    /// It was answered and is over.
    Ended,
}

/// A recording in the shape that REST shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Recording {
    /// Its name.
    pub id: RecordingId,
    /// The interaction it belongs to.
    pub interaction_id: InteractionId,
    /// How it stands.
    pub state: RecordingState,
    /// Its length; `None` while it is written.
    pub duration_ms: Option<u64>,
    /// 2 for customer left and agent right.
    pub channels: Option<u16>,
    /// Samples per second.
    pub sample_rate_hz: Option<u32>,
    /// SHA-256 in hexadecimal.
    pub sha256: Option<String>,
    /// What is marked in it.
    pub spans: Vec<Span>,
    /// Its file under the recordings' root; never leaves the server.
    #[serde(skip)]
    pub path: Option<String>,
}
