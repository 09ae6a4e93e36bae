//! Who is at the other end, as it is told while a call runs (RFC 3325, RFC 5876).

#[cfg(test)]
mod ua_world;

use std::time::Duration;

use linecard_lab::SimNet;
use linecard_sip::message::{CSeq, Header, HeaderName, Message, Method, Request};
use linecard_sip::ua::{CommandRefused, DialogHandle, Event};
use linecard_sip::uri::Uri;
use ua_world::{ANSWER, OFFER, OTHER, Phone, Scripted, VOID, answering, request, response};

const PEER: &str = "10.0.0.5:5060";

fn asserted(number: &str) -> Vec<Header> {
    let value = format!("\"Иван\" <sip:{number}@pbx>").into_bytes();
    vec![Header { name: HeaderName::PAssertedIdentity, value }]
}

/// The user parts of everybody whom the peer has named so far.
fn named(phone: &Phone) -> Vec<String> {
    let told = phone.events.iter().filter_map(|event| match event {
        Event::PeerNamed { identity, .. } => Some(identity.asserted.first()?.uri.as_sip()?.user.clone()?),
        _ => None,
    });
    told.collect()
}

/// Two phones of ours in a call; the callee accepts every change.
fn call(net: &mut SimNet) -> (Phone, Phone, DialogHandle) {
    let mut caller = Phone::idle(1, "10.0.0.1:5060");
    let mut callee = Phone::new(2, "10.0.0.2:5060", answering(100));
    let target = callee.line(VOID, net.now());
    let leg = caller.call(&target, Some(OFFER), net.now());
    net.run_for(&mut [&mut caller, &mut callee], Duration::from_secs(2));
    (caller, callee, leg)
}

/// A phone of ours that talks with a foreign one; `allow` is that one's Allow, `update` what it answers to UPDATE, and
/// `identity` whom its 200 to the INVITE names.
fn talking(
    net: &mut SimNet,
    allow: &'static str,
    update: u16,
    identity: &'static str,
) -> (Phone, Scripted, DialogHandle) {
    let mut phone = Phone::idle(1, "10.0.0.1:5060");
    let address = PEER.parse().expect("an address");
    let mut peer = Scripted::new(PEER, move |message, out| {
        if let Message::Request(request) = message
            && request.method != Method::Ack
        {
            let status = if request.method == Method::Update { update } else { 200 };
            let mut answer = response(request, status, "peer", address);
            answer.headers.set(HeaderName::Allow, allow);
            if request.method == Method::Invite {
                answer.headers.set(HeaderName::ContentType, "application/sdp");
                answer.body = ANSWER.to_vec();
                if !identity.is_empty() {
                    answer.headers.set(HeaderName::PAssertedIdentity, identity);
                }
            }
            out.reply(0, &answer);
        }
    });
    let target = Uri::parse(b"sip:200@10.0.0.5:5060").expect("a URI");
    let leg = phone.call(&target, Some(OFFER), net.now());
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(2));
    (phone, peer, leg)
}

fn identities(requests: &[&Request]) -> usize {
    requests.iter().filter(|request| request.headers.contains(&HeaderName::PAssertedIdentity)).count()
}

#[test]
fn who_is_connected_later_is_told_and_once() {
    let mut net = SimNet::new(1);
    let (mut caller, mut callee, leg) = call(&mut net);
    for number in ["79161234567", "79161234567", "102"] {
        caller.ua.tell_identity(leg, asserted(number), net.now()).expect("told");
        net.run_for(&mut [&mut caller, &mut callee], Duration::from_secs(2));
    }
    assert_eq!(named(&callee), ["79161234567", "102"]);
    assert!(!callee.has(|event| matches!(event, Event::ReinviteReceived { .. })), "the session is as it was");
}

#[test]
fn who_answers_instead_of_the_one_called_is_told() {
    let mut net = SimNet::new(2);
    let (phone, ..) = talking(&mut net, "INVITE, ACK", 200, "<sip:102@pbx>");
    assert_eq!(named(&phone), ["102"]);
}

