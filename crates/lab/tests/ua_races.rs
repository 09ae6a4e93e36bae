//! Races around the first INVITE: CANCEL, forks, lost ACKs, early BYE, merged requests (RFC 3261, RFC 5407).

#[cfg(test)]
mod ua_world;

use std::time::Duration;

use linecard_lab::{Conditions, SimNet};
use linecard_sip::message::{HeaderName, Message, Method, Request};
use linecard_sip::ua::{EndCause, Event, FailureMeaning, meaning};
use linecard_sip::uri::Uri;
use ua_world::{ANSWER, OFFER, Phone, Scripted, VOID, answering, request, response};

const PEER: &str = "10.0.0.5:5060";

fn peer_uri() -> Uri {
    Uri::parse(b"sip:200@10.0.0.5:5060").expect("a URI")
}

fn run(net: &mut SimNet, phone: &mut Phone, peer: &mut Scripted, seconds: u64) {
    net.run_for(&mut [phone, peer], Duration::from_secs(seconds));
}

fn of(message: &Message, method: Method) -> Option<&Request> {
    match message {
        Message::Request(request) if request.method == method => Some(request),
        _ => None,
    }
}

/// An INVITE of a foreign phone to a line's contact.
fn invite_to(contact: &Uri, body: &[u8]) -> Request {
    let kind = if body.is_empty() { "" } else { "\r\nContent-Type: application/sdp" };
    let extra = format!("From: <sip:peer@10.0.0.5>;tag=peer\r\nTo: <{contact}>\r\nCall-ID: race{kind}");
    request("INVITE", &contact.to_string(), &extra, body)
}

/// A request of the foreign phone inside the dialog that `answer` made.
fn within(method: &str, invite: &Request, to: &[u8], cseq: u32) -> Request {
    let extra =
        format!("From: <sip:peer@10.0.0.5>;tag=peer\r\nTo: {}\r\nCall-ID: race", String::from_utf8_lossy(to));
    let mut request = request(method, &invite.uri.to_string(), &extra, b"");
    request.headers.set(HeaderName::CSeq, format!("{cseq} {method}"));
    let mut via = request.headers.top_via().expect("a Via");
    via.set_branch(&format!("z9hG4bKw{method}{cseq}"));
    request.headers.set_top_via(&via);
    request
}

fn to_of(peer: &Scripted, status: u16) -> Vec<u8> {
    let responses = peer.responses();
    let found = responses.iter().find(|response| response.status.get() == status).expect("the response came");
    found.headers.get(&HeaderName::To).expect("a To").to_vec()
}

#[test]
fn a_late_200_after_cancel_is_acknowledged_and_hung_up() {
    let mut net = SimNet::new(1);
    let mut phone = Phone::idle(1, "10.0.0.1:5060");
    let address = PEER.parse().unwrap();
    let mut peer = Scripted::new(PEER, move |message, out| {
        if let Some(invite) = of(message, Method::Invite) {
            out.reply(0, &response(invite, 180, "a", address));
            // The answer leaves before the CANCEL arrives.
            out.reply(1000, &response(invite, 200, "a", address));
        } else if let Some(other) = of(message, Method::Cancel).or(of(message, Method::Bye)) {
            out.reply(0, &response(other, 200, "a", address));
        }
    });
    let leg = phone.call(&peer_uri(), Some(OFFER), net.now());
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_millis(1000));
    phone.ua.cancel(leg, None, net.now()).unwrap();
    run(&mut net, &mut phone, &mut peer, 120);
    assert_eq!(peer.requests(Method::Ack).len(), 1);
    assert_eq!(peer.requests(Method::Bye).len(), 1);
    assert!(!phone.has(|event| matches!(event, Event::Answered { .. })));
    assert!(phone.has(|event| matches!(event, Event::StrayAnswerReleased { .. })));
    assert_eq!(phone.count(|event| matches!(event, Event::Ended { cause: EndCause::Cancelled, .. })), 1);
    phone.assert_no_leaks();
}

