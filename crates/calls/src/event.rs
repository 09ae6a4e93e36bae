//! Events: derived facts for browsers, later for webhooks; one serde enum for all of them.
//!
//! An event is not evidence and is never folded. Numbering, storing and sending are the runtime's:
//! [`Frame`] and [`Cursor`] are only the shapes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Error;
use crate::id::{CallId, ContactId, DeviceId, InteractionId, LegId, LineId, RecordingId, UserId};
use crate::interaction::{Direction, Interaction, LegState, Outcome, Party};
use crate::missed::MissedItem;
use crate::pop::Pop;
use crate::quality::WindowQuality;
use crate::signal::RecordingState;
use crate::time::{UtcMillis, rfc3339};
use crate::transfer::{HeldBy, TransferView};
use linecard_crm::matching::Candidate;

/// A derived fact: `{"type": ..., "data": {...}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "data")]
pub enum Event {
    /// An INVITE became a call.
    #[serde(rename = "call.created")]
    CallCreated(CallView),
    /// A device rings; of a call that a user asked for, each step until the answer: its device, the called one's phone.
    #[serde(rename = "call.ringing")]
    CallRinging(CallView),
    /// Customer and agent are connected.
    #[serde(rename = "call.answered")]
    CallAnswered(CallView),
    /// One side put the other on hold.
    #[serde(rename = "call.held")]
    CallHeld(CallView),
    /// Nobody is on hold any more.
    #[serde(rename = "call.retrieved")]
    CallRetrieved(CallView),
    /// Something of it is known better: who is at the customer's end.
    #[serde(rename = "call.updated")]
    CallUpdated(CallView),
    /// Somebody else talks with the customer now.
    #[serde(rename = "call.transferred")]
    CallTransferred(CallView),
    /// A direction of the talk has turned bad, or good again: the legs say which.
    #[serde(rename = "call.quality")]
    CallQuality(CallView),
    /// An inbound call ended without an answer.
    #[serde(rename = "call.missed")]
    CallMissed(CallView),
    /// The customer's leg is over.
    #[serde(rename = "call.ended")]
    CallEnded(CallView),
    /// A pop appears.
    #[serde(rename = "pop.shown")]
    PopShown(Pop),
    /// A pop changed.
    #[serde(rename = "pop.updated")]
    PopUpdated(Pop),
    /// A pop is withdrawn: answered elsewhere, missed or ended.
    #[serde(rename = "pop.retracted")]
    PopRetracted(Pop),
    /// A recording began.
    #[serde(rename = "recording.started")]
    RecordingStarted(RecordingView),
    /// A recording is complete, cut short or failed, as its state says.
    #[serde(rename = "recording.finished")]
    RecordingFinished(RecordingView),
    /// A user's state, as far as calls show it.
    #[serde(rename = "agent.state_changed")]
    AgentStateChanged(AgentView),
    /// The contacts answered.
    #[serde(rename = "contact.matched")]
    ContactMatched(MatchView),
    /// An interaction is complete, or was amended after its end.
    #[serde(rename = "interaction.closed")]
    InteractionClosed(Box<Interaction>),
    /// Nobody answered a caller, once or once more; the whole item, as in the two below.
    #[serde(rename = "missed.opened")]
    MissedOpened(Box<MissedItem>),
    /// A user has the item, or its caller tried again.
    #[serde(rename = "missed.claimed")]
    MissedClaimed(Box<MissedItem>),
    /// The caller was reached, or a user closed the item.
    #[serde(rename = "missed.closed")]
    MissedClosed(Box<MissedItem>),
    /// A line's registration changed.
    #[serde(rename = "registration.changed")]
    RegistrationChanged(RegistrationView),
    /// A telephone registered at the server, or is gone.
    #[serde(rename = "device.changed")]
    DeviceChanged(DeviceView),
    /// Something needs an administrator.
    #[serde(rename = "alarm.raised")]
    AlarmRaised(AlarmView),
    /// It is well again.
    #[serde(rename = "alarm.cleared")]
    AlarmCleared(AlarmView),
}

