//! Signals: the evidence that lives in the ledger, one JSON object each.
//!
//! A signal says what was seen or read from outside, never what it means: the meaning is the
//! [fold](crate::fold)'s. Whatever a decision rests on (a route, a contact match, an edit) is a signal
//! too, so that folding the past again never depends on today's database.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

pub use crate::caller::{Caller, IdentitySource};
use crate::id::{CallId, ContactId, DeviceId, InteractionId, LegId, LineId, RecordingId, SignalId, UserId};
use crate::opening::DialRequest;
use crate::quality::LegQuality;
use crate::recorded::SessionTold;
use crate::sighting::{Sighting, SightingOver};
use crate::time::UtcMillis;
use crate::transfer::{TransferFault, TransferRequest};
use linecard_crm::matching::Candidate;

/// One piece of evidence about one call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// The name by which a duplicate is known.
    pub id: SignalId,
    /// The call it is about.
    pub call_id: CallId,
    /// Who saw it.
    pub source: Source,
    /// When it was seen, by a clock that never falls back within one call and one process.
    pub observed_at: UtcMillis,
    /// A per-process counter that orders signals of the same millisecond.
    pub order: u64,
    /// What was seen.
    pub body: SignalBody,
}

impl Signal {
    /// Yields the key by which the fold orders signals.
    pub fn key(&self) -> (UtcMillis, u64, SignalId) {
        (self.observed_at, self.order, self.id)
    }
}

/// Who saw a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A line in anchor mode: the call runs through this server.
    Anchor,
    /// The engine itself: its timers and decisions.
    Engine,
    /// The CRM: routes and contacts.
    Crm,
    /// The media relay and the recorder.
    Media,
    /// A user through REST.
    User,
    /// The start after a crash.
    Recovery,
    /// A PBX that tells of its extensions' dialogs (RFC 4235).
    DialogInfo,
    /// A line in shadow mode: the call rings along and is answered elsewhere.
    Shadow,
    /// A recording client that sends the call to be recorded here (RFC 7866).
    Siprec,
}

