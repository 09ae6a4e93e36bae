//! Lines along a WebSocket (RFC 7118): what they say of themselves, one message a frame, pings, and that there is no other way
//! to or from who is behind it.

use std::time::{Duration, Instant};

use linecard_sip::message::{HeaderName, Message, Request, Response, StatusCode, parse_datagram};
use linecard_sip::registration::RegistrationState;
use linecard_sip::transport::{Flow, LocalAddress, Transport, TransportFault};
use linecard_sip::ua::{
    CallerId, Event, Input, Line, LineId, OutgoingInvite, Output, Presence, Route, UserAgent, UserAgentConfig,
};
use linecard_sip::uri::Uri;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

struct Bench {
    ua: UserAgent,
    now: Instant,
    sent: Vec<(Flow, Vec<u8>)>,
    events: Vec<Event>,
    wake_at: Option<Instant>,
}

impl Bench {
    fn new() -> Self {
        let local =
            |transport| LocalAddress { transport, addr: "192.0.2.9:5060".parse().expect("an address") };
        let config = UserAgentConfig {
            local_addresses: [Transport::Udp, Transport::Tcp].map(local).to_vec(),
            ..UserAgentConfig::default()
        };
        let ua = UserAgent::new(config, ChaCha12Rng::seed_from_u64(3));
        Self { ua, now: Instant::now(), sent: Vec::new(), events: Vec::new(), wake_at: None }
    }

    fn adds(&mut self, name: &str, transport: Transport, path: &str) -> LineId {
        let line = Line {
            id: LineId::new(name),
            server: "192.0.2.5:8089".to_owned(),
            username: name.to_owned(),
            password: "x".to_owned(),
            auth_username: None,
            outbound_proxy: None,
            transport: Some(transport),
            websocket_path: Some(path.to_owned()),
            expires_s: 3_600,
            contact_user: Some(format!("contact{name}")),
            presence: Presence::Registers,
        };
        self.ua.add_line(line, self.now).expect("added");
        self.pump();
        LineId::new(name)
    }

    /// The registrar accepts everybody.
    fn pump(&mut self) {
        loop {
            match self.ua.poll_output() {
                Output::Transmit { flow, payload } => {
                    self.sent.push((flow, payload.clone()));
                    if let Some(request) = request(&payload).filter(|it| it.method.as_str() == "REGISTER") {
                        self.hears(flow, &self.accepted(&request).to_bytes());
                    }
                }
                Output::Event(event) => self.events.push(event),
                Output::Timeout { at, .. } => return self.wake_at = Some(at),
                Output::Idle => return self.wake_at = None,
                Output::CloseStream { .. } => {}
                Output::Resolve { .. } => panic!("an address is asked for nothing"),
            }
        }
    }

    fn accepted(&self, request: &Request) -> Response {
        let mut response = Response::reply_to(request, StatusCode::OK);
        let mut via = response.headers.top_via().expect("a Via");
        via.set_received("198.51.100.7".parse().expect("an address"));
        via.set_rport(Some(40_001));
        response.headers.set_top_via(&via);
        let asked = |it: &Request| it.headers.get(&HeaderName::Contact).map(<[u8]>::to_vec);
        let own = self.sent.iter().rev().filter_map(|(_, sent)| request_of(sent, "REGISTER"));
        let own = asked(request).or_else(|| own.filter_map(|it| asked(&it)).next());
        own.into_iter().for_each(|contact| response.headers.push(HeaderName::Contact, contact));
        response
    }

    fn hears(&mut self, flow: Flow, payload: &[u8]) {
        self.ua.handle_input(Input::StreamData { flow, payload }, self.now);
    }

    fn passes(&mut self, wait: Duration) {
        let until = self.now + wait;
        while let Some(at) = self.wake_at.filter(|at| *at <= until) {
            self.now = at.max(self.now);
            self.ua.handle_input(Input::Timeout, self.now);
            self.pump();
        }
        self.now = until;
    }

    fn registered(&self, line: &LineId) -> bool {
        matches!(self.ua.registration_state(line), Some(RegistrationState::Registered { .. }))
    }

    fn last(&self) -> (Flow, Request) {
        let (flow, payload) = self.sent.last().expect("something was sent");
        (*flow, request(payload).expect("a request"))
    }
}

fn request(payload: &[u8]) -> Option<Request> {
    match parse_datagram(payload) {
        Ok(Message::Request(request)) => Some(request),
        _ => None,
    }
}

fn request_of(payload: &[u8], method: &str) -> Option<Request> {
    request(payload).filter(|request| request.method.as_str() == method)
}

fn text(request: &Request, name: &HeaderName) -> String {
    String::from_utf8_lossy(request.headers.get(name).unwrap_or_default()).into_owned()
}

