//! parse(print(x)) == x for generated messages and values; the laws for random and mutated bytes.

mod corpus;
mod laws;

use linecard_sip::{
    message::{
        CSeq, HeaderName, Message, Method, NameAddr, Params, Request, Response, StatusCode, Via,
        parse_datagram,
    },
    uri::{Host, OtherUri, SipUri, TelUri, Uri, escape_user},
};
use proptest::{collection::vec, option, prelude::*, string::string_regex};

fn text(pattern: &str) -> impl Strategy<Value = String> + use<> {
    string_regex(pattern).expect("pattern")
}

fn token() -> impl Strategy<Value = String> {
    text("[A-Za-z0-9.!%*_+`'~-]{1,12}")
}

fn host() -> impl Strategy<Value = Host> {
    prop_oneof![
        text("[a-z][a-z0-9-]{0,10}(\\.[a-z]{2,6}){0,2}").prop_map(Host::Name),
        any::<[u8; 4]>().prop_map(|octets| Host::V4(octets.into())),
        any::<[u8; 16]>().prop_map(|octets| Host::V6(octets.into())),
    ]
}

fn params(value: impl Strategy<Value = String> + 'static) -> impl Strategy<Value = Params> {
    vec((token(), option::of(value)), 0..4).prop_map(|pairs| {
        let mut params = Params::new();
        pairs.iter().for_each(|(name, value)| params.set(name, value.as_deref()));
        params
    })
}

fn uri_params() -> impl Strategy<Value = Params> {
    params(text("[A-Za-z0-9\\[\\]/:&+$%._~-]{1,12}"))
}

fn header_params() -> impl Strategy<Value = Params> {
    params(prop_oneof![
        text("[A-Za-z0-9.!%*_+`'~\\[\\]:-]{1,12}").boxed(),
        text("\"([a-zA-Z ,;<>@=Я-я]|\\\\[\"\\\\a]){0,12}\"").boxed(),
    ])
}

fn sip_uri() -> impl Strategy<Value = SipUri> {
    let user = (text("[A-Za-z0-9%&=+$,;?/.!~*'()#_-]{1,12}"), option::of(text("[a-z0-9%&=+$,:]{0,8}")));
    let headers = option::of(text("[A-Za-z0-9%=&._-]{0,20}"));
    (any::<bool>(), option::of(user), host(), option::of(1..u16::MAX), uri_params(), headers).prop_map(
        |(secure, user, host, port, params, headers)| {
            let (user, password) = user.map_or((None, None), |(user, password)| (Some(user), password));
            SipUri { secure, user, password, host, port, params, headers }
        },
    )
}

fn uri() -> impl Strategy<Value = Uri> {
    let tel = (text("\\+?[0-9().-]{1,15}"), uri_params());
    let other = ("[a-z][a-z0-9+.-]{0,8}x", text("[!#-;=?-~]{1,20}"));
    prop_oneof![
        4 => sip_uri().prop_map(Uri::Sip),
        1 => tel.prop_map(|(number, params)| Uri::Tel(TelUri { number, params })),
        1 => other.prop_map(|(scheme, rest)| Uri::Other(OtherUri { scheme, rest })),
    ]
}

/// A display name of any bytes but those that no value may carry.
fn display() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>().prop_filter("one line", |byte| !matches!(byte, 0 | b'\r' | b'\n')), 0..20)
}

fn address() -> impl Strategy<Value = NameAddr> {
    (option::of(display()), uri(), header_params()).prop_map(|(display, uri, params)| NameAddr {
        display,
        uri,
        params,
    })
}

fn via() -> impl Strategy<Value = Via> {
    (token(), host(), option::of(1..u16::MAX), header_params())
        .prop_map(|(transport, host, port, params)| Via { transport, host, port, params })
}

fn method() -> impl Strategy<Value = Method> {
    prop_oneof![
        Just(Method::Invite),
        Just(Method::Register),
        token().prop_map(|token| Method::from(token.as_str()))
    ]
}

