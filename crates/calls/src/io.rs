//! What goes into the engine and what comes out of it.
//!
//! The runtime translates: SIP events, answers of the database and commands of users become an
//! [`Input`]; an [`Effect`] becomes a SIP request, a query or an order to the media. Nothing is decided there.

use std::time::Instant;

use serde_json::Value;

use crate::effect::Effect;
use crate::event::{CallView, Event};
use crate::id::{CallId, ContactId, DeviceId, LegId, MissedId, RecordingId, SightingId, SignalId, UserId};
use crate::interaction::{Interaction, Recording};
use crate::missed::{Deed, MissedChange};
use crate::opening::DialRequest;
use crate::quality::LegQuality;
use crate::recorded::SessionTold;
use crate::sighting::{Sighting, SightingOver};
use crate::signal::{Caller, EndCause, MediaFault, Offer, Reason, RecordingClosed, Route, Signal, Source};
use crate::transfer::TransferRequest;
use linecard_crm::matching::Candidate;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A customer's INVITE arrived on a line in anchor mode.
    LegOffered(Offer),
    /// A user asks for a call; [`Engine::dial_standing`](crate::Engine::dial_standing) was asked before.
    DialRequested {
        /// What is asked for.
        request: DialRequest,
        /// The user's devices.
        route: Route,
        /// Who the user says it is.
        contact: Option<ContactId>,
    },
    /// A user dials on a device, whose INVITE waits for an answer.
    PhoneDialled {
        /// What is asked for.
        request: DialRequest,
        /// The leg of the device (see [`crate::Engine::make_leg`]).
        leg: LegId,
        /// The device.
        device: DeviceId,
        /// The user's devices, for a transfer that comes back.
        route: Route,
    },
    /// An extension's part in a call was seen for the first time, or to be further than it was.
    Sighted {
        /// What was seen.
        sighting: Sighting,
        /// Who saw it.
        source: Source,
    },
    /// A source sees a part in a call no more; one that was never told changes nothing.
    SightingOver {
        /// Which, and how it was told to end.
        over: SightingOver,
        /// Who saw it.
        source: Source,
    },
    /// A recording client tells of a call (RFC 7865); what it sees of it was given as sightings before.
    SessionTold {
        /// What it tells.
        told: SessionTold,
        /// One of those sightings; of a session that is known already it may be none.
        seen: Option<SightingId>,
    },
    /// A recording session is over; what it saw of the call is, too.
    SessionOver {
        /// Its leg.
        leg: LegId,
        /// [`EndCause::Remote`] for a BYE, [`EndCause::System`] for all else.
        by: EndCause,
    },
    /// A provisional response above 100 came from a device, or from the one who is called.
    LegProgressed {
        /// The leg.
        leg: LegId,
        /// 101 to 199.
        status: u16,
    },
    /// The one who is called sends sound before the answer, in a codec that the agent's device takes.
    EarlyMedia {
        /// The called one's leg.
        leg: LegId,
    },
    /// A device or the one who is called sent its 2xx; or, for the customer's leg, [`Effect::AnswerLeg`] was carried out and the 200 left.
    LegAnswered {
        /// The leg.
        leg: LegId,
    },
    /// The customer's ACK arrived.
    LegConfirmed {
        /// The customer's leg.
        leg: LegId,
    },
    /// A device or the one who is called refused, could not be reached (408, 503) or confirmed a CANCEL (487).
    LegRejected {
        /// The leg.
        leg: LegId,
        /// 300 to 699.
        status: u16,
        /// The reasons given.
        reasons: Vec<Reason>,
    },
    /// A leg's side has sent the call on to somebody else, and the INVITE has gone there.
    LegRedirected {
        /// The leg.
        leg: LegId,
        /// 300 to 399.
        status: u16,
        /// To whom: E.164, else digits or a code.
        number: String,
    },
    /// The customer gave up before the answer.
    LegCancelled {
        /// The customer's leg.
        leg: LegId,
        /// The reasons given.
        reasons: Vec<Reason>,
    },
    /// A leg is over: its BYE came, or the SIP layer gave it up.
    LegEnded {
        /// The leg.
        leg: LegId,
        /// [`EndCause::Remote`] for a BYE, [`EndCause::System`] for all else.
        by: EndCause,
        /// The reasons given.
        reasons: Vec<Reason>,
    },
    /// The leg's party put the other on hold.
    LegHeld {
        /// The leg.
        leg: LegId,
    },
    /// The leg's party came back.
    LegRetrieved {
        /// The leg.
        leg: LegId,
    },
    /// The customer's side says who is at its end now.
    PartyNamed {
        /// The leg; only the customer's counts.
        leg: LegId,
        /// Who.
        party: Caller,
    },
    /// Another phone took the place of the leg's party.
    PartyReplaced {
        /// The leg.
        leg: LegId,
    },
    /// The SIP layer has a new record of a dialog.
    DialogChanged {
        /// The leg of that dialog.
        leg: LegId,
        /// All that a BYE after a restart needs; opaque here.
        dialog: Value,
    },
    /// No media came on a leg for so long that it counts as dead.
    MediaLost {
        /// The leg.
        leg: LegId,
    },
    /// How a leg was heard so far; after its end too.
    LegMeasured {
        /// The leg's call, live or over.
        call: CallId,
        /// The leg.
        leg: LegId,
        /// How it was heard.
        quality: Box<LegQuality>,
    },
    /// The ports of a call are free, and how its legs were heard is told.
    MediaReleased {
        /// The call.
        call: CallId,
    },
    /// A call cannot have sound.
    MediaUnavailable {
        /// The call.
        call: CallId,
        /// Why not.
        why: MediaFault,
    },
    /// Answers [`Effect::FindRoute`].
    RouteFound {
        /// The call.
        call: CallId,
        /// The route.
        route: Route,
    },
    /// Answers [`Effect::FindRoute`]: it could not be read.
    RouteUnavailable {
        /// The call.
        call: CallId,
    },
    /// Answers [`Effect::FindContact`].
    ContactFound {
        /// The call.
        call: CallId,
        /// The number that was searched.
        number: String,
        /// Best first; empty when nobody is known by the number.
        candidates: Vec<Candidate>,
    },
    /// The contacts learned a call's number after they were asked for it. Whom a user chose stays, and so does who was
    /// known already.
    ContactLearned {
        /// The call, live or over.
        call: CallId,
        /// The number asked for again.
        number: String,
        /// Best first.
        candidates: Vec<Candidate>,
    },
    /// Answers [`Effect::FindContact`]: the contacts could not be read; a later answer still counts.
    LookupUnavailable {
        /// The call.
        call: CallId,
    },
    /// Answers [`Effect::OpenRecording`].
    RecordingOpened {
        /// The recording.
        recording: RecordingId,
        /// Its file under the recordings' root.
        path: String,
    },
    /// Answers [`Effect::CloseRecording`], or the recorder ended early.
    RecordingClosed(RecordingClosed),
    /// The recording could not be made or went wrong.
    RecordingFailed {
        /// The recording.
        recording: RecordingId,
        /// What failed.
        why: String,
    },
    /// A signal was not durable within 100 ms and the effect that waited for it was carried out.
    SignalLate {
        /// The signal's call.
        call: CallId,
        /// The signal.
        signal: SignalId,
    },
    /// A user puts the customer on hold in the interface; [`Engine::may_hold`](crate::Engine::may_hold) was asked before.
    HoldRequested {
        /// The call.
        call: CallId,
        /// Who does it.
        user: UserId,
    },
    /// A user takes the customer back, from hold or from a transfer.
    RetrieveRequested {
        /// The call.
        call: CallId,
        /// Who does it.
        user: UserId,
    },
    /// The customer is to be handed over; [`Engine::may_transfer`](crate::Engine::may_transfer) was asked before.
    TransferRequested {
        /// The call.
        call: CallId,
        /// To whom and how.
        request: TransferRequest,
    },
    /// The PBX was asked to connect the customer with somebody else; [`Engine::may_transfer`](crate::Engine::may_transfer)
    /// was asked before.
    ReferralSent {
        /// The call.
        call: CallId,
        /// Who hands the customer over.
        user: UserId,
        /// To whom.
        number: String,
    },
    /// The PBX did not.
    ReferralFailed {
        /// The call.
        call: CallId,
        /// Why; 408 for silence.
        status: u16,
    },
    /// The PBX did.
    HandedToPbx {
        /// The call.
        call: CallId,
        /// To whom.
        number: String,
    },
    /// A user connects the customer with the one who was asked first.
    TransferCompleted {
        /// The call.
        call: CallId,
        /// Who does it.
        user: UserId,
    },
    /// Digits left for the customer.
    DigitsSent {
        /// The call.
        call: CallId,
        /// Who sent them.
        user: UserId,
        /// How many.
        count: u16,
    },
    /// A user hangs up in the interface.
    HangUp {
        /// The call.
        call: CallId,
        /// Who does it.
        user: UserId,
    },
    /// A user amends a call's interaction, live or over.
    Edited {
        /// The call.
        call: CallId,
        /// What is amended.
        edit: Edit,
    },
    /// A user claims or closes a missed-call item; what is not due changes nothing.
    MissedActed {
        /// The item.
        item: MissedId,
        /// Who does it.
        user: UserId,
        /// What is done.
        deed: Deed,
    },
    /// The time that [`Output::Timeout`] asked for has come.
    Timeout,
}

