//! Typed views: compact forms, lists, national charsets, addresses, replies, framing and keep-alives.

mod laws;

use linecard_sip::{
    frame::{Frame, StreamFramer},
    message::{
        HeaderName, Headers, Message, Method, NameAddr, ParseErrorKind, ReasonValue, Refresher, Request,
        Response, StatusCode, Via, parse_datagram,
    },
    uri::{SipUri, Uri},
};

fn headers(lines: &[(&str, &[u8])]) -> Headers {
    let mut headers = Headers::new();
    lines.iter().for_each(|(name, value)| headers.push(HeaderName::from(*name), *value));
    headers
}

fn address(text: &[u8]) -> NameAddr {
    NameAddr::parse(text).unwrap_or_else(|error| panic!("{error}"))
}

fn sip(text: &str) -> SipUri {
    match text.parse() {
        Ok(Uri::Sip(uri)) => uri,
        other => panic!("{text}: {other:?}"),
    }
}

const INVITE: &str = "INVITE sip:105@pbx.example.com SIP/2.0\r\nv: SIP/2.0/UDP a;branch=z9hG4bK1;rport, \
    SIP/2.0/TCP b:5070\r\nVIA: SIP/2.0/UDP c\r\nRecord-Route: <sip:p1;lr>, <sip:p2;lr>\r\nf: <sip:1@a>;tag=x\r\n\
    t: \"105\" <sip:105@pbx.example.com>\r\ni: id@a\r\nCSeq: 7 INVITE\r\nm: <sip:1@a:5062>\r\nx: 1800;refresher=uac\r\n\
    k: timer, 100rel ,replaces\r\nTimestamp: 54\r\nX-Unknown: kept ; as,it\tis\r\nc: application/sdp\r\nl: 3\r\n\r\nv=0";

