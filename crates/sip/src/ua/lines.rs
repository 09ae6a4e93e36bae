//! Lines: what is registered where, by whom, and the orderly end of all.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::config::{Line, Presence};
use super::event::{Event, LineId};
use super::{ClientUse, Clock, CommandRefused, UserAgent, child, nowhere, token};
use crate::digest::{Challenge, Credentials};
use crate::invite::header_is_printable;
use crate::message::{HeaderName, Response};
use crate::registration::{
    AddressLearning, Input, Neighbours, Output, Registration, RegistrationConfig, RegistrationState,
};
use crate::subscription;
use crate::transaction::ClientTransactionId;
use crate::transport::{Flow, Transport};
use crate::uri::{SipUri, Uri, escape_user};

/// How many lines of one server ask for their bindings often enough to see its restart.
const PROBES_PER_SERVER: usize = 3;

/// How often they ask: with the answer's way a restarted registrar is seen within 30 s.
const PROBE_INTERVAL: Duration = Duration::from_secs(15);

/// Between the first requests of two lines, and between their last.
const LINE_SPACING: Duration = Duration::from_millis(2);

/// A turn that comes so soon is taken at once: that of one of a few lines.
const SOON_ENOUGH: Duration = Duration::from_millis(40);

/// By how much a turn may be missed, so that no two servers march in step.
const TURN_SPREAD: Duration = Duration::from_millis(500);

/// Within which time the lines of a server look after their bindings when one has lost its own, few ones and thousands.
const VERIFY_WITHIN: [Duration; 2] = [Duration::from_secs(5), Duration::from_secs(12)];

/// How long a removed line's registrar may take to answer.
const FAREWELL: Duration = Duration::from_secs(40);

/// How long the shut-down waits for registrars after the last line was stopped.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(10);

/// A line and its registration.
#[derive(Debug)]
pub(super) struct LineState {
    pub(super) line: Line,
    pub(super) registration: Registration,
    /// Realms that the registrar challenged with and then let us in.
    pub(super) realms: Vec<Vec<u8>>,
    /// Realms of the challenge that is being answered.
    asked: Vec<Vec<u8>>,
    /// Where requests of the line go first: the outbound proxy or the server.
    pub(super) hop: SipUri,
    pub(super) transport: Transport,
    pub(super) turns: Turns,
    /// User part of its Contact; nobody can guess it.
    pub(super) user: String,
    /// The path of the last REGISTER, or SUBSCRIBE of a line that only watches; none since its connection is over.
    pub(super) flow: Option<Flow>,
    request: Option<ClientTransactionId>,
    probing: Probing,
}

impl LineState {
    /// Tells whether its server sees it at another address than it has here.
    pub(super) fn is_seen_elsewhere(&self) -> bool {
        self.flow.is_some_and(|flow| self.registration.contact().host.ip() != Some(flow.local.ip()))
    }
}

/// By which transports a line's server is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Turns {
    /// By the line's own alone: it was chosen, or has answered.
    Settled,
    /// Nothing was looked up yet.
    Open,
    /// By these, one after the other, until one answers.
    Among(Vec<Transport>),
}

/// Whether a line watches its registrar for all lines of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probing {
    Watches,
    Rests,
}

/// How far the shut-down is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shutdown {
    No,
    /// These lines are not at rest yet.
    Waiting(HashSet<LineId>),
    Done,
}

