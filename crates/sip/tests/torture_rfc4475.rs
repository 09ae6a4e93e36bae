//! RFC 4475: each of the 49 messages is accepted, answered or dropped as the manifest says, over UDP and TCP.
//!
//! Statuses that need a whole user agent (401, 405, 406, 415, 416, 420, 483, 501) are its tests' matter: here
//! such a message must be accepted, so that the user agent can decide.

mod corpus;
mod laws;

use corpus::Torture;
use linecard_sip::{
    frame::{Frame, FramingError, StreamFramer},
    message::{
        HeaderName, Message, Method, ParseErrorKind, Rejected, Request, Response, StatusCode, parse_datagram,
    },
};

/// What the parser may do with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Accept,
    Answer(u16),
    Drop,
}

/// Derives from the manifest's words what is allowed at this level.
fn allowed(torture: &Torture) -> Vec<Outcome> {
    let behaviour = torture.ua_behaviour.as_str();
    let (accept, answer_400) = (Outcome::Accept, Outcome::Answer(400));
    match torture.kind.as_str() {
        "valid" | "backcompat" | "transaction" => vec![accept],
        "unreferenced" => vec![answer_400, Outcome::Drop],
        "invalid" | "application" if behaviour.starts_with("400 if it can be answered") => {
            vec![answer_400, Outcome::Drop]
        }
        "invalid" if behaviour.starts_with("400, or ignore") => vec![answer_400, accept],
        "invalid" if behaviour.starts_with("505") => vec![Outcome::Answer(505)],
        "invalid" if behaviour.starts_with("discard the response") => vec![Outcome::Drop],
        "invalid" | "application"
            if ["400", "UDP: 400", "501 or 400"].iter().any(|words| behaviour.starts_with(words)) =>
        {
            vec![answer_400]
        }
        "application" => vec![accept],
        _ => panic!("{}: no rule for {} {behaviour}", torture.file, torture.kind),
    }
}

fn outcome(result: &Result<Message, Rejected>) -> Outcome {
    match result {
        Ok(_) => Outcome::Accept,
        Err(Rejected { response: Some(response), .. }) => Outcome::Answer(response.status.get()),
        Err(Rejected { response: None, .. }) => Outcome::Drop,
    }
}

fn message(file: &str) -> Message {
    parse_datagram(&corpus::read(&format!("rfc4475/{file}.dat")))
        .unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn request(file: &str) -> Request {
    match message(file) {
        Message::Request(request) => request,
        Message::Response(_) => panic!("{file} is a request"),
    }
}

fn rejected(file: &str) -> Rejected {
    parse_datagram(&corpus::read(&format!("rfc4475/{file}.dat"))).expect_err("rejected")
}

#[test]
fn every_torture_message_is_accepted_answered_or_dropped_as_the_manifest_says() {
    let tortures = corpus::rfc4475();
    let mut wrong = Vec::new();
    for torture in &tortures {
        let result = parse_datagram(&torture.bytes);
        if !allowed(torture).contains(&outcome(&result)) {
            wrong.push(format!("{}: {result:?}, allowed {:?}", torture.file, allowed(torture)));
        }
        laws::datagram(&torture.bytes);
    }
    assert_eq!(wrong, Vec::<String>::new());
    let in_the_rfc = tortures.iter().filter(|torture| torture.kind != "unreferenced").count();
    assert_eq!((in_the_rfc, tortures.len()), (49, 50), "the archive has one message more than the RFC");
}

/// What a stream does with a message, apart from those whose length a stream cannot know.
fn stream_outcome(pieces: &[&[u8]]) -> Option<Outcome> {
    laws::frames(pieces).first().map(|frame| match frame {
        Ok(Frame::Message(_)) => Outcome::Accept,
        Ok(Frame::Rejected(rejected)) => outcome(&Err(rejected.clone())),
        Ok(Frame::KeepAlivePing | Frame::KeepAlivePong) => unreachable!("left out"),
        Err(FramingError { response: Some(response), .. }) => Outcome::Answer(response.status.get()),
        Err(FramingError { response: None, .. }) => Outcome::Drop,
    })
}

/// Cuts bytes at places that a fixed generator chooses.
fn random_pieces(bytes: &[u8], mut seed: u64) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let length = 1 + usize::try_from(seed >> 59).expect("five bits");
        let (piece, behind) = rest.split_at(length.min(rest.len()));
        pieces.push(piece);
        rest = behind;
    }
    pieces
}

