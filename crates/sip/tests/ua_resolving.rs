//! Calls to names: asked once, taken back when cancelled, refused when nobody knows them.

use std::time::Instant;

use linecard_sip::transport::{LocalAddress, Transport};
use linecard_sip::ua::{
    CallerId, DialogHandle, EndCause, Event, Input, OutgoingInvite, Output, ResolveId, Route, UserAgent,
    UserAgentConfig,
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
    };
    ua.invite(invite, now).expect("placed")
}

/// Everything until nothing more is to be done now.
fn outputs(ua: &mut UserAgent) -> Vec<Output> {
    std::iter::from_fn(|| Some(ua.poll_output()))
        .take_while(|output| !matches!(output, Output::Timeout { .. } | Output::Idle))
        .collect()
}

fn question(outputs: &[Output]) -> ResolveId {
    match outputs {
        [Output::Resolve { id, host, port: None, transport: Transport::Udp }] if host == "pbx.example" => *id,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_name_is_asked_once_and_then_remembered() {
    let (mut ua, now) = (agent(), Instant::now());
    call(&mut ua, "sip:1@pbx.example", now);
    let id = question(&outputs(&mut ua));
    call(&mut ua, "sip:2@PBX.example", now);
    assert_eq!(outputs(&mut ua), [], "the question is under way");
    ua.handle_input(Input::Resolved { id, addresses: vec!["192.0.2.5:5062".parse().unwrap()] }, now);
    call(&mut ua, "sip:3@pbx.example", now);
    let sent = outputs(&mut ua);
    assert_eq!(sent.len(), 3);
    for output in sent {
        match output {
            Output::Transmit { flow, .. } => assert_eq!(flow.remote.to_string(), "192.0.2.5:5062"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_call_cancelled_before_its_name_is_known_never_leaves() {
    let (mut ua, now) = (agent(), Instant::now());
    let handle = call(&mut ua, "sip:1@pbx.example", now);
    let id = question(&outputs(&mut ua));
    ua.cancel(handle, None, now).unwrap();
    let ended = Event::Ended { handle, cause: EndCause::Cancelled };
    assert_eq!(outputs(&mut ua), [Output::Event(ended)]);
    ua.handle_input(Input::Resolved { id, addresses: vec!["192.0.2.5:5060".parse().unwrap()] }, now);
    assert_eq!(outputs(&mut ua), []);
    assert_eq!((ua.leg_count(), ua.dialog_count()), (0, 0));
}

#[test]
fn a_name_without_address_is_a_503() {
    let (mut ua, now) = (agent(), Instant::now());
    let handle = call(&mut ua, "sip:1@pbx.example", now);
    let id = question(&outputs(&mut ua));
    ua.handle_input(Input::Resolved { id, addresses: Vec::new() }, now);
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
