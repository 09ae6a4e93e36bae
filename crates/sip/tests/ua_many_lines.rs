//! Thousands of lines that are added at once, and a PBX that forgets them all: never more requests in a second than a PBX can
//! bear; a line that is added alone waits for nobody.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use linecard_sip::message::{HeaderName, Message, Request, Response, StatusCode, parse_datagram};
use linecard_sip::registration::RegistrationState;
use linecard_sip::transport::{LocalAddress, Transport};
use linecard_sip::ua::{Input, Line, LineId, Output, Presence, UserAgent, UserAgentConfig};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

const LINES: usize = 3_000;

/// A user agent with a registrar that lets everybody in, and a clock.
struct Bench {
    ua: UserAgent,
    now: Instant,
    /// The contacts by account.
    bound: BTreeMap<String, Vec<u8>>,
    /// When each request came.
    asked: Vec<Instant>,
    wake_at: Option<Instant>,
}

impl Bench {
    fn new() -> Self {
        let addr = "192.0.2.9:5060".parse().expect("an address");
        let config = UserAgentConfig {
            local_addresses: vec![LocalAddress { transport: Transport::Udp, addr }],
            ..UserAgentConfig::default()
        };
        let ua = UserAgent::new(config, ChaCha12Rng::seed_from_u64(9));
        Self { ua, now: Instant::now(), bound: BTreeMap::new(), asked: Vec::new(), wake_at: None }
    }

    fn adds(&mut self, name: &str) {
        let line = Line {
            id: LineId::new(name),
            server: "192.0.2.5".to_owned(),
            username: name.to_owned(),
            password: "x".to_owned(),
            auth_username: None,
            outbound_proxy: None,
            transport: Some(Transport::Udp),
            websocket_path: None,
            expires_s: 3_600,
            contact_user: Some(format!("contact{name}")),
            presence: Presence::Registers,
        };
        self.ua.add_line(line, self.now).expect("added");
        self.pump();
    }

    fn pump(&mut self) {
        loop {
            match self.ua.poll_output() {
                Output::Transmit { flow, payload } => {
                    let Ok(Message::Request(request)) = parse_datagram(&payload) else { continue };
                    self.asked.push(self.now);
                    let answer = self.answer(&request).to_bytes();
                    self.ua.handle_input(Input::Datagram { flow, payload: &answer }, self.now);
                }
                Output::Timeout { at, .. } => return self.wake_at = Some(at),
                Output::Idle => return self.wake_at = None,
                _ => {}
            }
        }
    }

    fn answer(&mut self, request: &Request) -> Response {
        let account = request.headers.to().expect("To").uri.to_string();
        if let Some(contact) = request.headers.get(&HeaderName::Contact) {
            self.bound.insert(account.clone(), contact.to_vec());
        }
        let mut response = Response::reply_to(request, StatusCode::OK);
        if let Some(contact) = self.bound.get(&account) {
            response.headers.push(HeaderName::Contact, contact.clone());
        }
        response
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

    /// The most requests within a second, from an instant on.
    fn busiest_second(&self, from: Instant) -> usize {
        let asked: Vec<Instant> = self.asked.iter().copied().filter(|at| *at >= from).collect();
        let within = |(place, at): (usize, &Instant)| {
            asked.partition_point(|other| *other < *at + Duration::from_secs(1)) - place
        };
        asked.iter().enumerate().map(within).max().unwrap_or_default()
    }

    fn registered(&self) -> usize {
        let is_registered = |line: &LineId| {
            matches!(self.ua.registration_state(line), Some(RegistrationState::Registered { .. }))
        };
        self.ua.line_ids().iter().filter(|line| is_registered(line)).count()
    }
}

#[test]
fn a_pbx_is_never_asked_by_thousands_at_once() {
    let mut bench = Bench::new();
    let begun = bench.now;
    (0..LINES).for_each(|number| bench.adds(&format!("l{number}")));
    assert!((10..=30).contains(&bench.registered()), "a few lines wait for nobody: {}", bench.registered());
    bench.passes(Duration::from_secs(7));
    assert_eq!(bench.registered(), LINES);
    // Each asks first who is bound.
    assert!(bench.busiest_second(begun) <= 1_150, "{} requests in a second", bench.busiest_second(begun));

    bench.adds("alone");
    assert_eq!(bench.registered(), LINES + 1, "a line that is added alone waits for nobody");

    bench.bound.clear();
    let forgotten = bench.now;
    bench.passes(Duration::from_secs(30));
    assert_eq!(bench.bound.len(), LINES + 1, "all are bound again within 30 s");
    let busiest = bench.busiest_second(forgotten);
    // The doubts of the three lines that watch overlap.
    assert!(busiest <= 1_300, "{busiest} requests in a second");
}
