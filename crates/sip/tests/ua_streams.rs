//! Lines over streams: whom a TLS connection has to lead to, what comes along it, what keeps it alive, and what happens
//! when it is over. Nothing that goes under TLS ever leaves in clear.

use std::time::{Duration, Instant};

use linecard_sip::message::{HeaderName, Message, Request, Response, StatusCode, parse_datagram};
use linecard_sip::registration::{RegistrationState, WaitReason};
use linecard_sip::transport::{Flow, LocalAddress, Transport, TransportFault};
use linecard_sip::ua::{
    Answer, CallerId, CommandRefused, Event, Input, Line, LineId, OutgoingInvite, Output, Presence, Question,
    Records, Route, UserAgent, UserAgentConfig,
};
use linecard_sip::uri::Uri;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

const PING: &[u8] = b"\r\n\r\n";

/// A user agent, the clock, and a registrar that accepts everybody and sees them behind a NAT.
struct Bench {
    ua: UserAgent,
    now: Instant,
    /// The address and port that the registrar sees.
    seen: (&'static str, u16),
    /// Whether the registrar says anything.
    answers: bool,
    sent: Vec<(Flow, Vec<u8>)>,
    closed: Vec<Flow>,
    events: Vec<Event>,
    wake_at: Option<Instant>,
}

impl Bench {
    fn new() -> Self {
        let addr = "192.0.2.9:5060".parse().expect("an address");
        let config = UserAgentConfig {
            local_addresses: vec![LocalAddress { transport: Transport::Udp, addr }],
            ..UserAgentConfig::default()
        };
        Self {
            ua: UserAgent::new(config, ChaCha12Rng::seed_from_u64(7)),
            now: Instant::now(),
            seen: ("192.0.2.9", 5060),
            answers: true,
            sent: Vec::new(),
            closed: Vec::new(),
            events: Vec::new(),
            wake_at: None,
        }
    }

    fn adds(&mut self, name: &str, server: &str, transport: Transport) -> LineId {
        self.adds_as(Presence::Registers, name, server, transport)
    }

    fn adds_as(&mut self, presence: Presence, name: &str, server: &str, transport: Transport) -> LineId {
        let line = Line {
            id: LineId::new(name),
            server: server.to_owned(),
            username: name.to_owned(),
            password: "x".to_owned(),
            auth_username: None,
            outbound_proxy: None,
            transport: Some(transport),
            websocket_path: None,
            expires_s: 3_600,
            contact_user: Some(format!("contact-{name}")),
            presence,
        };
        self.ua.add_line(line, self.now).expect("added");
        self.pump();
        LineId::new(name)
    }

    fn pump(&mut self) {
        loop {
            match self.ua.poll_output() {
                Output::Transmit { flow, payload } => {
                    self.sent.push((flow, payload.clone()));
                    if let Some(answer) = self.answer(flow, &payload) {
                        self.hears(flow, &answer.to_bytes());
                    }
                }
                Output::CloseStream { flow } => self.closed.push(flow),
                Output::Resolve { id, question } => {
                    let records = match question {
                        Question::Naptr(_) => Records::Naptr(Vec::new()),
                        Question::Srv(_) => Records::Srv(Vec::new()),
                        Question::Addresses(_) => {
                            Records::Addresses(vec!["192.0.2.5".parse().expect("an address")])
                        }
                    };
                    let answer = Answer { records, valid: Duration::from_secs(3_600) };
                    self.ua.handle_input(Input::Resolved { id, answer }, self.now);
                }
                Output::Event(event) => self.events.push(event),
                Output::Timeout { at, .. } => return self.wake_at = Some(at),
                Output::Idle => return self.wake_at = None,
            }
        }
    }

    fn hears(&mut self, flow: Flow, payload: &[u8]) {
        let input = match flow.transport {
            Transport::Udp => Input::Datagram { flow, payload },
            _ => Input::StreamData { flow, payload },
        };
        self.ua.handle_input(input, self.now);
    }

