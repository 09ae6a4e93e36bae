//! A small registrar and a simulated clock around one line's registration.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use linecard_sip::digest::Credentials;
use linecard_sip::message::{HeaderName, NameAddr, Request, Response, StatusCode, Via};
use linecard_sip::registration::{
    AddressLearning, Input, Neighbours, Output, Registration, RegistrationConfig, RegistrationState,
};
use linecard_sip::uri::{SipUri, Uri};
use md5::{Digest, Md5};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

pub const OWN: &str = "sip:kq7v2m9x@10.0.0.5:5060";
pub const PASSWORD: &str = "s3cret";

pub fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub fn sip(text: &str) -> SipUri {
    match Uri::parse(text.as_bytes()).unwrap() {
        Uri::Sip(uri) => uri,
        other => panic!("{other:?}"),
    }
}

pub fn config() -> RegistrationConfig {
    RegistrationConfig {
        registrar: sip("sip:pbx.example"),
        address_of_record: sip("sip:105@pbx.example"),
        contact: sip(OWN),
        credentials: Credentials { username: "105".into(), password: PASSWORD.into() },
        expires_s: 600,
        call_id: "one-call-id@10.0.0.5".into(),
        outbound_proxy: None,
        start_after: Duration::ZERO,
        start_spread: Duration::ZERO,
        probe_interval: None,
        address_learning: AddressLearning::Keep,
        neighbours: Neighbours::Ignored,
    }
}

pub fn status(code: u16) -> StatusCode {
    StatusCode::new(code).unwrap()
}

pub fn with_header(request: &Request, code: u16, name: HeaderName, value: &str) -> Response {
    let mut response = Response::reply_to(request, status(code));
    response.headers.push(name, value);
    response
}

#[derive(Clone, Debug)]
pub struct Bound {
    pub uri: String,
    pub until: Instant,
}

type Answer = Box<dyn FnMut(&Request) -> Response>;

/// Answers as RFC 3261 section 10.3 says, or as told.
pub struct Registrar {
    pub up: bool,
    pub table: Vec<Bound>,
    pub password: Option<String>,
    pub nonce: u32,
    pub always_stale: bool,
    pub grants_s: Option<u32>,
    pub least_s: Option<u32>,
    pub seen_from: Option<SocketAddr>,
    pub omits: Option<String>,
    pub hides_from_questions: bool,
    /// Registering is answered with the own contact alone.
    pub hides_others: bool,
    /// Room for so many contacts: the oldest one goes.
    pub room: Option<usize>,
    pub expiry_in_header: bool,
    /// Answers for the next requests, in order.
    pub next: VecDeque<Answer>,
    /// The answer to every request.
    pub always: Option<Answer>,
}

impl Registrar {
    fn answer(&mut self, request: &Request, now: Instant) -> Response {
        let mut request = request.clone();
        if let Some(seen) = self.seen_from {
            let mut via = request.headers.top_via().unwrap();
            via.set_received(seen.ip());
            via.set_rport(Some(seen.port()));
            request.headers.set_top_via(&via);
        }
        if let Some(mut answer) = self.next.pop_front() {
            return answer(&request);
        }
        if let Some(answer) = &mut self.always {
            return answer(&request);
        }
        if let Some(password) = self.password.clone()
            && let Some(challenge) = self.check(&request, &password)
        {
            return challenge;
        }
        self.serve(&request, now)
    }

    fn check(&mut self, request: &Request, password: &str) -> Option<Response> {
        let nonce = format!("n{}", self.nonce);
        let proof = request.headers.text(&HeaderName::Authorization).map(|text| text.into_owned());
        let right = proof.as_deref().is_some_and(|proof| proves(proof, request, password));
        let fresh = proof.as_deref().is_some_and(|proof| quoted(proof, "nonce") == nonce);
        if right && fresh && !self.always_stale {
            return None;
        }
        self.nonce += 1;
        let stale = if right { ", stale=true" } else { "" };
        let value = format!("Digest realm=\"pbx\", nonce=\"n{}\", qop=\"auth\"{stale}", self.nonce);
        Some(with_header(request, 401, HeaderName::WwwAuthenticate, &value))
    }

