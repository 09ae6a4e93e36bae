//! Whole user agents and scripted peers on the simulated network.

#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use linecard_lab::{Conditions, Endpoint, Parcel, SimNet};
use linecard_sip::message::{HeaderName, Message, Method, Request, Response, StatusCode, parse_datagram};
use linecard_sip::transport::{Flow, LocalAddress, Transport, TransportFault};
use linecard_sip::ua::{
    Answer, CallerId, DialogHandle, Event, Input, Line, LineId, OutgoingInvite, Output, Presence, Records,
    Route, UserAgent, UserAgentConfig,
};
use linecard_sip::uri::Uri;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

pub(crate) const OFFER: &[u8] =
    b"v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n";
pub(crate) const ANSWER: &[u8] =
    b"v=0\r\no=- 2 1 IN IP4 10.0.0.2\r\ns=-\r\nc=IN IP4 10.0.0.2\r\nt=0 0\r\nm=audio 5000 RTP/AVP 8\r\n";
pub(crate) const OTHER: &[u8] = b"v=0\r\no=- 1 2 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\na=sendonly\r\n";

/// Nobody lives there: registrations of lines that need no registrar go into the void.
pub(crate) const VOID: &str = "10.0.9.9";

pub(crate) type Deed = Box<dyn FnOnce(&mut UserAgent, Instant)>;
pub(crate) type Reaction = Box<dyn FnMut(&Event) -> Vec<(Duration, Deed)>>;

/// A user agent that reacts to its events.
pub(crate) struct Phone {
    pub(crate) ua: UserAgent,
    pub(crate) address: SocketAddr,
    pub(crate) events: Vec<Event>,
    reaction: Reaction,
    agenda: BTreeMap<(Instant, u64), Deed>,
    parcels: VecDeque<Parcel>,
    counter: u64,
}

impl Phone {
    pub(crate) fn new(
        seed: u64,
        address: &str,
        reaction: impl FnMut(&Event) -> Vec<(Duration, Deed)> + 'static,
    ) -> Self {
        Self::with(seed, address, |_| {}, reaction)
    }

    pub(crate) fn with(
        seed: u64,
        address: &str,
        adjust: impl FnOnce(&mut UserAgentConfig),
        reaction: impl FnMut(&Event) -> Vec<(Duration, Deed)> + 'static,
    ) -> Self {
        let address: SocketAddr = address.parse().unwrap();
        let mut config = UserAgentConfig {
            local_addresses: [Transport::Udp, Transport::Tcp]
                .map(|transport| LocalAddress { transport, addr: address })
                .to_vec(),
            known_sources: (1..=9).map(|last| IpAddr::from([10, 0, 0, last])).collect(),
            ..UserAgentConfig::default()
        };
        adjust(&mut config);
        Self {
            ua: UserAgent::new(config, ChaCha12Rng::seed_from_u64(seed)),
            address,
            events: Vec::new(),
            reaction: Box::new(reaction),
            agenda: BTreeMap::new(),
            parcels: VecDeque::new(),
            counter: 0,
        }
    }

    /// A phone that does nothing by itself.
    pub(crate) fn idle(seed: u64, address: &str) -> Self {
        Self::new(seed, address, |_| Vec::new())
    }

    /// Adds a line at a registrar and gives its contact.
    pub(crate) fn line(&mut self, server: &str, now: Instant) -> Uri {
        self.line_named("line", server, now)
    }

    pub(crate) fn line_named(&mut self, name: &str, server: &str, now: Instant) -> Uri {
        let id = LineId::new(name);
        let line = Line {
            id: id.clone(),
            server: server.to_owned(),
            username: name.to_owned(),
            password: "secret".to_owned(),
            auth_username: None,
            outbound_proxy: None,
            transport: None,
            websocket_path: None,
            expires_s: 600,
            contact_user: None,
            presence: Presence::Registers,
        };
        self.ua.add_line(line, now).unwrap();
        Uri::Sip(self.ua.line_contact(&id).unwrap().clone())
    }

    pub(crate) fn call(&mut self, target: &Uri, offer: Option<&[u8]>, now: Instant) -> DialogHandle {
        self.call_by(Route::Direct, target, offer, now)
    }

    pub(crate) fn call_by(
        &mut self,
        route: Route,
        target: &Uri,
        offer: Option<&[u8]>,
        now: Instant,
    ) -> DialogHandle {
        let caller = CallerId { display: Some("Анна \"A\"".to_owned()), user: None };
        let invite = OutgoingInvite {
            target: target.clone(),
            route,
            caller,
            headers: Vec::new(),
            offer: offer.map(<[u8]>::to_vec),
            beside: None,
        };
        self.ua.invite(invite, now).unwrap()
    }

    pub(crate) fn later(&mut self, at: Instant, deed: impl FnOnce(&mut UserAgent, Instant) + 'static) {
        self.counter += 1;
        self.agenda.insert((at, self.counter), Box::new(deed));
    }

