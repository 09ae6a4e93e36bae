//! One account registered over one transport with a user agent of its own, and what its server says meanwhile.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use linecard_sip::frame::{Frame, StreamFramer};
use linecard_sip::message::{HeaderName, Message, Method, NameAddr, Request, parse_datagram};
use linecard_sip::registration::{FailureReason, RegistrationState};
use linecard_sip::subscription;
use linecard_sip::transport::{Connection, Flow, Transport};
use linecard_sip::ua::{Event, Input, Line, LineId, Output, Presence, UserAgent, UserAgentConfig};
use rand_chacha::rand_core::RngCore;
use tokio::sync::mpsc;

use super::Patient;
use super::bindings::Listing;
use super::called::Called;
use super::calling::{Ringing, next_at_line};
use super::chart::Exchange;
use super::reach::Server;
use super::transcript::{Entry, Transcript};
use crate::chance;
use crate::config::ListenTransport;
use crate::wire::{Arrival, Wire};

/// The expiry asked for, in seconds: a forgotten binding of the doctor's harms nobody for long.
const EXPIRES_S: u32 = 60;
/// The one line of the doctor's user agent.
pub(super) const LINE: &str = "doctor";
const ARRIVALS_MAX: usize = 256;

/// What came of asking to be told of the account's calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DialogsTold {
    /// No answer, or none yet.
    Unanswered,
    /// It may be asked, and said nothing.
    Silent,
    /// So many calls were going on at once, at most.
    Calls(usize),
    /// What it said is not understood, and why.
    Unreadable(String),
    /// It is not to be asked.
    Refused(subscription::FailureReason),
}

/// A user agent at work.
pub(super) struct Session {
    pub(super) agent: UserAgent,
    wire: Wire,
    arrivals: mpsc::Receiver<Arrival>,
    streams: HashMap<Connection, StreamFramer>,
    /// The way of our own requests, until the user agent has found it.
    fallback: Flow,
    pub(super) transcript: Transcript,
    /// The contact that the doctor registers.
    pub(super) contact_user: String,
    /// The contact of a line of ours.
    pub(super) own_contact: Option<String>,
    /// Nothing is registered.
    only_asks: bool,
    /// The registrar has told what it tells, and the registration that would follow was not sent.
    pub(super) held_back: bool,
    pub(super) state: RegistrationState,
    pub(super) listings: Vec<Listing>,
    /// What the server calls itself.
    pub(super) server_name: Option<String>,
    pub(super) dialogs: DialogsTold,
    /// The account's call to itself.
    pub(super) ringing: Ringing,
    /// Calls of the doctor's that came to the account's line; none when it is no line.
    pub(super) at_line: Option<mpsc::Receiver<Request>>,
    external_address: Option<IpAddr>,
    wake_at: Option<Instant>,
    over: bool,
}

impl Session {
    /// Opens sockets towards the server and begins to register.
    ///
    /// # Errors
    /// When the system gives no sockets, or the account cannot be written into a message.
    pub(super) async fn begin(
        patient: &Patient,
        server: &Server,
        transport: Transport,
        exchange: Exchange,
    ) -> anyhow::Result<Self> {
        let account = &patient.account;
        let local = SocketAddr::new(own_address_towards(server.address)?, 0);
        let (arrived, arrivals) = mpsc::channel(ARRIVALS_MAX);
        let listeners = [(ListenTransport::Udp, local), (ListenTransport::Tcp, local)];
        let wire = Wire::open(&listeners, &patient.equipment, arrived)
            .await
            .map_err(|(address, error)| anyhow::anyhow!("no socket at {address}: {error}"))?;
        let own = wire.local_addresses().iter().find(|own| own.transport == transport);
        let own = own.map_or(SocketAddr::new(local.ip(), transport.default_port()), |own| own.addr);
        let config = UserAgentConfig {
            user_agent_name: format!("Linecard/{} doctor", env!("CARGO_PKG_VERSION")),
            local_addresses: wire.local_addresses().to_vec(),
            external_address: patient.external_address,
            ..UserAgentConfig::default()
        };
        let contact_user = format!("doctor{:016x}", chance::generator()?.next_u64());
        let mut session = Self {
            agent: UserAgent::new(config, chance::generator()?),
            wire,
            arrivals,
            streams: HashMap::new(),
            fallback: Flow::new(transport, own, server.address),
            transcript: Transcript::new(exchange),
            contact_user: contact_user.clone(),
            own_contact: patient.own_contact.clone(),
            only_asks: patient.is_only_asked(),
            held_back: false,
            state: RegistrationState::Idle,
            listings: Vec::new(),
            server_name: None,
            dialogs: DialogsTold::Unanswered,
            ringing: Ringing::default(),
            at_line: None,
            external_address: patient.external_address,
            wake_at: None,
            over: false,
        };
        let line = Line {
            id: LineId::new(LINE),
            server: account.server.clone(),
            username: account.username.clone(),
            password: account.password.clone(),
            auth_username: account.auth_username.clone(),
            outbound_proxy: account.outbound_proxy.clone(),
            transport: Some(transport),
            websocket_path: account.websocket_path.clone(),
            expires_s: EXPIRES_S,
            contact_user: Some(contact_user),
            presence: Presence::Beside,
        };
        session.agent.add_line(line, Instant::now())?;
        session.pump();
        Ok(session)
    }

