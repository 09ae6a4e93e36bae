//! The number that was dialled, wherever a PBX or a provider tells it.

use linecard_sip::message::{HeaderName, Message, parse_datagram};

use super::*;

fn invite(to: &str, more: &[(&str, &str)]) -> Request {
    let text = format!(
        "INVITE sip:x@192.0.2.5 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
         From: <sip:+79101234567@pbx>;tag=1\r\nTo: <{to}>\r\nCall-ID: a\r\nCSeq: 1 INVITE\r\n\
         Contact: <sip:a@192.0.2.1>\r\nContent-Length: 0\r\n\r\n"
    );
    let Ok(Message::Request(mut request)) = parse_datagram(text.as_bytes()) else { panic!("{text}") };
    for (name, value) in more {
        request.headers.push(HeaderName::from(*name), *value);
    }
    request
}

#[test]
fn the_number_that_was_dialled_is_read_where_it_is_told() {
    let own = "sip:100@pbx";
    let number = |to: &str, more: &[(&str, &str)]| did(&DialPlan::default(), &invite(to, more), "100");
    let some = |text: &str| Some(text.to_owned());
    let history = ("History-Info", "<sip:100@pbx>;index=1.1, <sip:+78312000002@pbx>;index=1");
    let diversion =
        ("Diversion", "<sip:105@pbx>;reason=no-answer, <sip:+78312000003@pbx>;reason=unconditional");
    let called = ("P-Called-Party-ID", "<sip:+78312000001@provider.example>");
    assert_eq!(number("sip:+78312000000@pbx", &[called, history]), some("+78312000000"), "To first");
    assert_eq!(number(own, &[]), None);
    assert_eq!(number("sip:88312000000@pbx", &[]), some("+78312000000"), "the same number on every line");
    assert_eq!(number(own, &[diversion, history, called]), some("+78312000001"));
    assert_eq!(
        number(own, &[diversion, history]),
        some("+78312000002"),
        "the first target, not the account itself"
    );
    assert_eq!(number(own, &[diversion]), some("+78312000003"), "the first who diverted it");
    assert_eq!(number("sip:sales@pbx", &[history]), some("+78312000002"), "a number tells more than a name");
    assert_eq!(number("sip:sales@pbx", &[]), some("sales"));
    assert_eq!(number(own, &[("History-Info", "nonsense"), ("Diversion", "<tel:1>")]), None);
}