    pub(crate) fn count(&self, wanted: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| wanted(event)).count()
    }

    pub(crate) fn has(&self, wanted: impl Fn(&Event) -> bool) -> bool {
        self.count(wanted) > 0
    }

    /// The leg of the first INVITE received.
    pub(crate) fn incoming(&self) -> DialogHandle {
        self.events
            .iter()
            .find_map(|event| match event {
                Event::InviteReceived { handle, .. } => Some(*handle),
                _ => None,
            })
            .expect("an INVITE came")
    }

    pub(crate) fn assert_no_leaks(&self) {
        assert_eq!(
            (self.ua.leg_count(), self.ua.dialog_count()),
            (0, 0),
            "{}: {:?}",
            self.address,
            self.calls()
        );
    }

    /// The events of calls, without those of lines.
    pub(crate) fn calls(&self) -> Vec<&Event> {
        self.events.iter().filter(|event| !matches!(event, Event::RegistrationChanged { .. })).collect()
    }

    fn pump(&mut self, now: Instant) {
        loop {
            match self.ua.poll_output() {
                Output::Transmit { flow, payload } => self.parcels.push_back(Parcel {
                    transport: flow.transport,
                    from: flow.local,
                    to: flow.remote,
                    payload,
                }),
                Output::Event(event) => {
                    for (wait, deed) in (self.reaction)(&event) {
                        self.counter += 1;
                        self.agenda.insert((now + wait, self.counter), deed);
                    }
                    self.events.push(event);
                }
                Output::Resolve { id, .. } => {
                    let records = Records::Addresses(Vec::new());
                    let answer = Answer { records, valid: Duration::from_secs(60) };
                    self.ua.handle_input(Input::Resolved { id, answer }, now);
                }
                Output::CloseStream { .. } => {}
                Output::Timeout { .. } | Output::Idle => return,
            }
        }
    }
}

impl Endpoint for Phone {
    fn owns(&self, address: SocketAddr) -> bool {
        address == self.address
    }

    fn receive(
        &mut self,
        from: SocketAddr,
        to: SocketAddr,
        transport: Transport,
        payload: &[u8],
        now: Instant,
    ) {
        let flow = Flow::new(transport, to, from);
        let input = if transport.reliable() {
            Input::StreamData { flow, payload }
        } else {
            Input::Datagram { flow, payload }
        };
        self.ua.handle_input(input, now);
    }

    fn path_failed(&mut self, local: SocketAddr, remote: SocketAddr, transport: Transport, now: Instant) {
        let flow = Flow::new(transport, local, remote);
        self.ua.handle_input(Input::TransmitFailed { flow, fault: TransportFault::Closed }, now);
    }

    fn poll_transmit(&mut self, now: Instant) -> Option<Parcel> {
        self.pump(now);
        self.parcels.pop_front()
    }

    fn next_wakeup(&mut self) -> Option<Instant> {
        let timeout = match self.ua.poll_output() {
            Output::Timeout { at, .. } => Some(at),
            Output::Idle => None,
            other => panic!("not pumped: {other:?}"),
        };
        self.agenda.keys().next().map(|(at, _)| *at).into_iter().chain(timeout).min()
    }

    fn wake(&mut self, now: Instant) {
        while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= now) {
            entry.remove()(&mut self.ua, now);
        }
        self.ua.handle_input(Input::Timeout, now);
    }
}

/// A deed for a reaction.
pub(crate) fn deed(wait_ms: u64, deed: impl FnOnce(&mut UserAgent, Instant) + 'static) -> (Duration, Deed) {
    (Duration::from_millis(wait_ms), Box::new(deed))
}

/// What a phone does that rings at once and answers after `answer_ms`.
pub(crate) fn answering(answer_ms: u64) -> impl FnMut(&Event) -> Vec<(Duration, Deed)> {
    move |event| match event {
        Event::InviteReceived { handle, .. } => {
            let handle = *handle;
            vec![
                deed(0, move |ua, now| ua.ring(handle, 180, None, now).unwrap()),
                deed(answer_ms, move |ua, now| {
                    let _ = ua.accept(handle, ANSWER, now);
                }),
            ]
        }
        _ => Vec::new(),
    }
}

/// A peer whose every answer a test writes: `(message, outbox)`.
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    pub(crate) received: Vec<(SocketAddr, Message)>,
    script: Script,
    outbox: Outbox,
    ready: VecDeque<Parcel>,
}

/// What a scripted peer does with a message.
pub(crate) type Script = Box<dyn FnMut(&Message, &mut Outbox)>;

/// What a scripted peer sends, now or later.
#[derive(Default)]
pub(crate) struct Outbox {
    fresh: Vec<(Duration, Vec<u8>)>,
    waiting: BTreeMap<(Instant, u64), (SocketAddr, Vec<u8>)>,
    counter: u64,
}

