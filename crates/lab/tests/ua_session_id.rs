//! One name for a call on all its legs (RFC 7989).

#[cfg(test)]
mod ua_world;

use std::time::Duration;

use linecard_lab::SimNet;
use linecard_sip::message::{HeaderName, Message, Method};
use linecard_sip::ua::{CallerId, Event, OutgoingInvite, Route};
use linecard_sip::uri::Uri;
use ua_world::{OFFER, Phone, Scripted, VOID, answering, request, response};

const PEER: &str = "10.0.0.5:5060";
const THEIRS: &str = "ab30317f1a784dc48ff824d0d3715d86";
const NIL: &str = "00000000000000000000000000000000";

#[test]
fn both_ends_name_the_call_alike_in_every_message() {
    let mut net = SimNet::new(1);
    let mut caller = Phone::idle(1, "10.0.0.1:5060");
    let mut callee = Phone::new(2, "10.0.0.2:5060", answering(100));
    let target = callee.line(VOID, net.now());
    let leg = caller.call(&target, Some(OFFER), net.now());
    net.run_for(&mut [&mut caller, &mut callee], Duration::from_secs(2));
    let ours = caller.ua.session_id(leg).expect("a call").clone();
    let theirs = callee.ua.session_id(callee.incoming()).expect("a call").clone();
    assert_eq!((Some(&ours.local), ours.remote.as_ref()), (theirs.remote.as_ref(), Some(&theirs.local)));
}

#[test]
fn another_leg_of_a_call_carries_on_what_the_caller_is_called() {
    let mut net = SimNet::new(2);
    let mut phone = Phone::idle(1, "10.0.0.1:5060");
    let contact = phone.line(VOID, net.now());
    let address = PEER.parse().expect("an address");
    let mut peer = Scripted::new(PEER, move |message, out| {
        if let Message::Request(request) = message
            && request.method == Method::Invite
        {
            let mut ringing = response(request, 180, "peer", address);
            ringing.headers.set(HeaderName::SessionId, "ffffffff1a784dc48ff824d0d3715d86;remote=x");
            out.reply(0, &ringing);
        }
    });
    for (call_id, named, carried) in [
        ("one", format!("\r\nSession-ID: {};remote={NIL}", THEIRS.to_ascii_uppercase()), Some(THEIRS)),
        ("two", "\r\nSession-ID: not;remote=hex".to_owned(), None),
        ("three", format!("\r\nSession-ID: {NIL};remote={NIL}"), None),
        ("four", String::new(), None),
    ] {
        let extra =
            format!("From: <sip:1@pbx>;tag={call_id}\r\nTo: <sip:line@pbx>\r\nCall-ID: {call_id}{named}");
        peer.send(phone.address, &request("INVITE", &contact.to_string(), &extra, b""));
        net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(1));
        let received = phone.events.iter().rev().find_map(|event| match event {
            Event::InviteReceived { handle, .. } => Some(*handle),
            _ => None,
        });
        let leg = received.expect("an INVITE came");
        let known = phone.ua.session_id(leg).expect("a leg").clone();
        assert_eq!(known.remote.as_deref(), carried, "{call_id}");
        let invite = OutgoingInvite {
            target: Uri::parse(b"sip:200@10.0.0.5:5060").expect("a URI"),
            route: Route::Direct,
            caller: CallerId::default(),
            headers: Vec::new(),
            offer: Some(OFFER.to_vec()),
            beside: Some(leg),
        };
        let other = phone.ua.invite(invite, net.now()).expect("placed");
        net.run_for(&mut [&mut phone, &mut peer], Duration::from_secs(1));
        let sent =
            peer.requests(Method::Invite).last().and_then(|sent| sent.headers.text(&HeaderName::SessionId));
        let local = carried.map_or(known.local.clone(), str::to_owned);
        assert_eq!(sent.as_deref(), Some(format!("{local};remote={NIL}").as_str()), "{call_id}");
        let learned = phone.ua.session_id(other).expect("a leg");
        assert_eq!(learned.remote.as_deref(), Some("ffffffff1a784dc48ff824d0d3715d86"), "{call_id}");
    }
}
