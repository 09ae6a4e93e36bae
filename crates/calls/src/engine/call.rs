//! A call as the engine holds it: one state that carries its data.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use super::outbox::Outbox;
use crate::candidate::settled_contact;
use crate::effect::Pickup;
use crate::id::{CallId, ContactId, LegId, RecordingId, SignalId, UserId};
use crate::interaction::Outcome;
use crate::io::{Output, TimerReason};
use crate::opening::Opening;
use crate::pop::Pop;
use crate::quality::LegQuality;
use crate::rules::{Refusal, refusal};
use crate::signal::{
    Caller, CancelCause, EndCause, Lookup, Ring, Route, RoutedDevice, Signal, SignalBody, Source,
};
use crate::time::UtcMillis;
use crate::transfer::TransferRequest;
use crate::watch::Watch;
use linecard_crm::matching::Candidate;

/// A live call, or one that is over and not yet forgotten.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) id: CallId,
    pub(super) opening: Opening,
    /// The signal that opened the call: 180 waits for it.
    pub(super) opened_by: SignalId,
    /// The two clocks at the INVITE; a later jump of the wall clock changes no duration.
    anchor: (Instant, UtcMillis),
    started_at: UtcMillis,
    /// What is seen of it from beside.
    pub(super) watch: Watch,
    pub(super) stage: Stage,
    /// Every device leg, in the order of dialling.
    pub(super) devices: BTreeMap<LegId, DeviceLeg>,
    /// By which devices each user was rung who is or was to talk.
    pub(super) routes: BTreeMap<UserId, Route>,
    pub(super) lookup: Lookup,
    pub(super) candidates: Vec<Candidate>,
    /// Who was at the customer's end after the one that the call began with.
    pub(super) connected: Vec<Caller>,
    /// What a user chose; outranks the match.
    contact_chosen: Option<Option<ContactId>>,
    pub(super) pops: Vec<Pop>,
    pub(super) recording: RecordingStage,
    /// How each leg was heard so far.
    pub(super) measured: BTreeMap<LegId, LegQuality>,
    /// Whether the ports are being given up.
    pub(super) is_releasing: bool,
    /// The recording sessions that are up, in the order in which they began.
    pub(super) sessions: Vec<LegId>,
    /// All evidence but the dialogs' records, for the fold at the end.
    pub(super) signals: Vec<Signal>,
}

/// How far the call has come.
#[derive(Debug)]
pub(super) enum Stage {
    /// The route is asked for.
    Routing { deadline: Instant },
    /// Devices are dialled.
    Ringing(Ringing),
    /// A device answered; the customer's 200 waits for the ledger.
    Answering { user: UserId, agent: LegId, deadline: Instant },
    /// The user asked for the call and is there; the one to be called is dialled.
    Dialling(Dialling),
    /// Customer and agent are connected.
    Talking(Talking),
    /// The call goes on elsewhere, if at all.
    Watched(Watched),
    /// The customer's leg is over.
    Ended {
        user: Option<UserId>,
        answered_at: Option<UtcMillis>,
        outcome: Outcome,
        saved: Saved,
        farewell: Option<Farewell>,
    },
}

/// The one who is called is dialled.
#[derive(Debug)]
pub(super) struct Dialling {
    pub(super) user: UserId,
    pub(super) agent: LegId,
    pub(super) deadline: Instant,
    pub(super) heard: Heard,
}

/// The agent hears that the called one was not reached; then the agent's leg is hung up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Farewell {
    pub(super) agent: LegId,
    pub(super) until: Instant,
}

/// Devices ring.
#[derive(Debug)]
pub(super) struct Ringing {
    pub(super) user: UserId,
    /// Devices not dialled yet; empty when they ring together.
    pub(super) pending: VecDeque<RoutedDevice>,
    pub(super) timeout_ms: u32,
    pub(super) deadline: Instant,
    pub(super) heard: Heard,
    pub(super) pickup: Pickup,
}

/// Whether a phone has been heard to ring, and so the one who calls was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    Nothing,
    Ringing,
}

/// Customer and agent talk.
#[derive(Debug)]
pub(super) struct Talking {
    /// Who talks, or handed the customer over to somebody who is no user.
    pub(super) user: UserId,
    pub(super) agent: LegId,
    pub(super) since: UtcMillis,
    pub(super) holders: BTreeSet<Holder>,
    pub(super) ack: Ack,
    pub(super) transfer: Option<Transfer>,
}

