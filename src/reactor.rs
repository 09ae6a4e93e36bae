//! The reactor: one task that owns the user agent and the engine, and one loop over everything that can happen.
//!
//! It wires and decides nothing: what a SIP event means is in `translate`, what follows is the engine's.

mod amendments;
mod commands;
mod dialling;
mod effects;
mod gate;
mod learning;
mod legs;
mod lines;
mod mappings;
mod media_events;
mod missed;
mod phone_dials;
mod phones;
mod places;
mod recording_sessions;
mod redirecting;
mod referrals;
mod referring;
mod registrations;
mod saving;
mod shadow;
mod signalling;
mod stop;
mod talking;
mod tally;
mod watching;

use std::collections::{HashMap, HashSet, VecDeque};
use std::future::Future;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use linecard_calls::{
    AlarmKind, AlarmView, CallId, Candidate, DeviceId, Engine, Event, Input, Interaction, InteractionId,
    LegId, LineId, MissedId, MissedItem, Output, Recording, RegistrationView, UtcMillis, Viewer,
};
use linecard_crm::Destination;
use linecard_crm::{Barring, DialPlan};
use linecard_media::ToneTable;
use linecard_sip::invite::DialogHandle;
use linecard_sip::ua::{self, UserAgent};
use linecard_store::Store;
use linecard_store::phones::KeptBinding;
use linecard_web::dial::PhoneRefusal;
use linecard_web::port::{Command, DialOrder};
use tokio::sync::mpsc;

use crate::bindings::BindingKeeper;
use crate::clock::wall_clock;
use crate::directory::Directory;
use crate::hub::Hub;
use crate::ledger::{Ledger, Notice};
use crate::media::{MediaEvent, MediaHandle};
use crate::recorder::RecordingStore;
use crate::wire::{Arrival, Wire};

use amendments::Amendments;
use gate::Gate;
use learning::{LearnedNumber, Learning, OldCall};
use legs::{Legs, Sound};
use phones::Phones;
pub(crate) use places::Places;
use recording_sessions::RecordingSessions;
use shadow::Shadows;
use tally::Tally;
use watching::LineWatch;

/// How often a leg without sound is asked whether it lives.
const ASK_SILENT_EVERY: Duration = Duration::from_secs(30);

/// How long the legs of an ended call stay known; longer than anything waits at the gate.
const FAREWELL: Duration = Duration::from_secs(2);

/// How often the process leaves a mark that it lives, and legs are looked at.
const TICK: Duration = Duration::from_secs(1);

/// What the reactor is made of.
pub(crate) struct Parts {
    pub(crate) agent: UserAgent,
    pub(crate) engine: Engine,
    pub(crate) hub: Hub,
    pub(crate) ledger: Ledger,
    pub(crate) store: Store,
    pub(crate) wire: Wire,
    pub(crate) media: MediaHandle,
    pub(crate) recordings: RecordingStore,
    pub(crate) directory: Directory,
    pub(crate) dial_plan: DialPlan,
    pub(crate) settings: Settings,
    /// Permits, counts and audits what is dialled on telephones.
    pub(crate) app: linecard_web::App,
    /// Calls of the doctor's to lines of ours.
    pub(crate) test_calls: crate::doctor::TestCalls,
    /// Writes down where telephones are.
    pub(crate) bindings: BindingKeeper,
    /// Where they were when the last process ended.
    pub(crate) kept_bindings: Vec<(DeviceId, KeptBinding)>,
}

/// What was configured, as far as the reactor needs it.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Where sound may come to.
    pub(crate) places: Places,
    /// Addresses beside lines and devices that are listened to.
    pub(crate) trusted: Vec<IpAddr>,
    /// What may be dialled.
    pub(crate) barring: Barring,
    /// What callers hear in this country.
    pub(crate) tones: ToneTable,
    /// Whether calls are recorded from their first moment.
    pub(crate) records: bool,
    /// The file that says when the process was last alive.
    pub(crate) alive_file: PathBuf,
}

/// The queues that bring what happens.
pub(crate) struct Queues {
    pub(crate) arrivals: mpsc::Receiver<Arrival>,
    pub(crate) media: mpsc::UnboundedReceiver<MediaEvent>,
    pub(crate) notices: mpsc::UnboundedReceiver<Notice>,
    pub(crate) commands: mpsc::Receiver<Command>,
}

