//! A user agent on a scripted clock, and phones that write to it by any path.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use linecard_sip::digest::{Attempt, Credentials, DigestClient, Offer, Secret};
use linecard_sip::message::{HeaderName, Message, Method, Request, Response, parse_datagram};
use linecard_sip::registrar::{Binding, Phone, PhoneId, Terms};
use linecard_sip::transport::{Flow, LocalAddress, Transport};
use linecard_sip::ua::{Admits, Event, Input, Output, RegistrarConfig, UserAgent, UserAgentConfig};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

pub(crate) const LOCAL: &str = "192.0.2.9:5060";
pub(crate) const HOME: &str = "10.0.0.7:5062";
pub(crate) const ABROAD: &str = "203.0.113.7:40000";

pub(crate) struct Bench {
    pub(crate) ua: UserAgent,
    pub(crate) now: Instant,
    pub(crate) sent: Vec<(Flow, Message)>,
    pub(crate) closed: Vec<Flow>,
    pub(crate) events: Vec<Event>,
    wake_at: Option<Instant>,
    branches: u32,
    rng: ChaCha12Rng,
}

/// One phone's own memory.
pub(crate) struct Handset {
    pub(crate) flow: Flow,
    username: String,
    digest: DigestClient,
    pub(crate) contact: String,
    pub(crate) call_id: String,
    pub(crate) cseq: u32,
}

pub(crate) fn flow(transport: Transport, remote: &str) -> Flow {
    Flow::new(transport, LOCAL.parse().unwrap(), remote.parse().unwrap())
}

pub(crate) fn phone(name: &str) -> Phone {
    let username = format!("u{name}");
    let secret = Secret::of(&username, "linecard", "right");
    Phone { id: PhoneId::new(name), username, secret }
}

impl Handset {
    pub(crate) fn at(remote: &str, username: &str, password: &str) -> Self {
        let credentials = Credentials { username: username.to_owned(), password: password.to_owned() };
        Self {
            flow: flow(Transport::Udp, remote),
            username: username.to_owned(),
            digest: DigestClient::new(credentials),
            contact: format!("<sip:{username}@{remote}>"),
            call_id: format!("of-{username}"),
            cseq: 0,
        }
    }

    pub(crate) fn by(mut self, transport: Transport) -> Self {
        self.flow.transport = transport;
        self
    }
}

impl Bench {
    pub(crate) fn new(admits: Admits) -> Self {
        Self::with(admits, Offer::Sha256AndMd5)
    }

    pub(crate) fn with(admits: Admits, offer: Offer) -> Self {
        let local = |transport| LocalAddress { transport, addr: LOCAL.parse::<SocketAddr>().unwrap() };
        let terms = Terms { least_s: 60, most_s: 3_600, default_s: 300 };
        let config = UserAgentConfig {
            local_addresses: vec![local(Transport::Udp), local(Transport::Tcp)],
            registrar: Some(RegistrarConfig { realm: "linecard".to_owned(), offer, admits, terms }),
            ..UserAgentConfig::default()
        };
        let mut bench = Self {
            ua: UserAgent::new(config, ChaCha12Rng::seed_from_u64(5)),
            now: Instant::now() + Duration::from_secs(100_000),
            sent: Vec::new(),
            closed: Vec::new(),
            events: Vec::new(),
            wake_at: None,
            branches: 0,
            rng: ChaCha12Rng::seed_from_u64(6),
        };
        bench.ua.set_phone(phone("7"));
        bench.ua.set_phone(phone("8"));
        bench.pump();
        bench.events.clear();
        bench
    }