fn invite() -> Request {
    match parse_datagram(INVITE.as_bytes()) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn compact_and_long_names_are_the_same_header() {
    let invite = invite();
    assert_eq!(invite.headers.get(&HeaderName::ContentType), Some(b"application/sdp".as_slice()));
    assert_eq!(invite.headers.session_expires(), Some((1800, Some(Refresher::Uac))));
    assert_eq!(invite.headers.options_of(&HeaderName::Supported), ["timer", "100rel", "replaces"]);
    assert_eq!(invite.headers.call_id(), Ok("id@a"));
    let printed = String::from_utf8(invite.to_bytes()).expect("ASCII");
    assert!(
        printed.contains("\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1;rport, SIP/2.0/TCP b:5070\r\n"),
        "{printed}"
    );
    assert!(printed.contains("\r\nX-Unknown: kept ; as,it\tis\r\n"), "{printed}");
    assert!(printed.ends_with("\r\nContent-Length: 3\r\n\r\nv=0"), "{printed}");
    let compact = [
        ("s", "Subject"),
        ("o", "Event"),
        ("r", "Refer-To"),
        ("b", "Referred-By"),
        ("u", "Allow-Events"),
        ("e", "Content-Encoding"),
        ("a", "Accept-Contact"),
        ("j", "Reject-Contact"),
        ("d", "Request-Disposition"),
        ("y", "Identity"),
    ];
    for (short, long) in compact {
        assert_eq!(HeaderName::from(short).as_str(), long);
        assert_eq!(
            HeaderName::from(short.to_uppercase().as_str()),
            HeaderName::from(long.to_lowercase().as_str())
        );
    }
}

#[test]
fn several_values_in_one_line_count_as_several_lines() {
    let mut invite = invite();
    let vias = invite.headers.vias().expect("Via");
    let hosts: Vec<_> = vias.iter().map(|via| via.host.to_string()).collect();
    assert_eq!(hosts, ["a", "b", "c"]);
    assert_eq!(vias[0].rport(), Some(None));
    let mut top = vias[0].clone();
    top.set_received([192, 0, 2, 9].into());
    top.set_rport(Some(4711));
    invite.headers.set_top_via(&top);
    let again = invite.headers.vias().expect("Via");
    assert_eq!((again.len(), &again[1..]), (3, &vias[1..]), "those below stay");
    assert_eq!(again[0].to_bytes(), b"SIP/2.0/UDP a;branch=z9hG4bK1;rport=4711;received=192.0.2.9");
    assert_eq!(again[0].rport(), Some(Some(4711)));
    assert_eq!(again[0].received(), Some([192, 0, 2, 9].into()));
    assert_eq!(invite.headers.record_routes().expect("Record-Route").len(), 2);
    let identities = headers(&[
        ("P-Asserted-Identity", b"\"A, B\" <sip:+7831@a>, tel:+7831;x=y"),
        ("Remote-Party-ID", b"<sip:1@a>;party=calling;screen=yes"),
        ("Diversion", b"<sip:2@a>;reason=\"no-answer\",<sip:3@a>,,"),
    ]);
    let asserted = identities.asserted_identity();
    assert_eq!((asserted.len(), asserted[1].uri.to_string()), (2, "tel:+7831".to_owned()));
    assert_eq!(identities.remote_party_id()[0].params.get("party"), Some("calling"));
    let diversions = identities.diversions();
    assert_eq!(
        (diversions.len(), diversions[0].params.unquoted("reason").as_deref()),
        (2, Some("no-answer"))
    );
}

#[test]
fn a_cp1251_display_name_is_kept_as_bytes_and_shown_readable() {
    let text = [
        b"\"\xC8\xE2\xE0\xED\xEE\xE2 \\\"\xCA\xEE\\\"\" <sip:7831@pbx>;tag=1".as_slice(),
        b"\xC8\xE2\xE0\xED\xEE\xE2 \xCA\xEE <sip:7831@pbx>;tag=1",
    ];
    assert_eq!(address(text[0]).display_text().as_deref(), Some("Иванов \"Ко\""));
    assert_eq!(address(text[1]).display_text().as_deref(), Some("Иванов Ко"));
    assert_eq!(address("\"Иванов\" <sip:7831@pbx>".as_bytes()).display_text().as_deref(), Some("Иванов"));
    assert_eq!(address(b"\" \" <sip:7831@pbx>").display_text(), None);
    let bytes = INVITE.replace("f: <sip:1@a>;tag=x", "f: @").into_bytes();
    let place = bytes.iter().position(|byte| *byte == b'@' && bytes[0] == b'I').expect("URI");
    assert!(place > 0);
    let marker = bytes.windows(4).position(|window| window == b"f: @").expect("marker") + 3;
    let bytes = [&bytes[..marker], text[0], &bytes[marker + 1..]].concat();
    let Ok(Message::Request(request)) = parse_datagram(&bytes) else { panic!("accepted") };
    let reply = Response::reply_to(&request, StatusCode::RINGING).to_bytes();
    assert!(reply.windows(text[0].len()).any(|window| window == text[0]), "echoed byte for byte");
}

#[test]
fn a_reply_copies_what_identifies_the_request_and_nothing_else() {
    let invite = invite();
    let ringing = Response::reply_to(&invite, StatusCode::RINGING);
    let names: Vec<_> = ringing.headers.iter().map(|header| header.name.as_str()).collect();
    assert_eq!(names, ["Via", "Via", "From", "To", "Call-ID", "CSeq", "Record-Route"]);
    assert_eq!(ringing.headers.get(&HeaderName::To), invite.headers.get(&HeaderName::To), "no tag yet");
    let trying = Response::reply_to(&invite, StatusCode::TRYING);
    assert!(
        trying.headers.contains(&HeaderName::Timestamp) && !trying.headers.contains(&HeaderName::RecordRoute)
    );
    assert!(!Response::reply_to(&invite, StatusCode::BUSY_HERE).headers.contains(&HeaderName::RecordRoute));
    let mut tagged = ringing;
    tagged.headers.set_to_tag("one");
    assert_eq!(
        tagged.headers.text(&HeaderName::To).as_deref(),
        Some("\"105\" <sip:105@pbx.example.com>;tag=one")
    );
    tagged.headers.set_to_tag("two");
    assert_eq!(tagged.headers.to().expect("To").tag(), Some("two"));
    assert!(String::from_utf8(tagged.to_bytes()).expect("ASCII").starts_with("SIP/2.0 180 Ringing\r\n"));
}

#[test]
fn numbers_that_overflow_are_the_largest_and_others_are_none() {
    let values = headers(&[
        ("Expires", b"4294967296999"),
        ("Min-Expires", b"soon"),
        ("Retry-After", b"18000;duration=3600 (in a meeting)"),
        ("Min-SE", b"90;x=y"),
        ("Session-Expires", b"600;refresher=UAS"),
    ]);
    assert_eq!(values.expires(), Some(u32::MAX));
    assert_eq!(values.min_expires(), None);
    assert_eq!(values.retry_after(), Some(18000));
    assert_eq!(values.min_se(), Some(90));
    assert_eq!(values.session_expires(), Some((600, Some(Refresher::Uas))));
    assert_eq!(values.max_forwards(), None);
}

#[test]
fn reasons_of_several_protocols_are_read() {
    let values = headers(&[("Reason", b"SIP ;cause=200 ;text=\"Call completed elsewhere\", Q.850;cause=16")]);
    let text = Some("Call completed elsewhere".to_owned());
    let expected = [
        ReasonValue { protocol: "SIP".to_owned(), cause: Some(200), text },
        ReasonValue { protocol: "Q.850".to_owned(), cause: Some(16), text: None },
    ];
    assert_eq!(values.reasons(), expected);
}

#[test]
fn a_star_contact_stands_alone() {
    assert!(headers(&[("Contact", b"*")]).is_contact_star());
    assert_eq!(headers(&[("Contact", b"*")]).contacts(), Ok(Vec::new()));
    let both = headers(&[("Contact", b"*"), ("m", b"<sip:a@b>")]);
    assert!(!both.is_contact_star() && both.contacts().is_err());
}

#[test]
fn replaces_in_a_refer_to_is_found_with_its_escapes_resolved() {
    let text = b"<sip:105@pbx?Replaces=12345%40192.168.118.3%3Bto-tag%3D12345%3Bfrom-tag%3D5FFE-3994&Require=replaces>";
    let values = headers(&[("r", text)]);
    let refer_to = values.refer_to().expect("Refer-To");
    let uri = refer_to.uri.as_sip().expect("sip");
    assert_eq!(
        uri.header("replaces").as_deref(),
        Some(b"12345@192.168.118.3;to-tag=12345;from-tag=5FFE-3994".as_slice())
    );
    assert_eq!(uri.header("Require").as_deref(), Some(b"replaces".as_slice()));
    assert_eq!(refer_to.to_bytes(), text);
}

/// The examples of RFC 3261 section 19.1.4, and the numbers that a PBX writes in several ways.
#[test]
fn uris_are_equivalent_by_the_rules_of_the_rfc() {
    let equal = [
        ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
        (
            "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
            "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
        ),
        (
            "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
            "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
        ),
        ("sip:a@[2001:db8::1]", "sip:a@[2001:0db8:0::1]"),
    ];
    let different = [
        ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
        ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
        ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
        ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
        ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
        ("sip:a@b", "sips:a@b"),
        ("sip:a%3Bb@c", "sip:a;b@c"),
        ("sip:a%2541@c", "sip:a%41@c"),
    ];
    for (one, two) in equal {
        assert!(sip(one).equivalent(&sip(two)) && sip(two).equivalent(&sip(one)), "{one} {two}");
    }
    for (one, two) in different {
        assert!(!sip(one).equivalent(&sip(two)) && !sip(two).equivalent(&sip(one)), "{one} {two}");
    }
}

#[test]
fn malformed_uris_are_refused() {
    for text in [
        "",
        "sip",
        "sip:",
        "sip:@host",
        "sip:a@",
        "sip:a@b:",
        "sip:a@b:0",
        "sip:a@b:65536",
        "sip:a@b:5060x",
        "sip:a@b;",
        "sip:a@b;;x",
        "sip:a@b;=x",
        "sip:a b@c",
        "sip:a@b@c",
        "sip:[::1",
        "sip:[1.2.3]",
        "sip:2001:db8::1",
        "<sip:a@b>",
        "sip:a@b\r\n",
        "sip:a@b\"",
        "tel:",
        "1sip:a@b",
        "sip:a@b;x=y@z",
    ] {
        let error = text.parse::<Uri>().expect_err(text);
        assert_eq!(error.kind, ParseErrorKind::Uri, "{text}");
    }
}

#[test]
fn a_message_of_the_old_rfc_is_accepted() {
    let text = "BYE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h\r\nFrom: sip:a@b\r\nTo: sip:b@c\r\nCall-ID: 1\r\nCSeq: 1 BYE\r\n\r\n";
    let Ok(Message::Request(request)) = parse_datagram(text.as_bytes()) else { panic!("accepted") };
    assert_eq!(request.headers.top_via().expect("Via").branch(), None);
    assert_eq!(request.headers.from_().expect("From").tag(), None);
    assert_eq!((request.method, request.headers.max_forwards()), (Method::Bye, None));
}

#[test]
fn what_is_no_sip_request_is_dropped_without_an_answer() {
    for bytes in [
        b"".as_slice(),
        b"\r\n\r\n",
        b"\0\0\0\0",
        b"GET / HTTP/1.1\r\nVia: x\r\nCSeq: 1\r\n\r\n",
        b"SIP/2.0 99 x\r\n\r\n",
    ] {
        assert_eq!(parse_datagram(bytes).expect_err("rejected").response, None, "{bytes:?}");
    }
}

#[test]
fn a_stream_tells_messages_pings_and_pongs_apart() {
    let mut framer = StreamFramer::new();
    let next = |framer: &mut StreamFramer| framer.next().map(|frame| frame.expect("framed"));
    framer.push(b"\r\n\r\n");
    assert_eq!(next(&mut framer), Some(Frame::KeepAlivePing));
    framer.push(b"\r\n");
    assert_eq!(next(&mut framer), Some(Frame::KeepAlivePong));
    framer.push(b"\r");
    assert_eq!(next(&mut framer), None);
    framer.push(b"\n");
    assert_eq!(next(&mut framer), Some(Frame::KeepAlivePing), "a ping in two pieces");
    framer.push(&[INVITE.as_bytes(), b"\r\n\r\n", INVITE.as_bytes()].concat());
    assert!(matches!(next(&mut framer), Some(Frame::Message(_))));
    assert_eq!(next(&mut framer), Some(Frame::KeepAlivePing));
    assert!(matches!(next(&mut framer), Some(Frame::Message(_))));
    assert_eq!((next(&mut framer), framer.buffered()), (None, 0));
}

#[test]
fn a_bad_message_in_a_stream_does_not_end_it() {
    let bad = INVITE.replace("CSeq: 7 INVITE", "CSeq: 7 BYE");
    let frames = laws::frames(&[bad.as_bytes(), INVITE.as_bytes()]);
    let [Ok(Frame::Rejected(rejected)), Ok(Frame::Message(_))] = frames.as_slice() else {
        panic!("{frames:?}")
    };
    assert_eq!(rejected.response.as_ref().expect("an answer").status, StatusCode::BAD_REQUEST);
}

#[test]
fn vias_of_broken_shape_are_refused() {
    for text in [
        "",
        "SIP/2.0/UDP",
        "SIP/3.0/UDP h",
        "SIP/2.0 UDP h",
        "HTTP/2.0/UDP h",
        "SIP/2.0/UDP h:0",
        "SIP/2.0/UDP ::1",
        "SIP/2.0/UDP h;",
        "SIP/2.0/UDP h;;a",
        "SIP/2.0/UDP h x",
        "SIP/2.0/UDP h,",
        "SIP/2.0/UDP h;a=\"b",
    ] {
        assert!(Via::parse(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn a_sequence_number_stays_below_two_to_the_31() {
    let number =
        |text: &[u8]| headers(&[("CSeq", text)]).cseq().map(|cseq| cseq.number).map_err(|error| error.kind);
    assert_eq!(number(b"2147483647 INVITE"), Ok(2_147_483_647));
    assert_eq!(number(b"2147483648 INVITE"), Err(ParseErrorKind::Number));
    assert_eq!(number(b"1INVITE"), Err(ParseErrorKind::Value));
    assert_eq!(number(b"1 INVITE x"), Err(ParseErrorKind::Value));
    assert_eq!(number(b"-1 INVITE"), Err(ParseErrorKind::Value));
}

#[test]
fn the_place_of_a_fault_counts_the_bytes_that_came() {
    let place = |bytes: &[u8]| Uri::parse(bytes).expect_err("no URI").offset;
    assert_eq!(place(b"sip:caller@examp\\le.net"), 16);
    assert_eq!(place(b"sip:\xff\xff\xffcaller@examp\\le.net"), 19);
    assert_eq!(place(b"sip:\xd0\xaf@examp\\le.net"), 12);
}
