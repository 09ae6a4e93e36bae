//! The user agent: lines, calls and the policy towards everybody else (RFC 3261 sections 8 and 13).
//!
//! [`UserAgent`] owns the transaction layer, the registrations of all lines and every leg. Give it what the network
//! and the application say and poll it for what to send and what happened. It opens no socket, asks no DNS, reads no
//! clock, and does not look into session descriptions. It decides nothing about calls: whom to ring, when to give up
//! and what a call means belongs to the application.

mod admission;
mod calls;
mod clocks;
mod config;
mod event;
mod failover;
mod greeting;
mod incoming;
mod key;
mod lines;
mod names;
mod outgoing;
mod phones;
mod policy;
mod resolver;
mod servers;
mod sources;
mod streams;
mod subscriptions;

pub use config::{
    CallerId, Input, Line, OutgoingInvite, Output, Presence, ReinviteAnswer, ResolveId, Route,
    UnknownSources, UserAgentConfig,
};
pub use event::{Event, FailureMeaning, Inviter, LineId, ReferralTold, Suspicion, meaning};
pub use key::Key;
pub use names::{Answer, Naptr, Question, Records, Srv};
pub use phones::{Admits, DoorFigures, RegistrarConfig};
pub use servers::Server;
pub use subscriptions::SubscriptionHandle;

pub use crate::invite::{CommandRefused, DialogHandle, EndCause, PeerIdentity, SessionId};

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use self::clocks::Clocks;
use self::failover::{Absent, Attempt};
use self::incoming::{InviteKey, Invited};
use self::lines::{LineState, Shutdown};
use self::outgoing::Waiting;
use self::phones::Door;
use self::resolver::Resolver;
use self::servers::Servers;
use self::sources::Sources;
use self::streams::Stream;
use self::subscriptions::Subscribed;
use crate::dialog::{DialogId, DialogPhase};
use crate::digest::Verifier;
use crate::invite::{Account, Action, Context, Purpose, Session, SessionClock, Settings, Silence};
use crate::registrar::BindingId;
use crate::subscription;
use crate::transaction::{
    ClientTransactionId, ServerTransactionId, TransactionConfig, TransactionId, TransactionLayer,
    TransactionOutput,
};
use crate::transport::{Connection, Flow, ServerId, TransportFault};
use crate::uri::Host;

/// A timer of the user agent.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Clock {
    /// One of a leg's.
    Session(DialogHandle, SessionClock),
    /// A line's registration wants to be woken.
    Registration(LineId),
    /// A subscription wants to be woken.
    Subscription(SubscriptionHandle),
    /// An open stream, or a NAT's binding, is to be kept alive; or the answer to that is overdue.
    KeepAlive(Flow),
    /// The server of a line that records is asked whether it is there.
    Greet(LineId),
    /// A phone's binding is over.
    Expire(BindingId),
    /// A phone is to be asked whether it lives.
    Qualify(BindingId),
    /// A line is stopped: its turn in the shut-down.
    Stop(LineId),
    /// A line that was removed is forgotten, whether its registrar answered or not.
    Forget(LineId),
    /// The shut-down waits no longer.
    GiveUp,
}

/// What a client transaction is for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum ClientUse {
    Register(LineId),
    Subscribe(SubscriptionHandle),
    Greet(LineId),
    Session(DialogHandle, Purpose),
    /// The question whether a phone lives.
    Qualify(BindingId),
}

