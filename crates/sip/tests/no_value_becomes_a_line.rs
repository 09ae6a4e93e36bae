//! CR, LF and NUL never get from a value onto the wire: not from a header, a name, a URI, a method, a reason.

mod corpus;
mod laws;

use linecard_sip::{
    message::{HeaderName, Message, Method, NameAddr, Request, Response, StatusCode, Via, parse_datagram},
    uri::{Host, SipUri, Uri},
};

const EVIL: &str = "x\r\nInjected: yes\r\n\r\nINVITE sip:evil@example.com SIP/2.0\n\0";

fn evil_uri() -> SipUri {
    let mut uri = SipUri::new(Host::Name(EVIL.to_owned()));
    uri.user = Some(EVIL.to_owned());
    uri.password = Some(EVIL.to_owned());
    uri.params.set(EVIL, Some(EVIL));
    uri.headers = Some(EVIL.to_owned());
    uri
}

fn request(uri: SipUri) -> Request {
    let mut request = Request::new(Method::Options, Uri::Sip(uri));
    let via = Via::new("UDP", Host::Name("host".to_owned()), None);
    request.headers.push(HeaderName::Via, via.to_bytes());
    request.headers.push(HeaderName::From, "<sip:a@example.com>;tag=1");
    request.headers.push(HeaderName::To, "<sip:b@example.com>");
    request.headers.push(HeaderName::CallId, "id");
    request.headers.push(HeaderName::CSeq, "1 OPTIONS");
    request
}

fn plain() -> SipUri {
    SipUri::new(Host::Name("example.com".to_owned()))
}

/// Gives the lines of the head, and asserts that there are no others hidden by a lone CR, LF or NUL.
fn lines(printed: &[u8]) -> Vec<String> {
    let end = printed.windows(4).position(|window| window == b"\r\n\r\n").expect("an end");
    assert_eq!(end + 4, printed.len(), "the head ends once, at the end");
    let head = String::from_utf8_lossy(printed.get(..end).expect("a head")).into_owned();
    let lines: Vec<String> = head.split("\r\n").map(str::to_owned).collect();
    assert!(lines.iter().all(|line| !line.contains(['\r', '\n', '\0'])), "{lines:?}");
    lines
}

fn assert_nothing_injected(printed: &[u8], expected: usize) {
    let lines = lines(printed);
    assert_eq!(lines.len(), expected, "{lines:?}");
    assert!(!lines.iter().any(|line| line.starts_with("Injected")), "{lines:?}");
}

#[test]
fn a_header_value_stays_one_line() {
    let mut request = request(plain());
    request.headers.push(HeaderName::Subject, EVIL);
    request.headers.push_front(HeaderName::Route, EVIL);
    request.headers.set(HeaderName::UserAgent, EVIL);
    request.headers.set(HeaderName::Subject, EVIL);
    request.headers.push(HeaderName::Other(EVIL.to_owned()), "value");
    request.headers.set_to_tag(EVIL);
    assert_nothing_injected(&request.to_bytes(), 1 + 5 + 4 + 1);
}

#[test]
fn a_typed_value_stays_one_line() {
    let mut request = request(evil_uri());
    let mut address = NameAddr::new(Uri::Sip(evil_uri()));
    address.display = Some(EVIL.as_bytes().to_vec());
    address.params.set(EVIL, Some(EVIL));
    address.set_tag(EVIL);
    request.headers.push(HeaderName::Contact, address.to_bytes());
    let mut via = Via::new(EVIL, Host::Name(EVIL.to_owned()), Some(1));
    via.params.set(EVIL, Some(EVIL));
    via.set_branch(EVIL);
    request.headers.set_top_via(&via);
    for printed in [address.to_bytes(), via.to_bytes(), Uri::Sip(evil_uri()).to_string().into_bytes()] {
        assert!(
            !printed.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)),
            "{:?}",
            String::from_utf8_lossy(&printed)
        );
    }
    request.method = Method::Other(EVIL.to_owned());
    assert_nothing_injected(&request.to_bytes(), 1 + 6 + 1);
}

#[test]
fn a_reason_phrase_stays_one_line() {
    let mut response = Response::reply_to(&request(plain()), StatusCode::OK);
    response.reason = EVIL.as_bytes().to_vec();
    assert_nothing_injected(&response.to_bytes(), 1 + 5 + 1);
    laws::one_line_each(&response);
}

#[test]
fn a_parameter_value_cannot_make_another_parameter() {
    let mut address = NameAddr::new(Uri::Sip(plain()));
    address.params.set("text", Some("a;b=c, <sip:evil@example.com> \"quoted"));
    let again = NameAddr::parse(&address.to_bytes()).expect("one address");
    assert_eq!(again.params.iter().count(), 1);
    assert_eq!(again.params.unquoted("text").as_deref(), Some("a;b=c, <sip:evil@example.com> \"quoted"));
    let mut uri = plain();
    uri.user = Some("a@evil.example.com:5060;b".to_owned());
    uri.params.set("x", Some("a;maddr=evil.example.com?Route=evil>"));
    let Ok(Uri::Sip(again)) = Uri::parse(uri.to_string().as_bytes()) else { panic!("a URI") };
    assert_eq!((again.host, again.params.iter().count(), again.headers), (plain().host, 1, None));
}

/// Every hostile display name goes out in From and comes back as the same text, on one line.
#[test]
fn hostile_display_names_arrive_as_text() {
    let names = String::from_utf8(corpus::read("hostile/display-names.jsonl")).expect("UTF-8");
    let mut seen = 0;
    for row in names.lines() {
        let row: serde_json::Value = serde_json::from_str(row).expect("JSON");
        let Some(name) = row["display_name"].as_str() else { panic!("{row}") };
        let mut request = request(plain());
        let mut from = NameAddr::new(Uri::Sip(plain()));
        from.display = Some(name.as_bytes().to_vec());
        from.set_tag("1");
        request.headers.set(HeaderName::From, from.to_bytes());
        assert_nothing_injected(&request.to_bytes(), 1 + 5 + 1);
        let Ok(Message::Request(again)) = parse_datagram(&request.to_bytes()) else { panic!("{name:?}") };
        let display = again.headers.from_().expect("From").display.expect("a name");
        let shown = name.replace(['\r', '\n', '\0'], " ");
        assert_eq!(String::from_utf8(display).expect("UTF-8"), shown);
        request.headers.push(HeaderName::Subject, name);
        assert_nothing_injected(&request.to_bytes(), 1 + 6 + 1);
        seen += 1;
    }
    assert!(seen >= 30, "{seen} names");
}

/// What arrives with stray line ends is refused, and the refusal carries none of them.
#[test]
fn stray_line_ends_are_refused_and_not_echoed() {
    for stray in ["\r", "\n", "\0"] {
        let bytes = format!(
            "OPTIONS sip:a@example.com SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nFrom: <sip:a@example.com>\
             ;tag=1{stray}Injected: yes\r\nTo: <sip:b@example.com>\r\nCall-ID: i\r\nCSeq: 1 OPTIONS\r\n\r\n"
        );
        let rejected = parse_datagram(bytes.as_bytes()).expect_err("refused");
        assert_nothing_injected(&rejected.response.expect("answered").to_bytes(), 1 + 5 + 1);
    }
}