/// A call as `call.*`, the snapshot and `/calls` show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Call)]
pub struct CallView {
    /// The call.
    pub call_id: CallId,
    /// The interaction that it leaves.
    pub interaction_id: InteractionId,
    /// Who called whom.
    pub direction: Direction,
    /// How it stands.
    pub state: CallState,
    /// The user who answered, else the one it is meant for.
    pub user_id: Option<UserId>,
    /// Everybody who takes part or took part, and so may see it.
    #[serde(default)]
    pub user_ids: Vec<UserId>,
    /// Whether it goes on elsewhere and is only seen: it cannot be hung up from here.
    #[serde(default)]
    pub watched: bool,
    /// The line.
    pub line_id: LineId,
    /// The customer's number; `None` when withheld or no number at all.
    pub number: Option<String>,
    /// The number at the customer's end now, where the PBX has connected the call with another party than the customer.
    #[serde(default)]
    pub connected_number: Option<String>,
    /// The customer, once settled.
    pub contact_id: Option<ContactId>,
    /// The INVITE.
    #[serde(with = "rfc3339")]
    pub started_at: UtcMillis,
    /// When customer and agent were connected.
    #[serde(with = "rfc3339::option")]
    pub answered_at: Option<UtcMillis>,
    /// How it went; `None` until it is over.
    #[serde(default)]
    pub outcome: Option<Outcome>,
    /// Who holds whom.
    #[serde(default)]
    pub held_by: Option<HeldBy>,
    /// The transfer under way.
    #[serde(default)]
    pub transfer: Option<TransferView>,
    /// Every leg, the customer's first.
    pub legs: Vec<LegView>,
}

impl CallView {
    /// Yields the users who may see it whatever their role; some twice.
    pub fn parties(&self) -> impl Iterator<Item = UserId> + '_ {
        self.user_id.into_iter().chain(self.user_ids.iter().copied())
    }

    /// Tells whether it may be shown to `viewer`.
    pub fn visible_to(&self, viewer: &Viewer) -> bool {
        viewer.sees_any_of(self.parties())
    }
}

/// How a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// Nothing rings yet.
    Created,
    /// A device rings.
    Ringing,
    /// Customer and agent are connected.
    Answered,
    /// Connected, and one side holds the other.
    Held,
    /// The customer's leg is over.
    Ended,
}

/// A leg as `call.*` shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = CallLeg)]
pub struct LegView {
    /// The leg.
    pub leg_id: LegId,
    /// Whose side it is.
    pub party: Party,
    /// How it stands.
    pub state: LegState,
    /// The stretch that makes what is heard of its party count as bad, while it does.
    #[serde(default)]
    pub bad_received: Option<WindowQuality>,
    /// The stretch that makes what its party hears count as bad, while it does.
    #[serde(default)]
    pub bad_sent: Option<WindowQuality>,
}

impl LegView {
    /// Shows a leg of which nothing bad is known.
    pub(crate) fn new(leg_id: LegId, party: Party, state: LegState) -> Self {
        Self { leg_id, party, state, bad_received: None, bad_sent: None }
    }
}

/// A recording as `recording.*` shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordingView {
    /// The recording.
    pub recording_id: RecordingId,
    /// The interaction it belongs to.
    pub interaction_id: InteractionId,
    /// The call it is of.
    pub call_id: CallId,
    /// The user who talks.
    pub user_id: Option<UserId>,
    /// How it stands.
    pub state: RecordingState,
}

/// A user's state as `agent.state_changed` and the snapshot show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentView {
    /// The user.
    pub user_id: UserId,
    /// How the user stands.
    pub state: AgentState,
    /// The call that makes it so.
    pub call_id: Option<CallId>,
}

/// A user's state as far as calls show it; of several, the greatest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// In no call.
    Available,
    /// A call waits for the user's answer.
    Ringing,
    /// In a call.
    Busy,
}

/// What the contacts answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MatchView {
    /// The call.
    pub call_id: CallId,
    /// The interaction that it leaves.
    pub interaction_id: InteractionId,
    /// The user it is meant for.
    pub user_id: Option<UserId>,
    /// The number asked for.
    pub number: Option<String>,
    /// The customer, when the answer settles it.
    pub contact_id: Option<ContactId>,
    /// Who it may be, best first.
    pub candidates: Vec<Candidate>,
}

