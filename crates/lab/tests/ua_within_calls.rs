//! Inside calls: challenges, session timers, liveness, requests a peer may send, restart, shut-down.

#[cfg(test)]
mod ua_world;

use std::time::Duration;

use linecard_lab::SimNet;
use linecard_sip::message::{HeaderName, Message, Method, ReasonValue, Request, Response};
use linecard_sip::registration::RegistrationState;
use linecard_sip::ua::{EndCause, Event, LineId, ReinviteAnswer, Route, Suspicion};
use linecard_sip::uri::Uri;
use ua_world::{ANSWER, OFFER, OTHER, Outbox, Phone, Scripted, VOID, answering, request, response};

const PEER: &str = "10.0.0.5:5060";

fn run(net: &mut SimNet, phone: &mut Phone, peer: &mut Scripted, seconds: u64) {
    net.run_for(&mut [phone, peer], Duration::from_secs(seconds));
}

/// A PBX: registers, challenges what is not authorised in its realm, and answers calls. `twist` goes first and tells
/// whether it dealt with the request.
fn pbx(mut twist: impl FnMut(&Request, &mut Outbox) -> bool + 'static) -> Scripted {
    let address = PEER.parse().expect("an address");
    Scripted::new(PEER, move |message, out| {
        let Message::Request(request) = message else {
            return;
        };
        if request.method == Method::Ack || twist(request, out) {
            return;
        }
        let challenged = matches!(request.method, Method::Invite | Method::Register);
        let authorised = request.headers.contains(&HeaderName::Authorization)
            || request.headers.contains(&HeaderName::ProxyAuthorization);
        if challenged && !authorised {
            return out.reply(0, &challenge(request, "pbx"));
        }
        let mut answer = response(request, 200, "pbx", address);
        if request.method == Method::Register {
            for contact in request.headers.get_all(&HeaderName::Contact) {
                answer.headers.push(HeaderName::Contact, contact);
            }
        }
        out.reply(0, &answer);
    })
}

fn challenge(request: &Request, realm: &str) -> Response {
    let mut response = response(request, 407, "pbx", PEER.parse().expect("an address"));
    let value = format!("Digest realm=\"{realm}\", nonce=\"n1\", qop=\"auth\", algorithm=SHA-256");
    response.headers.set(HeaderName::ProxyAuthenticate, value);
    response
}

fn peer_uri() -> Uri {
    Uri::parse(b"sip:200@10.0.0.5:5060").expect("a URI")
}

fn by_line() -> Route {
    Route::Line(LineId::new("line"))
}

/// Two phones in a call.
fn call(net: &mut SimNet, seed: u64) -> (Phone, Phone) {
    let mut caller = Phone::idle(seed, "10.0.0.1:5060");
    let mut callee = Phone::new(seed + 1000, "10.0.0.2:5060", answering(100));
    let target = callee.line(VOID, net.now());
    caller.call(&target, Some(OFFER), net.now());
    net.run_for(&mut [&mut caller, &mut callee], Duration::from_secs(2));
    assert!(callee.has(|event| matches!(event, Event::Confirmed { .. })));
    (caller, callee)
}

fn leg(phone: &Phone) -> linecard_sip::ua::DialogHandle {
    *phone.ua.open_legs().first().expect("a call is up")
}

#[test]
fn a_challenged_invite_is_sent_again_with_credentials_and_so_is_its_ack() {
    let mut net = SimNet::new(1);
    let mut phone = Phone::idle(1, "10.0.0.1:5060");
    let mut peer = pbx(|_, _| false);
    phone.line("10.0.0.5", net.now());
    run(&mut net, &mut phone, &mut peer, 2);
    phone.call_by(by_line(), &peer_uri(), Some(OFFER), net.now());
    run(&mut net, &mut phone, &mut peer, 2);
    let invites = peer.requests(Method::Invite);
    assert_eq!(invites.len(), 2);
    let ids = |request: &Request| {
        (
            request.headers.call_id().unwrap().to_owned(),
            request.headers.from_().unwrap().tag().unwrap().to_owned(),
        )
    };
    assert_eq!(ids(invites[0]), ids(invites[1]));
    assert_eq!(invites[1].headers.cseq().unwrap().number, invites[0].headers.cseq().unwrap().number + 1);
    let credentials = invites[1].headers.get(&HeaderName::ProxyAuthorization).expect("credentials");
    let acks = peer.requests(Method::Ack);
    assert_eq!(acks.last().unwrap().headers.get(&HeaderName::ProxyAuthorization), Some(credentials));
    assert_eq!(phone.count(|event| matches!(event, Event::Answered { .. })), 1);
}

