//! Several places for one name (RFC 3263): which comes first, what happens when it does not answer, and the way back. A line
//! whose transport is left open takes what its server offers, and keeps what answered.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use linecard_sip::message::{HeaderName, Message, Method, Request, Response, StatusCode, parse_datagram};
use linecard_sip::registration::RegistrationState;
use linecard_sip::transport::{Flow, LocalAddress, Transport, TransportFault};
use linecard_sip::ua::{
    Answer, CallerId, DialogHandle, EndCause, Event, Input, Line, LineId, Naptr, OutgoingInvite, Output,
    Presence, Question, Records, Route, Srv, UserAgent, UserAgentConfig,
};
use linecard_sip::uri::Uri;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

/// What a place does with requests.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Answers(u16),
    Refuses,
    Untrusted,
}

/// A user agent, the clock, the DNS, and the places that do anything; others are silent.
struct Bench {
    ua: UserAgent,
    now: Instant,
    dns: HashMap<Question, Records>,
    places: HashMap<(Transport, &'static str), Place>,
    sent: Vec<(Flow, Request)>,
    events: Vec<Event>,
    wake_at: Option<Instant>,
}

fn srv(priority: u16, port: u16, target: &str) -> Srv {
    Srv { priority, weight: 0, port, target: target.to_owned() }
}

impl Bench {
    /// A server with two hosts, the first of which is better.
    fn with_two_hosts() -> Self {
        let mut bench = Self::new();
        let records = vec![srv(20, 5062, "b.example."), srv(10, 5060, "a.example.")];
        bench.dns.insert(Question::Srv("_sip._udp.pbx.example".to_owned()), Records::Srv(records));
        bench.host("a.example", "192.0.2.1");
        bench.host("b.example", "192.0.2.2");
        bench
    }

    fn new() -> Self {
        let local =
            |transport| LocalAddress { transport, addr: "192.0.2.9:5060".parse().expect("an address") };
        let config = UserAgentConfig {
            local_addresses: vec![local(Transport::Udp), local(Transport::Tcp)],
            ..UserAgentConfig::default()
        };
        Self {
            ua: UserAgent::new(config, ChaCha12Rng::seed_from_u64(5)),
            now: Instant::now(),
            dns: HashMap::new(),
            places: HashMap::new(),
            sent: Vec::new(),
            events: Vec::new(),
            wake_at: None,
        }
    }

    fn host(&mut self, name: &str, address: &str) {
        let addresses = vec![address.parse().expect("an address")];
        self.dns.insert(Question::Addresses(name.to_owned()), Records::Addresses(addresses));
    }

    fn udp(&mut self, place: &'static str, does: Place) {
        self.places.insert((Transport::Udp, place), does);
    }

    fn adds(&mut self, transport: Option<Transport>) -> LineId {
        let line = Line {
            id: LineId::new("1"),
            server: "pbx.example".to_owned(),
            username: "100".to_owned(),
            password: "x".to_owned(),
            auth_username: None,
            outbound_proxy: None,
            transport,
            websocket_path: None,
            expires_s: 600,
            contact_user: Some("own".to_owned()),
            presence: Presence::Registers,
        };
        self.ua.add_line(line, self.now).expect("added");
        self.pump();
        LineId::new("1")
    }

    fn calls(&mut self) -> DialogHandle {
        let target = Uri::parse(b"sip:9@pbx.example").expect("a URI");
        let route = Route::Line(LineId::new("1"));
        let invite = OutgoingInvite {
            target,
            route,
            caller: CallerId::default(),
            headers: Vec::new(),
            offer: None,
            beside: None,
        };
        let handle = self.ua.invite(invite, self.now).expect("placed");
        self.pump();
        handle
    }

    fn pump(&mut self) {
        loop {
            match self.ua.poll_output() {
                Output::Transmit { flow, payload } => self.transmitted(flow, &payload),
                Output::Resolve { id, question } => {
                    let nothing = match question {
                        Question::Naptr(_) => Records::Naptr(Vec::new()),
                        Question::Srv(_) => Records::Srv(Vec::new()),
                        Question::Addresses(_) => Records::Addresses(Vec::new()),
                    };
                    let records = self.dns.get(&question).cloned().unwrap_or(nothing);
                    let answer = Answer { records, valid: Duration::from_secs(3_600) };
                    self.ua.handle_input(Input::Resolved { id, answer }, self.now);
                }
                Output::Event(event) => self.events.push(event),
                Output::CloseStream { .. } => {}
                Output::Timeout { at, .. } => return self.wake_at = Some(at),
                Output::Idle => return self.wake_at = None,
            }
        }
    }

