//! A PBX without sockets: registrar, customers and phones of its desks, each with a dialog of its own to the server.
//!
//! It is given datagrams and time and is polled for what to send, which sound to make, and whom an agent wants to
//! call. Transactions are those of `linecard-sip`; everything above them is the fleet's own, so that a misreading of
//! the RFCs by the server's user agent is not shared.

mod book;
mod customers;
mod dialogs;
mod door;
mod handover;
mod leg;
mod mishaps;
mod phones;
mod registrar;
mod watch;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use linecard_sip::message::{Method, Request, Response, StatusCode};
use linecard_sip::transaction::{
    ClientTransactionId, ServerTransactionId, TransactionConfig, TransactionId, TransactionLayer,
    TransactionOutput,
};
use linecard_sip::transport::{Flow, LocalAddress, Transport};

use self::door::{Door, without_rport};
use self::leg::{Leg, LegId, Sends};
use self::mishaps::{Away, Service};
use self::registrar::Binding;
pub use self::registrar::password_of;
use self::watch::{PhoneEnd, PhoneState, Watcher};
use super::chance::Chance;
use super::mishap::{Absence, Mishap};
use super::quirk::{Profile, Quirk};
use super::talk::{HoldOffer, Side};
use super::truth::Deeds;
use super::world::{Course, Mode, World};

/// How long a desk rests between two calls.
const PAUSE: Duration = Duration::from_millis(300);
/// After this a call counts as stuck.
const STUCK_AFTER: Duration = Duration::from_secs(25);

/// As long a response to an INVITE may still come (RFC 3261 section 13.3.1.4).
const FORGOTTEN_AFTER: Duration = Duration::from_secs(35);

/// Where the two ends of a desk have their sound.
#[derive(Debug, Clone, Copy)]
pub struct SoundPorts {
    /// The customer's.
    pub customer: SocketAddr,
    /// The phone's.
    pub agent: SocketAddr,
    /// That of whoever takes a customer over.
    pub other: SocketAddr,
}

impl SoundPorts {
    /// Gives those of one end.
    #[must_use]
    pub fn of(&self, side: Side) -> SocketAddr {
        match side {
            Side::Customer => self.customer,
            Side::Agent => self.agent,
            Side::Other => self.other,
        }
    }
}

/// What an agent asks for in the interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wish {
    /// A call to the callee.
    Dial,
    /// The customer is to be handed over.
    HandOver {
        /// The number that is typed.
        to: String,
        /// Whether the agent talks with the other first.
        attended: bool,
    },
    /// The one who was asked is to have the customer.
    Complete,
    /// The agent takes the customer back.
    Retrieve,
}

/// What a PBX wants.
#[derive(Debug, Clone, PartialEq)]
pub enum PbxOutput {
    /// A datagram to send, or a part of the stream to the same peer, which is opened first if it is not.
    Transmit {
        /// Where to.
        to: SocketAddr,
        /// One message.
        bytes: Vec<u8>,
    },
    /// Every stream of the PBX ends; it knows of it.
    Cut,
    /// An end of a desk begins to speak; what it said before is over.
    Speak {
        /// The desk.
        desk: usize,
        /// Which end.
        side: Side,
        /// Where to.
        to: SocketAddr,
        /// The call, which decides the tone.
        call: usize,
    },
    /// An end of a desk falls silent.
    Hush {
        /// The desk.
        desk: usize,
        /// Which end.
        side: Side,
    },
    /// The agent of a desk asks for something in the interface.
    Ask {
        /// The call.
        call: usize,
        /// For what.
        wish: Wish,
    },
}

/// Something that a PBX has to do at a time.
#[derive(Debug, Clone)]
enum Task {
    Begin(usize),
    Free(usize, usize),
    Stuck(usize),
    Forget(usize),
    GiveUp(usize),
    Answer(LegId),
    Refuse(LegId, u16),
    EarlyMedia(LegId),
    RepeatAnswer(LegId),
    HangUp(usize, Side),
    Change(usize, Side, Change),
    HandOver(usize),
    AskAgain(usize),
    Refer(usize),
    Ask(usize, Wish),
    PhoneTalks(usize),
    PhoneEnds(usize, PhoneEnd),
    Suffer(Mishap),
    Look,
    Return,
    Welcome(usize),
}

