//! One account registered over one transport with a user agent of its own, and what its server says meanwhile.

use std::collections::{BTreeSet, HashMap};
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use linecard_sip::dialog_info::DialogInfo;
use linecard_sip::frame::{Frame, StreamFramer};
use linecard_sip::message::{
    CSeq, HeaderName, Message, Method, NameAddr, Request, Response, Via, parse_datagram,
};
use linecard_sip::registration::{FailureReason, RegistrationState};
use linecard_sip::subscription::{self, SubscriptionState, WaitReason};
use linecard_sip::transport::{Connection, Flow, Transport};
use linecard_sip::ua::{Event, Input, Line, LineId, Output, Presence, UserAgent, UserAgentConfig};
use linecard_sip::uri::{Host, SipUri, Uri, escape_user};
use rand_chacha::rand_core::RngCore;
use tokio::sync::mpsc;

use super::chart::Exchange;
use super::reach::Server;
use super::{Account, Patient};
use crate::chance;
use crate::config::ListenTransport;
use crate::wire::{Arrival, Wire};

/// The expiry asked for, in seconds: a forgotten binding of the doctor's harms nobody for long.
const EXPIRES_S: u32 = 60;
/// How long is waited for what a PBX tells of calls.
const TOLD_WITHIN: Duration = Duration::from_secs(4);
/// The one line of the doctor's user agent.
const LINE: &str = "doctor";
/// How often an OPTIONS is sent, and how long after each an answer is waited for.
const ASKED: [Duration; 3] = [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];
const ARRIVALS_MAX: usize = 256;

/// A registrar's answer that lists the contacts of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listing {
    /// The place of our own contact among them, from 1.
    pub(super) own_place: Option<usize>,
    /// The contacts of others.
    pub(super) others: BTreeSet<String>,
}

/// What came of asking to be told of the account's calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DialogsTold {
    /// No answer, or none yet.
    Unanswered,
    /// It may be asked, and said nothing.
    Silent,
    /// So many calls are going on.
    Calls(usize),
    /// What it said is not understood, and why.
    Unreadable(String),
    /// It is not to be asked.
    Refused(subscription::FailureReason),
}

/// A user agent at work.
pub(super) struct Session {
    agent: UserAgent,
    wire: Wire,
    arrivals: mpsc::Receiver<Arrival>,
    streams: HashMap<Connection, StreamFramer>,
    /// The way of our own requests, until the user agent has found it.
    fallback: Flow,
    exchange: Exchange,
    /// The contact that the doctor registers.
    contact_user: String,
    /// The contact of a line of ours.
    own_contact: Option<String>,
    /// Nothing is registered.
    only_asks: bool,
    /// The registrar has told what it tells, and the registration that would follow was not sent.
    pub(super) held_back: bool,
    pub(super) state: RegistrationState,
    pub(super) listings: Vec<Listing>,
    /// What the server calls itself.
    pub(super) server_name: Option<String>,
    /// The answer to our OPTIONS.
    options: Option<Response>,
    options_branch: Option<String>,
    pub(super) dialogs: DialogsTold,
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
            exchange,
            contact_user: contact_user.clone(),
            own_contact: patient.own_contact.clone(),
            only_asks: patient.is_only_asked(),
            held_back: false,
            state: RegistrationState::Idle,
            listings: Vec::new(),
            server_name: None,
            options: None,
            options_branch: None,
            dialogs: DialogsTold::Unanswered,
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

    /// Asks what the server can do; none when it does not answer.
    pub(super) async fn ask_options(&mut self, patient: &Patient, server: &Server) -> Option<Response> {
        let request = self.options_request(&patient.account, server)?;
        for patience in ASKED {
            self.transmit(self.flow(), request.clone());
            if self.until(patience, |session| session.options.is_some()).await {
                break;
            }
            if self.flow().transport.reliable() {
                self.until(patience * 2, |session| session.options.is_some()).await;
                break;
            }
        }
        self.options.take()
    }

    /// Asks to be told of the account's calls, and gives the subscription back.
    pub(super) async fn ask_dialogs(&mut self, account: &Account) {
        let line = LineId::new(LINE);
        let asked = self.agent.subscribe_dialogs(&line, &account.username, Instant::now());
        let Ok(handle) = asked else { return };
        self.pump();
        let is_over =
            |dialogs: &DialogsTold| !matches!(dialogs, DialogsTold::Unanswered | DialogsTold::Silent);
        self.until(TOLD_WITHIN, |session| is_over(&session.dialogs)).await;
        self.agent.unsubscribe(handle, Instant::now());
        self.pump();
        let given_back = |session: &Self| session.agent.subscription_count() == 0;
        self.until(Duration::from_secs(1), given_back).await;
    }

    fn told_of_dialogs(&mut self, body: &[u8]) {
        self.dialogs = match DialogInfo::parse(body) {
            Ok(told) => DialogsTold::Calls(told.dialogs.iter().filter(|dialog| !dialog.is_over()).count()),
            Err(error) => DialogsTold::Unreadable(error.to_string()),
        };
    }

    fn subscription_changed(&mut self, state: SubscriptionState) {
        match state {
            SubscriptionState::Active | SubscriptionState::Pending
                if self.dialogs == DialogsTold::Unanswered =>
            {
                self.dialogs = DialogsTold::Silent;
            }
            SubscriptionState::Waiting { reason: WaitReason::Refused(reason), .. } => {
                self.dialogs = DialogsTold::Refused(reason);
            }
            _ => {}
        }
    }