fn byes_after_challenge(realm: &'static str) -> (usize, usize) {
    let mut net = SimNet::new(2);
    let mut phone = Phone::idle(1, "10.0.0.1:5060");
    let mut peer = pbx(move |request, out| {
        let bare = !request.headers.contains(&HeaderName::ProxyAuthorization);
        let challenged = request.method == Method::Bye && bare;
        if challenged {
            out.reply(0, &challenge(request, realm));
        }
        challenged
    });
    phone.line("10.0.0.5", net.now());
    run(&mut net, &mut phone, &mut peer, 2);
    phone.call_by(by_line(), &peer_uri(), Some(OFFER), net.now());
    run(&mut net, &mut phone, &mut peer, 2);
    let leg = leg(&phone);
    phone.ua.bye(leg, None, net.now()).expect("hung up");
    run(&mut net, &mut phone, &mut peer, 100);
    phone.assert_no_leaks();
    let byes = peer.requests(Method::Bye);
    let with = byes.iter().filter(|bye| bye.headers.contains(&HeaderName::ProxyAuthorization)).count();
    (byes.len(), with)
}

#[test]
fn a_challenged_bye_is_authorised_in_our_realm_and_never_in_a_foreign_one() {
    assert_eq!(byes_after_challenge("pbx"), (2, 1));
    assert_eq!(byes_after_challenge("elsewhere"), (1, 0));
}

#[test]
fn a_session_is_refreshed_by_update_and_outlives_its_interval() {
    let mut net = SimNet::new(3);
    let (mut caller, mut callee) = call(&mut net, 3);
    net.run_for(&mut [&mut caller, &mut callee], Duration::from_secs(4000));
    for phone in [&caller, &callee] {
        assert!(!phone.has(|event| matches!(event, Event::Ended { .. })), "{:?}", phone.calls());
        assert!(
            !phone.has(|event| matches!(event, Event::ReinviteReceived { .. })),
            "a refresh is no change"
        );
    }
    let updates = net.transcript().entries().filter(|entry| entry.payload.starts_with(b"UPDATE")).count();
    assert!(updates >= 4, "{updates}");
    assert!(net.transcript().entries().all(|entry| !entry.payload.starts_with(b"BYE")));
}

#[test]
fn a_session_that_nobody_refreshes_expires_on_both_ends() {
    let mut net = SimNet::new(4);
    let (mut caller, mut callee) = call(&mut net, 4);
    net.isolate(caller.address);
    net.run_for(&mut [&mut caller, &mut callee], Duration::from_secs(1900));
    let lost = |phone: &Phone| {
        phone.count(|event| {
            matches!(
                event,
                Event::Ended { cause: EndCause::SessionExpired | EndCause::Lost { status: 408 }, .. }
            )
        })
    };
    assert_eq!((lost(&caller), lost(&callee)), (1, 1), "{:?} {:?}", caller.calls(), callee.calls());
    assert!([&caller, &callee].iter().any(|phone| {
        phone.has(|event| matches!(event, Event::Ended { cause: EndCause::SessionExpired, .. }))
    }));
    caller.assert_no_leaks();
    callee.assert_no_leaks();
}

