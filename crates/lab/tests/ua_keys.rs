//! Digits by INFO, in both directions; what they are never shows.

#[cfg(test)]
mod ua_world;

use std::time::Duration;

use linecard_lab::SimNet;
use linecard_sip::message::{CSeq, HeaderName, Message, Method, Request};
use linecard_sip::ua::{DialogHandle, Event, Key};
use linecard_sip::uri::Uri;
use ua_world::{OFFER, Phone, Scripted, request, response};

const PEER: &str = "10.0.0.5:5060";

/// A phone of ours that talks with a foreign one, which answers an INFO with `info` and all else with 200.
fn talking(net: &mut SimNet, info: u16) -> (Phone, Scripted, DialogHandle) {
    let mut phone = Phone::idle(1, "10.0.0.1:5060");
    let address = PEER.parse().expect("an address");
    let mut peer = Scripted::new(PEER, move |message, out| {
        if let Message::Request(request) = message
            && request.method != Method::Ack
        {
            let status = if request.method == Method::Info { info } else { 200 };
            out.reply(0, &response(request, status, "peer", address));
        }
    });
    let target = Uri::parse(b"sip:200@10.0.0.5:5060").expect("a URI");
    let leg = phone.call(&target, Some(OFFER), net.now());
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(2));
    (phone, peer, leg)
}

fn keys(text: &str) -> Vec<Key> {
    text.chars().filter_map(Key::of).collect()
}

fn sent(peer: &Scripted) -> Vec<String> {
    let infos = peer.requests(Method::Info).into_iter();
    infos.map(|info| String::from_utf8_lossy(&info.body).into_owned()).collect()
}

#[test]
fn digits_leave_one_after_the_other_in_their_order() {
    let mut net = SimNet::new(1);
    let (mut phone, mut peer, leg) = talking(&mut net, 200);
    phone.ua.press(leg, &keys("1*"), net.now()).expect("pressed");
    phone.ua.press(leg, &keys("#"), net.now()).expect("pressed");
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(2));
    assert_eq!(sent(&peer), ["1", "*", "#"].map(|key| format!("Signal={key}\r\nDuration=160\r\n")));
    let numbers: Vec<u32> =
        peer.requests(Method::Info).iter().map(|info| info.headers.cseq().unwrap().number).collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
    phone.ua.press(leg, &keys("7"), net.now()).expect("pressed");
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(2));
    assert_eq!(sent(&peer).len(), 4, "and again later");
}

#[test]
fn a_peer_that_takes_no_digits_gets_no_more_of_them() {
    let mut net = SimNet::new(2);
    let (mut phone, mut peer, leg) = talking(&mut net, 415);
    phone.ua.press(leg, &keys("123"), net.now()).expect("pressed");
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(2));
    assert_eq!(sent(&peer).len(), 1);
    assert!(!phone.has(|event| matches!(event, Event::Ended { .. })), "the talk goes on");
}

/// An INFO of the peer inside the dialog.
fn info(peer: &Scripted, cseq: u32, kind: &str, body: &str) -> Request {
    let invites = peer.requests(Method::Invite);
    let invite = &invites.first().expect("an INVITE").headers;
    let text = |name: &HeaderName| invite.text(name).expect("a header").into_owned();
    let extra = format!(
        "From: {};tag=peer\r\nTo: {}\r\nCall-ID: {}\r\nX-N: {cseq}",
        text(&HeaderName::To),
        text(&HeaderName::From),
        invite.call_id().expect("a Call-ID"),
    );
    let contacts = invite.contacts().expect("contacts");
    let uri = contacts.first().expect("a contact").uri.to_string();
    let mut request = request("INFO", &uri, &extra, body.as_bytes());
    request.headers.set(HeaderName::CSeq, CSeq { number: cseq, method: Method::Info }.to_string());
    request.headers.set(HeaderName::ContentType, kind);
    request
}

#[test]
fn digits_of_the_peer_are_told_in_every_form_and_nonsense_is_not() {
    let mut net = SimNet::new(3);
    let (mut phone, mut peer, _) = talking(&mut net, 200);
    let relayed = "application/dtmf-relay";
    for (cseq, kind, body, status, heard) in [
        (2, relayed, "Signal=5\r\nDuration=160\r\n", 200, Some('5')),
        (3, relayed, "Signal= #\nDuration= 160", 200, Some('#')),
        (4, relayed, "Signal=11", 200, Some('#')),
        (5, "application/dtmf; charset=utf-8", "9", 200, Some('9')),
        (6, "application/dtmf", "*\r\n", 200, Some('*')),
        (7, relayed, "Signal=flash", 415, None),
        (8, relayed, "Duration=160", 415, None),
        (9, "application/media_control+xml", "<media_control/>", 415, None),
        (10, "application/dtmf", "", 200, None),
    ] {
        let before = phone.calls().len();
        let answered = peer.finals(&Method::Info).len();
        peer.send("10.0.0.1:5060".parse().expect("an address"), &info(&peer, cseq, kind, body));
        net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(1));
        assert_eq!(peer.finals(&Method::Info)[answered..], [status], "{kind} {body:?}");
        let pressed = |event: &&Event| match event {
            Event::KeyPressed { key, .. } => Some(key.get()),
            _ => None,
        };
        let told: Vec<char> = phone.calls()[before..].iter().filter_map(pressed).collect();
        assert_eq!(told, heard.into_iter().collect::<Vec<_>>(), "{kind} {body:?}");
    }
    let shown = format!("{:?}", phone.calls());
    assert!(shown.contains("Key,") || shown.contains("Key }"), "the event is there: {shown}");
}