    fn serve(&mut self, request: &Request, now: Instant) -> Response {
        self.table.retain(|bound| bound.until > now);
        assert!(!request.headers.is_contact_star(), "never *");
        let contacts = request.headers.contacts().unwrap();
        for contact in &contacts {
            let asked_s: u32 = contact.params.get("expires").unwrap().parse().unwrap();
            if let Some(least_s) = self.least_s.filter(|least_s| asked_s > 0 && asked_s < *least_s) {
                return with_header(request, 423, HeaderName::MinExpires, &least_s.to_string());
            }
            let uri = contact.uri.to_string();
            self.table.retain(|bound| bound.uri != uri);
            let granted_s = self.grants_s.map_or(asked_s, |grant| grant.min(asked_s));
            if granted_s > 0 {
                self.table.push(Bound { uri, until: now + seconds(u64::from(granted_s)) });
                let surplus = self.room.map_or(0, |room| self.table.len().saturating_sub(room));
                self.table.drain(..surplus);
            }
        }
        let mut response = Response::reply_to(request, StatusCode::OK);
        let hidden = contacts.is_empty() && self.hides_from_questions;
        let own = |bound: &Bound| contacts.iter().any(|contact| contact.uri.to_string() == bound.uri);
        let told = |bound: &Bound| !self.hides_others || contacts.is_empty() || own(bound);
        let shown = |bound: &Bound| !hidden && told(bound) && Some(&bound.uri) != self.omits.as_ref();
        for bound in self.table.iter().filter(|bound| shown(bound)) {
            let left_s = (bound.until - now).as_secs();
            let text = if self.expiry_in_header {
                response.headers.set(HeaderName::Expires, left_s.to_string());
                format!("<{}>", bound.uri)
            } else {
                format!("<{}>;expires={left_s}", bound.uri)
            };
            response.headers.push(HeaderName::Contact, text);
        }
        response
    }

    pub fn lists(&self, uri: &str) -> bool {
        self.table.iter().any(|bound| bound.uri == uri)
    }
}