/// What a user amends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// The whole new text of the notes.
    Notes {
        /// The text.
        notes: String,
        /// The author.
        user: UserId,
    },
    /// The disposition.
    Disposition {
        /// The disposition; `None` takes it back.
        disposition: Option<String>,
        /// Who chose.
        user: UserId,
    },
    /// The contact.
    Contact {
        /// The contact; `None` says that no known one fits.
        contact: Option<ContactId>,
        /// Who chose.
        user: UserId,
    },
}

/// What the engine wants done next.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Append this to the ledger; it comes before the effects that it justifies.
    Record(Signal),
    /// Carry this out.
    Effect {
        /// What to do.
        effect: Effect,
        /// Wait until this signal is durable, at most 100 ms; drop the effect when its leg is gone by then.
        after: Option<SignalId>,
        /// The moment of the input that it follows from, with which its signals are dated as well.
        told_at: Instant,
    },
    /// Number this and send it to browsers.
    Publish(Event),
    /// Save this with the interaction that brought it about, in one transaction; the event that tells it follows.
    MissedChanged {
        /// What changed.
        change: MissedChange,
        /// The interaction as it stands; `None` when something else brought it about.
        because: Option<Box<Interaction>>,
    },
    /// Save this in one transaction; it comes once per call.
    CallEnded {
        /// The call.
        call_id: CallId,
        /// Its interaction with its legs.
        interaction: Box<Interaction>,
        /// Its recordings.
        recordings: Vec<Recording>,
        /// The evidence that both were folded from.
        signals: Vec<Signal>,
    },
    /// A signal was recorded after [`Output::CallEnded`]: fold the ledger's signals of the call and save again.
    CallAmended {
        /// The call.
        call_id: CallId,
    },
    /// Nothing more now; give [`Input::Timeout`] at this moment.
    Timeout {
        /// When.
        at: Instant,
        /// Which timer.
        reason: TimerReason,
    },
    /// Nothing more, and no timer runs.
    Idle,
}