#[test]
fn cancel_waits_for_a_provisional_response() {
    let mut net = SimNet::new(2);
    let mut phone = Phone::idle(1, "10.0.0.1:5060");
    let address = PEER.parse().unwrap();
    let mut invites: Option<Request> = None;
    let mut peer = Scripted::new(PEER, move |message, out| {
        if let Some(invite) = of(message, Method::Invite) {
            if invites.is_none() {
                out.reply(3000, &response(invite, 100, "a", address));
            }
            invites = Some(invite.clone());
        } else if let Some(cancel) = of(message, Method::Cancel) {
            out.reply(0, &response(cancel, 200, "a", address));
            out.reply(10, &response(invites.as_ref().unwrap(), 487, "a", address));
        }
    });
    let leg = phone.call(&peer_uri(), Some(OFFER), net.now());
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(1));
    phone.ua.cancel(leg, None, net.now()).unwrap();
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(1));
    assert!(peer.requests(Method::Cancel).is_empty(), "nothing was provisional yet");
    run(&mut net, &mut phone, &mut peer, 120);
    assert_eq!(peer.requests(Method::Cancel).len(), 1);
    assert_eq!(phone.count(|event| matches!(event, Event::Ended { cause: EndCause::Cancelled, .. })), 1);
    phone.assert_no_leaks();
}

#[test]
fn of_two_forks_that_answer_the_second_is_hung_up() {
    let mut net = SimNet::new(3);
    let mut phone = Phone::idle(1, "10.0.0.1:5060");
    let address = PEER.parse().unwrap();
    let mut peer = Scripted::new(PEER, move |message, out| {
        if let Some(invite) = of(message, Method::Invite) {
            for (wait, status, fork) in
                [(0, 180, "a"), (5, 183, "b"), (100, 200, "b"), (150, 200, "a"), (600, 200, "b")]
            {
                out.reply(wait, &response(invite, status, fork, address));
            }
        } else if let Some(bye) = of(message, Method::Bye) {
            out.reply(0, &response(bye, 200, "", address));
        }
    });
    let leg = phone.call(&peer_uri(), Some(OFFER), net.now());
    run(&mut net, &mut phone, &mut peer, 10);
    let forks: Vec<String> = phone
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Progress { fork, .. } => Some(format!("rings {fork}")),
            Event::Answered { fork, .. } => Some(format!("answers {fork}")),
            Event::StrayAnswerReleased { fork, .. } => Some(format!("released {fork}")),
            _ => None,
        })
        .collect();
    assert_eq!(forks, ["rings a", "rings b", "answers b", "released a"]);
    assert_eq!(peer.requests(Method::Ack).len(), 3, "each 2xx, repeated or not, gets its ACK");
    let byes = peer.requests(Method::Bye);
    assert_eq!(byes.len(), 1);
    assert_eq!(byes[0].headers.to().unwrap().tag(), Some("a"));
    phone.ua.bye(leg, None, net.now()).unwrap();
    run(&mut net, &mut phone, &mut peer, 120);
    phone.assert_no_leaks();
}

#[test]
fn the_2xx_is_repeated_until_its_ack() {
    let mut net = SimNet::new(4);
    let mut phone = Phone::new(1, "10.0.0.1:5060", answering(0));
    let contact = phone.line(VOID, net.now());
    let mut answers = 0;
    let mut peer = Scripted::new(PEER, move |message, out| {
        if let Message::Response(answer) = message
            && answer.status.get() == 200
        {
            answers += 1;
            if answers == 4 {
                let invite = invite_to(&Uri::parse(b"sip:x@10.0.0.1").unwrap(), OFFER);
                out.request(0, &within("ACK", &invite, answer.headers.get(&HeaderName::To).unwrap(), 1));
            }
        }
    });
    peer.send(phone.address, &invite_to(&contact, OFFER));
    run(&mut net, &mut phone, &mut peer, 100);
    // At 0, 0.5, 1.5 and 3.5 s, then silence.
    assert_eq!(peer.finals(&Method::Invite), [200; 4]);
    assert_eq!(phone.count(|event| matches!(event, Event::Confirmed { .. })), 1);
    assert!(!phone.has(|event| matches!(event, Event::Ended { .. })));
}

