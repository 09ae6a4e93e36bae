//! Lines that are called to record (RFC 7866): who may, what is answered, and what is told inside the session.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::net::SocketAddr;
use std::time::Instant;

use linecard_sip::digest::{Attempt, Credentials, DigestClient};
use linecard_sip::message::{Header, HeaderName, Message, Method, Response, parse_datagram};
use linecard_sip::siprec;
use linecard_sip::transport::{Flow, LocalAddress, Transport};
use linecard_sip::ua::{
    DialogHandle, Event, Input, Inviter, Line, LineId, Output, Presence, ReinviteAnswer, UserAgent,
    UserAgentConfig,
};
use linecard_sip::uri::Uri;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

const SBC: &str = "192.0.2.1";
const OTHER_SBC: &str = "192.0.2.2";
const TRUSTED: &str = "192.0.2.3";
const STRANGER: &str = "192.0.2.4";
const SDP: &str =
    "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 9000 RTP/AVP 8\r\n";

struct Bench {
    ua: UserAgent,
    now: Instant,
    sent: Vec<Response>,
    asked: Vec<String>,
    events: Vec<Event>,
    branch: u32,
}

fn local() -> SocketAddr {
    "192.0.2.9:5060".parse().unwrap()
}

fn line(name: &str, server: &str, username: &str, password: &str, presence: Presence) -> Line {
    Line {
        id: LineId::new(name),
        server: server.to_owned(),
        username: username.to_owned(),
        password: password.to_owned(),
        auth_username: None,
        outbound_proxy: None,
        transport: Some(Transport::Udp),
        websocket_path: None,
        expires_s: 120,
        contact_user: (presence == Presence::Registers).then(|| "unguessable".to_owned()),
        presence,
    }
}

impl Bench {
    fn open(lines: &[Line]) -> Self {
        let config = UserAgentConfig {
            local_addresses: vec![LocalAddress { transport: Transport::Udp, addr: local() }],
            known_sources: vec![TRUSTED.parse().unwrap()],
            ..UserAgentConfig::default()
        };
        let ua = UserAgent::new(config, ChaCha12Rng::seed_from_u64(1));
        let (now, sent, asked, events) = (Instant::now(), Vec::new(), Vec::new(), Vec::new());
        let mut bench = Self { ua, now, sent, asked, events, branch: 0 };
        for line in lines {
            bench.ua.add_line(line.clone(), now).unwrap();
            bench.drain();
        }
        bench
    }

    fn recorder() -> Self {
        Self::open(&[line("rec", SBC, "rec", "", Presence::Records)])
    }

    fn drain(&mut self) {
        loop {
            match self.ua.poll_output() {
                Output::Transmit { payload, .. } => match parse_datagram(&payload).unwrap() {
                    Message::Response(response) if response.status.is_provisional() => {}
                    Message::Response(response) => self.sent.push(response),
                    Message::Request(_) => {
                        self.asked.push(String::from_utf8_lossy(&payload).lines().next().unwrap().to_owned());
                    }
                },
                Output::Event(event) => self.events.push(event),
                Output::Timeout { .. } | Output::Idle => return,
                _ => {}
            }
        }
    }