/// A SIP user agent with many lines.
#[derive(Debug)]
pub struct UserAgent {
    config: UserAgentConfig,
    settings: Settings,
    rng: ChaCha12Rng,
    transactions: TransactionLayer,
    streams: HashMap<Connection, Stream>,
    servers: Servers,
    /// Why the path does not work whose transactions are being told.
    fault: Option<TransportFault>,
    lines: HashMap<LineId, LineState>,
    /// How many lines of a server watch it for the others.
    watchers: HashMap<String, usize>,
    /// Which line a contact's user part names.
    users: HashMap<Vec<u8>, LineId>,
    subscriptions: HashMap<SubscriptionHandle, Subscribed>,
    /// Subscriptions by Call-ID and our tag.
    subscription_names: HashMap<DialogId, SubscriptionHandle>,
    sessions: HashMap<DialogHandle, Session>,
    dialogs: HashMap<DialogId, DialogHandle>,
    /// INVITEs from peers whose transaction lives.
    invited: HashMap<ServerTransactionId, Invited>,
    invite_keys: HashMap<InviteKey, ServerTransactionId>,
    clients: HashMap<ClientTransactionId, ClientUse>,
    resolver: Resolver<Waiting>,
    /// Requests that may still go to another place.
    attempts: HashMap<ClientTransactionId, Attempt>,
    absent: Absent,
    clocks: Clocks<Clock>,
    sources: Sources,
    /// Phones that register here, if they may.
    door: Option<Door>,
    outputs: VecDeque<Output>,
    /// Requests that could not even be handed to the transaction layer, and why, where more is known.
    unsent: VecDeque<(ClientUse, Option<TransportFault>)>,
    next_handle: u64,
    /// When the next line's first request may leave.
    next_turn: Option<Instant>,
    shutdown: Shutdown,
    /// Asks for the passwords of those who send recordings; made when the first one comes.
    verifier: Option<Verifier>,
    /// User part of the Contact of legs without a line.
    own_user: String,
}

impl UserAgent {
    /// Makes a user agent without lines; everything random is drawn from `rng`.
    pub fn new(config: UserAgentConfig, mut rng: ChaCha12Rng) -> Self {
        let transaction_config = TransactionConfig {
            timers: config.timers,
            sent_by: config.external_address.map(Host::from),
            local_addresses: config.local_addresses.clone(),
            nowhere: nowhere(&token(&mut rng)),
            ..TransactionConfig::default()
        };
        let layer_rng = child(&mut rng);
        let own_user = token(&mut rng);
        let door = config.registrar.clone().map(|registrar| {
            let mut key = [0_u8; 32];
            rng.fill_bytes(&mut key);
            Door::new(registrar, key)
        });
        Self {
            settings: Settings { timers: config.timers, agent_name: config.user_agent_name.clone() },
            sources: Sources::new(&config.known_sources),
            door,
            config,
            rng,
            transactions: TransactionLayer::new(transaction_config, layer_rng),
            streams: HashMap::new(),
            servers: Servers::default(),
            fault: None,
            lines: HashMap::new(),
            watchers: HashMap::new(),
            users: HashMap::new(),
            subscriptions: HashMap::new(),
            subscription_names: HashMap::new(),
            sessions: HashMap::new(),
            dialogs: HashMap::new(),
            invited: HashMap::new(),
            invite_keys: HashMap::new(),
            clients: HashMap::new(),
            resolver: Resolver::new(),
            attempts: HashMap::new(),
            absent: Absent::default(),
            clocks: Clocks::new(),
            outputs: VecDeque::new(),
            unsent: VecDeque::new(),
            next_handle: 0,
            next_turn: None,
            shutdown: Shutdown::No,
            verifier: None,
            own_user,
        }
    }

    /// Takes what happened.
    pub fn handle_input(&mut self, input: Input<'_>, now: Instant) {
        match input {
            Input::Datagram { flow, payload } => self.datagram(flow, payload, now),
            Input::StreamData { flow, payload } => self.stream_data(flow, payload, now),
            Input::StreamOpened { flow } => self.stream_opened(flow),
            Input::StreamClosed { flow } => self.path_failed(flow, TransportFault::Closed, now),
            Input::TransmitFailed { flow, fault } => self.path_failed(flow, fault, now),
            Input::Resolved { id, answer } => self.resolved(id, answer, now),
            Input::Timeout => self.tick(now),
        }
        self.settle(now);
    }