    fn transmitted(&mut self, flow: Flow, payload: &[u8]) {
        let Ok(Message::Request(request)) = parse_datagram(payload) else { return };
        self.sent.push((flow, request.clone()));
        let remote = flow.remote.to_string();
        let place = self
            .places
            .iter()
            .find(|((transport, place), _)| (*transport, *place) == (flow.transport, &*remote));
        let fault = match place.map(|(_, does)| *does) {
            None => return,
            Some(Place::Answers(_)) if request.method == Method::Ack => return,
            Some(Place::Answers(status)) => {
                let bytes = answer(&request, status).to_bytes();
                let input = match flow.transport {
                    Transport::Udp => Input::Datagram { flow, payload: &bytes },
                    _ => Input::StreamData { flow, payload: &bytes },
                };
                return self.ua.handle_input(input, self.now);
            }
            Some(Place::Refuses) => TransportFault::Unconnected { why: "refused".to_owned() },
            Some(Place::Untrusted) => TransportFault::Untrusted { fingerprint: "AA".to_owned() },
        };
        self.ua.handle_input(Input::TransmitFailed { flow, fault }, self.now);
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

    fn registered(&self) -> bool {
        matches!(self.ua.registration_state(&LineId::new("1")), Some(RegistrationState::Registered { .. }))
    }

    fn contact(&self) -> String {
        self.ua.line_contact(&LineId::new("1")).expect("a contact").to_string()
    }

    /// Where requests of a method went, repetitions to the same place left out.
    fn way_of(&self, method: &Method) -> Vec<String> {
        let sent = self.sent.iter().filter(|(_, request)| request.method == *method);
        let mut places: Vec<String> =
            sent.map(|(flow, _)| format!("{} {}", flow.transport, flow.remote)).collect();
        places.dedup();
        places
    }
}

fn answer(request: &Request, status: u16) -> Response {
    let mut response = Response::reply_to(request, StatusCode::new(status).expect("a status"));
    if request.method == Method::Register && status == 200 {
        for contact in request.headers.get_all(&HeaderName::Contact) {
            if !String::from_utf8_lossy(contact).contains("expires=0") {
                response.headers.push(HeaderName::Contact, contact.to_vec());
            }
        }
    }
    response
}

#[test]
fn the_better_place_is_taken_and_the_next_one_when_it_is_silent_and_the_way_leads_back() {
    let mut bench = Bench::with_two_hosts();
    bench.udp("192.0.2.2:5062", Place::Answers(200));
    bench.adds(Some(Transport::Udp));
    assert_eq!(bench.way_of(&Method::Register), ["udp 192.0.2.1:5060"]);
    bench.passes(Duration::from_secs(33));
    assert!(bench.registered(), "the other one has answered");
    assert_eq!(bench.way_of(&Method::Register), ["udp 192.0.2.1:5060", "udp 192.0.2.2:5062"]);

    bench.calls();
    assert_eq!(
        bench.way_of(&Method::Invite),
        ["udp 192.0.2.2:5062"],
        "a call does not wait for who is silent"
    );

    bench.udp("192.0.2.1:5060", Place::Answers(200));
    bench.passes(Duration::from_secs(600));
    assert_eq!(bench.way_of(&Method::Register).last().map(String::as_str), Some("udp 192.0.2.1:5060"));
    assert!(bench.registered());
    bench.sent.clear();
    bench.calls();
    assert_eq!(bench.way_of(&Method::Invite), ["udp 192.0.2.1:5060"]);
}

#[test]
fn a_place_that_answers_503_or_takes_nothing_is_passed_by_at_once() {
    for does in [Place::Answers(503), Place::Refuses] {
        let mut bench = Bench::with_two_hosts();
        bench.udp("192.0.2.1:5060", Place::Answers(200));
        bench.udp("192.0.2.2:5062", Place::Answers(486));
        bench.adds(Some(Transport::Udp));
        assert!(bench.registered());
        bench.udp("192.0.2.1:5060", does);
        bench.events.clear();
        let handle = bench.calls();
        assert_eq!(bench.way_of(&Method::Invite), ["udp 192.0.2.1:5060", "udp 192.0.2.2:5062"]);
        let rejected: Vec<u16> = bench
            .events
            .iter()
            .filter_map(|event| match event {
                Event::Rejected { handle: of, status, .. } if *of == handle => Some(*status),
                _ => None,
            })
            .collect();
        assert_eq!(rejected, [486], "the answer of the place that has one");
    }
}

#[test]
fn a_call_that_was_cancelled_goes_to_no_other_place() {
    let mut bench = Bench::with_two_hosts();
    bench.udp("192.0.2.2:5062", Place::Answers(200));
    bench.adds(Some(Transport::Udp));
    bench.passes(Duration::from_secs(33));
    bench.udp("192.0.2.2:5062", Place::Answers(100));
    let handle = bench.calls();
    bench.ua.cancel(handle, None, bench.now).expect("cancelled");
    bench.pump();
    bench.passes(Duration::from_secs(70));
    assert_eq!(bench.way_of(&Method::Invite), ["udp 192.0.2.2:5062"]);
    let ended = Event::Ended { handle, cause: EndCause::Cancelled };
    assert!(bench.events.contains(&ended), "{:?}", bench.events.last());
    assert_eq!(bench.ua.leg_count(), 0);
}

#[test]
fn a_service_that_is_said_not_to_be_there_is_not_looked_for_elsewhere() {
    let mut bench = Bench::new();
    bench.dns.insert(Question::Srv("_sip._udp.pbx.example".to_owned()), Records::Srv(vec![srv(0, 0, ".")]));
    bench.host("pbx.example", "192.0.2.1");
    bench.adds(Some(Transport::Udp));
    assert_eq!(bench.way_of(&Method::Register), Vec::<String>::new());
    assert!(bench.events.contains(&Event::Unresolved { host: "pbx.example".to_owned() }));
}

#[test]
fn what_a_domain_prefers_decides_the_transport_that_was_left_open() {
    let mut bench = Bench::new();
    let naptr = |order, service: &str, replacement: &str| Naptr {
        order,
        preference: 0,
        flags: "S".to_owned(),
        service: service.to_owned(),
        replacement: replacement.to_owned(),
    };
    let records =
        vec![naptr(20, "SIP+D2U", "_sip._udp.pbx.example."), naptr(10, "SIP+D2T", "_sip._tcp.pbx.example.")];
    bench.dns.insert(Question::Naptr("pbx.example".to_owned()), Records::Naptr(records));
    for (name, port) in [("_sip._udp.pbx.example", 5060), ("_sip._tcp.pbx.example", 5070)] {
        bench.dns.insert(Question::Srv(name.to_owned()), Records::Srv(vec![srv(0, port, "a.example")]));
    }
    bench.host("a.example", "192.0.2.1");
    bench.places.insert((Transport::Tcp, "192.0.2.1:5070"), Place::Answers(200));
    bench.adds(None);
    assert!(bench.registered());
    assert_eq!(bench.way_of(&Method::Register), ["tcp 192.0.2.1:5070"]);
    assert_eq!(bench.contact(), "sip:own@192.0.2.9:5060;transport=tcp");
    bench.calls();
    assert_eq!(bench.way_of(&Method::Invite), ["tcp 192.0.2.1:5070"]);
}

#[test]
fn transports_are_tried_in_turn_where_nothing_answers_and_the_one_that_does_is_kept() {
    let mut bench = Bench::new();
    bench.host("pbx.example", "192.0.2.1");
    bench.places.insert((Transport::Tcp, "192.0.2.1:5060"), Place::Refuses);
    bench.places.insert((Transport::Tls, "192.0.2.1:5061"), Place::Answers(200));
    bench.adds(None);
    bench.passes(Duration::from_secs(60));
    let turns = ["udp 192.0.2.1:5060", "tcp 192.0.2.1:5060", "tls 192.0.2.1:5061"];
    assert_eq!(bench.way_of(&Method::Register), turns);
    assert!(bench.registered() && bench.contact().contains(";transport=tls"), "{}", bench.contact());

    bench.places.clear();
    bench.sent.clear();
    let flow = bench.ua.line_flow(&LineId::new("1")).expect("a path");
    bench.ua.handle_input(Input::StreamClosed { flow }, bench.now);
    bench.pump();
    bench.passes(Duration::from_secs(300));
    assert_eq!(bench.way_of(&Method::Register), ["tls 192.0.2.1:5061"], "never again in clear");
}

#[test]
fn a_domain_that_prefers_tls_is_never_spoken_to_in_clear() {
    let mut bench = Bench::new();
    let services = [("SIPS+D2T", "_sips._tcp.pbx.example"), ("SIP+D2U", "_sip._udp.pbx.example")];
    let naptr = services.iter().zip(0..).map(|((service, replacement), order)| Naptr {
        order,
        preference: 0,
        flags: "s".to_owned(),
        service: (*service).to_owned(),
        replacement: (*replacement).to_owned(),
    });
    bench.dns.insert(Question::Naptr("pbx.example".to_owned()), Records::Naptr(naptr.collect()));
    for ((_, name), port) in services.iter().zip([5061, 5060]) {
        bench.dns.insert(Question::Srv((*name).to_owned()), Records::Srv(vec![srv(0, port, "a.example")]));
    }
    bench.host("a.example", "192.0.2.1");
    bench.places.insert((Transport::Tls, "192.0.2.1:5061"), Place::Untrusted);
    bench.udp("192.0.2.1:5060", Place::Answers(200));
    bench.adds(None);
    bench.passes(Duration::from_secs(300));
    assert_eq!(bench.way_of(&Method::Register), ["tls 192.0.2.1:5061"]);
    let name =
        bench.sent[0].0.server.and_then(|server| bench.ua.server(server)).expect("a name").host.clone();
    assert_eq!(name.to_string(), "pbx.example", "the domain is proved, not the host that it names");
}