/// A desk as its PBX sees it.
#[derive(Debug)]
struct Seat {
    ports: SoundPorts,
    binding: Option<Binding>,
    /// The call that the desk is busy with.
    call: Option<usize>,
    /// Calls that wait for it.
    waiting: VecDeque<usize>,
    /// What the phone does that has its calls for itself.
    phone: PhoneState,
    /// Who is told of it.
    watcher: Option<Watcher>,
    /// Since when the line is not there, though it was.
    away: Option<Away>,
}

/// What a re-INVITE of ours is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Hold(HoldOffer),
    Retrieve,
    Refresh,
}

impl Change {
    /// Who sends after it.
    fn sends(self, before: Sends) -> Sends {
        match self {
            Self::Hold(offer) => Sends::Held(offer),
            Self::Retrieve => Sends::Both,
            Self::Refresh => before,
        }
    }
}

/// A simulated PBX.
#[derive(Debug)]
pub struct Pbx {
    world: Arc<World>,
    profile: Profile,
    address: SocketAddr,
    door: Door,
    service: Service,
    absences: Vec<Absence>,
    nonce: String,
    chance: Chance,
    layer: TransactionLayer,
    seats: BTreeMap<usize, Seat>,
    legs: BTreeMap<LegId, Leg>,
    by_call: HashMap<usize, Vec<LegId>>,
    by_call_id: HashMap<String, LegId>,
    invites: HashMap<ClientTransactionId, LegId>,
    changes: HashMap<ClientTransactionId, (LegId, Change)>,
    /// BYEs of whoever hung up first, by their call.
    partings: HashMap<ClientTransactionId, usize>,
    /// REFERs of phones, by their call.
    referrals: HashMap<ClientTransactionId, usize>,
    /// INVITEs that ring a line beside its phone, by their call.
    forks: HashMap<ClientTransactionId, usize>,
    next_leg: LegId,
    agenda: BTreeMap<(Instant, u64), Task>,
    next_task: u64,
    outputs: VecDeque<PbxOutput>,
    deeds: BTreeMap<usize, Deeds>,
    strangers: Vec<String>,
}

impl Pbx {
    /// Makes the PBX of this place in the world; `ports` has the sound of its desks.
    #[must_use]
    pub fn new(
        world: Arc<World>,
        place: usize,
        address: SocketAddr,
        ports: &BTreeMap<usize, SoundPorts>,
    ) -> Self {
        let profile = world.plan.profiles.get(place).copied().unwrap_or(Profile::Asterisk);
        // Two runs of one world have their own Call-IDs and tags: a server remembers those of the first for a while
        // and would take the second for a merged request (RFC 3261 section 8.2.2.2).
        let run = world.plan.numbers_from.wrapping_mul(1_000_003);
        let mut chance = Chance::new(world.plan.seed.wrapping_add(run).wrapping_add(place as u64 + 1));
        let door = Door::new(world.transport(place));
        let layer = TransactionLayer::new(configured(door.transport, address), chance.split());
        let own = world.desks.iter().enumerate().filter(|(_, desk)| desk.pbx == place);
        let seats = own.filter_map(|(number, _)| {
            let ports = *ports.get(&number)?;
            let seat = Seat {
                ports,
                binding: None,
                call: None,
                waiting: VecDeque::new(),
                phone: PhoneState::Idle,
                watcher: None,
                away: None,
            };
            Some((number, seat))
        });
        let mishaps = world.mishaps(place);
        Self {
            nonce: chance.token(),
            seats: seats.collect(),
            world,
            profile,
            address,
            door,
            service: Service::new(mishaps),
            absences: Vec::new(),
            chance,
            layer,
            legs: BTreeMap::new(),
            by_call: HashMap::new(),
            by_call_id: HashMap::new(),
            invites: HashMap::new(),
            changes: HashMap::new(),
            partings: HashMap::new(),
            referrals: HashMap::new(),
            forks: HashMap::new(),
            next_leg: 0,
            agenda: BTreeMap::new(),
            next_task: 0,
            outputs: VecDeque::new(),
            deeds: BTreeMap::new(),
            strangers: Vec::new(),
        }
    }

    /// Lets the calls of its desks begin.
    pub fn start(&mut self, now: Instant) {
        let world = Arc::clone(&self.world);
        self.expect_mishaps(now);
        for (number, call) in world.calls.iter().enumerate() {
            if !self.seats.contains_key(&call.desk) {
                continue;
            }
            self.deeds.insert(number, Deeds::default());
            // An intrusion begins when the call does that it disturbs.
            if !matches!(call.course, Course::Intrusion { .. }) {
                self.later(now + Duration::from_millis(call.at_ms), Task::Begin(number));
            }
        }
    }

