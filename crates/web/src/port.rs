//! The doors to those who own what handlers need: the reactor, with its frames for browsers, and the audit's writer.
//!
//! One owner decides about calls; a handler sends a command and waits for the answer. No call state lives in this crate.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::Utf8Bytes;
use linecard_calls::metrics::Missed;
use linecard_calls::{
    AgentState, AlarmView, CallId, CallView, Callee, ContactId, Cursor, Deed, DeviceView, Edit, Frame,
    Interaction, InteractionId, LineId, LineState, MissedId, MissedItem, Outcome, Recording, RecordingId,
    RecordingState, RegistrationView, Signal, Snapshot, TalkRefusal, TransferKind, UserId, UtcMillis, Viewer,
};
use linecard_crm::Destination;
use linecard_store::audit::AuditEntry;
use linecard_store::ledger::SavedCall;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use utoipa::ToSchema;

use crate::doctor::Doctor;
use crate::heard::HeardByLine;
use crate::stream::Stream;

/// A frame as it goes over every socket, and whom it concerns.
#[derive(Debug)]
pub struct NumberedFrame {
    /// Its number within the epoch.
    pub seq: u64,
    /// The users to whom it is sent whatever their role.
    pub concerned: Box<[UserId]>,
    /// Its JSON; cheap to clone.
    pub text: Utf8Bytes,
}

impl NumberedFrame {
    /// Writes a frame as JSON.
    ///
    /// # Errors
    /// When the event has no JSON.
    pub fn new(frame: &Frame) -> serde_json::Result<Self> {
        let text = serde_json::to_string(frame)?.into();
        Ok(Self { seq: frame.seq, concerned: frame.event.concerned().into_iter().collect(), text })
    }

    /// Tells whether it may be sent to `viewer`.
    #[must_use]
    pub fn visible_to(&self, viewer: &Viewer) -> bool {
        viewer.sees_any_of(self.concerned.iter().copied())
    }
}

/// How a subscription starts.
#[derive(Debug)]
pub enum Start {
    /// Everything there is, as of `cursor`.
    Snapshot {
        /// The state.
        snapshot: Box<Snapshot>,
        /// The place of the last frame it contains.
        cursor: Cursor,
    },
    /// The frames after the browser's cursor, all at hand.
    Recent(Vec<Arc<NumberedFrame>>),
    /// Frames `after` up to `until` are read from the database first, then come these.
    Stored {
        /// The epoch of both numbers.
        epoch: String,
        /// The browser's place.
        after: u64,
        /// The last number to be read.
        until: u64,
        /// What follows.
        recent: Vec<Arc<NumberedFrame>>,
    },
}

/// A browser's stream: how it starts, and every frame published from that moment on.
#[derive(Debug)]
pub struct Subscription {
    /// How it starts.
    pub start: Start,
    /// What follows: what the viewer may see, and nothing else.
    pub stream: Stream,
}

/// Why the reactor did not do what it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// There is no such call, or the asking user may not see it.
    #[error("there is no such call")]
    NoSuchCall,
    /// The call goes on elsewhere and is only seen.
    #[error("this call does not run through Linecard; hang up on the phone itself")]
    OnDeskPhone,
    /// There is no such missed call in memory, or the asking user may not see it.
    #[error("there is no such missed call")]
    NoSuchMissed,
    /// A colleague has the missed call, or it is closed.
    #[error("a colleague has this missed call, or it is closed")]
    Taken,
    /// The user is in another call.
    #[error("you are in a call; hang up first")]
    InAnotherCall,
    /// The user has no phone that could ring.
    #[error("you have no phone that could ring; an administrator adds one to your user")]
    NoDevice,
    /// The user's only phone is one that registers here, and it is not registered.
    #[error("your telephone is not registered; see whether it is switched on and connected")]
    PhoneAbsent,
    /// The line was removed meanwhile.
    #[error("there is no such line")]
    NoSuchLine,
    /// There is no such colleague.
    #[error("there is no such user")]
    NoSuchUser,
    /// It cannot be done with the talk as it stands.
    #[error("{}", in_words(*.0))]
    Talk(TalkRefusal),
    /// Every RTP port is in use.
    #[error("all lines for sound are busy; try again when a call has ended")]
    NoPorts,
    /// As many talks are relayed as the machine can bear.
    #[error("as many calls are under way as this server can bear; try again when one has ended")]
    NoRoom,
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
}