#[test]
fn a_caller_who_changes_before_the_answer_is_told() {
    let mut net = SimNet::new(3);
    let mut callee = Phone::idle(2, "10.0.0.2:5060");
    let contact = callee.line(VOID, net.now());
    let mut peer = Scripted::new(PEER, |_, _| {});
    let identified = |method: &str, to: &str, who: &str, body: &[u8]| {
        let kind = if body.is_empty() { "" } else { "\r\nContent-Type: application/sdp" };
        let extra = format!(
            "From: <sip:101@pbx>;tag=a\r\nTo: {to}\r\nCall-ID: early\r\nP-Asserted-Identity: <sip:{who}@pbx>{kind}"
        );
        request(method, &contact.to_string(), &extra, body)
    };
    peer.send(callee.address, &identified("INVITE", "<sip:line@pbx>", "101", OFFER));
    net.run_for(&mut [&mut callee, &mut peer], Duration::from_secs(1));
    callee.ua.ring(callee.incoming(), 180, None, net.now()).expect("ringing");
    net.run_for(&mut [&mut callee, &mut peer], Duration::from_secs(1));
    assert!(named(&callee).is_empty(), "the INVITE's own identity is in the INVITE");
    let ringing = peer.responses().into_iter().find(|response| response.status.get() == 180).expect("180");
    let to = ringing.headers.text(&HeaderName::To).expect("a To").into_owned();
    for (number, who) in [(2, "101"), (3, "79161234567")] {
        let mut update = identified("UPDATE", &to, who, b"");
        update.headers.set(HeaderName::CSeq, CSeq { number, method: Method::Update }.to_string());
        peer.send(callee.address, &update);
        net.run_for(&mut [&mut callee, &mut peer], Duration::from_secs(1));
    }
    assert_eq!(named(&callee), ["79161234567"]);
}

#[test]
fn a_peer_without_update_is_told_by_an_invite_that_changes_nothing() {
    for (allow, update, updates) in [("INVITE, ACK", 200, 0), ("INVITE, ACK, UPDATE", 405, 1)] {
        let mut net = SimNet::new(4);
        let (mut phone, mut peer, leg) = talking(&mut net, allow, update, "");
        phone.ua.tell_identity(leg, asserted("102"), net.now()).expect("told");
        net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(3));
        let invites = peer.requests(Method::Invite);
        assert_eq!(peer.requests(Method::Update).len(), updates, "{allow}");
        assert_eq!((invites.len(), identities(&invites)), (2, 1), "{allow}");
        assert_eq!(invites.last().expect("two").body, OFFER, "{allow}");
    }
}

#[test]
fn what_is_told_during_a_change_follows_it_and_takes_nothing_back() {
    let mut net = SimNet::new(5);
    let (mut phone, mut peer, leg) = talking(&mut net, "INVITE, ACK", 200, "");
    phone.ua.reinvite(leg, OTHER, net.now()).expect("held");
    phone.ua.tell_identity(leg, asserted("101"), net.now()).expect("told");
    phone.ua.tell_identity(leg, asserted("102"), net.now()).expect("told");
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(3));
    let invites = peer.requests(Method::Invite);
    assert_eq!(
        invites.iter().map(|invite| invite.body.as_slice()).collect::<Vec<_>>(),
        [OFFER, OTHER, OTHER]
    );
    assert_eq!(identities(&invites), 1);
    let told = invites.last().and_then(|invite| invite.headers.text(&HeaderName::PAssertedIdentity));
    assert!(told.is_some_and(|told| told.contains("102@")), "the last word counts");
    phone.ua.reinvite(leg, OFFER, net.now()).expect("nothing is left under way");
}

#[test]
fn a_change_takes_along_what_waits_to_be_told() {
    let mut net = SimNet::new(6);
    let (mut phone, mut peer, leg) = talking(&mut net, "INVITE, ACK", 200, "");
    phone.ua.reinvite(leg, OTHER, net.now()).expect("held");
    phone.ua.tell_identity(leg, asserted("102"), net.now()).expect("told");
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_millis(300));
    phone.ua.reinvite(leg, OFFER, net.now()).expect("back from hold before it was told");
    net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(3));
    let invites = peer.requests(Method::Invite);
    assert_eq!((invites.len(), identities(&invites)), (3, 1));
    assert_eq!(invites.last().expect("three").body, OFFER);
}

#[test]
fn nothing_is_told_that_would_break_out_of_its_header() {
    let mut net = SimNet::new(7);
    let (mut phone, _, leg) = talking(&mut net, "INVITE, ACK", 200, "");
    let broken = vec![Header { name: HeaderName::PAssertedIdentity, value: b"<sip:1@a>\r\nX: y".to_vec() }];
    assert_eq!(phone.ua.tell_identity(leg, broken, net.now()), Err(CommandRefused::Unprintable));
    let to = vec![Header { name: HeaderName::To, value: b"<sip:1@a>".to_vec() }];
    assert_eq!(phone.ua.tell_identity(leg, to, net.now()), Err(CommandRefused::ReservedHeader));
}
