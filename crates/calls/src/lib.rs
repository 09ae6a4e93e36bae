//! The vocabulary and the rules of a call.
//!
//! Two kinds of fact are kept apart. A [`Signal`] is evidence and lives in the ledger; an [`Event`] is
//! derived and goes to browsers. The engine acts on what happens now; the fold turns
//! a call's signals into its [`Interaction`], whatever their order and however often they came.
//!
//! Sans-IO: no socket, no clock, no task, no SIP message. Not here: numbers and matching
//! (`linecard_crm`), numbering and sending of events, the database.

pub mod caller;
pub mod candidate;
pub mod effect;
pub mod engine;
mod error;
pub mod event;
pub mod fold;
pub mod id;
pub mod interaction;
pub mod io;
pub mod metrics;
pub mod missed;
pub mod opening;
pub mod pop;
pub mod quality;
pub mod recorded;
mod rules;
pub mod sighting;
pub mod signal;
pub mod time;
pub mod transfer;
mod watch;

pub use candidate::settled_contact;
pub use effect::{Effect, HangUpReason, Pickup, Tone};
pub use engine::Engine;
pub use error::Error;
pub use event::{
    AgentState, AgentView, AlarmKind, AlarmView, CallState, CallView, Cursor, DeviceView, Event, Frame,
    LegView, LineState, MatchView, PhoneRegistration, RecordingView, RegistrationView, Role, Snapshot,
    Viewer,
};
pub use fold::{
    ContactStanding, Explanation, Rule, Sentence, contact_standing, explain, fold, fold_recordings,
};
pub use id::{
    AuditId, CallId, ContactId, DeviceId, Id, IdSource, InteractionId, LegId, LineId, MissedId, PopId,
    RecordingId, SessionId, SightingId, SignalId, UserId,
};
pub use interaction::{
    Direction, HangupBy, Interaction, InteractionState, LegRecord, LegState, Outcome, Party, Recording,
};
pub use io::{
    DialStanding, Edit, EngineConfig, Input, OpenCall, Output, RecordingPolicy, RecoveredRecording,
    TimerReason,
};
pub use linecard_crm::matching::{Candidate, ContactRef, Level, Score};
pub use missed::{Deed, MissedChange, MissedItem, MissedState};
pub use opening::{Callee, CalleeKind, DialRequest, Opening, SeenCall};
pub use pop::{Pop, PopState};
pub use quality::{Grade, LegQuality, PathQuality, WindowQuality};
pub use recorded::{
    DirectionEvidence, PartyRole, RecordedDocument, RecordedParty, RecordedSession, SessionTold, Voices,
    recorded_sessions,
};
pub use sighting::{Reach, Side, Sighting, SightingEnd, SightingOver, SightingStage};
pub use signal::{
    Caller, CancelCause, DeviceAddress, EndCause, IdentitySource, Lookup, MediaFault, Offer, Reason,
    RecordingClosed, RecordingState, Ring, Route, RoutedDevice, Signal, SignalBody, Source, Span, SpanKind,
};
pub use time::UtcMillis;
pub use transfer::{
    HeldBy, TalkRefusal, TransferFault, TransferKind, TransferRequest, TransferStage, TransferTarget,
    TransferView, TransferredBy,
};