/// Who holds the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Holder {
    /// A leg's party, on its own phone.
    Leg(LegId),
    /// The agent, in the interface.
    User,
}

/// The customer is being handed over.
#[derive(Debug)]
pub(super) struct Transfer {
    pub(super) request: TransferRequest,
    pub(super) step: TransferStep,
}

/// How far that is.
#[derive(Debug)]
pub(super) enum TransferStep {
    /// The other is rung.
    Ringing {
        /// Devices not dialled yet.
        pending: VecDeque<RoutedDevice>,
        timeout_ms: u32,
        deadline: Instant,
    },
    /// The agent talks with the other.
    Consulting { leg: LegId },
}

/// The call goes on elsewhere: what was told of it, and until when it is waited for to be seen again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Watched {
    /// Who was last told to talk.
    pub(super) talker: Option<Option<UserId>>,
    /// Whether it was last told to be held.
    pub(super) held: bool,
    /// Nobody sees it; at this time it counts as over.
    pub(super) quiet_until: Option<Instant>,
    /// An earlier process saw it last, and nobody has since.
    pub(super) cut_at: Option<UtcMillis>,
}

/// The customer's ACK of our 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ack {
    Awaited,
    Seen,
}

/// Whether the interaction has been given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Saved {
    /// The recording, the figures of the sound or the contacts are waited for.
    Waiting { deadline: Instant },
    /// Given out; what is recorded now amends it.
    Done,
}

/// One device's leg, or that of a number to which the customer is handed over.
#[derive(Debug)]
pub(super) struct DeviceLeg {
    pub(super) state: DeviceState,
    /// Whose device it is.
    pub(super) user: Option<UserId>,
}

/// How a device's leg stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeviceState {
    /// Its INVITE waits for our answer: the user dialled on it.
    Calling,
    Dialled,
    Ringing,
    /// CANCEL is on its way; a 200 may still cross it.
    Cancelling {
        cause: CancelCause,
        deadline: Instant,
    },
    Answered,
    Over(DeviceEnd),
}

/// How a device's leg came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeviceEnd {
    Rejected(u16),
    Cancelled(CancelCause),
    Ended(EndCause),
}

impl Transfer {
    fn deadline(&self) -> Option<(Instant, TimerReason)> {
        match self.step {
            TransferStep::Ringing { deadline, .. } => Some((deadline, TimerReason::TransferLate)),
            TransferStep::Consulting { .. } => None,
        }
    }
}

impl DeviceLeg {
    /// Begins with an INVITE that leaves.
    pub(super) fn dialled(user: Option<UserId>) -> Self {
        Self { state: DeviceState::Dialled, user }
    }

    /// Begins with an INVITE that came.
    pub(super) fn calling(user: UserId) -> Self {
        Self { state: DeviceState::Calling, user: Some(user) }
    }

    /// Why the device did not answer; `None` when it had no say in it.
    fn refusal(&self) -> Option<Refusal> {
        match self.state {
            DeviceState::Cancelling { cause, .. } | DeviceState::Over(DeviceEnd::Cancelled(cause)) => {
                (cause == CancelCause::RingTimeout).then_some(Refusal::RangOut)
            }
            DeviceState::Over(DeviceEnd::Rejected(status)) => Some(refusal(status)),
            DeviceState::Over(DeviceEnd::Ended(EndCause::Remote)) => Some(Refusal::Declined),
            DeviceState::Over(DeviceEnd::Ended(EndCause::System)) => Some(Refusal::Fault),
            DeviceState::Over(DeviceEnd::Ended(_))
            | DeviceState::Calling
            | DeviceState::Dialled
            | DeviceState::Ringing
            | DeviceState::Answered => None,
        }
    }
}

/// How the call's recording stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordingStage {
    Nothing,
    Open(RecordingId, Feed),
    Closing(RecordingId),
    Done,
}

/// What a recording is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feed {
    /// The talk that runs through this server.
    Talk,
    /// What a recording session sends.
    Session(LegId),
}