#[test]
fn a_peer_without_update_is_refreshed_by_the_same_offer_again() {
    let mut net = SimNet::new(5);
    let mut phone = Phone::idle(1, "10.0.0.1:5060");
    let address = PEER.parse().expect("an address");
    let mut peer = Scripted::new(PEER, move |message, out| {
        let Message::Request(request) = message else {
            return;
        };
        if request.method != Method::Ack {
            let mut answer = response(request, 200, "a", address);
            answer.headers.set(HeaderName::SessionExpires, "90;refresher=uac");
            out.reply(0, &answer);
        }
    });
    phone.call(&peer_uri(), Some(OFFER), net.now());
    run(&mut net, &mut phone, &mut peer, 200);
    let invites = peer.requests(Method::Invite);
    assert_eq!(invites.len(), 5, "every 45 s");
    assert!(invites.iter().all(|invite| invite.body == OFFER));
    let numbers: Vec<u32> = invites.iter().map(|invite| invite.headers.cseq().unwrap().number).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    assert!(!phone.has(|event| matches!(event, Event::Ended { .. } | Event::ReinviteAnswered { .. })));
}

#[test]
fn an_interval_that_is_too_small_is_asked_for_again() {
    let mut net = SimNet::new(6);
    let mut phone =
        Phone::with(1, "10.0.0.1:5060", |config| config.session_expires_s = Some(90), |_| Vec::new());
    let address = PEER.parse().expect("an address");
    let mut peer = Scripted::new(PEER, move |message, out| {
        let Message::Request(request) = message else {
            return;
        };
        if request.method == Method::Ack {
            return;
        }
        let brief = request.headers.session_expires().is_some_and(|(seconds, _)| seconds < 300);
        let mut answer = response(request, if brief { 422 } else { 200 }, "a", address);
        if brief {
            answer.headers.set(HeaderName::MinSe, "300");
        }
        out.reply(0, &answer);
    });
    phone.call(&peer_uri(), Some(OFFER), net.now());
    run(&mut net, &mut phone, &mut peer, 5);
    assert!(phone.has(|event| matches!(event, Event::Answered { .. })));
    let asked = peer.requests(Method::Invite)[1].headers.clone();
    assert_eq!((asked.session_expires().unwrap().0, asked.min_se()), (300, Some(300)));
}

#[test]
fn options_in_the_dialog_tell_whether_the_peer_lives() {
    for status in [200, 481, 408, 0] {
        let mut net = SimNet::new(7);
        let mut phone = Phone::idle(1, "10.0.0.1:5060");
        let address = PEER.parse().expect("an address");
        let mut peer = Scripted::new(PEER, move |message, out| {
            let Message::Request(request) = message else {
                return;
            };
            match request.method {
                Method::Ack => {}
                Method::Options if status == 0 => {}
                Method::Options => out.reply(0, &response(request, status, "a", address)),
                _ => out.reply(0, &response(request, 200, "a", address)),
            }
        });
        let leg = phone.call(&peer_uri(), Some(OFFER), net.now());
        run(&mut net, &mut phone, &mut peer, 1);
        phone.ua.send_options(leg, net.now()).unwrap();
        run(&mut net, &mut phone, &mut peer, 20);
        let ended = phone.has(|event| matches!(event, Event::Ended { .. }));
        assert_eq!(ended, status != 200, "20 s are enough to know: {status}");
        run(&mut net, &mut phone, &mut peer, 40);
        if status == 200 {
            assert!(phone.has(|event| matches!(event, Event::OptionsAnswered { status: 200, .. })));
            assert!(!phone.has(|event| matches!(event, Event::Ended { .. })));
        } else {
            let expected = if status == 481 { 481 } else { 408 };
            assert!(phone.has(|event| matches!(event, Event::OptionsUnanswered { .. })));
            assert!(phone.has(|event| {
                matches!(event, Event::Ended { cause: EndCause::Lost { status }, .. } if *status == expected)
            }));
            assert_eq!(peer.requests(Method::Bye).len(), 1);
            phone.assert_no_leaks();
        }
    }
}

/// A foreign phone calls a line and its call is up; gives the INVITE and our To.
fn called(net: &mut SimNet, phone: &mut Phone, peer: &mut Scripted) -> (Request, String) {
    let contact = phone.line(VOID, net.now());
    let extra = format!(
        "From: <sip:peer@10.0.0.5>;tag=peer\r\nTo: <{contact}>\r\nCall-ID: in\r\nContent-Type: application/sdp"
    );
    let invite = request("INVITE", &contact.to_string(), &extra, OFFER);
    peer.send(phone.address, &invite);
    run(net, phone, peer, 1);
    let to = peer
        .responses()
        .iter()
        .find(|response| response.status.get() == 200)
        .map(|response| response.headers.text(&HeaderName::To).expect("a To").into_owned())
        .expect("answered");
    peer.send(phone.address, &within("ACK", &invite, &to, 1, b""));
    run(net, phone, peer, 1);
    (invite, to)
}