    /// Sends a request and gives the final answer, if one comes at once.
    fn ask(&mut self, from: &str, start: &str, cseq: u32, more: &str, body: &str) -> Option<Response> {
        self.branch += 1;
        let (branch, method) = (self.branch, start.split(' ').next().unwrap());
        let to = if more.contains("\r\nTo:") || more.starts_with("To:") {
            ""
        } else {
            "To: <sip:rec@192.0.2.9>\r\n"
        };
        let text = format!(
            "{start} SIP/2.0\r\nVia: SIP/2.0/UDP {from}:5060;branch=z9hG4bK{branch}\r\nMax-Forwards: 70\r\n\
             From: <sip:sbc@{from}>;tag=a\r\n{to}Call-ID: c{from}\r\nCSeq: {cseq} {method}\r\n\
             Contact: <sip:sbc@{from}>;+sip.src\r\n{more}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let flow = Flow::new(Transport::Udp, local(), SocketAddr::new(from.parse().unwrap(), 5060));
        let before = self.sent.len();
        self.ua.handle_input(Input::Datagram { flow, payload: text.as_bytes() }, self.now);
        self.drain();
        self.sent.get(before).cloned()
    }

    fn invite(&mut self, from: &str, user: &str) -> Option<Response> {
        let start = format!("INVITE sip:{user}@192.0.2.9");
        self.ask(from, &start, 1, &format!("Require: siprec\r\n{MIXED}"), &mixed("first"))
    }

    fn invited(&self) -> Option<(DialogHandle, LineId)> {
        self.events.iter().rev().find_map(|event| match event {
            Event::InviteReceived { handle, by: Inviter::Line(line), .. } => Some((*handle, line.clone())),
            _ => None,
        })
    }

    /// Begins a session and gives its handle and the tag of this end.
    fn begin(&mut self) -> (DialogHandle, String) {
        assert!(self.invite(SBC, "rec").is_none(), "the application answers");
        let (handle, _) = self.invited().unwrap();
        let before = self.sent.len();
        self.ua.accept(handle, SDP.as_bytes(), self.now).unwrap();
        self.drain();
        let answer = self.sent[before].clone();
        let tag = answer.headers.to().unwrap().tag().unwrap().to_owned();
        self.ask(SBC, "ACK sip:rec@192.0.2.9", 1, &format!("To: <sip:rec@192.0.2.9>;tag={tag}\r\n"), "");
        (handle, tag)
    }

    fn told(&self) -> Vec<String> {
        let told = self.events.iter().filter_map(|event| match event {
            Event::MetadataReceived { document, .. } => Some(String::from_utf8(document.clone()).unwrap()),
            _ => None,
        });
        told.collect()
    }
}

const MIXED: &str = "Content-Type: multipart/mixed;boundary=b\r\n";

fn mixed(document: &str) -> String {
    format!(
        "--b\r\nContent-Type: application/sdp\r\n\r\n{SDP}\r\n--b\r\nContent-Type: application/rs-metadata+xml\r\n\
         Content-Disposition: recording-session\r\n\r\n{document}\r\n--b--\r\n"
    )
}

#[test]
fn a_server_that_records_is_greeted_and_its_session_answered_as_by_a_recording_server() {
    let mut bench = Bench::recorder();
    assert_eq!(bench.asked, ["OPTIONS sip:192.0.2.1 SIP/2.0"]);
    let (_, tag) = bench.begin();
    let answer = bench.sent[0].clone();
    let contact = answer.headers.text(&HeaderName::Contact).unwrap().into_owned();
    assert!(contact.ends_with(";+sip.srs") && contact.contains("rec@"), "{contact}");
    assert!(answer.headers.options_of(&HeaderName::Supported).contains(&siprec::OPTION.to_owned()));
    let request = bench.events.iter().find_map(|event| match event {
        Event::InviteReceived { request, offer, .. } => Some((request.clone(), offer.clone())),
        _ => None,
    });
    let (request, offer) = request.unwrap();
    assert_eq!(offer.as_deref(), Some(SDP.as_bytes()), "the description is taken out of the body");
    assert!(siprec::is_required(&request));
    assert_eq!(siprec::metadata_of(&request.headers, &request.body).unwrap().as_deref(), Some(&b"first"[..]));
    assert!(!tag.is_empty());
}

#[test]
fn what_is_told_inside_the_session_comes_up_from_each_request() {
    let mut bench = Bench::recorder();
    let (handle, tag) = bench.begin();
    let to = format!("To: <sip:rec@192.0.2.9>;tag={tag}\r\nRequire: siprec\r\n");
    let xml = "Content-Type: application/rs-metadata\r\n";
    let update = bench.ask(SBC, "UPDATE sip:rec@192.0.2.9", 2, &format!("{to}{xml}"), "second").unwrap();
    assert_eq!(update.status.get(), 200, "an update without a description is a refresh");
    assert!(
        bench
            .ask(
                SBC,
                "INVITE sip:rec@192.0.2.9",
                3,
                &format!("{to}{MIXED}"),
                &mixed("third").replace("9000", "9002")
            )
            .is_none()
    );
    assert_eq!(bench.told(), ["second", "third"]);
    assert!(matches!(bench.events.last(), Some(Event::ReinviteReceived { offer: Some(_), .. })));
    bench.ua.answer_reinvite(handle, ReinviteAnswer::Accept(SDP.as_bytes().to_vec()), bench.now).unwrap();
    bench.drain();
    let bye = bench.ask(SBC, "BYE sip:rec@192.0.2.9", 4, &format!("{to}{xml}"), "last").unwrap();
    assert_eq!((bye.status.get(), bench.told().len()), (200, 3));
    let late =
        bench.ask(SBC, "INVITE sip:rec@192.0.2.9", 5, &format!("{to}{MIXED}"), &mixed("late")).unwrap();
    assert_eq!(late.status.get(), 481, "whatever it asks for");
}

#[test]
fn only_the_lines_server_or_a_configured_peer_may_send() {
    let lines = [
        line("one", SBC, "rec", "", Presence::Records),
        line("two", OTHER_SBC, "rec", "", Presence::Records),
        line("pbx", "192.0.2.5", "100", "secret", Presence::Registers),
    ];
    let mut bench = Bench::open(&lines);
    assert!(bench.invite(SBC, "rec").is_none());
    assert_eq!(bench.invited().unwrap().1, LineId::new("one"));
    assert!(bench.invite(OTHER_SBC, "rec").is_none());
    assert_eq!(
        bench.invited().unwrap().1,
        LineId::new("two"),
        "lines of one name are told apart by who sends"
    );
    assert!(bench.invite(TRUSTED, "rec").is_none());
    let before = bench.events.len();
    assert!(bench.invite(STRANGER, "rec").is_none(), "strangers are not answered");
    let invited = |event: &Event| matches!(event, Event::InviteReceived { .. });
    assert!(!bench.events[before..].iter().any(invited));
    let refused = bench.invite("192.0.2.5", "rec").unwrap();
    assert_eq!(refused.status.get(), 420, "the server of another line calls no recorder");
    assert_eq!(refused.headers.text(&HeaderName::Unsupported).unwrap(), "siprec");
    let phone = bench.invite(SBC, "unguessable").unwrap();
    assert_eq!(phone.status.get(), 420, "a line that takes calls is no recorder");
}

#[test]
fn a_body_that_cannot_be_taken_apart_is_refused_with_what_is_wrong() {
    let mut bench = Bench::recorder();
    let start = "INVITE sip:rec@192.0.2.9";
    let cut = mixed("x").replace("--b--", "");
    let refused = bench.ask(SBC, start, 1, MIXED, &cut).unwrap();
    assert_eq!(refused.status.get(), 400);
    let warning = refused.headers.text(&HeaderName::Warning).unwrap().into_owned();
    assert_eq!(warning, "399 server \"the body: its last boundary is missing\"");
    let foreign = mixed("x").replace("application/rs-metadata+xml", "application/unheard-of");
    let refused = bench.ask(SBC, start, 2, MIXED, &foreign).unwrap();
    assert_eq!(refused.status.get(), 415);
    assert!(refused.headers.text(&HeaderName::Accept).unwrap().contains("rs-metadata+xml"));
    let optional = foreign.replace("recording-session", "render;handling=optional");
    assert!(bench.ask(SBC, start, 3, MIXED, &optional).is_none(), "what may be left aside is");
}

#[test]
fn a_call_whose_description_is_one_part_of_several_is_taken_too() {
    let mut bench = Bench::open(&[line("pbx", SBC, "100", "secret", Presence::Registers)]);
    let isup = mixed("x")
        .replace("application/rs-metadata+xml", "application/isup")
        .replace("recording-session", "signal;handling=optional");
    assert!(bench.ask(SBC, "INVITE sip:unguessable@192.0.2.9", 1, MIXED, &isup).is_none());
    let offer = bench.events.iter().find_map(|event| match event {
        Event::InviteReceived { offer, .. } => offer.clone(),
        _ => None,
    });
    assert_eq!(offer.as_deref(), Some(SDP.as_bytes()));
}

#[test]
fn a_line_with_a_password_asks_for_it() {
    let mut bench = Bench::open(&[line("rec", SBC, "rec", "сим-сим", Presence::Records)]);
    let challenge = bench.invite(SBC, "rec").unwrap();
    assert_eq!(challenge.status.get(), 401);
    let mut answer = |password: &str, cseq: u32, challenge: &Response| {
        let credentials = Credentials { username: "rec".to_owned(), password: password.to_owned() };
        let mut client = DigestClient::new(credentials);
        let mut rng = ChaCha12Rng::seed_from_u64(u64::from(cseq));
        let uri = Uri::parse(b"sip:rec@192.0.2.9").unwrap();
        let mut request = linecard_sip::message::Request::new(Method::Invite, uri);
        request.body = mixed("first").into_bytes();
        client.answer(&mut Attempt::default(), &mut request, challenge, &mut rng).unwrap();
        let header: &Header = request.headers.iter().find(|it| it.name == HeaderName::Authorization).unwrap();
        let value = String::from_utf8(header.value.clone()).unwrap();
        let more = format!("Require: siprec\r\nAuthorization: {value}\r\n{MIXED}");
        bench.ask(SBC, "INVITE sip:rec@192.0.2.9", cseq, &more, &mixed("first"))
    };
    let wrong = answer("guess", 2, &challenge).unwrap();
    assert_eq!(wrong.status.get(), 401);
    assert!(answer("сим-сим", 3, &wrong).is_none(), "the application is told");
    assert!(bench.invited().is_some());
}