/// Commands.
impl UserAgent {
    /// Adds a line and registers it, unless it only watches or records; a line of that name is removed first.
    ///
    /// # Errors
    /// `Unreachable` when server or proxy is no host, `Unprintable`, `ShuttingDown`.
    pub fn add_line(&mut self, line: Line, now: Instant) -> Result<(), CommandRefused> {
        if self.shutdown != Shutdown::No {
            return Err(CommandRefused::ShuttingDown);
        }
        let contact_user = line.contact_user.as_ref();
        let texts = [&line.server, &line.username].into_iter().chain(contact_user);
        if texts.into_iter().any(|text| !header_is_printable(text.as_bytes())) {
            return Err(CommandRefused::Unprintable);
        }
        self.forget_line(&line.id);
        let transport = line.transport.unwrap_or(Transport::Udp);
        let server = host_uri(&line.server, transport)?;
        let proxy = line.outbound_proxy.as_deref().map(|proxy| host_uri(proxy, transport)).transpose()?;
        let user = match line.presence {
            Presence::Records => escape_user(&line.username),
            _ => line.contact_user.clone().unwrap_or_else(|| token(&mut self.rng)),
        };
        let registration = self.registration_of(&line, &server, proxy.as_ref(), &user);
        let watchers = self.watchers.entry(line.server.clone()).or_insert(0);
        let watches =
            *watchers < PROBES_PER_SERVER && matches!(line.presence, Presence::Registers | Presence::Beside);
        let probing = if watches { Probing::Watches } else { Probing::Rests };
        *watchers += usize::from(probing == Probing::Watches);
        let mut rng = child(&mut self.rng);
        let [start_after, start_spread] = self.turn(now);
        let registration = RegistrationConfig {
            start_after,
            start_spread,
            probe_interval: (probing == Probing::Watches).then_some(PROBE_INTERVAL),
            call_id: token(&mut rng),
            ..registration
        };
        let (id, presence) = (line.id.clone(), line.presence);
        if presence != Presence::Records {
            self.users.insert(user.clone().into_bytes(), id.clone());
        }
        self.lines.insert(
            id.clone(),
            LineState {
                registration: Registration::new(registration, rng),
                realms: Vec::new(),
                asked: Vec::new(),
                hop: proxy.unwrap_or(server),
                transport,
                turns: if line.transport.is_some() { Turns::Settled } else { Turns::Open },
                user,
                flow: None,
                request: None,
                probing,
                line,
            },
        );
        match presence {
            Presence::Registers | Presence::Beside => self.drive_registration(&id, Input::Start, now),
            Presence::Watches => {}
            Presence::Records => self.greet(&id, now),
        }
        self.settle(now);
        Ok(())
    }

    /// Gives a line its turn among those that are added at once: how long its first request waits, and how much more.
    fn turn(&mut self, now: Instant) -> [Duration; 2] {
        let turn = self.next_turn.map_or(now, |next| next.max(now));
        self.next_turn = Some(turn + LINE_SPACING);
        let wait = turn - now;
        if wait < SOON_ENOUGH { [Duration::ZERO; 2] } else { [wait, TURN_SPREAD] }
    }

    /// Unregisters a line, ends its subscriptions and forgets it; its calls go on.
    ///
    /// # Errors
    /// `UnknownLine`.
    pub fn remove_line(&mut self, line: &LineId, now: Instant) -> Result<(), CommandRefused> {
        let state = self.lines.get(line).ok_or(CommandRefused::UnknownLine)?;
        self.users.remove(state.user.as_bytes());
        let presence = state.line.presence;
        self.clocks.start(Clock::Forget(line.clone()), now + FAREWELL);
        self.end_subscriptions(line, now);
        match presence {
            Presence::Registers | Presence::Beside => self.drive_registration(line, Input::Stop, now),
            Presence::Watches => self.subscription_ended(line),
            Presence::Records => self.forget_line(line),
        }
        self.settle(now);
        Ok(())
    }

    /// Binds the contacts again that a line beside a desk phone pushed out (`FailureReason::PushesOut`).
    ///
    /// # Errors
    /// `UnknownLine`.
    pub fn put_back(&mut self, line: &LineId, now: Instant) -> Result<(), CommandRefused> {
        self.lines.get(line).ok_or(CommandRefused::UnknownLine)?;
        self.drive_registration(line, Input::PutBack, now);
        self.settle(now);
        Ok(())
    }