fn within(method: &str, invite: &Request, to: &str, cseq: u32, body: &[u8]) -> Request {
    let kind = if body.is_empty() { "" } else { "\r\nContent-Type: application/sdp" };
    let extra = format!("From: <sip:peer@10.0.0.5>;tag=peer\r\nTo: {to}\r\nCall-ID: in{kind}");
    let mut request = request(method, &invite.uri.to_string(), &extra, body);
    request.headers.set(HeaderName::CSeq, format!("{cseq} {method}"));
    let mut via = request.headers.top_via().expect("a Via");
    via.set_branch(&format!("z9hG4bKw{method}{cseq}"));
    request.headers.set_top_via(&via);
    request
}

#[test]
fn our_bye_does_not_wait_for_the_ack_of_a_change() {
    let mut net = SimNet::new(20);
    let mut phone = Phone::new(1, "10.0.0.1:5060", answering(0));
    let address = PEER.parse().expect("an address");
    let mut peer = Scripted::new(PEER, move |message, out| match message {
        Message::Request(bye) if bye.method == Method::Bye => {
            out.reply(0, &response(bye, 200, "peer", address))
        }
        _ => {}
    });
    let (invite, to) = called(&mut net, &mut phone, &mut peer);
    peer.send(phone.address, &within("INVITE", &invite, &to, 2, OFFER));
    run(&mut net, &mut phone, &mut peer, 1);
    assert!(peer.finals(&Method::Invite).len() > 1, "the change is granted, and its 2xx repeated");
    let leg = phone.incoming();
    phone.ua.bye(leg, None, net.now()).expect("it is up");
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_millis(100));
    assert_eq!(peer.requests(Method::Bye).len(), 1, "the peer knows the dialog");
    let answers = peer.finals(&Method::Invite).len();
    run(&mut net, &mut phone, &mut peer, 60);
    assert_eq!(peer.finals(&Method::Invite).len(), answers, "the 2xx is no longer repeated");
    phone.assert_no_leaks();
}

#[test]
fn a_peer_that_knows_no_such_call_is_given_time_to_say_that_it_has_hung_up() {
    for says_so in [true, false] {
        let mut net = SimNet::new(21);
        let mut phone = Phone::new(1, "10.0.0.1:5060", answering(0));
        let address = PEER.parse().expect("an address");
        let mut peer = Scripted::new(PEER, move |message, out| match message {
            Message::Request(request) if request.method != Method::Ack => {
                out.reply(0, &response(request, 481, "peer", address));
            }
            _ => {}
        });
        let (invite, to) = called(&mut net, &mut phone, &mut peer);
        let leg = phone.incoming();
        phone.ua.reinvite(leg, ANSWER, net.now()).expect("it is up");
        net.run_for(&mut [&mut phone, &mut peer], Duration::from_millis(600));
        assert_eq!(peer.requests(Method::Invite).len(), 1);
        assert!(!phone.has(|event| matches!(event, Event::Ended { .. })), "its BYE may have been lost");
        if says_so {
            peer.send(phone.address, &within("BYE", &invite, &to, 2, b""));
        }
        run(&mut net, &mut phone, &mut peer, 2);
        let right = |cause: &EndCause| match cause {
            EndCause::RemoteBye { .. } => says_so,
            EndCause::Lost { status: 481 } => !says_so,
            _ => false,
        };
        assert!(phone.has(|event| matches!(event, Event::Ended { cause, .. } if right(cause))), "{says_so}");
        assert_eq!(phone.count(|event| matches!(event, Event::Ended { .. })), 1);
        assert_eq!(peer.requests(Method::Bye).len(), usize::from(!says_so));
        run(&mut net, &mut phone, &mut peer, 60);
        phone.assert_no_leaks();
    }
}