/// Evidence of one call past which hold, progress and dialog records are no longer written: a peer that
/// sends re-INVITEs without end fills neither memory nor disk.
const SIGNALS_MAX: usize = 2_000;

impl Call {
    pub(super) fn new(
        id: CallId,
        opening: Opening,
        opened: Signal,
        lookup: Lookup,
        deadline: Instant,
        out: &Outbox,
    ) -> Self {
        let mut watch = Watch::default();
        watch.take(&opened);
        Self {
            id,
            opening,
            opened_by: opened.id,
            anchor: (out.now, out.at),
            started_at: opened.observed_at,
            watch,
            stage: Stage::Routing { deadline },
            devices: BTreeMap::new(),
            routes: BTreeMap::new(),
            lookup,
            candidates: Vec::new(),
            connected: Vec::new(),
            contact_chosen: None,
            pops: Vec::new(),
            recording: RecordingStage::Nothing,
            measured: BTreeMap::new(),
            is_releasing: false,
            sessions: Vec::new(),
            signals: vec![opened],
        }
    }

    /// Goes on with a call of an earlier process.
    pub(super) fn restored(
        opening: Opening,
        signals: Vec<Signal>,
        cut_at: UtcMillis,
        out: &Outbox,
    ) -> Option<Self> {
        let opened = signals.iter().find(|signal| signal.body.opens_call())?.clone();
        let newest = signals.iter().map(|signal| signal.observed_at).max().unwrap_or(out.at);
        let mut call = Self::new(opened.call_id, opening, opened, Lookup::Done, out.now, out);
        call.anchor = (out.now, out.at.max(newest));
        call.stage = Stage::Watched(Watched { cut_at: Some(cut_at), ..Watched::default() });
        call.watch = Watch::default();
        for signal in &signals {
            call.watch.take(signal);
            match &signal.body {
                SignalBody::ContactLookedUp { candidates, lookup: Lookup::Done, .. } => {
                    call.candidates.clone_from(candidates);
                }
                SignalBody::ContactChosen { contact, .. } => call.contact_chosen = Some(*contact),
                _ => {}
            }
        }
        call.signals = signals;
        Some(call)
    }

    /// The wall-clock time of this call: it runs with the monotonic clock from the INVITE on.
    pub(super) fn clock(&self, out: &Outbox) -> UtcMillis {
        let (now, at) = self.anchor;
        let elapsed = out.now.saturating_duration_since(now).as_millis();
        at.plus_ms(i64::try_from(elapsed).unwrap_or(i64::MAX))
    }

    /// Writes evidence down and keeps it for the fold.
    pub(super) fn record(&mut self, source: Source, body: SignalBody, out: &mut Outbox) -> SignalId {
        let signal = out.record(self.id, source, self.clock(out), body);
        let id = signal.id;
        self.watch.take(&signal);
        self.signals.push(signal);
        if let Stage::Ended { saved: Saved::Done, .. } = self.stage {
            out.queue.push_back(Output::CallAmended { call_id: self.id });
        }
        id
    }

    /// Whether there is room for evidence that a peer can produce without end.
    pub(super) fn has_room(&self) -> bool {
        self.signals.len() < SIGNALS_MAX
    }

    /// The number to ask the contacts for.
    pub(super) fn number_to_match(&self) -> Option<&str> {
        self.opening.number_to_match(&self.connected)
    }

    pub(super) fn customer(&self) -> LegId {
        self.opening.leg()
    }

    /// Whose call it is: who talks, else who is rung, else the line's user.
    pub(super) fn user(&self) -> Option<UserId> {
        match &self.stage {
            Stage::Routing { .. } => self.opening.user(),
            Stage::Ringing(ringing) => Some(ringing.user),
            Stage::Answering { user, .. } | Stage::Dialling(Dialling { user, .. }) => Some(*user),
            Stage::Talking(talking) => Some(talking.user),
            Stage::Watched(_) => self.watch.holder().or(self.opening.user()),
            Stage::Ended { user, .. } => *user,
        }
    }

    pub(super) fn started_at(&self) -> UtcMillis {
        self.started_at
    }

    /// Everybody whose extension takes part or took part, and whose call it is.
    pub(super) fn users(&self) -> BTreeSet<UserId> {
        let rung = self.routes.keys().copied();
        self.watch.legs().filter_map(|(_, leg)| leg.user).chain(self.user()).chain(rung).collect()
    }