    fn answer(&self, flow: Flow, payload: &[u8]) -> Option<Response> {
        let request = register(payload).or_else(|| subscribe(payload)).filter(|_| self.answers)?;
        let mut response = Response::reply_to(&request, StatusCode::OK);
        let mut via = response.headers.top_via().expect("a Via");
        assert_eq!(via.transport, flow.transport.as_via());
        via.set_received(self.seen.0.parse().expect("an address"));
        via.set_rport(Some(self.seen.1));
        response.headers.set_top_via(&via);
        if subscribe(payload).is_some() {
            response.headers.set_to_tag("pbx");
            response.headers.push(HeaderName::Expires, "600");
            response.headers.push(HeaderName::Contact, "<sip:pbx@192.0.2.5:5061>");
            return Some(response);
        }
        for contact in request.headers.get_all(&HeaderName::Contact) {
            if !String::from_utf8_lossy(contact).contains("expires=0") {
                response.headers.push(HeaderName::Contact, contact.to_vec());
            }
        }
        if request.headers.get(&HeaderName::Contact).is_none() {
            let own = self.sent.iter().rev().filter_map(|(_, sent)| register(sent));
            let own = own.filter_map(|it| it.headers.get(&HeaderName::Contact).map(<[u8]>::to_vec)).next();
            own.into_iter().for_each(|contact| response.headers.push(HeaderName::Contact, contact));
        }
        Some(response)
    }

    /// Lets time pass, and everything happen that is due meanwhile.
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

    /// The pings sent so far, each along its path.
    fn pings(&self) -> Vec<Flow> {
        self.sent.iter().filter(|(_, payload)| payload == PING).map(|(flow, _)| *flow).collect()
    }

    fn registers(&self) -> usize {
        self.sent.iter().filter(|(_, payload)| register(payload).is_some()).count()
    }