#[test]
fn requests_in_a_dialog_get_sensible_answers() {
    let mut net = SimNet::new(8);
    let mut phone = Phone::new(1, "10.0.0.1:5060", answering(0));
    let mut peer = Scripted::new(PEER, |_, _| {});
    let (invite, to) = called(&mut net, &mut phone, &mut peer);
    let stranger = "<sip:x@10.0.0.1>;tag=never";
    let cases = [
        ("OPTIONS", &*to, 2, &b""[..], 200),
        ("INFO", &to, 3, b"", 200),
        ("INFO", &to, 4, b"Signal=1", 415),
        ("UPDATE", &to, 40, b"", 200),
        ("NOTIFY", &to, 41, b"", 405),
        ("REFER", &to, 42, b"", 400),
        ("OPTIONS", &to, 39, b"", 500),
        ("OPTIONS", stranger, 5, b"", 481),
        ("BYE", stranger, 2, b"", 481),
        ("INVITE", stranger, 2, OFFER, 481),
        ("BYE", &to, 900, b"", 200),
    ];
    for (method, to, cseq, body, expected) in cases {
        peer.received.clear();
        peer.send(phone.address, &within(method, &invite, to, cseq, body));
        run(&mut net, &mut phone, &mut peer, 1);
        let method = Method::parse(method.as_bytes()).unwrap();
        assert_eq!(peer.finals(&method).first(), Some(&expected), "{method} {cseq}");
    }
    assert_eq!(
        phone.count(|event| matches!(event, Event::Ended { cause: EndCause::RemoteBye { .. }, .. })),
        1
    );
}

#[test]
fn a_second_reinvite_waits_for_the_first() {
    let mut net = SimNet::new(9);
    let mut phone = Phone::new(1, "10.0.0.1:5060", answering(0));
    let mut peer = Scripted::new(PEER, |_, _| {});
    let (invite, to) = called(&mut net, &mut phone, &mut peer);
    let leg = phone.incoming();
    peer.received.clear();
    peer.send(phone.address, &within("INVITE", &invite, &to, 2, OTHER));
    peer.send(phone.address, &within("INVITE", &invite, &to, 3, OTHER));
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_millis(100));
    let refused =
        peer.responses().into_iter().find(|response| response.status.get() == 500).expect("500").clone();
    assert!(refused.headers.retry_after().is_some_and(|seconds| seconds <= 10));
    assert_eq!(phone.count(|event| matches!(event, Event::ReinviteReceived { .. })), 1);
    phone.ua.answer_reinvite(leg, ReinviteAnswer::Accept(ANSWER.to_vec()), net.now()).unwrap();
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_millis(100));
    assert!(peer.finals(&Method::Invite).contains(&200));
    peer.send(phone.address, &within("ACK", &invite, &to, 2, b""));
    // While ours is under way theirs gets 491.
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_millis(100));
    phone.ua.reinvite(leg, OTHER, net.now()).unwrap();
    peer.send(phone.address, &within("INVITE", &invite, &to, 4, OFFER));
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_millis(100));
    assert!(peer.finals(&Method::Invite).contains(&491));
}

#[test]
fn a_refused_change_leaves_the_call_as_it_was() {
    let mut net = SimNet::new(10);
    let (mut caller, mut callee) = call(&mut net, 10);
    let (ours, theirs) = (leg(&caller), leg(&callee));
    caller.ua.reinvite(ours, OTHER, net.now()).unwrap();
    net.run_for(&mut [&mut caller, &mut callee], Duration::from_millis(100));
    callee.ua.answer_reinvite(theirs, ReinviteAnswer::Refuse(488), net.now()).unwrap();
    net.run_for(&mut [&mut caller, &mut callee], Duration::from_secs(5));
    assert!(caller.has(|event| matches!(event, Event::ReinviteRejected { status: 488, .. })));
    assert!(!caller.has(|event| matches!(event, Event::Ended { .. })));
    caller.ua.reinvite(ours, OTHER, net.now()).unwrap();
}

