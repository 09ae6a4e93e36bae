//! What a REGISTER binds, renews and removes (RFC 3261 section 10.3).

use std::time::Duration;

use linecard_sip::message::{HeaderName, Message};
use linecard_sip::registrar::PhoneId;
use linecard_sip::transport::Transport;
use linecard_sip::ua::{Admits, Event, Input};

use crate::bench::{ABROAD, Bench, HOME, Handset, contacts, flow, status};

fn home() -> (Bench, Handset) {
    (Bench::new(Admits::Known), Handset::at(HOME, "u7", "right"))
}

#[test]
fn a_phone_that_proves_itself_is_bound_by_the_path_that_it_came_by() {
    let (mut bench, mut handset) = home();
    handset.contact = "<sip:u7@192.168.1.5:5060>;q=0.5".to_owned();
    let response = bench.registers(&mut handset, "Expires: 600\r\n").unwrap();
    assert_eq!(response.status.get(), 200);
    assert_eq!(contacts(&response), ["<sip:u7@192.168.1.5:5060>;expires=600;q=0.500"]);
    let bindings = bench.bindings("7");
    let lease = &bindings[0].lease;
    assert_eq!((bindings.len(), lease.flow, lease.q), (1, handset.flow, 500));
    assert_eq!(lease.user_agent.as_deref(), Some("Desk 7"));
    assert!(matches!(bench.events.last(), Some(Event::PhoneChanged { phone, bindings })
        if phone.as_str() == "7" && bindings.len() == 1));
}

#[test]
fn the_time_is_kept_within_bounds_and_over_in_time() {
    let (mut bench, mut handset) = home();
    let brief = bench.registers(&mut handset, "Expires: 59\r\n").unwrap();
    assert_eq!(brief.status.get(), 423);
    assert_eq!(brief.headers.get(&HeaderName::MinExpires), Some(b"60".as_slice()));
    let long = bench.registers(&mut handset, "Expires: 4000000000\r\n").unwrap();
    assert!(contacts(&long)[0].ends_with(";expires=3600"), "{long:?}");
    let named = "Expires: 600\r\nContact: <sip:u7@10.0.0.7:5062>;expires=90\r\n";
    let named = bench.registers(&mut handset, named).unwrap();
    assert!(contacts(&named)[0].ends_with(";expires=90"), "{named:?}");
    bench.pass(Duration::from_secs(89));
    assert_eq!(bench.bindings("7").len(), 1);
    bench.pass(Duration::from_secs(1));
    assert_eq!(bench.bindings("7").len(), 0);
    assert!(matches!(bench.events.last(), Some(Event::PhoneChanged { bindings, .. }) if bindings.is_empty()));
    let unnamed = bench.registers(&mut handset, "").unwrap();
    assert!(contacts(&unnamed)[0].ends_with(";expires=300"), "{unnamed:?}");
}

#[test]
fn a_phone_unregisters_one_contact_or_all() {
    let (mut bench, mut handset) = home();
    for user in ["a", "b", "c"] {
        bench.registers(&mut handset, &format!("Contact: <sip:{user}@10.0.0.7>\r\n")).unwrap();
    }
    assert_eq!(bench.bindings("7").len(), 3);
    let one = bench.registers(&mut handset, "Contact: <sip:b@10.0.0.7>;expires=0\r\n").unwrap();
    assert_eq!(contacts(&one).len(), 2);
    assert_eq!(status(bench.registers(&mut handset, "Contact: *\r\nExpires: 60\r\n")), 400);
    assert_eq!(bench.bindings("7").len(), 2);
    let all = bench.registers(&mut handset, "Contact: *\r\nExpires: 0\r\n").unwrap();
    assert_eq!((all.status.get(), contacts(&all).len()), (200, 0));
    assert!(bench.bindings("7").is_empty());
}

#[test]
fn a_request_without_contacts_only_tells() {
    let (mut bench, mut handset) = home();
    bench.registers(&mut handset, "").unwrap();
    let mut other = Handset::at("10.0.0.8:5060", "u7", "right");
    let mut request = bench.request(&mut other, "REGISTER", "");
    request.headers.remove(&HeaderName::Contact);
    let told = bench.asks(&mut other, request).unwrap();
    assert_eq!(contacts(&told).len(), 1);
    assert_eq!(bench.bindings("7").len(), 1);
}