    /// Goes on until `done` says so or the time is over; tells which.
    pub(super) async fn until(&mut self, at_most: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let deadline = Instant::now() + at_most;
        while !done(self) {
            let now = Instant::now();
            if now >= deadline {
                return false;
            }
            let wake_at = self.wake_at.map_or(deadline, |at| at.min(deadline));
            tokio::select! {
                Some(arrival) = self.arrivals.recv() => self.arrived(arrival),
                request = next_at_line(&mut self.at_line) => self.called_at_line(request),
                () = tokio::time::sleep_until(wake_at.into()) => {
                    if self.wake_at.is_some_and(|at| at <= Instant::now()) {
                        self.agent.handle_input(Input::Timeout, Instant::now());
                    }
                }
            }
            self.pump();
        }
        true
    }

    /// Whether the doctor's contact has taken another phone's place.
    pub(super) fn has_pushed_out(&self) -> bool {
        matches!(self.state, RegistrationState::Failed { reason: FailureReason::PushesOut { .. }, .. })
    }

    /// The account's call to itself, if it was made.
    pub(super) fn called(&self) -> Option<Called<'_>> {
        Called::read(self.transcript.entries(), self.ringing.mark.as_ref()?)
    }

    /// Lets a phone be bound again that the doctor's contact pushed out; tells whether there was one.
    pub(super) async fn put_back(&mut self) -> bool {
        let is_back = |session: &Self, before: usize| session.listings.len() > before;
        let pushes_out = self.has_pushed_out();
        let before = self.listings.len();
        if !pushes_out || self.agent.put_back(&LineId::new(LINE), Instant::now()).is_err() {
            return false;
        }
        self.pump();
        self.until(Duration::from_secs(4), |session| is_back(session, before)).await;
        // What is listed now is there because it was put back.
        self.listings.truncate(before);
        true
    }

    /// Takes the doctor's contact away again; tells whether the registrar has confirmed it.
    pub(super) async fn leave(&mut self) -> bool {
        if self.only_asks {
            return false;
        }
        let before = self.listings.len();
        self.agent.shut_down(Instant::now());
        self.pump();
        self.until(Duration::from_secs(4), |session| session.over).await && self.listings.len() > before
    }

    /// The address that peers are told for sound.
    pub(super) fn told_address(&self) -> IpAddr {
        self.external_address.unwrap_or(self.flow().local.ip())
    }

    pub(super) fn flow(&self) -> Flow {
        self.agent.line_flow(&LineId::new(LINE)).unwrap_or(self.fallback)
    }

    fn arrived(&mut self, arrival: Arrival) {
        let Some(arrival) = self.wire.admit(arrival) else { return };
        match &arrival {
            Arrival::Datagram { payload, .. } => {
                // Only what is SIP is told: the doctor is no way to read other services.
                if let Ok(message) = parse_datagram(payload) {
                    self.heard(payload, message);
                }
            }
            Arrival::StreamData { flow, payload, .. } => self.heard_stream(*flow, payload),
            Arrival::StreamOpened { flow, .. }
            | Arrival::StreamClosed { flow, .. }
            | Arrival::TransmitFailed { flow, .. } => {
                self.streams.remove(&flow.connection());
            }
            Arrival::Resolved { .. } => {}
        }
        self.agent.handle_input(arrival.input(), Instant::now());
    }

    fn heard_stream(&mut self, flow: Flow, payload: &[u8]) {
        let framer = self.streams.entry(flow.connection()).or_default();
        framer.push(payload);
        let mut messages = Vec::new();
        while let Some(frame) = framer.next() {
            if let Ok(Frame::Message(message)) = frame {
                messages.push(message);
            }
        }
        for message in messages {
            self.heard(&message.to_bytes(), message);
        }
    }

    pub(super) fn heard(&mut self, payload: &[u8], message: Message) {
        if let Message::Response(response) = &message {
            let names = [HeaderName::from("Server"), HeaderName::from("User-Agent")];
            let name = names.iter().find_map(|name| response.headers.text(name));
            if let (None, Some(name)) = (&self.server_name, name) {
                self.server_name = Some(name.into_owned());
            }
        }
        self.transcript.received(payload, message);
        let listing = self.transcript.entries().last().and_then(|entry| self.listing(entry));
        self.listings.extend(listing);
    }

    /// The contacts that a registrar's answer lists.
    fn listing(&self, entry: &Entry) -> Option<Listing> {
        let response = entry.answers(&Method::Register).filter(|response| response.status.is_success())?;
        let contacts = response.headers.contacts().unwrap_or_default();
        let own_user = self.own_contact.as_ref().unwrap_or(&self.contact_user);
        let own = |contact: &NameAddr| {
            contact.uri.as_sip().and_then(|uri| uri.user.as_deref()) == Some(own_user.as_str())
        };
        let others = contacts.iter().filter(|contact| !own(contact)).map(|contact| contact.uri.to_string());
        let own_place = contacts.iter().position(own).map(|index| index + 1);
        Some(Listing { message: entry.number, own_place, others: others.collect() })
    }

    pub(super) fn transmit(&mut self, flow: Flow, payload: Vec<u8>) {
        if self.only_asks && registers_a_contact(&payload) {
            self.held_back = true;
            return;
        }
        self.transcript.sent(&payload);
        let server = flow.server.and_then(|server| self.agent.server(server));
        self.wire.transmit(flow, payload, server);
    }

    pub(super) fn pump(&mut self) {
        loop {
            match self.agent.poll_output() {
                Output::Transmit { flow, payload } => self.transmit(flow, payload),
                Output::CloseStream { flow } => self.wire.close_stream(flow),
                Output::Resolve { id, question } => self.wire.resolve(id, question),
                Output::Event(Event::RegistrationChanged { state, .. }) => self.state = state,
                Output::Event(Event::ShutDown) => self.over = true,
                Output::Event(Event::SubscriptionChanged { state, .. }) => self.subscription_changed(state),
                Output::Event(Event::Notified { body, .. }) => self.told_of_dialogs(&body),
                Output::Event(event) => self.call_event(event),
                Output::Timeout { at, .. } => return self.wake_at = Some(at),
                Output::Idle => return self.wake_at = None,
            }
        }
    }
}

fn registers_a_contact(payload: &[u8]) -> bool {
    match parse_datagram(payload) {
        Ok(Message::Request(request)) => {
            request.method == Method::Register && request.headers.get(&HeaderName::Contact).is_some()
        }
        _ => false,
    }
}

/// The address of the interface that leads to the server. Connecting a datagram socket sends nothing.
fn own_address_towards(server: SocketAddr) -> std::io::Result<std::net::IpAddr> {
    let any: std::net::IpAddr = if server.is_ipv4() {
        std::net::Ipv4Addr::UNSPECIFIED.into()
    } else {
        std::net::Ipv6Addr::UNSPECIFIED.into()
    };
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect(server)?;
    Ok(socket.local_addr()?.ip())
}