    /// Lets a phone be bound again that the doctor's contact pushed out; tells whether there was one.
    pub(super) async fn put_back(&mut self) -> bool {
        let is_back = |session: &Self, before: usize| session.listings.len() > before;
        let pushes_out =
            matches!(self.state, RegistrationState::Failed { reason: FailureReason::PushesOut { .. }, .. });
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

    fn flow(&self) -> Flow {
        self.agent.line_flow(&LineId::new(LINE)).unwrap_or(self.fallback)
    }

    fn options_request(&mut self, account: &Account, server: &Server) -> Option<Vec<u8>> {
        let mut rng = chance::generator().ok()?;
        let flow = self.flow();
        let mut token = || format!("{:016x}", rng.next_u64());
        let target =
            SipUri { user: Some(escape_user(&account.username)), ..SipUri::new(server.host.clone()) };
        let target = SipUri { port: server.port, ..target };
        let mut request = Request::new(Method::Options, Uri::from(target.clone()));
        let mut via = Via::new(flow.transport.as_via(), Host::from(flow.local.ip()), Some(flow.local.port()));
        let branch = format!("z9hG4bK{}", token());
        via.set_branch(&branch);
        via.set_rport(None);
        let address = NameAddr::new(Uri::from(target)).to_bytes();
        let headers = &mut request.headers;
        headers.push(HeaderName::Via, via.to_bytes());
        headers.push(HeaderName::From, [&address[..], format!(";tag={}", token()).as_bytes()].concat());
        headers.push(HeaderName::To, address);
        headers.push(HeaderName::CallId, token());
        headers.push(HeaderName::CSeq, format!("1 {}", Method::Options));
        headers.push(HeaderName::MaxForwards, "70");
        if let Some(proxy) = &account.outbound_proxy {
            headers.push(HeaderName::Route, format!("<sip:{proxy};lr>"));
        }
        let own = format!("<sip:{}@{};transport={}>", self.contact_user, flow.local, flow.transport);
        headers.push(HeaderName::Contact, own);
        headers.push(HeaderName::Accept, "application/sdp");
        self.options_branch = Some(branch);
        Some(Message::Request(request).to_bytes())
    }

    fn arrived(&mut self, arrival: Arrival) {
        let Some(arrival) = self.wire.admit(arrival) else { return };
        match &arrival {
            Arrival::Datagram { payload, .. } => {
                // Only what is SIP is told: the doctor is no way to read other services.
                if let Ok(message) = parse_datagram(payload) {
                    self.exchange.received(payload);
                    if let Message::Response(response) = message {
                        self.heard(&response);
                    }
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
        let mut responses = Vec::new();
        while let Some(frame) = framer.next() {
            let Ok(Frame::Message(message)) = frame else { continue };
            self.exchange.received(&message.to_bytes());
            if let Message::Response(response) = message {
                responses.push(response);
            }
        }
        for response in responses {
            self.heard(&response);
        }
    }

    fn heard(&mut self, response: &Response) {
        let names = [HeaderName::from("Server"), HeaderName::from("User-Agent")];
        let name = names.iter().find_map(|name| response.headers.text(name));
        if let (None, Some(name)) = (&self.server_name, name) {
            self.server_name = Some(name.into_owned());
        }
        let Ok(CSeq { method, .. }) = response.headers.cseq() else { return };
        match method {
            Method::Register if response.status.is_success() => self.listed(response),
            Method::Options if response.status.is_final() => {
                let branch = response.headers.top_via().ok().and_then(|via| via.branch().map(str::to_owned));
                if branch.is_some() && branch == self.options_branch {
                    self.options = Some(response.clone());
                }
            }
            _ => {}
        }
    }

    fn listed(&mut self, response: &Response) {
        let contacts = response.headers.contacts().unwrap_or_default();
        let own_user = self.own_contact.as_ref().unwrap_or(&self.contact_user);
        let own = |contact: &NameAddr| {
            contact.uri.as_sip().and_then(|uri| uri.user.as_deref()) == Some(own_user.as_str())
        };
        let others = contacts.iter().filter(|contact| !own(contact)).map(|contact| contact.uri.to_string());
        let own_place = contacts.iter().position(own).map(|index| index + 1);
        self.listings.push(Listing { own_place, others: others.collect() });
    }

    fn transmit(&mut self, flow: Flow, payload: Vec<u8>) {
        if self.only_asks && registers_a_contact(&payload) {
            self.held_back = true;
            return;
        }
        self.exchange.sent(&payload);
        let server = flow.server.and_then(|server| self.agent.server_name(server));
        self.wire.transmit(flow, payload, server);
    }

    fn pump(&mut self) {
        loop {
            match self.agent.poll_output() {
                Output::Transmit { flow, payload } => self.transmit(flow, payload),
                Output::CloseStream { flow } => self.wire.close_stream(flow),
                Output::Resolve { id, question } => self.wire.resolve(id, question),
                Output::Event(Event::RegistrationChanged { state, .. }) => self.state = state,
                Output::Event(Event::ShutDown) => self.over = true,
                Output::Event(Event::SubscriptionChanged { state, .. }) => self.subscription_changed(state),
                Output::Event(Event::Notified { body, .. }) => self.told_of_dialogs(&body),
                // A call that comes meanwhile is left to the other contacts: 480 ends no fork but this one.
                Output::Event(Event::InviteReceived { handle, .. }) => {
                    let _ = self.agent.reject(handle, 480, None, Instant::now());
                }
                Output::Event(_) => {}
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