    /// Unregisters all lines, 500 a second, and takes no new calls; `Event::ShutDown` follows. Calls go on.
    pub fn shut_down(&mut self, now: Instant) {
        if self.shutdown != Shutdown::No {
            return;
        }
        let mut at = now;
        for line in self.lines.keys() {
            self.clocks.start(Clock::Stop(line.clone()), at);
            at += LINE_SPACING;
        }
        self.shutdown = Shutdown::Waiting(self.lines.keys().cloned().collect());
        self.clocks.start(Clock::GiveUp, at + SHUTDOWN_PATIENCE);
        self.check_shutdown();
        self.tick(now);
    }

    /// Gives the state of a line's registration.
    pub fn registration_state(&self, line: &LineId) -> Option<&RegistrationState> {
        self.lines.get(line).map(|state| state.registration.state())
    }

    /// Gives the Contact that a line registers.
    pub fn line_contact(&self, line: &LineId) -> Option<&SipUri> {
        self.lines.get(line).map(|state| state.registration.contact())
    }

    /// Gives the address at which a line's PBX sees this end, where that is another than it has here.
    pub fn learned_address(&self, line: &LineId) -> Option<std::net::IpAddr> {
        let state = self.lines.get(line).filter(|_| self.config.external_address.is_none())?;
        let seen = state.registration.contact().host.ip()?;
        (seen != state.flow?.local.ip()).then_some(seen)
    }

    /// Gives the path of a line's last REGISTER, as long as its connection lasts.
    pub fn line_flow(&self, line: &LineId) -> Option<Flow> {
        self.lines.get(line)?.flow
    }

    /// Lists the lines.
    pub fn line_ids(&self) -> Vec<LineId> {
        let mut ids: Vec<LineId> = self.lines.keys().cloned().collect();
        ids.sort_unstable();
        ids
    }

    fn learning(&self, transport: Transport) -> AddressLearning {
        match self.config.external_address {
            // Along a WebSocket no address is told at all (RFC 7118 section 5).
            _ if transport.is_websocket() => AddressLearning::Keep,
            // Nobody can open a stream to us: calls come along the connection that registers.
            _ if transport.reliable() && !self.listens_for(transport) => AddressLearning::FollowConnection,
            Some(_) => AddressLearning::Keep,
            None => AddressLearning::FollowVia,
        }
    }

    fn line_contact_by(&self, transport: Transport, hop: &SipUri, user: &str) -> SipUri {
        let mut contact = if transport.is_websocket() {
            // The same one after a restart, so that the binding takes the place of the old one.
            with_transport(
                SipUri::new(nowhere(&user.chars().filter(char::is_ascii_alphanumeric).collect::<String>())),
                transport,
            )
        } else {
            self.own_uri(transport, hop.host.ip())
        };
        contact.user = Some(user.to_owned());
        contact
    }

    /// Lets a line go on by another transport, with a contact for it.
    pub(super) fn set_transport(&mut self, line: &LineId, transport: Transport) {
        let Some(state) = self.lines.get(line).filter(|state| state.transport != transport) else { return };
        let contact = self.line_contact_by(transport, &state.hop, &state.user);
        let learning = self.learning(transport);
        if let Some(state) = self.lines.get_mut(line) {
            state.transport = transport;
            state.flow = None;
            state.registration.relocate(contact, learning);
        }
    }

    fn registration_of(
        &self,
        line: &Line,
        server: &SipUri,
        proxy: Option<&SipUri>,
        user: &str,
    ) -> RegistrationConfig {
        let transport = line.transport.unwrap_or(Transport::Udp);
        let mut address_of_record = SipUri::new(server.host.clone());
        address_of_record.user = Some(line.username.clone());
        let contact = self.line_contact_by(transport, proxy.unwrap_or(server), user);
        RegistrationConfig {
            registrar: server.clone(),
            address_of_record,
            contact,
            credentials: Credentials {
                username: line.auth_username.clone().unwrap_or_else(|| line.username.clone()),
                password: line.password.clone(),
            },
            expires_s: line.expires_s,
            call_id: String::new(),
            outbound_proxy: proxy.cloned().map(|mut proxy| {
                proxy.params.set("lr", None);
                proxy
            }),
            start_after: Duration::ZERO,
            start_spread: Duration::ZERO,
            probe_interval: None,
            address_learning: self.learning(transport),
            neighbours: match line.presence {
                Presence::Beside => Neighbours::Guarded,
                Presence::Registers | Presence::Watches | Presence::Records => Neighbours::Ignored,
            },
        }
    }
}

