//! Dialogs as RFC 3261 section 12 has them: who is who, which way requests go, which CSeq comes next.

use linecard_sip::dialog::{Dialog, DialogPhase, DialogRecord, OutOfOrder};
use linecard_sip::message::{HeaderName, Message, Method, Request, Response, StatusCode, parse_datagram};
use linecard_sip::transport::{Flow, Transport};

fn invite(routes: &str) -> Request {
    let text = format!(
        "INVITE sip:line@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
         From: \"Anna\" <sip:anna@example.com>;tag=a\r\nTo: <sip:line@192.0.2.9>\r\nCall-ID: c\r\nCSeq: 7 INVITE\r\n\
         Contact: <sip:anna@192.0.2.1:5070>\r\n{routes}Content-Length: 0\r\n\r\n"
    );
    match parse_datagram(text.as_bytes()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn answer(request: &Request, routes: &[&str], status: StatusCode, tag: Option<&str>) -> Response {
    let mut response = Response::reply_to(request, status);
    response.headers.remove(&HeaderName::RecordRoute);
    for route in routes {
        response.headers.push(HeaderName::RecordRoute, *route);
    }
    if let Some(tag) = tag {
        response.headers.set_to_tag(tag);
    }
    response.headers.set(HeaderName::Contact, "<sip:bob@192.0.2.2>");
    response
}

fn routes(request: &Request) -> Vec<String> {
    request
        .headers
        .get_all(&HeaderName::Route)
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .collect()
}

#[test]
fn the_server_keeps_the_order_of_routes_and_the_client_reverses_it() {
    let recorded = "Record-Route: <sip:p2;lr>\r\nRecord-Route: <sip:p1;lr>\r\n";
    let mut served = Dialog::served(&invite(recorded), "b").unwrap();
    let bye = served.request(Method::Bye);
    assert_eq!(routes(&bye), ["<sip:p2;lr>", "<sip:p1;lr>"]);
    assert_eq!(bye.uri.to_string(), "sip:anna@192.0.2.1:5070");
    let request = invite("");
    let response = answer(&request, &["<sip:p2;lr>", "<sip:p1;lr>"], StatusCode::OK, Some("b"));
    let mut sent = Dialog::sent(&request, &response).unwrap();
    let bye = sent.request(Method::Bye);
    assert_eq!(routes(&bye), ["<sip:p1;lr>", "<sip:p2;lr>"]);
    assert_eq!(sent.next_hop().unwrap().to_string(), "sip:p1;lr");
}

#[test]
fn a_strict_router_becomes_the_request_uri_and_the_target_goes_last() {
    let recorded = "Record-Route: <sip:strict;method=BYE>\r\nRecord-Route: <sip:p1;lr>\r\n";
    let mut dialog = Dialog::served(&invite(recorded), "b").unwrap();
    let bye = dialog.request(Method::Bye);
    assert_eq!(bye.uri.to_string(), "sip:strict");
    assert_eq!(routes(&bye), ["<sip:p1;lr>", "<sip:anna@192.0.2.1:5070>"]);
}

#[test]
fn ours_and_theirs_are_told_apart_in_both_roles() {
    let mut served = Dialog::served(&invite(""), "b").unwrap();
    assert_eq!((served.id.local_tag.as_str(), served.id.remote_tag.as_str()), ("b", "a"));
    assert_eq!((served.remote_cseq, served.phase), (Some(7), DialogPhase::Early));
    let bye = served.request(Method::Bye);
    assert_eq!(bye.headers.from_().unwrap().tag(), Some("b"));
    assert_eq!(bye.headers.to().unwrap().tag(), Some("a"));
    let request = invite("");
    let mut sent = Dialog::sent(&request, &answer(&request, &[], StatusCode::RINGING, Some("b"))).unwrap();
    assert_eq!((sent.id.local_tag.as_str(), sent.id.remote_tag.as_str()), ("a", "b"));
    assert_eq!((sent.local_cseq, sent.remote_cseq, sent.phase), (7, None, DialogPhase::Early));
    assert_eq!(sent.request(Method::Info).headers.cseq().unwrap().number, 8);
    assert_eq!(sent.ack(7).headers.cseq().unwrap().number, 7);
}

#[test]
fn a_peer_without_tags_still_makes_a_dialog() {
    let request = invite("");
    let dialog = Dialog::sent(&request, &answer(&request, &[], StatusCode::OK, None)).unwrap();
    assert_eq!(dialog.id.remote_tag, "");
    assert_eq!(dialog.remote.tag(), None);
}

#[test]
fn gaps_in_cseq_are_fine_and_steps_back_are_not() {
    let mut dialog = Dialog::served(&invite(""), "b").unwrap();
    assert_eq!(dialog.receive(8), Ok(()));
    assert_eq!(dialog.receive(900), Ok(()));
    assert_eq!(dialog.receive(899), Err(OutOfOrder));
    assert_eq!(dialog.remote_cseq, Some(900));
}

#[test]
fn an_invite_without_contact_makes_no_dialog() {
    let mut request = invite("");
    request.headers.remove(&HeaderName::Contact);
    assert!(Dialog::served(&request, "b").is_err());
}

#[test]
fn a_record_gives_the_same_dialog_back() {
    let mut dialog = Dialog::served(&invite("Record-Route: <sip:p1;lr;x=y>\r\n"), "b").unwrap();
    dialog.confirm();
    dialog.local.display = None;
    dialog.remote.display = None;
    let flow =
        Flow::new(Transport::Tcp, "192.0.2.9:5060".parse().unwrap(), "[2001:db8::1]:5061".parse().unwrap());
    let record = DialogRecord::of(&dialog, flow, Some("line".to_owned()));
    assert_eq!(record.restore().unwrap(), (dialog, flow));
    let damaged = DialogRecord { remote_target: "nowhere".to_owned(), ..record };
    assert!(damaged.restore().is_err());
}