/// What a task that the reactor started brings back.
#[derive(Debug)]
enum Answer {
    /// The contacts answered, or could not be read.
    Contacts { call: CallId, number: String, candidates: Option<Vec<Candidate>> },
    /// An ended call was folded again.
    Amended { call: CallId, folded: Option<(Box<Interaction>, Vec<Recording>)> },
    /// The contacts learned a number, which old calls have.
    Learned { learned: LearnedNumber, old: Vec<OldCall> },
    /// Nothing that the contacts learned is left.
    LearnedAll,
    /// It is decided whether what was dialled on a telephone is called.
    PhoneJudged { handle: DialogHandle, order: Result<DialOrder, PhoneRefusal> },
    /// It is decided whether a telephone may hand its customer to a number.
    ReferralJudged { handle: DialogHandle, judged: Result<(Destination, Option<String>), u16> },
    /// Lines, users and devices were read again.
    Loaded { directory: Option<Directory> },
}

/// The state of the reactor.
pub(crate) struct Reactor {
    parts: Parts,
    legs: Legs,
    gate: Gate,
    standings: HashMap<LineId, RegistrationView>,
    phones: Phones,
    /// What was dialled on telephones and is not decided yet.
    phone_dials: HashMap<DialogHandle, phone_dials::Dialled>,
    /// The extensions whose calls PBXes tell of.
    watches: HashMap<LineId, LineWatch>,
    /// The INVITEs that ring along beside desk phones, and the lines that pushed one out.
    shadows: Shadows,
    pushed_out: HashSet<LineId>,
    /// The recording sessions that are up, and when the last one came to each line.
    sessions: RecordingSessions,
    last_sessions: HashMap<LineId, UtcMillis>,
    /// Lines that record and whose server answers no OPTIONS.
    silent_recorders: HashSet<LineId>,
    /// Interactions of ended calls on their way into the database.
    unsaved: HashMap<InteractionId, saving::Unsaved>,
    /// Missed-call items on their way into the database.
    unsaved_missed: HashMap<MissedId, MissedItem>,
    /// Calls whose ports are being given up, in the order in which the relay was told.
    releasing: VecDeque<CallId>,
    /// Calls that go on and changed since the database was given them.
    changed: saving::Changed,
    /// Lines whose server's name had no address when it was last asked for.
    nameless: HashSet<LineId>,
    readings: lines::Readings,
    amendments: Amendments,
    learning: Learning,
    /// Agents' legs that were offered the called one's codec, with that one's leg.
    reoffers: HashMap<LegId, dialling::Reoffer>,
    /// What PBXes were asked for by REFER, by the customer's leg.
    referrals: HashMap<LegId, referrals::Referral>,
    /// Ended calls whose legs are still known: a refusal may wait at the gate for its evidence.
    farewells: VecDeque<(Instant, CallId)>,
    answers: mpsc::UnboundedSender<Answer>,
    /// The moment of which the engine was told: what it wants done is dated with it, so that a recording is as long as
    /// the talk in the ledger, however late the order is carried out and whatever else the engine was told meanwhile.
    told_at: Instant,
    /// What waits until it is known how ports are seen from outside.
    held: Vec<mappings::Held>,
    /// Since when the STUN server has not answered.
    stun_silent_since: Option<Instant>,
    /// When the user agent and the engine want to be woken.
    agent_at: Option<Instant>,
    engine_at: Option<Instant>,
    course: Course,
    tally: Tally,
}

/// Whether new calls are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    Running,
    /// No new calls; those under way may finish until then.
    Draining {
        until: Instant,
    },
    /// Lines are being unregistered; until then at most.
    Leaving {
        until: Instant,
    },
    Gone,
}