fn in_words(why: TalkRefusal) -> &'static str {
    match why {
        TalkRefusal::NotTalking => "you are not talking in this call",
        TalkRefusal::TransferUnderWay => "the customer is being handed over; take the customer back first",
        TalkRefusal::NoTransfer => "the customer is not being handed over",
        TalkRefusal::SameUser => "this is who talks with the customer already",
        TalkRefusal::UserInCall => "this colleague is in a call",
        TalkRefusal::NoDevice => "this colleague has no phone that could ring",
    }
}

/// What a user wants of a talk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TalkWish {
    /// The customer on hold.
    Hold,
    /// The customer back, from hold or from a transfer.
    Retrieve,
    /// The customer handed over.
    Transfer {
        /// At once or after a question.
        kind: TransferKind,
        /// To whom.
        to: TransferTo,
    },
    /// The customer connected with the one who was asked.
    Complete,
    /// Digits sent to the customer.
    Press(Keys),
}

/// Keys of a telephone: 1 to 64 of 0 to 9, `*`, `#`, A to D. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys(String);

impl Keys {
    /// Reads keys; `None` for anything else.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let are_keys = text.chars().all(|key| matches!(key, '0'..='9' | '*' | '#' | 'A'..='D' | 'a'..='d'));
        (are_keys && (1..=64).contains(&text.len())).then(|| Self(text.to_owned()))
    }

    /// Yields them. Never to be logged.
    pub fn chars(&self) -> impl Iterator<Item = char> {
        self.0.chars()
    }
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys")
    }
}

/// Somebody to whom a customer can be handed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Colleague {
    /// The user.
    pub id: UserId,
    /// The name.
    pub name: String,
    /// The internal number.
    pub extension: Option<String>,
    /// How the user stands, as far as calls show it.
    pub state: AgentState,
}

/// To whom a customer is to be handed over, as a user says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TransferTo {
    /// A colleague.
    User(UserId),
    /// A number: perhaps a colleague's.
    Number(Destination),
}

/// A user's wish to call somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialOrder {
    /// Who asks; this user's phone rings first.
    pub user: UserId,
    /// The line it goes out by.
    pub line: LineId,
    /// Who is called.
    pub callee: Callee,
    /// The number to be shown, E.164 or digits.
    pub caller_id: Option<String>,
    /// Who the user says it is.
    pub contact: Option<ContactId>,
}

/// An interaction that the reactor knows better than the store.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveInteraction {
    /// The interaction.
    pub interaction: Interaction,
    /// How it stands when nobody answered it.
    pub missed: Option<Missed>,
}

