//! What is seen of calls that do not run through this server: a PBX tells of its extensions' dialogs (RFC 4235), or lets
//! an INVITE ring along beside the desk phone.

use serde::{Deserialize, Serialize};

use crate::id::{LegId, LineId, SightingId, UserId};
use crate::signal::{Caller, Reason};

/// What one source sees of one extension's part in a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// Its name for as long as that source sees it.
    pub id: SightingId,
    /// The extension's leg; when the call has one of this user already, the engine takes that.
    pub leg: LegId,
    /// The line by which it is seen.
    pub line: LineId,
    /// The user that the line belongs to.
    pub user: Option<UserId>,
    /// The extension.
    pub extension: String,
    /// The PBX of the extension: internal numbers mean something only there.
    pub server: String,
    /// Whether the extension called or was called.
    pub side: Side,
    /// The other party, as far as it is told.
    pub party: Caller,
    /// What kind of number the other party has.
    pub reach: Reach,
    /// The number that was dialled, when the PBX tells it.
    pub did: Option<String>,
    /// The Call-ID of the extension's dialog, when it is told.
    pub sip_call_id: Option<String>,
    /// How far the extension is.
    pub stage: SightingStage,
}

/// Whether an extension called or was called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// It was called.
    Called,
    /// It called.
    Calling,
}

/// What kind of number the other party of an extension has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// A public number, or none that is known.
    Outside,
    /// An internal number of the PBX.
    Inside,
    /// An emergency or short number or a code: never matched to a contact.
    Special,
    /// The account of a line of this server: the call is one that runs through it.
    Ours,
}

/// How far an extension is in a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SightingStage {
    /// It rings, or hears the other party's phone ring.
    Ringing,
    /// It talks.
    Talking,
    /// It talks, and holds the other party.
    Holding,
}

impl SightingStage {
    /// Tells whether the extension is connected.
    pub fn is_connected(self) -> bool {
        self >= Self::Talking
    }
}

/// A source sees a part in a call no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SightingOver {
    /// Which.
    pub id: SightingId,
    /// What its end was told as.
    pub end: SightingEnd,
    /// The status of the response that ended it, when it is told.
    pub status: Option<u16>,
    /// The reasons given (RFC 3326).
    pub reasons: Vec<Reason>,
}

/// What the end of an extension's part was told as (RFC 4235 section 4.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SightingEnd {
    /// It was cancelled before an answer: the caller left, or another phone was answered.
    Cancelled,
    /// It was refused.
    Rejected,
    /// Another dialog took its place.
    Replaced,
    /// The extension hung up.
    HungUp,
    /// The other party hung up.
    OtherHungUp,
    /// Something failed.
    Fault,
    /// It rang for too long.
    RangOut,
    /// Nothing was told but that it is over.
    Untold,
    /// Nothing is seen any more, of this or anything else by this source.
    Blind,
}

impl SightingOver {
    /// Tells whether a Reason says that another phone was answered: one piece of evidence, for PBXes leave it out and
    /// send it for calls that nobody took.
    pub fn says_answered_elsewhere(&self) -> bool {
        self.reasons
            .iter()
            .any(|reason| reason.protocol.eq_ignore_ascii_case("SIP") && reason.cause == Some(200))
    }
}