fn quoted(text: &str, name: &str) -> String {
    let (_, rest) = text.split_once(&format!("{name}=\"")).unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

fn md5_hex(text: &str) -> String {
    Md5::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Checks a proof with qop auth by itself, not with the code under test.
fn proves(proof: &str, request: &Request, password: &str) -> bool {
    let count = proof.split_once("nc=").unwrap().1.get(..8).unwrap();
    let (nonce, cnonce) = (quoted(proof, "nonce"), quoted(proof, "cnonce"));
    let secret = md5_hex(&format!("{}:pbx:{password}", quoted(proof, "username")));
    let covered = md5_hex(&format!("REGISTER:{}", request.uri));
    quoted(proof, "uri") == request.uri.to_string()
        && quoted(proof, "response") == md5_hex(&format!("{secret}:{nonce}:{count}:{cnonce}:auth:{covered}"))
}

/// One line, one registrar, one clock. Messages take no time; silence lasts as timer F says.
pub struct World {
    pub line: Registration,
    pub registrar: Registrar,
    pub now: Instant,
    pub began: Instant,
    pub sent: Vec<(Instant, Request)>,
    pub states: Vec<(Instant, RegistrationState)>,
    transmissions: Option<Transmissions>,
}

/// A request without an answer, retransmitted as RFC 3261 section 17.1.2 says.
struct Transmissions {
    request: Request,
    next_at: Instant,
    interval: Duration,
    ends_at: Instant,
}

impl World {
    pub fn new(config: RegistrationConfig) -> Self {
        Self::seeded(config, 7)
    }

    pub fn seeded(config: RegistrationConfig, seed: u64) -> Self {
        let now = Instant::now();
        Self {
            line: Registration::new(config, ChaCha12Rng::seed_from_u64(seed)),
            registrar: Registrar {
                up: true,
                table: Vec::new(),
                password: None,
                nonce: 0,
                always_stale: false,
                grants_s: None,
                least_s: None,
                seen_from: None,
                omits: None,
                hides_from_questions: false,
                hides_others: false,
                room: None,
                expiry_in_header: false,
                next: VecDeque::new(),
                always: None,
            },
            now,
            began: now,
            sent: Vec::new(),
            states: Vec::new(),
            transmissions: None,
        }
    }

    pub fn started(config: RegistrationConfig) -> Self {
        let mut world = Self::new(config);
        world.input(Input::Start);
        world
    }

    /// Gives an input and lets everything happen that happens at once.
    pub fn input(&mut self, input: Input) {
        self.line.handle_input(input, self.now);
        self.settle();
    }

    /// Lets the clock run.
    pub fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        loop {
            let timer = self.settle();
            let transmission = self.transmissions.as_ref().map(|t| t.next_at.min(t.ends_at));
            match timer.into_iter().chain(transmission).min().filter(|at| *at <= end) {
                None => break,
                Some(at) => self.now = self.now.max(at),
            }
            if transmission.is_some_and(|at| at <= self.now) {
                self.retransmit();
            } else {
                self.line.handle_input(Input::Timeout, self.now);
            }
        }
        self.now = end;
    }

    fn retransmit(&mut self) {
        let Some(mut transmissions) = self.transmissions.take() else {
            return;
        };
        if self.registrar.up {
            let response = self.registrar.answer(&transmissions.request, self.now);
            self.line.handle_input(Input::Response(response), self.now);
        } else if transmissions.ends_at <= self.now {
            self.line.handle_input(Input::TimedOut, self.now);
        } else {
            transmissions.interval = (transmissions.interval * 2).min(seconds(4));
            transmissions.next_at = self.now + transmissions.interval;
            self.transmissions = Some(transmissions);
        }
    }

    /// Empties the outputs; returns the timer.
    fn settle(&mut self) -> Option<Instant> {
        for _ in 0..1000 {
            match self.line.poll_output() {
                Output::SendRequest(request) => self.transmit(*request),
                Output::StateChanged(state) => self.states.push((self.now, state)),
                Output::Timeout { at, .. } => return Some(at),
                Output::Idle => return None,
            }
        }
        panic!("the registration never comes to rest: {} requests at once", self.sent.len());
    }

    fn transmit(&mut self, request: Request) {
        self.sent.push((self.now, request.clone()));
        let mut request = request;
        let mut via = Via::new("UDP", sip(OWN).host, Some(5060));
        via.set_branch("z9hG4bKtest");
        via.set_rport(None);
        request.headers.push_front(HeaderName::Via, via.to_bytes());
        if self.registrar.up {
            let response = self.registrar.answer(&request, self.now);
            self.line.handle_input(Input::Response(response), self.now);
        } else {
            let interval = Duration::from_millis(500);
            let (next_at, ends_at) = (self.now + interval, self.now + seconds(32));
            self.transmissions = Some(Transmissions { request, next_at, interval, ends_at });
        }
    }

    pub fn is_registered(&self) -> bool {
        matches!(self.line.state(), RegistrationState::Registered { .. })
    }

    pub fn last(&self) -> &Request {
        &self.sent.last().unwrap().1
    }

    /// Counts the requests that were sent in the last such time.
    pub fn sent_within(&self, duration: Duration) -> usize {
        self.sent.iter().filter(|(at, _)| *at + duration > self.now).count()
    }

    /// The most requests in any stretch of a minute.
    pub fn busiest_minute(&self) -> usize {
        let within = |from: Instant| {
            self.sent.iter().filter(|(at, _)| *at >= from && *at < from + seconds(60)).count()
        };
        self.sent.iter().map(|(at, _)| within(*at)).max().unwrap_or(0)
    }
}

pub fn contacts(request: &Request) -> Vec<NameAddr> {
    request.headers.contacts().unwrap()
}

/// The seconds from one instant to another.
pub fn gap(from: Instant, to: Instant) -> f64 {
    to.saturating_duration_since(from).as_secs_f64()
}
