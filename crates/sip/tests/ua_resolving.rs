//! Calls to names: asked once, taken back when cancelled, refused when nobody knows them.

use std::time::{Duration, Instant};

use linecard_sip::transport::{LocalAddress, Transport};
use linecard_sip::ua::{
    Answer, CallerId, DialogHandle, EndCause, Event, Input, OutgoingInvite, Output, Question, Records,
    ResolveId, Route, UserAgent, UserAgentConfig,
};
use linecard_sip::uri::Uri;
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::SeedableRng;

fn agent() -> UserAgent {
    let addr = "192.0.2.9:5060".parse().expect("an address");
    let config = UserAgentConfig {
        local_addresses: vec![LocalAddress { transport: Transport::Udp, addr }],
        ..UserAgentConfig::default()
    };
    UserAgent::new(config, ChaCha12Rng::seed_from_u64(1))
}

fn call(ua: &mut UserAgent, target: &str, now: Instant) -> DialogHandle {
    let invite = OutgoingInvite {
        target: Uri::parse(target.as_bytes()).expect("a URI"),
        route: Route::Direct,
        caller: CallerId::default(),
        headers: Vec::new(),
        offer: None,
        beside: None,
    };
    ua.invite(invite, now).expect("placed")
}

/// Everything until nothing more is to be done now.
fn outputs(ua: &mut UserAgent) -> Vec<Output> {
    std::iter::from_fn(|| Some(ua.poll_output()))
        .take_while(|output| !matches!(output, Output::Timeout { .. } | Output::Idle))
        .collect()
}

/// The questions asked, in order.
fn questions(outputs: &[Output]) -> Vec<(ResolveId, Question)> {
    let asked = outputs.iter().filter_map(|output| match output {
        Output::Resolve { id, question } => Some((*id, question.clone())),
        _ => None,
    });
    asked.collect()
}

/// The only question asked.
fn question(outputs: &[Output], expected: Question) -> ResolveId {
    match questions(outputs).as_slice() {
        [(id, question)] if *question == expected => *id,
        other => panic!("{expected:?}, not {other:?}"),
    }
}

fn answers(ua: &mut UserAgent, id: ResolveId, records: Records, now: Instant) {
    ua.handle_input(Input::Resolved { id, answer: Answer { records, valid: Duration::from_secs(60) } }, now);
}

fn service(name: &str) -> Question {
    Question::Srv(format!("_sip._udp.{name}"))
}

/// Says that no service is named, and where the host is.
fn is_at(ua: &mut UserAgent, addresses: &[&str], now: Instant) {
    let id = question(&outputs(ua), service("pbx.example"));
    answers(ua, id, Records::Srv(Vec::new()), now);
    let id = question(&outputs(ua), Question::Addresses("pbx.example".to_owned()));
    let addresses = addresses.iter().map(|it| it.parse().expect("an address")).collect();
    answers(ua, id, Records::Addresses(addresses), now);
}

#[test]
fn a_name_is_asked_once_and_then_remembered() {
    let (mut ua, now) = (agent(), Instant::now());
    call(&mut ua, "sip:1@pbx.example", now);
    call(&mut ua, "sip:2@PBX.example.", now);
    is_at(&mut ua, &["192.0.2.5"], now);
    call(&mut ua, "sip:3@pbx.example", now);
    let sent = outputs(&mut ua);
    assert_eq!(sent.len(), 3);
    for output in sent {
        match output {
            Output::Transmit { flow, .. } => assert_eq!(flow.remote.to_string(), "192.0.2.5:5060"),
            other => panic!("{other:?}"),
        }
    }
    call(&mut ua, "sip:4@pbx.example:5070", now);
    let [Output::Transmit { flow, .. }] = outputs(&mut ua)[..] else { panic!("the address is known") };
    assert_eq!(flow.remote.to_string(), "192.0.2.5:5070", "with a port no service is asked for");
    call(&mut ua, "sip:5@pbx.example", now + Duration::from_secs(61));
    question(&outputs(&mut ua), service("pbx.example"));
}

#[test]
fn a_call_cancelled_before_its_name_is_known_never_leaves() {
    let (mut ua, now) = (agent(), Instant::now());
    let handle = call(&mut ua, "sip:1@pbx.example", now);
    let id = question(&outputs(&mut ua), service("pbx.example"));
    ua.cancel(handle, None, now).unwrap();
    let ended = Event::Ended { handle, cause: EndCause::Cancelled };
    assert_eq!(outputs(&mut ua), [Output::Event(ended)]);
    answers(&mut ua, id, Records::Srv(Vec::new()), now);
    assert_eq!(outputs(&mut ua), []);
    assert_eq!((ua.leg_count(), ua.dialog_count()), (0, 0));
}

#[test]
fn a_name_without_address_is_a_503() {
    let (mut ua, now) = (agent(), Instant::now());
    let handle = call(&mut ua, "sip:1@pbx.example", now);
    is_at(&mut ua, &[], now);
    let told = outputs(&mut ua);
    assert!(
        told.iter().any(
            |output| matches!(output, Output::Event(Event::Unresolved { host }) if host == "pbx.example")
        )
    );
    assert!(told.iter().any(|output| {
        matches!(output, Output::Event(Event::Rejected { handle: of, status: 503, .. }) if *of == handle)
    }));
    assert_eq!(ua.leg_count(), 0);
}