#[test]
fn a_phone_has_one_binding_for_its_instance_whatever_contact_and_path_it_comes_by() {
    let (mut bench, mut handset) = home();
    let instance = "+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000A95A0E128>\"";
    bench.registers(&mut handset, &format!("Contact: <sip:a@10.0.0.7>;{instance};reg-id=1\r\n")).unwrap();
    let id = bench.bindings("7")[0].id;
    let mut moved = Handset::at("10.0.0.7:40001", "u7", "right").by(Transport::Tcp);
    moved.call_id = "another".to_owned();
    bench.registers(&mut moved, &format!("Contact: <sip:b@10.0.0.7>;{instance};reg-id=2\r\n")).unwrap();
    let bindings = bench.bindings("7");
    assert_eq!((bindings.len(), bindings[0].id, bindings[0].lease.flow), (1, id, moved.flow));
    assert_eq!(bindings[0].lease.contact.to_string(), "sip:b@10.0.0.7");
}

#[test]
fn the_sixth_contact_pushes_out_the_one_that_ends_first() {
    let (mut bench, mut handset) = home();
    for (user, time) in [("a", 600), ("b", 120), ("c", 600), ("d", 600), ("e", 600), ("f", 600)] {
        let contact = format!("Contact: <sip:{user}@10.0.0.7>;expires={time}\r\n");
        assert_eq!(status(bench.registers(&mut handset, &contact)), 200);
    }
    let users: Vec<String> =
        bench.bindings("7").iter().map(|binding| binding.lease.contact.user.clone().unwrap()).collect();
    assert_eq!(users, ["a", "c", "d", "e", "f"]);
}

#[test]
fn what_comes_too_late_changes_nothing() {
    let (mut bench, mut handset) = home();
    handset.cseq = 10;
    bench.registers(&mut handset, "").unwrap();
    handset.cseq = 3;
    let late = bench.registers(&mut handset, "Contact: <sip:u7@10.0.0.7:5062>;expires=0\r\n");
    assert_eq!((status(late), bench.bindings("7").len()), (500, 1));
    assert_eq!(status(bench.registers(&mut handset, "Contact: *\r\nExpires: 0\r\n")), 500);
    handset.call_id = "after-a-restart".to_owned();
    let mut other = handset;
    other.call_id = "anew".to_owned();
    assert_eq!(status(bench.registers(&mut other, "")), 200);
}

#[test]
fn a_repetition_of_a_request_gets_the_same_answer_and_is_no_second_use_of_its_nonce() {
    let (mut bench, mut handset) = home();
    let request = bench.request(&mut handset, "REGISTER", "");
    let challenge = bench.exchange(handset.flow, &request).unwrap();
    let proved = bench.proved(&mut handset, request, &challenge);
    let first = bench.exchange(handset.flow, &proved).unwrap();
    let again = bench.exchange(handset.flow, &proved).unwrap();
    assert_eq!((first.status.get(), &first), (200, &again));
}

#[test]
fn contacts_that_cannot_be_reached_or_are_anothers_are_refused_as_a_whole() {
    let (mut bench, mut handset) = home();
    for (more, expected) in [
        ("Contact: <mailto:a@b.example>\r\n", 400),
        ("Contact: <sips:u7@10.0.0.7>\r\n", 400),
        ("Contact: <sip:a@10.0.0.7>, <tel:+78312123456>\r\n", 400),
        ("Contact: <sip:a@10.0.0.7>;expires=30, <sip:b@10.0.0.7>\r\n", 423),
        (&format!("Contact: {}\r\n", ["<sip:a@b>"; 11].join(", ")), 400),
        (&format!("Contact: <sip:{}@10.0.0.7>\r\n", "a".repeat(600)), 400),
    ] {
        assert_eq!(status(bench.registers(&mut handset, more)), expected, "{more}");
        assert!(bench.bindings("7").is_empty(), "{more}");
    }
    let mut request = bench.request(&mut handset, "REGISTER", "");
    request.headers.set(HeaderName::To, "<sip:u8@192.0.2.9>");
    assert_eq!(status(bench.asks(&mut handset, request)), 403);
    assert!(bench.bindings("8").is_empty());
}