/// What a handler asks of the reactor.
#[derive(Debug)]
pub enum Command {
    /// The live calls that `viewer` may see.
    Calls {
        /// Who asks.
        viewer: Viewer,
        /// The answer.
        reply: oneshot::Sender<Vec<CallView>>,
    },
    /// Hang up a call.
    HangUp {
        /// The call.
        call: CallId,
        /// Who asks.
        viewer: Viewer,
        /// The call as it stood when it was told to end.
        reply: oneshot::Sender<Result<CallView, Refusal>>,
    },
    /// Do something with a talk.
    Talk {
        /// The call.
        call: CallId,
        /// Who asks.
        viewer: Viewer,
        /// What is wanted.
        wish: TalkWish,
        /// The call as it stands then.
        reply: oneshot::Sender<Result<CallView, Refusal>>,
    },
    /// Everybody to whom a customer can be handed over.
    Colleagues {
        /// The answer, in no order.
        reply: oneshot::Sender<Vec<Colleague>>,
    },
    /// Call somebody for a user.
    Dial {
        /// Who, and how.
        order: DialOrder,
        /// The call; of a second wish for the same number, the call that is under way.
        reply: oneshot::Sender<Result<CallView, Refusal>>,
    },
    /// Let the desk phone that a line pushed out be bound again; a line that pushed out nobody does nothing.
    PutBack {
        /// The line.
        line: LineId,
        /// Whether there is such a line.
        reply: oneshot::Sender<Result<(), Refusal>>,
    },
    /// Amend an interaction; the edits become signals.
    Edit {
        /// The call that left the interaction.
        call: CallId,
        /// What is amended.
        edits: Vec<Edit>,
        /// The amended interaction.
        reply: oneshot::Sender<Result<Interaction, Refusal>>,
    },
    /// The interactions that `viewer` may see and that are not saved for good, newer than the store's.
    LiveInteractions {
        /// Who asks.
        viewer: Viewer,
        /// The answer.
        reply: oneshot::Sender<Vec<LiveInteraction>>,
    },
    /// One of them, with its recordings.
    LiveInteraction {
        /// The interaction.
        interaction: InteractionId,
        /// The answer; none when the store knows the interaction better, or nobody knows it.
        reply: oneshot::Sender<Option<SavedCall>>,
    },
    /// A recording of a call that is not saved for good.
    LiveRecording {
        /// The recording.
        recording: RecordingId,
        /// The answer; none when the store knows it better, or nobody knows it.
        reply: oneshot::Sender<Option<Recording>>,
    },
    /// The evidence of a call that is not over, newer than the store's.
    LiveSignals {
        /// The interaction that the call will leave.
        interaction: InteractionId,
        /// The answer; none when there is no such call.
        reply: oneshot::Sender<Option<Vec<Signal>>>,
    },
    /// The missed-call items that `viewer` may see and that the store does not have as they are.
    UnsavedMissed {
        /// Who asks.
        viewer: Viewer,
        /// The answer.
        reply: oneshot::Sender<Vec<MissedItem>>,
    },
    /// One missed-call item.
    Missed {
        /// The item.
        item: MissedId,
        /// Who asks.
        viewer: Viewer,
        /// The answer; none when the store knows the item better, or nobody knows it.
        reply: oneshot::Sender<Option<MissedItem>>,
    },
    /// Claim or close a missed-call item.
    MissedAct {
        /// The item.
        item: MissedId,
        /// Who does it.
        viewer: Viewer,
        /// What is done.
        deed: Deed,
        /// The item as it is then.
        reply: oneshot::Sender<Result<MissedItem, Refusal>>,
    },
    /// Subscribe to events.
    Subscribe {
        /// Who asks.
        viewer: Viewer,
        /// Where the browser left off.
        cursor: Option<Cursor>,
        /// The stream.
        reply: oneshot::Sender<Subscription>,
    },
    /// A pop was drawn on a screen, for the record of how fast it was.
    PopDrawn {
        /// Whose screen.
        user: UserId,
        /// The pop.
        pop_id: String,
        /// The version drawn.
        version: u64,
        /// How long the browser took, from the frame to the screen.
        rendered_ms: u64,
    },
    /// How the lines stand.
    Registrations {
        /// Of which lines.
        of: Vec<LineId>,
        /// Gets what is known of them.
        reply: oneshot::Sender<HashMap<LineId, RegistrationView>>,
    },
    /// Telephones that register here, and where they are.
    Phones {
        /// The answer, in no order.
        reply: oneshot::Sender<Vec<DeviceView>>,
    },
    /// What there is to count.
    Figures {
        /// The answer.
        reply: oneshot::Sender<Figures>,
    },
    /// Lines, users or devices changed in the store: read them again, and register anew what lines changed.
    Reload {
        /// Told when the change is in force.
        reply: oneshot::Sender<()>,
    },
}

