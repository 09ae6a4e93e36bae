//! Calls to phones and from them.

use std::time::Duration;

use linecard_sip::message::{HeaderName, Message, Method, Response, StatusCode};
use linecard_sip::transport::Transport;
use linecard_sip::ua::{Admits, CallerId, Event, Input, Inviter, OutgoingInvite, Route};
use linecard_sip::uri::Uri;

use crate::bench::{Bench, HOME, Handset, status};

fn invite(bench: &Bench) -> OutgoingInvite {
    let binding = bench.bindings("7")[0].clone();
    OutgoingInvite {
        target: Uri::Sip(binding.lease.contact),
        route: Route::Phone(binding.id),
        caller: CallerId { display: Some("Ivanov".to_owned()), user: Some("+78312123456".to_owned()) },
        headers: Vec::new(),
        offer: Some(b"v=0\r\n".to_vec()),
        beside: None,
    }
}

fn answer(request: &linecard_sip::message::Request) -> Response {
    let mut answer = Response::reply_to(request, StatusCode::OK);
    answer.headers.set_to_tag("phone");
    answer.headers.set(HeaderName::Contact, "<sip:u7@192.168.1.5:5060>");
    answer
}

#[test]
fn every_request_to_a_phone_behind_a_nat_takes_the_path_that_it_registered_by() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut bench = Bench::new(Admits::Known);
        let mut handset = Handset::at(HOME, "u7", "right").by(transport);
        handset.contact = "<sip:u7@192.168.1.5:5060>".to_owned();
        bench.ua.handle_input(Input::StreamOpened { flow: handset.flow }, bench.now);
        bench.registers(&mut handset, "").unwrap();
        let big = OutgoingInvite { offer: Some(vec![b'x'; 3_000]), ..invite(&bench) };
        let leg = bench.ua.invite(big, bench.now).unwrap();
        bench.pump();
        let (flow, invited) = bench.last(Method::Invite).unwrap();
        assert_eq!(flow, handset.flow, "however large it is");
        assert_eq!(invited.uri.to_string(), "sip:u7@192.168.1.5:5060");
        assert_eq!(invited.headers.from_().unwrap().display_text().as_deref(), Some("Ivanov"));
        let from = invited.headers.from_().unwrap().uri.to_string();
        assert_eq!(from, "sip:+78312123456@192.0.2.9");
        bench.write(handset.flow, &Message::Response(answer(&invited)));
        assert_eq!(bench.last(Method::Ack).unwrap().0, handset.flow);
        bench.ua.bye(leg, None, bench.now).unwrap();
        bench.pump();
        assert_eq!(bench.last(Method::Bye).unwrap().0, handset.flow);
    }
}

#[test]
fn a_binding_that_is_over_rings_no_more() {
    let mut bench = Bench::new(Admits::Known);
    let mut handset = Handset::at(HOME, "u7", "right");
    bench.registers(&mut handset, "Expires: 60\r\n").unwrap();
    let invite = invite(&bench);
    bench.pass(Duration::from_secs(60));
    assert!(bench.ua.invite(invite, bench.now).is_err());
    assert_eq!(bench.count(&Method::Invite), 0);
}

#[test]
fn a_call_of_a_phone_is_challenged_each_time_and_told_with_its_phone() {
    let mut bench = Bench::new(Admits::Known);
    let mut handset = Handset::at(HOME, "u7", "right");
    bench.registers(&mut handset, "").unwrap();
    handset.call_id = "a-call".to_owned();
    let request = bench.request(&mut handset, "INVITE", "");
    let challenge = bench.exchange(handset.flow, &request).unwrap();
    assert_eq!(challenge.status.get(), 407);
    assert!(!bench.events.iter().any(|event| matches!(event, Event::InviteReceived { .. })));
    let proved = bench.proved(&mut handset, request, &challenge);
    bench.exchange(handset.flow, &proved);
    let told: Vec<_> = bench
        .events
        .iter()
        .filter_map(|event| match event {
            Event::InviteReceived { by, handle, .. } => Some((by.clone(), *handle)),
            _ => None,
        })
        .collect();
    let [(Inviter::Phone(phone), leg)] = &told[..] else { panic!("{told:?}") };
    assert_eq!(phone.as_str(), "7");
    // Whoever is refused gets the reason as the phrase, which phones show.
    bench.ua.reject(*leg, 403, Some("Barred"), bench.now).unwrap();
    bench.pump();
    let refused = bench.sent.iter().rev().find_map(|(flow, message)| match message {
        Message::Response(response) if response.status.get() == 403 => Some((*flow, response.reason.clone())),
        _ => None,
    });
    assert_eq!(refused, Some((handset.flow, b"Barred".to_vec())));
}

#[test]
fn a_call_as_another_phone_or_with_a_wrong_password_is_no_call() {
    let mut bench = Bench::new(Admits::Known);
    let mut handset = Handset::at(HOME, "u7", "right");
    bench.registers(&mut handset, "").unwrap();
    let mut guesser = Handset::at(HOME, "u8", "guess");
    let request = bench.request(&mut guesser, "INVITE", "");
    assert_eq!(status(bench.asks(&mut guesser, request)), 407);
    assert!(!bench.events.iter().any(|event| matches!(event, Event::InviteReceived { .. })));
}

#[test]
fn a_phone_that_asks_whether_the_server_lives_is_answered() {
    let mut bench = Bench::new(Admits::Anyone);
    let mut handset = Handset::at("203.0.113.7:40000", "u7", "right");
    let request = bench.request(&mut handset, "OPTIONS", "");
    assert_eq!(status(bench.exchange(handset.flow, &request)), 0, "not before it is registered");
    bench.registers(&mut handset, "").unwrap();
    let request = bench.request(&mut handset, "OPTIONS", "");
    assert_eq!(status(bench.exchange(handset.flow, &request)), 200);
}