/// What a signal says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SignalBody {
    /// A customer's INVITE arrived on a line; opens the call.
    LegOffered(Offer),
    /// A user asked for a call; opens it.
    DialRequested(DialRequest),
    /// A call was seen that goes on elsewhere; opens it.
    CallSighted {
        /// The leg of the customer, or of whoever else is called.
        customer: LegId,
        /// The interaction that the call will leave.
        interaction: InteractionId,
        /// What was seen.
        sighting: Sighting,
    },
    /// An extension was seen to take part in the call, or to be further in it.
    Sighted(Sighting),
    /// A part in the call is seen no more.
    SightingOver(SightingOver),
    /// Nobody has seen the call for so long that it is over.
    WatchOver {},
    /// A recording client tells of the call (RFC 7865).
    SessionTold(SessionTold),
    /// A recording session is over.
    SessionOver {
        /// Its leg.
        leg: LegId,
        /// Which side ended it.
        by: EndCause,
    },
    /// The user is there, and an INVITE leaves for the one who is called.
    CalleeDialled {
        /// The called one's leg.
        leg: LegId,
    },
    /// The called one's side sends sound before its answer (RFC 3960).
    EarlyMedia {
        /// The called one's leg.
        leg: LegId,
    },
    /// The route was read: whose call it is and which devices may ring.
    Routed(Route),
    /// The route could not be read in time.
    RouteUnavailable {},
    /// The user had another call and takes only one at a time.
    UserInCall {
        /// The user the line belongs to.
        user: UserId,
        /// The call that kept the user busy.
        other: CallId,
    },
    /// The call cannot have sound.
    MediaUnavailable {
        /// Why not.
        #[serde(default)]
        why: MediaFault,
    },
    /// The contacts were asked for the number.
    ContactLookedUp {
        /// The number asked for.
        number: Option<String>,
        /// What came back, best first; empty when nobody is known by it.
        candidates: Vec<Candidate>,
        /// Whether the contacts could be read at all.
        lookup: Lookup,
    },
    /// An INVITE left for a device.
    LegDialled {
        /// The new leg.
        leg: LegId,
        /// Whose device it is.
        user: UserId,
        /// The device.
        device: DeviceId,
    },
    /// The user dialled on a device of its own, which waits for the answer.
    PhoneDialled {
        /// The device's leg.
        leg: LegId,
        /// Whose device it is.
        user: UserId,
        /// The device.
        device: DeviceId,
    },
    /// A provisional response came from a device (RFC 3261 section 13.2.2.1).
    LegProgressed {
        /// The device's leg.
        leg: LegId,
        /// 101 to 199.
        status: u16,
    },
    /// A leg was answered: a device sent its 2xx, or this server sent the customer's.
    LegAnswered {
        /// The leg.
        leg: LegId,
    },
    /// The customer's ACK arrived.
    LegConfirmed {
        /// The customer's leg.
        leg: LegId,
    },
    /// Customer and agent are connected.
    Bridged {
        /// The customer's leg.
        customer: LegId,
        /// The agent's leg.
        agent: LegId,
    },
    /// A leg got a final response other than 2xx: a device's, or this server's to the customer.
    LegRejected {
        /// The leg.
        leg: LegId,
        /// 300 to 699.
        status: u16,
        /// The reason given, for people only.
        reasons: Vec<Reason>,
    },
    /// A leg's side sent the call on to somebody else (3xx), and the INVITE went there.
    LegRedirected {
        /// The leg.
        leg: LegId,
        /// 300 to 399.
        status: u16,
        /// To whom: E.164, else digits or a code.
        number: String,
    },
    /// A leg was cancelled before it was answered.
    LegCancelled {
        /// The leg.
        leg: LegId,
        /// Why.
        by: CancelCause,
        /// Reason headers (RFC 3326) of the CANCEL, evidence but never the verdict.
        reasons: Vec<Reason>,
    },
    /// An answered leg ended.
    LegEnded {
        /// The leg.
        leg: LegId,
        /// Which side ended it.
        by: EndCause,
        /// Reason headers (RFC 3326) of the BYE.
        reasons: Vec<Reason>,
    },
    /// What is needed to send a BYE after a restart.
    DialogRecorded {
        /// The leg of that dialog.
        leg: LegId,
        /// The dialog as the SIP layer wrote it; opaque here.
        dialog: Value,
    },
    /// A leg's party put the other on hold.
    Held {
        /// The leg whose party did it.
        leg: LegId,
    },
    /// A leg's party came back from hold.
    Retrieved {
        /// The leg whose party did it.
        leg: LegId,
    },
    /// A user put the customer on hold in the interface.
    HoldRequested {
        /// Who did it.
        user: UserId,
    },
    /// A user took the customer back in the interface.
    RetrieveRequested {
        /// Who did it.
        user: UserId,
    },
    /// The customer is to be handed over.
    TransferRequested(TransferRequest),
    /// An INVITE left for the number to which the customer is to be handed over.
    OtherDialled {
        /// The new leg.
        leg: LegId,
        /// E.164 or digits.
        number: String,
    },
    /// The customer was not handed over.
    TransferFailed {
        /// Why not.
        why: TransferFault,
    },
    /// The PBX was asked by REFER to connect the customer with somebody else (RFC 3515).
    ReferralSent {
        /// The user who hands the customer over.
        user: UserId,
        /// To whom: E.164 or digits.
        number: String,
    },
    /// The PBX did not.
    ReferralFailed {
        /// Its answer, or what the one whom it called has answered; 408 for silence.
        status: u16,
    },
    /// The PBX did: what follows is neither seen nor recorded here.
    HandedToPbx {
        /// To whom: E.164 or digits.
        number: String,
    },
    /// Digits were sent to the customer; which ones is nobody's business.
    DigitsSent {
        /// Who did it.
        user: UserId,
        /// How many.
        count: u16,
    },
    /// A user hung up in the interface.
    HangUpRequested {
        /// Who did it.
        user: UserId,
    },
    /// A recording began.
    RecordingOpened {
        /// The recording.
        recording: RecordingId,
        /// Its file under the recordings' root.
        path: String,
    },
    /// A recording is complete.
    RecordingClosed(RecordingClosed),
    /// A recording could not be made or went wrong.
    RecordingFailed {
        /// The recording.
        recording: RecordingId,
        /// What failed.
        why: String,
    },
    /// Another phone took the place of a leg's party (RFC 3891): the PBX, or who had it, has handed its end over.
    PartyReplaced {
        /// The leg.
        leg: LegId,
    },
    /// The customer's side said that somebody else is at its end (RFC 3325, RFC 5876): the PBX has connected the call
    /// with another party.
    PartyNamed {
        /// The customer's leg.
        leg: LegId,
        /// Who is there now.
        party: Caller,
    },
    /// No media came for so long that the leg counts as dead.
    MediaLost {
        /// The silent leg.
        leg: LegId,
    },
    /// How a leg was heard from its beginning on; the last one says it. It is told when a direction turns bad or good
    /// again, every ten minutes, and at the leg's end.
    LegMeasured {
        /// The leg.
        leg: LegId,
        /// How it was heard.
        quality: Box<LegQuality>,
    },
    /// The process died with the call open.
    Interrupted {
        /// The last moment at which the process was known to live.
        alive_until: UtcMillis,
    },
    /// A signal was not durable in time and the call went on without it.
    LateDurable {
        /// The late signal.
        signal: SignalId,
    },
    /// A user wrote notes.
    NoteEdited {
        /// The whole new text.
        notes: String,
        /// The author.
        user: UserId,
    },
    /// A user chose the outcome of the work.
    DispositionChosen {
        /// The disposition; `None` takes it back.
        disposition: Option<String>,
        /// Who chose.
        user: UserId,
    },
    /// A user said who the customer is.
    ContactChosen {
        /// The contact; `None` says that no known one fits.
        contact: Option<ContactId>,
        /// Who chose.
        user: UserId,
    },
    /// A user took the missed-call item that this call, its last one then, belongs to.
    MissedClaimed {
        /// Who took it.
        user: UserId,
    },
    /// A user closed the missed-call item that this call, its last one then, belongs to.
    MissedClosed {
        /// Who closed it.
        user: UserId,
    },
}