/// An alarm that was not cleared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct StandingAlarm {
    /// When it was raised.
    #[serde(with = "linecard_calls::time::rfc3339")]
    pub since: UtcMillis,
    /// What was said when it was raised last.
    #[serde(flatten)]
    pub alarm: AlarmView,
}

/// What the reactor has counted since the start, and how much there is of what now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// Calls under way.
    pub calls_live: u64,
    /// Calls that ended, by outcome.
    pub calls_ended: Vec<(Outcome, u64)>,
    /// Lines, by the state of their registration.
    pub registrations: Vec<(LineState, u64)>,
    /// Registrations of telephones.
    pub phones_registered: u64,
    /// Requests at the door for telephones that were not let in, by what they got.
    pub phone_requests: Vec<(&'static str, u64)>,
    /// Signals that are safe.
    pub signals_appended: u64,
    /// Signals that were safe only after the call may have gone on without.
    pub signals_late: u64,
    /// Signals that wait in the spool for the database.
    pub signals_spooled: u64,
    /// Events published.
    pub events_published: u64,
    /// Legs with RTP ports.
    pub rtp_legs: u64,
    /// Further legs that there are RTP ports for.
    pub rtp_legs_free: u64,
    /// Legs with sound that have ended, by whether it passed as it came or was transcoded for the other party.
    pub rtp_legs_ended: Vec<(&'static str, u64)>,
    /// RTP packets of ended legs, by what became of them.
    pub rtp_packets: Vec<(&'static str, u64)>,
    /// How well ended legs were heard.
    pub heard: HeardByLine,
    /// Recordings being written.
    pub recordings_open: u64,
    /// Recordings that ended, by state.
    pub recordings_ended: Vec<(RecordingState, u64)>,
    /// The alarms that stand, one of a kind.
    pub alarms: Vec<StandingAlarm>,
}

/// The sending side of the door; cheap to clone.
#[derive(Debug, Clone)]
pub struct Reactor {
    commands: mpsc::Sender<Command>,
}

impl Reactor {
    /// Wraps the sending side.
    #[must_use]
    pub fn new(commands: mpsc::Sender<Command>) -> Self {
        Self { commands }
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// `Stopping` when the reactor is gone.
    pub async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| Refusal::Stopping)?;
        answer.await.map_err(|_| Refusal::Stopping)
    }

    /// Tells something that has no answer; dropped when the reactor is overloaded.
    pub fn tell(&self, command: Command) {
        let _ = self.commands.try_send(command);
    }
}

/// The doors of a server.
#[derive(Debug, Clone)]
pub struct Doors {
    /// To the owner of calls and lines.
    pub reactor: Reactor,
    /// To the audit's writer.
    pub audit: Audit,
    /// To the doctor.
    pub doctor: Doctor,
}

/// How long what is audited waits until its row is safe.
const AUDITED_WITHIN: Duration = Duration::from_millis(100);

/// A row for the audit.
#[derive(Debug)]
pub struct AuditOrder {
    /// The row.
    pub entry: AuditEntry,
    /// Told when the row will survive a crash.
    pub safe: oneshot::Sender<()>,
}

/// The sending side of the audit; cheap to clone.
#[derive(Debug, Clone)]
pub struct Audit {
    orders: mpsc::UnboundedSender<AuditOrder>,
}

impl Audit {
    /// Wraps the sending side.
    #[must_use]
    pub fn new(orders: mpsc::UnboundedSender<AuditOrder>) -> Self {
        Self { orders }
    }

    /// Gives a row to the writer and waits until it is safe, at most 100 ms: past that the writer still has it, and
    /// whoever is audited goes on.
    pub(crate) async fn add(&self, entry: AuditEntry) {
        let (safe, told) = oneshot::channel();
        let action = entry.action;
        if self.orders.send(AuditOrder { entry, safe }).is_err() {
            tracing::error!(?action, "the audit is closed; a row is lost");
        } else if tokio::time::timeout(AUDITED_WITHIN, told).await.is_err() {
            tracing::warn!(?action, "a row of the audit was not safe within 100 ms; the request went on");
        }
    }
}