impl Reactor {
    /// Runs until `shutdown` and the end of the calls that were under way; returns the parts to be closed.
    pub(crate) async fn run(parts: Parts, mut queues: Queues, shutdown: impl Future<Output = ()>) -> Parts {
        let (answers, mut answered) = mpsc::unbounded_channel();
        let tally = Tally::new(parts.media.free_legs());
        let mut reactor = Self {
            parts,
            legs: Legs::default(),
            gate: Gate::default(),
            standings: HashMap::new(),
            phones: Phones::default(),
            phone_dials: HashMap::new(),
            watches: HashMap::new(),
            shadows: Shadows::default(),
            pushed_out: HashSet::new(),
            sessions: RecordingSessions::default(),
            last_sessions: HashMap::new(),
            silent_recorders: HashSet::new(),
            unsaved: HashMap::new(),
            unsaved_missed: HashMap::new(),
            releasing: VecDeque::new(),
            changed: saving::Changed::default(),
            nameless: HashSet::new(),
            readings: lines::Readings::default(),
            amendments: Amendments::default(),
            learning: Learning::Idle,
            reoffers: HashMap::new(),
            referrals: HashMap::new(),
            farewells: VecDeque::new(),
            answers,
            told_at: Instant::now(),
            held: Vec::new(),
            stun_silent_since: None,
            agent_at: None,
            engine_at: None,
            course: Course::Running,
            tally,
        };
        reactor.add_lines();
        let kept = std::mem::take(&mut reactor.parts.kept_bindings);
        reactor.add_phones(kept);
        let mut tick = tokio::time::interval(TICK);
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            reactor.pump();
            if reactor.course == Course::Gone {
                return reactor.parts;
            }
            let wake_at = reactor.next_wake_up();
            tokio::select! {
                Some(arrival) = queues.arrivals.recv() => reactor.arrived(arrival),
                Some(event) = queues.media.recv() => reactor.media_event(event),
                Some(notice) = queues.notices.recv() => reactor.noticed(notice),
                Some(command) = queues.commands.recv() => reactor.command(command),
                Some(answer) = answered.recv() => reactor.answered(answer),
                () = tokio::time::sleep_until(wake_at.into()) => reactor.woken(),
                _ = tick.tick() => reactor.tick(),
                () = &mut shutdown, if reactor.course == Course::Running => reactor.drain(),
            }
        }
    }

    fn next_wake_up(&self) -> Instant {
        let far = Instant::now() + Duration::from_secs(3_600);
        let times = [self.agent_at, self.engine_at, self.gate.next_deadline(), self.changed.due_at()];
        times.into_iter().flatten().min().unwrap_or(far)
    }

    fn woken(&mut self) {
        let now = Instant::now();
        if self.agent_at.is_some_and(|at| at <= now) {
            self.parts.agent.handle_input(ua::Input::Timeout, now);
        }
        if self.engine_at.is_some_and(|at| at <= now) {
            self.engine(Input::Timeout);
        }
        if self.changed.due_at().is_some_and(|at| at <= now) {
            self.save_changed();
        }
        while let Some((signal, call, effects)) = self.gate.overdue(now) {
            self.engine(Input::SignalLate { call, signal });
            self.alarm(
                AlarmKind::SignalLate,
                None,
                "a signal was not durable within 100 ms; the call went on",
            );
            for effect in effects {
                self.perform(effect);
            }
        }
    }

    /// Lets both machines say everything they have to say.
    fn pump(&mut self) {
        loop {
            let agent_spoke = self.pump_agent();
            let engine_spoke = self.pump_engine();
            if !agent_spoke && !engine_spoke {
                return self.begin_amendments();
            }
        }
    }

    fn pump_agent(&mut self) -> bool {
        let mut spoke = false;
        loop {
            match self.parts.agent.poll_output() {
                ua::Output::Transmit { flow, payload } => {
                    let server = flow.server.and_then(|server| self.parts.agent.server(server));
                    self.parts.wire.transmit(flow, payload, server);
                }
                ua::Output::CloseStream { flow } => self.parts.wire.close_stream(flow),
                ua::Output::Resolve { id, question } => self.parts.wire.resolve(id, question),
                ua::Output::Event(event) => self.sip_event(event),
                ua::Output::Timeout { at, .. } => {
                    self.agent_at = Some(at);
                    return spoke;
                }
                ua::Output::Idle => {
                    self.agent_at = None;
                    return spoke;
                }
            }
            spoke = true;
        }
    }

    fn pump_engine(&mut self) -> bool {
        let mut spoke = false;
        loop {
            match self.parts.engine.poll_output() {
                Output::Record(signal) => {
                    self.gate.recorded(signal.id);
                    self.parts.ledger.append(signal);
                }
                Output::Effect { effect, after, told_at } => {
                    self.told_at = told_at;
                    self.perform_after(effect, after);
                }
                Output::Publish(event) => self.publish(event),
                Output::MissedChanged { change, because } => self.missed_changed(change, because),
                Output::CallEnded { call_id, interaction, recordings, signals } => {
                    self.call_ended(call_id, *interaction, recordings, signals);
                }
                Output::CallAmended { call_id } => self.amendments.due(call_id),
                Output::Timeout { at, .. } => {
                    self.engine_at = Some(at);
                    return spoke;
                }
                Output::Idle => {
                    self.engine_at = None;
                    return spoke;
                }
            }
            spoke = true;
        }
    }

    fn engine(&mut self, input: Input) {
        self.told_at = Instant::now();
        self.parts.engine.handle_input(input, self.told_at, wall_clock());
    }

    fn publish(&mut self, event: Event) {
        match &event {
            Event::CallCreated(call)
            | Event::CallRinging(call)
            | Event::CallAnswered(call)
            | Event::CallHeld(call)
            | Event::CallRetrieved(call)
            | Event::CallUpdated(call)
            | Event::CallTransferred(call) => self.changed.note(call.call_id, None),
            Event::RecordingStarted(started) => {
                self.changed.note(started.call_id, Some(saving::begun(started)))
            }
            _ => {}
        }
        let at = wall_clock();
        self.tally.published(&event, at);
        self.parts.hub.publish(event, at);
    }

    /// Forgets the legs of calls that have been over for a while.
    fn forget_ended(&mut self, now: Instant) {
        while self.farewells.front().is_some_and(|(at, _)| *at <= now) {
            let Some((_, call)) = self.farewells.pop_front() else { return };
            self.tally.forget(call);
            self.forget_referrals(call);
            for media in self.legs.remove_call(call).into_iter().filter_map(|leg| leg.media) {
                self.parts.media.close_leg(media.id, now);
            }
        }
    }

    fn alarm(&mut self, alarm: AlarmKind, subject: Option<String>, text: &str) {
        let view = AlarmView { alarm, subject, text: text.to_owned() };
        self.publish(Event::AlarmRaised(view));
    }

    fn clear_alarm(&mut self, alarm: AlarmKind, subject: Option<String>, text: &str) {
        let view = AlarmView { alarm, subject, text: text.to_owned() };
        self.publish(Event::AlarmCleared(view));
    }

    fn noticed(&mut self, notice: Notice) {
        match notice {
            Notice::Durable(signals) => {
                self.tally.signals_appended += signals.len() as u64;
                for effect in
                    signals.into_iter().flat_map(|signal| self.gate.durable(signal)).collect::<Vec<_>>()
                {
                    self.perform(effect);
                }
            }
            Notice::Late(signal) => {
                self.tally.signals_late += 1;
                tracing::warn!(%signal, "a signal was durable only after 100 ms");
            }
            Notice::Saved(interactions) => {
                for interaction in interactions {
                    self.unsaved.remove(&interaction);
                }
            }
            Notice::MissedSaved(items) => self.missed_saved(&items),
            Notice::Away { reason } => {
                let text = format!("the database takes no signals ({reason}); they are spooled, calls go on");
                self.alarm(AlarmKind::DatabaseUnavailable, None, &text);
            }
            Notice::Back => {
                tracing::info!("the database has every signal again");
                self.clear_alarm(AlarmKind::DatabaseUnavailable, None, "the database has every signal again");
            }
        }
    }

    fn tick(&mut self) {
        let now = Instant::now();
        let mut silent = Vec::new();
        for leg in self.legs.all_mut() {
            if let Sound::Silent { asked_at } = leg.sound
                && now.duration_since(asked_at) >= ASK_SILENT_EVERY
            {
                leg.sound = Sound::Silent { asked_at: now };
                silent.push(leg.handle);
            }
        }
        for handle in silent {
            // Refused while the leg is not answered yet: then there is nothing to ask.
            let _ = self.parts.agent.send_options(handle, now);
        }
        if let Err(error) = std::fs::write(&self.parts.settings.alive_file, wall_clock().0.to_string()) {
            tracing::debug!(%error, "the mark that the process lives cannot be written");
        }
        self.forget_ended(now);
        self.lose_silent(now);
        self.forget_guessers(now);
        self.end_forgotten_shadows(now);
        self.ask_silent_sessions(now);
        self.say_what_waits();
        self.begin_learning();
        self.go_on_stopping(now);
    }

    fn arrived(&mut self, arrival: Arrival) {
        if let Some(arrival) = self.parts.wire.admit(arrival) {
            self.parts.agent.handle_input(arrival.input(), Instant::now());
        }
    }
}

/// One who sees everything: the server itself.
fn everybody() -> Viewer {
    Viewer {
        user_id: linecard_calls::UserId::from_uuid(uuid::Uuid::nil()),
        role: linecard_calls::Role::Admin,
    }
}