#[test]
fn a_call_without_ack_ends_with_bye() {
    let mut net = SimNet::new(5);
    let mut phone = Phone::new(1, "10.0.0.1:5060", answering(0));
    let contact = phone.line(VOID, net.now());
    let address = PEER.parse().unwrap();
    let mut peer = Scripted::new(PEER, move |message, out| {
        if let Some(bye) = of(message, Method::Bye) {
            out.reply(0, &response(bye, 200, "peer", address));
        }
    });
    peer.send(phone.address, &invite_to(&contact, OFFER));
    run(&mut net, &mut phone, &mut peer, 31);
    assert!(!phone.has(|event| matches!(event, Event::Ended { .. })));
    run(&mut net, &mut phone, &mut peer, 60);
    assert!(phone.has(|event| matches!(event, Event::Ended { cause: EndCause::AckTimeout, .. })));
    assert_eq!(peer.requests(Method::Bye).len(), 1);
    assert_eq!(peer.finals(&Method::Invite).len(), 11, "T1 doubling up to T2 for 64 * T1");
    phone.assert_no_leaks();
}

#[test]
fn our_bye_waits_for_the_ack() {
    let mut net = SimNet::new(6);
    let mut phone = Phone::new(1, "10.0.0.1:5060", answering(0));
    let contact = phone.line(VOID, net.now());
    let address = PEER.parse().unwrap();
    let mut peer = Scripted::new(PEER, move |message, out| {
        if let Some(bye) = of(message, Method::Bye) {
            out.reply(0, &response(bye, 200, "peer", address));
        }
    });
    let invite = invite_to(&contact, OFFER);
    peer.send(phone.address, &invite);
    run(&mut net, &mut phone, &mut peer, 2);
    let leg = phone.incoming();
    phone.ua.bye(leg, None, net.now()).unwrap();
    run(&mut net, &mut phone, &mut peer, 2);
    assert!(peer.requests(Method::Bye).is_empty(), "RFC 3261 section 15: not before the ACK");
    assert!(phone.has(|event| matches!(event, Event::Ended { cause: EndCause::LocalBye, .. })));
    let ack = within("ACK", &invite, &to_of(&peer, 200), 1);
    peer.send(phone.address, &ack);
    run(&mut net, &mut phone, &mut peer, 60);
    assert_eq!(peer.requests(Method::Bye).len(), 1);
    phone.assert_no_leaks();
}

#[test]
fn a_bye_before_the_ack_ends_the_call_once() {
    let mut net = SimNet::new(7);
    let mut phone = Phone::new(1, "10.0.0.1:5060", answering(0));
    let contact = phone.line(VOID, net.now());
    let mut peer = Scripted::new(PEER, |_, _| {});
    let invite = invite_to(&contact, OFFER);
    peer.send(phone.address, &invite);
    run(&mut net, &mut phone, &mut peer, 1);
    let to = to_of(&peer, 200);
    peer.send(phone.address, &within("BYE", &invite, &to, 2));
    peer.send(phone.address, &within("ACK", &invite, &to, 1));
    run(&mut net, &mut phone, &mut peer, 100);
    assert_eq!(peer.finals(&Method::Bye), [200]);
    assert_eq!(phone.count(|event| matches!(event, Event::Ended { .. })), 1);
    assert!(peer.finals(&Method::Invite).len() <= 2, "the 2xx is no longer repeated");
    phone.assert_no_leaks();
}

#[test]
fn cancel_before_the_answer_gets_200_and_487() {
    let mut net = SimNet::new(8);
    let mut phone = Phone::new(1, "10.0.0.1:5060", answering(60_000));
    let contact = phone.line(VOID, net.now());
    let mut peer = Scripted::new(PEER, |_, _| {});
    let invite = invite_to(&contact, OFFER);
    peer.send(phone.address, &invite);
    run(&mut net, &mut phone, &mut peer, 1);
    let mut cancel = invite.clone();
    cancel.method = Method::Cancel;
    cancel.body.clear();
    cancel.headers.set(HeaderName::CSeq, "1 CANCEL");
    cancel.headers.set(HeaderName::Reason, "SIP;cause=200;text=\"elsewhere\"");
    cancel.headers.remove(&HeaderName::ContentType);
    peer.send(phone.address, &cancel);
    run(&mut net, &mut phone, &mut peer, 100);
    assert_eq!(peer.finals(&Method::Cancel), [200]);
    assert!(peer.finals(&Method::Invite).iter().all(|status| *status == 487));
    assert!(
        phone.has(|event| matches!(event, Event::Cancelled { reasons, .. } if reasons[0].cause == Some(200)))
    );
    phone.assert_no_leaks();
}

