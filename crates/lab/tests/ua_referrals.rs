//! What a peer asks for by REFER (RFC 3515, 4488), and an INVITE that takes a dialog's place (RFC 3891).

#[cfg(test)]
mod ua_world;

use std::time::Duration;

use linecard_lab::SimNet;
use linecard_sip::message::{CSeq, HeaderName, Message, Method, Request};
use linecard_sip::ua::{CommandRefused, DialogHandle, EndCause, Event};
use linecard_sip::uri::Uri;
use ua_world::{OFFER, OTHER, Phone, Scripted, VOID, answering, request, response};

const PEER: &str = "10.0.0.5:5060";
const PHONE: &str = "10.0.0.1:5060";

/// A phone of ours that talks with a foreign one, which answers everything with 200.
fn talking(net: &mut SimNet) -> (Phone, Scripted, DialogHandle) {
    let mut phone = Phone::idle(1, PHONE);
    let address = PEER.parse().expect("an address");
    let mut peer = Scripted::new(PEER, move |message, out| {
        if let Message::Request(request) = message
            && request.method != Method::Ack
        {
            out.reply(0, &response(request, 200, "peer", address));
        }
    });
    let target = Uri::parse(b"sip:200@10.0.0.5:5060").expect("a URI");
    let leg = phone.call(&target, Some(OFFER), net.now());
    run(net, &mut phone, &mut peer);
    assert!(phone.has(|event| matches!(event, Event::Answered { .. })));
    (phone, peer, leg)
}

fn run(net: &mut SimNet, phone: &mut Phone, peer: &mut Scripted) {
    net.run_for(&mut [phone, peer], Duration::from_secs(2));
}

/// A request of the peer inside the dialog.
fn within(peer: &Scripted, method: &str, cseq: u32, lines: &str) -> Request {
    let invites = peer.requests(Method::Invite);
    let invite = &invites.first().expect("an INVITE").headers;
    let text = |name: &HeaderName| invite.text(name).expect("a header").into_owned();
    let extra = format!(
        "From: {};tag=peer\r\nTo: {}\r\nCall-ID: {}\r\n{lines}",
        text(&HeaderName::To),
        text(&HeaderName::From),
        invite.call_id().expect("a Call-ID"),
    );
    let contact = invite.contacts().expect("contacts");
    let uri = contact.first().expect("a contact").uri.to_string();
    let mut request = request(method, &uri, &extra, b"");
    let method = request.method.clone();
    request.headers.set(HeaderName::CSeq, CSeq { number: cseq, method }.to_string());
    request
}

fn refer(net: &mut SimNet, phone: &mut Phone, peer: &mut Scripted, cseq: u32, lines: &str) -> Vec<u16> {
    let before = peer.finals(&Method::Refer).len();
    let asked = within(peer, "REFER", cseq, lines);
    peer.send(PHONE.parse().expect("an address"), &asked);
    run(net, phone, peer);
    peer.finals(&Method::Refer).split_off(before)
}

fn referrals(phone: &Phone) -> Vec<(String, Option<String>)> {
    let referral = |event: &&Event| match event {
        Event::Referred { target, replaces, .. } => Some((target.to_string(), replaces.clone())),
        _ => None,
    };
    phone.calls().iter().filter_map(referral).collect()
}

/// Status line and subscription of each NOTIFY that the peer got.
fn told(peer: &Scripted) -> Vec<(String, String)> {
    let notify = |request: &&Request| {
        assert_eq!(request.headers.text(&HeaderName::Event).as_deref(), Some("refer;id=7"));
        let kind = request.headers.text(&HeaderName::ContentType).expect("a type").into_owned();
        assert!(kind.starts_with("message/sipfrag"), "{kind}");
        let body = String::from_utf8_lossy(&request.body).trim_end().to_owned();
        (body, request.headers.text(&HeaderName::SubscriptionState).expect("a state").into_owned())
    };
    peer.requests(Method::Notify).iter().map(notify).collect()
}

#[test]
fn a_referral_is_accepted_and_the_peer_hears_how_it_goes_until_its_end() {
    let mut net = SimNet::new(1);
    let (mut phone, mut peer, leg) = talking(&mut net);
    let wish = "Refer-To: <sip:300@pbx;method=INVITE?Replaces=a%40b%3Bto-tag%3D1%3Bfrom-tag%3D2>";
    assert_eq!(refer(&mut net, &mut phone, &mut peer, 7, wish), Vec::<u16>::new(), "the application decides");
    assert_eq!(referrals(&phone), [("sip:300@pbx".to_owned(), Some("a@b;to-tag=1;from-tag=2".to_owned()))]);
    phone.ua.answer_referral(leg, Ok(()), net.now()).expect("accepted");
    run(&mut net, &mut phone, &mut peer);
    assert_eq!(peer.finals(&Method::Refer), [202]);
    assert_eq!(refer(&mut net, &mut phone, &mut peer, 8, "Refer-To: <sip:301@pbx>"), [491], "one at a time");
    phone.ua.report_referral(leg, 180, net.now()).expect("told");
    run(&mut net, &mut phone, &mut peer);
    phone.ua.report_referral(leg, 200, net.now()).expect("told");
    run(&mut net, &mut phone, &mut peer);
    let active = "active;expires=120".to_owned();
    assert_eq!(
        told(&peer),
        [
            ("SIP/2.0 100 Trying".to_owned(), active.clone()),
            ("SIP/2.0 180 Ringing".to_owned(), active),
            ("SIP/2.0 200 OK".to_owned(), "terminated;reason=noresource".to_owned()),
        ]
    );
    assert_eq!(phone.ua.report_referral(leg, 200, net.now()), Err(CommandRefused::WrongState), "it is over");
}