    pub(super) fn is_live(&self) -> bool {
        !matches!(self.stage, Stage::Ended { .. })
    }

    /// Whether it only is seen, so that nothing can be done to it from here.
    pub(super) fn is_watched(&self) -> bool {
        matches!(self.stage, Stage::Watched(_)) || matches!(self.opening, Opening::Seen(_))
    }

    pub(super) fn is_routing(&self) -> bool {
        matches!(self.stage, Stage::Routing { .. })
    }

    /// Nothing is expected any more and the interaction has been given out.
    pub(super) fn is_forgettable(&self) -> bool {
        let cancelling = |leg: &DeviceLeg| matches!(leg.state, DeviceState::Cancelling { .. });
        matches!(self.stage, Stage::Ended { saved: Saved::Done, farewell: None, .. })
            && !self.devices.values().any(cancelling)
    }

    /// The refusal that decides, of all devices.
    pub(super) fn decisive_refusal(&self) -> Option<Refusal> {
        self.devices.values().filter_map(DeviceLeg::refusal).max()
    }

    /// The next timer.
    pub(super) fn deadline(&self) -> Option<(Instant, TimerReason)> {
        let stage = match &self.stage {
            Stage::Routing { deadline } => Some((*deadline, TimerReason::RouteLate)),
            Stage::Ringing(ringing) => Some((ringing.deadline, TimerReason::RingOver)),
            Stage::Answering { deadline, .. } => Some((*deadline, TimerReason::AnswerLate)),
            Stage::Dialling(dialling) => Some((dialling.deadline, TimerReason::CalleeLate)),
            Stage::Talking(talking) => talking.transfer.as_ref().and_then(Transfer::deadline),
            Stage::Watched(watched) => watched.quiet_until.map(|until| (until, TimerReason::WatchOver)),
            Stage::Ended { farewell: Some(farewell), .. } => {
                Some((farewell.until, TimerReason::FarewellOver))
            }
            Stage::Ended { saved: Saved::Waiting { deadline }, .. } => {
                Some((*deadline, TimerReason::SaveLate))
            }
            Stage::Ended { saved: Saved::Done, .. } => None,
        };
        let cancels = self.devices.values().filter_map(|leg| match leg.state {
            DeviceState::Cancelling { deadline, .. } => Some((deadline, TimerReason::CancelLate)),
            _ => None,
        });
        cancels.chain(stage).min()
    }

    pub(super) fn choose_contact(&mut self, contact: Option<ContactId>) {
        self.contact_chosen = Some(contact);
    }

    /// Whether a user said who it is, or that it is nobody known.
    pub(super) fn is_decided(&self) -> bool {
        self.contact_chosen.is_some()
    }

    pub(super) fn contact(&self) -> Option<ContactId> {
        match self.contact_chosen {
            Some(chosen) => chosen,
            None => settled_contact(&self.candidates),
        }
    }

    pub(super) fn answered_at(&self) -> Option<UtcMillis> {
        match &self.stage {
            Stage::Talking(talking) => Some(talking.since),
            Stage::Watched(_) => self.watch.talked_from(),
            Stage::Ended { answered_at, .. } => *answered_at,
            _ => None,
        }
    }
}

/// Splits a route's devices into those dialled now and those that wait for their turn.
pub(super) fn first_to_ring(route: &Route) -> (Vec<RoutedDevice>, VecDeque<RoutedDevice>) {
    let mut devices: VecDeque<RoutedDevice> = route.devices.iter().take(DEVICES_MAX).cloned().collect();
    match route.ring {
        Ring::Together => (devices.into(), VecDeque::new()),
        Ring::InOrder => (take_next(&mut devices), devices),
    }
}

/// Takes the device whose turn it is: a telephone with all of its registrations.
pub(super) fn take_next(pending: &mut VecDeque<RoutedDevice>) -> Vec<RoutedDevice> {
    let Some(first) = pending.pop_front() else { return Vec::new() };
    let mut next = vec![first];
    while let (Some(last), Some(following)) = (next.last(), pending.front())
        && last.device == following.device
    {
        next.extend(pending.pop_front());
    }
    next
}

/// More devices than this of one user are not rung.
const DEVICES_MAX: usize = 32;