    /// Counts the calls that have not come to their end.
    #[must_use]
    pub fn open_calls(&self) -> usize {
        self.deeds.iter().filter(|(number, deeds)| deeds.done.is_none() && !self.is_void(**number)).count()
    }

    /// An intrusion upon a call that never became a talk.
    fn is_void(&self, number: usize) -> bool {
        let Some(Course::Intrusion { upon, .. }) = self.world.calls.get(number).map(|call| &call.course)
        else {
            return false;
        };
        let begun = self.deeds.get(&number).is_some_and(|deeds| deeds.begun.is_some());
        !begun && self.deeds.get(upon).is_some_and(|deeds| deeds.done.is_some())
    }

    /// Gives what happened, by the number of the call.
    #[must_use]
    pub fn deeds(&self) -> &BTreeMap<usize, Deeds> {
        &self.deeds
    }

    /// Lists calls that came to this PBX and that nobody made.
    #[must_use]
    pub fn strangers(&self) -> &[String] {
        &self.strangers
    }

    /// Acts on the time.
    pub fn wake(&mut self, now: Instant) {
        self.layer.handle_timeout(now);
        self.pump(now);
        while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= now) {
            let task = entry.remove();
            self.perform(task, now);
            self.pump(now);
        }
        self.look_after(now);
    }

    /// Gives the next thing that it wants.
    pub fn poll_output(&mut self) -> Option<PbxOutput> {
        self.outputs.pop_front()
    }

    /// Gives the time at which it wants to be woken.
    pub fn next_wakeup(&mut self) -> Option<Instant> {
        let layer = match self.layer.poll_output() {
            Some(TransactionOutput::Timeout { at, .. }) => Some(at),
            _ => None,
        };
        self.agenda.keys().next().map(|(at, _)| *at).into_iter().chain(layer).min()
    }

    fn later(&mut self, at: Instant, task: Task) {
        self.next_task += 1;
        self.agenda.insert((at, self.next_task), task);
    }

    fn perform(&mut self, task: Task, now: Instant) {
        match task {
            Task::Begin(call) => self.begin(call, now),
            Task::Free(desk, call) => self.free(desk, call, now),
            Task::Stuck(call) => self.stuck(call, now),
            Task::Forget(call) => self.forget(call),
            Task::GiveUp(call) => self.give_up(call, now),
            Task::Answer(leg) => self.answer(leg, now),
            Task::Refuse(leg, code) => self.refuse(leg, code, now),
            Task::EarlyMedia(leg) => self.early_media(leg, now),
            Task::RepeatAnswer(leg) => self.repeat_answer(leg, now),
            Task::HangUp(call, side) => self.hang_up(call, side, now),
            Task::Change(call, side, change) => self.change(call, side, change, now),
            Task::HandOver(call) => self.hand_over(call, now),
            Task::AskAgain(call) => self.ask(call, now),
            Task::Refer(call) => self.refer(call, now),
            Task::Ask(call, wish) => self.outputs.push_back(PbxOutput::Ask { call, wish }),
            Task::PhoneTalks(call) => self.phone_talks(call, now),
            Task::PhoneEnds(call, end) => self.phone_ends(call, end, now),
            Task::Suffer(mishap) => self.suffer(mishap, now),
            Task::Look => self.look(now),
            Task::Return => self.open_again(now),
            Task::Welcome(desk) => self.welcome(desk, now),
        }
    }

    fn pump(&mut self, now: Instant) {
        loop {
            match self.layer.poll_output() {
                Some(TransactionOutput::Transmit { flow, bytes }) => {
                    let bytes = if self.profile.has(Quirk::NoRport) { without_rport(bytes) } else { bytes };
                    self.heard(now);
                    self.outputs.push_back(PbxOutput::Transmit { to: flow.remote, bytes });
                }
                Some(TransactionOutput::Request { id, request, flow }) => {
                    self.requested(id, request, flow, now)
                }
                Some(TransactionOutput::Cancel { id, invite, request, .. }) => {
                    self.cancelled(id, invite, &request, now);
                }
                Some(TransactionOutput::Ack { request, .. }) => self.acknowledged(&request, now),
                Some(TransactionOutput::Response { id, response, .. }) => self.responded(id, &response, now),
                Some(TransactionOutput::StrayResponse { response, .. }) => self.stray_answer(&response),
                Some(TransactionOutput::TimedOut { id: TransactionId::Client(id) }) => {
                    self.responded(id, &Response::new(status(408)), now);
                }
                Some(TransactionOutput::TransportFailed { id: TransactionId::Client(id) }) => {
                    self.responded(id, &Response::new(status(503)), now);
                }
                Some(
                    TransactionOutput::TimedOut { .. }
                    | TransactionOutput::TransportFailed { .. }
                    | TransactionOutput::Terminated { .. },
                ) => {}
                Some(TransactionOutput::Timeout { .. }) | None => return,
            }
        }
    }

    fn requested(&mut self, id: ServerTransactionId, request: Request, flow: Flow, now: Instant) {
        let within = request.headers.to().is_ok_and(|to| to.tag().is_some());
        let response = match (&request.method, within) {
            (Method::Register, _) => self.registered(&request, flow.remote),
            (Method::Invite, false) => return self.invited(id, request, flow, now),
            (Method::Subscribe, _) => return self.subscribed(id, &request, flow, now),
            (_, true) => return self.requested_within(id, &request, now),
            (Method::Options, false) => Response::reply_to(&request, StatusCode::OK),
            _ => Response::reply_to(&request, status(405)),
        };
        self.reply(id, response, now);
    }

    /// Answers a request outside of any dialog.
    fn reply(&mut self, id: ServerTransactionId, mut response: Response, now: Instant) {
        if response.status != StatusCode::TRYING && response.headers.to().is_ok_and(|to| to.tag().is_none()) {
            let tag = self.chance.token();
            response.headers.set_to_tag(&tag);
        }
        let _ = self.layer.respond(id, response, now);
    }

    fn seat_of_account(&self, account: &str) -> Option<usize> {
        self.seats
            .keys()
            .copied()
            .find(|desk| self.world.desks.get(*desk).is_some_and(|desk| desk.account == account))
    }

    fn seat_of_extension(&self, extension: &str) -> Option<usize> {
        self.seats
            .keys()
            .copied()
            .find(|desk| self.world.desks.get(*desk).is_some_and(|desk| desk.extension == extension))
    }

    fn fault(&mut self, call: usize, what: String) {
        if let Some(deeds) = self.deeds.get_mut(&call) {
            deeds.faults.push(what);
        }
    }

    fn note(&mut self, call: usize, note: impl FnOnce(&mut Deeds)) {
        if let Some(deeds) = self.deeds.get_mut(&call) {
            note(deeds);
        }
    }

    /// A call begins, or waits for its desk.
    fn begin(&mut self, call: usize, now: Instant) {
        let world = Arc::clone(&self.world);
        let Some(planned) = world.calls.get(call) else { return };
        let intrudes = matches!(planned.course, Course::Intrusion { .. });
        let Some(seat) = self.seats.get_mut(&planned.desk) else { return };
        if !intrudes {
            if seat.call.is_some() || self.service.holds_back() || seat.away.is_some() {
                return seat.waiting.push_back(call);
            }
            seat.call = Some(call);
        } else if seat.away.is_some() {
            // It cannot come: there is none.
            return;
        }
        self.later(now + STUCK_AFTER, Task::Stuck(call));
        self.note(call, |deeds| deeds.begun = Some(now));
        if world.desks.get(planned.desk).is_some_and(|desk| desk.mode != Mode::Anchor) {
            return self.begin_at_phone(call, now);
        }
        match &planned.course {
            Course::Inbound { .. } | Course::Intrusion { .. } => self.call_in(call, now),
            Course::Outbound { .. } => self.outputs.push_back(PbxOutput::Ask { call, wish: Wish::Dial }),
        }
    }

    /// A desk has rested after a call and takes the next one.
    fn free(&mut self, desk: usize, call: usize, now: Instant) {
        if self.open_intrusion(call).is_some() {
            return self.later(now + PAUSE, Task::Free(desk, call));
        }
        let Some(seat) = self.seats.get_mut(&desk).filter(|seat| seat.call == Some(call)) else { return };
        seat.call = None;
        self.serve(desk, now);
    }
}

fn configured(transport: Transport, address: SocketAddr) -> TransactionConfig {
    let local_addresses = vec![LocalAddress { transport, addr: address }];
    TransactionConfig { local_addresses, datagram_limit: 8_000, ..TransactionConfig::default() }
}

fn status(code: u16) -> StatusCode {
    StatusCode::new(code).unwrap_or(StatusCode::OK)
}