#[test]
fn a_referral_is_refused_in_the_applications_words_or_at_once_when_it_asks_for_more_than_a_call() {
    let mut net = SimNet::new(2);
    let (mut phone, mut peer, leg) = talking(&mut net);
    for (cseq, lines, status) in [
        (2, "Subject: nothing", 400),
        (3, "Refer-To: <sip:a@pbx>, <sip:b@pbx>", 400),
        (4, "Refer-To: <http://example.com/>", 416),
        (5, "Refer-To: <sip:300@pbx;method=BYE>", 603),
        (6, "Refer-To: <sip:300@pbx?Replaces=a%0D%0AEvil%3A1>", 400),
    ] {
        assert_eq!(refer(&mut net, &mut phone, &mut peer, cseq, lines), [status], "{lines}");
    }
    assert_eq!(referrals(&phone), []);
    assert_eq!(refer(&mut net, &mut phone, &mut peer, 7, "Refer-To: <tel:+78312123456>"), Vec::<u16>::new());
    phone.ua.answer_referral(leg, Err(403), net.now()).expect("refused");
    run(&mut net, &mut phone, &mut peer);
    assert_eq!(peer.finals(&Method::Refer).last(), Some(&403));
    assert_eq!(told(&peer), []);
}

#[test]
fn a_peer_that_wants_to_hear_nothing_hears_nothing() {
    let mut net = SimNet::new(3);
    let (mut phone, mut peer, leg) = talking(&mut net);
    refer(&mut net, &mut phone, &mut peer, 7, "Refer-To: <sip:300@pbx>\r\nRefer-Sub: false");
    phone.ua.answer_referral(leg, Ok(()), net.now()).expect("accepted");
    phone.ua.report_referral(leg, 200, net.now()).expect("it is under way");
    run(&mut net, &mut phone, &mut peer);
    assert_eq!((peer.finals(&Method::Refer), told(&peer)), (vec![202], Vec::new()));
}

/// An INVITE from elsewhere to our phone's line, with more headers.
fn invited(net: &mut SimNet, caller: &mut Phone, callee: &mut Phone, target: &Uri, lines: &str) -> Vec<u16> {
    let mut outsider = Scripted::new(PEER, |_, _| {});
    let extra = format!(
        "From: <sip:x@y>;tag=x\r\nTo: <{target}>\r\nCall-ID: c{}\r\n{lines}",
        lines.bytes().map(u32::from).sum::<u32>()
    );
    let mut invite = request("INVITE", &target.to_string(), &extra, OTHER);
    invite.headers.set(HeaderName::ContentType, "application/sdp");
    outsider.send("10.0.0.2:5060".parse().expect("an address"), &invite);
    net.run_for(&mut [caller, callee, &mut outsider], Duration::from_secs(1));
    // Nobody acknowledges them, so they come again, and earlier ones too.
    let own = invite.headers.call_id();
    let answers = outsider.responses().into_iter().filter(|answer| answer.headers.call_id() == own);
    let mut finals: Vec<u16> =
        answers.map(|answer| answer.status.get()).filter(|status| *status >= 200).collect();
    finals.dedup();
    finals
}

#[test]
fn an_invite_takes_the_place_of_an_answered_dialog_and_of_no_other() {
    let mut net = SimNet::new(4);
    let mut caller = Phone::idle(1, PHONE);
    let mut callee = Phone::new(1_001, "10.0.0.2:5060", answering(100));
    let target = callee.line(VOID, net.now());
    caller.call(&target, Some(OFFER), net.now());
    net.run_for(&mut [&mut caller, &mut callee], Duration::from_secs(2));
    let first = callee.incoming();
    let record = callee.ua.dialog_record(first).expect("a dialog");
    let (call_id, to, from) = (record.call_id, record.local_tag, record.remote_tag);
    let replaces =
        |to: &str, from: &str, more: &str| format!("Replaces: {call_id};to-tag={to};from-tag={from}{more}");
    let known = |callee: &Phone| callee.count(|event| matches!(event, Event::InviteReceived { .. }));
    for (lines, status) in [
        (replaces(&from, &to, ""), 481),
        (replaces(&to, "nobody", ""), 481),
        (replaces(&to, &from, ";early-only"), 486),
        (format!("Replaces: {call_id};to-tag={to}"), 400),
        (format!("Join: {call_id};to-tag={to};from-tag={from}"), 488),
    ] {
        assert_eq!(invited(&mut net, &mut caller, &mut callee, &target, &lines), [status], "{lines}");
    }
    assert_eq!(known(&callee), 1);
    invited(&mut net, &mut caller, &mut callee, &target, &replaces(&to, &from, ""));
    let replacing =
        |event: &Event| matches!(event, Event::InviteReceived { replaces: Some(leg), .. } if *leg == first);
    assert_eq!(callee.count(replacing), 1);
    callee.ua.bye(first, None, net.now()).expect("hung up");
    net.run_for(&mut [&mut caller, &mut callee], Duration::from_secs(2));
    assert!(caller.has(|event| matches!(event, Event::Ended { cause: EndCause::RemoteBye { .. }, .. })));
}