#[test]
fn what_was_registered_along_a_stream_is_gone_with_it() {
    let mut bench = Bench::new(Admits::Known);
    let mut handset = Handset::at(HOME, "u7", "right").by(Transport::Tcp);
    bench.ua.handle_input(Input::StreamOpened { flow: handset.flow }, bench.now);
    assert_eq!(status(bench.registers(&mut handset, "")), 200);
    bench.ua.handle_input(Input::StreamClosed { flow: flow(Transport::Tcp, ABROAD) }, bench.now);
    assert_eq!(bench.bindings("7").len(), 1);
    bench.ua.handle_input(Input::StreamClosed { flow: handset.flow }, bench.now);
    assert!(bench.bindings("7").is_empty());
}

#[test]
fn another_password_or_none_ends_the_bindings() {
    let (mut bench, mut handset) = home();
    bench.registers(&mut handset, "").unwrap();
    let mut renewed = crate::bench::phone("7");
    bench.ua.set_phone(renewed.clone());
    assert_eq!(bench.bindings("7").len(), 1, "nothing has changed");
    renewed.secret = linecard_sip::digest::Secret::of("u7", "linecard", "new");
    bench.ua.set_phone(renewed);
    assert!(bench.bindings("7").is_empty());
    assert_eq!(status(bench.registers(&mut handset, "")), 401);
    let mut other = Handset::at("10.0.0.8:5060", "u8", "right");
    bench.registers(&mut other, "").unwrap();
    bench.ua.remove_phone(&PhoneId::new("8"));
    assert!(bench.bindings("8").is_empty());
    bench.pump();
    assert!(matches!(bench.events.last(), Some(Event::PhoneChanged { bindings, .. }) if bindings.is_empty()));
}

#[test]
fn a_phone_that_used_to_answer_and_no_longer_does_is_gone_and_one_that_never_did_stays() {
    let (mut bench, mut handset) = home();
    bench.registers(&mut handset, "Expires: 3600\r\n").unwrap();
    let mut deaf = Handset::at("10.0.0.8:5060", "u8", "right");
    bench.registers(&mut deaf, "Expires: 3600\r\n").unwrap();
    bench.pass(Duration::from_secs(26));
    let asked: Vec<_> = bench
        .sent
        .iter()
        .filter_map(|(flow, message)| match message {
            Message::Request(request) if request.uri.to_string() == "sip:u7@10.0.0.7:5062" => {
                Some((*flow, request.clone()))
            }
            _ => None,
        })
        .collect();
    let (flow, options) = asked.first().expect("it is asked, which keeps a NAT's binding too").clone();
    assert_eq!(flow, handset.flow);
    let alive = linecard_sip::message::Response::reply_to(
        &options,
        linecard_sip::message::StatusCode::METHOD_NOT_ALLOWED,
    );
    bench.write(flow, &Message::Response(alive));
    bench.pass(Duration::from_secs(40));
    assert_eq!((bench.bindings("7").len(), bench.bindings("8").len()), (1, 1), "one answer may be lost");
    bench.pass(Duration::from_secs(60));
    assert_eq!((bench.bindings("7").len(), bench.bindings("8").len()), (0, 1));
}

#[test]
fn a_binding_of_an_earlier_process_rings_until_its_time_is_over() {
    let (mut bench, mut handset) = home();
    bench.registers(&mut handset, "Expires: 100\r\n").unwrap();
    let kept = bench.bindings("7")[0].lease.clone();
    let mut later = Bench::new(Admits::Known);
    later.now = bench.now + Duration::from_secs(10);
    later.ua.restore_binding(&PhoneId::new("7"), kept.clone(), later.now);
    later.pump();
    let restored = later.bindings("7");
    assert_eq!((restored.len(), &restored[0].lease), (1, &kept));
    // What the phone still knows is no guess: it is asked anew and goes on.
    assert_eq!(status(later.registers(&mut handset, "Expires: 100\r\n")), 200);
    assert_eq!(later.bindings("7").len(), 1);
    later.pass(Duration::from_secs(101));
    assert!(later.bindings("7").is_empty());
    later.ua.restore_binding(&PhoneId::new("7"), kept.clone(), later.now);
    assert!(later.bindings("7").is_empty(), "over");
    later.ua.restore_binding(&PhoneId::new("9"), kept, bench.now);
    assert!(later.bindings("9").is_empty(), "no such phone");
}