    pub(crate) fn pump(&mut self) {
        loop {
            match self.ua.poll_output() {
                Output::Transmit { flow, payload } => {
                    if payload.iter().any(|byte| !matches!(byte, b'\r' | b'\n')) {
                        self.sent.push((flow, parse_datagram(&payload).unwrap()));
                    }
                }
                Output::CloseStream { flow } => self.closed.push(flow),
                Output::Event(event) => self.events.push(event),
                Output::Timeout { at, .. } => return self.wake_at = Some(at),
                Output::Idle => return self.wake_at = None,
                Output::Resolve { .. } => panic!("no name is needed"),
            }
        }
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.wake_at.filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.ua.handle_input(Input::Timeout, self.now);
            self.pump();
        }
        self.now = until;
    }

    pub(crate) fn write(&mut self, flow: Flow, message: &Message) {
        let payload = match message {
            Message::Request(request) => request.to_bytes(),
            Message::Response(response) => response.to_bytes(),
        };
        let input = match flow.transport {
            Transport::Udp => Input::Datagram { flow, payload: &payload },
            _ => Input::StreamData { flow, payload: &payload },
        };
        self.ua.handle_input(input, self.now);
        self.pump();
    }

    pub(crate) fn request(&mut self, handset: &mut Handset, method: &str, more: &str) -> Request {
        self.branches += 1;
        handset.cseq += 1;
        let Handset { username, contact, call_id, cseq, flow, .. } = handset;
        let (branch, remote, via) = (self.branches, flow.remote, flow.transport.as_via());
        let contact =
            if more.contains("Contact:") { String::new() } else { format!("Contact: {contact}\r\n") };
        let text = format!(
            "{method} sip:192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/{via} {remote};rport;branch=z9hG4bK{branch}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:{username}@192.0.2.9>;tag=f{branch}\r\nTo: <sip:{username}@192.0.2.9>\r\n\
             Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n{contact}{more}User-Agent: Desk 7\r\nContent-Length: 0\r\n\r\n"
        );
        match parse_datagram(text.as_bytes()).unwrap() {
            Message::Request(request) => request,
            Message::Response(_) => unreachable!("a request was written"),
        }
    }

    /// Sends a request, and answers the challenge; gives the last response, if any came.
    pub(crate) fn asks(&mut self, handset: &mut Handset, request: Request) -> Option<Response> {
        let first = self.exchange(handset.flow, &request)?;
        if !matches!(first.status.get(), 401 | 407) {
            return Some(first);
        }
        let again = self.proved(handset, request, &first);
        self.exchange(handset.flow, &again)
    }

    /// Makes the request that answers a challenge.
    pub(crate) fn proved(
        &mut self,
        handset: &mut Handset,
        mut request: Request,
        challenge: &Response,
    ) -> Request {
        self.branches += 1;
        handset.cseq += 1;
        request.headers.set(HeaderName::CSeq, format!("{} {}", handset.cseq, request.method.as_str()));
        let mut via = request.headers.top_via().unwrap();
        via.set_branch(&format!("z9hG4bK{}", self.branches));
        request.headers.set_top_via(&via);
        let digest = &mut handset.digest;
        digest.answer(&mut Attempt::default(), &mut request, challenge, &mut self.rng).unwrap();
        request
    }

    pub(crate) fn exchange(&mut self, flow: Flow, request: &Request) -> Option<Response> {
        let before = self.sent.len();
        self.write(flow, &Message::Request(request.clone()));
        self.sent[before..].iter().rev().find_map(|(_, message)| match message {
            Message::Response(response) => Some(response.clone()),
            Message::Request(_) => None,
        })
    }

    pub(crate) fn registers(&mut self, handset: &mut Handset, more: &str) -> Option<Response> {
        let request = self.request(handset, "REGISTER", more);
        self.asks(handset, request)
    }

    pub(crate) fn bindings(&self, phone: &str) -> Vec<Binding> {
        self.ua.phone_bindings(&PhoneId::new(phone)).to_vec()
    }

    /// The last request of a method that was sent, and where to.
    pub(crate) fn last(&self, method: Method) -> Option<(Flow, Request)> {
        self.sent.iter().rev().find_map(|(flow, message)| match message {
            Message::Request(request) if request.method == method => Some((*flow, request.clone())),
            _ => None,
        })
    }

    pub(crate) fn count(&self, method: &Method) -> usize {
        let of =
            |message: &Message| matches!(message, Message::Request(request) if request.method == *method);
        self.sent.iter().filter(|(_, message)| of(message)).count()
    }
}

pub(crate) fn status(response: Option<Response>) -> u16 {
    response.map_or(0, |response| response.status.get())
}

pub(crate) fn contacts(response: &Response) -> Vec<String> {
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
    response.headers.get_all(&HeaderName::Contact).map(text).collect()
}