impl SignalBody {
    /// Tells whether this opens a call.
    pub fn opens_call(&self) -> bool {
        matches!(self, Self::LegOffered(_) | Self::DialRequested(_) | Self::CallSighted { .. })
    }
}

/// A customer's INVITE as it arrived on a line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Offer {
    /// The customer's leg, named by whoever translates (see [`crate::Engine::make_leg`]).
    pub leg: LegId,
    /// The interaction that the call will leave.
    pub interaction: InteractionId,
    /// The line that was called.
    pub line: LineId,
    /// The user that the line belongs to, as known in memory when the INVITE came.
    pub user: Option<UserId>,
    /// Who calls.
    pub caller: Caller,
    /// The number that was dialled, when the PBX tells it.
    pub did: Option<String>,
    /// What the caller's side hands over with the call (RFC 7433), as a person reads it.
    #[serde(default)]
    pub user_to_user: Vec<String>,
    /// The INVITE's Call-ID.
    pub sip_call_id: String,
    /// The INVITE's From tag.
    pub from_tag: String,
}

/// Why a call cannot have sound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MediaFault {
    /// No RTP port is free.
    #[default]
    NoPort,
    /// As many talks are relayed as the machine can bear.
    NoRoom,
    /// The customer offers nothing that can be passed on.
    NoCodec,
    /// The customer and this server do not agree on encryption.
    NoEncryption,
}

/// Whose call it is and which devices may ring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The user; `None` when the line belongs to nobody.
    pub user: Option<UserId>,
    /// The user's devices in their order.
    pub devices: Vec<RoutedDevice>,
    /// Together or one after the other.
    pub ring: Ring,
    /// How long the devices ring; in order, how long each of them.
    pub ring_timeout_ms: u32,
    /// Whether the user takes a call while in another.
    pub allow_call_waiting: bool,
}

/// A device that may ring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutedDevice {
    /// The device.
    pub device: DeviceId,
    /// Where it is reached.
    pub address: DeviceAddress,
}

/// Where a device is reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DeviceAddress {
    /// A phone: a SIP URI, or a bare extension of the line's PBX.
    Sip {
        /// As stored with the device.
        uri: String,
    },
    /// The softphone in the user's browser.
    Browser {},
    /// A telephone that registers at the server itself.
    Phone {
        /// Where it is now, as it registered: a SIP URI, one a registration; none when it is not registered.
        contact: Option<String>,
    },
}

/// How several devices ring.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ring {
    /// All at once.
    #[default]
    Together,
    /// One after the other.
    InOrder,
}

/// How the search for the caller stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lookup {
    /// Not answered yet.
    Pending,
    /// Answered, perhaps with nobody.
    Done,
    /// The contacts could not be read.
    Unavailable,
}

/// Why a leg was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CancelCause {
    /// The party itself: the customer gave up.
    Remote,
    /// Another device was answered first.
    AnsweredElsewhere,
    /// The ring time was over.
    RingTimeout,
    /// The user declined on another device.
    DeclinedElsewhere,
    /// The customer gave up while the device rang.
    CallerGone,
    /// The user hung up on the device, or was never there, while somebody was to be called.
    AgentGone,
    /// A user hung up in the interface.
    HungUp,
    /// The server: a fault or a restart.
    System,
}

/// Which side ended a leg.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndCause {
    /// The party of this leg.
    Remote,
    /// This server, because the other leg had ended or came too late.
    Local,
    /// A user hung up in the interface.
    HungUp,
    /// A fault: no media, no ACK, a session that expired, a lost transport.
    System,
}

/// One value of a Reason header (RFC 3326).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// `SIP`, `Q.850` or another.
    pub protocol: String,
    /// The number.
    pub cause: Option<u16>,
    /// The text.
    pub text: Option<String>,
}

/// A complete recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingClosed {
    /// The recording.
    pub recording: RecordingId,
    /// `finished`, or `repaired` and `truncated` when a tail was lost.
    pub state: RecordingState,
    /// Its length on the timeline.
    pub duration_ms: u64,
    /// 2 for customer left and agent right.
    pub channels: u16,
    /// Samples per second.
    pub sample_rate_hz: u32,
    /// SHA-256 of the file in hexadecimal.
    pub sha256: Option<String>,
    /// What is marked in it.
    pub spans: Vec<Span>,
}

/// How a recording stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    /// Being written.
    Recording,
    /// Whole.
    Finished,
    /// Whole up to the crash, its header rewritten at the start.
    Repaired,
    /// Ended early, for instance by a full disk.
    Truncated,
    /// Not there.
    Failed,
}

/// A marked part of a recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Span {
    /// What it is.
    pub kind: SpanKind,
    /// Its start on the timeline.
    pub from_ms: u64,
    /// Its end on the timeline.
    pub until_ms: u64,
}

/// What a marked part of a recording is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SpanKind {
    /// A party was on hold.
    Hold,
    /// Packets were lost; silence stands for them.
    Loss,
    /// Masked on purpose.
    Masked,
    /// The call was being transferred.
    Transfer,
}
