//! A second opinion: well-formed messages, in the subset that `rsip` knows, mean the same to both. Left out
//! are user parts with a dot, which it takes for hosts, IPv6, unknown methods and compact forms.

use linecard_sip::message::{Message, parse_datagram};
use proptest::{option, prelude::*, string::string_regex};
use rsip::prelude::*;

fn text(pattern: &str) -> impl Strategy<Value = String> + use<> {
    string_regex(pattern).expect("pattern")
}

fn host() -> impl Strategy<Value = String> {
    prop_oneof![
        text("[a-z][a-z0-9]{0,8}\\.(com|example|net)"),
        any::<[u8; 4]>().prop_map(|o| std::net::Ipv4Addr::from(o).to_string())
    ]
}

fn method() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "INVITE",
        "ACK",
        "BYE",
        "CANCEL",
        "OPTIONS",
        "REGISTER",
        "SUBSCRIBE",
        "NOTIFY",
        "REFER",
        "INFO",
        "UPDATE",
        "PRACK",
        "MESSAGE",
        "PUBLISH",
    ])
}

fn uri() -> impl Strategy<Value = String> {
    (any::<bool>(), text("[a-z0-9+][a-z0-9_-]{0,8}[a-z0-9]"), host(), option::of(1..u16::MAX)).prop_map(
        |(secure, user, host, port)| {
            let port = port.map_or(String::new(), |port| format!(":{port}"));
            format!("{}:{user}@{host}{port}", if secure { "sips" } else { "sip" })
        },
    )
}

fn message() -> impl Strategy<Value = String> {
    let start = prop_oneof![
        (method(), uri()).prop_map(|(method, uri)| (method, format!("{method} {uri} SIP/2.0"))),
        (
            method(),
            proptest::sample::select(vec![
                "100 Trying",
                "180 Ringing",
                "200 OK",
                "404 Not Found",
                "603 Decline"
            ])
        )
            .prop_map(|(method, status)| (method, format!("SIP/2.0 {status}"))),
    ];
    let via = (
        host(),
        option::of(1..u16::MAX),
        text("z9hG4bK[a-zA-Z0-9]{1,16}"),
        proptest::sample::select(vec!["UDP", "TCP", "TLS"]),
    );
    let display = option::of(text("[A-Za-z][A-Za-z0-9 ]{0,10}[a-z]"));
    (
        start,
        via,
        display,
        (uri(), uri()),
        (text("[a-z0-9]{1,10}"), option::of(text("[a-z0-9]{1,10}"))),
        text("[a-z0-9-]{1,12}@[a-z]{1,8}"),
        1..1u32 << 31,
    )
        .prop_map(
            |(
                (method, start),
                (host, port, branch, transport),
                display,
                (from, to),
                (tag, to_tag),
                call_id,
                number,
            )| {
                let port = port.map_or(String::new(), |port| format!(":{port}"));
                let display = display.map_or(String::new(), |name| format!("\"{name}\" "));
                let to_tag = to_tag.map_or(String::new(), |tag| format!(";tag={tag}"));
                format!(
                    "{start}\r\nVia: SIP/2.0/{transport} {host}{port};branch={branch}\r\nMax-Forwards: 70\r\n\
                 From: {display}<{from}>;tag={tag}\r\nTo: <{to}>{to_tag}\r\nCall-ID: {call_id}\r\n\
                 CSeq: {number} {method}\r\nContent-Length: 4\r\n\r\nbody"
                )
            },
        )
}

/// Everything that is compared, as text.
#[derive(Debug, PartialEq)]
struct Meaning {
    start: Vec<String>,
    via: Vec<String>,
    from: Vec<Option<String>>,
    to: Vec<Option<String>>,
    call_id: String,
    cseq: (u32, String),
    body: Vec<u8>,
}

fn ours(text: &str) -> Meaning {
    let message = parse_datagram(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
    let headers = message.headers();
    let start = match &message {
        Message::Request(request) => {
            let uri = request.uri.as_sip().expect("sip");
            let port = uri.port.map_or(String::new(), |port| port.to_string());
            vec![request.method.to_string(), uri.user.clone().unwrap_or_default(), uri.host.to_string(), port]
        }
        Message::Response(response) => vec![response.status.to_string()],
    };
    let via = headers.top_via().expect("Via");
    let port = via.port.map_or(String::new(), |port| port.to_string());
    let (from, to) = (headers.from_().expect("From"), headers.to().expect("To"));
    let cseq = headers.cseq().expect("CSeq");
    Meaning {
        start,
        via: vec![
            via.transport.clone(),
            via.host.to_string(),
            port,
            via.branch().unwrap_or_default().to_owned(),
        ],
        from: vec![from.display_text(), Some(from.uri.to_string()), from.tag().map(str::to_owned)],
        to: vec![to.display_text(), Some(to.uri.to_string()), to.tag().map(str::to_owned)],
        call_id: headers.call_id().expect("Call-ID").to_owned(),
        cseq: (cseq.number, cseq.method.to_string()),
        body: message.body().to_vec(),
    }
}

fn theirs(text: &str) -> Meaning {
    let message = rsip::SipMessage::try_from(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let start = match &message {
        rsip::SipMessage::Request(request) => {
            let port = request.uri.port().map_or(String::new(), |port| port.to_string());
            let host = request.uri.host().to_string();
            vec![request.method.to_string(), request.uri.user().unwrap_or_default().to_owned(), host, port]
        }
        rsip::SipMessage::Response(response) => vec![response.status_code.code().to_string()],
    };
    let via = message.via_header().expect("Via").typed().expect("Via");
    let port = via.sent_by().port().map_or(String::new(), |port| port.to_string());
    let branch = via.branch().map_or(String::new(), |branch| branch.value().to_owned());
    let from = message.from_header().expect("From").typed().expect("From");
    let to = message.to_header().expect("To").typed().expect("To");
    let cseq = message.cseq_header().expect("CSeq").typed().expect("CSeq");
    // It keeps the quotes; the generated names have none inside.
    let name = |name: Option<&str>| name.map(|name| name.trim_matches('"').to_owned());
    let tag = |tag: Option<&rsip::param::Tag>| tag.map(|tag| tag.value().to_owned());
    Meaning {
        start,
        via: vec![via.transport.to_string(), via.sent_by().host().to_string(), port, branch],
        from: vec![name(from.display_name.as_deref()), Some(from.uri.to_string()), tag(from.tag())],
        to: vec![name(to.display_name.as_deref()), Some(to.uri.to_string()), tag(to.tag())],
        call_id: message.call_id_header().expect("Call-ID").value().to_owned(),
        cseq: (cseq.seq, cseq.method.to_string()),
        body: message.body().clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn a_well_formed_message_means_the_same_to_both(text in message()) {
        prop_assert_eq!(ours(&text), theirs(&text));
    }

    #[test]
    fn what_we_print_means_the_same_to_both(text in message()) {
        let printed = parse_datagram(text.as_bytes()).expect("read").to_bytes();
        prop_assert_eq!(theirs(&String::from_utf8(printed).expect("ASCII")), ours(&text));
    }
}