#[test]
fn every_torture_message_meets_the_same_fate_in_a_stream_however_it_is_cut() {
    for torture in corpus::rfc4475() {
        let expected = match torture.file.as_str() {
            // Longer than what came, or without the empty line: a stream waits for the rest.
            "clerr.dat" | "baddn.dat" => None,
            // No Content-Length: legal in a datagram, in a stream it is not (RFC 3261 section 20.14).
            "inv2543.dat" => Some(vec![Outcome::Answer(400)]),
            _ => Some(allowed(&torture)),
        };
        let bytewise: Vec<&[u8]> = torture.bytes.chunks(1).collect();
        let mut cuts = vec![vec![torture.bytes.as_slice()], bytewise];
        cuts.extend((1..20).map(|seed| random_pieces(&torture.bytes, seed)));
        for cut in cuts {
            match (stream_outcome(&cut), &expected) {
                (None, None) => {}
                (Some(outcome), Some(allowed)) => {
                    assert!(allowed.contains(&outcome), "{}: {outcome:?}, not {allowed:?}", torture.file);
                }
                (outcome, _) => panic!("{}: {outcome:?}, not {expected:?}", torture.file),
            }
        }
    }
}

#[test]
fn a_stream_whose_length_is_negative_or_doubtful_is_answered_and_lost() {
    for file in ["ncl", "mcl01"] {
        let mut framer = StreamFramer::new();
        framer.push(&corpus::read(&format!("rfc4475/{file}.dat")));
        let error = framer.next().expect("a frame").expect_err("lost");
        assert_eq!(error.response.expect("an answer").status, StatusCode::BAD_REQUEST, "{file}");
        framer.push(b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(framer.next(), None, "{file}: nothing comes out of a lost stream");
    }
}

#[test]
fn wsinv_is_unfolded_and_its_values_are_separated() {
    let request = request("wsinv");
    let headers = &request.headers;
    assert_eq!(request.method, Method::Invite);
    assert_eq!(request.uri.to_string(), "sip:vivekg@chair-dnrc.example.com;unknownparam");
    assert_eq!(headers.to().expect("To").tag(), Some("1918181833n"));
    let from = headers.from_().expect("From");
    assert_eq!(from.display.as_deref(), Some(b"J Rosenberg \\\"".as_slice()));
    assert_eq!(from.tag(), Some("98asjd8"));
    assert_eq!(headers.max_forwards(), Some(68));
    assert_eq!(headers.cseq().expect("CSeq").number, 9);
    let vias = headers.vias().expect("Via");
    let branches: Vec<_> = vias.iter().map(|via| via.branch().expect("branch")).collect();
    assert_eq!(branches, ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]);
    let transports: Vec<_> = vias.iter().map(|via| via.transport.as_str()).collect();
    assert_eq!(transports, ["UDP", "TCP", "UDP"]);
    assert_eq!(headers.get(&HeaderName::Subject), Some(b"".as_slice()));
    let new_fangled = HeaderName::Other("newfangledheader".to_owned());
    assert_eq!(headers.text(&new_fangled).as_deref(), Some("newfangled value continued newfangled value"));
    let unusual = HeaderName::from("UnknownHeaderWithUnusualValue");
    assert_eq!(headers.get(&unusual), Some(b";;,,;;,;".as_slice()));
    let route = &headers.routes().expect("Route")[0];
    let uri = route.uri.as_sip().expect("sip");
    assert!(uri.params.has("lr") && uri.params.has("unknown-no-value") && route.params.is_empty());
    assert_eq!(uri.params.get("unknownwith"), Some("value"));
    let contact = &headers.contacts().expect("Contact")[0];
    assert_eq!(contact.display.as_deref(), Some(b"Quoted string \"\"".as_slice()));
    assert_eq!(contact.params.get("newparam"), Some("newvalue"));
    assert_eq!(contact.params.get("q"), Some("0.33"));
    assert!(contact.params.has("secondparam"));
    assert_eq!(request.body.len(), 150);
}

#[test]
fn intmeth_keeps_its_unknown_method_its_controls_and_its_unknown_header() {
    let request = request("intmeth");
    let method = "!interesting-Method0123456789_*+`.%indeed'~";
    assert_eq!(request.method, Method::Other(method.to_owned()));
    let uri = request.uri.as_sip().expect("sip");
    assert_eq!(uri.user.as_deref(), Some("1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"));
    assert_eq!(uri.password.as_deref(), Some("&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"));
    let to = request.headers.to().expect("To");
    assert_eq!(to.display.as_deref(), Some(b"BEL:\x07 NUL:\0 DEL:\x7F".as_slice()));
    let from = request.headers.from_().expect("From");
    assert_eq!(from.display.as_deref(), Some(b"token1~` token2'+_ token3*%!.-".as_slice()));
    assert_eq!(from.params.unquoted("fromParam''~+*_!.-%").as_deref(), Some("работающий"));
    assert_eq!(from.tag(), Some("_token~1'+`*%!-."));
    let extension = HeaderName::from("extensionHeader-!.%*+_`'~");
    assert_eq!(request.headers.get(&extension), Some("\u{FEFF}大停電".as_bytes()));
    let reply = Response::reply_to(&request, StatusCode::NOT_IMPLEMENTED);
    assert_eq!(reply.headers.get(&HeaderName::To), request.headers.get(&HeaderName::To), "echoed bytes");
}