#[test]
fn cancel_after_the_answer_changes_nothing() {
    let mut net = SimNet::new(9);
    let mut phone = Phone::new(1, "10.0.0.1:5060", answering(0));
    let contact = phone.line(VOID, net.now());
    let mut peer = Scripted::new(PEER, |_, _| {});
    let invite = invite_to(&contact, OFFER);
    peer.send(phone.address, &invite);
    run(&mut net, &mut phone, &mut peer, 1);
    let mut cancel = invite.clone();
    cancel.method = Method::Cancel;
    cancel.body.clear();
    cancel.headers.set(HeaderName::CSeq, "1 CANCEL");
    cancel.headers.remove(&HeaderName::ContentType);
    peer.send(phone.address, &cancel);
    peer.send(phone.address, &within("ACK", &invite, &to_of(&peer, 200), 1));
    run(&mut net, &mut phone, &mut peer, 60);
    assert_eq!(peer.finals(&Method::Cancel), [200]);
    assert!(peer.finals(&Method::Invite).iter().all(|status| *status == 200));
    assert!(!phone.has(|event| matches!(event, Event::Cancelled { .. } | Event::Ended { .. })));
}

#[test]
fn an_invite_without_offer_gets_ours_and_its_answer_comes_with_the_ack() {
    let mut net = SimNet::new(10);
    let mut phone = Phone::new(1, "10.0.0.1:5060", answering(0));
    let contact = phone.line(VOID, net.now());
    let mut peer = Scripted::new(PEER, |_, _| {});
    let invite = invite_to(&contact, b"");
    peer.send(phone.address, &invite);
    run(&mut net, &mut phone, &mut peer, 1);
    assert!(phone.has(|event| matches!(event, Event::InviteReceived { offer: None, .. })));
    let offered =
        peer.responses().into_iter().find(|response| response.status.get() == 200).unwrap().body.clone();
    assert_eq!(offered, ANSWER);
    let mut ack = within("ACK", &invite, &to_of(&peer, 200), 1);
    ack.headers.set(HeaderName::ContentType, "application/sdp");
    ack.body = OFFER.to_vec();
    peer.send(phone.address, &ack);
    run(&mut net, &mut phone, &mut peer, 1);
    assert!(phone.has(|event| matches!(event, Event::Confirmed { sdp: Some(sdp), .. } if sdp == OFFER)));
}

#[test]
fn our_invite_without_offer_is_acknowledged_with_the_answer() {
    let mut net = SimNet::new(11);
    let mut phone = Phone::idle(1, "10.0.0.1:5060");
    let mut callee = Phone::new(2, "10.0.0.2:5060", answering(100));
    let contact = callee.line(VOID, net.now());
    let leg = phone.call(&contact, None, net.now());
    net.run_for(&mut [&mut phone, &mut callee], Duration::from_secs(2));
    assert!(phone.has(|event| matches!(event, Event::Answered { sdp: Some(sdp), .. } if sdp == ANSWER)));
    assert!(!callee.has(|event| matches!(event, Event::Confirmed { .. })));
    phone.ua.acknowledge(leg, OFFER, net.now()).unwrap();
    net.run_for(&mut [&mut phone, &mut callee], Duration::from_secs(2));
    assert!(callee.has(|event| matches!(event, Event::Confirmed { sdp: Some(sdp), .. } if sdp == OFFER)));
}