/// The registration's doings.
impl UserAgent {
    pub(super) fn drive_registration(&mut self, line: &LineId, input: Input, now: Instant) {
        let Some(state) = self.lines.get_mut(line) else {
            return;
        };
        state.registration.handle_input(input, now);
        loop {
            let Some(state) = self.lines.get_mut(line) else {
                return;
            };
            match state.registration.poll_output() {
                Output::SendRequest(request) => {
                    self.dispatch_by_route(*request, ClientUse::Register(line.clone()), line, now);
                }
                Output::StateChanged(next) => self.registration_changed(line, next, now),
                Output::Timeout { at, .. } => {
                    return self.clocks.start(Clock::Registration(line.clone()), at);
                }
                Output::Idle => return self.clocks.stop(&Clock::Registration(line.clone())),
            }
        }
    }

    pub(super) fn wake_registration(&mut self, line: &LineId, now: Instant) {
        self.drive_registration(line, Input::Timeout, now);
    }

    /// Takes note of the transaction of a line's REGISTER and of where it went.
    pub(super) fn register_sent(&mut self, line: &LineId, id: ClientTransactionId, flow: Flow) {
        self.sources.add(line, flow.remote.ip());
        if let Some(state) = self.lines.get_mut(line) {
            state.request = Some(id);
            state.flow = Some(flow);
        }
    }

    pub(super) fn register_answered(
        &mut self,
        line: &LineId,
        id: ClientTransactionId,
        response: Response,
        now: Instant,
    ) {
        let Some(state) = self.lines.get_mut(line) else {
            return;
        };
        if state.request != Some(id) {
            return;
        }
        state.turns = Turns::Settled;
        match response.status.get() {
            401 | 407 => state.asked = realms_of(&response),
            200..=299 => {
                for realm in std::mem::take(&mut state.asked) {
                    if !state.realms.contains(&realm) {
                        state.realms.push(realm);
                    }
                }
            }
            _ => {}
        }
        self.drive_registration(line, Input::Response(response), now);
        self.hold(line, now);
    }

    fn registration_changed(&mut self, line: &LineId, next: RegistrationState, now: Instant) {
        self.emit(Event::RegistrationChanged { line: line.clone(), state: next.clone() });
        match next {
            RegistrationState::Unregistered => {
                if let Shutdown::Waiting(_) = &self.shutdown {
                    self.rest_if_over(line);
                } else if self
                    .lines
                    .get(line)
                    .is_some_and(|state| !self.users.contains_key(state.user.as_bytes()))
                {
                    self.forget_line(line);
                }
            }
            // The registrar lost our binding, or is gone: the others of it should look too.
            RegistrationState::Registering | RegistrationState::Waiting { .. } => self.warn_others(line, now),
            _ => {}
        }
    }

    /// Lets the lines of the same server look after their bindings and subscriptions when the one that watches lost its own.
    fn warn_others(&mut self, line: &LineId, now: Instant) {
        let Some(state) = self.lines.get(line) else { return };
        if state.probing != Probing::Watches {
            return;
        }
        let server = state.line.server.clone();
        let others: Vec<LineId> = self
            .lines
            .iter()
            .filter(|(id, other)| {
                *id != line
                    && other.line.server == server
                    && other.probing == Probing::Rests
                    && matches!(other.registration.state(), RegistrationState::Registered { .. })
            })
            .map(|(id, _)| id.clone())
            .collect();
        let [least, most] = VERIFY_WITHIN;
        let subscriptions = self.subscriptions_at(&server);
        let asking = others.len().saturating_add(subscriptions.len());
        let turns = LINE_SPACING.saturating_mul(u32::try_from(asking).unwrap_or(u32::MAX));
        let within = turns.clamp(least, most);
        for other in others {
            self.drive_registration(&other, Input::Verify { within }, now);
        }
        for handle in subscriptions {
            self.drive_subscription(handle, subscription::Input::Verify { within }, now);
        }
    }

