//! What we ask a peer for by REFER (RFC 3515, RFC 3892), and how the peer tells what becomes of it.

#[cfg(test)]
mod ua_world;

use std::time::Duration;

use linecard_lab::SimNet;
use linecard_sip::dialog::{DialogId, Replaces};
use linecard_sip::message::{CSeq, HeaderName, Message, Method, Request};
use linecard_sip::ua::{CommandRefused, DialogHandle, EndCause, Event, ReferralTold};
use linecard_sip::uri::Uri;
use ua_world::{OFFER, Phone, Scripted, request, response};

const PEER: &str = "10.0.0.5:5060";
const PHONE: &str = "10.0.0.1:5060";

/// A phone of ours that talks with a foreign one, which answers REFER with a status, or not at all.
fn talking(net: &mut SimNet, refer: Option<u16>) -> (Phone, Scripted, DialogHandle) {
    let mut phone = Phone::idle(1, PHONE);
    let address = PEER.parse().expect("an address");
    let mut peer = Scripted::new(PEER, move |message, out| {
        let Message::Request(request) = message else { return };
        let status = match request.method {
            Method::Ack => None,
            Method::Refer => refer,
            _ => Some(200),
        };
        if let Some(status) = status {
            out.reply(0, &response(request, status, "peer", address));
        }
    });
    let leg = phone.call(&target("sip:200@10.0.0.5:5060"), Some(OFFER), net.now());
    run(net, &mut phone, &mut peer, 2);
    assert!(phone.has(|event| matches!(event, Event::Answered { .. })));
    (phone, peer, leg)
}

fn target(uri: &str) -> Uri {
    Uri::parse(uri.as_bytes()).expect("a URI")
}

fn run(net: &mut SimNet, phone: &mut Phone, peer: &mut Scripted, seconds: u64) {
    net.run_for(&mut [phone, peer], Duration::from_secs(seconds));
}

/// Lets the peer tell something inside the dialog; returns what it was answered.
fn notify(
    net: &mut SimNet,
    phone: &mut Phone,
    peer: &mut Scripted,
    cseq: u32,
    (event, state, body): (&str, &str, &str),
) -> Vec<u16> {
    let before = peer.finals(&Method::Notify).len();
    let invites = peer.requests(Method::Invite);
    let invite = &invites.first().expect("an INVITE").headers;
    let text = |name: &HeaderName| invite.text(name).expect("a header").into_owned();
    let lines = format!(
        "From: {};tag=peer\r\nTo: {}\r\nCall-ID: {}\r\nEvent: {event}\r\nSubscription-State: {state}\r\n\
         Content-Type: message/sipfrag\r\nSubject: {cseq}",
        text(&HeaderName::To),
        text(&HeaderName::From),
        invite.call_id().expect("a Call-ID"),
    );
    let contact = invite.contacts().expect("contacts");
    let uri = contact.first().expect("a contact").uri.to_string();
    let mut told: Request = request("NOTIFY", &uri, &lines, body.as_bytes());
    told.headers.set(HeaderName::CSeq, CSeq { number: cseq, method: Method::Notify }.to_string());
    peer.send(PHONE.parse().expect("an address"), &told);
    run(net, phone, peer, 2);
    peer.finals(&Method::Notify).split_off(before)
}

fn told(phone: &Phone) -> Vec<ReferralTold> {
    let told = |event: &&Event| match event {
        Event::ReferralTold { told, .. } => Some(*told),
        _ => None,
    };
    phone.calls().iter().filter_map(told).collect()
}

const ACTIVE: &str = "active;expires=60";
const OVER: &str = "terminated;reason=noresource";

#[test]
fn a_peer_is_asked_to_call_somebody_else_and_tells_how_it_goes_until_it_is_answered() {
    let mut net = SimNet::new(1);
    let (mut phone, mut peer, leg) = talking(&mut net, Some(202));
    phone.ua.refer(leg, &target("sip:300@pbx"), net.now()).expect("asked");
    assert_eq!(phone.ua.refer(leg, &target("sip:301@pbx"), net.now()), Err(CommandRefused::Busy));
    run(&mut net, &mut phone, &mut peer, 1);
    let asked = peer.requests(Method::Refer);
    let header = |name: &HeaderName| asked[0].headers.text(name).map(std::borrow::Cow::into_owned);
    assert_eq!(header(&HeaderName::ReferTo).as_deref(), Some("<sip:300@pbx>"));
    assert!(header(&HeaderName::ReferredBy).is_some_and(|by| by.starts_with("<sip:")), "RFC 3892");
    assert!(header(&HeaderName::Contact).is_some(), "RFC 3515 section 2.2: it makes a subscription");
    assert_eq!(told(&phone), [ReferralTold::Accepted]);
    for (cseq, state, body) in [
        (7, ACTIVE, "SIP/2.0 100 Trying\r\n"),
        (8, ACTIVE, "SIP/2.0 180 Ringing\r\n"),
        (9, OVER, "SIP/2.0 200 OK\r\nContact: <sip:x@y>\r\n"),
    ] {
        assert_eq!(notify(&mut net, &mut phone, &mut peer, cseq, ("refer;id=2", state, body)), [200]);
    }
    let progress = |status| ReferralTold::Progress { status };
    let all = [ReferralTold::Accepted, progress(100), progress(180), ReferralTold::Over { status: 200 }];
    assert_eq!(told(&phone), all);
    let late = ("refer", OVER, "SIP/2.0 503 Late\r\n");
    assert_eq!(notify(&mut net, &mut phone, &mut peer, 10, late), [405], "it is over");
    assert_eq!(told(&phone), all);
    phone.ua.refer(leg, &target("sip:301@pbx"), net.now()).expect("the next one");
}