#[test]
fn esc01_is_the_user_that_its_escapes_spell() {
    let request = request("esc01");
    let uri = request.uri.as_sip().expect("sip");
    assert_eq!(uri.user.as_deref(), Some("sips%3Auser%40example.com"), "as written");
    assert_eq!(uri.user_decoded().as_deref(), Some(b"sips:user@example.com".as_slice()));
    let to = request.headers.to().expect("To").uri;
    let plain = "sip:user@example.com".parse::<linecard_sip::uri::Uri>().expect("URI");
    assert!(to.as_sip().expect("sip").equivalent(plain.as_sip().expect("sip")));
    let from = request.headers.from_().expect("From").uri;
    assert_eq!(from.as_sip().expect("sip").user_decoded().as_deref(), Some(b"I have spaces".as_slice()));
    assert_eq!(
        request.headers.contacts().expect("Contact")[0].uri.to_string(),
        "sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31"
    );
}

#[test]
fn escnull_keeps_one_and_two_nulls_apart() {
    let contacts = request("escnull").headers.contacts().expect("Contact");
    let users: Vec<_> = contacts
        .iter()
        .map(|contact| contact.uri.as_sip().expect("sip").user_decoded().expect("user"))
        .collect();
    assert_eq!(users, [b"\0".to_vec(), b"\0\0".to_vec()]);
    let [one, two] = [&contacts[0].uri, &contacts[1].uri].map(|uri| uri.as_sip().expect("sip"));
    assert!(!one.equivalent(two));
}

#[test]
fn esc02_is_not_a_register_and_its_escaped_header_is_no_contact() {
    let request = request("esc02");
    assert_eq!(request.method, Method::Other("RE%47IST%45R".to_owned()));
    assert_eq!(request.headers.contacts().expect("Contact").len(), 2);
    assert!(request.headers.contains(&HeaderName::from("C%6Fntact")));
    assert_eq!(request.headers.to().expect("To").display_text().as_deref(), Some("%Z%45"));
}

#[test]
fn lwsdisp_has_a_name_without_a_space_behind_it() {
    let from = request("lwsdisp").headers.from_().expect("From");
    assert_eq!(from.display_text().as_deref(), Some("caller"));
    assert_eq!(from.uri.to_string(), "sip:caller@example.com");
}

#[test]
fn longreq_is_kept_in_full() {
    let request = request("longreq");
    assert_eq!(request.headers.vias().expect("Via").len(), 34);
    let to = request.headers.to().expect("To");
    assert!(to.display.expect("name").starts_with(b"I have a user name of extreme"));
    let uri = to.uri.as_sip().expect("sip");
    assert_eq!((uri.port, uri.params.iter().count()), (Some(6000), 3));
    assert!(uri.params.get("unknownparam1").expect("a long value").starts_with("verylonglong"));
    assert!(request.headers.call_id().expect("Call-ID").ends_with("reallyreallylongcallid"));
}