/// Requests and responses with all mandatory headers, others of any bytes, and any body.
fn message() -> impl Strategy<Value = Message> {
    let mandatory = (vec(via(), 1..4), address(), address(), text("[!-~]{1,20}"), 0..1u32 << 31);
    let others = vec((text("X-[A-Za-z0-9.!%*_+`'~-]{0,12}"), vec(any::<u8>(), 0..40)), 0..6);
    let start = prop_oneof![uri().prop_map(Ok), (100..700u16, vec(any::<u8>(), 0..20)).prop_map(Err)];
    (start, method(), mandatory, vec(address(), 0..3), others, vec(any::<u8>(), 0..80)).prop_map(
        |(start, method, (vias, from, to, call_id, number), contacts, others, body)| {
            let mut request = Request::new(method.clone(), Uri::Sip(SipUri::new(Host::Name("h".to_owned()))));
            let headers = &mut request.headers;
            vias.iter().for_each(|via| headers.push(HeaderName::Via, via.to_bytes()));
            headers.push(HeaderName::From, from.to_bytes());
            headers.push(HeaderName::To, to.to_bytes());
            headers.push(HeaderName::CallId, call_id);
            headers.push(HeaderName::CSeq, CSeq { number, method }.to_string());
            contacts.iter().for_each(|contact| headers.push(HeaderName::Contact, contact.to_bytes()));
            headers.push(HeaderName::ContentLength, body.len().to_string());
            others.into_iter().for_each(|(name, value)| headers.push(HeaderName::from(name.as_str()), value));
            request.body = body;
            match start {
                Ok(mut uri) => {
                    if let Uri::Sip(uri) = &mut uri {
                        uri.headers = None;
                    }
                    Message::Request(Request { uri, ..request })
                }
                Err((status, mut reason)) => {
                    reason.retain(|byte| !matches!(byte, 0 | b'\r' | b'\n'));
                    let status = StatusCode::new(status).expect("in range");
                    Message::Response(Response {
                        status,
                        reason,
                        headers: request.headers,
                        body: request.body,
                    })
                }
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn a_printed_message_reads_as_itself(message in message()) {
        let printed = message.to_bytes();
        prop_assert_eq!(parse_datagram(&printed), Ok(message));
    }

    #[test]
    fn a_printed_message_passes_a_stream(message in message(), piece in 1..50usize) {
        laws::stream(&[message.to_bytes(), b"\r\n\r\n".to_vec(), message.to_bytes()].concat(), piece);
        let frames = laws::frames(&[&message.to_bytes()]);
        prop_assert!(matches!(frames.as_slice(), [Ok(linecard_sip::frame::Frame::Message(same))] if *same == message));
    }

    #[test]
    fn a_printed_uri_reads_as_itself(uri in uri()) {
        prop_assert_eq!(Uri::parse(uri.to_string().as_bytes()), Ok(uri));
    }

    #[test]
    fn a_printed_address_reads_as_itself(address in address()) {
        prop_assert_eq!(NameAddr::parse(&address.to_bytes()), Ok(address));
    }

    #[test]
    fn a_printed_via_reads_as_itself(via in via()) {
        prop_assert_eq!(Via::parse(&via.to_bytes()), Ok(via));
    }

    #[test]
    fn random_bytes_break_no_law(bytes in vec(any::<u8>(), 0..400), piece in 1..20usize) {
        laws::datagram(&bytes);
        laws::stream(&bytes, piece);
        laws::uri(&bytes);
    }

    #[test]
    fn random_uris_break_no_law(text in "(sips?|tel|x):[ -~]{0,40}") {
        laws::uri(text.as_bytes());
    }
}

/// A change to a message: what it does, where, with what.
#[derive(Debug, Clone)]
enum Mutation {
    Put(usize, u8),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Repeat(usize, usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let telling: Vec<&'static [u8]> = vec![
        b"\r\n",
        b"\r\n ",
        b"\r",
        b"\n",
        b"\0",
        b"\\",
        b"\"",
        b"<",
        b">",
        b",",
        b";",
        b":",
        b"=",
        b"@",
        b"?",
        b"%00",
        b"%0d%0a",
        b"[",
        b"]",
        b"::",
        b"SIP/2.0 ",
        b"ACK ",
        b"\r\nl: 5",
        b"\r\nVia: ",
        b"\xC8\xE2",
        b"*",
    ];
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Put(at, byte)),
        (any::<usize>(), proptest::sample::select(telling))
            .prop_map(|(at, bytes)| Mutation::Insert(at, bytes.to_vec())),
        (any::<usize>(), 0..30usize).prop_map(|(at, length)| Mutation::Remove(at, length)),
        (any::<usize>(), 0..60usize).prop_map(|(at, length)| Mutation::Repeat(at, length)),
    ]
}

fn mutate(bytes: &mut Vec<u8>, mutation: &Mutation) {
    let length = bytes.len();
    let place = |at: usize| at % (length + 1);
    match mutation {
        Mutation::Put(at, byte) if length > 0 => {
            bytes.iter_mut().skip(at % length).take(1).for_each(|slot| *slot = *byte);
        }
        Mutation::Put(..) => {}
        Mutation::Insert(at, new) => drop(bytes.splice(place(*at)..place(*at), new.iter().copied())),
        Mutation::Remove(at, count) => drop(bytes.drain(place(*at)..length.min(place(*at) + count))),
        Mutation::Repeat(at, count) => {
            let range = place(*at)..length.min(place(*at) + count);
            let again = bytes.get(range.clone()).unwrap_or_default().to_vec();
            drop(bytes.splice(range.start..range.start, again));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn mutated_torture_messages_break_no_law(mutations in vec(mutation(), 1..5), piece in 1..40usize) {
        let mut messages: Vec<Vec<u8>> = corpus::rfc4475().into_iter().map(|torture| torture.bytes).collect();
        messages.extend(corpus::rfc5118().into_iter().map(|(_, _, bytes)| bytes));
        for mut bytes in messages {
            mutations.iter().for_each(|mutation| mutate(&mut bytes, mutation));
            laws::datagram(&bytes);
            laws::stream(&bytes, piece);
        }
    }
}

proptest! {
    #[test]
    fn any_text_can_be_a_user_part_and_is_given_back(user in "\\PC{1,20}|[\\x01-\\x7f]{1,20}") {
        let uri = SipUri { user: Some(escape_user(&user)), ..SipUri::new(Host::Name("pbx".to_owned())) };
        let printed = Uri::from(uri).to_string();
        prop_assert!(printed.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"#".contains(&byte)), "{}", printed);
        let read = Uri::parse(printed.as_bytes()).expect("a URI");
        prop_assert_eq!(read.as_sip().and_then(SipUri::user_decoded), Some(user.into_bytes()));
    }
}

#[test]
fn a_service_code_is_dialled_with_its_hash_escaped() {
    assert_eq!(escape_user("*21#"), "*21%23");
    assert_eq!(escape_user("+78312123456"), "+78312123456");
    assert_eq!(escape_user("a%23@b:c"), "a%2523%40b%3Ac");
}