#[test]
fn a_dialog_of_a_killed_process_is_hung_up_by_the_next() {
    let mut net = SimNet::new(11);
    let (caller, mut callee) = call(&mut net, 11);
    let record = caller.ua.dialog_record(leg(&caller)).expect("a confirmed dialog");
    drop(caller);
    let mut next = Phone::idle(99, "10.0.0.1:5060");
    let reason =
        ReasonValue { protocol: "SIP".to_owned(), cause: Some(503), text: Some("restarted".to_owned()) };
    next.ua.restore_and_bye(&record, &reason, net.now()).unwrap();
    net.run_for(&mut [&mut next, &mut callee], Duration::from_secs(5));
    assert!(next.has(|event| matches!(event, Event::Released { status: Some(200), .. })));
    let told = callee.events.iter().find_map(|event| match event {
        Event::Ended { cause: EndCause::RemoteBye { reasons }, .. } => Some(reasons.clone()),
        _ => None,
    });
    assert_eq!(told, Some(vec![reason]));
    next.assert_no_leaks();
    callee.assert_no_leaks();
}

#[test]
fn shut_down_unregisters_every_line_and_then_says_so() {
    let mut net = SimNet::new(12);
    let mut phone = Phone::idle(1, "10.0.0.1:5060");
    let mut peer = pbx(|_, _| false);
    phone.line("10.0.0.5", net.now());
    run(&mut net, &mut phone, &mut peer, 5);
    assert!(phone.has(|event| {
        matches!(event, Event::RegistrationChanged { state: RegistrationState::Registered { .. }, .. })
    }));
    phone.ua.shut_down(net.now());
    run(&mut net, &mut phone, &mut peer, 5);
    assert_eq!(phone.count(|event| matches!(event, Event::ShutDown)), 1);
    let last = peer.requests(Method::Register).last().copied().unwrap().headers.clone();
    let removed = last.expires() == Some(0)
        || last.contacts().unwrap().iter().any(|contact| contact.params.get("expires") == Some("0"));
    assert!(removed);
    let refused = phone.ua.invite(
        linecard_sip::ua::OutgoingInvite {
            target: peer_uri(),
            route: Route::Direct,
            caller: linecard_sip::ua::CallerId::default(),
            headers: Vec::new(),
            offer: None,
            beside: None,
        },
        net.now(),
    );
    assert_eq!(refused, Err(linecard_sip::ua::CommandRefused::ShuttingDown));
}

#[test]
fn a_stranger_is_not_answered_but_told() {
    let mut net = SimNet::new(13);
    let mut phone = Phone::new(1, "10.0.0.1:5060", answering(0));
    let contact = phone.line(VOID, net.now());
    let mut stranger = Scripted::new("10.0.7.7:5060", |_, _| {});
    let extra =
        format!("From: <sip:a@b>;tag=1\r\nTo: <{contact}>\r\nCall-ID: s\r\nContent-Type: application/sdp");
    stranger.send(phone.address, &request("INVITE", &contact.to_string(), &extra, OFFER));
    run(&mut net, &mut phone, &mut stranger, 40);
    assert!(stranger.received.is_empty());
    assert!(phone.has(|event| matches!(event, Event::Suspicious { why: Suspicion::UnknownSource, .. })));
    assert!(!phone.has(|event| matches!(event, Event::InviteReceived { .. })));
}

#[test]
fn nothing_breaks_out_of_its_header() {
    let mut net = SimNet::new(14);
    let mut phone = Phone::idle(1, "10.0.0.1:5060");
    let refuse = |display: &str, header: &str| linecard_sip::ua::OutgoingInvite {
        target: peer_uri(),
        route: Route::Direct,
        caller: linecard_sip::ua::CallerId { display: Some(display.to_owned()), user: None },
        headers: vec![linecard_sip::message::Header {
            name: HeaderName::PAssertedIdentity,
            value: header.as_bytes().to_vec(),
        }],
        offer: None,
        beside: None,
    };
    for (display, header) in
        [("a\r\nX: y", "<sip:a@b>"), ("a", "<sip:a@b>\r\nX: y"), ("a\0", "b"), ("a\nb", "c")]
    {
        let refused = phone.ua.invite(refuse(display, header), net.now());
        assert_eq!(refused, Err(linecard_sip::ua::CommandRefused::Unprintable));
    }
    net.run_for(&mut [&mut phone], Duration::from_secs(1));
    assert_eq!(phone.ua.leg_count(), 0);
}