/// A line's registration as `registration.changed` and `/lines` show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegistrationView {
    /// The line.
    pub line_id: LineId,
    /// The user it belongs to.
    pub user_id: Option<UserId>,
    /// How it stands.
    pub state: LineState,
    /// Since when.
    #[serde(with = "rfc3339")]
    pub since: UtcMillis,
    /// Why it is not registered, for people.
    pub reason: Option<String>,
    /// Which sentence `reason` is, for pages that have it in another language.
    pub reason_key: Option<String>,
    /// The values in the sentence.
    pub reason_params: BTreeMap<String, String>,
    /// What to change.
    pub advice: Option<String>,
    /// When the granted binding expires.
    #[serde(with = "rfc3339::option")]
    pub expires_at: Option<UtcMillis>,
    /// How many bindings the registrar lists; of a line that records, how many sessions are under way.
    pub contacts: u32,
    /// When the last recording session came to a line that records, since the server started.
    #[serde(with = "rfc3339::option", default)]
    pub last_session_at: Option<UtcMillis>,
}

/// How a line's registration stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LineState {
    /// The registrar has our binding.
    Registered,
    /// Being asked for.
    Trying,
    /// Refused or unreachable; tried again later.
    Failed,
}

/// A telephone and where it is registered, as `device.changed` shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceView {
    /// The device.
    pub device_id: DeviceId,
    /// Whose it is.
    pub user_id: UserId,
    /// Where it is; nowhere when it is not registered.
    pub registrations: Vec<PhoneRegistration>,
    /// When it was last registered.
    #[serde(with = "rfc3339::option")]
    pub last_seen: Option<UtcMillis>,
}

/// One registration of a telephone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PhoneRegistration {
    /// What it registered, cut to 120 characters.
    pub contact: String,
    /// What it says that it is.
    pub user_agent: Option<String>,
    /// Since when it is there.
    #[serde(with = "rfc3339")]
    pub since: UtcMillis,
    /// Until when, unless it registers again.
    #[serde(with = "rfc3339")]
    pub expires_at: UtcMillis,
    /// Its address and port.
    pub address: String,
    /// `udp`, `tcp` or `tls`.
    pub transport: String,
}

/// An alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AlarmView {
    /// What is wrong; also its identity together with `subject`.
    pub alarm: AlarmKind,
    /// What it is about: a line, a recording, a signal, a directory.
    pub subject: Option<String>,
    /// For people.
    pub text: String,
}

/// What an alarm is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlarmKind {
    /// The database is locked, slow or gone; signals go through the spool.
    DatabaseUnavailable,
    /// A signal was not safe within 100 ms.
    SignalLate,
    /// A recording cannot be written.
    RecordingFailed,
    /// A line is not registered.
    LineUnregistered,
    /// No RTP port is left.
    MediaExhausted,
    /// A line that registered beside a desk phone pushed it out, and has withdrawn.
    PhonePushedOut,
    /// Somebody guesses at passwords of telephones.
    RegistrarGuessing,
    /// The STUN server does not answer.
    StunSilent,
}

/// Who looks: decides which events and which parts of a snapshot are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewer {
    /// The user.
    pub user_id: UserId,
    /// The user's role.
    pub role: Role,
}

/// A user's role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Takes calls; sees own ones.
    Agent,
    /// Sees all calls.
    Supervisor,
    /// Sees everything.
    Admin,
}

impl Viewer {
    /// Tells whether everything may be shown, whomever it concerns.
    pub fn sees_all(&self) -> bool {
        match self.role {
            Role::Supervisor | Role::Admin => true,
            Role::Agent => false,
        }
    }

    /// Tells whether something of `owner` may be shown; what belongs to nobody is for supervisors.
    pub fn sees(&self, owner: Option<UserId>) -> bool {
        self.sees_any_of(owner)
    }

    /// Tells whether something that concerns `users` may be shown.
    pub fn sees_any_of(&self, users: impl IntoIterator<Item = UserId>) -> bool {
        self.sees_all() || users.into_iter().any(|user| user == self.user_id)
    }
}