/// Which timer runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TimerReason {
    /// [`Effect::FindRoute`] was not answered.
    RouteLate,
    /// The ring time of the devices is over.
    RingOver,
    /// [`Effect::AnswerLeg`] was not carried out.
    AnswerLate,
    /// The one who is called did not answer in time.
    CalleeLate,
    /// The one to whom the customer is to be handed over did not answer in time.
    TransferLate,
    /// The agent has heard long enough that the called one was not reached.
    FarewellOver,
    /// The recording was not closed or the contacts did not answer; the interaction is saved without them.
    SaveLate,
    /// A cancelled leg gave no final response; it is forgotten.
    CancelLate,
    /// Nobody has seen a call that goes on elsewhere for a while.
    WatchOver,
    /// It is not known yet whether what was seen is a call of its own or one that is being transferred.
    Undecided,
}

/// Whether a user may ask for a call to a number now.
#[derive(Debug, Clone, PartialEq)]
pub enum DialStanding {
    /// Nothing keeps the user.
    Free,
    /// The same call was asked for and is not answered yet: a second click.
    Underway(Box<CallView>),
    /// The user is in another call.
    InCall(CallId),
}

/// How the engine decides where the operator has a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineConfig {
    /// Which calls are recorded from their first moment.
    pub recording: RecordingPolicy,
}

/// Which calls are recorded from their first moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordingPolicy {
    /// Every answered call.
    All,
    /// Those that a user asks for.
    OnDemand,
    /// None.
    Nothing,
}

/// An open call of an earlier process, as the ledger holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct OpenCall {
    /// Its signals, in any order.
    pub signals: Vec<Signal>,
    /// What was found of its recordings.
    pub recordings: Vec<RecoveredRecording>,
}

/// A recording that the start after a crash found or missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecoveredRecording {
    /// Its file was repaired.
    Repaired(RecordingClosed),
    /// Its file is not there or not readable.
    Lost {
        /// The recording.
        recording: RecordingId,
        /// What is wrong.
        why: String,
    },
}