impl Outbox {
    pub(crate) fn reply(&mut self, wait_ms: u64, response: &Response) {
        self.fresh.push((Duration::from_millis(wait_ms), response.to_bytes()));
    }

    pub(crate) fn request(&mut self, wait_ms: u64, request: &Request) {
        self.fresh.push((Duration::from_millis(wait_ms), request.to_bytes()));
    }
}

impl Scripted {
    pub(crate) fn new(address: &str, script: impl FnMut(&Message, &mut Outbox) + 'static) -> Self {
        Self {
            address: address.parse().unwrap(),
            received: Vec::new(),
            script: Box::new(script),
            outbox: Outbox::default(),
            ready: VecDeque::new(),
        }
    }

    pub(crate) fn send(&mut self, to: SocketAddr, request: &Request) {
        self.ready.push_back(Parcel {
            transport: Transport::Udp,
            from: self.address,
            to,
            payload: request.to_bytes(),
        });
    }

    pub(crate) fn requests(&self, method: Method) -> Vec<&Request> {
        self.received
            .iter()
            .filter_map(|(_, message)| match message {
                Message::Request(request) if request.method == method => Some(request),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn responses(&self) -> Vec<&Response> {
        self.received
            .iter()
            .filter_map(|(_, message)| match message {
                Message::Response(response) => Some(response),
                Message::Request(_) => None,
            })
            .collect()
    }

    /// The statuses of responses to a method, provisional ones left out, repetitions included.
    pub(crate) fn finals(&self, method: &Method) -> Vec<u16> {
        self.responses()
            .iter()
            .filter(|response| {
                response.headers.cseq().unwrap().method == *method && response.status.is_final()
            })
            .map(|response| response.status.get())
            .collect()
    }
}

impl Endpoint for Scripted {
    fn owns(&self, address: SocketAddr) -> bool {
        address == self.address
    }

    fn receive(
        &mut self,
        from: SocketAddr,
        _to: SocketAddr,
        _transport: Transport,
        payload: &[u8],
        now: Instant,
    ) {
        let message = parse_datagram(payload).expect("a readable message");
        (self.script)(&message, &mut self.outbox);
        for (wait, bytes) in std::mem::take(&mut self.outbox.fresh) {
            self.outbox.counter += 1;
            self.outbox.waiting.insert((now + wait, self.outbox.counter), (from, bytes));
        }
        self.received.push((from, message));
        self.wake(now);
    }

    fn poll_transmit(&mut self, _now: Instant) -> Option<Parcel> {
        self.ready.pop_front()
    }

    fn next_wakeup(&mut self) -> Option<Instant> {
        self.outbox.waiting.keys().next().map(|(at, _)| *at)
    }

    fn wake(&mut self, now: Instant) {
        while let Some(entry) = self.outbox.waiting.first_entry().filter(|entry| entry.key().0 <= now) {
            let (to, payload) = entry.remove();
            self.ready.push_back(Parcel { transport: Transport::Udp, from: self.address, to, payload });
        }
    }
}

/// A response with a tag and, for a success, a Contact and a session description.
pub(crate) fn response(request: &Request, status: u16, tag: &str, contact: SocketAddr) -> Response {
    let status = StatusCode::new(status).unwrap();
    let mut response = Response::reply_to(request, status);
    if status != StatusCode::TRYING {
        response.headers.set_to_tag(tag);
    }
    if status.get() < 300 && request.method == Method::Invite {
        response.headers.set(HeaderName::Contact, format!("<sip:{tag}@{contact}>"));
        if status.is_success() {
            response.headers.set(HeaderName::ContentType, "application/sdp");
            response.body = ANSWER.to_vec();
        }
    }
    response
}

/// A request as a foreign phone would write it.
pub(crate) fn request(method: &str, uri: &str, extra: &str, body: &[u8]) -> Request {
    let text = format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.5:5060;branch=z9hG4bK{}\r\nMax-Forwards: 70\r\n{extra}\r\n\
         CSeq: 1 {method}\r\nContact: <sip:peer@10.0.0.5:5060>\r\nContent-Length: {}\r\n\r\n",
        branch(method, extra),
        body.len()
    );
    let mut bytes = text.replace("\r\n\r\nCSeq", "\r\nCSeq").into_bytes();
    bytes.extend_from_slice(body);
    match parse_datagram(&bytes) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn branch(method: &str, extra: &str) -> String {
    let sum = extra.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
    format!("{method}{sum}")
}

/// Runs one seed after the other; a failing one prints itself.
pub(crate) fn with_seeds(count: u64, run: impl Fn(u64)) {
    for seed in 1..=count {
        run(seed);
    }
}

pub(crate) fn bad_network(seed: u64, loss: f64) -> SimNet {
    let mut net = SimNet::new(seed);
    net.set_conditions(Conditions::hostile(loss));
    net
}