#[test]
fn nobody_is_told_an_address_that_a_websocket_could_be_opened_to() {
    for (transport, via) in [(Transport::Ws, "SIP/2.0/WS "), (Transport::Wss, "SIP/2.0/WSS ")] {
        let mut bench = Bench::new();
        let line = bench.adds("1", transport, "/ws");
        assert!(bench.registered(&line));
        let contact = bench.ua.line_contact(&line).expect("a contact").to_string();
        assert_eq!(contact, "sip:contact1@contact1.invalid;transport=ws");
        let (flow, register) = bench.last();
        let sent = text(&register, &HeaderName::Via);
        let host = sent.strip_prefix(via).expect(&sent).split(';').next().expect("a host");
        assert!(host.ends_with(".invalid") && !host.contains("192.0.2"), "{sent}");
        let server = bench.ua.server(flow.server.expect("a server")).expect("known");
        assert_eq!((server.host.to_string().as_str(), server.path.as_deref()), ("192.0.2.5", Some("/ws")));
        assert_eq!((flow.transport, flow.remote.to_string().as_str()), (transport, "192.0.2.5:8089"));
    }
}

#[test]
fn two_paths_at_one_server_are_two_websockets() {
    let mut bench = Bench::new();
    for (name, path) in [("1", "/ws"), ("2", "/other"), ("3", "/ws")] {
        bench.adds(name, Transport::Wss, path);
    }
    let mut connections: Vec<_> = bench.sent.iter().map(|(flow, _)| flow.connection()).collect();
    connections.sort_unstable();
    connections.dedup();
    assert_eq!(connections.len(), 2);
}

#[test]
fn a_frame_is_a_whole_message_with_or_without_its_length() {
    let mut bench = Bench::new();
    bench.adds("1", Transport::Wss, "/ws");
    let (flow, _) = bench.last();
    let options = |call: &str, more: &str| {
        format!(
            "OPTIONS sip:contact1@contact1.invalid;transport=ws SIP/2.0\r\nVia: SIP/2.0/WSS x.invalid;branch=z9hG4bK{call}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: {call}\r\nCSeq: 1 OPTIONS\r\n{more}\r\n"
        )
    };
    for (call, more) in [("one", ""), ("two", "Content-Length: 0\r\n")] {
        let before = bench.sent.len();
        bench.hears(flow, options(call, more).as_bytes());
        bench.pump();
        let (answered, payload) = bench.sent.get(before).expect("an answer");
        assert_eq!(*answered, flow);
        assert!(payload.starts_with(b"SIP/2.0 200"), "{}", String::from_utf8_lossy(payload));
    }
    // Half a message is no beginning of the next one.
    let message = options("three", "Content-Length: 0\r\n");
    let (half, rest) = message.split_at(60);
    let before = bench.sent.len();
    bench.hears(flow, half.as_bytes());
    bench.hears(flow, rest.as_bytes());
    bench.pump();
    assert_eq!(bench.sent.len(), before);
}

#[test]
fn a_peer_that_answers_no_ping_any_more_costs_the_connection() {
    let mut bench = Bench::new();
    let line = bench.adds("1", Transport::Wss, "/ws");
    let (flow, _) = bench.last();
    bench.hears(flow, b"\r\n\r\n");
    bench.pump();
    assert_eq!(bench.sent.last().expect("a pong").1, b"\r\n");
    let pings = |bench: &Bench| bench.sent.iter().filter(|(_, payload)| payload == b"\r\n\r\n").count();
    bench.passes(Duration::from_secs(121));
    assert_eq!(pings(&bench), 1);
    bench.hears(flow, b"\r\n");
    bench.pump();
    bench.passes(Duration::from_secs(121));
    assert_eq!(pings(&bench), 2);
    bench.passes(Duration::from_secs(11));
    let lost = |event: &Event| {
        matches!(event, Event::RegistrationChanged { state: RegistrationState::Waiting { .. }, .. })
    };
    assert!(bench.events.iter().any(lost));
    bench.passes(Duration::from_secs(30));
    assert!(bench.registered(&line), "it is back along another one");
}

#[test]
fn nothing_goes_another_way_even_when_the_websocket_fails() {
    let mut bench = Bench::new();
    let line = bench.adds("1", Transport::Wss, "/ws");
    let (flow, _) = bench.last();
    let call = |target: &str| OutgoingInvite {
        target: Uri::parse(target.as_bytes()).expect("a URI"),
        route: Route::Line(line.clone()),
        caller: CallerId::default(),
        headers: Vec::new(),
        offer: None,
        beside: None,
    };
    let handle = bench.ua.invite(call("sip:201@192.0.2.5:8089;transport=ws"), bench.now).expect("placed");
    bench.pump();
    let (along, invite) = bench.last();
    assert_eq!(along, flow);
    assert!(text(&invite, &HeaderName::Contact).contains("@contact1.invalid;transport=ws"));
    let mut answer = Response::reply_to(&invite, StatusCode::OK);
    answer.headers.set_to_tag("pbx");
    // A contact of the PBX's own network, which only the PBX can reach.
    answer.headers.push(HeaderName::Contact, "<sip:201@10.1.1.1:5060;transport=udp>");
    bench.hears(flow, &answer.to_bytes());
    bench.pump();
    bench.ua.bye(handle, None, bench.now).expect("a call");
    bench.pump();
    bench.ua.handle_input(Input::TransmitFailed { flow, fault: TransportFault::NotSip }, bench.now);
    bench.pump();
    bench.passes(Duration::from_secs(90));
    let bye = bench.sent.iter().find(|(_, payload)| request_of(payload, "BYE").is_some());
    assert_eq!(bye.expect("a BYE").0, flow);
    assert!(bench.sent.iter().all(|(flow, _)| flow.transport == Transport::Wss), "{:?}", bench.sent);
}