    /// Yields the next thing to do or to know.
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.outputs.pop_front() {
            return output;
        }
        let own = self.clocks.next().map(|(at, clock)| (at, clock.name()));
        let layer = match self.transactions.poll_output() {
            Some(TransactionOutput::Timeout { at, .. }) => Some((at, "transaction")),
            _ => None,
        };
        match own.into_iter().chain(layer).min_by_key(|(at, _)| *at) {
            Some((at, reason)) => Output::Timeout { at, reason },
            None => Output::Idle,
        }
    }

    /// Replaces the configured known peers.
    pub fn set_known_sources(&mut self, addresses: &[std::net::IpAddr]) {
        self.sources.configure(addresses);
    }

    /// Gives what a connection to this server has to lead to.
    pub fn server(&self, server: ServerId) -> Option<&Server> {
        self.servers.get(server)
    }

    /// Counts legs that still live, those whose BYE is not answered yet and those that wait for late forks included.
    pub fn leg_count(&self) -> usize {
        self.sessions.len()
    }

    /// Counts dialogs that requests are routed by.
    pub fn dialog_count(&self) -> usize {
        self.dialogs.len()
    }

    /// Lists the legs whose dialog is confirmed.
    pub fn open_legs(&self) -> Vec<DialogHandle> {
        let mut legs: Vec<DialogHandle> = self
            .sessions
            .iter()
            .filter(|(_, session)| {
                session.dialog().is_some_and(|dialog| dialog.phase == DialogPhase::Confirmed)
            })
            .map(|(handle, _)| *handle)
            .collect();
        legs.sort_unstable();
        legs
    }

    fn tick(&mut self, now: Instant) {
        self.transactions.handle_timeout(now);
        while let Some(clock) = self.clocks.take_due(now) {
            match clock {
                Clock::Session(handle, clock) => {
                    self.with_session(handle, now, |session, ctx| session.handle_clock(clock, ctx));
                }
                Clock::Registration(line) => self.wake_registration(&line, now),
                Clock::Subscription(handle) => {
                    self.drive_subscription(handle, subscription::Input::Timeout, now);
                }
                Clock::KeepAlive(flow) => self.keep_alive(flow, now),
                Clock::Greet(line) => self.greet(&line, now),
                Clock::Expire(_) => self.expire_binding(now),
                Clock::Qualify(binding) => self.qualify(binding, now),
                Clock::Stop(line) => self.stop_line(&line, now),
                Clock::Forget(line) => self.forget_line(&line),
                Clock::GiveUp => self.finish_shutdown(),
            }
            self.settle(now);
        }
    }

    /// Carries out everything that follows from the last input.
    fn settle(&mut self, now: Instant) {
        loop {
            if let Some((purpose, fault)) = self.unsent.pop_front() {
                let outer = std::mem::replace(&mut self.fault, fault);
                self.silent(purpose, Silence::TransportFailed, now);
                self.fault = outer;
                continue;
            }
            match self.transactions.poll_output() {
                None | Some(TransactionOutput::Timeout { .. }) => return,
                Some(output) => self.take(output, now),
            }
        }
    }

    fn take(&mut self, output: TransactionOutput, now: Instant) {
        match output {
            TransactionOutput::Transmit { flow, bytes } => {
                self.outputs.push_back(Output::Transmit { flow, payload: bytes });
            }
            TransactionOutput::Request { id, request, flow } => self.requested(id, request, flow, now),
            TransactionOutput::Cancel { id, invite, request, .. } => {
                self.cancel_received(id, invite, &request, now)
            }
            TransactionOutput::Ack { request, .. } => self.ack_received(&request, now),
            TransactionOutput::Response { id, response, flow } => self.responded(id, response, flow, now),
            TransactionOutput::StrayResponse { response, .. } => self.stray_response(&response, now),
            TransactionOutput::TimedOut { id: TransactionId::Client(id) }
            | TransactionOutput::TransportFailed { id: TransactionId::Client(id) }
                if self.try_next(id, now) => {}
            TransactionOutput::TimedOut { id: TransactionId::Client(id) } => {
                if let Some(purpose) = self.clients.remove(&id) {
                    self.silent(purpose, Silence::TimedOut, now);
                }
            }
            TransactionOutput::TransportFailed { id: TransactionId::Client(id) } => {
                if let Some(purpose) = self.clients.remove(&id) {
                    self.silent(purpose, Silence::TransportFailed, now);
                }
            }
            // A response that cannot be delivered changes nothing: the peer asks again, or its ACK never comes.
            TransactionOutput::TimedOut { .. } | TransactionOutput::TransportFailed { .. } => {}
            TransactionOutput::Terminated { id: TransactionId::Client(id) } => {
                self.clients.remove(&id);
                self.attempts.remove(&id);
            }
            TransactionOutput::Terminated { id: TransactionId::Server(id) } => {
                if let Some(invited) = self.invited.remove(&id) {
                    self.invite_keys.remove(&invited.key);
                }
            }
            TransactionOutput::Timeout { .. } => {}
        }
    }

    /// Lets a leg work, carries out what it asks for, and takes it away when it is finished.
    fn with_session<R>(
        &mut self,
        handle: DialogHandle,
        now: Instant,
        work: impl FnOnce(&mut Session, &mut Context<'_>) -> R,
    ) -> Option<R> {
        let mut session = self.sessions.remove(&handle)?;
        let mut actions = Vec::new();
        let line = session.origin.line.clone();
        let result = self.in_context(line.as_ref(), &mut actions, |ctx| work(&mut session, ctx));
        self.keep(session, actions, now);
        Some(result)
    }

    /// Gives a leg's work the account of its line.
    fn in_context<R>(
        &mut self,
        line: Option<&LineId>,
        actions: &mut Vec<Action>,
        work: impl FnOnce(&mut Context<'_>) -> R,
    ) -> R {
        let account = line
            .and_then(|line| self.lines.get_mut(line))
            .map(|line| Account { digest: line.registration.digest_mut(), realms: &line.realms });
        let mut ctx = Context { settings: &self.settings, rng: &mut self.rng, account, actions };
        work(&mut ctx)
    }

    /// Puts a leg back and carries out its actions.
    fn keep(&mut self, session: Session, actions: Vec<Action>, now: Instant) {
        let handle = session.handle();
        self.sessions.insert(handle, session);
        for action in actions {
            self.perform(handle, action, now);
        }
        if self.sessions.get(&handle).is_some_and(Session::is_finished) {
            self.bury(handle);
        }
    }

    fn bury(&mut self, handle: DialogHandle) {
        let Some(session) = self.sessions.remove(&handle) else {
            return;
        };
        for id in &session.bound {
            self.dialogs.remove(id);
        }
        for clock in SessionClock::ALL {
            self.clocks.stop(&Clock::Session(handle, clock));
        }
    }

    fn fresh_handle(&mut self) -> DialogHandle {
        self.next_handle += 1;
        DialogHandle(self.next_handle)
    }

    fn emit(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }
}

impl Clock {
    fn name(&self) -> &'static str {
        match self {
            Self::Session(_, clock) => clock.name(),
            Self::Registration(_) => "registration",
            Self::Subscription(_) => "subscription",
            Self::KeepAlive(_) => "keep-alive",
            Self::Greet(_) => "server to greet",
            Self::Expire(_) => "binding",
            Self::Qualify(_) => "phone to ask",
            Self::Stop(_) => "line to stop",
            Self::Forget(_) => "line to forget",
            Self::GiveUp => "shut-down overdue",
        }
    }
}

/// Draws a word of 128 bits that nobody can guess.
fn token(rng: &mut ChaCha12Rng) -> String {
    format!("{:016x}{:016x}", rng.next_u64(), rng.next_u64())
}

/// A host that cannot be reached and is nobody else's: that of who is spoken to along a WebSocket alone
/// (RFC 7118 section 5, RFC 2606).
fn nowhere(word: &str) -> Host {
    Host::Name(format!("{word}.invalid"))
}

fn child(rng: &mut ChaCha12Rng) -> ChaCha12Rng {
    let mut seed = [0_u8; 32];
    rng.fill_bytes(&mut seed);
    ChaCha12Rng::from_seed(seed)
}