#[test]
fn a_peer_that_will_not_or_is_silent_is_told_apart_from_one_whose_call_comes_to_nothing() {
    for status in [405, 501, 603, 404] {
        let mut net = SimNet::new(2);
        let (mut phone, mut peer, leg) = talking(&mut net, Some(status));
        phone.ua.refer(leg, &target("sip:300@pbx"), net.now()).expect("asked");
        run(&mut net, &mut phone, &mut peer, 2);
        assert_eq!(told(&phone), [ReferralTold::Refused { status }]);
        assert!(!phone.has(|event| matches!(event, Event::Ended { .. })), "the talk goes on");
    }
    let mut net = SimNet::new(3);
    let (mut phone, mut peer, leg) = talking(&mut net, None);
    phone.ua.refer(leg, &target("sip:300@pbx"), net.now()).expect("asked");
    run(&mut net, &mut phone, &mut peer, 40);
    assert_eq!(told(&phone), [ReferralTold::Refused { status: 408 }]);
    let mut net = SimNet::new(4);
    let (mut phone, mut peer, leg) = talking(&mut net, Some(202));
    phone.ua.refer(leg, &target("sip:300@pbx"), net.now()).expect("asked");
    run(&mut net, &mut phone, &mut peer, 9);
    assert_eq!(told(&phone), [ReferralTold::Accepted]);
    run(&mut net, &mut phone, &mut peer, 3);
    assert_eq!(
        told(&phone),
        [ReferralTold::Accepted, ReferralTold::Refused { status: 408 }],
        "202 and silence"
    );
    phone.ua.refer(leg, &target("sip:300@pbx"), net.now()).expect("asked again");
    run(&mut net, &mut phone, &mut peer, 1);
    notify(&mut net, &mut phone, &mut peer, 7, ("refer", ACTIVE, "SIP/2.0 180 Ringing\r\n"));
    run(&mut net, &mut phone, &mut peer, 62);
    assert_eq!(
        told(&phone).last(),
        Some(&ReferralTold::Over { status: 408 }),
        "it rang and nothing more was told"
    );
}

#[test]
fn a_fragment_that_says_nothing_ends_nothing_and_an_end_without_one_is_an_end() {
    let mut net = SimNet::new(5);
    let (mut phone, mut peer, leg) = talking(&mut net, Some(202));
    phone.ua.refer(leg, &target("sip:300@pbx"), net.now()).expect("asked");
    run(&mut net, &mut phone, &mut peer, 1);
    for (cseq, body) in [(7, ""), (8, "200 OK"), (9, "SIP/2.0"), (10, "SIP/2.0 9999 x"), (11, "\u{1}\0\r\n")]
    {
        assert_eq!(notify(&mut net, &mut phone, &mut peer, cseq, ("refer", ACTIVE, body)), [200]);
    }
    assert_eq!(notify(&mut net, &mut phone, &mut peer, 12, ("presence", OVER, "SIP/2.0 200 OK")), [405]);
    assert_eq!(told(&phone), [ReferralTold::Accepted]);
    assert_eq!(notify(&mut net, &mut phone, &mut peer, 13, ("refer", OVER, "SIP/2.0 180 Ringing")), [200]);
    assert_eq!(told(&phone), [ReferralTold::Accepted, ReferralTold::Over { status: 408 }]);
}

#[test]
fn a_leg_that_ends_meanwhile_tells_nothing_more() {
    let mut net = SimNet::new(6);
    let (mut phone, mut peer, leg) = talking(&mut net, Some(202));
    phone.ua.refer(leg, &target("sip:300@pbx"), net.now()).expect("asked");
    run(&mut net, &mut phone, &mut peer, 1);
    phone.ua.bye(leg, None, net.now()).expect("hung up");
    run(&mut net, &mut phone, &mut peer, 120);
    assert!(phone.has(|event| matches!(event, Event::Ended { cause: EndCause::LocalBye, .. })));
    assert_eq!(told(&phone), [ReferralTold::Accepted]);
    assert_eq!(phone.ua.refer(leg, &target("sip:300@pbx"), net.now()), Err(CommandRefused::UnknownHandle));
}

#[test]
fn a_peer_is_asked_to_take_our_place_in_another_dialog_as_that_peer_names_it() {
    let mut net = SimNet::new(9);
    let (mut phone, mut peer, first) = talking(&mut net, Some(202));
    let second = phone.call(&target("sip:300@10.0.0.5:5060"), Some(OFFER), net.now());
    assert_eq!(phone.ua.refer_to_peer_of(first, second, net.now()), Err(CommandRefused::WrongState));
    run(&mut net, &mut phone, &mut peer, 2);
    phone.ua.refer_to_peer_of(first, second, net.now()).expect("asked");
    run(&mut net, &mut phone, &mut peer, 1);
    let invites = peer.requests(Method::Invite);
    let (of_first, of_second) = (&invites[0].headers, &invites[invites.len() - 1].headers);
    let asked = peer.requests(Method::Refer);
    assert_eq!(asked[0].headers.call_id(), of_first.call_id(), "within the customer's dialog");
    let refer_to = asked[0].headers.refer_to().expect("a Refer-To");
    let place = refer_to.uri.as_sip().expect("a SIP URI");
    assert_eq!(place.host.to_string(), "10.0.0.5", "the Contact of the second peer");
    let value = String::from_utf8(place.header("Replaces").expect("a Replaces")).expect("text");
    let replaces = Replaces::parse(&value).expect("readable");
    let tag = of_second.from_().expect("a From").tag().expect("a tag").to_owned();
    let dialog = DialogId {
        call_id: of_second.call_id().expect("a Call-ID").to_owned(),
        local_tag: "peer".to_owned(),
        remote_tag: tag,
    };
    assert_eq!(replaces.dialog, dialog);
}