    pub(super) fn stop_line(&mut self, line: &LineId, now: Instant) {
        self.end_subscriptions(line, now);
        let registers =
            |state: &LineState| matches!(state.line.presence, Presence::Registers | Presence::Beside);
        if self.lines.get(line).is_some_and(registers) {
            self.drive_registration(line, Input::Stop, now);
        }
        self.rest_if_over(line);
    }

    /// Takes note that a subscription of a line is over: a line that only watched may be gone now.
    pub(super) fn subscription_ended(&mut self, line: &LineId) {
        let removed = self.lines.get(line).is_some_and(|state| {
            state.line.presence == Presence::Watches && !self.users.contains_key(state.user.as_bytes())
        });
        if removed && !self.has_subscriptions(line) {
            self.forget_line(line);
        }
        self.rest_if_over(line);
    }

    /// The shut-down waits no more for a line that has nothing left to end.
    fn rest_if_over(&mut self, line: &LineId) {
        let at_rest = self.lines.get(line).is_none_or(|state| {
            matches!(state.registration.state(), RegistrationState::Unregistered | RegistrationState::Idle)
        });
        if at_rest
            && !self.has_subscriptions(line)
            && let Shutdown::Waiting(waiting) = &mut self.shutdown
        {
            waiting.remove(line);
            self.check_shutdown();
        }
    }

    pub(super) fn forget_line(&mut self, line: &LineId) {
        let Some(state) = self.lines.remove(line) else {
            return;
        };
        if state.probing == Probing::Watches
            && let Some(watchers) = self.watchers.get_mut(&state.line.server)
        {
            *watchers -= 1;
            if *watchers == 0 {
                self.watchers.remove(&state.line.server);
            }
        }
        if self.users.get(state.user.as_bytes()) == Some(line) {
            self.users.remove(state.user.as_bytes());
        }
        self.forget_subscriptions(line);
        self.sources.remove_line(line);
        self.clocks.stop(&Clock::Registration(line.clone()));
        self.clocks.stop(&Clock::Greet(line.clone()));
        self.clocks.stop(&Clock::Forget(line.clone()));
    }

    fn check_shutdown(&mut self) {
        if matches!(&self.shutdown, Shutdown::Waiting(waiting) if waiting.is_empty()) {
            self.finish_shutdown();
        }
    }

    pub(super) fn finish_shutdown(&mut self) {
        if self.shutdown != Shutdown::Done {
            self.shutdown = Shutdown::Done;
            self.clocks.stop(&Clock::GiveUp);
            self.emit(Event::ShutDown);
        }
    }
}

/// Reads `host` or `host:port` as a URI without a user. Under TLS too it is a `sip:` one with the transport, as phones
/// write it: `sips:` would ask for TLS on each hop behind the PBX (RFC 5630 section 3.1.1), which few of them offer.
fn host_uri(server: &str, transport: Transport) -> Result<SipUri, CommandRefused> {
    let text = format!("sip:{}", server.trim());
    match Uri::parse(text.as_bytes()) {
        Ok(Uri::Sip(uri)) if uri.user.is_none() => Ok(with_transport(uri, transport)),
        _ => Err(CommandRefused::Unreachable),
    }
}

fn with_transport(mut uri: SipUri, transport: Transport) -> SipUri {
    if transport.reliable() {
        uri.params.set("transport", Some(transport.as_param()));
    }
    uri
}

fn realms_of(challenge: &Response) -> Vec<Vec<u8>> {
    [HeaderName::WwwAuthenticate, HeaderName::ProxyAuthenticate]
        .iter()
        .flat_map(|name| challenge.headers.get_all(name))
        .filter_map(|value| Challenge::parse(value).ok())
        .flatten()
        .map(|challenge| challenge.realm)
        .collect()
}