impl Event {
    /// Yields the `type` on the wire.
    pub fn name(&self) -> &'static str {
        match self {
            Event::CallCreated(_) => "call.created",
            Event::CallRinging(_) => "call.ringing",
            Event::CallAnswered(_) => "call.answered",
            Event::CallHeld(_) => "call.held",
            Event::CallRetrieved(_) => "call.retrieved",
            Event::CallUpdated(_) => "call.updated",
            Event::CallTransferred(_) => "call.transferred",
            Event::CallQuality(_) => "call.quality",
            Event::CallMissed(_) => "call.missed",
            Event::CallEnded(_) => "call.ended",
            Event::PopShown(_) => "pop.shown",
            Event::PopUpdated(_) => "pop.updated",
            Event::PopRetracted(_) => "pop.retracted",
            Event::RecordingStarted(_) => "recording.started",
            Event::RecordingFinished(_) => "recording.finished",
            Event::AgentStateChanged(_) => "agent.state_changed",
            Event::ContactMatched(_) => "contact.matched",
            Event::InteractionClosed(_) => "interaction.closed",
            Event::MissedOpened(_) => "missed.opened",
            Event::MissedClaimed(_) => "missed.claimed",
            Event::MissedClosed(_) => "missed.closed",
            Event::RegistrationChanged(_) => "registration.changed",
            Event::DeviceChanged(_) => "device.changed",
            Event::AlarmRaised(_) => "alarm.raised",
            Event::AlarmCleared(_) => "alarm.cleared",
        }
    }

    /// Tells whether the event may be sent to `viewer`.
    pub fn visible_to(&self, viewer: &Viewer) -> bool {
        viewer.sees_any_of(self.concerned())
    }

    /// Yields the users to whom it is sent whatever their role; to supervisors and administrators everything is.
    pub fn concerned(&self) -> BTreeSet<UserId> {
        match self {
            Event::CallCreated(call)
            | Event::CallRinging(call)
            | Event::CallAnswered(call)
            | Event::CallHeld(call)
            | Event::CallRetrieved(call)
            | Event::CallUpdated(call)
            | Event::CallTransferred(call)
            | Event::CallQuality(call)
            | Event::CallMissed(call)
            | Event::CallEnded(call) => call.parties().collect(),
            Event::PopShown(pop) | Event::PopUpdated(pop) | Event::PopRetracted(pop) => {
                BTreeSet::from([pop.user_id])
            }
            Event::RecordingStarted(recording) | Event::RecordingFinished(recording) => {
                recording.user_id.into_iter().collect()
            }
            Event::AgentStateChanged(agent) => BTreeSet::from([agent.user_id]),
            Event::ContactMatched(matched) => matched.user_id.into_iter().collect(),
            Event::InteractionClosed(interaction) => interaction.parties().collect(),
            Event::MissedOpened(item) | Event::MissedClaimed(item) | Event::MissedClosed(item) => {
                item.user_ids.iter().copied().collect()
            }
            Event::RegistrationChanged(line) => line.user_id.into_iter().collect(),
            Event::DeviceChanged(device) => BTreeSet::from([device.user_id]),
            Event::AlarmRaised(_) | Event::AlarmCleared(_) => BTreeSet::new(),
        }
    }
}

/// What a browser gets at first: everything it may see, as of one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The live calls.
    pub calls: Vec<CallView>,
    /// The pops that are not over.
    pub pops: Vec<Pop>,
    /// The users that calls have shown.
    pub agents: Vec<AgentView>,
    /// How many missed-call items are open, claimed ones left out.
    pub missed_open: u64,
}

/// A numbered event: the WebSocket frame and the row of the resume table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Frame {
    /// Its place in the stream.
    pub cursor: Cursor,
    /// Its number within the epoch.
    pub seq: u64,
    /// When it was numbered.
    #[serde(with = "rfc3339")]
    pub timestamp: UtcMillis,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

impl Frame {
    /// Numbers an event.
    pub fn new(cursor: Cursor, timestamp: UtcMillis, event: Event) -> Self {
        Self { seq: cursor.seq, cursor, timestamp, event }
    }
}

/// A place in the stream of events, `epoch:seq` on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// New whenever numbering could not be continued; 1 to 64 letters, digits or `-`.
    pub epoch: String,
    /// Rises strictly, may have gaps.
    pub seq: u64,
}

const EPOCH_MAX: usize = 64;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.seq)
    }
}

impl FromStr for Cursor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let (epoch, seq) = text.split_once(':').ok_or(Error::Cursor)?;
        let lawful = epoch.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if epoch.is_empty() || epoch.len() > EPOCH_MAX || !lawful {
            return Err(Error::Cursor);
        }
        if seq.is_empty() || !seq.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Error::Cursor);
        }
        let seq = seq.parse().map_err(|_| Error::Cursor)?;
        Ok(Self { epoch: epoch.to_owned(), seq })
    }
}

impl Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