    fn last_flow(&self) -> Flow {
        self.sent.last().expect("something was sent").0
    }
}

fn register(payload: &[u8]) -> Option<Request> {
    asked("REGISTER", payload)
}

fn subscribe(payload: &[u8]) -> Option<Request> {
    asked("SUBSCRIBE", payload)
}

fn asked(method: &str, payload: &[u8]) -> Option<Request> {
    match parse_datagram(payload) {
        Ok(Message::Request(request)) if request.method.as_str() == method => Some(request),
        _ => None,
    }
}

fn call(target: &str, route: Route) -> OutgoingInvite {
    let target = Uri::parse(target.as_bytes()).expect("a URI");
    OutgoingInvite {
        target,
        route,
        caller: CallerId::default(),
        headers: Vec::new(),
        offer: None,
        beside: None,
    }
}

#[test]
fn two_servers_at_one_address_have_a_connection_each() {
    let mut bench = Bench::new();
    for (line, server) in [("1", "one.example"), ("2", "two.example"), ("3", "ONE.example")] {
        bench.adds(line, server, Transport::Tls);
        let flow = bench.last_flow();
        let name = bench.ua.server(flow.server.expect("a name to prove")).expect("known").host.to_string();
        assert_eq!((flow.transport, name), (Transport::Tls, server.to_ascii_lowercase()));
    }
    let mut connections: Vec<_> = bench.sent.iter().map(|(flow, _)| flow.connection()).collect();
    connections.sort_unstable();
    connections.dedup();
    assert_eq!(connections.len(), 2, "the third line shares that of the first: {connections:?}");
}

#[test]
fn the_contact_is_the_connection_where_no_other_can_be_opened_to_us() {
    let mut bench = Bench::new();
    bench.seen = ("198.51.100.7", 43_210);
    let line = bench.adds("1", "pbx.example", Transport::Tls);
    assert!(bench.registered(&line));
    let contact = bench.ua.line_contact(&line).expect("a contact").to_string();
    assert_eq!(contact, "sip:contact-1@198.51.100.7:43210;transport=tls");
}

#[test]
fn a_line_whose_connection_is_over_registers_along_another() {
    let mut bench = Bench::new();
    let line = bench.adds("1", "pbx.example", Transport::Tls);
    let (flow, before) = (bench.last_flow(), bench.registers());
    bench.ua.handle_input(Input::StreamClosed { flow }, bench.now);
    bench.pump();
    let said = bench.ua.registration_state(&line).expect("a state");
    let RegistrationState::Waiting { reason: WaitReason::Unreachable { fault, .. }, .. } = said else {
        panic!("{said:?}");
    };
    assert_eq!(*fault, Some(TransportFault::Closed));
    assert_eq!(bench.ua.line_flow(&line), None);
    let known = bench.sent.len();
    bench.seen.1 = 43_211;
    bench.passes(Duration::from_secs(5));
    assert!(bench.registers() > before && bench.registered(&line));
    let contacts = bench.sent[known..].iter().filter_map(|(_, sent)| register(sent));
    let contacts: Vec<Vec<u8>> = contacts
        .flat_map(|it| it.headers.get_all(&HeaderName::Contact).map(<[u8]>::to_vec).collect::<Vec<_>>())
        .collect();
    let contacts: Vec<String> = contacts.iter().map(|it| String::from_utf8_lossy(it).into_owned()).collect();
    assert_eq!(contacts.len(), 2, "the new one, and the old one to be forgotten: {contacts:?}");
    assert!(
        contacts[0].contains(":43211;transport=tls") && contacts[1].contains("expires=0"),
        "{contacts:?}"
    );
}

#[test]
fn a_server_that_hangs_up_each_time_is_asked_ever_more_seldom() {
    let mut bench = Bench::new();
    let line = bench.adds("1", "pbx.example", Transport::Tls);
    for _ in 0..8 {
        bench.ua.handle_input(Input::StreamClosed { flow: bench.last_flow() }, bench.now);
        bench.pump();
        let back = (0..29).find(|_| {
            bench.passes(Duration::from_secs(1));
            bench.registered(&line)
        });
        assert!(back.is_some(), "within 30 s all the same");
    }
    let before = bench.registers();
    bench.ua.handle_input(Input::StreamClosed { flow: bench.last_flow() }, bench.now);
    bench.pump();
    bench.passes(Duration::from_secs(13));
    assert_eq!(bench.registers(), before, "it waits 14 to 28 s by now");
}

#[test]
fn a_failed_proof_is_told_as_the_reason_of_every_line_along_it() {
    let mut bench = Bench::new();
    bench.answers = false;
    let lines = [1, 2].map(|line| bench.adds(&line.to_string(), "pbx.example", Transport::Tls));
    let fault = TransportFault::Untrusted { fingerprint: "AA".to_owned() };
    bench.ua.handle_input(Input::TransmitFailed { flow: bench.last_flow(), fault: fault.clone() }, bench.now);
    bench.pump();
    for line in &lines {
        let said = bench.ua.registration_state(line).expect("a state");
        let RegistrationState::Waiting { reason: WaitReason::Unreachable { fault: told, .. }, .. } = said
        else {
            panic!("{said:?}");
        };
        assert_eq!(told.as_ref(), Some(&fault));
    }
}

#[test]
fn a_stream_is_pinged_and_one_that_stops_answering_is_given_up() {
    let mut bench = Bench::new();
    let line = bench.adds("1", "pbx.example", Transport::Tls);
    let flow = bench.ua.line_flow(&line).expect("a path");
    bench.passes(Duration::from_secs(94));
    assert_eq!(bench.pings(), []);
    for count in 1..=3 {
        let within = if count == 1 { 26 } else { 120 };
        let waited = (0..within).take_while(|_| {
            let due = bench.pings().len() < count;
            bench.passes(Duration::from_secs(u64::from(due)));
            due
        });
        let waited = waited.count();
        assert!(count == 1 || waited >= 95, "the next one is 95 to 120 s later: {waited}");
        assert_eq!((bench.pings(), bench.closed.len()), (vec![flow; count], 0));
        if count < 3 {
            bench.hears(flow, b"\r\n");
            bench.pump();
        }
    }
    let before = bench.registers();
    bench.passes(Duration::from_secs(10));
    assert_eq!(bench.closed, [flow], "no answer within 10 s");
    bench.passes(Duration::from_secs(5));
    assert!(bench.registers() > before && bench.registered(&line), "and the line is back by another");
}

#[test]
fn a_server_that_knows_no_pings_is_asked_for_the_bindings_instead() {
    let mut bench = Bench::new();
    let [first, second, third, line] =
        ["1", "2", "3", "4"].map(|name| bench.adds(name, "pbx.example", Transport::Tls));
    // The first three ask each 15 s by themselves.
    for probing in [first, second, third] {
        bench.ua.remove_line(&probing, bench.now).expect("removed");
        bench.pump();
    }
    bench.passes(Duration::from_secs(94));
    let before = bench.registers();
    bench.passes(Duration::from_secs(26 + 10 + 6));
    assert!(bench.registers() > before, "a question that has to be answered");
    assert!(bench.closed.is_empty() && bench.registered(&line));
}

#[test]
fn a_stream_that_swallows_registrations_is_closed() {
    let mut bench = Bench::new();
    let line = bench.adds("1", "pbx.example", Transport::Tls);
    let flow = bench.ua.line_flow(&line).expect("a path");
    bench.answers = false;
    bench.passes(Duration::from_secs(94 + 26 + 10 + 6 + 33));
    assert_eq!(bench.closed.first(), Some(&flow), "32 s after a question along it (timer F)");
    assert!(!bench.registered(&line));
}

#[test]
fn blank_datagrams_hold_the_binding_of_a_nat_and_are_sent_nowhere_else() {
    let mut bench = Bench::new();
    bench.adds("1", "pbx.example", Transport::Udp);
    bench.passes(Duration::from_secs(60));
    assert_eq!(bench.pings(), [], "no NAT is between");

    let mut bench = Bench::new();
    bench.seen = ("198.51.100.7", 43_210);
    for line in ["1", "2"] {
        bench.adds(line, "pbx.example", Transport::Udp);
    }
    let flow = bench.ua.line_flow(&LineId::new("1")).expect("a path");
    bench.passes(Duration::from_secs(76));
    let count = bench.pings().len();
    assert_eq!(bench.pings(), vec![flow; count]);
    assert!((3..=4).contains(&count), "one in 20 to 25 s for both lines: {count}");
}

#[test]
fn what_goes_under_tls_never_leaves_in_clear() {
    let mut bench = Bench::new();
    let [secure, plain] = [("1", Transport::Tls), ("2", Transport::Udp)]
        .map(|(name, how)| bench.adds(name, "pbx.example", how));
    let refused = bench.ua.invite(call("sips:9@pbx.example", Route::Line(plain)), bench.now);
    assert_eq!(refused.err(), Some(CommandRefused::Unreachable), "not through a line without TLS");

    bench.sent.clear();
    bench.ua.invite(call("sips:9@pbx.example", Route::Line(secure.clone())), bench.now).expect("placed");
    bench.ua.invite(call("sips:9@other.example", Route::Direct), bench.now).expect("placed");
    bench.ua.invite(call("sip:9@pbx.example;transport=udp", Route::Line(secure)), bench.now).expect("placed");
    bench.pump();
    let sent: Vec<Transport> = bench.sent.iter().map(|(flow, _)| flow.transport).collect();
    assert_eq!(sent, [Transport::Tls; 3]);
    let text = String::from_utf8_lossy(&bench.sent[0].1).into_owned();
    let contact = text.lines().find(|line| line.starts_with("Contact:")).expect("a Contact");
    assert!(contact.contains("<sips:"), "{contact}");
}

#[test]
fn a_call_in_clear_to_a_line_under_tls_is_refused() {
    let invite = "INVITE sip:contact-1@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.5;branch=z9hG4bK1\r\n\
                  From: <sip:2@pbx.example>;tag=a\r\nTo: <sip:1@pbx.example>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\
                  Max-Forwards: 70\r\nContact: <sip:2@192.0.2.5>\r\nContent-Length: 0\r\n\r\n";
    let remote = "192.0.2.5:5060".parse().expect("an address");
    let local = "192.0.2.9:5060".parse().expect("an address");
    for (transport, status) in [(Transport::Udp, "403"), (Transport::Tls, "100")] {
        let mut bench = Bench::new();
        bench.adds("1", "pbx.example", Transport::Tls);
        let text = invite.replace("UDP", transport.as_via());
        bench.hears(Flow::new(transport, local, remote), text.as_bytes());
        bench.pump();
        bench.passes(Duration::from_millis(300));
        let answer = String::from_utf8_lossy(&bench.sent.last().expect("an answer").1).into_owned();
        assert!(answer.starts_with(&format!("SIP/2.0 {status}")), "{transport}: {answer}");
    }
}

#[test]
fn a_line_that_only_watches_is_found_through_a_nat_too() {
    for (transport, contact) in [
        (Transport::Udp, "<sip:contact-1@198.51.100.7:43210>"),
        (Transport::Tls, "<sip:contact-1@198.51.100.7:43210;transport=tls>"),
    ] {
        let mut bench = Bench::new();
        bench.seen = ("198.51.100.7", 43_210);
        let line = bench.adds_as(Presence::Watches, "1", "pbx.example", transport);
        bench.ua.subscribe_dialogs(&line, "201", bench.now).expect("asked");
        bench.pump();
        let last = bench.sent.iter().rev().find_map(|(_, sent)| subscribe(sent)).expect("a SUBSCRIBE");
        let told = last.headers.text(&HeaderName::Contact).expect("a Contact").into_owned();
        assert_eq!(told, contact, "told with the next request, at once");
        if transport == Transport::Udp {
            bench.passes(Duration::from_secs(26));
            assert_eq!(bench.pings(), [bench.ua.line_flow(&line).expect("a path")], "and held");
            continue;
        }
        let before = bench.sent.len();
        bench.ua.handle_input(Input::StreamClosed { flow: bench.last_flow() }, bench.now);
        bench.pump();
        bench.passes(Duration::from_secs(5));
        let again = bench.sent[before..].iter().any(|(_, sent)| subscribe(sent).is_some());
        assert!(again, "asked anew along another connection");
    }
}