#[test]
fn a_merged_invite_gets_482_and_no_second_call() {
    let mut net = SimNet::new(12);
    let mut phone = Phone::new(1, "10.0.0.1:5060", answering(60_000));
    let contact = phone.line(VOID, net.now());
    let mut peer = Scripted::new(PEER, |_, _| {});
    let invite = invite_to(&contact, OFFER);
    let mut other_way = invite.clone();
    let mut via = other_way.headers.top_via().unwrap();
    via.set_branch("z9hG4bKotherway");
    other_way.headers.set_top_via(&via);
    peer.send(phone.address, &invite);
    peer.send(phone.address, &other_way);
    run(&mut net, &mut phone, &mut peer, 5);
    assert_eq!(phone.count(|event| matches!(event, Event::InviteReceived { .. })), 1);
    assert!(peer.finals(&Method::Invite).iter().all(|status| *status == 482));
}

#[test]
fn a_user_that_no_line_has_gets_404() {
    let mut net = SimNet::new(13);
    let mut phone = Phone::idle(1, "10.0.0.1:5060");
    phone.line(VOID, net.now());
    let mut peer = Scripted::new(PEER, |_, _| {});
    peer.send(phone.address, &invite_to(&Uri::parse(b"sip:100@10.0.0.1").unwrap(), OFFER));
    run(&mut net, &mut phone, &mut peer, 40);
    assert_eq!(peer.finals(&Method::Invite).first(), Some(&404));
    assert!(!phone.has(|event| matches!(event, Event::InviteReceived { .. })));
    phone.assert_no_leaks();
}

#[test]
fn a_refusal_carries_its_reasons_and_redirects() {
    for (status, header, value) in
        [(302, HeaderName::Contact, "<sip:new@10.0.0.7>"), (503, HeaderName::RetryAfter, "30")]
    {
        let mut net = SimNet::new(14);
        let mut phone = Phone::idle(1, "10.0.0.1:5060");
        let address = PEER.parse().unwrap();
        let mut peer = Scripted::new(PEER, move |message, out| {
            if let Some(invite) = of(message, Method::Invite) {
                let mut refusal = response(invite, status, "a", address);
                refusal.headers.set(header.clone(), value);
                refusal.headers.set(HeaderName::Reason, "Q.850;cause=17");
                out.reply(0, &refusal);
            }
        });
        phone.call(&peer_uri(), Some(OFFER), net.now());
        run(&mut net, &mut phone, &mut peer, 40);
        let rejected = phone.events.iter().find_map(|event| match event {
            Event::Rejected { status, retry_after_s, reasons, redirects, .. } => {
                Some((*status, *retry_after_s, reasons[0].cause, redirects.len()))
            }
            _ => None,
        });
        let expected = if status == 302 { (302, None, Some(17), 1) } else { (503, Some(30), Some(17), 0) };
        assert_eq!(rejected, Some(expected));
        assert_eq!(peer.requests(Method::Invite).len(), 1, "redirects are not followed");
        phone.assert_no_leaks();
    }
    assert_eq!(meaning(486), FailureMeaning::Busy);
    assert_eq!(meaning(603), FailureMeaning::Declined);
}

#[test]
fn silence_is_408_and_a_late_answer_is_hung_up() {
    let mut net = SimNet::new(15);
    let mut phone = Phone::idle(1, "10.0.0.1:5060");
    let address = PEER.parse().unwrap();
    let mut first = true;
    let mut peer = Scripted::new(PEER, move |message, out| {
        if let Some(invite) = of(message, Method::Invite) {
            if std::mem::take(&mut first) {
                out.reply(40_000, &response(invite, 200, "late", address));
            }
        } else if let Some(bye) = of(message, Method::Bye) {
            out.reply(0, &response(bye, 200, "late", address));
        }
    });
    net.set_conditions(Conditions::default());
    phone.call(&peer_uri(), Some(OFFER), net.now());
    run(&mut net, &mut phone, &mut peer, 35);
    assert!(phone.has(|event| matches!(event, Event::Rejected { status: 408, .. })));
    run(&mut net, &mut phone, &mut peer, 120);
    assert_eq!((peer.requests(Method::Ack).len(), peer.requests(Method::Bye).len()), (1, 1));
    phone.assert_no_leaks();
}
