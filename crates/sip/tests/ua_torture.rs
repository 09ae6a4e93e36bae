//! What a whole user agent sends back to each message of RFC 4475 and RFC 5118, from a known peer.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use linecard_sip::message::{HeaderName, Message, Response, parse_datagram};
use linecard_sip::transport::{Flow, LocalAddress, Transport};
use linecard_sip::ua::{Event, Input, Output, UserAgent, UserAgentConfig};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

fn corpus(part: &str) -> PathBuf {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/corpora")).join(part);
    assert!(
        path.exists(),
        "the corpus {} is missing: the shared corpora must lie beside the project",
        path.display()
    );
    path
}

fn agent() -> UserAgent {
    let config = UserAgentConfig {
        local_addresses: vec![LocalAddress { transport: Transport::Udp, addr: local() }],
        known_sources: vec![peer().ip()],
        ..UserAgentConfig::default()
    };
    UserAgent::new(config, ChaCha12Rng::seed_from_u64(1))
}

fn local() -> SocketAddr {
    "192.0.2.9:5060".parse().expect("readable")
}

fn peer() -> SocketAddr {
    "192.0.2.1:5060".parse().expect("readable")
}

/// Gives a datagram to a fresh user agent and collects its responses: all statuses but 100, without repetitions.
fn answers(bytes: &[u8]) -> (Vec<Vec<u8>>, Vec<Event>) {
    let mut ua = agent();
    let mut now = Instant::now();
    let flow = Flow::new(Transport::Udp, local(), peer());
    ua.handle_input(Input::Datagram { flow, payload: bytes }, now);
    let (mut responses, mut events): (Vec<Vec<u8>>, Vec<Event>) = (Vec::new(), Vec::new());
    let deadline = now + Duration::from_secs(120);
    loop {
        match ua.poll_output() {
            Output::Transmit { payload, .. } => {
                if status_of(&payload) != 100 && !responses.contains(&payload) {
                    responses.push(payload);
                }
            }
            Output::Event(event) => events.push(event),
            Output::Timeout { at, .. } if at < deadline => {
                now = at;
                ua.handle_input(Input::Timeout, now);
            }
            Output::Timeout { .. } | Output::Idle => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((ua.leg_count(), ua.dialog_count()), (0, 0));
    (responses, events)
}

/// Reads the status line alone: a 400 repeats headers that no parser takes.
fn status_of(response: &[u8]) -> u16 {
    let text = std::str::from_utf8(response.get(..11).expect("readable")).expect("readable");
    text.strip_prefix("SIP/2.0 ").expect("a response").parse().expect("readable")
}

fn statuses(file: &str) -> Vec<u16> {
    let bytes = std::fs::read(corpus("rfc4475").join(file)).expect("readable");
    answers(&bytes).0.iter().map(|response| status_of(response)).collect()
}

fn only(file: &str) -> Response {
    let bytes = std::fs::read(corpus("rfc4475").join(file)).expect("readable");
    let (mut responses, events) = answers(&bytes);
    assert_eq!(responses.len(), 1, "{file} gets exactly one answer");
    assert!(events.is_empty(), "{file} is no call: {events:?}");
    match parse_datagram(&responses.remove(0)) {
        Ok(Message::Response(response)) => response,
        other => panic!("{file}: {other:?}"),
    }
}

/// What each file may be answered, from the manifest; an empty list means silence.
const EXPECTED: [(&str, &[u16]); 48] = [
    ("wsinv.dat", &[481]),
    ("intmeth.dat", &[501]),
    ("esc01.dat", &[404]),
    ("escnull.dat", &[405]),
    ("esc02.dat", &[501]),
    ("lwsdisp.dat", &[200]),
    ("longreq.dat", &[404]),
    ("dblreq.dat", &[405]),
    ("semiuri.dat", &[200, 404]),
    ("transports.dat", &[200]),
    ("mpart01.dat", &[405]),
    ("unreason.dat", &[]),
    ("noreason.dat", &[]),
    ("badinv01.dat", &[400]),
    ("clerr.dat", &[400]),
    ("ncl.dat", &[400]),
    ("scalar02.dat", &[400]),
    ("scalarlg.dat", &[]),
    ("quotbal.dat", &[400]),
    ("ltgtruri.dat", &[400]),
    ("lwsruri.dat", &[400]),
    ("lwsstart.dat", &[400]),
    ("trws.dat", &[400]),
    ("escruri.dat", &[400]),
    ("baddate.dat", &[400, 404]),
    ("regbadct.dat", &[400]),
    ("badaspec.dat", &[400]),
    ("baddn.dat", &[400]),
    ("badvers.dat", &[505]),
    ("mismatch01.dat", &[400]),
    ("mismatch02.dat", &[400, 501]),
    ("bigcode.dat", &[]),
    ("badbranch.dat", &[200, 400]),
    ("insuf.dat", &[400]),
    ("unkscm.dat", &[416]),
    ("novelsc.dat", &[416]),
    ("unksm2.dat", &[405, 400]),
    ("bext01.dat", &[420]),
    ("invut.dat", &[415]),
    ("regaut01.dat", &[405]),
    ("multi01.dat", &[400]),
    ("mcl01.dat", &[400]),
    ("bcast.dat", &[]),
    ("zeromf.dat", &[200]),
    ("cparam01.dat", &[405]),
    ("cparam02.dat", &[405]),
    ("regescrt.dat", &[405, 400]),
    ("sdp01.dat", &[406]),
];

#[test]
fn each_message_of_rfc4475_gets_the_answer_of_the_manifest() {
    for (file, expected) in EXPECTED {
        let got = statuses(file);
        match expected {
            [] => assert!(got.is_empty(), "{file} is dropped, not answered {got:?}"),
            _ => assert!(
                got.len() == 1 && expected.contains(&got[0]),
                "{file}: {got:?}, expected one of {expected:?}"
            ),
        }
    }
    assert_eq!(statuses("inv2543.dat"), [404]);
}

#[test]
fn no_file_of_the_manifest_is_left_out() {
    let manifest = std::fs::read_to_string(corpus("rfc4475").join("manifest.tsv")).unwrap();
    let mut listed: Vec<&str> =
        EXPECTED.iter().map(|(file, _)| *file).chain(["inv2543.dat", "test.dat"]).collect();
    listed.sort_unstable();
    let mut named: Vec<&str> = manifest.lines().skip(1).filter_map(|line| line.split('\t').next()).collect();
    named.sort_unstable();
    assert_eq!(listed, named);
}

#[test]
fn unknown_methods_are_not_implemented_and_known_ones_not_allowed() {
    assert_eq!(only("intmeth.dat").status.get(), 501);
    let refused = only("regaut01.dat");
    assert_eq!(refused.status.get(), 405);
    let allowed = refused.headers.options_of(&HeaderName::Allow);
    assert_eq!(allowed, ["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "UPDATE", "REFER", "INFO", "PRACK"]);
}

#[test]
fn unknown_extensions_are_listed_as_unsupported() {
    let refused = only("bext01.dat");
    assert_eq!(refused.status.get(), 420);
    let mut unsupported = refused.headers.options_of(&HeaderName::Unsupported);
    unsupported.sort();
    assert_eq!(
        unsupported,
        [
            "noProxiesSupportThis",
            "norDoAnyProxiesSupportThis",
            "nothingSupportsThis",
            "nothingSupportsThisEither"
        ]
    );
}

#[test]
fn an_unknown_body_is_refused_with_what_is_accepted() {
    let refused = only("invut.dat");
    assert_eq!(refused.status.get(), 415);
    assert_eq!(refused.headers.get(&HeaderName::Accept), Some(&b"application/sdp"[..]));
}

#[test]
fn every_response_has_a_to_tag() {
    for file in ["bext01.dat", "invut.dat", "wsinv.dat", "lwsdisp.dat", "sdp01.dat"] {
        assert!(only(file).headers.to().is_ok_and(|to| to.tag().is_some()), "{file}");
    }
}

#[test]
fn messages_of_rfc5118_are_answered_over_ipv6_rules() {
    let answered = |file: &str| -> Vec<u16> {
        let bytes = std::fs::read(corpus("rfc5118/wire").join(file)).unwrap();
        answers(&bytes).0.iter().map(|response| status_of(response)).collect()
    };
    let names: Vec<String> = std::fs::read_dir(corpus("rfc5118/wire"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 12);
    for name in names {
        let got = answered(&name);
        if name.starts_with("ipv6-bad") {
            assert_eq!(got, [400], "{name}");
        } else {
            assert!(got.iter().all(|status| *status != 400) && got.len() <= 1, "{name}: {got:?}");
        }
    }
}

#[test]
fn an_unknown_source_gets_nothing_at_all() {
    let mut ua = agent();
    let flow = Flow::new(Transport::Udp, local(), "198.51.100.7:5060".parse().unwrap());
    let now = Instant::now();
    for (file, _) in EXPECTED {
        let bytes = std::fs::read(corpus("rfc4475").join(file)).unwrap();
        ua.handle_input(Input::Datagram { flow, payload: &bytes }, now);
    }
    let mut told = 0;
    loop {
        match ua.poll_output() {
            Output::Event(Event::Suspicious { .. }) => told += 1,
            Output::Idle => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told, 10, "suspicions are bounded");
    assert_eq!(ua.leg_count(), 0);
}