#[test]
fn dblreq_is_one_register_as_a_datagram_and_two_requests_in_a_stream() {
    let bytes = corpus::read("rfc4475/dblreq.dat");
    let register = request("dblreq");
    assert_eq!((register.method, register.body.len()), (Method::Register, 0));
    let methods: Vec<_> = laws::frames(&[&bytes])
        .into_iter()
        .take(2)
        .map(|frame| match frame {
            Ok(Frame::Message(Message::Request(request))) => request.method,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(methods, [Method::Register, Method::Invite]);
}

#[test]
fn semiuri_keeps_the_semicolon_in_the_user_part() {
    let request = request("semiuri");
    let uri = request.uri.as_sip().expect("sip");
    assert_eq!(uri.user.as_deref(), Some("user;par=u%40example.net"));
    assert!(uri.params.is_empty());
    assert_eq!(request.headers.options_of(&HeaderName::Accept).len(), 6);
}

#[test]
fn transports_keeps_unknown_ones() {
    let vias = request("transports").headers.vias().expect("Via");
    let transports: Vec<_> = vias.iter().map(|via| via.transport.as_str()).collect();
    assert_eq!(transports, ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]);
}

#[test]
fn mpart01_keeps_its_binary_body() {
    let bytes = corpus::read("rfc4475/mpart01.dat");
    let request = request("mpart01");
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("head") + 4;
    assert_eq!(request.body, bytes[head..]);
    assert!(request.body.contains(&0));
    assert!(request.to_bytes().ends_with(&bytes[head..]));
}

#[test]
fn reason_phrases_may_be_odd_or_empty() {
    let Message::Response(response) = message("unreason") else { panic!("a response") };
    assert!(String::from_utf8(response.reason).expect("UTF-8").starts_with("= 2**3 * 5**2 но"));
    let Message::Response(response) = message("noreason") else { panic!("a response") };
    assert_eq!((response.status, response.reason.as_slice()), (StatusCode::TRYING, b"".as_slice()));
}

#[test]
fn contact_parameters_and_uri_parameters_are_not_mixed_up() {
    let contact = request("cparam01").headers.contacts().expect("Contact").remove(0);
    assert!(contact.params.has("unknownparam") && contact.uri.as_sip().expect("sip").params.is_empty());
    let contact = request("cparam02").headers.contacts().expect("Contact").remove(0);
    assert!(contact.params.is_empty() && contact.uri.as_sip().expect("sip").params.has("unknownparam"));
    let contact = request("regescrt").headers.contacts().expect("Contact").remove(0);
    let uri = contact.uri.as_sip().expect("sip");
    assert_eq!(uri.header("route").as_deref(), Some(b"<sip:sip.example.com>".as_slice()));
}

#[test]
fn each_rejection_names_the_header_at_fault() {
    let faults = [
        ("badinv01", Some("Via"), ParseErrorKind::Value),
        ("clerr", Some("Content-Length"), ParseErrorKind::Truncated),
        ("ncl", Some("Content-Length"), ParseErrorKind::Value),
        ("scalar02", Some("CSeq"), ParseErrorKind::Number),
        ("scalarlg", Some("CSeq"), ParseErrorKind::Number),
        ("quotbal", Some("To"), ParseErrorKind::Value),
        ("ltgtruri", None, ParseErrorKind::RequestUri),
        ("lwsruri", None, ParseErrorKind::StartLine),
        ("lwsstart", None, ParseErrorKind::StartLine),
        ("trws", None, ParseErrorKind::StartLine),
        ("escruri", None, ParseErrorKind::RequestUri),
        ("regbadct", Some("Contact"), ParseErrorKind::Value),
        ("badaspec", Some("To"), ParseErrorKind::Uri),
        ("baddn", None, ParseErrorKind::Truncated),
        ("badvers", None, ParseErrorKind::Version),
        ("mismatch01", Some("CSeq"), ParseErrorKind::MethodMismatch),
        ("mismatch02", Some("CSeq"), ParseErrorKind::MethodMismatch),
        ("bigcode", None, ParseErrorKind::StartLine),
        ("insuf", Some("From"), ParseErrorKind::Missing),
        ("multi01", Some("From"), ParseErrorKind::Repeated),
        ("mcl01", Some("Content-Length"), ParseErrorKind::Repeated),
    ];
    for (file, header, kind) in faults {
        let error = rejected(file).error;
        assert_eq!((error.header.as_deref(), error.kind), (header, kind), "{file}: {error}");
    }
}

#[test]
fn baddn_is_refused_for_its_comma_even_when_its_end_is_there() {
    let mut bytes = corpus::read("rfc4475/baddn.dat");
    bytes.extend(b"\r\n");
    let error = parse_datagram(&bytes).expect_err("rejected").error;
    assert_eq!((error.header.as_deref(), error.kind), (Some("From"), ParseErrorKind::Uri));
    assert!(bytes[error.offset..].starts_with(b"Bell, Alexander"), "the offset points at the value: {error}");
}

#[test]
fn an_invalid_ack_is_never_answered() {
    let text = String::from_utf8(corpus::read("rfc4475/quotbal.dat")).expect("ASCII");
    let ack = text.replace("INVITE", "ACK");
    assert_ne!(ack, text);
    assert_eq!(parse_datagram(ack.as_bytes()).expect_err("rejected").response, None);
}

#[test]
fn a_400_echoes_what_identifies_the_request_and_tags_its_to() {
    let response = rejected("ltgtruri").response.expect("an answer");
    let Ok(Message::Response(again)) = parse_datagram(&response.to_bytes()) else { panic!("well-formed") };
    assert_eq!(again.headers.get(&HeaderName::Via), Some(b"SIP/2.0/UDP 192.0.2.5".as_slice()));
    assert_eq!(again.headers.call_id(), Ok("ltgtruri.1@192.0.2.5"));
    assert_eq!(again.headers.cseq().expect("CSeq").to_string(), "1 INVITE");
    assert_eq!(again.headers.from_().expect("From").tag(), Some("39291"));
    assert!(again.headers.to().expect("To").tag().is_some());
    assert_eq!(rejected("ltgtruri").response, Some(response), "the same tag for each copy");
}
